//! What the flows of a point tell of its mirror.

use super::part::Part;
use crate::point::PointId;

/// Bytes missing from one direction of one flow count at most this much, so that a stray number proves nothing.
const MAX_HOLE: u64 = 1 << 24;

/// What a point's flows tell of its mirror.
#[derive(Clone, Copy, Debug, Default)]
pub struct PointEvidence {
    /// Flows of which both directions were seen.
    pub both_ways: u64,
    /// TCP payload seen.
    pub payload: u64,
    /// TCP payload between bytes that were seen, itself not seen.
    pub holes: u64,
    /// Packets that the mirror brought more than once.
    pub doubled: u64,
    /// Of those, packets that a router had in between.
    pub routed: u64,
}

/// The same for all points; the index is that of the point.
#[derive(Clone, Debug, Default)]
pub(super) struct Evidence(pub Vec<PointEvidence>);

impl Evidence {
    pub(super) fn note(&mut self, part: &Part) {
        self.add(part.point, part.evidence());
    }

    /// Adds what a part tells.
    pub(super) fn add(&mut self, point: PointId, more: PointEvidence) {
        let index = point.0 as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, PointEvidence::default());
        }
        if let Some(point) = self.0.get_mut(index) {
            point.change(more, u64::saturating_add);
        }
    }

    /// Takes away what a part told.
    pub(super) fn take(&mut self, point: PointId, less: PointEvidence) {
        if let Some(point) = self.0.get_mut(point.0 as usize) {
            point.change(less, u64::saturating_sub);
        }
    }

    /// Adds all of another.
    pub(super) fn add_all(&mut self, other: &Self) {
        for (index, more) in other.0.iter().enumerate() {
            self.add(PointId(index as u32), *more);
        }
    }
}

impl PointEvidence {
    fn change(&mut self, other: Self, by: fn(u64, u64) -> u64) {
        let Self {
            both_ways,
            payload,
            holes,
            doubled,
            routed,
        } = other;
        self.both_ways = by(self.both_ways, both_ways);
        self.payload = by(self.payload, payload);
        self.holes = by(self.holes, holes);
        self.doubled = by(self.doubled, doubled);
        self.routed = by(self.routed, routed);
    }
}

impl Part {
    /// What it tells of its point's mirror.
    pub(super) fn evidence(&self) -> PointEvidence {
        let mut evidence = PointEvidence {
            both_ways: u64::from(self.sides.iter().all(|s| s.packets > 0)),
            routed: self.routed(),
            doubled: self.doubled(0).packets + self.doubled(1).packets,
            ..PointEvidence::default()
        };
        for (seen, half) in self.sides.iter().zip(&self.conversation.halves) {
            evidence.payload += if half.data > 0 { seen.payload } else { 0 };
            // SYN and FIN take a number each.
            evidence.holes += half.span().saturating_sub(seen.payload + 2).min(MAX_HOLE);
        }
        evidence
    }
}
