//! Whole frames: where the walk ends, and what it kept.

use hex_literal::hex;

use super::*;
use crate::Encapsulation;
use crate::encap::{Outer, TzspTags, Wrap, wrap};
use crate::layers::MAX_LAYERS;
use crate::mirror::{Direction, Mirror};
use crate::packet::Network;
use crate::transport::Transport;

mod familiar;
mod round_trip;
mod tunnels;
mod usual;

/// A mirrored TCP SYN.
const FRAME: [u8; 54] = hex!(
    "02000000000b02000000000a0800450000280a0a400040064474c000020ac6336414"
    "9c4001bb11223344000000005002faf0e63d0000"
);

fn strip(bytes: &[u8]) -> Stripped<'_> {
    decapsulate(LinkType::Ethernet, bytes, &Options::default())
}

fn wrapped(with: &Wrap<'_>, inner: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    wrap(&outer, with, inner, &mut frame);
    frame
}

fn plain_gre(protocol: u16) -> Wrap<'static> {
    Wrap::Gre {
        key: None,
        sequence: None,
        checksum: false,
        protocol,
    }
}

const VXLAN: Wrap<'_> = Wrap::Vxlan {
    vni: 5000,
    port: 4789,
};

/// Names of the layers, as Debug begins with.
fn names(stripped: &Stripped<'_>) -> String {
    let names: Vec<_> = stripped
        .layers
        .iter()
        .map(|layer| {
            let text = format!("{layer:?}");
            text.split('(').next().unwrap_or_default().to_lowercase()
        })
        .collect();
    names.join(" ")
}

fn malformed(protocol: Protocol, reason: Reason, offset: usize) -> Stop<'static> {
    Stop::Malformed(Malformed {
        protocol,
        reason,
        offset,
    })
}

#[test]
fn a_frame_without_encapsulation_is_its_own_inner_frame() {
    let stripped = strip(&FRAME);
    assert_eq!(names(&stripped), "ethernet ipv4");
    assert_eq!(stripped.stop, Stop::Inner);
    assert_eq!(stripped.inner.bytes, FRAME);
    assert_eq!(stripped.inner.offset, 0);
    assert_eq!(stripped.mirror(), None);
    assert_eq!(stripped.encapsulations().count(), 0);
}

#[test]
fn a_recorded_overlay_inside_a_mirror_is_opened() {
    let bytes = hex!(
        "02bb0000000202aa0000000108004500008c00010000402f65c10a3c00010a3c0009"
        "100088be0000000c112c000c0000000902bb0000000202aa0000000108004500005a00010000"
        "401166110a3c00010a3c0009c15c12b500460000080000000013880002000000000b02000000000a"
        "0800450000280a0a400040064474c000020ac63364149c4001bb11223344000000005002faf0e63d0000"
    );
    let stripped = strip(&bytes);
    assert_eq!(
        names(&stripped),
        "ethernet ipv4 gre erspan2 ethernet ipv4 udp vxlan ethernet ipv4"
    );
    assert_eq!(stripped.inner.bytes, FRAME);
    assert_eq!(stripped.inner.link, LinkType::Ethernet);
    assert_eq!(stripped.inner.offset, bytes.len() - FRAME.len());
}

#[test]
fn frames_of_every_link_type_reach_their_packet() {
    let ip = &FRAME[14..];
    let cases: [(LinkType, &[u8], &str); 16] = [
        (LinkType::Null, &hex!("02000000"), "loopback ipv4"),
        (LinkType::Null, &hex!("00000002"), "loopback ipv4"),
        (LinkType::Loop, &hex!("00000002"), "loopback ipv4"),
        (LinkType::RawIp, &[], "ipv4"),
        (LinkType::Ipv4, &[], "ipv4"),
        (
            LinkType::LinuxSll,
            &hex!("00000001000602000000000a00000800"),
            "linuxsll ipv4",
        ),
        (
            LinkType::LinuxSll2,
            &hex!("08000000000000030001040602000000000a0000"),
            "linuxsll2 ipv4",
        ),
        (
            LinkType::Ethernet,
            &hex!("02000000000b02000000000a 88a820c8 8100e064 9300 0001 0800"),
            "ethernet vlan vlan vlan ipv4",
        ),
        (LinkType::Ppp, &hex!("ff03 0021"), "ppp ipv4"),
        (LinkType::Ppp, &hex!("0f00 0800"), "ciscohdlc ipv4"),
        (LinkType::Ppp, &hex!("0281 003e8140"), "ppp mpls ipv4"),
        (LinkType::CiscoHdlc, &hex!("0f00 0800"), "ciscohdlc ipv4"),
        (LinkType::Mpls, &hex!("003e8140"), "mpls ipv4"),
        (
            LinkType::Ieee80211,
            &hex!("08010000 02000000000b02000000000a02000000000c 1000 aaaa030000000800"),
            "ieee80211 llc ipv4",
        ),
        (
            LinkType::Radiotap,
            &hex!(
                "00000900 02000000 10 08010000 02000000000b02000000000a02000000000c 1000"
                "aaaa030000000800"
            ),
            "radiotap ieee80211 llc ipv4",
        ),
        (
            LinkType::LinuxSll,
            &hex!("0000 0001 0006 02000000000a0000 0004 aaaa030000000800"),
            "linuxsll llc ipv4",
        ),
    ];
    for (link, header, expected) in cases {
        let bytes = [header, ip].concat();
        let stripped = decapsulate(link, &bytes, &Options::default());
        assert_eq!(names(&stripped), expected);
        assert_eq!(stripped.stop, Stop::Inner);
        let Network::Ip(packet) = stripped.packet().network else {
            panic!("{link:?} does not reach IP");
        };
        assert_eq!(packet.ports, Some((40000, 443)));
    }
}

#[test]
fn tags_are_bounded() {
    let tagged = |tags: usize| {
        let mut bytes = FRAME[..12].to_vec();
        for _ in 0..tags {
            bytes.extend(hex!("81000064"));
        }
        bytes.extend(&FRAME[12..]);
        bytes
    };
    assert_eq!(strip(&tagged(8)).stop, Stop::Inner);
    let bytes = tagged(9);
    let stripped = strip(&bytes);
    let stop = malformed(Protocol::Vlan, Reason::TooManyHeaders, 14 + 8 * 4);
    assert_eq!(stripped.stop, stop);
    assert_eq!(stripped.packet().vlan, Some(100));
}

#[test]
fn encapsulations_are_bounded() {
    let mut bytes = FRAME.to_vec();
    for _ in 0..5 {
        bytes = wrapped(&VXLAN, &bytes);
    }
    let mut options = Options::default();
    options.max_encapsulations = 5;
    let stripped = decapsulate(LinkType::Ethernet, &bytes, &options);
    assert_eq!(stripped.stop, Stop::Inner);
    assert_eq!(stripped.inner.bytes, FRAME);
    options.max_encapsulations = 4;
    let stripped = decapsulate(LinkType::Ethernet, &bytes, &options);
    assert_eq!(stripped.stop, Stop::TooDeep);
    assert_eq!(stripped.encapsulations().count(), 4);
    let Network::Ip(packet) = stripped.packet().network else {
        panic!("the deepest frame is described");
    };
    assert!(matches!(packet.transport, Transport::Udp(udp) if udp.destination_port == 4789));
}

#[test]
fn layers_are_bounded() {
    let mut bytes = FRAME.to_vec();
    for _ in 0..20 {
        bytes = wrapped(&VXLAN, &bytes);
    }
    let mut options = Options::default();
    options.max_encapsulations = 100;
    let stripped = decapsulate(LinkType::Ethernet, &bytes, &options);
    assert_eq!(stripped.stop, Stop::TooDeep);
    assert_eq!(stripped.layers.len(), MAX_LAYERS);
    let expected = Malformed {
        protocol: Protocol::Ethernet,
        reason: Reason::TooDeep,
        offset: stripped.inner.offset,
    };
    assert_eq!(stripped.packet().network, Network::Malformed(expected));
}

#[test]
fn damaged_tunnels_are_told_and_their_packet_described() {
    let mut bytes = wrapped(&VXLAN, &FRAME);
    bytes[42] = 0;
    let stripped = strip(&bytes);
    assert_eq!(stripped.stop, malformed(Protocol::Vxlan, Reason::NoVni, 42));
    assert_eq!(names(&stripped), "ethernet ipv4 udp");
    assert_eq!(stripped.inner.bytes, bytes);
    assert_eq!(stripped.mirror(), None);
    let Network::Ip(packet) = stripped.packet().network else {
        panic!("the carrier is described");
    };
    assert!(matches!(packet.transport, Transport::Udp(udp) if udp.payload_len == 62));

    let mut bytes = wrapped(&plain_gre(0x6558), &FRAME);
    bytes[35] = 2;
    let stripped = strip(&bytes);
    let stop = malformed(Protocol::Gre, Reason::BadVersion, 34);
    assert_eq!(stripped.stop, stop);
    assert_eq!(names(&stripped), "ethernet ipv4");
    let Network::Ip(packet) = stripped.packet().network else {
        panic!("the carrier is described");
    };
    assert!(matches!(packet.transport, Transport::Other { .. }));
}

#[test]
fn a_packet_of_the_wrong_version_is_told_and_its_carrier_described() {
    let mut bytes = wrapped(&Wrap::Ip, &FRAME[14..]);
    assert_eq!(strip(&bytes).inner.bytes, &FRAME[14..]);
    bytes[23] = 41;
    let stripped = strip(&bytes);
    let stop = malformed(Protocol::Ipv6, Reason::BadVersion, 34);
    assert_eq!((stripped.stop, stripped.mirror()), (stop, None));
    let Network::Ip(packet) = stripped.packet().network else {
        panic!("the carrier is described");
    };
    assert_eq!(packet.protocol, 41);
    assert!(matches!(packet.transport, Transport::Other { .. }));
}

#[test]
fn what_cannot_be_opened_stays_closed() {
    let bytes = wrapped(&plain_gre(0x22e5), &[0x55; 60]);
    let stripped = strip(&bytes);
    let stop = Stop::Opaque {
        protocol: Protocol::Gre,
        reason: Reason::UnsupportedType,
    };
    assert_eq!(stripped.stop, stop);
    assert_eq!(names(&stripped), "ethernet ipv4 gre");
    assert_eq!(stripped.inner.bytes, bytes);

    let geneve = |protocol| Wrap::Geneve {
        vni: 1,
        port: 6081,
        protocol,
        options: &[],
    };
    let mut bytes = wrapped(&geneve(0x6558), &FRAME);
    bytes[43] = 0x80;
    let stop = Stop::Opaque {
        protocol: Protocol::Geneve,
        reason: Reason::ControlMessage,
    };
    assert_eq!(strip(&bytes).stop, stop);
}

#[test]
fn padding_and_trailers_of_the_outer_frame_are_not_mirrored() {
    let mut bytes = wrapped(&erspan2(1), &FRAME);
    bytes.extend([0xaa; 20]);
    assert_eq!(strip(&bytes).inner.bytes, FRAME);
    let mut bytes = wrapped(&VXLAN, &FRAME);
    bytes.extend([0xaa; 4]);
    assert_eq!(strip(&bytes).inner.bytes, FRAME);
}

#[test]
fn lengths_left_to_the_network_card_take_what_is_present() {
    let mut bytes = wrapped(&VXLAN, &[&FRAME[..], &vec![0; 70000]].concat());
    assert_eq!((bytes[16], bytes[17]), (0, 0));
    assert_eq!((bytes[38], bytes[39]), (0, 0));
    let len = bytes.len();
    assert_eq!(strip(&bytes).inner.bytes.len(), 54 + 70000);
    bytes[16..18].copy_from_slice(&hex!("0040"));
    assert_eq!(strip(&bytes).inner.bytes.len(), 64 - 36);
    assert_eq!(bytes.len(), len);
}

#[test]
fn a_frame_cut_anywhere_keeps_what_was_read() {
    for with in [
        Wrap::Erspan1,
        erspan2(7),
        erspan3(9, 0, None, Some([0x1c; 8])),
        VXLAN,
        Wrap::HpErm {
            vlan: Some(100),
            priority: 3,
        },
        Wrap::Tzsp {
            encapsulation: 1,
            tags: TzspTags {
                original_len: Some(54),
                ..TzspTags::default()
            },
        },
    ] {
        let bytes = wrapped(&with, &FRAME);
        let header_len = bytes.len() - FRAME.len();
        let whole = strip(&bytes);
        for len in 0..bytes.len() {
            let stripped = strip(&bytes[..len]);
            assert!(stripped.layers.len() <= whole.layers.len());
            if len < header_len {
                match stripped.stop {
                    Stop::Malformed(fault) => assert_eq!(fault.reason, Reason::Truncated),
                    // Without its ports a datagram is not known to be a tunnel's.
                    Stop::Inner => assert!(bytes[23] == 17 && len < 38),
                    other => panic!("{len} bytes end with {other:?}"),
                }
                // Twelve bytes of ERSPAN III name the session, even if its sub-header is cut.
                let named = matches!(with, Wrap::Erspan3 { .. }) && len >= header_len - 8;
                assert_eq!(
                    stripped.mirror().map(|m| m.id),
                    named.then(|| whole.mirror().unwrap().id)
                );
                if let Some(mirror) = stripped.mirror() {
                    assert_eq!(stripped.inner.offset, len);
                    assert_eq!(mirror.outer_len as usize, len - 14);
                }
                continue;
            }
            let expected = whole.mirror().map(|mirror| Mirror {
                present_len: (len - header_len) as u32,
                ..mirror
            });
            assert_eq!(stripped.mirror(), expected);
            assert_eq!(stripped.inner.bytes, &FRAME[..len - header_len]);
            match (len - header_len, stripped.packet().network) {
                (0..34, Network::Malformed(fault)) => {
                    assert_eq!(fault.reason, Reason::Truncated);
                    assert!(fault.offset == header_len || fault.offset == header_len + 14);
                }
                (34.., Network::Ip(ip)) => {
                    assert!(ip.truncated());
                    assert_eq!(ip.claimed_len, 40);
                    assert_eq!(ip.ports.is_some(), len - header_len >= 38);
                }
                (present, other) => panic!("{present} bytes read as {other:?}"),
            }
        }
    }
}

fn erspan2(session: u16) -> Wrap<'static> {
    Wrap::Erspan2 {
        session,
        vlan: 100,
        cos: 5,
        en: 2,
        truncated: false,
        index: 0xabcd5,
        sequence: 9,
    }
}

fn erspan3(
    session: u16,
    frame_type: u8,
    sequence: Option<u32>,
    platform: Option<[u8; 8]>,
) -> Wrap<'static> {
    Wrap::Erspan3 {
        session,
        vlan: 20,
        cos: 1,
        truncated: true,
        timestamp: 0x8000_0001,
        sgt: 0x1234,
        frame_type,
        hw_id: 0x21,
        direction: Direction::Egress,
        granularity: 2,
        sequence,
        platform,
    }
}
