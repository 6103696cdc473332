//! No ICMP unreachable leaves a collector that listens.

use std::io::{BufRead as _, BufReader};
use std::net::UdpSocket;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use super::bench::Bench;
use super::listener::{Listener, PROGRAM, command};
use crate::capture;
use crate::network::COLLECTOR;
use crate::privilege::until;

/// Mirrors that go to UDP ports: VXLAN and its older port, Geneve, TZSP, HP ERM.
const PORTS: [u16; 5] = [4789, 8472, 6081, 37008, 7932];

/// The ICMP errors that tcpdump sees on the collector's link while mirrored packets of all kinds come, a line each.
fn errors(bench: &Bench) -> Vec<String> {
    let mut tcpdump = bench.collector.inside(|| {
        Command::new("tcpdump")
            .args(["-i", "eth0", "-n", "-l", "--immediate-mode", "-Z", "root"])
            .arg("icmp[icmptype] = 3")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
    });
    let lines = listen(tcpdump.stdout.take().unwrap());
    let messages = listen(tcpdump.stderr.take().unwrap());
    while !messages.recv().unwrap().contains("listening on") {}
    let socket = bench
        .switch
        .inside(|| UdpSocket::bind("0.0.0.0:0").unwrap());
    // The kernel limits such errors: one a second for each sender.
    let pause = || std::thread::sleep(Duration::from_millis(1100));
    for port in PORTS {
        socket.send_to(&[0; 64], (COLLECTOR, port)).unwrap();
    }
    pause();
    bench.send(&bench.load(300, Some(1000)));
    pause();
    capture::interrupt(&mut tcpdump);
    lines.iter().filter(|line| !line.is_empty()).collect()
}

fn listen(output: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sink, lines) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            let _ = sink.send(line);
        }
    });
    lines
}

fn address(bench: &Bench) {
    // So that errors find their way back.
    for source in ["10.60.0.1", "10.60.0.3"] {
        bench.switch.ip(&format!("addr add {source}/24 dev eth0"));
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn while_it_listens() {
    let bench = Bench::new();
    address(&bench);
    let listener = Listener::start(&bench.collector, "report --format json -i eth0");
    let errors = errors(&bench);
    assert_eq!(errors, Vec::<String>::new());
    let report = listener.interrupt().document();
    assert_eq!(report["totals"]["frames"], 300 + PORTS.len());
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn unless_the_sockets_are_left_out() {
    let bench = Bench::new();
    address(&bench);
    let _listener = Listener::start(&bench.collector, "report -i eth0 --no-endpoint");
    let errors = errors(&bench);
    assert!(
        errors.iter().any(|line| line.contains("protocol 47")),
        "{errors:#?}"
    );
    assert!(
        errors.iter().any(|line| line.contains("udp port")),
        "{errors:#?}"
    );
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn who_holds_a_port_already_is_named() {
    let bench = Bench::new();
    let _held = bench
        .collector
        .inside(|| UdpSocket::bind("0.0.0.0:4789").unwrap());
    let listener = Listener::start(&bench.collector, "report --format json -i eth0");
    let told = listener.wait_for_error("4789").1;
    // This test, whose name the kernel cuts after 15 bytes.
    assert!(told.contains("lab-"), "{told}");
    assert!(told.contains(&std::process::id().to_string()), "{told}");
    // It is heard all the same.
    let socket = bench.switch.inside(|| {
        bench.switch.ip("addr add 10.60.0.1/24 dev eth0");
        UdpSocket::bind("0.0.0.0:0").unwrap()
    });
    socket.send_to(&[8; 64], (COLLECTOR, 4789)).unwrap();
    let report = listener.interrupt().document();
    assert_eq!(report["totals"]["frames"], 1);
    // Wireshark shows what an extcap writes there as an error.
    let file = bench.file("out.pcapng");
    let words = format!(
        "extcap --capture --extcap-interface mirror-eth0 --fifo {}",
        file.display()
    );
    let listener = Listener::spawn(&bench.collector, command(PROGRAM, &words));
    // The head of the file is there before the ring listens: only a packet in it says that it does.
    until("a packet in the capture file", || {
        socket.send_to(&[8; 64], (COLLECTOR, 4789)).unwrap();
        let bytes = std::fs::read(&file).unwrap_or_default();
        bytes.windows(32).any(|window| window == [8; 32])
    });
    let heard = listener.interrupt();
    assert!(heard.status.success());
    assert_eq!(heard.err, "");
}
