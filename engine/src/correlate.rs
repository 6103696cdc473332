//! Puts what the points saw of a flow side by side: where its two directions went, and whether the mirror could
//! explain what is missing.
//!
//! The rule above all others: never blame the network for what the mirror lost. A place counts as evidence for a
//! missing direction only if it is known to see that direction, takes every packet, and lost too few to explain it.

use mirrorscope_dissectors::TcpFlags;

use crate::flow::{Side, protocol};
use crate::observation::{FlowObserved, Observation, Visible};
use crate::point::PointId;
use crate::sequence::Episode;
use crate::site::{Carries, Role};
use crate::time::{SECOND, Timestamp};
use crate::verdict::{Cause, Confidence, Verdict};

/// Losses of one sequence counter, owned, so that they can travel with observations.
#[derive(Clone, Debug, Default)]
pub struct Losses {
    /// Packets missing of all that were numbered, 0 to 1.
    pub rate: f64,
    /// Packets a second, the missing ones included.
    pub pace: f64,
    /// When how many were missing.
    pub episodes: Vec<Episode>,
}

/// What the correlator knows of a point.
#[derive(Clone, Debug)]
pub struct PointFacts {
    /// Its name.
    pub name: String,
    /// Its site's name.
    pub site: String,
    /// What stands there.
    pub role: Role,
    /// What its owner says that its mirror carries.
    pub carries: Option<Carries>,
    /// Its mirror takes some packets only: its owner's word, or more TCP bytes unseen than seen.
    pub sampled: bool,
    /// Counters of its sessions.
    pub losses: Vec<Losses>,
    /// Where no sequence numbers exist: share of TCP bytes that passed unseen, 0 to 1.
    pub unseen: f64,
    /// Share of its packets that were cut before their ports, 0 to 1.
    pub portless: f64,
}

/// Everything that verdicts rest on, besides the observations.
#[derive(Clone, Debug)]
pub struct Context {
    /// The points; a [`PointId`] is the index.
    pub points: Vec<PointFacts>,
    /// Last packet of the capture.
    pub end: Timestamp,
}

/// Below this chance, loss is no explanation for packets that are missing.
const CHANCE: f64 = 1e-6;
/// Answers take at most this long, or none came: the initial retransmission timeout of TCP is 1 s (RFC 6298).
const PATIENCE: i64 = 3 * SECOND;

/// One place, or several that do the same work at one site (a link bundle, the ends of an interconnect).
#[derive(Clone, Debug)]
pub struct Observer {
    /// Its points.
    pub points: Vec<PointId>,
    /// Site of its points.
    site: usize,
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
    fn whole(&self) -> bool {
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

/// What became of a flow, and why that is believed.
#[derive(Clone, Debug)]
pub struct Judgement {
    /// How the flow went.
    pub verdict: Verdict,
    /// For `unknown`: why.
    pub cause: Option<Cause>,
    /// How sure that is.
    pub confidence: Confidence,
    /// Nobody looks where the other direction goes; it is known from acknowledgements only.
    pub unseen_way: bool,
    /// One direction is all that this kind of traffic has (multicast, broadcast).
    pub by_nature: bool,
    /// All places that saw it.
    pub observers: Vec<Observer>,
}

impl Judgement {
    /// Places on the path that are known to have missed one side.
    pub fn one_sided(&self) -> impl Iterator<Item = (&Observer, Side)> {
        self.observers
            .iter()
            .filter(|o| o.role.on_path())
            .filter_map(|o| match o.missing {
                Some(Missing { side, cause: None }) => Some((o, side)),
                _ => None,
            })
    }
}

impl Context {
    fn point(&self, id: PointId) -> Option<&PointFacts> {
        self.points.get(id.0 as usize)
    }

    /// Judges one flow.
    pub fn judge(&self, flow: &FlowObserved) -> Judgement {
        let mut observers = self.observers(flow);
        let seen = [0, 1].map(|side| observers.iter().any(|o| o.packets[side] > 0));
        for index in 0..observers.len() {
            let missing = self.missing(flow, &observers, index);
            if let Some(observer) = observers.get_mut(index) {
                observer.missing = missing;
            }
        }
        let judgement = Judgement {
            verdict: Verdict::Unknown,
            cause: None,
            confidence: Confidence::High,
            unseen_way: false,
            by_nature: false,
            observers,
        };
        if seen[0] && seen[1] {
            Self::both(flow, judgement)
        } else {
            self.single(flow, usize::from(seen[1]), judgement)
        }
    }

    /// The verdict in a sentence; for `unknown` it begins with the cause's name.
    pub fn why(&self, flow: &FlowObserved, judgement: &Judgement) -> String {
        let way = |side| self.way(flow, side);
        let (orig, resp) = (flow.originator, flow.responder());
        match judgement.verdict {
            Verdict::Symmetric => format!("both directions pass {}", way(orig)),
            Verdict::Asymmetric if judgement.unseen_way => {
                let side = usize::from(flow.total(1).packets > 0);
                let (seen, other) = if side == orig {
                    ("requests", "answers")
                } else {
                    ("answers", "requests")
                };
                format!(
                    "{seen} pass {}; {other} exist, but pass no mirrored place",
                    way(side)
                )
            }
            Verdict::Asymmetric => {
                format!("requests pass {}; answers pass {}", way(orig), way(resp))
            }
            Verdict::OneWay if judgement.by_nature => {
                "multicast or broadcast: one-way by nature".to_owned()
            }
            Verdict::OneWay => {
                let side = usize::from(flow.total(1).packets > 0);
                format!(
                    "only packets from {} exist, at {}",
                    flow.key.end(side).address,
                    way(side)
                )
            }
            Verdict::Unanswered => format!(
                "{} requests pass {}, nobody answers",
                flow.total(orig).packets,
                way(orig)
            ),
            Verdict::Moved => format!(
                "both directions together, but first and later at different places: {}",
                way(orig)
            ),
            Verdict::Unknown => {
                let cause = judgement.cause.unwrap_or(Cause::NoPoint);
                format!("{}: {}", cause.as_str(), cause.in_words())
            }
        }
    }

    /// The points that one side's packets passed, in the order of their first packet: `fw1 (dc1) > dci (dc1)`.
    pub fn way(&self, flow: &FlowObserved, side: Side) -> String {
        let names: Vec<String> = Self::path(flow, side, flow.first)
            .filter_map(|id| self.point(id))
            .map(|point| format!("{} ({})", point.name, point.site))
            .collect();
        names.join(" > ")
    }

    /// The points that one side's packets still passed at a time, in the order of their first packet.
    pub fn path(
        flow: &FlowObserved,
        side: Side,
        since: Timestamp,
    ) -> impl Iterator<Item = PointId> {
        let mut passed: Vec<&Observation> = flow
            .observations
            .iter()
            .filter(|o| o.sides[side].packets > 0 && o.sides[side].last >= since)
            .collect();
        passed.sort_by_key(|o| o.sides[side].first);
        passed.into_iter().map(|o| o.point)
    }

    /// Firewalls stand for themselves; of other roles all points of one site are one observer, because a bundle of
    /// links may spread the two directions over its members.
    fn observers(&self, flow: &FlowObserved) -> Vec<Observer> {
        let mut observers: Vec<Observer> = Vec::with_capacity(flow.observations.len());
        for observation in &flow.observations {
            let Some(point) = self.point(observation.point) else {
                continue;
            };
            let site = self
                .points
                .iter()
                .position(|p| p.site == point.site)
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
    fn missing(
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
        let blind = points().any(|p| p.carries == Some(Carries::One));
        let proven = points().any(|p| p.carries == Some(Carries::Both))
            || observer.visible[side] >= Visible::Proven;
        let cause = if points().any(|p| p.sampled) {
            Some(Cause::Sampled)
        } else if points().any(|p| p.portless > 0.01) {
            Some(Cause::Truncated)
        } else if blind || !proven {
            Some(Cause::BlindSpot)
        } else if points().any(|p| p.explains(expected, flow.first, flow.last)) {
            Some(Cause::MirrorLoss)
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

    /// Both directions exist somewhere.
    fn both(flow: &FlowObserved, mut judgement: Judgement) -> Judgement {
        let on_path = || judgement.observers.iter().filter(|o| o.role.on_path());
        let whole: Vec<&Observer> = on_path().filter(|o| o.whole()).collect();
        let best = judgement
            .one_sided()
            .filter_map(|(o, side)| Self::elsewhere(flow, &judgement.observers, o, side))
            .max();
        if let Some(confidence) = best {
            judgement.verdict = Verdict::Asymmetric;
            judgement.confidence = confidence;
            return judgement;
        }
        let causes = on_path()
            .filter_map(|o| o.missing)
            .map(|m| m.cause.unwrap_or(Cause::NoPoint));
        let worst = causes
            .filter(|c| *c != Cause::Flooded)
            .filter(|c| whole.is_empty() || !matches!(c, Cause::BlindSpot | Cause::Sampled))
            .min();
        match worst {
            Some(cause) => judgement.cause = Some(cause),
            // A machine's own port proves that the flow is whole, never that its path is symmetric.
            None if whole.is_empty() => judgement.cause = Some(Cause::NoPoint),
            None if moved(&whole) => judgement.verdict = Verdict::Moved,
            None => {
                let described = whole.iter().any(|o| o.role != Role::Switch);
                judgement.verdict = Verdict::Symmetric;
                judgement.confidence = if described {
                    Confidence::High
                } else {
                    Confidence::Medium
                };
            }
        }
        judgement
    }

    /// How sure it is that the side that an observer missed went another way; `None` if it may just not have come
    /// this far.
    fn elsewhere(
        flow: &FlowObserved,
        observers: &[Observer],
        observer: &Observer,
        side: Side,
    ) -> Option<Confidence> {
        let others = observers.iter().filter(|o| o.packets[side] > 0);
        // What passed before or after the observer's time tells of a move, not of two ways at once.
        let meanwhile = |o: &&Observer| {
            let (here, there) = (observer.span(), o.span());
            there.0 <= here.1.plus(PATIENCE) && there.1.plus(PATIENCE) >= here.0
        };
        let confidence = |o: &Observer| {
            let other_site = o.site != observer.site;
            let other_firewall = o.role == Role::Firewall && observer.role == Role::Firewall;
            match (o.role.on_path(), other_site || other_firewall) {
                (true, true)
                    if o.missing
                        .is_some_and(|m| m.side != side && m.cause.is_none()) =>
                {
                    Some(Confidence::High)
                }
                (_, true) => Some(Confidence::Medium),
                // Seen at the same site, but not here: another way only if it is known to arrive.
                (_, false) if flow.conversation.halves[1 - side].acknowledges_progress() => {
                    Some(Confidence::Low)
                }
                (_, false) => None,
            }
        };
        others.filter(meanwhile).filter_map(confidence).max()
    }

    /// Only packets from `side` exist.
    fn single(&self, flow: &FlowObserved, side: Side, mut judgement: Judgement) -> Judgement {
        let half = &flow.conversation.halves[side];
        let requests = side == flow.originator;
        let destination = flow.key.end(1 - side).address;
        let to_group = flow
            .observations
            .iter()
            .any(|o| o.sides[side].macs.is_some_and(|(_, to)| to[0] & 1 == 1));
        // What the best placed observer says: any place will do, a machine's own port too.
        let cause = judgement
            .observers
            .iter()
            .filter_map(|o| o.missing)
            .map(|m| m.cause)
            .min_by_key(Option::is_some)
            .flatten();
        let on_path = judgement.one_sided().next().is_some();
        let total = flow.total(side);
        let fresh = self.end.since(total.last) < PATIENCE;
        let conclude = |judgement: &mut Judgement, verdict, confidence| match cause {
            None => {
                judgement.verdict = verdict;
                judgement.confidence = confidence;
            }
            Some(cause) => judgement.cause = Some(cause),
        };
        if destination.is_multicast() || to_group {
            judgement.verdict = Verdict::OneWay;
            judgement.by_nature = true;
        } else if flow.key.protocol == protocol::TCP {
            let only_syn = requests
                && half.syn > 0
                && half.data == 0
                && half.fin == 0
                && !half.acknowledges_progress();
            let retried = flow
                .observations
                .iter()
                .map(|o| o.conversation.halves[side].syn)
                .max()
                .unwrap_or(0)
                > 1;
            if only_syn && retried && flow.last.since(flow.first) >= SECOND / 2 {
                // Whatever the mirror missed: a client that got an answer does not ask again.
                judgement.verdict = Verdict::Unanswered;
                judgement.confidence = if cause.is_none() {
                    Confidence::High
                } else {
                    Confidence::Medium
                };
            } else if only_syn && fresh {
                judgement.cause = Some(Cause::CaptureEnd);
            } else if only_syn {
                conclude(&mut judgement, Verdict::Unanswered, Confidence::Medium);
            } else if half.acknowledges_progress() || half.syn_ack > 0 {
                // The other side is heard, somewhere.
                if on_path {
                    judgement.verdict = Verdict::Asymmetric;
                    judgement.confidence = Confidence::Low;
                    judgement.unseen_way = true;
                } else {
                    judgement.cause = Some(cause.unwrap_or(Cause::NoPoint));
                }
            } else if fresh && total.packets < 3 {
                judgement.cause = Some(Cause::CaptureEnd);
            } else {
                conclude(&mut judgement, Verdict::OneWay, Confidence::Medium);
            }
        } else if flow.key.is_icmp_query() && !requests {
            // A reply without its request.
            if on_path {
                judgement.verdict = Verdict::Asymmetric;
                judgement.confidence = Confidence::Low;
                judgement.unseen_way = true;
            } else {
                judgement.cause = Some(cause.unwrap_or(Cause::NoPoint));
            }
        } else if requests
            && (flow.key.is_icmp_query()
                || (flow.key.protocol == protocol::UDP && answers(flow.key.end(1 - side).port)))
        {
            if fresh && total.packets < 2 {
                judgement.cause = Some(Cause::CaptureEnd);
            } else {
                conclude(&mut judgement, Verdict::Unanswered, Confidence::Medium);
            }
        } else {
            conclude(&mut judgement, Verdict::OneWay, Confidence::Medium);
        }
        judgement
    }
}

impl PointFacts {
    /// Whether loss of the mirror could explain that `expected` packets are missing in a period.
    fn explains(&self, expected: u64, from: Timestamp, to: Timestamp) -> bool {
        let power = i32::try_from(expected).unwrap_or(i32::MAX);
        if self.losses.is_empty() {
            return self.unseen.powi(power) > CHANCE;
        }
        self.losses.iter().any(|losses| {
            let touching = losses
                .episodes
                .iter()
                .filter(|e| e.from <= to && e.to >= from);
            let (missing, period) = touching.fold((0, 0), |(missing, period), e| {
                (missing + e.missing, period + e.to.since(e.from).max(0))
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

/// UDP services that answer every request: DNS, DHCP server, NTP, SNMP, Kerberos, LDAP, IKE, RADIUS, STUN.
fn answers(port: u16) -> bool {
    matches!(
        port,
        53 | 67 | 88 | 123 | 161 | 389 | 500 | 1812 | 1813 | 3478
    )
}

/// Whole at two sites, one after the other.
fn moved(whole: &[&Observer]) -> bool {
    whole.iter().any(|a| {
        whole
            .iter()
            .any(|b| a.site != b.site && a.span().1 < b.span().0)
    })
}

/// A TCP packet's kind in words, by its flags.
pub fn kind_of_packet(flags: u16) -> &'static str {
    let flags = TcpFlags(flags);
    match (flags.syn(), flags.ack(), flags.fin(), flags.rst()) {
        (true, false, _, _) => "SYN",
        (true, true, _, _) => "SYN-ACK",
        (_, _, true, _) => "FIN",
        (_, _, _, true) => "RST",
        (_, true, _, _) => "ACK",
        _ => "packet",
    }
}
