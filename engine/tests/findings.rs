//! Findings from packets: each case is a small story of who saw what.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a story that cannot be told should stop the test"
)]

mod story;

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
    let kinds = ["asymmetric-path", "path-moved"];
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
    expect(&story, "moved", "high", &["path-moved"]);
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
    expect(&story, "moved", "low", &["asymmetric-path", "path-moved"]);
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
fn both_directions_that_begin_to_cross_the_interconnect_have_moved() {
    let mut story = String::new();
    let (mut request, mut answer) = (101, 501);
    for round in 0..20 {
        let mut at = f64::from(round);
        let mut pass = |place: &str, who: &str, from: u32, to: u32| {
            at += 0.0005;
            story.push_str(&format!("{at} {place} {who} A {from} {to} 10\n"));
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
    expect(&alive(&story), "moved", "medium", &["path-moved"]);
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
