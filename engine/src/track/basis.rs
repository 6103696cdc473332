//! What all flows together tell of the mirrors, and of flows under two names: every verdict rests on it. It is gathered a
//! slice at a time, so that packets need not wait for it.

use std::sync::Arc;

use super::evidence::{Evidence, PointEvidence};
use super::nat::Names;
use super::table::Table;
use crate::flow::FlowKey;
use crate::table::Map;

/// What all flows tell together.
#[derive(Debug)]
pub(crate) struct Basis {
    evidence: Evidence,
    /// The part that is looked at next; none once all were.
    next: Option<u32>,
    names: Names,
}

impl Basis {
    pub(super) fn new(table: &Table) -> Self {
        let mut evidence = table.left.clone();
        evidence.add_all(&table.away_evidence);
        Self {
            evidence,
            next: Some(0),
            names: Names::default(),
        }
    }

    /// Looks at so many more places of the table; whether there are others.
    pub(super) fn gather(&mut self, table: &Table, places: u32) -> bool {
        let Some(next) = self.next else {
            return self.names.gather(table, places);
        };
        for part in table.parts_from(next, places) {
            self.evidence.note(part);
        }
        let reached = next.saturating_add(places);
        self.next = (reached < table.part_places()).then_some(reached);
        true
    }

    /// What each point's flows tell of its mirror, by point.
    pub fn evidence(&self, points: usize) -> Vec<PointEvidence> {
        let mut evidence = self.evidence.0.clone();
        evidence.resize(points, PointEvidence::default());
        evidence
    }

    /// Flows of which a direction is missing somewhere, and which go on under other addresses: by serial, the other's key
    /// and id.
    pub fn translated(&self) -> Arc<Map<u64, (FlowKey, String)>> {
        self.names.found()
    }
}
