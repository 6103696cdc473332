//! `asymmetric-path`: the two directions of flows pass different sites, or different firewalls of one site.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Finding, Group, Groups, Kind, Passed, Severity, count, distinct, join_and, mac};
use crate::correlate::{Judgement, kind_of_packet};
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::PointId;
use crate::site::Role;
use crate::time::Timestamp;
use crate::verdict::{Confidence, Verdict};

/// What flows of one finding share: where each direction enters or leaves, and the firewalls that saw one side only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    enter: Option<String>,
    leave: Option<String>,
    /// Points, and whether it is the answers that they miss.
    one_sided: Vec<(PointId, bool)>,
}

impl Cause {
    /// Firewalls that see answers to requests that they never saw.
    fn without_request(&self) -> impl Iterator<Item = PointId> {
        self.one_sided
            .iter()
            .filter(|(_, answers)| !answers)
            .map(|(id, _)| *id)
    }
}

/// What one flow of the group showed, as the pattern for all.
#[derive(Debug, Default)]
struct Pattern {
    requests: Vec<PointId>,
    answers: Vec<PointId>,
    /// Until when both directions passed which points.
    before: Option<(Timestamp, Vec<PointId>)>,
    /// Who hands the requests to the responder, and whom the responder hands its answers to.
    stations: Option<([u8; 6], [u8; 6])>,
}

/// Asymmetric flows by cause.
#[derive(Debug, Default)]
pub(super) struct AsymmetricPaths {
    groups: Groups<Cause>,
    patterns: BTreeMap<Cause, Pattern>,
}

impl AsymmetricPaths {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        let Some(since) = judgement.split(flow) else {
            return;
        };
        let (orig, resp) = (flow.originator, flow.responder());
        let [requests, answers] = [orig, resp].map(|side| match judgement.stages.last() {
            Some(stage) => stage.ways[side].clone(),
            None => Context::path(flow, side, since).collect(),
        });
        let mut one_sided: Vec<(PointId, bool)> = judgement
            .one_sided()
            .filter(|(observer, _)| observer.role == Role::Firewall)
            .flat_map(|(observer, side)| {
                let points = observer.points.iter();
                points.map(move |id| (*id, side == resp))
            })
            .collect();
        one_sided.sort_unstable();
        let (enter, leave) = ends(context, &requests, &answers);
        let cause = Cause {
            enter,
            leave,
            one_sided,
        };
        let confidence = judgement.split_confidence();
        self.groups.add(cause.clone(), flow, since, confidence);
        if self.patterns.len() >= super::MAX_GROUPS && !self.patterns.contains_key(&cause) {
            return;
        }
        let before = match judgement.stages.as_slice() {
            [first, _] if first.verdict == Verdict::Symmetric => {
                let both = first.ways[orig]
                    .iter()
                    .filter(|id| first.ways[resp].contains(id));
                Some((first.to, both.copied().collect()))
            }
            _ => None,
        };
        let pattern = self.patterns.entry(cause).or_insert_with(|| {
            let macs = |id: Option<&PointId>, side: usize| {
                let observation = flow.observations.iter().find(|o| Some(&o.point) == id)?;
                observation.sides[side].macs
            };
            let last_hop = macs(requests.last(), orig).map(|(source, _)| source);
            let first_hop = macs(answers.first(), resp).map(|(_, destination)| destination);
            Pattern {
                before: None,
                stations: last_hop.zip(first_hop),
                requests,
                answers,
            }
        });
        if pattern.before.is_none() {
            pattern.before = before;
        }
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        let Self {
            groups,
            mut patterns,
        } = self;
        groups.into_findings(|(cause, group)| {
            let pattern = patterns.remove(&cause).unwrap_or_default();
            Some(finding(context, &cause, &group, &pattern))
        })
    }
}

fn finding(context: &Context, cause: &Cause, group: &Group, pattern: &Pattern) -> Finding {
    let confidence = group.confidence();
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
    let severity = match (confidence, cause.one_sided.is_empty()) {
        (Confidence::Low, _) | (_, true) => Severity::Warning,
        (_, false) => Severity::Error,
    };
    let names = group.points.keys().filter_map(|id| context.point(*id));
    let ways = pattern.requests.iter().chain(&pattern.answers);
    let sites = ways
        .filter_map(|id| context.point(*id))
        .map(|p| p.site.clone());
    Finding {
        sites: distinct(sites),
        points: distinct(names.map(|p| p.name.clone())),
        summary: summary(context, cause, group),
        evidence: evidence(context, group, pattern),
        next: next(context, cause, group),
        ..group.finding(Kind::AsymmetricPath, severity, confidence_why)
    }
}

/// Where requests enter and answers leave, as far as that is mirrored: sites, or places of one site.
fn ends(
    context: &Context,
    requests: &[PointId],
    answers: &[PointId],
) -> (Option<String>, Option<String>) {
    let role = |id: PointId| context.point(id).map(|p| p.role);
    // What routes or filters is where traffic enters a site or leaves it; of other places the outermost is.
    let edge = |id: &PointId| {
        matches!(
            role(*id),
            Some(Role::Firewall | Role::Router | Role::Uplink)
        )
    };
    let enter = requests.iter().find(|id| edge(id)).or(requests.first());
    let leave = answers.iter().rfind(|id| edge(id)).or(answers.last());
    let site = |id: Option<&PointId>| Some(context.point(*id?)?.site.clone());
    if site(enter) != site(leave) {
        return (site(enter), site(leave));
    }
    let on_path = |id: &&PointId| role(**id).is_some_and(Role::on_path);
    let place = |id: Option<&PointId>| id.map(|id| name(context, *id));
    (
        place(requests.iter().find(on_path)),
        place(answers.iter().rfind(on_path)),
    )
}

/// A point's name with its site.
fn name(context: &Context, id: PointId) -> String {
    context
        .point(id)
        .map_or_else(String::new, PointFacts::place)
}

fn summary(context: &Context, cause: &Cause, group: &Group) -> String {
    let flows = group.flows_in_words();
    let mut text = match (&cause.enter, &cause.leave) {
        (Some(enter), Some(leave)) => {
            format!("{flows}: requests pass {enter}, answers leave by {leave}.")
        }
        (Some(enter), None) => format!(
            "{flows}: requests pass {enter}, the answers go another way that is not mirrored."
        ),
        (None, Some(leave)) => {
            format!(
                "{flows}: answers leave by {leave}, the requests come another way that is not mirrored."
            )
        }
        (None, None) => format!("{flows}: the two directions go different ways."),
    };
    for (id, answers) in &cause.one_sided {
        let (sees, misses) = if *answers {
            ("requests", "answers")
        } else {
            ("answers", "requests")
        };
        let _ = write!(
            text,
            " {} sees only {sees}, never the {misses}.",
            name(context, *id)
        );
    }
    let without_request: Vec<String> = cause
        .without_request()
        .map(|id| name(context, id))
        .collect();
    if !without_request.is_empty() && group.has_tcp() {
        let places = join_and(&without_request);
        let _ = write!(
            text,
            " A stateful firewall at {places} drops these answers: it has no connection to match."
        );
    }
    text
}

fn evidence(context: &Context, group: &Group, pattern: &Pattern) -> Vec<String> {
    let mut facts = Vec::new();
    let directions = [
        ("requests", &pattern.requests),
        ("answers", &pattern.answers),
    ];
    for (direction, (what, path)) in directions.into_iter().enumerate() {
        if path.is_empty() {
            facts.push(format!(
                "{what}: seen nowhere; acknowledgements show that they exist"
            ));
            continue;
        }
        let names: Vec<String> = path.iter().map(|id| name(context, *id)).collect();
        let first = first_packet(group, path.first(), direction);
        facts.push(format!("{what} pass {}{first}", names.join(" > ")));
    }
    for (id, passed) in &group.points {
        if let Some(point) = context.point(*id) {
            let [requests, answers] = passed.map(|p| p.packets);
            if requests + answers == 0 {
                continue;
            }
            facts.push(format!(
                "{} ({}, {}): {} of requests, {} of answers",
                point.name,
                point.role.as_str(),
                point.site,
                count(requests, "packet"),
                count(answers, "packet")
            ));
        }
    }
    if let Some((until, before)) = &pattern.before {
        let names: Vec<String> = before.iter().map(|id| name(context, *id)).collect();
        facts.push(format!(
            "until {until} both directions passed {}",
            names.join(" > ")
        ));
    }
    if let Some((from, to)) = pattern.stations.filter(|(from, to)| from != to) {
        let (from, to) = (mac(from), mac(to));
        facts.push(format!(
            "requests are handed over by MAC {from}, answers are handed to MAC {to}: two routers"
        ));
    }
    facts
}

fn next(context: &Context, cause: &Cause, group: &Group) -> Vec<String> {
    let target = group.hosts();
    let mut steps = Vec::new();
    if let (Some(enter), Some(leave)) = (&cause.enter, &cause.leave) {
        steps.push(format!(
            "on {target}: look at the default gateway and its MAC (ip neigh, arp -a); it answers by {leave}, not by {enter}"
        ));
        steps.push(format!(
            "make both directions use one site: announce {target} from {leave} (host route, EVPN or LISP mobility), or \
             let its answers cross the interconnect back to {enter} (no local gateway at {leave} for it)"
        ));
    } else {
        steps.push(format!("mirror the other gateways of {target} too, to see which way the missing direction takes"));
    }
    for id in cause.without_request() {
        let place = name(context, id);
        steps.push(format!(
            "on the firewall at {place}: look for drops of TCP packets without a connection (first packet not SYN)"
        ));
    }
    steps
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
