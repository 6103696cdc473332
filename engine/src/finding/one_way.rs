//! `one-way`: TCP flows of which one direction exists, at places that would have seen the other.
//!
//! UDP and multicast may be one-way by nature and are left out.

use super::{Finding, Group, Groups, Kind, Severity, count, distinct};
use crate::correlate::Judgement;
use crate::flow::protocol;
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::PointId;
use crate::verdict::Verdict;

/// One-way flows by the points that saw them, and whether requests or answers exist.
#[derive(Debug, Default)]
pub(super) struct OneWays {
    groups: Groups<(Vec<PointId>, bool)>,
}

impl OneWays {
    pub fn add(&mut self, flow: &FlowObserved, judgement: &Judgement) {
        if judgement.verdict != Verdict::OneWay
            || flow.key.protocol != protocol::TCP
            || judgement.by_nature
        {
            return;
        }
        let requests = flow.sums[flow.originator].packets > 0;
        let points = flow.observations.iter().map(|o| o.point).collect();
        self.groups
            .add((points, requests), flow, flow.first, judgement.confidence);
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        self.groups.into_findings(|((points, requests), group)| {
            Some(finding(context, &points, requests, &group))
        })
    }
}

fn finding(context: &Context, points: &[PointId], requests: bool, group: &Group) -> Finding {
    let facts = || points.iter().filter_map(|id| context.point(*id));
    let places: Vec<String> = facts().map(PointFacts::place).collect();
    let (seen, missing) = if requests {
        ("towards", "back from")
    } else {
        ("from", "towards")
    };
    let confidence_why = "the places see both directions of other traffic, and their mirrors lost too little to explain it";
    Finding {
        sites: distinct(facts().map(|p| p.site.clone())),
        points: facts().map(|p| p.name.clone()).collect(),
        summary: format!(
            "{}: {} packets pass {}, none come {missing} it, and nothing shows that the other side heard them.",
            group.flows_in_words(),
            seen,
            places.join(", ")
        ),
        evidence: vec![
            format!("{} in all, from {}", count(group.packets, "packet"), group.originators.list(ToString::to_string)),
            "acknowledgements do not advance: the other direction is not just unseen, it seems not to exist".to_owned(),
        ],
        next: vec![format!("follow the packets from {} to {}: where do they end, is there a route back", places.join(", "), group.target())],
        ..group.finding(Kind::OneWay, Severity::Warning, confidence_why)
    }
}
