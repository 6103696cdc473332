//! `decap` into several files, and what is left of them when something goes wrong.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{json, mirrorscope, run, stderr, text};

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/healthy.pcap");
/// Mirrored packets in it.
const PACKETS: u64 = 361;

/// The files in a folder, in the order of their names.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// Frames in a capture file that nothing is wrong with.
fn frames(file: &Path) -> u64 {
    json(&["report", "--format", "json", text(file)])["totals"]["frames"]
        .as_u64()
        .unwrap()
}

#[test]
fn a_capture_is_cut_into_files_that_hold_all_of_it() {
    let folder = tempfile::tempdir().unwrap();
    for ending in ["pcapng", "pcap"] {
        let out = folder.path().join(format!("{ending}.{ending}"));
        let output = run(&["decap", "--rotate-size", "20K", "-w", text(&out), SAMPLE]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let parts: Vec<PathBuf> = files(folder.path())
            .into_iter()
            .filter(|file| file.extension() == out.extension())
            .collect();
        assert!(parts.len() > 4, "{parts:?}");
        assert!(
            parts
                .iter()
                .all(|part| part.metadata().unwrap().len() <= 20 * 1024)
        );
        assert_eq!(parts.iter().map(|part| frames(part)).sum::<u64>(), PACKETS);
        let said = stderr(&output);
        assert!(
            said.contains(&format!("{PACKETS} packets in {} files", parts.len())),
            "{said}"
        );
        // By the time of the first packet.
        assert!(text(&parts[0]).contains("_00001_20261121"), "{parts:?}");
        assert!(!out.exists());
    }
}

#[test]
fn the_files_of_earlier_runs_count_and_input_is_never_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.pcapng");
    let again = [
        "decap",
        "--rotate-size",
        "20K",
        "--keep-files",
        "3",
        "-w",
        text(&out),
    ];
    for _ in 0..2 {
        let output = run(&[&again[..], &[SAMPLE]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let kept = files(folder.path());
    assert_eq!(kept.len(), 3);
    assert!(text(&kept[2]).contains("out_00014_"), "{kept:?}");
    let output = run(&[&again[..], &[text(&kept[0])]].concat());
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is an input file, and --keep-files would delete it"),
        "{}",
        stderr(&output)
    );
    assert_eq!(files(folder.path()), kept);
}

#[test]
fn what_cannot_rotate_is_refused() {
    for (arguments, reason) in [
        (
            &["--rotate-size", "1M", "-w", "-"][..],
            "standard output: rotation needs an ordinary file",
        ),
        (
            &["--rotate-time", "1h", "-w", "/dev/null"],
            "/dev/null: rotation needs an ordinary file",
        ),
        (
            &["--rotate-size", "1M", "-w", "/no/such/out.pcap"],
            "no such file or directory",
        ),
        (
            &["--rotate-size", "0", "-w", "out.pcap"],
            "must be larger than nothing",
        ),
        (&["--keep-files", "3", "-w", "out.pcap"], "--rotate-size"),
        (
            &["--keep-files", "0", "--rotate-size", "1M", "-w", "out.pcap"],
            "--keep-files",
        ),
    ] {
        let output = run(&[&["decap"], arguments, &[SAMPLE]].concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(reason),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
}

#[test]
fn a_limit_of_the_file_size_is_told_and_leaves_whole_packets() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out.pcapng");
    // Blocks of 512 or 1024 bytes, as the shell likes.
    let limited = format!(
        "ulimit -f 20; exec {} decap --rotate-size 1M -w {} {SAMPLE}",
        env!("CARGO_BIN_EXE_mirrorscope"),
        text(&out)
    );
    let output = Command::new("sh").args(["-c", &limited]).output().unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("file too large"),
        "{}",
        stderr(&output)
    );
    let left = files(folder.path());
    assert_eq!(left.len(), 1);
    assert!(frames(&left[0]) > 20);
}

#[test]
fn whoever_is_killed_leaves_files_that_can_be_read() {
    let sample = fs::read(SAMPLE).unwrap();
    let (header, packets) = sample.split_at(24);
    for delay in [0, 3, 10, 30, 100] {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("out.pcapng");
        let mut child = mirrorscope()
            .args(["decap", "--rotate-size", "400K", "-w", text(&out), "-"])
            .stdin(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        pipe.write_all(header).unwrap();
        let start = Instant::now();
        // At least until there is something to be read.
        while files(folder.path()).len() < 2 || start.elapsed() < Duration::from_millis(delay) {
            pipe.write_all(packets).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let left = files(folder.path());
        let (last, whole) = left.split_last().unwrap();
        assert!(whole.iter().all(|file| frames(file) > 0));
        // The kill may have come in the middle of a write.
        let output = run(&["report", text(last)]);
        let said = stderr(&output);
        assert!(
            output.status.code() == Some(0) || said.contains("cut short"),
            "{said}"
        );
    }
}
