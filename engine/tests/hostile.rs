//! Any bytes, in any order: no panic, and every table keeps its bound.

#![allow(
    clippy::unwrap_used,
    reason = "a report that cannot be written should stop the test"
)]

use std::net::IpAddr;

use mirrorscope_dissectors::encap::{Outer, Wrap, fragment, wrap};
use mirrorscope_dissectors::{Direction, LinkType};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::Limits;
use mirrorscope_engine::{BATCH, Config, Engine};
use proptest::prelude::*;

const MAX_FLOWS: usize = 20;
/// Two firewalls, and places that nobody described.
const SITES: &str = "
[[site]]
name = 'dc1'
point = [
  { name = 'strict', role = 'firewall', match = { encapsulation = 'erspan2' } },
  { name = 'loose', role = 'firewall', match = { encapsulation = 'vxlan' }, firewall = { preset = 'linux-loose' } },
]
";

/// Ethernet, IPv4, TCP or UDP by `protocol`, with some payload.
fn inner(protocol: u8, ports: (u16, u16), flags: u8, payload: u8) -> Vec<u8> {
    let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    let length = 40 + u16::from(payload);
    bytes.extend([
        0x45,
        0,
        (length >> 8) as u8,
        length as u8,
        0,
        0,
        0,
        0,
        64,
        protocol,
        0,
        0,
        10,
        0,
        0,
        1,
        10,
        0,
        0,
        2,
    ]);
    bytes.extend([ports.0.to_be_bytes(), ports.1.to_be_bytes()].concat());
    bytes.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 1, 0, 0, 0, 0, 0]);
    bytes.resize(14 + usize::from(length), 0x55);
    bytes
}

prop_compose! {
    /// A mirrored frame, some bytes of it changed, perhaps cut, perhaps in fragments.
    fn frame()(
        wrapping in 0..8_u8,
        protocol in prop_oneof![Just(6_u8), Just(17), Just(1), Just(47), any::<u8>()],
        ports in (0..30_u16, prop_oneof![Just(4789_u16), Just(6081), 0..30_u16]),
        flags in any::<u8>(),
        payload in any::<u8>(),
        sequence in any::<u32>(),
        id in 0..4_u16,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        keep in prop_oneof![3 => Just(None), 1 => any::<prop::sample::Index>().prop_map(Some)],
        mtu in prop_oneof![3 => Just(None), 1 => (68..400_usize).prop_map(Some)],
    ) -> Vec<Vec<u8>> {
        let inner = inner(protocol, ports, flags, payload);
        let outer = Outer { identification: id, ..Outer::new(IpAddr::from([10, 60, 0, 1]), IpAddr::from([10, 60, 0, 9])) };
        let wrapping = match wrapping {
            0 => Wrap::Erspan1,
            1 => Wrap::Erspan2 { session: id, vlan: 1, cos: 0, en: 0, truncated: false, index: 0, sequence },
            2 => Wrap::Gre { key: Some(sequence), sequence: Some(sequence), checksum: true, protocol: 0x6558 },
            6 | 7 => Wrap::Erspan3 {
                frame_type: 0,
                session: id, vlan: 0, cos: 0, truncated: false, timestamp: sequence, sgt: 0, hw_id: 0,
                direction: if flags & 1 == 0 { Direction::Ingress } else { Direction::Egress },
                granularity: flags >> 6, sequence: None,
                platform: (wrapping == 7).then_some([(id as u8 + 3) << 2, 0, 0, flags, payload, flags, 0, id as u8]),
            },
            3 => Wrap::Vxlan { vni: u32::from(id), port: 4789 },
            _ => Wrap::Geneve { vni: u32::from(id), port: 6081, protocol: 0x6558, options: &[] },
        };
        let mut bytes = Vec::new();
        wrap(&outer, &wrapping, &inner, &mut bytes);
        for (place, value) in changes {
            let place = place.index(bytes.len());
            bytes[place] = value;
        }
        if let Some(keep) = keep {
            bytes.truncate(keep.index(bytes.len() + 1));
        }
        mtu.map_or_else(|| vec![bytes.clone()], |mtu| fragment(&bytes, mtu))
    }
}

proptest! {
    #[test]
    fn no_frames_can_break_the_engine(
        frames in prop::collection::vec((frame(), any::<i64>(), 0..3_u32), 1..60),
        noise in prop::collection::vec(any::<u8>(), 0..200),
        batch in 1..2 * BATCH,
    ) {
        let engine = |full: usize| {
            let config = Config {
                limits: Limits { flows: MAX_FLOWS, full, ..Limits::default() },
                sites: Sites::parse(SITES).unwrap(),
                ..Config::default()
            };
            Engine::new(config, std::sync::Arc::default())
        };
        let all = frames.iter().flat_map(|(parts, time, interface)| parts.iter().map(move |part| (part, *time, *interface)));
        let all = all.chain([(&noise, 0, 0)]).zip(1..).map(|((bytes, time, interface), number)| {
            let link = if bytes.len() % 7 == 0 { LinkType::RawIp } else { LinkType::Ethernet };
            Frame { time: Timestamp(time), wire_len: bytes.len() as u32, link, interface, number, bytes }
        });
        let all: Vec<Frame<'_>> = all.collect();
        let number = all.len() as u64;
        // Flows that are put away come back as they were.
        let (mut engine, mut batched) = (engine(usize::MAX), engine(0));
        for frame in &all {
            engine.frame(frame);
        }
        for batch in all.chunks(batch) {
            batched.frames(batch);
        }
        engine.finish();
        batched.finish();
        prop_assert_eq!(words(&engine), words(&batched));
        let report = engine.report();
        prop_assert_eq!(report.totals.frames, number);
        let held = report.totals.flows - report.totals.evicted.flows();
        prop_assert!(held <= MAX_FLOWS as u64);
        prop_assert_eq!(report.totals.verdicts.values().sum::<u64>(), held);
        prop_assert!(report.totals.mirrored + report.totals.plain <= number);
    }
}

/// All that an engine has to say.
fn words(engine: &Engine) -> String {
    let mut words = serde_json::to_string(&engine.report()).unwrap();
    let endpoints = serde_json::to_string(&engine.endpoints()).unwrap();
    words.push_str(&endpoints);
    let Ok(()) = engine.flows::<std::convert::Infallible>(|flow| {
        words.push_str(&serde_json::to_string(&flow).unwrap());
        Ok(())
    });
    words
}
