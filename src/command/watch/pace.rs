//! How often the screens get something new: often enough for people, seldom enough for the packets.

use std::time::{Duration, Instant};

/// Nobody reads faster.
const INTERVAL: Duration = Duration::from_millis(250);
/// Without packets only the clock goes on.
const IDLE: Duration = Duration::from_secs(1);
/// Times that a snapshot takes which go by until the next one, while packets come and while none do.
const SHARE: u32 = 19;
const IDLE_SHARE: u32 = 99;
/// The same of answers to questions, which take less.
const BUSY_SHARE: u32 = 4;

/// When all was looked at last, when a question was answered, and what that took.
#[derive(Debug)]
pub struct Pace {
    looked: Last,
    answered: Last,
}

#[derive(Debug)]
struct Last {
    at: Instant,
    cost: Duration,
}

impl Pace {
    /// Everything is due.
    pub fn new() -> Self {
        let now = Instant::now();
        let last = || Last {
            at: now.checked_sub(IDLE).unwrap_or(now),
            cost: Duration::ZERO,
        };
        Self {
            looked: last(),
            answered: last(),
        }
    }

    /// Whether something is to be done about what is new.
    pub fn is_due(&self, news: News) -> bool {
        let Self { looked, answered } = self;
        let (last, wait) = match news {
            News::Packets => (looked, INTERVAL.max(looked.cost * SHARE)),
            News::Time => (looked, IDLE.max(looked.cost * IDLE_SHARE)),
            News::Question { busy: true } => (answered, answered.cost * BUSY_SHARE),
            News::Question { busy: false } => return true,
        };
        last.at.elapsed() >= wait
    }

    /// That was done about it, from that time on.
    pub fn done(&mut self, news: News, since: Instant) {
        let at = Instant::now();
        let cost = at.duration_since(since);
        match news {
            News::Packets | News::Time => self.looked = Last { at, cost },
            News::Question { .. } => self.answered = Last { at, cost },
        }
    }
}

/// What is new since the last snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Packets came.
    Packets,
    /// Other flows are asked for.
    Question {
        /// Packets come.
        busy: bool,
    },
    /// Only the time.
    Time,
}
