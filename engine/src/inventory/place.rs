//! What follows from the evidence: where each station was and is, who moved, and who is at two places at once.

use std::net::IpAddr;

use super::activity::{Activity, Span, Turns};
use super::neighbour::{Announcement, Mac, is_virtual};
use super::station::{Announced, Edge, Own, Station, Strength};
use super::{Inventory, Key};
use crate::point::PointId;
use crate::site::Role;
use crate::time::{SECOND, Timestamp};

/// Fewer frames are no stay between two others at one place.
const FEW: u32 = 3;
/// Fewer frames of each are no conflict.
const SOME: u64 = 6;
/// An address that nobody has had for longer was given to another one, rather than moved.
const REUSED: i64 = 300 * SECOND;
/// How long before and after a move its announcement may be seen.
const BEFORE: i64 = 2 * SECOND;
const AFTER: i64 = 10 * SECOND;

/// A station's stay at one place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stay {
    /// The point by which its frames entered.
    pub point: PointId,
    /// How sure that is.
    pub strength: Strength,
    /// Its first frame there.
    pub first: Timestamp,
    /// Its last frame there.
    pub last: Timestamp,
    /// Frames that were looked at.
    pub frames: u32,
    site: u32,
}

/// A station as views show it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// What keeps equal addresses apart.
    pub scope: u32,
    /// Its MAC address.
    pub mac: [u8; 6],
    /// Its own addresses, with the ways in which they are known and the first and last time.
    pub addresses: Vec<(IpAddr, Vec<&'static str>, Timestamp, Timestamp)>,
    /// It has more than are kept.
    pub more: bool,
    /// It forwards what others send.
    pub router: bool,
    /// Its MAC address is that of a group of routers or servers.
    pub group: bool,
    /// First and last frame.
    pub period: (Timestamp, Timestamp),
    /// Where it was, the last place at the end; for routers, and where nothing better is known, where it was seen most.
    pub stays: Vec<Stay>,
    /// What it announced.
    pub announced: Vec<Announced>,
    /// VLANs of its frames, the first few.
    pub vlans: Vec<u16>,
    /// Segments of its frames inside the mirror's own, the first few.
    pub segments: Vec<u64>,
}

/// A station, or an address, that is at another place than before.
#[derive(Clone, Debug)]
pub struct Change {
    /// What keeps equal addresses apart.
    pub scope: u32,
    /// The station that has moved, or that an address has moved to.
    pub mac: [u8; 6],
    /// The station that had the address before, if it is another one.
    pub before: Option<[u8; 6]>,
    /// Its addresses, or the one that moved.
    pub addresses: Vec<IpAddr>,
    /// Where it was.
    pub from: Stay,
    /// Where it is.
    pub to: Stay,
    /// When it announced itself, and how.
    pub announced: Option<Announced>,
}

impl Change {
    /// When it moved: its announcement, else its first frame at the new place.
    pub fn time(&self) -> Timestamp {
        let announced = self.announced.map(|announced| announced.time);
        announced.map_or(self.to.first, |time| time.min(self.to.first))
    }
}

/// What is at two places.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConflictOf {
    /// One address, used by two stations.
    Address(IpAddr, [[u8; 6]; 2]),
    /// One station.
    Mac([u8; 6]),
}

/// One address that is in use at two places at once.
#[derive(Clone, Debug)]
pub struct Conflict {
    /// What keeps equal addresses apart.
    pub scope: u32,
    /// What is at two places.
    pub of: ConflictOf,
    /// Its addresses.
    pub addresses: Vec<IpAddr>,
    /// The places.
    pub places: [Stay; 2],
    /// How the two take turns.
    pub turns: Turns,
}

/// An address that different stations have, in networks with different tags.
#[derive(Clone, Debug)]
pub struct Overlap {
    /// The address.
    pub address: IpAddr,
    /// `vlan` or `segment`, and its id.
    pub tags: Vec<(&'static str, u64)>,
}

impl Station {
    fn addresses(&self) -> Vec<IpAddr> {
        self.own.iter().map(|own| own.address).collect()
    }

    /// Where the station was, one place after the other.
    fn stays(&self) -> Vec<Stay> {
        let strong = self
            .edges
            .iter()
            .any(|edge| edge.strength > Strength::Seen && !edge.activity.spans().is_empty());
        let edges = || {
            let wanted = |edge: &&Edge| (edge.strength > Strength::Seen) == strong;
            self.edges.iter().filter(wanted)
        };
        // While it speaks at one place, what shows at another is a stray copy, or a conflict: no move.
        let covered = |edge: &Edge, span: &Span| {
            let mut others = edges().filter(|other| other.zone != edge.zone);
            others.any(|other| {
                other.activity.spans().iter().any(|cover| {
                    cover.first <= span.first
                        && cover.last >= span.last
                        && cover.frames > span.frames
                })
            })
        };
        let mut spans: Vec<(&Edge, &Span)> = Vec::new();
        for edge in edges() {
            let own = edge.activity.spans().iter();
            spans.extend(
                own.filter(|span| !covered(edge, span))
                    .map(|span| (edge, span)),
            );
        }
        spans.sort_by_key(|(_, span)| (span.first, span.last));
        let mut stays: Vec<Stay> = Vec::new();
        for (edge, span) in spans {
            let stay = Stay {
                point: edge.point,
                strength: edge.strength,
                first: span.first,
                last: span.last,
                frames: span.frames,
                site: edge.site,
            };
            add(&mut stays, stay);
        }
        let mut lasting: Vec<Stay> = Vec::new();
        for (index, stay) in stays.iter().enumerate() {
            let returns = index > 0
                && stays
                    .get(index + 1)
                    .is_some_and(|next| lasting.last().is_some_and(|last| last.same(next)));
            if !(returns && stay.frames < FEW) {
                add(&mut lasting, *stay);
            }
        }
        lasting
    }

    /// Where it must be because it speaks to stations of a known site from beyond the interconnect.
    fn beyond(&self, key: Key, inventory: &Inventory) -> Vec<Stay> {
        let mut spans: Vec<Stay> = Vec::new();
        for crossed in &self.crossed {
            let Some((point, [site, other])) = crossed.way() else {
                continue;
            };
            let to = Key::new(key.scope, crossed.to);
            let Some(peer) = inventory.stations.get(&to).filter(|peer| !peer.router) else {
                continue;
            };
            let stays = peer.stays();
            let there = |span: &&Span| {
                stays.iter().any(|stay| {
                    stay.strength > Strength::Seen
                        && stay.site == other
                        && stay.first <= span.first
                        && stay.last >= span.last
                })
            };
            let spans_there = crossed.activity.spans().iter().filter(there);
            spans.extend(spans_there.map(|span| Stay {
                point,
                strength: Strength::Site,
                first: span.first,
                last: span.last,
                frames: span.frames,
                site,
            }));
        }
        spans.sort_by_key(|stay| (stay.first, stay.last));
        let mut stays = Vec::new();
        for stay in spans {
            add(&mut stays, stay);
        }
        stays.retain(|stay| stay.frames >= FEW);
        stays
    }

    /// Where the station was, by its own frames or by whom it speaks to.
    fn lived(&self, key: Key, inventory: &Inventory) -> Vec<Stay> {
        let stays = self.stays();
        if stays.iter().any(|stay| stay.strength > Strength::Seen) {
            return stays;
        }
        let beyond = self.beyond(key, inventory);
        if beyond.is_empty() { stays } else { beyond }
    }

    /// The best guess where nothing proves a place: for a router the firewall or router where it shows most, for others
    /// where most of its frames were seen first.
    fn guess(&self, inventory: &Inventory) -> Option<Stay> {
        let place = |point: PointId| inventory.places.get(point.0 as usize).copied().flatten();
        let rank = |seen: &&super::station::SeenAt| {
            let role = place(seen.point).map(|place| place.role);
            let fits = self.router && matches!(role, Some(Role::Firewall | Role::Router));
            let edge = !self.router && role == Some(Role::Vnic) && seen.fresh * 2 > seen.frames;
            (fits || edge, seen.fresh, seen.frames)
        };
        let best = self.seen.iter().max_by_key(rank)?;
        let (first, last) = self.period?;
        Some(Stay {
            point: best.point,
            strength: Strength::Seen,
            first,
            last,
            frames: u32::try_from(best.frames).unwrap_or(u32::MAX),
            site: place(best.point)?.site,
        })
    }

    /// The announcement that belongs to a move.
    fn announcement(&self, from: &Stay, to: &Stay, address: Option<IpAddr>) -> Option<Announced> {
        let near = |announced: &&Announced| {
            let time = announced.time;
            time >= from.last.plus(-BEFORE).min(to.first) && time <= to.first.plus(AFTER)
        };
        let about = |announced: &&Announced| {
            address.is_none() || announced.address.is_none() || announced.address == address
        };
        self.announced.iter().filter(near).find(about).copied()
    }

    /// Whether two stations can be in one network, as far as their tags tell.
    fn may_meet(&self, other: &Self) -> bool {
        fn apart<T: PartialEq>(a: &[T], b: &[T]) -> bool {
            !a.is_empty() && !b.is_empty() && !a.iter().any(|tag| b.contains(tag))
        }
        !apart(&self.vlans, &other.vlans) && !apart(&self.segments, &other.segments)
    }

    /// Whether frames of both pass one place.
    fn meets(&self, other: &Self) -> bool {
        let points = || other.seen.iter().map(|seen| seen.point);
        self.may_meet(other)
            && self
                .seen
                .iter()
                .any(|seen| points().any(|point| point == seen.point))
    }
}

impl Stay {
    /// Whether two stays are at one place: a site holds its ports.
    pub fn same(&self, other: &Self) -> bool {
        if self.strength == Strength::Port && other.strength == Strength::Port
            || self.strength == Strength::Seen
        {
            self.point == other.point
        } else {
            self.site == other.site
        }
    }
}

/// Adds a stay, or lengthens the last one.
fn add(stays: &mut Vec<Stay>, stay: Stay) {
    match stays.last_mut() {
        Some(last) if last.same(&stay) => {
            if stay.strength > last.strength {
                last.point = stay.point;
                last.strength = stay.strength;
            }
            last.last = last.last.max(stay.last);
            last.frames = last.frames.saturating_add(stay.frames);
        }
        _ => stays.push(stay),
    }
}

impl Inventory {
    fn sorted(&self) -> Vec<(Key, &Station)> {
        let mut stations: Vec<_> = self
            .stations
            .iter()
            .map(|(key, station)| (*key, &**station))
            .filter(|(_, station)| station.period.is_some())
            .collect();
        stations.sort_unstable_by_key(|(key, _)| *key);
        stations
    }

    /// Stations that were seen to send, and are still in the table.
    pub fn len(&self) -> usize {
        let stations = self.stations.iter();
        stations
            .filter(|(_, station)| station.period.is_some())
            .count()
    }

    /// Whether no station was seen.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// All stations.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        let stations = self.sorted().into_iter();
        stations.filter_map(|(key, station)| self.endpoint(key, station))
    }

    /// What names all stations.
    pub(crate) fn keys(&self) -> Vec<Key> {
        let stations = self.sorted().into_iter();
        stations.map(|(key, _)| key).collect()
    }

    /// Some stations, as far as they are still here.
    pub(crate) fn some(&self, keys: &[Key]) -> impl Iterator<Item = Endpoint> {
        let stations = keys.iter();
        stations.filter_map(|key| self.endpoint(*key, self.stations.get(key)?))
    }

    fn endpoint(&self, key: Key, station: &Station) -> Option<Endpoint> {
        let mut stays = if station.router {
            Vec::new()
        } else {
            station.lived(key, self)
        };
        if stays.is_empty() {
            stays.extend(station.guess(self));
        }
        let own = station
            .own
            .iter()
            .map(|own: &Own| (own.address, own.known.names(), own.first, own.last));
        Some(Endpoint {
            scope: key.scope,
            mac: key.mac(),
            addresses: own.collect(),
            more: station.more,
            router: station.router,
            group: is_virtual(key.mac()),
            period: station.period?,
            stays,
            announced: station.announced.clone(),
            vlans: station.vlans.to_vec(),
            segments: station.segments.to_vec(),
        })
    }

    /// What is at two places at once.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut conflicts: Vec<Conflict> = Vec::new();
        for (key, station) in self.sorted() {
            conflicts.extend(conflict_of_mac(key, station));
        }
        for (scope, address, claims) in self.shared_addresses() {
            let pairs = claims
                .iter()
                .enumerate()
                .flat_map(|(index, a)| claims.iter().skip(index + 1).map(move |b| (a, b)));
            let conflict = pairs.filter_map(|(a, b)| {
                let turns = Turns::between(a.activity, b.activity)?;
                let few = a.activity.frames().min(b.activity.frames()) < SOME;
                let apart = !a.stay.same(&b.stay);
                (turns.at_once() && !few && apart && a.station.meets(b.station)).then(|| Conflict {
                    scope,
                    of: ConflictOf::Address(address, [a.mac, b.mac]),
                    addresses: vec![address],
                    places: [a.stay, b.stay],
                    turns,
                })
            });
            conflicts.extend(conflict.take(1));
        }
        conflicts
    }

    /// What is at another place than before. `follows` tells whether one point shows the same mirror session as another,
    /// from another source: then that is enough where nobody described the points.
    pub fn changes(&self, follows: impl Fn(PointId, PointId) -> bool) -> Vec<Change> {
        let mut changes: Vec<Change> = Vec::new();
        for (key, station) in self.sorted() {
            if station.router || conflict_of_mac(key, station).is_some() {
                continue;
            }
            let stays = station.stays();
            let moves = stays.windows(2).filter_map(|pair| match pair {
                [from, to] => Some((*from, *to)),
                _ => None,
            });
            for (from, to) in moves {
                let announced = station.announcement(&from, &to, None);
                let believed = match from.strength.min(to.strength) {
                    Strength::Port => true,
                    // A link of the interconnect that is not mirrored looks the same when a station takes the other
                    // site's gateway; but then it announces nothing.
                    Strength::Site => announced.is_some(),
                    Strength::Seen => follows(from.point, to.point),
                };
                if !believed {
                    continue;
                }
                changes.push(Change {
                    scope: key.scope,
                    mac: key.mac(),
                    before: None,
                    addresses: station.addresses(),
                    from,
                    to,
                    announced,
                });
            }
        }
        for (scope, address, mut claims) in self.shared_addresses() {
            claims.sort_by_key(|claim| claim.activity.last());
            let moves = claims.windows(2).filter_map(|pair| match pair {
                [from, to] => handed_over(scope, address, from, to),
                _ => None,
            });
            changes.extend(moves);
        }
        changes.sort_by_key(|change| (change.time(), change.scope, change.mac));
        changes
    }

    /// Addresses that different stations have in networks with different tags.
    pub fn overlaps(&self) -> Vec<Overlap> {
        let several = self
            .addresses
            .iter()
            .filter(|(_, address)| address.claims.len() > 1);
        let overlap = |((scope, address), entry): (&(u32, IpAddr), &super::Address)| {
            let station = |claim: &super::Claim| {
                let key = Key::new(*scope, claim.mac);
                self.stations.get(&key)
            };
            let stations: Vec<&Station> = entry
                .claims
                .iter()
                .filter_map(station)
                .map(|station| &**station)
                .filter(|station| !station.router)
                .collect();
            let apart = |a: &&Station| stations.iter().any(|b| !a.may_meet(b));
            let mut tags: Vec<(&'static str, u64)> = Vec::new();
            for station in stations.iter().copied().filter(apart) {
                let vlans = station.vlans.iter().map(|id| ("vlan", u64::from(*id)));
                let segments = station.segments.iter().map(|id| ("segment", *id));
                tags.extend(vlans.chain(segments));
            }
            tags.sort_unstable();
            tags.dedup();
            (!tags.is_empty()).then_some(Overlap {
                address: *address,
                tags,
            })
        };
        let mut overlaps: Vec<Overlap> = several.filter_map(overlap).collect();
        overlaps.sort_by_key(|overlap| overlap.address);
        overlaps
    }

    /// Addresses that several stations claim of which it is known where they are.
    fn shared_addresses(&self) -> Vec<(u32, IpAddr, Vec<Claimant<'_>>)> {
        let several = self
            .addresses
            .iter()
            .filter(|(_, address)| address.claims.len() > 1 && !address.many);
        let mut shared: Vec<_> = several
            .map(|((scope, address), entry)| {
                let claimant = |claim: &'_ super::Claim| {
                    let key = Key::new(*scope, claim.mac);
                    Some((key, self.stations.get(&key)?))
                };
                let claims = entry.claims.iter().filter_map(|claim| {
                    let (key, station) = claimant(claim)?;
                    // One that answers for many may do so in their name.
                    if station.router || station.more {
                        return None;
                    }
                    let stay = *station.lived(key, self).last()?;
                    (stay.strength > Strength::Seen).then_some(Claimant {
                        mac: key.mac(),
                        station,
                        stay,
                        activity: &claim.activity,
                    })
                });
                (*scope, *address, claims.collect::<Vec<_>>())
            })
            .filter(|(_, _, claims)| claims.len() > 1)
            .collect();
        shared.sort_by_key(|(scope, address, _)| (*scope, *address));
        shared
    }
}

/// A station that claims an address.
struct Claimant<'a> {
    mac: Mac,
    station: &'a Station,
    stay: Stay,
    activity: &'a Activity,
}

/// An address that one station had, and then another elsewhere.
fn handed_over(
    scope: u32,
    address: IpAddr,
    from: &Claimant<'_>,
    to: &Claimant<'_>,
) -> Option<Change> {
    let (last, first) = (from.activity.last()?, to.activity.first()?);
    let turns = Turns::between(from.activity, to.activity);
    let clean = turns.is_none_or(|turns| turns.changes <= 1 && turns.together < SECOND);
    let soon = first.since(last) < REUSED;
    let announced = to.station.announcement(&from.stay, &to.stay, Some(address));
    let sure = from.stay.strength.min(to.stay.strength) == Strength::Port || announced.is_some();
    (clean && soon && sure && !from.stay.same(&to.stay) && from.station.meets(to.station)).then(
        || Change {
            scope,
            mac: to.mac,
            before: Some(from.mac),
            addresses: vec![address],
            from: Stay { last, ..from.stay },
            to: Stay { first, ..to.stay },
            announced,
        },
    )
}

/// A station that sends at two places at once.
fn conflict_of_mac(key: Key, station: &Station) -> Option<Conflict> {
    if station.router || is_virtual(key.mac()) {
        return None;
    }
    let sure = |edge: &&Edge| {
        edge.strength > Strength::Seen
            && edge.activity.frames() >= SOME
            && edge.doubtful * 4 < edge.activity.frames()
    };
    let edges: Vec<&Edge> = station.edges.iter().filter(sure).collect();
    let stay = |edge: &Edge| {
        Some(Stay {
            point: edge.point,
            strength: edge.strength,
            first: edge.activity.first()?,
            last: edge.activity.last()?,
            frames: u32::try_from(edge.activity.frames()).unwrap_or(u32::MAX),
            site: edge.site,
        })
    };
    let mut pairs = edges
        .iter()
        .enumerate()
        .flat_map(|(index, a)| edges.iter().skip(index + 1).map(move |b| (*a, *b)));
    pairs.find_map(|(a, b)| {
        let turns = Turns::between(&a.activity, &b.activity)?;
        let places = [stay(a)?, stay(b)?];
        let [here, there] = &places;
        // Between two sites alone, a link of the interconnect that is not mirrored would look the same.
        let sure = a.strength.max(b.strength) == Strength::Port;
        (turns.at_once() && sure && !here.same(there)).then(|| Conflict {
            scope: key.scope,
            of: ConflictOf::Mac(key.mac()),
            addresses: station.addresses(),
            places,
            turns,
        })
    })
}

/// How announcements are called in a sentence.
pub(crate) fn announcement_in_words(announced: &Announced) -> String {
    let about = match (announced.kind, announced.address) {
        (Announcement::Rarp, _) | (_, None) => String::new(),
        (_, Some(address)) => format!(" for {address}"),
    };
    format!("{}{about}", announced.kind.in_words())
}
