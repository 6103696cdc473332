//! Recordings of a real two-site lab, where they exist: `MIRRORSCOPE_CAPTURES`, default `../shared/captures`.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::agreement::captures;
use crate::support::{json, json_lines, text};

const SITES: &str = r#"
[[site]]
name = "dc1"
point = [
  { name = "fw1-inside", role = "firewall", match = { source = "10.60.0.1", session = 101 } },
  { name = "dci-dc1", role = "dci", match = { source = "10.60.0.1", session = 102 } },
  { name = "vm-dc1", role = "vnic", match = { source = "10.60.0.1", session = 103 } },
]
[[site]]
name = "dc2"
point = [
  { name = "fw2-inside", role = "firewall", match = { source = "10.60.0.3", session = 201 } },
  { name = "dci-dc2", role = "dci", match = { source = "10.60.0.3", session = 202 } },
  { name = "vm-dc2", role = "vnic", match = { source = "10.60.0.3", session = 203 } },
]
"#;

/// A recording, and a sites file for it.
fn recording(name: &str) -> Option<(PathBuf, tempfile::TempDir, PathBuf)> {
    let path = captures()?.join(name);
    let folder = tempfile::tempdir().unwrap();
    let sites = folder.path().join("sites.toml");
    fs::write(&sites, SITES).unwrap();
    Some((path, folder, sites))
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .unwrap()
        .iter()
        .map(|v| v.as_str().unwrap())
        .collect()
}

#[test]
fn an_asymmetric_path_is_named_with_both_sites_and_shows_at_both_firewalls() {
    let Some((path, _folder, sites)) = recording("lab-asymmetric-dropped.pcap") else {
        return;
    };
    let report = json(&[
        "report",
        "--format",
        "json",
        "--sites",
        text(&sites),
        text(&path),
    ]);
    let findings = report["findings"].as_array().unwrap();
    let of_kind = |kind: &str| {
        findings
            .iter()
            .filter(|f| f["kind"] == kind)
            .collect::<Vec<_>>()
    };
    let [path_finding] = of_kind("asymmetric-path")[..] else {
        panic!("{findings:#?}")
    };
    assert_eq!(path_finding["flows"], 4);
    assert_eq!(path_finding["severity"], "error");
    assert_eq!(path_finding["confidence"], "high");
    assert_eq!(strings(&path_finding["sites"]), ["dc1", "dc2"]);
    let summary = path_finding["summary"].as_str().unwrap();
    assert!(
        summary.contains("requests pass dc1, answers leave by dc2"),
        "{summary}"
    );
    let mut places: Vec<&str> = of_kind("incomplete-handshake")
        .iter()
        .flat_map(|f| strings(&f["points"]))
        .collect();
    places.sort_unstable();
    assert_eq!(places, ["fw1-inside", "fw2-inside"]);
    let [out_of_state] = of_kind("firewall-out-of-state")[..] else {
        panic!("{findings:#?}")
    };
    assert_eq!(strings(&out_of_state["sites"]), ["dc2"]);
    // The kernel counted 22; the last one came after the capture.
    let summary = out_of_state["summary"].as_str().unwrap();
    assert!(summary.contains("21 packets of 4 TCP flows"), "{summary}");
    assert!(
        summary.contains("the request passed fw1-inside (dc1)"),
        "{summary}"
    );
    assert_eq!(findings.len(), 4, "nothing else: {findings:#?}");
    // One counter numbers the packets of all tunnels of the sending switch.
    for session in report["sessions"].as_array().unwrap() {
        assert_eq!(session["sequence"]["missing"], 0, "{session:#}");
    }
}

#[test]
fn two_assignments_on_the_command_line_are_enough() {
    let Some((path, ..)) = recording("lab-asymmetric-dropped.pcap") else {
        return;
    };
    let assign = ["--site", "dc1=10.60.0.1", "--site", "dc2=10.60.0.3"];
    let arguments = [
        &["findings", "--format", "json"][..],
        &assign,
        &[text(&path)],
    ]
    .concat();
    let findings = json_lines(&arguments);
    assert_eq!(findings[0]["kind"], "asymmetric-path");
    assert!(
        findings[0]["summary"]
            .as_str()
            .unwrap()
            .contains("requests pass dc1, answers leave by dc2")
    );
    let flows = json_lines(&["flows", "--format", "json", text(&path)]);
    assert!(
        flows.iter().all(|f| f["verdict"] == "asymmetric"),
        "even without any"
    );
}

#[test]
fn a_symmetric_path_gives_no_finding() {
    let Some((path, _folder, sites)) = recording("lab-symmetric.pcap") else {
        return;
    };
    for arguments in [
        &["--sites", text(&sites)][..],
        &["--site", "dc1=10.60.0.1"],
        &[],
    ] {
        let report = json(
            &[
                &["report", "--format", "json"][..],
                arguments,
                &[text(&path)],
            ]
            .concat(),
        );
        assert_eq!(
            report["findings"].as_array().unwrap().len(),
            0,
            "{:#}",
            report["findings"]
        );
        assert_eq!(report["totals"]["verdicts"]["symmetric"], 6);
    }
}
