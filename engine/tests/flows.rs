//! The flow table through the whole engine: one packet at several points, copies and retransmissions, fragments, ICMP
//! errors, port reuse, silence, and what gives way when the table is full.

#![allow(
    clippy::unwrap_used,
    reason = "a packet that cannot be built should stop the test"
)]

use etherparse::{IpFragOffset, IpNumber, Ipv4Extensions, Ipv4Header, PacketBuilder};
use mirrorscope_dissectors::LinkType;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::report::{FlowReport, Report};
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::track::{Limits, Sight, Timeouts};
use mirrorscope_engine::{Config, Engine};
use proptest::prelude::*;

const SYN: u16 = 2;
const RST: u16 = 4;
const ACK: u16 = 16;
const FIN: u16 = 1;
const MILLISECOND: i64 = 1_000_000;

/// A packet between client 1 and server 2, and what may change on its way.
#[derive(Clone, Debug)]
struct Packet {
    back: bool,
    port: u16,
    sequence: u32,
    acknowledgement: u32,
    flags: u16,
    data: Vec<u8>,
    identification: u16,
    v6: bool,
    ttl: u8,
    mac: u8,
}

const PACKET: Packet = Packet {
    back: false,
    port: 40_000,
    sequence: 1000,
    acknowledgement: 0,
    flags: ACK,
    data: Vec::new(),
    identification: 0,
    v6: false,
    ttl: 64,
    mac: 1,
};

fn data(sequence: u32, identification: u16) -> Packet {
    Packet {
        sequence,
        identification,
        data: vec![7; 100],
        ..PACKET
    }
}

fn ack(acknowledgement: u32, identification: u16) -> Packet {
    Packet {
        back: true,
        sequence: 9000,
        acknowledgement,
        identification,
        ..PACKET
    }
}

fn syn(port: u16, sequence: u32) -> Packet {
    Packet {
        port,
        sequence,
        flags: SYN,
        ..PACKET
    }
}

impl Packet {
    fn bytes(&self) -> Vec<u8> {
        let (mut from, mut to, mut ports) = (1, 2, (self.port, 80));
        if self.back {
            (from, to, ports) = (2, 1, (80, self.port));
        }
        let link = PacketBuilder::ethernet2([2, 0, 0, 0, 0, self.mac], [2, 0, 0, 0, 1, self.mac]);
        let ip = if self.v6 {
            let address = |last| {
                let mut octets = [0x20; 16];
                octets[15] = last;
                octets
            };
            link.ipv6(address(from), address(to), self.ttl)
        } else {
            let mut header =
                Ipv4Header::new(0, self.ttl, IpNumber::TCP, [10, 0, 0, from], [10, 0, 0, to])
                    .unwrap();
            header.identification = self.identification;
            link.ip(etherparse::IpHeaders::Ipv4(
                header,
                Ipv4Extensions::default(),
            ))
        };
        let mut tcp = ip.tcp(ports.0, ports.1, self.sequence, 500);
        if self.flags & SYN != 0 {
            tcp = tcp.syn();
        }
        if self.flags & FIN != 0 {
            tcp = tcp.fin();
        }
        if self.flags & RST != 0 {
            tcp = tcp.rst();
        }
        if self.flags & ACK != 0 {
            tcp = tcp.ack(self.acknowledgement);
        }
        let mut bytes = Vec::new();
        tcp.write(&mut bytes, &self.data).unwrap();
        bytes
    }
}

/// An engine, and the number of its next frame.
struct Lab {
    engine: Engine,
    number: u64,
}

impl Lab {
    fn new(config: Config) -> Self {
        Self {
            engine: Engine::new(config, std::sync::Arc::default()),
            number: 0,
        }
    }

    /// A frame that the mirror session of a point brings; what became of the packets in it.
    fn bytes(&mut self, point: u16, time: i64, inner: &[u8]) -> Vec<Option<Sight>> {
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let mut bytes = Vec::new();
        // Without GRE sequence numbers: nothing but the packet tells what it is.
        let with = Wrap::Vxlan {
            vni: u32::from(point),
            port: 4789,
        };
        wrap(&outer, &with, inner, &mut bytes);
        self.number += 1;
        let frame = Frame {
            time: Timestamp(time),
            wire_len: bytes.len() as u32,
            link: LinkType::Ethernet,
            interface: 0,
            number: self.number,
            bytes: &bytes,
        };
        let mut sights = Vec::new();
        self.engine.frame_with(&frame, |_, tracked, _| {
            sights.push(tracked.map(|tracked| tracked.sight));
        });
        sights
    }

    fn see(&mut self, point: u16, time: i64, packet: &Packet) -> Sight {
        self.bytes(point, time, &packet.bytes())[0].unwrap()
    }

    fn flows(&self) -> Vec<FlowReport> {
        let mut flows = Vec::new();
        let keep = |flow| {
            flows.push(flow);
            Ok::<(), ()>(())
        };
        self.engine.flows(keep).unwrap();
        flows
    }

    fn report(&self) -> Report {
        self.engine.report()
    }
}

fn lab() -> Lab {
    Lab::new(Config::default())
}

#[test]
fn a_packet_that_several_points_see_is_one_packet() {
    let mut lab = lab();
    for v6 in [false, true] {
        let packet = Packet {
            v6,
            ..data(1000, 0)
        };
        let start = if v6 { SECOND } else { 0 };
        assert_eq!(lab.see(1, start, &packet), Sight::Fresh);
        // A router in between: another TTL, other MAC addresses, much later.
        let routed = Packet {
            ttl: 63,
            mac: 9,
            ..packet
        };
        assert_eq!(lab.see(2, start + 300 * MILLISECOND, &routed), Sight::Copy);
    }
    for flow in lab.flows() {
        assert_eq!((flow.orig.packets, flow.orig.payload), (1, 100));
        let at_points: Vec<u64> = flow.points.iter().map(|p| p.orig.packets).collect();
        assert_eq!(at_points, [1, 1]);
        assert_eq!(flow.points[1].orig.ttl, Some((63, 63)));
        assert_eq!(flow.points[1].segments, [2]);
    }
}

#[test]
fn retransmissions_count_as_often_as_the_point_that_saw_most_of_them() {
    // The first sending passed both points, the second one only the second point; then both again.
    let mut lab = lab();
    let sent = |n: u16| data(1000, 100 + n);
    let sights = [
        lab.see(1, 0, &sent(0)),
        lab.see(2, MILLISECOND, &sent(0)),
        lab.see(2, 250 * MILLISECOND, &sent(1)),
        lab.see(1, 700 * MILLISECOND, &sent(2)),
        lab.see(2, 701 * MILLISECOND, &sent(2)),
    ];
    assert_eq!(
        sights,
        [
            Sight::Fresh,
            Sight::Copy,
            Sight::Fresh,
            Sight::Fresh,
            Sight::Copy
        ]
    );
    assert_eq!(lab.flows()[0].orig.packets, 3);
}

#[test]
fn what_a_mirror_brings_twice_is_no_retransmission() {
    for v6 in [false, true] {
        for identification in [0, 0x4000] {
            let mut lab = lab();
            let packet = Packet {
                v6,
                ..data(1000, identification)
            };
            assert_eq!(lab.see(1, 0, &packet), Sight::Fresh);
            assert_eq!(lab.see(1, MILLISECOND / 10, &packet), Sight::Duplicate);
            // The same bytes a retransmission timeout later, with nothing to tell them apart.
            assert_eq!(lab.see(1, 200 * MILLISECOND, &packet), Sight::Fresh);
            assert_eq!(
                lab.see(1, 200 * MILLISECOND + 50_000, &packet),
                Sight::Duplicate
            );
            let flow = &lab.flows()[0];
            assert_eq!(
                (flow.orig.packets, flow.orig.bytes / 2),
                (2, if v6 { 160 } else { 140 })
            );
            let doubled = flow.points[0].orig.doubled.unwrap();
            assert_eq!((doubled.packets, doubled.payload), (2, 200));
            assert_eq!(lab.report().totals.doubled, 2);
        }
    }
}

#[test]
fn a_sender_that_numbers_its_packets_gives_late_copies_away() {
    let mut lab = lab();
    lab.see(1, 0, &data(1000, 17));
    lab.see(1, MILLISECOND, &data(1100, 18));
    let copy = lab.see(1, 50 * MILLISECOND, &data(1100, 18));
    assert_eq!(copy, Sight::Duplicate);
    assert_eq!(lab.see(1, 51 * MILLISECOND, &data(1100, 19)), Sight::Fresh);
}

#[test]
fn a_packet_that_is_sent_again_as_it_was_is_a_retransmission() {
    // As some senders do, after a timeout or for three equal acknowledgements: also the same identification.
    let mut lab = lab();
    for n in 0..4 {
        lab.see(1, i64::from(n) * 1000, &data(1000 + 100 * n, 17 + n as u16));
    }
    assert_eq!(lab.see(1, 300 * MILLISECOND, &data(1000, 17)), Sight::Fresh);
    for n in 0..5 {
        lab.see(1, 301 * MILLISECOND + n, &ack(1100, 30 + n as u16));
    }
    let soon = 302 * MILLISECOND;
    assert_eq!(lab.see(1, soon, &data(1100, 18)), Sight::Fresh);
    assert_eq!(lab.flows()[0].orig.packets, 6);
}

#[test]
fn both_sides_of_a_router_in_one_session_are_copies() {
    let mut lab = lab();
    let packet = data(1000, 0);
    lab.see(1, 0, &packet);
    let routed = Packet { ttl: 63, ..packet };
    assert_eq!(lab.see(1, 40 * MILLISECOND, &routed), Sight::Duplicate);
}

#[test]
fn duplicate_acknowledgements_are_no_copies_and_bring_fast_retransmissions() {
    for v6 in [false, true] {
        let mut lab = lab();
        let at = |n: i64| n * 100_000;
        let with = |packet: Packet| Packet { v6, ..packet };
        // Segment 1 is lost before the mirror's receiver, 2 to 5 arrive: four equal acknowledgements.
        for n in 0..6 {
            let sequence = 1000 + 100 * n as u32;
            assert_eq!(lab.see(1, at(n), &with(data(sequence, 0))), Sight::Fresh);
        }
        for n in 0..5 {
            let sight = lab.see(1, at(6) + n * 10_000, &with(ack(1100, 0)));
            assert_eq!(sight, Sight::Fresh, "acknowledgement {n}");
        }
        let again = lab.see(1, at(7), &with(data(1100, 0)));
        assert_eq!(
            again,
            Sight::Fresh,
            "sent again 0.6 ms after the first time"
        );
        let flow = &lab.flows()[0];
        assert_eq!((flow.orig.packets, flow.resp.packets), (7, 5));
    }
}

#[test]
fn doubled_acknowledgements_are_copies_where_the_data_is_doubled_too() {
    let mut lab = lab();
    for n in 0..20_i64 {
        let packet = Packet {
            v6: true,
            ..data(1000 + 100 * n as u32, 0)
        };
        let answer = Packet {
            v6: true,
            ..ack(1100 + 100 * n as u32, 0)
        };
        let at = n * MILLISECOND;
        lab.see(1, at, &packet);
        lab.see(1, at + 10_000, &answer);
        assert_eq!(lab.see(1, at + 30_000, &packet), Sight::Duplicate);
        assert_eq!(lab.see(1, at + 40_000, &answer), Sight::Duplicate);
    }
    let flow = &lab.flows()[0];
    assert_eq!((flow.orig.packets, flow.resp.packets), (20, 20));
}

#[test]
fn segments_that_a_card_split_are_the_data_of_the_super_frame() {
    let mut lab = lab();
    let large = Packet {
        data: vec![7; 3000],
        ..data(1000, 5)
    };
    lab.see(1, 0, &data(900, 4));
    lab.see(2, 1000, &data(900, 4));
    assert_eq!(lab.see(1, 2000, &large), Sight::Fresh);
    for n in 0..3_u16 {
        let part = Packet {
            data: vec![7; 1000],
            ..data(1000 + 1000 * u32::from(n), 5 + n)
        };
        assert_eq!(lab.see(2, 3000 + i64::from(n), &part), Sight::Copy);
    }
    let flow = &lab.flows()[0];
    assert_eq!((flow.orig.payload, flow.orig.packets), (3100, 2));
    assert_eq!(flow.points[1].orig.payload, 3100);
}

fn udp_fragments(payload: usize, identification: u16) -> Vec<Vec<u8>> {
    let mut datagram = Vec::new();
    PacketBuilder::ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64)
        .udp(5000, 2049)
        .write(&mut datagram, &vec![3; payload])
        .unwrap();
    let body = &datagram[20..];
    body.chunks(1480)
        .enumerate()
        .map(|(n, part)| {
            let mut header = Ipv4Header::new(
                part.len() as u16,
                64,
                IpNumber::UDP,
                [10, 0, 0, 1],
                [10, 0, 0, 2],
            )
            .unwrap();
            header.identification = identification;
            header.fragment_offset = IpFragOffset::try_new((n * 1480 / 8) as u16).unwrap();
            header.more_fragments = (n + 1) * 1480 < body.len();
            header.header_checksum = header.calc_header_checksum();
            let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
            header.write(&mut bytes).unwrap();
            bytes.extend(part);
            bytes
        })
        .collect()
}

#[test]
fn fragments_of_mirrored_packets_belong_to_the_flow_and_are_joined() {
    let mut lab = lab();
    let parts = udp_fragments(4000, 9);
    assert_eq!(parts.len(), 3);
    for point in [1, 2] {
        for (n, part) in (0..).zip(&parts) {
            let sights = lab.bytes(point, i64::from(point) * MILLISECOND + n, part);
            // The last one brings the whole datagram as well.
            assert_eq!(sights.len(), if n == 2 { 2 } else { 1 });
            let expected = if point == 1 {
                Sight::Fresh
            } else {
                Sight::Copy
            };
            assert_eq!(sights[0], Some(expected), "point {point}, fragment {n}");
        }
    }
    let flow = &lab.flows()[0];
    assert_eq!((flow.proto.as_str(), flow.dport), ("udp", 2049));
    assert_eq!(
        (flow.orig.packets, flow.orig.bytes, flow.orig.payload),
        (3, 4008 + 60, 4000 + 8 - 8)
    );
    let totals = lab.report().totals;
    assert_eq!((totals.flows, totals.portless), (1, 0));
    assert_eq!(
        (totals.inner_fragments, totals.inner_reassembly.joined),
        (6, 2)
    );
}

#[test]
fn an_icmp_error_is_tied_to_the_flow_that_it_quotes() {
    let mut lab = lab();
    let packet = syn(40_000, 5).bytes();
    lab.bytes(1, 0, &packet);
    let mut error = Vec::new();
    PacketBuilder::ethernet2([2; 6], [4; 6])
        .ipv4([10, 0, 0, 254], [10, 0, 0, 1], 64)
        .icmpv4(etherparse::Icmpv4Type::DestinationUnreachable(
            etherparse::icmpv4::DestUnreachableHeader::Host,
        ))
        // An Ethernet header in front; RFC 792 quotes the IP header and eight bytes.
        .write(&mut error, &packet[14..42])
        .unwrap();
    lab.bytes(1, 10, &error);
    lab.bytes(2, 20, &error);
    let flows = lab.flows();
    let told = &flows[0].icmp_errors[0];
    assert_eq!((told.kind, told.code, told.packets), (3, 1, 1));
    assert_eq!(told.from.to_string(), "10.0.0.254");
    assert_eq!(flows[1].quotes, [flows[0].id.clone()]);
    assert_eq!(flows[1].proto, "icmp");
}

#[test]
fn a_port_that_is_used_again_is_another_flow_and_late_copies_are_not() {
    let mut lab = lab();
    lab.see(1, 0, &syn(40_000, 5));
    lab.see(
        1,
        10,
        &Packet {
            flags: RST | ACK,
            ..ack(6, 0)
        },
    );
    let last = Packet {
        flags: RST | ACK,
        ..ack(6, 0)
    };
    lab.see(1, SECOND / 2, &syn(40_000, 70_000));
    // The second point is slower: what it sees now is of the first connection.
    assert_eq!(lab.see(2, SECOND / 2 + 10, &last), Sight::Copy);
    assert_eq!(
        lab.see(2, SECOND / 2 + 20, &syn(40_000, 70_000)),
        Sight::Copy
    );
    let flows = lab.flows();
    assert_eq!(flows.len(), 2);
    assert_ne!(flows[0].id, flows[1].id);
    assert_eq!(flows[0].community_id, flows[1].community_id);
    let packets: Vec<_> = flows
        .iter()
        .map(|f| (f.orig.packets, f.resp.packets))
        .collect();
    assert_eq!(packets, [(1, 1), (1, 0)]);
}

#[test]
fn silence_ends_a_flow_by_the_timeout_of_its_kind() {
    let timeouts = Timeouts {
        udp: 10 * SECOND,
        half_open: 20 * SECOND,
        ..Timeouts::default()
    };
    let mut lab = Lab::new(Config {
        timeouts,
        ..Config::default()
    });
    let datagram = &udp_fragments(10, 1)[0];
    for (time, identification) in [(0, 1), (9, 2), (18, 3), (29, 4)] {
        let mut bytes = datagram.clone();
        bytes[19] = identification;
        lab.bytes(1, time * SECOND, &bytes);
    }
    let packets: Vec<_> = lab.flows().iter().map(|f| f.orig.packets).collect();
    assert_eq!(packets, [3, 1]);
    lab.see(1, 30 * SECOND, &syn(40_000, 5));
    lab.see(1, 49 * SECOND, &syn(40_000, 5));
    lab.see(1, 70 * SECOND, &syn(40_000, 5));
    assert_eq!(lab.flows().len(), 4);
}

/// A connection that exchanged data, and lives.
fn converse(lab: &mut Lab, port: u16, time: i64) {
    let of = |packet: Packet| Packet { port, ..packet };
    lab.see(1, time, &syn(port, 999));
    lab.see(
        1,
        time + 10,
        &of(Packet {
            flags: SYN | ACK,
            ..ack(1000, 1)
        }),
    );
    lab.see(1, time + 20, &of(data(1000, 1)));
    lab.see(
        1,
        time + 30,
        &of(Packet {
            sequence: 9001,
            ..ack(1100, 2)
        }),
    );
}

#[test]
fn in_a_flood_of_syns_half_open_flows_go_first() {
    const BOUND: usize = 100;
    const FLOOD: u16 = 5000;
    let mut lab = Lab::new(Config {
        limits: Limits {
            flows: BOUND,
            ..Limits::default()
        },
        ..Config::default()
    });
    for port in 0..10 {
        converse(&mut lab, 60_000 + port, i64::from(port) * MILLISECOND);
    }
    for port in 0..FLOOD {
        lab.see(1, SECOND + i64::from(port) * 1000, &syn(1 + port, 7));
    }
    let totals = lab.report().totals;
    assert_eq!(totals.flows, 10 + u64::from(FLOOD));
    let gone = totals.evicted;
    assert_eq!((gone.over, gone.alive), (0, 0));
    assert_eq!(gone.unanswered, totals.flows - BOUND as u64);
    assert_eq!(gone.packets, gone.unanswered);
    let flows = lab.flows();
    assert_eq!(flows.len(), BOUND);
    assert_eq!(flows.iter().filter(|f| f.state == "S1").count(), 10);
}

#[test]
fn closed_flows_go_before_those_that_live_and_those_before_the_longest_silent() {
    let mut lab = Lab::new(Config {
        limits: Limits {
            flows: 16,
            ..Limits::default()
        },
        ..Config::default()
    });
    for port in 0..16 {
        converse(&mut lab, 60_000 + port, i64::from(port) * MILLISECOND);
    }
    let of = |port: u16, packet: Packet| Packet { port, ..packet };
    lab.see(
        1,
        SECOND,
        &of(
            60_005,
            Packet {
                flags: RST | ACK,
                ..ack(1100, 9)
            },
        ),
    );
    // All but one say something more.
    for port in (0..16).filter(|port| *port != 5 && *port != 9) {
        lab.see(1, 2 * SECOND, &of(60_000 + port, data(1100, 9)));
    }
    converse(&mut lab, 100, 3 * SECOND);
    let ports = |lab: &Lab| lab.flows().iter().map(|f| f.sport).collect::<Vec<_>>();
    assert!(
        !ports(&lab).contains(&60_005),
        "the one that was reset went"
    );
    assert!(ports(&lab).contains(&60_009));
    converse(&mut lab, 101, 4 * SECOND);
    assert!(
        !ports(&lab).contains(&60_009),
        "the one that was silent went"
    );
    let gone = lab.report().totals.evicted;
    assert_eq!((gone.unanswered, gone.over, gone.alive), (0, 1, 1));
    assert_eq!(gone.packets, 5 + 4);
}

#[test]
fn the_bound_on_bytes_holds() {
    let mut lab = Lab::new(Config {
        limits: Limits {
            bytes: 200_000,
            ..Limits::default()
        },
        ..Config::default()
    });
    for port in 0..3000 {
        converse(&mut lab, 1000 + port, i64::from(port) * MILLISECOND);
    }
    assert!(
        lab.engine.flow_bytes() <= 200_000 + 4096,
        "{}",
        lab.engine.flow_bytes()
    );
    let totals = lab.report().totals;
    assert_eq!(totals.flows, 3000);
    assert_eq!(totals.evicted.flows() + lab.flows().len() as u64, 3000);
}

#[test]
fn who_opened_a_flow_is_guessed_by_its_ports_where_no_packet_tells() {
    let mut lab = lab();
    lab.see(
        1,
        0,
        &Packet {
            port: 50_123,
            ..ack(7, 1)
        },
    );
    lab.see(
        1,
        10,
        &Packet {
            port: 50_123,
            ..data(7, 2)
        },
    );
    let flow = &lab.flows()[0];
    assert_eq!((flow.sport, flow.dport), (50_123, 80));
    assert_eq!(flow.history, "^aD");
    assert_eq!((flow.orig.payload, flow.resp.payload), (100, 0));
}

#[test]
fn two_flows_that_begin_at_one_time_have_two_ids() {
    let mut lab = lab();
    for sequence in [5, 70_000, 900_000] {
        lab.see(1, 0, &syn(40_000, sequence));
    }
    let ids: std::collections::BTreeSet<String> = lab.flows().into_iter().map(|f| f.id).collect();
    assert_eq!(ids.len(), 3);
}

#[test]
fn every_point_of_many_knows_what_its_mirror_doubles() {
    let mut lab = lab();
    for n in 0..20_u32 {
        for point in 1..=8 {
            let time = i64::from(n) * MILLISECOND + i64::from(point) * 1000;
            let packet = Packet {
                v6: true,
                ..data(1000 + 100 * n, 0)
            };
            lab.see(point, time, &packet);
            assert_eq!(lab.see(point, time + 500, &packet), Sight::Duplicate);
        }
    }
    let flow = &lab.flows()[0];
    assert_eq!(flow.orig.packets, 20);
    assert!(flow.points.iter().all(|p| p.orig.packets == 20));
}

#[test]
fn a_retransmission_by_another_path_is_no_copy() {
    let mut lab = lab();
    let packet = Packet {
        v6: true,
        ..data(1000, 0)
    };
    lab.see(1, 0, &packet);
    let later = Packet { ttl: 62, ..packet };
    assert_eq!(lab.see(1, 300 * MILLISECOND, &later), Sight::Fresh);
}

#[test]
fn segments_that_a_card_joined_are_known_already() {
    let mut lab = lab();
    for n in 0..4 {
        let part = Packet {
            data: vec![7; 1000],
            ..data(1000 + 1000 * n, 5 + n as u16)
        };
        lab.see(1, i64::from(n) * 1000, &part);
    }
    lab.see(2, 5000, &data(900, 4));
    let joined = Packet {
        data: vec![7; 4000],
        ..data(1000, 5)
    };
    assert_eq!(lab.see(2, 6000, &joined), Sight::Copy);
    assert_eq!(lab.flows()[0].orig.payload, 4100);
}

#[test]
fn a_firewall_that_changes_sequence_numbers_makes_no_second_flow() {
    let mut lab = lab();
    for (point, shift) in [(1, 0), (2, 777_777)] {
        let at = i64::from(point) * 100_000;
        lab.see(point, at, &syn(40_000, 1000 + shift));
        let answer = Packet {
            flags: SYN | ACK,
            ..ack(1001 + shift, 1)
        };
        lab.see(point, at + MILLISECOND, &answer);
    }
    assert_eq!(lab.flows().len(), 1);
    // Another number at a point that saw the first one is another attempt.
    lab.see(1, 3 * SECOND, &syn(40_000, 5_000_000));
    assert_eq!(lab.flows().len(), 2);
}

#[test]
fn doubled_fragments_are_copies_from_the_first_datagram_on() {
    let mut lab = lab();
    for part in &udp_fragments(4000, 9) {
        let first = lab.bytes(1, 0, part);
        assert_eq!(first[0], Some(Sight::Fresh));
        assert_eq!(lab.bytes(1, 10_000, part)[0], Some(Sight::Duplicate));
    }
    let flow = &lab.flows()[0];
    assert_eq!((flow.orig.packets, flow.orig.payload), (3, 4000));
}

#[test]
fn a_flood_of_bare_acknowledgements_leaves_connections_alone() {
    let mut lab = Lab::new(Config {
        limits: Limits {
            flows: 100,
            ..Limits::default()
        },
        ..Config::default()
    });
    for port in 0..10 {
        converse(&mut lab, 60_000 + port, i64::from(port) * MILLISECOND);
    }
    for port in 0..5000 {
        let packet = Packet {
            port: 1 + port,
            ..PACKET
        };
        lab.see(1, SECOND + i64::from(port) * 1000, &packet);
    }
    assert_eq!(lab.flows().iter().filter(|f| f.state == "S1").count(), 10);
    assert_eq!(lab.report().totals.evicted.alive, 0);
}

#[test]
fn flows_that_grow_stay_within_the_bound_on_bytes() {
    const BOUND: usize = 1 << 20;
    // A flow that comes back with all its points, before others make room.
    const ONE: usize = 1 << 14;
    let mut lab = Lab::new(Config {
        limits: Limits {
            bytes: BOUND,
            full: BOUND / 8,
            ..Limits::default()
        },
        ..Config::default()
    });
    for point in 1..=8 {
        for port in 0..1500 {
            let packet = Packet {
                port: 1000 + port,
                ..data(1000, point + 1)
            };
            lab.see(point, i64::from(point) * MILLISECOND, &packet);
            assert!(lab.engine.flow_bytes() <= BOUND + ONE);
        }
    }
}

proptest! {
    /// Whatever each point's mirror loses, doubles or delays, totals count each packet that was seen once.
    #[test]
    fn totals_count_each_packet_once(
        packets in prop::collection::vec((any::<bool>(), 1..1400_usize), 1..40),
        fates in prop::collection::vec((0..3_u8, 0..3_u8, 0..400_i64, 0..400_i64), 40),
        v6: bool,
        numbered: bool,
    ) {
        let mut sent = Vec::new();
        let mut next = [1000_u32, 9000];
        for (n, (back, len)) in (1..).zip(packets) {
            let side = usize::from(back);
            sent.push(Packet {
                back,
                sequence: next[side],
                acknowledgement: next[1 - side],
                data: vec![1; len],
                identification: if numbered { n } else { 0 },
                v6,
                ..PACKET
            });
            next[side] += len as u32;
        }
        let mut arrivals = Vec::new();
        let mut expected = [[0_u64; 2]; 3];
        for (n, (packet, fate)) in (0..).zip(sent.iter().zip(fates)) {
            let (at_first, at_second, early, late) = fate;
            let side = usize::from(packet.back);
            for (point, copies, delay) in [(1, at_first, early), (2, at_second, late)] {
                for copy in 0..i64::from(copies) {
                    arrivals.push((n * MILLISECOND + delay * 1000 + copy * 20_000, point, packet));
                }
                expected[usize::from(point)][side] += u64::from(copies > 0);
            }
            expected[0][side] += u64::from(at_first.max(at_second) > 0);
        }
        arrivals.sort_by_key(|(time, ..)| *time);
        let mut lab = lab();
        for (time, point, packet) in arrivals {
            lab.see(point, time, packet);
        }
        let mut seen = [[0_u64; 2]; 3];
        for flow in lab.flows() {
            let turned = flow.sport == 80;
            let sides = |a: u64, b: u64| if turned { [b, a] } else { [a, b] };
            seen[0] = sides(flow.orig.packets, flow.resp.packets);
            for point in &flow.points {
                seen[point.segments[0] as usize] = sides(point.orig.packets, point.resp.packets);
            }
        }
        prop_assert_eq!(seen, expected);
    }
}
