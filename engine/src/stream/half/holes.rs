//! Bytes that are missing.

use super::{Half, Phase, Sink, Surroundings};
use crate::stream::event::{Cause, Event, Gap, Note};
use crate::stream::ranges::Ranges;
use crate::time::Timestamp;

impl Half {
    /// Whether nothing waits, so that the passing of time changes nothing.
    pub fn is_at_rest(&self) -> bool {
        self.waiting() == 0 && !matches!(self.phase, Phase::Holding { .. })
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
        match &mut self.selected {
            Some(selected) if self.pending.first().is_some() => {
                if self.phase == Phase::Running {
                    selected.forget_before(self.next);
                }
            }
            selected => *selected = None,
        }
        !self.is_at_rest()
    }

    /// The end of a hole that nothing will fill any more.
    fn expired(&self, around: &Surroundings<'_>) -> Option<u64> {
        if self.phase != Phase::Running {
            return None;
        }
        let (start, time) = self.pending.first()?;
        let waited = around.now.since(time);
        let one_way = !around.peer_seen && waited >= around.policy.wait_one_way;
        let wait = if self.acked.is_some_and(|acked| acked >= start) {
            around.policy.wait
        } else {
            around.policy.wait_selected
        };
        let over = waited >= wait && self.arrived(start) && !self.asked(start, around);
        (over || one_way).then_some(start)
    }

    /// Whether the other side has everything up to a position, by what it acknowledged one way or the other.
    fn arrived(&self, until: u64) -> bool {
        let from = self.acked.map_or(self.next, |acked| acked.max(self.next));
        let selected = self.selected.as_ref();
        from >= until || selected.is_some_and(|selected| selected.has(from, until))
    }

    /// Whether somebody still asks for bytes of the first hole. What was acknowledged may be asked for all the same: a
    /// proxy on the way answers for the receiver, and will send them itself.
    fn asked(&self, until: u64, around: &Surroundings<'_>) -> bool {
        let since = around.now.plus(-around.policy.wait);
        let selected = self.selected.as_ref();
        selected.is_some_and(|selected| selected.asks(self.next, until, since))
    }

    /// Makes room: the first hole is given up.
    pub fn give_way(&mut self, around: &Surroundings<'_>, sink: Sink<'_>) {
        if matches!(self.phase, Phase::Holding { .. }) {
            self.start();
        }
        self.drain(around, sink);
        if let Some((until, _)) = self.pending.first() {
            self.note(Note::Memory, 1, around, sink);
            self.give_up(until, around, sink);
        } else {
            self.cuts = Ranges::default();
            self.selected = None;
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
        let arrived = self.arrived(until);
        let young = around.now.since(self.touched) < around.policy.wait;
        if before || around.ending && around.peer_seen && !arrived && young {
            Cause::OutsideTheCapture
        } else {
            Cause::NeverSeen
        }
    }

    /// Tells what is missing up to `until`, cut packets apart from others.
    pub(super) fn gap(
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
            self.history = None;
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
    pub(super) fn flush(&mut self, around: &Surroundings<'_>, sink: Sink<'_>) {
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
}
