//! `path-moved`: flows changed their way while they lived, because a machine, a gateway or a route moved.

use std::collections::BTreeMap;

use super::{Finding, Group, Groups, Kind, Severity, distinct};
use crate::correlate::Judgement;
use crate::course::Stage;
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::PointId;
use crate::site::Role;
use crate::time::Timestamp;
use crate::verdict::{Confidence, Verdict};

/// The ways of requests and answers in one part of a flow, by the places that matter: those that route or filter, or
/// all where there are none.
type Ways = [Vec<PointId>; 2];

/// Flows that moved, by the way that they took first and the way that they took last.
#[derive(Debug, Default)]
pub(super) struct PathsMoved {
    groups: Groups<(Ways, Ways)>,
    /// The whole ways of the first flow of each group, and when its first way ended.
    patterns: BTreeMap<(Ways, Ways), (Ways, Ways, Timestamp)>,
}

impl PathsMoved {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        let (Verdict::Moved, [first, .., last]) = (judgement.verdict, judgement.stages.as_slice())
        else {
            return;
        };
        let directions = [flow.originator, flow.responder()];
        let whole = |stage: &Stage| directions.map(|side| stage.ways[side].clone());
        let edges = |stage: &Stage| {
            directions.map(|side| {
                let mut edges: Vec<PointId> = stage.ways[side]
                    .iter()
                    .copied()
                    .filter(|id| edge(context, *id))
                    .collect();
                if edges.is_empty() {
                    edges.clone_from(&stage.ways[side]);
                }
                edges.sort_unstable();
                edges
            })
        };
        let key = (edges(first), edges(last));
        self.groups
            .add(key.clone(), flow, last.from, judgement.confidence);
        if self.patterns.len() < super::MAX_GROUPS {
            self.patterns
                .entry(key)
                .or_insert_with(|| (whole(first), whole(last), first.to));
        }
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        let Self {
            groups,
            mut patterns,
        } = self;
        groups.into_findings(|(key, group)| {
            let (before, after, until) = patterns.remove(&key)?;
            Some(finding(context, &group, &before, &after, until))
        })
    }
}

fn edge(context: &Context, id: PointId) -> bool {
    context
        .point(id)
        .is_some_and(|p| matches!(p.role, Role::Firewall | Role::Router | Role::Uplink))
}

fn finding(
    context: &Context,
    group: &Group,
    before: &Ways,
    after: &Ways,
    until: Timestamp,
) -> Finding {
    let facts = |points: &[PointId]| -> Vec<PointFacts> {
        let points = points.iter().filter_map(|id| context.point(*id));
        points.cloned().collect()
    };
    let names = |points: &[PointId]| {
        let names: Vec<String> = facts(points).iter().map(PointFacts::place).collect();
        if names.is_empty() {
            "no mirrored place".to_owned()
        } else {
            names.join(" > ")
        }
    };
    let edges = |points: &[PointId]| {
        let edges: Vec<PointId> = points
            .iter()
            .copied()
            .filter(|id| edge(context, *id))
            .collect();
        names(if edges.is_empty() { points } else { &edges })
    };
    let way = |[requests, answers]: &Ways| {
        let (requests, answers) = (edges(requests), edges(answers));
        if requests == answers {
            format!("both directions pass {requests}")
        } else {
            format!("requests pass {requests}, answers pass {answers}")
        }
    };
    let new: Vec<PointId> = after
        .iter()
        .flatten()
        .copied()
        .filter(|id| !before.iter().flatten().any(|old| old == id))
        .collect();
    let mut firewalls = facts(&new);
    firewalls.retain(|p| p.role == Role::Firewall);
    let firewalls = distinct(firewalls.iter().map(PointFacts::place));
    let (was, is) = (way(before).replace("pass ", "passed "), way(after));
    let mut summary = format!(
        "{} moved: until {until} {was}; from {} on {is}.",
        group.flows_in_words(),
        group.first()
    );
    let mut next = vec![format!(
        "what moved at {}: a machine (see endpoint-moved), a gateway (VRRP, HSRP), or a route; \
         was it meant to",
        group.first()
    )];
    if was.replace("passed ", "pass ") == is {
        summary = format!(
            "{} moved: they pass the same firewalls, but from {} on another way between these and {}.",
            group.flows_in_words(),
            group.first(),
            group.hosts()
        );
    }
    if !firewalls.is_empty() {
        let places = firewalls.join(" and ");
        summary.push_str(&format!(
            " {places} did not see how they began: a stateful firewall there drops them, unless it \
             shares its state with the other."
        ));
        next.push(format!(
            "does {places} share its connection table with the firewall that the flows passed \
             before; if not, connections that live across the move break"
        ));
    }
    let evidence = [("before", before), ("after", after)]
        .into_iter()
        .flat_map(|(when, [requests, answers])| {
            let (requests, answers) = (names(requests), names(answers));
            if requests == answers {
                vec![format!("{when}: both directions passed {requests}")]
            } else {
                vec![
                    format!("{when}: requests passed {requests}"),
                    format!("{when}: answers passed {answers}"),
                ]
            }
        })
        .collect();
    let confidence_why = match group.confidence() {
        Confidence::High => {
            "the old way was mirrored all the time and saw the flows no more; the new way was, and had not seen them"
        }
        Confidence::Medium => {
            "a place that the flows passed was mirrored all the time, and began or ceased to see them"
        }
        Confidence::Low => {
            "acknowledgements show that a direction goes on; it passes no mirrored place any more"
        }
    };
    let points: Vec<PointId> = before.iter().chain(after).flatten().copied().collect();
    Finding {
        sites: distinct(facts(&points).iter().map(|p| p.site.clone())),
        points: distinct(facts(&points).iter().map(|p| p.name.clone())),
        summary,
        evidence,
        next,
        ..group.finding(Kind::PathMoved, Severity::Warning, confidence_why)
    }
}
