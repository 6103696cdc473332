//! One direction of a stream.
//!
//! Positions are sequence numbers in 64 bits, so that a stream may be longer than 4 GiB; the low 32 bits of a position are
//! the number on the wire.

use super::event::{Cause, Counts, Event, Gap, Note, Segment};
use super::pending::{Pending, differing};
use super::policy::Policy;
use super::ranges::Ranges;
use crate::flow::Side;
use crate::time::Timestamp;

/// The largest window of TCP (RFC 7323 §2.3): no segment of a stream is farther from the others.
const WINDOW: i64 = 1 << 30;
/// An RST further ahead of what was seen than an unscaled window proves nothing (RFC 5961 §3.2 wants it exact).
const RST_AHEAD: u64 = 1 << 16;
/// No more than this is under way (16 MiB): a number further on, or further in front of the first data, that comes without
/// data is of another connection.
const LEAD: u64 = 1 << 24;
/// Segments in a row, each behind the one before, that show that the stream went on elsewhere.
const RUN: u8 = 4;
/// Delivered bytes that later ones are compared with.
const HISTORY: usize = 16 << 10;

/// What a direction is told together with a segment.
pub(super) struct Surroundings<'a> {
    pub policy: &'a Policy,
    pub side: Side,
    /// Time that the capture has reached.
    pub now: Timestamp,
    /// The capture is over, or the stream's place is wanted for others.
    pub ending: bool,
    /// The other side was seen.
    pub peer_seen: bool,
    /// The other side ended the stream, or began another one.
    pub peer_ended: bool,
}

/// How far a direction has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Phase {
    /// No number is known.
    #[default]
    Unknown,
    /// A number is known, but not the first: earlier data may still come.
    Holding { since: Timestamp, segments: u32 },
    /// `next` is settled.
    Running,
    /// The limit is reached.
    Full,
}

/// One direction.
#[derive(Debug, Default)]
pub(super) struct Half {
    phase: Phase,
    /// Position of offset 0; moved where another connection follows.
    base: u64,
    /// Position of the next byte to deliver.
    next: u64,
    /// Position behind the last byte that was sent, as far as segments tell.
    right: u64,
    /// Position up to which the other side has everything.
    acked: Option<u64>,
    /// First position that the other side named while nothing of this direction was delivered.
    first_acked: Option<u64>,
    /// Position of SYN.
    syn: Option<u64>,
    /// The start is that of the connection: SYN was seen, or acknowledged by another.
    opened: bool,
    /// Position behind the last byte of the stream, by FIN or RST.
    end: Option<u64>,
    /// It is an RST that says so.
    reset: bool,
    pending: Pending,
    /// Bytes ahead that were cut from their packets.
    cuts: Ranges,
    /// Bytes that were given up.
    missed: Ranges,
    /// The bytes in front of `next`, if nothing is missing among them.
    history: Vec<u8>,
    /// Time of the data in front of `next`.
    last: Option<Timestamp>,
    /// Time of the last segment, and how long after the one before it came, in nanoseconds.
    touched: Timestamp,
    rested: i64,
    /// Number behind the last segment from elsewhere, and how many follow each other.
    stray: Option<(u32, u8)>,
    counts: Counts,
    noted: u16,
    /// A deadline is set.
    pub armed: bool,
}

type Sink<'a> = &'a mut dyn FnMut(Event<'_>);

impl Half {
    /// Bytes that wait, with what they cost.
    pub fn waiting(&self) -> usize {
        self.pending.memory() + self.cuts.memory()
    }

    /// Delivered bytes kept.
    pub fn remembered(&self) -> usize {
        self.history.capacity() + self.missed.memory()
    }

    /// Forgets delivered bytes.
    pub fn forget(&mut self) {
        self.history = Vec::new();
        self.missed = Ranges::default();
    }

    /// Connections after the first.
    pub fn restarts(&self) -> u64 {
        self.counts.restarted
    }

    /// Whether FIN or RST ended it.
    pub fn ended(&self) -> bool {
        self.end.is_some()
    }

    /// The position of a number, next to what is known.
    fn position(&mut self, number: u32) -> (u64, i64) {
        if self.phase == Phase::Unknown {
            // Half a wrap above 2^32, so that earlier positions are positive too.
            self.right = (1 << 33) + u64::from(number);
            self.next = self.right;
            self.base = self.right;
        }
        let edge = self.right.max(self.acked.unwrap_or(0));
        let distance = i64::from(number.wrapping_sub(edge as u32).cast_signed());
        (edge.saturating_add_signed(distance), distance)
    }

    fn hold(&mut self, time: Timestamp) {
        if self.phase == Phase::Unknown {
            self.phase = Phase::Holding {
                since: time,
                segments: 0,
            };
        }
    }

    /// Takes the number that the other side expects next; `opening` if it came with a SYN.
    pub fn acknowledge(&mut self, number: u32, opening: bool, around: &Surroundings<'_>) {
        let (position, distance) = self.position(number);
        // What is in front of the start is of an earlier connection with the same ports.
        let settled = matches!(self.phase, Phase::Running | Phase::Full);
        if distance.abs() > WINDOW
            || distance > LEAD.cast_signed()
            || settled && position < self.base
        {
            return;
        }
        self.hold(around.now);
        // A byte behind the FIN is the FIN itself.
        if self.reset && self.end.is_some_and(|end| position > end + 1) {
            // The other side did not believe the RST.
            self.end = None;
            self.reset = false;
        }
        let data = self.end.map_or(position, |end| position.min(end));
        self.acked = Some(self.acked.map_or(data, |acked| acked.max(data)));
        if matches!(self.phase, Phase::Holding { .. }) {
            let first = self.first_acked.map_or(data, |first| first.min(data));
            self.first_acked = Some(first);
            if opening {
                // What a SYN-ACK acknowledges is a SYN, and rarely data with it.
                self.opened = true;
                self.start();
            }
        }
    }

    /// Takes a segment of this direction.
    pub fn push(&mut self, segment: &Segment<'_>, around: &Surroundings<'_>, sink: Sink<'_>) {
        let flags = segment.flags;
        self.rested = segment.time.since(self.touched);
        self.touched = segment.time;
        let (position, distance) = self.position(segment.sequence);
        if flags.syn() {
            return self.open(position, segment, around, sink);
        }
        if flags.rst() {
            return self.reset(position, around, sink);
        }
        if distance.abs() > WINDOW {
            return self.elsewhere(segment, around, sink);
        }
        self.data(position, segment, around, sink);
    }

    /// SYN, perhaps with data (RFC 7413).
    fn open(
        &mut self,
        position: u64,
        segment: &Segment<'_>,
        around: &Surroundings<'_>,
        sink: Sink<'_>,
    ) {
        let first = position + 1;
        let settled = matches!(self.phase, Phase::Running | Phase::Full);
        if !settled {
            let holding = self.phase != Phase::Unknown;
            if holding && (self.right < first || self.right - first > LEAD) {
                // What came before is of an earlier connection.
                return self.restart(segment, around, sink);
            }
            self.hold(segment.time);
            self.begin(first);
        } else if self.syn != Some(position) && !self.began_late(first, around) {
            if !self.ended() && !around.peer_ended {
                self.note(
                    Note::Elsewhere,
                    1 + segment.payload.len() as u64,
                    around,
                    sink,
                );
                return;
            }
            return self.restart(segment, around, sink);
        }
        self.syn = Some(position);
        self.opened = true;
        self.data(first, segment, around, sink);
    }

    /// Whether the stream was begun in the middle, and `first` is its true start.
    fn began_late(&self, first: u64, around: &Surroundings<'_>) -> bool {
        // A copy of a SYN is not later than any other copy.
        let late = !self.ended() || self.rested < around.policy.wait;
        let near = first < self.base && self.base - first <= LEAD;
        first == self.base || !self.opened && near && late
    }

    /// Another connection with the same addresses and ports: its bytes follow.
    fn restart(&mut self, segment: &Segment<'_>, around: &Surroundings<'_>, sink: Sink<'_>) {
        self.flush(around, sink);
        let first = self.jump(segment.sequence.wrapping_add(1));
        self.base += first - self.next;
        self.next = first;
        self.syn = Some(first - 1);
        self.opened = true;
        self.note(Note::Restarted, 1, around, sink);
        self.data(first, segment, around, sink);
    }

    /// The position of a number ahead of everything, where nothing before counts any more.
    fn jump(&mut self, number: u32) -> u64 {
        let ahead = number.wrapping_sub(self.next as u32);
        let position = self.next + u64::from(ahead);
        self.right = position;
        self.forget_all();
        position
    }

    /// Nothing that was seen of the stream counts any more.
    fn forget_all(&mut self) {
        self.acked = None;
        self.first_acked = None;
        self.end = None;
        self.reset = false;
        self.cuts = Ranges::default();
        self.forget();
        self.stray = None;
    }

    fn reset(&mut self, position: u64, around: &Surroundings<'_>, sink: Sink<'_>) {
        if self.phase == Phase::Unknown || self.ended() {
            return;
        }
        let low = match self.phase {
            Phase::Running => self.next,
            _ => self.pending.first().map_or(self.right, |first| first.0),
        };
        let low = low.min(self.acked.unwrap_or(low));
        if position >= low && position <= self.right + RST_AHEAD {
            // What was sent before may have been seen already, and is of the stream. One number more is that of a FIN.
            let seen = position <= self.right + 1;
            self.finish_at(if seen { self.right } else { position }, around, sink);
            self.reset = true;
        }
    }

    /// Nothing from `end` on is of the stream.
    fn finish_at(&mut self, end: u64, around: &Surroundings<'_>, sink: Sink<'_>) {
        self.end = Some(end);
        self.acked = self.acked.map(|acked| acked.min(end));
        let dropped = self.pending.truncate(end);
        if dropped > 0 {
            self.note(Note::BeyondEnd, dropped, around, sink);
        }
    }

    /// A segment that is too far from all others.
    fn elsewhere(&mut self, segment: &Segment<'_>, around: &Surroundings<'_>, sink: Sink<'_>) {
        if segment.payload_len == 0 {
            return;
        }
        let run = match self.stray {
            Some((expected, run)) if expected == segment.sequence => run + 1,
            _ => 1,
        };
        if run < RUN || self.phase == Phase::Full {
            let next = segment.sequence.wrapping_add(segment.payload_len);
            self.stray = Some((next, run.min(RUN)));
            self.note(Note::Elsewhere, segment.payload.len() as u64, around, sink);
            return;
        }
        self.flush(around, sink);
        let position = self.jump(segment.sequence);
        self.note(Note::Resynchronised, 1, around, sink);
        self.gap(position, Some(segment.time), Cause::NeverSeen, around, sink);
        self.data(position, segment, around, sink);
    }

    /// The payload of a segment, FIN and URG.
    fn data(
        &mut self,
        position: u64,
        segment: &Segment<'_>,
        around: &Surroundings<'_>,
        sink: Sink<'_>,
    ) {
        let claimed = u64::from(segment.payload_len.max(segment.payload.len() as u32));
        let fin = segment.flags.fin();
        if claimed == 0 && !fin && self.phase == Phase::Unknown {
            // The number of a bare acknowledgement is that of the next byte; that of a keep-alive is one less.
            return;
        }
        self.hold(segment.time);
        if segment.flags.urg() {
            self.note(Note::Urgent, 1, around, sink);
        }
        let until = position + claimed;
        if self.is_probe(position, until, segment) {
            return;
        }
        self.stray = None;
        if fin && self.end.is_none() {
            // The number of the FIN itself counts as acknowledged data until it is known as such.
            self.acked = self
                .acked
                .map(|acked| acked - u64::from(acked == until + 1));
            let settled = matches!(self.phase, Phase::Running | Phase::Full);
            let next = if settled { self.next } else { 0 };
            if until >= next.max(self.acked.unwrap_or(0)) {
                self.finish_at(until, around, sink);
            }
        }
        let end = self.end.unwrap_or(u64::MAX);
        // A bare acknowledgement has the number of the next byte, or that behind a FIN which was not seen.
        let ahead = until.saturating_sub(self.right);
        if claimed > 0 || fin || (2..=LEAD).contains(&ahead) {
            self.right = self.right.max(until.min(end));
        }
        let mut bytes = segment.payload;
        if position + bytes.len() as u64 > end {
            let keep = end.saturating_sub(position) as usize;
            let beyond = bytes.len().saturating_sub(keep);
            bytes = bytes.get(..keep).unwrap_or_default();
            self.note(Note::BeyondEnd, beyond as u64, around, sink);
        }
        let there = position + bytes.len() as u64;
        if there < until.min(end) {
            self.cuts.add(there.max(self.next), until.min(end));
        }
        if bytes.is_empty() {
            return;
        }
        match &mut self.phase {
            Phase::Holding { segments, .. } => {
                *segments += 1;
                self.store(position, bytes, segment.time, around, sink);
            }
            Phase::Running => self.place(position, bytes, segment.time, around, sink),
            Phase::Full => self.counts.limit += bytes.len() as u64,
            Phase::Unknown => {}
        }
    }

    /// A probe for life repeats the last byte, or sends any byte in its place (RFC 9293 §3.8.4).
    fn is_probe(&self, position: u64, until: u64, segment: &Segment<'_>) -> bool {
        if segment.payload_len != 1 || segment.flags.fin() || segment.flags.syn() {
            return false;
        }
        let again = until == self.right && self.phase == Phase::Running && position < self.next;
        let acked = self.acked.is_some_and(|acked| until <= acked);
        again || acked && until >= self.right && segment.payload == [0] && !segment.flags.psh()
    }

    fn store(
        &mut self,
        position: u64,
        bytes: &[u8],
        time: Timestamp,
        around: &Surroundings<'_>,
        sink: Sink<'_>,
    ) {
        let policy = around.policy;
        let conflicts = self.pending.insert(position, bytes, time, policy.overlap);
        if conflicts > 0 {
            self.note(Note::Conflict, conflicts, around, sink);
        }
    }

    /// Delivers bytes, or keeps them until what is missing in front of them has come.
    fn place(
        &mut self,
        position: u64,
        bytes: &[u8],
        time: Timestamp,
        around: &Surroundings<'_>,
        sink: Sink<'_>,
    ) {
        let old = self.next.saturating_sub(position).min(bytes.len() as u64);
        if old > 0 {
            let (repeated, _) = bytes.split_at(old as usize);
            self.compare(position, repeated, around, sink);
        }
        let bytes = bytes.get(old as usize..).unwrap_or_default();
        if bytes.is_empty() {
            return;
        }
        let position = position + old;
        let free = self.pending.first().map_or(u64::MAX, |first| first.0);
        if position == self.next && position + bytes.len() as u64 <= free {
            self.deliver(bytes, time, around, sink);
        } else {
            self.store(position, bytes, time, around, sink);
        }
        self.drain(around, sink);
    }

    /// Bytes in front of `next`: known ones, which may contradict, or late ones.
    fn compare(&mut self, position: u64, bytes: &[u8], around: &Surroundings<'_>, sink: Sink<'_>) {
        let from = self.next - self.history.len() as u64;
        let unknown = from.saturating_sub(position).min(bytes.len() as u64) as usize;
        let (before, known) = bytes.split_at(unknown);
        let start = (position.max(from) - from) as usize;
        let kept = self.history.get(start..start + known.len());
        let conflicts = kept.map_or(0, |kept| differing(kept, known));
        if conflicts > 0 {
            self.note(Note::Conflict, conflicts, around, sink);
        }
        let end = position + before.len() as u64;
        let unbegun = end.min(self.base).saturating_sub(position);
        let late = self.missed.overlap(position, end) + unbegun;
        if late > 0 {
            self.note(Note::Late, late, around, sink);
        }
    }

    /// Delivers what is next.
    fn deliver(
        &mut self,
        bytes: &[u8],
        time: Timestamp,
        around: &Surroundings<'_>,
        sink: Sink<'_>,
    ) {
        let offset = self.next - self.base;
        let room = around
            .policy
            .limit
            .map_or(u64::MAX, |l| l.saturating_sub(offset));
        let keep = (bytes.len() as u64).min(room) as usize;
        let (bytes, beyond) = bytes.split_at(keep);
        if !bytes.is_empty() {
            self.counts.delivered += bytes.len() as u64;
            sink(Event::Data {
                side: around.side,
                time,
                offset,
                bytes,
            });
            self.next += bytes.len() as u64;
            self.last = Some(time);
            self.remember(bytes, around.policy);
        }
        if !beyond.is_empty() {
            self.note(Note::Limit, beyond.len() as u64, around, sink);
            self.phase = Phase::Full;
            self.counts.limit += self.pending.truncate(0);
            self.cuts = Ranges::default();
            self.forget();
        }
    }

    fn remember(&mut self, bytes: &[u8], policy: &Policy) {
        let most = HISTORY.min(policy.history() / 2);
        let tail = bytes
            .get(bytes.len().saturating_sub(most)..)
            .unwrap_or_default();
        // Twice the room, so that bytes are moved once and not with every segment.
        if self.history.len() + tail.len() > 2 * most {
            let keep = most.saturating_sub(tail.len());
            let drop = self.history.len().saturating_sub(keep);
            self.history.drain(..drop);
        }
        let wanted = self.history.len() + tail.len();
        if wanted > self.history.capacity() {
            self.history
                .reserve_exact((2 * wanted).min(2 * most) - self.history.len());
        }
        self.history.extend_from_slice(tail);
    }

    /// Delivers whatever waits without a hole in front.
    fn drain(&mut self, around: &Surroundings<'_>, sink: Sink<'_>) {
        while self.phase == Phase::Running
            && self
                .pending
                .first()
                .is_some_and(|first| first.0 <= self.next)
            && let Some((start, piece)) = self.pending.pop()
        {
            // A stream that began at a guess may have pieces in front of its start.
            let old = (self.next - start).min(piece.bytes.len() as u64) as usize;
            if let Some(bytes) = piece.bytes.get(old..).filter(|bytes| !bytes.is_empty()) {
                self.deliver(bytes, piece.time, around, sink);
            }
        }
    }

    /// Settles the start: the lowest number that can be believed.
    fn start(&mut self) {
        let lowest = self.pending.first().map(|first| first.0);
        let acked = self.first_acked;
        let start = match (lowest, acked) {
            (Some(lowest), Some(acked)) if acked < lowest && lowest - acked <= LEAD => acked,
            (Some(lowest), _) => lowest,
            (None, Some(acked)) => acked,
            // Of a segment without any byte left.
            (None, None) => self.cuts.first().unwrap_or(self.end.unwrap_or(self.right)),
        };
        self.begin(start);
    }

    fn begin(&mut self, start: u64) {
        self.phase = Phase::Running;
        self.base = start;
        self.next = start;
        self.right = self.right.max(start);
    }

    /// What the passing of time allows: a start, or to give up holes. Says whether something waits on.
    pub fn expire(&mut self, around: &Surroundings<'_>, sink: Sink<'_>) -> bool {
        let policy = around.policy;
        if let Phase::Holding { since, segments } = self.phase {
            let waited = around.now.since(since) >= policy.start_wait;
            if waited || segments >= policy.start_segments {
                self.start();
            }
        }
        self.drain(around, sink);
        while let Some(until) = self.expired(around) {
            self.give_up(until, around, sink);
        }
        self.waiting() > 0 || matches!(self.phase, Phase::Holding { .. })
    }

    /// The end of a hole that nothing will fill any more.
    fn expired(&self, around: &Surroundings<'_>) -> Option<u64> {
        if self.phase != Phase::Running {
            return None;
        }
        let (start, time) = self.pending.first()?;
        let waited = around.now.since(time);
        let acked = self.acked.is_some_and(|acked| acked >= start);
        let one_way = !around.peer_seen && waited >= around.policy.wait_one_way;
        (acked && waited >= around.policy.wait || one_way).then_some(start)
    }

    /// Makes room: the first hole is given up.
    pub fn give_way(&mut self, around: &Surroundings<'_>, sink: Sink<'_>) {
        if matches!(self.phase, Phase::Holding { .. }) {
            self.start();
        }
        self.drain(around, sink);
        match self.pending.first() {
            Some((until, _)) => {
                self.note(Note::Memory, 1, around, sink);
                self.give_up(until, around, sink);
            }
            None => self.cuts = Ranges::default(),
        }
    }

    /// A hole up to `until` becomes a gap, and what waits behind it is delivered.
    fn give_up(&mut self, until: u64, around: &Surroundings<'_>, sink: Sink<'_>) {
        let to = self.pending.first().map(|(_, time)| time);
        let cause = self.cause(until, around);
        self.gap(until, to, cause, around, sink);
        self.drain(around, sink);
    }

    /// Why a hole is there, beside what is known of cut packets.
    fn cause(&self, until: u64, around: &Surroundings<'_>) -> Cause {
        let waiting = self.pending.first().is_some();
        // Bytes that the other side had when the first of this direction were seen were sent before.
        let before = waiting && !self.opened && self.next == self.base && self.last.is_none();
        let acked = self.acked.is_some_and(|acked| acked >= until);
        let young = around.now.since(self.touched) < around.policy.wait;
        if before || around.ending && around.peer_seen && !acked && young {
            Cause::OutsideTheCapture
        } else {
            Cause::NeverSeen
        }
    }

    /// Tells what is missing up to `until`, cut packets apart from others.
    fn gap(
        &mut self,
        until: u64,
        to: Option<Timestamp>,
        cause: Cause,
        around: &Surroundings<'_>,
        sink: Sink<'_>,
    ) {
        while self.next < until && self.phase == Phase::Running {
            let (cut, change) = self.cuts.at(self.next);
            let cause = if cut { Cause::Truncated } else { cause };
            let end = change.map_or(until, |change| change.min(until));
            let offset = self.next - self.base;
            self.counts.gaps += 1;
            self.counts.missing += end - self.next;
            sink(Event::Gap(Gap {
                side: around.side,
                offset,
                len: end - self.next,
                from: self.last,
                to,
                cause,
            }));
            self.history = Vec::new();
            self.missed.add(self.next, end);
            self.next = end;
            self.cuts.forget_before(end);
            if around
                .policy
                .limit
                .is_some_and(|limit| end - self.base >= limit)
            {
                self.counts.limit += self.pending.truncate(0);
                self.phase = Phase::Full;
            }
        }
    }

    /// Delivers everything that is there, with gaps where holes are.
    fn flush(&mut self, around: &Surroundings<'_>, sink: Sink<'_>) {
        if matches!(self.phase, Phase::Holding { .. }) {
            self.start();
        }
        self.drain(around, sink);
        while self.phase == Phase::Running
            && let Some((until, _)) = self.pending.first()
        {
            self.give_up(until, around, sink);
        }
        let mut until = self.right;
        if let Some(acked) = self.acked.filter(|acked| *acked > until) {
            // The last number of a stream whose FIN was not seen is that of the FIN.
            until = if acked == until + 1 { until } else { acked };
        }
        let until = self.end.map_or(until, |end| until.min(end));
        if until > self.next {
            self.give_up(until, around, sink);
        }
    }

    /// Ends it.
    pub fn finish(&mut self, around: &Surroundings<'_>, sink: Sink<'_>) {
        if self.phase == Phase::Unknown {
            return;
        }
        self.flush(around, sink);
        sink(Event::End {
            side: around.side,
            offset: self.next - self.base,
            counts: self.counts,
        });
    }

    /// Counts, and tells the first of its kind.
    fn note(&mut self, note: Note, amount: u64, around: &Surroundings<'_>, sink: Sink<'_>) {
        if amount == 0 {
            return;
        }
        *self.counts.slot(note) += amount;
        let bit = 1 << note as u16;
        if self.noted & bit == 0 {
            self.noted |= bit;
            sink(Event::Note {
                side: around.side,
                time: around.now,
                offset: self.next.saturating_sub(self.base),
                note,
            });
        }
    }
}
