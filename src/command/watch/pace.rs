//! How often the screens get something new: often enough for people, seldom enough for the packets.

use std::time::{Duration, Instant};

/// Nobody reads faster.
const INTERVAL: Duration = Duration::from_millis(250);
/// Without packets only the clock goes on.
const IDLE: Duration = Duration::from_secs(1);
/// Times that a snapshot takes which go by until the next one, while packets come and while none do.
const SHARE: u32 = 19;
const IDLE_SHARE: u32 = 99;

/// When a snapshot was made, and what that took.
#[derive(Debug)]
pub struct Pace {
    made: Instant,
    cost: Duration,
}

impl Pace {
    /// The first one is due.
    pub fn new() -> Self {
        let now = Instant::now();
        Self {
            made: now.checked_sub(IDLE).unwrap_or(now),
            cost: Duration::ZERO,
        }
    }

    /// Whether another one is due, when so much is new.
    pub fn is_due(&self, news: News) -> bool {
        let wait = match news {
            News::Packets => INTERVAL.max(self.cost * SHARE),
            News::Question { busy: true } => self.cost * SHARE,
            News::Question { busy: false } => return true,
            News::Time => IDLE.max(self.cost * IDLE_SHARE),
        };
        self.made.elapsed() >= wait
    }

    /// One was made, from that time on.
    pub fn made(&mut self, since: Instant) {
        self.made = Instant::now();
        self.cost = self.made.duration_since(since);
    }
}

/// What is new since the last snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Packets came.
    Packets,
    /// Something else is asked for; `busy` while packets come.
    Question {
        /// Packets come.
        busy: bool,
    },
    /// Only the time.
    Time,
}
