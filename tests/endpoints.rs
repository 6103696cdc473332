//! Endpoints through the built command, over the lab's recordings: where does an address live, and who moved.

use serde_json::Value;

use crate::support::{json, json_lines, run, stdout};

fn endpoints(name: &str, more: &[&str]) -> Vec<Value> {
    let capture = format!("samples/{name}.pcap");
    let arguments = [
        "endpoints",
        "--format",
        "json",
        "--sites",
        "samples/two-sites.toml",
        &capture,
    ];
    json_lines(&[&arguments[..], more].concat())
}

/// Kind, summary and sites of findings about endpoints.
fn findings(name: &str) -> Vec<(String, String, Value)> {
    let capture = format!("samples/{name}.pcap");
    let report = json(&[
        "report",
        "--format",
        "json",
        "--sites",
        "samples/two-sites.toml",
        &capture,
    ]);
    let findings = report["findings"].as_array().unwrap().iter();
    let about =
        findings.filter(|f| f["kind"] == "endpoint-moved" || f["kind"] == "address-conflict");
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    about
        .map(|f| (word(&f["kind"]), word(&f["summary"]), f["sites"].clone()))
        .collect()
}

#[test]
fn an_address_lives_where_it_moved_to() {
    let vm = endpoints("migration", &["--host", "10.20.0.50"]);
    assert_eq!(vm.len(), 1);
    let vm = &vm[0];
    assert_eq!(
        (&vm["site"], &vm["point"], &vm["placed"]),
        (&"dc2".into(), &"vm2".into(), &"port".into())
    );
    assert_eq!(vm["kind"], "host");
    let before: Vec<&Value> = vm["places"]
        .as_array()
        .unwrap()
        .iter()
        .map(|p| &p["point"])
        .collect();
    assert_eq!(before, ["vm1", "vm2"]);
    assert_eq!(vm["announced"][0]["kind"], "rarp");
    let known = vm["addresses"][0]["known"].as_array().unwrap();
    assert!(known.contains(&"traffic".into()), "{known:?}");
    let by_mac = endpoints("migration", &["--host", "02-00-00-00-00-50"]);
    assert_eq!(by_mac[0], *vm);
}

#[test]
fn one_gateway_address_at_both_sites_is_two_routers() {
    for name in ["healthy", "gateway-failover"] {
        let gateways = endpoints(name, &["--host", "10.20.0.1"]);
        let sites: Vec<&Value> = gateways.iter().map(|g| &g["site"]).collect();
        assert_eq!(sites, ["dc1", "dc2"], "{name}");
        assert!(gateways.iter().all(|g| g["kind"] == "router"), "{name}");
    }
}

#[test]
fn moves_and_conflicts_are_told_where_they_are_and_nowhere_else() {
    let folder = std::fs::read_dir("samples").unwrap();
    let captures = folder.filter_map(|entry| {
        let name = entry.unwrap().file_name().into_string().unwrap();
        name.strip_suffix(".pcap").map(str::to_owned)
    });
    let mut seen = 0;
    for name in captures {
        let found = findings(&name);
        let kinds: Vec<&str> = found.iter().map(|(kind, ..)| kind.as_str()).collect();
        let expected: &[&str] = match name.as_str() {
            "migration" | "migration-rerouted" => &["endpoint-moved"],
            "address-conflict" => &["address-conflict"],
            _ => &[],
        };
        assert_eq!(kinds, expected, "{name}: {found:?}");
        seen += 1;
    }
    assert!(seen > 15, "the lab's recordings are there");
}

#[test]
fn the_move_names_the_machine_the_places_and_the_flows() {
    let (_, summary, sites) = findings("migration").remove(0);
    assert!(
        summary.starts_with("10.20.0.50 moved from vm1 (dc1) to vm2 (dc2). 3 open flows"),
        "{summary}"
    );
    assert_eq!(sites, serde_json::json!(["dc1", "dc2"]));
    let (_, summary, _) = findings("address-conflict").remove(0);
    assert!(
        summary.contains("02:00:00:00:00:60 has it at dc1, 02:00:00:00:00:66 has it at dc2"),
        "{summary}"
    );
}

#[test]
fn the_table_shows_who_moved_and_csv_has_a_line_for_each_address() {
    let run = |format: &str| {
        let sites = [
            "--sites",
            "samples/two-sites.toml",
            "samples/migration.pcap",
        ];
        stdout(&run(
            &[&["endpoints", "--format", format][..], &sites].concat()
        ))
    };
    let table = run("table");
    assert!(table.contains("10.20.0.50 moved: vm1 (dc1) "), "{table}");
    let csv = run("csv");
    let line = csv
        .lines()
        .find(|line| line.starts_with("10.20.0.50,"))
        .unwrap();
    assert!(
        line.contains(",dc2,vm2,vnic,port,") && line.ends_with(",vm1@dc1,,,,"),
        "{line}"
    );
}
