//! Packets without their encapsulation on other interfaces: what tcpdump and tshark see at the other end.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use mirrorscope_capture::Files;
use mirrorscope_capture::writer::PcapWriter;
use rustix::process::{Pid, Signal, kill_process};

use super::bench::Bench;
use super::listener::{Heard, Listener, PROGRAM, command};
use super::unprivileged::NOBODY;
use crate::frames;
use crate::machine::{Machine, run};

/// Requests by one data centre, answers by the other.
const SAMPLE: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/samples/asymmetric-strict.pcap"
);
/// Mirrored packets in it.
const PACKETS: u64 = 219;
const SITES: &str = concat!(
    "--sites ",
    env!("CARGO_MANIFEST_DIR"),
    "/samples/two-sites.toml"
);

/// tcpdump at an interface.
struct Recorder {
    child: Child,
    file: PathBuf,
}

impl Recorder {
    fn start(machine: &Machine, interface: &str, file: PathBuf) -> Self {
        let mut child = machine.inside(|| {
            Command::new("tcpdump")
                .args(["-i", interface, "-n", "-U", "-Z", "root", "-B", "65536"])
                .args(["--immediate-mode", "-s", "0", "-w"])
                .arg(&file)
                .stderr(Stdio::piped())
                .spawn()
                .unwrap()
        });
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().contains("listening on")));
        // What it says at its end must have somewhere to go.
        std::thread::spawn(move || lines.for_each(drop));
        Self { child, file }
    }

    /// Ends it, a moment after the last packet was sent.
    fn stop(mut self) -> PathBuf {
        std::thread::sleep(Duration::from_millis(300));
        let pid = Pid::from_raw(self.child.id().cast_signed()).unwrap();
        kill_process(pid, Signal::INT).unwrap();
        assert!(self.child.wait().unwrap().success());
        self.file
    }
}

/// A veth pair: frames go in here, and come out there.
pub fn pair(machine: &Machine, name: &str, mtu: u32) {
    machine.ip(&format!(
        "link add in{name} mtu {mtu} type veth peer name out{name} mtu {mtu}"
    ));
    for end in ["in", "out"] {
        machine.ip(&format!("link set {end}{name} up"));
    }
    machine.wait_for(&format!("in{name}"), true);
}

/// Runs the command to its end.
fn decap(machine: &Machine, words: &str) -> Heard {
    Listener::spawn(machine, command(PROGRAM, &format!("decap {words}"))).wait()
}

/// tshark's conversations: ends, frames and bytes each way. Its times are left out.
fn conversations(file: &Path) -> Vec<String> {
    let told = run(
        "tshark",
        &["-n", "-q", "-z", "conv,tcp", "-r", file.to_str().unwrap()],
    );
    let lines = told.lines().filter(|line| line.contains("<->"));
    let mut all: Vec<String> = lines
        .map(|line| {
            line.split_whitespace()
                .take(11)
                .collect::<Vec<_>>()
                .join(" ")
        })
        .collect();
    all.sort();
    all
}

fn frames_in(file: &Path, filter: &str) -> u64 {
    let told = run(
        "tshark",
        &["-n", "-r", file.to_str().unwrap(), "-Y", filter],
    );
    told.lines().count() as u64
}

/// Our own file of the same packets.
fn our_file(bench: &Bench, words: &str) -> PathBuf {
    let file = bench.file("ours.pcapng");
    let heard = decap(&bench.collector, &format!("-w {} {words}", file.display()));
    assert!(heard.status.success(), "{}", heard.err);
    file
}

/// Sends the sample as the switches did.
fn replay(machine: &Machine, interface: &str) {
    let mut files = Files::open(&[SAMPLE.into()], std::sync::Arc::default()).unwrap();
    machine.inside(|| {
        let mut sender = frames::sender(interface);
        loop {
            let mut batch = files.next_frames(64).peekable();
            if batch.peek().is_none() {
                break;
            }
            for frame in batch {
                sender.send_to(frame.bytes, None).unwrap().unwrap();
            }
        }
    });
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn of_a_file_the_other_end_sees_the_flows_of_our_pcap() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 1500);
    let recorder = Recorder::start(&bench.collector, "out0", bench.file("out.pcap"));
    let began = Instant::now();
    let heard = decap(
        &bench.collector,
        &format!("--to in0 --pace 100pps {SAMPLE}"),
    );
    let took = began.elapsed();
    assert!(heard.status.success(), "{}", heard.err);
    assert!(heard.err.contains("in0: 219 frames sent"), "{}", heard.err);
    assert!(
        took > Duration::from_millis(2100) && took < Duration::from_secs(4),
        "{took:?}"
    );
    let seen = recorder.stop();
    let ours = our_file(&bench, SAMPLE);
    assert_eq!(frames_in(&seen, "frame"), PACKETS);
    let expected = conversations(&ours);
    assert!(expected.len() > 8, "{expected:?}");
    assert_eq!(conversations(&seen), expected);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn live_too_without_privileges_and_beside_a_file() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 1500);
    let folder = bench.file("out");
    std::fs::create_dir(&folder).unwrap();
    std::os::unix::fs::chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    let file = folder.join("m.pcapng");
    let words = format!(
        "decap -i eth0 --promiscuous --to in0 --to tap:tap0 -w {}",
        file.display()
    );
    let mut sudo = command(PROGRAM, &words);
    sudo.env("SUDO_UID", NOBODY.to_string())
        .env("SUDO_GID", NOBODY.to_string());
    let listener = Listener::spawn(&bench.collector, sudo);
    listener.wait_until_it_listens();
    assert_eq!(listener.status("CapEff:"), "0000000000000000");
    let recorders = ["out0", "tap0"].map(|interface| {
        let file = bench.file(&format!("{interface}.pcap"));
        Recorder::start(&bench.collector, interface, file)
    });
    replay(&bench.switch, "eth0");
    std::thread::sleep(Duration::from_millis(500));
    let seen = recorders.map(Recorder::stop);
    let heard = listener.interrupt();
    assert!(heard.status.success(), "{}", heard.err);
    let ours = our_file(&bench, SAMPLE);
    for seen in seen.iter().chain([&file]) {
        assert_eq!(
            frames_in(seen, "frame"),
            PACKETS,
            "{}: {}",
            seen.display(),
            heard.err
        );
        assert_eq!(conversations(seen), conversations(&ours));
    }
}

/// argus's flows: ends, packets and bytes each way. It cuts long ones into several records, by its own clock.
fn argus_flows(file: &Path) -> BTreeMap<String, [u64; 4]> {
    let fields = "proto saddr sport daddr dport spkts dpkts sbytes dbytes";
    let mut words = vec!["-n", "-u", "-c", ",", "-r", file.to_str().unwrap(), "-s"];
    words.extend(fields.split(' '));
    let mut flows: BTreeMap<String, [u64; 4]> = BTreeMap::new();
    for line in run("ra", &words)
        .lines()
        .filter(|line| line.starts_with("tcp,"))
    {
        let cells: Vec<&str> = line.split(',').collect();
        let sums = flows.entry(cells[..5].join(" ")).or_default();
        for (sum, cell) in sums.iter_mut().zip(&cells[5..]) {
            *sum += cell.parse::<u64>().unwrap();
        }
    }
    flows
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn argus_finds_the_flows_of_our_pcap() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 1500);
    let (live, read) = (bench.file("live.argus"), bench.file("read.argus"));
    let mut argus = bench.collector.inside(|| {
        let mut argus = Command::new("argus");
        argus.args(["-X", "-i", "out0", "-w"]).arg(&live);
        argus.stdin(Stdio::null()).spawn().unwrap()
    });
    // It does not say when it listens.
    std::thread::sleep(Duration::from_secs(2));
    let listener = Listener::start(&bench.collector, "decap -i eth0 --promiscuous --to in0");
    replay(&bench.switch, "eth0");
    std::thread::sleep(Duration::from_millis(500));
    let heard = listener.interrupt();
    assert!(
        heard.err.contains(&format!("in0: {PACKETS} frames sent")),
        "{}",
        heard.err
    );
    let pid = Pid::from_raw(argus.id().cast_signed()).unwrap();
    std::thread::sleep(Duration::from_secs(1));
    kill_process(pid, Signal::TERM).unwrap();
    argus.wait().unwrap();
    let ours = our_file(&bench, SAMPLE);
    run(
        "argus",
        &[
            "-X",
            "-r",
            ours.to_str().unwrap(),
            "-w",
            read.to_str().unwrap(),
        ],
    );
    let expected = argus_flows(&read);
    assert!(expected.len() > 8, "{expected:?}");
    assert_eq!(argus_flows(&live), expected);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn packets_without_ethernet_get_a_header() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 1500);
    let (bare, wrapped) = (bench.file("bare.pcap"), bench.file("wrapped.pcap"));
    let mut files = Files::open(&[our_file(&bench, SAMPLE)], std::sync::Arc::default()).unwrap();
    let file = std::fs::File::create(&bare).unwrap();
    let mut writer = PcapWriter::new(file, 101, 0).unwrap();
    let mut packets = 0;
    loop {
        let mut batch = files.next_frames(64).peekable();
        if batch.peek().is_none() {
            break;
        }
        for frame in batch.filter(|frame| frame.bytes[12..14] == [8, 0]) {
            packets += 1;
            writer
                .write(frame.time, frame.wire_len - 14, &frame.bytes[14..])
                .unwrap();
        }
    }
    writer.finish().unwrap();
    let words = [
        "encap",
        "--as",
        "gre",
        "-w",
        wrapped.to_str().unwrap(),
        bare.to_str().unwrap(),
    ];
    run(PROGRAM, &words);
    let recorder = Recorder::start(&bench.collector, "out0", bench.file("out.pcap"));
    let heard = decap(
        &bench.collector,
        &format!("--to in0 --pace max {}", wrapped.display()),
    );
    assert!(
        heard.err.contains(&format!(
            "{packets} packets came without an Ethernet header"
        )),
        "{}",
        heard.err
    );
    let seen = recorder.stop();
    assert_eq!(
        frames_in(&seen, "eth.src == 00:00:00:00:00:00 and ip"),
        packets
    );
    let ends = |file: &Path| -> Vec<String> {
        let file = file.to_str().unwrap();
        let told = run(
            "tshark",
            &[
                "-n",
                "-r",
                file,
                "-T",
                "fields",
                "-e",
                "ip.src",
                "-e",
                "ip.len",
                "-e",
                "tcp.seq_raw",
            ],
        );
        told.lines().map(str::to_owned).collect()
    };
    assert_eq!(ends(&seen), ends(&bare));
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn each_site_has_its_own_and_each_packet_comes_once() {
    let bench = Bench::new();
    let mut recorders = Vec::new();
    for name in ["1", "2", "3"] {
        pair(&bench.collector, name, 1500);
        let file = bench.file(&format!("out{name}.pcap"));
        recorders.push(Recorder::start(
            &bench.collector,
            &format!("out{name}"),
            file,
        ));
    }
    let words = format!(
        "{SITES} --to dc1=in1 --to fw1-inside=in1 --to dc2=in2 --to fw2-inside=in3 --pace max {SAMPLE}"
    );
    let heard = decap(&bench.collector, &words);
    assert!(heard.status.success(), "{}", heard.err);
    let seen: Vec<u64> = recorders
        .into_iter()
        .map(|one| frames_in(&one.stop(), "frame"))
        .collect();
    let ours = our_file(&bench, &format!("{SITES} {SAMPLE}"));
    let of = |words: &str| frames_in(&ours, &format!("frame.interface_name matches \"{words}\""));
    assert_eq!(seen, [of("^dc1 "), of("^dc2 "), of("^dc2 fw2-inside")]);
    assert!(seen.iter().all(|count| *count > 40), "{seen:?}");

    // Of several points one interface gets a packet once; of one site as often as that site alone would have it.
    let recorders = ["1", "2"].map(|name| {
        let file = bench.file(&format!("once{name}.pcap"));
        Recorder::start(&bench.collector, &format!("out{name}"), file)
    });
    let words = format!("{SITES} --dedup --to in1 --to dc2=in2 --pace max {SAMPLE}");
    let heard = decap(&bench.collector, &words);
    assert!(heard.status.success(), "{}", heard.err);
    let seen = recorders.map(Recorder::stop);
    let told = run(PROGRAM, &["flows", "--format", "json", SAMPLE]);
    let flows = told
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let once: u64 = flows
        .map(|flow| {
            flow["orig"]["packets"].as_u64().unwrap() + flow["resp"]["packets"].as_u64().unwrap()
        })
        .sum();
    assert_eq!(frames_in(&seen[0], "ip"), once, "{}", heard.err);
    assert_eq!(
        frames_in(
            &seen[0],
            "tcp.analysis.duplicate_ack or tcp.analysis.lost_segment"
        ),
        0
    );
    // A packet that dc1 saw first is there for dc2, too, and as often as the point that saw it most often.
    let packets = |file: &Path| -> BTreeMap<String, BTreeMap<String, u64>> {
        let file = file.to_str().unwrap();
        let fields = ["ip.id", "tcp.seq_raw", "tcp.flags", "tcp.srcport"];
        let mut words = vec!["-n", "-r", file, "-Y", "tcp", "-T", "fields"];
        words.extend(["-e", "frame.interface_name"]);
        words.extend(fields.iter().flat_map(|field| ["-e", field]));
        let mut all: BTreeMap<String, BTreeMap<String, u64>> = BTreeMap::new();
        for line in run("tshark", &words).lines() {
            let (point, packet) = line.split_once('\t').unwrap();
            let points = all.entry(packet.to_owned()).or_default();
            *points.entry(point.to_owned()).or_default() += 1;
        }
        all
    };
    let most = |mut points: BTreeMap<String, u64>| {
        points.retain(|point, _| !point.starts_with("dc1 "));
        points.into_values().max()
    };
    let most = |all: BTreeMap<String, BTreeMap<String, u64>>| -> BTreeMap<String, u64> {
        let all = all.into_iter();
        all.filter_map(|(packet, points)| Some((packet, most(points)?)))
            .collect()
    };
    assert_eq!(most(packets(&seen[1])), most(packets(&ours)));
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn frames_that_are_too_long_are_told_with_what_mends_it() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 300);
    let words = format!("--to in0 --pace max {SAMPLE}");
    let heard = decap(&bench.collector, &words);
    assert_eq!(heard.status.code(), Some(2), "{}", heard.err);
    let told = heard
        .err
        .lines()
        .find(|line| line.contains("sudo ip link set in0 mtu"))
        .unwrap();
    let number = |words: &str| {
        let rest = told.split(words).nth(1).unwrap();
        rest.trim_start()
            .split([' ', ','])
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let (long, mtu) = (number("in0:"), number("in0 mtu"));
    assert!(
        heard
            .err
            .contains(&format!("in0: {} frames sent", PACKETS - long)),
        "{}",
        heard.err
    );
    // What is told at this end is not enough; then that is told.
    bench.collector.ip(&format!("link set in0 mtu {mtu}"));
    let heard = decap(&bench.collector, &words);
    assert_eq!(heard.status.code(), Some(2), "{}", heard.err);
    assert!(
        heard
            .err
            .contains(&format!("dropped {long} frames behind it: its other end")),
        "{}",
        heard.err
    );
    bench.collector.ip(&format!("link set out0 mtu {mtu}"));
    let recorder = Recorder::start(&bench.collector, "out0", bench.file("out.pcap"));
    let heard = decap(&bench.collector, &words);
    assert!(heard.status.success(), "{}", heard.err);
    assert_eq!(frames_in(&recorder.stop(), "frame"), PACKETS);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn an_interface_that_goes_away_costs_what_is_counted() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 1500);
    let listener = Listener::start(&bench.collector, "decap -i eth0 --to in0");
    bench.send(&bench.load(500, Some(2000)));
    std::thread::sleep(Duration::from_millis(300));
    bench.collector.ip("link set in0 down");
    bench.send(&bench.load(300, Some(2000)));
    listener.wait_for_error("in0: is down");
    bench.collector.ip("link set in0 up");
    bench.collector.wait_for("in0", true);
    std::thread::sleep(Duration::from_millis(1200));
    bench.send(&bench.load(200, Some(2000)));
    listener.wait_for_error("in0: is there again; 300 frames are missing before");
    bench.collector.ip("link del in0");
    bench.send(&bench.load(100, Some(2000)));
    pair(&bench.collector, "0", 1500);
    std::thread::sleep(Duration::from_millis(1200));
    let recorder = Recorder::start(&bench.collector, "out0", bench.file("out.pcap"));
    bench.send(&bench.load(400, Some(2000)));
    listener.wait_for_error("in0: is there again; 100 frames are missing before");
    let seen = recorder.stop();
    let heard = listener.interrupt();
    assert_eq!(heard.status.code(), Some(2), "{}", heard.err);
    assert!(
        heard
            .err
            .contains("400 frames were not sent while it was down or away"),
        "{}",
        heard.err
    );
    assert_eq!(frames_in(&seen, "frame"), 400, "{}", heard.err);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn the_recorded_pace_is_kept_and_ends_at_once() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 1500);
    let recorder = Recorder::start(&bench.collector, "out0", bench.file("out.pcap"));
    let began = Instant::now();
    let words = format!("decap --to in0 {SAMPLE}");
    let listener = Listener::spawn(&bench.collector, command(PROGRAM, &words));
    std::thread::sleep(Duration::from_millis(2500));
    let heard = listener.interrupt();
    assert!(began.elapsed() < Duration::from_secs(4));
    assert!(heard.status.success(), "it was asked for: {}", heard.err);
    assert!(
        heard
            .err
            .contains("frames were left when the end was asked for"),
        "{}",
        heard.err
    );
    let seen = recorder.stop();
    let times = |file: &Path| -> Vec<f64> {
        let told = run(
            "tshark",
            &[
                "-r",
                file.to_str().unwrap(),
                "-T",
                "fields",
                "-e",
                "frame.time_relative",
            ],
        );
        told.lines().map(|line| line.parse().unwrap()).collect()
    };
    let (seen, expected) = (times(&seen), times(&our_file(&bench, SAMPLE)));
    assert!(
        seen.len() > 50 && seen.len() < expected.len(),
        "{}",
        seen.len()
    );
    for (seen, expected) in seen.iter().zip(&expected) {
        assert!((seen - expected).abs() < 0.2, "{seen} {expected}");
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn what_cannot_be_sent_by_is_refused_with_what_to_do() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 1500);
    let refused = |words: &str, told: &str| {
        let heard = decap(&bench.collector, &format!("{words} {SAMPLE}"));
        assert_eq!(heard.status.code(), Some(2), "{}", heard.err);
        assert!(heard.err.contains(told), "{}", heard.err);
    };
    refused("--to nonesuch", "nonesuch: no such interface: there are");
    bench.collector.ip("link set out0 down");
    refused("--to in0", "its other end is down");
    bench.collector.ip("link set in0 down");
    refused("--to in0", "in0: is down: sudo ip link set in0 up");
    bench.collector.ip("tuntap add dev bare mode tap");
    bench.collector.ip("link set bare up");
    refused("--to bare", "--to tap:bare");
    refused("--to tap:in0", "in0: no name for a tap");
    bench.collector.ip("tuntap add dev three mode tun");
    bench.collector.ip("link set three up");
    refused("--to three", "is no Ethernet interface");
    let heard = decap(&bench.collector, "-i eth0 --to eth0");
    assert!(heard.err.contains("would come back"), "{}", heard.err);
    // A tap that was made to stay is taken, and stays.
    let heard = decap(
        &bench.collector,
        &format!("--to tap:bare --pace max {SAMPLE}"),
    );
    assert!(heard.status.success(), "{}", heard.err);
    assert_eq!(bench.collector.arrived("bare"), PACKETS);
    let mut nobody = command(
        "setpriv",
        "--reuid=65534 --regid=65534 --clear-groups --inh-caps=-all",
    );
    nobody.args([PROGRAM, "decap", "--to", "lo", SAMPLE]);
    let heard = Listener::spawn(&bench.collector, nobody).wait();
    assert!(
        heard
            .err
            .contains("lo: cannot send: that needs CAP_NET_RAW"),
        "{}",
        heard.err
    );
}
