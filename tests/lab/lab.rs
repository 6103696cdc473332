//! A scenario on the network: who talks to whom, what happens, and what must be said of it.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;

use crate::capture::{self, Capture, Said};
use crate::machine::Machine;
use crate::network::{self, Network, Plan, Site};
use crate::page;
use crate::run::Run;
use crate::traffic::{self, Stop};
use crate::truth::{Attempt, Event, Expected, Kind, Mirror, Truth};

/// One scenario.
pub struct Scenario {
    /// The name of its recording.
    pub name: &'static str,
    /// What happens, in a sentence or two.
    pub says: &'static str,
    /// What it changes in the network before it starts.
    pub plan: fn() -> Plan,
    /// What happens.
    pub act: fn(&mut Lab),
    /// Findings that must be there, with their sites.
    pub findings: &'static [(&'static str, &'static [&'static str])],
    /// Findings that may be there.
    pub also: &'static [(&'static str, &'static [&'static str])],
}

/// The folder that `tests/lab/run --record` writes to.
const RECORD: &str = "MIRRORSCOPE_LAB_RECORD";
/// How often a capture is begun anew until nothing comes while its programs start.
const CALM: usize = 20;

/// The sites file of the lab.
pub const SITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/two-sites.toml");

/// A client: where it runs, and the addresses that it takes in turn.
#[derive(Clone)]
pub struct Client {
    pub machine: Machine,
    pub addresses: Vec<IpAddr>,
}

impl Client {
    /// A machine that calls from one of its addresses.
    pub fn new(machine: &Machine, from: &str) -> Self {
        Self {
            machine: machine.clone(),
            addresses: vec![address(from)],
        }
    }
}

/// A conversation that goes on.
pub struct Chat {
    attempt: Attempt,
    client: JoinHandle<(bool, Option<TcpStream>)>,
}

/// The running lab.
pub struct Lab {
    pub network: Network,
    /// Ends servers.
    pub stop: Stop,
    pub truth: Truth,
    phase: String,
    next_port: u16,
    capture: Option<Capture>,
    recording: PathBuf,
    options: Vec<String>,
    /// Mirrored packets that reached the collector before it listened.
    mirrored_before: u64,
    /// Likewise of each session.
    passed_before: BTreeMap<String, u64>,
    unreachable_before: u64,
    /// Connections that must not be closed before all is frozen.
    open: Vec<TcpStream>,
    /// Goes last: it takes everything away.
    run: Run,
}

/// Runs a scenario, live and from its recording, and compares both with its truth.
pub fn run(scenario: &Scenario) {
    let mut lab = Lab::start(scenario);
    (scenario.act)(&mut lab);
    lab.finish(scenario);
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

fn kinds(list: &[(&str, &[&str])]) -> Vec<Kind> {
    let kind = |(kind, sites): &(&str, &[&str])| Kind {
        kind: (*kind).to_owned(),
        sites: sites.iter().map(|site| (*site).to_owned()).collect(),
    };
    list.iter().map(kind).collect()
}

impl Lab {
    fn start(scenario: &Scenario) -> Self {
        let run = Run::new();
        let plan = (scenario.plan)();
        let network = Network::build(&plan, &run.folder(), &mut |name| run.machine(name));
        let stop = Stop::default();
        for machine in [&network.vm, &network.db, &network.app, &network.shop] {
            for port in [80, 443] {
                traffic::serve(machine, address("0.0.0.0"), port, &stop);
            }
            traffic::echo(machine, address("0.0.0.0"), 53, &stop);
        }
        let mut options = vec!["--sites".to_owned(), SITES.to_owned()];
        let more: Vec<String> = plan.options.iter().map(|word| (*word).to_owned()).collect();
        options.extend(more.clone());
        let recording = run.folder().join(format!("{}.pcap", scenario.name));
        let quiet = (0..CALM).find_map(|_| {
            let before = (network.mirrored().1, network.passed());
            let capture = Capture::start(&network.collector, &recording, &options);
            if network.mirrored().1 == before.0 {
                return Some((before, capture));
            }
            // Machines with IPv6 speak by themselves when they start: who heard that, and who did not yet, nobody knows.
            capture.abandon();
            None
        });
        let ((mirrored_before, passed_before), capture) =
            quiet.unwrap_or_else(|| panic!("the network is never quiet"));
        let unreachable_before = network.unreachable();
        Self {
            network,
            stop,
            truth: Truth {
                scenario: scenario.name.to_owned(),
                says: scenario.says.to_owned(),
                recorder: page::recorder(),
                options: more,
                findings: kinds(scenario.findings),
                also: kinds(scenario.also),
                ..Truth::default()
            },
            phase: "all".to_owned(),
            next_port: 40001,
            capture: Some(capture),
            recording,
            options,
            mirrored_before,
            passed_before,
            unreachable_before,
            open: Vec::new(),
            run,
        }
    }

    /// A machine that only this scenario has.
    pub fn guest(
        &mut self,
        name: &str,
        site: Site,
        vlan: Option<u16>,
        mac: [u8; 6],
        address: &str,
    ) -> Machine {
        let machine = self.run.machine(name);
        self.network.plug(machine.clone(), site, vlan, mac, address);
        machine
    }

    /// Sites whose firewall nobody can follow.
    pub fn blind(&mut self, sites: &[&str]) {
        self.truth.blind = sites.iter().map(|site| (*site).to_owned()).collect();
    }

    /// The users behind the WAN.
    pub fn users(&self) -> Client {
        Client {
            machine: self.network.user.clone(),
            addresses: network::USERS.map(address).to_vec(),
        }
    }

    /// Begins a part of the scenario.
    pub fn phase(&mut self, name: &str) {
        name.clone_into(&mut self.phase);
        self.event(&format!("begins: {name}"));
    }

    /// Notes that something happens now.
    pub fn event(&mut self, what: &str) {
        self.truth.events.push(Event {
            time: jiff::Timestamp::now().to_string(),
            what: what.to_owned(),
        });
    }

    /// Expects a flow.
    pub fn expect(&mut self, attempt: &Attempt, verdicts: &[&str]) {
        let Attempt {
            proto,
            src,
            sport,
            dst,
            dport,
            ..
        } = attempt.clone();
        let known = self.truth.flows.iter_mut().find(|flow| {
            (&flow.proto, &flow.src, flow.sport, &flow.dst, flow.dport)
                == (&proto, &src, sport, &dst, dport)
        });
        if let Some(known) = known {
            known.times += 1;
            return;
        }
        self.truth.flows.push(Expected {
            proto,
            src,
            sport,
            dst,
            dport,
            verdicts: verdicts
                .iter()
                .map(|verdict| (*verdict).to_owned())
                .collect(),
            times: 1,
        });
    }

    pub fn attempt(&self, proto: &str, from: SocketAddr, to: SocketAddr) -> Attempt {
        Attempt {
            proto: proto.to_owned(),
            src: from.ip().to_string(),
            sport: from.port(),
            dst: to.ip().to_string(),
            dport: to.port(),
            phase: self.phase.clone(),
            ok: false,
        }
    }

    /// Next addresses and ports of a client that calls a server some times.
    fn ends(
        &mut self,
        client: &Client,
        to: (&str, u16),
        times: usize,
    ) -> Vec<(SocketAddr, SocketAddr)> {
        let to = SocketAddr::new(address(to.0), to.1);
        let addresses = client.addresses.iter().cycle().take(times);
        addresses
            .map(|from| {
                self.next_port += 1;
                (SocketAddr::new(*from, self.next_port), to)
            })
            .collect()
    }

    /// Some clients at once, each with a conversation of its own; gives how many succeeded.
    fn all(
        &mut self,
        proto: &str,
        client: &Client,
        ends: Vec<(SocketAddr, SocketAddr)>,
        verdicts: &[&str],
        act: impl Fn(SocketAddr, SocketAddr) -> bool + Send + Sync,
    ) -> usize {
        let act = &act;
        let results: Vec<bool> = std::thread::scope(|scope| {
            let threads: Vec<_> = ends
                .iter()
                .map(|(from, to)| {
                    // One after the other, as people come.
                    std::thread::sleep(Duration::from_millis(15));
                    scope.spawn(move || client.machine.inside(|| act(*from, *to)))
                })
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap())
                .collect()
        });
        for ((from, to), ok) in ends.into_iter().zip(&results) {
            let mut attempt = self.attempt(proto, from, to);
            attempt.ok = *ok;
            self.expect(&attempt, verdicts);
            self.truth.attempts.push(attempt);
        }
        results.into_iter().filter(|ok| *ok).count()
    }

    /// TCP conversations, each with questions for so many bytes.
    pub fn tcp(
        &mut self,
        client: &Client,
        to: (&str, u16),
        times: usize,
        questions: &[usize],
        verdicts: &[&str],
    ) -> usize {
        let ends = self.ends(client, to, times);
        self.all("tcp", client, ends, verdicts, |from, to| {
            traffic::converse(from, to, questions)
        })
    }

    /// UDP questions.
    pub fn udp(&mut self, client: &Client, to: &str, times: usize, verdicts: &[&str]) -> usize {
        let ends = self.ends(client, (to, 53), times);
        self.all("udp", client, ends, verdicts, traffic::query)
    }

    /// Two pings from each of a client's first addresses.
    pub fn ping(&mut self, client: &Client, to: &str, times: usize, verdicts: &[&str]) -> usize {
        let addresses = client.addresses.iter().take(times);
        let to = SocketAddr::new(address(to), 0);
        let ends = addresses
            .map(|from| (SocketAddr::new(*from, 0), to))
            .collect();
        let proto = if to.is_ipv4() { "icmp" } else { "icmp6" };
        self.all(proto, client, ends, verdicts, |from, to| {
            std::process::Command::new("ping")
                .args(["-n", "-q", "-c", "2", "-i", "0.3", "-W", "1"])
                .args(["-I", &from.ip().to_string(), &to.ip().to_string()])
                .stdout(std::process::Stdio::null())
                .status()
                .unwrap()
                .success()
        })
    }

    /// One SYN to each port, as a scanner sends; gives how many were let in.
    pub fn knock(
        &mut self,
        client: &Client,
        to: &str,
        ports: std::ops::Range<u16>,
        verdicts: &[&str],
    ) -> usize {
        let ends = ports
            .flat_map(|port| self.ends(client, (to, port), 1))
            .collect();
        self.all("tcp", client, ends, verdicts, |from, to| {
            traffic::open(from, to, Duration::from_millis(500)).is_ok()
        })
    }

    /// Conversations that go on until [`Self::end`].
    pub fn chats(&mut self, client: &Client, to: (&str, u16), times: usize) -> Vec<Chat> {
        let ends = self.ends(client, to, times);
        ends.into_iter()
            .map(|(from, to)| Chat {
                attempt: self.attempt("tcp", from, to),
                client: traffic::chat(&client.machine, from, to, &self.stop),
            })
            .collect()
    }

    /// Ends long conversations; gives how many lived until now. They are closed when nobody sees it any more.
    pub fn end(&mut self, chats: Vec<Chat>, verdicts: &[&str]) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let mut alive = 0;
        for chat in chats {
            let (ok, stream) = chat.client.join().unwrap();
            self.open.extend(stream);
            let attempt = Attempt { ok, ..chat.attempt };
            self.expect(&attempt, verdicts);
            self.truth.attempts.push(attempt);
            alive += usize::from(ok);
        }
        alive
    }

    /// What never changes: a machine at each site that is reached through its own site's firewall.
    pub fn steady(&mut self) {
        self.talk_to(network::DB, &["symmetric"]);
        self.talk_to(network::APP, &["symmetric"]);
    }

    /// Two conversations with a machine that works.
    pub fn talk_to(&mut self, server: &str, verdicts: &[&str]) {
        let users = self.users();
        assert_eq!(self.tcp(&users, (server, 80), 2, &[600], verdicts), 2);
    }

    /// Ends the scenario: stops the traffic, reads the counters, and compares.
    fn finish(mut self, scenario: &Scenario) {
        self.network.freeze();
        let (lost, passed) = self.network.mirrored();
        self.stop.store(true, Ordering::Relaxed);
        for site in Site::BOTH {
            let counted = self.network.firewall(site);
            self.truth.firewalls.insert(site.name().to_owned(), counted);
        }
        let arrived = passed - self.mirrored_before;
        self.truth.mirror = Mirror { lost, arrived };
        let unreachable = self.network.unreachable();
        let captured = self.capture.take().unwrap().finish();
        let live = captured.live;
        assert_eq!(
            captured.recorded, arrived,
            "mirrored packets that tcpdump saw"
        );
        assert_eq!(captured.stripped, arrived, "packets that decap wrote");
        assert_eq!(
            unreachable, self.unreachable_before,
            "ICMP unreachable messages that left the collector"
        );
        assert_eq!(
            received(&live.report),
            self.passed(),
            "packets of each session"
        );
        self.record(scenario);
        let replayed = capture::replay(&self.recording, &self.options);
        let mut differences = self.differences("live", &live);
        differences.extend(self.differences("recorded", &replayed));
        assert!(
            differences.is_empty(),
            "{}:\n{}",
            scenario.name,
            differences.join("\n")
        );
    }

    /// Packets of each session that reached the collector since it listens.
    fn passed(&self) -> BTreeMap<String, u64> {
        since(&self.passed_before, self.network.passed())
    }

    fn differences(&self, when: &str, said: &Said) -> Vec<String> {
        let differences = self.truth.differences(&said.report, &said.flows);
        differences
            .into_iter()
            .map(|line| format!("{when}: {line}"))
            .collect()
    }

    /// Keeps the recording and its truth, if that is wanted.
    fn record(&self, scenario: &Scenario) {
        let Some(folder) = std::env::var_os(RECORD) else {
            return;
        };
        let folder = Path::new(&folder);
        let name = scenario.name;
        std::fs::copy(&self.recording, folder.join(format!("{name}.pcap"))).unwrap();
        let mut truth = serde_json::to_string_pretty(&self.truth).unwrap();
        truth.push('\n');
        std::fs::write(folder.join(format!("{name}.truth.json")), truth).unwrap();
        std::fs::write(folder.join(format!("{name}.md")), page::page(&self.truth)).unwrap();
    }
}

/// What was added to counters; those that stayed are left out.
pub fn since(
    before: &BTreeMap<String, u64>,
    mut now: BTreeMap<String, u64>,
) -> BTreeMap<String, u64> {
    for (name, packets) in &mut now {
        *packets -= before[name];
    }
    now.retain(|_, packets| *packets > 0);
    now
}

/// Packets of each session in a report, by its id.
pub fn received(report: &Value) -> BTreeMap<String, u64> {
    let mut received = BTreeMap::new();
    for session in report["sessions"].as_array().unwrap() {
        let packets = session["packets"].as_u64().unwrap();
        *received.entry(session["id"].to_string()).or_default() += packets;
    }
    received
}

impl Drop for Lab {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
    }
}
