//! What every header can tell once it was read: what follows it, and what it says of the mirror.

use crate::fragment::Fragment;
use crate::link::LinkType;
use crate::mirror::Facts;
use crate::options::{Options, Selector};
use crate::protocol::ethernet::{Plausibility, plausibility};
use crate::protocol::ipv4::Ipv4;
use crate::protocol::udp::Udp;
use crate::protocol::{Encapsulation, Protocol, ethernet, llc};
use crate::reason::Reason;

/// A header that was read: what it leads to, and what it says of the mirror.
pub(crate) trait Dissect<'a> {
    /// What follows the header.
    fn next(&self, place: &Place<'a, '_>) -> Next<'a>;

    /// What the header says, if an encapsulation ends with it. `key` is that of the GRE header read
    /// last, the only name that ERSPAN I can have.
    fn opened(&self, key: Option<u32>) -> Option<Opened<'a>> {
        let _ = key;
        None
    }

    /// The part of a datagram or frame that follows, if that is what follows.
    fn fragment(&self, place: &Place<'a, '_>) -> Option<Fragment<'a>> {
        let _ = place;
        None
    }

    /// Whether a UDP datagram that comes from the protocol's port, and goes to any other, is certainly
    /// the protocol's. `claimed` is the length of the payload by the UDP header.
    fn answers(&self, claimed: Option<usize>) -> bool {
        let _ = claimed;
        false
    }
}

/// Where in a frame a header stands: what the walk that came to it remembers.
#[derive(Debug)]
pub(crate) struct Place<'a, 'o> {
    pub(crate) options: &'o Options,
    /// VLAN tags of the same frame.
    pub(crate) tags: usize,
    /// An encapsulated packet starts with headers below IP: its own first byte is that of IP.
    pub(crate) bare: bool,
    /// Encapsulations that were opened before.
    pub(crate) encapsulations: usize,
    /// The bytes from the IP header on that was read last.
    pub(crate) packet: &'a [u8],
}

impl<'o> Place<'_, 'o> {
    /// The start of a frame.
    pub(crate) fn new(options: &'o Options) -> Self {
        Self {
            options,
            tags: 0,
            bare: false,
            encapsulations: 0,
            packet: &[],
        }
    }

    /// An encapsulation was opened before.
    pub(crate) fn encapsulated(&self) -> bool {
        self.encapsulations > 0
    }
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
    /// A part of something that must be joined first: what [`Dissect::fragment`] gives.
    Fragment,
    /// Recognised, but closed.
    Opaque(Reason),
}

impl Next<'_> {
    /// An encapsulated frame or packet starts behind the header.
    #[inline(always)]
    pub(crate) fn opens(&self) -> bool {
        matches!(
            self,
            Self::Frame(..) | Self::Bare(..) | Self::BareNetwork(..)
        )
    }

    /// An encapsulation ends with the header: whatever it carries starts behind it, if only in part.
    #[inline(always)]
    pub(crate) fn ends_encapsulation(&self) -> bool {
        self.opens() || matches!(self, Self::Fragment | Self::Opaque(_))
    }
}

/// What a number leads to behind the header of IP, UDP or a tunnel: a header of its own kind, or the
/// frame or packet that starts with such a one.
#[inline(always)]
pub(crate) fn led(protocol: Protocol, payload: &[u8]) -> Next<'_> {
    match LinkType::starting_with(protocol) {
        Some(link) => Next::Frame(link, payload),
        None => Next::Header(protocol, payload),
    }
}

/// What an encapsulation carries that is this protocol's.
pub(crate) fn carried_protocol(protocol: Protocol, payload: &[u8]) -> Next<'_> {
    match led(protocol, payload) {
        Next::Header(protocol, payload) => Next::Bare(protocol, payload),
        next => next,
    }
}

/// What follows an `EtherType` in the same frame.
#[inline(always)]
pub(crate) fn behind_ether_type<'a>(
    ether_type: u16,
    payload: &'a [u8],
    options: &Options,
) -> Next<'a> {
    match ether_type {
        ethernet::IPV4 => Next::Header(Protocol::Ipv4, payload),
        ethernet::IPV6 => Next::Header(Protocol::Ipv6, payload),
        len @ ..=ethernet::MAX_LENGTH => llc::behind_length(len, payload),
        other => match options.protocol(Selector::EtherType(other)) {
            Some(protocol @ (Protocol::Ipv4 | Protocol::Ipv6)) => Next::Header(protocol, payload),
            Some(protocol) => led(protocol, payload),
            None => Next::Network(other, payload),
        },
    }
}

/// What an encapsulation carries that names its payload by `EtherType`.
#[inline(always)]
pub(crate) fn carried<'a>(ether_type: u16, payload: &'a [u8], options: &Options) -> Next<'a> {
    match ether_type {
        ethernet::BRIDGING => Next::Frame(LinkType::Ethernet, payload),
        ethernet::IPV4 | ethernet::IPV6 => Next::Frame(LinkType::RawIp, payload),
        ethernet::ARP | ethernet::RARP => Next::BareNetwork(ether_type, payload),
        other => match options.protocol(Selector::EtherType(other)) {
            Some(protocol) => carried_protocol(protocol, payload),
            None => Next::Opaque(Reason::UnsupportedType),
        },
    }
}

/// IP protocol number of IPv4.
pub(crate) const IPV4_IN_IP: u8 = 4;
/// IP protocol number of IPv6.
pub(crate) const IPV6_IN_IP: u8 = 41;
/// IP protocol number of TCP.
pub(crate) const TCP: u8 = 6;

/// Whether what starts with the first of `bytes` is the IP that this protocol number stands for; a
/// packet that was cut in front of its version may be.
fn has_version_of(number: u8, bytes: &[u8]) -> bool {
    let version = bytes.first().map(|byte| byte >> 4);
    match number {
        IPV4_IN_IP => version.is_none_or(|version| version == 4),
        IPV6_IN_IP => version.is_none_or(|version| version == 6),
        _ => true,
    }
}

/// What an IP packet carries.
#[inline(always)]
pub(crate) fn behind_ip<'a>(number: u8, payload: &'a [u8], options: &Options) -> Next<'a> {
    let destination_port = || {
        let &[_, _, high, low] = payload.first_chunk()?;
        Some(u16::from_be_bytes([high, low]))
    };
    match options.protocol(Selector::IpProtocol(number)) {
        Some(Protocol::Ipv4 | Protocol::Ipv6) if has_version_of(number, payload) => {
            Next::Frame(LinkType::RawIp, payload)
        }
        Some(Protocol::Udp) => {
            let leads = |port| options.protocol(Selector::UdpPort(port)).is_some();
            // A datagram cut behind its ports is still known as a tunnel's, and told as damaged.
            if destination_port().is_some_and(leads)
                || Udp::parse(payload).is_ok_and(|udp| udp.answering(options).is_some())
            {
                Next::Header(Protocol::Udp, payload)
            } else {
                Next::Transport
            }
        }
        // IP of the wrong version is for the header to refuse.
        Some(protocol @ (Protocol::Ipv4 | Protocol::Ipv6)) => Next::Header(protocol, payload),
        Some(protocol) => led(protocol, payload),
        None if number == TCP => {
            let leads = |port| options.protocol(Selector::TcpPort(port));
            match destination_port().and_then(leads) {
                Some(protocol) => Next::Header(protocol, payload),
                None => Next::Transport,
            }
        }
        None => Next::Transport,
    }
}

/// What an encapsulation carries that does not name its payload: an IP packet or an Ethernet frame.
pub(crate) fn unnamed(payload: &[u8]) -> Next<'_> {
    let plausibility = plausibility(payload);
    let link = match payload.first().map(|byte| byte >> 4) {
        // The header of IPv4 vouches for itself, and a MAC address may start with any nibble.
        Some(4) if Ipv4::parse(payload).is_ok_and(|ip| ip.checksum_ok()) => LinkType::RawIp,
        Some(4 | 6) if plausibility != Plausibility::Confirmed => LinkType::RawIp,
        Some(_) if plausibility != Plausibility::No => LinkType::Ethernet,
        Some(_) => return Next::Opaque(Reason::UnsupportedType),
        None => LinkType::RawIp,
    };
    Next::Frame(link, payload)
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    #[test]
    fn what_no_header_names_is_told_by_its_looks() {
        const ETHERNET: [u8; 54] = hex!(
            "42000000000b02000000000a0800450000280a0a400040064474c000020ac6336414"
            "9c4001bb11223344000000005002faf0e63d0000"
        );
        let link = |bytes: &[u8]| match unnamed(bytes) {
            Next::Frame(link, _) => Some(link),
            _ => None,
        };
        assert_eq!(link(&ETHERNET), Some(LinkType::Ethernet));
        assert_eq!(link(&ETHERNET[14..]), Some(LinkType::RawIp));
        // Neither has more to show than its version.
        assert_eq!(link(&ETHERNET[..14]), Some(LinkType::RawIp));
        assert_eq!(link(&[0x60]), Some(LinkType::RawIp));
        assert_eq!(
            link(&hex!("0180c200000e 02000000000a 88cc 0207")),
            Some(LinkType::Ethernet)
        );
        assert_eq!(link(&[0x55; 60]), None);
    }
}
