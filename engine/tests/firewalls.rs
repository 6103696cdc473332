//! What firewalls cannot match, and why, from packets at several places.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a story that cannot be told should stop the test"
)]

mod story;

use std::fmt::Write as _;

use mirrorscope_engine::Engine;
use mirrorscope_engine::finding::{Finding, Kind};
use mirrorscope_engine::report::{FirewallReport, FlowReport, Report};
use mirrorscope_engine::site::Sites;

use story::{SITES, engine_with, feed, inner, mirrored, run};

/// What a firewall could not match of the only flow.
#[track_caller]
fn at<'a>(flows: &'a [FlowReport], point: &str) -> Option<&'a FirewallReport> {
    let [flow] = flows else {
        panic!("{} flows", flows.len())
    };
    let at = flow.points.iter().find(|at| at.point == point);
    at.and_then(|at| at.firewall.as_ref())
}

fn findings(report: &Report) -> Vec<&Finding> {
    let findings = report.findings.iter();
    findings
        .filter(|f| f.kind == Kind::FirewallOutOfState)
        .collect()
}

/// Both mirrors run all the time, and see the stations of both directions.
fn alive(story: &str) -> String {
    let mut all = String::new();
    for point in ["fw1", "fw2"] {
        for station in ["server", "r1", "r2"] {
            writeln!(all, "0.0 {point} from {station}").unwrap();
        }
    }
    all.push_str(story);
    for point in ["fw1", "fw2"] {
        writeln!(all, "\n9000.0 {point} from r1").unwrap();
    }
    all
}

const CROSSED: &str = "
    1.000 fw1 r1>server S 100 0 0
    1.001 fw2 server>r2 SA 500 101 0
    2.000 fw1 r1>server S 100 0 0
    2.001 fw2 server>r2 SA 500 101 0
";

#[test]
fn an_answer_by_another_firewall_names_the_place_that_its_request_passed() {
    let (report, flows) = run(&alive(CROSSED));
    let fw2 = at(&flows, "fw2").unwrap();
    assert_eq!((fw2.out_of_state.orig, fw2.out_of_state.resp), (0, 2));
    assert_eq!((fw2.first.from, fw2.first.packet), ("resp", "SYN-ACK"));
    assert_eq!(fw2.first.reason, "no-connection");
    assert_eq!(
        fw2.why,
        "SYN-ACK without a SYN: the request passed fw1 (dc1)"
    );
    assert_eq!(fw2.passed.as_deref(), Some("fw1"));
    assert_eq!(fw2.cause, None);
    assert!(
        at(&flows, "fw1").is_none(),
        "a SYN that is not answered is in order"
    );
    let [finding] = findings(&report)[..] else {
        panic!("{:#?}", report.findings)
    };
    assert_eq!(finding.severity.as_str(), "error");
    assert_eq!(finding.sites, ["dc2"]);
    assert_eq!(finding.points, ["fw2", "fw1"]);
    let summary = &finding.summary;
    assert!(
        summary.starts_with("At fw2 (dc2), 2 packets of one TCP flow"),
        "{summary}"
    );
    assert!(
        summary.contains("the request passed fw1 (dc1)"),
        "{summary}"
    );
}

#[test]
fn a_tolerant_firewall_is_warned_about() {
    let tolerant = SITES.replace(
        r#"{ name = "fw2", role = "firewall", "#,
        r#"{ name = "fw2", role = "firewall", firewall = { policy = "accept" }, "#,
    );
    let mut engine = engine_with(&tolerant);
    tell(&mut engine, &alive(CROSSED));
    let report = engine.report();
    let [finding] = findings(&report)[..] else {
        panic!("{:#?}", report.findings)
    };
    assert_eq!(finding.severity.as_str(), "warning");
    assert!(
        finding.summary.contains("lets them pass"),
        "{}",
        finding.summary
    );
}

/// Feeds a story, and ends it.
fn tell(engine: &mut Engine, story: &str) {
    let mut sequences = [0_u32; 128];
    for line in story.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let words: Vec<&str> = line.split_whitespace().collect();
        let point = story::POINTS.iter().find(|(name, _)| *name == words[1]);
        let session = point.unwrap().1;
        let sequence = &mut sequences[usize::from(session)];
        let bytes = mirrored(session, 0, *sequence, &inner(&words[2..]));
        *sequence += 1;
        feed(engine, words[0].parse().unwrap(), &bytes);
    }
    engine.finish();
}

const RUNNING: &str = "
    5.000 fw1 r1>server A 101 501 50
    5.001 fw1 server>r1 A 501 151 900
    5.002 fw1 r1>server A 151 1401 0
";

#[test]
fn a_connection_older_than_the_capture_is_not_held_against_its_firewall() {
    let (report, flows) = run(&alive(RUNNING));
    let fw1 = at(&flows, "fw1").unwrap();
    assert_eq!(
        fw1.cause.map(mirrorscope_engine::verdict::Cause::as_str),
        Some("capture-start")
    );
    assert!(fw1.why.starts_with("capture-start: "), "{}", fw1.why);
    assert!(findings(&report).is_empty());
}

#[test]
fn a_connection_that_opened_at_another_firewall_is_out_of_state_after_it_moved() {
    let story = alive(
        "
        1.000 fw1 r1>server S 100 0 0
        1.001 fw1 server>r1 SA 500 101 0
        1.002 fw1 r1>server A 101 501 0
        1.003 fw1 r1>server A 101 501 50
        1.004 fw1 server>r1 A 501 151 900
        9.000 fw2 r2>server A 151 1401 50
        9.001 fw2 server>r2 A 1401 201 50
        ",
    );
    let (report, flows) = run(&story);
    assert!(at(&flows, "fw1").is_none());
    let fw2 = at(&flows, "fw2").unwrap();
    assert_eq!((fw2.out_of_state.orig, fw2.out_of_state.resp), (1, 1));
    assert_eq!(fw2.why, "ACK without a SYN: the request passed fw1 (dc1)");
    assert_eq!(findings(&report).len(), 1);
    // Had fw2's mirror begun later, it might have opened there.
    let late: String = story
        .lines()
        .filter(|line| !line.starts_with("0.0 fw2"))
        .fold(String::new(), |all, line| all + line + "\n");
    let (report, flows) = run(&late);
    let cause = at(&flows, "fw2").unwrap().cause.unwrap();
    assert_eq!(cause.as_str(), "mirror-silent");
    assert!(findings(&report).is_empty());
}

#[test]
fn a_syn_that_the_mirror_lost_is_no_finding() {
    let lost = alive(
        "
        1.000 fw1 lost 1
        1.000 dci1 r1>server S 100 0 0
        1.001 fw1 server>r1 SA 500 101 0
        1.002 fw1 r1>server A 101 501 0
        1.003 fw1 r1>server A 101 501 50
        1.004 fw1 server>r1 A 501 151 900
        ",
    );
    let (report, flows) = run(&lost);
    let fw1 = at(&flows, "fw1").unwrap();
    assert_eq!(
        fw1.cause.map(mirrorscope_engine::verdict::Cause::as_str),
        Some("mirror-loss")
    );
    assert_eq!(fw1.out_of_state.orig + fw1.out_of_state.resp, 4, "raw");
    assert!(findings(&report).is_empty());
    // The same without a gap in the numbers is another way.
    let (report, flows) = run(&lost.replace("1.000 fw1 lost 1", ""));
    assert_eq!(at(&flows, "fw1").unwrap().cause, None);
    assert_eq!(findings(&report).len(), 1);
}

#[test]
fn data_that_the_mirror_lost_puts_no_acknowledgement_outside_the_window() {
    let (report, flows) = run(&alive(
        "
        1.000 fw1 r1>server S 100 0 0
        1.001 fw1 server>r1 SA 500 101 0
        1.002 fw1 r1>server A 101 501 0
        1.003 fw1 lost 1
        1.004 fw1 server>r1 A 501 151 0
        ",
    ));
    let fw1 = at(&flows, "fw1").unwrap();
    assert_eq!(fw1.first.reason, "acks-unseen");
    assert_eq!(
        fw1.cause.map(mirrorscope_engine::verdict::Cause::as_str),
        Some("mirror-loss")
    );
    assert!(findings(&report).is_empty());
}

#[test]
fn packets_that_the_mirror_brings_in_another_order_are_judged_in_their_own() {
    let mut engine = engine_with(SITES);
    let packets = [
        (1.000, 1, "server>r1 SA 500 101 0"),
        (1.001, 3, "r1>server A 101 501 50"),
        (1.002, 2, "r1>server A 101 501 0"),
        (1.010, 0, "r1>server S 100 0 0"),
        (1.020, 4, "server>r1 A 501 151 900"),
    ];
    for (seconds, number, what) in packets {
        let words: Vec<&str> = what.split_whitespace().collect();
        feed(
            &mut engine,
            seconds,
            &mirrored(1, 0, number, &inner(&words)),
        );
    }
    engine.finish();
    let mut flows = Vec::new();
    let all = engine.flows(|flow| -> Result<(), ()> {
        flows.push(flow);
        Ok(())
    });
    all.unwrap();
    assert_eq!(flows.len(), 1);
    assert!(at(&flows, "fw1").is_none(), "{:?}", at(&flows, "fw1"));
}

#[test]
fn a_connection_that_was_silent_for_longer_than_the_firewall_remembers_is_told() {
    let sites = SITES.replace(
        r#"{ name = "fw1", role = "firewall", "#,
        r#"{ name = "fw1", role = "firewall", firewall = { preset = "asa" }, "#,
    );
    let mut engine = engine_with(&sites);
    tell(
        &mut engine,
        &alive(
            "
            1.000 fw1 r1>server S 100 0 0
            1.001 fw1 server>r1 SA 500 101 0
            1.002 fw1 r1>server A 101 501 0
            1.003 fw1 r1>server A 101 501 50
            1.004 fw1 server>r1 A 501 151 0
            3590.0 fw1 r1>server A 151 501 50
            3590.1 fw1 server>r1 A 501 201 0
            7195.0 fw1 r1>server A 201 501 50
            ",
        ),
    );
    let report = engine.report();
    let [finding] = findings(&report)[..] else {
        panic!("{:#?}", report.findings)
    };
    assert!(
        finding.summary.contains("silent for too long"),
        "{}",
        finding.summary
    );
    assert!(finding.next.iter().any(|step| step.contains("keep-alives")));
}

#[test]
fn a_thousand_flows_are_one_finding() {
    let mut story = alive("");
    for port in 0..1000 {
        let time = 10 + port;
        let port = 2000 + port;
        writeln!(story, "{time}.0 fw1 r1>server:{port} S 100 0 0").unwrap();
        writeln!(story, "{time}.1 fw2 server:{port}>r2 SA 500 101 0").unwrap();
    }
    let (report, flows) = run(&story);
    assert_eq!(flows.len(), 1000);
    let [finding] = findings(&report)[..] else {
        panic!("{:#?}", report.findings)
    };
    assert_eq!((finding.flows, finding.packets), (1000, 1000));
    assert!(finding.examples.len() <= 5 && finding.evidence.len() < 10);
}

#[test]
fn an_echo_reply_by_another_firewall_has_no_request_there() {
    let (report, flows) = run(&alive(
        "
        1.000 fw1 r1>server ping
        1.001 fw2 server>r2 ping
        ",
    ));
    let fw2 = at(&flows, "fw2").unwrap();
    assert_eq!(fw2.first.reason, "no-request");
    assert_eq!(
        fw2.why,
        "echo reply without a request: the request passed fw1 (dc1)"
    );
    assert_eq!(findings(&report).len(), 1);
    let (report, flows) = run(&alive(
        "
        1.000 fw1 r1>server udp 5000
        1.001 fw2 server>r2 udp 5000
        ",
    ));
    assert!(
        flows
            .iter()
            .all(|flow| flow.points.iter().all(|at| at.firewall.is_none()))
    );
    assert!(
        findings(&report).is_empty(),
        "UDP is new there, not out of state"
    );
}

#[test]
fn sampled_and_one_way_mirrors_prove_nothing() {
    for point in ["one1", "some1"] {
        let story = format!(
            "0.0 {point} from r1\n0.0 {point} from server\n{}",
            alive(CROSSED)
        );
        let (report, flows) = run(&story.replace("fw2 server>r2", &format!("{point} server>r2")));
        assert!(at(&flows, point).unwrap().cause.is_some(), "{point}");
        assert!(findings(&report).is_empty(), "{point}");
    }
}

#[test]
fn the_sites_file_says_how_a_firewall_tracks_and_mistakes_are_told_with_their_place() {
    let point = |firewall: &str| {
        format!(
            "[[site]]\nname = 'a'\n[[site.point]]\nname = 'p'\nrole = 'firewall'\nmatch = {{ session = 1 }}\n{firewall}"
        )
    };
    let error = |text: &str| Sites::parse(text).unwrap_err().to_string();
    assert!(
        Sites::parse(&point(
            "firewall = { preset = 'pan-os', timeouts = { udp = 10 } }"
        ))
        .is_ok()
    );
    assert!(
        Sites::parse(&point(
            "[site.point.firewall]\nloose = true\npolicy = 'accept'"
        ))
        .is_ok()
    );
    let unknown = error(&point("firewall = { lose = true }"));
    assert!(
        unknown.contains("line 7") && unknown.contains("lose"),
        "{unknown}"
    );
    let preset = error(&point("firewall = { preset = 'iptables' }"));
    assert!(
        preset.contains("line 7") && preset.contains("pan-os"),
        "{preset}"
    );
    let timeout = error(&point("[site.point.firewall.timeouts]\nestablished = -1"));
    assert!(timeout.contains("line 8"), "{timeout}");
    let role = error(&point("firewall = {}").replace("'firewall'", "'router'"));
    assert!(role.contains("\"p\"") && role.contains("role"), "{role}");
}
