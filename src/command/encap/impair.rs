//! A path that loses, doubles and reorders packets: deterministic, so that a seed names what happens.
//!
//! The first packet is neither lost nor late, and the last is not lost: between them every number is accounted for,
//! and a receiver that counts gaps must find just what was done here.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::random::Random;

/// What goes wrong; probabilities from 0 to 1.
#[derive(Clone, Copy, Debug)]
pub struct Faults {
    /// Share of the packets that are lost.
    pub loss: f64,
    /// How many are lost in a row.
    pub loss_burst: u32,
    /// Share of the packets that arrive twice.
    pub duplicate: f64,
    /// Share of the packets that are held back.
    pub reorder: f64,
    /// Packets sent later that may overtake one.
    pub reorder_distance: u32,
    /// Names one of many ways in which it may happen.
    pub seed: u64,
}

/// What went wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Damage {
    /// Packets that never arrived.
    pub lost: u64,
    /// Packets that arrived a second time.
    pub duplicated: u64,
    /// Packets that arrived after one that was sent later.
    pub reordered: u64,
}

/// A packet at the end of the path.
#[derive(Debug, PartialEq, Eq)]
pub struct Arrival<T> {
    pub packet: T,
    /// It was held back: it arrives with the packet in front of it, not at its own time.
    pub late: bool,
    /// It arrives twice.
    pub twice: bool,
}

/// The order of arrival: behind which packet sent, punctual ones first, in the order of sending.
type Place = (u64, bool, u64);

/// A packet on its way.
#[derive(Debug)]
struct Sent<T> {
    packet: T,
    twice: bool,
}

/// The path and what is on its way.
#[derive(Debug)]
pub struct Path<T> {
    faults: Faults,
    /// One source of chance for each fault: more of one changes nothing of the others.
    losing: Random,
    doubling: Random,
    holding: Random,
    /// Packets that are still to be lost in this burst.
    burst: u32,
    sent: u64,
    /// The newest packet if it is to be lost; it may turn out to be the last one.
    dropped: Option<(u64, Sent<T>)>,
    under_way: BTreeMap<Place, Sent<T>>,
    ended: bool,
    /// The newest packet that arrived.
    newest: Option<u64>,
    damage: Damage,
}

impl<T> Path<T> {
    pub fn new(faults: Faults) -> Self {
        let mut seeds = Random::new(faults.seed);
        let mut random = || Random::new(seeds.next());
        Self {
            faults,
            losing: random(),
            doubling: random(),
            holding: random(),
            burst: 0,
            sent: 0,
            dropped: None,
            under_way: BTreeMap::new(),
            ended: false,
            newest: None,
            damage: Damage::default(),
        }
    }

    /// Sends a packet; [`Self::arrival`] tells what arrives then.
    pub fn send(&mut self, packet: T) {
        let number = self.sent;
        self.sent += 1;
        if self.dropped.take().is_some() {
            self.damage.lost += 1;
        }
        let held = self.held();
        let twice = chance(&mut self.doubling, self.faults.duplicate);
        let packet = Sent { packet, twice };
        if number == 0 {
            self.under_way.insert((0, false, 0), packet);
        } else if self.loses() {
            self.dropped = Some((number, packet));
        } else {
            let place = (number + held, held > 0, number);
            self.under_way.insert(place, packet);
        }
    }

    /// No further packet follows.
    pub fn end(&mut self) {
        self.ended = true;
        if let Some((number, packet)) = self.dropped.take() {
            self.under_way.insert((number, false, number), packet);
        }
    }

    /// The next packet that arrives before another is sent.
    pub fn arrival(&mut self) -> Option<Arrival<T>> {
        let next = self.under_way.first_entry()?;
        let &(behind, late, number) = next.key();
        if behind >= self.sent && !self.ended {
            return None;
        }
        let Sent { packet, twice } = next.remove();
        self.damage.duplicated += u64::from(twice);
        self.damage.reordered += u64::from(self.newest > Some(number));
        self.newest = self.newest.max(Some(number));
        Some(Arrival {
            packet,
            late,
            twice,
        })
    }

    /// What went wrong so far.
    pub fn damage(&self) -> Damage {
        self.damage
    }

    /// Whether the next packet is lost.
    fn loses(&mut self) -> bool {
        if self.burst == 0 {
            let (loss, burst) = (self.faults.loss, f64::from(self.faults.loss_burst));
            // Of so many packets outside a burst one begins a burst, so that all bursts together are the share.
            if chance(&mut self.losing, loss / (burst * (1.0 - loss) + loss)) {
                self.burst = self.faults.loss_burst;
            }
        }
        let lost = self.burst > 0;
        self.burst = self.burst.saturating_sub(1);
        lost
    }

    /// How many packets the next one is held back by.
    fn held(&mut self) -> u64 {
        let steps = 1 + self.holding.below(self.faults.reorder_distance.into());
        if chance(&mut self.holding, self.faults.reorder) {
            steps
        } else {
            0
        }
    }
}

/// Whether something of this probability happens.
fn chance(random: &mut Random, probability: f64) -> bool {
    // 53 bits are what a fraction holds.
    let fraction = (random.next() >> 11) as f64 / (1_u64 << 53) as f64;
    fraction < probability
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONE: Faults = Faults {
        loss: 0.0,
        loss_burst: 1,
        duplicate: 0.0,
        reorder: 0.0,
        reorder_distance: 3,
        seed: 1,
    };

    /// Sends 0, 1, 2 … and gives what arrives, doubled packets twice.
    fn arrivals(faults: Faults, count: u64) -> (Vec<u64>, Damage) {
        let mut path = Path::new(faults);
        let mut arrived = Vec::new();
        for number in 0..=count {
            if number == count {
                path.end();
            } else {
                path.send(number);
            }
            while let Some(Arrival { packet, twice, .. }) = path.arrival() {
                arrived.extend(std::iter::repeat_n(packet, 1 + usize::from(twice)));
            }
        }
        (arrived, path.damage())
    }

    /// What a receiver counts of what arrived.
    fn counted(arrived: &[u64], count: u64) -> Damage {
        let mut seen = vec![false; count as usize];
        let mut damage = Damage::default();
        let mut newest = 0;
        for &number in arrived {
            if std::mem::replace(&mut seen[number as usize], true) {
                damage.duplicated += 1;
            } else if number < newest {
                damage.reordered += 1;
            }
            newest = newest.max(number);
        }
        damage.lost = seen.iter().filter(|seen| !**seen).count() as u64;
        damage
    }

    #[test]
    fn a_sound_path_delivers_everything_in_order() {
        let (arrived, damage) = arrivals(NONE, 100);
        assert_eq!(arrived, (0..100).collect::<Vec<_>>());
        assert_eq!(damage, Damage::default());
        assert!(arrivals(NONE, 0).0.is_empty());
    }

    #[test]
    fn the_damage_told_is_the_damage_done() {
        for seed in 0..50 {
            let faults = Faults {
                loss: 0.1,
                loss_burst: 1 + seed as u32 % 5,
                duplicate: 0.1,
                reorder: 0.2,
                reorder_distance: 7,
                seed,
            };
            let (arrived, damage) = arrivals(faults, 1000);
            assert_eq!(damage, counted(&arrived, 1000), "seed {seed}");
            assert!(damage.lost > 20 && damage.duplicated > 50 && damage.reordered > 50);
            assert_eq!(arrived[0], 0);
            assert!(arrived.contains(&999));
        }
    }

    #[test]
    fn shares_are_those_asked_for() {
        for burst in [1, 4, 25] {
            let faults = Faults {
                loss: 0.2,
                loss_burst: burst,
                ..NONE
            };
            let (_, damage) = arrivals(faults, 100_000);
            assert!(
                (18_000..22_000).contains(&damage.lost),
                "{} lost in bursts of {burst}",
                damage.lost
            );
        }
        let (_, damage) = arrivals(
            Faults {
                duplicate: 0.3,
                ..NONE
            },
            10_000,
        );
        assert!((2_800..3_200).contains(&damage.duplicated));
    }

    #[test]
    fn losses_come_in_runs_of_the_burst_length() {
        let faults = Faults {
            loss: 0.05,
            loss_burst: 6,
            ..NONE
        };
        let (arrived, _) = arrivals(faults, 10_000);
        let gaps: Vec<u64> = arrived
            .windows(2)
            .map(|pair| pair[1] - pair[0] - 1)
            .filter(|gap| *gap > 0)
            .collect();
        // The burst at the very end may be cut short by the last packet.
        let (_, inside) = gaps.split_last().unwrap();
        assert!(
            inside.len() > 40 && inside.iter().all(|gap| gap % 6 == 0),
            "{gaps:?}"
        );
    }

    #[test]
    fn even_a_dead_path_delivers_the_first_and_the_last() {
        let (arrived, damage) = arrivals(Faults { loss: 1.0, ..NONE }, 10);
        assert_eq!(arrived, [0, 9]);
        assert_eq!(damage.lost, 8);
        assert_eq!(arrivals(Faults { loss: 1.0, ..NONE }, 1).0, [0]);
    }

    #[test]
    fn no_packet_is_late_by_more_than_the_distance() {
        let faults = Faults {
            reorder: 0.5,
            reorder_distance: 4,
            ..NONE
        };
        let (arrived, damage) = arrivals(faults, 1000);
        assert!(damage.reordered > 200);
        let mut farthest = 0;
        for (place, number) in arrived.iter().enumerate() {
            let overtaken_by = arrived[..place].iter().filter(|other| *other > number);
            farthest = farthest.max(overtaken_by.count());
        }
        assert_eq!(farthest, 4);
        assert_eq!(arrived[0], 0);
    }

    #[test]
    fn a_seed_names_one_way_and_one_fault_leaves_the_others_alone() {
        let faults = Faults { loss: 0.1, ..NONE };
        assert_eq!(arrivals(faults, 500), arrivals(faults, 500));
        assert_ne!(
            arrivals(faults, 500),
            arrivals(Faults { seed: 2, ..faults }, 500)
        );
        let more = Faults {
            duplicate: 0.5,
            reorder: 0.5,
            ..faults
        };
        let mut lossy = arrivals(more, 500).0;
        lossy.sort_unstable();
        lossy.dedup();
        assert_eq!(lossy, arrivals(faults, 500).0);
    }
}
