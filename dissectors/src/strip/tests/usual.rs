//! The short way for the usual headers says what the general walk says.

use hex_literal::hex;
use proptest::prelude::*;

use super::*;

/// What can be inside: TCP, UDP to a tunnel's port without a tunnel, and ICMP, over both versions of IP.
const INNER: [&[u8]; 4] = [
    &FRAME,
    &hex!(
        "02000000000b02000000000a 0800 4500001c 00010000 4011 0000 0a000001 0a000002"
        "c00012b5 00080000"
    ),
    &hex!(
        "02000000000b02000000000a 81000064 0800 4500001c 00010000 4001 0000 0a000001 0a000002"
        "0800f7ff 00000000"
    ),
    &hex!(
        "02000000000b02000000000a 88a80064 81000065 86dd 60000000 0014 06 40"
        "20010db8000000000000000000000001 20010db8000000000000000000000002"
        "9c4001bb11223344000000005002faf0e63d0000"
    ),
];

/// One of them.
pub(super) fn any_inner() -> impl Strategy<Value = &'static [u8]> {
    prop::sample::select(&INNER[..])
}

fn any_usual() -> impl Strategy<Value = Wrap<'static>> {
    let gre = |protocol| {
        (any::<Option<u32>>(), any::<Option<u32>>(), any::<bool>()).prop_map(
            move |(key, sequence, checksum)| Wrap::Gre {
                key,
                sequence,
                checksum,
                protocol,
            },
        )
    };
    prop_oneof![
        Just(Wrap::Erspan1),
        (0_u16..1024).prop_map(erspan2),
        any::<Option<[u8; 8]>>().prop_map(|platform| erspan3(9, 0, None, platform)),
        any::<Option<u32>>().prop_map(|sequence| erspan3(9, 0, sequence, None)),
        gre(0x6558),
        gre(0x88be),
        Just(VXLAN),
        any::<u16>().prop_map(|port| Wrap::Vxlan { vni: 5000, port }),
        Just(Wrap::Geneve {
            vni: 5,
            port: 6081,
            protocol: 0x6558,
            options: &[],
        }),
        Just(Wrap::Geneve {
            vni: 5,
            port: 6081,
            protocol: 0x0800,
            options: &hex!("0102 80 01 0007002a"),
        }),
    ]
}

/// Frames in up to three of the usual encapsulations, with up to three tags in front and a few bytes changed to values
/// that mean something in headers, or to any.
fn any_frame() -> impl Strategy<Value = Vec<u8>> {
    let value = prop_oneof![
        any::<u8>(),
        prop::sample::select(
            &hex!("00 01 04 06 08 11 12 17 1b 22 29 2c 2f 33 45 46 60 65 81 86 88 b5 be c1 dd eb")
                [..]
        ),
    ];
    (
        any_inner(),
        prop::collection::vec((any_usual(), any::<bool>()), 0..4),
        0_usize..4,
        prop::collection::vec((any::<prop::sample::Index>(), value), 0..4),
    )
        .prop_map(|(inner, levels, tags, changes)| {
            let mut frame = inner.to_vec();
            for (with, ipv6) in levels {
                let outer = if ipv6 {
                    Outer::new([1; 16].into(), [2; 16].into())
                } else {
                    Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into())
                };
                let inner = std::mem::take(&mut frame);
                wrap(&outer, &with, &inner, &mut frame);
            }
            for _ in 0..tags {
                frame.splice(12..12, hex!("81000064"));
            }
            for (index, value) in changes {
                let place = index.index(frame.len().min(150));
                frame[place] = value;
            }
            frame
        })
}

/// Everything that is known of a frame, by one way or the other.
fn known<const USUAL: bool>(link: LinkType, frame: &[u8], options: &Options) -> String {
    let mut stripped = Stripped::whole(link, frame);
    stripped.walk::<USUAL>(first_header(link, frame), options);
    format!(
        "{stripped:?} {:?} {:?}",
        stripped.packet(),
        stripped.mirror()
    )
}

/// The same packet behind headers that are not usual: none, those of a cooked capture, a label, and another of IP.
fn behind_others(frame: &[u8]) -> [(LinkType, Vec<u8>); 4] {
    let (addresses, rest) = frame.split_at(12);
    let packet = &rest[2..];
    let label = hex!("8847 00064140");
    let ip = hex!("45000000 00004000 4004 0000 0a010101 0a010102");
    [
        (LinkType::RawIp, packet.to_vec()),
        (LinkType::LinuxSll, [&[0; 14], rest].concat()),
        (LinkType::Ethernet, [addresses, &label, packet].concat()),
        (LinkType::Ipv4, [&ip, packet].concat()),
    ]
}

proptest! {
    #[test]
    fn both_ways_say_the_same_of_usual_frames_cut_anywhere(frame in any_frame(), limit in 1_usize..5) {
        let mut options = Options::default();
        options.max_encapsulations = limit;
        for len in 0..=frame.len() {
            let frame = &frame[..len];
            prop_assert_eq!(known::<true>(LinkType::Ethernet, frame, &options), known::<false>(LinkType::Ethernet, frame, &options));
        }
    }

    #[test]
    fn both_ways_say_the_same_of_ip_behind_other_headers(frame in any_frame(), limit in 1_usize..5) {
        let mut options = Options::default();
        options.max_encapsulations = limit;
        for (link, frame) in behind_others(&frame) {
            for len in 0..=frame.len() {
                let frame = &frame[..len];
                prop_assert_eq!(known::<true>(link, frame, &options), known::<false>(link, frame, &options));
            }
        }
    }

    #[test]
    fn both_ways_follow_the_users_numbers(
        frame in any_frame(),
        rules in prop::sample::subsequence(
            vec![
                "ethertype==0x8100,mpls", "ethertype==0x0800,vlan", "gre.proto==0x6558,erspan2",
                "gre.proto==0x88be,erspan3", "gre.proto==0x22eb,vlan", "ip.proto==6,udp", "ip.proto==17,gre",
                "ip.proto==47,udp", "udp.port==4789,geneve", "udp.port==6081,gre", "tcp.port==443,stt",
            ],
            0..4,
        ),
    ) {
        let mut options = Options::default();
        for rule in rules {
            options.decode_as(rule).unwrap();
        }
        prop_assert_eq!(known::<true>(LinkType::Ethernet, &frame, &options), known::<false>(LinkType::Ethernet, &frame, &options));
    }
}
