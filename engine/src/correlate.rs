//! Puts what the points saw of a flow side by side: where its two directions went, and who saw only one.

use std::net::SocketAddr;

use mirrorscope_dissectors::TcpFlags;

use crate::course::{Course, Stage};
use crate::firewall::Explained;
use crate::flow::{Side, protocol};
use crate::observation::{FlowObserved, Observation};
use crate::observer::{Context, Missing, Observer, PATIENCE};
use crate::point::PointId;
use crate::site::Role;
use crate::time::{SECOND, Timestamp};
use crate::verdict::{Cause, Confidence, Verdict};

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
    /// The parts of the way of a flow that moved.
    pub stages: Vec<Stage>,
    /// All places that saw it.
    pub observers: Vec<Observer>,
    /// What firewalls could not match of it.
    pub unmatched: Vec<Explained>,
}

impl Judgement {
    /// Places on the path that are known to have missed one side: always, or since a flow that moved took its last way.
    pub fn one_sided(&self) -> impl Iterator<Item = (&Observer, Side)> {
        let last = self.stages.last();
        self.observers.iter().filter_map(move |observer| {
            let side = match (last, observer.missing) {
                (Some(stage), _) => {
                    let mut missed = stage.one_sided.iter();
                    missed.find(|(points, _)| *points == observer.points)?.1
                }
                (None, Some(Missing { side, cause: None })) => side,
                (None, _) => return None,
            };
            observer.role.on_path().then_some((observer, side))
        })
    }

    /// The same, with the times of its parts so many nanoseconds earlier, by the first point of each.
    #[must_use]
    pub(crate) fn earlier(mut self, by: impl Fn(PointId) -> i64) -> Self {
        for stage in &mut self.stages {
            let first = stage.ways.iter().flatten().next();
            let by = first.map_or(0, |point| by(*point));
            stage.from = stage.from.plus(-by);
            stage.to = stage.to.plus(-by);
        }
        self
    }

    /// The points that each side's packets pass, in the order of their first packet: of a flow that moved, since it took
    /// its last way.
    pub(crate) fn ways(&self, flow: &FlowObserved) -> [Vec<PointId>; 2] {
        match self.stages.last() {
            Some(stage) => stage.ways.clone(),
            None => [0, 1].map(|side| Context::path(flow, side, flow.first).collect()),
        }
    }

    /// The first of the points that a side's packets pass that `counts`, as [`Self::ways`] has them.
    pub(crate) fn enters(
        &self,
        flow: &FlowObserved,
        side: Side,
        counts: impl Fn(PointId) -> bool,
    ) -> Option<PointId> {
        let passed = self.passed(flow, side).filter(|(_, id)| counts(*id));
        passed.min_by_key(|(order, _)| *order).map(|(_, id)| id)
    }

    /// The last of them.
    pub(crate) fn leaves(
        &self,
        flow: &FlowObserved,
        side: Side,
        counts: impl Fn(PointId) -> bool,
    ) -> Option<PointId> {
        let passed = self.passed(flow, side).filter(|(_, id)| counts(*id));
        passed.max_by_key(|(order, _)| *order).map(|(_, id)| id)
    }

    /// The points that a side's packets pass, each with its place in their order.
    fn passed(&self, flow: &FlowObserved, side: Side) -> impl Iterator<Item = (i64, PointId)> {
        let last = self.stages.last();
        let told = last.into_iter().flat_map(move |stage| &stage.ways[side]);
        let seen = Context::passed(flow, side, flow.first).filter(move |_| last.is_none());
        let seen = seen.map(move |o| (o.sides[side].first.0, o.point));
        (0..).zip(told.copied()).chain(seen)
    }

    /// Since when the two directions go different ways, if they do.
    pub fn split(&self, flow: &FlowObserved) -> Option<Timestamp> {
        match (self.verdict, self.stages.last()) {
            (Verdict::Asymmetric, _) => Some(flow.first),
            (Verdict::Moved, Some(stage)) => {
                (stage.verdict == Verdict::Asymmetric).then_some(stage.from)
            }
            _ => None,
        }
    }

    /// How sure it is that the two directions go different ways.
    pub fn split_confidence(&self) -> Confidence {
        self.stages
            .last()
            .map_or(self.confidence, |stage| stage.confidence)
    }
}

impl Context {
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
        let mut judgement = Judgement {
            verdict: Verdict::Unknown,
            cause: None,
            confidence: Confidence::High,
            unseen_way: false,
            by_nature: false,
            stages: Vec::new(),
            observers,
            unmatched: Vec::new(),
        };
        judgement.unmatched = self.explain_unmatched(flow, &judgement);
        let mut judgement = if seen[0] && seen[1] {
            self.both(flow, judgement)
        } else {
            self.single(flow, usize::from(seen[1]), judgement)
        };
        // What is missing under these addresses may pass under others.
        let lacks = matches!(judgement.verdict, Verdict::OneWay | Verdict::Unanswered)
            || judgement.verdict == Verdict::Asymmetric && judgement.unseen_way;
        if lacks && self.translation(flow).is_some() {
            judgement.verdict = Verdict::Unknown;
            judgement.cause = Some(Cause::NatSuspected);
            judgement.unseen_way = false;
        }
        judgement
    }

    /// The verdict in a sentence; for `unknown` it begins with the cause's name.
    pub fn why(&self, flow: &FlowObserved, judgement: &Judgement) -> String {
        let way = |side| self.way(flow, side);
        let (orig, resp) = (flow.originator, flow.responder());
        match judgement.verdict {
            Verdict::Symmetric => format!("both directions pass {}", way(orig)),
            Verdict::Asymmetric if judgement.unseen_way => {
                let side = usize::from(flow.sums[1].packets > 0);
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
                let kind = if flow.key.is_icmp() && !flow.key.is_icmp_query() {
                    "ICMP messages that ask for no answer"
                } else {
                    "multicast or broadcast"
                };
                format!("{kind}: one-way by nature")
            }
            Verdict::OneWay => {
                let side = usize::from(flow.sums[1].packets > 0);
                format!(
                    "only packets from {} exist, at {}",
                    flow.key.end(side).address,
                    way(side)
                )
            }
            Verdict::Unanswered => format!(
                "{} requests pass {}, nobody answers",
                flow.sums[orig].packets,
                way(orig)
            ),
            Verdict::Moved => self.course_in_words(flow, &judgement.stages),
            Verdict::Unknown => {
                let cause = judgement.cause.unwrap_or(Cause::NoPoint);
                if cause == Cause::NatSuspected
                    && let Some((key, id)) = self.translation(flow)
                {
                    let ends = [key.low, key.high].map(|e| SocketAddr::new(e.address, e.port));
                    return format!(
                        "{}: the same connection goes on as flow {id} between {} and {}",
                        cause.as_str(),
                        ends[0],
                        ends[1]
                    );
                }
                format!("{}: {}", cause.as_str(), cause.in_words())
            }
        }
    }

    /// The points that one side's packets passed, in the order of their first packet: `fw1 (dc1) > dci (dc1)`.
    pub fn way(&self, flow: &FlowObserved, side: Side) -> String {
        let mut path: Vec<PointId> = Self::path(flow, side, flow.first).collect();
        end_at_ports(&mut path, |id| {
            self.point(*id).is_some_and(|p| p.role == Role::Vnic)
        });
        self.places(&path).join(" > ")
    }

    /// The points that one side's packets still passed at a time, in the order of their first packet.
    pub fn path(
        flow: &FlowObserved,
        side: Side,
        since: Timestamp,
    ) -> impl Iterator<Item = PointId> {
        let mut passed: Vec<&Observation> = Self::passed(flow, side, since).collect();
        passed.sort_by_key(|o| o.sides[side].first);
        passed.into_iter().map(|o| o.point)
    }

    /// The same as far as points saw it, in no order.
    fn passed(
        flow: &FlowObserved,
        side: Side,
        since: Timestamp,
    ) -> impl Iterator<Item = &Observation> {
        let observations = flow.observations.iter();
        observations.filter(move |o| o.sides[side].packets > 0 && o.sides[side].last >= since)
    }

    /// "until T both directions passed fw1 (dc1); from T on requests pass fw1 (dc1), answers pass fw2 (dc2)".
    fn course_in_words(&self, flow: &FlowObserved, stages: &[Stage]) -> String {
        let names = |points: &[PointId]| match self.places(points).as_slice() {
            [] => "no mirrored place".to_owned(),
            names => names.join(" > "),
        };
        let last = stages.len().saturating_sub(1);
        let parts = stages.iter().enumerate().map(|(index, stage)| {
            let [requests, answers] = [flow.originator, flow.responder()].map(|s| &stage.ways[s]);
            let verb = if index == last { "pass" } else { "passed" };
            let when = match index {
                0 => format!("until {}", stage.to),
                _ if index == last => format!("from {} on", stage.from),
                _ => format!("from {} until {}", stage.from, stage.to),
            };
            if stage.verdict == Verdict::Symmetric {
                format!("{when} both directions {verb} {}", names(requests))
            } else {
                let (requests, answers) = (names(requests), names(answers));
                format!("{when} requests {verb} {requests}, answers {verb} {answers}")
            }
        });
        parts.collect::<Vec<_>>().join("; ")
    }

    /// Both directions exist somewhere.
    fn both(&self, flow: &FlowObserved, mut judgement: Judgement) -> Judgement {
        match self.course(flow, &judgement.observers) {
            Course::One => {}
            Course::Doubtful => {
                judgement.cause = Some(Cause::MirrorLoss);
                return judgement;
            }
            Course::Several(stages, confidence) => {
                judgement.verdict = Verdict::Moved;
                judgement.confidence = confidence;
                judgement.stages = stages;
                return judgement;
            }
        }
        let on_path = || judgement.observers.iter().filter(|o| o.role.on_path());
        let whole = || on_path().filter(|o| o.whole());
        let proven = whole().next().is_some();
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
            .filter(|c| !proven || !matches!(c, Cause::BlindSpot | Cause::Sampled))
            .min();
        match worst {
            Some(cause) => judgement.cause = Some(cause),
            // A machine's own port proves that the flow is whole, never that its path is symmetric.
            None if !proven => judgement.cause = Some(Cause::NoPoint),
            // Either may have been passed all the time, and its mirror have lost it.
            None if one_after_the_other(whole) => judgement.cause = Some(Cause::MirrorLoss),
            None => {
                let described = whole().any(|o| o.role != Role::Switch);
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
        // What the best placed observer says: any place will do, a machine's own port too.
        let cause = judgement
            .observers
            .iter()
            .filter_map(|o| o.missing)
            .map(|m| m.cause)
            .min_by_key(Option::is_some)
            .flatten();
        match (self.alone(flow, side), cause) {
            (Alone::ByNature, _) => {
                judgement.verdict = Verdict::OneWay;
                judgement.by_nature = true;
            }
            (Alone::Ignored | Alone::Silent(_), _) if self.beyond(&judgement.observers) => {
                judgement.cause = Some(Cause::NoPoint);
            }
            (Alone::Ignored, cause) => {
                judgement.verdict = Verdict::Unanswered;
                judgement.confidence = if cause.is_none() {
                    Confidence::High
                } else {
                    Confidence::Medium
                };
            }
            (Alone::Heard, _) if judgement.one_sided().next().is_some() => {
                judgement.verdict = Verdict::Asymmetric;
                judgement.confidence = Confidence::Low;
                judgement.unseen_way = true;
            }
            (Alone::Heard, cause) => judgement.cause = Some(cause.unwrap_or(Cause::NoPoint)),
            (Alone::TooEarly, _) => judgement.cause = Some(Cause::CaptureEnd),
            (Alone::Silent(_), Some(cause)) => judgement.cause = Some(cause),
            (Alone::Silent(verdict), None) => {
                judgement.verdict = verdict;
                judgement.confidence = Confidence::Medium;
            }
        }
        judgement
    }

    /// Whether packets crossed an interconnect to a site where nobody looks for what comes back: it may leave there.
    fn beyond(&self, observers: &[Observer]) -> bool {
        let crossed = || observers.iter().filter(|o| o.role == Role::Dci);
        let alone = crossed().count() == 1;
        alone || !crossed().all(|dci| self.sees_gateway(dci))
    }

    /// What packets from `side` alone tell of the other side.
    fn alone(&self, flow: &FlowObserved, side: Side) -> Alone {
        let half = &flow.conversation.halves[side];
        let requests = side == flow.originator;
        let peer = flow.key.end(1 - side);
        let total = flow.total(side);
        let fresh = self.end.since(total.last) < PATIENCE;
        let to_group = |o: &Observation| o.sides[side].macs.is_some_and(|(_, to)| to[0] & 1 == 1);
        let tells = flow.key.is_icmp() && !flow.key.is_icmp_query();
        if tells || peer.address.is_multicast() || flow.observations.iter().any(to_group) {
            return Alone::ByNature;
        }
        if flow.key.protocol == protocol::TCP {
            let heard = half.acknowledges_progress() || half.syn_ack > 0;
            let only_syn = requests && half.only_asks();
            let repeated = |o: &Observation| o.conversation.halves[side].syn > 1;
            return match (only_syn, heard) {
                // Whatever the mirror missed: a client that got an answer does not ask again.
                (true, _)
                    if flow.observations.iter().any(repeated)
                        && flow.last.since(flow.first) >= SECOND / 2 =>
                {
                    Alone::Ignored
                }
                (true, _) if fresh => Alone::TooEarly,
                (true, _) => Alone::Silent(Verdict::Unanswered),
                (false, true) => Alone::Heard,
                (false, false) if fresh && total.packets < 3 => Alone::TooEarly,
                (false, false) => Alone::Silent(Verdict::OneWay),
            };
        }
        let query = flow.key.is_icmp_query();
        match requests {
            // A reply without its request.
            false if query => Alone::Heard,
            true if query || (flow.key.protocol == protocol::UDP && answers(peer.port)) => {
                if fresh && total.packets < 2 {
                    Alone::TooEarly
                } else {
                    Alone::Silent(Verdict::Unanswered)
                }
            }
            _ => Alone::Silent(Verdict::OneWay),
        }
    }
}

/// What packets of one side alone tell of the other.
enum Alone {
    /// Multicast, broadcast: there is no other side.
    ByNature,
    /// The sender asks again and again: it heard nothing.
    Ignored,
    /// The sender reacts to what it hears: the other side's packets exist.
    Heard,
    /// The capture ended too early to tell.
    TooEarly,
    /// Nothing speaks for the other side, if places that would see it saw nothing.
    Silent(Verdict),
}

/// UDP services that answer every request: DNS, DHCP server, NTP, SNMP, Kerberos, LDAP, IKE, RADIUS, STUN.
fn answers(port: u16) -> bool {
    matches!(
        port,
        53 | 67 | 88 | 123 | 161 | 389 | 500 | 1812 | 1813 | 3478
    )
}

/// Whether two sites saw the flow whole, one after the other.
fn one_after_the_other<'a, I: Iterator<Item = &'a Observer>>(whole: impl Fn() -> I) -> bool {
    let follows = |a: &Observer, b: &Observer| a.site != b.site && a.span().1 < b.span().0;
    whole().any(|a| whole().any(|b| follows(a, b)))
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

/// Puts machines' own ports in their place on a way whose places are in the order of their first packet: a way begins or ends
/// there, even if their mirror is faster than others.
pub(crate) fn end_at_ports<T>(way: &mut [T], is_port: impl Fn(&T) -> bool) {
    if let Some((_, behind)) = way.split_first_mut() {
        behind.sort_by_key(is_port);
    }
}
