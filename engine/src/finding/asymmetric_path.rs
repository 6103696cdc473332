//! `asymmetric-path`: what is sent to a machine and what it sends pass different sites, or different firewalls of one site.
//!
//! Connections to a machine and those that it opens itself share the cause, and so the finding.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use super::{
    Finding, Group, Groups, Kind, Named, Passed, Severity, Story, count, distinct, join_and, mac,
};
use crate::correlate::{Judgement, kind_of_packet};
use crate::flow::Side;
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::PointId;
use crate::site::Role;
use crate::time::Timestamp;
use crate::verdict::{Confidence, Verdict};

/// What flows of one finding share: where packets to the machine enter, and where its own leave; sites, or places of
/// one site. `None` where that is not mirrored.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    enter: Option<String>,
    leave: Option<String>,
}

/// What the flows of a cause showed.
#[derive(Debug, Default)]
struct Pattern {
    machines: Named<IpAddr>,
    /// The ways to the machine and from it, of the first flow.
    ways: [Vec<PointId>; 2],
    /// Until when both directions passed which points.
    before: Option<(Timestamp, Vec<PointId>)>,
    /// Who hands packets to the machine, and whom the machine hands its own to.
    stations: Option<([u8; 6], [u8; 6])>,
    /// Firewalls that miss what is sent to the machine, and those that miss what it sends.
    missing: [BTreeSet<PointId>; 2],
    /// Firewalls that see answers to requests that they never saw.
    without_request: BTreeSet<PointId>,
}

/// Asymmetric flows by cause, and by whether it is the machine that opens them.
#[derive(Debug, Default)]
pub(super) struct AsymmetricPaths {
    groups: Groups<(Cause, bool)>,
    patterns: BTreeMap<Cause, Pattern>,
}

impl AsymmetricPaths {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        let Some(since) = judgement.split(flow) else {
            return;
        };
        let by_side = judgement.ways(flow);
        let machine = machine(context, flow, &by_side);
        let directions = [1 - machine, machine];
        let ways = directions.map(|side| in_order(context, &by_side[side], side == machine));
        let (enter, leave) = ends(context, &ways);
        let cause = Cause { enter, leave };
        if self.patterns.len() >= super::MAX_GROUPS && !self.patterns.contains_key(&cause) {
            self.groups.left_out += 1;
            return;
        }
        let outgoing = machine == flow.originator;
        let group = self.groups.groups.entry((cause.clone(), outgoing));
        group
            .or_default()
            .add_directed(flow, since, judgement.split_confidence(), directions);
        let pattern = self.patterns.entry(cause).or_default();
        pattern.machines.add(flow.key.end(machine).address);
        for (observer, side) in judgement.one_sided() {
            if observer.role == Role::Firewall {
                pattern.missing[usize::from(side == machine)].extend(&observer.points);
                if side == flow.originator {
                    pattern.without_request.extend(&observer.points);
                }
            }
        }
        if pattern.before.is_none()
            && let [first, _] = judgement.stages.as_slice()
            && first.verdict == Verdict::Symmetric
        {
            let [to, from] = directions.map(|side| &first.ways[side]);
            let both = to.iter().filter(|id| from.contains(id));
            pattern.before = Some((first.to, both.copied().collect()));
        }
        if pattern.ways.iter().all(Vec::is_empty) {
            let macs = |id: Option<&PointId>, side: Side| flow.at(*id?)?.sides[side].macs;
            let last_hop = macs(ways[0].last(), directions[0]).map(|(source, _)| source);
            let first_hop = macs(ways[1].first(), directions[1]).map(|(_, to)| to);
            pattern.stations = last_hop.zip(first_hop);
            pattern.ways = ways;
        }
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        let Self {
            mut groups,
            patterns,
        } = self;
        let told = patterns.into_iter().filter_map(|(cause, pattern)| {
            let mut of = |outgoing| groups.groups.remove(&(cause.clone(), outgoing));
            let (incoming, outgoing) = (of(false), of(true));
            Some(Told::new(cause, pattern, incoming, outgoing)?.finding(context))
        });
        told.collect()
    }
}

/// The side of a flow that sits where both ways meet: the machine that moved, or has two gateways. Else the responder.
fn machine(context: &Context, flow: &FlowObserved, ways: &[Vec<PointId>; 2]) -> Side {
    let role = |id: &PointId| context.point(*id).map(|p| p.role);
    let begins = |side: Side| {
        let way = ways[side]
            .iter()
            .position(|id| role(id) == Some(Role::Vnic));
        way == Some(0) && ways[side].len() > 1
    };
    let crosses = |side: Side| ways[side].iter().any(|id| role(id) == Some(Role::Dci));
    // What begins at a machine's own port is sent by it; what crosses the interconnect is sent to the machine behind it.
    let [begins, crosses] = [[begins(0), begins(1)], [crosses(1), crosses(0)]];
    let signs = if begins[0] == begins[1] {
        crosses
    } else {
        begins
    };
    match signs {
        [true, false] => 0,
        [false, true] => 1,
        _ => flow.responder(),
    }
}

/// A way with the machine's own port at its end: mirrors of hosts and of switches are not equally fast.
fn in_order(context: &Context, way: &[PointId], from_machine: bool) -> Vec<PointId> {
    let vnic = |id: &PointId| context.point(*id).is_some_and(|p| p.role == Role::Vnic);
    let (ports, mut rest): (Vec<PointId>, Vec<PointId>) = way.iter().partition(|id| vnic(id));
    if from_machine {
        rest.splice(0..0, ports);
    } else {
        rest.extend(ports);
    }
    rest
}

/// Where packets to the machine enter and its own leave, as far as that is mirrored: sites, or places of one site.
fn ends(context: &Context, [to, from]: &[Vec<PointId>; 2]) -> (Option<String>, Option<String>) {
    let role = |id: PointId| context.point(id).map(|p| p.role);
    // Of other places than gateways the outermost is where traffic enters a site or leaves it.
    let edge = |id: &PointId| role(*id).is_some_and(Role::is_gateway);
    let enter = to.iter().find(|id| edge(id)).or(to.first());
    let leave = from.iter().rfind(|id| edge(id)).or(from.last());
    let site = |id: Option<&PointId>| Some(context.point(*id?)?.site.clone());
    if site(enter) != site(leave) {
        return (site(enter), site(leave));
    }
    let on_path = |id: &&PointId| role(**id).is_some_and(Role::on_path);
    let place = |id: Option<&PointId>| id.map(|id| name(context, *id));
    (
        place(to.iter().find(on_path)),
        place(from.iter().rfind(on_path)),
    )
}

/// A point's name with its site.
fn name(context: &Context, id: PointId) -> String {
    context
        .point(id)
        .map_or_else(String::new, PointFacts::place)
}

/// A cause with all that is to be told of it.
struct Told {
    cause: Cause,
    pattern: Pattern,
    /// Flows to the machine and from it.
    all: Group,
    /// How each of the two is called.
    flows: Vec<String>,
    /// What is sent to the machine, and what it sends.
    terms: [&'static str; 2],
}

impl Told {
    fn new(
        cause: Cause,
        pattern: Pattern,
        incoming: Option<Group>,
        outgoing: Option<Group>,
    ) -> Option<Self> {
        let machines = pattern.machines.list(ToString::to_string);
        let mut flows: Vec<String> = incoming.iter().map(Group::flows_in_words).collect();
        let terms = match (&incoming, &outgoing) {
            (Some(_), None) => ["requests", "answers"],
            _ => ["what is sent there", "what it sends"],
        };
        if let Some(outgoing) = &outgoing {
            let from = if incoming.is_some() {
                "from it"
            } else {
                machines.as_str()
            };
            let from = from.trim_start_matches("from ");
            flows.push(format!("{} from {from}", count(outgoing.flows, "flow")));
        }
        let all = match (incoming, outgoing) {
            (Some(mut all), Some(more)) => {
                all.absorb(more);
                all
            }
            (one, None) | (None, one) => one?,
        };
        Some(Self {
            cause,
            pattern,
            all,
            flows,
            terms,
        })
    }

    fn finding(&self, context: &Context) -> Finding {
        let confidence = self.all.confidence();
        let confidence_why = match confidence {
            Confidence::High => {
                "each direction was seen at a place that is known to see both and missed the other"
            }
            Confidence::Medium => {
                "a place that is known to see both directions missed one, which passed elsewhere"
            }
            Confidence::Low => {
                "a place that is known to see both directions missed one; where that went is not mirrored"
            }
        };
        let breaks = self.pattern.missing.iter().any(|points| !points.is_empty());
        let severity = match (confidence, breaks) {
            (Confidence::Low, _) | (_, false) => Severity::Warning,
            (_, true) => Severity::Error,
        };
        let passed = self.all.points.keys().filter_map(|id| context.point(*id));
        let ways = self.pattern.ways.iter().flatten();
        let sites = ways.filter_map(|id| context.point(*id));
        Finding {
            sites: distinct(sites.map(|p| p.site.clone())),
            points: distinct(passed.map(|p| p.name.clone())),
            summary: self.summary(context),
            story: Some(self.story(context)),
            evidence: self.evidence(context),
            next: self.next(context),
            ..self
                .all
                .finding(Kind::AsymmetricPath, severity, confidence_why)
        }
    }

    fn machines(&self) -> String {
        self.pattern.machines.list(ToString::to_string)
    }

    /// Where the two directions go, in a clause.
    fn split(&self) -> String {
        let [to, from] = self.terms;
        let (passes, leaves, goes, comes) = if to == "requests" {
            ("pass", "leave", "go", "come")
        } else {
            ("passes", "leaves", "goes", "comes")
        };
        match (&self.cause.enter, &self.cause.leave) {
            (Some(enter), Some(leave)) => {
                format!("{to} {passes} {enter}, {from} {leaves} by {leave}")
            }
            (Some(enter), None) => {
                format!("{to} {passes} {enter}, {from} {goes} another way that is not mirrored")
            }
            (None, Some(leave)) => {
                format!("{from} {leaves} by {leave}, {to} {comes} another way that is not mirrored")
            }
            (None, None) => "the two directions go different ways".to_owned(),
        }
    }

    fn summary(&self, context: &Context) -> String {
        let mut text = format!("{}: {}.", self.flows.join(" and "), self.split());
        let [to, from] = self.terms;
        let the = if to == "requests" { "the " } else { "" };
        let [without_to, without_from] = &self.pattern.missing;
        for (points, sees, misses) in [(without_from, to, from), (without_to, from, to)] {
            for id in points {
                let place = name(context, *id);
                let _ = write!(text, " {place} sees only {sees}, never {the}{misses}.");
            }
        }
        let places = context.places(&self.pattern.without_request);
        if !places.is_empty() && self.all.has_tcp() {
            let places = join_and(&places);
            let _ = write!(
                text,
                " A stateful firewall at {places} drops answers: it has no connection to match."
            );
        }
        text
    }

    /// The picture of it, for the head of a report.
    fn story(&self, context: &Context) -> Story {
        let way = |way: &[PointId], unseen: &str| match way {
            [] => unseen.to_owned(),
            way => context.places(way).join(" > "),
        };
        let [to, from] = &self.pattern.ways;
        let unseen = "not mirrored; acknowledgements show that they exist";
        let mut lines = vec![
            (self.label(0), way(to, unseen)),
            (self.label(1), way(from, unseen)),
        ];
        if let Some((until, before)) = &self.pattern.before {
            let places = context.places(before).join(" > ");
            lines.push((
                "before",
                format!(
                    "until {} both directions passed {places}",
                    until.to_seconds()
                ),
            ));
        }
        let flows = self.flows.join(" and ");
        let blind = context.places(&self.pattern.without_request);
        lines.push((
            "breaks",
            if blind.is_empty() {
                flows
            } else {
                format!(
                    "{flows}: {} never saw their requests and, if strict, drops the answers",
                    join_and(&blind)
                )
            },
        ));
        lines.extend(
            self.next(context)
                .first()
                .map(|step| ("check", step.clone())),
        );
        Story {
            headline: format!(
                "{}: {}, since {}",
                self.machines(),
                self.split(),
                self.all.first().to_seconds()
            ),
            lines: lines
                .into_iter()
                .map(|(label, text)| (label.to_owned(), text))
                .collect(),
        }
    }

    fn label(&self, direction: usize) -> &'static str {
        match (self.terms[0], direction) {
            ("requests", 0) => "requests",
            ("requests", _) => "answers",
            (_, 0) => "to it",
            _ => "from it",
        }
    }

    fn evidence(&self, context: &Context) -> Vec<String> {
        let mut facts = Vec::new();
        let labels = match self.terms[0] {
            "requests" => ["requests", "answers"],
            _ => ["to the machine", "from it"],
        };
        for (direction, (what, path)) in labels.iter().zip(&self.pattern.ways).enumerate() {
            if path.is_empty() {
                facts.push(format!(
                    "{what}: seen nowhere; acknowledgements show that they exist"
                ));
                continue;
            }
            let first = first_packet(&self.all, path.first(), direction);
            let way = context.places(path).join(" > ");
            facts.push(if labels[0] == "requests" {
                format!("{what} pass {way}{first}")
            } else {
                format!("{what}: {way}{first}")
            });
        }
        for (id, passed) in &self.all.points {
            let [to, from] = passed.map(|p| p.packets);
            let Some(point) = context.point(*id).filter(|_| to + from > 0) else {
                continue;
            };
            let (name, role, site) = (&point.name, point.role.as_str(), &point.site);
            let (to, from) = (count(to, "packet"), count(from, "packet"));
            facts.push(if labels[0] == "requests" {
                format!("{name} ({role}, {site}): {to} of requests, {from} of answers")
            } else {
                format!("{name} ({role}, {site}): {to} to the machine, {from} from it")
            });
        }
        if let Some((until, before)) = &self.pattern.before {
            let before = context.places(before).join(" > ");
            facts.push(format!("until {until} both directions passed {before}"));
        }
        if let Some((from, to)) = self.pattern.stations.filter(|(from, to)| from != to) {
            let (from, to) = (mac(from), mac(to));
            facts.push(format!(
                "packets to the machine come from MAC {from}, its own go to MAC {to}: two routers"
            ));
        }
        facts
    }

    fn next(&self, context: &Context) -> Vec<String> {
        let machine = self.machines();
        let mut steps = Vec::new();
        if let (Some(enter), Some(leave)) = (&self.cause.enter, &self.cause.leave) {
            steps.push(format!(
                "on {machine}: look at the default gateway and its MAC (ip neigh, arp -a); it answers by {leave}, not by {enter}"
            ));
            steps.push(format!(
                "make both directions use one site: announce {machine} from {leave} (host route, EVPN or LISP mobility), \
                 or let its answers cross the interconnect back to {enter} (no local gateway at {leave} for it)"
            ));
        } else {
            steps.push(format!(
                "mirror the other gateways of {machine} too, to see which way the missing direction takes"
            ));
        }
        for id in &self.pattern.without_request {
            let place = name(context, *id);
            steps.push(format!(
                "on the firewall at {place}: look for drops of TCP packets without a connection (first packet not SYN)"
            ));
        }
        steps
    }
}

fn first_packet(group: &Group, id: Option<&PointId>, direction: usize) -> String {
    let passed: Option<Passed> = id
        .and_then(|id| group.points.get(id))
        .map(|passed| passed[direction]);
    match passed.and_then(|p| p.first) {
        Some((time, flags)) => format!("; first {} at {time}", kind_of_packet(flags)),
        None => String::new(),
    }
}
