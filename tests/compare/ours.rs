//! What mirrorscope itself says, for others to be held against.

use serde_json::Value;

use crate::run;

/// The built command.
pub const MIRRORSCOPE: &str = env!("CARGO_BIN_EXE_mirrorscope");
/// Sites of the lab.
pub const SITES: &str = "samples/two-sites.toml";

/// JSON, an object a line.
pub fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

/// Flows or findings as JSON, with the lab's sites; what else the command is told.
pub fn told(command: &str, arguments: &[&str]) -> Vec<Value> {
    let own = [command, "--format", "json", "--sites", SITES];
    lines(&run(MIRRORSCOPE, &[&own[..], arguments].concat()))
}
