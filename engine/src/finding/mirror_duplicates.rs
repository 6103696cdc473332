//! `mirror-duplicates`: a mirror brings packets more than once.

use super::{Finding, Kind, Severity, count, distinct, join_and};
use crate::observer::{Context, PointFacts};
use crate::report::SessionReport;
use crate::verdict::Confidence;

/// Fewer copies are not worth telling.
const FEW: u64 = 10;
/// Share of a point's packets that must have come more than once.
const SHARE: f64 = 0.01;
/// Share of them beyond which all were meant to come twice: a point that copies both ports of a router or firewall. What
/// a router sends back by the port that it came by is seen twice too, and is no fault of the mirror.
const ALL: f64 = 0.9;
/// Points told one by one.
const TOLD: usize = 10;

/// Why a point's packets come twice.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Reason {
    /// Both have the same sequence number.
    OnTheWay,
    /// A router stands between both.
    BothPorts,
    /// Both look alike.
    BothWays,
}

/// One finding for each reason.
pub(super) fn findings(context: &Context, sessions: &[SessionReport]) -> Vec<Finding> {
    let reasons = [Reason::OnTheWay, Reason::BothPorts, Reason::BothWays];
    let found = reasons.map(|wanted| {
        let points: Vec<&PointFacts> = context
            .points
            .iter()
            .filter(|point| reason(point, sessions) == Some(wanted))
            .collect();
        finding(&points, wanted, sessions)
    });
    found.into_iter().flatten().collect()
}

fn reason(point: &PointFacts, sessions: &[SessionReport]) -> Option<Reason> {
    let unique = point.packets.saturating_sub(point.doubled) as f64;
    let alike = point.doubled.saturating_sub(point.routed);
    if point.doubled < FEW {
        return None;
    }
    if point.routed as f64 > unique * ALL {
        return Some(Reason::BothPorts);
    }
    let repeated: u64 = of_point(point, sessions)
        .filter_map(|s| s.sequence.as_ref())
        .map(|sequence| sequence.duplicate)
        .max()
        .unwrap_or_default();
    match alike {
        few if few < FEW || (few as f64) < point.packets as f64 * SHARE => None,
        alike if repeated * 2 > alike => Some(Reason::OnTheWay),
        _ => Some(Reason::BothWays),
    }
}

fn of_point<'a>(
    point: &'a PointFacts,
    sessions: &'a [SessionReport],
) -> impl Iterator<Item = &'a SessionReport> {
    sessions
        .iter()
        .filter(|s| s.point == point.name && s.site == point.site)
}

fn finding(points: &[&PointFacts], reason: Reason, sessions: &[SessionReport]) -> Option<Finding> {
    let doubled = points.iter().map(|p| p.doubled).sum();
    let packets: u64 = points.iter().map(|p| p.packets).sum();
    let members = || points.iter().flat_map(|p| of_point(p, sessions));
    let names: Vec<String> = points
        .iter()
        .take(super::NAMED)
        .map(|p| p.place())
        .collect();
    let more = points.len().saturating_sub(names.len());
    let mut places = names;
    if more > 0 {
        places.push(count(more as u64, "other point"));
    }
    let mut evidence: Vec<String> = points
        .iter()
        .take(TOLD)
        .map(|p| {
            format!(
                "{}: {} of {} packets came before",
                p.place(),
                p.doubled,
                p.packets
            )
        })
        .collect();
    let (why, next) = match reason {
        Reason::OnTheWay => (
            "The copies have the sequence number of the first: they were made on the way to the collector.",
            "look for a second mirror of the collector's own port, or a loop of the network on the way to it",
        ),
        Reason::BothPorts => (
            "The copies have another TTL: the mirror copies both the port by which a packet comes to the router, and that \
             by which it leaves.",
            "mirror one of the two ports, or let each have a session of its own: then it is two places to compare",
        ),
        Reason::BothWays => (
            "The copies look alike: the mirror copies a packet where it enters the switch and where it leaves.",
            "mirror one direction of all ports (ingress is enough where all ports are mirrored), or both directions of one \
             port; and look for two sessions with the same id",
        ),
    };
    evidence.push("each packet counts once; the copies are in no figure but `doubled`".to_owned());
    Some(Finding {
        kind: Kind::MirrorDuplicates,
        severity: Severity::Info,
        confidence: Confidence::High,
        confidence_why: "the copies are equal and come too soon to have been sent again".to_owned(),
        sites: distinct(points.iter().map(|p| p.site.clone())),
        points: points.iter().map(|p| p.name.clone()).collect(),
        flows: 0,
        examples: Vec::new(),
        packets: doubled,
        first: members().map(|s| s.first).min()?,
        last: members().map(|s| s.last).max()?,
        summary: format!(
            "The mirror brings {doubled} of {packets} packets of {} more than once. {why} Verdicts are not touched by it; \
             the load of the collector is.",
            join_and(&places)
        ),
        because: None,
        story: None,
        evidence,
        next: vec![next.to_owned()],
    })
}
