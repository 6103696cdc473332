//! What shows at one place of flows whose directions go different ways.

use super::{Finding, Group, Groups};
use crate::correlate::Judgement;
use crate::flow::{Side, protocol};
use crate::observation::FlowObserved;
use crate::observer::Observer;
use crate::point::PointId;
use crate::site::Role;
use crate::verdict::Confidence;

/// TCP flows by the place where a symptom of theirs shows, and whether it is the responder's packets that are missing
/// there.
#[derive(Debug, Default)]
pub(super) struct Symptoms {
    groups: Groups<(Vec<PointId>, bool)>,
}

impl Symptoms {
    /// Takes a flow at each place that missed one side and where the symptom `shows`.
    pub fn add(
        &mut self,
        flow: &FlowObserved,
        judgement: &Judgement,
        shows: impl Fn(&Observer, Side) -> bool,
    ) {
        let Some(since) = judgement.split(flow) else {
            return;
        };
        if flow.key.protocol != protocol::TCP {
            return;
        }
        for (observer, side) in judgement.one_sided() {
            if let Some(confidence) = confidence(observer.role)
                && shows(observer, side)
            {
                let key = (observer.points.clone(), side == flow.responder());
                self.groups.add(key, flow, since, confidence);
            }
        }
    }

    /// A finding for each place.
    pub fn finish(self, finding: impl Fn(&[PointId], bool, &Group) -> Finding) -> Vec<Finding> {
        let told = |((points, answers), group): ((Vec<PointId>, bool), Group)| {
            Some(finding(&points, answers, &group))
        };
        self.groups.into_findings(told)
    }
}

/// How sure a symptom is at a place of that role; `None` where it matters to nobody: only what keeps state needs to see
/// both directions.
pub(super) fn confidence(role: Role) -> Option<Confidence> {
    match role {
        Role::Firewall => Some(Confidence::High),
        Role::Switch => Some(Confidence::Medium),
        _ => None,
    }
}

/// Why a symptom is that sure.
pub(super) fn why(confidence: Confidence) -> &'static str {
    match confidence {
        Confidence::High => {
            "the place is known to see both directions, and its mirror lost too little to explain it"
        }
        _ => "the place is known to see both directions; its role is not described",
    }
}
