//! What shows at one place of flows whose directions go different ways.

use crate::observation::{FlowObserved, Observation};
use crate::point::PointId;
use crate::site::Role;
use crate::verdict::Confidence;

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

/// What some points saw of a flow.
pub(super) fn seen_at<'a>(
    flow: &'a FlowObserved,
    points: &'a [PointId],
) -> impl Iterator<Item = &'a Observation> {
    flow.observations
        .iter()
        .filter(|o| points.contains(&o.point))
}
