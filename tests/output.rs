//! What is printed: widths, colours, JSON names, exit status.

use std::fs;

use mirrorscope_capture::writer::PcapWriter;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};

use crate::support::{json, json_lines, mirrorscope, run, stdout, text};

const SAMPLE: &str = crate::generated::ASYMMETRIC;
const SITES: &str = crate::generated::SITES;

#[test]
fn text_keeps_to_the_width_of_the_screen() {
    for (command, width) in [
        ("report", 80),
        ("report", 200),
        ("sessions", 80),
        ("sessions", 200),
        ("flows", 80),
        ("findings", 80),
    ] {
        let output = mirrorscope()
            .args([command, "--sites", SITES, SAMPLE])
            .env("COLUMNS", width.to_string())
            .output()
            .unwrap();
        let text = stdout(&output);
        assert!(text.lines().count() > 3, "{command}: {text}");
        for line in text.lines() {
            assert!(
                line.chars().count() <= width,
                "{command} at {width}: {line:?}"
            );
        }
    }
}

#[test]
fn there_is_no_colour_in_a_pipe_and_a_terminal_has_it_unless_refused() {
    assert!(!stdout(&run(&["report", SAMPLE])).contains('\u{1b}'));
    let on_terminal = |no_color: bool| {
        // `script` gives the command a terminal of its own.
        let mut command = std::process::Command::new("script");
        let line = format!("{} report {SAMPLE}", env!("CARGO_BIN_EXE_mirrorscope"));
        command
            .args(["-qec", &line, "/dev/null"])
            .env_remove("NO_COLOR")
            .env("TERM", "xterm");
        if no_color {
            command.env("NO_COLOR", "1");
        }
        stdout(&command.output().unwrap())
    };
    assert!(on_terminal(false).contains("\u{1b}["));
    assert!(!on_terminal(true).contains('\u{1b}'));
}

#[test]
fn the_report_has_the_names_that_scripts_rely_on() {
    let report = json(&["report", "--format", "json", "--sites", SITES, SAMPLE]);
    for name in [
        "frames",
        "bytes",
        "mirrored",
        "plain",
        "malformed",
        "fragments",
        "duplicates",
    ] {
        assert!(report["totals"][name].is_u64(), "totals.{name}");
    }
    let session = &report["sessions"][0];
    for name in [
        "name",
        "encapsulation",
        "source",
        "destination",
        "id",
        "site",
        "point",
        "role",
        "packets",
        "bytes",
        "first",
        "last",
        "truncated",
        "sequence",
    ] {
        assert!(!session[name].is_null(), "session.{name}");
    }
    for name in ["received", "missing", "duplicate", "reordered"] {
        assert!(
            session["sequence"][name].is_u64(),
            "session.sequence.{name}"
        );
    }
    let finding = &report["findings"][0];
    for name in [
        "kind",
        "severity",
        "confidence",
        "sites",
        "points",
        "flows",
        "examples",
        "packets",
        "first",
        "last",
        "summary",
        "evidence",
        "next",
    ] {
        assert!(!finding[name].is_null(), "finding.{name}");
    }
    let time = session["first"].as_str().unwrap();
    assert!(
        time.len() == 30 && time.ends_with('Z'),
        "RFC 3339 with nanoseconds in UTC: {time}"
    );
}

#[test]
fn a_flow_has_the_names_that_scripts_rely_on() {
    let flows = json_lines(&["flows", "--format", "json", "--sites", SITES, SAMPLE]);
    let flow = &flows[0];
    for name in [
        "id",
        "community_id",
        "proto",
        "src",
        "sport",
        "dst",
        "dport",
        "state",
        "history",
        "verdict",
        "why",
        "first",
        "last",
    ] {
        assert!(!flow[name].is_null(), "flow.{name}");
    }
    for side in ["orig", "resp"] {
        for name in ["packets", "bytes", "payload"] {
            assert!(flow[side][name].is_u64(), "flow.{side}.{name}");
            assert!(
                flow["points"][0][side][name].is_u64(),
                "flow.points.{side}.{name}"
            );
        }
    }
    for name in ["point", "site", "role", "history", "state"] {
        assert!(!flow["points"][0][name].is_null(), "flow.points.{name}");
    }
    let sessions = json_lines(&["sessions", "--format", "json", SAMPLE]);
    let findings = json_lines(&["findings", "--format", "json", "--sites", SITES, SAMPLE]);
    assert!(sessions.len() > 1 && findings.len() > 1);
}

#[test]
fn csv_has_a_header_and_a_line_for_each_flow() {
    let flows = json_lines(&["flows", "--format", "json", SAMPLE]);
    let csv = stdout(&run(&["flows", "--format", "csv", SAMPLE]));
    assert!(csv.starts_with("id,community_id,proto,src,sport,dst,dport,state,"));
    assert_eq!(csv.lines().count(), flows.len() + 1);
    let first = csv.lines().nth(1).unwrap();
    assert!(
        first.starts_with(flows[0]["id"].as_str().unwrap()),
        "{first}"
    );
    // Three SYNs and six answers were sent again, and nothing else passed.
    let repeated = csv.lines().find(|line| line.contains(",50002,")).unwrap();
    assert!(
        repeated.contains(",4,240,0,7,420,0,3,6,0,0,,"),
        "{repeated}"
    );
}

#[test]
fn fail_on_sets_the_exit_status() {
    let status = |severity: &str, file: &str| {
        run(&["report", "--sites", SITES, "--fail-on", severity, file])
            .status
            .code()
    };
    assert_eq!(status("error", SAMPLE), Some(1));
    assert_eq!(status("info", SAMPLE), Some(1));
    assert_eq!(status("info", crate::generated::HEALTHY), Some(0));
    assert_eq!(status("error", crate::generated::MIRROR_LOSS), Some(0));
    assert_eq!(status("warning", crate::generated::MIRROR_LOSS), Some(1));
}

#[test]
fn count_stops_after_so_many_frames() {
    assert_eq!(
        json(&["report", "--format", "json", "-c", "5", SAMPLE])["totals"]["frames"],
        5
    );
}

#[test]
fn help_teaches_with_examples() {
    for arguments in [
        &["--help"][..],
        &["report", "--help"],
        &["flows", "--help"],
        &["decap", "--help"],
    ] {
        let text = stdout(&run(arguments));
        assert!(
            text.contains("Examples:\n  mirrorscope "),
            "{arguments:?}: {text}"
        );
    }
}

#[test]
fn flows_that_gave_way_are_counted_and_told() {
    let report = |arguments: &[&str]| {
        let output = run(&[&["report", "--format", "json", SAMPLE], arguments].concat());
        let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        (report, String::from_utf8(output.stderr).unwrap())
    };
    let (whole, silence) = report(&[]);
    assert!(silence.is_empty(), "{silence}");
    let (report, message) = report(&["--max-flows", "3"]);
    let totals = &report["totals"];
    assert!(totals["flows"].as_u64() >= whole["totals"]["flows"].as_u64());
    let figure = |name: &str| totals["evicted"][name].as_u64().unwrap();
    let gone = figure("unanswered") + figure("over") + figure("alive");
    let held: u64 = totals["verdicts"]
        .as_object()
        .unwrap()
        .values()
        .map(|count| count.as_u64().unwrap())
        .sum();
    assert_eq!((held, gone), (3, totals["flows"].as_u64().unwrap() - 3));
    let told = format!("{gone} of {} flows gave way", totals["flows"]);
    assert!(
        message.contains(&told) && message.contains("--max-flows (now 3)"),
        "{message}"
    );
}

#[test]
fn a_flow_takes_one_line_at_80_columns() {
    let flows = json_lines(&["flows", "--format", "json", SAMPLE]).len();
    let output = mirrorscope()
        .args(["flows", SAMPLE])
        .env("COLUMNS", "80")
        .output()
        .unwrap();
    assert_eq!(stdout(&output).lines().count(), flows + 1);
}

#[test]
fn a_report_lists_the_busiest_of_very_many_sessions() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("many.pcap");
    let mut writer = PcapWriter::new(fs::File::create(&path).unwrap(), 1, 0).unwrap();
    for vni in (0..60).chain([59]) {
        let mut frame = Vec::new();
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        wrap(
            &outer,
            &Wrap::Vxlan { vni, port: 4789 },
            &[0x88; 60],
            &mut frame,
        );
        writer.write(0, frame.len() as u32, &frame).unwrap();
    }
    writer.finish().unwrap();
    let report = stdout(&run(&["report", text(&path)]));
    let rows = report.lines().filter(|line| line.starts_with("vxlan-"));
    assert_eq!(rows.clone().count(), 50);
    assert!(
        rows.clone()
            .next()
            .unwrap()
            .starts_with("vxlan-59@10.60.0.1 ")
    );
    assert!(
        report.contains("\n… and 10 more; all of them: mirrorscope sessions\n"),
        "{report}"
    );
    let all = stdout(&run(&["sessions", text(&path)]));
    assert_eq!(
        all.lines()
            .filter(|line| line.starts_with("vxlan-"))
            .count(),
        60
    );
}
