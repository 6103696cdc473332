//! Points described anew while packets come.
//!
//! A point keeps its place, and with it all that was seen there, as long as the new description tells the same packets
//! of it: it only gets another name, site or role. Where packets that were one point's become those of several, or those
//! of several become one's, new points begin, and the old ones keep what they saw under the names that they had.

use super::{InterfaceName, MAX_PLACES, Point, PointId, Points, origin, tunnel_key};
use crate::session::{SessionId, SessionKey, Way, Ways};
use crate::site::{Role, Sites};
use crate::table::{Map, Set};
use crate::time::Timestamp;

/// A session that is known when sites are described anew.
#[derive(Clone, Copy, Debug)]
pub struct Known<'a> {
    /// Its number.
    pub id: SessionId,
    /// What makes it that session.
    pub key: &'a SessionKey,
    /// Ports and ways that its packets told of.
    pub ways: &'a Ways,
    /// The interface that it came by first.
    pub interface: Option<&'a InterfaceName>,
}

/// What a session's packets show by the new description.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Target {
    /// A described point.
    Described(String),
    /// Nobody describes it, as before.
    Same(PointId),
    /// Nobody describes it any more.
    Own(SessionId),
}

/// Packets of a session that go one way (any, if rules do not tell ways apart), what they showed, and what they show now.
struct Place<'a> {
    session: Known<'a>,
    way: Way,
    before: PointId,
    target: Target,
}

impl Points {
    /// Describes the points anew, from `now` on. True if anything changed.
    pub fn reload(&mut self, sites: Sites, sessions: &[Known<'_>], now: Timestamp) -> bool {
        self.sites = sites;
        self.since = now;
        self.edition += 1;
        let told_apart = self.by_packet;
        self.by_packet = self.sites.by_packet();
        let places = self.places(sessions, told_apart);
        let kept = self.kept(&places);
        self.own.clear();
        self.described.clear();
        self.tunnels.clear();
        self.by_session.clear();
        self.by_place.clear();
        let mut changed = self.rename(&places, &kept, now);
        self.taken = self.all.iter().map(|point| point.name.clone()).collect();
        let rules = self.sites.sites.iter().flat_map(|site| &site.points);
        self.taken.extend(rules.map(|rule| rule.name.clone()));
        for place in &places {
            let id = match kept.get(&place.target) {
                Some(id) if *id == place.before => *id,
                _ => {
                    changed = true;
                    let Known {
                        id, key, interface, ..
                    } = place.session;
                    self.choose(id, key, place.way, interface)
                }
            };
            self.settle(place, id);
        }
        changed
    }

    /// What packets of each session and way showed, and what they show by the new rules.
    fn places<'a>(&self, sessions: &[Known<'a>], told_apart: bool) -> Vec<Place<'a>> {
        let mut places = Vec::new();
        for session in sessions {
            let of_session = self.by_session.get(session.id.0 as usize);
            let Some(last) = of_session.copied().flatten() else {
                continue;
            };
            let mut ways: Vec<Way> = vec![(None, None)];
            if self.by_packet || told_apart {
                let told: Vec<Way> = session.ways.iter().map(|(way, _)| way).collect();
                if !told.is_empty() {
                    ways = told;
                }
            }
            for way in ways {
                let before = self.by_place.get(&(session.id, way)).copied();
                let before = before.filter(|_| told_apart).unwrap_or(last);
                let origin = origin(way, session.interface);
                let described = self.all.get(before.0 as usize).is_some_and(|p| p.described);
                let target = match self.sites.point(session.key, &origin) {
                    Some((_, rule)) => Target::Described(rule.name.clone()),
                    None if described => Target::Own(session.id),
                    None => Target::Same(before),
                };
                places.push(Place {
                    session: *session,
                    way,
                    before,
                    target,
                });
            }
        }
        places
    }

    /// The points that stay what they are, by what they show from now on.
    fn kept(&self, places: &[Place<'_>]) -> Map<Target, PointId> {
        let mut targets: Map<PointId, Set<&Target>> = Map::default();
        let mut befores: Map<&Target, Set<PointId>> = Map::default();
        for place in places {
            targets
                .entry(place.before)
                .or_default()
                .insert(&place.target);
            befores
                .entry(&place.target)
                .or_default()
                .insert(place.before);
        }
        let mut kept = Map::default();
        for (target, points) in befores {
            let bears = |id: &&PointId| match (target, self.all.get(id.0 as usize)) {
                (Target::Described(name), Some(point)) => point.described && point.name == *name,
                _ => false,
            };
            let alone = |id: &&PointId| targets.get(*id).is_some_and(|all| all.len() == 1);
            let only = points.iter().next().filter(|_| points.len() == 1);
            if let Some(id) = points.iter().find(bears).or(only.filter(alone)) {
                kept.insert(target.clone(), *id);
            }
        }
        kept
    }

    /// Gives the points that are kept their new description, and ends the others.
    fn rename(
        &mut self,
        places: &[Place<'_>],
        kept: &Map<Target, PointId>,
        now: Timestamp,
    ) -> bool {
        let mut changed = false;
        let mut done: Set<PointId> = Set::default();
        for place in places {
            if kept.get(&place.target) != Some(&place.before) || !done.insert(place.before) {
                continue;
            }
            let Known { key, interface, .. } = place.session;
            let other = match place.target {
                Target::Own(_) => Some(self.undescribed(key, interface)),
                _ => None,
            };
            let site = self.site_of(key, interface);
            let Self { all, sites, .. } = self;
            let Some(point) = all.get_mut(place.before.0 as usize) else {
                continue;
            };
            let identity = |p: &Point| (p.name.clone(), p.site.clone(), p.role, p.described);
            let before = identity(point);
            match (&place.target, other) {
                (Target::Described(_), _) => {
                    let origin = origin(place.way, interface);
                    if let Some((site, rule)) = sites.point(key, &origin) {
                        point.describe(site, rule, sites);
                    }
                }
                (_, Some(other)) => point.undescribe(other),
                (_, None) => point.site = site,
            }
            if point.role == Role::Firewall && before.2 != Role::Firewall {
                point.tracks_since = now;
            }
            changed |= identity(point) != before;
        }
        for place in places {
            if !done.contains(&place.before)
                && let Some(point) = self.all.get_mut(place.before.0 as usize)
            {
                point.period.1 = point.period.1.min(now);
            }
        }
        changed
    }

    /// Remembers what packets of a session and way show.
    fn settle(&mut self, place: &Place<'_>, id: PointId) {
        let session = place.session.id;
        let index = session.0 as usize;
        if self.by_session.len() <= index {
            self.by_session.resize(index + 1, None);
        }
        if let Some(slot) = self.by_session.get_mut(index) {
            *slot = Some(id);
        }
        if self.by_packet && self.by_place.len() < MAX_PLACES {
            self.by_place.insert((session, place.way), id);
        }
        let Some(point) = self.all.get(id.0 as usize) else {
            return;
        };
        if point.described {
            self.described.insert(point.name.clone(), id);
        } else {
            self.own.insert(session, id);
            self.tunnels
                .entry(tunnel_key(place.session.key))
                .or_insert(id);
        }
    }
}

impl Point {
    /// Takes the name and site of another point, which nobody describes.
    fn undescribe(&mut self, other: Self) {
        self.name = other.name;
        self.site = other.site;
        self.role = other.role;
        self.described = false;
        self.carries = None;
        self.sampling = None;
        self.firewall = None;
        self.reversed_direction = false;
    }
}
