//! `asymmetric-path`: the two directions of flows pass different sites, or different firewalls of one site.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Finding, Group, Groups, Kind, Passed, Severity, count, distinct, join_and, mac};
use crate::correlate::{Judgement, kind_of_packet};
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::PointId;
use crate::site::Role;
use crate::time::SECOND;
use crate::verdict::{Confidence, Verdict};

/// What flows of one finding share: the sites that each direction passes, and the places that saw one side only.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Cause {
    request_sites: Vec<String>,
    answer_sites: Vec<String>,
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
    /// Points that both directions passed before.
    before: Vec<PointId>,
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
        if judgement.verdict != Verdict::Asymmetric {
            return;
        }
        // A flow that lived before its path split was whole until then: what ended before is another story.
        let since = judgement
            .one_sided()
            .map(|(observer, _)| observer.span().0)
            .max()
            .unwrap_or(flow.first);
        let path = |side| Context::path(flow, side, since).collect::<Vec<_>>();
        let (requests, answers) = (path(flow.originator), path(flow.responder()));
        let sites = |path: &[PointId]| {
            distinct(
                path.iter()
                    .filter_map(|id| context.point(*id))
                    .map(|p| p.site.clone()),
            )
        };
        let mut one_sided: Vec<(PointId, bool)> = judgement
            .one_sided()
            .filter(|(observer, _)| observer.role == Role::Firewall)
            .flat_map(|(observer, side)| {
                observer
                    .points
                    .iter()
                    .map(move |id| (*id, side == flow.responder()))
            })
            .collect();
        one_sided.sort_unstable();
        let cause = Cause {
            request_sites: sites(&requests),
            answer_sites: sites(&answers),
            one_sided,
        };
        self.groups
            .add(cause.clone(), flow, since, judgement.confidence);
        if self.patterns.len() < super::MAX_GROUPS {
            self.patterns.entry(cause).or_insert_with(|| {
                let macs = |id: Option<&PointId>, side: usize| {
                    let observation = flow.observations.iter().find(|o| Some(&o.point) == id)?;
                    observation.sides[side].macs
                };
                let last_hop = macs(requests.last(), flow.originator).map(|(source, _)| source);
                let first_hop =
                    macs(answers.first(), flow.responder()).map(|(_, destination)| destination);
                let before = flow
                    .observations
                    .iter()
                    .filter(|o| o.sides.iter().all(|s| s.packets > 0));
                Pattern {
                    before: before
                        .filter(|o| o.sides.iter().any(|s| s.last < since))
                        .map(|o| o.point)
                        .collect(),
                    stations: last_hop.zip(first_hop),
                    requests,
                    answers,
                }
            });
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
    let ends = Ends::new(context, cause, pattern);
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
    Finding {
        sites: distinct(
            cause
                .request_sites
                .iter()
                .chain(&cause.answer_sites)
                .cloned(),
        ),
        points: distinct(names.map(|p| p.name.clone())),
        summary: summary(context, cause, group, &ends),
        evidence: evidence(context, cause, group, pattern),
        next: next(context, cause, group, &ends),
        ..group.finding(Kind::AsymmetricPath, severity, confidence_why)
    }
}

/// Where requests enter and answers leave, as far as that is mirrored: sites, or places of one site.
struct Ends {
    enter: Option<String>,
    leave: Option<String>,
}

impl Ends {
    fn new(context: &Context, cause: &Cause, pattern: &Pattern) -> Self {
        let (enter, leave) = (cause.request_sites.first(), cause.answer_sites.last());
        if enter != leave {
            return Self {
                enter: enter.cloned(),
                leave: leave.cloned(),
            };
        }
        let on_path = |id: &&PointId| context.point(**id).is_some_and(|p| p.role.on_path());
        Self {
            enter: pattern
                .requests
                .iter()
                .find(on_path)
                .map(|id| name(context, *id)),
            leave: pattern
                .answers
                .iter()
                .rev()
                .find(on_path)
                .map(|id| name(context, *id)),
        }
    }
}

/// A point's name with its site.
fn name(context: &Context, id: PointId) -> String {
    context
        .point(id)
        .map_or_else(String::new, PointFacts::place)
}

fn summary(context: &Context, cause: &Cause, group: &Group, ends: &Ends) -> String {
    let flows = group.flows_in_words();
    let mut text = match (&ends.enter, &ends.leave) {
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

fn evidence(context: &Context, cause: &Cause, group: &Group, pattern: &Pattern) -> Vec<String> {
    let mut facts = Vec::new();
    let directions = [
        ("requests", &pattern.requests, &cause.request_sites),
        ("answers", &pattern.answers, &cause.answer_sites),
    ];
    for (direction, (what, path, sites)) in directions.into_iter().enumerate() {
        if path.is_empty() {
            facts.push(format!(
                "{what}: seen nowhere; acknowledgements show that they exist"
            ));
            continue;
        }
        let names: Vec<String> = path.iter().map(|id| name(context, *id)).collect();
        let first = first_packet(group, path.first(), direction);
        facts.push(format!(
            "{what} go by {}: {}{first}",
            sites.join(" > "),
            names.join(" > ")
        ));
    }
    for (id, passed) in &group.points {
        if let Some(point) = context.point(*id) {
            let [requests, answers] = passed.map(|p| p.packets);
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
    if !pattern.before.is_empty() {
        let names: Vec<String> = pattern.before.iter().map(|id| name(context, *id)).collect();
        facts.push(format!(
            "until {} both directions passed {}",
            group.first(),
            names.join(" and ")
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

fn next(context: &Context, cause: &Cause, group: &Group, ends: &Ends) -> Vec<String> {
    let target = group.hosts();
    let mut steps = Vec::new();
    if let (Some(enter), Some(leave)) = (&ends.enter, &ends.leave) {
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
        // A flow that was whole before began too early to tell anything.
        Some((time, flags)) if group.first().since(time) < SECOND => {
            format!("; first {} at {time}", kind_of_packet(flags))
        }
        _ => String::new(),
    }
}
