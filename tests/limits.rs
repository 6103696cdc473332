//! Bounds that hold under gigabytes of input, by the memory of the whole program. They take long in a debug build:
//! `cargo test --release --test limits -- --ignored`.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

use std::fs;
use std::io::{BufWriter, Write};
use std::process::{Child, ChildStdin, Command, Stdio};

use mirrorscope_capture::writer::PcapWriter;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use serde_json::Value;

const MICROSECOND: i64 = 1000;
const SECOND: i64 = 1_000_000_000;
const SYN: u8 = 2;
const ACK: u8 = 16;

/// Memory of a running program in KiB, as the kernel calls it.
fn memory(program: &Child, name: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", program.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn start(arguments: &[&str]) -> (Child, Sender) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_mirrorscope"))
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let input = BufWriter::with_capacity(1 << 20, child.stdin.take().unwrap());
    let pcap = PcapWriter::new(input, 1, 0).unwrap();
    (child, Sender { pcap, time: 0 })
}

/// A TCP segment between an address and a server.
#[derive(Clone, Copy)]
struct Segment<'a> {
    client: u32,
    port: u16,
    server: [u8; 4],
    back: bool,
    flags: u8,
    sequence: u32,
    acknowledgement: u32,
    data: &'a [u8],
}

/// Sends what a mirror brings.
struct Sender {
    pcap: PcapWriter<BufWriter<ChildStdin>>,
    time: i64,
}

impl Sender {
    fn send(&mut self, segment: &Segment<'_>) {
        let Segment {
            client,
            port,
            server,
            back,
            flags,
            sequence,
            acknowledgement,
            data,
        } = *segment;
        let mut frame = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        let len = (40 + data.len()) as u16;
        frame.extend([0x45, 0]);
        frame.extend(len.to_be_bytes());
        frame.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        let (ends, ports) = if back {
            ([server, client.to_be_bytes()], [443, port])
        } else {
            ([client.to_be_bytes(), server], [port, 443])
        };
        frame.extend(ends.concat());
        frame.extend(ports.map(u16::to_be_bytes).concat());
        frame.extend(sequence.to_be_bytes());
        frame.extend(acknowledgement.to_be_bytes());
        frame.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        frame.extend(data);
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let mut bytes = Vec::with_capacity(frame.len() + 64);
        let with = Wrap::Vxlan { vni: 7, port: 4789 };
        wrap(&outer, &with, &frame, &mut bytes);
        self.time += 10 * MICROSECOND;
        let sent = self.pcap.write(self.time, bytes.len() as u32, &bytes);
        sent.unwrap();
    }

    /// Ends the input.
    fn end(self) {
        self.pcap.finish().unwrap().flush().unwrap();
    }
}

const CONNECTION: Segment<'static> = Segment {
    client: 0x0a09_0000,
    port: 40_000,
    server: [10, 20, 0, 51],
    back: false,
    flags: ACK,
    sequence: 1001,
    acknowledgement: 5001,
    data: &[],
};

#[test]
#[ignore = "ten million packets: tests/compare/run"]
fn ten_million_syns_leave_connections_alone_and_memory_flat() {
    const BOUND: u64 = 1_000_000;
    const FLOOD: u64 = 10_000_000;
    const CONNECTIONS: u32 = 1000;
    let bound = BOUND.to_string();
    let (child, mut sender) = start(&[
        "report",
        "--format",
        "json",
        "--max-flows",
        &bound,
        "--filter",
        "packets > 3",
        "-",
    ]);
    for client in 0..CONNECTIONS {
        let of = |segment: Segment<'static>| Segment {
            client: segment.client + client,
            ..segment
        };
        let syn = Segment {
            flags: SYN,
            sequence: 1000,
            acknowledgement: 0,
            ..CONNECTION
        };
        let answer = Segment {
            back: true,
            flags: SYN | ACK,
            sequence: 5000,
            acknowledgement: 1001,
            ..CONNECTION
        };
        for segment in [syn, answer, CONNECTION] {
            sender.send(&of(segment));
        }
    }
    let mut early = 0;
    for n in 0..FLOOD {
        sender.send(&Segment {
            // Each address once: the factor is odd.
            client: (n as u32).wrapping_mul(2_654_435_761),
            port: 1024 + (n % 60_000) as u16,
            server: [10, 20, 0, 50],
            flags: SYN,
            ..CONNECTION
        });
        if n == 3 * BOUND {
            early = memory(&child, "VmRSS");
        }
    }
    let late = memory(&child, "VmRSS");
    for client in 0..CONNECTIONS {
        sender.send(&Segment {
            client: CONNECTION.client + client,
            data: b"still here",
            ..CONNECTION
        });
    }
    sender.end();
    let output = child.wait_with_output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let totals = &report["totals"];
    let figure = |value: &Value| value.as_u64().unwrap();
    let all = FLOOD + u64::from(CONNECTIONS);
    let evicted = &totals["evicted"];
    eprintln!(
        "{early} KiB after {} SYNs, {late} KiB after {FLOOD}",
        3 * BOUND
    );
    assert_eq!(figure(&totals["flows"]), all);
    assert_eq!(figure(&totals["flows_matching"]), u64::from(CONNECTIONS));
    assert_eq!(figure(&evicted["unanswered"]), all - BOUND);
    assert_eq!(figure(&evicted["packets"]), all - BOUND);
    assert_eq!(
        (figure(&evicted["over"]), figure(&evicted["alive"])),
        (0, 0)
    );
    assert!(late < early + early / 50, "{early} KiB, later {late} KiB");
}

/// Peak memory in KiB of a program that gets a gigabyte of streams, none of which is ever acknowledged, with holes.
fn streams(arguments: &[&str]) -> u64 {
    const STREAMS: u32 = 20;
    const SEGMENTS: u32 = 36_000;
    let data = [0x55; 1448];
    let (child, mut sender) = start(arguments);
    for client in 0..STREAMS {
        sender.send(&Segment {
            client,
            flags: SYN,
            sequence: 1000,
            acknowledgement: 0,
            ..CONNECTION
        });
    }
    for n in 0..SEGMENTS {
        for client in 0..STREAMS {
            // One of fifty never comes.
            if (n + client) % 50 == 7 {
                continue;
            }
            sender.send(&Segment {
                client,
                sequence: 1001 + n * 1448,
                data: &data,
                ..CONNECTION
            });
        }
    }
    // What is still on its way is no more than a part of a second.
    assert!(sender.time > 7 * SECOND);
    let peak = memory(&child, "VmHWM");
    sender.end();
    let output = child.wait_with_output().unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    peak
}

#[test]
#[ignore = "gigabytes of input: tests/compare/run"]
fn a_gigabyte_of_streams_with_holes_stays_within_the_bound() {
    const BOUND: u64 = 64 << 10;
    let folder = tempfile::tempdir().unwrap();
    let saved = folder.path().join("streams");
    let without = streams(&["flows", "--format", "json", "-"]);
    let path = saved.to_str().unwrap();
    let with = streams(&["follow", "--save-all", path, "--stream-memory", "64M", "-"]);
    eprintln!("{without} KiB without streams, {with} KiB with them");
    assert!(
        with < without + BOUND,
        "{without} KiB, with streams {with} KiB"
    );
    let index = fs::read_to_string(saved.join("index.csv")).unwrap();
    assert_eq!(index.lines().count(), 21);
    let bytes: u64 = fs::read_dir(&saved)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "bin"))
        .map(|path| path.metadata().unwrap().len())
        .sum();
    assert_eq!(bytes, 20 * 35_280 * 1448);
}
