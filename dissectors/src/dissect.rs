//! What every header can tell once it was read: what follows it, and what it says of the mirror.

use std::net::IpAddr;

use crate::fragment::Fragment;
use crate::link::LinkType;
use crate::mirror::Facts;
use crate::options::{Options, Selector};
use crate::protocol::{Encapsulation, Protocol, ethernet};
use crate::reason::Reason;

/// A header that was read: what it leads to, and what it says of the mirror.
pub(crate) trait Dissect<'a> {
    /// Over UDP, one side answers from the protocol's port to whatever port the other has.
    const ANSWERS_FROM_PORT: bool = false;

    /// What follows the header.
    fn next(&self, place: &Place<'a, '_>) -> Next<'a>;

    /// What the header says, if an encapsulation ends with it. `key` is that of the GRE header read
    /// last, the only name that ERSPAN I can have.
    fn opened(&self, key: Option<u32>) -> Option<Opened<'a>> {
        let _ = key;
        None
    }
}

/// Where in a frame a header stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'a, 'o> {
    pub(crate) options: &'o Options,
    /// An encapsulation was opened before.
    pub(crate) encapsulated: bool,
    /// Source and destination of the IP header read last, if it was read in this frame.
    pub(crate) addresses: Option<(IpAddr, IpAddr)>,
    /// The bytes from that IP header on.
    pub(crate) packet: &'a [u8],
}

/// An encapsulation that was opened.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Opened<'a> {
    pub(crate) encapsulation: Encapsulation,
    /// What names the mirror session or the network among those between the same two addresses.
    pub(crate) id: Option<u64>,
    /// The id is one that the receiver chose: packets back have another.
    pub(crate) one_way_id: bool,
    pub(crate) facts: Facts,
    /// What is inside.
    pub(crate) payload: &'a [u8],
}

impl<'a> Opened<'a> {
    /// An encapsulation that says nothing but its id.
    pub(crate) fn new(encapsulation: Encapsulation, id: Option<u64>, payload: &'a [u8]) -> Self {
        Self {
            encapsulation,
            id,
            one_way_id: false,
            facts: Facts::default(),
            payload,
        }
    }
}

/// What follows a header.
#[derive(Debug)]
pub(crate) enum Next<'a> {
    /// Another header of the same frame.
    Header(Protocol, &'a [u8]),
    /// An encapsulated frame or packet.
    Frame(LinkType, &'a [u8]),
    /// An encapsulated packet that starts with a header below IP, which has no link type.
    Bare(Protocol, &'a [u8]),
    /// An encapsulated packet that is not IP: its `EtherType`.
    BareNetwork(u16, &'a [u8]),
    /// No header that is read here: the `EtherType` and what it stands for.
    Network(u16, &'a [u8]),
    /// The payload of the innermost IP packet.
    Transport,
    /// A part of something that must be joined first.
    Fragment(Fragment<'a>),
    /// Recognised, but closed.
    Opaque(Reason),
}

/// What follows an `EtherType` in the same frame.
pub(crate) fn behind_ether_type<'a>(
    ether_type: u16,
    payload: &'a [u8],
    options: &Options,
) -> Next<'a> {
    match ether_type {
        ethernet::IPV4 => Next::Header(Protocol::Ipv4, payload),
        ethernet::IPV6 => Next::Header(Protocol::Ipv6, payload),
        other => match options.protocol(Selector::EtherType(other)) {
            Some(protocol) => Next::Header(protocol, payload),
            None => Next::Network(other, payload),
        },
    }
}

/// What an encapsulation carries that names its payload by `EtherType`.
pub(crate) fn carried<'a>(ether_type: u16, payload: &'a [u8], options: &Options) -> Next<'a> {
    match ether_type {
        ethernet::BRIDGING => Next::Frame(LinkType::Ethernet, payload),
        ethernet::IPV4 | ethernet::IPV6 => Next::Frame(LinkType::RawIp, payload),
        ethernet::ARP => Next::BareNetwork(ethernet::ARP, payload),
        other => match options.protocol(Selector::EtherType(other)) {
            Some(protocol) => Next::Bare(protocol, payload),
            None => Next::Opaque(Reason::UnsupportedType),
        },
    }
}

/// IP protocol number of IPv4.
pub(crate) const IPV4_IN_IP: u8 = 4;
/// IP protocol number of IPv6.
pub(crate) const IPV6_IN_IP: u8 = 41;
const TCP: u8 = 6;

/// What an IP packet carries.
pub(crate) fn behind_ip<'a>(number: u8, payload: &'a [u8], options: &Options) -> Next<'a> {
    let ports = || {
        let &[a, b, c, d] = payload.first_chunk()?;
        Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
    };
    match options.protocol(Selector::IpProtocol(number)) {
        Some(Protocol::Ipv4 | Protocol::Ipv6) => Next::Frame(LinkType::RawIp, payload),
        Some(Protocol::Udp) => match ports() {
            // A datagram cut behind its ports is still known as a tunnel's, and told as damaged.
            Some((source, destination)) if options.over_udp(source, destination).is_some() => {
                Next::Header(Protocol::Udp, payload)
            }
            _ => Next::Transport,
        },
        Some(protocol) => Next::Header(protocol, payload),
        None if number == TCP => {
            match ports().and_then(|(_, port)| options.protocol(Selector::TcpPort(port))) {
                Some(protocol) => Next::Header(protocol, payload),
                None => Next::Transport,
            }
        }
        None => Next::Transport,
    }
}
