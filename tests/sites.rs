//! The sites file through the built command: written from what is seen, checked, and used.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::support::{json, json_lines, run, run_with_input, stderr, stdout, text};

const MIGRATION: &str = "samples/migration.pcap";

/// What `--propose` writes, in a file.
fn proposed(capture: &str) -> (String, tempfile::NamedTempFile) {
    let output = run(&["sites", "--propose", capture]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let written = stdout(&output);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), &written).unwrap();
    (written, file)
}

/// Sessions by name, with what identifies and counts them.
fn sessions(report: &Value) -> Vec<String> {
    let sessions = report["sessions"].as_array().unwrap().iter();
    sessions
        .map(|s| format!("{} {} {} {}", s["name"], s["point"], s["packets"], s["id"]))
        .collect()
}

#[test]
fn what_is_proposed_can_be_read_back_and_shows_the_same_sessions() {
    for name in [
        "migration",
        "healthy",
        "asymmetric-strict",
        "two-tenants",
        "nat",
    ] {
        let capture = format!("samples/{name}.pcap");
        let (_, file) = proposed(&capture);
        let path = text(file.path());
        let check = run(&["sites", "check", path]);
        assert_eq!(check.status.code(), Some(0), "{name}: {}", stdout(&check));
        assert!(
            !stdout(&check).contains("warning"),
            "{name}: {}",
            stdout(&check)
        );
        let bare = json(&["report", "--format", "json", &capture]);
        let with = json(&["report", "--format", "json", "--sites", path, &capture]);
        assert_eq!(sessions(&bare), sessions(&with), "{name}");
        let described = with["sessions"].as_array().unwrap().iter();
        assert!(described.clone().all(|s| s["described"] == true), "{name}");
    }
}

#[test]
fn roles_are_proposed_where_traffic_tells_them() {
    let (written, file) = proposed(MIGRATION);
    let path = text(file.path());
    let report = json(&["report", "--format", "json", "--sites", path, MIGRATION]);
    let roles: BTreeMap<&str, &str> = report["sessions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| (s["name"].as_str().unwrap(), s["role"].as_str().unwrap()))
        .collect();
    assert_eq!(roles["erspan2-101@10.60.0.1"], "router", "{written}");
    assert_eq!(roles["erspan2-102@10.60.0.1"], "dci", "{written}");
    assert_eq!(roles["erspan3-202@10.60.0.3"], "dci", "{written}");
    assert_eq!(roles["vxlan-5203@10.60.0.13"], "vnic", "{written}");
    // The hypervisors' own addresses belong to the sites of their switches.
    assert!(
        written.contains("source = [\"10.60.0.1\", \"10.60.0.11\"]"),
        "{written}"
    );
    assert!(
        written.contains("source = [\"10.60.0.3\", \"10.60.0.13\"]"),
        "{written}"
    );
}

#[test]
fn tenants_are_proposed_where_addresses_are_in_two_hands() {
    let (written, _) = proposed("samples/two-tenants.pcap");
    assert!(
        written.contains("vlans = [12]") && written.contains("vlans = [13]"),
        "{written}"
    );
    let (written, _) = proposed("samples/address-conflict.pcap");
    assert!(
        !written.contains("[[tenant]]"),
        "one network, and one address in two hands"
    );
}

#[test]
fn tenants_keep_flows_with_equal_addresses_apart() {
    let mut sites = std::fs::read_to_string("samples/two-sites.toml").unwrap();
    sites.push_str(
        "\n[[tenant]]\nname = \"red\"\nvlans = [12]\n[[tenant]]\nname = \"blue\"\nvlans = [13]\n",
    );
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), sites).unwrap();
    let path = text(file.path());
    let capture = "samples/two-tenants.pcap";
    let flows = |extra: &[&str]| {
        json_lines(
            &[
                &["flows", "--format", "json", "--sites", path, capture],
                extra,
            ]
            .concat(),
        )
    };
    let of = |tenant: &str| {
        let filter = format!("tenant {tenant} and tcp");
        flows(&["--filter", &filter])
    };
    let (red, blue) = (of("red"), of("blue"));
    assert!(!red.is_empty() && red.len() == blue.len());
    assert!(
        red.iter()
            .all(|flow| flow["tenant"] == "red" && flow["state"] == "SF")
    );
    assert!(
        blue.iter()
            .all(|flow| flow["tenant"] == "blue" && flow["state"] == "REJ")
    );
    let scoped = run(&[
        "flows",
        "--format",
        "json",
        "--scope",
        "vlan",
        "--sites",
        "samples/two-sites.toml",
        capture,
    ]);
    let scoped = stdout(&scoped)
        .lines()
        .filter(|line| line.contains("\"tcp\""))
        .count();
    assert_eq!(scoped, red.len() + blue.len());
}

#[test]
fn a_good_file_is_summed_up() {
    let output = run(&["sites", "check", "samples/two-sites.toml"]);
    assert_eq!(output.status.code(), Some(0));
    let summary = stdout(&output);
    assert!(
        summary.starts_with("samples/two-sites.toml: 2 sites, "),
        "{summary}"
    );
    assert!(
        summary.contains("fw1-inside: firewall, where source 10.60.0.1 and session 101"),
        "{summary}"
    );
}

#[test]
fn everything_wrong_is_told_with_line_and_column() {
    let wrong = "[[site]]\nname = \"dc1\"\n[[site.point]]\nname = \"fw\"\nmatch = { session = 1 }\n\
                 [[site.point]]\nname = \"fw\"\nmatch = { session = 1 }\n";
    let output = run_with_input(&["sites", "check", "-"], wrong.as_bytes());
    assert_eq!(output.status.code(), Some(2));
    let told = stdout(&output);
    assert!(
        told.contains("error: -: line 7, column 8: point \"fw\" is defined twice"),
        "{told}"
    );
    assert!(
        told.contains("it is defined first at line 4, column 8"),
        "{told}"
    );
    assert!(told.contains("can never match"), "{told}");
    // Elsewhere the first is told, and that there are more.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), wrong).unwrap();
    let output = run(&["report", "--sites", text(file.path()), MIGRATION]);
    assert_eq!(output.status.code(), Some(2));
    let told = stderr(&output);
    assert!(
        told.contains("line 7, column 8") && told.contains("and 1 more"),
        "{told}"
    );
}

#[test]
fn the_way_to_both_is_taught() {
    let help = stdout(&run(&["sites", "--help"]));
    for text in [
        "sites --propose capture.pcap > sites.toml",
        "sites check sites.toml",
        "check",
    ] {
        assert!(help.contains(text), "{help}");
    }
    let output = run(&["sites", MIGRATION]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--propose"));
}
