//! `mirror-blind-spot`: a mirror that carries one direction only, by configuration or as far as can be seen. Nothing that
//! is missing there is said of the network.

use std::collections::BTreeMap;

use super::{Finding, Group, Kind, MAX_GROUPS, Severity, mac};
use crate::correlate::Judgement;
use crate::observation::FlowObserved;
use crate::observer::{Context, Missing, PointFacts};
use crate::point::PointId;
use crate::report::SessionReport;
use crate::site::{Carries, Role};
use crate::verdict::{Cause, Confidence};

/// Fewer flows show nothing of a mirror.
const FEW: u64 = 3;
/// Flows of which a point saw both directions, at most, for so many of which it saw one.
const ODD: u64 = 10;

/// Points that showed one side only of flows whose other side exists.
#[derive(Debug, Default)]
pub(super) struct BlindSpots {
    points: BTreeMap<PointId, Blind>,
}

#[derive(Debug, Default)]
struct Blind {
    group: Group,
    /// A station that was never seen to send there, though packets go to it.
    station: Option<[u8; 6]>,
}

impl BlindSpots {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        for observer in &judgement.observers {
            let Some(Missing {
                side,
                cause: Some(Cause::BlindSpot),
            }) = observer.missing
            else {
                continue;
            };
            // What passes another site has no reason to pass here.
            let mut others = judgement.observers.iter();
            if others.any(|o| o.site != observer.site && o.packets[side] > 0) {
                continue;
            }
            // Only what is known to exist can be missed.
            let exists = flow.sums[side].packets > 0
                || flow.conversation.halves[1 - side].acknowledges_progress();
            if !exists {
                continue;
            }
            for id in &observer.points {
                if self.points.len() >= MAX_GROUPS && !self.points.contains_key(id) {
                    continue;
                }
                let one = context
                    .point(*id)
                    .is_some_and(|p| p.carries == Some(Carries::One));
                let blind = self.points.entry(*id).or_default();
                let confidence = if one {
                    Confidence::High
                } else {
                    Confidence::Medium
                };
                blind.group.add(flow, flow.first, confidence);
                let seen = flow.at(*id);
                let macs = seen.and_then(|o| o.sides[1 - side].macs);
                blind.station = blind.station.or(macs.map(|(_, to)| to));
            }
        }
    }

    pub fn finish(self, context: &Context, sessions: &[SessionReport]) -> Vec<Finding> {
        let blind = self.points.iter().filter_map(|(id, blind)| {
            let point = context.point(*id)?;
            let told = point.carries == Some(Carries::One);
            // What is asymmetric crosses an interconnect one way only.
            let shows = point.role != Role::Dci
                && blind.group.flows >= FEW
                && point.both_ways * ODD < blind.group.flows;
            (told || shows).then(|| finding(point, told, blind, sessions))
        });
        blind.collect()
    }
}

fn finding(point: &PointFacts, told: bool, blind: &Blind, sessions: &[SessionReport]) -> Finding {
    let place = point.place();
    let group = &blind.group;
    let how = if told {
        "as the sites file says"
    } else {
        "as far as can be seen"
    };
    let mut evidence = vec![format!(
        "of {} one direction passed there, though the other exists; of {} both did",
        super::count(group.flows, "flow"),
        super::count(point.both_ways, "flow")
    )];
    if let Some(station) = blind.station.filter(|_| !told) {
        evidence.push(format!(
            "packets go to MAC {} there, which was never seen to send there",
            mac(station)
        ));
    }
    let ways = sessions
        .iter()
        .filter(|s| s.point == point.name && s.site == point.site)
        .flat_map(|s| &s.directions);
    let ways: Vec<&str> = ways.map(|d| d.way.as_str()).collect();
    if let [way] = ways.as_slice() {
        evidence.push(format!("the mirror says that all its packets go {way}"));
    }
    let port = match point.role {
        Role::Switch => "the port",
        role => role.beside(),
    };
    Finding {
        sites: vec![point.site.clone()],
        points: vec![point.name.clone()],
        summary: format!(
            "The mirror of {place} carries one direction only, {how}: nothing follows from what is missing there, and {} \
             cannot be judged by it.",
            group.flows_in_words()
        ),
        evidence,
        next: vec![format!(
            "mirror both directions (rx and tx, ingress and egress) of {port} at {place}; if they are mirrored, say \
             carries = \"both\" in the sites file"
        )],
        ..group.finding(
            Kind::MirrorBlindSpot,
            Severity::Info,
            if told {
                "the sites file says so"
            } else {
                "several flows show it, and none contradicts; it may be that nothing ever comes back there"
            },
        )
    }
}
