//! Names of machines through the built command: from an inventory, in every output, and none with `-n`.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{json_lines, mirrorscope, run, stderr, stdout, text};

const CAPTURE: &str = "samples/asymmetric-strict.pcap";

const INVENTORY: &str = "\
VM,IPv4 Address,Mac Address,Host,Network,Datacenter
web01,10.20.0.50,,esx-07,app-vlan12,DC1
\"=cmd|' /C calc'!A0\",10.20.0.60,,,,
,,02:00:00:00:00:70,,,
db\u{1b}[2J,,02:00:00:00:00:70,esx-09,,
";

fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn names_are_in_every_output_and_n_leaves_them_out() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = file(folder.path(), "vms.csv", INVENTORY);
    let sites = ["--sites", "samples/two-sites.toml", CAPTURE];
    let named = |arguments: &[&str]| {
        let names = ["--names", text(&inventory)];
        let output = run(&[arguments, &names, &sites].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let told = stderr(&output);
        assert!(
            told.contains("vms.csv: line 4, column VM: no name"),
            "{told}"
        );
        stdout(&output)
    };
    let outputs: [&[&str]; 8] = [
        &["report"],
        &["report", "--format", "json"],
        &["findings"],
        &["flows"],
        &["flows", "--format", "detail"],
        &["flows", "--format", "json"],
        &["flows", "--format", "csv"],
        &["endpoints"],
    ];
    for output in outputs {
        assert!(named(output).contains("web01"), "{output:?}");
        let numbers = stdout(&run(&[output, &["-n"], &sites].concat()));
        assert!(
            !numbers.contains("web01") && !numbers.contains("_name\":"),
            "{output:?}"
        );
    }
    let report = named(&["report"]);
    assert!(
        report.starts_with("✖ 10.20.0.50 (web01): requests pass dc1, answers leave by dc2"),
        "{report}"
    );
    assert!(named(&["flows"]).contains("web01:80"));
    // A spreadsheet must not take a name for a formula.
    let csv = named(&["flows", "--format", "csv"]);
    assert!(csv.contains("'=cmd|") && !csv.contains(",=cmd|"), "{csv}");
    let escaped = named(&["endpoints"]);
    assert!(
        escaped.contains(r"db\u{1b}[2J") && !escaped.contains('\u{1b}'),
        "{escaped}"
    );
}

#[test]
fn endpoints_tell_host_and_port_group_and_whether_the_site_is_another() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = file(folder.path(), "vms.csv", INVENTORY);
    let arguments = [
        "--names",
        text(&inventory),
        "--sites",
        "samples/two-sites.toml",
        CAPTURE,
    ];
    let json = json_lines(&[&["endpoints", "--format", "json"], &arguments[..]].concat());
    let web = json.iter().find(|one| one["name"] == "web01").unwrap();
    assert_eq!(web["site"], "dc2");
    assert_eq!(
        web["inventory"],
        serde_json::json!({"host": "esx-07", "port_group": "app-vlan12", "site": "DC1", "elsewhere": true})
    );
    let table = stdout(&run(&[&["endpoints"], &arguments[..]].concat()));
    assert!(
        table.contains("web01 is at dc2 (vm2); the inventory has it at DC1 on esx-07"),
        "{table}"
    );
}

#[test]
fn a_filter_takes_names() {
    let folder = tempfile::tempdir().unwrap();
    let inventory = file(
        folder.path(),
        "hosts",
        "10.20.0.50 web01\n10.20.0.60 db01\n",
    );
    let count = |filter: &str| {
        let arguments = ["flows", "--format", "json", "--names", text(&inventory)];
        json_lines(&[&arguments[..], &["--filter", filter, CAPTURE]].concat()).len()
    };
    let web = count("host 10.20.0.50");
    assert!(web > 0);
    assert_eq!(count("host WEB01"), web);
    assert_eq!(count("dst web*"), web);
    assert_eq!(count("src web*"), 0);
    assert_eq!(count("host web01,10.20.0.60"), web + count("host db01"));
    assert_eq!(count("host nobody"), 0);
}

#[test]
fn a_file_without_any_name_stops_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let broken = file(
        folder.path(),
        "broken.json",
        "[{\"name\":\"web01\",\n \"ip\":]",
    );
    let missing = folder.path().join("missing.csv");
    for (path, wanted) in [
        (&broken, "broken.json: line 2, column 7: expected value"),
        (
            &missing,
            "missing.csv: cannot read the inventory: no such file",
        ),
    ] {
        let output = run(&["flows", "--names", text(path), CAPTURE]);
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(wanted), "{}", stderr(&output));
        assert!(output.stdout.is_empty());
    }
}

#[test]
fn what_powershell_writes_is_read_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("vms.csv");
    let wide = "\u{feff}Name;IP\r\nweb01;10.20.0.50\r\n".encode_utf16();
    fs::write(&path, wide.flat_map(u16::to_le_bytes).collect::<Vec<_>>()).unwrap();
    let output = mirrorscope()
        .args(["flows", "--names", text(&path), CAPTURE])
        .output()
        .unwrap();
    assert!(stdout(&output).contains("web01"), "{}", stderr(&output));
}

#[test]
fn who_asks_the_name_service_takes_addresses_and_gives_each_back_with_its_name() {
    let asked = crate::support::run_with_input(&["resolve-names"], b"nonsense\n");
    assert_eq!(
        (stdout(&asked).as_str(), asked.status.code()),
        ("", Some(0))
    );
    // Whoever says so gets no names, whatever else is said.
    let none = run(&[
        "flows",
        "-n",
        "--resolve",
        "--names",
        "missing.csv",
        CAPTURE,
    ]);
    assert_eq!(none.status.code(), Some(0), "{}", stderr(&none));
    assert_eq!(stdout(&none), stdout(&run(&["flows", "-n", CAPTURE])));
    // Without a name service the run is as it would be.
    let with = run(&["flows", "--resolve", CAPTURE]);
    assert_eq!(with.status.code(), Some(0), "{}", stderr(&with));
    assert_eq!(stdout(&with).lines().count(), 11);
}
