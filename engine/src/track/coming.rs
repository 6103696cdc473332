//! What packets will lead to, told before their turn comes: the memory of their flows is on its way while others are taken.
//!
//! A packet of one flow among many thousands waits several times for memory, each time as long as the rest of its analysis
//! takes: for the way to its flow, for the flow, for its parts. Packets of a batch wait for each of these together. Nothing comes of it but time.

use std::hash::{BuildHasher, Hash, Hasher};

use mirrorscope_dissectors::{Ip, Network, Packet};

use super::identity::Identity;
use super::{Scope, Tracker};
use crate::flow::{FlowKey, Side};
use crate::point::PointId;
use crate::site::untenanted;
use crate::table::Seed;

/// What must be known to tell where packets will lead.
#[derive(Clone, Debug)]
pub(crate) struct Outlook {
    pub(super) scope: Scope,
    pub(super) seed: Seed,
}

/// What a packet will lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coming {
    pub(super) key: FlowKey,
    pub(super) side: Side,
    /// Of the key, in the table of flows.
    pub(super) hash: u64,
    pub(super) identity: Identity,
    /// The point that it was most probably seen at.
    point: Option<PointId>,
    /// Where its flow most probably is.
    pub(super) slot: Option<u32>,
}

impl Coming {
    #[inline(always)]
    #[expect(
        clippy::manual_hash_one,
        reason = "it takes the key from memory, and waits until it is written"
    )]
    pub(super) fn new(seed: &Seed, key: FlowKey, side: Side, ip: &Ip<'_>) -> Self {
        let mut hash = seed.build_hasher();
        key.hash(&mut hash);
        Self {
            key,
            side,
            hash: hash.finish(),
            identity: Identity::of(&key, side, ip, false),
            point: None,
            slot: None,
        }
    }

    /// Where the packet was most probably seen, and its flow.
    pub(crate) fn place(&self) -> Option<(PointId, FlowKey)> {
        Some((self.point?, self.key))
    }
}

impl Outlook {
    /// Works out what a packet will lead to, as far as it tells by itself. `point`: where it was seen, if that can be guessed.
    ///
    /// Inlined, so that the key is written where it stays, and not read before.
    #[inline(always)]
    pub(crate) fn coming(
        &self,
        packet: &Packet<'_>,
        point: Option<PointId>,
        vlan: Option<u16>,
        segment: Option<u64>,
    ) -> Option<Coming> {
        let Network::Ip(ip) = &packet.network else {
            return None;
        };
        let scope = untenanted(self.scope.of(vlan, segment));
        let (key, side) = FlowKey::of(ip, scope)?;
        let coming = Coming::new(&self.seed, key, side, ip);
        Some(Coming { point, ..coming })
    }
}

impl Tracker {
    /// The number of the flow that a packet most probably belongs to once its batch is near, and who sent it.
    pub(crate) fn expected(&self, coming: &Coming) -> Option<(u64, Side)> {
        Some((self.table.flow(coming.slot?)?.serial, coming.side))
    }

    /// Has all of a batch brought near, step by step: each looks at what the one before it asked for.
    pub(crate) fn ahead(&self, batch: &mut [Option<Coming>]) {
        for coming in batch.iter().flatten() {
            self.recent.fetch(coming.identity.id);
        }
        self.recent.fetch_oldest(batch.len());
        for coming in batch.iter_mut().flatten() {
            coming.slot = self.table.guess(coming.hash);
            if let Some(slot) = coming.slot {
                self.table.fetch(slot);
            }
        }
        for coming in batch.iter().flatten() {
            self.recent.fetch_known(coming.identity.id);
            if let Some(slot) = coming.slot {
                self.table.fetch_heads(slot);
            }
        }
        for coming in batch.iter().flatten() {
            if let Some(slot) = coming.slot
                && let Some(part) = self.table.guess_part(slot, coming.point)
            {
                // Of a copy, what all points together saw is of no concern.
                let copy = self.recent.knows(coming.identity.id);
                self.table.fetch_part(slot, part, !copy);
            }
        }
    }
}
