//! Whatever is written in an encapsulation is read again, and no bytes upset the reader.

use std::net::{Ipv6Addr, SocketAddrV4};

use hex_literal::hex;
use proptest::prelude::*;

use super::*;
use crate::encap::{GroupPolicy, SttHeader, TzspTags};

const OPTIONS: &[u8] = &hex!("0102 80 01 0007002a 0108 01 00");

/// An encapsulation of Ethernet frames.
fn any_wrap() -> impl Strategy<Value = Wrap<'static>> {
    prop_oneof![
        Just(Wrap::Erspan1),
        (0_u16..1024).prop_map(erspan2),
        (0_u16..1024, any::<Option<u32>>(), any::<Option<[u8; 8]>>())
            .prop_map(|(session, sequence, platform)| erspan3(session, 0, sequence, platform)),
        any_gre(0x6558),
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
        any_tzsp(1),
        any::<(u32, u32)>().prop_map(|(overlay, instance)| Wrap::Otv {
            overlay,
            instance: instance & 0xff_ffff,
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
        any_key().prop_map(|key| Wrap::GreUdp {
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

/// An encapsulation of IP packets of this version.
fn any_packet_wrap(version: u8) -> BoxedStrategy<Wrap<'static>> {
    let ipv6 = version == 6;
    let protocol = if ipv6 { 0x86dd } else { 0x0800 };
    let next = if ipv6 { 2 } else { 1 };
    let common = prop_oneof![
        Just(Wrap::Ip),
        Just(Wrap::Ayiya),
        any_key().prop_map(move |key| Wrap::GreUdp { key, protocol }),
        any_gre(protocol),
        any_l2tpv3(),
        any_gtpu(),
        (any_id(24), any_id(24)).prop_map(|(nonce, instance)| Wrap::Lisp { nonce, instance }),
        any::<Option<u8>>().prop_map(move |service| Wrap::Wccp {
            // Version 1 is that of IPv4.
            service: if ipv6 { service.or(Some(0)) } else { service },
        }),
        (any::<u16>(), any::<Option<u32>>(), any::<Option<[u8; 8]>>()).prop_map(
            |(session, sequence, platform)| erspan3(session & 0x3ff, 2, sequence, platform)
        ),
        (0_u32..1 << 24).prop_map(move |vni| Wrap::Geneve {
            vni,
            port: 6081,
            protocol,
            options: OPTIONS,
        }),
        (0_u32..1 << 24).prop_map(move |vni| Wrap::VxlanGpe {
            vni,
            next_protocol: next,
        }),
        any_tzsp(7),
        any::<(u32, u32)>().prop_map(|(mirror, session)| Wrap::Jmirror { mirror, session }),
        any_labels().prop_map(|labels| Wrap::Mpls {
            labels,
            control_word: None,
        }),
        any::<u16>().prop_map(|session| Wrap::Pppoe { session }),
        (any::<u32>(), any::<u8>()).prop_map(move |(path, index)| Wrap::Nsh { path, index, next }),
    ];
    let teredo = any::<Option<([u8; 4], u16)>>().prop_map(|origin| Wrap::Teredo {
        origin: origin.map(|(ip, port)| SocketAddrV4::new(ip.into(), port)),
    });
    if ipv6 {
        prop_oneof![16 => common, 1 => teredo].boxed()
    } else {
        common.boxed()
    }
}

fn any_id(bits: u32) -> impl Strategy<Value = Option<u32>> {
    prop::option::of(0_u32..1 << bits)
}

/// A key of GRE that is no subnet of NVGRE.
fn any_key() -> impl Strategy<Value = Option<u32>> {
    any_id(20)
}

fn any_gre(protocol: u16) -> impl Strategy<Value = Wrap<'static>> {
    let fields = (any_key(), any::<Option<u32>>(), any::<bool>());
    fields.prop_map(move |(key, sequence, checksum)| Wrap::Gre {
        key,
        sequence,
        checksum,
        protocol,
    })
}

fn any_tzsp(encapsulation: u16) -> impl Strategy<Value = Wrap<'static>> {
    let tags = any::<(Option<u32>, Option<u16>, Option<[u8; 6]>)>();
    tags.prop_map(move |(packet_count, original_len, sensor)| Wrap::Tzsp {
        encapsulation,
        tags: TzspTags {
            packet_count,
            original_len,
            sensor,
        },
    })
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
fn any_link_packet_wrap() -> impl Strategy<Value = Wrap<'static>> {
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
    for layer in stripped.layers.iter() {
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

/// What is put around what is there, by what that is.
#[derive(Clone, Debug)]
struct Level {
    outer: Outer,
    around_frame: Wrap<'static>,
    around_ipv4: Wrap<'static>,
    around_ipv6: Wrap<'static>,
    /// Take the packet out of its frame, if the frame is nothing more than that.
    bare: bool,
}

fn any_level() -> impl Strategy<Value = Level> {
    let around_frame = prop_oneof![4 => any_wrap(), 2 => any_link_wrap(), 1 => any_tag()];
    let packets = (any_packet_wrap(4), any_packet_wrap(6));
    (any_outer(), around_frame, packets, any::<bool>()).prop_map(
        |(outer, around_frame, (around_ipv4, around_ipv6), bare)| Level {
            outer,
            around_frame,
            around_ipv4,
            around_ipv6,
            bare,
        },
    )
}

/// What an encapsulation is and is named by; a tag is none.
fn opened(with: &Wrap<'_>, outer: &Outer, inner: &[u8]) -> Option<(Encapsulation, Option<u64>)> {
    use Encapsulation as Kind;

    let over_ipv4 = outer.source.is_ipv4();
    Some(match *with {
        Wrap::Erspan1 => (Kind::Erspan1, None),
        Wrap::Erspan2 { session, .. } => (Kind::Erspan2, Some(session.into())),
        Wrap::Erspan3 { session, .. } => (Kind::Erspan3, Some(session.into())),
        Wrap::Gre { key, .. } | Wrap::GreUdp { key, .. } => (Kind::Gre, key.map(u64::from)),
        Wrap::Vxlan { vni, .. } | Wrap::VxlanGroupPolicy { vni, .. } => {
            (Kind::Vxlan, Some(vni.into()))
        }
        // Its port is that of VXLAN, unless a user says otherwise.
        Wrap::Otv { instance, .. } => (Kind::Vxlan, Some(instance.into())),
        Wrap::Geneve { vni, .. } => (Kind::Geneve, Some(vni.into())),
        Wrap::VxlanGpe { vni, .. } => (Kind::VxlanGpe, Some(vni.into())),
        Wrap::Tzsp { tags, .. } => {
            let id = tags
                .sensor
                .map(|mac| mac.iter().fold(0, |id, &byte| id << 8 | u64::from(byte)));
            (Kind::Tzsp, id)
        }
        Wrap::HpErm { .. } => (Kind::HpErm, None),
        Wrap::Jmirror { mirror, session } => (
            Kind::Jmirror,
            Some(u64::from(mirror) << 32 | u64::from(session)),
        ),
        Wrap::Capwap { .. } => (Kind::Capwap, None),
        Wrap::Stt(header) => (Kind::Stt, Some(header.context)),
        Wrap::Nvgre { subnet, .. } => (Kind::Nvgre, Some(subnet.into())),
        Wrap::Eoip { tunnel } => (Kind::Eoip, Some(tunnel.into())),
        Wrap::Mlnx => (Kind::Mlnx, None),
        Wrap::Wccp { service } => (Kind::Wccp, service.map(u64::from)),
        Wrap::Ip => {
            let kind = match (over_ipv4, inner[0] >> 4) {
                (true, 4) => Kind::Ipip,
                (true, _) => Kind::SixInFour,
                (false, 4) => Kind::FourInSix,
                (false, _) => Kind::SixInSix,
            };
            (kind, None)
        }
        Wrap::EtherIp => (Kind::EtherIp, None),
        Wrap::L2tpv3 { session, .. } => (Kind::L2tpv3, Some(session.into())),
        Wrap::Gtpu { teid, .. } => (Kind::Gtpu, Some(teid.into())),
        Wrap::Lisp { instance, .. } => (Kind::Lisp, instance.map(u64::from)),
        Wrap::Teredo { .. } => (Kind::Teredo, None),
        Wrap::Ayiya => (Kind::Ayiya, None),
        Wrap::Mpls { labels, .. } => {
            let kind = if matches!(inner[0] >> 4, 4 | 6) {
                Kind::Mpls
            } else {
                Kind::MplsPw
            };
            // 7 announces entropy, and neither names a service.
            let service = match *labels {
                [.., 16, 7] | [.., 16, 7, _] => 16,
                ref others => others[others.len() - 1],
            };
            (kind, Some(service.into()))
        }
        Wrap::Pbb { service, .. } => (Kind::Pbb, Some((service & 0xff_ffff).into())),
        Wrap::Trill {
            ingress, egress, ..
        } => (
            Kind::Trill,
            Some(u64::from(ingress) << 16 | u64::from(egress)),
        ),
        Wrap::FabricPath { forwarding_tag, .. } => {
            (Kind::FabricPath, Some((forwarding_tag & 0x3ff).into()))
        }
        Wrap::Pppoe { session } => (Kind::Pppoe, Some(session.into())),
        Wrap::Nsh { path, .. } => (Kind::Nsh, Some((path & 0xff_ffff).into())),
        Wrap::VnTag { .. }
        | Wrap::ETag { .. }
        | Wrap::CiscoMetaData { .. }
        | Wrap::Arista { .. }
        | Wrap::ErspanMarker { .. } => return None,
    })
}

/// Version of the IP packet that an Ethernet frame holds, if it holds one without anything between.
fn ip_version(frame: &[u8]) -> Option<u8> {
    match frame[12..14] {
        [0x08, 0x00] => Some(4),
        [0x86, 0xdd] => Some(6),
        _ => None,
    }
}

/// What a port may put in front of a frame, and the link type of a capture on it.
fn fronts(frame: &[u8]) -> Vec<(LinkType, Vec<u8>)> {
    let tagged = [&frame[..12], &hex!("8100 2064"), &frame[12..]].concat();
    let cooked = [&hex!("0000 0001 0006 02000000000a 0000")[..], &frame[12..]].concat();
    let mut fronts = vec![
        (LinkType::Ethernet, frame.to_vec()),
        (LinkType::Ethernet, tagged),
        (LinkType::LinuxSll, cooked),
    ];
    let Some(version) = ip_version(frame) else {
        return fronts;
    };
    let ipv6 = version == 6;
    let packet = &frame[14..];
    let ether_type = &frame[12..14];
    let behind = |header: &[u8]| [header, packet].concat();
    let family: u8 = if ipv6 { 10 } else { 2 };
    fronts.extend([
        (LinkType::RawIp, behind(&[])),
        (
            if ipv6 { LinkType::Ipv6 } else { LinkType::Ipv4 },
            behind(&[]),
        ),
        (LinkType::Null, behind(&[family, 0, 0, 0])),
        (LinkType::Null, behind(&[0, 0, 0, family])),
        (LinkType::Loop, behind(&[0, 0, 0, family])),
        (
            LinkType::LinuxSll2,
            behind(&[ether_type, &[0; 18]].concat()),
        ),
        (
            LinkType::CiscoHdlc,
            behind(&[&[0x0f, 0], ether_type].concat()),
        ),
        (
            LinkType::Ppp,
            behind(&[0xff, 3, 0, if ipv6 { 0x57 } else { 0x21 }]),
        ),
    ]);
    fronts
}

proptest! {
    #[test]
    fn what_was_wrapped_comes_out_again(
        levels in prop::collection::vec(any_level(), 1..=3),
        ipv6 in any::<bool>(),
        payload in prop::collection::vec(any::<u8>(), 0..100),
    ) {
        let address = Ipv6Addr::LOCALHOST.into();
        let within = if ipv6 { Outer::new(address, address) } else { Outer::new([10; 4].into(), [11; 4].into()) };
        let mut innermost = Vec::new();
        wrap(&within, &Wrap::Vxlan { vni: 0, port: 9 }, &payload, &mut innermost);

        let mut bytes = innermost.clone();
        let mut inner = (LinkType::Ethernet, Vec::new());
        let mut listed = Vec::new();
        let mut mirror = None;
        for level in &levels {
            let (with, link, content) = match ip_version(&bytes).filter(|_| level.bare) {
                Some(4) => (&level.around_ipv4, LinkType::RawIp, &bytes[14..]),
                Some(_) => (&level.around_ipv6, LinkType::RawIp, &bytes[14..]),
                None => (&level.around_frame, LinkType::Ethernet, &bytes[..]),
            };
            let mut whole = Vec::new();
            wrap(&level.outer, with, content, &mut whole);
            if let Some(opened) = opened(with, &level.outer, content) {
                if listed.is_empty() {
                    inner = (link, content.to_vec());
                }
                listed.insert(0, opened);
                if ip_version(&whole).is_some() {
                    mirror = Some((opened, level.outer.source, level.outer.destination));
                }
            }
            bytes = whole;
        }

        for (link, bytes) in fronts(&bytes) {
            if listed.is_empty() {
                inner = (link, bytes.clone());
            }
            let stripped = decapsulate(link, &bytes, &Options::default());
            prop_assert_eq!(stripped.stop, Stop::Inner, "{:?}", names(&stripped));
            prop_assert_eq!((stripped.inner.link, stripped.inner.bytes), (inner.0, &inner.1[..]));
            prop_assert_eq!(stripped.packet().network, strip(&innermost).packet().network);
            let found: Vec<_> = stripped.encapsulations().map(|c| (c.encapsulation, c.id)).collect();
            prop_assert_eq!(&found, &listed);
            let found = stripped.mirror().map(|m| ((m.encapsulation, m.id), m.source, m.destination));
            prop_assert_eq!(found, mirror);
            for layer in stripped.layers.iter() {
                match layer {
                    Layer::Ipv4(ip) => prop_assert!(ip.checksum_ok()),
                    Layer::Gre(gre) => prop_assert_ne!(gre.checksum_ok(), Some(false)),
                    _ => {}
                }
            }
        }
    }

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
            prop_oneof![any_wrap(), any_link_wrap(), any_packet_wrap(4), any_tag()],
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
    fn a_packet_that_was_wrapped_in_the_link_layer_keeps_the_addresses_in_front(
        outer in any_outer(),
        with in any_link_packet_wrap(),
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
