use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;
use proptest::prelude::*;
use proptest::sample::select;

use super::assembler::{Test, Width};
use super::interpreter::{Packet, run};
use super::{Assembler, Devices, MAX_INSTRUCTIONS, To, nothing, program};
use crate::live::{Numbers, Pass};

fn numbers() -> Numbers {
    Numbers {
        udp: vec![4789, 8472, 6081, 37008, 4790, 4791],
        tcp: vec![7471],
        ip: vec![47, 4, 41, 97, 115],
        ethertypes: vec![0x22f3, 0x8847, 0x8848],
    }
}

fn pass(sources: &[&str]) -> Pass {
    Pass {
        all: false,
        sources: sources.iter().map(|net| net.parse().unwrap()).collect(),
    }
}

/// What the filter's documentation says, over the bytes of a packet from its network header on.
fn wanted(mut ethertype: u16, mut bytes: &[u8], pass: &Pass, numbers: &Numbers) -> bool {
    if pass.all && pass.sources.is_empty() {
        return true;
    }
    let mut tags = 0;
    while [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300].contains(&ethertype) {
        if tags == 4 {
            return pass.sources.is_empty();
        }
        let Some(tag) = bytes.first_chunk::<4>() else {
            return false;
        };
        ethertype = u16::from_be_bytes([tag[2], tag[3]]);
        bytes = &bytes[4..];
        tags += 1;
    }
    match ethertype {
        0x0800 => wanted4(bytes, pass, numbers).unwrap_or(false),
        0x86dd => wanted6(bytes, pass, numbers).unwrap_or(false),
        _ => pass.sources.is_empty() && numbers.ethertypes.contains(&ethertype),
    }
}

fn may_send(source: IpAddr, pass: &Pass) -> bool {
    pass.sources.is_empty() || pass.sources.iter().any(|net| net.contains(&source))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn wanted4(bytes: &[u8], pass: &Pass, numbers: &Numbers) -> Option<bool> {
    if !pass.sources.is_empty() {
        let source: [u8; 4] = *bytes.get(12..)?.first_chunk()?;
        if !may_send(Ipv4Addr::from(source).into(), pass) {
            return Some(false);
        }
    }
    if pass.all {
        return Some(true);
    }
    let later = half(bytes, 6)? & 0x1fff != 0;
    let protocol = *bytes.get(9)?;
    if later {
        return Some(in_fragments(protocol, numbers));
    }
    let len = usize::from(bytes[0] & 0x0f) * 4;
    transport(protocol, bytes.get(len..).unwrap_or_default(), numbers)
}

fn wanted6(bytes: &[u8], pass: &Pass, numbers: &Numbers) -> Option<bool> {
    if !pass.sources.is_empty() {
        let source: [u8; 16] = *bytes.get(8..)?.first_chunk()?;
        if !may_send(Ipv6Addr::from(source).into(), pass) {
            return Some(false);
        }
    }
    if pass.all {
        return Some(true);
    }
    let mut protocol = *bytes.get(6)?;
    let mut rest = bytes.get(40..).unwrap_or_default();
    for extensions in 0.. {
        let len = match protocol {
            0 | 43 | 60 | 135 | 139 | 140 | 44 | 51 if extensions == 6 => return Some(true),
            0 | 43 | 60 | 135 | 139 | 140 => (usize::from(*rest.get(1)?) + 1) * 8,
            51 => (usize::from(*rest.get(1)?) + 2) * 4,
            44 if half(rest, 2)? & 0xfff8 != 0 => {
                return Some(in_fragments(*rest.first()?, numbers));
            }
            44 => 8,
            _ => break,
        };
        protocol = *rest.first()?;
        rest = rest.get(len..).unwrap_or_default();
    }
    transport(protocol, rest, numbers)
}

fn in_fragments(protocol: u8, numbers: &Numbers) -> bool {
    numbers.ip.contains(&protocol)
        || (protocol == 17 && !numbers.udp.is_empty())
        || (protocol == 6 && !numbers.tcp.is_empty())
        || [0, 43, 44, 51, 60, 135, 139, 140].contains(&protocol)
}

fn transport(protocol: u8, bytes: &[u8], numbers: &Numbers) -> Option<bool> {
    let ports = match protocol {
        _ if numbers.ip.contains(&protocol) => return Some(true),
        17 => &numbers.udp,
        6 => &numbers.tcp,
        _ => return Some(false),
    };
    Some(ports.contains(&half(bytes, 2)?) || ports.contains(&half(bytes, 0)?))
}

/// A transport header that often matches.
fn upper() -> impl Strategy<Value = (u8, Vec<u8>)> {
    let port = || {
        prop_oneof![
            select(vec![4789_u16, 8472, 6081, 4790, 7471, 4788, 4792, 53]),
            any::<u16>()
        ]
    };
    let protocol = prop_oneof![
        select(vec![17_u8, 17, 17, 6, 47, 4, 41, 1, 50, 58, 97]),
        any::<u8>()
    ];
    (protocol, port(), port(), 0..9_usize).prop_map(|(protocol, source, to, len)| {
        let mut bytes = [source.to_be_bytes(), to.to_be_bytes()].concat();
        bytes.resize(8, 0x5a);
        bytes.truncate(if len < 6 { 8 } else { len - 5 });
        (protocol, bytes)
    })
}

fn source4() -> impl Strategy<Value = [u8; 4]> {
    prop_oneof![
        (any::<u8>(), any::<u8>()).prop_map(|(net, host)| [10, 60, net & 3, host]),
        any::<[u8; 4]>()
    ]
}

fn packet4() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let fragment = prop_oneof![Just(0_u16), Just(0x4000), Just(0x2000), any::<u16>()];
    (upper(), 5..16_u8, fragment, source4()).prop_map(
        |((protocol, upper), words, fragment, source)| {
            let mut bytes = vec![0x40 | words, 0, 0, 100, 0, 0];
            bytes.extend(fragment.to_be_bytes());
            bytes.extend([64, protocol, 0, 0]);
            bytes.extend(source);
            bytes.extend([10, 0, 0, 9]);
            // Options that look like ports.
            bytes.resize(usize::from(words) * 4, 0x12);
            bytes.extend(upper);
            (0x0800, bytes)
        },
    )
}

fn packet6() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let kind = || select(vec![0_u8, 43, 60, 44, 51, 135, 139, 140]);
    let extension = (
        kind(),
        0..4_u8,
        prop_oneof![3 => Just(0_u16), 1 => any::<u16>()],
    );
    let chain = prop::collection::vec(extension, 0..9);
    let source = prop_oneof![
        any::<u16>().prop_map(|host| [0x2001, 0xdb8, 0, 1, 0, 0, 0, host]),
        any::<[u16; 8]>()
    ];
    (upper(), chain, source).prop_map(|((protocol, upper), chain, source)| {
        let mut bytes = vec![0x60, 0, 0, 0, 0, 0];
        bytes.extend([chain.first().map_or(protocol, |first| first.0), 64]);
        for word in source {
            bytes.extend(word.to_be_bytes());
        }
        bytes.resize(40, 0x33);
        for (index, (kind, len, fragment)) in chain.iter().enumerate() {
            let next = chain.get(index + 1).map_or(protocol, |next| next.0);
            let start = bytes.len();
            bytes.extend([next, *len]);
            bytes.extend(fragment.to_be_bytes());
            let len = match kind {
                44 => 8,
                51 => (usize::from(*len) + 2) * 4,
                _ => (usize::from(*len) + 1) * 8,
            };
            bytes.resize(start + len, 0x12);
        }
        bytes.extend(upper);
        (0x86dd, bytes)
    })
}

/// The `EtherType` and the packet behind it, cut behind its addresses now and then.
fn network() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let other = (
        select(vec![
            0x22f3_u16, 0x8847, 0x8848, 0x0806, 0x8849, 0x05dc, 0x88a8,
        ]),
        prop::collection::vec(any::<u8>(), 0..40),
    );
    let any_packet = prop_oneof![4 => packet4(), 4 => packet6(), 1 => other];
    (
        any_packet,
        prop_oneof![4 => Just(usize::MAX), 1 => 40..120_usize],
    )
        .prop_map(|((ethertype, mut bytes), cut)| {
            bytes.truncate(cut);
            (ethertype, bytes)
        })
}

/// Tags in front of it.
fn tagged() -> impl Strategy<Value = (u16, Vec<u8>)> {
    let tag = (
        select(vec![0x8100_u16, 0x88a8, 0x9100, 0x9200, 0x9300]),
        any::<u16>(),
    );
    let tags = prop_oneof![2 => Just(Vec::new()), 3 => prop::collection::vec(tag, 1..7)];
    (tags, network()).prop_map(|(tags, (ethertype, packet))| {
        let mut bytes = Vec::new();
        for (index, (_, tci)) in tags.iter().enumerate() {
            bytes.extend(tci.to_be_bytes());
            let next = tags.get(index + 1).map_or(ethertype, |next| next.0);
            bytes.extend(next.to_be_bytes());
        }
        bytes.extend(packet);
        (tags.first().map_or(ethertype, |tag| tag.0), bytes)
    })
}

fn framed(ethertype: u16, bytes: &[u8]) -> Packet {
    let mut frame = vec![2; 12];
    frame.extend(ethertype.to_be_bytes());
    frame.extend(bytes);
    Packet {
        bytes: frame,
        network: 14,
        protocol: ethertype,
        device_type: 1,
        direction: 0,
    }
}

fn passes() -> impl Strategy<Value = Pass> {
    (
        prop::bool::weighted(0.1),
        prop::sample::subsequence(
            vec![
                "10.60.0.0/24",
                "10.60.2.0/23",
                "10.60.1.7/32",
                "0.0.0.0/1",
                "2001:db8:0:1::/64",
                "2001:db8:0:1::/113",
                "8000::/1",
            ],
            0..5,
        ),
        any::<bool>(),
    )
        .prop_map(|(all, sources, any)| Pass {
            all,
            sources: if any {
                Vec::new()
            } else {
                sources.iter().map(|net| net.parse().unwrap()).collect()
            },
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn ethernet_frames_pass_as_documented((ethertype, bytes) in tagged(), pass in passes()) {
        let packet = framed(ethertype, &bytes);
        let expected = wanted(ethertype, &bytes, &pass, &numbers());
        for devices in [Devices::Ethernet, Devices::Any] {
            let program = program(&pass, &numbers(), devices, false).unwrap();
            prop_assert_eq!(run(&program, &packet) != 0, expected, "{:?}", devices);
        }
    }

    #[test]
    fn packets_of_other_devices_pass_as_documented(
        (ethertype, bytes) in network(),
        header in 0..64_usize,
        device_type in select(vec![65534_u16, 512, 778, 776, 823]),
        pass in passes(),
    ) {
        let packet = Packet {
            bytes: [vec![0x45; header], bytes.clone()].concat(),
            network: header,
            protocol: ethertype,
            device_type,
            direction: 0,
        };
        let tag = [0x8100, 0x88a8].contains(&ethertype);
        let expected = wanted(ethertype, &bytes, &pass, &numbers()) && !tag
            || pass.all && pass.sources.is_empty();
        for devices in [Devices::Other, Devices::Any] {
            let program = program(&pass, &numbers(), devices, false).unwrap();
            prop_assert_eq!(run(&program, &packet) != 0, expected, "{:?}", devices);
        }
    }

    #[test]
    fn any_list_of_ports_is_searched_right(
        ports in prop::collection::vec(any::<u16>(), 0..500),
        probes in prop::collection::vec(any::<u16>(), 20),
    ) {
        let numbers = Numbers { udp: ports.clone(), ..Numbers::default() };
        let program = program(&pass(&[]), &numbers, Devices::Any, true).unwrap();
        let near = ports.iter().take(30).flat_map(|port| [*port, port.wrapping_add(1)]);
        for port in probes.into_iter().chain(near) {
            let mut bytes = vec![0x45, 0, 0, 100, 0, 0, 0, 0, 64, 17, 0, 0];
            bytes.extend([0; 8]);
            bytes.extend([0xff, 0xff]);
            bytes.extend(port.to_be_bytes());
            bytes.extend([0; 4]);
            let expected = ports.contains(&port) || ports.contains(&0xffff);
            prop_assert_eq!(run(&program, &framed(0x0800, &bytes)) != 0, expected);
        }
    }
}

#[test]
fn a_packet_cut_in_its_headers_does_not_pass() {
    let mut gre = vec![0x45, 0, 0, 100, 0, 0, 0, 0, 64, 47];
    gre.resize(24, 0);
    for devices in [Devices::Ethernet, Devices::Other, Devices::Any] {
        let program = program(&pass(&[]), &numbers(), devices, false).unwrap();
        for len in 0..10 {
            assert_eq!(run(&program, &framed(0x0800, &gre[..len])), 0);
        }
        assert_eq!(run(&program, &framed(0x0800, &gre)), u32::MAX);
    }
}

#[test]
fn the_usual_program_is_short() {
    let ethernet = program(&pass(&[]), &numbers(), Devices::Ethernet, false).unwrap();
    assert!(ethernet.len() < 400, "{}", ethernet.len());
    assert_eq!(nothing().len(), 1);
    assert_eq!(run(&nothing(), &framed(0x0800, &[0; 40])), 0);
}

#[test]
fn sources_of_a_whole_country_fit_and_too_many_are_refused() {
    let nets = |count: u32| Pass {
        all: false,
        sources: (0..count)
            .map(|net| IpNet::new(Ipv4Addr::from(net << 9).into(), 24).unwrap())
            .collect(),
    };
    let fits = program(&nets(400), &numbers(), Devices::Any, false).unwrap();
    assert!(fits.len() <= MAX_INSTRUCTIONS);
    let len = program(&nets(4000), &numbers(), Devices::Any, false).unwrap_err();
    assert!(len > MAX_INSTRUCTIONS);
}

#[test]
fn sent_packets_are_left_out_where_the_kernel_cannot() {
    let mut gre = vec![0x45, 0, 0, 100, 0, 0, 0, 0, 64, 47];
    gre.resize(24, 0);
    let mut packet = framed(0x0800, &gre);
    let received_only = program(&pass(&[]), &numbers(), Devices::Ethernet, true).unwrap();
    assert_eq!(run(&received_only, &packet), u32::MAX);
    packet.direction = libc::PACKET_OUTGOING;
    assert_eq!(run(&received_only, &packet), 0);
    let all = program(&pass(&[]), &numbers(), Devices::Ethernet, false).unwrap();
    assert_eq!(run(&all, &packet), u32::MAX);
}

#[test]
fn jumps_reach_over_more_than_255_instructions() {
    for gap in [250, 253, 254, 255, 256, 257, 300, 600] {
        let mut assembler = Assembler::default();
        let (yes, no) = (assembler.label(), assembler.label());
        assembler.load(Width::Byte, 0);
        assembler.branch(Test::Equal(1), yes, To::Next);
        assembler.branch(Test::Equal(2), To::Next, no);
        assembler.branch(Test::Equal(2), yes, no);
        for _ in 0..gap {
            assembler.add(1);
        }
        assembler.give(1);
        assembler.mark(yes);
        assembler.give(2);
        for _ in 0..5 {
            assembler.add(1);
        }
        assembler.mark(no);
        assembler.give(3);
        let program = assembler.finish().unwrap();
        for (byte, expected) in [(1, 2), (2, 2), (3, 3)] {
            let packet = Packet {
                bytes: vec![byte],
                ..Packet::default()
            };
            assert_eq!(run(&program, &packet), expected, "byte {byte} over {gap}");
        }
    }
}
