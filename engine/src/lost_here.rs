//! What this host itself dropped: packets that reached one of its interfaces and were never read, because the kernel's
//! ring, a socket or an own queue was full.
//!
//! Nobody knows whose packets they were. So each of them may have been of any mirror session that comes by that
//! interface, and what is missing of such a session at that time says nothing of the network, nor of its sender.

use std::collections::VecDeque;

use crate::table::Map;
use crate::time::{SECOND, Timestamp};

/// Periods kept for each interface; beyond it, the two that lie closest are one.
const PERIODS: usize = 256;
/// Interfaces that are told apart; what others drop is left to the last of them.
const INTERFACES: usize = 1024;
/// A gap in a session's numbers is this host's doing if it is so close to a period of drops: counters are read once a
/// second, and packets wait in a ring.
const NEAR: i64 = SECOND / 2;

/// Packets that one interface dropped in a period.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dropped {
    /// No earlier than this.
    pub from: Timestamp,
    /// No later than this.
    pub to: Timestamp,
    /// How many.
    pub packets: u64,
}

/// What one interface dropped.
#[derive(Clone, Debug, Default)]
pub struct AtInterface {
    /// All packets.
    pub packets: u64,
    periods: VecDeque<Dropped>,
}

impl AtInterface {
    fn note(&mut self, dropped: Dropped) {
        self.packets = self.packets.saturating_add(dropped.packets);
        let later = |known: &Dropped| known.from <= dropped.from;
        let place = self.periods.iter().rposition(later).map_or(0, |i| i + 1);
        self.periods.insert(place, dropped);
        if self.periods.len() > PERIODS {
            self.merge_closest();
        }
    }

    /// Joins the two neighbours that lie closest in time.
    fn merge_closest(&mut self) {
        let pairs = self.periods.iter().zip(self.periods.iter().skip(1));
        let closest = pairs
            .enumerate()
            .min_by_key(|(_, (a, b))| b.from.since(a.to).max(0))
            .map(|(index, _)| index);
        let Some(index) = closest else { return };
        if let Some(later) = self.periods.remove(index + 1)
            && let Some(earlier) = self.periods.get_mut(index)
        {
            earlier.to = earlier.to.max(later.to);
            earlier.packets = earlier.packets.saturating_add(later.packets);
        }
    }

    /// When how many were dropped, in order; neighbours may have been merged.
    pub fn periods(&self) -> impl Iterator<Item = &Dropped> {
        self.periods.iter()
    }

    /// The first and the last moment of all periods.
    pub fn span(&self) -> Option<(Timestamp, Timestamp)> {
        let last = self.periods.iter().map(|p| p.to).max()?;
        Some((self.periods.front()?.from, last))
    }
}

/// What all interfaces dropped.
#[derive(Clone, Debug, Default)]
pub struct LostHere {
    interfaces: Map<u32, AtInterface>,
}

impl LostHere {
    /// Notes that an interface dropped packets between two moments.
    pub fn note(&mut self, interface: u32, from: Timestamp, to: Timestamp, packets: u64) {
        if packets == 0 {
            return;
        }
        let known = self.interfaces.contains_key(&interface);
        let interface = if known || self.interfaces.len() < INTERFACES {
            interface
        } else {
            u32::MAX
        };
        let (from, to) = (from.min(to), from.max(to));
        let dropped = Dropped { from, to, packets };
        self.interfaces.entry(interface).or_default().note(dropped);
    }

    /// Whether nothing was dropped.
    pub fn is_empty(&self) -> bool {
        self.interfaces.is_empty()
    }

    /// What an interface dropped, if it did.
    pub fn at(&self, interface: u32) -> Option<&AtInterface> {
        let own = self.interfaces.get(&interface);
        own.or_else(|| self.interfaces.get(&u32::MAX))
    }

    /// Whether packets were dropped by an interface in a period.
    pub fn within(&self, interface: u32, (from, to): (Timestamp, Timestamp)) -> bool {
        let at = self.at(interface).into_iter();
        let mut periods = at.flat_map(AtInterface::periods);
        periods.any(|p| p.from <= to && p.to >= from)
    }

    /// Interfaces that dropped packets, by number.
    pub fn iter(&self) -> impl Iterator<Item = (u32, &AtInterface)> {
        let mut all: Vec<(u32, &AtInterface)> =
            self.interfaces.iter().map(|(id, at)| (*id, at)).collect();
        all.sort_unstable_by_key(|(id, _)| *id);
        all.into_iter()
    }

    /// A reckoning of which gaps in numbers are this host's doing.
    pub(crate) fn account(&self) -> Account<'_> {
        Account {
            lost: self,
            left: Map::default(),
        }
    }
}

/// Gives each dropped packet to one gap at most, so that counters which share an interface do not excuse each other.
pub(crate) struct Account<'a> {
    lost: &'a LostHere,
    /// Packets that no gap has got yet, by interface and period.
    left: Map<(u32, usize), u64>,
}

impl Account<'_> {
    /// How many of the packets that are missing in a gap this host dropped, at the most.
    pub fn take(
        &mut self,
        interfaces: impl Iterator<Item = u32>,
        (from, to): (Timestamp, Timestamp),
        missing: u64,
    ) -> u64 {
        let mut wanted = missing;
        for interface in interfaces {
            let Some(at) = self.lost.at(interface) else {
                continue;
            };
            for (index, period) in at.periods().enumerate() {
                if period.from > to.plus(NEAR) || period.to < from.plus(-NEAR) {
                    continue;
                }
                let left = self
                    .left
                    .entry((interface, index))
                    .or_insert(period.packets);
                let taken = wanted.min(*left);
                *left -= taken;
                wanted -= taken;
            }
        }
        missing - wanted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp(seconds * SECOND)
    }

    #[test]
    fn periods_stay_bounded_and_keep_the_sum() {
        let mut lost = LostHere::default();
        for second in 0..10_000 {
            lost.note(3, at(second), at(second + 1), 5);
        }
        let eth = lost.at(3).unwrap();
        assert_eq!((eth.packets, eth.periods().count()), (50_000, PERIODS));
        assert_eq!(eth.periods().map(|p| p.packets).sum::<u64>(), 50_000);
        assert_eq!(eth.span(), Some((at(0), at(10_000))));
        assert!(lost.within(3, (at(9_999), at(9_999))));
        assert!(!lost.within(4, (at(9_999), at(9_999))));
        assert!(!lost.within(3, (at(10_001), at(20_000))));
    }

    #[test]
    fn interfaces_without_end_take_no_memory_without_end() {
        let mut lost = LostHere::default();
        for interface in 0..100_000 {
            lost.note(interface, at(1), at(2), 1);
        }
        assert!(lost.iter().count() <= INTERFACES + 1);
        assert_eq!(lost.iter().map(|(_, at)| at.packets).sum::<u64>(), 100_000);
        assert!(lost.within(99_999, (at(1), at(2))), "never forgotten");
    }

    #[test]
    fn a_dropped_packet_explains_one_gap_only() {
        let mut lost = LostHere::default();
        lost.note(0, at(10), at(11), 30);
        let mut account = lost.account();
        let mut take =
            |from, to, missing| account.take([0].into_iter(), (at(from), at(to)), missing);
        assert_eq!(take(10, 10, 20), 20);
        assert_eq!(take(5, 20, 20), 10);
        assert_eq!(take(10, 11, 1), 0);
        assert_eq!(take(50, 51, 1), 0);
    }

    #[test]
    fn nothing_dropped_is_nothing_noted() {
        let mut lost = LostHere::default();
        lost.note(0, at(1), at(2), 0);
        assert!(lost.is_empty());
    }
}
