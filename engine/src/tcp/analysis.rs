//! What went wrong between the ends: data sent again, closed windows, bytes that nobody saw; and round trips.
//!
//! The reference is Wireshark's `tcp.analysis` (User's Guide §7.5); [`Counts`] says where and why this differs. Unlike
//! there, the ranges of numbers that were seen are kept, so that a packet that comes late is told from one that is
//! sent again.

use mirrorscope_dissectors::Tcp;
use serde::{Deserialize, Serialize};

use super::counts::{Counts, Rtt, up};
use super::half::{Facts, Half, Tick, occupied};
use super::history::{Letter, noted};
use super::number::{Seen, before, between};
use super::options::{Options, TcpOption};
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

/// What is known beyond states and history, once a conversation has got beyond its handshake.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Analysis {
    senders: [Sender; 2],
    /// Time of the latest packet.
    last: Timestamp,
    /// Longest silence in nanoseconds.
    idle: u64,
    /// From the SYN+ACK to the first ACK in nanoseconds.
    towards_originator: Option<u64>,
    /// From the SYN to the first ACK in nanoseconds.
    handshake: Option<u64>,
}

/// What one end sent lately.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Sender {
    counts: Counts,
    rtt: Rtt,
    /// Numbers seen of it.
    seen: Option<Seen>,
    /// When the highest of them was seen.
    advanced: Timestamp,
    /// Its latest acknowledgement, and the highest that passed.
    acknowledged: Option<u32>,
    /// When it last sent an acknowledgement.
    acknowledged_at: Timestamp,
    /// Highest number that it acknowledged selectively.
    selected: Option<u32>,
    /// Since when it asks for what is missing, by duplicate or selective acknowledgements.
    asks_since: Option<Timestamp>,
    /// Its window in the latest packet, unscaled.
    window: Option<u16>,
    /// Duplicates of its latest acknowledgement.
    duplicates: u16,
    /// What its latest packet was.
    latest: Kind,
    /// The number after the data that is timed, and when that passed.
    timed: Option<(u32, Timestamp)>,
    /// Acknowledged numbers of it that were not seen, and packets to wait for them.
    gap: Option<(u32, u32, u8)>,
    /// Gaps, packets with repeated payload and closed windows, as the history notes them.
    gaps: u16,
    repeats: u16,
    closed_windows: u16,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Kind {
    #[default]
    Usual,
    KeepAlive,
    Probe,
}

/// Letters that a packet adds to the history, and whose they are.
pub(super) type Noted = [Option<(usize, Letter)>; 4];

/// What the analysis must know of the rest of the conversation.
#[derive(Clone, Copy)]
pub(super) struct Context<'a> {
    pub(super) halves: &'a [Half; 2],
    /// Both ends took part in the handshake.
    pub(super) opened: bool,
    /// What the packet acknowledges can be of this connection.
    pub(super) believed: bool,
    /// Bits by which windows of each end are shifted, if that is known.
    pub(super) scales: [Option<u8>; 2],
}

fn nanoseconds(from: Timestamp, to: Timestamp) -> u64 {
    u64::try_from(to.since(from)).unwrap_or_default()
}

impl Analysis {
    /// Begins with what is known of the ends' handshake.
    pub(super) fn new(halves: &[Half; 2], time: Timestamp) -> Self {
        let sender = |half: &Half| Sender {
            seen: half.seen_so_far(),
            advanced: time,
            acknowledged: half.acknowledged_so_far(),
            acknowledged_at: time,
            closed_windows: u16::from(half.facts.has(Facts::ZERO_WINDOW)),
            ..Sender::default()
        };
        let [zero, one] = halves;
        Self {
            senders: [sender(zero), sender(one)],
            last: time,
            idle: 0,
            towards_originator: None,
            handshake: None,
        }
    }

    pub(super) fn counts(&self, side: usize) -> Counts {
        self.sender(side).map(|s| s.counts).unwrap_or_default()
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
        let open = |sender: &Sender| sender.gap.is_some() && noted(sender.gaps + 1);
        [0, 1]
            .into_iter()
            .filter(move |side| self.sender(*side).is_some_and(open))
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
        let way_to_sender = match context.halves.get(side) {
            Some(half) if half.syn > 0 => self.towards_originator,
            _ => self
                .handshake
                .zip(self.towards_originator)
                .map(|(whole, originator)| whole.saturating_sub(originator)),
        };
        let [zero, one] = &mut self.senders;
        let (sender, peer) = if side == 0 { (zero, one) } else { (one, zero) };
        sender.counts.largest_payload = sender.counts.largest_payload.max(tcp.payload_len);
        // Zeek: who has closed needs no window, and who has reset says nothing.
        let boring = context
            .halves
            .get(1 - side)
            .is_some_and(|half| half.fin > 0)
            || context.halves.get(side).is_some_and(|half| half.rst > 0);
        let segment = Segment {
            tcp,
            time,
            start: tcp.sequence,
            end: tcp.sequence.wrapping_add(occupied(tcp)),
            peer_scale: context.scales.get(1 - side).copied().flatten(),
            round_trip: self.handshake,
            way_to_sender,
            acknowledges: (flags.ack() && context.believed).then_some(tcp.acknowledgement),
        };
        if tcp.window == 0 && !boring {
            sender.closed_windows = sender.closed_windows.saturating_add(1);
            letters[0] = noted(sender.closed_windows).then_some((side, Letter::ZeroWindow));
        }
        if sender.send(peer, &segment) {
            sender.repeats = sender.repeats.saturating_add(1);
            letters[1] = noted(sender.repeats).then_some((side, Letter::Retransmitted));
        }
        if let Some(acknowledged) = segment.acknowledges {
            peer.acknowledge(sender.acknowledged, acknowledged, &segment);
            sender.remember_ack(acknowledged, &segment);
        }
        for (place, (owner, sender)) in [(side, sender), (1 - side, peer)].into_iter().enumerate() {
            if sender.wait_for_gap() && context.opened {
                sender.gaps = sender.gaps.saturating_add(1);
                letters[2 + place] = noted(sender.gaps).then_some((owner, Letter::Gap));
            }
        }
        letters
    }

    /// Times the end of the handshake, at the first ACK of the end that sent the SYN.
    fn time_handshake(&mut self, side: usize, tcp: &Tcp<'_>, time: Timestamp, halves: &[Half; 2]) {
        let [zero, one] = halves;
        let (half, peer) = if side == 0 { (zero, one) } else { (one, zero) };
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

/// A segment and what it is to be judged by.
struct Segment<'a> {
    tcp: &'a Tcp<'a>,
    time: Timestamp,
    start: u32,
    /// The number after the last that it takes.
    end: u32,
    peer_scale: Option<u8>,
    round_trip: Option<u64>,
    /// From here to its sender and back.
    way_to_sender: Option<u64>,
    /// What it acknowledges, if that can be of this connection.
    acknowledges: Option<u32>,
}

impl Segment<'_> {
    fn plain(&self) -> bool {
        let flags = self.tcp.flags;
        !flags.syn() && !flags.fin() && !flags.rst()
    }
}

impl Sender {
    /// Takes what its segment says of its own numbers; true if the segment repeats payload.
    fn send(&mut self, peer: &Self, segment: &Segment<'_>) -> bool {
        let tcp = segment.tcp;
        let Some(mut seen) = self.seen else {
            self.seen = Some(Seen::new(segment.start, segment.end));
            self.advanced = segment.time;
            self.time_data(segment);
            self.count_zero_window(segment);
            self.latest = Kind::Usual;
            return false;
        };
        let next = seen.next();
        let kind = self.kind(peer, segment, next);
        self.latest = kind;
        match kind {
            Kind::Probe => up(&mut self.counts.zero_window_probes),
            Kind::KeepAlive => up(&mut self.counts.keep_alives),
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
            up(&mut self.counts.lost_segments);
        }
        self.count_full_window(peer, segment);
        self.count_duplicate(peer, segment, next);
        let added = seen.insert(segment.start, segment.end);
        self.seen = Some(seen);
        self.counts.unseen_bytes = self
            .counts
            .unseen_bytes
            .saturating_sub(u64::from(self.late_bytes(peer, segment, next, added.late)));
        let mut repeated = false;
        if tcp.flags.syn() {
            // That it is sent again is known from the handshake.
            if added.late > 0 {
                up(&mut self.counts.out_of_order);
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
            up(match how {
                Resent::Spurious => &mut self.counts.spurious_retransmissions,
                Resent::Fast => &mut self.counts.fast_retransmissions,
                Resent::OutOfOrder => &mut self.counts.out_of_order,
                Resent::Timeout => &mut self.counts.timeout_retransmissions,
            });
            if self
                .timed
                .is_some_and(|(end, _)| before(segment.start, end))
            {
                self.timed = None;
            }
        } else {
            self.time_data(segment);
        }
        if before(next, segment.end) {
            self.advanced = segment.time;
        }
        repeated
    }

    fn count_zero_window(&mut self, segment: &Segment<'_>) {
        if segment.tcp.window == 0 && segment.plain() {
            up(&mut self.counts.zero_windows);
        }
    }

    /// Times new data, if none is timed.
    fn time_data(&mut self, segment: &Segment<'_>) {
        if self.timed.is_none() && segment.tcp.payload_len > 0 {
            self.timed = Some((segment.end, segment.time));
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
            up(&mut self.counts.window_full);
        }
    }

    fn count_duplicate(&mut self, peer: &Self, segment: &Segment<'_>, next: u32) {
        let tcp = segment.tcp;
        let repeats = tcp.payload_len == 0
            && tcp.flags.ack()
            && segment.plain()
            && tcp.window != 0
            && self.window == Some(tcp.window)
            && segment.start == next
            && self.acknowledged == Some(tcp.acknowledgement);
        if repeats && peer.latest != Kind::KeepAlive {
            up(&mut self.counts.duplicate_acks);
            self.duplicates = self.duplicates.saturating_add(1);
            self.asks_since.get_or_insert(segment.time);
        }
    }

    /// Of bytes that come late, those that had been acknowledged.
    fn late_bytes(&self, peer: &Self, segment: &Segment<'_>, next: u32, late: u32) -> u32 {
        let Some(acknowledged) = peer.acknowledged else {
            return 0;
        };
        let beyond = between(
            if before(segment.start, next) {
                next
            } else {
                segment.start
            },
            if before(segment.end, acknowledged) {
                segment.end
            } else {
                acknowledged
            },
        );
        if before(segment.start, acknowledged) {
            late.saturating_add(beyond)
        } else {
            0
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
        let asked = self.asked_by(peer, segment);
        if asked && (again || self.can_answer(peer, segment)) {
            return Resent::Fast;
        }
        let disorder = segment.round_trip.unwrap_or(DISORDER);
        if !again && nanoseconds(self.advanced, segment.time) < disorder {
            return Resent::OutOfOrder;
        }
        Resent::Timeout
    }

    /// Whether the other end has just asked for a segment again.
    fn asked_by(&self, peer: &Self, segment: &Segment<'_>) -> bool {
        let soon = segment.round_trip.unwrap_or_default().max(SOON);
        let duplicates = peer.duplicates >= 2 && peer.acknowledged == Some(segment.start);
        let selected = peer
            .selected
            .is_some_and(|selected| !before(selected, segment.end));
        nanoseconds(peer.acknowledged_at, segment.time) < soon && (duplicates || selected)
    }

    /// Whether a segment that was not seen before may have been sent because the other end asked: it comes later than
    /// the way to its sender and back takes at least. What comes sooner was under way, behind others that overtook it.
    fn can_answer(&self, peer: &Self, segment: &Segment<'_>) -> bool {
        let asked = peer
            .asks_since
            .map_or(0, |since| nanoseconds(since, segment.time));
        match segment.way_to_sender {
            Some(way) => asked >= way,
            None => peer.duplicates >= 2,
        }
    }

    /// Takes what the other end's segment acknowledges of its numbers; `highest` is what was acknowledged before.
    fn acknowledge(&mut self, highest: Option<u32>, acknowledged: u32, segment: &Segment<'_>) {
        if highest.is_some_and(|highest| !before(highest, acknowledged)) {
            return;
        }
        if let Some((end, sent)) = self.timed
            && !before(acknowledged, end)
        {
            self.timed = None;
            if let Ok(nanoseconds) = u64::try_from(segment.time.since(sent)) {
                self.rtt.add(nanoseconds);
            }
        }
        if self.latest == Kind::Probe
            && let Some(seen) = &mut self.seen
            && acknowledged == seen.next().wrapping_add(1)
        {
            seen.insert(seen.next(), acknowledged);
        }
        let from = match (highest, &self.seen) {
            (Some(highest), _) => highest,
            (None, Some(seen)) => seen.next(),
            (None, None) => return,
        };
        let unseen = match &self.seen {
            Some(seen) => seen.unseen(from, acknowledged),
            None => between(from, acknowledged),
        };
        if unseen > 0 {
            up(&mut self.counts.acks_of_unseen);
            self.counts.unseen_bytes = self.counts.unseen_bytes.saturating_add(u64::from(unseen));
            let (from, _, left) = self.gap.unwrap_or((from, 0, PATIENCE + 1));
            self.gap = Some((from, acknowledged, left));
        }
    }

    fn remember_ack(&mut self, acknowledged: u32, segment: &Segment<'_>) {
        let tcp = segment.tcp;
        let old = |last| before(acknowledged, last);
        // What was sent before the latest tells nothing of now.
        if self.acknowledged.is_some_and(old) {
            return;
        }
        if self.acknowledged != Some(acknowledged) {
            self.duplicates = 0;
            self.selected = None;
        }
        self.acknowledged = Some(acknowledged);
        self.acknowledged_at = segment.time;
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
        if self.selected.is_some() {
            self.asks_since.get_or_insert(segment.time);
        } else if self.duplicates == 0 {
            self.asks_since = None;
        }
    }

    fn select(&mut self, blocks: impl Iterator<Item = (u32, u32)>, acknowledged: u32) {
        for (_, right) in blocks {
            // A block below the acknowledgement tells of data that came twice (RFC 2883).
            let above = before(acknowledged, right);
            if above && self.selected.is_none_or(|selected| before(selected, right)) {
                self.selected = Some(right);
            }
        }
    }

    /// Counts a packet of the wait for acknowledged bytes; true if it is over, and they did not come.
    fn wait_for_gap(&mut self) -> bool {
        let Some((from, to, left)) = &mut self.gap else {
            return false;
        };
        let missing = self.seen.is_none_or(|seen| seen.unseen(*from, *to) > 0);
        *left -= 1;
        let over = *left == 0;
        if over || !missing {
            self.gap = None;
        }
        over && missing
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
