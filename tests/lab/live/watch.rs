//! The terminal interface in a real terminal, while the traffic that it tells of goes on.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::listener::PROGRAM;
use crate::lab::SITES;
use crate::machine::{Machine, run};
use crate::network::{Network, Plan, Site, USERS, VM};
use crate::run::Run;
use crate::traffic::{self, Stop};

/// Nothing that is waited for takes longer.
const PATIENCE: Duration = Duration::from_secs(15);

/// A terminal that nobody sees. It goes away with this.
struct Terminal {
    server: String,
}

impl Terminal {
    /// Runs a command of mirrorscope in it.
    fn start(machine: &Machine, folder: &Path, words: &str) -> Self {
        let server = folder.join("tmux").display().to_string();
        let settings = folder.join("settings");
        std::fs::create_dir_all(&settings).unwrap();
        let line = format!(
            "tmux -S {server} -f /dev/null new-session -d -x 120 -y 40 \
             env XDG_CONFIG_HOME={} LC_ALL=C.UTF-8 {PROGRAM} {words}",
            settings.display()
        );
        machine.inside(|| {
            let mut words = line.split_whitespace();
            let status = Command::new(words.next().unwrap())
                .args(words)
                .status()
                .unwrap();
            assert!(status.success());
        });
        Self { server }
    }

    fn tell(&self, words: &[&str]) -> String {
        run("tmux", &[&["-S", &self.server], words].concat())
    }

    fn press(&self, keys: &[&str]) {
        self.tell(&[&["send-keys"], keys].concat());
    }

    fn screen(&self) -> String {
        self.tell(&["capture-pane", "-p"])
    }

    /// Waits until the screen shows all of these; gives the screen.
    #[track_caller]
    fn wait_for(&self, words: &[&str]) -> String {
        let begin = Instant::now();
        loop {
            let screen = self.screen();
            // Words may be on two lines.
            let flat = screen.split_whitespace().collect::<Vec<_>>().join(" ");
            if words.iter().all(|words| flat.contains(words)) {
                return screen;
            }
            assert!(begin.elapsed() < PATIENCE, "{words:?} are not on\n{screen}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Whether the command still runs.
    fn lives(&self) -> bool {
        let asked = Command::new("tmux")
            .args(["-S", &self.server, "has-session"])
            .output();
        asked.unwrap().status.success()
    }

    #[track_caller]
    fn wait_for_the_end(&self) {
        let begin = Instant::now();
        while self.lives() {
            assert!(begin.elapsed() < PATIENCE, "{}", self.screen());
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = Command::new("tmux")
            .args(["-S", &self.server, "kill-server"])
            .output();
    }
}

/// Users call the machine, again and again; nobody gets through.
fn calls(network: &Network, stop: &Stop) -> std::thread::JoinHandle<u16> {
    let stop = Stop::clone(stop);
    network.user.spawn(move || {
        let to: SocketAddr = (VM.parse::<std::net::IpAddr>().unwrap(), 443).into();
        let mut calls = 0;
        while !stop.load(Ordering::Relaxed) {
            let user = USERS[usize::from(calls) % USERS.len()];
            let from = SocketAddr::new(user.parse().unwrap(), 41000 + calls);
            assert!(traffic::open(from, to, Duration::from_millis(500)).is_err());
            calls += 1;
        }
        calls
    })
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn the_interface_leads_from_the_finding_to_the_packet_while_the_traffic_goes_on() {
    let run = Run::new();
    let plan = Plan {
        vm: Site::Dc2,
        ..Plan::default()
    };
    let network = Network::build(&plan, &run.folder(), &mut |name| run.machine(name));
    let stop = Stop::default();
    traffic::serve(&network.vm, "0.0.0.0".parse().unwrap(), 443, &stop);
    let log = run.folder().join("eve.json");
    let words = format!("watch -i eth0 --sites {SITES} --log eve:{}", log.display());
    let terminal = Terminal::start(&network.collector, &run.folder(), &words);
    terminal.wait_for(&["Overview", "eth0"]);
    let calls = calls(&network, &stop);
    // The answer is on the first screen.
    terminal.wait_for(&[
        "10.20.0.50: requests pass dc1, answers leave by dc2",
        "never saw their",
        "drops the answers",
    ]);
    terminal.press(&["Enter"]);
    terminal.wait_for(&["Overview › asymmetric-path", "confidence high"]);
    terminal.press(&["Enter"]);
    let ladder = terminal.wait_for(&[
        "tcp 10.9.0.1",
        "SYN ACK ✖",
        "the firewall there cannot match it",
    ]);
    // From the user to the machine, and back another way.
    let heads = ladder.lines().find(|line| line.contains("since first"));
    let heads = heads.unwrap_or_else(|| panic!("{ladder}"));
    let lanes: Vec<&str> = heads
        .split_whitespace()
        .filter(|word| word.contains(|c: char| c.is_ascii_digit()))
        .collect();
    assert_eq!(lanes, ["fw1-inside", "dci1", "dci2", "fw2-inside", "vm2"]);
    terminal.press(&["Enter"]);
    terminal.wait_for(&["ERSPAN III session 201", "Acknowledgement number"]);
    terminal.press(&["Escape"]);
    terminal.wait_for(&["since first"]);
    terminal.press(&["e"]);
    terminal.wait_for(&["pcapng"]);
    let file = run.folder().join("flow.pcapng");
    terminal.press(&["C-u"]);
    terminal.press(&["-l", &file.display().to_string()]);
    terminal.press(&["Enter"]);
    terminal.wait_for(&["flow.pcapng"]);
    let tshark = [
        "-n",
        "-r",
        &file.display().to_string(),
        "-T",
        "fields",
        "-e",
        "tcp.flags.str",
    ];
    let exported = self::run("tshark", &tshark);
    assert!(
        exported.contains("S·") && exported.contains("A··S·"),
        "{exported}"
    );
    for (columns, rows) in [("60", "15"), ("200", "60"), ("20", "5"), ("120", "40")] {
        terminal.tell(&["resize-window", "-x", columns, "-y", rows]);
        std::thread::sleep(Duration::from_millis(300));
        assert!(terminal.lives(), "at {columns}x{rows}");
    }
    terminal.press(&["C-l"]);
    terminal.press(&["1"]);
    terminal.wait_for(&["10.20.0.50: requests pass dc1, answers leave by dc2"]);
    // Other tools are told meanwhile, and the rest at the end.
    let logged = |kind: &str, what: &str| {
        let log = std::fs::read_to_string(&log).unwrap();
        let kind = format!("\"event_type\":\"{kind}\"");
        let events = log.lines().filter(|line| line.contains(&kind));
        events.filter(|event| event.contains(what)).count()
    };
    assert_eq!(logged("alert", "\"kind\":\"asymmetric-path\",").min(1), 1);
    terminal.press(&["q"]);
    terminal.wait_for_the_end();
    stop.store(true, Ordering::Relaxed);
    assert!(calls.join().unwrap() > 3);
    assert!(logged("flow", "\"verdict\":\"asymmetric\"") > 3);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn the_interface_ends_with_its_terminal() {
    let run = Run::new();
    let machine = run.machine("alone");
    machine.ip("link set lo up");
    let mark = format!("lo --for {}s", 86_000 + std::process::id() % 1000);
    // A terminal may go at any moment: while keys are waited for, and while something is drawn.
    for moment in 0..6 {
        let terminal = Terminal::start(&machine, &run.folder(), &format!("watch -i {mark}"));
        terminal.wait_for(&["Overview"]);
        std::thread::sleep(Duration::from_millis(7 * moment));
        terminal.press(&["3"]);
        terminal.tell(&["kill-server"]);
        let begin = Instant::now();
        while running(&mark) {
            assert!(begin.elapsed() < PATIENCE, "it goes on without a terminal");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

/// Whether a command with these words runs.
fn running(words: &str) -> bool {
    let asked = Command::new("pgrep").args(["-f", "--", words]).output();
    asked.unwrap().status.success()
}
