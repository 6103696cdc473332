//! How long a mirror session was silent between two packets lately: what is usual for it.

use crate::time::{SECOND, Timestamp};

/// Shorter ones are no pauses.
const SHORT: i64 = SECOND / 20;
/// How long a pause is remembered.
const MEMORY: i64 = 600 * SECOND;
/// Pauses that are remembered, the longest ones.
const KEPT: usize = 6;

/// One pause.
#[derive(Clone, Copy, Debug, Default)]
struct Pause {
    /// Nanoseconds.
    length: i64,
    /// Arrival of the packet that ended it.
    end: Timestamp,
}

/// The longest pauses of the last ten minutes.
#[derive(Clone, Debug, Default)]
pub struct Pauses([Pause; KEPT]);

impl Pauses {
    /// Notes that a packet came so many nanoseconds after the one before it.
    #[inline]
    pub fn note(&mut self, length: i64, end: Timestamp) {
        if length >= SHORT {
            self.keep(Pause { length, end });
        }
    }

    #[cold]
    fn keep(&mut self, pause: Pause) {
        let worth = |known: &Pause| {
            let fresh = pause.end.since(known.end) <= MEMORY;
            if fresh { known.length } else { 0 }
        };
        if let Some(least) = self.0.iter_mut().min_by_key(|known| worth(known))
            && worth(least) < pause.length
        {
            *least = pause;
        }
    }

    /// The longest pause that is remembered at a time, in nanoseconds, but for those that `but` names by their end. No
    /// session is known to pause for less than a twentieth of a second.
    pub fn longest(&self, now: Timestamp, but: impl Fn(Timestamp) -> bool) -> i64 {
        let known = self.0.iter();
        let known = known.filter(|pause| now.since(pause.end) <= MEMORY && !but(pause.end));
        known
            .map(|pause| pause.length)
            .max()
            .unwrap_or(0)
            .max(SHORT)
    }

    /// When the longest pause since a time ended.
    pub fn end_of_longest(&self, since: Timestamp) -> Option<Timestamp> {
        let later = self.0.iter().filter(|pause| pause.end > since);
        later
            .max_by_key(|pause| pause.length)
            .map(|pause| pause.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    #[test]
    fn the_longest_are_remembered_for_ten_minutes() {
        let mut pauses = Pauses::default();
        for second in 0..100 {
            pauses.note(SECOND + second, at(second));
        }
        pauses.note(9 * SECOND, at(50));
        let longest = |now: i64| pauses.longest(at(now), |_| false);
        assert_eq!(longest(100), 9 * SECOND);
        assert_eq!(pauses.longest(at(100), |end| end == at(50)), SECOND + 99);
        assert_eq!(longest(660), SECOND + 99);
        assert_eq!(longest(5000), SHORT);
    }

    #[test]
    fn old_ones_make_room_for_shorter_new_ones() {
        let mut pauses = Pauses::default();
        for second in 0..10 {
            pauses.note(60 * SECOND, at(second));
        }
        pauses.note(SECOND / 2, at(5000));
        assert_eq!(pauses.longest(at(5001), |_| false), SECOND / 2);
    }

    #[test]
    fn packets_close_together_or_out_of_order_are_no_pause() {
        let mut pauses = Pauses::default();
        pauses.note(SHORT - 1, at(1));
        pauses.note(-5 * SECOND, at(1));
        assert_eq!(pauses.longest(at(1), |_| false), SHORT);
    }
}
