//! Whether somebody keeps the clock of this machine in time.

use std::fs;

use super::system;

/// What is known of the clock.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Clock {
    /// Whether the kernel was told that it is right; unknown where it may not be asked.
    pub synchronized: Option<bool>,
    /// How wrong it may be at most, in microseconds, as far as that is known.
    pub error: Option<u64>,
    /// A program that runs here and keeps it in time.
    pub keeper: Option<String>,
}

/// Programs that keep the clock in time, by the name in `/proc`, which has 15 letters.
const KEEPERS: [(&str, &str); 8] = [
    ("chronyd", "chronyd"),
    ("ntpd", "ntpd"),
    ("ntp-daemon", "ntpd-rs"),
    ("systemd-timesyn", "systemd-timesyncd"),
    ("ptp4l", "ptp4l"),
    ("phc2sys", "phc2sys"),
    ("timemaster", "timemaster"),
    ("vmtoolsd", "vmtoolsd"),
];
/// What the kernel says when it does not know: 16 seconds.
const UNKNOWN_ERROR: i64 = 16_000_000;

/// What is known of the clock.
pub fn clock() -> Clock {
    let state = system::clock().ok();
    let error = state
        .map(|(_, error)| error)
        .filter(|error| *error < UNKNOWN_ERROR);
    Clock {
        synchronized: state.map(|(kept, _)| kept),
        error: error.and_then(|error| u64::try_from(error).ok()),
        keeper: keeper(),
    }
}

fn keeper() -> Option<String> {
    let processes = fs::read_dir("/proc").ok()?;
    let mut names = processes.filter_map(|entry| {
        let path = entry.ok()?.path();
        let name = fs::read_to_string(path.join("comm")).ok()?;
        let known = KEEPERS.iter().find(|(short, _)| name.trim_end() == *short);
        known.map(|(_, name)| (*name).to_owned())
    });
    names.next()
}
