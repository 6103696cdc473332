//! `mirror-silent`: the mirror of a place stopped, or began late, while flows that pass it went on.

use std::collections::BTreeMap;

use super::{Finding, Group, Kind, MAX_GROUPS, Severity, distinct};
use crate::correlate::Judgement;
use crate::observation::FlowObserved;
use crate::observer::{Context, PATIENCE, PointFacts};
use crate::point::PointId;
use crate::site::Role;
use crate::time::Timestamp;
use crate::verdict::{Confidence, Verdict};

/// Packets of a direction beyond which it is worth telling.
const SETTLED: u64 = 4;
/// A session that pauses for longer than this many times its usual pause has stopped.
const PAUSES: i64 = 20;

/// Points whose mirrors stopped, or began late: when, and the flows that show it.
#[derive(Debug, Default)]
pub(super) struct MirrorsSilent {
    /// For each point, when its mirror began and when it stopped, if that is not when the capture did. Filled with the
    /// first flow.
    gaps: Option<Vec<Gap>>,
    groups: BTreeMap<(PointId, Edge), Group>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Gap {
    began: Option<Timestamp>,
    stopped: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Edge {
    Began,
    Stopped,
}

impl MirrorsSilent {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        let gaps = self.gaps.get_or_insert_with(|| gaps(context));
        // What changed its way, or has two, may have left the place.
        if !matches!(judgement.verdict, Verdict::Symmetric | Verdict::Unknown) {
            return;
        }
        for observation in &flow.observations {
            let index = observation.point.0 as usize;
            let (Some(gap), Some(point)) = (gaps.get(index), context.points.get(index)) else {
                continue;
            };
            // A machine's own port falls silent when the machine goes.
            let settled = observation.sides.iter().all(|s| s.packets >= SETTLED);
            if point.role == Role::Vnic || !settled {
                continue;
            }
            let edges = [(Edge::Began, gap.began), (Edge::Stopped, gap.stopped)];
            for (edge, at) in edges {
                let Some(at) = at else { continue };
                if goes_on(flow, observation.point, edge, at) {
                    let known = self.groups.len() < MAX_GROUPS;
                    let key = (observation.point, edge);
                    if known || self.groups.contains_key(&key) {
                        let group = self.groups.entry(key).or_default();
                        group.add(flow, flow.first, Confidence::Medium);
                    }
                }
            }
        }
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        let gaps = self.gaps.unwrap_or_default();
        let told = self.groups.iter().filter_map(|((id, edge), group)| {
            let gap = gaps.get(id.0 as usize)?;
            let at = match edge {
                Edge::Began => gap.began?,
                Edge::Stopped => gap.stopped?,
            };
            Some(finding(context, context.point(*id)?, *edge, at, group))
        });
        told.collect()
    }
}

/// Where mirrors did not run from the beginning of the capture to its end.
fn gaps(context: &Context) -> Vec<Gap> {
    let all = || context.points.iter().flat_map(|p| &p.lived);
    let start = all().map(|l| l.0).min().unwrap_or_default();
    let gap = |point: &PointFacts| {
        let began = point.lived.iter().map(|l| l.0).min()?;
        let stopped = point.lived.iter().map(|l| l.1).max()?;
        let packets = i64::try_from(point.packets).unwrap_or(i64::MAX).max(1);
        let pause = stopped.since(began) / packets;
        let long = pause.saturating_mul(PAUSES).max(PATIENCE);
        Some(Gap {
            began: (began.since(start) > long).then_some(began),
            stopped: (context.end.since(stopped) > long).then_some(stopped),
        })
    };
    let gaps = context.points.iter().map(|p| gap(p).unwrap_or_default());
    gaps.collect()
}

/// Whether a flow that the point saw went on for long after its mirror stopped (or had for long before it began), at all
/// the other places that saw it, and at no new one: then it did not change its way.
fn goes_on(flow: &FlowObserved, point: PointId, edge: Edge, at: Timestamp) -> bool {
    let mut others = 0;
    let lasting = flow
        .observations
        .iter()
        .filter(|o| o.point != point)
        .all(|o| {
            others += 1;
            let sides = || o.sides.iter().filter(|s| s.packets > 0);
            sides().all(|s| s.first.plus(PATIENCE) < at && s.last > at.plus(PATIENCE))
                && sides().count() == 2
        });
    let here = flow.observations.iter().filter(|o| o.point == point);
    // It must have been going on at the very end, or beginning.
    let close = here.into_iter().all(|o| match edge {
        Edge::Stopped => at.since(o.last()) < PATIENCE,
        Edge::Began => o.first().since(at) < PATIENCE,
    });
    others > 0 && lasting && close
}

fn finding(
    context: &Context,
    point: &PointFacts,
    edge: Edge,
    at: Timestamp,
    group: &Group,
) -> Finding {
    let place = point.place();
    let others = group.points.keys().filter_map(|id| context.point(*id));
    let others = distinct(
        others
            .filter(|p| p.name != point.name)
            .map(PointFacts::place),
    );
    let (what, rest) = match edge {
        Edge::Stopped => ("stopped", "go on"),
        Edge::Began => ("began only", "had gone on before"),
    };
    let period = match edge {
        Edge::Stopped => (at, context.end),
        Edge::Began => (group.first(), at),
    };
    Finding {
        sites: vec![point.site.clone()],
        points: vec![point.name.clone()],
        first: period.0,
        last: period.1,
        summary: format!(
            "The mirror of {place} {what} at {at}, while {} that pass it {rest} at {}. What is missing there says nothing of \
             the network.",
            group.flows_in_words(),
            others.join(", ")
        ),
        evidence: vec![format!(
            "not one packet of any kind came from {place} {} {at}",
            if edge == Edge::Stopped { "after" } else { "before" }
        )],
        next: vec![
            format!("look at the mirror session of {place}: is it still configured, is its source port up"),
            "if the session is well, its port or device went down and all traffic took a way that is not mirrored".to_owned(),
        ],
        ..group.finding(
            Kind::MirrorSilent,
            Severity::Warning,
            "flows that had passed the place go on at all the other places that saw them, and at no new one",
        )
    }
}
