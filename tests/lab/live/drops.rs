//! The truth of drops: what arrived and was not read is counted, told, and nobody else is blamed for it.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::bench::Bench;
use super::listener::{Heard, Listener};
use crate::machine::run;

const FRAMES: u64 = 24_000;
const RATE: u64 = 8_000;

/// Listens with little memory, and is stopped for a second of three while frames come.
fn overrun(words: &str) -> Heard {
    let bench = Bench::new();
    let listener = Listener::start(&bench.collector, words);
    std::thread::scope(|scope| {
        let sender = scope.spawn(|| bench.send(&bench.load(FRAMES, Some(RATE))));
        std::thread::sleep(Duration::from_secs(1));
        listener.signal(Signal::STOP);
        std::thread::sleep(Duration::from_secs(1));
        listener.signal(Signal::CONT);
        assert_eq!(sender.join().unwrap().frames, FRAMES);
    });
    let told = listener.wait_for_error("--buffer").1;
    assert!(
        told.contains("eth0") || told.contains("udp") || told.contains("gre"),
        "{told}"
    );
    listener.interrupt()
}

/// Frames and drops make up what was sent, and the gaps in the mirrors' sequence numbers are just these.
#[track_caller]
fn add_up(report: &Value, kind: &str) {
    let frames = report["totals"]["frames"].as_u64().unwrap();
    let interfaces = report["live"]["interfaces"].as_array().unwrap();
    let dropped = |kind: &str| -> u64 {
        let dropped = interfaces
            .iter()
            .map(|i| i["dropped"][kind].as_u64().unwrap());
        dropped.sum()
    };
    let all: u64 = ["kernel", "socket", "queue"].into_iter().map(dropped).sum();
    assert_eq!(all, dropped(kind), "{interfaces:#?}");
    assert_eq!(frames + all, FRAMES, "{interfaces:#?}");
    // The pause lets some eight thousand frames pass, and the buffer holds a few of them.
    assert!((RATE / 4..RATE * 3 / 2).contains(&all), "{all} dropped");
    let missing = |session: &Value| session["sequence"]["missing"].as_u64().unwrap();
    let sessions = report["sessions"].as_array().unwrap();
    assert_eq!(sessions.iter().map(missing).sum::<u64>(), all);
    let losses: Vec<&Value> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|finding| finding["kind"] == "mirror-loss")
        .collect();
    let ours = losses.iter().filter(|finding| {
        finding["summary"]
            .as_str()
            .unwrap()
            .starts_with("This host dropped")
    });
    assert_eq!(ours.count(), 1, "{losses:#?}");
    // The flows lost packets on this host, and nowhere else.
    let verdicts = &report["totals"]["verdicts"];
    assert!(verdicts["asymmetric"].is_null(), "{verdicts}");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn of_the_ring() {
    let heard = overrun("report --format json -i eth0 --buffer 1M");
    add_up(&heard.document(), "kernel");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn of_the_rings_of_several_threads() {
    let heard = overrun("report --format json -i eth0 --buffer 1M --queue 1M --receive-threads 2");
    add_up(&heard.document(), "kernel");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn of_endpoint_sockets() {
    let heard = overrun("report --format json --via endpoint --buffer 1M");
    add_up(&heard.document(), "socket");
}

/// The counters at the end of a file, as tshark reads them.
#[test]
#[ignore = "needs root: tests/lab/run"]
fn of_the_ring_in_the_counters_of_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("m.pcapng");
    let file = file.to_str().unwrap();
    overrun(&format!("decap -i eth0 --buffer 1M -w {file}"));
    let blocks = run(
        "tshark",
        &["-X", "read_format:MIME Files Format", "-V", "-r", file],
    );
    let numbers = |name: &str| -> Vec<u64> {
        let lines = blocks
            .lines()
            .filter_map(|line| line.trim().strip_prefix(name));
        lines.map(|number| number.parse().unwrap()).collect()
    };
    let dropped = numbers("Number of Dropped Packets by OS: ");
    let received: u64 = numbers("Number of Received Packets: ").iter().sum();
    let missing: u64 = numbers("Number of Dropped Packets: ").iter().sum();
    // Nobody knows whose packets they were, so both sessions have all of them; their numbers tell how many were each one's.
    assert_eq!(dropped, [dropped[0]; 2]);
    assert!(dropped[0] > RATE / 4);
    assert_eq!(received + dropped[0], FRAMES);
    assert_eq!(missing, dropped[0]);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn in_text_with_the_option_that_helps() {
    let heard = overrun("report -i eth0 --buffer 1M");
    let text = heard.out.join("\n");
    let line = heard
        .out
        .iter()
        .find(|line| line.contains("eth0") && line.contains("dropped"));
    assert!(line.is_some(), "{text}");
    assert!(text.contains("--buffer"), "{text}");
}
