//! `address-conflict`: one IP or MAC address is in use at two places at once.

use std::net::IpAddr;

use super::{EXAMPLES, Finding, Kind, Severity, count, distinct, endpoint_moved, mac};
use crate::inventory::{Conflict, ConflictOf, Strength};
use crate::observation::FlowObserved;
use crate::observer::Context;
use crate::table::Map;
use crate::verdict::Confidence;

/// All conflicts of a run, and flows of the addresses meanwhile.
#[derive(Debug, Default)]
pub(super) struct AddressConflicts {
    conflicts: Vec<(Conflict, Flows)>,
    by_address: Map<(u32, IpAddr), Vec<usize>>,
    /// Tell only those that touch flows.
    only_touched: bool,
}

#[derive(Debug, Default)]
struct Flows {
    count: u64,
    packets: u64,
    examples: Vec<String>,
}

impl AddressConflicts {
    /// The conflicts that the inventory found.
    pub fn new(conflicts: Vec<Conflict>, only_touched: bool) -> Self {
        let mut by_address: Map<(u32, IpAddr), Vec<usize>> = Map::default();
        let conflicts: Vec<Conflict> = conflicts.into_iter().take(super::MAX_GROUPS).collect();
        for (index, conflict) in conflicts.iter().enumerate() {
            for address in &conflict.addresses {
                let known = by_address.entry((conflict.scope, *address)).or_default();
                known.push(index);
            }
        }
        Self {
            conflicts: conflicts
                .into_iter()
                .map(|conflict| (conflict, Flows::default()))
                .collect(),
            by_address,
            only_touched,
        }
    }

    /// Counts a flow of an address in conflict.
    pub fn add(&mut self, flow: &FlowObserved) {
        if self.by_address.is_empty() {
            return;
        }
        for end in [flow.key.low, flow.key.high] {
            let known = self.by_address.get(&(flow.key.scope, end.address));
            for index in known.into_iter().flatten() {
                let Some((conflict, flows)) = self.conflicts.get_mut(*index) else {
                    continue;
                };
                let (from, to) = conflict.turns.period;
                if flow.first > to || flow.last < from {
                    continue;
                }
                flows.count += 1;
                flows.packets += flow.sums[0].packets + flow.sums[1].packets;
                if flows.examples.len() < EXAMPLES {
                    flows.examples.push(flow.id());
                }
            }
        }
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        let only_touched = self.only_touched;
        self.conflicts
            .into_iter()
            .filter(|(_, flows)| !only_touched || flows.count > 0)
            .map(|(conflict, flows)| finding(context, &conflict, flows))
            .collect()
    }
}

fn finding(context: &Context, conflict: &Conflict, flows: Flows) -> Finding {
    let places = conflict.places;
    let points = || places.iter().filter_map(|stay| context.point(stay.point));
    let [here, there] = places.map(|stay| endpoint_moved::stay(context, &stay));
    let sites = distinct(points().map(|point| point.site.clone()));
    let two = if sites.len() > 1 {
        "two sites"
    } else {
        "two places"
    };
    let names: Vec<String> = conflict.addresses.iter().map(ToString::to_string).collect();
    let (summary, name) = match conflict.of {
        ConflictOf::Address(address, [a, b]) => (
            format!(
                "{address} is in use at {two} at once: {} has it at {here}, {} has it at {there}.",
                mac(a),
                mac(b)
            ),
            address.to_string(),
        ),
        ConflictOf::Mac(station) => {
            let addresses = if names.is_empty() {
                String::new()
            } else {
                format!(" ({})", names.join(", "))
            };
            (
                format!(
                    "MAC {}{addresses} sends at {two} at once: at {here} and at {there}.",
                    mac(station)
                ),
                mac(station),
            )
        }
    };
    let (from, to) = conflict.turns.period;
    let (confidence, confidence_why) = sure(places[0].strength.min(places[1].strength));
    let mut evidence: Vec<String> = places
        .iter()
        .zip([&here, &there])
        .enumerate()
        .map(|(index, (stay, place))| {
            let who = match conflict.of {
                ConflictOf::Address(_, macs) => mac(macs[index]),
                ConflictOf::Mac(station) => mac(station),
            };
            format!(
                "{who} at {place}: first frame {}, last {}",
                stay.first, stay.last
            )
        })
        .collect();
    evidence.push(format!(
        "both spoke from {from} to {to}, and took turns {} times",
        conflict.turns.changes
    ));
    if flows.count > 0 {
        evidence.push(format!(
            "{} of {name} in that time may have reached the wrong one",
            count(flows.count, "flow")
        ));
    }
    Finding {
        kind: Kind::AddressConflict,
        severity: Severity::Error,
        confidence,
        confidence_why: confidence_why.to_owned(),
        points: distinct(points().map(|point| point.name.clone())),
        sites,
        flows: flows.count,
        examples: flows.examples,
        packets: flows.packets,
        first: from,
        last: to,
        summary,
        evidence,
        next: next(conflict, &name),
        because: None,
        story: None,
    }
}

fn sure(weakest: Strength) -> (Confidence, &'static str) {
    match weakest {
        Strength::Port => (
            Confidence::High,
            "each of the two sends by a mirrored port of its own, and goes on while the other does",
        ),
        Strength::Site | Strength::Seen => (
            Confidence::Medium,
            "frames of each enter at a site of their own without passing its interconnect, and go on while the other's do",
        ),
    }
}

fn next(conflict: &Conflict, name: &str) -> Vec<String> {
    vec![
        match conflict.of {
            ConflictOf::Address(..) => format!(
                "find both machines by their MAC and take {name} from one of them: a clone that was started, a failed-over \
                 service whose old machine lives on, an address given by hand and by DHCP"
            ),
            ConflictOf::Mac(_) => format!(
                "find both machines that send as {name}: a clone with the same MAC, or a machine that was started at the \
                 other site while the first one lives on (split brain)"
            ),
        },
        "look at the interconnect: if it was cut for a while, each site may have started its own copy".to_owned(),
    ]
}
