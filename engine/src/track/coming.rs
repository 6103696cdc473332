//! What packets will lead to, told before their turn comes: the memory of their flows is on its way while others are taken.
//!
//! A packet of one flow among many thousands waits several times for memory, each time as long as the rest of its analysis
//! takes: for the way to its flow, for the flow, for its parts, for their analyses. Packets of a batch wait for each of these
//! together. Nothing comes of it but time.

use std::hash::BuildHasher;

use mirrorscope_dissectors::{Ip, Network, Packet};

use super::Tracker;
use super::identity::Identity;
use crate::engine::BATCH;
use crate::flow::{FlowKey, Side};
use crate::site::untenanted;
use crate::table::Seed;

/// What a packet will lead to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coming {
    pub(super) key: FlowKey,
    pub(super) side: Side,
    /// Of the key, in the table of flows.
    pub(super) hash: u64,
    pub(super) identity: Identity,
}

impl Coming {
    #[inline]
    pub(super) fn new(seed: &Seed, key: FlowKey, side: Side, ip: &Ip<'_>) -> Self {
        Self {
            key,
            side,
            hash: seed.hash_one(key),
            identity: Identity::of(&key, side, ip, false),
        }
    }
}

impl Tracker {
    /// Works out what a packet will lead to, as far as it tells by itself.
    pub(crate) fn coming(
        &self,
        packet: &Packet<'_>,
        vlan: Option<u16>,
        segment: Option<u64>,
    ) -> Option<Coming> {
        let Network::Ip(ip) = &packet.network else {
            return None;
        };
        let scope = untenanted(self.scope.of(vlan, segment));
        let (key, side) = FlowKey::of(ip, scope)?;
        Some(Coming::new(&self.seed, key, side, ip))
    }

    /// Has all of a batch brought near.
    pub(crate) fn ahead(&self, coming: &[Option<Coming>]) {
        let mut slots = [None; BATCH];
        let known = || coming.iter().flatten();
        for coming in known() {
            self.recent.fetch(coming.identity.id);
        }
        for (coming, slot) in known().zip(&mut slots) {
            *slot = self.table.guess(coming.hash);
        }
        let slots = || slots.iter().flatten();
        for slot in slots() {
            self.table.fetch(*slot);
        }
        for coming in known() {
            self.recent.fetch_known(coming.identity.id);
        }
        for slot in slots() {
            self.table.fetch_parts(*slot);
        }
        for slot in slots() {
            self.table.fetch_analyses(*slot);
        }
    }
}
