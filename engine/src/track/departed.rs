//! Flows that are over, for those who tell of each once: when it is closed and silent, timed out, or gave way to others.

use super::away::Held;
use super::table::{Flow, Table};
use super::unmatched::{Noted, Unmatcheds};
use crate::table::Map;
use crate::tcp::Phase;
use crate::time::{SECOND, Timestamp};

/// A connection that is closed is over if nothing came for so long: what was lost at its end is sent again within that time.
const SETTLED: i64 = 5 * SECOND;

/// Why a flow is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// It closed, or was reset.
    Closed,
    /// It was silent for longer than its kind may be.
    Silent,
    /// It gave way to others: the table was full.
    Evicted,
    /// It goes on, and has done so for long.
    UnderWay,
    /// The run ended.
    Run,
}

/// A flow that has left the table, with what its points saw.
#[derive(Debug)]
pub(crate) struct Gone {
    pub(super) flow: Flow,
    pub(super) held: Held,
    /// What firewalls could not match of it.
    pub(super) unmatched: Unmatcheds,
}

/// Flows that left the table before they were told.
#[derive(Debug, Default)]
pub(super) struct Departed {
    /// How many may wait.
    room: usize,
    gone: Vec<Gone>,
    /// Where each of them is, by its number.
    places: Map<u64, usize>,
    /// Those for which there was no room.
    missed: u64,
}

impl Departed {
    pub fn new(room: usize) -> Self {
        Self {
            room,
            ..Self::default()
        }
    }

    /// Whether a flow that leaves is kept; it is counted if there is no room.
    pub fn wants(&mut self, flow: &Flow) -> bool {
        if flow.told || self.room == 0 {
            return false;
        }
        let fits = self.gone.len() < self.room;
        self.missed += u64::from(!fits);
        fits
    }

    pub fn keep(&mut self, gone: Gone) {
        self.places.insert(gone.flow.serial, self.gone.len());
        self.gone.push(gone);
    }

    /// Notes a packet of a flow that waits.
    pub fn note(&mut self, noted: &Noted) {
        let place = self.places.get(&noted.packet.flow);
        if let Some(gone) = place.and_then(|&place| self.gone.get_mut(place)) {
            gone.unmatched.note(noted);
        }
    }

    /// How many wait.
    pub fn waiting(&self) -> usize {
        self.gone.len()
    }

    /// Those that left, and the number of those for which there was no room.
    pub fn take(&mut self) -> (Vec<Gone>, u64) {
        self.places = Map::default();
        (
            std::mem::take(&mut self.gone),
            std::mem::take(&mut self.missed),
        )
    }
}

impl Table {
    /// Why a flow is over at a time, if it is.
    pub(super) fn end_of(&self, flow: &Flow, now: Timestamp) -> Option<End> {
        let silent = now.since(flow.touched);
        if silent < SETTLED {
            return None;
        }
        let phase = self.phase(flow);
        if phase == Some(Phase::Closed) || flow.has_ended() && phase == Some(Phase::Closing) {
            return Some(End::Closed);
        }
        // Others with its key have begun: it gets no packets any more.
        (flow.has_ended() || silent > self.timeout(flow)).then_some(End::Silent)
    }
}
