//! A disk that is full.

use std::fs;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

/// A small file system in memory, taken away at the end.
struct Disk(tempfile::TempDir);

impl Disk {
    fn new(size: &str) -> Self {
        let place = tempfile::tempdir().unwrap();
        let options = format!("size={size}");
        let status = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &options, "tmpfs"])
            .arg(place.path())
            .status();
        assert!(status.unwrap().success());
        Self(place)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.path()).status();
    }
}

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/healthy.pcap");

fn mirrorscope(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorscope"));
    command
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A sample many times over.
fn long_capture(times: usize) -> Vec<u8> {
    let sample = fs::read(SAMPLE).unwrap();
    let (header, packets) = sample.split_at(24);
    [header, &packets.repeat(times)].concat()
}

/// Frames in a capture file that nothing is wrong with.
fn frames(file: &Path) -> u64 {
    let output = mirrorscope(&["report", "--format", "json", file.to_str().unwrap()])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{}: {said}", file.display());
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    report["totals"]["frames"].as_u64().unwrap()
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn files_that_rotate_stay_whole_when_the_disk_is_full() {
    let disk = Disk::new("1M");
    let out = disk.path().join("inner.pcapng");
    let arguments = [
        "decap",
        "--rotate-size",
        "300K",
        "-w",
        out.to_str().unwrap(),
        "-",
    ];
    let mut child = mirrorscope(&arguments).spawn().unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let capture = long_capture(20);
    let feeder = std::thread::spawn(move || {
        // It stops reading when nothing can be written.
        let _ = pipe.write_all(&capture);
    });
    let mut said = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut said)
        .unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(2), "{said}");
    feeder.join().unwrap();
    assert!(said.contains("no space left on device"), "{said}");
    let mut files: Vec<_> = fs::read_dir(disk.path())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert_eq!(files.len(), 4, "{files:?}");
    let counts: Vec<u64> = files.iter().map(|file| frames(file)).collect();
    assert!(counts.iter().all(|count| *count > 100), "{counts:?}");
    // Not a byte of room is left unused that a packet would have filled.
    let used: u64 = files
        .iter()
        .map(|file| file.metadata().unwrap().len())
        .sum();
    assert!(used > 1_000_000, "{used}");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn one_file_is_all_or_nothing() {
    let disk = Disk::new("100K");
    let out = disk.path().join("inner.pcapng");
    fs::write(&out, b"from before").unwrap();
    let output = mirrorscope(&["decap", "-w", out.to_str().unwrap(), SAMPLE])
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(
        said.contains("inner.pcapng: no space left on device"),
        "{said}"
    );
    assert_eq!(fs::read(&out).unwrap(), b"from before");
    assert_eq!(fs::read_dir(disk.path()).unwrap().count(), 1);
}
