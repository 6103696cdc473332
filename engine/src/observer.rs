//! Places as evidence: what each saw of a flow, and whether its mirror could explain what it did not see.
//!
//! The rule above all others: never blame the network for what the mirror lost. A place counts as evidence for a
//! missing direction only if it is known to see that direction, takes every packet, and lost too few to explain it.

use serde::{Deserialize, Serialize};

use crate::firewall::Settings;
use crate::flow::{Side, protocol};
use crate::observation::{FlowObserved, Visible};
use crate::point::PointId;
use crate::sequence::Episode;
use crate::site::{Carries, Role};
use crate::table::Map;
use crate::time::{SECOND, Timestamp};
use crate::verdict::Cause;

/// Losses of one sequence counter, owned, so that they can travel with observations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Packets missing of all that were numbered, 0 to 1.
    pub rate: f64,
    /// Packets a second, the missing ones included.
    pub pace: f64,
    /// When how many were missing.
    pub episodes: Vec<Episode>,
}

/// What the correlator knows of a point.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct PointFacts {
    /// Its name.
    pub name: String,
    /// Its site's name.
    pub site: String,
    /// What stands there.
    pub role: Role,
    /// What its owner says that its mirror carries.
    pub carries: Option<Carries>,
    /// For a firewall: how it tracks connections.
    pub firewall: Option<Settings>,
    /// Its mirror takes some packets only: its owner's word, or more TCP bytes unseen than seen and no numbers to say
    /// that they were lost.
    pub sampled: bool,
    /// Counters of its sessions.
    pub losses: Vec<Losses>,
    /// Some of its sessions have no sequence numbers.
    pub unnumbered: bool,
    /// First and last packet of each of its sessions.
    pub lived: Vec<(Timestamp, Timestamp)>,
    /// Share of TCP bytes that passed unseen, 0 to 1.
    pub unseen: f64,
    /// Share of its packets that were cut before their ports, 0 to 1.
    pub portless: f64,
    /// Packets in encapsulations that cannot be opened.
    pub unopened: u64,
}

/// Everything that verdicts rest on, besides the observations.
#[derive(Clone, Debug)]
pub struct Context {
    /// The points; a [`PointId`] is the index.
    pub points: Vec<PointFacts>,
    /// Last packet of the capture.
    pub end: Timestamp,
    /// For each point the first point of its site, which stands for the site.
    sites: Vec<usize>,
}

/// Below this chance, loss is no explanation for packets that are missing.
const CHANCE: f64 = 1e-6;
/// Loss that no mirror without sequence numbers is above suspicion of: one packet in a thousand.
const UNNUMBERED: f64 = 1e-3;
/// Answers take at most this long, or none came: the initial retransmission timeout of TCP is 1 s (RFC 6298).
pub(crate) const PATIENCE: i64 = 3 * SECOND;

/// One place, or several that do the same work at one site (a link bundle, the ends of an interconnect).
#[derive(Clone, Debug)]
pub struct Observer {
    /// Its points.
    pub points: Vec<PointId>,
    /// Stands for the site of its points.
    pub(crate) site: usize,
    /// What stands there.
    pub role: Role,
    /// Packets that each side sent past it.
    pub packets: [u64; 2],
    visible: [Visible; 2],
    /// First and last packet of each side.
    period: [Option<(Timestamp, Timestamp)>; 2],
    /// For a place that saw one direction: what that says of the other.
    pub missing: Option<Missing>,
}

impl Observer {
    /// Whether it saw both directions.
    pub(crate) fn whole(&self) -> bool {
        self.packets.iter().all(|packets| *packets > 0)
    }

    /// First and last packet of either direction.
    pub fn span(&self) -> (Timestamp, Timestamp) {
        join(self.period[0], self.period[1]).unwrap_or_default()
    }

    /// Whether all that `other` saw of a side had passed here before.
    fn precedes(&self, other: &Self, side: Side) -> bool {
        match (self.period[side], other.period[side]) {
            (Some(here), Some(there)) => {
                here.0 <= there.0
                    && here.1.plus(SECOND / 2) >= there.1
                    && self.packets[side] >= other.packets[side]
            }
            _ => false,
        }
    }
}

/// The period that holds two others.
fn join(
    a: Option<(Timestamp, Timestamp)>,
    b: Option<(Timestamp, Timestamp)>,
) -> Option<(Timestamp, Timestamp)> {
    match (a, b) {
        (Some(a), Some(b)) => Some((a.0.min(b.0), a.1.max(b.1))),
        (one, None) | (None, one) => one,
    }
}

/// What it means that a place saw nothing from one side.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The side whose packets are missing.
    pub side: Side,
    /// `None`: they did not pass there. Otherwise the mirror may have missed them.
    pub cause: Option<Cause>,
}

impl Context {
    /// The facts of all points, in the order of their ids.
    pub fn new(points: Vec<PointFacts>, end: Timestamp) -> Self {
        let mut first: Map<&str, usize> = Map::default();
        let sites: Vec<usize> = (0..)
            .zip(&points)
            .map(|(index, point)| *first.entry(point.site.as_str()).or_insert(index))
            .collect();
        drop(first);
        Self { points, end, sites }
    }

    pub(crate) fn point(&self, id: PointId) -> Option<&PointFacts> {
        self.points.get(id.0 as usize)
    }

    /// Firewalls stand for themselves; of other roles all points of one site are one observer, because a bundle of
    /// links may spread the two directions over its members.
    pub(crate) fn observers(&self, flow: &FlowObserved) -> Vec<Observer> {
        let mut observers: Vec<Observer> = Vec::with_capacity(flow.observations.len());
        for observation in &flow.observations {
            let Some(point) = self.point(observation.point) else {
                continue;
            };
            let site = self
                .sites
                .get(observation.point.0 as usize)
                .copied()
                .unwrap_or_default();
            let packets = observation.sides.map(|s| s.packets);
            let together = |o: &&mut Observer| {
                point.role != Role::Firewall
                    && point.role != Role::Vnic
                    && o.role == point.role
                    && o.site == site
            };
            let period = observation
                .sides
                .map(|s| (s.packets > 0).then_some((s.first, s.last)));
            if let Some(group) = observers.iter_mut().find(together) {
                group.points.push(observation.point);
                for side in [0, 1] {
                    group.packets[side] += packets[side];
                    group.visible[side] = group.visible[side].max(observation.visible[side]);
                    group.period[side] = join(group.period[side], period[side]);
                }
            } else {
                observers.push(Observer {
                    points: vec![observation.point],
                    site,
                    role: point.role,
                    packets,
                    visible: observation.visible,
                    period,
                    missing: None,
                });
            }
        }
        observers
    }

    /// What it means that an observer saw nothing from one side.
    pub(crate) fn missing(
        &self,
        flow: &FlowObserved,
        observers: &[Observer],
        index: usize,
    ) -> Option<Missing> {
        let observer = observers.get(index)?;
        let side = match observer.packets {
            [0, other] if other > 0 => 0,
            [other, 0] if other > 0 => 1,
            _ => return None,
        };
        let points = || observer.points.iter().filter_map(|id| self.point(*id));
        let elsewhere = flow.total(side).packets;
        // Without a place that saw them: a peer answers every second or third segment at least.
        let expected = if elsewhere > 0 {
            elsewhere
        } else {
            (observer.packets[1 - side] / 3).max(1)
        };
        // Packets that were seen nowhere may have passed before or after all that was seen.
        let slack = if elsewhere > 0 { 0 } else { PATIENCE };
        let (from, to) = (flow.first.plus(-slack), flow.last.plus(slack));
        // When the missing packets passed elsewhere; nobody knows better than the flow itself if they passed nowhere.
        let there = observers.iter().map(|o| o.period[side]);
        let meanwhile = there.fold(None, join).unwrap_or((flow.first, flow.last));
        let blind = points().any(|p| p.carries == Some(Carries::One));
        let proven = points().any(|p| p.carries == Some(Carries::Both))
            || observer.visible[side] >= Visible::Proven;
        let cause = if points().any(|p| p.sampled) {
            Some(Cause::Sampled)
        } else if points().any(|p| p.portless > 0.01) {
            Some(Cause::Truncated)
        } else if blind || !proven {
            Some(Cause::BlindSpot)
        } else if points().any(|p| p.silent(meanwhile)) {
            Some(Cause::MirrorSilent)
        } else if points().any(|p| p.explains(expected, from, to)) {
            Some(Cause::MirrorLoss)
        } else if points().any(|p| p.unopened >= expected) {
            Some(Cause::Unopened)
        } else if lively(flow)
            && observers
                .iter()
                .any(|o| o.role.on_path() && o.whole() && o.precedes(observer, 1 - side))
        {
            Some(Cause::Flooded)
        } else {
            None
        };
        Some(Missing { side, cause })
    }

    /// Whether all that `other` saw may have passed an observer too, and only its mirror lost it.
    pub(crate) fn may_have_missed(&self, observer: &Observer, other: &Observer) -> bool {
        let (from, to) = other.span();
        let expected = other.packets.iter().sum();
        let mut points = observer.points.iter().filter_map(|id| self.point(*id));
        points.any(|p| p.sampled || p.silent((from, to)) || p.explains(expected, from, to))
    }
}

impl PointFacts {
    /// Its name with its site, as texts for people call it.
    pub(crate) fn place(&self) -> String {
        format!("{} ({})", self.name, self.site)
    }

    /// Whether a session did not run in a period: no number shows what is lost before its first packet and after its
    /// last. One session that took the place of another (a host that a machine moved to) is no gap; one of several that
    /// ran side by side is.
    pub(crate) fn silent(&self, (first, last): (Timestamp, Timestamp)) -> bool {
        let absent = |l: &(Timestamp, Timestamp)| l.1 < first || l.0 > last;
        let beside = |l: &(Timestamp, Timestamp)| {
            self.lived.iter().filter(|m| m.0 < l.1 && l.0 < m.1).count() > 1
        };
        self.lived.iter().all(absent) || self.lived.iter().any(|l| absent(l) && beside(l))
    }

    /// Whether loss of the mirror could explain that `expected` packets are missing in a period.
    pub(crate) fn explains(&self, expected: u64, from: Timestamp, to: Timestamp) -> bool {
        let power = i32::try_from(expected).unwrap_or(i32::MAX);
        if self.unnumbered && self.unseen.max(UNNUMBERED).powi(power) > CHANCE {
            return true;
        }
        self.losses.iter().any(|losses| {
            let touching = losses
                .episodes
                .iter()
                .filter(|e| e.from <= to && e.to >= from);
            let (missing, period) = touching.fold((0, 0_i64), |(missing, period), e| {
                (
                    missing + e.missing,
                    period.saturating_add(e.to.since(e.from).max(0)),
                )
            });
            // In a burst the local rate counts, not the average.
            let expected_then = (losses.pace * period as f64 / SECOND as f64).max(missing as f64);
            let local = if missing > 0 {
                missing as f64 / expected_then.max(1.0)
            } else {
                0.0
            };
            missing >= expected && losses.rate.max(local).powi(power) > CHANCE
        })
    }
}

/// Whether the flow works end to end, as far as it can tell: for TCP, the originator acknowledges data.
fn lively(flow: &FlowObserved) -> bool {
    let half = &flow.conversation.halves[flow.originator];
    flow.key.protocol != protocol::TCP || half.data > 0 || half.acknowledges_progress()
}
