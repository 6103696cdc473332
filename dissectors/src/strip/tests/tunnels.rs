//! What leads to an encapsulation, what only looks like one, and what stays closed.

use hex_literal::hex;

use super::*;
use crate::encap::{SttHeader, segment};
use crate::mirror::Carried;

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
        let carried = Carried {
            encapsulation,
            id: Some(id),
            one_way_id: true,
        };
        assert_eq!(listed, [carried]);
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
        assert_eq!(
            (ip.protocol, ip.transport),
            (6, Transport::Other { payload: &[] })
        );
    }
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
    let mut bytes = wrapped(&erspan3(9, 0, Some(1), None), &FRAME);
    bytes[36..38].copy_from_slice(&hex!("88be"));
    let stripped = strip(&bytes);
    assert_eq!(names(&stripped), "ethernet ipv4 gre erspan3 ethernet ipv4");
    assert_eq!(stripped.inner.bytes, FRAME);
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

#[test]
fn a_tag_as_long_as_a_cookie_stays_in_its_frame() {
    let tags = [
        Wrap::ETag { channel: 1 },
        Wrap::CiscoMetaData { security_group: 1 },
        Wrap::Arista {
            seconds: 1,
            nanoseconds: 0,
        },
    ];
    for tag in tags {
        let tagged = wrapped(&tag, &FRAME);
        let l2tpv3 = Wrap::L2tpv3 {
            session: 1,
            cookie: &[],
            sequence: None,
            udp: false,
        };
        assert_eq!(strip(&wrapped(&l2tpv3, &tagged)).inner.bytes, tagged);
    }
}
