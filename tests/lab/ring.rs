//! The packet ring on real sockets: what the kernel filter lets through, order, drops, and interfaces that go and come back.

use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mirrorscope_capture::BATCH;
use mirrorscope_capture::live::{Live, Numbers, Options, Pass, Via};
use rustix::thread::{CapabilitySet, CapabilitySets, set_capabilities};

use crate::frames;
use crate::machine::{Machine, cable};
use crate::run::Run;

const MOMENT: Duration = Duration::from_millis(10);

fn options(interfaces: &[&str], threads: usize) -> Options {
    Options {
        via: Via::Ring,
        interfaces: interfaces.iter().map(|name| (*name).to_owned()).collect(),
        promiscuous: true,
        buffer: 8 << 20,
        threads,
        queue: 8 << 20,
        realtime: false,
        hardware_time: false,
        pass: Pass::default(),
        numbers: Numbers {
            udp: vec![4789, 6081],
            tcp: vec![7471],
            ip: vec![47, 4],
            ethertypes: vec![0x22f3],
        },
        hold: false,
    }
}

/// Two machines with some cables between them, and nobody who says anything by himself.
fn cabled(run: &Run, cables: usize) -> (Machine, Machine) {
    let (sender, collector) = (run.machine("sender"), run.machine("collector"));
    for number in 0..cables {
        let name = format!("eth{number}");
        cable((&sender, &name), (&collector, &name), 9000);
    }
    for number in 0..cables {
        sender.wait_for(&format!("eth{number}"), true);
        collector.wait_for(&format!("eth{number}"), true);
    }
    (sender, collector)
}

fn open(collector: &Machine, options: &Options) -> (Live, Arc<AtomicBool>) {
    let stop = Arc::new(AtomicBool::new(false));
    let live = collector.inside(|| {
        let mut live = Live::open(options, Arc::clone(&stop)).unwrap();
        no_capabilities();
        live.start().unwrap();
        live
    });
    (live, stop)
}

/// All that came until now: interface and bytes of each frame.
fn rest(live: &mut Live, stop: &AtomicBool) -> Vec<(String, Vec<u8>)> {
    stop.store(true, Ordering::Relaxed);
    let mut frames = Vec::new();
    loop {
        let batch = live.next_frames(BATCH, MOMENT).unwrap();
        if batch.len() == 0 {
            return frames;
        }
        let named = batch.map(|frame| {
            let name = frame.origin.name.clone().unwrap();
            (name, frame.bytes.to_vec())
        });
        frames.extend(named);
    }
}

fn ethernet(tags: &[(u16, u16)], ethertype: u16, packet: &[u8]) -> Vec<u8> {
    let mut frame = vec![2, 0, 0, 0, 0, 9, 2, 0, 0, 0, 0, 1];
    for (kind, tag) in tags {
        frame.extend(kind.to_be_bytes());
        frame.extend(tag.to_be_bytes());
    }
    frame.extend(ethertype.to_be_bytes());
    frame.extend(packet);
    frame.resize(frame.len().max(60), 0);
    frame
}

fn ipv4(protocol: u8, words: u8, fragment: u16, source: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let len = u16::from(words) * 4 + payload.len() as u16;
    let mut packet = vec![0x40 | words, 0];
    packet.extend(len.to_be_bytes());
    packet.extend([0, 1]);
    packet.extend(fragment.to_be_bytes());
    packet.extend([64, protocol, 0, 0]);
    packet.extend(source);
    packet.extend([10, 60, 0, 9]);
    packet.resize(usize::from(words) * 4, 1);
    packet.extend(payload);
    packet
}

fn ipv6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((payload.len() as u16).to_be_bytes());
    packet.extend([next, 64, 0x20, 1, 0xd, 0xb8]);
    packet.resize(40, 1);
    packet.extend(payload);
    packet
}

fn ports(source: u16, to: u16) -> Vec<u8> {
    let mut header = [source.to_be_bytes(), to.to_be_bytes()].concat();
    header.extend([0, 20, 0, 0]);
    header.resize(20, 0x5a);
    header
}

/// Frames, and whether each is a mirror's.
fn sent() -> Vec<(&'static str, Vec<u8>, bool)> {
    let mut sent = sent4();
    sent.extend(sent6());
    sent
}

fn sent4() -> Vec<(&'static str, Vec<u8>, bool)> {
    let near = [10, 60, 0, 1];
    let gre = [0, 0, 0x65, 0x58, 1, 2, 3, 4];
    let erspan = || ipv4(47, 5, 0x4000, near, &gre);
    let vxlan = || ipv4(17, 5, 0, near, &ports(50000, 4789));
    let dns = || ipv4(17, 5, 0, near, &ports(50000, 53));
    let (q, ad) = ((0x8100, 0x2064), (0x88a8, 0x07));
    vec![
        ("gre", ethernet(&[], 0x0800, &erspan()), true),
        ("gre, tag", ethernet(&[q], 0x0800, &erspan()), true),
        ("gre, 802.1ad tag", ethernet(&[ad], 0x0800, &erspan()), true),
        ("gre, two tags", ethernet(&[ad, q], 0x0800, &erspan()), true),
        (
            "gre, three tags",
            ethernet(&[ad, q, q], 0x0800, &erspan()),
            true,
        ),
        ("vxlan", ethernet(&[], 0x0800, &vxlan()), true),
        ("vxlan, tag", ethernet(&[q], 0x0800, &vxlan()), true),
        (
            "vxlan, two tags",
            ethernet(&[ad, q], 0x0800, &vxlan()),
            true,
        ),
        ("dns", ethernet(&[], 0x0800, &dns()), false),
        ("dns, tag", ethernet(&[q], 0x0800, &dns()), false),
        ("dns, two tags", ethernet(&[ad, q], 0x0800, &dns()), false),
        (
            "an answer of vxlan, options",
            ethernet(&[], 0x0800, &ipv4(17, 9, 0, near, &ports(4789, 50000))),
            true,
        ),
        (
            "dns, options that look like a port",
            ethernet(&[], 0x0800, &ipv4(17, 15, 0, near, &ports(1, 53))),
            false,
        ),
        (
            "first fragment",
            ethernet(&[], 0x0800, &ipv4(17, 5, 0x2000, near, &ports(9, 4789))),
            true,
        ),
        (
            "first fragment of dns",
            ethernet(&[], 0x0800, &ipv4(17, 5, 0x2000, near, &ports(9, 53))),
            false,
        ),
        (
            "later fragment",
            ethernet(&[q], 0x0800, &ipv4(17, 5, 0x2005, near, &[0; 40])),
            true,
        ),
        (
            "last fragment of icmp",
            ethernet(&[], 0x0800, &ipv4(1, 5, 5, near, &[0; 40])),
            false,
        ),
        (
            "stt",
            ethernet(&[], 0x0800, &ipv4(6, 5, 0, near, &ports(50000, 7471))),
            true,
        ),
        (
            "ssh",
            ethernet(&[], 0x0800, &ipv4(6, 5, 0, near, &ports(50000, 22))),
            false,
        ),
    ]
}

fn sent6() -> Vec<(&'static str, Vec<u8>, bool)> {
    let gre = [0, 0, 0x65, 0x58, 1, 2, 3, 4];
    let (q, ad) = ((0x8100, 0x2064), (0x88a8, 0x07));
    let behind = |next: u8| [&[next, 0, 4, 1, 4, 1, 1, 0][..], &gre].concat();
    let later6 = |next: u8| [&[next, 0, 0, 8, 0, 0, 0, 1][..], &[0x11; 24]].concat();
    vec![
        (
            "gre over ipv6",
            ethernet(&[], 0x86dd, &ipv6(47, &gre)),
            true,
        ),
        (
            "gre behind destination options",
            ethernet(&[q], 0x86dd, &ipv6(60, &behind(47))),
            true,
        ),
        (
            "geneve over ipv6",
            ethernet(&[], 0x86dd, &ipv6(17, &ports(1, 6081))),
            true,
        ),
        (
            "dns over ipv6",
            ethernet(&[], 0x86dd, &ipv6(17, &ports(1, 53))),
            false,
        ),
        (
            "later fragment of gre over ipv6",
            ethernet(&[ad, q], 0x86dd, &ipv6(44, &later6(47))),
            true,
        ),
        (
            "later fragment of icmp over ipv6",
            ethernet(&[], 0x86dd, &ipv6(44, &later6(58))),
            false,
        ),
        ("trill", ethernet(&[], 0x22f3, &[0; 60]), true),
        ("arp", ethernet(&[], 0x0806, &[0; 28]), false),
        ("trill, tag", ethernet(&[q], 0x22f3, &[0; 60]), true),
        ("lldp", ethernet(&[], 0x88cc, &[0; 60]), false),
    ]
}

/// What arrives of the frames.
fn arrived(sender: &Machine, collector: &Machine, options: &Options) -> Vec<&'static str> {
    let (mut live, stop) = open(collector, options);
    let sent = sent();
    for (_, frame, _) in &sent {
        frames::send(sender, "eth0", frame, 1);
    }
    let got = rest(&mut live, &stop);
    let names = got.iter().map(|(interface, bytes)| {
        assert_eq!(interface, "eth0");
        let found = sent.iter().find(|(_, frame, _)| frame == bytes);
        found
            .unwrap_or_else(|| panic!("nobody sent {bytes:02x?}"))
            .0
    });
    let mut names: Vec<&str> = names.collect();
    // Threads are put in order by time, which may be the same.
    if options.threads > 1 {
        let place = |name: &str| sent.iter().position(|(sent, _, _)| *sent == name);
        names.sort_by_key(|name| place(name));
    }
    names
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn the_kernel_filter_passes_mirrors_and_their_tags_are_back_in_place() {
    let run = Run::new();
    let (sender, collector) = cabled(&run, 1);
    let all: Vec<&str> = sent().iter().map(|(name, _, _)| *name).collect();
    let mirrors: Vec<&str> = sent()
        .iter()
        .filter_map(|(name, _, mirror)| mirror.then_some(*name))
        .collect();
    for interface in ["eth0", "any"] {
        for threads in [1, 2, 3] {
            let mut options = options(&[interface], threads);
            let got = arrived(&sender, &collector, &options);
            assert_eq!(got, mirrors, "{interface}, {threads} threads");
            options.pass.all = true;
            let got = arrived(&sender, &collector, &options);
            assert_eq!(got, all, "all of {interface}, {threads} threads");
        }
    }
    for (source, ipv4, ipv6) in [
        ("10.60.0.0/24", true, false),
        ("10.60.0.2/32", false, false),
        ("2001:db8::/32", false, true),
    ] {
        let mut options = options(&["eth0"], 1);
        options.pass.sources = vec![source.parse().unwrap()];
        let got = arrived(&sender, &collector, &options);
        let expected = mirrors.iter().copied().filter(|name| {
            let six = name.contains("ipv6") || name.contains("destination options");
            let ip = !name.contains("trill");
            ip && if six { ipv6 } else { ipv4 }
        });
        assert_eq!(got, expected.collect::<Vec<_>>(), "from {source}");
    }
}

/// A numbered frame of a mirror, of a flow of its own.
fn numbered(number: u16) -> Vec<u8> {
    let inner = ipv4(6, 5, 0, [10, 0, 0, number as u8], &number.to_be_bytes());
    let gre = [&[0, 0, 0x65, 0x58][..], &ethernet(&[], 0x0800, &inner)].concat();
    let source = Ipv4Addr::new(10, 60, 0, 1).octets();
    let mut frame = ethernet(&[], 0x0800, &ipv4(47, 5, 0, source, &gre));
    frame.extend(number.to_be_bytes());
    frame
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes(*bytes.last_chunk().unwrap())
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn frames_of_several_interfaces_come_in_the_order_of_time() {
    let run = Run::new();
    let (sender, collector) = cabled(&run, 3);
    for (interfaces, threads) in [
        (&["eth0", "eth1", "eth2"][..], 1),
        (&["eth0", "eth1", "eth2"], 2),
        (&["any"], 1),
        (&["any"], 2),
    ] {
        let (mut live, stop) = open(&collector, &options(interfaces, threads));
        sender.inside(|| {
            let mut senders: Vec<_> = ["eth0", "eth1", "eth2"].map(frames::sender).into();
            for number in 0..300_u16 {
                // Some interfaces are silent for longer than others.
                let place = usize::from(number) * 7 % 11 % 3;
                let frame = numbered(number);
                senders[place].send_to(&frame, None).unwrap().unwrap();
                std::thread::sleep(Duration::from_micros(u64::from(number % 13) * 100));
            }
        });
        let got: Vec<u16> = rest(&mut live, &stop)
            .iter()
            .map(|(_, bytes)| number(bytes))
            .collect();
        let sent: Vec<u16> = (0..300).collect();
        assert_eq!(got, sent, "{interfaces:?}, {threads} threads");
        let counted: u64 = live.statistics().iter().map(|one| one.frames).sum();
        assert_eq!(counted, 300);
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn what_a_full_ring_loses_is_counted() {
    let run = Run::new();
    let (sender, collector) = cabled(&run, 1);
    for threads in [1, 2] {
        let mut options = options(&["eth0"], threads);
        options.buffer = 1;
        options.queue = 1;
        let (mut live, stop) = open(&collector, &options);
        let mut frame = numbered(1);
        frame.resize(2000, 0);
        frames::send(&sender, "eth0", &frame, 5000);
        let got = rest(&mut live, &stop).len() as u64;
        let statistics = live.statistics();
        assert_eq!(statistics.len(), 1);
        assert_eq!(statistics[0].name, "eth0");
        assert_eq!(statistics[0].frames, got);
        let dropped = statistics[0].dropped;
        assert!(dropped.kernel > 0 && got > 0, "{got}, {dropped:?}");
        assert_eq!(got + dropped.total(), 5000, "{threads} threads");
    }
}

/// Frames and events until something has happened, read by a thread without capabilities.
fn until(live: &mut Live, what: &str, done: impl FnMut(&[String], usize) -> bool + Send) {
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            no_capabilities();
            wait_until(live, what, done);
        });
        reader.join().unwrap();
    });
}

/// Takes them from the calling thread, for good.
fn no_capabilities() {
    let none = CapabilitySet::empty();
    let sets = CapabilitySets {
        effective: none,
        permitted: none,
        inheritable: none,
    };
    set_capabilities(None, sets).unwrap();
}

fn wait_until(live: &mut Live, what: &str, mut done: impl FnMut(&[String], usize) -> bool) {
    let start = Instant::now();
    let (mut events, mut frames) = (Vec::new(), 0);
    while !done(&events, frames) {
        frames += live.next_frames(BATCH, MOMENT).unwrap().len();
        events.extend(live.take_events().into_iter().map(|event| event.text));
        assert!(
            start.elapsed() < Duration::from_secs(2),
            "{what}: {events:?}, {frames} frames"
        );
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn an_interface_is_followed_without_privileges() {
    let run = Run::new();
    let (sender, collector) = cabled(&run, 1);
    for threads in [1, 2] {
        let (mut live, _stop) = open(&collector, &options(&["eth0"], threads));
        let follow = |live: &mut Live| {
            let told = |event: &'static str| {
                move |events: &[String], _: usize| events.iter().any(|text| text == event)
            };
            let sent = |count| move |_: &[String], frames: usize| frames == count;
            frames::send(&sender, "eth0", &numbered(1), 3);
            until(live, "first frames", sent(3));

            collector.ip("link set eth0 down");
            until(live, "down", told("eth0: is down"));
            assert!(!live.statistics()[0].present);
            collector.ip("link set eth0 up");
            until(live, "up", told("eth0: is up again"));
            collector.wait_for("eth0", true);
            frames::send(&sender, "eth0", &numbered(1), 4);
            until(live, "frames after it was down", sent(4));

            for _ in 0..2 {
                collector.ip("link del eth0");
                until(live, "gone", told("eth0: is gone"));
                assert!(!live.statistics()[0].present);
                cable((&sender, "eth0"), (&collector, "eth0"), 1500);
                until(live, "back", |events, _| {
                    events.iter().any(|text| text.starts_with("eth0: is back"))
                });
                collector.wait_for("eth0", true);
                sender.wait_for("eth0", true);
                frames::send(&sender, "eth0", &numbered(1), 5);
                until(live, "frames after it came back", sent(5));
                assert!(live.statistics()[0].present);
            }

            collector.ip("link set eth0 down");
            collector.ip("link set eth0 name mirror0");
            collector.ip("link set mirror0 up");
            until(
                live,
                "renamed",
                told("eth0: is called mirror0 now: still captured"),
            );
            collector.wait_for("mirror0", true);
            frames::send(&sender, "eth0", &numbered(1), 6);
            until(live, "frames after it was renamed", sent(6));
            collector.ip("link set mirror0 down");
            collector.ip("link set mirror0 name eth0");
            collector.ip("link set eth0 up");
            collector.wait_for("eth0", true);

            let statistics = live.statistics();
            assert_eq!(statistics.len(), 1);
            assert_eq!(statistics[0].name, "eth0");
            assert_eq!(statistics[0].frames, 3 + 4 + 5 + 5 + 6);
            assert_eq!(statistics[0].dropped.total(), 0);
        };
        follow(&mut live);
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn what_this_host_sends_is_not_captured() {
    let run = Run::new();
    let (_sender, collector) = cabled(&run, 1);
    for threads in [1, 2] {
        let (mut live, stop) = open(&collector, &options(&["any"], threads));
        frames::send(&collector, "eth0", &numbered(1), 5);
        // Over the loopback a packet is sent and received: captured once.
        collector.run("bash -c echo>/dev/udp/127.0.0.1/4789");
        let got = rest(&mut live, &stop);
        let names: Vec<&str> = got.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(names, ["lo"], "{threads} threads");
    }
}
