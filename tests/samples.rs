//! The recordings in the repository: that each is told as its truth has it, and that README shows what is really printed.

use std::path::PathBuf;

use crate::support::{json, json_lines, mirrorscope, stdout, text};
use crate::truth::Truth;

const SITES: &str = "samples/two-sites.toml";

/// Recordings with their truths.
fn recordings() -> Vec<(PathBuf, Truth)> {
    let mut recordings: Vec<(PathBuf, Truth)> = std::fs::read_dir("samples")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "pcap"))
        .map(|path| {
            let truth = std::fs::read_to_string(path.with_extension("truth.json")).unwrap();
            (path, serde_json::from_str(&truth).unwrap())
        })
        .collect();
    recordings.sort_by(|(a, _), (b, _)| a.cmp(b));
    recordings
}

#[test]
fn every_recording_is_told_as_it_was() {
    let mut differences = Vec::new();
    for (path, truth) in recordings() {
        let options: Vec<&str> = truth.options.iter().map(String::as_str).collect();
        let input = [&["--sites", SITES], &options[..], &[text(&path)]].concat();
        let report = json(&[&["report", "--format", "json"], &input[..]].concat());
        let flows = json_lines(&[&["flows", "--format", "json"], &input[..]].concat());
        let found = truth.differences(&report, &flows);
        differences.extend(
            found
                .iter()
                .map(|line| format!("{}: {line}", truth.scenario)),
        );
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

#[test]
fn every_recording_has_its_page() {
    let recordings = recordings();
    assert!(recordings.len() >= 10);
    for (path, truth) in recordings {
        let page = std::fs::read_to_string(path.with_extension("md")).unwrap();
        let heading = format!("# {}.pcap\n", truth.scenario);
        assert!(page.starts_with(&heading), "{}", path.display());
    }
}

#[test]
fn all_recordings_together_stay_small() {
    let sizes = recordings()
        .into_iter()
        .map(|(path, _)| path.metadata().unwrap().len());
    assert!(sizes.sum::<u64>() < 4_000_000);
}

#[test]
fn packets_that_a_firewall_let_pass_are_told_from_those_that_it_drops() {
    let told = |name: &str| -> Vec<(String, String, bool)> {
        let capture = format!("samples/{name}.pcap");
        let arguments = [
            "findings",
            "--format",
            "json",
            "--sites",
            "samples/two-sites.toml",
        ];
        let findings = json_lines(&[&arguments[..], &[&capture]].concat());
        let word = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        let found = findings
            .iter()
            .filter(|f| f["kind"] == "firewall-out-of-state");
        found
            .map(|f| {
                let passed = word(&f["summary"]).contains("came out of the firewall all the same");
                (word(&f["points"][0]), word(&f["severity"]), passed)
            })
            .collect()
    };
    let is = |point: &str, severity: &str, passed| (point.to_owned(), severity.to_owned(), passed);
    // The answers of the machine go to fw2, what becomes of them is not seen; the requests come out of fw1.
    let tolerant = told("asymmetric-tolerant");
    assert_eq!(tolerant.len(), 5);
    assert!(
        tolerant[..3]
            .iter()
            .all(|f| *f == is("fw2-inside", "error", false))
    );
    assert!(
        tolerant[3..]
            .iter()
            .all(|f| *f == is("fw1-inside", "warning", true))
    );
    assert_eq!(
        told("asymmetric-strict"),
        [is("fw2-inside", "error", false)]
    );
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
    let line =
        format!("{binary} report --sites samples/two-sites.toml samples/asymmetric-strict.pcap");
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
    let prompt =
        "$ mirrorscope report --sites samples/two-sites.toml samples/asymmetric-strict.pcap\n";
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
