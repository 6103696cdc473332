//! A machine of the lab: a network namespace, and what is run in it.

use std::fmt::Write as _;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

/// Where iproute2 keeps names of network namespaces.
pub const NAMESPACES: &str = "/run/netns";

/// A network namespace. Copies are names of the same one; the lab that made it takes it away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    /// The name of the namespace: the run's prefix and the machine's short name.
    pub name: String,
}

impl Machine {
    /// Makes the namespace, with IPv6 off until someone wants it: else every interface says hello by itself.
    pub fn new(name: String) -> Self {
        run("ip", &["netns", "add", &name]);
        let machine = Self { name };
        machine.set("net/ipv6/conf/all/disable_ipv6", "1");
        machine.set("net/ipv6/conf/default/disable_ipv6", "1");
        machine.ip("link set lo up");
        machine
    }

    fn path(&self) -> PathBuf {
        PathBuf::from(NAMESPACES).join(&self.name)
    }

    /// Moves the calling thread into the namespace, for good.
    pub fn enter(&self) {
        let namespace = File::open(self.path()).unwrap();
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network)).unwrap();
    }

    /// Runs something in the namespace and waits for it. Programs started there belong to it, too.
    pub fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> T {
        thread::scope(|scope| {
            let worker = scope.spawn(|| {
                self.enter();
                act()
            });
            match worker.join() {
                Ok(result) => result,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Runs something in the namespace while the caller goes on.
    pub fn spawn<T: Send + 'static>(
        &self,
        act: impl FnOnce() -> T + Send + 'static,
    ) -> JoinHandle<T> {
        let machine = self.clone();
        thread::spawn(move || {
            machine.enter();
            act()
        })
    }

    /// One command of ip(8): words, separated by blanks.
    pub fn ip(&self, words: &str) {
        let words: Vec<&str> = words.split_whitespace().collect();
        run("ip", &[&["-n", &self.name][..], &words].concat());
    }

    /// A program in the namespace, as words; gives what it prints.
    pub fn run(&self, line: &str) -> String {
        let mut words = line.split_whitespace();
        let program = words.next().unwrap();
        let words: Vec<&str> = words.collect();
        self.inside(|| run(program, &words))
    }

    /// Gives nft(8) a script.
    pub fn nft(&self, script: &str) {
        self.inside(|| {
            let mut nft = Command::new("nft")
                .args(["-f", "-"])
                .stdin(Stdio::piped())
                .spawn()
                .unwrap();
            let mut input = nft.stdin.take().unwrap();
            std::io::Write::write_all(&mut input, script.as_bytes()).unwrap();
            drop(input);
            assert!(nft.wait().unwrap().success(), "nft refuses:\n{script}");
        });
    }

    /// Writes a file under /proc/sys: those under `net` are the namespace's own.
    pub fn set(&self, name: &str, value: &str) {
        let path = PathBuf::from("/proc/sys").join(name);
        self.inside(|| std::fs::write(&path, value).unwrap());
    }

    /// Reads a file under /proc/sys.
    pub fn get(&self, name: &str) -> String {
        let path = PathBuf::from("/proc/sys").join(name);
        let text = self.inside(|| std::fs::read_to_string(path).unwrap());
        text.trim().to_owned()
    }

    /// Waits until an interface carries packets, or no longer does: a moment after its other end was switched.
    pub fn wait_for(&self, interface: &str, up: bool) {
        let until = Instant::now() + Duration::from_secs(5);
        let state = format!("ip -br link show dev {interface}");
        while (self.run(&state).split_whitespace().nth(1) == Some("UP")) != up {
            assert!(
                Instant::now() < until,
                "{}: {interface} stays as it was",
                self.name
            );
            thread::sleep(Duration::from_millis(10));
        }
    }

    /// Packets that the kernel sent by an interface.
    pub fn sent(&self, interface: &str) -> u64 {
        self.counted(interface, "tx")
    }

    /// Packets that the kernel got by an interface.
    pub fn arrived(&self, interface: &str) -> u64 {
        self.counted(interface, "rx")
    }

    fn counted(&self, interface: &str, way: &str) -> u64 {
        let text = self.run(&format!("ip -j -s link show dev {interface}"));
        let links: serde_json::Value = serde_json::from_str(&text).unwrap();
        links[0]["stats64"][way]["packets"].as_u64().unwrap()
    }

    /// The address of an interface.
    pub fn mac(&self, interface: &str) -> [u8; 6] {
        let line = self.run(&format!("ip -br link show dev {interface}"));
        let text = line.split_whitespace().nth(2).unwrap();
        let octets: Vec<u8> = text
            .split(':')
            .map(|octet| u8::from_str_radix(octet, 16).unwrap())
            .collect();
        octets.try_into().unwrap()
    }
}

/// Connects two machines with a virtual cable, without offloads: packets that one kernel has not cut or summed yet must
/// not reach a mirror.
pub fn cable(left: (&Machine, &str), right: (&Machine, &str), mtu: u32) {
    left.0.ip(&format!(
        "link add {} mtu {mtu} type veth peer name {} mtu {mtu} netns {}",
        left.1, right.1, right.0.name
    ));
    for (machine, interface) in [left, right] {
        machine.run(&format!(
            "ethtool -K {interface} tx off rx off tso off gso off gro off sg off"
        ));
        machine.ip(&format!("link set {interface} up"));
    }
}

/// Runs a program that must succeed; gives what it prints.
pub fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .unwrap_or_else(|error| panic!("{program}: {error}: tests/lab/run installs it"));
    assert!(
        output.status.success(),
        "{program} {}: {}",
        arguments.join(" "),
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8(output.stdout).unwrap()
}

/// A MAC address as people write it.
pub fn mac_text(mac: [u8; 6]) -> String {
    let mut text = String::new();
    for (place, octet) in mac.iter().enumerate() {
        let colon = if place == 0 { "" } else { ":" };
        write!(text, "{colon}{octet:02x}").unwrap();
    }
    text
}
