//! `path-moved`: flows changed their way while they lived, because a machine, a gateway or a route moved.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::{Finding, Group, Groups, Kind, Severity, Story, distinct};
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
    context.point(id).is_some_and(|p| p.role.is_gateway())
}

/// Places in a row.
fn names(context: &Context, points: &[PointId]) -> String {
    context.places(points).join(" > ")
}

/// "both directions pass fw1 (dc1)", by the places that matter; `verb` is pass or passed.
fn in_words(context: &Context, ways: &Ways, verb: &str) -> String {
    let [requests, answers] = ways.each_ref().map(|points| {
        let edges = points.iter().copied().filter(|id| edge(context, *id));
        let edges: Vec<PointId> = edges.collect();
        names(context, if edges.is_empty() { points } else { &edges })
    });
    match (requests.as_str(), answers.as_str()) {
        (requests, "") => format!("requests {verb} {requests}, answers are seen nowhere"),
        ("", answers) => format!("answers {verb} {answers}, requests are seen nowhere"),
        (requests, answers) if requests == answers => {
            format!("both directions {verb} {requests}")
        }
        (requests, answers) => format!("requests {verb} {requests}, answers {verb} {answers}"),
    }
}

/// The whole ways, one fact a line.
fn facts(context: &Context, when: &str, [requests, answers]: &Ways) -> Vec<String> {
    [("requests", requests), ("answers", answers)]
        .into_iter()
        .filter(|(_, points)| !points.is_empty())
        .map(|(what, points)| format!("{when}: {what} passed {}", names(context, points)))
        .collect()
}

fn finding(
    context: &Context,
    group: &Group,
    before: &Ways,
    after: &Ways,
    until: Timestamp,
) -> Finding {
    let (flows, since) = (group.flows_in_words(), group.first());
    let (was, is) = (
        in_words(context, before, "passed"),
        in_words(context, after, "pass"),
    );
    let mut summary = if was == in_words(context, after, "passed") {
        format!("{flows} moved: from {since} on they take another way; {is}, as before.")
    } else {
        format!("{flows} moved: until {until} {was}; from {since} on {is}.")
    };
    let mut next = vec![format!(
        "what moved at {since}: a machine (see endpoint-moved), a gateway (VRRP, HSRP), or a route; was it meant to"
    )];
    let old = || before.iter().flatten();
    let new = after.iter().flatten().filter(|id| !old().any(|o| o == *id));
    let firewalls = new
        .filter_map(|id| context.point(*id))
        .filter(|p| p.role == Role::Firewall);
    let firewalls = distinct(firewalls.map(PointFacts::place)).join(" and ");
    if !firewalls.is_empty() {
        let _ = write!(
            summary,
            " {firewalls} did not see how they began: a stateful firewall there drops them, unless it shares its state \
             with the other."
        );
        next.push(format!(
            "does {firewalls} share its connection table with the firewall that they passed before; if not, connections \
             that live across the move break"
        ));
    }
    let confidence_why = match group.confidence() {
        Confidence::High => {
            "the old way was mirrored all the time and saw the flows no more; the new way was, and had not seen them"
        }
        Confidence::Medium => {
            "a place that was mirrored all the time began to see the flows, or saw them no more"
        }
        Confidence::Low => {
            "acknowledgements show that a direction goes on; it passes no mirrored place any more"
        }
    };
    let mut evidence = facts(context, "before", before);
    evidence.extend(facts(context, "after", after));
    let passed = || {
        let points = before.iter().chain(after).flatten();
        points.filter_map(|id| context.point(*id))
    };
    Finding {
        sites: distinct(passed().map(|p| p.site.clone())),
        points: distinct(passed().map(|p| p.name.clone())),
        story: Some(Story {
            headline: format!(
                "{flows} moved at {}: before {was}, since then {is}",
                since.to_seconds()
            ),
            lines: Vec::new(),
        }),
        summary,
        evidence,
        next,
        ..group.finding(Kind::PathMoved, Severity::Warning, confidence_why)
    }
}
