//! What must be said of the generated captures.

use serde_json::Value;

use crate::generated;
use crate::support::{json, json_lines};

/// The report of a sample with the sites file of its encapsulation.
fn report(name: &str) -> Value {
    let encapsulation = if name.ends_with("vxlan") {
        "vxlan"
    } else {
        "erspan"
    };
    let sites = format!("tests/generated/two-sites-{encapsulation}.toml");
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/generated");
    json(&[
        "report",
        "--format",
        "json",
        "--sites",
        &sites,
        &format!("{folder}/{name}.pcap"),
    ])
}

fn kinds(report: &Value) -> Vec<&str> {
    let mut kinds: Vec<&str> = report["findings"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["kind"].as_str().unwrap())
        .collect();
    kinds.dedup();
    kinds
}

#[test]
fn healthy_sites_give_no_finding() {
    for name in ["healthy-erspan", "healthy-vxlan"] {
        let report = report(name);
        assert_eq!(kinds(&report), [""; 0], "{name}");
        assert_eq!(
            report["totals"]["verdicts"]["symmetric"], report["totals"]["flows"],
            "{name}"
        );
        assert_eq!(report["sessions"].as_array().unwrap().len(), 6, "{name}");
    }
}

#[test]
fn the_asymmetric_samples_tell_which_way_each_direction_goes() {
    for name in ["asymmetric-erspan", "asymmetric-vxlan"] {
        let report = report(name);
        assert_eq!(
            kinds(&report),
            [
                "asymmetric-path",
                "firewall-out-of-state",
                "incomplete-handshake",
                "endpoint-moved",
                "path-moved"
            ],
            "{name}"
        );
        let finding = &report["findings"][0];
        let summary = finding["summary"].as_str().unwrap();
        assert!(summary.contains("10.20.0.50"), "{summary}");
        assert!(
            summary.contains("requests pass dc1, answers leave by dc2"),
            "{summary}"
        );
        assert!(
            summary.contains("fw2-inside (dc2) sees only answers, never the requests"),
            "{summary}"
        );
        // The virtual machine moves twelve seconds after the start; nothing was wrong before.
        let first = finding["first"].as_str().unwrap();
        assert!(first > "2026-03-02T09:00:12", "{first}");
    }
}

#[test]
fn what_stays_at_home_stays_symmetric() {
    let sites = ["--sites", generated::SITES];
    let flows = json_lines(
        &[
            &["flows", "--format", "json"][..],
            &sites,
            &[generated::ASYMMETRIC],
        ]
        .concat(),
    );
    let of = |address: &str| {
        flows
            .iter()
            .filter(|f| f["dst"] == address)
            .map(|f| f["verdict"].as_str().unwrap())
            .collect::<Vec<_>>()
    };
    assert!(of("10.20.0.50").contains(&"asymmetric"));
    let untouched = of("10.20.0.60");
    assert!(
        !untouched.is_empty() && untouched.iter().all(|verdict| *verdict == "symmetric"),
        "{untouched:?}"
    );
}

#[test]
fn a_lossy_mirror_is_not_a_broken_network() {
    let report = report("mirror-loss-erspan");
    assert_eq!(kinds(&report), ["mirror-loss"]);
    assert!(report["totals"]["verdicts"]["asymmetric"].is_null());
    let missing: u64 = report["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["sequence"]["missing"].as_u64().unwrap())
        .sum();
    assert_eq!(report["findings"][0]["packets"], missing);
}

#[test]
fn a_server_that_is_down_is_not_asymmetry() {
    let report = report("server-down-erspan");
    assert_eq!(kinds(&report), ["unanswered"]);
    assert!(
        report["findings"][0]["summary"]
            .as_str()
            .unwrap()
            .starts_with("10.20.0.50:80 answers nobody")
    );
}

#[test]
fn a_cut_mirror_still_tells_the_flows() {
    let report = report("truncated-erspan");
    assert_eq!(kinds(&report), ["mirror-truncation"]);
    assert_eq!(
        report["totals"]["verdicts"]["symmetric"],
        report["totals"]["flows"]
    );
}
