//! Observation points: places whose packets the sessions carry, and what each is able to see.

mod reload;

use mirrorscope_dissectors::{Direction, Mirror};
use serde::{Deserialize, Serialize};

use crate::firewall::Settings;
use crate::pack::packed;
use crate::session::{SessionId, SessionKey, Way};
use crate::site::{Carries, Origin, PointRule, Role, Site, Sites};
use crate::table::{Map, Set, word};
use crate::time::Timestamp;

pub use reload::Known;

/// Source MACs remembered for all points together.
const MAX_MACS: usize = 1 << 20;

/// Places within sessions that are looked up, not chosen anew.
const MAX_PLACES: usize = 65_536;
/// Stations that are known without a hash.
const RECENT: usize = 128;

/// Names a point within one run, in order of appearance.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct PointId(pub u32);

packed!(PointId { 0 });

/// One place.
#[derive(Clone, Debug)]
pub struct Point {
    /// From the sites file, else after the session.
    pub name: String,
    /// Name of its site: from the sites file or `--site`, else the outer source.
    pub site: String,
    /// What stands there.
    pub role: Role,
    /// Whether the sites file describes it.
    pub described: bool,
    /// Whether its mirror carries both directions, if its owner says so.
    pub carries: Option<Carries>,
    /// One of this many packets is mirrored, if its owner says so.
    pub sampling: Option<u32>,
    /// For a firewall: how it tracks connections.
    pub firewall: Option<Box<Settings>>,
    /// Its device's ingress is what others call egress.
    pub reversed_direction: bool,
    /// Packets in encapsulations that cannot be opened.
    pub unopened: u64,
    /// Sessions that show it.
    pub sessions: Vec<SessionId>,
    /// What it saw began no earlier than this, and ended no later: the sites were described anew then.
    pub period: (Timestamp, Timestamp),
    /// It counts as a firewall from this time on.
    pub tracks_since: Timestamp,
    /// Stations that were seen to send through it.
    pub senders: Senders,
}

impl Point {
    fn new(name: String, site: String, since: Timestamp) -> Self {
        Self {
            name,
            site,
            period: (since, Timestamp(i64::MAX)),
            tracks_since: since,
            role: Role::default(),
            described: false,
            carries: None,
            sampling: None,
            firewall: None,
            reversed_direction: false,
            unopened: 0,
            sessions: Vec::new(),
            senders: Senders::default(),
        }
    }

    /// What is known of it beforehand, without what it saw.
    pub(crate) fn description(&self) -> Self {
        Self {
            name: self.name.clone(),
            site: self.site.clone(),
            firewall: self.firewall.clone(),
            sessions: Vec::new(),
            senders: Senders::default(),
            ..*self
        }
    }

    /// Makes it what a rule says.
    fn describe(&mut self, site: &Site, rule: &PointRule, sites: &Sites) {
        self.name.clone_from(&rule.name);
        self.site.clone_from(&site.name);
        self.role = rule.role;
        self.firewall = (rule.role == Role::Firewall).then(|| {
            let rule = rule.firewall.unwrap_or_default();
            Box::new(rule.settings(sites.firewall))
        });
        self.described = true;
        self.carries = rule.carries;
        self.sampling = rule.sampling;
        self.reversed_direction = rule.reversed_direction;
    }

    /// The way of a packet through the mirrored port: into the mirroring switch, or out of it.
    pub fn direction(&self, said: Direction) -> Direction {
        match (said, self.reversed_direction) {
            (said, false) => said,
            (Direction::Ingress, true) => Direction::Egress,
            (Direction::Egress, true) => Direction::Ingress,
        }
    }

    /// The same in words. A bare ingress or egress would say nothing: each vendor means another side by it.
    pub fn way(&self, said: Direction) -> String {
        match self.direction(said) {
            Direction::Ingress => format!("from {}", self.role.beside()),
            Direction::Egress => format!("towards {}", self.role.beside()),
        }
    }
}

/// MAC addresses that sent frames through a point: proof that it sees what they say.
#[derive(Clone, Debug, Default)]
pub struct Senders {
    /// Each as a word.
    macs: Set<u64>,
    /// Stations noted lately, by the last byte of their address; none if there was no station yet.
    recent: Vec<u64>,
}

impl Senders {
    /// Notes the source of a frame; true if it is new. Where there is no room, only known ones count.
    #[inline]
    fn note(&mut self, mac: [u8; 6], room: bool) -> bool {
        // A few stations send most frames; those need no look at the table.
        let mac = word(mac);
        self.recent.get(mac as usize % RECENT) != Some(&mac) && self.note_other(mac, room)
    }

    /// The same of a station that is not known to be there.
    fn note_other(&mut self, mac: u64, room: bool) -> bool {
        self.recent.resize(RECENT, 0);
        // On a loopback nobody has an address: that is no station.
        let recent = self.recent.get_mut(mac as usize % RECENT);
        let Some(recent) = recent.filter(|recent| **recent != mac) else {
            return false;
        };
        *recent = mac;
        room && self.macs.insert(mac)
    }

    /// Whether nearly all of these stations are among others too; a gateway alone shows nearly everywhere. `None` if there
    /// are none.
    pub(crate) fn are_known_to(&self, others: &Self) -> Option<bool> {
        let known = self
            .macs
            .iter()
            .filter(|mac| others.macs.contains(*mac))
            .count();
        (!self.macs.is_empty()).then_some(known * 4 >= self.macs.len() * 3)
    }

    /// Whether the station was seen to send.
    pub fn contains(&self, mac: [u8; 6]) -> bool {
        self.macs.contains(&word(mac))
    }
}

/// What stands in the place of a capture file for interfaces of this host.
pub const LIVE: &str = "live";
/// The site of frames that arrived bare by an interface of this host.
const LOCAL: &str = "local";

/// A capture interface, as the rules of the sites file see it.
#[derive(Clone, Debug, Default)]
pub struct InterfaceName {
    /// Path of the capture file as given; [`LIVE`] for an interface of this host.
    pub file: String,
    /// Name of the interface within it.
    pub name: Option<String>,
}

impl InterfaceName {
    /// What to call frames that arrived bare: the file, and the interface if it has a name. An interface of this host is
    /// called by its name alone.
    pub(crate) fn label(&self) -> String {
        let file = self.stem();
        match &self.name {
            Some(name) if self.file == LIVE => name.clone(),
            Some(name) => format!("{file}:{name}"),
            None => file.to_owned(),
        }
    }

    /// Where frames came from, in messages about them: the file as given, or the interface of this host.
    pub fn origin(&self) -> &str {
        match &self.name {
            Some(name) if self.file == LIVE => name,
            _ => &self.file,
        }
    }

    /// The site of frames that arrived bare.
    fn site(&self) -> &str {
        if self.file == LIVE && self.name.is_some() {
            LOCAL
        } else {
            self.stem()
        }
    }

    /// The file's name without folders and endings.
    fn stem(&self) -> &str {
        let name = self.file.rsplit('/').next().unwrap_or(&self.file);
        match name.split('.').next() {
            Some("") | None => name,
            Some(stem) => stem,
        }
    }
}

/// Text of unknown origin with everything that could act on a terminal made visible: control characters, and those
/// that change the direction of writing.
pub fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            if acts(c) {
                c.escape_unicode().collect::<Vec<_>>()
            } else {
                vec![c]
            }
        })
        .collect()
}

/// Whether a character acts on a terminal instead of being shown.
pub fn acts(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// A session's name: encapsulation, id and outer source, such as `erspan2-101@10.60.0.1`.
pub fn session_name(key: &SessionKey, interface: Option<&InterfaceName>) -> String {
    match (key.encapsulation, key.addresses) {
        (Some(encapsulation), Some((source, _))) => match key.id {
            Some(id) => format!("{}-{}@{source}", encapsulation.as_str(), readable(id)),
            None => format!("{}@{source}", encapsulation.as_str()),
        },
        _ => interface.map_or_else(|| "plain".to_owned(), InterfaceName::label),
    }
}

/// An id as people write it, in a form that a sites file takes too: those too long to be remembered are the MAC address
/// of a sensor or several numbers in one.
pub fn readable(id: u64) -> String {
    if id > u32::MAX.into() {
        format!("{id:#014x}")
    } else {
        id.to_string()
    }
}

/// All points of a run.
#[derive(Debug)]
pub struct Points {
    sites: Sites,
    by_packet: bool,
    all: Vec<Point>,
    /// Points that the sites file describes.
    described: Map<String, PointId>,
    /// Names that are in use, or that the sites file may use yet.
    taken: Set<String>,
    /// The points of sessions that nobody described.
    own: Map<SessionId, PointId>,
    /// Undescribed points by the session that they were named after: where a tunnel's other direction belongs.
    tunnels: Map<SessionKey, PointId>,
    by_session: Vec<Option<PointId>>,
    /// Where rules tell packets of one session apart: by what its encapsulation says of port and direction.
    by_place: Map<(SessionId, Way), PointId>,
    /// MACs remembered by all points.
    macs: usize,
    /// When the sites were last described anew.
    since: Timestamp,
    /// How often they were.
    edition: u64,
}

impl Points {
    /// Starts with the described sites and no point; points appear with their first packet.
    pub fn new(sites: Sites) -> Self {
        let by_packet = sites.by_packet();
        let names = sites
            .sites
            .iter()
            .flat_map(|site| &site.points)
            .map(|point| point.name.clone());
        Self {
            taken: names.collect(),
            described: Map::default(),
            own: Map::default(),
            tunnels: Map::default(),
            macs: 0,
            since: Timestamp(i64::MIN),
            edition: 0,
            sites,
            by_packet,
            all: Vec::new(),
            by_session: Vec::new(),
            by_place: Map::default(),
        }
    }

    /// The point that a packet of a session shows.
    #[inline]
    pub fn find(
        &mut self,
        session: SessionId,
        key: &SessionKey,
        mirror: Option<&Mirror>,
        interface: Option<&InterfaceName>,
    ) -> PointId {
        match self.guess(session) {
            Some(point) if !self.by_packet || mirror.is_none() => point,
            _ => self.look_up(session, key, mirror, interface),
        }
    }

    /// The same where rules tell packets of one session apart, or for the first time.
    fn look_up(
        &mut self,
        session: SessionId,
        key: &SessionKey,
        mirror: Option<&Mirror>,
        interface: Option<&InterfaceName>,
    ) -> PointId {
        let way = mirror.map(|m| (m.facts.port_index, m.facts.direction));
        let said = way.filter(|_| self.by_packet);
        if let Some(said) = said
            && let Some(point) = self.by_place.get(&(session, said))
        {
            return *point;
        }
        let point = self.choose(session, key, way.unwrap_or_default(), interface);
        let index = session.0 as usize;
        if self.by_session.len() <= index {
            self.by_session.resize(index + 1, None);
        }
        if let Some(slot) = self.by_session.get_mut(index) {
            *slot = Some(point);
        }
        if let Some(said) = said
            && self.by_place.len() < MAX_PLACES
        {
            self.by_place.insert((session, said), point);
        }
        point
    }

    fn choose(
        &mut self,
        session: SessionId,
        key: &SessionKey,
        way: Way,
        interface: Option<&InterfaceName>,
    ) -> PointId {
        let origin = origin(way, interface);
        let id = if let Some((site, rule)) = self.sites.point(key, &origin) {
            let next = PointId(self.all.len() as u32);
            let id = *self.described.entry(rule.name.clone()).or_insert(next);
            if id == next {
                let mut point = Point::new(rule.name.clone(), site.name.clone(), self.since);
                point.describe(site, rule, &self.sites);
                self.all.push(point);
            }
            id
        } else if let Some(id) = self.own.get(&session).copied().or_else(|| self.tunnel(key)) {
            self.own.insert(session, id);
            id
        } else {
            let id = PointId(self.all.len() as u32);
            let point = self.undescribed(key, interface);
            self.all.push(point);
            self.own.insert(session, id);
            self.tunnels.insert(tunnel_key(key), id);
            id
        };
        if let Some(point) = self.all.get_mut(id.0 as usize)
            && !point.sessions.contains(&session)
        {
            point.sessions.push(session);
        }
        id
    }

    /// A mirror sends one way only. Where the same encapsulation goes back too, this is a tunnel between two ends, and
    /// both directions of it pass one place: that of the session the other way.
    ///
    /// Where each end chooses the ids of what it receives (TEIDs of GTP-U), all packets between the two ends pass there.
    fn tunnel(&self, key: &SessionKey) -> Option<PointId> {
        let (source, destination) = key.addresses?;
        let forth = tunnel_key(key);
        let back = SessionKey {
            addresses: Some((destination, source)),
            ..forth
        };
        let known = self.tunnels.get(&back);
        let same = || self.tunnels.get(&forth).filter(|_| key.one_way_id);
        known.or_else(same).copied()
    }

    /// A point named after its session, at a site named after the session's source.
    fn undescribed(&mut self, key: &SessionKey, interface: Option<&InterfaceName>) -> Point {
        let plain = session_name(key, interface);
        // The same id sent to two collectors, by two interfaces, or a name that the sites file uses.
        let longer = match key.addresses {
            Some((_, destination)) => format!("{plain}>{destination}"),
            None => format!("{plain}#{}", key.interface.unwrap_or_default()),
        };
        let numbered = (2..).map(|n| format!("{longer}#{n}"));
        let mut names = [plain, longer.clone()].into_iter().chain(numbered);
        let name = names
            .find(|name| !self.taken.contains(name))
            .unwrap_or(longer);
        self.taken.insert(name.clone());
        Point::new(name, self.site_of(key, interface), self.since)
    }

    /// The site of a session that no point describes.
    fn site_of(&self, key: &SessionKey, interface: Option<&InterfaceName>) -> String {
        match key.addresses {
            Some((source, _)) => self
                .sites
                .site_of(source)
                .map_or_else(|| source.to_string(), str::to_owned),
            None => interface.map_or(LOCAL, InterfaceName::site).to_owned(),
        }
    }

    /// Notes what a packet shows of its point: who sent it, and whether it hides others.
    #[inline]
    pub fn note(&mut self, id: PointId, sender: Option<[u8; 6]>, hides: bool) -> Option<&Point> {
        let point = self.all.get_mut(id.0 as usize)?;
        if let Some(mac) = sender {
            self.macs += usize::from(point.senders.note(mac, self.macs < MAX_MACS));
        }
        point.unopened += u64::from(hides);
        Some(point)
    }

    /// The point that shows a session; where rules tell packets apart, the last one.
    pub fn of_session(&self, session: SessionId) -> Option<&Point> {
        let id = self.guess(session)?;
        self.all.get(id.0 as usize)
    }

    /// The point that packets of a session most probably show.
    #[inline]
    pub(crate) fn guess(&self, session: SessionId) -> Option<PointId> {
        *self.by_session.get(session.0 as usize)?
    }

    /// The point that shows a port and way of a session.
    pub fn of_way(&self, session: SessionId, way: Way) -> Option<&Point> {
        match self.by_place.get(&(session, way)) {
            Some(id) => self.all.get(id.0 as usize),
            None => self.of_session(session),
        }
    }

    /// How often the sites were described anew.
    pub(crate) fn edition(&self) -> u64 {
        self.edition
    }

    /// All points in order of appearance; a [`PointId`] is the index.
    pub fn all(&self) -> &[Point] {
        &self.all
    }
}

/// Where a packet came from, as far as rules may ask.
fn origin(way: Way, interface: Option<&InterfaceName>) -> Origin<'_> {
    Origin {
        file: interface.map_or("", |i| i.file.as_str()),
        interface: interface.and_then(|i| i.name.as_deref()),
        port_index: way.0,
        direction: way.1,
    }
}

/// What the sessions of one tunnel have in common but for their way.
fn tunnel_key(key: &SessionKey) -> SessionKey {
    SessionKey {
        id: key.id.filter(|_| !key.one_way_id),
        ..*key
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_from_files_cannot_act_on_a_terminal() {
        assert_eq!(
            printable("eth0\u{1b}[2J\u{202e}x"),
            "eth0\\u{1b}[2J\\u{202e}x"
        );
        assert_eq!(printable("Überträger 10"), "Überträger 10");
    }

    #[test]
    fn bare_frames_are_named_after_their_file() {
        let key = SessionKey {
            encapsulation: None,
            addresses: None,
            id: None,
            one_way_id: false,
            interface: Some(0),
        };
        let named = |file: &str, name: Option<&str>| {
            session_name(
                &key,
                Some(&InterfaceName {
                    file: file.to_owned(),
                    name: name.map(str::to_owned),
                }),
            )
        };
        assert_eq!(named("captures/dc1.pcap.gz", None), "dc1");
        assert_eq!(named("dc1.pcapng", Some("eth0")), "dc1:eth0");
        assert_eq!(named("-", None), "-");
        assert_eq!(named(LIVE, Some("eth1")), "eth1");
        assert_eq!(named(".pcap", None), ".pcap");
    }
}
