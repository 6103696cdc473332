//! The packet that is mirrored, as the encapsulation can carry it.

use std::net::IpAddr;

use mirrorscope_dissectors::{LinkType, LinuxSll, LinuxSll2, Loopback, Network, Packet, Vlan};
use mirrorscope_engine::receive::Frame;

/// Longest packet that captures hold (libpcap's own limit); a length beyond it is wrong.
pub const MAX_PACKET: u32 = 262_144;
const IPV4: u16 = 0x0800;
const IPV6: u16 = 0x86dd;
/// Lowest number that is an `EtherType`.
const FIRST_ETHER_TYPE: u16 = 0x0600;
/// Both addresses of an Ethernet header.
const ADDRESSES_LEN: usize = 12;
const TAG_LEN: usize = 4;

/// How a mirror takes packets.
#[derive(Clone, Copy, Debug, Default)]
pub struct Take {
    /// IP packets that came without Ethernet are carried so.
    pub ip: bool,
    /// The outermost VLAN tag is taken off.
    pub strip_vlan: bool,
    /// Longer packets are cut.
    pub truncate: Option<u32>,
}

/// A packet to be mirrored.
#[derive(Debug, PartialEq, Eq)]
pub struct Original {
    /// Its bytes; zeros where the capture cut it, so that it has its length.
    pub bytes: Vec<u8>,
    /// Bytes at its end that the capture did not hold.
    pub uncaptured: usize,
    /// The `EtherType` if it is an IP packet without Ethernet.
    pub ip: Option<u16>,
    /// The outermost VLAN tag that it came with.
    pub tag: Option<Tag>,
    /// The mirror cut it.
    pub truncated: bool,
}

/// A VLAN tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    pub vlan: u16,
    pub priority: u8,
}

impl Original {
    /// The packet of a captured frame; `None` if it is neither Ethernet nor has an `EtherType`.
    pub fn new(frame: &Frame<'_>, packet: &Packet<'_>, take: Take) -> Option<Self> {
        let mut bytes = Vec::with_capacity(frame.bytes.len() + 64);
        let mut ip = None;
        if frame.link == LinkType::Ethernet {
            bytes.extend_from_slice(frame.bytes);
        } else {
            let (ether_type, payload) = network(frame.link, frame.bytes)?;
            ip = (take.ip && matches!(ether_type, IPV4 | IPV6)).then_some(ether_type);
            if ip.is_none() {
                bytes.extend(ethernet(packet, ether_type));
            }
            bytes.extend_from_slice(payload);
        }
        let tag = if ip.is_none() { tag(&bytes) } else { None };
        if take.strip_vlan && tag.is_some() {
            bytes.drain(ADDRESSES_LEN..ADDRESSES_LEN + TAG_LEN);
        }
        let captured = bytes.len();
        let uncaptured = frame.wire_len.saturating_sub(frame.bytes.len() as u32);
        let len = captured.max((captured + uncaptured as usize).min(MAX_PACKET as usize));
        let kept = take.truncate.map_or(len, |most| len.min(most as usize));
        bytes.resize(kept, 0);
        Some(Self {
            bytes,
            uncaptured: kept.saturating_sub(captured),
            ip,
            tag,
            truncated: kept < len,
        })
    }
}

/// `EtherType` and bytes of the network layer behind a link layer other than Ethernet.
fn network(link: LinkType, bytes: &[u8]) -> Option<(u16, &[u8])> {
    let (ether_type, payload) = match link {
        // Frames of these links are no packets of hosts, or have no EtherType.
        LinkType::Ethernet
        | LinkType::Ppp
        | LinkType::CiscoHdlc
        | LinkType::Ieee80211
        | LinkType::Radiotap
        | LinkType::Mpls => return None,
        LinkType::LinuxSll => {
            let cooked = LinuxSll::parse(bytes).ok()?;
            (cooked.ether_type(), cooked.payload())
        }
        LinkType::LinuxSll2 => {
            let cooked = LinuxSll2::parse(bytes).ok()?;
            (cooked.ether_type(), cooked.payload())
        }
        LinkType::Null | LinkType::Loop => {
            let loopback = Loopback::parse(bytes).ok()?;
            (loopback.ether_type(), loopback.payload())
        }
        LinkType::RawIp | LinkType::Ipv4 | LinkType::Ipv6 => match bytes.first()? >> 4 {
            4 => (IPV4, bytes),
            6 => (IPV6, bytes),
            _ => return None,
        },
    };
    (ether_type >= FIRST_ETHER_TYPE).then_some((ether_type, payload))
}

/// A header for a packet that came without. Each host gets an address of its own, so that both directions fit.
fn ethernet(packet: &Packet<'_>, ether_type: u16) -> Vec<u8> {
    let (source, destination) = match &packet.network {
        Network::Ip(ip) => (mac(ip.source), mac(ip.destination)),
        Network::Arp(arp) => (arp.sender_mac, [0xff; 6]),
        Network::Other(_) | Network::Malformed(_) => ([2, 0, 0, 0, 0, 0], [0xff; 6]),
    };
    [&destination[..], &source, &ether_type.to_be_bytes()].concat()
}

/// 02:00, which no manufacturer gives, and the last four bytes of the address.
fn mac(address: IpAddr) -> [u8; 6] {
    let [a, b, c, d] = match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => (address.to_bits() as u32).to_be_bytes(),
    };
    [2, 0, a, b, c, d]
}

/// The outermost VLAN tag of an Ethernet frame.
fn tag(frame: &[u8]) -> Option<Tag> {
    let (ether_type, behind) = frame.get(ADDRESSES_LEN..)?.split_first_chunk()?;
    let tag = Vlan::is_tag(u16::from_be_bytes(*ether_type))
        .then(|| Vlan::parse(behind).ok())
        .flatten()?;
    Some(Tag {
        vlan: tag.id(),
        priority: tag.priority(),
    })
}

#[cfg(test)]
mod tests {
    use mirrorscope_dissectors::{Options, decapsulate};
    use mirrorscope_engine::time::Timestamp;

    use super::*;

    /// An IPv4 packet from 10.1.2.3 to 10.4.5.6 without payload.
    const PACKET: [u8; 20] = [
        0x45, 0, 0, 20, 0, 0, 0, 0, 64, 59, 0, 0, 10, 1, 2, 3, 10, 4, 5, 6,
    ];
    const MADE_UP: [u8; 14] = [2, 0, 10, 4, 5, 6, 2, 0, 10, 1, 2, 3, 8, 0];

    fn original(link: LinkType, bytes: &[u8], wire_len: u32, take: Take) -> Option<Original> {
        let frame = Frame {
            time: Timestamp(0),
            wire_len,
            link,
            interface: 0,
            number: 1,
            bytes,
        };
        let stripped = decapsulate(link, bytes, &Options::default());
        Original::new(&frame, &stripped.packet(), take)
    }

    /// A frame with a tag of priority 5 and VLAN 100.
    fn tagged() -> Vec<u8> {
        [
            &MADE_UP[..12],
            &[0x81, 0, 0xa0, 100],
            &MADE_UP[12..],
            &PACKET,
        ]
        .concat()
    }

    #[test]
    fn every_link_type_gives_its_ip_packet() {
        let sll = [
            &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0],
            &PACKET[..],
        ]
        .concat();
        let sll2 = [
            &[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0],
            &PACKET[..],
        ]
        .concat();
        let null = [&[2, 0, 0, 0], &PACKET[..]].concat();
        let looped = [&[0, 0, 0, 2], &PACKET[..]].concat();
        let take = Take {
            ip: true,
            ..Take::default()
        };
        for (link, bytes) in [
            (LinkType::RawIp, &PACKET[..]),
            (LinkType::Ipv4, &PACKET),
            (LinkType::LinuxSll, &sll),
            (LinkType::LinuxSll2, &sll2),
            (LinkType::Null, &null),
            (LinkType::Loop, &looped),
        ] {
            let len = bytes.len() as u32;
            let bare = original(link, bytes, len, take).unwrap();
            assert_eq!(
                (bare.ip, &bare.bytes[..]),
                (Some(IPV4), &PACKET[..]),
                "{link:?}"
            );
            let framed = original(link, bytes, len, Take::default()).unwrap();
            assert_eq!(framed.ip, None);
            assert_eq!(framed.bytes, [&MADE_UP[..], &PACKET].concat(), "{link:?}");
        }
    }

    #[test]
    fn what_has_no_ether_type_is_left_out() {
        let take = Take::default();
        assert_eq!(original(LinkType::RawIp, &[], 0, take), None);
        assert_eq!(original(LinkType::RawIp, &[0x15; 20], 20, take), None);
        assert_eq!(original(LinkType::Null, &[7, 0, 0, 0, 1], 5, take), None);
        assert_eq!(original(LinkType::LinuxSll, &PACKET[..15], 15, take), None);
        // 802.2 behind a cooked header has Linux' number 4.
        let llc = [
            0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 0, 4, 0x42, 0x42, 3,
        ];
        assert_eq!(original(LinkType::LinuxSll, &llc, 19, take), None);
    }

    #[test]
    fn arp_keeps_an_ethernet_header_even_where_ip_has_none() {
        let arp = [
            0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 9, 10, 1, 2, 3, 0, 0, 0, 0, 0, 0, 10, 4, 5, 6,
        ];
        let cooked = [&[0, 1, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 6], &arp[..]].concat();
        let take = Take {
            ip: true,
            ..Take::default()
        };
        let original = original(LinkType::LinuxSll, &cooked, 44, take).unwrap();
        assert_eq!(original.ip, None);
        let header = [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0, 9, 8, 6];
        assert_eq!(original.bytes, [&header[..], &arp].concat());
    }

    #[test]
    fn the_outermost_tag_is_told_and_taken_off_if_asked_for() {
        let tag = Some(Tag {
            vlan: 100,
            priority: 5,
        });
        let frame = tagged();
        let kept = original(LinkType::Ethernet, &frame, 38, Take::default()).unwrap();
        assert_eq!((kept.tag, &kept.bytes), (tag, &frame));
        let take = Take {
            strip_vlan: true,
            ..Take::default()
        };
        let stripped = original(LinkType::Ethernet, &frame, 38, take).unwrap();
        assert_eq!(stripped.tag, tag);
        assert_eq!(stripped.bytes, [&MADE_UP[..], &PACKET].concat());
        let untagged = original(LinkType::Ethernet, &stripped.bytes, 34, take).unwrap();
        assert_eq!((untagged.tag, &untagged.bytes), (None, &stripped.bytes));
        let cut = original(LinkType::Ethernet, &frame[..17], 38, take).unwrap();
        assert_eq!((cut.tag, cut.bytes.len(), cut.uncaptured), (None, 38, 21));
    }

    #[test]
    fn a_packet_that_the_capture_cut_keeps_its_length() {
        let frame = tagged();
        let cut = original(LinkType::Ethernet, &frame[..30], 100, Take::default()).unwrap();
        assert_eq!(
            (cut.bytes.len(), cut.uncaptured, cut.truncated),
            (100, 70, false)
        );
        assert_eq!(cut.bytes[..30], frame[..30]);
        let wild = original(LinkType::Ethernet, &frame, u32::MAX, Take::default()).unwrap();
        assert_eq!(wild.bytes.len(), MAX_PACKET as usize);
    }

    #[test]
    fn a_mirror_that_cuts_leaves_the_start() {
        let frame = tagged();
        let take = |most| Take {
            truncate: Some(most),
            ..Take::default()
        };
        let whole = original(LinkType::Ethernet, &frame, 38, take(38)).unwrap();
        assert_eq!((whole.bytes.len(), whole.truncated), (38, false));
        let cut = original(LinkType::Ethernet, &frame, 38, take(37)).unwrap();
        assert_eq!((&cut.bytes[..], cut.truncated), (&frame[..37], true));
        // The capture holds less than the mirror would have sent.
        let both = original(LinkType::Ethernet, &frame[..20], 38, take(30)).unwrap();
        assert_eq!(
            (both.bytes.len(), both.uncaptured, both.truncated),
            (30, 10, true)
        );
        let inside = original(LinkType::Ethernet, &frame[..20], 38, take(15)).unwrap();
        assert_eq!((inside.bytes.len(), inside.uncaptured), (15, 0));
    }
}
