//! One direction of a stream.
//!
//! Positions are sequence numbers in 64 bits, so that a stream may be longer than 4 GiB; the low 32 bits of a position are
//! the number on the wire.
//!
//! Here is what a direction knows, and what it takes; where it begins and ends is in `edges`, what is given up in `holes`,
//! what goes out in `delivery`.

mod delivery;
mod edges;
mod holes;
mod selected;

use std::cell::RefCell;

use super::event::{Counts, Event, Note, Segment};
use super::history::{History, Place};
use super::pending::Pending;
use super::policy::Policy;
use super::ranges::Ranges;
use crate::flow::Side;
use crate::table::fetch;
use crate::time::Timestamp;
use selected::Selected;

/// The largest window of TCP (RFC 7323 §2.3): no segment of a stream is farther from the others.
const WINDOW: i64 = 1 << 30;
/// No more than this is under way (16 MiB): a number further on, or further in front of the first data, that comes without
/// data is of another connection.
const LEAD: u64 = 1 << 24;

/// What a direction is told together with a segment.
pub(super) struct Surroundings<'a> {
    pub policy: &'a Policy,
    /// What all streams remember.
    pub history: &'a RefCell<History>,
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

/// One direction. What most segments touch stands first, in as few lines of the cache as possible.
#[derive(Debug, Default)]
#[repr(C)]
pub(super) struct Half {
    phase: Phase,
    /// Position of the next byte to deliver.
    next: u64,
    /// Position of offset 0; moved where another connection follows.
    base: u64,
    /// Position behind the last byte that was sent, as far as segments tell.
    right: u64,
    /// Position up to which the other side has everything.
    acked: Option<u64>,
    /// Position behind the last byte of the stream, by FIN or RST.
    end: Option<u64>,
    pending: Pending,
    /// Bytes ahead that were cut from their packets.
    cuts: Ranges,
    /// What the other side has beyond what it acknowledged; only while something waits here.
    selected: Option<Box<Selected>>,
    /// Bytes that were given up.
    missed: Ranges,
    /// Where the bytes in front of `next` are remembered, if nothing is missing there.
    history: Option<Place>,
    /// Time of the last segment, and how long after the one before it came, in nanoseconds.
    touched: Timestamp,
    rested: i64,
    /// Time of the data in front of `next`.
    last: Option<Timestamp>,
    /// Number behind the last segment from elsewhere, and how many follow each other.
    stray: Option<(u32, u8)>,
    /// It is an RST that says where it ends.
    reset: bool,
    /// A deadline is set.
    pub armed: bool,
    /// The start is that of the connection: SYN was seen, or acknowledged by another.
    opened: bool,
    noted: u16,
    counts: Counts,
    /// Position of SYN.
    syn: Option<u64>,
    /// First position that the other side named while nothing of this direction was delivered.
    first_acked: Option<u64>,
}

type Sink<'a> = &'a mut dyn FnMut(Event<'_>);

impl Half {
    /// Bytes that wait, with what they cost.
    pub fn waiting(&self) -> usize {
        let selected = self.selected.as_ref().map_or(0, |s| s.memory());
        self.pending.memory() + self.cuts.memory() + selected
    }

    /// Bytes that it takes to know what was given up.
    pub fn missed(&self) -> usize {
        self.missed.memory()
    }

    /// Has brought near what most segments touch.
    pub fn fetch(&self) {
        fetch(&self.phase);
        fetch(&self.end);
        fetch(&self.selected);
        fetch(&self.touched);
        fetch(&self.counts.restarted);
    }

    /// Forgets what was delivered and given up.
    pub fn forget(&mut self) {
        self.history = None;
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

    /// Takes what a segment of the other side acknowledges.
    pub fn acknowledge(&mut self, segment: &Segment<'_>, around: &Surroundings<'_>) {
        let (position, distance) = self.position(segment.acknowledgement);
        // What is in front of the start is of an earlier connection with the same ports.
        let settled = matches!(self.phase, Phase::Running | Phase::Full);
        let first = self.syn.map_or(self.base, |syn| self.base.max(syn + 1));
        if distance.abs() > WINDOW || distance > LEAD.cast_signed() || settled && position < first {
            return;
        }
        self.hold(around.now);
        // A byte behind the FIN is the FIN itself.
        if self.reset && self.end.is_some_and(|end| position > end + 1) {
            // The other side did not believe the RST.
            self.end = None;
            self.reset = false;
        }
        if self.pending.first().is_some() && !segment.flags.syn() {
            for block in selected::blocks(segment, position, self.right) {
                let selected = self.selected.get_or_insert_default();
                selected.take(block, position, around.now);
            }
        }
        let data = self.end.map_or(position, |end| position.min(end));
        self.acked = Some(self.acked.map_or(data, |acked| acked.max(data)));
        if matches!(self.phase, Phase::Holding { .. }) {
            let first = self.first_acked.map_or(data, |first| first.min(data));
            self.first_acked = Some(first);
            if segment.flags.syn() {
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
