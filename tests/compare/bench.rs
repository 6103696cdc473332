//! A collector in a network of its own, with a cable that mirrors come in by: whoever is fed by it runs beside it.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use pnet_datalink::Channel;
use rustix::process::{Pid, Signal, kill_process};

use crate::machine::Machine;

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(40);

/// The network: what is sent by `mirror` arrives at `eth0`.
pub struct Bench {
    pub machine: Machine,
}

impl Bench {
    pub fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        let machine = Machine::new(format!("feed{}-{count}", std::process::id()));
        machine.ip("link add mirror type veth peer name eth0");
        machine.ip("link set mirror up mtu 9000");
        machine.ip("link set eth0 up mtu 9000");
        Self { machine }
    }

    /// Sends all frames of a capture, `pause` apart; gives their number.
    pub fn send(&self, capture: &str, pause: Duration) -> u64 {
        let frames = frames(capture);
        self.machine.inside(|| {
            let interface = pnet_datalink::interfaces()
                .into_iter()
                .find(|interface| interface.name == "mirror");
            let channel =
                pnet_datalink::channel(&interface.unwrap(), pnet_datalink::Config::default());
            let Ok(Channel::Ethernet(mut sender, _)) = channel else {
                panic!("no channel")
            };
            for frame in &frames {
                sender.send_to(frame, None).unwrap().unwrap();
                thread::sleep(pause);
            }
        });
        frames.len() as u64
    }

    /// Starts a program in the network, with its words separated by blanks.
    pub fn start(&self, program: &str, words: &str) -> Running {
        let mut command = Command::new(program);
        command
            .args(words.split_whitespace())
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        Running(Some(self.machine.inside(|| command.spawn().unwrap())))
    }

    /// Starts mirrorscope; comes back when it listens.
    pub fn listen(&self, words: &str) -> Running {
        let mut running = self.start(env!("CARGO_BIN_EXE_mirrorscope"), words);
        let child = running.0.as_mut().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let listens = |line: &str| line.contains("listening on");
        let mut said = Vec::new();
        while !said.last().is_some_and(|line: &String| listens(line)) {
            said.push(lines.next().unwrap_or_else(|| panic!("{said:?}")).unwrap());
        }
        // What it says later is read so that it can say it.
        thread::spawn(move || lines.for_each(drop));
        running
    }

    /// Asks an HTTP server in the network; gives the body.
    pub fn get(&self, address: &str, path: &str) -> Option<String> {
        let address: SocketAddr = address.parse().unwrap();
        let answer = self.machine.inside(|| {
            let mut stream = TcpStream::connect(address).ok()?;
            let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
            stream.write_all(request.as_bytes()).ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            Some(answer)
        })?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        let deleted = Command::new("ip")
            .args(["netns", "del", &self.machine.name])
            .status();
        assert!(deleted.unwrap().success() || thread::panicking());
    }
}

/// A program that goes away with this.
pub struct Running(Option<Child>);

impl Running {
    /// Has it end as Ctrl-C does; gives what it printed.
    pub fn interrupt(mut self) -> String {
        let child = self.0.take().unwrap();
        kill_process(Pid::from_child(&child), Signal::INT).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(child) = &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until something is there.
#[track_caller]
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begin = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begin.elapsed() < PATIENCE, "{what}: in vain");
        thread::sleep(Duration::from_millis(100));
    }
}

/// The frames of a pcap file of this machine's byte order.
fn frames(capture: &str) -> Vec<Vec<u8>> {
    let bytes = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join(capture)).unwrap();
    let mut frames = Vec::new();
    let mut at = 24;
    while let Some(head) = bytes.get(at..at + 16) {
        let length = u32::from_le_bytes(head[8..12].try_into().unwrap()) as usize;
        frames.push(bytes[at + 16..at + 16 + length].to_vec());
        at += 16 + length;
    }
    frames
}
