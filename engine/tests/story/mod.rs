//! Small stories of who saw what, sent through the whole engine as ERSPAN.
//!
//! A line is `TIME POINT WHAT`. WHAT is `SRC>DST FLAGS SEQ ACK LEN` for TCP (the server may have a port: `server:81`), `SRC>DST udp PORT` or `SRC>DST ping`,
//! `from STATION` for a broadcast that shows that the station can be seen there, or `lost N` for N mirrored packets
//! that never arrive. `ttl=N` and `macs=STATION,STATION` at the end change what a router changes. Stations: `client`, `server`, `public` (an address that stands for it outside), `r1` and `r2` (the sites' routers, which speak for the client).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    dead_code,
    reason = "a story that cannot be told should stop the test; not every file tells all kinds"
)]

use std::net::IpAddr;

use etherparse::PacketBuilder;
use mirrorscope_dissectors::LinkType;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::report::{FlowReport, Report};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine};

pub const SITES: &str = r#"
[[site]]
name = "dc1"
point = [
  { name = "fw1", role = "firewall", match = { session = 1 } },
  { name = "dci1", role = "dci", match = { session = 2 } },
  { name = "dci1b", role = "dci", match = { session = 3 } },
  { name = "one1", role = "firewall", carries = "one", match = { session = 4 } },
  { name = "both1", role = "firewall", carries = "both", match = { session = 5 } },
  { name = "some1", role = "firewall", sampling = 10, match = { session = 6 } },
]
[[site]]
name = "dc2"
point = [
  { name = "fw2", role = "firewall", match = { session = 11 } },
  { name = "dci2", role = "dci", match = { session = 12 } },
  { name = "vm2", role = "vnic", match = { session = 13 } },
]
"#;

pub const POINTS: &[(&str, u16)] = &[
    ("fw1", 1),
    ("dci1", 2),
    ("dci1b", 3),
    ("one1", 4),
    ("both1", 5),
    ("some1", 6),
    ("fw2", 11),
    ("dci2", 12),
    ("vm2", 13),
    ("other", 99),
];

fn mac(station: &str) -> [u8; 6] {
    let last = match station {
        "server" => 0x50,
        "public" => 0x99,
        "r1" => 0x11,
        "r2" => 0x22,
        "group" => return [0x01, 0, 0x5e, 1, 2, 3],
        other => panic!("no such station: {other}"),
    };
    [2, 0, 0, 0, 0, last]
}

fn address(station: &str) -> [u8; 4] {
    match station {
        "server" => [10, 20, 0, 50],
        "public" => [198, 51, 100, 80],
        "group" => [239, 1, 2, 3],
        _ => [10, 9, 0, 10],
    }
}

pub fn inner(what: &[&str]) -> Vec<u8> {
    if what[0] == "from" {
        // A RARP announcement, as hypervisors send it.
        let mut bytes = [[0xff; 6], mac(what[1])].concat();
        bytes.extend([0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3]);
        bytes.extend([&mac(what[1])[..], &[0; 4], &mac(what[1])[..], &[0; 4]].concat());
        return bytes;
    }
    let (source, destination) = what[0].split_once('>').unwrap();
    let (source, own) = source.split_once(':').unwrap_or((source, "443"));
    let (destination, port) = destination.split_once(':').unwrap_or((destination, own));
    let port: u16 = port.parse().unwrap();
    let option = |name: &str| what.iter().find_map(|word| word.strip_prefix(name));
    let (from, to) =
        option("macs=").map_or((source, destination), |macs| macs.split_once(',').unwrap());
    let ttl = option("ttl=").map_or(64, |ttl| ttl.parse().unwrap());
    let builder = PacketBuilder::ethernet2(mac(from), mac(to)).ipv4(
        address(source),
        address(destination),
        ttl,
    );
    let number = |index: usize| {
        let given = what.get(index).filter(|word| !word.contains('='));
        given.map_or(0, |text| text.parse::<u32>().unwrap())
    };
    let to_server = matches!(destination, "server" | "public");
    let (source_port, destination_port) = if to_server {
        (40_000, port)
    } else {
        (port, 40_000)
    };
    let mut bytes = Vec::new();
    match what[1] {
        "udp" => {
            let port = number(2) as u16;
            let ports = if destination == "r1" {
                (port, 5555)
            } else {
                (5555, port)
            };
            builder
                .udp(ports.0, ports.1)
                .write(&mut bytes, b"hello")
                .unwrap();
        }
        "ping" if to_server => builder
            .icmpv4_echo_request(7, 1)
            .write(&mut bytes, b"abc")
            .unwrap(),
        "ping" => builder
            .icmpv4_echo_reply(7, 1)
            .write(&mut bytes, b"abc")
            .unwrap(),
        flags => {
            let mut tcp = builder.tcp(source_port, destination_port, number(2), 1000);
            for flag in flags.chars() {
                tcp = match flag {
                    'S' => tcp.syn(),
                    'A' => tcp.ack(number(3)),
                    'F' => tcp.fin(),
                    'R' => tcp.rst(),
                    other => panic!("no such flag: {other}"),
                };
            }
            tcp.write(&mut bytes, &vec![0x55; number(4) as usize])
                .unwrap();
        }
    }
    bytes
}

/// A frame as the switch of a site mirrors it; the mirrored port counts as `index`.
pub fn mirrored(session: u16, index: u32, sequence: u32, frame: &[u8]) -> Vec<u8> {
    let source = IpAddr::from([10, 60, 0, if session < 10 { 1 } else { 3 }]);
    let erspan = Wrap::Erspan2 {
        session,
        vlan: 0,
        cos: 0,
        en: 0,
        truncated: false,
        index,
        sequence,
    };
    let mut bytes = Vec::new();
    wrap(
        &Outer::new(source, IpAddr::from([10, 60, 0, 9])),
        &erspan,
        frame,
        &mut bytes,
    );
    bytes
}

/// Gives an Ethernet frame to the engine, `seconds` after some moment.
pub fn feed(engine: &mut Engine, seconds: f64, bytes: &[u8]) {
    engine.frame(&Frame {
        time: Timestamp(1_700_000_000_000_000_000 + (seconds * 1e9) as i64),
        wire_len: bytes.len() as u32,
        link: LinkType::Ethernet,
        interface: 0,
        number: 1,
        bytes,
    });
}

pub fn engine_with(sites: &str) -> Engine {
    let config = Config {
        sites: Sites::parse(sites).unwrap(),
        ..Config::default()
    };
    Engine::new(config, std::sync::Arc::default())
}

pub fn run(story: &str) -> (Report, Vec<FlowReport>) {
    let mut engine = engine_with(SITES);
    let mut sequences = [0_u32; 128];
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let seconds: f64 = words[0].parse().unwrap();
        let (_, session) = POINTS.iter().find(|(name, _)| *name == words[1]).unwrap();
        let sequence = &mut sequences[usize::from(*session)];
        if words[2] == "lost" {
            *sequence += words[3].parse::<u32>().unwrap();
            continue;
        }
        let bytes = mirrored(*session, 0, *sequence, &inner(&words[2..]));
        *sequence += 1;
        feed(&mut engine, seconds, &bytes);
    }
    engine.finish();
    let mut flows = Vec::new();
    engine
        .flows(|flow| -> Result<(), ()> {
            flows.push(flow);
            Ok(())
        })
        .unwrap();
    (engine.report(), flows)
}

/// Runs a story of one flow and compares verdict, cause (or confidence) and the kinds of findings.
#[track_caller]
pub fn expect(story: &str, verdict: &str, detail: &str, findings: &[&str]) {
    let (report, flows) = run(story);
    let [flow] = flows.as_slice() else {
        panic!("{} flows", flows.len())
    };
    let seen = match flow.verdict.as_str() {
        "unknown" => flow.why.split(':').next().unwrap().to_owned(),
        _ => flow.confidence.as_str().to_owned(),
    };
    assert_eq!(
        (flow.verdict.as_str(), seen.as_str()),
        (verdict, detail),
        "{}",
        flow.why
    );
    let kinds: Vec<&str> = report.findings.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(kinds, findings, "{:#?}", report.findings);
}
