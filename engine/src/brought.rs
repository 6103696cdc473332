//! Which mirror sessions, segments and VLANs brought a flow to a point.

use crate::point::PointId;
use crate::receive::Mirrored;
use crate::session::SessionId;

/// Values of one kind that are kept for a flow at a point.
const MAX_VALUES: usize = 16;

/// What a flow's packets came by at one point, in order of appearance.
#[derive(Debug)]
pub(crate) struct By {
    point: PointId,
    /// Mirror sessions.
    pub sessions: Vec<SessionId>,
    /// VNI or GRE key.
    pub segments: Vec<u64>,
    /// VLANs.
    pub vlans: Vec<u16>,
}

/// The same of all flows, by their serial number.
#[derive(Debug, Default)]
pub(crate) struct Brought(Vec<Vec<By>>);

impl Brought {
    /// Notes how a packet of a flow came.
    pub fn note(&mut self, flow: u64, packet: &Mirrored<'_>) {
        let index = flow as usize;
        if self.0.len() <= index {
            self.0.resize_with(index + 1, Vec::new);
        }
        let Some(places) = self.0.get_mut(index) else {
            return;
        };
        let point = packet.point;
        let known = places.iter().position(|by| by.point == point);
        let place = known.unwrap_or(places.len());
        if known.is_none() {
            places.push(By {
                point,
                sessions: Vec::new(),
                segments: Vec::new(),
                vlans: Vec::new(),
            });
        }
        if let Some(by) = places.get_mut(place) {
            keep(&mut by.sessions, Some(packet.session));
            keep(&mut by.segments, packet.segment);
            keep(&mut by.vlans, packet.vlan);
        }
    }

    /// What brought a flow to a point.
    pub fn at(&self, flow: u64, point: PointId) -> Option<&By> {
        let places = self.0.get(flow as usize)?;
        places.iter().find(|by| by.point == point)
    }
}

fn keep<T: PartialEq>(values: &mut Vec<T>, value: Option<T>) {
    if let Some(value) = value
        && !values.contains(&value)
        && values.len() < MAX_VALUES
    {
        values.push(value);
    }
}
