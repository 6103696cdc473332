//! Sites and observation points: which mirror session shows which place of the network.
//!
//! The sites file is TOML, with unknown keys refused and errors that name line and column.

mod check;
mod tenant;

use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use mirrorscope_dissectors::{DecodeAsError, Direction, Encapsulation, Options};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error as _, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::decode::{DecodeRule, PortRules};
use crate::filter::nearest;
use crate::firewall;
use crate::point::printable;
use crate::session::SessionKey;

pub use check::{Position, Problem, Problems};
pub(crate) use tenant::untenanted;
pub use tenant::{Tenant, Tenants};

/// What stands at an observation point.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// A stateful firewall: it needs both directions of a flow.
    Firewall,
    /// A router.
    Router,
    /// An end of the data-centre interconnect.
    Dci,
    /// A virtual machine's own port: sees all that the machine says and hears.
    Vnic,
    /// A switch's uplink.
    Uplink,
    /// Any other place; the role of a point that nobody described.
    #[default]
    Switch,
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let known = Self::ALL.into_iter().find(|role| role.as_str() == name);
        known.ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str);
            let meant = nearest(&name, names);
            let meant = meant.map_or_else(String::new, |meant| format!("; did you mean {meant}?"));
            D::Error::custom(format!(
                "unknown role {name:?}; one of {}{meant}",
                names.join(", ")
            ))
        })
    }
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 6] = [
        Self::Firewall,
        Self::Router,
        Self::Dci,
        Self::Vnic,
        Self::Uplink,
        Self::Switch,
    ];

    /// The name in files and output.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Firewall => "firewall",
            Self::Router => "router",
            Self::Dci => "dci",
            Self::Vnic => "vnic",
            Self::Uplink => "uplink",
            Self::Switch => "switch",
        }
    }

    /// What is at the other end of the port that is mirrored there.
    pub fn beside(self) -> &'static str {
        match self {
            Self::Firewall => "the firewall",
            Self::Router => "the router",
            Self::Dci => "the DCI",
            Self::Vnic => "the VM",
            Self::Uplink => "the uplink",
            Self::Switch => "the station at the port",
        }
    }

    /// Whether traffic enters a site or leaves it there.
    pub fn is_gateway(self) -> bool {
        matches!(self, Self::Firewall | Self::Router | Self::Uplink)
    }

    /// Whether traffic between sites passes the place on its way (a machine's own port is where the way ends).
    pub fn on_path(self) -> bool {
        self != Self::Vnic
    }
}

/// What a session must look like to belong to a point. Everything that is given must match.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Match {
    /// Outer source: an address or a prefix.
    #[serde(default, deserialize_with = "prefix")]
    pub source: Option<IpNet>,
    /// Outer destination: an address or a prefix.
    #[serde(default, deserialize_with = "prefix")]
    pub destination: Option<IpNet>,
    /// Outermost encapsulation.
    #[serde(default, deserialize_with = "encapsulation")]
    pub encapsulation: Option<Encapsulation>,
    /// ERSPAN session id, GRE key or VNI.
    pub session: Option<u64>,
    /// Name of the capture interface.
    pub interface: Option<String>,
    /// Capture file: its path, or the last part of it.
    pub file: Option<String>,
    /// Port number that ERSPAN gives: the index of type II, the platform's port id of type III.
    pub port_index: Option<u32>,
    /// Direction bit of ERSPAN III.
    pub direction: Option<MatchDirection>,
}

/// The direction that a mirroring switch gives to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchDirection {
    /// The switch received it on the mirrored port.
    Ingress,
    /// The switch sent it out of the mirrored port.
    Egress,
}

/// Where a frame came from, as far as rules may ask.
#[derive(Clone, Copy, Debug)]
pub struct Origin<'a> {
    /// Path of the capture file as given.
    pub file: &'a str,
    /// Name of the capture interface.
    pub interface: Option<&'a str>,
    /// Port number that the encapsulation carries.
    pub port_index: Option<u32>,
    /// Direction that the encapsulation carries.
    pub direction: Option<Direction>,
}

impl Match {
    fn fits(&self, key: &SessionKey, origin: &Origin<'_>) -> bool {
        let within =
            |net: &IpNet, address: Option<IpAddr>| address.is_some_and(|a| net.contains(&a));
        let direction = origin.direction.map(|d| match d {
            Direction::Ingress => MatchDirection::Ingress,
            Direction::Egress => MatchDirection::Egress,
        });
        let file_fits = |wanted: &String| {
            origin.file == wanted
                || origin
                    .file
                    .strip_suffix(wanted.as_str())
                    .is_some_and(|rest| rest.ends_with('/'))
        };
        self.source
            .as_ref()
            .is_none_or(|net| within(net, key.addresses.map(|a| a.0)))
            && self
                .destination
                .as_ref()
                .is_none_or(|net| within(net, key.addresses.map(|a| a.1)))
            && self
                .encapsulation
                .is_none_or(|e| key.encapsulation == Some(e))
            && self.session.is_none_or(|id| key.id == Some(id))
            && self
                .interface
                .as_ref()
                .is_none_or(|name| origin.interface == Some(name))
            && self.file.as_ref().is_none_or(file_fits)
            && self
                .port_index
                .is_none_or(|index| origin.port_index == Some(index))
            && self
                .direction
                .is_none_or(|wanted| direction == Some(wanted))
    }
}

/// What a point's mirror carries, where its owner says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carries {
    /// Both directions: what is missing was not there.
    Both,
    /// One direction only: nothing follows from what is missing.
    One,
}

/// One described place.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PointRule {
    /// Unique name.
    pub name: String,
    /// What stands there.
    #[serde(default)]
    pub role: Role,
    /// Which sessions show it: one description, or a list of alternatives.
    #[serde(rename = "match", deserialize_with = "one_or_many")]
    pub matches: Vec<Match>,
    /// Whether its mirror carries both directions, if known.
    pub carries: Option<Carries>,
    /// The mirror takes one of this many packets.
    pub sampling: Option<u32>,
    /// For a firewall: how it tracks connections, where that is not the usual way.
    pub firewall: Option<firewall::Rule>,
    /// The device sets the direction bit the other way round: on what it sends out of the mirrored port it says ingress.
    #[serde(default, rename = "reversed-direction")]
    pub reversed_direction: bool,
}

/// One site.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Site {
    /// Unique name.
    pub name: String,
    /// Outer sources whose sessions belong here even if no point matches.
    #[serde(default, deserialize_with = "prefixes")]
    pub source: Vec<IpNet>,
    /// Described places.
    #[serde(default, rename = "point")]
    pub points: Vec<PointRule>,
}

/// All sites that were described.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sites {
    /// The sites, in the order of the file.
    #[serde(default, rename = "site")]
    pub sites: Vec<Site>,
    /// Networks whose addresses are kept apart.
    #[serde(default, rename = "tenant")]
    pub tenants: Vec<Tenant>,
    /// Ports in place of the well-known ones.
    #[serde(default)]
    pub ports: PortRules,
    /// Further numbers that lead to a protocol.
    #[serde(default, rename = "decode-as")]
    pub decode_as: Vec<DecodeRule>,
    /// How firewalls track connections that name no preset.
    #[serde(skip)]
    pub firewall: firewall::Preset,
}

/// A sites description that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SitesError {
    /// Not TOML, not of this shape, or not what can be meant.
    #[error(transparent)]
    Wrong(#[from] Problems),
    /// Not `NAME=PREFIX`.
    #[error("{0:?} is not NAME=ADDRESS or NAME=PREFIX, such as dc1=10.60.0.1 or dc1=10.60.0.0/24")]
    Assignment(String),
}

impl Sites {
    /// Reads the text of a sites file.
    pub fn parse(text: &str) -> Result<Self, SitesError> {
        let (sites, problems) = Self::check(text);
        sites.ok_or(SitesError::Wrong(Problems(problems)))
    }

    /// Reads the text of a sites file, and tells all that is wrong or odd. It cannot be used if something is wrong.
    pub fn check(text: &str) -> (Option<Self>, Vec<Problem>) {
        let (mut sites, problems) = check::read(text);
        if let Some(sites) = &mut sites {
            sites.make_printable();
        }
        (sites, problems)
    }

    /// Names go to terminals.
    fn make_printable(&mut self) {
        for site in &mut self.sites {
            site.name = printable(&site.name);
            for point in &mut site.points {
                point.name = printable(&point.name);
            }
        }
        for tenant in &mut self.tenants {
            tenant.name = printable(&tenant.name);
            for point in &mut tenant.points {
                *point = printable(point);
            }
        }
    }

    /// Adds what `--site NAME=PREFIX` says.
    pub fn assign(&mut self, text: &str) -> Result<(), SitesError> {
        let wrong = || SitesError::Assignment(text.to_owned());
        let (name, net) = text.split_once('=').ok_or_else(wrong)?;
        let net = parse_prefix(net.trim()).ok_or_else(wrong)?;
        let name = printable(name.trim());
        if name.is_empty() {
            return Err(wrong());
        }
        match self.sites.iter_mut().find(|site| site.name == name) {
            Some(site) => site.source.push(net),
            None => self.sites.push(Site {
                name,
                source: vec![net],
                points: Vec::new(),
            }),
        }
        Ok(())
    }

    /// Makes numbers lead to protocols as the file says.
    pub fn decode(&self, options: &mut Options) -> Result<(), DecodeAsError> {
        for (protocol, ports) in &self.ports.0 {
            options.set_ports(*protocol, ports)?;
        }
        let mut rules = self.decode_as.iter();
        rules.try_for_each(|rule| options.lead(rule.selector, rule.protocol))
    }

    /// The first point whose description fits, with its site.
    pub fn point(&self, key: &SessionKey, origin: &Origin<'_>) -> Option<(&Site, &PointRule)> {
        self.sites.iter().find_map(|site| {
            let fits = |point: &&PointRule| point.matches.iter().any(|m| m.fits(key, origin));
            site.points.iter().find(fits).map(|point| (site, point))
        })
    }

    /// The site whose sources hold an address most closely.
    pub fn site_of(&self, address: IpAddr) -> Option<&str> {
        let nets = self
            .sites
            .iter()
            .flat_map(|site| site.source.iter().map(move |net| (site, net)));
        let best = nets
            .filter(|(_, net)| net.contains(&address))
            .max_by_key(|(_, net)| net.prefix_len());
        best.map(|(site, _)| site.name.as_str())
    }

    /// Whether rules tell sessions apart by the interface or file that brought them.
    pub fn by_interface(&self) -> bool {
        self.matches()
            .any(|m| m.interface.is_some() || m.file.is_some())
    }

    /// Whether rules tell packets of one session apart.
    pub fn by_packet(&self) -> bool {
        self.matches()
            .any(|m| m.port_index.is_some() || m.direction.is_some())
    }

    fn matches(&self) -> impl Iterator<Item = &Match> {
        self.sites
            .iter()
            .flat_map(|site| &site.points)
            .flat_map(|point| &point.matches)
    }
}

impl Match {
    fn is_empty(&self) -> bool {
        self.source.is_none()
            && self.destination.is_none()
            && self.encapsulation.is_none()
            && self.session.is_none()
            && self.interface.is_none()
            && self.file.is_none()
            && self.port_index.is_none()
            && self.direction.is_none()
    }
}

/// An address is a prefix of full length.
fn parse_prefix(text: &str) -> Option<IpNet> {
    IpNet::from_str(text)
        .ok()
        .or_else(|| IpAddr::from_str(text).ok().map(IpNet::from))
}

fn prefix<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<IpNet>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let wrong = || D::Error::custom(format!("{text:?} is neither an address nor a prefix"));
    parse_prefix(&text).map(Some).ok_or_else(wrong)
}

fn prefixes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<IpNet>, D::Error> {
    struct Prefixes;
    impl<'de> Visitor<'de> for Prefixes {
        type Value = Vec<IpNet>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an address, a prefix, or a list of them")
        }

        fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Self::Value, E> {
            let wrong = || E::custom(format!("{text:?} is neither an address nor a prefix"));
            parse_prefix(text).map(|net| vec![net]).ok_or_else(wrong)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut nets = Vec::new();
            while let Some(text) = seq.next_element::<String>()? {
                nets.extend(Self.visit_str::<A::Error>(&text)?);
            }
            Ok(nets)
        }
    }
    deserializer.deserialize_any(Prefixes)
}

fn encapsulation<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<Encapsulation>, D::Error> {
    let name = String::deserialize(deserializer)?;
    let names: Vec<&str> = Encapsulation::ALL.iter().map(|e| e.as_str()).collect();
    let wrong = || {
        D::Error::custom(format!(
            "unknown encapsulation {name:?}; one of {}",
            names.join(", ")
        ))
    };
    Encapsulation::from_name(&name).map(Some).ok_or_else(wrong)
}

fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Match>, D::Error> {
    struct Matches;
    impl<'de> Visitor<'de> for Matches {
        type Value = Vec<Match>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str(
                "a table such as { source = \"10.60.0.1\", session = 101 }, or a list of them",
            )
        }

        fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
            Match::deserialize(MapAccessDeserializer::new(map)).map(|one| vec![one])
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
            let mut many = Vec::new();
            while let Some(one) = seq.next_element()? {
                many.push(one);
            }
            Ok(many)
        }
    }
    deserializer.deserialize_any(Matches)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = r#"
        [[site]]
        name = "dc1"
        source = ["10.60.0.0/24"]

        [[site.point]]
        name = "fw1-inside"
        role = "firewall"
        match = [{ source = "10.60.0.1", session = 101 }, { encapsulation = "vxlan", session = 5000 }]

        [[site]]
        name = "dc2"
        source = "10.60.0.3"
    "#;

    fn key(source: [u8; 4], encapsulation: Encapsulation, id: u32) -> SessionKey {
        let addresses = Some((IpAddr::from(source), IpAddr::from([10, 60, 0, 2])));
        SessionKey {
            encapsulation: Some(encapsulation),
            addresses,
            id: Some(id.into()),
            one_way_id: false,
            interface: None,
        }
    }

    const ORIGIN: Origin<'_> = Origin {
        file: "a/x.pcap",
        interface: None,
        port_index: None,
        direction: None,
    };

    #[test]
    fn a_session_finds_its_point_and_an_unknown_one_its_site() {
        let sites = Sites::parse(FILE).unwrap();
        let found = |key| {
            sites
                .point(&key, &ORIGIN)
                .map(|(site, point)| (site.name.as_str(), point.name.as_str()))
        };
        assert_eq!(
            found(key([10, 60, 0, 1], Encapsulation::Erspan2, 101)),
            Some(("dc1", "fw1-inside"))
        );
        assert_eq!(
            found(key([10, 60, 0, 7], Encapsulation::Vxlan, 5000)),
            Some(("dc1", "fw1-inside"))
        );
        assert_eq!(
            found(key([10, 60, 0, 1], Encapsulation::Erspan2, 102)),
            None
        );
        assert_eq!(
            sites.site_of(IpAddr::from([10, 60, 0, 3])),
            Some("dc2"),
            "the longer prefix wins"
        );
        assert_eq!(sites.site_of(IpAddr::from([10, 60, 0, 4])), Some("dc1"));
        assert_eq!(sites.site_of(IpAddr::from([10, 61, 0, 4])), None);
    }

    #[test]
    fn a_file_is_known_by_its_path_or_its_name_and_never_by_part_of_its_name() {
        let file = |name: &str| Match {
            file: Some(name.to_owned()),
            ..Match::default()
        };
        let key = key([10, 60, 0, 1], Encapsulation::Gre, 1);
        assert!(file("a/x.pcap").fits(&key, &ORIGIN));
        assert!(file("x.pcap").fits(&key, &ORIGIN));
        assert!(!file(".pcap").fits(&key, &ORIGIN));
    }

    #[test]
    fn errors_say_where_and_what_is_allowed() {
        let error = |text: &str| Sites::parse(text).unwrap_err().to_string();
        let unknown = error("[[site]]\nname = \"a\"\ncolour = 1\n");
        assert!(
            unknown.contains("line 3") && unknown.contains("colour"),
            "{unknown}"
        );
        let role =
            error("[[site]]\nname='a'\n[[site.point]]\nname='p'\nrole='fw'\nmatch={session=1}\n");
        assert!(
            role.contains("line 5") && role.contains("firewall"),
            "{role}"
        );
        let prefix =
            error("[[site]]\nname='a'\n[[site.point]]\nname='p'\nmatch={source='10.0.0'}\n");
        assert!(
            prefix.contains("10.0.0") && prefix.contains("prefix"),
            "{prefix}"
        );
        assert!(error("[[site]]\nname=''\n").contains("empty name"));
        assert!(error("[[site]]\nname='a'\n[[site]]\nname='a'\n").contains("defined twice"));
        assert!(
            error("[[site]]\nname='a'\n[[site.point]]\nname='p'\nmatch={}\n")
                .contains("match is empty")
        );
    }

    #[test]
    fn the_command_line_assigns_prefixes_to_sites() {
        let mut sites = Sites::default();
        sites.assign("dc1=10.60.0.1").unwrap();
        sites.assign("dc1=2001:db8::/64").unwrap();
        assert_eq!(sites.sites.len(), 1);
        assert_eq!(sites.site_of("2001:db8::5".parse().unwrap()), Some("dc1"));
        for wrong in ["dc1", "=10.0.0.1", "dc1=10.0.0", "dc1="] {
            assert!(sites.assign(wrong).is_err(), "{wrong}");
        }
    }
}
