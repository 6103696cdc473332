//! One station: a MAC address in a scope, what it has said of itself, and where its frames enter the network.

use std::collections::VecDeque;
use std::net::IpAddr;

use arrayvec::ArrayVec;

use super::activity::Activity;
use super::neighbour::{Announcement, Mac};
use crate::point::PointId;
use crate::table::fetch;
use crate::time::{SECOND, Timestamp};

/// Addresses of one station that are kept.
const ADDRESSES: usize = 8;
/// Addresses that a station forwards for, as far as they are told apart.
const CARRIED: usize = 4;
/// Stations that one sends to, and is asked about what they forward.
const HOPS: usize = 4;
/// Points where a station was seen.
const SEEN: usize = 16;
/// Places where frames of a station seem to enter.
const EDGES: usize = 8;
/// Beliefs about these.
const BELIEFS: usize = 12;
/// Frames whose copies are waited for.
const PENDING: usize = 96;
/// Announcements that are kept.
const ANNOUNCED: usize = 16;
/// Copies of a frame arrive within this time.
const PATIENCE: i64 = SECOND;
/// Frames of a station looked at in a second; of more, a sample that is the same at all points.
const PACE: u32 = 256;
/// How far a place may fall and rise in trust.
const LEAST: i32 = -32;
const MOST: i32 = 8;
/// From here on it is believed.
const ENOUGH: i32 = 3;

/// How an address is known to be a station's own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Known(u8);

impl Known {
    pub const ARP: Self = Self(1);
    pub const GRATUITOUS: Self = Self(2);
    pub const RARP: Self = Self(4);
    pub const DISCOVERY: Self = Self(8);
    pub const TRAFFIC: Self = Self(16);
    /// By traffic, and not by a port of its own: it may be a firewall that passes packets on with their TTL.
    pub const LIKELY: Self = Self(32);

    pub fn add(&mut self, other: Self) {
        self.0 |= other.0;
    }

    /// The ways, by their names.
    pub fn names(self) -> Vec<&'static str> {
        [
            (Self::ARP, "arp"),
            (Self::GRATUITOUS, "gratuitous-arp"),
            (Self::RARP, "rarp"),
            (Self::DISCOVERY, "neighbour-discovery"),
            (Self(Self::TRAFFIC.0 | Self::LIKELY.0), "traffic"),
        ]
        .into_iter()
        .filter(|(way, _)| self.0 & way.0 != 0)
        .map(|(_, name)| name)
        .collect()
    }
}

/// How sure a place is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Strength {
    /// Its frames were seen there and nowhere else.
    Seen,
    /// Its frames enter at this site: they pass there and not the interconnect.
    Site,
    /// The port is its own.
    Port,
}

/// Where frames enter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Zone {
    /// By a port that is mirrored.
    Port(PointId),
    /// Somewhere at a site.
    Site(u32),
}

/// A place where frames of a station seem to enter.
#[derive(Clone, Debug)]
pub(super) struct Edge {
    pub zone: Zone,
    /// The point that saw them first.
    pub point: PointId,
    pub site: u32,
    pub strength: Strength,
    /// Frames that prove nothing because they were seen where others enter too.
    pub doubtful: u64,
    /// When frames entered there that can be trusted to have done so.
    pub activity: Activity,
}

/// How far frames are believed that seem to enter at a place.
#[derive(Clone, Debug)]
struct Belief {
    zone: Zone,
    /// At a site: for frames to this station. Those to others may cross the interconnect, and still enter here.
    to: Mac,
    /// Rises with frames that entered there, falls steeply with those that also were seen where others enter.
    trust: i32,
    /// Frames that entered there before there were enough of them.
    rising: ArrayVec<Timestamp, 3>,
}

/// A frame whose copies at other points are waited for.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub identity: u64,
    pub arrival: Timestamp,
    pub time: Timestamp,
    pub to: Mac,
    /// The sender's address if it seems to be the station's own.
    pub own: Option<IpAddr>,
    /// Its receiver is a router, or known to be elsewhere than at the point.
    pub leaves: bool,
    pub points: ArrayVec<PointId, 8>,
    /// Where the encapsulation says that it came from the station at the port.
    pub entered: Option<PointId>,
}

/// Frames whose copies are waited for, oldest first. Their identities stand beside, close together: each packet is looked for
/// among them.
#[derive(Clone, Debug, Default)]
pub(super) struct Pending {
    identities: VecDeque<u64>,
    groups: VecDeque<Group>,
}

impl Pending {
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    fn clear(&mut self) {
        self.identities.clear();
        self.groups.clear();
    }

    fn push(&mut self, group: Group) {
        self.identities.push_back(group.identity);
        self.groups.push_back(group);
    }

    /// The oldest one. The next is brought near: it is looked at with the station's next frame.
    fn pop(&mut self) -> Option<Group> {
        self.identities.pop_front();
        let oldest = self.groups.pop_front();
        if let Some(next) = self.groups.front() {
            fetch(&next.arrival);
            fetch(&next.points);
        }
        oldest
    }

    /// The latest frame with an identity that came close to a time.
    fn find(&mut self, identity: u64, arrival: Timestamp) -> Option<&mut Group> {
        let close = |known: &Group| arrival.since(known.arrival).saturating_abs() <= PATIENCE;
        let all = self.identities.iter().enumerate().rev();
        let mut equal = all.filter(|(_, known)| **known == identity);
        let (index, _) = equal.find(|(index, _)| self.groups.get(*index).is_some_and(close))?;
        self.groups.get_mut(index)
    }
}

/// Frames to another station that passed from one site to another.
#[derive(Clone, Debug)]
pub(super) struct Crossed {
    pub to: Mac,
    /// The two sites, the one that saw most of them first in front.
    pub sites: [u32; 2],
    /// The point of each that saw one first.
    pub points: [PointId; 2],
    /// How often which of the two saw them first.
    firsts: [u64; 2],
    pub activity: Activity,
}

impl Crossed {
    /// The point of the site that is in front, and the other site, if most frames agree which one is in front.
    pub fn way(&self) -> Option<(PointId, [u32; 2])> {
        let [[a, b], [c, d]] = [self.sites, [self.sites[1], self.sites[0]]];
        let [here, there] = self.firsts;
        if here > there.saturating_mul(3) {
            Some((self.points[0], [a, b]))
        } else if there > here.saturating_mul(3) {
            Some((self.points[1], [c, d]))
        } else {
            None
        }
    }
}

/// An announcement and its copies.
#[derive(Clone, Copy, Debug)]
pub struct Announced {
    /// How.
    pub kind: Announcement,
    /// For which address.
    pub address: Option<IpAddr>,
    /// When the first copy was seen.
    pub time: Timestamp,
    /// The point that saw it first.
    pub point: PointId,
}

/// Where and when a station's frames were seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct SeenAt {
    pub point: PointId,
    /// Frames that were looked at.
    pub frames: u64,
    /// Those of them that no other point had seen before.
    pub fresh: u64,
}

/// An own address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Own {
    pub address: IpAddr,
    pub known: Known,
    pub first: Timestamp,
    pub last: Timestamp,
}

/// What one station receives from another.
#[derive(Clone, Debug)]
struct Hop {
    mac: Mac,
    addresses: ArrayVec<IpAddr, 3>,
}

/// One station.
#[derive(Clone, Debug, Default)]
pub(super) struct Station {
    pub period: Option<(Timestamp, Timestamp)>,
    pub own: ArrayVec<Own, ADDRESSES>,
    /// It has more addresses than are kept.
    pub more: bool,
    /// Senders of packets that nobody had routed before: its own, or those behind a router that leaves the TTL alone.
    initial: ArrayVec<IpAddr, CARRIED>,
    /// Senders of packets that it routed.
    carried: ArrayVec<IpAddr, CARRIED>,
    carried_packets: u32,
    pub router: bool,
    /// Packets that others handed to it for addresses far from its own.
    forwarded: u32,
    hops: ArrayVec<Hop, HOPS>,
    pub seen: ArrayVec<SeenAt, SEEN>,
    pub edges: Vec<Edge>,
    beliefs: Vec<Belief>,
    pub crossed: Vec<Crossed>,
    pub pending: Pending,
    pub announced: Vec<Announced>,
    pub vlans: ArrayVec<u16, 4>,
    pub segments: ArrayVec<u64, 4>,
    second: i64,
    looked_at: u32,
    /// Frames whose identity has one of these bits are not looked at.
    pub mask: u64,
}

impl Station {
    /// Notes a frame that is looked at.
    pub fn meet(&mut self, time: Timestamp, arrival: Timestamp, point: PointId, fresh: bool) {
        let period = self.period.get_or_insert((time, time));
        *period = (period.0.min(time), period.1.max(time));
        if let Some(seen) = self.seen.iter_mut().find(|seen| seen.point == point) {
            seen.frames += 1;
            seen.fresh += u64::from(fresh);
        } else {
            let _ = self.seen.try_push(SeenAt {
                point,
                frames: 1,
                fresh: fresh.into(),
            });
        }
        self.relax(arrival);
        self.looked_at += 1;
        if self.looked_at > PACE {
            self.looked_at = 0;
            // A station in full swing is known soon; where that is too few, more are looked at a second later.
            self.mask = (self.mask << 3 | 7) & 0xffff;
        }
    }

    /// Forgets where it is and was.
    pub fn forget_places(&mut self) {
        self.edges.clear();
        self.beliefs.clear();
        self.crossed.clear();
        self.pending.clear();
    }

    /// Looks at more of its frames again once fewer come.
    pub fn relax(&mut self, arrival: Timestamp) {
        let second = arrival.0.div_euclid(SECOND);
        if second == self.second {
            return;
        }
        let passed = u32::try_from(second.saturating_sub(self.second)).unwrap_or(u32::MAX);
        if self.looked_at < PACE / 4 || passed > 1 {
            self.mask = self.mask.checked_shr(passed).unwrap_or(0);
        }
        self.second = second;
        self.looked_at = 0;
    }

    /// Takes an address for the station's own.
    pub fn claim(&mut self, address: IpAddr, known: Known, time: Timestamp) {
        if let Some(own) = self.own.iter_mut().find(|own| own.address == address) {
            own.known.add(known);
            own.first = own.first.min(time);
            own.last = own.last.max(time);
            return;
        }
        let own = Own {
            address,
            known,
            first: time,
            last: time,
        };
        self.more |= self.own.try_push(own).is_err();
        self.carried.retain(|carried| *carried != address);
    }

    pub fn owns(&self, address: IpAddr) -> bool {
        self.own.iter().any(|own| own.address == address)
    }

    /// Whether an address is its own beyond doubt.
    pub fn surely_owns(&self, address: IpAddr) -> bool {
        let sure = |own: &Own| own.address == address && own.known != Known::LIKELY;
        self.own.iter().any(sure)
    }

    /// Takes the sender and TTL of a packet as a sign of whether the station routes; true if the packet seems to be the
    /// station's own.
    pub fn sends(&mut self, address: IpAddr, ttl: u8) -> bool {
        let initial = matches!(ttl, 32 | 64 | 128 | 255);
        let routed = counted_down(ttl);
        if self.owns(address) {
            return initial;
        }
        if initial {
            if !self.initial.contains(&address) && self.initial.try_push(address).is_err() {
                // Some firewalls leave the TTL alone.
                self.router = true;
            }
            self.carried.retain(|carried| *carried != address);
        } else if routed && !self.initial.contains(&address) {
            self.carried_packets = self.carried_packets.saturating_add(1);
            if !self.carried.contains(&address) {
                let _ = self.carried.try_push(address);
            }
            let known = !self.own.is_empty() || self.carried_packets >= 3;
            self.router |= !self.carried.is_empty() && (known || self.carried.len() > 1);
        }
        initial && !self.router
    }

    /// Whether a packet from an address, as it came with its TTL, was routed by this station.
    pub fn routed(&self, address: IpAddr, ttl: u8) -> bool {
        self.router && counted_down(ttl) && !self.owns(address)
    }

    /// Whether an address is none of the station's, and not of its network either.
    pub fn is_foreign(&self, address: IpAddr) -> bool {
        let near = |own: &Own| match (own.address, address) {
            (IpAddr::V4(own), IpAddr::V4(other)) => own.octets()[..3] == other.octets()[..3],
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                own.segments()[..4] == other.segments()[..4] || other.is_unicast_link_local()
            }
            _ => false,
        };
        let kin = |own: &&Own| own.address.is_ipv4() == address.is_ipv4();
        self.own.iter().any(|own| kin(&own)) && !self.more && !self.own.iter().any(near)
    }

    /// Others hand packets to it for addresses far from its own: after some of them it is a router.
    pub fn forwards(&mut self) {
        self.forwarded = self.forwarded.saturating_add(1);
        self.router |= self.forwarded >= 3;
    }

    /// Notes that the station sends packets for an address to another station; true if that one must be a router:
    /// nobody has so many addresses.
    pub fn hands_to(&mut self, mac: Mac, address: IpAddr) -> bool {
        if let Some(hop) = self.hops.iter_mut().find(|hop| hop.mac == mac) {
            if !hop.addresses.contains(&address) {
                let _ = hop.addresses.try_push(address);
            }
            return hop.addresses.is_full();
        }
        let mut addresses = ArrayVec::new();
        addresses.push(address);
        if self.hops.is_full() {
            self.hops.remove(0);
        }
        self.hops.push(Hop { mac, addresses });
        false
    }

    /// Where the station was last known to be, if the port is its own.
    pub fn port(&self) -> Option<PointId> {
        let ports = self
            .edges
            .iter()
            .filter(|edge| edge.strength == Strength::Port);
        ports
            .max_by_key(|edge| edge.activity.last())
            .filter(|edge| edge.activity.last().is_some())
            .map(|edge| edge.point)
    }

    /// Notes a copy of a frame at a point.
    pub fn wait(&mut self, group: Group) {
        let [point] = group.points.as_slice() else {
            return;
        };
        match self.pending.find(group.identity, group.arrival) {
            Some(known) => {
                if !known.points.contains(point) {
                    let _ = known.points.try_push(*point);
                }
                known.entered = known.entered.or(group.entered);
                known.own = known.own.or(group.own);
                known.leaves |= group.leaves;
            }
            None => self.pending.push(group),
        }
    }

    /// The next frame whose copies have all arrived.
    pub fn ripe(&mut self, now: Option<Timestamp>) -> Option<Group> {
        let first = self.pending.groups.front()?;
        let old = now.is_none_or(|now| now.since(first.arrival).saturating_abs() > PATIENCE);
        let ripe = old || self.pending.groups.len() > PENDING;
        ripe.then(|| self.pending.pop()).flatten()
    }

    /// A frame entered at a place; true if that is believed by now.
    pub fn entered(&mut self, at: &Entry, time: Timestamp) -> bool {
        let Some(belief) = self.belief(at) else {
            return false;
        };
        belief.trust = (belief.trust + if at.told { MOST } else { 1 }).min(MOST);
        if belief.trust < ENOUGH {
            let _ = belief.rising.try_push(time);
            return false;
        }
        let earlier = std::mem::take(&mut belief.rising);
        let known = self.edges.iter().position(|edge| edge.zone == at.zone);
        let index = known.unwrap_or(self.edges.len());
        if index >= EDGES {
            return false;
        }
        if known.is_none() {
            self.edges.push(Edge {
                zone: at.zone,
                point: at.point,
                site: at.site,
                strength: at.strength,
                doubtful: 0,
                activity: Activity::default(),
            });
        }
        if let Some(edge) = self.edges.get_mut(index) {
            edge.strength = edge.strength.max(at.strength);
            for time in earlier.into_iter().chain([time]) {
                edge.activity.note(time);
            }
        }
        true
    }

    /// A frame that was seen at a place was seen where others enter too: it proves nothing, and makes the place doubtful.
    pub fn doubted(&mut self, at: &Entry) {
        if let Some(belief) = self.belief(at) {
            belief.trust = (belief.trust - 4).max(LEAST);
            belief.rising.clear();
        }
        if let Some(edge) = self.edges.iter_mut().find(|edge| edge.zone == at.zone) {
            edge.doubtful += 1;
        }
    }

    /// What is believed of frames that enter at a place; the one longest unused gives way to a new one.
    fn belief(&mut self, at: &Entry) -> Option<&mut Belief> {
        let same = |belief: &Belief| belief.zone == at.zone && belief.to == at.to;
        let belief = match self.beliefs.iter().position(same) {
            Some(index) => self.beliefs.remove(index),
            None => Belief {
                zone: at.zone,
                to: at.to,
                trust: 0,
                rising: ArrayVec::new(),
            },
        };
        if self.beliefs.len() >= BELIEFS {
            self.beliefs.remove(0);
        }
        self.beliefs.push(belief);
        self.beliefs.last_mut()
    }

    /// A frame passed from the site of one point to that of another.
    pub fn crosses(
        &mut self,
        to: Mac,
        from: (PointId, u32),
        other: (PointId, u32),
        time: Timestamp,
    ) {
        let same = |crossed: &Crossed| {
            crossed.to == to && crossed.sites.contains(&from.1) && crossed.sites.contains(&other.1)
        };
        let index = self.crossed.iter().position(same).unwrap_or_else(|| {
            if self.crossed.len() >= EDGES {
                self.crossed.remove(0);
            }
            self.crossed.push(Crossed {
                to,
                sites: [from.1, other.1],
                points: [from.0, other.0],
                firsts: [0; 2],
                activity: Activity::default(),
            });
            self.crossed.len() - 1
        });
        if let Some(crossed) = self.crossed.get_mut(index) {
            crossed.firsts[usize::from(crossed.sites[0] != from.1)] += 1;
            crossed.activity.note(time);
        }
    }

    /// Notes an announcement; its copies and close repetitions are one.
    pub fn announce(&mut self, announced: Announced) {
        let same = self.announced.last().is_some_and(|last| {
            (last.kind, last.address) == (announced.kind, announced.address)
                && announced.time.since(last.time).saturating_abs() < 5 * SECOND
        });
        if same {
            return;
        }
        if self.announced.len() >= ANNOUNCED {
            self.announced.remove(0);
        }
        self.announced.push(announced);
    }
}

/// Whether routers counted a TTL down from one of the initial values of common systems: 64, 128, 255. Below 32 it may be
/// a trace of the sender's own.
fn counted_down(ttl: u8) -> bool {
    matches!(ttl, 33..=63 | 97..=127 | 192..=254)
}

/// A frame's way in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub zone: Zone,
    pub point: PointId,
    pub site: u32,
    pub strength: Strength,
    /// At a site: the receiver.
    pub to: Mac,
    /// The encapsulation itself says so.
    pub told: bool,
}
