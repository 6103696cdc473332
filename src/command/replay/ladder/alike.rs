//! Packets that look alike, and which of them came by where.

use std::collections::HashMap;

/// The rows of packets, by identity.
#[derive(Debug, Default)]
pub struct Alike(HashMap<u64, Rows>);

/// Packets that look alike.
#[derive(Debug, Default)]
struct Rows {
    /// Their rows ascend.
    rows: Vec<usize>,
    /// Which of them came by in a lane.
    lanes: HashMap<usize, Here>,
}

/// Which packets came by, by their index among those alike.
#[derive(Debug, Default)]
struct Here {
    seen: Vec<bool>,
    /// The first that did not come by.
    missing: usize,
    /// The last that did.
    last: usize,
}

impl Alike {
    /// Whether any packet has an identity.
    pub fn knows(&self, identity: u64) -> bool {
        self.0.contains_key(&identity)
    }

    /// Adds a packet, whose row is behind all others.
    pub fn add(&mut self, identity: u64, row: usize) {
        self.0.entry(identity).or_default().rows.push(row);
    }

    /// A packet came by in a lane.
    pub fn see(&mut self, identity: u64, lane: usize, row: usize) {
        let alike = self.0.entry(identity).or_default();
        let Ok(index) = alike.rows.binary_search(&row) else {
            return;
        };
        let here = alike.lanes.entry(lane).or_default();
        if here.seen.len() <= index {
            here.seen.resize(index + 1, false);
        }
        if let Some(seen) = here.seen.get_mut(index) {
            *seen = true;
        }
        while here.seen.get(here.missing) == Some(&true) {
            here.missing += 1;
        }
        here.last = here.last.max(index);
    }

    /// The first packet that did not come by in a lane.
    pub fn first_elsewhere(&self, identity: u64, lane: usize) -> Option<usize> {
        let alike = self.0.get(&identity)?;
        let missing = alike.lanes.get(&lane).map_or(0, |here| here.missing);
        alike.rows.get(missing).copied()
    }

    /// The last packet that came by in a lane; if none did, the last one.
    pub fn last_here(&self, identity: u64, lane: usize) -> Option<usize> {
        let alike = self.0.get(&identity)?;
        match alike.lanes.get(&lane) {
            Some(here) => alike.rows.get(here.last).copied(),
            None => alike.rows.last().copied(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Alike;

    #[test]
    fn each_lane_has_its_own_first_and_last() {
        let mut alike = Alike::default();
        assert_eq!(alike.first_elsewhere(7, 0), None);
        assert_eq!(alike.last_here(7, 0), None);
        for row in [2, 5, 9] {
            alike.add(7, row);
            alike.see(7, 0, row);
        }
        alike.add(8, 11);
        assert_eq!(alike.first_elsewhere(7, 0), None);
        assert_eq!(alike.first_elsewhere(7, 1), Some(2));
        assert_eq!(alike.last_here(7, 1), Some(9));
        alike.see(7, 1, 5);
        assert_eq!(alike.first_elsewhere(7, 1), Some(2));
        assert_eq!(alike.last_here(7, 1), Some(5));
        alike.see(7, 1, 2);
        assert_eq!(alike.first_elsewhere(7, 1), Some(9));
        assert_eq!(alike.last_here(7, 1), Some(5));
        assert_eq!(alike.first_elsewhere(8, 0), Some(11));
        assert!(alike.knows(8) && !alike.knows(9));
    }
}
