//! Running the built command.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use crate::generated;

/// The command, without colours and with a fixed width.
pub fn mirrorscope() -> Command {
    generated::write();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mirrorscope"));
    command
        .env("COLUMNS", "100")
        .env_remove("NO_COLOR")
        .current_dir(env!("CARGO_MANIFEST_DIR"));
    command
}

/// Runs it with arguments.
pub fn run(arguments: &[&str]) -> Output {
    mirrorscope().args(arguments).output().unwrap()
}

/// Runs it with bytes on its standard input.
pub fn run_with_input(arguments: &[&str], input: &[u8]) -> Output {
    let mut child = mirrorscope()
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // The command may stop reading before the end; that is its right.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap()
}

pub fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

pub fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The JSON document that a successful run printed.
#[track_caller]
pub fn json(arguments: &[&str]) -> serde_json::Value {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The JSON lines that a successful run printed.
#[track_caller]
pub fn json_lines(arguments: &[&str]) -> Vec<serde_json::Value> {
    let output = run(arguments);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

pub fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// The bytes of a generated capture.
pub fn bytes(capture: &str) -> Vec<u8> {
    generated::write();
    std::fs::read(capture).unwrap()
}
