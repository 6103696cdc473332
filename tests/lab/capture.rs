//! The collector: tcpdump, and what it captures, into a file and into mirrorscope while it happens.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

use serde_json::Value;

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
    copier: Option<JoinHandle<()>>,
    messages: Option<JoinHandle<String>>,
    live: Vec<JoinHandle<String>>,
}

impl Capture {
    /// Starts it; comes back when it captures. `sites` are mirrorscope's options.
    pub fn start(collector: &Machine, file: &Path, options: &[String]) -> Self {
        let mut tcpdump = collector.inside(|| {
            Command::new("tcpdump")
                .args([
                    "-i",
                    "eth0",
                    "-n",
                    "-U",
                    "-w",
                    "-",
                    "-Z",
                    "root",
                    "-B",
                    "65536",
                    "--immediate-mode",
                ])
                .args(["--time-stamp-precision=nano", "-s", "0"])
                .arg("ip proto 47 or udp port 4789")
                .stdin(Stdio::null())
                .stdout(Stdio::piped())
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
        let mut inputs: Vec<Box<dyn std::io::Write + Send>> =
            vec![Box::new(File::create(file).unwrap())];
        let mut live = Vec::new();
        for words in LIVE {
            let mut child = mirrorscope(words, options, "-");
            inputs.push(Box::new(child.stdin.take().unwrap()));
            live.push(std::thread::spawn(move || finish(child)));
        }
        let mut packets = tcpdump.stdout.take().unwrap();
        let copier = std::thread::spawn(move || {
            let mut buffer = vec![0; 1 << 16];
            loop {
                match packets.read(&mut buffer).unwrap() {
                    0 => break,
                    length => {
                        for input in &mut inputs {
                            input.write_all(&buffer[..length]).unwrap();
                        }
                    }
                }
            }
        });
        Self {
            tcpdump,
            copier: Some(copier),
            messages: Some(messages),
            live,
        }
    }

    /// Ends it; gives what mirrorscope said while it ran, and how many packets there were. A capture that lost packets
    /// is worth nothing.
    pub fn finish(mut self) -> (Said, u64) {
        self.interrupt();
        self.copier.take().unwrap().join().unwrap();
        let messages = self.messages.take().unwrap().join().unwrap();
        assert!(
            messages.contains("\n0 packets dropped by kernel"),
            "tcpdump lost packets:\n{messages}"
        );
        let mut said = self.live.drain(..).map(|child| child.join().unwrap());
        let said = read(&said.next().unwrap(), &said.next().unwrap());
        let captured = messages
            .lines()
            .find_map(|line| line.strip_suffix(" packets captured"))
            .unwrap();
        (said, captured.parse().unwrap())
    }

    fn interrupt(&mut self) {
        if let Some(pid) = rustix::process::Pid::from_raw(self.tcpdump.id().cast_signed()) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::INT);
        }
        let _ = self.tcpdump.wait();
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if self.copier.is_some() {
            self.interrupt();
        }
    }
}

const LIVE: [[&str; 3]; 2] = [
    ["report", "--format", "json"],
    ["flows", "--format", "json"],
];

fn mirrorscope(words: [&str; 3], options: &[String], input: &str) -> Child {
    Command::new(env!("CARGO_BIN_EXE_mirrorscope"))
        .args(words)
        .args(options)
        .arg(input)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

fn finish(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "mirrorscope: {}", output.status);
    String::from_utf8(output.stdout).unwrap()
}

fn read(report: &str, flows: &str) -> Said {
    Said {
        report: serde_json::from_str(report).unwrap(),
        flows: flows
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect(),
    }
}

/// What mirrorscope says of a recording.
pub fn replay(file: &Path, options: &[String]) -> Said {
    let [report, flows] = LIVE.map(|words| {
        let mut child = mirrorscope(words, options, file.to_str().unwrap());
        drop(child.stdin.take());
        finish(child)
    });
    read(&report, &flows)
}
