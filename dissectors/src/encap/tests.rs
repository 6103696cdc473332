use std::net::SocketAddrV4;

use hex_literal::hex;

use super::*;
use crate::mirror::Direction;

/// A mirrored TCP SYN.
const FRAME: [u8; 54] = hex!(
    "02000000000b02000000000a0800450000280a0a400040064474c000020ac6336414"
    "9c4001bb11223344000000005002faf0e63d0000"
);

fn outer(source: IpAddr, destination: IpAddr) -> Outer {
    Outer {
        source_mac: hex!("02aa00000001"),
        destination_mac: hex!("02bb00000002"),
        identification: 1,
        udp_source_port: 49500,
        ..Outer::new(source, destination)
    }
}

/// Wraps the frame and returns what stands in front of it.
fn header(outer: &Outer, with: &Wrap<'_>) -> Vec<u8> {
    let mut out = vec![0xff];
    wrap(outer, with, &FRAME, &mut out);
    assert_eq!(out[0], 0xff);
    assert!(out.ends_with(&FRAME));
    out[1..out.len() - FRAME.len()].to_vec()
}

#[test]
fn frames_are_those_of_other_writers() {
    let mut outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let vxlan = Wrap::Vxlan {
        vni: 5000,
        port: 4789,
    };
    assert_eq!(
        header(&outer, &vxlan),
        hex!(
            "02bb0000000202aa0000000108004500005a00010000401166110a3c00010a3c0009"
            "c15c12b5004600000800000000138800"
        )
    );
    let gre = Wrap::Gre {
        key: Some(0x0102_0304),
        sequence: Some(9),
        checksum: true,
        protocol: 0x6558,
    };
    assert_eq!(
        header(&outer, &gre),
        hex!(
            "02bb0000000202aa0000000108004500005a00010000402f65f30a3c00010a3c0009"
            "b0006558c6ef00000102030400000009"
        )
    );
    let erspan3 = Wrap::Erspan3 {
        session: 5,
        vlan: 20,
        cos: 0,
        truncated: false,
        timestamp: 5208,
        sgt: 0x1234,
        frame_type: 0,
        hw_id: 3,
        direction: Direction::Egress,
        granularity: 0,
        sequence: Some(62_123_357),
        platform: None,
    };
    assert_eq!(
        header(&outer, &erspan3),
        hex!(
            "02bb0000000202aa0000000108004500005e00010000402f65ef0a3c00010a3c0009"
            "100022eb03b3ed5d201400050000145812348038"
        )
    );
    outer.ttl = 255;
    outer.dont_fragment = true;
    let erspan2 = Wrap::Erspan2 {
        session: 101,
        vlan: 100,
        cos: 3,
        en: 2,
        truncated: false,
        index: 43973,
        sequence: 1000,
    };
    assert_eq!(
        header(&outer, &erspan2)[..42],
        hex!(
            "02bb0000000202aa0000000108004500005a00014000ff2f66f20a3c00010a3c0009"
            "100088be000003e8"
        )
    );
    assert_eq!(header(&outer, &erspan2)[42..], hex!("106470650000abc5"));
}

#[test]
fn headers_of_tunnels_are_laid_out_as_specified() {
    let mut outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let encapsulation = |outer: &Outer, with: Wrap<'_>| header(outer, &with)[34..].to_vec();
    let nvgre = Wrap::Nvgre {
        subnet: 5000,
        flow: 0xaa,
    };
    assert_eq!(encapsulation(&outer, nvgre), hex!("20006558001388aa"));
    let eoip = Wrap::Eoip { tunnel: 0x0102 };
    assert_eq!(encapsulation(&outer, eoip), hex!("2001640000360201"));
    let wccp = Wrap::Wccp { service: Some(51) };
    assert_eq!(encapsulation(&outer, wccp), hex!("0000883e80330000"));
    assert_eq!(encapsulation(&outer, Wrap::EtherIp), hex!("3000"));
    assert_eq!(encapsulation(&outer, Wrap::Mlnx)[..4], hex!("00008949"));
    let l2tpv3 = |udp| Wrap::L2tpv3 {
        session: 1001,
        cookie: &hex!("deadbeef"),
        sequence: Some(7),
        udp,
    };
    let over_ip = hex!("000003e9 deadbeef 40000007");
    assert_eq!(encapsulation(&outer, l2tpv3(false)), over_ip);
    outer.udp_source_port = 2152;
    let over_udp = hex!("0868 06a5 004e 0000 0003 0000 000003e9 deadbeef 40000007");
    assert_eq!(encapsulation(&outer, l2tpv3(true)), over_udp);
    let gtpu = Wrap::Gtpu {
        teid: 0x1122_3344,
        sequence: Some(7),
        extension: Some((0x85, &hex!("0009"))),
    };
    let expected = hex!("0868 0868 004e 0000 36ff003e11223344 00070085 01000900");
    assert_eq!(encapsulation(&outer, gtpu), expected);
    let lisp = Wrap::Lisp {
        nonce: Some(0x12_3456),
        instance: Some(100),
    };
    let expected = hex!("0868 10f5 0046 0000 8812345600006400");
    assert_eq!(encapsulation(&outer, lisp), expected);
    let teredo = Wrap::Teredo {
        origin: Some(SocketAddrV4::new([70, 55, 215, 234].into(), 3797)),
    };
    let expected = hex!("0868 0dd8 0046 0000 0000f12ab9c82815");
    assert_eq!(encapsulation(&outer, teredo), expected);
}

#[test]
fn link_layer_headers_are_those_of_other_writers() {
    let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let cases: [(Wrap<'_>, &[u8]); 6] = [
        (
            Wrap::Mpls {
                labels: &[24005, 24001],
                control_word: Some(5),
            },
            &hex!("8847 05dc5040 05dc1140 00000005"),
        ),
        (
            Wrap::Pbb {
                service: 43981,
                priority: 3,
            },
            &hex!("88e7 6000abcd"),
        ),
        (
            Wrap::Trill {
                ingress: 0x0a0a,
                egress: 0x0b0b,
                hop_count: 32,
            },
            &hex!("22f3 0020 0b0b 0a0a"),
        ),
        (
            Wrap::FabricPath {
                forwarding_tag: 1,
                ttl: 32,
            },
            &hex!("8903 0060"),
        ),
        (Wrap::Pppoe { session: 7 }, &hex!("8864 11000007 0038 0021")),
        (
            Wrap::Nsh {
                path: 42,
                index: 255,
                next: 3,
            },
            &hex!("894f 0fc2 0203 00002aff"),
        ),
    ];
    for (with, expected) in cases {
        let header = header(&outer, &with);
        assert_eq!(header[..12], hex!("02bb0000000202aa00000001"));
        assert_eq!(header[12..], *expected, "{with:?}");
    }
}

#[test]
fn tags_stand_between_addresses_and_type() {
    let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let cases: [(Wrap<'_>, &[u8]); 4] = [
        (
            Wrap::VnTag {
                source: 0x123,
                destination: 0xabc,
            },
            &hex!("8926 0abc0123"),
        ),
        (Wrap::ETag { channel: 0x2123 }, &hex!("893f 000021230000")),
        (
            Wrap::CiscoMetaData {
                security_group: 4660,
            },
            &hex!("8909 010100011234"),
        ),
        (
            Wrap::Arista {
                seconds: 1_700_000_000,
                nanoseconds: 123_456_789,
            },
            &hex!("d28b 00010110 6553f100075bcd15"),
        ),
    ];
    for (with, expected) in cases {
        let mut out = Vec::new();
        wrap(&outer, &with, &FRAME, &mut out);
        assert_eq!(out, [&FRAME[..12], expected, &FRAME[12..]].concat());
    }
}

#[test]
fn udp_over_ipv6_has_a_checksum() {
    let address = |last| Ipv6Addr::new(0x2001, 0xdb8, 0x60, 0, 0, 0, 0, last).into();
    let vxlan = Wrap::Vxlan {
        vni: 5000,
        port: 4789,
    };
    assert_eq!(
        header(&outer(address(1), address(9)), &vxlan)[14..],
        hex!(
            "600000000046114020010db8006000000000000000000001"
            "20010db8006000000000000000000009c15c12b500461f590800000000138800"
        )
    );
}

#[test]
fn an_ip_packet_in_erspan_3_is_no_frame() {
    let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let erspan3 = |frame_type| Wrap::Erspan3 {
        session: 101,
        vlan: 0,
        cos: 0,
        truncated: false,
        timestamp: 1,
        sgt: 0,
        frame_type,
        hw_id: 0,
        direction: Direction::Ingress,
        granularity: 0,
        sequence: Some(7),
        platform: None,
    };
    let own = |frame_type| header(&outer, &erspan3(frame_type))[42..].to_vec();
    assert_eq!(own(2), hex!("200000650000000100000800"));
    assert_eq!(own(0), hex!("200000650000000100008000"));
    assert_eq!(own(0xff), hex!("200000650000000100007c00"));
}

#[test]
fn headers_have_the_layout_that_others_read() {
    let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let over_udp = |with: &Wrap<'_>| {
        let bytes = header(&outer, with);
        (
            u16::from_be_bytes([bytes[36], bytes[37]]),
            bytes[42..].to_vec(),
        )
    };
    let policy = GroupPolicy {
        group: 66,
        dont_learn: true,
        applied: true,
    };
    let group_policy = Wrap::VxlanGroupPolicy {
        vni: 5000,
        policy,
        port: 4789,
    };
    let gpe = Wrap::VxlanGpe {
        vni: 5000,
        next_protocol: 1,
    };
    let otv = Wrap::Otv {
        overlay: 7,
        instance: 100,
    };
    let tzsp = Wrap::Tzsp {
        encapsulation: 1,
        tags: TzspTags {
            packet_count: Some(7),
            original_len: Some(54),
            sensor: Some(hex!("02aa00000001")),
        },
    };
    let erm = Wrap::HpErm {
        vlan: Some(100),
        priority: 3,
    };
    let jmirror = Wrap::Jmirror {
        mirror: 1,
        session: 0x22,
    };
    let capwap = Wrap::Capwap {
        radio_id: 1,
        fragment_id: 5,
    };
    let tags = hex!("01000001 280400000007 29020036 3c0602aa00000001 01");
    let cases: [(_, u16, &[u8]); 7] = [
        (group_policy, 4789, &hex!("8848004200138800")),
        (gpe, 4790, &hex!("0c00000100138800")),
        (otv, 8472, &hex!("0800000700006400")),
        (tzsp, 37008, &tags),
        (erm, 7932, &hex!("0000000000000000 00606480")),
        (jmirror, 30030, &hex!("0000000100000022")),
        (capwap, 5247, &hex!("0010420000050000")),
    ];
    for (with, port, expected) in cases {
        assert_eq!(over_udp(&with), (port, expected.to_vec()), "{with:?}");
    }
}

#[test]
fn stt_has_the_checksum_of_tcp() {
    let stt = Wrap::Stt(SttHeader {
        context: 5001,
        frame_id: 0xbeef,
        vlan: Some(100),
    });
    let v4 = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let bytes = header(&v4, &stt);
    assert_eq!(
        bytes[34..],
        hex!(
            "c15c1d2f 00480000 0000beef 5018ffff b9aa 0000"
            "00000000 0000 1064 0000000000001389 0000"
        )
    );
    let v6 = outer([1; 16].into(), [2; 16].into());
    let mut bytes = header(&v6, &stt).split_off(54);
    bytes.extend(FRAME);
    // With its own right checksum in it, a segment sums to 0.
    assert_eq!(with_ipv6_pseudo_header([1; 16], [2; 16], TCP, &bytes), 0);
}

#[test]
fn values_wider_than_their_field_stay_in_it() {
    let outer = outer([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let wide = Wrap::Erspan2 {
        session: 0xffff,
        vlan: 0xffff,
        cos: 0xf8,
        en: 0xfc,
        truncated: false,
        index: u32::MAX,
        sequence: 0,
    };
    assert_eq!(header(&outer, &wide)[42..], hex!("1fff03ff000fffff"));
}

#[test]
fn addresses_of_two_families_meet_in_ipv6() {
    let outer = outer([10, 60, 0, 1].into(), Ipv6Addr::LOCALHOST.into());
    let bytes = header(&outer, &Wrap::Erspan1);
    assert_eq!(bytes[22..38], hex!("00000000000000000000ffff0a3c0001"));
}
