//! The samples in the repository: what each must say, and that README shows what is really printed.

use serde_json::Value;

use crate::support::{json, json_lines, mirrorscope, stdout};

/// The report of a sample with the sites file of its encapsulation.
fn report(name: &str) -> Value {
    let encapsulation = if name.ends_with("vxlan") {
        "vxlan"
    } else {
        "erspan"
    };
    let sites = format!("samples/two-sites-{encapsulation}.toml");
    json(&[
        "report",
        "--format",
        "json",
        "--sites",
        &sites,
        &format!("samples/{name}.pcap"),
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
                "incomplete-handshake"
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
    let sites = ["--sites", "samples/two-sites-erspan.toml"];
    let flows = json_lines(
        &[
            &["flows", "--format", "json"][..],
            &sites,
            &["samples/asymmetric-erspan.pcap"],
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

#[test]
fn the_samples_are_what_the_generator_writes() {
    let folder = tempfile::tempdir().unwrap();
    crate::generator::write(folder.path()).unwrap();
    let mut compared = 0;
    for entry in std::fs::read_dir(folder.path()).unwrap() {
        let written = entry.unwrap().path();
        let committed = std::path::Path::new("samples").join(written.file_name().unwrap());
        assert!(
            std::fs::read(&written).unwrap() == std::fs::read(&committed).unwrap(),
            "{}",
            committed.display()
        );
        compared += 1;
    }
    assert_eq!(compared, 7);
}

#[test]
fn readme_shows_what_is_really_printed() {
    let readme = std::fs::read_to_string("README.md").unwrap();
    let (_, rest) = readme
        .split_once("```text\n$ mirrorscope ")
        .expect("README shows a run");
    let (command, rest) = rest.split_once('\n').unwrap();
    let (shown, _) = rest.split_once("…\n```").expect("the run is cut with …");
    let output = mirrorscope()
        .args(command.split_whitespace())
        .output()
        .unwrap();
    assert!(
        stdout(&output).starts_with(shown),
        "README must show:\n{}",
        stdout(&output)
    );
    assert!(shown.lines().count() > 10);
}

/// The report as a terminal shows it, drawn; `UPDATE_PICTURE=1` writes it anew.
#[test]
fn the_picture_is_what_is_really_printed() {
    let binary = env!("CARGO_BIN_EXE_mirrorscope");
    let line = format!(
        "{binary} report --sites samples/two-sites-erspan.toml samples/asymmetric-erspan.pcap"
    );
    let mut script = std::process::Command::new("script");
    script
        .args(["-qec", &line, "/dev/null"])
        .env("COLUMNS", "100")
        .env("TERM", "xterm")
        .env_remove("NO_COLOR");
    let printed = stdout(&script.output().unwrap()).replace("\r\n", "\n");
    // The first finding is enough of it.
    let end = printed
        .find("\n\n\u{1b}")
        .map(|sessions| sessions + 2)
        .unwrap();
    let shown: Vec<&str> = printed[end..].split("\n\n").take(2).collect();
    let prompt = "$ mirrorscope report --sites samples/two-sites-erspan.toml samples/asymmetric-erspan.pcap\n";
    let text = format!("{prompt}{}{}\n", &printed[..end], shown.join("\n\n"));
    let picture = anstyle_svg::Term::new().min_width_px(860).render_svg(&text);
    let path = "docs/report.svg";
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        std::fs::write(path, &picture).unwrap();
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == picture,
        "{path} is old: run the tests with UPDATE_PICTURE=1"
    );
}
