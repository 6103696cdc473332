//! `inconsistent-sequence`: at a firewall, or a place that nobody described, one end acknowledges data that never passed
//! there, though it exists elsewhere. A firewall that checks windows drops such packets.

use super::symptom::{self, Symptoms};
use super::{Finding, Group, Kind, Severity, distinct, join_and};
use crate::correlate::Judgement;
use crate::observation::{FlowObserved, Observation};
use crate::observer::Context;
use crate::point::PointId;

/// Inconsistent numbers by place, and whether it is the responder's data that did not pass.
#[derive(Debug, Default)]
pub(super) struct InconsistentSequences {
    symptoms: Symptoms,
}

impl InconsistentSequences {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        self.symptoms.add(flow, judgement, |observer, side| {
            let unseen = |o: &Observation| {
                let (sent, heard) = (
                    &o.conversation.halves[side],
                    &o.conversation.halves[1 - side],
                );
                match (sent.reached(), heard.acknowledged_so_far()) {
                    (Some(sent), Some(heard)) => {
                        let bytes = i64::from(heard.wrapping_sub(sent).cast_signed());
                        bytes > 1 && !context.may_have_lost(observer, flow, bytes)
                    }
                    // None of its numbers are known here; what is acknowledged moves on all the same.
                    (None, Some(_)) => heard.acknowledges_progress(),
                    _ => false,
                }
            };
            flow.seen_at(&observer.points).any(unseen)
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
    let (who, whose) = if answers {
        ("clients", "servers")
    } else {
        ("servers", "clients")
    };
    Finding {
        sites: distinct(facts().map(|p| p.site.clone())),
        points: facts().map(|p| p.name.clone()).collect(),
        because: Some(Kind::AsymmetricPath),
        summary: format!(
            "At {place}, {}: the {who} acknowledge data of the {whose} that never passed there.",
            group.flows_in_words()
        ),
        evidence: vec![format!(
            "acknowledgements of the {who} move on over numbers that the place did not see"
        )],
        next: vec![format!(
            "a firewall at {place} that checks sequence numbers (TCP window tracking, invalid-state drops) drops these: \
             look at its counters before anybody turns the check off"
        )],
        ..group.finding(
            Kind::InconsistentSequence,
            Severity::Warning,
            symptom::why(group.confidence()),
        )
    }
}
