//! `incomplete-close`: a firewall, or a place that nobody described, saw one end close a TCP connection and never the
//! other, which closed too, but past other places.

use super::symptom::{self, Symptoms};
use super::{Finding, Group, Kind, Severity, count, distinct, join_and};
use crate::correlate::Judgement;
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::PointId;

/// Incomplete closes by place, and whether it is the responder's FIN that is missing.
#[derive(Debug, Default)]
pub(super) struct IncompleteCloses {
    symptoms: Symptoms,
}

impl IncompleteCloses {
    pub fn add(&mut self, flow: &FlowObserved, judgement: &Judgement) {
        self.symptoms.add(flow, judgement, |observer, side| {
            let fins = |side: usize| {
                let here = flow.seen_at(&observer.points);
                here.map(|o| o.conversation.halves[side].fin).max()
            };
            let closed = flow.conversation.halves[side].fin > 0;
            closed && fins(side) == Some(0) && fins(1 - side) > Some(0)
        });
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        self.symptoms
            .finish(|points, answers, group| finding(context, points, answers, group))
    }
}

fn finding(context: &Context, points: &[PointId], answers: bool, group: &Group) -> Finding {
    let facts = || points.iter().filter_map(|id| context.point(*id));
    let place = join_and(&context.places(points));
    let (seen, missing) = if answers {
        ("client", "server")
    } else {
        ("server", "client")
    };
    let direction = usize::from(answers);
    let others = group
        .points
        .iter()
        .filter(|(id, passed)| !points.contains(id) && passed[direction].packets > 0)
        .filter_map(|(id, _)| context.point(*id));
    let others = distinct(others.map(PointFacts::place)).join(", ");
    Finding {
        sites: distinct(facts().map(|p| p.site.clone())),
        points: facts().map(|p| p.name.clone()).collect(),
        because: Some(Kind::AsymmetricPath),
        summary: format!(
            "At {place}, {} to {}: the {seen}'s FIN passed, the {missing}'s never did.",
            count(group.flows, "close"),
            group.target()
        ),
        evidence: vec![format!("the {missing}'s packets passed {others}")],
        next: vec![format!(
            "the firewall at {place} keeps these connections half closed until they time out: look how full its state \
             table is"
        )],
        ..group.finding(
            Kind::IncompleteClose,
            Severity::Warning,
            symptom::why(group.confidence()),
        )
    }
}
