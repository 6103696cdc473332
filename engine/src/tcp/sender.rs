//! One direction of a conversation, segment by segment.

use mirrorscope_dissectors::Tcp;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Rtt, up};
use super::half::{Facts, Half};
use super::history::noted;
use super::number::{Added, Holes, Seen, before, between, earlier};
use super::options::{Options, TcpOption};
use super::packed::Beside;
use crate::pack::{packed, packed_as, packed_enum};
use crate::time::Timestamp;

/// Within this time of the acknowledgements that ask for it a packet sent again is a fast retransmission, in
/// nanoseconds (Wireshark).
const SOON: u64 = 20_000_000;
/// Within this time packets come out of order, where the round trip is unknown, in nanoseconds (Wireshark).
const DISORDER: u64 = 3_000_000;
/// Before this time nobody sends again what was not asked for, in nanoseconds: the least that systems take (Linux'
/// `TCP_RTO_MIN`; RFC 6298 §2.4 wants a second). Data that was not seen before and comes sooner is noted in no history
/// as sent again.
const SHORTEST_TIMEOUT: u64 = 200_000_000;
/// Packets of the conversation for which acknowledged bytes that were not seen may yet come: a mirror that sends the
/// directions in two sessions reorders about that much.
const PATIENCE: u8 = 16;

/// What one end sent lately: what most packets change. Millions of these are held, and a packet waits for each line of the cache.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Sender {
    /// Numbers seen of it.
    pub(super) seen: Option<Seen>,
    /// When the highest of them was seen.
    pub(super) advanced: Timestamp,
    /// Its latest acknowledgement, and the highest that passed.
    pub(super) acknowledged: Option<u32>,
    /// When it last sent an acknowledgement.
    acknowledged_at: Timestamp,
    /// The number after the data that is timed, and when that passed.
    timed: Option<u32>,
    timed_at: Timestamp,
    /// Its window in the latest packet, unscaled.
    pub(super) window: Option<u16>,
    /// What its latest packet was.
    pub(super) latest: Kind,
    pub(super) rtt: Rtt,
    /// Payload of the largest packet, and packets with that much.
    largest: (u32, u32),
    /// Duplicates of its latest acknowledgement, and of all.
    duplicates: u16,
    duplicate_acks: u32,
    /// Since when it asks for what is missing, by duplicate or selective acknowledgements.
    asks_since: Timestamp,
    /// Packets of the conversation for which acknowledged bytes of it are waited for; it acknowledged some selectively. Which
    /// ones stands further away.
    patience: u8,
    selects: bool,
    /// What else happened, if anything did.
    trouble: Option<Box<Trouble>>,
}

packed_as!(Sender, |own, like, known: &Beside<'_>| {
    seen: like.seen,
    advanced: known.time(like.advanced, known.own.last),
    acknowledged: like.acknowledged,
    acknowledged_at: known.time(like.acknowledged_at, known.own.last),
    timed: like.timed,
    timed_at: known.time(like.timed_at, own.advanced),
    window: like.window,
    latest: like.latest,
    rtt: like.rtt,
    largest: like.largest,
    duplicates: like.duplicates,
    duplicate_acks: like.duplicate_acks,
    asks_since: known.time(like.asks_since, Timestamp::default()),
    patience: like.patience,
    selects: like.selects,
    trouble: like.trouble,
});

/// What happened to the packets of an end where not all went well.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub(super) struct Trouble {
    /// Numbers of it that were not seen.
    holes: Holes,
    /// Acknowledged numbers of it that were not seen.
    gap: (u32, u32),
    /// Highest number that it acknowledged selectively.
    selected: u32,
    /// What stands in [`Sender`] is left out.
    counts: Counts,
    /// Gaps, packets with repeated payload and closed windows, as the history notes them.
    pub(super) gaps: u16,
    pub(super) repeats: u16,
    pub(super) closed_windows: u16,
}

packed!(Trouble {
    holes,
    gap,
    selected,
    counts,
    gaps,
    repeats,
    closed_windows,
});

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Kind {
    #[default]
    Usual,
    KeepAlive,
    Probe,
}

packed_enum!(Kind {
    Usual,
    KeepAlive,
    Probe
});

/// Time from one packet to a later one.
pub(super) fn nanoseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from)).unwrap_or_default()
}

/// A segment and what it is to be judged by.
pub(super) struct Segment<'a> {
    pub(super) tcp: &'a Tcp<'a>,
    pub(super) time: Timestamp,
    pub(super) start: u32,
    /// The number after the last that it takes.
    pub(super) end: u32,
    pub(super) peer_scale: Option<u8>,
    pub(super) round_trip: Option<u64>,
    /// From here to its sender and back.
    pub(super) way_to_sender: Option<u64>,
    /// What it acknowledges, if that can be of this connection.
    pub(super) acknowledges: Option<u32>,
}

impl Segment<'_> {
    fn plain(&self) -> bool {
        let flags = self.tcp.flags;
        !flags.syn() && !flags.fin() && !flags.rst()
    }

    /// Whether the other end has just asked for it.
    fn asked_by(&self, peer: &Sender) -> bool {
        let soon = self.round_trip.unwrap_or_default().max(SOON);
        let duplicates = peer.duplicates >= 2 && peer.acknowledged == Some(self.start);
        let selected = peer
            .selected()
            .is_some_and(|selected| !before(selected, self.end));
        nanoseconds(peer.acknowledged_at, self.time) < soon && (duplicates || selected)
    }

    /// Whether it, if it was not seen before, may have been sent because the other end asked: it comes later than
    /// the way to its sender and back takes at least. What comes sooner was under way, behind others that overtook it.
    fn can_answer(&self, peer: &Sender) -> bool {
        let asked = peer
            .asks_since()
            .map_or(0, |since| nanoseconds(since, self.time));
        match self.way_to_sender {
            Some(way) => asked >= way,
            None => peer.duplicates >= 2,
        }
    }
}

impl Sender {
    /// Its window in the latest packet, unscaled; 0 if there was none.
    pub(super) fn last_window(&self) -> u16 {
        self.window.unwrap_or_default()
    }

    /// Begins with what is known of an end's handshake.
    pub(super) fn new(half: &Half, time: Timestamp) -> Self {
        let mut sender = Self {
            seen: half.seen_so_far(),
            advanced: time,
            acknowledged: half.acknowledged_so_far(),
            acknowledged_at: time,
            ..Self::default()
        };
        if half.facts.has(Facts::ZERO_WINDOW) {
            sender.trouble().closed_windows = 1;
        }
        sender
    }

    /// Bytes that it holds elsewhere.
    pub(super) fn heap_size(&self) -> usize {
        self.trouble.as_deref().map_or(0, size_of_val)
    }

    pub(super) fn trouble(&mut self) -> &mut Trouble {
        self.trouble.get_or_insert_default()
    }

    /// What happened to its packets.
    pub(super) fn counts(&self) -> Counts {
        let counts = self.trouble.as_ref().map(|trouble| trouble.counts);
        Counts {
            duplicate_acks: self.duplicate_acks,
            largest_payload: self.largest.0,
            largest_packets: self.largest.1,
            ..counts.unwrap_or_default()
        }
    }

    /// Notes the payload of a packet.
    pub(super) fn note_payload(&mut self, payload: u32) {
        if payload > self.largest.0 {
            self.largest = (payload, 0);
        }
        if payload > 0 && payload == self.largest.0 {
            up(&mut self.largest.1);
        }
    }

    fn selected(&self) -> Option<u32> {
        let trouble = self.trouble.as_ref().filter(|_| self.selects);
        trouble.map(|trouble| trouble.selected)
    }

    /// Since when it asks for what is missing, if it does.
    fn asks_since(&self) -> Option<Timestamp> {
        let asks = self.duplicates > 0 || self.selects;
        asks.then_some(self.asks_since)
    }

    /// Acknowledged bytes of it did not come so far, and the history does not tell it yet.
    pub(super) fn has_open_gap(&self) -> bool {
        let trouble = self.trouble.as_ref().filter(|_| self.patience > 0);
        trouble.is_some_and(|trouble| noted(trouble.gaps.saturating_add(1)))
    }

    /// Takes what its segment says of its own numbers; true if the segment repeats payload.
    pub(super) fn send(&mut self, peer: &Self, segment: &Segment<'_>) -> bool {
        let tcp = segment.tcp;
        // A SYN begins anew: what came before it was of another connection.
        let begins = |seen: &Seen| tcp.flags.syn() && seen.is_far(segment.start);
        let Some(next) = self
            .seen
            .as_ref()
            .filter(|seen| !begins(seen))
            .map(Seen::next)
        else {
            self.seen = Some(Seen::new(segment.start, segment.end));
            self.change_holes(|_, holes| *holes = Holes::default());
            self.advanced = segment.time;
            self.time_data(segment.tcp, segment.end, segment.time);
            self.count_zero_window(segment);
            self.latest = Kind::Usual;
            return false;
        };
        let kind = self.kind(peer, segment, next);
        self.latest = kind;
        match kind {
            Kind::Probe => up(&mut self.trouble().counts.zero_window_probes),
            Kind::KeepAlive => up(&mut self.trouble().counts.keep_alives),
            Kind::Usual => {}
        }
        if kind == Kind::Probe && segment.start == next {
            // A probe may be refused; it does not move the numbers on (Wireshark).
            return false;
        }
        self.count_zero_window(segment);
        if kind != Kind::Usual {
            return tcp.payload_len > 0;
        }
        if before(next, segment.start) {
            up(&mut self.trouble().counts.lost_segments);
        }
        self.count_full_window(peer, segment);
        self.count_duplicate(peer, segment, next);
        if let Some(acknowledged) = peer.acknowledged {
            let came = self.unseen(segment.start, earlier(segment.end, acknowledged));
            if let Some(trouble) = &mut self.trouble {
                let unseen = &mut trouble.counts.unseen_bytes;
                *unseen = unseen.saturating_sub(u64::from(came));
            }
        }
        let added = self.insert(segment.start, segment.end);
        let mut repeated = false;
        if tcp.flags.syn() {
            // That it is sent again is known from the handshake.
            if added.late > 0 {
                up(&mut self.trouble().counts.out_of_order);
            }
        } else if segment.start != segment.end && before(segment.start, next) {
            let how = self.resent(peer, segment, added.again > 0);
            let late = nanoseconds(self.advanced, segment.time) < SHORTEST_TIMEOUT;
            repeated = tcp.payload_len > 0
                && match how {
                    Resent::Spurious | Resent::Fast => true,
                    Resent::OutOfOrder => false,
                    Resent::Timeout => added.again > 0 || !late,
                };
            let counts = &mut self.trouble().counts;
            up(match how {
                Resent::Spurious => &mut counts.spurious_retransmissions,
                Resent::Fast => &mut counts.fast_retransmissions,
                Resent::OutOfOrder => &mut counts.out_of_order,
                Resent::Timeout => &mut counts.timeout_retransmissions,
            });
            if self.timed.is_some_and(|end| before(segment.start, end)) {
                self.timed = None;
            }
        } else {
            self.time_data(segment.tcp, segment.end, segment.time);
        }
        if before(next, segment.end) {
            self.advanced = segment.time;
        }
        repeated
    }

    fn count_zero_window(&mut self, segment: &Segment<'_>) {
        if segment.tcp.window == 0 && segment.plain() {
            up(&mut self.trouble().counts.zero_windows);
        }
    }

    /// Times new data, if none is timed.
    #[inline]
    pub(super) fn time_data(&mut self, tcp: &Tcp<'_>, end: u32, time: Timestamp) {
        if self.timed.is_none() && tcp.payload_len > 0 {
            self.timed = Some(end);
            self.timed_at = time;
        }
    }

    fn kind(&self, peer: &Self, segment: &Segment<'_>, next: u32) -> Kind {
        let len = segment.tcp.payload_len;
        if len > 1 || !segment.plain() {
            return Kind::Usual;
        }
        let closed = peer.window == Some(0);
        let old = self
            .acknowledged
            .is_some_and(|last| before(segment.tcp.acknowledgement, last));
        // One byte that is not acknowledged yet is sent again like any other.
        let outstanding = len == 1 && peer.acknowledged.is_some_and(|ack| before(ack, next));
        if segment.start == next {
            if len == 1 && closed {
                return Kind::Probe;
            }
        } else if segment.start == next.wrapping_sub(1) && !old {
            if closed {
                return Kind::Probe;
            } else if !outstanding {
                return Kind::KeepAlive;
            }
        }
        Kind::Usual
    }

    fn count_full_window(&mut self, peer: &Self, segment: &Segment<'_>) {
        let (Some(window), Some(acknowledged), Some(scale)) =
            (peer.window, peer.acknowledged, segment.peer_scale)
        else {
            return;
        };
        let edge = acknowledged.wrapping_add(u32::from(window) << scale);
        if segment.tcp.payload_len > 0 && segment.plain() && segment.end == edge {
            up(&mut self.trouble().counts.window_full);
        }
    }

    fn count_duplicate(&mut self, peer: &Self, segment: &Segment<'_>, next: u32) {
        let tcp = segment.tcp;
        let answers = tcp.payload_len == 0
            && tcp.flags.ack()
            && segment.plain()
            && tcp.window != 0
            && segment.start == next;
        if answers && self.repeats_answer(tcp) {
            self.note_duplicate(peer, segment.time);
        }
    }

    /// Whether a packet acknowledges what the latest did, and offers the same window.
    #[inline]
    pub(super) fn repeats_answer(&self, tcp: &Tcp<'_>) -> bool {
        self.window == Some(tcp.window) && self.acknowledged == Some(tcp.acknowledgement)
    }

    /// Counts a duplicate acknowledgement, unless it answers a keep-alive.
    pub(super) fn note_duplicate(&mut self, peer: &Self, time: Timestamp) {
        if peer.latest != Kind::KeepAlive {
            self.asks_since = self.asks_since().unwrap_or(time);
            up(&mut self.duplicate_acks);
            self.duplicates = self.duplicates.saturating_add(1);
        }
    }

    /// Why a segment does not begin with the next number.
    fn resent(&self, peer: &Self, segment: &Segment<'_>, again: bool) -> Resent {
        let tcp = segment.tcp;
        let acknowledged = peer
            .acknowledged
            .is_some_and(|ack| !before(ack, segment.end));
        if tcp.payload_len > 0 && acknowledged {
            return if again {
                Resent::Spurious
            } else {
                Resent::OutOfOrder
            };
        }
        if segment.asked_by(peer) && (again || segment.can_answer(peer)) {
            return Resent::Fast;
        }
        let disorder = segment.round_trip.unwrap_or(DISORDER);
        if !again && nanoseconds(self.advanced, segment.time) < disorder {
            return Resent::OutOfOrder;
        }
        Resent::Timeout
    }

    /// Takes what the other end's segment acknowledges of its numbers; `highest` is what was acknowledged before.
    pub(super) fn acknowledge(&mut self, highest: Option<u32>, acknowledged: u32, time: Timestamp) {
        if highest.is_some_and(|highest| !before(highest, acknowledged)) {
            return;
        }
        if self.timed.is_some_and(|end| !before(acknowledged, end)) {
            self.timed = None;
            if let Ok(nanoseconds) = u64::try_from(time.since(self.timed_at)) {
                self.rtt.add(nanoseconds);
            }
        }
        let next = self.seen.as_ref().map(Seen::next);
        if let Some(next) = next.filter(|next| acknowledged == next.wrapping_add(1))
            && self.latest == Kind::Probe
        {
            self.insert(next, acknowledged);
        }
        let from = match (highest, &self.seen) {
            (Some(highest), _) => highest,
            (None, Some(seen)) => seen.next(),
            (None, None) => return,
        };
        let unseen = self.unseen(from, acknowledged);
        if unseen > 0 {
            let waits = self.patience > 0;
            let Trouble { counts, gap, .. } = self.trouble();
            up(&mut counts.acks_of_unseen);
            counts.unseen_bytes = counts.unseen_bytes.saturating_add(u64::from(unseen));
            *gap = (if waits { gap.0 } else { from }, acknowledged);
            if !waits {
                self.patience = PATIENCE + 1;
            }
        }
    }

    /// How many of the numbers from `from` to before `to` were not seen of it.
    fn unseen(&self, from: u32, to: u32) -> u32 {
        let Some(seen) = &self.seen else {
            return between(from, to);
        };
        let holes = self.trouble.as_ref().map(|trouble| &trouble.holes);
        seen.unseen(holes.unwrap_or(&Holes::default()), from, to)
    }

    /// Notes that it sent the numbers from `from` to before `to`.
    fn insert(&mut self, from: u32, to: u32) -> Added {
        let mut added = Added::default();
        self.change_holes(|seen, holes| added = seen.insert(holes, from, to));
        added
    }

    /// Changes the numbers that were seen of it, and the holes between, if there are any or come to be.
    pub(super) fn change_holes(&mut self, change: impl FnOnce(&mut Seen, &mut Holes)) {
        let Some(seen) = &mut self.seen else {
            return;
        };
        if let Some(trouble) = &mut self.trouble {
            return change(seen, &mut trouble.holes);
        }
        let mut holes = Holes::default();
        change(seen, &mut holes);
        if holes != Holes::default() {
            self.trouble().holes = holes;
        }
    }

    pub(super) fn remember_ack(&mut self, acknowledged: u32, tcp: &Tcp<'_>, time: Timestamp) {
        let old = |last| before(acknowledged, last);
        // What was sent before the latest tells nothing of now.
        if self.acknowledged.is_some_and(old) {
            return;
        }
        let asked_since = self.asks_since();
        if self.acknowledged != Some(acknowledged) {
            self.duplicates = 0;
            self.selects = false;
        }
        self.acknowledged = Some(acknowledged);
        self.acknowledged_at = time;
        // The window of a SYN is never scaled (RFC 7323 §2.2); it is the other ACKs that are compared.
        if !tcp.flags.syn() {
            self.window = Some(tcp.window);
        }
        if may_select(tcp.options) {
            for option in Options::new(tcp.options) {
                if let TcpOption::Sack(blocks) = option {
                    self.select(blocks, acknowledged);
                }
            }
        }
        if self.selects {
            self.asks_since = asked_since.unwrap_or(time);
        }
    }

    fn select(&mut self, blocks: impl Iterator<Item = (u32, u32)>, acknowledged: u32) {
        for (_, right) in blocks {
            // A block below the acknowledgement tells of data that came twice (RFC 2883).
            let above = before(acknowledged, right);
            if above
                && self
                    .selected()
                    .is_none_or(|selected| before(selected, right))
            {
                self.trouble().selected = right;
                self.selects = true;
            }
        }
    }

    /// Counts a packet of the wait for acknowledged bytes; true if it is over, and they did not come.
    pub(super) fn wait_for_gap(&mut self) -> bool {
        let Some(trouble) = self.trouble.as_ref().filter(|_| self.patience > 0) else {
            return false;
        };
        let (from, to) = trouble.gap;
        let missing = self.unseen(from, to) > 0;
        self.patience = if missing { self.patience - 1 } else { 0 };
        missing && self.patience == 0
    }

    /// Whether so many numbers more of it, from the next one on, fill nothing that is waited for, and the wait is not over with
    /// this packet.
    #[inline]
    pub(super) fn may_wait_on(&self, next: u32, len: u32) -> bool {
        let gap = |trouble: &Trouble| trouble.gap.1;
        self.patience == 0
            || self.patience > 1
                && (len == 0
                    || self
                        .trouble
                        .as_ref()
                        .is_some_and(|trouble| !before(next, gap(trouble))))
    }

    /// Counts a packet of a wait that is not over.
    #[inline]
    pub(super) fn wait_on(&mut self) {
        self.patience = self.patience.saturating_sub(1);
    }
}

/// Whether there may be selective acknowledgements among the options: nearly all packets have timestamps and their
/// padding alone, and need no closer look.
fn may_select(options: &[u8]) -> bool {
    // One block takes 10 bytes.
    options.len() >= 10 && !matches!(options, [1, 1, 8, 10, ..] if options.len() == 12)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Resent {
    Spurious,
    Fast,
    OutOfOrder,
    Timeout,
}
