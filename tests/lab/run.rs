//! What a run of the lab leaves on the machine, and how it goes away: after success, failure, panic and Ctrl-C, and, of a
//! run that was killed, when the next one starts.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::machine::{Machine, NAMESPACES};

/// Begins every name that a run leaves on the machine; the process id follows.
const PREFIX: &str = "mslab-";

/// Names of one lab: unique on this machine, so that several labs run side by side.
#[derive(Debug)]
pub struct Run {
    prefix: String,
}

impl Run {
    /// A name for a new lab of this process. The first one sweeps up after dead runs.
    pub fn new() -> Self {
        static ONCE: Once = Once::new();
        static NUMBER: AtomicUsize = AtomicUsize::new(0);
        ONCE.call_once(|| {
            sweep();
            clean_up_on_signals();
        });
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let prefix = format!("{}{number}-", of_process(std::process::id()));
        let run = Self { prefix };
        std::fs::create_dir_all(run.folder()).unwrap();
        run
    }

    /// A machine of this lab.
    pub fn machine(&self, name: &str) -> Machine {
        Machine::new(format!("{}{name}", self.prefix))
    }

    /// Where this lab keeps its files.
    pub fn folder(&self) -> PathBuf {
        std::env::temp_dir().join(&self.prefix)
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        clean(&self.prefix);
    }
}

fn of_process(pid: u32) -> String {
    format!("{PREFIX}{pid}-")
}

/// Takes away all that begins with a prefix: processes in its namespaces, the namespaces, and the files.
fn clean(prefix: &str) {
    for namespace in entries(NAMESPACES.into(), prefix) {
        let listed = Command::new("ip")
            .args(["netns", "pids", &namespace])
            .output();
        let pids = listed.map(|output| String::from_utf8_lossy(&output.stdout).into_owned());
        for pid in pids.unwrap_or_default().split_whitespace() {
            let pid = pid
                .parse()
                .ok()
                .filter(|pid| *pid != std::process::id().cast_signed());
            if let Some(pid) = pid.and_then(Pid::from_raw) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
        let _ = Command::new("ip")
            .args(["netns", "del", &namespace])
            .status();
    }
    for folder in entries(std::env::temp_dir(), prefix) {
        unmount(&std::env::temp_dir().join(&folder));
        let _ = std::fs::remove_dir_all(std::env::temp_dir().join(folder));
    }
}

/// Takes away file systems in a folder.
fn unmount(folder: &Path) {
    let mounts = std::fs::read_to_string("/proc/mounts").unwrap_or_default();
    let places = mounts.lines().filter_map(|line| line.split(' ').nth(1));
    for place in places.filter(|place| Path::new(place).starts_with(folder)) {
        let _ = Command::new("umount").args(["-l", place]).status();
    }
}

/// Cleans up after runs whose process is gone.
fn sweep() {
    let names = entries(NAMESPACES.into(), PREFIX).into_iter();
    for name in names.chain(entries(std::env::temp_dir(), PREFIX)) {
        let pid = name
            .strip_prefix(PREFIX)
            .and_then(|rest| rest.split('-').next());
        let Some(pid) = pid.and_then(|pid| pid.parse::<u32>().ok()) else {
            continue;
        };
        let command = std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        if !["lab-", "loss-"]
            .iter()
            .any(|name| command.starts_with(name))
        {
            clean(&of_process(pid));
        }
    }
}

fn clean_up_on_signals() {
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).unwrap();
    std::thread::spawn(move || {
        if let Some(signal) = signals.forever().next() {
            clean(&of_process(std::process::id()));
            std::process::exit(128 + signal);
        }
    });
}

fn entries(folder: PathBuf, prefix: &str) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with(prefix))
        .collect()
}
