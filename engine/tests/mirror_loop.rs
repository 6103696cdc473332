//! A mirror that copies its own copies: they are counted, and no packet of the network.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

use etherparse::PacketBuilder;
use mirrorscope_dissectors::LinkType;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::finding::{Finding, Kind, Severity};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::report::Report;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine};

const SWITCH: [u8; 4] = [10, 60, 0, 1];
const OTHER_SWITCH: [u8; 4] = [10, 60, 0, 3];
const COLLECTOR: [u8; 4] = [10, 60, 0, 9];

fn packet(number: u16) -> Vec<u8> {
    let mut frame = Vec::new();
    PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4([10, 20, 0, 10], [10, 20, 0, 90], 64)
        .udp(40_000, 53)
        .write(&mut frame, &number.to_be_bytes())
        .unwrap();
    frame
}

fn erspan(session: u16) -> Wrap<'static> {
    Wrap::Erspan2 {
        session,
        vlan: 0,
        cos: 0,
        en: 0,
        truncated: false,
        index: 0,
        sequence: 1,
    }
}

fn wrapped(with: &Wrap<'_>, (from, to): ([u8; 4], [u8; 4]), inner: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    wrap(&Outer::new(from.into(), to.into()), with, inner, &mut bytes);
    bytes
}

fn report(frames: &[Vec<u8>]) -> Report {
    let mut engine = Engine::new(Config::default(), std::sync::Arc::default());
    for (bytes, number) in frames.iter().zip(1..) {
        engine.frame(&Frame {
            time: Timestamp(number * 1_000_000),
            wire_len: bytes.len() as u32,
            link: LinkType::Ethernet,
            interface: 0,
            number: number.cast_unsigned(),
            bytes,
        });
    }
    engine.finish();
    engine.report()
}

fn loops(report: &Report) -> Vec<&Finding> {
    let findings = report.findings.iter();
    findings.filter(|f| f.kind == Kind::MirrorLoop).collect()
}

#[test]
fn a_session_that_mirrors_its_own_output_is_told_and_counts_each_packet_once() {
    let mut frames = Vec::new();
    for number in 0..10 {
        let mut copy = packet(number);
        for _ in 0..3 {
            copy = wrapped(&erspan(7), (SWITCH, COLLECTOR), &copy);
            frames.push(copy.clone());
        }
    }
    let report = report(&frames);
    assert_eq!(report.totals.looped, 20);
    assert_eq!(report.totals.flows, 1);
    assert_eq!(report.totals.doubled, 0);
    let session = &report.sessions[0];
    assert_eq!(session.packets, 30);
    let looped = session.looped.as_ref().unwrap();
    assert_eq!((looped.packets, looped.own, looped.depth), (20, 20, 2));
    let loops = loops(&report);
    assert_eq!(loops.len(), 1);
    assert_eq!(loops[0].severity, Severity::Error);
    assert_eq!(loops[0].packets, 20);
    assert!(
        loops[0]
            .summary
            .contains("mirrors its own output: 20 of 30 packets (66.7 %)")
    );
}

#[test]
fn a_session_that_mirrors_the_output_of_another_one_is_told_apart() {
    let copy = wrapped(&erspan(8), (OTHER_SWITCH, COLLECTOR), &packet(1));
    let report = report(&[
        copy.clone(),
        wrapped(&erspan(7), (SWITCH, COLLECTOR), &copy),
    ]);
    assert_eq!(report.totals.looped, 1);
    let loops = loops(&report);
    assert_eq!(loops[0].severity, Severity::Warning);
    assert!(
        loops[0]
            .summary
            .contains("the output of erspan2-8@10.60.0.3"),
        "{}",
        loops[0].summary
    );
}

#[test]
fn an_overlay_inside_a_mirror_is_none() {
    let vxlan = Wrap::Vxlan {
        vni: 5012,
        port: 4789,
    };
    let overlay = wrapped(&vxlan, ([10, 70, 0, 1], [10, 70, 0, 2]), &packet(1));
    let report = report(&[wrapped(&erspan(7), (SWITCH, COLLECTOR), &overlay)]);
    assert_eq!((report.totals.looped, report.totals.flows), (0, 1));
    assert!(loops(&report).is_empty());
}

#[test]
fn a_tunnel_inside_a_tunnel_of_the_same_ends_is_none_but_the_same_network_inside_itself_is() {
    let gre = Wrap::Gre {
        key: None,
        sequence: None,
        checksum: false,
        protocol: 0x6558,
    };
    let ends = (SWITCH, OTHER_SWITCH);
    let vxlan = |vni| Wrap::Vxlan { vni, port: 4789 };
    let inside = |outer: &Wrap<'_>, inner: &Wrap<'_>| {
        let inner = wrapped(inner, ends, &packet(1));
        report(&[wrapped(outer, ends, &inner)]).totals.looped
    };
    assert_eq!(inside(&gre, &gre), 0);
    assert_eq!(inside(&vxlan(5), &vxlan(6)), 0);
    assert_eq!(inside(&vxlan(5), &vxlan(5)), 1);
}

#[test]
fn a_part_of_a_datagram_on_its_way_to_the_collector_is_looped_too() {
    let mut part = wrapped(&erspan(7), (SWITCH, COLLECTOR), &packet(1));
    // More fragments follow.
    part[20] |= 0x20;
    let report = report(&[wrapped(&erspan(7), (SWITCH, COLLECTOR), &part)]);
    assert_eq!((report.totals.looped, report.totals.flows), (1, 0));
}
