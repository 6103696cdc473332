//! Bad input: one clear line on standard error, exit status 2, nothing half-written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::support::{bytes, mirrorscope, run, run_with_input, stderr, stdout, text};

const SAMPLE: &str = crate::generated::ASYMMETRIC;

/// A file in `folder`.
fn file(folder: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path
}

/// Runs every analysing subcommand over a file that none can read.
#[track_caller]
fn refused(path: &Path, reason: &str) {
    for command in ["report", "sessions", "flows", "findings"] {
        let output = run(&[command, text(path)]);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert_eq!(stdout(&output), "", "{command}");
        let expected = format!("mirrorscope: {}: {reason}", path.display());
        assert!(
            stderr(&output).starts_with(&expected),
            "{command}: {}",
            stderr(&output)
        );
        assert_eq!(stderr(&output).lines().count(), 1, "{command}");
    }
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("out.pcapng");
    let output = run(&["decap", "-w", text(&written), text(path)]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        fs::read_dir(folder.path()).unwrap().count(),
        0,
        "nothing is left behind"
    );
}

#[test]
fn the_interface_needs_a_terminal_and_names_what_needs_none() {
    let output = run(&["watch", SAMPLE]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(stdout(&output), "");
    let told = "mirrorscope: standard output is no terminal; `mirrorscope report` writes what was found as text\n";
    assert_eq!(stderr(&output), told);
}

#[test]
fn what_is_no_capture_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    refused(&file(folder.path(), "empty.pcap", b""), "empty file");
    refused(folder.path(), "is a directory");
    refused(&folder.path().join("missing.pcap"), "no such file");
    refused(
        &file(folder.path(), "notes.txt", b"call Bob at nine"),
        "not a capture file",
    );
    refused(
        &file(folder.path(), "cut.pcap", &[0xd4, 0xc3, 0xb2, 0xa1, 2, 0]),
        "cut short inside the file header",
    );
}

#[test]
fn an_unknown_link_type_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = bytes(SAMPLE);
    bytes[20..24].copy_from_slice(&147_u32.to_le_bytes());
    refused(
        &file(folder.path(), "user.pcap", &bytes),
        "link type 147 is not supported",
    );
}

#[test]
fn an_unreadable_file_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = file(folder.path(), "secret.pcap", &bytes(SAMPLE));
    fs::set_permissions(&path, fs::Permissions::from_mode(0o000)).unwrap();
    // Root may read everything, so it becomes somebody else, with a copy of the command that anybody may run.
    let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
    let binary = folder.path().join("mirrorscope");
    // Written by another process: one that this test starts meanwhile would hold it open, and so keep it from running.
    let copied = Command::new("cp")
        .arg(env!("CARGO_BIN_EXE_mirrorscope"))
        .arg(&binary)
        .status();
    assert!(copied.unwrap().success());
    let mut command = if root {
        Command::new("setpriv")
    } else {
        Command::new(&binary)
    };
    if root {
        command
            .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
            .arg(&binary);
    }
    let output = command
        .arg("report")
        .arg(&path)
        .current_dir("/")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        format!("mirrorscope: {}: permission denied\n", path.display())
    );
}

#[test]
fn a_capture_cut_inside_a_packet_yields_everything_before_it_and_one_warning() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = bytes(SAMPLE);
    let first = 24 + 16 + u32::from_le_bytes(bytes[32..36].try_into().unwrap()) as usize;
    let second =
        first + 16 + u32::from_le_bytes(bytes[first + 8..first + 12].try_into().unwrap()) as usize;
    let path = file(folder.path(), "cut.pcap", &bytes[..second - 1]);
    let output = run(&["report", "--format", "json", text(&path)]);
    assert_eq!(output.status.code(), Some(2));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["totals"]["frames"], 1);
    let have = second - 1 - first;
    let expected = format!(
        "mirrorscope: {}: packet 2 at byte {first}: cut short, {have} of {} bytes\n",
        path.display(),
        second - first
    );
    assert_eq!(stderr(&output), expected);

    let written = folder.path().join("inner.pcapng");
    let output = run(&["decap", "-w", text(&written), text(&path)]);
    assert_eq!(output.status.code(), Some(2));
    let inner = run(&["report", "--format", "json", text(&written)]);
    let inner: serde_json::Value = serde_json::from_slice(&inner.stdout).unwrap();
    assert_eq!(
        inner["totals"]["frames"], 1,
        "the packet before the cut is there, in a whole file"
    );
}

#[test]
fn one_bad_file_of_several_is_told_before_anything_is_read() {
    let output = run(&["report", SAMPLE, "missing.pcap"]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(2), "")
    );
    assert_eq!(stderr(&output), "mirrorscope: missing.pcap: no such file\n");
}

#[test]
fn a_bad_sites_file_names_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let path = file(
        folder.path(),
        "sites.toml",
        b"[[site]]\nname = \"dc1\"\ncolour = \"red\"\n",
    );
    let output = run(&["report", "--sites", text(&path), SAMPLE]);
    assert_eq!(
        (output.status.code(), stdout(&output).as_str()),
        (Some(2), "")
    );
    let message = stderr(&output);
    assert!(
        message.contains("sites.toml") && message.contains("line 3") && message.contains("colour"),
        "{message}"
    );
    let output = run(&["report", "--site", "dc1", SAMPLE]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("dc1=10.60.0.1"),
        "the right form is shown: {}",
        stderr(&output)
    );
}

#[test]
fn bad_usage_is_exit_status_2() {
    for arguments in [
        &["report"][..],
        &["frobnicate"],
        &["flows", "--format", "xml", SAMPLE],
        &["decap", SAMPLE],
    ] {
        assert_eq!(run(arguments).status.code(), Some(2), "{arguments:?}");
    }
}

#[test]
fn decap_never_overwrites_its_input() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = bytes(SAMPLE);
    let path = file(folder.path(), "mine.pcap", &bytes);
    let output = run(&["decap", "-w", text(&path), text(&path)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is an input file too"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read(&path).unwrap(), bytes);
}

#[test]
fn a_full_disk_is_told_and_leaves_nothing() {
    let output = run(&["decap", "-w", "/dev/full", SAMPLE]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output)
            .to_lowercase()
            .contains("no space left on device"),
        "{}",
        stderr(&output)
    );
    let report = mirrorscope()
        .args(["report", SAMPLE])
        .stdout(fs::File::options().write(true).open("/dev/full").unwrap())
        .output()
        .unwrap();
    assert_eq!(report.status.code(), Some(2));
    assert!(
        stderr(&report).starts_with("mirrorscope: standard output: "),
        "{}",
        stderr(&report)
    );
}

#[test]
fn a_reader_that_has_seen_enough_is_no_error() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = mirrorscope()
        .args(["flows", "--format", "json", SAMPLE])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(
        (output.status.code(), stderr(&output).as_str()),
        (Some(0), "")
    );
}

#[test]
fn standard_input_is_read_like_a_file() {
    let bytes = bytes(SAMPLE);
    let piped = run_with_input(&["flows", "--format", "csv", "-"], &bytes);
    let read = run(&["flows", "--format", "csv", SAMPLE]);
    assert_eq!(piped.status.code(), Some(0), "{}", stderr(&piped));
    assert_eq!(stdout(&piped), stdout(&read));
    assert_eq!(run_with_input(&["report", "-"], b"").status.code(), Some(2));
}

#[test]
fn an_interrupt_prints_what_was_found_so_far() {
    use std::io::Write as _;
    use std::process::Stdio;
    let bytes = bytes(SAMPLE);
    let mut child = mirrorscope()
        .args(["report", "--format", "json", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The pipe stays open: without the signal the command would wait for more for ever.
    let mut input = child.stdin.take().unwrap();
    input.write_all(&bytes).unwrap();
    let pid = child.id().to_string();
    // Until the command has read what is in the pipe the signal would find nothing to report.
    while unread(&input) > 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    std::thread::sleep(std::time::Duration::from_millis(200));
    let interrupt = Command::new("sh")
        .args(["-c", &format!("kill -INT {pid}")])
        .status()
        .unwrap();
    assert!(interrupt.success());
    let output = child.wait_with_output().unwrap();
    drop(input);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(
        stderr(&output).contains("interrupted after"),
        "{}",
        stderr(&output)
    );
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["totals"]["frames"].as_u64().unwrap() > 0);
}

/// Bytes of a pipe that nobody has read yet.
fn unread(pipe: &impl std::os::fd::AsFd) -> u64 {
    rustix::io::ioctl_fionread(pipe).unwrap()
}
