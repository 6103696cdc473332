//! What firewalls could not match of flows. Few flows have any of it, so it stands apart from those in the table, and leaves it
//! with its flow.

use super::Tracked;
use crate::firewall::{Doubt, FirstUnmatched, Unmatched};
use crate::point::PointId;
use crate::table::Map;

/// A packet that the firewall at a point can match to no connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Noted {
    /// The packet, as it was taken there.
    pub packet: Tracked,
    /// The point.
    pub point: PointId,
    /// What it is, and why.
    pub unmatched: FirstUnmatched,
    /// What may have kept the model from knowing better.
    pub doubt: Option<Doubt>,
}

/// By the number of the flow, and the point.
#[derive(Debug, Default)]
pub(super) struct Unmatcheds(Map<(u64, PointId), Unmatched>);

impl Unmatcheds {
    /// Notes a packet.
    pub(super) fn note(&mut self, noted: &Noted) {
        let place = (noted.packet.flow, noted.point);
        let first = || Unmatched::new(noted.unmatched);
        let known = self.0.entry(place).or_insert_with(first);
        known.count(noted.unmatched.side, noted.doubt);
    }

    /// What is known of a flow at a point.
    pub(super) fn get(&self, serial: u64, point: PointId) -> Option<Unmatched> {
        self.0.get(&(serial, point)).copied()
    }

    /// Forgets what is known of a flow at some points, and gives it.
    pub(super) fn take(&mut self, serial: u64, points: impl Iterator<Item = PointId>) -> Self {
        if self.0.is_empty() {
            return Self::default();
        }
        let places = points.map(|point| (serial, point));
        Self(
            places
                .filter_map(|place| self.0.remove_entry(&place))
                .collect(),
        )
    }
}
