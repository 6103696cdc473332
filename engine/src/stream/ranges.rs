//! A few ranges of positions: bytes that were cut from their packets, that were given up, that arrived elsewhere.

/// Ranges in order that do not touch; of too many the lowest are forgotten.
#[derive(Debug, Default)]
pub(super) struct Ranges(Vec<(u64, u64)>);

/// Most ranges.
const MOST: usize = 256;

impl Ranges {
    /// What it costs, in bytes.
    pub fn memory(&self) -> usize {
        self.0.capacity() * size_of::<(u64, u64)>()
    }

    /// Start of the first.
    pub fn first(&self) -> Option<u64> {
        self.0.first().map(|range| range.0)
    }

    /// End of the last.
    pub fn last(&self) -> Option<u64> {
        self.0.last().map(|range| range.1)
    }

    /// Adds a range.
    pub fn add(&mut self, start: u64, end: u64) {
        if start >= end {
            return;
        }
        let from = self.0.partition_point(|range| range.1 < start);
        let to = self.0.partition_point(|range| range.0 <= end);
        let touched = self.0.get(from..to).unwrap_or_default();
        let low = touched.first().map_or(start, |range| range.0.min(start));
        let high = touched.last().map_or(end, |range| range.1.max(end));
        self.0.splice(from..to, [(low, high)]);
        if self.0.len() > MOST {
            self.0.remove(0);
        }
    }

    /// Forgets what lies before a position.
    pub fn forget_before(&mut self, position: u64) {
        let gone = self.0.partition_point(|range| range.1 <= position);
        self.0.drain(..gone);
        if self.0.is_empty() {
            self.0 = Vec::new();
        }
    }

    /// Whether a position is in a range, and where that changes next.
    pub fn at(&self, position: u64) -> (bool, Option<u64>) {
        let next = self.0.partition_point(|range| range.1 <= position);
        match self.0.get(next) {
            Some(&(start, end)) if start <= position => (true, Some(end)),
            Some(&(start, _)) => (false, Some(start)),
            None => (false, None),
        }
    }

    /// How much of a range is in these.
    pub fn overlap(&self, start: u64, end: u64) -> u64 {
        let common = |range: &(u64, u64)| range.1.min(end).saturating_sub(range.0.max(start));
        self.0.iter().map(common).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_that_touch_become_one() {
        let mut ranges = Ranges::default();
        for (start, end) in [(10, 20), (30, 40), (50, 60), (20, 25), (39, 50), (5, 5)] {
            ranges.add(start, end);
        }
        assert_eq!(ranges.0, [(10, 25), (30, 60)]);
        assert_eq!(ranges.at(9), (false, Some(10)));
        assert_eq!(ranges.at(24), (true, Some(25)));
        assert_eq!(ranges.at(25), (false, Some(30)));
        assert_eq!(ranges.at(60), (false, None));
        assert_eq!(ranges.overlap(24, 31), 2);
        ranges.forget_before(25);
        assert_eq!(ranges.0, [(30, 60)]);
    }

    #[test]
    fn of_too_many_the_lowest_are_forgotten() {
        let mut ranges = Ranges::default();
        for n in 0..1000 {
            ranges.add(2 * n, 2 * n + 1);
        }
        assert_eq!(ranges.0.len(), MOST);
        assert_eq!(ranges.at(1998), (true, Some(1999)));
    }
}
