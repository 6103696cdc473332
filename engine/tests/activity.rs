//! What is told of mirror sessions while packets come: every change soon, and nothing of a network that is well.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

use std::net::IpAddr;
use std::sync::Arc;

use etherparse::PacketBuilder;
use mirrorscope_dissectors::LinkType;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::activity::{Activity, Change, SessionChange};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::{Config, Engine};

const MS: i64 = 1_000_000;
/// Nobody captures at the time 0.
const START: i64 = 1_700_000_000 * SECOND;

/// What one host sends to the collector.
#[derive(Clone, Copy)]
struct Mirror {
    host: u8,
    id: u16,
    /// 2 for ERSPAN II, 0 for VXLAN.
    kind: u8,
    /// The machine that it shows.
    machine: u8,
}

const VM: Mirror = Mirror {
    host: 1,
    id: 101,
    kind: 2,
    machine: 7,
};

impl Mirror {
    /// A packet of the machine, of `length` bytes of payload of which `kept` arrive.
    fn packet(self, sequence: u32, length: usize, kept: usize) -> Vec<u8> {
        let mac = |last| [2, 0, 0, 0, 0, last];
        let builder = PacketBuilder::ethernet2(mac(self.machine), mac(1))
            .ipv4([10, 0, 0, self.machine], [10, 9, 0, 1], 64)
            .udp(5000, 53);
        let mut inner = Vec::new();
        builder.write(&mut inner, &vec![0x55; length]).unwrap();
        inner.truncate(inner.len() - (length - kept));
        let outer = Outer::new(
            IpAddr::from([10, 60, 0, self.host]),
            IpAddr::from([10, 60, 0, 9]),
        );
        let kind = match self.kind {
            0 => Wrap::Vxlan {
                vni: self.id.into(),
                port: 4789,
            },
            _ => Wrap::Erspan2 {
                session: self.id,
                vlan: 0,
                cos: 0,
                en: 0,
                truncated: kept < length,
                index: 0,
                sequence,
            },
        };
        let mut bytes = Vec::new();
        wrap(&outer, &kind, &inner, &mut bytes);
        bytes
    }
}

/// Packets at their times, in milliseconds.
#[derive(Default)]
struct Traffic {
    packets: Vec<(i64, Vec<u8>)>,
}

impl Traffic {
    /// A packet every `every` milliseconds.
    fn steady(self, mirror: Mirror, from: i64, until: i64, every: i64) -> Self {
        self.sized(mirror, (from, until, every), (60, 60))
    }

    fn sized(
        mut self,
        mirror: Mirror,
        (from, until, every): (i64, i64, i64),
        (length, kept): (usize, usize),
    ) -> Self {
        let mut time = from;
        while time < until {
            let sequence = self.packets.len() as u32;
            self.packets
                .push((time, mirror.packet(sequence, length, kept)));
            time += every;
        }
        self
    }

    /// The changes that are told until a time, each with when it was told, in milliseconds.
    fn told(mut self, until: i64, tick: i64) -> Vec<(i64, SessionChange)> {
        self.packets.sort_by_key(|(time, _)| *time);
        let mut engine = Engine::new(Config::default(), Arc::default());
        let mut activity = Activity::default();
        let mut told = Vec::new();
        let mut packets = self.packets.iter().peekable();
        for now in (0..=until).step_by(tick as usize) {
            while let Some((time, bytes)) = packets.next_if(|(time, _)| *time <= now) {
                feed(&mut engine, *time, bytes);
            }
            let changes = activity.tick(&engine, at(now));
            told.extend(changes.into_iter().map(|change| (now, change)));
        }
        told
    }

    /// The same with a look every second, without when.
    fn changes(self, until: i64) -> Vec<(Change, String)> {
        let told = self.told(until, 1000).into_iter();
        told.map(|(_, change)| (change.change, change.text))
            .collect()
    }
}

fn at(milliseconds: i64) -> Timestamp {
    Timestamp(START + milliseconds * MS)
}

fn feed(engine: &mut Engine, milliseconds: i64, bytes: &[u8]) {
    engine.frame(&Frame {
        time: at(milliseconds),
        wire_len: bytes.len() as u32,
        link: LinkType::Ethernet,
        interface: 0,
        number: 1,
        bytes,
    });
}

fn kinds(changes: &[(Change, String)]) -> Vec<&'static str> {
    changes.iter().map(|(change, _)| change.as_str()).collect()
}

#[test]
fn a_session_that_starts_stops_and_goes_on_is_told_of_within_a_second() {
    let traffic = || {
        let traffic = Traffic::default().steady(VM, 1300, 9_000, 10);
        traffic.steady(VM, 21_500, 30_000, 10)
    };
    let told = traffic().told(40_000, 250);
    let found: Vec<_> = told
        .iter()
        .map(|(when, change)| (change.change.as_str(), when - (change.time.0 - START) / MS))
        .collect();
    assert_eq!(
        found.iter().map(|(kind, _)| *kind).collect::<Vec<_>>(),
        ["started", "silent", "resumed", "silent"]
    );
    for (kind, late) in found {
        assert!((0..=1000).contains(&late), "{kind} after {late} ms");
    }
    let texts: Vec<&str> = told.iter().map(|(_, c)| c.text.as_str()).collect();
    assert_eq!(
        texts[1],
        "erspan2-101@10.60.0.1 is silent since 2023-11-14T22:13:28Z; until then a packet came at least every 0.1 s"
    );
    assert_eq!(
        texts[2],
        "erspan2-101@10.60.0.1 goes on after 13 s of silence since 2023-11-14T22:13:28Z"
    );
    // A look every second says the same.
    assert_eq!(kinds(&traffic().changes(40_000)).len(), 4);
}

#[test]
fn what_is_quiet_has_not_stopped() {
    // A packet every ten seconds, for ten minutes: nothing but its start. When it ends, that takes a while to be sure.
    let traffic = Traffic::default().steady(VM, 0, 600_000, 10_000);
    let told = traffic.told(700_000, 1000);
    let kinds: Vec<_> = told.iter().map(|(_, c)| c.change).collect();
    assert_eq!(kinds, [Change::Started, Change::Silent]);
    let late = told[1].0 - 590_000;
    assert!((40_000..60_000).contains(&late), "{late}");
}

#[test]
fn a_busy_healthy_network_raises_no_alarm() {
    let mut random = 12_345_u64;
    let mut uniform = || {
        random ^= random >> 12;
        random ^= random << 25;
        random ^= random >> 27;
        (random.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    };
    let mut traffic = Traffic::default();
    for session in 0..40_u8 {
        let mirror = Mirror {
            host: 1 + session % 4,
            id: u16::from(session),
            machine: session,
            ..VM
        };
        // From one packet in twenty seconds to a hundred a second, at random times.
        let pause = 10.0 * 2000_f64.powf(f64::from(session) / 40.0);
        let mut time = 0.0;
        while time < 300_000.0 {
            traffic
                .packets
                .push((time as i64, mirror.packet(0, 60, 60)));
            time -= pause * (1.0 - uniform()).ln();
        }
    }
    let changes = traffic.changes(300_000);
    let alarms: Vec<_> = changes
        .iter()
        .filter(|(change, _)| *change != Change::Started)
        .collect();
    assert!(alarms.is_empty(), "{alarms:#?}");
    assert_eq!(changes.len(), 40);
}

#[test]
fn one_that_pauses_often_is_told_of_twice_at_most() {
    // Four seconds of traffic, three of none, as a job that runs again and again.
    let mut traffic = Traffic::default();
    for round in 0..80 {
        traffic = traffic.steady(VM, round * 7000, round * 7000 + 4000, 5);
    }
    let changes = traffic.changes(560_000);
    let silent = changes.iter().filter(|(c, _)| *c == Change::Silent);
    assert!(silent.count() <= 3, "{changes:#?}");
}

#[test]
fn another_encapsulation_or_id_between_two_addresses_is_a_change() {
    let vxlan = Mirror { kind: 0, ..VM };
    let traffic = Traffic::default().steady(VM, 0, 8000, 10);
    let changes = traffic.steady(vxlan, 8005, 12_000, 10).changes(12_000);
    assert_eq!(kinds(&changes), ["started", "changed"], "{changes:#?}");
    assert_eq!(
        changes[1].1,
        "erspan2-101@10.60.0.1 changed: its packets come as vxlan now, as vxlan-101@10.60.0.1, no longer as erspan2"
    );
    let other = Mirror { id: 104, ..VM };
    let traffic = Traffic::default().steady(VM, 0, 8000, 10);
    let changes = traffic.steady(other, 9500, 12_000, 10).changes(12_000);
    assert_eq!(kinds(&changes).last(), Some(&"changed"), "{changes:#?}");
    let text = &changes.last().unwrap().1;
    assert!(text.contains("come with id 104 now, as erspan2-104@10.60.0.1, no longer with id 101"));
    // While both run, none takes the place of the other.
    let traffic = Traffic::default().steady(VM, 0, 12_000, 10);
    let changes = traffic.steady(other, 8000, 12_000, 10).changes(12_000);
    assert_eq!(kinds(&changes), ["started", "started"], "{changes:#?}");
}

#[test]
fn a_machine_that_moves_to_another_host_takes_its_session_along() {
    let there = Mirror { host: 2, ..VM };
    let traffic = Traffic::default().steady(VM, 0, 8000, 10);
    let traffic = traffic.steady(there, 8400, 20_000, 10);
    let changes = traffic.steady(VM, 20_300, 24_000, 10).changes(24_000);
    assert_eq!(
        kinds(&changes),
        ["started", "moved", "moved"],
        "{changes:#?}"
    );
    assert_eq!(
        changes[1].1,
        "erspan2-101@10.60.0.1 moved: the same mirror comes from 10.60.0.2 now, as erspan2-101@10.60.0.2; last from \
         10.60.0.1 at 2023-11-14T22:13:27Z"
    );
    assert!(changes[2].1.contains("comes from 10.60.0.1 now"));
    // Another machine's session, of the same id on another host, is not the same one.
    let traffic = Traffic::default().steady(VM, 0, 8000, 10);
    let stranger = Mirror {
        machine: 8,
        ..there
    };
    let changes = traffic.steady(stranger, 8400, 20_000, 10).changes(20_000);
    assert_eq!(
        kinds(&changes),
        ["started", "silent", "started"],
        "{changes:#?}"
    );
}

#[test]
fn a_mirror_that_begins_to_cut_packets_is_told_of_and_one_that_stops_to() {
    let traffic = Traffic::default().sized(VM, (0, 6000, 10), (1400, 1400));
    let traffic = traffic.sized(VM, (6000, 12_000, 10), (1400, 200));
    let traffic = traffic.sized(VM, (12_000, 16_000, 10), (1400, 1400));
    let changes = traffic.changes(16_000);
    assert_eq!(kinds(&changes), ["started", "cut", "whole"], "{changes:#?}");
    assert_eq!(
        changes[1].1,
        "erspan2-101@10.60.0.1 begins to cut packets: of frames of up to 1442 bytes, 242 at most arrive"
    );
    assert!(changes[2].1.ends_with("frames of 1442 bytes arrive whole"));
    // What is cut from the beginning does not begin to be; nor what is cut because it is longer than all before.
    let traffic = Traffic::default().sized(VM, (0, 6000, 10), (1400, 200));
    assert_eq!(kinds(&traffic.changes(8000)), ["started", "silent"]);
    let traffic = Traffic::default().sized(VM, (0, 6000, 10), (100, 100));
    let traffic = traffic.sized(VM, (6000, 12_000, 10), (1400, 200));
    assert_eq!(kinds(&traffic.changes(12_000)), ["started"]);
}

#[test]
fn what_this_host_drops_is_no_silence() {
    let mut engine = Engine::new(Config::default(), Arc::default());
    let mut activity = Activity::default();
    for time in (0..8000).step_by(10) {
        feed(&mut engine, time, &VM.packet(time as u32 / 10, 60, 60));
    }
    assert_eq!(activity.tick(&engine, at(8000)).len(), 1);
    engine.lost_here(0, at(8000), at(10_000), 1000);
    assert_eq!(activity.tick(&engine, at(10_000)), []);
    // The same without drops is silence.
    let mut other = Activity::default();
    let mut engine = Engine::new(Config::default(), Arc::default());
    for time in (0..8000).step_by(10) {
        feed(&mut engine, time, &VM.packet(time as u32 / 10, 60, 60));
    }
    other.tick(&engine, at(8000));
    assert_eq!(other.tick(&engine, at(10_000)).len(), 1);
}

#[test]
fn rates_are_those_of_the_last_second() {
    let mut engine = Engine::new(Config::default(), Arc::default());
    let mut activity = Activity::default();
    let mut report = engine.report();
    for time in 0..3000 {
        if time % 1000 == 0 {
            activity.tick(&engine, at(time));
        }
        // A number in ten is missing in the last second.
        let number = time as u32 * 10 / if time < 2000 { 10 } else { 9 };
        feed(&mut engine, time, &VM.packet(number, 60, 60));
        report = engine.report();
    }
    activity.tick(&engine, at(3000));
    activity.annotate(&mut report.sessions);
    let recent = report.sessions[0].recent.unwrap();
    assert_eq!((recent.packets, recent.seconds), (1000, 1.0));
    assert!((100..400).contains(&recent.missing), "{recent:?}");
    assert_eq!(recent.bytes, 1000 * report.sessions[0].bytes / 3000);
}

#[test]
fn thousands_of_sessions_at_once_are_few_lines() {
    let mut engine = Engine::new(Config::default(), Arc::default());
    for id in 0..1000 {
        feed(&mut engine, 0, &Mirror { id, ..VM }.packet(0, 60, 60));
    }
    let mut activity = Activity::default();
    let told = activity.tick(&engine, at(100));
    assert_eq!(told.len(), 50);
    let last = &told.last().unwrap().text;
    assert!(
        last.ends_with("and 950 more changes at the same time"),
        "{last}"
    );
    assert!(activity.changes().count() <= 100);
}

#[test]
fn the_point_of_a_described_session_is_named() {
    let sites = "[[site]]\nname = \"dc1\"\npoint = [{ name = \"fw1\", role = \"firewall\", match = { session = 101 } }]";
    let config = Config {
        sites: Sites::parse(sites).unwrap(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, Arc::default());
    feed(&mut engine, 0, &VM.packet(0, 60, 60));
    let told = Activity::default().tick(&engine, at(100));
    assert_eq!(told[0].text, "erspan2-101@10.60.0.1 started: fw1 (dc1)");
}
