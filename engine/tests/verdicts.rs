//! Verdicts from packets: each case is a small story of who saw what.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a story that cannot be told should stop the test"
)]

mod story;

use std::fmt::Write as _;
use std::net::IpAddr;

use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::report::Report;
use mirrorscope_engine::track::Scope;
use mirrorscope_engine::{Config, Engine};

use story::{SITES, engine_with, expect, feed, inner, mirrored, run};

const WHOLE_AT_FW1: &str = "
    0.000 fw1 r1>server S 100 0 0
    0.001 fw1 server>r1 SA 500 101 0
    0.002 fw1 r1>server A 101 501 0
    0.003 fw1 r1>server A 101 501 50
    0.004 fw1 server>r1 A 501 151 900
    0.005 fw1 r1>server A 151 1401 0
    0.006 fw1 r1>server FA 151 1401 0
    0.007 fw1 server>r1 FA 1401 152 0
    0.008 fw1 r1>server A 152 1402 0
";

#[test]
fn both_directions_at_one_firewall_are_symmetric() {
    expect(WHOLE_AT_FW1, "symmetric", "high", &[]);
}

#[test]
fn a_short_flow_that_passes_two_firewalls_one_behind_the_other_is_symmetric() {
    let question = "
        1.0000 fw1 r1>server udp 53
        1.0004 fw2 r1>server udp 53
        1.0010 fw2 server>r1 udp 53
        1.0014 fw1 server>r1 udp 53
    ";
    expect(question, "symmetric", "high", &[]);
    let handshake = "
        1.0000 fw1 r1>server S 100 0 0
        1.0004 fw2 r1>server S 100 0 0
        1.2000 fw2 server>r1 SA 500 101 0
        1.2004 fw1 server>r1 SA 500 101 0
        1.4000 fw1 r1>server A 101 501 0
        1.4004 fw2 r1>server A 101 501 0
    ";
    expect(handshake, "symmetric", "high", &[]);
}

#[test]
fn each_direction_at_another_firewall_is_asymmetric() {
    let story = "
        0.0 fw1 from server
        0.0 fw2 from r2
        1.0 fw1 r1>server S 100 0 0
        1.1 fw2 server>r2 SA 500 101 0
        2.0 fw1 r1>server S 100 0 0
        2.1 fw2 server>r2 SA 500 101 0
    ";
    let kinds = [
        "asymmetric-path",
        "firewall-out-of-state",
        "incomplete-handshake",
        "incomplete-handshake",
    ];
    expect(story, "asymmetric", "high", &kinds);
    let (report, _) = run(story);
    let finding = &report.findings[0];
    assert_eq!(
        (finding.severity.as_str(), finding.flows, finding.packets),
        ("error", 1, 4)
    );
    assert_eq!(finding.sites, ["dc1", "dc2"]);
    assert!(
        finding
            .summary
            .contains("requests pass dc1, answers leave by dc2"),
        "{}",
        finding.summary
    );
}

#[test]
fn one_direction_only_is_a_blind_spot_where_nothing_shows_that_the_mirror_carries_the_other() {
    let story = "
        1.0 fw1 r1>server S 100 0 0
        1.1 fw2 server>r2 SA 500 101 0
        1.2 fw1 r1>server A 101 501 0
    ";
    expect(story, "unknown", "blind-spot", &[]);
}

#[test]
fn the_owner_may_say_what_a_mirror_carries() {
    let flow = "
        1.1 fw2 server>r2 SA 500 101 0
        1.2 POINT r1>server A 101 501 0
        1.3 fw2 server>r2 A 501 101 100
        1.4 POINT r1>server A 101 601 0
    ";
    let at = |point: &str| {
        format!(
            "1.0 {point} r1>server S 100 0 0\n{}",
            flow.replace("POINT", point)
        )
    };
    expect(
        &at("both1"),
        "asymmetric",
        "medium",
        &[
            "asymmetric-path",
            "firewall-out-of-state",
            "incomplete-handshake",
            "inconsistent-sequence",
        ],
    );
    expect(
        &format!("0.0 one1 from server\n{}", at("one1")),
        "unknown",
        "blind-spot",
        &[],
    );
    expect(
        &format!("0.0 some1 from server\n{}", at("some1")),
        "unknown",
        "sampled",
        &[],
    );
}

#[test]
fn loss_of_the_mirror_at_that_time_excuses_what_is_missing() {
    let story = |when: &str| {
        let (before, during) = if when == "during" {
            ("", "1.05 fw1 lost 3")
        } else {
            ("0.5 fw1 lost 3", "")
        };
        format!(
            "0.0 fw1 from server
            {before}
            0.6 fw1 from server
            1.00 fw1 r1>server S 100 0 0
            {during}
            1.10 fw2 server>r2 SA 500 101 0
            1.20 fw1 r1>server A 101 501 0
            1.30 fw2 server>r2 A 501 101 100
            1.40 fw1 r1>server A 101 601 0"
        )
    };
    expect(&story("during"), "unknown", "mirror-loss", &["mirror-loss"]);
    let before = [
        "asymmetric-path",
        "firewall-out-of-state",
        "incomplete-handshake",
        "inconsistent-sequence",
        "mirror-loss",
    ];
    expect(&story("before"), "asymmetric", "medium", &before);
}

#[test]
fn frames_that_a_switch_floods_to_the_other_firewall_change_nothing() {
    let mut story = "0.0 fw2 from server\n0.0 fw2 from r1\n".to_owned();
    for line in WHOLE_AT_FW1
        .lines()
        .map(str::trim)
        .filter(|line| !line.is_empty())
    {
        writeln!(story, "{line}").unwrap();
        if line.contains("r1>server") {
            let (time, rest) = line.split_once(' ').unwrap();
            writeln!(story, "{time}2 {}", rest.replace("fw1", "fw2")).unwrap();
        }
    }
    expect(&story, "symmetric", "high", &[]);
}

#[test]
fn a_bundle_of_links_may_spread_the_directions() {
    let story = "
        0.0 dci1 from server
        0.0 dci1b from r1
        1.0 dci1 r1>server S 100 0 0
        1.1 dci1b server>r1 SA 500 101 0
        1.2 dci1 r1>server A 101 501 0
    ";
    expect(story, "symmetric", "high", &[]);
}

#[test]
fn a_machines_own_port_proves_no_path() {
    let story = "
        1.0 vm2 r1>server S 100 0 0
        1.1 vm2 server>r2 SA 500 101 0
        1.2 vm2 r1>server A 101 501 0
    ";
    expect(story, "unknown", "no-point", &[]);
}

#[test]
fn with_one_mirror_only_acknowledgements_show_the_other_way() {
    let lively = "
        0.0 fw1 from server
        1.0 fw1 r1>server S 100 0 0
        1.2 fw1 r1>server A 101 501 0
        1.4 fw1 r1>server A 101 501 50
        1.6 fw1 r1>server A 151 1401 0
    ";
    let kinds = [
        "asymmetric-path",
        "firewall-out-of-state",
        "incomplete-handshake",
        "inconsistent-sequence",
    ];
    expect(lively, "asymmetric", "low", &kinds);
    expect(
        &lively.replace("0.0 fw1 from server", ""),
        "unknown",
        "blind-spot",
        &[],
    );
}

#[test]
fn requests_that_nobody_answers() {
    let retried = "
        1.0 fw1 r1>server S 100 0 0
        2.0 fw1 r1>server S 100 0 0
        4.0 fw1 r1>server S 100 0 0
    ";
    expect(retried, "unanswered", "medium", &["unanswered"]);
    expect(
        &format!("0.0 fw1 from server\n{retried}"),
        "unanswered",
        "high",
        &["unanswered"],
    );
    expect(
        "0.0 fw1 from server\n1.0 fw1 r1>server S 100 0 0",
        "unknown",
        "capture-end",
        &[],
    );
    let dns = "
        0.0 fw1 from server
        1.0 fw1 r1>server udp 53
        6.0 fw1 from server
    ";
    expect(dns, "unanswered", "medium", &["unanswered"]);
    expect(
        &dns.replace("udp 53", "ping"),
        "unanswered",
        "medium",
        &["unanswered"],
    );
}

#[test]
fn a_sender_that_repeats_itself_unheard_is_one_way() {
    let story = "
        0.0 fw1 from server
        1.0 fw1 r1>server A 100 500 50
        1.3 fw1 r1>server A 100 500 50
        1.9 fw1 r1>server A 100 500 50
        6.0 fw1 from server
    ";
    expect(story, "one-way", "medium", &["one-way"]);
}

#[test]
fn multicast_and_plain_udp_are_no_findings() {
    expect(
        "1.0 fw1 r1>group udp 5000\n9.0 fw1 from r1",
        "one-way",
        "high",
        &[],
    );
    expect(
        "0.0 fw1 from server\n1.0 fw1 r1>server udp 514\n9.0 fw1 from server",
        "one-way",
        "medium",
        &[],
    );
}

#[test]
fn a_flow_that_changes_its_firewall_has_moved() {
    let mut story = WHOLE_AT_FW1.lines().take(7).collect::<Vec<_>>().join("\n");
    story.push_str(
        "
        9.0 fw2 r2>server A 151 1401 50
        9.1 fw2 server>r2 A 1401 201 50
        ",
    );
    // As long as nothing shows that both mirrors ran all the time, either may have missed it.
    expect(&story, "unknown", "mirror-loss", &[]);
    let alive = format!("0.0 fw2 from r2\n{story}\n9.5 fw1 from r1");
    expect(
        &alive,
        "moved",
        "high",
        &["firewall-out-of-state", "path-moved"],
    );
}

#[test]
fn a_mirror_that_stopped_or_had_not_begun_is_no_evidence() {
    let stopped = "
        0.0 fw1 from server
        1.0 fw1 r1>server S 100 0 0
        2.1 vm2 server>r1 SA 500 101 0
        2.3 fw2 server>r2 SA 500 101 0
        9.0 fw2 from server
    ";
    expect(stopped, "unknown", "mirror-silent", &[]);
    let alive = format!("{stopped}\n9.0 fw1 from server");
    expect(
        &alive,
        "asymmetric",
        "medium",
        &["asymmetric-path", "incomplete-handshake"],
    );
}

#[test]
fn a_scan_is_told_once_and_is_not_asymmetry() {
    let mut story = "0.0 fw1 from server\n".to_owned();
    for port in 1..=300 {
        writeln!(story, "1.0 fw1 r1>server:{port} S 100 0 0").unwrap();
    }
    story.push_str("9.0 fw1 from server");
    let (report, flows) = run(&story);
    assert!(flows.iter().all(|f| f.verdict.as_str() == "unanswered"));
    let [finding] = report.findings.as_slice() else {
        panic!("{:#?}", report.findings)
    };
    assert_eq!(
        (
            finding.kind.as_str(),
            finding.severity.as_str(),
            finding.flows
        ),
        ("scan", "info", 300)
    );
    assert!(
        finding
            .summary
            .contains("10.9.0.10 tried more than 256 ports of 10.20.0.50, and none answered"),
        "{}",
        finding.summary
    );
}

#[test]
fn an_undescribed_session_makes_its_own_point() {
    let story = "
        1.0 other r1>server S 100 0 0
        1.1 other server>r1 SA 500 101 0
        1.2 other r1>server A 101 501 0
    ";
    expect(story, "symmetric", "medium", &[]);
    let (report, _) = run(story);
    assert_eq!(report.sessions[0].name, "erspan2-99@10.60.0.3");
    assert_eq!(report.sessions[0].point, "erspan2-99@10.60.0.3");
    assert_eq!(report.sessions[0].site, "10.60.0.3");
}

#[test]
fn the_two_ends_of_a_tunnel_are_one_place() {
    // An overlay between two hosts, as a capture on the wire between them shows it: one direction from each end.
    let mut engine = Engine::new(Config::default(), std::sync::Arc::default());
    let ends = [IpAddr::from([10, 60, 0, 1]), IpAddr::from([10, 60, 0, 2])];
    for (number, words) in [["r1>server", "S"], ["server>r1", "SA"], ["r1>server", "A"]]
        .into_iter()
        .enumerate()
    {
        let (from, to) = if number == 1 {
            (ends[1], ends[0])
        } else {
            (ends[0], ends[1])
        };
        let mut bytes = Vec::new();
        wrap(
            &Outer::new(from, to),
            &Wrap::Vxlan { vni: 7, port: 4789 },
            &inner(&[words[0], words[1], "1", "2"]),
            &mut bytes,
        );
        feed(&mut engine, number as f64, &bytes);
    }
    engine.finish();
    let report = engine.report();
    assert_eq!(report.sessions.len(), 2);
    assert_eq!(report.sessions[0].point, report.sessions[1].point);
    assert_eq!(report.totals.verdicts.get("symmetric"), Some(&1));
}

#[test]
fn a_tunnel_whose_ends_choose_their_ids_is_one_place_and_one_scope() {
    // A station behind a base station, as captures on the way to the gateway show it: each bearer of it has one TEID up
    // and another down. The second bearer's packets are of the same flow.
    let up = |teid| (teid, [10, 60, 0, 1], [10, 60, 0, 2]);
    let down = |teid| (teid, [10, 60, 0, 2], [10, 60, 0, 1]);
    let story = [
        (up(100), "r1>server", ["S", "1", "0", "0"]),
        (down(7_000_000), "server>r1", ["SA", "500", "2", "0"]),
        (up(100), "r1>server", ["A", "2", "501", "0"]),
        (up(101), "r1>server", ["A", "2", "501", "300"]),
        (down(7_000_001), "server>r1", ["A", "501", "302", "900"]),
        (up(101), "r1>server", ["A", "302", "1401", "0"]),
    ];
    for scope in [Scope::None, Scope::Segment] {
        let config = Config {
            scope,
            ..Config::default()
        };
        let mut engine = Engine::new(config, std::sync::Arc::default());
        for (number, ((teid, from, to), who, words)) in story.into_iter().enumerate() {
            let packet = inner(&[&[who][..], &words[..]].concat());
            let gtpu = Wrap::Gtpu {
                teid,
                sequence: None,
                extension: None,
            };
            let mut bytes = Vec::new();
            wrap(
                &Outer::new(from.into(), to.into()),
                &gtpu,
                &packet[14..],
                &mut bytes,
            );
            feed(&mut engine, number as f64, &bytes);
        }
        engine.finish();
        let report = engine.report();
        assert_eq!(report.sessions.len(), 4);
        let points = report.sessions.iter().map(|session| &session.point);
        assert!(points.clone().all(|point| point == "gtp-u-100@10.60.0.1"));
        assert_eq!(report.totals.flows, 1, "{scope:?}");
        assert_eq!(report.totals.verdicts.get("symmetric"), Some(&1));
        assert!(report.findings.is_empty(), "{:?}", report.findings);
    }
}

#[test]
fn a_session_carries_everything_but_its_own_encapsulation() {
    let mut engine = engine_with(SITES);
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let service = Wrap::Pbb {
        service: 700,
        priority: 0,
    };
    let mut backbone = Vec::new();
    wrap(
        &outer,
        &service,
        &inner(&["r1>server", "S", "1"]),
        &mut backbone,
    );
    feed(&mut engine, 0.0, &backbone);
    feed(&mut engine, 1.0, &mirrored(1, 0, 0, &backbone));
    let mut outside = Vec::new();
    wrap(
        &outer,
        &service,
        &mirrored(1, 0, 1, &inner(&["r1>server", "A", "2"])),
        &mut outside,
    );
    feed(&mut engine, 2.0, &outside);
    engine.finish();
    let report = engine.report();
    let mut carried: Vec<_> = report
        .sessions
        .iter()
        .flat_map(|session| {
            let carries = session.carries.iter();
            carries.map(|c| (session.encapsulation, c.encapsulation, c.id, c.packets))
        })
        .collect();
    carried.sort_unstable();
    let pbb = |session, packets| (session, "pbb", Some(700), packets);
    assert_eq!(carried, [pbb("erspan2", 2), pbb("plain", 1)]);
}

/// What is told of a connection whose answer went through `close` before it was mirrored.
fn with_closed_answer(close: impl FnOnce(&mut [u8])) -> Report {
    let mut engine = engine_with(SITES);
    let mut answer = inner(&["server>r1", "SA", "5", "2"]);
    close(&mut answer);
    let frames = [
        inner(&["from", "server"]),
        inner(&["r1>server", "S", "1"]),
        answer,
        inner(&["r1>server", "A", "2", "6"]),
        inner(&["r1>server", "A", "2", "9"]),
    ];
    for (number, frame) in (0..).zip(&frames) {
        feed(
            &mut engine,
            f64::from(number),
            &mirrored(1, 0, number, frame),
        );
    }
    engine.finish();
    engine.report()
}

#[test]
fn encryption_hides_no_direction_of_a_flow_in_the_clear() {
    // MACsec with the E bit.
    let report = with_closed_answer(|frame| frame[12..15].copy_from_slice(&[0x88, 0xe5, 0x08]));
    assert_eq!(report.totals.causes.get("unopened"), None);
}

#[test]
fn what_cannot_be_opened_may_hold_what_is_missing() {
    // The answer has a header of Arista's (0xd28b) whose subtype, and so its length, nobody knows.
    let report = with_closed_answer(|frame| frame[12..14].copy_from_slice(&[0xd2, 0x8b]));
    assert_eq!(
        report.totals.causes.get("unopened"),
        Some(&1),
        "{:?}",
        report.totals
    );
    assert!(report.findings.is_empty());
}

#[test]
fn encryption_hides_no_answer() {
    // IP protocol of ESP.
    let report = with_closed_answer(|frame| frame[14 + 9] = 50);
    assert_eq!(report.totals.opaque, 1);
    assert_eq!(report.totals.causes.get("unopened"), None);
}

#[test]
fn rules_on_single_packets_leave_undescribed_sessions_whole() {
    let sites = "[[site]]\nname = \"dc1\"\npoint = [{ name = \"towards\", match = { session = 7, direction = \"egress\" } }]";
    let mut engine = engine_with(sites);
    let handshake = [["r1>server", "S"], ["server>r1", "SA"], ["r1>server", "A"]];
    for (number, words) in (0..).zip(handshake) {
        let frame = inner(&[words[0], words[1], "1", "2"]);
        feed(
            &mut engine,
            f64::from(number),
            &mirrored(1, number, number, &frame),
        );
    }
    engine.finish();
    let mut points = Vec::new();
    let all = engine.flows(|flow| -> Result<(), ()> {
        points.extend(
            flow.points
                .iter()
                .map(|p| (p.point.clone(), p.orig.packets, p.resp.packets)),
        );
        Ok(())
    });
    all.unwrap();
    assert_eq!(points, [("erspan2-1@10.60.0.1".to_owned(), 2, 1)]);
}
