//! What arrived in each of the last seconds.

use std::collections::VecDeque;

use mirrorscope_engine::Engine;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_tui::data::Rate;

/// Seconds that are kept.
const SECONDS: u16 = 300;

/// What arrived, by second.
#[derive(Debug, Default)]
pub struct Rates {
    /// Frames and bytes, the latest second last.
    seconds: VecDeque<Rate>,
    /// The latest second, since the Unix epoch.
    latest: i64,
    /// The last frame, if it is further from those before than what is kept: its clock is wrong, or time has jumped.
    stray: Option<(i64, Rate)>,
}

impl Rates {
    /// Counts a frame.
    pub fn count(&mut self, time: Timestamp, bytes: u32) {
        let second = second(time);
        let frame = Rate {
            frames: 1,
            bytes: u64::from(bytes),
            ..Rate::default()
        };
        if self.seconds.is_empty() || near(second, self.latest) {
            self.stray = None;
            return self.add(second, frame);
        }
        // A frame by itself says nothing; the next one does if it is of about the same time.
        if let Some((before, stray)) = self.stray.replace((second, frame))
            && near(second, before)
        {
            self.stray = None;
            self.seconds.clear();
            self.add(before, stray);
            self.add(second, frame);
        }
    }

    fn add(&mut self, second: i64, frame: Rate) {
        if second > self.latest || self.seconds.is_empty() {
            self.reach(second);
        }
        if let Some(rate) = at(&mut self.seconds, self.latest, second) {
            rate.frames += frame.frames;
            rate.bytes += frame.bytes;
        }
    }

    /// Time has come to a second, whether or not anything arrived in it.
    fn reach(&mut self, second: i64) {
        if !near(second, self.latest) || self.seconds.is_empty() {
            self.seconds.clear();
            self.latest = second.saturating_sub(1);
        }
        while self.latest < second {
            self.latest += 1;
            self.seconds.push_back(Rate::default());
            if self.seconds.len() > usize::from(SECONDS) {
                self.seconds.pop_front();
            }
        }
    }

    /// All that is known of the last seconds. Live, `now` is the time: the second that it is in is not over, and left out.
    pub fn show(&mut self, engine: &mut Engine, now: Option<Timestamp>) -> VecDeque<Rate> {
        if let Some(now) = now
            && !self.seconds.is_empty()
        {
            self.reach(second(now).max(self.latest));
        }
        let mut seconds = self.seconds.clone();
        for episode in engine.missing_when() {
            if let Some(rate) = at(&mut seconds, self.latest, second(episode.to)) {
                rate.missing += episode.missing;
            }
        }
        let dropped = engine.receiver().losses_here().iter();
        for period in dropped.flat_map(|(_, at)| at.periods()) {
            if let Some(rate) = at(&mut seconds, self.latest, second(period.to)) {
                rate.dropped += period.packets;
            }
        }
        if now.is_some() {
            seconds.pop_back();
        }
        seconds
    }
}

fn second(time: Timestamp) -> i64 {
    time.0.div_euclid(SECOND)
}

/// Whether two seconds can be kept at once.
fn near(one: i64, other: i64) -> bool {
    one.abs_diff(other) <= u64::from(SECONDS)
}

/// The rate of a second, if it is one of the last.
fn at(seconds: &mut VecDeque<Rate>, latest: i64, second: i64) -> Option<&mut Rate> {
    let back = usize::try_from(latest.checked_sub(second)?).ok()?;
    let index = seconds.len().checked_sub(back + 1)?;
    seconds.get_mut(index)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counts a frame of so many bytes in each second.
    fn counted(frames: &[(i64, u32)]) -> Rates {
        let mut rates = Rates::default();
        for &(second, bytes) in frames {
            rates.count(Timestamp(second * SECOND), bytes);
        }
        rates
    }

    fn bytes(rates: &Rates) -> Vec<u64> {
        rates.seconds.iter().map(|rate| rate.bytes).collect()
    }

    #[test]
    fn one_frame_of_another_time_changes_nothing() {
        for stray in [9_000_000_000, 10_000, 0] {
            let rates = counted(&[(5000, 1), (5001, 2), (stray, 70), (5001, 4), (5003, 8)]);
            assert_eq!((bytes(&rates), rates.latest), (vec![1, 6, 0, 8], 5003));
        }
        // Not even the first one.
        let rates = counted(&[(9_000_000_000, 70), (5000, 1), (5001, 2), (5002, 4)]);
        assert_eq!((bytes(&rates), rates.latest), (vec![1, 2, 4], 5002));
    }

    #[test]
    fn time_that_jumps_is_followed() {
        for (to, stray) in [(9000, 1), (1000, 100_000)] {
            let rates = counted(&[(5000, 1), (stray, 70), (to, 2), (to + 1, 4)]);
            assert_eq!((bytes(&rates), rates.latest), (vec![2, 4], to + 1));
        }
    }

    #[test]
    fn seconds_beyond_those_kept_are_forgotten() {
        let rates = counted(&[(5000, 1), (5001, 2), (5300, 4)]);
        let bytes = bytes(&rates);
        assert_eq!((bytes.len(), bytes[0], bytes[299]), (300, 2, 4));
    }
}
