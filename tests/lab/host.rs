//! What `doctor` says of collectors with something wrong, and whether it is true; endpoint sockets over IPv6, and GRE to
//! them; sockets that keep a collector quiet.

use std::net::{Ipv6Addr, SocketAddr, UdpSocket};
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::time::Duration;

use rustix::net::{AddressFamily, Protocol, RawProtocol, SendFlags, SocketType, sendto, socket};
use serde_json::Value;

use crate::live::bench::Bench;
use crate::live::listener::{Listener, PROGRAM, command};
use crate::machine::Machine;
use crate::network::COLLECTOR;

const NOBODY: u32 = 65534;

/// Runs `doctor` for the collector's interface; gives what it found, and its exit status.
fn doctor(collector: &Machine, mut command: Command) -> (Value, Option<i32>) {
    command.args(["doctor", "-i", "eth0", "--format", "json"]);
    let output = collector.inside(|| command.output().unwrap());
    let document = serde_json::from_slice(&output.stdout);
    let document = document
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    (document, output.status.code())
}

fn as_root(collector: &Machine) -> (Value, Option<i32>) {
    doctor(collector, Command::new(PROGRAM))
}

/// The checks of one name that are not well.
fn complaints<'a>(diagnosis: &'a Value, name: &str) -> Vec<&'a Value> {
    let checks = diagnosis["checks"].as_array().unwrap().iter();
    checks
        .filter(|check| check["check"] == name && check["status"] != "ok")
        .collect()
}

/// Does what a check proposes, without sudo: the lab is root.
fn mend(collector: &Machine, check: &Value) {
    let command = check["fix"][0].as_str().unwrap();
    let command = command.strip_prefix("sudo ").unwrap();
    let done = collector.inside(|| Command::new("sh").args(["-c", command]).status().unwrap());
    assert!(done.success(), "{command}");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn a_small_mtu_and_merging_are_found_and_mended() {
    let bench = Bench::new();
    let collector = &bench.collector;
    let (healthy, status) = as_root(collector);
    assert_eq!(complaints(&healthy, "mtu"), [&Value::Null; 0]);
    assert_eq!(complaints(&healthy, "offloads"), [&Value::Null; 0]);
    assert_eq!(status, Some(0), "{healthy:#}");

    collector.ip("link set eth0 mtu 1500");
    collector.run("ethtool -K eth0 gro on");
    let (diagnosis, status) = as_root(collector);
    assert_eq!(status, Some(1));
    let mtu = complaints(&diagnosis, "mtu");
    assert_eq!((mtu.len(), &mtu[0]["status"]), (1, &"bad".into()));
    assert_eq!(mtu[0]["interface"], "eth0");
    let offloads = complaints(&diagnosis, "offloads");
    assert_eq!(offloads[0]["found"], "gro is on");
    mend(collector, mtu[0]);
    mend(collector, offloads[0]);
    let (mended, status) = as_root(collector);
    assert_eq!(status, Some(0), "{mended:#}");
    assert_eq!(complaints(&mended, "offloads"), [&Value::Null; 0]);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn ports_that_others_have_are_found_with_their_holders() {
    let bench = Bench::new();
    let collector = &bench.collector;
    collector.ip("link add vx0 type vxlan id 42 dev eth0 dstport 4789");
    collector.ip("link set vx0 up");
    let held = collector.inside(|| UdpSocket::bind("0.0.0.0:6081").unwrap());
    let (diagnosis, _) = as_root(collector);
    let ports = complaints(&diagnosis, "ports");
    let found: Vec<&str> = ports
        .iter()
        .map(|check| check["found"].as_str().unwrap())
        .collect();
    let by_us = format!("(process {})", std::process::id());
    assert_eq!(found.len(), 2, "{found:#?}");
    assert_eq!(
        found[0],
        "UDP port 4789 (VXLAN) is taken by the kernel for its vxlan device vx0"
    );
    assert!(
        found[1].starts_with("UDP port 6081 (Geneve)") && found[1].ends_with(&by_us),
        "{found:#?}"
    );
    // An endpoint says the same, and receives on its other ports.
    let listener = Listener::start(collector, "report --via endpoint --format json");
    let told = listener.wait_for_error("4789").1;
    assert!(told.contains("its vxlan device vx0"), "{told}");
    listener.interrupt();
    drop(held);
    mend(collector, ports[0]);
    let (mended, _) = as_root(collector);
    assert_eq!(complaints(&mended, "ports"), [&Value::Null; 0]);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn a_rule_that_drops_gre_is_found_and_stops_an_endpoint_only() {
    let bench = Bench::new();
    let collector = &bench.collector;
    bench.switch.ip("addr add 10.60.0.1/24 dev eth0");
    collector.nft(
        "table inet filter {
            chain input {
                type filter hook input priority filter; policy accept;
                ct state established,related accept
                meta l4proto gre counter drop comment \"no tunnels\"
            }
        }",
    );
    let (diagnosis, _) = as_root(collector);
    let rules = complaints(&diagnosis, "packet-filter");
    assert_eq!(rules.len(), 1, "{rules:#?}");
    let found = rules[0]["found"].as_str().unwrap();
    assert!(
        found.starts_with("GRE is dropped by nft's rule inet filter input handle "),
        "{found}"
    );
    assert!(found.ends_with("\"no tunnels\""), "{found}");

    let frames = |words: &str| {
        let listener = Listener::start(collector, &format!("report --format json {words}"));
        bench.send(&bench.load(100, Some(1000)));
        std::thread::sleep(Duration::from_millis(200));
        let report = listener.interrupt().document();
        report["totals"]["frames"].as_u64().unwrap()
    };
    assert_eq!(frames("-i eth0"), 100);
    assert_eq!(frames("--via endpoint"), 0);
    mend(collector, rules[0]);
    let (mended, _) = as_root(collector);
    assert_eq!(complaints(&mended, "packet-filter"), [&Value::Null; 0]);
    assert_eq!(frames("--via endpoint"), 100);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn nobody_learns_which_capability_is_missing() {
    let bench = Bench::new();
    let copy = bench.file("mirrorscope");
    std::fs::copy(PROGRAM, &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    let nobody = || {
        let mut command = Command::new(&copy);
        command.uid(NOBODY).gid(NOBODY).current_dir("/");
        command
    };
    let (diagnosis, status) = doctor(&bench.collector, nobody());
    assert_eq!(status, Some(1));
    let missing = complaints(&diagnosis, "privileges");
    assert_eq!(missing[0]["found"], "CAP_NET_RAW is missing");
    assert_eq!(
        complaints(&diagnosis, "packet-filter")[0]["status"],
        "unknown"
    );
    mend(&bench.collector, missing[0]);
    let (mended, _) = doctor(&bench.collector, nobody());
    assert_eq!(complaints(&mended, "privileges"), [&Value::Null; 0]);
}

const SWITCH6: &str = "fd60::1";
const COLLECTOR6: &str = "fd60::100";

/// A bench that speaks IPv6.
fn bench6() -> Bench {
    let bench = Bench::new();
    for (machine, address) in [(&bench.switch, SWITCH6), (&bench.collector, COLLECTOR6)] {
        machine.set("net/ipv6/conf/eth0/disable_ipv6", "0");
        machine.ip(&format!("addr add {address}/64 dev eth0 nodad"));
        // Every packet is answered, not one now and then.
        machine.set("net/ipv6/icmp/ratelimit", "0");
    }
    bench
}

/// Sends ERSPAN I in GRE, VXLAN and Geneve over IPv6, `count` of each.
fn send6(bench: &Bench, count: usize) {
    let collector: Ipv6Addr = COLLECTOR6.parse().unwrap();
    let mut frame = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6];
    frame.resize(60, 0);
    let packet = |header: &[u8]| [header, &frame].concat();
    let gre = packet(&[0, 0, 0x88, 0xbe]);
    let vxlan = packet(&[8, 0, 0, 0, 0, 0, 42, 0]);
    let geneve = packet(&[0, 0, 0x65, 0x58, 0, 0, 43, 0]);
    bench.switch.inside(|| {
        let udp = UdpSocket::bind("[::]:0").unwrap();
        let protocol = Protocol::from_raw(RawProtocol::new(47).unwrap());
        let raw = socket(AddressFamily::INET6, SocketType::RAW, Some(protocol)).unwrap();
        for _ in 0..count {
            udp.send_to(&vxlan, (collector, 4789)).unwrap();
            udp.send_to(&geneve, (collector, 6081)).unwrap();
            let to = SocketAddr::new(collector.into(), 0);
            sendto(&raw, &gre, SendFlags::empty(), &to).unwrap();
        }
    });
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn an_endpoint_receives_over_ipv6() {
    let bench = bench6();
    for words in [
        "--via endpoint",
        "--via endpoint -i eth0",
        "-i eth0",
        "-i eth0 --via portable",
    ] {
        let listener = Listener::start(&bench.collector, &format!("report --format json {words}"));
        send6(&bench, 50);
        std::thread::sleep(Duration::from_millis(300));
        let heard = listener.interrupt();
        let report = heard.document();
        let sessions = report["sessions"].as_array().unwrap();
        // The portable source has no filter: neighbour discovery arrives, too.
        let mirrored = sessions
            .iter()
            .filter(|session| session["source"] != Value::Null);
        let mut told: Vec<_> = mirrored
            .map(|session| {
                assert_eq!(session["source"], SWITCH6, "{words}");
                assert_eq!(session["destination"], COLLECTOR6, "{words}");
                let kind = session["encapsulation"].as_str().unwrap();
                (kind, session["packets"].clone())
            })
            .collect();
        told.sort_by_key(|(kind, _)| *kind);
        let expected = ["erspan1", "geneve", "vxlan"].map(|kind| (kind, Value::from(50)));
        assert_eq!(told, expected, "{words}: {}", heard.err);
    }
}

/// What the collector answers over IPv6 with ICMP unreachable or parameter problem.
fn answers6(bench: &Bench) -> u64 {
    // The kernel counts what it sends, so that nobody has to look at packets.
    let counters = bench.collector.run("cat /proc/thread-self/net/snmp6");
    let count = |name: &str| {
        let line = counters
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap();
        let value = line.split_whitespace().nth(1).unwrap();
        value.parse::<u64>().unwrap()
    };
    count("Icmp6OutDestUnreachs") + count("Icmp6OutParmProblems")
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn over_ipv6_too_a_listening_collector_is_quiet() {
    let bench = bench6();
    let during = |words: &str| {
        let before = answers6(&bench);
        let listener = Listener::start(&bench.collector, words);
        // More at once the kernel answers in part.
        send6(&bench, 10);
        std::thread::sleep(Duration::from_millis(300));
        listener.interrupt();
        answers6(&bench) - before
    };
    assert_eq!(during("report -i eth0 --no-endpoint"), 30);
    assert_eq!(during("report -i eth0"), 0);
    assert_eq!(during("report --via endpoint"), 0);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn an_endpoint_follows_an_interface_that_comes_back() {
    let bench = Bench::new();
    bench.switch.ip("addr add 10.60.0.1/24 dev eth0");
    let words = "report --format json --interval 200ms --via endpoint -i eth0";
    let mut sudo = command(PROGRAM, words);
    // Privileges are given up, so that new raw sockets cannot be had.
    sudo.env("SUDO_UID", NOBODY.to_string())
        .env("SUDO_GID", NOBODY.to_string());
    let listener = Listener::spawn(&bench.collector, sudo);
    listener.wait_until_it_listens();
    let send = |bench: &Bench| {
        bench.send(&bench.load(100, Some(1000)));
        let socket = bench
            .switch
            .inside(|| UdpSocket::bind("0.0.0.0:0").unwrap());
        socket
            .send_to(&[8, 0, 0, 0, 0, 0, 42, 0], (COLLECTOR, 4789))
            .unwrap();
    };
    let frames = |report: &Value| report["totals"]["frames"].as_u64().unwrap();
    send(&bench);
    listener.wait_for(|report| frames(report) == 101);
    bench.collector.ip("link del eth0");
    listener.wait_for_error("eth0 is gone");
    bench.plug("eth0", COLLECTOR);
    bench.switch.ip("addr add 10.60.0.1/24 dev eth0");
    listener.wait_for_error("eth0 is back");
    send(&bench);
    listener.wait_for(|report| frames(report) == 202);
    assert!(listener.interrupt().status.success());
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn each_way_to_receive_counts_what_it_loses() {
    let bench = Bench::new();
    for words in [
        "--via endpoint",
        "-i eth0 --via endpoint",
        "-i eth0 --via portable",
        "-i eth0",
    ] {
        let words = format!("report --format json --buffer 64K --queue 64K {words}");
        let listener = Listener::start(&bench.collector, &words);
        let sent = bench.send(&bench.load(20_000, None)).frames;
        std::thread::sleep(Duration::from_millis(300));
        let report = listener.interrupt().document();
        let interface = &report["live"]["interfaces"][0];
        let number = |value: &Value| value.as_u64().unwrap();
        let dropped =
            ["kernel", "socket", "queue"].map(|place| number(&interface["dropped"][place]));
        let received = number(&interface["frames"]);
        assert_eq!(received, report["totals"]["frames"], "{words}");
        assert_eq!(
            received + dropped.iter().sum::<u64>(),
            sent,
            "{words}: {interface}"
        );
    }
}
