//! The words of the language: one list, from which the parser, the messages and the suggestions come.

use super::subject::{End, NumberField, TextField};
use crate::site::Role;
use crate::verdict::{Cause, Verdict};

/// What a word asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Address,
    Port,
    Protocol,
    Text(TextField),
    Number(NumberField),
}

/// What a word of the language means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Word {
    /// A field of either end; values follow.
    Field(Field, End),
    /// `src` and `dst`: a field of one end follows, or an address.
    End(End),
    /// A protocol by itself.
    Protocol(u8),
    /// IP of one version.
    Ip { version: u8 },
    /// A verdict by itself.
    Verdict(Verdict),
}

use Field::{Address, Number, Port, Protocol, Text};

const FIELDS: &[(&str, Word)] = &[
    ("host", Word::Field(Address, End::Either)),
    ("net", Word::Field(Address, End::Either)),
    ("src", Word::End(End::Originator)),
    ("dst", Word::End(End::Responder)),
    ("orig", Word::End(End::Originator)),
    ("resp", Word::End(End::Responder)),
    ("port", Word::Field(Port, End::Either)),
    ("portrange", Word::Field(Port, End::Either)),
    ("sport", Word::Field(Port, End::Originator)),
    ("dport", Word::Field(Port, End::Responder)),
    ("proto", Word::Field(Protocol, End::Either)),
    ("ip", Word::Ip { version: 4 }),
    ("ip6", Word::Ip { version: 6 }),
    ("site", Word::Field(Text(TextField::Site), End::Either)),
    ("point", Word::Field(Text(TextField::Point), End::Either)),
    ("role", Word::Field(Text(TextField::Role), End::Either)),
    ("tenant", Word::Field(Text(TextField::Tenant), End::Either)),
    (
        "session",
        Word::Field(Text(TextField::Session), End::Either),
    ),
    (
        "vni",
        Word::Field(Number(NumberField::Segment), End::Either),
    ),
    ("vlan", Word::Field(Number(NumberField::Vlan), End::Either)),
    (
        "verdict",
        Word::Field(Text(TextField::Verdict), End::Either),
    ),
    ("cause", Word::Field(Text(TextField::Cause), End::Either)),
    ("state", Word::Field(Text(TextField::State), End::Either)),
    (
        "history",
        Word::Field(Text(TextField::History), End::Either),
    ),
    (
        "bytes",
        Word::Field(Number(NumberField::Bytes), End::Either),
    ),
    (
        "packets",
        Word::Field(Number(NumberField::Packets), End::Either),
    ),
    (
        "payload",
        Word::Field(Number(NumberField::Payload), End::Either),
    ),
    (
        "duration",
        Word::Field(Number(NumberField::Duration), End::Either),
    ),
    (
        "out-of-state",
        Word::Field(Number(NumberField::OutOfState), End::Either),
    ),
    ("id", Word::Field(Text(TextField::Id), End::Either)),
    (
        "community-id",
        Word::Field(Text(TextField::CommunityId), End::Either),
    ),
];

/// Protocols by name (IANA protocol-numbers); those that `proto` knows are words by themselves too.
const PROTOCOLS: &[(&str, u8)] = &[
    ("tcp", 6),
    ("udp", 17),
    ("icmp", 1),
    ("icmp6", 58),
    ("sctp", 132),
    ("igmp", 2),
    ("gre", 47),
    ("esp", 50),
    ("ah", 51),
    ("ospf", 89),
    ("pim", 103),
    ("vrrp", 112),
];

/// Ports by name: what people type without looking it up.
const SERVICES: &[(&str, u16)] = &[
    ("ftp", 21),
    ("ssh", 22),
    ("telnet", 23),
    ("smtp", 25),
    ("dns", 53),
    ("domain", 53),
    ("http", 80),
    ("ntp", 123),
    ("snmp", 161),
    ("bgp", 179),
    ("ldap", 389),
    ("https", 443),
    ("smb", 445),
    ("syslog", 514),
    ("ldaps", 636),
    ("mysql", 3306),
    ("rdp", 3389),
    ("postgresql", 5432),
];

/// Zeek's `conn_state`.
pub(super) const STATES: &[&str] = &[
    "S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH",
];

pub(super) const ROLES: &[&str] = &[
    Role::Firewall.as_str(),
    Role::Router.as_str(),
    Role::Dci.as_str(),
    Role::Vnic.as_str(),
    Role::Uplink.as_str(),
    Role::Switch.as_str(),
];

const VERDICTS: [Verdict; 6] = [
    Verdict::Symmetric,
    Verdict::Asymmetric,
    Verdict::OneWay,
    Verdict::Unanswered,
    Verdict::Moved,
    Verdict::Unknown,
];

pub(super) const VERDICT_NAMES: &[&str] = &[
    Verdict::Symmetric.as_str(),
    Verdict::Asymmetric.as_str(),
    Verdict::OneWay.as_str(),
    Verdict::Unanswered.as_str(),
    Verdict::Moved.as_str(),
    Verdict::Unknown.as_str(),
];

pub(super) const CAUSES: &[&str] = &[
    Cause::MirrorLoss.as_str(),
    Cause::MirrorSilent.as_str(),
    Cause::Sampled.as_str(),
    Cause::BlindSpot.as_str(),
    Cause::Truncated.as_str(),
    Cause::Unopened.as_str(),
    Cause::NoPoint.as_str(),
    Cause::NatSuspected.as_str(),
    Cause::CaptureEnd.as_str(),
];

/// The meaning of a word, in whatever case.
pub(super) fn word(text: &str) -> Option<Word> {
    let same = |name: &str| name.eq_ignore_ascii_case(text);
    let field = FIELDS.iter().find(|(name, _)| same(name));
    let protocol = || PROTOCOLS.iter().find(|(name, _)| same(name));
    let verdict = || VERDICTS.iter().find(|verdict| same(verdict.as_str()));
    field
        .map(|(_, word)| *word)
        .or_else(|| protocol().map(|(_, number)| Word::Protocol(*number)))
        .or_else(|| verdict().map(|verdict| Word::Verdict(*verdict)))
}

/// All words, as a message lists them.
pub fn words() -> impl Iterator<Item = &'static str> {
    let fields = FIELDS.iter().map(|(name, _)| *name);
    let protocols = PROTOCOLS.iter().map(|(name, _)| *name);
    fields.chain(protocols).chain(VERDICT_NAMES.iter().copied())
}

/// The number of a protocol, by name or in digits.
pub(super) fn protocol_number(text: &str) -> Option<u8> {
    let named = PROTOCOLS
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    named.map_or_else(|| text.parse().ok(), |(_, number)| Some(*number))
}

/// Names of protocols.
pub(super) fn protocols() -> impl Iterator<Item = &'static str> {
    PROTOCOLS.iter().map(|(name, _)| *name)
}

/// The port of a service.
pub(super) fn service(text: &str) -> Option<u16> {
    let named = SERVICES
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(text));
    named.map(|(_, port)| *port)
}

/// The name of a port, if it is known as a service.
pub fn service_name(port: u16) -> Option<&'static str> {
    let service = SERVICES.iter().find(|(_, number)| *number == port);
    service.map(|(name, _)| *name)
}

/// The values that the language itself knows for a word; none where any name or number may follow.
pub fn choices(after: &str) -> Vec<&'static str> {
    let Some(Word::Field(field, _)) = word(after) else {
        return Vec::new();
    };
    match field {
        Port => services().collect(),
        Protocol => protocols().collect(),
        Text(TextField::Role) => ROLES.to_vec(),
        Text(TextField::Verdict) => VERDICT_NAMES.to_vec(),
        Text(TextField::Cause) => CAUSES.to_vec(),
        Text(TextField::State) => STATES.to_vec(),
        Address | Text(_) | Number(_) => Vec::new(),
    }
}

/// Names of services.
pub(super) fn services() -> impl Iterator<Item = &'static str> {
    SERVICES.iter().map(|(name, _)| *name)
}

/// The choice that was probably meant.
pub fn nearest<'c>(text: &str, choices: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    let typed = text.to_ascii_lowercase();
    let length = typed.chars().count();
    // Beyond a mistake in three letters it is another word.
    let allowed = (length / 3).max(1);
    let distance = |choice: &str| strsim::osa_distance(&choice.to_ascii_lowercase(), &typed);
    choices
        .into_iter()
        .filter(|choice| choice.chars().count().abs_diff(length) <= allowed)
        .map(|choice| (distance(choice), choice))
        .filter(|(distance, _)| *distance <= allowed)
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, choice)| choice)
}
