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
}

impl Rates {
    /// Counts a frame.
    pub fn count(&mut self, time: Timestamp, bytes: u32) {
        let second = second(time);
        if second > self.latest || self.seconds.is_empty() {
            self.reach(second);
        }
        if let Some(rate) = at(&mut self.seconds, self.latest, second) {
            rate.frames += 1;
            rate.bytes += u64::from(bytes);
        }
    }

    /// Time has come to a second, whether or not anything arrived in it.
    fn reach(&mut self, second: i64) {
        if second.saturating_sub(self.latest) > i64::from(SECONDS) || self.seconds.is_empty() {
            self.seconds.clear();
            self.latest = second - 1;
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

/// The rate of a second, if it is one of the last.
fn at(seconds: &mut VecDeque<Rate>, latest: i64, second: i64) -> Option<&mut Rate> {
    let back = usize::try_from(latest.checked_sub(second)?).ok()?;
    let index = seconds.len().checked_sub(back + 1)?;
    seconds.get_mut(index)
}
