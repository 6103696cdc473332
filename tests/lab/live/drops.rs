//! The truth of drops: what arrived and was not read is counted, told, and nobody else is blamed for it.

use std::time::Duration;

use rustix::process::Signal;
use serde_json::Value;

use super::bench::Bench;
use super::listener::{Heard, Listener};

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
