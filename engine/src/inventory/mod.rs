//! Which endpoints there are: address, MAC address, and the point and site where each is attached, over time.
//!
//! A frame is seen at every point that it passes or is flooded to, and a router sends packets of many: neither makes an
//! address live there. Two kinds of evidence count.
//!
//! *Who has an address*: ARP, gratuitous ARP and neighbour discovery in which a station speaks for itself; and packets
//! that nobody had routed before (their TTL is an initial value), where they enter by the station's own port.
//!
//! *Where a station is*: the place where its frames enter. At a `vnic` point that is the port, for frames to a router or to
//! a station known to be elsewhere, if the same frame is not seen at other stations' ports too (a flood). Otherwise it is
//! the site, if the frame was not seen at its interconnect or at another site. Where a station's frames always pass the
//! interconnect, it is at the other side of those that it speaks to. All copies of a frame are waited for
//! before anything follows from it, and a place at which many frames prove nothing is not believed when one seems to.
//!
//! Routers (told by the packets that they forward, by advertisements, or by the form of their MAC) have no place of their
//! own here: one gateway address at each site is how stretched networks are built.

mod activity;
mod neighbour;
mod place;
mod report;
mod station;
mod table;
#[cfg(test)]
mod tests;

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::IpAddr;

use arrayvec::ArrayVec;
use foldhash::fast::FixedState;
use mirrorscope_dissectors::{Arp, Direction, Ip, Network};

use crate::point::PointId;
use crate::receive::{Delivery, Shown};
use crate::site::Role;
use crate::table::{Map, word};
use crate::time::{SECOND, Timestamp};
use crate::track::{Followed, Sight};
use activity::Activity;
use neighbour::{Mac, Said, is_group, is_virtual};
use station::{Entry, Group, Known, Station, Zone};
use table::Table;

pub(crate) use place::announcement_in_words;

pub use activity::Turns;
pub use neighbour::Announcement;
pub use place::{Change, Conflict, ConflictOf, Endpoint, Overlap, Stay};
pub use report::{AddressReport, AnnouncedReport, EndpointReport, InventoryReport, PlaceReport};
pub use station::{Announced, Strength};

/// Stations whose claims of one address are told apart.
const CLAIMS: usize = 4;
/// Stations that are known without a look at the table.
const QUICK: usize = 64;
/// Packets after which it is asked anew how many of all are looked at.
const ROUND: u32 = 4096;
/// An interconnect that was silent for longer may not be mirrored any more.
const ALIVE: i64 = 10 * SECOND;

/// Names a station.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    scope: u32,
    /// Its MAC address as one word: each packet is looked up by it, and bytes that were just written one by one are read slowly
    /// as a whole.
    word: u64,
}

impl Key {
    #[inline(always)]
    fn new(scope: u32, mac: Mac) -> Self {
        let word = word(mac);
        Self { scope, word }
    }

    fn mac(self) -> Mac {
        let [_, _, mac @ ..] = self.word.to_be_bytes();
        mac
    }

    /// Its place among those looked at lately.
    #[inline(always)]
    fn quick(self) -> usize {
        let [.., fifth, sixth] = self.word.to_be_bytes();
        usize::from(sixth ^ fifth.rotate_left(3)) % QUICK
    }
}

impl Hash for Key {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u128(u128::from(self.scope) << 64 | u128::from(self.word));
    }
}

/// Who claims an address, and when.
#[derive(Clone, Debug)]
struct Claim {
    mac: Mac,
    activity: Activity,
}

/// An address and the stations that claim it.
#[derive(Clone, Debug, Default)]
struct Address {
    claims: ArrayVec<Claim, CLAIMS>,
    /// More stations claim it than are told apart.
    many: bool,
    /// A router sends packets from it: it is in another network.
    afar: bool,
}

/// What the inventory knows of a point.
#[derive(Clone, Copy, Debug)]
struct Place {
    role: Role,
    site: u32,
    described: bool,
    /// Its mirror told of frames into the switch, and out of it. One that always says the same says nothing.
    ways: [bool; 2],
}

/// A station that was looked at lately.
#[derive(Clone, Copy, Debug, Default)]
struct Quick {
    scope: u32,
    word: u64,
    /// Frames whose identity has one of these bits are passed over.
    mask: u64,
    until: Timestamp,
}

impl Quick {
    #[inline]
    fn is(&self, key: Key) -> bool {
        self.word == key.word && self.scope == key.scope
    }
}

/// The endpoints of a run, in bounded memory.
#[derive(Debug)]
pub struct Inventory {
    stations: Table<Key, Box<Station>>,
    addresses: Table<(u32, IpAddr), Address>,
    places: Vec<Option<Place>>,
    sites: Map<String, u32>,
    /// When the interconnect of a site last showed a frame.
    interconnects: Vec<Option<Timestamp>>,
    quick: [Quick; QUICK],
    pace: Pace,
}

/// How much of all traffic is looked at, where many stations send a lot together.
#[derive(Clone, Copy, Debug, Default)]
struct Pace {
    packets: u32,
    looked_at: u32,
    since: Timestamp,
    /// Frames whose identity has one of these bits are passed over.
    mask: u64,
}

impl Pace {
    /// Counts a packet that came; slows down after so many in less than a second of which most were looked at.
    #[inline]
    fn count(&mut self, arrival: Timestamp) {
        self.packets += 1;
        if self.packets >= ROUND {
            self.turn(arrival);
        }
    }

    #[cold]
    fn turn(&mut self, arrival: Timestamp) {
        let busy = (0..SECOND).contains(&arrival.since(self.since));
        if busy && self.looked_at > ROUND / 4 {
            self.mask = (self.mask << 1 | 1) & 0xff;
        } else if !busy || self.looked_at < ROUND / 32 {
            self.mask >>= 1;
        }
        *self = Self {
            since: arrival,
            mask: self.mask,
            ..Self::default()
        };
    }
}

impl Inventory {
    /// Starts with no endpoint; holds at most so many.
    pub fn new(limit: usize) -> Self {
        Self {
            stations: Table::new(limit),
            addresses: Table::new(limit.saturating_mul(2)),
            places: Vec::new(),
            sites: Map::default(),
            interconnects: Vec::new(),
            quick: [Quick::default(); QUICK],
            pace: Pace::default(),
        }
    }

    /// Stations that gave way to others.
    pub fn evicted(&self) -> u64 {
        self.stations.evicted
    }

    /// MAC addresses of the stations that forward what others send.
    pub fn routers(&self) -> impl Iterator<Item = Mac> {
        let stations = self.stations.iter();
        stations
            .filter(|(_, station)| station.router)
            .map(|(key, _)| key.mac())
    }

    /// Takes one packet, as the flow table took it.
    #[inline]
    pub(crate) fn note(&mut self, packet: &Shown<'_>, followed: &Followed) {
        let taken = followed.taken.as_ref();
        let (sight, identity) = taken.map_or((Sight::Fresh, 0), |t| (t.sight, t.identity));
        if packet.delivery != Delivery::Whole || packet.repeated || sight == Sight::Duplicate {
            return;
        }
        let Some(macs) = packet.packet.macs else {
            return;
        };
        if is_group(macs.source) || macs.source == [0; 6] {
            return;
        }
        let key = Key::new(followed.scope, macs.source);
        let frame = |identity| Frame {
            packet,
            key,
            to: macs.destination,
            fresh: sight == Sight::Fresh,
            identity,
        };
        match &packet.packet.network {
            Network::Ip(ip) => {
                if self.passed_over(key, identity, packet.arrival) {
                    return;
                }
                self.ip(&frame(identity), ip);
            }
            Network::Arp(arp) => self.arp(&frame(0), arp),
            _ => {}
        }
    }

    /// Ends the capture: no more copies will come.
    pub fn finish(&mut self) {
        self.settle_all(None);
    }

    /// Draws conclusions from frames whose copies must have arrived by now, though their senders are silent since.
    pub(crate) fn pass_time(&mut self, now: Timestamp) {
        self.settle_all(Some(now));
    }

    fn settle_all(&mut self, now: Option<Timestamp>) {
        let waiting = self.stations.iter().filter(|(_, s)| !s.pending.is_empty());
        let keys: Vec<Key> = waiting.map(|(key, _)| *key).collect();
        for key in keys {
            self.settle(key, now);
        }
    }

    /// Points have other sites or roles from now on: where stations are is learned anew.
    pub(crate) fn forget_places(&mut self) {
        self.places.clear();
        self.sites.clear();
        self.interconnects.clear();
        for station in self.stations.values_mut() {
            station.forget_places();
        }
    }

    /// Whether a frame of a busy station, or of very many, need not be looked at. Which ones depends on the frame alone, so
    /// that all points show the same ones.
    #[inline]
    fn passed_over(&mut self, key: Key, identity: u64, arrival: Timestamp) -> bool {
        self.pace.count(arrival);
        let known = &self.quick[key.quick()];
        let mask = if known.is(key) && arrival < known.until {
            known.mask
        } else {
            self.look_up(key, arrival)
        };
        let over = identity & mask != 0;
        self.pace.looked_at += u32::from(!over);
        over
    }

    /// Which frames of a station are passed over now.
    fn look_up(&mut self, key: Key, arrival: Timestamp) -> u64 {
        let station = self.stations.get_mut(&key);
        let mask = station.map_or(0, |station| {
            station.relax(arrival);
            station.mask | self.pace.mask
        });
        self.quick[key.quick()] = Quick {
            scope: key.scope,
            word: key.word,
            mask,
            until: arrival.plus(SECOND),
        };
        mask
    }

    fn ip(&mut self, frame: &Frame<'_, '_>, ip: &Ip<'_>) {
        let key = frame.key;
        let own = {
            let said = neighbour::discovery(ip, key.mac());
            self.meet(frame);
            if let Some(said) = said {
                self.said(frame, said, Known::DISCOVERY);
            }
            let station = self.stations.entry(key);
            let unicast = !ip.destination.is_multicast();
            let own = unicast && neighbour::is_own(ip.source) && station.sends(ip.source, ip.ttl);
            if station.routed(ip.source, ip.ttl) {
                self.addresses.entry((key.scope, ip.source)).afar = true;
            }
            let known = own && station.surely_owns(ip.source);
            if known {
                station.claim(ip.source, Known::TRAFFIC, frame.packet.time);
                self.claim(key, ip.source, frame.packet.time);
            }
            own.then_some(ip.source)
        };
        if is_group(frame.to) {
            return;
        }
        let gateway = self.is_gateway(key, frame.to, Some(ip.destination));
        self.entry(frame, own, gateway);
    }

    fn arp(&mut self, frame: &Frame<'_, '_>, arp: &Arp) {
        let said = neighbour::arp(arp, frame.key.mac());
        let content = (
            arp.operation,
            arp.sender_mac,
            arp.sender_ip,
            arp.target_mac,
            arp.target_ip,
        );
        let identity = FixedState::with_seed(1).hash_one((frame.key.mac(), frame.to, content));
        let frame = &Frame { identity, ..*frame };
        self.meet(frame);
        if let Some(said) = said {
            self.said(frame, said, Known::ARP);
        }
        let gateway = !is_group(frame.to) && self.is_gateway(frame.key, frame.to, None);
        self.entry(frame, said.and_then(|said| said.address), gateway);
    }

    /// Notes that a station sent a frame.
    fn meet(&mut self, frame: &Frame<'_, '_>) {
        let Frame { packet, key, .. } = *frame;
        self.place(packet);
        let station = self.stations.entry(key);
        station.meet(packet.time, packet.arrival, packet.point, frame.fresh);
        station.router |= is_virtual(key.mac());
        if let Some(vlan) = packet.vlan
            && !station.vlans.contains(&vlan)
        {
            let _ = station.vlans.try_push(vlan);
        }
        // The mirror's own id names no network of the station's.
        if let Some(segment) = packet
            .segment
            .filter(|_| packet.segment != packet.own_segment)
            && !station.segments.contains(&segment)
        {
            let _ = station.segments.try_push(segment);
        }
        let mask = station.mask | self.pace.mask;
        let known = &mut self.quick[key.quick()];
        if known.is(key) {
            known.mask = mask;
        }
    }

    fn said(&mut self, frame: &Frame<'_, '_>, said: Said, known: Known) {
        let Frame { packet, key, .. } = *frame;
        let station = self.stations.entry(key);
        station.router |= said.router;
        let how = match said.announcement {
            Some(Announcement::Rarp) => Known::RARP,
            Some(Announcement::GratuitousArp) => Known::GRATUITOUS,
            Some(Announcement::NeighbourAdvertisement) | None => known,
        };
        if let Some(kind) = said.announcement {
            station.announce(Announced {
                kind,
                address: said.address,
                time: packet.time,
                point: packet.point,
            });
        }
        if let Some(address) = said.address {
            station.claim(address, how, packet.time);
            self.claim(key, address, packet.time);
        }
    }

    fn claim(&mut self, key: Key, address: IpAddr, time: Timestamp) {
        let entry = self.addresses.entry((key.scope, address));
        if let Some(claim) = entry.claims.iter_mut().find(|claim| claim.mac == key.mac()) {
            claim.activity.note(time);
            return;
        }
        let mut activity = Activity::default();
        activity.note(time);
        let claim = Claim {
            mac: key.mac(),
            activity,
        };
        entry.many |= entry.claims.try_push(claim).is_err();
    }

    /// Whether a station sends through a router if it sends to this one.
    fn is_gateway(&mut self, from: Key, mac: Mac, to: Option<IpAddr>) -> bool {
        if is_virtual(mac) {
            return true;
        }
        let next = Key::new(from.scope, mac);
        let known = self.stations.get(&next);
        if known.is_some_and(|station| station.router) {
            return true;
        }
        let Some(to) = to else {
            return false;
        };
        let owns = known.is_some_and(|station| station.owns(to));
        let forwards = known.is_some_and(|station| station.is_foreign(to));
        if forwards {
            self.stations.entry(next).forwards();
        }
        let afar = self.addresses.get(&(from.scope, to));
        let afar = afar.is_some_and(|address| address.afar);
        let many = self.stations.entry(from).hands_to(mac, to);
        (many || forwards || afar) && !owns
    }

    /// Waits for the copies of a frame that tells where its sender is.
    fn entry(&mut self, frame: &Frame<'_, '_>, own: Option<IpAddr>, gateway: bool) {
        let Frame { packet, key, .. } = *frame;
        let place = self.places.get(packet.point.0 as usize).copied().flatten();
        let told = place.is_some_and(|place| place.role == Role::Vnic && place.ways == [true; 2]);
        let way = way(packet).filter(|_| told);
        if way == Some(Direction::Egress) || (is_group(frame.to) && way.is_none()) {
            return;
        }
        let to = Key::new(key.scope, frame.to);
        let receiver = self.stations.get(&to).and_then(|station| station.port());
        let elsewhere = receiver.is_some_and(|port| port != packet.point);
        let station = self.stations.entry(key);
        if station.router {
            return;
        }
        let mut points = ArrayVec::new();
        points.push(packet.point);
        station.wait(Group {
            identity: frame.identity,
            arrival: packet.arrival,
            time: packet.time,
            to: frame.to,
            own,
            leaves: gateway || elsewhere,
            points,
            entered: way.map(|_| packet.point),
        });
        self.settle(key, Some(packet.arrival));
    }

    /// Draws conclusions from frames whose copies have all arrived; from all if there is no time.
    fn settle(&mut self, key: Key, now: Option<Timestamp>) {
        while let Some(group) = self.stations.entry(key).ripe(now) {
            let seen = Seen::new(self, key, &group);
            let entry = seen.port(&group);
            let here = entry.map(|entry| entry.site);
            let doubtful = seen.doubtful(&group, here);
            // What entered by a port, or shows at two, tells no more.
            let settled = entry.is_some() || (group.leaves && seen.ports().count() > 1);
            let at_site = (!settled && !seen.crossed())
                .then(|| seen.places.first())
                .flatten()
                .map(|(point, place)| self.at_site(*point, *place, &group))
                .filter(|at| group.leaves || at.strength > Strength::Seen);
            let doubted: ArrayVec<Entry, 16> = doubtful
                .iter()
                .map(|(point, place, port)| {
                    if *port {
                        at_port(*point, *place, false)
                    } else {
                        self.at_site(*point, *place, &group)
                    }
                })
                .collect();
            let crossed = seen.crossing().filter(|_| !is_group(group.to));
            let station = self.stations.entry(key);
            for at in &doubted {
                station.doubted(at);
            }
            if let Some((from, other)) = crossed {
                station.crosses(group.to, from, other, group.time);
            }
            if let Some(entry) = entry.or(at_site) {
                self.believe(key, &group, &entry);
            }
        }
    }

    /// A frame entered at a place.
    fn believe(&mut self, key: Key, group: &Group, entry: &Entry) {
        let station = self.stations.entry(key);
        let believed = station.entered(entry, group.time);
        let Some(address) = group.own.filter(|_| believed && !station.router) else {
            return;
        };
        match entry.strength {
            Strength::Port => {
                station.claim(address, Known::TRAFFIC, group.time);
                self.claim(key, address, group.time);
            }
            Strength::Site => station.claim(address, Known::LIKELY, group.time),
            Strength::Seen => {}
        }
    }

    /// That a frame enters at the site of a point.
    fn at_site(&self, point: PointId, place: Place, group: &Group) -> Entry {
        let interconnect = self.interconnects.get(place.site as usize).copied();
        let alive = interconnect
            .flatten()
            .is_some_and(|last| group.arrival.since(last) <= ALIVE);
        // Without a look at its interconnect nothing tells a site's own stations from others.
        let (zone, strength) = match (place.described, alive) {
            (true, true) => (Zone::Site(place.site), Strength::Site),
            _ => (Zone::Port(point), Strength::Seen),
        };
        Entry {
            zone,
            point,
            site: place.site,
            strength,
            to: group.to,
            told: false,
        }
    }

    /// Remembers what stands at a packet's point.
    fn place(&mut self, packet: &Shown<'_>) {
        let index = packet.point.0 as usize;
        if self.places.len() <= index {
            self.places.resize(index + 1, None);
        }
        let Some(slot) = self.places.get_mut(index) else {
            return;
        };
        let mut place = slot.unwrap_or_else(|| {
            let next = self.sites.len() as u32;
            let site = *self.sites.entry(packet.place.site.clone()).or_insert(next);
            Place {
                role: packet.place.role,
                site,
                described: packet.place.described,
                ways: [false; 2],
            }
        });
        if let Some(way) = way(packet) {
            place.ways[usize::from(way == Direction::Egress)] = true;
        }
        *slot = Some(place);
        if place.role == Role::Dci {
            let site = place.site as usize;
            if self.interconnects.len() <= site {
                self.interconnects.resize(site + 1, None);
            }
            if let Some(last) = self.interconnects.get_mut(site) {
                *last = (*last).max(Some(packet.arrival));
            }
        }
    }
}

/// That a frame enters by a port.
fn at_port(point: PointId, place: Place, told: bool) -> Entry {
    Entry {
        zone: Zone::Port(point),
        point,
        site: place.site,
        strength: Strength::Port,
        to: Mac::default(),
        told,
    }
}

/// The points that saw a frame, in the order of arrival.
struct Seen {
    places: ArrayVec<(PointId, Place), 8>,
    /// The receiver's own port: there the frame leaves the network.
    receiver: Option<PointId>,
}

impl Seen {
    fn new(inventory: &Inventory, from: Key, group: &Group) -> Self {
        let to = Key::new(from.scope, group.to);
        let receiver = inventory.stations.get(&to).filter(|_| !is_group(group.to));
        let place = |point: &PointId| {
            let place = inventory.places.get(point.0 as usize).copied().flatten()?;
            Some((*point, place))
        };
        Self {
            places: group.points.iter().filter_map(place).collect(),
            receiver: receiver.and_then(|station| station.port()),
        }
    }

    /// Ports by which it may have entered.
    fn ports(&self) -> impl Iterator<Item = (PointId, Place)> {
        let ports = self
            .places
            .iter()
            .filter(|(point, place)| place.role == Role::Vnic && Some(*point) != self.receiver);
        ports.copied()
    }

    /// The port by which it entered.
    fn port(&self, group: &Group) -> Option<Entry> {
        let told = self
            .ports()
            .find(|(point, _)| Some(*point) == group.entered);
        if let Some((point, place)) = told {
            return Some(at_port(point, place, true));
        }
        let mut ports = self.ports();
        let (point, place) = ports.next().filter(|_| group.leaves)?;
        ports.next().is_none().then(|| at_port(point, place, false))
    }

    /// Whether it passed from one site to another, or may have.
    fn crossed(&self) -> bool {
        let first = self.places.first().map(|(_, place)| place.site);
        let mut places = self.places.iter();
        places.any(|(_, place)| place.role == Role::Dci || Some(place.site) != first)
    }

    /// The two sites between which it passed, each by the point that saw it first, the one with the very first in front.
    fn crossing(&self) -> Option<((PointId, u32), (PointId, u32))> {
        let mut sites = self
            .places
            .iter()
            .map(|(point, place)| (*point, place.site));
        let first = sites.next()?;
        let other = sites.find(|(_, site)| *site != first.1)?;
        let dci = self.places.iter().any(|(_, place)| place.role == Role::Dci);
        let third = sites.any(|(_, site)| site != first.1 && site != other.1);
        (dci && !third).then_some((first, other))
    }

    /// Places where it was seen that are no place of its sender's, as far as this frame tells: several ports, or
    /// (`false`) sites other than `here`.
    fn doubtful(&self, group: &Group, here: Option<u32>) -> ArrayVec<(PointId, Place, bool), 16> {
        let mut doubtful = ArrayVec::new();
        if here.is_none() && group.leaves && self.ports().count() > 1 {
            doubtful.extend(self.ports().map(|(point, place)| (point, place, true)));
        }
        if self.crossed() {
            let others = self
                .places
                .iter()
                .filter(|(_, place)| place.role != Role::Dci && here != Some(place.site));
            doubtful.extend(others.map(|(point, place)| (*point, *place, false)));
        }
        doubtful
    }
}

/// Whether the mirror saw a packet come into the switch or go out of it.
fn way(packet: &Shown<'_>) -> Option<Direction> {
    Some(packet.place.direction(packet.direction?))
}

/// A frame that is looked at.
#[derive(Clone, Copy)]
struct Frame<'p, 'a> {
    packet: &'p Shown<'a>,
    key: Key,
    to: Mac,
    /// No other point saw it before.
    fresh: bool,
    identity: u64,
}
