//! When something was active: periods without long breaks, in bounded memory, and whether two of them take turns.

use crate::time::{SECOND, Timestamp};

/// A longer break ends a period.
const BREAK: i64 = SECOND / 2;
/// Periods that are kept; the oldest are forgotten.
const KEPT: usize = 64;

/// First and last time of something that went on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// When it began.
    pub first: Timestamp,
    /// When it ended.
    pub last: Timestamp,
    /// How many signs of it there were.
    pub frames: u32,
}

/// Periods of activity, in the order of time.
#[derive(Clone, Debug, Default)]
pub struct Activity {
    spans: Vec<Span>,
    /// The first time ever, though its period may be forgotten.
    since: Option<Timestamp>,
}

impl Activity {
    /// Notes a sign of it.
    pub(super) fn note(&mut self, time: Timestamp) {
        self.since = Some(self.since.map_or(time, |since| since.min(time)));
        let mut new = Span {
            first: time,
            last: time,
            frames: 1,
        };
        let mut at = self.spans.len();
        while let Some(before) = at.checked_sub(1).and_then(|index| self.spans.get(index)) {
            if before.last.plus(BREAK) < new.first {
                break;
            }
            at -= 1;
            if before.first <= new.last.plus(BREAK) {
                new.first = new.first.min(before.first);
                new.last = new.last.max(before.last);
                new.frames = new.frames.saturating_add(before.frames);
                self.spans.remove(at);
            }
        }
        self.spans.insert(at, new);
        if self.spans.len() > KEPT {
            self.spans.remove(0);
        }
    }

    /// The periods that are remembered.
    pub fn spans(&self) -> &[Span] {
        &self.spans
    }

    /// Signs of it in the periods that are remembered.
    pub fn frames(&self) -> u64 {
        self.spans.iter().map(|span| u64::from(span.frames)).sum()
    }

    /// When it was active for the first time.
    pub fn first(&self) -> Option<Timestamp> {
        self.since
    }

    /// When it was active last.
    pub fn last(&self) -> Option<Timestamp> {
        self.spans.last().map(|span| span.last)
    }
}

/// How two things were active in turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Turns {
    /// How often one began after the other.
    pub changes: usize,
    /// Nanoseconds during which both were active.
    pub together: i64,
    /// From when to when they took turns.
    pub period: (Timestamp, Timestamp),
}

impl Turns {
    /// How two things took turns; `None` if one ended before the other began.
    pub fn between(a: &Activity, b: &Activity) -> Option<Self> {
        let mut spans: Vec<(Span, bool)> = a.spans.iter().map(|span| (*span, false)).collect();
        spans.extend(b.spans.iter().map(|span| (*span, true)));
        spans.sort_by_key(|(span, _)| (span.first, span.last));
        let mut changes = 0;
        let mut together = 0_i64;
        let mut period: Option<(Timestamp, Timestamp)> = None;
        let mut before: Option<(Span, bool)> = None;
        for (span, whose) in spans {
            if let Some((earlier, other)) = before
                && other != whose
            {
                changes += 1;
                let overlap = earlier.last.min(span.last).since(span.first).max(0);
                // One goes on after the other began: it has the next turn at once.
                changes += usize::from(overlap > 0 && earlier.last > span.last);
                together = together.saturating_add(overlap);
                let to = span.first.plus(overlap);
                let whole = period.get_or_insert((span.first, to));
                whole.1 = whole.1.max(to);
            }
            before = match before {
                // The longer one may cover what comes next.
                Some((earlier, other)) if earlier.last > span.last => Some((earlier, other)),
                _ => Some((span, whose)),
            };
        }
        Some(Self {
            changes,
            together,
            period: period?,
        })
        .filter(|turns| turns.changes > 1 || turns.together > 0)
    }

    /// Both go on side by side. A move is one turn, there and back two; and what a mirror delays or delivers out of
    /// order is over within a moment.
    pub fn at_once(&self) -> bool {
        let lasting = self.period.1.since(self.period.0) >= 3 * SECOND;
        lasting && (self.changes >= 4 || self.together >= 3 * SECOND)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Active at the ends of these periods and often enough between them.
    fn activity(spans: &[(i64, i64)]) -> Activity {
        let mut activity = Activity::default();
        for (first, last) in spans {
            let mut time = *first;
            while time < *last {
                activity.note(Timestamp(time));
                time += BREAK;
            }
            activity.note(Timestamp(*last));
        }
        activity
    }

    fn seconds(spans: &[(i64, i64)]) -> Activity {
        let spans: Vec<_> = spans
            .iter()
            .map(|(first, last)| (first * SECOND, last * SECOND))
            .collect();
        activity(&spans)
    }

    #[test]
    fn short_breaks_do_not_end_a_period_and_order_does_not_matter() {
        let ordered = activity(&[(0, 0), (400_000_000, 400_000_000), (2 * SECOND, 2 * SECOND)]);
        let shuffled = activity(&[(2 * SECOND, 2 * SECOND), (400_000_000, 400_000_000), (0, 0)]);
        assert_eq!(ordered.spans(), shuffled.spans());
        assert_eq!(ordered.spans().len(), 2);
        assert_eq!(ordered.spans()[0].last, Timestamp(400_000_000));
    }

    #[test]
    fn a_sign_between_two_periods_joins_them() {
        let joined = activity(&[(0, 0), (SECOND, SECOND), (SECOND / 2, SECOND / 2)]);
        assert_eq!(joined.spans().len(), 1);
        assert_eq!(joined.spans()[0].frames, 3);
        assert_eq!(joined.last(), Some(Timestamp(SECOND)));
    }

    #[test]
    fn memory_is_bounded_and_the_first_time_is_kept() {
        let many: Vec<(i64, i64)> = (0..1000_i64).map(|n| (n * 10, n * 10)).collect();
        let many = seconds(&many);
        assert_eq!(many.spans().len(), KEPT);
        assert_eq!(many.first(), Some(Timestamp(0)));
    }

    #[test]
    fn a_move_and_the_way_back_are_no_conflict() {
        let moved = Turns::between(&seconds(&[(0, 10)]), &seconds(&[(11, 20)]));
        assert_eq!(moved, None);
        let back = Turns::between(&seconds(&[(0, 10), (21, 30)]), &seconds(&[(11, 20)]));
        assert!(back.is_some_and(|turns| turns.changes == 2 && !turns.at_once()));
        let quickly = Turns::between(&seconds(&[(0, 10), (12, 30)]), &seconds(&[(11, 11)]));
        assert!(quickly.is_some_and(|turns| !turns.at_once()));
    }

    #[test]
    fn two_that_go_on_speaking_are_active_at_once() {
        let whole = Turns::between(&seconds(&[(0, 30)]), &seconds(&[(10, 30)])).unwrap();
        assert!(whole.at_once());
        assert_eq!(whole.period.0, Timestamp(10 * SECOND));
        let inside = Turns::between(&seconds(&[(0, 30)]), &seconds(&[(10, 15)])).unwrap();
        assert!(inside.at_once());
        let a = seconds(&[(0, 0), (2, 2), (4, 4), (6, 6)]);
        let b = seconds(&[(1, 1), (3, 3), (5, 5), (7, 7)]);
        let turns = Turns::between(&a, &b).unwrap();
        assert_eq!(turns.changes, 7);
        assert!(turns.at_once());
    }

    #[test]
    fn a_mirror_that_is_late_is_no_conflict() {
        let late = Turns::between(&seconds(&[(0, 10)]), &seconds(&[(8, 20)])).unwrap();
        assert!(!late.at_once());
    }
}
