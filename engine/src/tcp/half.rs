//! What one end of a conversation sent, in as few bytes as possible: millions of these are held.

use mirrorscope_dissectors::Tcp;
use serde::{Deserialize, Serialize};

use super::history::{History, Letter};
use super::number::{Seen, before};
use super::options::{Options, TcpOption};
use super::packed::Beside;
use super::state::EndState;
use crate::pack::{packed, packed_as};
use crate::time::Timestamp;

/// What one end sent. Counts stop at their largest value.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct Half {
    /// How far it has come.
    pub state: EndState,
    /// What its SYN or SYN+ACK offered: bits 0 to 3 the window scale, 15 for none; then the bits below.
    offered: u8,
    /// Letters of the history that are written, what is known, and facts.
    pub(super) facts: Facts,
    /// Flags of its first packet, as in the header.
    pub first_flags: u16,
    /// SYN packets without ACK.
    pub syn: u16,
    /// SYN+ACK packets.
    pub syn_ack: u16,
    /// FIN packets.
    pub fin: u16,
    /// RST packets.
    pub rst: u16,
    /// Maximum segment size that its SYN told; 0 for none.
    mss: u16,
    /// Packets that carry payload.
    pub data: u32,
    /// Segments in a row that were far from all others.
    strays: u8,
    /// The number after the highest one that it is known to have sent.
    next: u32,
    /// Numbers from the lowest one seen to that, the lower half.
    span: u32,
    /// The upper half: how often they wrapped.
    wraps: u16,
    /// Highest acknowledgement that it sent.
    pub(super) acknowledged: u32,
    /// Sequence number of its last SYN or SYN+ACK.
    pub(super) syn_number: u32,
    /// Sequence number of its last RST.
    pub(super) rst_number: u32,
    /// The number after its last FIN.
    pub(super) fin_end: u32,
    /// Lowest number of a RST that aborts, and does not answer a packet.
    abort_number: u32,
    /// When it first sent the SYN or SYN+ACK with that number.
    opened: Tick,
}

packed_as!(Half, |own, like, known: &Beside<'_>| {
    state: like.state,
    offered: like.offered,
    facts: like.facts,
    first_flags: like.first_flags,
    syn: like.syn,
    syn_ack: like.syn_ack,
    fin: like.fin,
    rst: like.rst,
    mss: like.mss,
    data: like.data,
    strays: like.strays,
    span: known.or(like.span, own.span_of(known.own.payload)),
    wraps: like.wraps,
    next: known.or(like.next, known.other.acknowledged),
    acknowledged: known.or(like.acknowledged, known.other.next),
    syn_number: known.or(like.syn_number, own.lowest()),
    rst_number: known.or(like.rst_number, if own.rst > 0 { own.next } else { 0 }),
    fin_end: known.or(like.fin_end, if own.fin > 0 { own.next } else { 0 }),
    abort_number: known.or(like.abort_number, 0),
    opened: known.opened(like.opened, own.saw_opening()),
});

/// Bytes of an end that may have passed unseen between its SYN and an acknowledgement.
const UNSEEN: u32 = 1 << 20;

/// No window is larger (RFC 7323 §2.3): a segment further away is damaged, or of another connection.
const FAR: i64 = 1 << 30;
/// So many of them in a row are believed.
const STRAYS: u8 = 3;

const SCALE: u8 = 0x0f;
const NO_SCALE: u8 = 15;
const SACK_PERMITTED: u8 = 0x10;
const TIMESTAMPS: u8 = 0x20;

/// Small facts, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Facts(u16);

packed!(Facts { 0 });

impl Facts {
    // Letters that are written.
    pub(super) const SYN: Self = Self(1);
    pub(super) const SYN_ACK: Self = Self(1 << 1);
    pub(super) const ACK: Self = Self(1 << 2);
    pub(super) const DATA: Self = Self(1 << 3);
    pub(super) const FIN: Self = Self(1 << 4);
    pub(super) const RST: Self = Self(1 << 5);
    pub(super) const INCONSISTENT: Self = Self(1 << 6);
    pub(super) const MULTI_FLAG: Self = Self(1 << 7);
    pub(super) const ZERO_WINDOW: Self = Self(1 << 8);
    /// `range` is known.
    pub(super) const RANGE: Self = Self(1 << 9);
    /// `acknowledged` is known.
    pub(super) const ACKNOWLEDGED: Self = Self(1 << 10);
    /// Two of its acknowledgements differ.
    pub(super) const PROGRESS: Self = Self(1 << 11);
    /// `abort_number` is known.
    const ABORT: Self = Self(1 << 12);
    /// It sent a packet without SYN, FIN and RST.
    pub(super) const MIDDLE: Self = Self(1 << 13);
    /// One of those had an acknowledgement.
    pub(super) const MIDDLE_ACK: Self = Self(1 << 14);
    /// It sent a RST that ends the conversation.
    pub(super) const ENDED: Self = Self(1 << 15);

    pub(super) fn has(self, fact: Self) -> bool {
        self.0 & fact.0 != 0
    }

    pub(super) fn all(self, facts: &[Self]) -> bool {
        facts.iter().all(|fact| self.has(*fact))
    }

    pub(super) fn any(self, facts: &[Self]) -> bool {
        facts.iter().any(|fact| self.has(*fact))
    }

    /// Notes a fact; true if it is new.
    pub(super) fn note(&mut self, fact: Self) -> bool {
        let new = !self.has(fact);
        self.0 |= fact.0;
        new
    }

    pub(super) fn drop(&mut self, fact: Self) {
        self.0 &= !fact.0;
    }
}

/// A time in steps of 64 ns that starts again after 274 s: enough between a SYN and an answer that anybody waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tick(u32);

packed!(Tick { 0 });

impl Tick {
    pub(super) fn of(time: Timestamp) -> Self {
        Self((time.0 >> 6) as u32)
    }

    /// Nanoseconds since an earlier time; `None` if it is not earlier.
    pub(super) fn since(self, earlier: Self) -> Option<u64> {
        let steps = self.0.wrapping_sub(earlier.0).cast_signed();
        u64::try_from(steps).ok().map(|steps| steps << 6)
    }
}

impl Half {
    /// What is expected of an end of a connection of which all was seen.
    pub(super) fn usual(opens: bool) -> Self {
        const BOTH: u16 = Facts::ACK.0
            | Facts::DATA.0
            | Facts::RANGE.0
            | Facts::ACKNOWLEDGED.0
            | Facts::PROGRESS.0
            | Facts::MIDDLE.0
            | Facts::MIDDLE_ACK.0;
        Self {
            state: EndState::Established,
            offered: SACK_PERMITTED | TIMESTAMPS | 7,
            facts: Facts(
                BOTH | if opens {
                    Facts::SYN.0
                } else {
                    Facts::SYN_ACK.0
                },
            ),
            first_flags: if opens { 0x02 } else { 0x12 },
            syn: opens.into(),
            syn_ack: (!opens).into(),
            mss: 1460,
            data: 1,
            ..Self::default()
        }
    }

    /// Numbers that it takes to send so many bytes, all in order.
    fn span_of(&self, payload: u64) -> u32 {
        let ends = u32::from(self.saw_opening()) + u32::from(self.fin > 0);
        (payload as u32).wrapping_add(ends)
    }

    /// Sequence numbers between the first and the last byte seen.
    pub fn span(&self) -> u64 {
        u64::from(self.wraps) << 32 | u64::from(self.span)
    }

    fn set_span(&mut self, span: u64) {
        self.wraps = (span >> 32) as u16;
        self.span = span as u32;
    }

    /// Lowest sequence number seen.
    pub(super) fn lowest(&self) -> u32 {
        self.next.wrapping_sub(self.span)
    }

    /// Lowest sequence number seen, and the number after the highest.
    pub fn numbers(&self) -> Option<(u32, u32)> {
        let known = self.facts.has(Facts::RANGE);
        known.then(|| (self.lowest(), self.next))
    }

    /// Bytes between the first and the last one seen, by their numbers: a SYN and a FIN take one each.
    pub fn stream_bytes(&self) -> u64 {
        let syn = u64::from(self.saw_opening());
        let fin = u64::from(self.fin > 0);
        self.span().saturating_sub(syn + fin)
    }

    /// The number after the highest one that it is known to have sent.
    pub fn reached(&self) -> Option<u32> {
        self.facts.has(Facts::RANGE).then_some(self.next)
    }

    /// Sequence number of its last SYN or SYN+ACK, if it sent one.
    pub(crate) fn initial_number(&self) -> Option<u32> {
        self.saw_opening().then_some(self.syn_number)
    }

    /// Its acknowledgements moved over bytes of the other end: the other end's packets do arrive there.
    pub fn acknowledges_progress(&self) -> bool {
        self.facts.has(Facts::PROGRESS)
    }

    /// It sent one SYN or more, and nothing that needs an answer to come.
    pub fn only_asks(&self) -> bool {
        self.syn > 0
            && self.syn_ack == 0
            && self.data == 0
            && self.fin == 0
            && !self.acknowledges_progress()
    }

    /// Its maximum segment size in bytes, as its SYN or SYN+ACK told (RFC 9293 §3.7.1).
    pub fn mss(&self) -> Option<u16> {
        (self.mss > 0).then_some(self.mss)
    }

    /// The window scale that its SYN or SYN+ACK offered, 0 to 14 (RFC 7323 §2).
    pub fn window_scale(&self) -> Option<u8> {
        let scale = self.offered & SCALE;
        (self.saw_opening() && scale != NO_SCALE).then_some(scale)
    }

    /// Its SYN or SYN+ACK permitted selective acknowledgements (RFC 2018 §2).
    pub fn sack_permitted(&self) -> bool {
        self.offered & SACK_PERMITTED != 0
    }

    /// Its SYN or SYN+ACK had timestamps (RFC 7323 §3).
    pub fn timestamps(&self) -> bool {
        self.offered & TIMESTAMPS != 0
    }

    /// Its SYN or SYN+ACK was seen.
    pub(super) fn saw_opening(&self) -> bool {
        self.syn > 0 || self.syn_ack > 0
    }

    /// When it first sent its SYN or SYN+ACK, if it was seen once only, so that the answer is an answer to that.
    pub(super) fn opened_once(&self) -> Option<Tick> {
        let openings = u32::from(self.syn) + u32::from(self.syn_ack);
        (openings == 1).then_some(self.opened)
    }

    /// A RST came before its FIN, as the numbers tell.
    ///
    /// A RST that answers a packet has no ACK, and the number that the packet acknowledged (RFC 9293 §3.5.2): it tells
    /// nothing of its time, but only who has closed before sends it. One that aborts has ACK and the next number.
    pub(super) fn aborted_before_fin(&self) -> bool {
        self.facts.has(Facts::ABORT) && before(self.abort_number, self.fin_end)
    }

    /// The numbers that were seen of it, if any.
    pub(super) fn seen_so_far(&self) -> Option<Seen> {
        let known = self.facts.has(Facts::RANGE);
        known.then(|| Seen::new(self.lowest(), self.next))
    }

    /// Its highest acknowledgement, if it sent any.
    pub(crate) fn acknowledged_so_far(&self) -> Option<u32> {
        let known = self.facts.has(Facts::ACKNOWLEDGED);
        known.then_some(self.acknowledged)
    }

    /// Writes that a SYN came with a closed window.
    pub(super) fn note_closed_window(&mut self, side: usize, tcp: &Tcp<'_>, history: &mut History) {
        if tcp.window == 0 && !tcp.flags.rst() && self.facts.note(Facts::ZERO_WINDOW) {
            history.write(side, Letter::ZeroWindow);
        }
    }

    /// Whether the other end's acknowledgement can be of this connection, as far as is known.
    ///
    /// An end that still knows an older connection answers a SYN with an acknowledgement of that (RFC 9293 §3.10.7.4,
    /// RFC 5961 §4): far from the SYN, which is all that was seen of this one.
    pub(super) fn may_be_acknowledged(&self, number: u32) -> bool {
        let only_syn = self.syn > 0 && self.data == 0 && self.span() <= 1;
        !only_syn || number.wrapping_sub(self.syn_number) <= UNSEEN
    }

    /// Takes one segment of it; `believed` if what it acknowledges can be of this connection.
    pub(super) fn take(&mut self, tcp: &Tcp<'_>, time: Timestamp, believed: bool) {
        let flags = tcp.flags;
        if self.state == EndState::Inactive && self.facts == Facts::default() {
            self.first_flags = flags.0;
        }
        self.count_data(tcp);
        if flags.syn() {
            let count = if flags.ack() {
                &mut self.syn_ack
            } else {
                &mut self.syn
            };
            *count = count.saturating_add(1);
            self.open(tcp, time);
        }
        if flags.fin() {
            self.fin = self.fin.saturating_add(1);
        }
        if flags.rst() {
            self.rst = self.rst.saturating_add(1);
            let lowest = !self.facts.has(Facts::ABORT) || before(tcp.sequence, self.abort_number);
            if flags.ack() && lowest {
                self.facts.note(Facts::ABORT);
                self.abort_number = tcp.sequence;
            }
        }
        if !flags.syn() && !flags.fin() && !flags.rst() {
            self.facts.note(Facts::MIDDLE);
            if flags.ack() {
                self.facts.note(Facts::MIDDLE_ACK);
            }
        }
        self.advance(tcp, believed);
    }

    fn open(&mut self, tcp: &Tcp<'_>, time: Timestamp) {
        if self.facts.any(&[Facts::SYN, Facts::SYN_ACK]) && self.syn_number == tcp.sequence {
            return;
        }
        self.opened = Tick::of(time);
        self.offered = NO_SCALE;
        self.mss = 0;
        for option in Options::new(tcp.options) {
            match option {
                TcpOption::Mss(mss) => self.mss = mss,
                TcpOption::WindowScale(scale) => self.offered = self.offered & !SCALE | scale,
                TcpOption::SackPermitted => self.offered |= SACK_PERMITTED,
                TcpOption::Timestamps { .. } => self.offered |= TIMESTAMPS,
                TcpOption::Sack(_) | TcpOption::Other(_) => {}
            }
        }
    }

    /// Counts a packet with data.
    #[inline]
    pub(super) fn count_data(&mut self, tcp: &Tcp<'_>) {
        self.data = self.data.saturating_add(u32::from(tcp.payload_len > 0));
    }

    #[inline]
    pub(super) fn advance(&mut self, tcp: &Tcp<'_>, believed: bool) {
        let flags = tcp.flags;
        // A RST may carry any number; it says nothing of the range.
        if flags.rst() {
            return;
        }
        let occupied = occupied(tcp);
        if occupied > 0 {
            self.widen(tcp.sequence, occupied);
        }
        if flags.ack() && believed {
            if occupied == 0 {
                self.reach(tcp.sequence);
            }
            let acknowledged = tcp.acknowledgement;
            if self.facts.note(Facts::ACKNOWLEDGED) {
                self.acknowledged = acknowledged;
            }
            if acknowledged != self.acknowledged {
                self.facts.note(Facts::PROGRESS);
            }
            if before(self.acknowledged, acknowledged) {
                self.acknowledged = acknowledged;
            }
        }
    }

    /// An empty segment tells that all numbers before its own were sent, whether they were seen or not.
    #[inline]
    fn reach(&mut self, number: u32) {
        let ahead = i64::from(number.wrapping_sub(self.next).cast_signed());
        if ahead > 0 && ahead <= FAR && self.facts.has(Facts::RANGE) {
            self.next = number;
            self.set_span(self.span() + ahead.cast_unsigned());
        }
    }

    /// Takes the numbers of a segment. One far from all others is believed once several of the kind have come.
    fn widen(&mut self, from: u32, occupied: u32) {
        let end = from.wrapping_add(occupied);
        let ahead = i64::from(end.wrapping_sub(self.next).cast_signed());
        if self.facts.note(Facts::RANGE) {
            self.next = end;
            self.set_span(occupied.into());
            return;
        }
        if ahead.abs() > FAR && self.strays < STRAYS {
            self.strays += 1;
            return;
        }
        self.strays = 0;
        let below = i64::from(occupied) - ahead - self.span().cast_signed();
        if ahead > 0 {
            self.next = end;
        }
        let more = ahead.max(0) + below.max(0);
        self.set_span(self.span() + more.cast_unsigned());
    }

    /// Writes the letter that a packet adds to the history by its flags, if any, and remembers its number.
    pub(super) fn note(&mut self, side: usize, tcp: &Tcp<'_>, history: &mut History) {
        let flags = tcp.flags;
        let facts = &mut self.facts;
        let letter = match (flags.syn(), flags.fin(), flags.rst()) {
            (true, false, false) => {
                let (fact, letter) = if flags.ack() {
                    (Facts::SYN_ACK, Letter::SynAck)
                } else {
                    (Facts::SYN, Letter::Syn)
                };
                let first = !facts.any(&[Facts::SYN, Facts::SYN_ACK]);
                let fresh = first || self.syn_number != tcp.sequence;
                let new = facts.note(fact);
                if new && !fresh && !flags.ack() {
                    history.syn_came_late(side);
                }
                self.syn_number = tcp.sequence;
                fresh.then_some(letter)
            }
            (false, true, false) => {
                // The number of the FIN itself is behind the data of its packet.
                let end = tcp.sequence.wrapping_add(tcp.payload_len).wrapping_add(1);
                let fresh = facts.note(Facts::FIN) || self.fin_end != end;
                self.fin_end = end;
                fresh.then_some(Letter::Fin)
            }
            (false, false, true) => {
                let fresh = facts.note(Facts::RST) || self.rst_number != tcp.sequence;
                self.rst_number = tcp.sequence;
                fresh.then_some(Letter::Rst)
            }
            (_, true, true) => facts
                .note(Facts::INCONSISTENT)
                .then_some(Letter::Inconsistent),
            (true, _, _) => facts.note(Facts::MULTI_FLAG).then_some(Letter::MultiFlag),
            (false, false, false) if tcp.payload_len > 0 => {
                facts.note(Facts::DATA).then_some(Letter::Data)
            }
            (false, false, false) if flags.ack() => facts.note(Facts::ACK).then_some(Letter::Ack),
            (false, false, false) => None,
        };
        if let Some(letter) = letter {
            history.write(side, letter);
        }
    }
}

/// Bits by which windows of `half` are shifted, if that is known.
///
/// A SYN+ACK has the option only if it answers a SYN with it, so that it tells enough of its own end; a SYN tells
/// nothing without the SYN+ACK (RFC 7323 §2.2).
pub(super) fn scale(half: &Half, peer: &Half) -> Option<u8> {
    let refuses = |half: &Half| half.saw_opening() && half.window_scale().is_none();
    if refuses(half) || refuses(peer) {
        Some(0)
    } else if peer.saw_opening() || half.syn_ack > 0 {
        half.window_scale()
    } else {
        None
    }
}

/// Sequence numbers that a segment takes: its payload, SYN and FIN.
pub(super) fn occupied(tcp: &Tcp<'_>) -> u32 {
    tcp.payload_len
        .wrapping_add(u32::from(tcp.flags.syn()))
        .wrapping_add(u32::from(tcp.flags.fin()))
}
