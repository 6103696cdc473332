//! When the engine is looked at: a little of it about once a second, all flows of it seldom enough for the packets.

use std::time::{Duration, Instant};

/// Between two looks.
const TICK: Duration = Duration::from_secs(1);
/// Times that a pass over all flows takes which go by until the next one.
const SHARE: u32 = 19;

/// When it was looked at last.
#[derive(Debug, Default)]
pub struct Pace {
    looked: Option<Instant>,
    /// When a pass over all flows ended, and what it took.
    passed: Option<(Instant, Duration)>,
}

impl Pace {
    /// Whether a second has passed.
    pub fn ticks(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= TICK)
    }

    /// It is looked at, since then.
    pub fn looked(&mut self, since: Instant) {
        self.looked = Some(since);
    }

    /// Whether all flows may be looked at.
    pub fn is_due(&self) -> bool {
        let due = |(ended, cost): (Instant, Duration)| ended.elapsed() >= cost * SHARE;
        self.passed.is_none_or(due)
    }

    /// All flows were looked at, since then.
    pub fn done(&mut self, since: Instant) {
        let now = Instant::now();
        self.passed = Some((now, now.duration_since(since)));
    }
}
