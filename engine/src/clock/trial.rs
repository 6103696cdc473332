//! Which unit a counter has: its steps against those of arrival, over longer and longer times.

use super::{DRIFT, Tick};
use crate::time::{SECOND, Timestamp};

/// Jitter of arrival that a unit is not blamed for: batches of interrupts and of mirrors.
const JITTER: i64 = SECOND / 50;
/// Steps shorter than this are lost in jitter.
const SHORTEST: i64 = SECOND / 10;
/// Steps are compared with a packet at most this far back.
const LONGEST: i64 = 100 * SECOND;
/// Steps that must speak for a unit more than for the one before.
const LEAD: u8 = 3;
/// The same where chance has no part, because the counter never wraps.
const SURE_LEAD: u8 = 2;
/// Steps that a measured unit must foretell.
const FORETOLD: u8 = 5;
/// Steps that fit nothing, after which there is no clock.
const ODD: u8 = 6;
/// Steps that are remembered before the older half is forgotten.
const MEMORY: u8 = 24;

/// What follows from the steps so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opinion {
    /// Nothing new.
    Keep,
    /// This unit fits, the one before does not.
    Change(Tick),
    /// None fits.
    Drop,
}

/// Steps of a counter and what they spoke for.
#[derive(Clone, Debug, Default)]
pub struct Trial {
    /// The packet that steps are counted from: arrival, counter.
    from: Option<(Timestamp, i128)>,
    /// The longest step compared.
    reached: i64,
    /// Steps that fit each known unit.
    votes: [u8; Tick::KNOWN.len()],
    /// Steps that fit nothing.
    odd: u8,
    measured: Option<Measured>,
}

/// A unit that steps were divided for.
#[derive(Clone, Copy, Debug)]
struct Measured {
    /// Nanoseconds.
    tick: f64,
    /// How wrong it may be, in parts of itself.
    error: f64,
    /// Steps that it foretold.
    foretold: u8,
}

impl Measured {
    /// The unit if the counter did not wrap.
    fn new(ticks: i128, span: i64) -> Option<Self> {
        (ticks > 0).then(|| Self {
            tick: span as f64 / ticks as f64,
            error: slack(span) as f64 / span as f64,
            foretold: 0,
        })
    }

    /// The unit after another step; `None` if it did not foretell it.
    fn refined(self, ticks: i128, wrap: i128, span: i64) -> Option<Self> {
        let (ticks, wrap, time) = (ticks as f64, wrap as f64, span as f64);
        let turns = ((time / self.tick - ticks) / wrap).round().max(0.0);
        let ticks = ticks + turns * wrap;
        let tolerance = slack(span) as f64 + self.error * time;
        if (ticks * self.tick - time).abs() > tolerance || tolerance > wrap * self.tick / 4.0 {
            return None;
        }
        let error = slack(span) as f64 / time;
        let better = error < self.error && ticks > 0.0;
        Some(Self {
            tick: if better { time / ticks } else { self.tick },
            error: error.min(self.error),
            foretold: self.foretold.saturating_add(1),
        })
    }

    fn tick(self) -> Tick {
        Tick((self.tick * 1e6).round().max(1.0) as u64)
    }
}

impl Trial {
    /// Takes the counter's value; `current` is the unit in use.
    pub fn push(
        &mut self,
        value: i128,
        wrap: i128,
        arrival: Timestamp,
        current: Option<Tick>,
    ) -> Opinion {
        let Some((start, first)) = self.from else {
            self.from = Some((arrival, value));
            return Opinion::Keep;
        };
        let span = arrival.since(start);
        if span < SHORTEST.max(self.reached.saturating_mul(2)) {
            return Opinion::Keep;
        }
        let ticks = (value - first).rem_euclid(wrap);
        let mut fits = false;
        for (votes, tick) in self.votes.iter_mut().zip(Tick::KNOWN) {
            if fits_step(tick, ticks, wrap, span) {
                *votes += 1;
                fits = true;
            }
        }
        self.measured = match self.measured {
            Some(measured) => measured.refined(ticks, wrap, span),
            None => Measured::new(ticks, span),
        };
        self.reached = span;
        if !fits && self.measured.is_none() {
            // Either end of the step may be to blame: the next one shares only the later end.
            self.odd += 1;
            self.measured = None;
            self.restart(arrival, value);
        } else if span > LONGEST {
            self.restart(arrival, value);
        }
        let opinion = self.opinion(wrap, current, fits);
        if self
            .odd
            .saturating_add(self.votes.iter().copied().max().unwrap_or(0))
            > MEMORY
        {
            self.odd /= 2;
            self.votes.iter_mut().for_each(|votes| *votes /= 2);
        }
        opinion
    }

    /// Whether steps spoke for a unit.
    pub fn confirms(&self, tick: Tick) -> bool {
        self.support(tick) >= SURE_LEAD
    }

    fn restart(&mut self, arrival: Timestamp, value: i128) {
        self.from = Some((arrival, value));
        self.reached = 0;
    }

    fn support(&self, tick: Tick) -> u8 {
        let known = Tick::KNOWN.iter().position(|known| *known == tick);
        match known.and_then(|index| self.votes.get(index)) {
            Some(votes) => *votes,
            None => self.measured.map_or(0, |measured| measured.foretold),
        }
    }

    fn opinion(&self, wrap: i128, current: Option<Tick>, known_fits: bool) -> Opinion {
        let support = current.map_or(0, |tick| self.support(tick));
        let best = Tick::KNOWN
            .into_iter()
            .max_by_key(|tick| self.support(*tick));
        if let Some(best) = best.filter(|best| Some(*best) != current) {
            let lead = if wrap > 1 << 32 { SURE_LEAD } else { LEAD };
            let votes = self.support(best);
            if votes >= support.saturating_add(lead) && votes > self.odd {
                return Opinion::Change(best);
            }
        }
        if let Some(measured) = self.measured
            && !known_fits
            && measured.foretold >= FORETOLD
            && current != Some(measured.tick())
        {
            return Opinion::Change(measured.tick());
        }
        if current.is_some() && self.odd >= ODD && self.odd > support.saturating_mul(2) {
            return Opinion::Drop;
        }
        Opinion::Keep
    }
}

/// By how much a step may miss.
fn slack(span: i64) -> i64 {
    JITTER + span / DRIFT
}

/// Whether a step of the counter takes as long as the step of arrival, wraps left aside.
fn fits_step(tick: Tick, ticks: i128, wrap: i128, span: i64) -> bool {
    let slack = i128::from(slack(span).saturating_add(tick.time(1)));
    let round = i128::from(tick.time(wrap));
    let off = i128::from(tick.time(ticks)) - i128::from(span);
    let off = off.rem_euclid(round);
    // Where the counter comes round within the slack, any step would fit.
    slack < round / 4 && off.min(round - off) <= slack
}
