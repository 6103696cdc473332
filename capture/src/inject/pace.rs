//! How fast frames are sent.

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

/// A long wait is made of such pieces, so that it can be ended.
const PIECE: Duration = Duration::from_millis(50);
/// By so much a sender may be late and make up for it.
const LATE: Duration = Duration::from_millis(20);
/// Waits that are shorter than the system can keep are left out, and made up for by the next.
const SHORT: Duration = Duration::from_micros(50);

/// How fast frames are sent.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// With the pauses that their times tell.
    Recorded,
    /// As fast as they come.
    Max,
    /// So many frames in a second.
    Frames(f64),
    /// So many bits in a second, by the length of frames.
    Bits(f64),
}

/// Tells frame by frame when it is time.
#[derive(Debug)]
pub(super) struct Clock {
    pace: Pace,
    /// The moment at which the first frame was sent, and its time.
    begin: Option<(Instant, i64)>,
    /// When the next frame may be sent at the earliest.
    next: Instant,
}

impl Clock {
    pub fn new(pace: Pace) -> Self {
        Self {
            pace,
            begin: None,
            next: Instant::now(),
        }
    }

    /// Waits until it is time for a frame; false if the end was asked for before.
    pub fn wait(&mut self, time: i64, len: usize, stop: &AtomicBool) -> bool {
        let due = self.due(time, len, Instant::now());
        loop {
            let left = due.saturating_duration_since(Instant::now());
            if left < SHORT {
                return true;
            }
            if stop.load(Ordering::Relaxed) {
                return false;
            }
            thread::sleep(left.min(PIECE));
        }
    }

    /// When a frame is due.
    fn due(&mut self, time: i64, len: usize, now: Instant) -> Instant {
        let seconds = match self.pace {
            Pace::Max => return now,
            Pace::Recorded => {
                let (begin, first) = *self.begin.get_or_insert((now, time));
                // One that is earlier than the first came late: it is sent at once.
                let since = time.saturating_sub(first).max(0).unsigned_abs();
                return begin
                    .checked_add(Duration::from_nanos(since))
                    .unwrap_or(now);
            }
            Pace::Frames(rate) => 1.0 / rate,
            Pace::Bits(rate) => len as f64 * 8.0 / rate,
        };
        let due = self.next.max(now.checked_sub(LATE).unwrap_or(now));
        let gap = Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX);
        self.next = due.checked_add(gap).unwrap_or(due);
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gaps(pace: Pace, frames: &[(i64, usize)]) -> Vec<u128> {
        let mut clock = Clock::new(pace);
        let now = clock.next;
        let due = frames.iter().map(|&(time, len)| clock.due(time, len, now));
        due.map(|due| due.duration_since(now).as_micros()).collect()
    }

    #[test]
    fn recorded_pauses_are_kept_and_late_frames_do_not_wait() {
        let frames = [
            (5_000_000, 60),
            (7_000_000, 60),
            (4_000_000, 60),
            (i64::MAX, 60),
        ];
        let told = gaps(Pace::Recorded, &frames);
        assert_eq!(told[..3], [0, 2000, 0]);
        assert!(told[3] > u128::from(u32::MAX));
    }

    #[test]
    fn rates_are_of_frames_or_of_bits() {
        let frames = [(0, 1250), (0, 2500), (0, 60)];
        assert_eq!(gaps(Pace::Frames(1000.0), &frames), [0, 1000, 2000]);
        assert_eq!(gaps(Pace::Bits(10e6), &frames), [0, 1000, 3000]);
        assert_eq!(gaps(Pace::Max, &frames), [0, 0, 0]);
        // Slower than anybody waits.
        assert_eq!(gaps(Pace::Bits(1e-300), &frames)[0], 0);
    }

    #[test]
    fn a_long_pause_ends_when_the_end_is_asked_for() {
        let mut clock = Clock::new(Pace::Recorded);
        let stop = AtomicBool::new(true);
        assert!(clock.wait(0, 60, &stop), "it is time for the first");
        assert!(!clock.wait(3_600_000_000_000, 60, &stop));
    }
}
