//! Sequence numbers, which wrap (RFC 9293 §3.4), and the ranges of them that were seen.

use serde::{Deserialize, Serialize};

/// Serial comparison of sequence numbers (RFC 9293 §3.4).
pub(super) fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// The one that comes first.
pub(super) fn earlier(a: u32, b: u32) -> u32 {
    if before(b, a) { b } else { a }
}

fn later(a: u32, b: u32) -> u32 {
    if before(a, b) { b } else { a }
}

/// Numbers between two; 0 if they are in the other order.
pub(super) fn between(from: u32, to: u32) -> u32 {
    if before(from, to) {
        to.wrapping_sub(from)
    } else {
        0
    }
}

/// Whether two numbers are at most so far from each other.
fn within(a: u32, b: u32, distance: u32) -> bool {
    a.wrapping_sub(b).cast_signed().unsigned_abs() <= distance
}

/// The largest window.
pub(super) const FAR: u32 = 1 << 30;

/// Holes that are remembered of one direction.
const HOLES: usize = 4;

/// The numbers of one direction that were seen: from the lowest to the highest, but for the latest holes between.
///
/// When there are more holes than places the oldest is forgotten, as if it had been filled.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Lowest number.
    base: u32,
    /// The number after the highest.
    next: u32,
    /// Most directions have none, and there are millions.
    holes: Option<Box<Holes>>,
}

/// Numbers that were not seen: one range at least.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
struct Holes {
    ranges: [(u32, u32); HOLES],
    count: u8,
}

impl Holes {
    fn as_slice(&self) -> &[(u32, u32)] {
        let count = usize::from(self.count);
        self.ranges.get(..count).unwrap_or_default()
    }

    fn add(&mut self, hole: (u32, u32)) {
        if usize::from(self.count) == HOLES {
            self.ranges.rotate_left(1);
            self.count -= 1;
        }
        if let Some(place) = self.ranges.get_mut(usize::from(self.count)) {
            *place = hole;
            self.count += 1;
        }
    }
}

/// What a segment added to the numbers that were seen.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Added {
    /// Numbers of it that had been seen before.
    pub(super) again: u32,
    /// Numbers of it below the highest that had not been seen.
    pub(super) late: u32,
}

impl Seen {
    /// Begins with the numbers from `base` to before `next`.
    pub(super) fn new(base: u32, next: u32) -> Self {
        Self {
            base,
            next,
            ..Self::default()
        }
    }

    /// The number after the highest.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Whether a number is further from the highest than any window is wide.
    pub(super) fn is_far(&self, number: u32) -> bool {
        !within(self.next, number, FAR)
    }

    fn holes(&self) -> &[(u32, u32)] {
        self.holes
            .as_deref()
            .map(Holes::as_slice)
            .unwrap_or_default()
    }

    /// Bytes that it holds elsewhere.
    pub(super) fn heap_size(&self) -> usize {
        self.holes.as_deref().map_or(0, size_of_val)
    }

    /// How many of the numbers from `from` to before `to` were not seen.
    pub(super) fn unseen(&self, from: u32, to: u32) -> u32 {
        let overlap = |&(start, end): &(u32, u32)| between(later(start, from), earlier(end, to));
        let below = overlap(&(from, earlier(to, self.base)));
        let above = overlap(&(later(from, self.next), to));
        // Numbers that make no sense together may count twice.
        self.holes()
            .iter()
            .map(overlap)
            .fold(below.saturating_add(above), u32::saturating_add)
    }

    /// Whether `number` is the next one, and none is missing in front of it.
    #[inline]
    pub(super) fn goes_on_at(&self, number: u32) -> bool {
        self.next == number && self.holes.is_none()
    }

    /// Adds the numbers from the highest to before `end`, which is not far, where none is missing.
    #[inline]
    pub(super) fn go_on(&mut self, end: u32) {
        self.next = end;
        self.keep_near();
    }

    /// Whether all numbers from `from` to before `to`, which is later, were seen, as far as that is told easily.
    #[inline]
    pub(super) fn is_whole(&self, from: u32, to: u32) -> bool {
        let above = from.wrapping_sub(self.base);
        let left = self.next.wrapping_sub(to);
        self.holes.is_none() && above < FAR && left < FAR
    }

    /// What [`Self::insert`] would tell.
    pub(super) fn probe(&self, from: u32, to: u32) -> Added {
        let late = self.unseen(from, earlier(to, self.next));
        Added {
            again: between(from, earlier(to, self.next)).saturating_sub(late),
            late,
        }
    }

    /// Adds the numbers from `from` to before `to`, which may be none.
    pub(super) fn insert(&mut self, from: u32, to: u32) -> Added {
        // No window is larger (RFC 7323 §2.3): it is damaged, or of another connection.
        if self.is_far(from) || self.is_far(to) {
            return Added::default();
        }
        let added = self.probe(from, to);
        if before(self.next, from) {
            self.add_hole((self.next, from));
        }
        if before(from, to) {
            self.fill(from, to);
            self.base = earlier(self.base, from);
        }
        self.next = later(self.next, to);
        self.keep_near();
        added
    }

    /// Forgets what lies so far back that numbers might be taken for later ones.
    #[inline]
    fn keep_near(&mut self) {
        if !within(self.next, self.base, FAR) {
            self.base = self.next.wrapping_sub(FAR);
        }
    }

    fn add_hole(&mut self, hole: (u32, u32)) {
        self.holes.get_or_insert_default().add(hole);
    }

    fn fill(&mut self, from: u32, to: u32) {
        if let Some(holes) = &mut self.holes {
            let old = **holes;
            holes.count = 0;
            for &(start, end) in old.as_slice() {
                for (start, end) in [(start, earlier(end, from)), (later(start, to), end)] {
                    if before(start, end) {
                        holes.add((start, end));
                    }
                }
            }
        }
        // Numbers below all that was seen are not between the highest and the new ones.
        if before(to, self.base) {
            self.add_hole((to, self.base));
        }
        self.holes.take_if(|holes| holes.count == 0);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_fills_a_hole_is_late_and_what_comes_twice_is_again() {
        for shift in [0, u32::MAX - 150] {
            let at = |number: u32| shift.wrapping_add(number);
            let mut seen = Seen::new(at(100), at(200));
            assert_eq!(seen.insert(at(300), at(400)), Added::default());
            assert_eq!(seen.unseen(at(0), at(500)), 100 + 100 + 100);
            let across = seen.insert(at(150), at(250));
            assert_eq!(
                across,
                Added {
                    again: 50,
                    late: 50
                }
            );
            assert_eq!(seen.unseen(at(100), at(400)), 50);
            assert_eq!(seen.insert(at(250), at(300)), Added { again: 0, late: 50 });
            assert_eq!(seen.insert(at(250), at(300)), Added { again: 50, late: 0 });
            assert_eq!(seen.next(), at(400));
        }
    }

    #[test]
    fn the_oldest_hole_is_forgotten_when_there_are_too_many() {
        let mut seen = Seen::new(0, 10);
        for start in (20..=100).step_by(20) {
            seen.insert(start, start + 10);
        }
        assert_eq!(seen.unseen(0, 110), 40);
        assert_eq!(seen.probe(10, 20), Added { again: 10, late: 0 });
        assert_eq!(seen.probe(30, 40), Added { again: 0, late: 10 });
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_numbers_while_holes_are_few(
            start: u32,
            segments in prop::collection::vec((0_u32..60, 0_u32..20), 1..6),
        ) {
            let at = |number: u32| start.wrapping_add(number);
            let mut seen = Seen::new(at(30), at(30));
            let mut model: BTreeSet<u32> = BTreeSet::new();
            let mut next = 30;
            for (from, len) in segments {
                let to = from + len;
                let below = |n: &u32| *n < next;
                let again = (from..to).filter(below).filter(|n| model.contains(n)).count() as u32;
                let late = (from..to).filter(below).filter(|n| !model.contains(n)).count() as u32;
                // A set knows nothing of numbers between the first segment and one far below it.
                prop_assume!(seen.holes().len() < 3);
                prop_assert_eq!(seen.insert(at(from), at(to)), Added { again, late });
                model.extend(from..to);
                next = next.max(to);
            }
        }
    }
}
