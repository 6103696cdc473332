//! The packet that most are: the next data of its side, or an acknowledgement, amid a connection of which nothing is
//! missing. It changes little, and is taken without a look at all else that a packet could tell.
//!
//! What comes of it is exactly what [`Conversation::push_any`] makes of it; a property test feeds both with the same packets.

use mirrorscope_dissectors::Tcp;

use super::Conversation;
use super::analysis::Analysis;
use super::half::{Facts, Half};
use super::number::{FAR, before};
use super::sender::{Kind, Sender, nanoseconds};
use super::state::both_mut;
use crate::time::Timestamp;

/// Packets with more payload are left to the general way, whose numbers may be anything.
const LONGEST: u32 = u16::MAX as u32;

impl Conversation {
    /// Takes a packet if it is a usual one; else nothing changes.
    #[inline]
    pub(super) fn push_usual(&mut self, side: usize, tcp: &Tcp<'_>, time: Timestamp) -> bool {
        let Some(analysis) = &mut self.analysis else {
            return false;
        };
        let (own, peer) = both_mut(&mut self.halves, side);
        let usual = own.tells_nothing_new(tcp)
            && peer.may_be_acknowledged(tcp.acknowledgement)
            && analysis.push_usual(side, tcp, time, own.syn > 0);
        if usual {
            own.count_data(tcp);
            own.advance(tcp, true);
        }
        usual
    }
}

impl Half {
    /// Whether all that the flags of a packet and its acknowledgement tell is known: it writes no letter, and moves no state.
    fn tells_nothing_new(&self, tcp: &Tcp<'_>) -> bool {
        let flags = tcp.flags;
        let plain = flags.ack() && !flags.syn() && !flags.fin() && !flags.rst();
        let amid = [Facts::MIDDLE, Facts::MIDDLE_ACK, Facts::ACKNOWLEDGED];
        let content = if tcp.payload_len > 0 {
            [Facts::DATA, Facts::RANGE]
        } else {
            [Facts::ACK, Facts::ACK]
        };
        // Data behind a RST may show that it was another's.
        plain
            && self.rst == 0
            && self.facts.all(&amid)
            && self.facts.all(&content)
            && (self.facts.has(Facts::PROGRESS) || self.acknowledged == tcp.acknowledgement)
    }
}

impl Analysis {
    /// `opened`: the SYN of the packet's sender was seen.
    #[inline]
    fn push_usual(&mut self, side: usize, tcp: &Tcp<'_>, time: Timestamp, opened: bool) -> bool {
        let (sender, peer) = both_mut(&mut self.senders, side);
        // The third packet of a handshake times it.
        let third = opened && self.towards_originator.is_none() && sender.window.is_none();
        let acknowledged = tcp.acknowledgement;
        if third || !peer.sent_all(sender.acknowledged, acknowledged) {
            return false;
        }
        if !sender.send_usual(peer, tcp, time) {
            return false;
        }
        self.idle = self.idle.max(nanoseconds(self.last, time));
        self.last = self.last.max(time);
        peer.acknowledge(sender.acknowledged, acknowledged, time);
        sender.remember_ack(acknowledged, tcp, time);
        sender.wait_on();
        peer.wait_on();
        true
    }
}

impl Sender {
    /// Whether nothing that an acknowledgement tells of anew is missing. `highest` is what was acknowledged before.
    fn sent_all(&self, highest: Option<u32>, acknowledged: u32) -> bool {
        let Some(highest) = highest else {
            return false;
        };
        !before(highest, acknowledged)
            || self
                .seen
                .as_ref()
                .is_some_and(|seen| seen.is_whole(highest, acknowledged))
    }

    #[inline]
    fn send_usual(&mut self, peer: &Self, tcp: &Tcp<'_>, time: Timestamp) -> bool {
        let Some(seen) = &self.seen else {
            return false;
        };
        let (start, len) = (tcp.sequence, tcp.payload_len);
        let end = start.wrapping_add(len);
        // One byte may be a probe or keep the connection alive.
        let usual = seen.next() == start
            && len != 1
            && len <= LONGEST
            && tcp.window != 0
            && self.may_wait_on(start, len)
            && peer.may_wait_on(start, 0)
            && peer
                .acknowledged
                .is_none_or(|acknowledged| start.wrapping_sub(acknowledged) < FAR)
            && !(len > 0 && may_fill_window(peer, end));
        if !usual {
            return false;
        }
        if let Some(seen) = &mut self.seen
            && len > 0
        {
            if seen.go_on(end) {
                self.change_holes(|seen, holes| holes.forget_before(seen.base()));
            }
            self.advanced = time;
            self.time_data(tcp, end, time);
            self.note_payload(len);
        } else if self.repeats_answer(tcp) {
            self.note_duplicate(peer, time);
        }
        self.latest = Kind::Usual;
        true
    }
}

/// Whether data up to `end` may be the last for which a peer has room, however its window is scaled.
fn may_fill_window(peer: &Sender, end: u32) -> bool {
    let (Some(window), Some(acknowledged)) = (peer.window, peer.acknowledged) else {
        return false;
    };
    let under_way = end.wrapping_sub(acknowledged);
    let window = u32::from(window);
    let scale = window
        .leading_zeros()
        .saturating_sub(under_way.leading_zeros());
    window.unbounded_shl(scale) == under_way
}
