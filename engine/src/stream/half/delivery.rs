//! Bytes on their way out.

use super::{Half, Phase, Sink, Surroundings};
use crate::stream::event::{Event, Note};
use crate::stream::pending::differing;
use crate::stream::ranges::Ranges;
use crate::time::Timestamp;

impl Half {
    pub(super) fn store(
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
    pub(super) fn place(
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
        let mut from = self.next;
        let mut conflicts = 0;
        for piece in around.history.borrow().pieces(self.history) {
            let end = from;
            from = end.saturating_sub(piece.len() as u64);
            let both = from.max(position)..end.min(position + bytes.len() as u64);
            let part = |first: u64| (both.start - first) as usize..(both.end - first) as usize;
            if !both.is_empty()
                && let Some(kept) = piece.get(part(from))
                && let Some(come) = bytes.get(part(position))
            {
                conflicts += differing(kept, come);
            }
            if from <= position {
                break;
            }
        }
        let unknown = from.saturating_sub(position).min(bytes.len() as u64) as usize;
        let (before, _) = bytes.split_at(unknown);
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
            self.history = around.history.borrow_mut().push(self.history, bytes);
        }
        if !beyond.is_empty() {
            self.note(Note::Limit, beyond.len() as u64, around, sink);
            self.phase = Phase::Full;
            self.counts.limit += self.pending.truncate(0);
            self.cuts = Ranges::default();
            self.forget();
        }
    }

    /// Delivers whatever waits without a hole in front.
    pub(super) fn drain(&mut self, around: &Surroundings<'_>, sink: Sink<'_>) {
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
}
