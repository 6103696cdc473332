//! The innermost packet, as the flow table wants it.
//!
//! Packets that were cut are read as far as they go. Lengths follow the IP header; what was captured
//! is told beside them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::FromBytes;

use crate::fragment::{Fragment, FragmentPosition, Whole};
use crate::layers::Mark;
use crate::protocol::Protocol;
use crate::protocol::arp::Arp;
use crate::protocol::ethernet::{self, Ethernet, Macs};
use crate::protocol::extension::{self, skip_authentication};
use crate::protocol::ieee80211::Ieee80211;
use crate::protocol::ipv4::{self, FRAGMENT_OFFSET, MORE_FRAGMENTS};
use crate::protocol::ipv6::{self, HEADER_LEN};
use crate::protocol::vlan::Vlan;
use crate::reason::{Malformed, Reason};
use crate::strip::{first_header, offset_in};
use crate::stripped::{Stop, Stripped};
use crate::transport::{Payload, Transport};

/// The innermost packet of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Addresses of the innermost Ethernet or 802.11 header.
    pub macs: Option<Macs>,
    /// Outermost VLAN id (12 bits) in the innermost frame.
    pub vlan: Option<u16>,
    /// The network layer.
    pub network: Network<'a>,
}

/// The network layer of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network<'a> {
    /// IPv4 or IPv6.
    Ip(Ip<'a>),
    /// ARP or RARP.
    Arp(Arp),
    /// Another `EtherType`, an 802.3 length, or 0 where the link layer has no `EtherType` or what it
    /// carries stays closed.
    Other(u16),
    /// A header in front of the network layer, or its own, could not be used.
    Malformed(Malformed),
}

/// An IP packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ip<'a> {
    /// Sender.
    pub source: IpAddr,
    /// Receiver.
    pub destination: IpAddr,
    /// Protocol number of the payload, behind extension headers.
    pub protocol: u8,
    /// Time to live or hop limit.
    pub ttl: u8,
    /// Differentiated services code point (6 bits).
    pub dscp: u8,
    /// Identification of IPv4; 0 for IPv6.
    pub identification: u16,
    /// Length of the packet by its header, in bytes; what is present if that is 0.
    pub claimed_len: u32,
    /// Bytes of the packet that are present.
    pub present_len: u32,
    /// Place in a fragmented datagram.
    pub fragment: Option<FragmentPosition>,
    /// Source and destination port of TCP, UDP and SCTP if they are there, even if what follows
    /// them is not or is malformed.
    pub ports: Option<(u16, u16)>,
    /// The payload.
    pub transport: Transport<'a>,
}

impl Packet<'_> {
    /// The same with other bytes in place of those that it borrows: TCP's options and the payload.
    #[inline(always)]
    #[must_use]
    pub fn with_bytes<'b>(&self, options: &'b [u8], payload: &'b [u8]) -> Packet<'b> {
        let network = match self.network {
            Network::Ip(ref ip) => Network::Ip(Ip {
                source: ip.source,
                destination: ip.destination,
                protocol: ip.protocol,
                ttl: ip.ttl,
                dscp: ip.dscp,
                identification: ip.identification,
                claimed_len: ip.claimed_len,
                present_len: ip.present_len,
                fragment: ip.fragment,
                ports: ip.ports,
                transport: ip.transport.with_bytes(options, payload),
            }),
            Network::Arp(arp) => Network::Arp(arp),
            Network::Other(ether_type) => Network::Other(ether_type),
            Network::Malformed(malformed) => Network::Malformed(malformed),
        };
        Packet {
            macs: self.macs,
            vlan: self.vlan,
            network,
        }
    }
}

impl<'a> Ip<'a> {
    /// Reads the packet that an ICMP error quotes: as much of it as its sender had room for (RFC 792, RFC 4443 §2.4).
    pub fn quoted(bytes: &'a [u8]) -> Option<Self> {
        let mut network = Network::Other(0);
        let read = match bytes.first()? >> 4 {
            4 => ipv4(bytes, 0, &mut network),
            6 => ipv6(bytes, 0, &mut network),
            _ => return None,
        };
        read.ok()?;
        match network {
            Network::Ip(ip) => Some(ip),
            _ => None,
        }
    }

    /// Bytes of payload behind the transport header, as they were sent; 0 where nothing tells.
    #[inline]
    pub fn payload_len(&self) -> u32 {
        match &self.transport {
            Transport::Tcp(tcp) => tcp.payload_len,
            Transport::Udp(udp) => udp.payload_len,
            Transport::Icmp { payload, .. } | Transport::Icmp6 { payload, .. } => {
                let cut = self.claimed_len.saturating_sub(self.present_len);
                (payload.len() as u32).saturating_add(cut)
            }
            Transport::LaterFragment { payload_len } => *payload_len,
            _ => 0,
        }
    }

    /// The capture or the mirror cut the packet.
    pub fn truncated(&self) -> bool {
        self.present_len < self.claimed_len
    }
}

impl<'a> Stripped<'a> {
    /// Describes the innermost packet; after a fault, the one that carries what could not be read.
    pub fn packet(&self) -> Packet<'a> {
        let mut packet = Packet {
            macs: None,
            vlan: None,
            network: Network::Other(0),
        };
        self.packet_into(&mut packet);
        packet
    }

    /// Writes [`Self::packet`] where it is to stay, and so does what this calls: to move what was read costs more than to
    /// read it.
    #[inline(never)]
    pub fn packet_into(&self, packet: &mut Packet<'a>) {
        packet.macs = None;
        packet.vlan = None;
        self.describe_link(packet);
        self.describe_network(&mut packet.network);
    }

    #[inline(always)]
    fn describe_link(&self, packet: &mut Packet<'a>) {
        let marks = self.layers.marks().get(self.inner.link_layer..);
        let mut marks = marks.unwrap_or_default();
        // Nearly every frame starts so; what was taken off was checked before.
        if let [first, rest @ ..] = marks
            && first.protocol == Protocol::Ethernet
            && let Ok((header, _)) = ethernet::Header::ref_from_prefix(self.layers.bytes(first))
        {
            packet.macs = Some(header.macs);
            marks = rest;
        }
        if let [first, ..] = marks
            && !matches!(first.protocol, Protocol::Ipv4 | Protocol::Ipv6)
        {
            self.describe_marks(marks, packet);
        }
    }

    /// Reads addresses and tags in these layers, up to the first of IP.
    #[inline(never)]
    fn describe_marks(&self, marks: &[Mark], packet: &mut Packet<'a>) {
        for mark in marks {
            let bytes = || self.layers.bytes(mark);
            match mark.protocol {
                Protocol::Ipv4 | Protocol::Ipv6 => break,
                Protocol::Ethernet => {
                    if let Ok(ethernet) = Ethernet::parse(bytes()) {
                        packet.macs = Some(ethernet.macs());
                    }
                }
                Protocol::Vlan if packet.vlan.is_none() => {
                    packet.vlan = Vlan::parse(bytes()).ok().map(|tag| tag.id());
                }
                Protocol::Ieee80211 => {
                    let frame = Ieee80211::parse(bytes());
                    packet.macs = frame.ok().and_then(|frame| frame.macs());
                }
                _ => {}
            }
        }
    }

    #[inline(always)]
    fn describe_network(&self, network: &mut Network<'a>) {
        let Some((ether_type, bytes)) = self.inner.network else {
            *network = self.unreached();
            return;
        };
        let offset = self
            .inner
            .offset
            .saturating_add(offset_in(self.inner.bytes, bytes));
        let (protocol, read) = match ether_type {
            ethernet::IPV4 => (Protocol::Ipv4, ipv4(bytes, offset, network)),
            ethernet::IPV6 => (Protocol::Ipv6, ipv6(bytes, offset, network)),
            ethernet::ARP | ethernet::RARP => {
                let arp = Arp::parse(bytes).map(|arp| {
                    *network = arp.map_or(Network::Other(ether_type), Network::Arp);
                });
                (Protocol::Arp, arp)
            }
            other => {
                *network = Network::Other(other);
                return;
            }
        };
        if let Err(reason) = read {
            *network = Network::Malformed(Malformed {
                protocol,
                reason,
                offset,
            });
        } else if self.looks_like_tcp()
            && let Network::Ip(ip) = network
        {
            ip.transport = Transport::Other { payload: &[] };
        }
    }

    /// What stands where no network layer was reached.
    #[cold]
    fn unreached(&self) -> Network<'a> {
        Network::Malformed(match self.stop {
            Stop::Malformed(malformed) => malformed,
            // Closed in front of any network layer, by encryption for one.
            Stop::Opaque { .. } => return Network::Other(0),
            _ => Malformed {
                protocol: first_header(self.inner.link, self.inner.bytes),
                reason: Reason::TooDeep,
                offset: self.inner.offset,
            },
        })
    }

    /// What looks like TCP is a segment of STT.
    #[inline(always)]
    fn looks_like_tcp(&self) -> bool {
        matches!(
            self.stop,
            Stop::Fragment(Fragment {
                whole: Whole::Stt { .. },
                ..
            })
        )
    }
}

/// Describes the IPv4 packet at the start of `bytes`, which start at `offset` in the frame.
#[inline(always)]
fn ipv4<'a>(bytes: &'a [u8], offset: usize, network: &mut Network<'a>) -> Result<(), Reason> {
    let (header, _) = ipv4::Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
    let header_len = header.len();
    if header.version_len >> 4 != 4 || header_len < size_of::<ipv4::Header>() {
        return Err(Reason::Truncated);
    }
    let body = bytes.get(header_len..).ok_or(Reason::Truncated)?;
    let claimed_len = match usize::from(header.total_len.get()) {
        0 => bytes.len(),
        total_len => total_len,
    };
    // A quoted packet may have a length that does not even hold its header.
    let body = claimed_len
        .checked_sub(header_len)
        .and_then(|len| body.get(..len))
        .unwrap_or(body);
    let (protocol, body) = skip_authentication(header.protocol, body);
    let header_len = offset_in(bytes, body);
    let place = header.fragment.get();
    let position = FragmentPosition {
        offset: u32::from(place & FRAGMENT_OFFSET) << 3,
        more: place & MORE_FRAGMENTS != 0,
        identification: header.identification.get().into(),
    };
    let later = position.offset > 0;
    let payload = Payload {
        // What stands where an authentication header would is data in a later fragment.
        protocol: if later { header.protocol } else { protocol },
        bytes: body,
        claimed: claimed_len.saturating_sub(header_len),
        fragment: position.more,
        offset: offset.saturating_add(header_len),
    };
    *network = Network::Ip(Ip {
        source: Ipv4Addr::from(header.source).into(),
        destination: Ipv4Addr::from(header.destination).into(),
        protocol: payload.protocol,
        ttl: header.ttl,
        dscp: header.service >> 2,
        identification: header.identification.get(),
        claimed_len: claimed_len as u32,
        present_len: claimed_len.min(bytes.len()) as u32,
        fragment: (later || position.more).then_some(position),
        ports: if later { None } else { payload.ports() },
        transport: Transport::LaterFragment {
            payload_len: payload.claimed as u32,
        },
    });
    if let Network::Ip(ip) = network
        && !later
    {
        payload.describe(&mut ip.transport);
    }
    Ok(())
}

/// Describes the IPv6 packet at the start of `bytes`, as [`ipv4`] does.
#[inline(always)]
fn ipv6<'a>(bytes: &'a [u8], offset: usize, network: &mut Network<'a>) -> Result<(), Reason> {
    let (header, _) = ipv6::Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
    let version_class_flow = header.version_class_flow.get();
    if version_class_flow >> 28 != 6 {
        return Err(Reason::Truncated);
    }
    let claimed_len = match usize::from(header.payload_len.get()) {
        0 => bytes.len(),
        payload_len => payload_len.saturating_add(HEADER_LEN),
    };
    let packet = bytes.get(..claimed_len).unwrap_or(bytes);
    let body = packet.get(HEADER_LEN..).unwrap_or_default();
    let chain = extension::walk(header.next, body)?;
    let position = chain.fragment.map(|fragment| FragmentPosition {
        offset: fragment.offset().into(),
        more: fragment.more(),
        identification: fragment.identification.get(),
    });
    let later = position.is_some_and(|position| position.offset > 0);
    let header_len = packet.len().saturating_sub(chain.payload.len());
    let payload = Payload {
        protocol: chain.protocol,
        bytes: chain.payload,
        claimed: claimed_len.saturating_sub(header_len),
        fragment: position.is_some(),
        offset: offset.saturating_add(header_len),
    };
    *network = Network::Ip(Ip {
        source: Ipv6Addr::from(header.source).into(),
        destination: Ipv6Addr::from(header.destination).into(),
        protocol: chain.protocol,
        ttl: header.hop_limit,
        dscp: (version_class_flow >> 22) as u8 & 0x3f,
        identification: 0,
        claimed_len: claimed_len as u32,
        present_len: packet.len() as u32,
        fragment: position,
        ports: if later { None } else { payload.ports() },
        transport: if later {
            Transport::LaterFragment {
                payload_len: payload.claimed as u32,
            }
        } else {
            Transport::Cut
        },
    });
    if let Network::Ip(ip) = network
        && !later
        && !chain.cut
    {
        payload.describe(&mut ip.transport);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::link::LinkType;
    use crate::options::Options;
    use crate::strip::decapsulate;
    use crate::transport::{Tcp, TcpFlags, UdpDatagram};

    /// A tag, time stamps in a TCP header of 32 bytes, 7 bytes of payload, 3 of padding.
    const TCP: [u8; 80] = hex!(
        "02000000000b02000000000a 81002064 0800"
        "45b8003b0a0a40003f060000c000020ac6336414"
        "9c4001bb1122334455667788 8115 faf0 0000 0000 0101080a0000100000002000"
        "01020304050607 aaaaaa"
    );

    fn network(bytes: &[u8]) -> Network<'_> {
        let stripped = decapsulate(LinkType::Ethernet, bytes, &Options::default());
        stripped.packet().network
    }

    fn ip(bytes: &[u8]) -> Ip<'_> {
        match network(bytes) {
            Network::Ip(ip) => ip,
            other => panic!("not IP: {other:?}"),
        }
    }

    /// An Ethernet frame with an IPv4 packet of this protocol.
    fn ipv4_frame(protocol: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame =
            hex!("02000000000b02000000000a0800 4500000000010000400000000a0000010a000002").to_vec();
        frame[17] = 20 + payload.len() as u8;
        frame[23] = protocol;
        frame.extend(payload);
        frame
    }

    fn fault(protocol: Protocol, reason: Reason, offset: usize) -> Malformed {
        Malformed {
            protocol,
            reason,
            offset,
        }
    }

    #[test]
    fn every_field_of_a_tcp_packet_is_read() {
        let stripped = decapsulate(LinkType::Ethernet, &TCP, &Options::default());
        let packet = stripped.packet();
        let macs = packet.macs.unwrap();
        assert_eq!(macs.source, [2, 0, 0, 0, 0, 0x0a]);
        assert_eq!(macs.destination, [2, 0, 0, 0, 0, 0x0b]);
        assert_eq!(packet.vlan, Some(100));
        let expected = Ip {
            source: [192, 0, 2, 10].into(),
            destination: [198, 51, 100, 20].into(),
            protocol: 6,
            ttl: 63,
            dscp: 0x2e,
            identification: 0x0a0a,
            claimed_len: 59,
            present_len: 59,
            fragment: None,
            ports: Some((40000, 443)),
            transport: Transport::Tcp(Tcp {
                source_port: 40000,
                destination_port: 443,
                sequence: 0x1122_3344,
                acknowledgement: 0x5566_7788,
                flags: TcpFlags(0x115),
                window: 64240,
                options: &hex!("0101080a0000100000002000"),
                payload: &hex!("01020304050607"),
                payload_len: 7,
            }),
        };
        assert_eq!(packet.network, Network::Ip(expected));
        let Transport::Tcp(tcp) = expected.transport else {
            return;
        };
        let flags = tcp.flags;
        assert!(flags.ae() && flags.ack() && flags.rst() && flags.fin());
        assert!(!flags.cwr() && !flags.ece() && !flags.urg() && !flags.psh() && !flags.syn());
    }

    #[test]
    fn a_tcp_packet_cut_anywhere_is_used_as_far_as_it_goes() {
        for len in 38..77 {
            let ip = ip(&TCP[..len]);
            assert!(ip.truncated());
            assert_eq!((ip.claimed_len, ip.present_len), (59, len as u32 - 18));
            assert_eq!(ip.ports.is_some(), len >= 42);
            match (len, ip.transport) {
                (38..42, Transport::Cut) => {}
                (42..58, Transport::TcpPorts { sequence, .. }) => {
                    assert_eq!(sequence, (len >= 46).then_some(0x1122_3344));
                }
                (58.., Transport::Tcp(tcp)) => {
                    assert_eq!(tcp.flags, TcpFlags(0x115));
                    assert_eq!(tcp.options.len(), (len - 58).min(12));
                    assert_eq!(tcp.payload.len(), len.saturating_sub(70));
                    assert_eq!(tcp.payload_len, 7);
                }
                (_, other) => panic!("{len} bytes read as {other:?}"),
            }
        }
    }

    #[test]
    fn tcp_headers_that_contradict_lengths_keep_their_ports() {
        let with = |at: usize, value: u8| {
            let mut bytes = TCP;
            bytes[at] = value;
            let ip = ip(&bytes);
            (ip.ports, format!("{:?}", ip.transport))
        };
        for (at, value, reason) in [
            (50, 0x40, Reason::BadHeaderLength),
            (50, 0xf0, Reason::BadHeaderLength),
            (21, 39, Reason::BadLength),
        ] {
            let expected = Transport::Malformed(fault(Protocol::Tcp, reason, 38));
            let expected = (Some((40000, 443)), format!("{expected:?}"));
            assert_eq!(with(at, value), expected);
        }
    }

    #[test]
    fn udp_lengths_follow_the_smaller_claim() {
        let read = |udp_len: u8, present: usize| {
            let mut payload = hex!("1388 1389 0000 0000 0102030405060708").to_vec();
            payload[5] = udp_len;
            let frame = ipv4_frame(17, &payload);
            match ip(&frame[..34 + present]).transport {
                Transport::Udp(UdpDatagram {
                    payload_len,
                    payload,
                    ..
                }) => Ok((payload_len, payload.len())),
                other => Err(format!("{other:?}")),
            }
        };
        assert_eq!(read(16, 16), Ok((8, 8)));
        assert_eq!(read(12, 16), Ok((4, 4)));
        assert_eq!(read(200, 16), Ok((8, 8)));
        assert_eq!(read(0, 16), Ok((8, 8)));
        assert_eq!(read(16, 11), Ok((8, 3)));
        assert_eq!(read(16, 4), Ok((8, 0)));
        assert_eq!(read(16, 3), Err("Cut".to_owned()));
        let expected = Transport::Malformed(fault(Protocol::Udp, Reason::BadLength, 34));
        assert_eq!(read(7, 16), Err(format!("{expected:?}")));
    }

    #[test]
    fn other_transports_are_read() {
        let sctp = ipv4_frame(132, &hex!("8e3c8e3d00000000c9ca988f"));
        let expected = Transport::Sctp {
            source_port: 36412,
            destination_port: 36413,
            payload: &hex!("00000000c9ca988f"),
        };
        assert_eq!(ip(&sctp).transport, expected);

        let echo = ipv4_frame(1, &hex!("08 03 f7ff 1234 0001 6162"));
        let expected = |sequence, payload| Transport::Icmp {
            kind: 8,
            code: 3,
            identifier: 0x1234,
            sequence,
            payload,
        };
        assert_eq!(ip(&echo).transport, expected(1, b"ab"));
        assert_eq!(ip(&echo[..40]).transport, expected(0, b""));
        assert_eq!(ip(&echo[..35]).transport, Transport::Cut);

        // A time stamp request is as long as its sender made it.
        let timestamp = ipv4_frame(1, &hex!("0d 00 0000 0102 0001 00000000"));
        assert!(matches!(
            ip(&timestamp).transport,
            Transport::Icmp { kind: 13, identifier: 0x0102, payload, .. } if payload.len() == 4
        ));
        let neighbour = ipv4_frame(58, &hex!("88 00 0000 a000"));
        assert!(matches!(
            ip(&neighbour).transport,
            Transport::Icmp6 {
                kind: 136,
                identifier: 0xa000,
                ..
            }
        ));
        let ospf = ipv4_frame(89, &[2, 1]);
        assert_eq!(
            (ip(&ospf).transport, ip(&ospf).ports),
            (Transport::Other { payload: &[2, 1] }, None)
        );
    }

    #[test]
    fn fragments_have_ports_only_in_the_first() {
        let mut bytes = TCP;
        bytes[24] = 0x20;
        let first = ip(&bytes);
        let position = FragmentPosition {
            offset: 0,
            more: true,
            identification: 0x0a0a,
        };
        assert_eq!(first.fragment, Some(position));
        assert!(matches!(first.transport, Transport::Tcp(_)));
        // The rest of a header that the first fragment is too short for is in the next.
        bytes[21] = 39;
        assert!(matches!(ip(&bytes).transport, Transport::TcpPorts { .. }));
        bytes[24..26].copy_from_slice(&hex!("0002"));
        let later = ip(&bytes);
        assert_eq!(later.fragment.map(|position| position.offset), Some(16));
        assert_eq!(
            (later.transport, later.ports),
            (Transport::LaterFragment { payload_len: 19 }, None)
        );

        let later = hex!(
            "02000000000b02000000000a86dd 60000000 0010 2c 40"
            "20010db8000000000000000000000001 20010db8000000000000000000000002"
            "3c000010deadbeef 0600000000000000"
        );
        let later = ip(&later);
        assert_eq!(later.transport, Transport::LaterFragment { payload_len: 8 });
        assert_eq!(later.protocol, 60);
    }

    #[test]
    fn ipv6_headers_are_walked_and_a_cut_chain_keeps_the_addresses() {
        let bytes = hex!(
            "02000000000b02000000000a86dd 6b900000 0014 87 3f"
            "20010db8000000000000000000000001 20010db8000000000000000000000002"
            "3a00000000000000 8000abcd0102 0003 61626364"
        );
        let whole = ip(&bytes);
        assert_eq!((whole.ttl, whole.dscp, whole.protocol), (63, 0x2e, 58));
        assert_eq!((whole.claimed_len, whole.present_len), (60, 60));
        assert!(matches!(
            whole.transport,
            Transport::Icmp6 {
                kind: 128,
                identifier: 0x0102,
                payload: b"abcd",
                ..
            }
        ));
        let cut = ip(&bytes[..60]);
        assert_eq!((cut.transport, cut.present_len), (Transport::Cut, 46));
    }

    #[test]
    fn the_packet_that_an_error_quotes_has_ports() {
        let quoted = Ip::quoted(&TCP[18..46]).unwrap();
        let expected = Transport::TcpPorts {
            source_port: 40_000,
            destination_port: 443,
            sequence: Some(0x1122_3344),
        };
        assert_eq!((quoted.transport, quoted.claimed_len), (expected, 59));
        assert_eq!(Ip::quoted(&TCP[18..37]), None);
        assert_eq!(Ip::quoted(&[]), None);
    }

    #[test]
    fn what_is_not_ip_is_told_apart() {
        let rarp = hex!(
            "ffffffffffff005056895ff58035 0001080006040003005056895ff500000000"
            "005056895ff500000000"
        );
        assert!(matches!(network(&rarp), Network::Arp(arp) if arp.operation == 3));
        let expected = fault(Protocol::Arp, Reason::Truncated, 14);
        assert_eq!(network(&rarp[..41]), Network::Malformed(expected));
        let spanning_tree = hex!("02000000000b02000000000a0030424203");
        assert_eq!(network(&spanning_tree), Network::Other(0x30));
        let lldp = hex!("0180c200000e02000000000a88cc0207");
        assert_eq!(network(&lldp), Network::Other(0x88cc));
        let expected = fault(Protocol::Ethernet, Reason::Truncated, 0);
        assert_eq!(network(&lldp[..13]), Network::Malformed(expected));
        let expected = fault(Protocol::Ipv4, Reason::Truncated, 18);
        assert_eq!(network(&TCP[..37]), Network::Malformed(expected));
    }
}
