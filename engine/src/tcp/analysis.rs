//! What went wrong between the ends: data sent again, closed windows, bytes that nobody saw; and round trips.
//!
//! The reference is Wireshark's `tcp.analysis` (User's Guide §7.5); [`Counts`] says where and why this differs. Unlike
//! there, the ranges of numbers that were seen are kept, so that a packet that comes late is told from one that is
//! sent again.

use mirrorscope_dissectors::Tcp;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Rtt};
use super::half::{Half, Tick, occupied, scale};
use super::history::{Letter, noted};
use super::sender::{Segment, Sender, nanoseconds};
use super::state::{both_mut, opened, roles};
use crate::time::Timestamp;

/// What is known beyond states and history, once a conversation has got beyond its handshake.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Analysis {
    pub(super) senders: [Sender; 2],
    /// Time of the latest packet.
    pub(super) last: Timestamp,
    /// Longest silence in nanoseconds.
    pub(super) idle: u64,
    /// From the SYN+ACK to the first ACK in nanoseconds.
    pub(super) towards_originator: Option<u64>,
    /// From the SYN to the first ACK in nanoseconds.
    pub(super) handshake: Option<u64>,
}

/// Letters that a packet adds to the history, and whose they are.
pub(super) type Noted = [Option<(usize, Letter)>; 4];

/// What the analysis must know of the rest of the conversation.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) halves: &'a [Half; 2],
    /// What the packet acknowledges can be of this connection.
    pub(super) believed: bool,
}

impl Analysis {
    /// Begins with what is known of the ends' handshake.
    pub(super) fn new(halves: &[Half; 2], time: Timestamp) -> Self {
        let [zero, one] = halves;
        Self {
            senders: [Sender::new(zero, time), Sender::new(one, time)],
            last: time,
            idle: 0,
            towards_originator: None,
            handshake: None,
        }
    }

    /// Bytes that it holds outside itself.
    pub(super) fn heap_size(&self) -> usize {
        self.senders.iter().map(Sender::heap_size).sum()
    }

    pub(super) fn counts(&self, side: usize) -> Counts {
        self.sender(side).map(Sender::counts).unwrap_or_default()
    }

    pub(super) fn rtt(&self, side: usize) -> Rtt {
        self.sender(side).map(|s| s.rtt).unwrap_or_default()
    }

    pub(super) fn idle(&self) -> u64 {
        self.idle
    }

    pub(super) fn towards_originator(&self) -> Option<u64> {
        self.towards_originator
    }

    fn sender(&self, side: usize) -> Option<&Sender> {
        self.senders.get(side)
    }

    /// Sides with acknowledged bytes that did not come so far, and which the history does not tell yet.
    pub(super) fn open_gaps(&self) -> impl Iterator<Item = usize> {
        [0, 1]
            .into_iter()
            .filter(|side| self.sender(*side).is_some_and(Sender::has_open_gap))
    }

    /// Takes one segment of `side`; returns what is to be noted in the history.
    pub(super) fn push(
        &mut self,
        side: usize,
        tcp: &Tcp<'_>,
        time: Timestamp,
        context: &Context<'_>,
    ) -> Noted {
        self.idle = self.idle.max(nanoseconds(self.last, time));
        self.last = self.last.max(time);
        let mut letters = Noted::default();
        let flags = tcp.flags;
        if flags.rst() {
            return letters;
        }
        self.time_handshake(side, tcp, time, context.halves);
        let (own, other) = roles(context.halves, side);
        let way_to_sender = match self.towards_originator {
            towards if own.syn > 0 => towards,
            _ => self
                .handshake
                .zip(self.towards_originator)
                .map(|(whole, originator)| whole.saturating_sub(originator)),
        };
        let (sender, peer) = both_mut(&mut self.senders, side);
        sender.note_payload(tcp.payload_len);
        // Zeek: who has closed needs no window, and who has reset says nothing.
        let boring = other.fin > 0 || own.rst > 0;
        let segment = Segment {
            tcp,
            time,
            start: tcp.sequence,
            end: tcp.sequence.wrapping_add(occupied(tcp)),
            peer_scale: (tcp.payload_len > 0).then(|| scale(other, own)).flatten(),
            round_trip: self.handshake,
            way_to_sender,
            acknowledges: (flags.ack() && context.believed).then_some(tcp.acknowledgement),
        };
        if tcp.window == 0 && !boring {
            let times = &mut sender.trouble().closed_windows;
            *times = times.saturating_add(1);
            letters[0] = noted(*times).then_some((side, Letter::ZeroWindow));
        }
        if sender.send(peer, &segment) {
            let times = &mut sender.trouble().repeats;
            *times = times.saturating_add(1);
            letters[1] = noted(*times).then_some((side, Letter::Retransmitted));
        }
        if let Some(acknowledged) = segment.acknowledges {
            peer.acknowledge(sender.acknowledged, acknowledged, time);
            sender.remember_ack(acknowledged, tcp, time);
        }
        for (place, (owner, sender)) in [(side, sender), (1 - side, peer)].into_iter().enumerate() {
            if sender.wait_for_gap() && opened(context.halves) {
                let times = &mut sender.trouble().gaps;
                *times = times.saturating_add(1);
                letters[2 + place] = noted(*times).then_some((owner, Letter::Gap));
            }
        }
        letters
    }

    /// Times the end of the handshake, at the first ACK of the end that sent the SYN.
    fn time_handshake(&mut self, side: usize, tcp: &Tcp<'_>, time: Timestamp, halves: &[Half; 2]) {
        let (half, peer) = roles(halves, side);
        let third = tcp.flags.ack()
            && !tcp.flags.syn()
            && self.towards_originator.is_none()
            && half.syn > 0
            && tcp.sequence == half.syn_number.wrapping_add(1)
            && tcp.acknowledgement == peer.syn_number.wrapping_add(1);
        // A later packet may have the same numbers: only the first is an answer to the SYN+ACK.
        let first = self.sender(side).is_some_and(|s| s.window.is_none());
        if !third || !first {
            return;
        }
        let now = Tick::of(time);
        self.towards_originator = peer.opened_once().and_then(|opened| now.since(opened));
        self.handshake = half.opened_once().and_then(|opened| now.since(opened));
    }
}
