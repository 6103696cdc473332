//! Tenants with equal addresses: one network under all its tags is one scope, and two are two.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

use etherparse::PacketBuilder;
use mirrorscope_dissectors::LinkType;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine};

const SITES: &str = r#"
    [[tenant]]
    name = "red"
    vlans = [12]
    segments = [5012, 12]

    [[tenant]]
    name = "blue"
    vlans = [13]
    segments = [5013]
    points = ["trunk-of-blue"]

    [[site]]
    name = "dc1"
    point = [{ name = "trunk-of-blue", match = { session = 99 } }]
"#;

/// A SYN with an optional tag.
fn syn(vlan: Option<u16>) -> Vec<u8> {
    let (from, to) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let tcp = |builder: etherparse::PacketBuilderStep<etherparse::IpHeaders>| {
        let mut frame = Vec::new();
        let tcp = builder.tcp(40_000, 80, 1, 1000).syn();
        tcp.write(&mut frame, &[]).unwrap();
        frame
    };
    let ethernet = PacketBuilder::ethernet2(from, to);
    let (source, destination) = ([10, 20, 0, 10], [10, 20, 0, 90]);
    match vlan {
        Some(id) => tcp(ethernet
            .single_vlan(id.try_into().unwrap())
            .ipv4(source, destination, 64)),
        None => tcp(ethernet.ipv4(source, destination, 64)),
    }
}

fn erspan(session: u16, inner: &[u8]) -> Vec<u8> {
    wrapped(
        &Wrap::Erspan2 {
            session,
            vlan: 0,
            cos: 0,
            en: 0,
            truncated: false,
            index: 0,
            sequence: 1,
        },
        inner,
    )
}

fn wrapped(with: &Wrap<'_>, inner: &[u8]) -> Vec<u8> {
    between([10, 60, 0, 1], [10, 60, 0, 9], with, inner)
}

/// An overlay's tunnel, between two ends of its own.
fn overlay(vni: u32, inner: &[u8]) -> Vec<u8> {
    let with = Wrap::Vxlan { vni, port: 4789 };
    between([10, 70, 0, 1], [10, 70, 0, 2], &with, inner)
}

fn between(source: [u8; 4], destination: [u8; 4], with: &Wrap<'_>, inner: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let outer = Outer::new(source.into(), destination.into());
    wrap(&outer, with, inner, &mut bytes);
    bytes
}

fn flows(frames: &[Vec<u8>]) -> Vec<FlowReport> {
    let config = Config {
        sites: Sites::parse(SITES).unwrap(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, std::sync::Arc::default());
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
    let mut flows = Vec::new();
    let Ok(()) = engine.flows::<std::convert::Infallible>(|flow| {
        flows.push(flow);
        Ok(())
    });
    flows
}

#[test]
fn one_network_is_one_scope_under_all_its_tags() {
    let gre = Wrap::Gre {
        key: Some(12),
        sequence: None,
        checksum: false,
        protocol: 0x6558,
    };
    let flows = flows(&[
        erspan(1, &syn(Some(12))),
        erspan(2, &overlay(5012, &syn(None))),
        wrapped(&gre, &syn(None)),
        erspan(1, &syn(Some(13))),
        erspan(2, &overlay(5013, &syn(None))),
        erspan(99, &syn(None)),
        // Nobody's.
        erspan(1, &syn(Some(14))),
        erspan(2, &syn(None)),
    ]);
    let told: Vec<_> = flows
        .iter()
        .map(|flow| (flow.tenant.as_deref(), flow.points.len()))
        .collect();
    assert_eq!(told, [(Some("red"), 3), (Some("blue"), 3), (None, 2)]);
    let red = Filter::parse("tenant RED").unwrap();
    let wanted: Vec<_> = flows.iter().map(|flow| red.decide(flow)).collect();
    assert_eq!(wanted, [Some(true), Some(false), Some(false)]);
}

#[test]
fn the_network_that_carried_a_packet_counts_more_than_a_tag_inside() {
    let flows = flows(&[erspan(2, &overlay(5012, &syn(Some(13))))]);
    assert_eq!(flows[0].tenant.as_deref(), Some("red"));
}
