//! Whole frames: where the walk ends, what it kept, and that no bytes upset it.

use std::net::{Ipv6Addr, SocketAddrV4};

use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::Encapsulation;
use crate::encap::{GroupPolicy, Outer, SttHeader, TzspTags, Wrap, segment, wrap};
use crate::mirror::{Direction, Mirror};
use crate::packet::Network;
use crate::transport::Transport;

/// A mirrored TCP SYN.
const FRAME: [u8; 54] = hex!(
    "02000000000b02000000000a0800450000280a0a400040064474c000020ac6336414"
    "9c4001bb11223344000000005002faf0e63d0000"
);

const LINKS: [LinkType; 13] = [
    LinkType::Null,
    LinkType::Ethernet,
    LinkType::Ppp,
    LinkType::RawIp,
    LinkType::CiscoHdlc,
    LinkType::Ieee80211,
    LinkType::Loop,
    LinkType::LinuxSll,
    LinkType::LinuxSll2,
    LinkType::Radiotap,
    LinkType::Mpls,
    LinkType::Ipv4,
    LinkType::Ipv6,
];

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
fn only_the_destination_port_opens_a_tunnel_and_ports_can_be_changed() {
    let bytes = wrapped(
        &Wrap::Vxlan {
            vni: 1,
            port: 20000,
        },
        &FRAME,
    );
    assert_eq!(names(&strip(&bytes)), "ethernet ipv4");
    let mut options = Options::default();
    options.decode_as("udp.port==20000,vxlan").unwrap();
    let stripped = decapsulate(LinkType::Ethernet, &bytes, &options);
    assert_eq!(stripped.inner.bytes, FRAME);

    let mut reply = wrapped(&VXLAN, &FRAME);
    reply[34..38].copy_from_slice(&hex!("12b5c000"));
    assert_eq!(names(&strip(&reply)), "ethernet ipv4");
}

#[test]
fn an_empty_datagram_to_a_tunnel_is_a_datagram() {
    let bytes = wrapped(&VXLAN, &[]);
    let empty = |udp_len| {
        let mut bytes = bytes[..42].to_vec();
        bytes[17] = 28;
        bytes[39] = udp_len;
        bytes
    };
    assert_eq!(strip(&empty(8)).stop, Stop::Inner);
    let fault = malformed(Protocol::Vxlan, Reason::Truncated, 42);
    assert_eq!(strip(&empty(9)).stop, fault);
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
    assert_eq!(packet.transport, Transport::Other);
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
    assert_eq!((packet.protocol, packet.transport), (41, Transport::Other));
}

#[test]
fn what_is_encrypted_or_compressed_is_listed_but_no_session() {
    let cases = [
        (50, Encapsulation::Esp, 0x1234_5678, Reason::Encrypted),
        (108, Encapsulation::IpComp, 0x5678, Reason::Compressed),
    ];
    for (number, encapsulation, id, reason) in cases {
        let mut packet = FRAME;
        packet[23] = number;
        packet[34..42].copy_from_slice(&hex!("1234567800000001"));
        let stripped = strip(&packet);
        let protocol = Protocol::from_name(encapsulation.as_str()).unwrap();
        assert_eq!(stripped.stop, Stop::Opaque { protocol, reason });
        assert_eq!(stripped.mirror(), None);
        let listed: Vec<_> = stripped.encapsulations().collect();
        assert_eq!(listed, [(encapsulation, Some(id))]);
        assert!(matches!(stripped.packet().network, Network::Ip(ip) if ip.protocol == number));

        let mirrored = wrapped(&VXLAN, &packet);
        let stripped = strip(&mirrored);
        let mirror = stripped.mirror().unwrap();
        assert_eq!(mirror.encapsulation, Encapsulation::Vxlan);
        assert_eq!(stripped.encapsulations().count(), 2);
        assert_eq!(stripped.inner.bytes, packet);
    }
}

#[test]
fn a_teredo_server_is_known_by_its_answers() {
    let packet = hex!(
        "60000000 0000 3b 40 20010000000000000000000000000001 20010db8000000000000000000000002"
    );
    let mut bytes = wrapped(&Wrap::Teredo { origin: None }, &packet);
    assert_eq!(strip(&bytes).inner.bytes, packet);
    bytes[34..38].copy_from_slice(&hex!("0dd8c000"));
    assert_eq!(strip(&bytes).inner.bytes, packet);
    // Whoever else sends from that port has no such addresses.
    bytes[42 + 8] = 0x30;
    let stripped = strip(&bytes);
    assert_eq!((stripped.stop, stripped.mirror()), (Stop::Inner, None));
    assert!(
        matches!(stripped.packet().network, Network::Ip(ip) if ip.ports == Some((3544, 49152)))
    );
}

#[test]
fn a_gateway_may_send_gtp_to_any_port() {
    let gtpu = Wrap::Gtpu {
        teid: 7,
        sequence: None,
        extension: None,
    };
    let mut bytes = wrapped(&gtpu, &FRAME[14..]);
    bytes[34..38].copy_from_slice(&hex!("08680400"));
    assert_eq!(strip(&bytes).inner.bytes, &FRAME[14..]);
    assert_eq!(strip(&bytes[..70]).inner.bytes, &FRAME[14..34]);
    // Another message, or another length than that of the datagram, is no proof.
    for (at, value) in [(43, 254), (45, 41)] {
        let mut bytes = bytes.clone();
        bytes[at] = value;
        let stripped = strip(&bytes);
        assert_eq!((stripped.stop, stripped.mirror()), (Stop::Inner, None));
    }
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
fn geneve_may_carry_arp_without_a_mac_header() {
    let arp = hex!("0001080006040001525400123456c0000232000000000000c0000232");
    let bytes = wrapped(
        &Wrap::Geneve {
            vni: 1,
            port: 6081,
            protocol: 0x0806,
            options: &[],
        },
        &arp,
    );
    let stripped = strip(&bytes);
    assert_eq!(stripped.stop, Stop::Inner);
    assert_eq!(stripped.inner.bytes, arp);
    let packet = stripped.packet();
    assert_eq!(packet.macs, None);
    assert!(matches!(packet.network, Network::Arp(arp) if arp.operation == 1));
}

#[test]
fn an_unknown_erspan_version_is_told() {
    let mut bytes = wrapped(&erspan2(1), &FRAME);
    bytes[42] = 0x30;
    let stripped = strip(&bytes);
    assert_eq!(
        stripped.stop,
        malformed(Protocol::Erspan2, Reason::BadVersion, 42)
    );
    assert_eq!(names(&stripped), "ethernet ipv4 gre");
    assert_eq!(stripped.mirror(), None);
}

#[test]
fn type_iii_is_read_under_the_gre_type_of_type_ii() {
    let mut bytes = wrapped(&erspan3(Some(1), None), &FRAME);
    bytes[36..38].copy_from_slice(&hex!("88be"));
    let stripped = strip(&bytes);
    assert_eq!(names(&stripped), "ethernet ipv4 gre erspan3 ethernet ipv4");
    assert_eq!(stripped.inner.bytes, FRAME);
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
        erspan3(None, Some([0x1c; 8])),
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

fn erspan3(sequence: Option<u32>, platform: Option<[u8; 8]>) -> Wrap<'static> {
    Wrap::Erspan3 {
        session: 9,
        vlan: 20,
        cos: 1,
        truncated: true,
        timestamp: 0x8000_0001,
        sgt: 0x1234,
        frame_type: 0,
        hw_id: 0x21,
        direction: Direction::Egress,
        granularity: 2,
        sequence,
        platform,
    }
}

/// An encapsulation of Ethernet frames.
fn any_wrap() -> impl Strategy<Value = Wrap<'static>> {
    const OPTIONS: &[u8] = &hex!("0102 80 01 0007002a 0108 01 00");
    prop_oneof![
        Just(Wrap::Erspan1),
        (0_u16..1024).prop_map(erspan2),
        (any::<Option<u32>>(), any::<Option<[u8; 8]>>())
            .prop_map(|(sequence, platform)| erspan3(sequence, platform)),
        (any::<Option<u32>>(), any::<Option<u32>>(), any::<bool>()).prop_map(
            |(key, sequence, checksum)| Wrap::Gre {
                key,
                sequence,
                checksum,
                protocol: 0x6558,
            }
        ),
        (0_u32..1 << 24, prop_oneof![Just(4789_u16), Just(8472)])
            .prop_map(|(vni, port)| Wrap::Vxlan { vni, port }),
        any::<(u16, bool, bool)>().prop_map(|(group, dont_learn, applied)| {
            Wrap::VxlanGroupPolicy {
                vni: 5000,
                policy: GroupPolicy {
                    group,
                    dont_learn,
                    applied,
                },
                port: 48879,
            }
        }),
        (0_u32..1 << 24, any::<bool>()).prop_map(|(vni, options)| Wrap::Geneve {
            vni,
            port: 6081,
            protocol: 0x6558,
            options: if options { OPTIONS } else { &[] },
        }),
        (0_u32..1 << 24).prop_map(|vni| Wrap::VxlanGpe {
            vni,
            next_protocol: 3,
        }),
        (
            any::<Option<u32>>(),
            any::<Option<u16>>(),
            any::<Option<[u8; 6]>>()
        )
            .prop_map(|(packet_count, original_len, sensor)| Wrap::Tzsp {
                encapsulation: 1,
                tags: TzspTags {
                    packet_count,
                    original_len,
                    sensor,
                },
            }),
        (prop::option::of(0_u16..4096), 0_u8..8)
            .prop_map(|(vlan, priority)| Wrap::HpErm { vlan, priority }),
        (0_u8..32, any::<u16>()).prop_map(|(radio_id, fragment_id)| Wrap::Capwap {
            radio_id,
            fragment_id,
        }),
        (any::<(u64, u32)>(), prop::option::of(0_u16..4096)).prop_map(
            |((context, frame_id), vlan)| Wrap::Stt(SttHeader {
                context,
                frame_id,
                vlan,
            })
        ),
        // Smaller ids are those of plain GRE.
        (0x1000_u32..1 << 24, any::<u8>()).prop_map(|(subnet, flow)| Wrap::Nvgre { subnet, flow }),
        any::<u16>().prop_map(|tunnel| Wrap::Eoip { tunnel }),
        Just(Wrap::Mlnx),
        Just(Wrap::EtherIp),
        any::<Option<u32>>().prop_map(|key| Wrap::GreUdp {
            key,
            protocol: 0x6558,
        }),
        any_l2tpv3(),
        any_gtpu(),
    ]
}

/// An encapsulation of frames and of packets.
fn any_l2tpv3() -> impl Strategy<Value = Wrap<'static>> {
    const COOKIE: &[u8] = &hex!("0123456789abcdef");
    let cookie = prop_oneof![Just(&COOKIE[..0]), Just(&COOKIE[..4]), Just(COOKIE)];
    let fields = (1..u32::MAX, cookie, any::<Option<u32>>(), any::<bool>());
    fields.prop_map(|(session, cookie, sequence, udp)| Wrap::L2tpv3 {
        session,
        cookie,
        sequence,
        udp,
    })
}

/// An encapsulation of frames and of packets.
fn any_gtpu() -> impl Strategy<Value = Wrap<'static>> {
    const EXTENSION: (u8, &[u8]) = (0x85, &hex!("010203040506"));
    (any::<u32>(), any::<Option<u16>>(), any::<bool>()).prop_map(|(teid, sequence, extended)| {
        Wrap::Gtpu {
            teid,
            sequence,
            extension: extended.then_some(EXTENSION),
        }
    })
}

/// An encapsulation of IP packets; Teredo only of IPv6.
fn any_ip_wrap(ipv6: bool) -> impl Strategy<Value = Wrap<'static>> {
    let protocol = if ipv6 { 0x86dd } else { 0x0800 };
    prop_oneof![
        Just(Wrap::Ip),
        Just(Wrap::Ayiya),
        any::<Option<u8>>().prop_map(move |service| Wrap::Wccp {
            // Version 1 is that of IPv4.
            service: if ipv6 { service.or(Some(0)) } else { service },
        }),
        any::<Option<u32>>().prop_map(move |key| Wrap::GreUdp { key, protocol }),
        any_l2tpv3(),
        any_gtpu(),
        (
            prop::option::of(0_u32..1 << 24),
            prop::option::of(0_u32..1 << 24)
        )
            .prop_map(|(nonce, instance)| Wrap::Lisp { nonce, instance }),
        any::<Option<([u8; 4], u16)>>().prop_map(move |origin| {
            let origin = origin.map(|(ip, port)| SocketAddrV4::new(ip.into(), port));
            if ipv6 {
                Wrap::Teredo { origin }
            } else {
                Wrap::Ip
            }
        }),
    ]
}

/// What the encapsulation is named by.
fn id(with: &Wrap<'_>) -> Option<u64> {
    match *with {
        Wrap::Gre { key, .. } | Wrap::GreUdp { key, .. } => key.map(u64::from),
        Wrap::Wccp { service } => service.map(u64::from),
        Wrap::L2tpv3 { session, .. } => Some(session.into()),
        Wrap::Gtpu { teid, .. } => Some(teid.into()),
        Wrap::Lisp { instance, .. } => instance.map(u64::from),
        Wrap::Nvgre { subnet, .. } => Some(subnet.into()),
        Wrap::Eoip { tunnel } => Some(tunnel.into()),
        _ => None,
    }
}

/// An encapsulation of Ethernet frames in the link layer.
fn any_link_wrap() -> impl Strategy<Value = Wrap<'static>> {
    prop_oneof![
        (any_labels(), any::<Option<u16>>()).prop_map(|(labels, control_word)| Wrap::Mpls {
            labels,
            control_word,
        }),
        (any::<u32>(), any::<u8>()).prop_map(|(service, priority)| Wrap::Pbb { service, priority }),
        (any::<u16>(), any::<u16>(), any::<u8>()).prop_map(|(ingress, egress, hop_count)| {
            Wrap::Trill {
                ingress,
                egress,
                hop_count,
            }
        }),
        (any::<u16>(), any::<u8>()).prop_map(|(forwarding_tag, ttl)| Wrap::FabricPath {
            forwarding_tag,
            ttl,
        }),
        (any::<u32>(), any::<u8>()).prop_map(|(path, index)| Wrap::Nsh {
            path,
            index,
            next: 3,
        }),
    ]
}

/// An encapsulation of IPv4 packets in the link layer.
fn any_packet_wrap() -> impl Strategy<Value = Wrap<'static>> {
    prop_oneof![
        any_labels().prop_map(|labels| Wrap::Mpls {
            labels,
            control_word: None,
        }),
        any::<u16>().prop_map(|session| Wrap::Pppoe { session }),
        (any::<u32>(), any::<u8>()).prop_map(|(path, index)| Wrap::Nsh {
            path,
            index,
            next: 1,
        }),
    ]
}

fn any_labels() -> impl Strategy<Value = &'static [u32]> {
    const LABELS: &[u32] = &[16001, 24007, 0xf_edcb, 16, 7, 0xabcde];
    (1..=LABELS.len()).prop_map(|count| &LABELS[..count])
}

/// A tag that is put into an Ethernet frame.
fn any_tag() -> impl Strategy<Value = Wrap<'static>> {
    prop_oneof![
        (any::<u16>(), any::<u16>()).prop_map(|(source, destination)| Wrap::VnTag {
            source,
            destination,
        }),
        any::<u16>().prop_map(|channel| Wrap::ETag { channel }),
        any::<u16>().prop_map(|security_group| Wrap::CiscoMetaData { security_group }),
        (any::<u32>(), any::<u32>()).prop_map(|(seconds, nanoseconds)| Wrap::Arista {
            seconds,
            nanoseconds,
        }),
    ]
}

fn any_outer() -> impl Strategy<Value = Outer> {
    let addresses = prop_oneof![
        any::<([u8; 4], [u8; 4])>().prop_map(|(a, b)| (a.into(), b.into())),
        any::<([u8; 16], [u8; 16])>().prop_map(|(a, b)| (a.into(), b.into())),
    ];
    (addresses, any::<u16>(), any::<bool>()).prop_map(
        |((source, destination), identification, dont_fragment)| Outer {
            identification,
            dont_fragment,
            ..Outer::new(source, destination)
        },
    )
}

/// Asks everything of a frame, so that every accessor on the way runs.
fn ask_everything(link: LinkType, bytes: &[u8]) {
    let stripped = decapsulate(link, bytes, &Options::default());
    assert!(stripped.layers.len() <= MAX_LAYERS);
    let inner = stripped.inner;
    let end = inner.offset + inner.bytes.len();
    assert_eq!(bytes.get(inner.offset..end), Some(inner.bytes));
    let _ = (
        stripped.mirror(),
        stripped.encapsulations().count(),
        names(&stripped),
    );
    match stripped.stop {
        Stop::Malformed(fault) => assert!(fault.offset <= bytes.len()),
        Stop::Fragment(fragment) => {
            let mut header = Vec::new();
            fragment.write_header(fragment.payload.len(), &mut header);
            assert!(header.is_empty() || header.len() == fragment.header.len());
        }
        _ => {}
    }
    if let Network::Ip(ip) = stripped.packet().network {
        assert!(ip.present_len <= ip.claimed_len);
        match ip.transport {
            Transport::Tcp(tcp) => assert!(tcp.payload.len() <= tcp.payload_len as usize),
            Transport::Udp(udp) => assert!(udp.payload.len() <= udp.payload_len as usize),
            _ => {}
        }
    }
    for layer in &stripped.layers {
        match layer {
            Layer::Ipv4(ip) => {
                assert!(ip.payload().len() <= ip.claimed_payload());
                let _ = (ip.checksum_ok(), ip.options());
            }
            Layer::Ipv6(ip) => assert!(ip.payload().len() <= ip.claimed_payload()),
            Layer::Gre(gre) => drop(gre.checksum_ok()),
            Layer::Geneve(geneve) => assert!(geneve.options().count() <= 63),
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        for link in LINKS {
            ask_everything(link, &bytes);
        }
    }

    #[test]
    fn damaged_frames_are_survived(
        outer in any_outer(),
        wraps in prop::collection::vec(
            prop_oneof![any_wrap(), any_link_wrap(), any_packet_wrap(), any_tag()],
            0..4,
        ),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut bytes = FRAME.to_vec();
        for with in &wraps {
            let inner = std::mem::take(&mut bytes);
            wrap(&outer, with, &inner, &mut bytes);
        }
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        ask_everything(LinkType::Ethernet, &bytes);
        ask_everything(LinkType::Ethernet, &bytes[..cut.index(bytes.len())]);
    }

    #[test]
    fn packets_that_were_wrapped_come_out_again(
        outer in any_outer(),
        (ipv6, with) in any::<bool>().prop_flat_map(|ipv6| (Just(ipv6), any_ip_wrap(ipv6))),
        mirror in any_wrap(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        // A whole packet of either version around the payload.
        let (mut frame, mut whole) = (Vec::new(), Vec::new());
        let address = Ipv6Addr::LOCALHOST.into();
        let within = if ipv6 { Outer::new(address, address) } else { Outer::new([10; 4].into(), [11; 4].into()) };
        wrap(&within, &Wrap::Vxlan { vni: 0, port: 9 }, &payload, &mut frame);
        let packet = &frame[14..];
        wrap(&outer, &with, packet, &mut whole);

        let stripped = strip(&whole);
        prop_assert_eq!(stripped.stop, Stop::Inner);
        prop_assert_eq!(stripped.inner.link, LinkType::RawIp);
        prop_assert_eq!(stripped.inner.bytes, packet);
        prop_assert_eq!(stripped.packet().network, strip(&frame).packet().network);
        prop_assert_eq!(stripped.mirror().unwrap().id, id(&with));

        let mut mirrored = Vec::new();
        wrap(&outer, &mirror, &whole, &mut mirrored);
        let stripped = strip(&mirrored);
        prop_assert_eq!(stripped.inner.bytes, packet);
        prop_assert_eq!(stripped.encapsulations().last().unwrap().1, id(&with));
    }

    #[test]
    fn what_was_wrapped_in_the_link_layer_comes_out_again(
        outer in any_outer(),
        wraps in prop::collection::vec(any_link_wrap(), 1..=7),
        tags in prop::collection::vec(any_tag(), 0..4),
    ) {
        let tagged = |frame: &[u8]| {
            tags.iter().fold(frame.to_vec(), |frame, tag| {
                let mut bytes = Vec::new();
                wrap(&outer, tag, &frame, &mut bytes);
                bytes
            })
        };
        let inner = tagged(&FRAME);
        let mut bytes = inner.clone();
        for with in &wraps {
            let frame = std::mem::take(&mut bytes);
            wrap(&outer, with, &frame, &mut bytes);
        }
        let bytes = tagged(&bytes);
        let stripped = strip(&bytes);
        if stripped.layers.len() < MAX_LAYERS {
            prop_assert_eq!(stripped.stop, Stop::Inner);
            prop_assert_eq!(stripped.inner.bytes, &inner);
            prop_assert_eq!(stripped.packet(), strip(&FRAME).packet());
            prop_assert_eq!(stripped.encapsulations().count(), wraps.len());
            prop_assert_eq!(stripped.mirror(), None);
        }
    }

    #[test]
    fn a_packet_that_was_wrapped_in_the_link_layer_keeps_the_addresses_in_front(
        outer in any_outer(),
        with in any_packet_wrap(),
        padding in 0_usize..10,
    ) {
        let packet = &FRAME[14..];
        let mut bytes = Vec::new();
        wrap(&outer, &with, packet, &mut bytes);
        bytes.resize(bytes.len() + padding, 0);
        let stripped = strip(&bytes);
        prop_assert_eq!(stripped.stop, Stop::Inner);
        prop_assert_eq!(stripped.inner.bytes.get(..packet.len()), Some(packet));
        prop_assert_eq!(stripped.inner.link, LinkType::RawIp);
        let found = stripped.packet();
        prop_assert_eq!(found.network, strip(&FRAME).packet().network);
        prop_assert_eq!(found.macs.map(|macs| macs.source), Some(outer.source_mac));
    }

    #[test]
    fn what_was_wrapped_comes_out_again(
        outer in any_outer(),
        wraps in prop::collection::vec(any_wrap(), 1..=7),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let inner = [&FRAME[..], &payload].concat();
        let mut bytes = inner.clone();
        for with in &wraps {
            let frame = std::mem::take(&mut bytes);
            wrap(&outer, with, &frame, &mut bytes);
        }
        let stripped = strip(&bytes);
        prop_assert_eq!(stripped.stop, Stop::Inner);
        prop_assert_eq!(stripped.inner.bytes, &inner);
        prop_assert_eq!(stripped.encapsulations().count(), wraps.len());
        prop_assert_eq!(stripped.packet(), strip(&inner).packet());
        let mirror = stripped.mirror().unwrap();
        prop_assert_eq!(mirror.source, outer.source);
        prop_assert_eq!(mirror.destination, outer.destination);
        let outermost = wraps.last().unwrap();
        // A key may be that of NVGRE.
        if !matches!(outermost, Wrap::Gre { .. } | Wrap::GreUdp { .. }) && id(outermost).is_some() {
            prop_assert_eq!(mirror.id, id(outermost));
        }
        for layer in &stripped.layers {
            match layer {
                Layer::Ipv4(ip) => prop_assert!(ip.checksum_ok()),
                Layer::Gre(gre) => prop_assert_ne!(gre.checksum_ok(), Some(false)),
                _ => {}
            }
        }
    }
}

/// An encapsulation of IP packets.
fn any_ip_tunnel() -> impl Strategy<Value = Wrap<'static>> {
    prop_oneof![
        (0_u32..1 << 24).prop_map(|vni| Wrap::VxlanGpe {
            vni,
            next_protocol: 1,
        }),
        Just(Wrap::Tzsp {
            encapsulation: 7,
            tags: TzspTags::default(),
        }),
        any::<(u32, u32)>().prop_map(|(mirror, session)| Wrap::Jmirror { mirror, session }),
    ]
}

#[test]
fn controllers_answer_from_their_port() {
    let capwap = Wrap::Capwap {
        radio_id: 1,
        fragment_id: 0,
    };
    let mut bytes = wrapped(&capwap, &FRAME);
    bytes[34..38].copy_from_slice(&hex!("147fa130"));
    assert_eq!(strip(&bytes).inner.bytes, FRAME);
    // VXLAN's port is no more than entropy in a source.
    bytes[34..36].copy_from_slice(&hex!("12b5"));
    assert_eq!(names(&strip(&bytes)), "ethernet ipv4");
}

#[test]
fn what_capwap_does_not_show_is_told() {
    let capwap = Wrap::Capwap {
        radio_id: 1,
        fragment_id: 0,
    };
    let closed = |at: usize, value, reason| {
        let mut bytes = wrapped(&capwap, &FRAME);
        bytes[42 + at] = value;
        let stripped = strip(&bytes);
        let protocol = Protocol::Capwap;
        assert_eq!(stripped.stop, Stop::Opaque { protocol, reason });
        // What nobody can read is no mirror session.
        let mirror = stripped.mirror().map(|mirror| mirror.encapsulation);
        let readable = reason != Reason::Encrypted;
        assert_eq!(mirror, readable.then_some(Encapsulation::Capwap));
    };
    closed(0, 0x01, Reason::Encrypted);
    closed(3, 0x08, Reason::ControlMessage);
    closed(2, 0x45, Reason::UnsupportedType);
}

#[test]
fn a_connection_to_the_port_of_stt_is_tcp() {
    let mut bytes = FRAME;
    bytes[36..38].copy_from_slice(&hex!("1d2f"));
    let stripped = strip(&bytes);
    assert_eq!(stripped.stop, Stop::Inner);
    assert_eq!(
        (stripped.mirror(), stripped.encapsulations().count()),
        (None, 0)
    );
    let Network::Ip(ip) = stripped.packet().network else {
        panic!("not IP");
    };
    assert!(matches!(ip.transport, Transport::Tcp(tcp) if tcp.flags.syn()));
}

#[test]
fn mirrored_segments_of_stt_are_no_connection() {
    let stt = Wrap::Stt(SttHeader {
        context: 7,
        frame_id: 1,
        vlan: None,
    });
    for (index, part) in segment(&wrapped(&stt, &FRAME), 100).iter().enumerate() {
        let bytes = wrapped(&erspan2(9), part);
        let stripped = strip(&bytes);
        assert!(matches!(stripped.stop, Stop::Fragment(part) if part.encapsulated));
        assert_eq!(stripped.mirror().unwrap().id, Some(9));
        assert_eq!(stripped.encapsulations().count(), 2 - index);
        let Network::Ip(ip) = stripped.packet().network else {
            panic!("not IP");
        };
        assert_eq!((ip.protocol, ip.transport), (6, Transport::Other));
    }
}

proptest! {
    #[test]
    fn wrapped_ip_packets_come_out_again(
        outer in any_outer(),
        with in any_ip_tunnel(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let packet = [&FRAME[14..], &payload].concat();
        let mut bytes = Vec::new();
        wrap(&outer, &with, &packet, &mut bytes);
        let stripped = strip(&bytes);
        prop_assert_eq!(stripped.stop, Stop::Inner);
        prop_assert_eq!(stripped.inner.link, LinkType::RawIp);
        prop_assert_eq!(stripped.inner.bytes, &packet);
        let mirror = stripped.mirror().unwrap();
        prop_assert_eq!(mirror.present_len as usize, packet.len());
        prop_assert_eq!(mirror.outer_len as usize, bytes.len() - 14 - packet.len());
        match with {
            Wrap::Jmirror { mirror: id, session } => {
                prop_assert_eq!(mirror.id, Some(u64::from(id) << 32 | u64::from(session)));
            }
            Wrap::VxlanGpe { vni, .. } => prop_assert_eq!(mirror.id, Some(vni.into())),
            _ => prop_assert_eq!(mirror.id, None),
        }
    }

    #[test]
    fn otv_is_read_where_a_user_says_so(overlay in 0_u32..1 << 24, instance in 0_u32..1 << 24) {
        let bytes = wrapped(&Wrap::Otv { overlay, instance }, &FRAME);
        let mut options = Options::default();
        let read = |options: &Options| {
            let stripped = decapsulate(LinkType::Ethernet, &bytes, options);
            assert_eq!(stripped.inner.bytes, FRAME);
            let mirror = stripped.mirror().unwrap();
            (mirror.encapsulation, mirror.id)
        };
        let id = Some(u64::from(instance));
        prop_assert_eq!(read(&options), (Encapsulation::Vxlan, id));
        options.decode_as("udp.port==8472,otv").unwrap();
        prop_assert_eq!(read(&options), (Encapsulation::Otv, id));
    }
}

#[test]
fn type_one_with_a_sequence_number_is_found_by_its_frame() {
    // The tail of a GRE header with S, then Ethernet at once: a type that no version nibble tells.
    let gre = Wrap::Gre {
        key: None,
        sequence: Some(7),
        checksum: false,
        protocol: 0x88be,
    };
    let bytes = wrapped(&gre, &FRAME);
    let stripped = strip(&bytes);
    let mirror = stripped.mirror().unwrap();
    assert_eq!(mirror.encapsulation, Encapsulation::Erspan1);
    assert_eq!((mirror.id, mirror.facts.sequence), (None, Some(7)));
    assert_eq!(stripped.inner.bytes, FRAME);
}

#[test]
fn a_type_of_gre_that_a_user_names_leads_to_the_session_behind_it() {
    let mut bytes = wrapped(&erspan2(101), &FRAME);
    bytes[36..38].copy_from_slice(&hex!("88b6"));
    let mut options = Options::default();
    let mut read = |rule: &str| {
        options.decode_as(rule).unwrap();
        let stripped = decapsulate(LinkType::Ethernet, &bytes, &options);
        let mirror = stripped.mirror().unwrap();
        assert_eq!(stripped.encapsulations().count(), 1);
        assert_eq!(mirror.present_len as usize, stripped.inner.bytes.len());
        (mirror.encapsulation, mirror.id, mirror.present_len)
    };
    let expected = (Encapsulation::Erspan2, Some(101), 54);
    assert_eq!(read("gre.proto==0x88b6,erspan2"), expected);
    // And away from it: what is no ERSPAN to its user is GRE.
    let expected = (Encapsulation::Gre, None, 62);
    assert_eq!(read("gre.proto==0x88b6,ethernet"), expected);
}

#[test]
fn a_frame_straight_in_udp_is_one_of_its_own() {
    let vxlan = wrapped(&Wrap::Vxlan { vni: 0, port: 5555 }, &FRAME);
    // The header of VXLAN taken out.
    let mut bytes = [&vxlan[..42], &vxlan[50..]].concat();
    bytes[17] -= 8;
    bytes[39] -= 8;
    let mut options = Options::default();
    options.decode_as("udp.port==5555,ethernet").unwrap();
    let stripped = decapsulate(LinkType::Ethernet, &bytes, &options);
    assert_eq!(stripped.inner.bytes, FRAME);
    assert_eq!(stripped.packet(), strip(&FRAME).packet());
    let mirror = stripped.mirror().unwrap();
    assert_eq!(
        (mirror.encapsulation, mirror.id),
        (Encapsulation::Udp, None)
    );
    assert_eq!((mirror.outer_len, mirror.present_len), (28, 54));
    // What is a datagram to all others is no encapsulation.
    assert_eq!(strip(&bytes).encapsulations().count(), 0);
}

#[test]
fn a_packet_behind_a_security_group_in_gre_starts_behind_it() {
    let shim = [&hex!("0800 0101 0001 1234")[..], &FRAME[14..]].concat();
    let bytes = wrapped(&plain_gre(0x8909), &shim);
    let stripped = strip(&bytes);
    assert_eq!(stripped.inner.bytes, &FRAME[14..]);
    let mirror = stripped.mirror().unwrap();
    assert_eq!(mirror.encapsulation, Encapsulation::Gre);
    assert_eq!((mirror.outer_len, mirror.present_len), (32, 40));
    assert_eq!(stripped.encapsulations().count(), 1);
}
