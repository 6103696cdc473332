//! What packets are taken into, one after the other: the flow table, the inventory, the firewalls. It knows nothing of frames.

use crate::firewall::Firewalls;
use crate::inventory::Inventory;
use crate::point::PointId;
use crate::receive::Shown;
use crate::time::Timestamp;
use crate::track::{Coming, Followed, Tracked, Tracker};

/// What packets are taken into.
pub struct Tables {
    pub(super) flows: Flows,
    pub(super) inventory: Inventory,
    pub(super) firewalls: Firewalls,
}

/// The flow table, and what is counted beside it.
pub(super) struct Flows {
    pub(super) tracker: Tracker,
    /// Packets by point, and those cut before their ports.
    packets: Vec<(u64, u64)>,
}

impl Flows {
    pub(super) fn new(tracker: Tracker) -> Self {
        Self {
            tracker,
            packets: Vec::new(),
        }
    }

    /// Takes a packet into the flow table, and counts it for its point. Inlined, so that what comes of it is not copied about.
    #[inline(always)]
    pub(super) fn take(&mut self, shown: &Shown<'_>, coming: Option<&Coming>) -> Followed {
        let Self { tracker, packets } = self;
        let before = tracker.portless;
        let followed = tracker.follow(shown, coming);
        let PointId(index) = shown.point;
        if packets.len() <= index as usize {
            packets.resize(index as usize + 1, (0, 0));
        }
        if let Some((all, portless)) = packets.get_mut(index as usize) {
            *all += 1;
            *portless += tracker.portless - before;
        }
        followed
    }

    /// Packets of a point, and those of them that were cut before their ports.
    pub(super) fn packets_at(&self, point: usize) -> (u64, u64) {
        self.packets.get(point).copied().unwrap_or_default()
    }
}

impl Tables {
    /// Has all of a batch brought near.
    pub(super) fn ahead(&self, coming: &mut [Option<Coming>]) {
        self.flows.tracker.ahead(coming);
        self.firewalls.ahead(coming);
    }

    /// Takes a packet into all of them.
    pub(super) fn take(&mut self, shown: &Shown<'_>, coming: Option<&Coming>) -> Option<Tracked> {
        let followed = self.flows.take(shown, coming);
        self.inventory.note(shown, &followed);
        self.firewalls.take(shown, &followed);
        self.note_unmatched();
        followed.taken
    }

    /// No packet will come any more.
    pub(super) fn finish(&mut self) {
        self.inventory.finish();
        self.firewalls.settle_until(None);
        self.note_unmatched();
    }

    /// Time passes, though no packet came.
    pub(super) fn pass_time(&mut self, now: Timestamp) {
        self.firewalls.settle_until(Some(now));
        self.note_unmatched();
        self.inventory.pass_time(now);
    }

    /// The points are described anew.
    pub(super) fn reload_firewalls(&mut self) {
        self.firewalls.reload();
        self.note_unmatched();
    }

    /// Has flows know of what firewalls could not match of them.
    fn note_unmatched(&mut self) {
        for noted in self.firewalls.noted() {
            self.flows.tracker.note_unmatched(&noted);
        }
    }
}
