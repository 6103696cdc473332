//! When how many numbers of a counter were missing, in bounded memory.
//!
//! Beyond a bound the two neighbours that lie closest in time become one. Where senders share no counter, their numbers
//! make an episode of every second packet: the closest neighbours are kept at hand instead of being looked for each time.

use std::collections::VecDeque;

use arrayvec::ArrayVec;

use super::Episode;

/// Episodes kept for each counter; older neighbours are merged beyond it.
pub(super) const EPISODES: usize = 256;
/// Pairs of neighbours that are kept at hand.
const CLOSEST: usize = 32;

/// Two neighbours: the nanoseconds between them, and the serial number of the later one.
type Pair = (i64, u64);

/// The episodes of a counter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Episodes {
    /// Each with its serial number; these ascend.
    all: VecDeque<(u64, Episode)>,
    /// Serial number of the next one.
    next: u64,
    /// The pairs that lie closest, the very closest last; of equal ones the earliest. No other pair lies closer than any of
    /// these. May be empty.
    closest: ArrayVec<Pair, CLOSEST>,
}

impl Episodes {
    /// Takes the next one.
    pub fn push(&mut self, episode: Episode) {
        if let Some((_, before)) = self.all.back() {
            let pair = (episode.from.since(before.to), self.next);
            if self.closest.first().is_some_and(|widest| pair < *widest) {
                self.keep(pair);
            }
        }
        self.all.push_back((self.next, episode));
        self.next += 1;
        if self.all.len() > EPISODES {
            self.merge_closest();
        }
    }

    /// A number that was counted as missing arrived late.
    pub fn found(&mut self, number: u64) {
        let holder = self
            .all
            .iter_mut()
            .rev()
            .find(|(_, e)| (e.range.0..e.range.1).contains(&number));
        if let Some((_, episode)) = holder {
            episode.found();
            if episode.missing == 0 {
                let range = episode.range;
                self.all.retain(|(_, e)| e.range != range);
                self.closest.clear();
            }
        }
    }

    /// All of them in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = &Episode> {
        self.all.iter().map(|(_, episode)| episode)
    }

    /// Joins the two neighbours that lie closest in time.
    fn merge_closest(&mut self) {
        if self.closest.is_empty() {
            self.look();
        }
        let Some((_, serial)) = self.closest.pop() else {
            return;
        };
        let index = self.all.partition_point(|(known, _)| *known < serial);
        if let Some((_, later)) = self.all.remove(index)
            && let Some((_, earlier)) = index.checked_sub(1).and_then(|i| self.all.get_mut(i))
        {
            earlier.merge(&later);
        }
    }

    /// Looks for the closest pairs.
    fn look(&mut self) {
        for index in 1..self.all.len() {
            if let (Some((_, before)), Some((serial, after))) =
                (self.all.get(index - 1), self.all.get(index))
            {
                let pair = (after.from.since(before.to), *serial);
                let full = self.closest.is_full();
                if !full || self.closest.first().is_some_and(|widest| pair < *widest) {
                    self.keep(pair);
                }
            }
        }
    }

    /// Keeps a pair at hand, instead of the widest if there is no room.
    fn keep(&mut self, pair: Pair) {
        if self.closest.is_full() {
            self.closest.remove(0);
        }
        let place = self.closest.partition_point(|closer| *closer > pair);
        let _ = self.closest.try_insert(place, pair);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::time::Timestamp;

    /// Merges after looking at all of them, every time.
    fn push_and_look(all: &mut Vec<Episode>, episode: Episode) {
        all.push(episode);
        if all.len() <= EPISODES {
            return;
        }
        let pairs = all.iter().zip(all.iter().skip(1)).enumerate();
        let closest = pairs.min_by_key(|(_, (a, b))| b.from.since(a.to));
        let index = closest.unwrap().0;
        let later = all.remove(index + 1);
        all[index].merge(&later);
    }

    fn find(all: &mut Vec<Episode>, number: u64) {
        let holder = all.iter_mut().rev();
        let mut holder = holder.filter(|e| (e.range.0..e.range.1).contains(&number));
        if let Some(episode) = holder.next() {
            episode.found();
            if episode.missing == 0 {
                let range = episode.range;
                all.retain(|e| e.range != range);
            }
        }
    }

    proptest! {
        #[test]
        fn the_closest_are_those_that_a_look_at_all_would_find(
            steps in prop::collection::vec(
                prop_oneof![
                    20 => (0..40_i64, 1..20_u64, Just(None)),
                    1 => (0..40_i64, 1..2_u64, (0..300_u64).prop_map(Some)),
                ],
                0..1500,
            ),
            spread in 1..50_i64,
        ) {
            let (mut episodes, mut all) = (Episodes::default(), Vec::new());
            let (mut time, mut number) = (0, 1000);
            for (gap, missing, late) in steps {
                if let Some(back) = late {
                    episodes.found(number - back);
                    find(&mut all, number - back);
                }
                let from = Timestamp(time + gap * spread / 10);
                let to = from.plus(3);
                let range = (number, number + missing);
                let episode = Episode::gap(from, to, range);
                (time, number) = (to.0 - 1, range.1 + 1);
                episodes.push(episode);
                push_and_look(&mut all, episode);
                prop_assert!(episodes.closest.is_sorted_by(|wider, closer| wider > closer));
            }
            let kept: Vec<Episode> = episodes.iter().copied().collect();
            prop_assert_eq!(kept, all);
        }
    }
}
