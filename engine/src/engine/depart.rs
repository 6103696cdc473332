//! Flows that are over, told once each while packets come, a moment at a time.

use std::sync::Arc;

use super::Engine;
use super::look::{self, Basis, Desk, PLACES};
use super::words::{Observed, Words};
use crate::report::FlowReport;
use crate::time::Timestamp;
use crate::track::{Gone, Tracker};

pub use crate::track::End;

/// Flows that are told in one moment.
const FLOWS: usize = 256;

/// Somebody who has an engine, and lets others change what they know of it.
pub trait Lender: Desk {
    /// Does something that takes a moment. Packets may come before the next one.
    fn alter<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Engine) -> R + Send + 'static,
    ) -> Result<R, Self::Gone>;
}

/// When flows are told that go on.
#[derive(Clone, Copy, Debug, Default)]
pub struct UnderWay {
    /// After so many nanoseconds, again and again; never if it is zero.
    every: i64,
    /// The moment of the last look.
    since: Timestamp,
}

impl UnderWay {
    /// Flows that go on are told after so many nanoseconds, again and again; never if it is zero.
    pub fn every(every: i64) -> Self {
        Self {
            every,
            since: Timestamp::default(),
        }
    }

    /// Whether one is to be told that began at a time and had its last packet at another.
    fn wants(self, now: Timestamp, born: Timestamp, touched: Timestamp) -> bool {
        let turn = |time: Timestamp| time.since(born).max(0) / self.every;
        let news = now.since(touched) <= self.every;
        news && turn(now) > turn(self.since.max(born))
    }
}

/// Flows on their way to be told, and what it takes to tell them.
#[derive(Debug, Default)]
pub struct Left {
    /// Those that gave way.
    gone: Vec<Gone>,
    words: Words,
}

impl Left {
    /// Those of one moment.
    fn tell(&mut self, observed: Observed<End>, sink: &mut impl FnMut(FlowReport, End)) {
        for (end, _, report) in self.words.all(observed) {
            sink(report, end);
        }
    }
}

impl Engine {
    /// From now on flows that give way to others before they were told are kept until somebody asks: so many at most.
    pub fn keep_departed(&mut self, room: usize) {
        self.tables.flows.tracker.keep_departed(room);
    }

    /// How many of these wait.
    pub fn departed_waiting(&self) -> usize {
        self.tables.flows.tracker.departed_waiting()
    }

    fn gone(&self, basis: &Basis, known: usize, gone: &[Gone]) -> Observed<End> {
        let ground = self.ground(basis);
        let points = self.receiver.points().all();
        let flows = gone.iter().map(|gone| {
            let flow = Tracker::observe_gone(gone, points, &ground.evidence);
            (End::Evicted, flow)
        });
        let flows = flows.collect();
        Observed::new(self, known, Arc::new(ground), flows)
    }

    /// Flows from a place on that are to be told, and where the next ones begin, if there are any.
    fn departed(
        &mut self,
        basis: &Basis,
        known: usize,
        first: u32,
        under_way: UnderWay,
    ) -> (Option<Observed<End>>, Option<u32>) {
        let now = basis.at;
        let tracker = &self.tables.flows.tracker;
        let end = first.saturating_add(PLACES);
        let goes_on = |born: Timestamp, touched: Timestamp| {
            under_way.every > 0 && under_way.wants(now, born, touched)
        };
        let due = tracker.to_tell(first..end, FLOWS, now, goes_on);
        let next = match due.last() {
            Some((last, _)) if due.len() == FLOWS => last + 1,
            _ => end,
        };
        let next = (next < tracker.places()).then_some(next);
        if due.is_empty() {
            return (None, next);
        }
        let ground = self.ground(basis);
        let points = self.receiver.points().all();
        let flows = due.iter().flat_map(|(place, end)| {
            let flow = tracker.observed(*place..place + 1, points, &ground.evidence);
            flow.map(|(_, flow)| (*end, flow))
        });
        let flows = flows.collect();
        let observed = Observed::new(self, known, Arc::new(ground), flows);
        for (place, end) in due {
            if end != End::UnderWay {
                self.tables.flows.tracker.note_told(place);
            }
        }
        (Some(observed), next)
    }

    /// Gives every flow to `sink` that was not told to be over: those that left the table first, `left` before all, the
    /// others in order of appearance. The number of those that nobody kept.
    pub fn untold(&mut self, mut left: Left, mut sink: impl FnMut(FlowReport, End)) -> u64 {
        let basis = self.whole_basis();
        let (gone, missed) = self.tables.flows.tracker.take_departed();
        for gone in [std::mem::take(&mut left.gone), gone] {
            for some in gone.chunks(FLOWS) {
                let observed = self.gone(&basis, left.words.known(), some);
                left.tell(observed, &mut sink);
            }
        }
        let (ground, mut words) = (self.ground(&basis), left.words);
        words.learn(self);
        let points = self.receiver.points().all();
        for flow in self.tables.flows.tracker.untold(points, &ground.evidence) {
            sink(words.of(&ground, &flow), End::Run);
        }
        missed
    }
}

/// Gives flows to `sink` that gave way since the last look; with `under_way`, also those that are over, and those that go on for
/// long. The number of those that nobody kept.
pub fn departed<L: Lender>(
    desk: &mut L,
    under_way: Option<&mut UnderWay>,
    left: &mut Left,
    mut sink: impl FnMut(FlowReport, End),
) -> Result<u64, L::Gone> {
    // What verdicts rest on is younger than what is judged by it.
    let ((gone, missed), basis) = desk.alter(|engine| {
        let departed = engine.tables.flows.tracker.take_departed();
        (departed, engine.basis())
    })?;
    left.gone.extend(gone);
    if under_way.is_none() && left.gone.is_empty() {
        return Ok(missed);
    }
    let basis = look::gathered(desk, basis)?;
    while !left.gone.is_empty() {
        // If the reading ends meanwhile, they are told at the end.
        let some = left.gone.drain(..left.gone.len().min(FLOWS));
        let some: Arc<Vec<Gone>> = Arc::new(some.collect());
        let (of, these, known) = (Arc::clone(&basis), Arc::clone(&some), left.words.known());
        match desk.at(move |engine| engine.gone(&of, known, &these)) {
            Ok(observed) => left.tell(observed, &mut sink),
            Err(ended) => {
                left.gone.extend(Arc::into_inner(some).unwrap_or_default());
                return Err(ended);
            }
        }
    }
    let Some(under_way) = under_way else {
        return Ok(missed);
    };
    let when = *under_way;
    let mut next = Some(0);
    while let Some(first) = next {
        let (of, known) = (Arc::clone(&basis), left.words.known());
        let (some, following) = desk.alter(move |engine| {
            // Where points are described anew, the next look knows them.
            if engine.receiver.points().edition() != of.edition {
                return (None, None);
            }
            engine.departed(&of, known, first, when)
        })?;
        if let Some(some) = some {
            left.tell(some, &mut sink);
        }
        next = following;
    }
    under_way.since = basis.at;
    Ok(missed)
}
