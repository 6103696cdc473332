//! `dci-trombone`: packets cross the interconnect to a gateway at the other site and come back.
//!
//! What two machines of one site say to each other by way of the other site's gateway shows by itself: the same packets
//! pass the interconnect twice, routed in between. That a machine's traffic with the rest of the world crosses the
//! interconnect both ways may be meant so; it is told of machines only that are known to trombone, or to have begun to
//! cross the interconnect while their flows lived.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use super::{Finding, Group, Kind, MAX_GROUPS, Named, Severity, count, distinct, join_and, mac};
use crate::correlate::Judgement;
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::PointId;
use crate::site::Role;
use crate::verdict::{Confidence, Verdict};

/// Fewer packets prove nothing.
const FEW: u64 = 3;

/// Packets that cross the interconnect and come back, by the gateway that they use, if that is mirrored.
#[derive(Debug, Default)]
pub(super) struct Trombones {
    twice: BTreeMap<Option<PointId>, Twice>,
    /// Flows that cross the interconnect both ways to a gateway, by that and by address.
    crossing: BTreeMap<(PointId, IpAddr), Group>,
    /// Addresses of flows that began to cross the interconnect.
    joined: BTreeSet<(PointId, IpAddr)>,
}

#[derive(Debug, Default)]
struct Twice {
    group: Group,
    /// Packets that passed again, by point.
    again: BTreeMap<PointId, u64>,
    addresses: BTreeSet<IpAddr>,
    named: Named<IpAddr>,
    /// Whom the packets are handed to.
    gateway: Option<[u8; 6]>,
}

impl Trombones {
    pub fn add(&mut self, context: &Context, flow: &FlowObserved, judgement: &Judgement) {
        let again = |o: &crate::observation::Observation| o.again[0].packets + o.again[1].packets;
        let twice = flow.observations.iter().any(|o| again(o) > 0);
        let crosses = judgement
            .observers
            .iter()
            .any(|o| o.role == Role::Dci && o.whole());
        if !twice && !crosses {
            return;
        }
        let gate = judgement
            .observers
            .iter()
            .find(|o| o.role.is_gateway() && o.whole());
        let gate = gate.and_then(|o| o.points.first().copied());
        let ends = [flow.key.low.address, flow.key.high.address];
        if !twice {
            if let Some(gate) = gate {
                self.cross(context, flow, judgement, gate, ends);
            }
            return;
        }
        if self.twice.len() >= MAX_GROUPS && !self.twice.contains_key(&gate) {
            return;
        }
        let told = self.twice.entry(gate).or_default();
        told.group.add(flow, flow.first, Confidence::High);
        for observation in &flow.observations {
            if again(observation) > 0 {
                *told.again.entry(observation.point).or_default() += again(observation);
            }
        }
        for address in ends {
            told.named.add(address);
            if told.addresses.len() < MAX_GROUPS {
                told.addresses.insert(address);
            }
        }
        // Where only one pass was seen, it is the one towards the gateway.
        let at_gate = gate.and_then(|gate| flow.at(gate));
        let sent = at_gate.map(|o| &o.sides[flow.originator]);
        let sent = sent.filter(|seen| seen.packets > 0 && seen.ttl.0 == seen.ttl.1);
        let macs = sent.and_then(|seen| seen.macs);
        told.gateway = told.gateway.or(macs.map(|(_, to)| to));
    }

    /// Notes a flow that crosses the interconnect both ways to a gateway.
    fn cross(
        &mut self,
        context: &Context,
        flow: &FlowObserved,
        judgement: &Judgement,
        gate: PointId,
        ends: [IpAddr; 2],
    ) {
        let link = |id: &PointId| context.point(*id).is_some_and(|p| p.role == Role::Dci);
        let joined = match judgement.stages.as_slice() {
            [first, .., last] if judgement.verdict == Verdict::Moved => {
                last.verdict == Verdict::Symmetric
                    && last
                        .ways
                        .iter()
                        .all(|way| way.iter().any(link) && way.contains(&gate))
                    && first
                        .ways
                        .iter()
                        .all(|way| !way.iter().any(link) && way.contains(&gate))
            }
            _ => false,
        };
        if !joined && judgement.verdict != Verdict::Symmetric {
            return;
        }
        if joined && self.joined.len() < MAX_GROUPS {
            let machine = flow.key.end(flow.responder()).address;
            self.joined.insert((gate, machine));
        }
        for address in ends {
            let key = (gate, address);
            if self.crossing.len() < MAX_GROUPS || self.crossing.contains_key(&key) {
                let group = self.crossing.entry(key).or_default();
                group.add(flow, flow.first, Confidence::Medium);
            }
        }
    }

    pub fn finish(mut self, context: &Context) -> Vec<Finding> {
        let joined = std::mem::take(&mut self.joined);
        for (gate, address) in joined {
            let known = self.twice.get(&Some(gate));
            if known.is_some_and(|t| t.addresses.contains(&address)) {
                continue;
            }
            if let Some(group) = self.crossing.remove(&(gate, address)) {
                let told = self.twice.entry(Some(gate)).or_default();
                told.named.add(address);
                told.group.absorb(group);
            }
        }
        let crossing = &self.crossing;
        let told = self.twice.into_iter().filter_map(|(gate, twice)| {
            let also = gate.map(|gate| {
                let of = twice
                    .addresses
                    .iter()
                    .filter_map(|a| Some((*a, crossing.get(&(gate, *a))?)));
                of.collect::<Vec<_>>()
            });
            finding(context, gate, &twice, &also.unwrap_or_default())
        });
        told.collect()
    }
}

fn finding(
    context: &Context,
    gate: Option<PointId>,
    twice: &Twice,
    also: &[(IpAddr, &Group)],
) -> Option<Finding> {
    let packets: u64 = twice.again.values().copied().max().unwrap_or_default();
    let gate = gate.and_then(|id| context.point(id));
    let place = gate.map_or_else(
        || "a router at the other site".to_owned(),
        PointFacts::place,
    );
    let points: Vec<&PointFacts> = twice
        .again
        .keys()
        .filter_map(|id| context.point(*id))
        .collect();
    let joined = packets == 0;
    if packets < FEW && !joined {
        return None;
    }
    let sites = distinct(
        points
            .iter()
            .map(|p| p.site.clone())
            .chain(gate.map(|p| p.site.clone())),
    );
    let machines = twice.named.list(ToString::to_string);
    let mut evidence: Vec<String> = twice
        .again
        .iter()
        .filter_map(|(id, packets)| Some((context.point(*id)?, packets)))
        .map(|(point, packets)| {
            format!(
                "{}: {} passed a second time, with a lower TTL and other MAC addresses",
                point.place(),
                count(*packets, "packet")
            )
        })
        .collect();
    for (address, group) in also.iter().take(super::NAMED) {
        evidence.push(format!(
            "{} of {address} more cross the interconnect to {place} and back with their answers",
            count(group.flows, "flow")
        ));
    }
    if let Some(station) = twice.gateway {
        evidence.push(format!(
            "they are handed to MAC {}, the gateway at {place}",
            mac(station)
        ));
    }
    Some(Finding {
        points: distinct(points.iter().map(|p| p.name.clone())),
        summary: if joined {
            format!(
                "{} of {machines} began to cross the interconnect to {place} and back with their answers: the machine moved, and \
                 still uses the gateway of its old site.",
                count(twice.group.flows, "flow")
            )
        } else {
            format!(
                "{} between {machines}: the packets cross the interconnect to {place} and come back; {} passed it twice. Delay and \
                 load are double, and the connection breaks when the interconnect does.",
                count(twice.group.flows, "flow"),
                count(packets, "packet")
            )
        },
        evidence,
        next: vec![
            format!(
                "on {machines}: which MAC is the default gateway (ip neigh, arp -a)? After a move the old gateway stays in the \
                 ARP cache until it is renewed"
            ),
            format!(
                "{}: give the network a gateway at each site (anycast gateway, or FHRP kept local to the site)",
                join_and(&sites)
            ),
        ],
        sites: sites.clone(),
        ..twice.group.finding(
            Kind::DciTrombone,
            Severity::Warning,
            if joined {
                "flows that passed the gateway without the interconnect began to cross it, and pass the same gateway"
            } else {
                "the same packets were seen twice at one place, routed in between"
            },
        )
    })
}
