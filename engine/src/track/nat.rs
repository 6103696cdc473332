//! One connection under two names: a firewall that translates addresses gives it others, but keeps its initial sequence
//! number, unless it chooses that anew too.

use std::sync::Arc;

use super::away::View;
use super::table::{Flow, Table};
use crate::flow::FlowKey;
use crate::table::{Map, Set};
use crate::time::SECOND;

/// Flows that are looked for under another name.
const MAX_SOUGHT: usize = 65_536;
/// Flows with one initial sequence number that are looked at: more have it only where somebody makes them up.
const MAX_ALIKE: usize = 4;
/// A SYN takes no longer through a firewall.
const SOON: u64 = SECOND.unsigned_abs();

/// Flows of which a direction is missing somewhere, and the flow that each is elsewhere.
#[derive(Debug, Default)]
pub(super) struct Names {
    stage: Stage,
    /// Flows of which a direction is missing, by place and serial; by the number of their SYN.
    sought: Map<u32, Vec<(u32, u64)>>,
    /// How many were considered.
    lacking: usize,
    found: Arc<Map<u64, (FlowKey, String)>>,
}

/// What comes next, and from which place in the table on.
#[derive(Debug)]
enum Stage {
    Seeking(u32),
    Finding(u32),
    Done,
}

impl Default for Stage {
    fn default() -> Self {
        Self::Seeking(0)
    }
}

impl Names {
    /// Looks at so many more places of the table; whether there are others.
    pub fn gather(&mut self, table: &Table, places: u32) -> bool {
        let (next, end) = match self.stage {
            Stage::Seeking(next) | Stage::Finding(next) => (next, next.saturating_add(places)),
            Stage::Done => return false,
        };
        let seeking = matches!(self.stage, Stage::Seeking(_));
        for (place, flow) in table.some(next..end) {
            if seeking {
                self.seek(table, place, flow);
            } else {
                self.find(table, flow);
            }
        }
        let reached = end >= table.places();
        self.stage = match self.stage {
            Stage::Seeking(_) if reached && !self.sought.is_empty() => Stage::Finding(0),
            _ if reached => Stage::Done,
            Stage::Seeking(_) => Stage::Seeking(end),
            Stage::Finding(_) => Stage::Finding(end),
            Stage::Done => return false,
        };
        true
    }

    /// By serial, the other's key and id.
    pub fn found(&self) -> Arc<Map<u64, (FlowKey, String)>> {
        Arc::clone(&self.found)
    }

    fn seek(&mut self, table: &Table, place: u32, flow: &Flow) {
        if self.lacking >= MAX_SOUGHT || !flow.is_tcp() || !table.lacks(flow) {
            return;
        }
        self.lacking += 1;
        let held = table.held(flow);
        if let Some(number) = number(flow, table.view(flow, held.as_ref())) {
            let alike = self.sought.entry(number).or_default();
            if alike.len() < MAX_ALIKE {
                alike.push((place, flow.serial));
            }
        }
    }

    fn find(&mut self, table: &Table, other: &Flow) {
        if !other.is_tcp() {
            return;
        }
        let held = table.held(other);
        let view = table.view(other, held.as_ref());
        let Some(flows) = number(other, view).and_then(|number| self.sought.get(&number)) else {
            return;
        };
        for &(place, serial) in flows {
            let Some(flow) = table.still(place, serial).and_then(|at| table.flow(at)) else {
                continue;
            };
            let held = table.held(flow);
            if same((flow, table.view(flow, held.as_ref())), (other, view)) {
                let id = other.key.id(other.born);
                Arc::make_mut(&mut self.found).insert(serial, (other.key, id));
            }
        }
    }
}

/// Number of the SYN.
fn number(flow: &Flow, view: View<'_>) -> Option<u32> {
    let half = &view.conversation()?.halves[flow.originator()];
    half.initial_number().filter(|_| half.syn > 0)
}

/// Whether two flows are one connection: begun at the same time with the same numbers, seen by different points, and
/// not between the same ends.
fn same((flow, view): (&Flow, View<'_>), (other, other_view): (&Flow, View<'_>)) -> bool {
    let ends = |flow: &Flow| [flow.key.low, flow.key.high];
    if ends(flow) == ends(other) || flow.first.since(other.first).unsigned_abs() > SOON {
        return false;
    }
    let answer = |flow: &Flow, view: View<'_>| {
        let half = &view.conversation()?.halves[1 - flow.originator()];
        half.initial_number()
    };
    let answers = (answer(flow, view), answer(other, other_view));
    let points: Set<_> = view.parts().map(|part| part.point).collect();
    let elsewhere = other_view.parts().any(|part| !points.contains(&part.point));
    elsewhere && !matches!(answers, (Some(a), Some(b)) if a != b)
}
