//! Writes a sites file from what was seen: the sessions, and what each place probably is, every line with its reason.
//!
//! Honest rather than clever: what traffic does not tell stays a `switch`, which is on the path and keeps no state, so that
//! a wrong guess makes no finding.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::net::IpAddr;

use crate::finding::mac;
use crate::inventory::{Inventory, Overlap};
use crate::observation::FlowObserved;
use crate::point::{InterfaceName, Point, PointId};
use crate::session::Session;
use crate::site::Role;

type Mac = [u8; 6];
/// A flow's packets of one direction, as one station hands them to another.
type Passage = (u64, usize, Mac, Mac);

/// Share of passages that must have a station at one end for the port to be its own.
const NEARLY_ALL: f64 = 0.97;
/// Share of passages that two ends of an interconnect have in common.
const ALIKE: f64 = 0.95;
/// Passages that two places must share to be at one site.
const SHARED: usize = 3;
/// Flows that tell whether a mirror carries one direction or both.
const FLOWS: u64 = 5;
/// Passages remembered for a place.
const PASSAGES: usize = 200_000;

/// A place and what its traffic tells of it.
struct Place<'a> {
    id: PointId,
    point: &'a Point,
    sessions: Vec<(&'a Session, Option<&'a InterfaceName>)>,
    passages: BTreeSet<Passage>,
    /// Passages that a station is at one end of.
    stations: BTreeMap<Mac, u64>,
    /// TCP flows seen in both directions, and in one.
    whole: u64,
    half: u64,
}

/// What is proposed of a place.
struct Proposal {
    role: Role,
    reason: String,
}

/// Everything that a proposal rests on.
pub(crate) struct Seen<'a> {
    places: Vec<Place<'a>>,
    routers: BTreeSet<Mac>,
    overlaps: Vec<Overlap>,
    described: usize,
}

impl<'a> Seen<'a> {
    /// What was seen at points that nobody described.
    pub fn new(
        points: &'a [Point],
        session: impl Fn(&Point) -> Vec<(&'a Session, Option<&'a InterfaceName>)>,
        inventory: &Inventory,
    ) -> Self {
        let open = points.iter().zip(0..).filter(|(point, _)| !point.described);
        let places: Vec<Place<'_>> = open
            .map(|(point, id)| Place {
                id: PointId(id),
                point,
                sessions: session(point),
                passages: BTreeSet::new(),
                stations: BTreeMap::new(),
                whole: 0,
                half: 0,
            })
            .collect();
        let endpoints = inventory.endpoints().filter(|endpoint| endpoint.router);
        Self {
            described: points.len() - places.len(),
            places,
            routers: endpoints.map(|endpoint| endpoint.mac).collect(),
            overlaps: inventory.overlaps(),
        }
    }

    /// Takes one flow.
    pub fn add(&mut self, flow: &FlowObserved) {
        for observation in &flow.observations {
            let mut places = self.places.iter_mut();
            let Some(place) = places.find(|place| place.id == observation.point) else {
                continue;
            };
            let seen = observation.sides.map(|side| side.packets > 0);
            if flow.key.protocol == crate::flow::protocol::TCP {
                place.whole += u64::from(seen == [true, true]);
                place.half += u64::from(seen != [true, true]);
            }
            for (side, passed) in observation.sides.iter().enumerate() {
                let Some((from, to)) = passed.macs.filter(|(_, to)| to[0] & 1 == 0) else {
                    continue;
                };
                if place.passages.len() < PASSAGES
                    && place.passages.insert((flow.serial, side, from, to))
                {
                    *place.stations.entry(from).or_default() += 1;
                    *place.stations.entry(to).or_default() += 1;
                }
            }
        }
    }

    /// The text of a sites file.
    pub fn propose(&self) -> String {
        let ends = self.interconnects();
        let roles: Vec<Proposal> = (0..self.places.len())
            .map(|index| self.role(index, &ends))
            .collect();
        let sites = self.sites(&roles);
        let mut text = String::from(
            "# Proposed by mirrorscope from what it saw: a beginning, to be corrected by somebody who knows the network.\n\
             # Each line has its reason. Names are free; `match` is what finds the sessions.\n\
             # When it is edited: mirrorscope sites check FILE, then mirrorscope report --sites FILE …\n",
        );
        if self.described > 0 {
            let _ = writeln!(
                text,
                "# {} that the given sites file describes are left out.",
                count(self.described, "point")
            );
        }
        if self.places.is_empty() {
            text.push_str("\n# No session was seen that needs a description.\n");
        }
        for site in &sites {
            self.write_site(&mut text, site, &roles);
        }
        self.write_tenants(&mut text);
        text
    }

    /// Pairs of places of different sources that show the same frames: the two ends of an interconnect.
    fn interconnects(&self) -> BTreeMap<usize, (usize, usize)> {
        let like = |a: usize, b: usize| -> Option<(f64, usize)> {
            let (a, b) = (self.places.get(a)?, self.places.get(b)?);
            if a.point.site == b.point.site || a.passages.is_empty() || b.passages.is_empty() {
                return None;
            }
            let both = a.passages.intersection(&b.passages).count();
            let all = a.passages.len() + b.passages.len() - both;
            Some((both as f64 / all as f64, both))
        };
        let best = |a: usize| {
            let others = (0..self.places.len()).filter_map(|b| Some((b, like(a, b)?)));
            let mut others: Vec<_> = others.filter(|(_, (share, _))| *share >= ALIKE).collect();
            others.sort_by(|a, b| b.1.0.total_cmp(&a.1.0));
            match others.as_slice() {
                // Two places that show the same are one too many: either may be the end.
                [(_, (first, _)), (_, (second, _)), ..] if second >= first => None,
                [(b, (_, both)), ..] => Some((*b, *both)),
                [] => None,
            }
        };
        let ends = (0..self.places.len()).filter_map(|a| {
            let (b, both) = best(a)?;
            (best(b)?.0 == a).then_some((a, (b, both)))
        });
        ends.collect()
    }

    /// Whether all that a place shows other places of its source show too.
    fn is_passed(&self, index: usize) -> bool {
        let Some(place) = self.places.get(index) else {
            return false;
        };
        let others = || {
            let others = self.places.iter().enumerate();
            others.filter(|(at, other)| *at != index && other.point.site == place.point.site)
        };
        place
            .passages
            .iter()
            .all(|passage| others().any(|(_, other)| other.passages.contains(passage)))
    }

    /// Stations that are at one end of nearly all that passes.
    fn hubs(place: &Place<'_>) -> Vec<Mac> {
        let all = place.passages.len() as f64;
        let hubs = place.stations.iter();
        let hubs = hubs.filter(|(_, passages)| **passages as f64 >= all * NEARLY_ALL);
        hubs.map(|(station, _)| *station).collect()
    }

    /// Whom a station exchanges frames with at other places.
    fn elsewhere(&self, station: Mac, but: usize) -> BTreeSet<Mac> {
        let others = self.places.iter().enumerate().filter(|(at, _)| *at != but);
        let passages = others.flat_map(|(_, place)| &place.passages);
        passages
            .filter_map(
                |(_, _, from, to)| match (*from == station, *to == station) {
                    (true, false) => Some(*to),
                    (false, true) => Some(*from),
                    _ => None,
                },
            )
            .collect()
    }

    fn role(&self, index: usize, ends: &BTreeMap<usize, (usize, usize)>) -> Proposal {
        let propose = |role, reason: String| Proposal { role, reason };
        let Some(place) = self.places.get(index) else {
            return propose(Role::Switch, String::new());
        };
        let is_router = |station: &Mac| self.routers.contains(station);
        let hosts = place
            .stations
            .keys()
            .filter(|station| !is_router(station))
            .count();
        let routers = place.stations.len() - hosts;
        if place.passages.is_empty() {
            return propose(Role::Switch, "no conversation passed here".to_owned());
        }
        if let Some((other, both)) = ends.get(&index)
            && let Some(there) = self.places.get(*other)
        {
            let same = format!(
                "{both} of {} passages are those of {}, at another source",
                place.passages.len(),
                there.point.name
            );
            // What passes an interconnect has passed another port of the same switch, or will.
            return if self.is_passed(index) || self.is_passed(*other) {
                propose(Role::Dci, format!("{same}: two ends of an interconnect"))
            } else {
                propose(
                    Role::Switch,
                    format!("{same}; \"dci\" if these are the two ends of an interconnect"),
                )
            };
        }
        let nested = place
            .sessions
            .iter()
            .any(|(session, _)| !session.carries.is_empty());
        if nested {
            let reason = "its packets are in an overlay inside the mirror's own encapsulation";
            return propose(Role::Uplink, reason.to_owned());
        }
        if hosts == 0 && routers > 1 {
            let reason = format!("only routers speak here: {routers}, and no machine");
            return propose(Role::Uplink, reason);
        }
        let hubs = Self::hubs(place);
        let (ours, theirs): (Vec<Mac>, Vec<Mac>) = hubs.into_iter().partition(is_router);
        match (ours.as_slice(), theirs.as_slice()) {
            ([router], []) if hosts > 1 => propose(Role::Router, Self::at_router(*router, hosts)),
            ([], [host]) => propose(
                Role::Vnic,
                format!("all passages begin or end at {}, a machine", mac(*host)),
            ),
            // One machine and its gateway, and nothing else: whose port is it? What each does elsewhere tells.
            ([router], [host]) => {
                let at_router = self
                    .elsewhere(*router, index)
                    .iter()
                    .any(|peer| peer != host);
                let at_host = self
                    .elsewhere(*host, index)
                    .iter()
                    .any(|peer| peer != router);
                match (at_router, at_host) {
                    (true, false) => propose(
                        Role::Vnic,
                        format!(
                            "only {} and its gateway speak here, and the gateway speaks to others elsewhere",
                            mac(*host)
                        ),
                    ),
                    (false, true) => propose(Role::Router, Self::at_router(*router, hosts)),
                    _ => propose(
                        Role::Switch,
                        format!(
                            "only {} and its gateway {} speak here: this is the port of one of them (vnic, firewall or \
                             router), and traffic does not tell whose",
                            mac(*host),
                            mac(*router)
                        ),
                    ),
                }
            }
            _ => propose(
                Role::Switch,
                format!(
                    "{} and {} speak here, none of them in all passages",
                    count(hosts, "machine"),
                    count(routers, "router")
                ),
            ),
        }
    }

    fn at_router(router: Mac, hosts: usize) -> String {
        format!(
            "all passages begin or end at {}, which forwards for others ({}); \"firewall\" if it keeps the state of \
             connections",
            mac(router),
            count(hosts, "machine")
        )
    }

    /// Places by site: sources whose places share frames that did not cross an interconnect are at one site.
    fn sites(&self, roles: &[Proposal]) -> Vec<Vec<usize>> {
        let crossing: BTreeSet<Passage> = self
            .places
            .iter()
            .zip(roles)
            .filter(|(_, proposal)| proposal.role == Role::Dci)
            .flat_map(|(place, _)| place.passages.iter().copied())
            .collect();
        let mut sites: Vec<Vec<usize>> = Vec::new();
        for index in 0..self.places.len() {
            let Some(place) = self.places.get(index) else {
                continue;
            };
            let joins = |other: &usize| {
                let Some(other) = self.places.get(*other) else {
                    return false;
                };
                let shared = place.passages.intersection(&other.passages);
                place.point.site == other.point.site
                    || !crossing.is_empty()
                        && shared
                            .filter(|passage| !crossing.contains(*passage))
                            .count()
                            >= SHARED
            };
            let (with, without): (Vec<_>, Vec<_>) = sites
                .into_iter()
                .partition(|site: &Vec<usize>| site.iter().any(joins));
            sites = without;
            let mut site: Vec<usize> = with.into_iter().flatten().collect();
            site.push(index);
            site.sort_unstable();
            sites.push(site);
        }
        sites.sort();
        sites
    }

    fn write_site(&self, text: &mut String, site: &[usize], roles: &[Proposal]) {
        let places: Vec<&Place<'_>> = site.iter().filter_map(|at| self.places.get(*at)).collect();
        let Some(first) = places.first() else {
            return;
        };
        let mut sources: Vec<IpAddr> = places
            .iter()
            .flat_map(|place| &place.sessions)
            .filter_map(|(session, _)| session.key.addresses.map(|(source, _)| source))
            .collect();
        sources.sort_unstable();
        sources.dedup();
        let mut names: Vec<&str> = places
            .iter()
            .map(|place| place.point.site.as_str())
            .collect();
        names.dedup();
        let _ = writeln!(text, "\n[[site]]\nname = {}", quoted(&first.point.site));
        if names.len() > 1 {
            text.push_str(
                "# Places of these sources show the same frames, and these did not cross the interconnect: one site.\n",
            );
        }
        match sources.as_slice() {
            [] => {}
            [one] => {
                let _ = writeln!(text, "source = \"{one}\"");
            }
            several => {
                let list: Vec<String> = several.iter().map(|one| format!("\"{one}\"")).collect();
                let _ = writeln!(text, "source = [{}]", list.join(", "));
            }
        }
        for at in site {
            if let (Some(place), Some(proposal)) = (self.places.get(*at), roles.get(*at)) {
                write_point(text, place, proposal);
            }
        }
    }

    fn write_tenants(&self, text: &mut String) {
        let mut tags: BTreeMap<(&'static str, u64), BTreeSet<IpAddr>> = BTreeMap::new();
        for overlap in &self.overlaps {
            for (what, tag) in &overlap.tags {
                tags.entry((what, *tag))
                    .or_default()
                    .insert(overlap.address);
            }
        }
        if tags.is_empty() {
            return;
        }
        text.push_str(
            "\n# Different machines have the same addresses in these networks. Put the tags that one tenant's network has at\n\
             # other places into the same lists: its VLAN inside a host, its VNI on the wire.\n",
        );
        for ((what, tag), addresses) in tags {
            let key = if what == "vlan" { "vlans" } else { "segments" };
            let some: Vec<String> = addresses.iter().take(3).map(ToString::to_string).collect();
            let more = if addresses.len() > some.len() {
                ", …"
            } else {
                ""
            };
            let _ = writeln!(
                text,
                "\n[[tenant]]\nname = \"{what}-{tag}\"\n{key} = [{tag}]    # {}{more} in other hands elsewhere",
                some.join(", ")
            );
        }
    }
}

fn write_point(text: &mut String, place: &Place<'_>, proposal: &Proposal) {
    let packets: u64 = place
        .sessions
        .iter()
        .map(|(session, _)| session.packets)
        .sum();
    let _ = writeln!(
        text,
        "\n[[site.point]]\nname = {}    # {}\nrole = \"{}\"    # {}",
        quoted(&place.point.name),
        count(packets as usize, "packet"),
        proposal.role.as_str(),
        proposal.reason
    );
    let mut matches: Vec<String> = Vec::new();
    for (session, interface) in &place.sessions {
        let one = matching(session, *interface);
        if !matches.contains(&one) {
            matches.push(one);
        }
    }
    match matches.as_slice() {
        [one] => {
            let _ = writeln!(text, "match = {one}");
        }
        several => {
            let _ = writeln!(text, "match = [\n    {},\n]", several.join(",\n    "));
        }
    }
    let Place { whole, half, .. } = place;
    let all = whole + half;
    if *whole > 0 {
        let _ = writeln!(
            text,
            "# carries = \"both\"    # true as far as seen: {whole} of {all} TCP flows in both directions"
        );
    } else if all >= FLOWS {
        let _ = writeln!(
            text,
            "# carries = \"one\"    # if only one direction is mirrored: none of {all} TCP flows was seen in both, but that may as \
             well be the network"
        );
    }
}

/// What finds a session.
fn matching(session: &Session, interface: Option<&InterfaceName>) -> String {
    let mut parts = Vec::new();
    if let Some((source, _)) = session.key.addresses {
        parts.push(format!("source = \"{source}\""));
    }
    if let Some(encapsulation) = session.key.encapsulation {
        parts.push(format!("encapsulation = \"{}\"", encapsulation.as_str()));
    }
    // Larger ones are no integers of TOML.
    if let Some(id) = session.key.id.filter(|id| i64::try_from(*id).is_ok()) {
        parts.push(format!("session = {id}"));
    }
    if session.key.addresses.is_none()
        && let Some(interface) = interface
    {
        parts.push(format!("file = {}", quoted(&interface.file)));
        if let Some(name) = &interface.name {
            parts.push(format!("interface = {}", quoted(name)));
        }
    }
    format!("{{ {} }}", parts.join(", "))
}

/// A string of TOML. What could act on a terminal is made visible already.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

fn count(number: usize, noun: &str) -> String {
    let plural = if number == 1 { "" } else { "s" };
    format!("{number} {noun}{plural}")
}
