//! Where a direction begins and ends, and where another connection follows.

use super::{Half, LEAD, Phase, Sink, Surroundings};
use crate::stream::event::{Cause, Note, Segment};
use crate::stream::ranges::Ranges;
use crate::time::Timestamp;

/// An RST further ahead of what was seen than an unscaled window proves nothing (RFC 5961 §3.2 wants it exact).
const RST_AHEAD: u64 = 1 << 16;
/// Segments in a row, each behind the one before, that show that the stream went on elsewhere.
const RUN: u8 = 4;

impl Half {
    pub(super) fn hold(&mut self, time: Timestamp) {
        if self.phase == Phase::Unknown {
            self.phase = Phase::Holding {
                since: time,
                segments: 0,
            };
        }
    }

    /// SYN, perhaps with data (RFC 7413).
    pub(super) fn open(
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
        self.selected = None;
        self.first_acked = None;
        self.end = None;
        self.reset = false;
        self.cuts = Ranges::default();
        self.forget();
        self.stray = None;
    }

    pub(super) fn reset(&mut self, position: u64, around: &Surroundings<'_>, sink: Sink<'_>) {
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
    pub(super) fn finish_at(&mut self, end: u64, around: &Surroundings<'_>, sink: Sink<'_>) {
        self.end = Some(end);
        self.acked = self.acked.map(|acked| acked.min(end));
        let dropped = self.pending.truncate(end);
        if dropped > 0 {
            self.note(Note::BeyondEnd, dropped, around, sink);
        }
    }

    /// A segment that is too far from all others.
    pub(super) fn elsewhere(
        &mut self,
        segment: &Segment<'_>,
        around: &Surroundings<'_>,
        sink: Sink<'_>,
    ) {
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

    /// Settles the start: the lowest number that can be believed.
    pub(super) fn start(&mut self) {
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
}
