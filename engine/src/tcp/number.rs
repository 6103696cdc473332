//! Sequence numbers, which wrap (RFC 9293 §3.4), and the ranges of them that were seen.

use serde::{Deserialize, Serialize};

use crate::pack::packed;

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

/// The numbers of one direction that were seen: from the lowest to the highest, but for the latest [`Holes`] between, which
/// stand elsewhere: most directions have none, and there are millions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Lowest number.
    base: u32,
    /// The number after the highest.
    next: u32,
    /// From here on none is missing.
    whole: u32,
}

/// Numbers that were not seen.
///
/// When there are more than places the oldest are forgotten, as if they had been filled.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Holes {
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

    /// Keeps of each hole what is before `from` or behind `to`.
    fn fill(&mut self, from: u32, to: u32) {
        let old = *self;
        self.count = 0;
        for &(start, end) in old.as_slice() {
            for (start, end) in [(start, earlier(end, from)), (later(start, to), end)] {
                if before(start, end) {
                    self.add((start, end));
                }
            }
        }
    }

    /// Forgets what is before a number.
    pub(super) fn forget_before(&mut self, number: u32) {
        let old = *self;
        self.count = 0;
        for &(start, end) in old.as_slice() {
            if before(number, end) {
                self.add((later(start, number), end));
            }
        }
    }
}

packed!(Seen { base, next, whole });
packed!(Holes { ranges, count });

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
            whole: base,
        }
    }

    /// Lowest number.
    pub(super) fn base(&self) -> u32 {
        self.base
    }

    /// The number after the highest.
    pub(super) fn next(&self) -> u32 {
        self.next
    }

    /// Whether a number is further from the highest than any window is wide.
    pub(super) fn is_far(&self, number: u32) -> bool {
        !within(self.next, number, FAR)
    }

    /// How many of the numbers from `from` to before `to` were not seen.
    pub(super) fn unseen(&self, holes: &Holes, from: u32, to: u32) -> u32 {
        let overlap = |&(start, end): &(u32, u32)| between(later(start, from), earlier(end, to));
        let below = overlap(&(from, earlier(to, self.base)));
        let above = overlap(&(later(from, self.next), to));
        // Numbers that make no sense together may count twice.
        holes
            .as_slice()
            .iter()
            .map(overlap)
            .fold(below.saturating_add(above), u32::saturating_add)
    }

    /// Adds the numbers from the highest to before `end`, which is not far, where none is missing. True if so many were seen
    /// that holes before the lowest are to be forgotten.
    #[inline]
    pub(super) fn go_on(&mut self, end: u32) -> bool {
        self.next = end;
        self.keep_near()
    }

    /// Whether all numbers from `from` to before `to`, which is later, were seen, as far as that is told easily.
    #[inline]
    pub(super) fn is_whole(&self, from: u32, to: u32) -> bool {
        let above = from.wrapping_sub(self.whole);
        let left = self.next.wrapping_sub(to);
        above < FAR && left < FAR
    }

    /// What [`Self::insert`] would tell.
    fn probe(&self, holes: &Holes, from: u32, to: u32) -> Added {
        let late = self.unseen(holes, from, earlier(to, self.next));
        Added {
            again: between(from, earlier(to, self.next)).saturating_sub(late),
            late,
        }
    }

    /// Adds the numbers from `from` to before `to`, which may be none.
    pub(super) fn insert(&mut self, holes: &mut Holes, from: u32, to: u32) -> Added {
        // No window is larger (RFC 7323 §2.3): it is damaged, or of another connection.
        if self.is_far(from) || self.is_far(to) {
            return Added::default();
        }
        let added = self.probe(holes, from, to);
        if before(self.next, from) {
            holes.add((self.next, from));
        }
        if before(from, to) {
            holes.fill(from, to);
            // Numbers below all that was seen are not between the highest and the new ones.
            if before(to, self.base) {
                holes.add((to, self.base));
            }
            self.base = earlier(self.base, from);
        }
        self.next = later(self.next, to);
        let ends = holes.as_slice().iter().map(|hole| hole.1);
        self.whole = ends.fold(self.base, later);
        if self.keep_near() {
            holes.forget_before(self.base);
        }
        added
    }

    /// Forgets what lies so far back that numbers might be taken for later ones; true if there is such.
    #[inline]
    fn keep_near(&mut self) -> bool {
        let far = !within(self.next, self.base, FAR);
        if far {
            self.base = self.next.wrapping_sub(FAR);
            self.whole = later(self.whole, self.base);
        }
        far
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
            let (mut seen, mut holes) = (Seen::new(at(100), at(200)), Holes::default());
            assert_eq!(seen.insert(&mut holes, at(300), at(400)), Added::default());
            assert_eq!(seen.unseen(&holes, at(0), at(500)), 100 + 100 + 100);
            assert!(!seen.is_whole(at(299), at(400)) && seen.is_whole(at(300), at(400)));
            let across = seen.insert(&mut holes, at(150), at(250));
            assert_eq!(
                across,
                Added {
                    again: 50,
                    late: 50
                }
            );
            assert_eq!(seen.unseen(&holes, at(100), at(400)), 50);
            let mut fill = || seen.insert(&mut holes, at(250), at(300));
            assert_eq!(fill(), Added { again: 0, late: 50 });
            assert_eq!(fill(), Added { again: 50, late: 0 });
            assert_eq!((seen.next(), holes.count), (at(400), 0));
            assert!(seen.is_whole(at(100), at(400)));
        }
    }

    #[test]
    fn the_oldest_hole_is_forgotten_when_there_are_too_many() {
        let (mut seen, mut holes) = (Seen::new(0, 10), Holes::default());
        for start in (20..=100).step_by(20) {
            seen.insert(&mut holes, start, start + 10);
        }
        assert_eq!(seen.unseen(&holes, 0, 110), 40);
        assert_eq!(seen.probe(&holes, 10, 20), Added { again: 10, late: 0 });
        assert_eq!(seen.probe(&holes, 30, 40), Added { again: 0, late: 10 });
    }

    #[test]
    fn holes_that_lie_too_far_back_are_forgotten() {
        let (mut seen, mut holes) = (Seen::new(0, 10), Holes::default());
        seen.insert(&mut holes, 20, 30);
        seen.insert(&mut holes, FAR, FAR);
        assert_eq!(holes.as_slice(), [(10, 20), (30, FAR)]);
        assert!(!seen.go_on(FAR));
        assert!(seen.go_on(FAR + 15));
        holes.forget_before(seen.base());
        assert_eq!(holes.as_slice(), [(15, 20), (30, FAR)]);
        assert!(seen.go_on(FAR * 2 + 1));
        holes.forget_before(seen.base());
        assert_eq!(holes.count, 0);
        assert!(seen.is_whole(seen.base(), seen.next()));
    }

    proptest! {
        #[test]
        fn agrees_with_a_set_of_numbers_while_holes_are_few(
            start: u32,
            segments in prop::collection::vec((0_u32..60, 0_u32..20), 1..6),
        ) {
            let at = |number: u32| start.wrapping_add(number);
            let (mut seen, mut holes) = (Seen::new(at(30), at(30)), Holes::default());
            let mut model: BTreeSet<u32> = BTreeSet::new();
            let mut next = 30;
            for (from, len) in segments {
                let to = from + len;
                let below = |n: &u32| *n < next;
                let again = (from..to).filter(below).filter(|n| model.contains(n)).count() as u32;
                let late = (from..to).filter(below).filter(|n| !model.contains(n)).count() as u32;
                // A set knows nothing of numbers between the first segment and one far below it.
                prop_assume!(holes.as_slice().len() < 3);
                prop_assert_eq!(seen.insert(&mut holes, at(from), at(to)), Added { again, late });
                model.extend(from..to);
                next = next.max(to);
                let whole = (0..next).rev().take_while(|n| model.contains(n)).count() as u32;
                prop_assert_eq!(seen.is_whole(at(next - whole), at(next)), true);
            }
        }
    }
}
