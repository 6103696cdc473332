//! The two programs that receive, and what they count and use.

use std::fmt;
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStderr, Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::machine::Machine;

/// Clock ticks in a second, by which the kernel counts processor time.
const TICKS: f64 = 100.0;

/// A program that receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Receiver {
    Tcpdump,
    Mirrorscope,
}

impl fmt::Display for Receiver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Tcpdump => "tcpdump",
            Self::Mirrorscope => "mirrorscope",
        })
    }
}

/// What it counted and used.
#[derive(Debug)]
pub struct Counts {
    pub received: u64,
    pub dropped: u64,
    /// Processor time, in seconds.
    pub cpu: f64,
    /// Resident memory at each look, in KiB.
    pub memory: Vec<u64>,
}

/// It, running.
pub struct Running {
    receiver: Receiver,
    child: Child,
    messages: BufReader<ChildStderr>,
    cpu: f64,
    memory: Vec<u64>,
}

impl Receiver {
    pub const BOTH: [Self; 2] = [Self::Tcpdump, Self::Mirrorscope];

    /// Starts it with a buffer of so many KiB; comes back when it listens.
    pub fn start(self, collector: &Machine, buffer: u32, options: &str) -> Running {
        let line = match self {
            Self::Tcpdump => format!("tcpdump -i eth0 -Q in -n -Z root -B {buffer} -w /dev/null"),
            Self::Mirrorscope => format!(
                "{} report -i eth0 --format json --buffer {buffer}K --site dc1=10.60.0.1 \
                 --site dc2=10.60.0.3 {options}",
                program()
            ),
        };
        let mut words = line.split_whitespace();
        let mut command = Command::new(words.next().unwrap());
        command
            .args(words)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = collector.inside(|| command.spawn().unwrap());
        let mut messages = BufReader::new(child.stderr.take().unwrap());
        let mut line = String::new();
        let mut all = String::new();
        while !line.contains("listening on") {
            line.clear();
            let more = messages.read_line(&mut line).unwrap();
            all.push_str(&line);
            assert!(more > 0, "{self} does not start: {all}");
        }
        Running {
            receiver: self,
            child,
            messages,
            cpu: 0.0,
            memory: Vec::new(),
        }
    }
}

/// The built program, or another build that is to be looked at.
fn program() -> String {
    let asked = std::env::var("MIRRORSCOPE_LOSS_PROGRAM");
    asked.unwrap_or_else(|_| env!("CARGO_BIN_EXE_mirrorscope").to_owned())
}

impl Running {
    /// Notes what it uses at this moment.
    pub fn look(&mut self) {
        let proc = format!("/proc/{}", self.child.id());
        let stat = std::fs::read_to_string(format!("{proc}/stat")).unwrap();
        // After the name, which is in parentheses: state, …, user and system time as the 12th and 13th.
        let fields: Vec<&str> = stat
            .rsplit_once(')')
            .unwrap()
            .1
            .split_whitespace()
            .collect();
        let time = |place: usize| fields[place].parse::<f64>().unwrap() / TICKS;
        self.cpu = time(11) + time(12);
        let status = std::fs::read_to_string(format!("{proc}/status")).unwrap();
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        if let Some(resident) = resident {
            let kib = resident.trim().trim_end_matches(" kB");
            self.memory.push(kib.parse().unwrap());
        }
    }

    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Ends it, and reads what it says.
    pub fn finish(mut self) -> Counts {
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        let mut out = String::new();
        self.child
            .stdout
            .take()
            .unwrap()
            .read_to_string(&mut out)
            .unwrap();
        let mut messages = String::new();
        self.messages.read_to_string(&mut messages).unwrap();
        let status = self.child.wait().unwrap();
        assert!(status.success(), "{}: {messages}", self.receiver);
        let (received, dropped) = match self.receiver {
            Receiver::Tcpdump => (
                said(&messages, "captured"),
                said(&messages, "dropped by kernel"),
            ),
            Receiver::Mirrorscope => counted(&out),
        };
        Counts {
            received,
            dropped,
            cpu: self.cpu,
            memory: self.memory,
        }
    }
}

/// A number that tcpdump says at the end.
fn said(messages: &str, what: &str) -> u64 {
    let ending = format!(" packets {what}");
    let line = messages.lines().find_map(|line| line.strip_suffix(&ending));
    line.unwrap_or_else(|| panic!("{messages}"))
        .parse()
        .unwrap()
}

/// What mirrorscope analysed, and what it dropped.
fn counted(report: &str) -> (u64, u64) {
    // With --interval there are several; the last one tells everything.
    let reports = serde_json::Deserializer::from_str(report).into_iter::<serde_json::Value>();
    let report = reports.last().unwrap().unwrap();
    let dropped = &report["live"]["interfaces"][0]["dropped"];
    let dropped = ["kernel", "socket", "queue"].map(|kind| dropped[kind].as_u64().unwrap());
    let mirrored = report["totals"]["mirrored"].as_u64().unwrap();
    (mirrored, dropped.iter().sum())
}
