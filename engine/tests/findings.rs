//! Findings from packets: each case is a small story of who saw what.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a story that cannot be told should stop the test"
)]

mod story;

use std::fmt::Write as _;

use mirrorscope_engine::finding::{Finding, Kind};
use mirrorscope_engine::report::Report;

use story::{expect, run};

/// The only finding of a kind.
#[track_caller]
fn only(report: &Report, kind: Kind) -> &Finding {
    let of_kind: Vec<&Finding> = report.findings.iter().filter(|f| f.kind == kind).collect();
    let [finding] = of_kind.as_slice() else {
        panic!("{} of {}: {of_kind:#?}", of_kind.len(), kind.as_str())
    };
    finding
}

/// Both firewalls see both stations, before and after all else.
fn alive(story: &str) -> String {
    let said = |time: &str| {
        ["fw1", "fw2", "dci1", "dci2"]
            .iter()
            .flat_map(|point| ["server", "r1", "r2"].map(|s| format!("{time} {point} from {s}\n")))
            .collect::<String>()
    };
    format!("{}{story}\n{}", said("0.0"), said("60.0"))
}

/// A connection that lives at dc1 for a second.
const AT_DC1: &str = "
    1.000 fw1 r1>server S 100 0 0
    1.001 fw1 server>r1 SA 500 101 0
    1.002 fw1 r1>server A 101 501 0
    1.003 fw1 r1>server A 101 501 50
    1.004 fw1 server>r1 A 501 151 900
    1.005 fw1 r1>server A 151 1401 0
    2.003 fw1 r1>server A 151 1401 50
    2.004 fw1 server>r1 A 1401 201 900
    2.005 fw1 r1>server A 201 2301 0
";

#[test]
fn answers_that_leave_by_another_firewall_from_a_time_on_have_moved_and_are_asymmetric_since() {
    let story = alive(&format!(
        "{AT_DC1}
        9.000 fw1 r1>server A 201 2301 50
        9.001 dci1 r1>server A 201 2301 50
        9.002 dci2 r1>server A 201 2301 50
        9.003 fw2 server>r2 A 2301 251 900
        9.300 fw1 r1>server A 201 2301 50
        9.301 dci1 r1>server A 201 2301 50
        9.302 dci2 r1>server A 201 2301 50
        9.303 fw2 server>r2 A 2301 251 900
        "
    ));
    let kinds = ["asymmetric-path", "firewall-out-of-state", "path-moved"];
    expect(&story, "moved", "high", &kinds);
    let (report, flows) = run(&story);
    let why = &flows[0].why;
    assert!(
        why.starts_with(
            "until 2023-11-14T22:13:22.004000000Z both directions passed fw1 (dc1); from "
        ),
        "{why}"
    );
    assert!(
        why.ends_with(
            "on requests pass fw1 (dc1) > dci1 (dc1) > dci2 (dc2), answers pass fw2 (dc2)"
        ),
        "{why}"
    );
    let path = only(&report, Kind::AsymmetricPath);
    assert_eq!(path.first.to_string(), "2023-11-14T22:13:29.001000000Z");
    assert!(
        path.summary
            .contains("requests pass dc1, answers leave by dc2"),
        "{}",
        path.summary
    );
    let moved = only(&report, Kind::PathMoved);
    assert_eq!((moved.flows, moved.sites.join(" ")), (1, "dc1 dc2".into()));
}

#[test]
fn what_happened_before_a_flow_moved_proves_nothing_of_what_came_after() {
    // The mirror at fw2 lost as much as the requests that it lacks after the move, not as much as all that came before.
    let story = alive(&format!(
        "{AT_DC1}
        9.000 fw1 r1>server A 201 2301 50
        9.001 fw2 lost 2
        9.003 fw2 server>r2 A 2301 251 900
        9.004 fw1 r1>server A 251 3201 0
        9.500 fw2 server>r2 A 3201 251 900
        "
    ));
    let (report, flows) = run(&story);
    assert_eq!(flows[0].verdict.as_str(), "moved", "{}", flows[0].why);
    let path = only(&report, Kind::AsymmetricPath);
    assert_eq!(path.confidence.as_str(), "medium", "{path:#?}");
}

#[test]
fn a_gateway_that_takes_over_moves_both_directions() {
    let story = alive(&format!(
        "{AT_DC1}
        9.000 fw2 r2>server A 201 2301 50
        9.001 dci2 r2>server A 201 2301 50
        9.0015 dci1 r2>server A 201 2301 50
        9.002 dci1 server>r2 A 2301 251 900
        9.003 dci2 server>r2 A 2301 251 900
        9.004 fw2 server>r2 A 2301 251 900
        9.005 fw2 r2>server A 251 3201 0
        "
    ));
    let kinds = ["firewall-out-of-state", "path-moved"];
    expect(&story, "moved", "high", &kinds);
    let (report, _) = run(&story);
    let summary = &only(&report, Kind::PathMoved).summary;
    assert!(
        summary.contains("both directions passed fw1 (dc1); ")
            && summary.contains("on both directions pass fw2 (dc2)."),
        "{summary}"
    );
}

#[test]
fn answers_that_no_longer_pass_any_mirrored_place_have_moved_where_acknowledgements_go_on() {
    let story = alive(&format!(
        "{AT_DC1}
        9.000 fw1 r1>server A 201 2301 50
        9.100 fw1 r1>server A 251 6301 0
        9.200 fw1 r1>server A 251 6301 50
        11.200 fw1 r1>server A 251 6301 50
        "
    ));
    let kinds = ["asymmetric-path", "inconsistent-sequence", "path-moved"];
    expect(&story, "moved", "low", &kinds);
    // Nothing shows that they go on.
    let dead = alive(&format!(
        "{AT_DC1}
        9.000 fw1 r1>server A 201 2301 50
        9.300 fw1 r1>server A 201 2301 50
        9.900 fw1 r1>server A 201 2301 50
        "
    ));
    expect(&dead, "symmetric", "high", &[]);
}

#[test]
fn what_a_mirror_lost_before_empty_segments_came_has_not_moved() {
    // The last data of the client was lost long before its last packet: that one's own number tells that it was sent.
    let story = alive(&format!(
        "{AT_DC1}
        9.000 fw1 lost 1
        9.001 fw1 server>r1 A 2301 251 50
        11.000 fw1 r1>server A 251 2351 0
        15.000 fw1 server>r1 A 2351 251 900
        15.500 fw1 server>r1 A 3251 251 900
        18.000 fw1 server>r1 A 4151 251 900
        "
    ));
    let (_, flows) = run(&story);
    assert_eq!(flows[0].verdict.as_str(), "symmetric", "{}", flows[0].why);
}

#[test]
fn both_directions_that_begin_to_cross_the_interconnect_have_moved() {
    let mut story = String::new();
    let (mut request, mut answer) = (101, 501);
    for round in 0..20 {
        let mut at = f64::from(round);
        let mut pass = |place: &str, who: &str, from: u32, to: u32| {
            at += 0.0005;
            writeln!(story, "{at} {place} {who} A {from} {to} 10").unwrap();
        };
        let far = round >= 10;
        let places = if far {
            &["fw1", "dci1", "dci2"][..]
        } else {
            &["fw1"]
        };
        for place in places {
            pass(place, "r1>server", request, answer);
        }
        request += 10;
        for place in places.iter().rev() {
            pass(place, "server>r1", answer, request);
        }
        answer += 10;
    }
    let kinds = ["path-moved", "dci-trombone"];
    expect(&alive(&story), "moved", "medium", &kinds);
}

#[test]
fn late_copies_do_not_hide_that_a_flow_moved() {
    let story = alive(&format!(
        "{AT_DC1}
        9.000 fw1 r1>server A 201 2301 50
        9.001 fw2 server>r2 A 2301 251 900
        9.050 fw1 server>r1 A 1401 201 900
        9.300 fw2 server>r2 A 2301 251 900
        "
    ));
    let (_, flows) = run(&story);
    assert_eq!(flows[0].verdict.as_str(), "moved", "{}", flows[0].why);
}

#[test]
fn a_whole_connection_that_is_asymmetric_shows_all_symptoms_with_their_cause() {
    let story = alive(
        "
        1.000 fw1 r1>server S 100 0 0
        1.001 fw2 server>r2 SA 500 101 0
        1.002 fw1 r1>server A 101 501 0
        1.003 fw1 r1>server A 101 501 50
        1.004 fw2 server>r2 A 501 151 900
        1.005 fw1 r1>server A 151 1401 0
        1.006 fw1 r1>server FA 151 1401 0
        1.007 fw2 server>r2 FA 1401 152 0
        1.008 fw1 r1>server A 152 1402 0
        ",
    );
    let (report, _) = run(&story);
    let told: Vec<(&str, &str)> = report
        .findings
        .iter()
        .map(|f| (f.kind.as_str(), f.points[0].as_str()))
        .collect();
    let expected = [
        ("asymmetric-path", "fw1"),
        ("firewall-out-of-state", "fw2"),
        ("firewall-out-of-state", "fw1"),
        ("incomplete-handshake", "fw1"),
        ("incomplete-handshake", "fw2"),
        ("incomplete-close", "fw1"),
        ("incomplete-close", "fw2"),
        ("inconsistent-sequence", "fw1"),
        ("inconsistent-sequence", "fw2"),
    ];
    assert_eq!(told, expected);
    for symptom in &report.findings[1..] {
        assert_eq!(symptom.because, Some(Kind::AsymmetricPath));
    }
}

#[test]
fn a_firewall_that_rejects_in_the_name_of_the_other_end_sees_one_direction_only() {
    let story = alive(
        "
        1.000 fw1 r1>server S 100 0 0
        1.001 fw2 server>r2 SA 500 101 0
        1.002 fw2 r2>server R 101 0 0
        2.000 fw1 r1>server S 100 0 0
        2.001 fw2 server>r2 SA 900 101 0
        2.002 fw2 r2>server R 101 0 0
        ",
    );
    let (_, flows) = run(&story);
    assert_eq!(flows[0].verdict.as_str(), "asymmetric", "{}", flows[0].why);
    // Where nothing but a reset exists, it is the answer.
    let rejected = "
        1.000 fw1 r1>server S 100 0 0
        1.001 fw1 server>r1 RA 0 101 0
    ";
    expect(rejected, "symmetric", "high", &[]);
}

#[test]
fn what_refuses_is_scanned_as_well_as_what_is_silent() {
    let mut story = String::new();
    for port in 1..=20 {
        writeln!(story, "1.0 fw1 r1>server:{port} S 100 0 0").unwrap();
        writeln!(story, "1.1 fw1 server:{port}>r1 RA 0 101 0").unwrap();
    }
    let (report, flows) = run(&story);
    assert!(flows.iter().all(|f| f.state == "REJ"));
    let scan = only(&report, Kind::Scan);
    assert!(
        scan.summary
            .starts_with("10.9.0.10 tried 20 ports of 10.20.0.50, and all refused (RST)"),
        "{}",
        scan.summary
    );
}

#[test]
fn a_client_that_works_elsewhere_and_misses_some_servers_does_not_scan() {
    let mut story = "0.0 fw1 from server\n".to_owned();
    for port in 1..=12 {
        writeln!(story, "1.0 fw1 r1>server:{port} S 100 0 0").unwrap();
        writeln!(story, "2.0 fw1 r1>server:{port} S 100 0 0").unwrap();
    }
    let (report, _) = run(&format!("{story}9.0 fw1 from server"));
    assert_eq!(only(&report, Kind::Scan).flows, 12);
    for port in 0..30 {
        writeln!(story, "3.0 fw1 r1>server udp {}", 6000 + port).unwrap();
        writeln!(story, "3.1 fw1 server>r1 udp {}", 6000 + port).unwrap();
    }
    let (report, _) = run(&format!("{story}9.0 fw1 from server"));
    let kinds: Vec<&str> = report.findings.iter().map(|f| f.kind.as_str()).collect();
    assert!(!kinds.contains(&"scan"), "{kinds:?}");
    assert!(kinds.contains(&"unanswered"), "{kinds:?}");
}

#[test]
fn a_mirror_that_stops_while_its_flows_go_on_is_told_and_a_capture_that_ends_is_not() {
    let mut story = String::new();
    for round in 0..40_u32 {
        let at = f64::from(round) / 2.0;
        let (request, answer) = (101 + round * 10, 501 + round * 10);
        let places = if round < 20 {
            &["fw1", "vm2"][..]
        } else {
            &["vm2"]
        };
        for place in places {
            writeln!(story, "{at} {place} r1>server A {request} {answer} 10").unwrap();
            writeln!(
                story,
                "{} {place} server>r1 A {answer} {} 10",
                at + 0.01,
                request + 10
            )
            .unwrap();
        }
    }
    let (report, flows) = run(&story);
    assert_eq!(flows[0].verdict.as_str(), "symmetric");
    let silent = only(&report, Kind::MirrorSilent);
    assert_eq!(silent.points, ["fw1"]);
    assert!(
        silent.summary.contains("stopped at 2023-11-14T22:13:29.51"),
        "{}",
        silent.summary
    );
    let whole = story.lines().take(80).collect::<Vec<_>>().join("\n");
    assert!(run(&whole).0.findings.is_empty());
}

#[test]
fn a_mirror_that_doubles_is_told_with_the_reason() {
    let mut story = String::new();
    for round in 0..20_u32 {
        let at = f64::from(round) / 2.0;
        let (request, answer) = (101 + round * 10, 501 + round * 10);
        for after in [0.0, 0.0001] {
            writeln!(
                story,
                "{} fw1 r1>server A {request} {answer} 10",
                at + after
            )
            .unwrap();
            writeln!(
                story,
                "{} fw1 server>r1 A {answer} {} 10",
                at + after + 0.01,
                request + 10
            )
            .unwrap();
        }
    }
    let (report, _) = run(&story);
    let doubled = only(&report, Kind::MirrorDuplicates);
    assert_eq!((doubled.packets, doubled.severity.as_str()), (40, "info"));
    assert!(
        doubled.summary.contains("look alike"),
        "{}",
        doubled.summary
    );
}

#[test]
fn a_mirror_that_shows_one_side_of_several_flows_is_blind() {
    let mut story = String::new();
    for port in 81..=84 {
        writeln!(story, "1.00 fw1 r1>server:{port} S 100 0 0").unwrap();
        writeln!(story, "1.10 fw1 r1>server:{port} A 101 501 0").unwrap();
        writeln!(story, "1.20 fw1 r1>server:{port} A 101 901 0").unwrap();
    }
    let (report, flows) = run(&story);
    assert!(flows.iter().all(|f| f.verdict.as_str() == "unknown"));
    let blind = only(&report, Kind::MirrorBlindSpot);
    assert_eq!((blind.flows, report.findings.len()), (4, 1));
}

#[test]
fn packets_that_a_router_sends_back_over_the_interconnect_trombone() {
    let mut story = String::new();
    let mut at = 1.0;
    for round in 0..4_u32 {
        let request = 101 + round * 10;
        let mut pass = |place: &str, rest: &str| {
            at += 0.001;
            writeln!(story, "{at} {place} server>r1 A {request} 501 10 {rest}").unwrap();
        };
        pass("dci2", "");
        pass("dci1", "");
        pass("fw1", "");
        let back = "ttl=63 macs=r1,r2";
        pass("fw1", back);
        pass("dci1", back);
        pass("dci2", back);
    }
    let (report, flows) = run(&story);
    let trombone = only(&report, Kind::DciTrombone);
    assert_eq!(trombone.sites, ["dc2", "dc1"]);
    assert!(
        trombone.summary.contains("4 packets passed it twice"),
        "{}",
        trombone.summary
    );
    // The flow counts each packet once, the interconnect tells the second pass apart, the firewall's two sides are one.
    assert_eq!(flows[0].resp.packets, 4);
    let at = |name: &str| {
        &flows[0]
            .points
            .iter()
            .find(|p| p.point == name)
            .unwrap()
            .resp
    };
    let counted = |name: &str| {
        let (again, doubled) = (at(name).again, at(name).doubled);
        let packets = |sum: Option<mirrorscope_engine::observation::Sum>| sum.map(|s| s.packets);
        (at(name).packets, packets(again), packets(doubled))
    };
    assert_eq!(counted("dci1"), (4, Some(4), None));
    assert_eq!(counted("fw1"), (4, None, Some(4)));
}

#[test]
fn a_mirror_that_copies_both_ways_of_an_interconnect_makes_no_trombone() {
    let mut story = String::new();
    for round in 0..12_u32 {
        for after in [0.0, 0.0002] {
            let at = f64::from(round) + after;
            writeln!(story, "{at} dci1 r1>server A {} 501 10", 101 + round * 10).unwrap();
        }
    }
    let (report, _) = run(&story);
    let kinds: Vec<&str> = report.findings.iter().map(|f| f.kind.as_str()).collect();
    assert_eq!(kinds, ["mirror-duplicates"]);
}

/// A connection over the interconnect, whose answer has two segments of `large` bytes and a small one behind them.
fn over_the_interconnect(large: u32, lost: bool) -> String {
    let mut story = String::new();
    let mut at = 1.0;
    let mut pass = |places: &[&str], what: &str| {
        for place in places {
            at += 0.0005;
            writeln!(story, "{at} {place} {what}").unwrap();
        }
    };
    let there = ["fw1", "dci1", "dci2"];
    let back = ["dci2", "dci1", "fw1"];
    pass(&there, "r1>server S 100 0 0");
    pass(&back, "server>r1 SA 500 101 0");
    pass(&there, "r1>server A 101 501 10");
    pass(&["dci2"], &format!("server>r1 A 501 111 {large}"));
    pass(
        &["dci2"],
        &format!("server>r1 A {} 111 {large}", 501 + large),
    );
    if lost {
        pass(&["dci1", "fw1"], "lost 8");
    }
    pass(&back, &format!("server>r1 A {} 111 300", 501 + 2 * large));
    for time in [1.3, 1.9, 3.1] {
        writeln!(story, "{time} dci2 server>r1 A 501 111 {large}").unwrap();
    }
    format!("{story}9.0 dci1 from r1\n9.0 dci2 from r1\n9.0 fw1 from r1")
}

#[test]
fn large_segments_that_never_come_by_the_next_place_fall_into_a_hole() {
    let (report, _) = run(&over_the_interconnect(1400, false));
    let hole = only(&report, Kind::MtuBlackHole);
    assert_eq!(hole.points, ["dci2", "dci1"]);
    assert!(
        hole.summary
            .contains("came through has 340 bytes, the smallest that did not 1440"),
        "{}",
        hole.summary
    );
    // The mirror may have lost them; and what a host's card has not split yet passes in parts.
    let quiet = |story: String| {
        let (report, _) = run(&story);
        let mut kinds = report.findings.iter().map(|f| f.kind);
        assert!(
            kinds.all(|kind| kind != Kind::MtuBlackHole),
            "{:#?}",
            report.findings
        );
    };
    quiet(over_the_interconnect(1400, true));
    quiet(over_the_interconnect(200, false));
    quiet(over_the_interconnect(8000, false).replace("dci2", "vm2"));
}

#[test]
fn what_goes_on_under_another_address_is_not_missing() {
    let outside = "
        1.000 fw1 r1>public S 100 0 0
        2.000 fw1 r1>public S 100 0 0
    ";
    expect(&alive(outside), "unanswered", "medium", &["unanswered"]);
    let inside = "
        1.001 fw2 r2>server S 100 0 0
        1.002 fw2 server>r2 SA 500 101 0
        1.003 fw2 r2>server A 101 501 0
    ";
    let (report, flows) = run(&alive(&format!("{outside}{inside}")));
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    let translated = flows.iter().find(|f| f.dst.to_string() == "198.51.100.80");
    let why = &translated.unwrap().why;
    let inner = flows
        .iter()
        .find(|f| f.dst.to_string() == "10.20.0.50")
        .unwrap();
    let expected = format!(
        "nat-suspected: the same connection goes on as flow {}",
        inner.id
    );
    assert!(why.starts_with(&expected), "{why}");
}

#[test]
fn advice_says_what_to_mirror_and_for_how_many_flows() {
    let one_sided = "
        1.0 one1 r1>server S 100 0 0
        1.1 fw2 server>r2 SA 500 101 0
        1.2 one1 r1>server A 101 501 0
    ";
    let (report, _) = run(one_sided);
    let both = "both directions of";
    assert_eq!(
        report.advice,
        [
            format!("{both} one1 (dc1): it shows one side only of one flow"),
            format!("{both} fw2 (dc2): it shows one side only of one flow"),
        ]
    );
    let beyond = "
        1.0 fw1 r1>server S 100 0 0
        1.1 dci1 r1>server S 100 0 0
        2.0 fw1 r1>server S 100 0 0
        2.1 dci1 r1>server S 100 0 0
    ";
    let (report, flows) = run(&alive(beyond));
    assert_eq!(flows[0].verdict.as_str(), "unknown", "{}", flows[0].why);
    assert_eq!(
        report.advice,
        [
            "the firewall or router of the site behind dci1 (dc1): where the other direction of one flow goes is not mirrored"
        ]
    );
    assert!(run(AT_DC1).0.advice.is_empty());
}
