//! What was sent arrives: every frame, whichever way it is received.

use rustix::process::Signal;
use serde_json::Value;

use super::bench::{Bench, SESSIONS};
use super::listener::Listener;
use crate::capture::written;

/// A second of them, at a rate that an unoptimized build follows.
const FRAMES: u64 = 8_000;
const RATE: Option<u64> = Some(8_000);

/// Listens, is sent a load by `eth0`, and must have got all of it, in order.
#[track_caller]
fn all_arrive(words: &str) -> Value {
    all_arrive_at(words, RATE)
}

#[track_caller]
fn all_arrive_at(words: &str, rate: Option<u64>) -> Value {
    let bench = Bench::new();
    let listener = Listener::start(&bench.collector, &format!("report --format json {words}"));
    let sent = bench.send(&bench.load(FRAMES, rate));
    let report = listener.interrupt().document();
    assert_eq!(sent.frames, FRAMES);
    assert_eq!(bench.collector.arrived("eth0"), FRAMES, "no other frames");
    check(&report, sent.bytes);
    report
}

/// Nothing is missing, doubled, out of order or cut.
#[track_caller]
fn check(report: &Value, bytes: u64) {
    let totals = &report["totals"];
    assert_eq!(totals["frames"], FRAMES);
    assert_eq!(totals["bytes"], bytes);
    assert_eq!(totals["mirrored"], FRAMES);
    assert_eq!(totals["duplicates"], 0);
    let sessions = report["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), SESSIONS.len());
    for (source, id) in SESSIONS {
        let source = std::net::Ipv4Addr::from(source).to_string();
        let session = sessions.iter().find(|session| session["id"] == id).unwrap();
        assert_eq!(session["source"], source.as_str());
        assert_eq!(session["packets"], FRAMES / 2);
        assert_eq!(session["truncated"], 0);
        let sequence = &session["sequence"];
        assert_eq!(sequence["received"], FRAMES / 2);
        for fault in ["missing", "duplicate", "reordered"] {
            assert_eq!(sequence[fault], 0, "{fault}: {sequence}");
        }
    }
    let interfaces = report["live"]["interfaces"].as_array().unwrap();
    let frames = |interface: &Value| interface["frames"].as_u64().unwrap();
    assert_eq!(interfaces.iter().map(frames).sum::<u64>(), FRAMES);
    for interface in interfaces {
        assert_eq!(interface["present"], true, "{interface}");
        for full in ["kernel", "socket", "queue"] {
            assert_eq!(interface["dropped"][full], 0, "{interface}");
        }
    }
}

fn interfaces(report: &Value) -> Vec<(&str, &str)> {
    let interfaces = report["live"]["interfaces"].as_array().unwrap();
    interfaces
        .iter()
        .map(|interface| {
            let text = |name: &str| interface[name].as_str().unwrap();
            (text("name"), text("via"))
        })
        .collect()
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn by_the_ring_and_the_name_of_the_interface() {
    let report = all_arrive("-i eth0");
    assert_eq!(interfaces(&report), [("eth0", "ring")]);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn by_the_address_of_the_interface() {
    let report = all_arrive("-i 10.60.0.9");
    assert_eq!(interfaces(&report), [("eth0", "ring")]);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn by_any_interface() {
    let report = all_arrive("-i any");
    // Its frames and its drops are those of the interfaces that frames came by.
    assert_eq!(interfaces(&report), [("eth0", "ring")]);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn by_several_threads() {
    all_arrive("-i eth0 --receive-threads 3");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn by_the_portable_source() {
    // What its socket has no room for is not even counted: it must not be hurried.
    let report = all_arrive_at("-i eth0 --via portable", Some(2_000));
    assert_eq!(interfaces(&report), [("eth0", "portable")]);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn by_endpoint_sockets_without_the_frames_ethernet_headers() {
    let bench = Bench::new();
    let listener = Listener::start(&bench.collector, "report --format json --via endpoint");
    let sent = bench.send(&bench.load(FRAMES, RATE));
    let report = listener.interrupt().document();
    check(&report, sent.bytes - 14 * FRAMES);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn by_two_interfaces_half_of_them_each() {
    let bench = Bench::new();
    bench.plug("eth1", "10.60.1.9");
    let listener = Listener::start(
        &bench.collector,
        "report --format json -i eth0 -i eth1 --site dc1=10.60.0.1 --site dc1=10.60.1.1 \
         --site dc2=10.60.0.3 --site dc2=10.60.1.2",
    );
    let mut halves = bench.load(FRAMES / 2, RATE.map(|rate| rate / 2));
    let sent = std::thread::scope(|scope| {
        let first = halves.clone();
        let bench = &bench;
        let first = scope.spawn(move || bench.send(&first).bytes);
        // Other flows, by other mirrors.
        halves.load.first = 1 << 16;
        halves.load.seed = 2;
        for (outer, session) in &mut halves.points {
            outer.destination_mac = bench.collector.mac("eth1");
            outer.source = [10, 60, 1, (*session / 100) as u8].into();
            *session += 1;
        }
        bench.send_by("eth1", &halves).bytes + first.join().unwrap()
    });
    let report = listener.interrupt().document();
    assert_eq!(report["totals"]["frames"], FRAMES);
    assert_eq!(report["totals"]["bytes"], sent);
    let sessions = report["sessions"].as_array().unwrap();
    let mut ids: Vec<u64> = sessions.iter().map(|s| s["id"].as_u64().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, [101, 102, 201, 202]);
    for session in sessions {
        assert_eq!(session["packets"], FRAMES / 4, "{session}");
        assert_eq!(session["sequence"]["missing"], 0);
        assert_eq!(session["sequence"]["reordered"], 0);
    }
    for interface in report["live"]["interfaces"].as_array().unwrap() {
        assert_eq!(interface["frames"], FRAMES / 2, "{interface}");
    }
    // By the time of the frames, not by the turn of the interfaces: otherwise answers stand in front of requests.
    let verdicts = &report["totals"]["verdicts"];
    for wrong in ["asymmetric", "one-way", "unanswered"] {
        assert!(verdicts[wrong].is_null(), "{verdicts}");
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn until_enough_have_come() {
    let bench = Bench::new();
    let listener = Listener::start(&bench.collector, "report --format json -i eth0 -c 1000");
    bench.send(&bench.load(2_000, RATE));
    let heard = listener.wait();
    assert!(heard.status.success(), "{}", heard.err);
    assert_eq!(heard.document()["totals"]["frames"], 1000);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn until_the_time_is_over() {
    let bench = Bench::new();
    let begin = std::time::Instant::now();
    let listener = Listener::start(&bench.collector, "report --format json -i eth0 --for 2s");
    bench.send(&bench.load(2_000, RATE));
    let heard = listener.wait();
    let time = begin.elapsed().as_secs_f64();
    assert!((2.0..3.0).contains(&time), "{time} s");
    assert!(heard.status.success(), "{}", heard.err);
    assert_eq!(heard.document()["totals"]["frames"], 2000);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn decap_writes_all_of_them() {
    let bench = Bench::new();
    let file = bench.file("inner.pcapng");
    let words = format!("decap -i eth0 -w {}", file.display());
    let listener = Listener::start(&bench.collector, &words);
    bench.send(&bench.load(FRAMES, RATE));
    // As services are ended.
    listener.signal(Signal::TERM);
    let heard = listener.wait();
    assert!(heard.status.success(), "{}", heard.err);
    assert_eq!(written(&heard), FRAMES);
    // Without encapsulation, in order: as many of each point, by an interface each.
    let text = bench.switch.run(&format!(
        "tshark -n -r {} -T fields -e frame.interface_id",
        file.display()
    ));
    for interface in ["0", "1"] {
        let packets = text.lines().filter(|line| *line == interface).count();
        assert_eq!(packets as u64, FRAMES / 2);
    }
}
