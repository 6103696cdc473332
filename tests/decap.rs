//! `decap`: what it writes, read back.

use std::fs;

use crate::support::{json, json_lines, run, stderr, text};

const SAMPLE: &str = crate::generated::HEALTHY;

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

#[test]
fn a_packet_joined_from_fragments_has_its_own_length() {
    use mirrorscope_capture::Files;
    use mirrorscope_capture::writer::PcapWriter;
    use mirrorscope_dissectors::encap::{Outer, Wrap, fragment, wrap};
    let folder = tempfile::tempdir().unwrap();
    let (mirrored, inner) = (
        folder.path().join("mirrored.pcap"),
        folder.path().join("inner.pcap"),
    );
    // A full-size Ethernet frame; the mirror makes it too long for the way.
    let mut frame = vec![
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 5, 0xdc, 0, 0, 0, 0, 64, 17, 0, 0,
    ];
    frame.extend([10, 0, 0, 1, 10, 0, 0, 2, 0, 7, 0, 7, 5, 0xc8, 0, 0]);
    frame.resize(1514, 0x55);
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let mut bytes = Vec::new();
    wrap(
        &outer,
        &Wrap::Vxlan { vni: 7, port: 4789 },
        &frame,
        &mut bytes,
    );
    let mut writer = PcapWriter::new(fs::File::create(&mirrored).unwrap(), 1, 0).unwrap();
    let fragments = fragment(&bytes, 1500);
    assert_eq!(fragments.len(), 2);
    for (time, part) in (0..).zip(&fragments) {
        writer.write(time, part.len() as u32, part).unwrap();
    }
    writer.finish().unwrap();
    assert_eq!(
        run(&["decap", "-w", text(&inner), text(&mirrored)])
            .status
            .code(),
        Some(0)
    );
    let mut files = Files::open(&[inner], std::sync::Arc::default()).unwrap();
    let written = files.next_frames(1).next().unwrap();
    assert_eq!((written.wire_len, written.bytes), (1514, frame.as_slice()));
    assert!(files.next_frames(1).next().is_none());
}

#[test]
fn pcap_takes_one_link_type_or_nothing() {
    use mirrorscope_capture::writer::PcapWriter;
    use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
    let folder = tempfile::tempdir().unwrap();
    let (mirrored, inner) = (
        folder.path().join("mirrored.pcap"),
        folder.path().join("inner.pcap"),
    );
    let mut writer = PcapWriter::new(fs::File::create(&mirrored).unwrap(), 1, 0).unwrap();
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    for (protocol, payload) in [
        (0x6558, &[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x90, 0][..]),
        (0x0800, &[0x45; 20]),
    ] {
        let mut bytes = Vec::new();
        let gre = Wrap::Gre {
            key: None,
            sequence: None,
            checksum: false,
            protocol,
        };
        wrap(&outer, &gre, payload, &mut bytes);
        writer.write(0, bytes.len() as u32, &bytes).unwrap();
    }
    writer.finish().unwrap();
    let output = run(&["decap", "-w", text(&inner), text(&mirrored)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("write pcapng instead"),
        "{}",
        stderr(&output)
    );
    assert!(!inner.exists(), "complete or not at all");
    let all = folder.path().join("inner.pcapng");
    assert_eq!(
        run(&["decap", "-w", text(&all), text(&mirrored)])
            .status
            .code(),
        Some(0)
    );
}

#[test]
fn frames_that_are_kept_are_those_that_arrived() {
    use mirrorscope_capture::Files;
    use mirrorscope_capture::writer::PcapWriter;
    let mut dropped = false;
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str| folder.path().join(name);
    let (inner, wrapped) = (file("inner.pcapng"), file("wrapped.pcap"));
    let (input, outer) = (file("input.pcap"), file("outer.pcapng"));
    run(&["decap", "-w", text(&inner), "samples/mtu.pcap"]);
    let wrap = [
        "encap",
        "--as",
        "vxlan",
        "--mtu",
        "400",
        "-w",
        text(&wrapped),
        text(&inner),
    ];
    assert_eq!(run(&wrap).status.code(), Some(0));
    // A part that is not the first of its datagram is missing: what there is of it counts, at the end.
    let mut files = Files::open(&[wrapped], std::sync::Arc::default()).unwrap();
    let mut writer = PcapWriter::new(fs::File::create(&input).unwrap(), 1, 0).unwrap();
    let mut number = 0;
    let mut copy = |time, bytes: &[u8]| {
        number += 1;
        let part = bytes[20] & 0x1f != 0 || bytes[21] != 0;
        if number < 10 || !part || std::mem::replace(&mut dropped, true) {
            writer.write(time, bytes.len() as u32, bytes).unwrap();
        }
    };
    loop {
        let mut frames = files.next_frames(64).peekable();
        if frames.peek().is_none() {
            break;
        }
        frames.for_each(|frame| copy(frame.time, frame.bytes));
    }
    writer.finish().unwrap();
    assert!(dropped);
    let args = ["decap", "--keep", "outer", "-w", text(&outer), text(&input)];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let before = json(&["report", "--format", "json", text(&input)]);
    let after = json(&["report", "--format", "json", text(&outer)]);
    for what in [
        "frames",
        "bytes",
        "mirrored",
        "fragments",
        "reassembly",
        "flows",
    ] {
        assert_eq!(after["totals"][what], before["totals"][what], "{what}");
    }
    assert_eq!(before["totals"]["reassembly"]["incomplete"], 1);
    assert!(before["totals"]["reassembly"]["joined"].as_u64() > Some(50));
}

#[test]
fn both_has_each_packet_with_and_without_its_encapsulation() {
    let folder = tempfile::tempdir().unwrap();
    let both = folder.path().join("both.pcapng");
    let args = [
        "decap",
        "--keep",
        "both",
        "--filter",
        "tcp",
        "-w",
        text(&both),
        SAMPLE,
    ];
    let output = run(&args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = json(&["report", "--format", "json", text(&both)]);
    let totals = &report["totals"];
    assert_eq!(totals["mirrored"], totals["plain"]);
    assert!(totals["plain"].as_u64() > Some(0));
    let sessions = report["sessions"].as_array().unwrap();
    let bare: Vec<&str> = sessions
        .iter()
        .filter_map(|s| s["name"].as_str()?.strip_prefix("both:"))
        .collect();
    assert!(
        !bare.is_empty() && bare.iter().all(|name| !name.ends_with(" outer")),
        "{bare:?}"
    );
}

#[test]
fn what_a_file_cannot_hold_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let pcap = folder.path().join("out.pcap");
    let pcapng = folder.path().join("out.pcapng");
    let refused = |args: &[&str], words: &str| {
        let output = run(&[&["decap"], args].concat());
        assert_eq!(output.status.code(), Some(2));
        assert!(stderr(&output).contains(words), "{}", stderr(&output));
        assert!(!pcap.exists() && !pcapng.exists());
    };
    let (pcap, pcapng) = (text(&pcap), text(&pcapng));
    refused(
        &["--comment", "verdict", "-w", pcap, SAMPLE],
        "no room for comments",
    );
    refused(&["--keep", "both", "-w", pcap, SAMPLE], "apart");
    refused(
        &["--comment", "verdict", "-w", pcapng, "-"],
        "must be read twice",
    );
    refused(
        &["--comment", "verdict", "-w", pcapng, "-i", "lo"],
        "--keep outer",
    );
    refused(
        &["--keep", "20", "-w", pcapng, SAMPLE],
        "inner, outer, both",
    );
}

#[test]
fn interfaces_are_named_after_sites_and_points() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    let sites = ["--sites", "samples/two-sites.toml"];
    let words = [
        "decap",
        "-w",
        text(&inner),
        "samples/asymmetric-strict.pcap",
    ];
    let output = run(&[&words[..], &sites].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let report = json(&["report", "--format", "json", text(&inner)]);
    let sessions = report["sessions"].as_array().unwrap().iter();
    let names: Vec<&str> = sessions.map(|s| s["name"].as_str().unwrap()).collect();
    let expected = [
        "inner:dc1 fw1-inside",
        "inner:dc1 dci1",
        "inner:dc2 dci2",
        "inner:dc2 fw2-inside",
        "inner:dc2 vm2",
    ];
    assert_eq!(names, expected);
}

#[test]
fn each_packet_is_written_once_if_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let once = folder.path().join("once.pcapng");
    // Each point's mirror brings everything twice, and several points see it.
    for sample in ["samples/mirrored-twice.pcap", "samples/trombone.pcap"] {
        let output = run(&["decap", "--dedup", "-w", text(&once), sample]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stderr(&output).contains("copies of packets were left out"));
        let sums = |file: &str| -> u64 {
            let flows = json_lines(&["flows", "--format", "json", file]);
            let sides = flows.iter().flat_map(|flow| [&flow["orig"], &flow["resp"]]);
            sides.map(|side| side["packets"].as_u64().unwrap()).sum()
        };
        let report = json(&["report", "--format", "json", text(&once)]);
        assert_eq!(sums(text(&once)), sums(sample), "{sample}");
        assert_eq!(report["totals"]["doubled"], 0, "{sample}");
        let ip = report["totals"]["frames"].as_u64().unwrap();
        // What is left besides is ARP.
        assert!((0..40).contains(&(ip - sums(sample))), "{sample}: {ip}");
    }
}
