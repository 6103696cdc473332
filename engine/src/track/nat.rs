//! One connection under two names: a firewall that translates addresses gives it others, but keeps its initial sequence
//! number, unless it chooses that anew too.

use super::table::{Flow, Table};
use crate::flow::{FlowKey, protocol};
use crate::table::{Map, Set};
use crate::time::SECOND;

/// Flows that are looked for under another name.
const MAX_SOUGHT: usize = 65_536;
/// Flows with one initial sequence number that are looked at: more have it only where somebody makes them up.
const MAX_ALIKE: usize = 4;
/// A SYN takes no longer through a firewall.
const SOON: u64 = SECOND.unsigned_abs();

/// Flows of which a direction is missing somewhere, and the flow that each is elsewhere: by serial, its key and id.
pub(super) fn translated(table: &Table) -> Map<u64, (FlowKey, String)> {
    let mut sought: Map<u32, Vec<&Flow>> = Map::default();
    let lacking = table.iter().filter(|flow| lacks(table, flow));
    for flow in lacking.take(MAX_SOUGHT) {
        if let Some(number) = number(table, flow) {
            let alike = sought.entry(number).or_default();
            if alike.len() < MAX_ALIKE {
                alike.push(flow);
            }
        }
    }
    let mut found = Map::default();
    if sought.is_empty() {
        return found;
    }
    for other in table.iter() {
        let Some(flows) = number(table, other).and_then(|number| sought.get(&number)) else {
            continue;
        };
        for flow in flows {
            if same(table, flow, other) {
                let id = other.key.id(other.born);
                found.insert(flow.serial, (other.key, id));
            }
        }
    }
    found
}

/// Whether some place saw one direction only.
fn lacks(table: &Table, flow: &Flow) -> bool {
    flow.key.protocol == protocol::TCP
        && table
            .parts(flow)
            .any(|part| part.sides.iter().any(|seen| seen.packets == 0))
}

/// Number of the SYN.
fn number(table: &Table, flow: &Flow) -> Option<u32> {
    if flow.key.protocol != protocol::TCP {
        return None;
    }
    let half = &table.conversation(flow)?.halves[flow.originator()];
    half.initial_number().filter(|_| half.syn > 0)
}

/// Whether two flows are one connection: begun at the same time with the same numbers, seen by different points, and
/// not between the same ends.
fn same(table: &Table, flow: &Flow, other: &Flow) -> bool {
    let ends = |flow: &Flow| [flow.key.low, flow.key.high];
    if ends(flow) == ends(other) || flow.first.since(other.first).unsigned_abs() > SOON {
        return false;
    }
    let answer = |flow: &Flow| {
        let half = &table.conversation(flow)?.halves[1 - flow.originator()];
        half.initial_number()
    };
    let answers = (answer(flow), answer(other));
    let points: Set<_> = table.parts(flow).map(|part| part.point).collect();
    let elsewhere = table.parts(other).any(|part| !points.contains(&part.point));
    elsewhere && !matches!(answers, (Some(a), Some(b)) if a != b)
}
