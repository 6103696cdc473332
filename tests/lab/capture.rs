//! The collector: tcpdump, which records, and mirrorscope, which listens beside it.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::live::listener::{self, Heard, Listener, PROGRAM};
use crate::machine::Machine;

/// What mirrorscope says: its report, and its flows.
#[derive(Debug)]
pub struct Said {
    pub report: Value,
    pub flows: Vec<Value>,
}

/// A running capture.
pub struct Capture {
    tcpdump: Child,
    messages: Option<JoinHandle<String>>,
    live: [Listener; 3],
}

/// What came of it.
pub struct Captured {
    /// What mirrorscope said while it ran.
    pub live: Said,
    /// How many packets tcpdump got.
    pub recorded: u64,
    /// How many packets `decap` wrote.
    pub stripped: u64,
}

impl Capture {
    /// Starts it; comes back when all of it captures. `options` are mirrorscope's.
    pub fn start(collector: &Machine, file: &Path, options: &[String]) -> Self {
        let mut tcpdump = collector.inside(|| {
            Command::new("tcpdump")
                .args(["-i", "eth0", "-n", "-U", "-Z", "root", "-B", "65536"])
                .args(["--immediate-mode", "--time-stamp-precision=nano", "-s", "0"])
                .arg("-w")
                .arg(file)
                .arg("ip proto 47 or udp port 4789")
                .stdin(Stdio::null())
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        });
        let mut messages = BufReader::new(tcpdump.stderr.take().unwrap());
        let mut first = String::new();
        while !first.contains("listening on") {
            first.clear();
            assert!(
                messages.read_line(&mut first).unwrap() > 0,
                "tcpdump does not start"
            );
        }
        let messages = std::thread::spawn(move || {
            let mut text = String::new();
            messages.read_to_string(&mut text).unwrap();
            text
        });
        let stripped = file.with_extension("inner.pcapng");
        let live = [
            "report --format json --interval 1s".to_owned(),
            "flows --format json".to_owned(),
            format!("decap -w {}", stripped.display()),
        ];
        let live = live.map(|words| {
            let mut command = listener::command(PROGRAM, &words);
            command.args(["-i", "eth0"]).args(options);
            Listener::spawn(collector, command)
        });
        for listener in &live {
            listener.wait_until_it_listens();
        }
        Self {
            tcpdump,
            messages: Some(messages),
            live,
        }
    }

    /// Ends it before anything happened.
    pub fn abandon(mut self) {
        interrupt(&mut self.tcpdump);
        for listener in self.live {
            listener.interrupt();
        }
    }

    /// Ends it. A capture that lost packets is worth nothing.
    pub fn finish(mut self) -> Captured {
        interrupt(&mut self.tcpdump);
        let messages = self.messages.take().unwrap().join().unwrap();
        assert!(
            messages.contains("\n0 packets dropped by kernel"),
            "tcpdump lost packets:\n{messages}"
        );
        let recorded = messages
            .lines()
            .find_map(|line| line.strip_suffix(" packets captured"))
            .unwrap();
        let [report, flows, decap] = self.live.map(|listener| {
            let heard = listener.interrupt();
            assert!(heard.status.success(), "mirrorscope: {}", heard.err);
            heard
        });
        Captured {
            live: Said {
                report: report.last(),
                flows: lines(&flows.out),
            },
            recorded: recorded.parse().unwrap(),
            stripped: written(&decap),
        }
    }
}

/// Ends tcpdump as Ctrl-C does.
pub fn interrupt(tcpdump: &mut Child) {
    if let Some(pid) = rustix::process::Pid::from_raw(tcpdump.id().cast_signed()) {
        let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
    }
    let _ = tcpdump.wait();
}

/// How many packets `decap` says that it wrote.
pub fn written(decap: &Heard) -> u64 {
    // "FILE: 2000 packets", or "in 3 files".
    let said = decap.err.lines().find_map(|line| {
        let (before, _) = line.split_once(" packets")?;
        before.rsplit_once(": ")?.1.parse().ok()
    });
    said.unwrap_or_else(|| panic!("decap does not say what it wrote: {}", decap.err))
}

fn lines(lines: &[String]) -> Vec<Value> {
    lines
        .iter()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// What mirrorscope says of a recording.
pub fn replay(file: &Path, options: &[String]) -> Said {
    let [report, flows] = ["report --format json", "flows --format json"].map(|words| {
        let output = listener::command(PROGRAM, words)
            .args(options)
            .arg(file)
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(output.status.success(), "mirrorscope: {}", output.status);
        String::from_utf8(output.stdout).unwrap()
    });
    let flows: Vec<String> = flows.lines().map(str::to_owned).collect();
    Said {
        report: serde_json::from_str(&report).unwrap(),
        flows: lines(&flows),
    }
}
