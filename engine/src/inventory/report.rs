//! Endpoints as views show them: names in place of numbers.

use std::net::IpAddr;
use std::sync::Arc;

use serde::Serialize;

use super::neighbour::Announcement;
use super::place::{Endpoint, Stay};
use super::station::Strength;
use crate::finding::mac;
use crate::names::{Machine, Names};
use crate::point::Point;
use crate::time::Timestamp;

/// One endpoint: a station with its addresses, and where it lives.
#[derive(Clone, Debug, Serialize)]
pub struct EndpointReport {
    /// Its own addresses, in the order of appearance; empty where none is known.
    pub addresses: Vec<AddressReport>,
    /// What it is called, if anybody told.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<Arc<str>>,
    /// What the inventory tells of it besides.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub inventory: Option<InventoryReport>,
    /// It has more than are kept.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub more_addresses: bool,
    /// Its MAC address.
    pub mac: String,
    /// `host`, `router` (it forwards what others send, or says so) or `group` (the shared MAC of VRRP, HSRP and such).
    pub kind: &'static str,
    /// Its tenant, if the sites file tells one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// VLANs of its frames, the first few.
    pub vlans: Vec<u16>,
    /// Segments (VNI, GRE key) of its frames inside the mirror's own encapsulation, the first few.
    pub segments: Vec<u64>,
    /// Where it is now, or was last.
    #[serde(flatten)]
    pub place: Option<PlaceReport>,
    /// First frame anywhere.
    pub first: Timestamp,
    /// Last frame anywhere.
    pub last: Timestamp,
    /// Where it was, one place after the other, the present one last.
    pub places: Vec<PlaceReport>,
    /// What it announced unasked: where RARP or gratuitous ARP came from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub announced: Vec<AnnouncedReport>,
}

/// What the inventory tells of an endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct InventoryReport {
    /// Host, port group and site.
    #[serde(flatten)]
    pub machine: Machine,
    /// It was seen at another site than this one, which mirrors as well.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub elsewhere: bool,
}

/// An address of an endpoint.
#[derive(Clone, Debug, Serialize)]
pub struct AddressReport {
    /// The address.
    pub address: IpAddr,
    /// How it is known: `arp`, `gratuitous-arp`, `neighbour-discovery`, `traffic`.
    pub known: Vec<&'static str>,
    /// First sign of it.
    pub first: Timestamp,
    /// Last sign of it.
    pub last: Timestamp,
}

/// A place where an endpoint is or was.
#[derive(Clone, Debug, Serialize)]
pub struct PlaceReport {
    /// The point by which its frames enter.
    pub point: String,
    /// Its site.
    pub site: String,
    /// What stands there.
    pub role: &'static str,
    /// How sure that is: `port` (its own port is mirrored), `site` (its frames enter at this site), `seen` (no more than
    /// that it shows there).
    pub placed: &'static str,
    /// Its first frame there.
    pub since: Timestamp,
    /// Its last frame there.
    pub until: Timestamp,
}

/// An announcement.
#[derive(Clone, Debug, Serialize)]
pub struct AnnouncedReport {
    /// `rarp`, `gratuitous-arp`, `neighbour-advertisement`.
    pub kind: Announcement,
    /// For which address; RARP tells none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<IpAddr>,
    /// When.
    pub time: Timestamp,
    /// The point that saw it first.
    pub point: String,
}

impl Strength {
    /// The name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Port => "port",
            Self::Site => "site",
            Self::Seen => "seen",
        }
    }
}

impl EndpointReport {
    /// Puts an endpoint into words.
    pub fn new(
        endpoint: &Endpoint,
        points: &[Point],
        tenant: Option<String>,
        names: &Names,
    ) -> Self {
        let point = |id: crate::point::PointId| points.get(id.0 as usize);
        let place = |stay: &Stay| {
            let point = point(stay.point)?;
            Some(PlaceReport {
                point: point.name.clone(),
                site: point.site.clone(),
                role: point.role.as_str(),
                placed: stay.strength.as_str(),
                since: stay.first,
                until: stay.last,
            })
        };
        let places: Vec<PlaceReport> = endpoint.stays.iter().filter_map(place).collect();
        let addresses = endpoint.addresses.iter();
        let own = addresses.clone().find_map(|own| names.machine(own.0));
        let machine = own.or_else(|| names.machine_of_mac(endpoint.mac));
        let inventory = machine.filter(|machine| machine.has_details());
        let inventory = inventory.map(|machine| InventoryReport {
            elsewhere: is_elsewhere(machine, places.last(), points),
            machine: machine.clone(),
        });
        let announced = endpoint.announced.iter().filter_map(|announced| {
            Some(AnnouncedReport {
                kind: announced.kind,
                address: announced.address,
                time: announced.time,
                point: point(announced.point)?.name.clone(),
            })
        });
        Self {
            addresses: addresses
                .map(|(address, known, first, last)| AddressReport {
                    address: *address,
                    known: known.clone(),
                    first: *first,
                    last: *last,
                })
                .collect(),
            name: machine.map(|machine| Arc::clone(&machine.name)),
            inventory,
            more_addresses: endpoint.more,
            mac: mac(endpoint.mac),
            kind: match (endpoint.group, endpoint.router) {
                (true, _) => "group",
                (false, true) => "router",
                (false, false) => "host",
            },
            tenant,
            vlans: endpoint.vlans.clone(),
            segments: endpoint.segments.clone(),
            place: places.last().cloned(),
            first: endpoint.period.0,
            last: endpoint.period.1,
            announced: announced.collect(),
            places,
        }
    }

    /// Its addresses, separated by commas.
    pub fn addresses_in_words(&self) -> String {
        let mut names: Vec<String> = self
            .addresses
            .iter()
            .map(|own| own.address.to_string())
            .collect();
        if self.more_addresses {
            names.push("…".to_owned());
        }
        names.join(", ")
    }
}

/// Whether the inventory tells another site than the one where the endpoint is, as far as both are known: its place must be sure, and
/// the other site must be one that is mirrored, under the same name.
fn is_elsewhere(machine: &Machine, place: Option<&PlaceReport>, points: &[Point]) -> bool {
    let (Some(told), Some(place)) = (&machine.site, place) else {
        return false;
    };
    let sure = place.placed != Strength::Seen.as_str();
    let mut sites = points.iter().map(|point| &point.site);
    sure && !told.eq_ignore_ascii_case(&place.site)
        && sites.any(|site| site.eq_ignore_ascii_case(told))
}
