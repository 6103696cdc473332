//! What this host drops is loss of the mirrors that come by, is told as its own, and never as its senders'.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

mod story;

use mirrorscope_dissectors::LinkType;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::Engine;
use mirrorscope_engine::finding::{Finding, Kind};
use mirrorscope_engine::point::{LIVE, PointId};
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::report::Report;
use mirrorscope_engine::stream::{Cause, Gap};
use mirrorscope_engine::time::Timestamp;

const START: i64 = 1_700_000_000_000_000_000;

fn at(seconds: f64) -> Timestamp {
    Timestamp(START + (seconds * 1e9) as i64)
}

/// A frame that came by an interface.
fn feed(engine: &mut Engine, seconds: f64, interface: u32, bytes: &[u8]) {
    engine.frame(&Frame {
        time: at(seconds),
        wire_len: bytes.len() as u32,
        link: LinkType::Ethernet,
        interface,
        number: 1,
        bytes,
    });
}

/// An engine that listens on two interfaces.
fn engine() -> Engine {
    let mut engine = story::engine_with(story::SITES);
    engine.receiver().name_interface(0, LIVE, Some("eth0"));
    engine.receiver().name_interface(1, LIVE, Some("eth1"));
    engine
}

/// A packet of the client that a numbered session mirrors.
fn numbered(session: u16, sequence: u32) -> Vec<u8> {
    numbered_of(session, sequence, &["r1>server", "A", "100", "200", "10"])
}

/// Any packet that such a session mirrors.
fn numbered_of(session: u16, sequence: u32, what: &[&str]) -> Vec<u8> {
    story::mirrored(session, 0, sequence, &story::inner(what))
}

/// A packet in VXLAN, of the point whose session id is its VNI.
fn unnumbered(session: u32, what: &[&str]) -> Vec<u8> {
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let vxlan = Wrap::Vxlan {
        vni: session,
        port: 4789,
    };
    let mut bytes = Vec::new();
    wrap(&outer, &vxlan, &story::inner(what), &mut bytes);
    bytes
}

fn losses(report: &Report) -> Vec<&Finding> {
    let all = report.findings.iter();
    all.filter(|f| f.kind == Kind::MirrorLoss).collect()
}

#[test]
fn a_gap_in_numbers_that_this_host_made_is_not_laid_at_the_senders_door() {
    let mut engine = engine();
    for number in (0..1000).filter(|n| !(400..500).contains(n)) {
        feed(
            &mut engine,
            f64::from(number) / 100.0,
            0,
            &numbered(1, number),
        );
    }
    let report = engine.report();
    let sender = losses(&report);
    assert_eq!(sender.len(), 1);
    assert!(
        sender[0]
            .summary
            .starts_with("The mirror lost 100 of 1000 packets")
    );
    assert!(
        sender[0]
            .next
            .iter()
            .any(|step| step.starts_with("at the sender"))
    );

    engine.lost_here(0, at(4.0), at(5.0), 100);
    let report = engine.report();
    let [here] = losses(&report)[..] else {
        panic!("{:#?}", losses(&report));
    };
    assert_eq!(here.packets, 100);
    assert_eq!(
        here.summary,
        format!(
            "This host dropped 100 packets (10.00 %) on eth0 from {} to {}: they had arrived, and were not read in time. What \
             seems to be missing of the mirrors that come by eth0 then says nothing of the network.",
            at(4.0),
            at(5.0)
        )
    );
    let words = format!("{here:?}");
    for option in [
        "--buffer",
        "--queue",
        "--receive-threads",
        "--capture-filter",
    ] {
        assert!(words.contains(option), "{option}");
    }
    assert!(!words.contains("sender"), "{words}");
    // Each packet is counted once: the numbers show it, and who lost it is said beside.
    let sequence = report.sessions[0].sequence.as_ref().unwrap();
    assert_eq!((sequence.missing, sequence.dropped_here), (100, 100));
    assert_eq!(report.sessions[0].dropped_here, 100);
}

#[test]
fn what_was_lost_at_another_time_or_beyond_what_was_dropped_is_the_senders() {
    let mut engine = engine();
    let lost = |n: &u32| (400..500).contains(n) || (800..830).contains(n);
    for number in (0..1000).filter(|n| !lost(n)) {
        feed(
            &mut engine,
            f64::from(number) / 100.0,
            0,
            &numbered(1, number),
        );
    }
    engine.lost_here(0, at(4.0), at(5.0), 60);
    // What another interface drops is none of its business.
    engine.lost_here(1, at(8.0), at(9.0), 1000);
    let report = engine.report();
    let found = losses(&report);
    assert_eq!(found.len(), 3, "{found:#?}");
    let sender = found
        .iter()
        .find(|f| f.summary.starts_with("The mirror"))
        .unwrap();
    assert_eq!(sender.packets, 70);
    assert!(sender.evidence.iter().any(|fact| {
        fact == "60 packets more went missing while this host itself dropped packets, and are not counted here"
    }));
}

#[test]
fn sessions_that_share_an_interface_do_not_excuse_each_other() {
    let mut engine = engine();
    for number in (0..1000).filter(|n| !(400..500).contains(n)) {
        let time = f64::from(number) / 100.0;
        feed(&mut engine, time, 0, &numbered(1, number));
        feed(&mut engine, time, 0, &numbered(11, number));
    }
    engine.lost_here(0, at(4.0), at(5.0), 120);
    let report = engine.report();
    let here: u64 = report
        .sessions
        .iter()
        .map(|s| s.sequence.as_ref().unwrap().dropped_here)
        .sum();
    assert_eq!(here, 120);
    let sender = losses(&report)
        .into_iter()
        .find(|f| f.summary.starts_with("The mirror"));
    assert_eq!(sender.unwrap().packets, 80);
}

/// A connection of which a firewall's mirror showed the requests only, by VXLAN, while others saw both.
fn half_seen(engine: &mut Engine) {
    // The firewall's mirror carries both directions, and loses nothing otherwise.
    feed(engine, 0.0, 0, &unnumbered(5, &["from", "server"]));
    for number in 0..4000 {
        let ping = if number % 2 == 0 {
            "r1>server"
        } else {
            "server>r1"
        };
        feed(
            engine,
            0.001 * f64::from(number),
            0,
            &unnumbered(5, &[ping, "udp", "53"]),
        );
    }
    for number in 0..30_u32 {
        let (sequence, answer) = (
            (100 + number * 10).to_string(),
            (900 + number * 10).to_string(),
        );
        let request = ["r1>server", "A", &sequence, &answer, "10"];
        let reply = ["server>r1", "A", &answer, &sequence, "10"];
        let time = 5.0 + f64::from(number) / 20.0;
        feed(engine, time, 0, &unnumbered(5, &request));
        feed(engine, time + 0.001, 1, &unnumbered(13, &request));
        feed(engine, time + 0.002, 1, &unnumbered(13, &reply));
        feed(engine, time + 0.003, 1, &unnumbered(11, &reply));
    }
    feed(engine, 20.0, 0, &unnumbered(5, &["from", "r1"]));
}

fn verdict_of_tcp(engine: &Engine) -> (String, String) {
    let mut said = None;
    let found: Result<(), ()> = engine.flows(|flow| {
        if flow.proto == "tcp" {
            said = Some((flow.verdict.as_str().to_owned(), flow.why));
        }
        Ok(())
    });
    found.unwrap();
    said.unwrap()
}

#[test]
fn a_direction_that_was_dropped_here_makes_the_verdict_unknown() {
    let mut engine = engine();
    half_seen(&mut engine);
    assert_eq!(verdict_of_tcp(&engine).0, "asymmetric");
    // Another time, another interface: no excuse.
    engine.lost_here(0, at(1.0), at(2.0), 500);
    engine.lost_here(1, at(5.0), at(6.0), 500);
    assert_eq!(verdict_of_tcp(&engine).0, "asymmetric");
    engine.lost_here(0, at(5.0), at(7.0), 40);
    let (verdict, why) = verdict_of_tcp(&engine);
    assert_eq!(verdict, "unknown");
    assert!(why.starts_with("mirror-loss: "), "{why}");
    let kinds: Vec<Kind> = engine.report().findings.iter().map(|f| f.kind).collect();
    assert!(
        kinds.iter().all(|kind| *kind == Kind::MirrorLoss),
        "{kinds:?}"
    );
}

/// A connection of which a firewall's numbered mirror showed the requests only, while all the time some packets of that
/// mirror arrived and some did not.
fn half_seen_by_numbers(engine: &mut Engine, (arrived, lost): (u32, u32)) {
    feed(engine, 0.0, 0, &numbered_of(5, 0, &["from", "server"]));
    let mut sequence = 1;
    let mut request = 0;
    for number in 0..100_000_u32 {
        let time = 0.000_2 * f64::from(number + 1);
        let udp = if number % 2 == 0 {
            "r1>server"
        } else {
            "server>r1"
        };
        feed(
            engine,
            time,
            0,
            &numbered_of(5, sequence, &[udp, "udp", "53"]),
        );
        sequence += 1;
        if number % arrived == 0 {
            sequence += lost;
        }
        if number >= 25_000 && number % 250 == 0 && request < 30 {
            let (sent, answer) = (
                (100 + request * 10).to_string(),
                (900 + request * 10).to_string(),
            );
            let asked = ["r1>server", "A", &sent, &answer, "10"];
            let reply = ["server>r1", "A", &answer, &sent, "10"];
            feed(engine, time, 0, &numbered_of(5, sequence, &asked));
            sequence += 1;
            let at_server = [(0, &asked), (1, &reply)];
            for (nth, what) in at_server {
                let bytes = numbered_of(13, request * 2 + nth, what);
                feed(engine, time + 0.00001 + f64::from(nth) / 1e5, 1, &bytes);
            }
            feed(engine, time + 0.00003, 1, &numbered_of(11, request, &reply));
            request += 1;
        }
    }
    feed(engine, 20.1, 0, &numbered_of(5, sequence, &["from", "r1"]));
}

#[test]
fn numbers_that_go_missing_in_rows_take_many_packets_of_a_flow_at_once() {
    let mut single = engine();
    half_seen_by_numbers(&mut single, (19, 1));
    assert_eq!(verdict_of_tcp(&single).0, "asymmetric");
    // The same share, as a full ring loses it.
    let mut rows = engine();
    half_seen_by_numbers(&mut rows, (190, 10));
    let (verdict, why) = verdict_of_tcp(&rows);
    assert_eq!(verdict, "unknown");
    assert!(why.starts_with("mirror-loss: "), "{why}");
}

#[test]
fn numbers_that_began_anew_do_not_show_what_was_dropped_here() {
    let story = |engine: &mut Engine| {
        half_seen_by_numbers(engine, (200_000, 0));
        feed(
            engine,
            20.2,
            0,
            &numbered_of(5, 2_000_000_000, &["from", "r1"]),
        );
    };
    let mut engine = engine();
    story(&mut engine);
    assert_eq!(verdict_of_tcp(&engine).0, "asymmetric");
    engine.lost_here(0, at(5.0), at(7.0), 2_000_000);
    assert_eq!(verdict_of_tcp(&engine).0, "unknown");
}

#[test]
fn gaps_of_streams_say_that_packets_were_dropped_here() {
    let mut engine = engine();
    for time in [1.0, 9.0] {
        feed(
            &mut engine,
            time,
            0,
            &unnumbered(5, &["r1>server", "A", "100", "200", "10"]),
        );
    }
    let cause = |engine: &Engine, from, to| {
        let gap = Gap {
            side: 0,
            offset: 0,
            len: 10,
            from: Some(at(from)),
            to: Some(at(to)),
            cause: Cause::NeverSeen,
        };
        let losses = engine.mirror_losses();
        losses.cause(&gap, [PointId(0)].into_iter())
    };
    assert_eq!(cause(&engine, 3.0, 3.5), Cause::NeverSeen);
    engine.lost_here(0, at(3.0), at(4.0), 7);
    assert_eq!(cause(&engine, 3.0, 3.5), Cause::MirrorLoss);
    assert_eq!(cause(&engine, 5.0, 6.0), Cause::NeverSeen);
    engine.lost_here(1, at(5.0), at(6.0), 7);
    assert_eq!(
        cause(&engine, 5.0, 6.0),
        Cause::NeverSeen,
        "by another interface"
    );
}

#[test]
fn heavy_drops_are_not_taken_for_a_mirror_that_takes_samples() {
    let story = |engine: &mut Engine| {
        // Two of three segments never arrive.
        for number in 0..300_u32 {
            let sequence = (100 + number * 3000).to_string();
            let answer = (4000 + number * 10).to_string();
            let time = f64::from(number) / 100.0;
            let data = ["r1>server", "A", &sequence, &answer, "1000"];
            feed(engine, time, 0, &unnumbered(5, &data));
            let reply = ["server>r1", "A", &answer, &sequence, "10"];
            feed(engine, time + 0.002, 1, &unnumbered(11, &reply));
        }
    };
    let causes = |engine: &Engine| {
        let report = engine.report();
        report.totals.causes.keys().copied().collect::<Vec<_>>()
    };
    let mut sampled = engine();
    story(&mut sampled);
    assert_eq!(causes(&sampled), ["sampled"]);
    let mut dropped = engine();
    story(&mut dropped);
    for second in 0..3 {
        let second = f64::from(second);
        dropped.lost_here(0, at(second), at(second + 1.0), 700);
        dropped.lost_here(1, at(second), at(second + 1.0), 700);
    }
    assert_eq!(causes(&dropped), ["mirror-loss"]);
}
