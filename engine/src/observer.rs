//! Places as evidence: what each saw of a flow, and whether its mirror could explain what it did not see.
//!
//! The rule above all others: never blame the network for what the mirror lost. A place counts as evidence for a
//! missing direction only if it is known to see that direction, takes every packet, and lost too few to explain it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::firewall::Settings;
use crate::flow::{FlowKey, Side, protocol};
use crate::names::Names;
use crate::observation::{FlowObserved, Observation, Visible};
use crate::point::PointId;
use crate::sequence::Episode;
use crate::site::{Carries, Role, Tenants};
use crate::table::{Map, Set};
use crate::time::{SECOND, Timestamp};
use crate::verdict::Cause;

/// Losses of one sequence counter, or of one interface of this host, owned, so that they can travel with observations.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Losses {
    /// Packets missing of all that were numbered, 0 to 1.
    pub rate: f64,
    /// Packets a second, the missing ones included.
    pub pace: f64,
    /// First and last packet that was numbered.
    pub period: (Timestamp, Timestamp),
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
    /// It counts as a firewall from this time on.
    pub tracks_since: Timestamp,
    /// Its mirror takes some packets only: its owner's word, or more TCP bytes unseen than seen and no numbers to say
    /// that they were lost.
    pub sampled: bool,
    /// Counters of its sessions, and what this host dropped of those that came unnumbered.
    pub losses: Vec<Arc<Losses>>,
    /// Some of its sessions have no sequence numbers.
    pub unnumbered: bool,
    /// First and last packet of each of its sessions.
    pub lived: Vec<(Timestamp, Timestamp)>,
    /// Share of TCP bytes that passed unseen, or of what sessions with numbers lost on the way to the same collector, 0
    /// to 1.
    pub unseen: f64,
    /// Packets that are lost in a row, on the average, where numbers tell.
    pub burst: u64,
    /// Share of its packets that were cut before their ports, 0 to 1.
    pub portless: f64,
    /// Packets in encapsulations that cannot be opened.
    pub unopened: u64,
    /// Packets in all, those brought twice among them.
    pub packets: u64,
    /// Packets that its mirror brought more than once.
    pub doubled: u64,
    /// Of those, packets that a router had in between.
    pub routed: u64,
    /// Flows of which it saw both directions.
    pub both_ways: u64,
}

/// Everything that verdicts rest on, besides the observations.
#[derive(Clone, Debug)]
pub struct Context {
    /// The points; a [`PointId`] is the index.
    pub points: Vec<PointFacts>,
    /// Last packet of the capture; the moment of the question while packets still come.
    pub end: Timestamp,
    /// Packets still come: what was seen at one place just now may be on its way from another.
    under_way: bool,
    /// Whose flows are whose.
    tenants: Tenants,
    /// For each point the first point of its site, which stands for the site.
    sites: Vec<usize>,
    /// Flows that go on under other addresses, by serial: the other's key and id.
    translated: Arc<Map<u64, (FlowKey, String)>>,
    /// Stations that forward what others send.
    routers: Arc<Set<[u8; 6]>>,
    /// What machines are called.
    pub names: Arc<Names>,
}

/// Below this chance, loss is no explanation for packets that are missing.
const CHANCE: f64 = 1e-6;
/// Loss that no mirror without sequence numbers is above suspicion of: one packet in a thousand.
const UNNUMBERED: f64 = 1e-3;
/// Payload of a segment, at most.
const SEGMENT: u64 = 1460;
/// Packets and their numbers may come so much out of order.
const DELAYED: i64 = SECOND / 20;
/// Mirrors of two places, and answers of machines, are at most this far apart while packets still come.
const ON_THE_WAY: i64 = SECOND / 2;
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
    /// Resets of each side that passed here alone, while its other packets pass elsewhere: a firewall speaks for it.
    pub(crate) forged: [u64; 2],
    visible: [Visible; 2],
    /// First and last packet of each side.
    pub(crate) period: [Option<(Timestamp, Timestamp)>; 2],
    /// For a place that saw one direction: what that says of the other.
    pub missing: Option<Missing>,
}

impl Observer {
    /// Whether it stands at another site than `other`, or is another firewall of the same.
    pub(crate) fn apart_from(&self, other: &Self) -> bool {
        self.site != other.site || self.role == Role::Firewall && other.role == Role::Firewall
    }

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
                    && here.1 >= there.0
                    && here.1.plus(SECOND / 2) >= there.1
                    && self.packets[side] >= other.packets[side]
            }
            _ => false,
        }
    }
}

/// The period that holds two others.
pub(crate) fn join(
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
        Self {
            points,
            end,
            under_way: false,
            tenants: Tenants::default(),
            sites,
            translated: Arc::default(),
            routers: Arc::default(),
            names: Arc::default(),
        }
    }

    /// The same while packets still come.
    #[must_use]
    pub(crate) fn under_way(mut self, under_way: bool) -> Self {
        self.under_way = under_way;
        self
    }

    /// Whether it is too early to say that what passed one place at a time did not pass another.
    pub(crate) fn too_early(&self, time: Timestamp) -> bool {
        self.under_way && self.end.since(time) < ON_THE_WAY
    }

    /// The same with the stations that forward what others send.
    #[must_use]
    pub(crate) fn with_routers(mut self, routers: Arc<Set<[u8; 6]>>) -> Self {
        self.routers = routers;
        self
    }

    /// Whether the last packet of a side came to a point from a router, for the machine that it is meant for.
    pub(crate) fn handed_over(&self, at: &Observation, side: Side) -> bool {
        let macs = at.sides[side].macs;
        macs.is_some_and(|(from, to)| self.routers.contains(&from) && !self.routers.contains(&to))
    }

    /// The same with tenants.
    #[must_use]
    pub fn of_tenants(mut self, tenants: &Tenants) -> Self {
        self.tenants = tenants.clone();
        self
    }

    /// The same, with the names of machines.
    #[must_use]
    pub fn with_names(mut self, names: &Arc<Names>) -> Self {
        self.names = Arc::clone(names);
        self
    }

    /// The tenant that a flow belongs to, if the sites file tells one.
    pub fn tenant(&self, flow: &FlowObserved) -> Option<&str> {
        self.tenants.name(flow.key.scope)
    }

    /// The same, with flows that go on under other addresses.
    #[must_use]
    pub(crate) fn with_translated(mut self, translated: Arc<Map<u64, (FlowKey, String)>>) -> Self {
        self.translated = translated;
        self
    }

    /// The flow that a flow is under other addresses: its key and id.
    pub(crate) fn translation(&self, flow: &FlowObserved) -> Option<&(FlowKey, String)> {
        self.translated.get(&flow.serial)
    }

    pub(crate) fn point(&self, id: PointId) -> Option<&PointFacts> {
        self.points.get(id.0 as usize)
    }

    /// The names of points, each with its site.
    pub(crate) fn places<'a>(&self, ids: impl IntoIterator<Item = &'a PointId>) -> Vec<String> {
        let facts = ids.into_iter().filter_map(|id| self.point(*id));
        facts.map(PointFacts::place).collect()
    }

    /// Whether a firewall, router or uplink of an observer's site is mirrored.
    pub(crate) fn sees_gateway(&self, observer: &Observer) -> bool {
        let mut points = self.points.iter().zip(&self.sites);
        points.any(|(point, site)| *site == observer.site && point.role.is_gateway())
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
            let forged = [0, 1].map(|side| forged(flow, observation, side));
            let packets = [0, 1].map(|side| observation.sides[side].packets - forged[side]);
            let together = |o: &&mut Observer| {
                point.role != Role::Firewall
                    && point.role != Role::Vnic
                    && o.role == point.role
                    && o.site == site
            };
            let period = [0, 1].map(|side| {
                let seen = &observation.sides[side];
                (packets[side] > 0).then_some((seen.first, seen.last))
            });
            if let Some(group) = observers.iter_mut().find(together) {
                group.points.push(observation.point);
                for side in [0, 1] {
                    group.packets[side] += packets[side];
                    group.forged[side] += forged[side];
                    group.visible[side] = group.visible[side].max(observation.visible[side]);
                    group.period[side] = join(group.period[side], period[side]);
                }
            } else {
                observers.push(Observer {
                    points: vec![observation.point],
                    site,
                    role: point.role,
                    packets,
                    forged,
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
        let elsewhere = expected_of(flow, observers, observer, side);
        // Without a place that saw them: a peer answers every second or third segment at least.
        let expected = if elsewhere > 0 {
            elsewhere
        } else {
            (observer.packets[1 - side] / 3).max(1)
        };
        // Packets that were seen nowhere may have passed before or after all that was seen.
        let slack = if elsewhere > 0 { 0 } else { PATIENCE };
        // When the missing packets passed elsewhere; nobody knows better than the flow itself if they passed nowhere.
        let there = observers.iter().map(|o| o.period[side]);
        let unseen = Unseen {
            packets: expected,
            within: (flow.first.plus(-slack), flow.last.plus(slack)),
            meanwhile: there.fold(None, join).unwrap_or((flow.first, flow.last)),
        };
        // What a place saw of the other side is a copy of what had passed a place that saw both, unless so many passed
        // there less than there were in all.
        let copies = |o: &Observer| {
            let others = flow.sums[1 - side]
                .packets
                .saturating_sub(o.packets[1 - side]);
            others < observer.packets[1 - side]
                || self.lost(o, others, (flow.first.plus(-slack), flow.last.plus(slack)))
        };
        let flooded = || {
            let mut others = observers.iter().filter(|o| o.role.on_path() && o.whole());
            lively(flow) && others.any(|o| o.precedes(observer, 1 - side) && copies(o))
        };
        let cause = self
            .excuse(observer, side, unseen)
            .or_else(|| flooded().then_some(Cause::Flooded));
        Some(Missing { side, cause })
    }

    /// Why an observer may not have seen packets of a side that passed it; `None` if they did not pass it.
    pub(crate) fn excuse(&self, observer: &Observer, side: Side, unseen: Unseen) -> Option<Cause> {
        let points = || observer.points.iter().filter_map(|id| self.point(*id));
        let Unseen {
            packets,
            within: (from, to),
            meanwhile,
        } = unseen;
        let blind = points().any(|p| p.carries == Some(Carries::One));
        let proven = points().any(|p| p.carries == Some(Carries::Both))
            || observer.visible[side] >= Visible::Proven;
        if points().any(|p| p.sampled) {
            Some(Cause::Sampled)
        } else if points().any(|p| p.portless > 0.01) {
            Some(Cause::Truncated)
        } else if blind || !proven {
            Some(Cause::BlindSpot)
        } else if self.too_early(meanwhile.0) || self.too_early(observer.span().0) {
            Some(Cause::CaptureEnd)
        } else if points().any(|p| p.silent(meanwhile)) {
            Some(Cause::MirrorSilent)
        } else if points().any(|p| p.lost(packets, (from, to), meanwhile)) {
            Some(Cause::MirrorLoss)
        } else if points().any(|p| p.unopened >= packets) {
            Some(Cause::Unopened)
        } else {
            None
        }
    }

    /// Whether an observer's mirror may have lost so many bytes of a flow.
    pub(crate) fn may_have_lost(
        &self,
        observer: &Observer,
        flow: &FlowObserved,
        bytes: i64,
    ) -> bool {
        let packets = segments(bytes).unwrap_or(1);
        self.lost(observer, packets, (flow.first, flow.last))
    }

    /// Whether an observer's mirror may have lost so many packets in a period.
    fn lost(&self, observer: &Observer, packets: u64, (from, to): (Timestamp, Timestamp)) -> bool {
        let mut points = observer.points.iter().filter_map(|id| self.point(*id));
        points.any(|p| p.sampled || p.explains(packets, from, to))
    }

    /// Whether an observer's mirror ran all the time.
    pub(crate) fn ran(&self, observer: &Observer, (from, to): (Timestamp, Timestamp)) -> bool {
        let mut points = observer.points.iter().filter_map(|id| self.point(*id));
        points.all(|p| p.lived.iter().any(|l| l.0 <= from && l.1 >= to))
    }
}

/// Packets of a side that passed elsewhere while an observer saw the other side. Of those that passed in a time that is
/// much longer, one at least is counted: the flow may have come this way lately.
fn expected_of(
    flow: &FlowObserved,
    observers: &[Observer],
    observer: &Observer,
    side: Side,
) -> u64 {
    let total = flow.total(side);
    let (from, to) = observer.span();
    let near = |(first, last): (Timestamp, Timestamp)| {
        first >= from.plus(-PATIENCE) && last <= to.plus(PATIENCE)
    };
    if near((total.first, total.last)) || total.packets == 0 {
        return total.packets.saturating_sub(observer.forged[side]);
    }
    let counted = observers
        .iter()
        .filter(|o| o.period[side].is_some_and(near))
        .map(|o| o.packets[side]);
    counted.max().unwrap_or(1)
}

/// Segments that so many bytes take at least; `None` for a FIN or less.
pub(crate) fn segments(bytes: i64) -> Option<u64> {
    let bytes = u64::try_from(bytes).ok().filter(|bytes| *bytes > 1)?;
    Some(bytes.div_ceil(SEGMENT))
}

/// Packets that an observer did not see.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Unseen {
    /// How many.
    pub packets: u64,
    /// When they may have passed.
    pub within: (Timestamp, Timestamp),
    /// When they passed elsewhere, as far as is known.
    pub meanwhile: (Timestamp, Timestamp),
}

/// Resets of a side, if it sent nothing else past a point but did elsewhere: a firewall that rejects a packet answers in
/// the name of the other end.
fn forged(flow: &FlowObserved, observation: &Observation, side: Side) -> u64 {
    let only_resets = |o: &Observation| {
        let seen = o.sides[side].packets;
        seen > 0 && u64::from(o.conversation.halves[side].rst) == seen
    };
    let others = || {
        flow.observations
            .iter()
            .filter(|o| o.sides[side].packets > 0)
    };
    if only_resets(observation) && others().any(|o| !only_resets(o)) {
        observation.sides[side].packets
    } else {
        0
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
        self.lost(expected, (from, to), (from, to))
    }

    /// The same, `meanwhile` being when the packets passed elsewhere.
    fn lost(
        &self,
        expected: u64,
        within: (Timestamp, Timestamp),
        meanwhile: (Timestamp, Timestamp),
    ) -> bool {
        let wider = |(from, to): (Timestamp, Timestamp)| (from.plus(-DELAYED), to.plus(DELAYED));
        let (within, meanwhile) = (wider(within), wider(meanwhile));
        // Numbers that others have tell how many are lost in a row.
        let unnoticed = |packets: u64| {
            let events = packets.div_ceil(self.burst.max(1));
            let power = i32::try_from(events).unwrap_or(i32::MAX);
            match packets {
                0 => 1.0,
                _ if self.unnumbered => self.unseen.max(UNNUMBERED).powi(power),
                _ => 0.0,
            }
        };
        // What is known to be lost may be a part of it only.
        let known = self.losses.iter().any(|losses| {
            let (chance, rest) = losses.chance(expected, within, meanwhile);
            chance * unnoticed(rest) > CHANCE
        });
        known || unnoticed(expected) > CHANCE
    }
}

impl Losses {
    /// How likely it is that packets that passed in a period are among those that were lost, as many of them as were lost;
    /// and the rest.
    ///
    /// Packets of a flow come in a row, and so do lost ones: a burst counts as one event, however many it takes.
    fn chance(
        &self,
        expected: u64,
        (from, to): (Timestamp, Timestamp),
        meanwhile: (Timestamp, Timestamp),
    ) -> (f64, u64) {
        let touching = || {
            let mut episodes = self.episodes.iter();
            std::iter::from_fn(move || episodes.find(|e| e.from <= to && e.to >= from))
        };
        // A mirror that loses packets at all may have lost some more before its first number and after its last.
        let bursts = self.episodes.iter().filter(|e| e.at_once());
        let burst = bursts.map(|e| e.missing).max();
        let ends = [meanwhile.0 <= self.period.0, meanwhile.1 >= self.period.1];
        let unnumbered = ends.into_iter().filter(|at| *at).filter_map(|_| burst);
        let missing: u64 =
            touching().map(|e| e.missing).sum::<u64>() + unnumbered.clone().sum::<u64>();
        let covered = missing.min(expected);
        // When much was lost in the period, the average says nothing.
        let period = to.since(from).max(0) as f64 / SECOND as f64;
        let sent = (self.pace * period).max(missing as f64).max(1.0);
        let rate = self.rate.max(missing as f64 / sent);
        let mut bursts: Vec<u64> = touching()
            .filter(|e| e.at_once())
            .map(|e| e.missing)
            .chain(unnumbered)
            .collect();
        bursts.sort_unstable_by(|a, b| b.cmp(a));
        let (mut left, mut chance) = (covered, 1.0);
        for burst in bursts {
            if left == 0 {
                break;
            }
            left = left.saturating_sub(burst);
            chance *= rate;
        }
        // Of neighbours that were merged only averages are known: a full ring or buffer loses many in a row, a bad
        // link one at a time.
        let scattered = || touching().filter(|e| !e.at_once());
        let density = scattered().map(Episode::density).fold(rate, f64::max);
        let in_a_row = scattered().map(Episode::in_a_row).max().unwrap_or(1);
        let events = i32::try_from(left.div_ceil(in_a_row)).unwrap_or(i32::MAX);
        (chance * density.powi(events), expected - covered)
    }
}

/// Whether the flow works end to end, as far as it can tell: for TCP, the originator acknowledges data.
fn lively(flow: &FlowObserved) -> bool {
    let half = &flow.conversation.halves[flow.originator];
    flow.key.protocol != protocol::TCP || half.data > 0 || half.acknowledges_progress()
}
