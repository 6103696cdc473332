//! mirrorscope while it listens: what it prints, as it prints it.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::machine::Machine;

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// The running command. It goes away with this.
pub struct Listener {
    child: Child,
    out: Lines,
    err: Lines,
}

/// What it said in all.
#[derive(Debug)]
pub struct Heard {
    pub status: ExitStatus,
    pub out: Vec<String>,
    pub err: String,
}

impl Heard {
    /// The last document that it printed, of those that are a line each.
    #[track_caller]
    pub fn last(&self) -> Value {
        let line = self.out.last();
        let line = line.unwrap_or_else(|| panic!("it printed nothing: {}", self.err));
        serde_json::from_str(line).unwrap()
    }

    /// Its only document.
    #[track_caller]
    pub fn document(&self) -> Value {
        serde_json::from_str(&self.out.join("\n"))
            .unwrap_or_else(|error| panic!("{error}: {:?}\n{}", self.out, self.err))
    }
}

/// A command of mirrorscope in a machine, with its words separated by blanks.
pub fn command(program: impl AsRef<OsStr>, words: &str) -> Command {
    let mut command = Command::new(program);
    command
        .args(words.split_whitespace())
        .env_remove("SUDO_UID")
        .env_remove("SUDO_GID")
        .stdin(Stdio::null());
    command
}

/// The built program.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_mirrorscope");

impl Listener {
    /// Starts it; comes back when it listens.
    #[track_caller]
    pub fn start(machine: &Machine, words: &str) -> Self {
        let listener = Self::spawn(machine, command(PROGRAM, words));
        listener.wait_until_it_listens();
        listener
    }

    /// Starts a command that may end by itself.
    pub fn spawn(machine: &Machine, mut command: Command) -> Self {
        // Ctrl-C at the terminal is for the lab, which ends it.
        command
            .process_group(0)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = machine.inside(|| command.spawn().unwrap());
        let out = Lines::of(child.stdout.take().unwrap());
        let err = Lines::of(child.stderr.take().unwrap());
        Self { child, out, err }
    }

    #[track_caller]
    pub fn wait_until_it_listens(&self) {
        self.wait_for_error("listening on");
    }

    /// Waits until a line on standard error has these words; gives the line, and when it came.
    #[track_caller]
    pub fn wait_for_error(&self, words: &str) -> (SystemTime, String) {
        self.err
            .wait_for(|line| line.contains(words))
            .unwrap_or_else(|| panic!("not told: {words}; but: {:#?}", self.err.get()))
    }

    /// Waits for a document, of those that are a line each, of which something is true.
    #[track_caller]
    pub fn wait_for(&self, what: impl Fn(&Value) -> bool) -> Value {
        let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
        let line = self
            .out
            .wait_for(|line| parse(line).is_some_and(|value| what(&value)));
        parse(&line.unwrap_or_else(|| self.missed()).1).unwrap()
    }

    /// When the first document came, of those that are a line each, of which something is true.
    #[track_caller]
    pub fn when(&self, what: impl Fn(&Value) -> bool) -> SystemTime {
        let parse = |line: &str| serde_json::from_str::<Value>(line).ok();
        let found = self
            .out
            .wait_for(|line| parse(line).is_some_and(|value| what(&value)));
        found.unwrap_or_else(|| self.missed()).0
    }

    fn missed(&self) -> ! {
        panic!(
            "it did not come; the last one: {:#?}\n{:#?}",
            self.out.get().last(),
            self.err.get()
        )
    }

    pub fn pid(&self) -> Pid {
        Pid::from_raw(self.child.id().cast_signed()).unwrap()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// Ends it as Ctrl-C does.
    #[track_caller]
    pub fn interrupt(self) -> Heard {
        self.signal(Signal::INT);
        self.wait()
    }

    /// Waits until it ends by itself.
    #[track_caller]
    pub fn wait(mut self) -> Heard {
        let until = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(
                Instant::now() < until,
                "it does not end: {:#?}",
                self.err.get()
            );
            std::thread::sleep(Duration::from_millis(10));
        };
        Heard {
            status,
            out: self.out.finish(),
            err: self.err.finish().join("\n"),
        }
    }

    /// A line of its status in /proc, such as `Uid:`.
    pub fn status(&self, name: &str) -> String {
        let path = format!("/proc/{}/status", self.child.id());
        let text = std::fs::read_to_string(path).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap().trim().to_owned()
    }

    /// The scheduling policies of its threads, by number (sched(7)).
    pub fn policies(&self) -> Vec<u32> {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let policy = |task: std::io::Result<std::fs::DirEntry>| {
            let text = std::fs::read_to_string(task.unwrap().path().join("stat")).unwrap();
            // After the name, which is in parentheses; the 41st field is the policy.
            let (_, fields) = text.rsplit_once(") ").unwrap();
            fields.split(' ').nth(41 - 3).unwrap().parse().unwrap()
        };
        tasks.map(policy).collect()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lines of one of its outputs, as they come.
struct Lines {
    lines: Arc<Mutex<Vec<(SystemTime, String)>>>,
    reader: Option<JoinHandle<()>>,
}

impl Lines {
    fn of(output: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let sink = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines() {
                let Ok(line) = line else { break };
                sink.lock().unwrap().push((SystemTime::now(), line));
            }
        });
        Self {
            lines,
            reader: Some(reader),
        }
    }

    fn get(&self) -> Vec<String> {
        let lines = self.lines.lock().unwrap();
        lines.iter().map(|(_, line)| line.clone()).collect()
    }

    /// Waits for a line, and gives it with the time when it came; those that came before count, too.
    fn wait_for(&self, mut what: impl FnMut(&str) -> bool) -> Option<(SystemTime, String)> {
        let until = Instant::now() + PATIENCE;
        let mut seen = 0;
        loop {
            let lines = self.lines.lock().unwrap();
            if let Some(line) = lines[seen..].iter().find(|(_, line)| what(line)) {
                return Some(line.clone());
            }
            seen = lines.len();
            drop(lines);
            if Instant::now() > until {
                return None;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn finish(&mut self) -> Vec<String> {
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
        self.get()
    }
}
