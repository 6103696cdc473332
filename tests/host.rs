//! What is told of the machine that the tests run on. Nothing here needs root.

use std::fs;
use std::net::UdpSocket;
use std::process::Command;

use serde_json::Value;

use crate::support::{json_lines, mirrorscope, run, stderr, stdout};

/// Runs `doctor`, whatever is wrong with this machine.
fn diagnosis(arguments: &[&str]) -> (Value, Option<i32>) {
    let output = run(&[&["doctor", "--format", "json"], arguments].concat());
    let document = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", stderr(&output)));
    (document, output.status.code())
}

fn checks<'a>(diagnosis: &'a Value, name: &str) -> Vec<&'a Value> {
    let checks = diagnosis["checks"].as_array().unwrap().iter();
    checks.filter(|check| check["check"] == name).collect()
}

#[test]
fn the_loopback_interface_is_listed_as_the_system_has_it() {
    let interfaces = json_lines(&["interfaces", "--format", "json"]);
    let lo = interfaces
        .iter()
        .find(|interface| interface["name"] == "lo")
        .unwrap();
    let mtu: u64 = fs::read_to_string("/sys/class/net/lo/mtu")
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    assert_eq!(lo["index"], 1);
    assert_eq!(lo["state"], "up");
    assert_eq!(lo["mtu"], mtu);
    assert_eq!(lo["fits"], mtu - 66);
    assert_eq!(lo["link_type"], "loopback");
    assert_eq!(lo["mac"], Value::Null);
    let addresses = lo["addresses"].as_array().unwrap();
    assert!(addresses.contains(&"127.0.0.1/8".into()), "{addresses:?}");
    // Each device of this network namespace once.
    let mut names: Vec<&str> = interfaces
        .iter()
        .map(|interface| interface["name"].as_str().unwrap())
        .collect();
    let table = fs::read_to_string("/proc/net/dev").unwrap();
    let mut known: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_once(':'))
        .map(|(name, _)| name.trim())
        .collect();
    names.sort_unstable();
    known.sort_unstable();
    assert_eq!(names, known);
}

#[test]
fn the_table_has_a_line_for_each_interface_and_keeps_to_the_width() {
    for columns in ["60", "80", "120"] {
        let mut command = mirrorscope();
        let output = command
            .env("COLUMNS", columns)
            .arg("interfaces")
            .output()
            .unwrap();
        let text = stdout(&output);
        assert!(text.starts_with("NAME"), "{text}");
        assert!(text.contains("127.0.0.1/8"), "{text}");
        assert!(text.contains("lo: this host's own packets"), "{text}");
        let width: usize = columns.parse().unwrap();
        assert!(
            text.lines().all(|line| line.chars().count() <= width),
            "{text}"
        );
    }
}

#[test]
fn the_exit_status_says_what_the_worst_check_does() {
    let (diagnosis, status) = diagnosis(&["-i", "lo"]);
    let all = diagnosis["checks"].as_array().unwrap();
    let bad = all.iter().any(|check| check["status"] == "bad");
    assert_eq!(status, Some(i32::from(bad)));
    assert_eq!(diagnosis["status"] == "bad", bad);
    for check in all {
        assert!(!check["found"].as_str().unwrap().is_empty());
        // What is wrong says what that means, or how it is mended.
        if check["status"] == "bad" || check["status"] == "warn" {
            assert!(
                check.get("meaning").is_some() || check.get("fix").is_some(),
                "{check}"
            );
        }
    }
    for name in [
        "privileges",
        "receive-buffer",
        "turns",
        "memory",
        "ports",
        "clock",
        "packet-filter",
    ] {
        let found = checks(&diagnosis, name);
        assert!(!found.is_empty(), "{name}");
        assert_eq!(found[0].get("interface"), None);
    }
    let mtu = checks(&diagnosis, "mtu");
    assert_eq!((mtu.len(), &mtu[0]["interface"]), (1, &"lo".into()));
    assert_eq!(mtu[0]["status"], "ok");
}

#[test]
fn a_port_that_a_program_has_is_told_with_the_program() {
    // If somebody has them, they do as well.
    let port = [8472, 48_879, 5072]
        .into_iter()
        .find(|port| UdpSocket::bind(("0.0.0.0", *port)).is_ok())
        .unwrap();
    let _held = UdpSocket::bind(("0.0.0.0", port)).unwrap();
    let (diagnosis, _) = diagnosis(&["-i", "lo"]);
    let expected = format!("UDP port {port} (");
    let about_it: Vec<_> = checks(&diagnosis, "ports")
        .into_iter()
        .filter(|check| check["found"].as_str().unwrap().starts_with(&expected))
        .collect();
    assert_eq!(about_it.len(), 1, "{diagnosis:#}");
    assert_eq!(about_it[0]["status"], "warn");
    let found = about_it[0]["found"].as_str().unwrap();
    let process = format!("(process {})", std::process::id());
    assert!(found.ends_with(&process), "{found}");
}

#[test]
fn text_has_a_symbol_for_each_check_and_commands_in_one_line() {
    for columns in ["60", "80", "120"] {
        let mut command = mirrorscope();
        let output = command
            .env("COLUMNS", columns)
            .args(["doctor", "-i", "lo"])
            .output()
            .unwrap();
        let text = stdout(&output);
        assert!(text.starts_with("This host\n"), "{text}");
        assert!(text.contains("\nInterface lo\n✔ link"), "{text}");
        let width: usize = columns.parse().unwrap();
        for line in text.lines() {
            let is_command = line.trim_start().starts_with("$ ");
            assert!(is_command || line.chars().count() <= width, "{line}");
        }
    }
}

#[test]
fn an_unknown_interface_is_refused() {
    let output = run(&["doctor", "-i", "nonesuch"]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    let text = stderr(&output);
    assert!(
        text.starts_with("mirrorscope: nonesuch: no such interface: there are "),
        "{text}"
    );
    assert!(text.contains("lo"), "{text}");
}

#[test]
fn somebody_without_privileges_learns_what_is_missing() {
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    // Root becomes somebody else, with a copy of the command that anybody may run.
    let folder = tempfile::tempdir().unwrap();
    let binary = folder.path().join("mirrorscope");
    fs::copy(env!("CARGO_BIN_EXE_mirrorscope"), &binary).unwrap();
    let mut command = if root {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let mut command = Command::new("setpriv");
        command
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .args(["--bounding-set", "-all", "--inh-caps", "-all"])
            .arg(&binary);
        command
    } else {
        Command::new(&binary)
    };
    let output = command
        .args(["doctor", "-i", "lo", "--format", "json"])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let diagnosis: Value = serde_json::from_slice(&output.stdout).unwrap();
    let privileges = checks(&diagnosis, "privileges")[0];
    assert_eq!(privileges["status"], "bad");
    assert_eq!(privileges["found"], "CAP_NET_RAW is missing");
    let grant = format!("sudo setcap cap_net_raw+ep {}", binary.display());
    assert_eq!(privileges["fix"][0], grant);
    // What only root may see is said not to be seen.
    assert_eq!(checks(&diagnosis, "packet-filter")[0]["status"], "unknown");
}
