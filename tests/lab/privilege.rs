//! What is left of root once everything is open.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use landlock::{AccessFs, CompatLevel, Compatible, Ruleset, RulesetAttr};
use rustix::fs::{CWD, RenameFlags, renameat_with};

/// Somebody that no table of this machine knows.
const CALLER: u32 = 54_321;

const SAMPLE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/healthy.pcap");

/// The command as sudo starts it.
fn with_sudo(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorscope"));
    command
        .args(arguments)
        .env("SUDO_UID", CALLER.to_string())
        .env("SUDO_GID", CALLER.to_string())
        .stdin(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

/// A folder of the caller's.
fn folder() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    chown(folder.path(), Some(CALLER), Some(CALLER)).unwrap();
    folder
}

/// Waits for something that another process does.
#[track_caller]
pub fn until(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < Duration::from_secs(20), "{what} in vain");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A field of a process's status.
fn status(pid: u32, field: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap().trim().to_owned()
}

/// The files in a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
}

/// A `decap` that has half of a recording on its standard input; the pipe, and the other half.
fn half_fed(out: &Path) -> (Child, ChildStdin, Vec<u8>) {
    let mut capture = fs::read(SAMPLE).unwrap();
    let rest = capture.split_off(capture.len() / 2);
    let out = out.to_str().unwrap();
    let mut child = with_sudo(&["decap", "--rotate-size", "20K", "-w", out, "-"])
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&capture).unwrap();
    (child, pipe, rest)
}

fn finish(child: Child) -> (Option<i32>, String) {
    let output = child.wait_with_output().unwrap();
    (
        output.status.code(),
        String::from_utf8(output.stderr).unwrap(),
    )
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn packets_are_read_as_the_caller_of_sudo_without_any_privilege() {
    let folder = folder();
    let out = folder.path().join("inner.pcapng");
    let (child, mut pipe, rest) = half_fed(&out);
    until("waited for a file", || !files(folder.path()).is_empty());

    let pid = child.id();
    let all = |id: u32| [id; 4].map(|id| id.to_string()).join("\t");
    assert_eq!(
        (status(pid, "Uid"), status(pid, "Gid")),
        (all(CALLER), all(CALLER))
    );
    assert_eq!(status(pid, "Groups"), CALLER.to_string());
    for set in ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"] {
        assert_eq!(status(pid, set), "0000000000000000", "{set}");
    }
    assert_eq!(
        (status(pid, "NoNewPrivs"), status(pid, "Seccomp")),
        ("1".to_owned(), "2".to_owned())
    );

    pipe.write_all(&rest).unwrap();
    drop(pipe);
    let (code, said) = finish(child);
    assert_eq!(code, Some(0), "{said}");
    let files = files(folder.path());
    assert!(files.len() > 3, "{files:?}");
    for file in files {
        let metadata = file.metadata().unwrap();
        assert_eq!(
            (metadata.uid(), metadata.gid()),
            (CALLER, CALLER),
            "{}",
            file.display()
        );
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn another_folder_is_out_of_reach_though_the_caller_may_write_there() {
    let enforced = Ruleset::default()
        .set_compatibility(CompatLevel::HardRequirement)
        .handle_access(AccessFs::Execute);
    assert!(
        enforced.is_ok(),
        "this kernel has no landlock, which this test is about"
    );
    // Not beneath the folder for temporary files, which stays in reach.
    let place = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let (told, other) = (place.path().join("told"), place.path().join("other"));
    for folder in [&told, &other] {
        fs::create_dir(folder).unwrap();
        fs::set_permissions(folder, fs::Permissions::from_mode(0o777)).unwrap();
    }
    let out = told.join("inner.pcapng");
    let (child, mut pipe, rest) = half_fed(&out);
    until("waited for a file", || !files(&told).is_empty());
    // The name now leads elsewhere: at once, as it may be looked at in this moment.
    let link = place.path().join("link");
    symlink(&other, &link).unwrap();
    renameat_with(CWD, &link, CWD, &told, RenameFlags::EXCHANGE).unwrap();
    pipe.write_all(&rest).unwrap();
    drop(pipe);
    let (code, said) = finish(child);
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains("permission denied"), "{said}");
    assert!(files(&other).is_empty());
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn what_the_caller_may_not_write_is_told_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("inner.pcapng");
    let out = out.to_str().unwrap();
    let said = |command: &mut Command| finish(command.spawn().unwrap());
    let (code, text) = said(&mut with_sudo(&["decap", "-w", out, SAMPLE]));
    assert_eq!(code, Some(2));
    assert!(text.contains("user 54321 may not write there"), "{text}");
    let (code, text) = said(with_sudo(&["decap", "-w", out, SAMPLE]).env("SUDO_UID", "me"));
    assert_eq!(code, Some(2));
    assert!(text.contains("SUDO_UID is not a number"), "{text}");
    let (code, text) = said(with_sudo(&["decap", "-w", out, SAMPLE]).env_remove("SUDO_GID"));
    assert_eq!(code, Some(2));
    assert!(text.contains("--user"), "{text}");
    assert!(files(folder.path()).is_empty());
    // Root on its own behalf stays what it is.
    let (code, text) = said(
        with_sudo(&["decap", "-w", out, SAMPLE])
            .env("SUDO_UID", "0")
            .env("SUDO_GID", "0"),
    );
    assert_eq!(code, Some(0), "{text}");
}
