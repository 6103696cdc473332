//! `decap`: what it writes, read back.

use std::fs;

use crate::support::{json, json_lines, run, stderr, text};

const SAMPLE: &str = "samples/healthy-erspan.pcap";

#[test]
fn the_written_packets_are_the_mirrored_ones() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    let output = run(&["decap", "-w", text(&inner), SAMPLE]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let before = json(&["report", "--format", "json", SAMPLE]);
    let after = json(&["report", "--format", "json", text(&inner)]);
    assert_eq!(after["totals"]["frames"], before["totals"]["mirrored"]);
    assert_eq!(
        after["totals"]["plain"], before["totals"]["mirrored"],
        "no encapsulation is left"
    );
    // An interface for each session, under its name.
    let names = |report: &serde_json::Value| -> Vec<String> {
        let sessions = report["sessions"].as_array().unwrap();
        sessions
            .iter()
            .map(|s| s["name"].as_str().unwrap().to_owned())
            .collect()
    };
    let expected: Vec<String> = names(&before)
        .iter()
        .map(|name| format!("inner:{name}"))
        .collect();
    assert_eq!(names(&after), expected);
    let flows = |file: &str| {
        let mut flows: Vec<(String, u64, u64)> = json_lines(&["flows", "--format", "json", file])
            .iter()
            .map(|f| {
                let packets = |side: &str| f[side]["packets"].as_u64().unwrap();
                (
                    f["community_id"].as_str().unwrap().to_owned(),
                    packets("orig"),
                    packets("resp"),
                )
            })
            .collect();
        flows.sort();
        flows
    };
    assert_eq!(flows(text(&inner)), flows(SAMPLE));
}

#[test]
fn a_name_in_pcap_and_a_snap_length_are_honoured() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcap");
    assert_eq!(
        run(&["decap", "-s", "60", "-w", text(&inner), SAMPLE])
            .status
            .code(),
        Some(0)
    );
    let bytes = fs::read(&inner).unwrap();
    assert_eq!(
        bytes[..4],
        [0x4d, 0x3c, 0xb2, 0xa1],
        "pcap with nanoseconds, little-endian"
    );
    let captured = u32::from_le_bytes(bytes[32..36].try_into().unwrap());
    let original = u32::from_le_bytes(bytes[36..40].try_into().unwrap());
    assert!(
        captured <= 60 && original >= captured,
        "{captured} of {original}"
    );
}

#[test]
fn plain_frames_are_left_out_and_told_unless_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, again) = (
        folder.path().join("inner.pcapng"),
        folder.path().join("again.pcapng"),
    );
    run(&["decap", "-w", text(&inner), SAMPLE]);
    let output = run(&["decap", "-w", text(&again), text(&inner)]);
    assert!(
        stderr(&output).contains("are not encapsulated and were left out"),
        "{}",
        stderr(&output)
    );
    assert_eq!(
        json(&["report", "--format", "json", text(&again)])["totals"]["frames"],
        0
    );
    run(&["decap", "--plain", "-w", text(&again), text(&inner)]);
    let frames = |file| json(&["report", "--format", "json", file])["totals"]["frames"].clone();
    assert_eq!(frames(text(&again)), frames(text(&inner)));
}
