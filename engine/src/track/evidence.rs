//! What the flows of a point tell of its mirror.

use super::part::Part;

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
        let index = part.point.0 as usize;
        if self.0.len() <= index {
            self.0.resize(index + 1, PointEvidence::default());
        }
        let Some(point) = self.0.get_mut(index) else {
            return;
        };
        point.both_ways += u64::from(part.sides.iter().all(|s| s.packets > 0));
        point.routed += part.routed();
        point.doubled += part.doubled(0).packets + part.doubled(1).packets;
        for (seen, half) in part.sides.iter().zip(&part.conversation.halves) {
            point.payload += if half.data > 0 { seen.payload } else { 0 };
            // SYN and FIN take a number each.
            point.holes += half.span().saturating_sub(seen.payload + 2).min(MAX_HOLE);
        }
    }
}
