//! Agreement with tshark, which must be installed: `tests/compare/run`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Fields whose last value on a line is the innermost packet's, and which no encapsulation changes.
const FIELDS: &[&str] = &[
    "frame.time_epoch",
    "eth.src",
    "eth.dst",
    "ip.src",
    "ip.dst",
    "ip.len",
    "ip.id",
    "ip.ttl",
    "ipv6.src",
    "ipv6.dst",
    "ipv6.plen",
    "tcp.srcport",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.hdr_len",
    "udp.srcport",
    "udp.length",
    "icmp.seq",
    "arp.opcode",
];

const VXLAN: [&str; 2] = ["-d", "udp.port==8472,vxlan"];

fn run(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program)
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{program} {arguments:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn decap(input: &Path, output: &Path) {
    run(
        env!("CARGO_BIN_EXE_mirrorscope"),
        &["decap", "-w", text(output), text(input)],
    );
}

/// The innermost packets that tshark sees, one a line.
fn packets(file: &Path, filter: &str) -> Vec<String> {
    let mut arguments = vec![
        "-n",
        "-r",
        text(file),
        "-T",
        "fields",
        "-E",
        "occurrence=l",
        "-E",
        "separator=;",
    ];
    arguments.extend(VXLAN);
    if !filter.is_empty() {
        arguments.extend(["-Y", filter]);
    }
    for field in FIELDS {
        arguments.extend(["-e", field]);
    }
    run("tshark", &arguments)
        .lines()
        .map(str::to_owned)
        .collect()
}

fn samples() -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir("samples")
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "pcap"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Captures of others with the encapsulations that are stripped so far, where the folder exists.
const CAPTURES: &[&str] = &[
    "lab-asymmetric-dropped.pcap",
    "lab-symmetric.pcap",
    "zeek-erspan.pcap",
    "zeek-erspanI.pcap",
    "zeek-erspanIII.pcap",
    "zeek-gre-erspan3-dot1q.pcap",
    "tcpdump-erspan-type-i-3.pcap",
    "tcpdump-erspan-type-ii-1.pcap",
    "tcpdump-erspan-type-ii-2.pcap",
    "tcpdump-erspan-type-ii-3.pcap",
    "deepflow-vmware-gre-teb.pcap",
    "sv-bug-5437-02.pcap",
    "sv-vxlan-decoder-03-vxlan.pcap",
    "ndpi-pcap-vxlan.pcap",
    "zeek-vxlan-triple-v2.pcap",
    "zeek-geneve-ipv6.pcap",
    "zeek-gre-sample.pcap",
    "tcpdump-vxlan_port_8472.pcap",
];

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn decapsulated_packets_are_those_that_tshark_sees_inside() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    let mut files = samples();
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/captures");
    let captures =
        PathBuf::from(std::env::var_os("MIRRORSCOPE_CAPTURES").unwrap_or_else(|| default.into()));
    if captures.is_dir() {
        files.extend(CAPTURES.iter().map(|name| captures.join(name)));
    } else {
        eprintln!("captures not found at {}: samples only", captures.display());
    }
    let mut compared = 0;
    for file in &files {
        decap(file, &inner);
        let expected = packets(file, "gre or vxlan or geneve");
        let written = packets(&inner, "");
        assert!(!written.is_empty(), "{}", file.display());
        assert_eq!(written.len(), expected.len(), "{}", file.display());
        for (number, (written, expected)) in written.iter().zip(&expected).enumerate() {
            // Where the innermost packet has no such header the last value is an outer one's: it must be gone.
            let pairs = written.split(';').zip(expected.split(';')).zip(FIELDS);
            for ((written, expected), field) in pairs {
                let outer_only = written.is_empty() && !expected.is_empty();
                assert!(
                    written == expected || outer_only,
                    "{} packet {}: {field}: {written:?}, tshark {expected:?}",
                    file.display(),
                    number + 1
                );
            }
        }
        compared += written.len();
    }
    eprintln!("{compared} packets of {} files compared", files.len());
}

/// What stands in front of the mirrored frame in the samples: Ethernet, IPv4, and GRE with ERSPAN II or UDP with VXLAN.
const OVERHEAD: &str = "50";

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn decapsulated_frames_are_the_original_bytes_times_and_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, chopped) = (
        folder.path().join("inner.pcap"),
        folder.path().join("chopped.pcap"),
    );
    for file in samples() {
        decap(&file, &inner);
        // An independent way to the same frames: cut the outer headers off each packet.
        run(
            "editcap",
            &[
                "-C",
                OVERHEAD,
                "-L",
                "-F",
                "nsecpcap",
                text(&file),
                text(&chopped),
            ],
        );
        let bytes = |file: &Path| run("tshark", &["-n", "-r", text(file), "-t", "e", "-x"]);
        let times = |file: &Path| {
            run(
                "tshark",
                &[
                    "-n",
                    "-r",
                    text(file),
                    "-T",
                    "fields",
                    "-e",
                    "frame.time_epoch",
                    "-e",
                    "frame.cap_len",
                ],
            )
        };
        assert_eq!(times(&inner), times(&chopped), "{}", file.display());
        assert!(bytes(&inner) == bytes(&chopped), "{}", file.display());
    }
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn wireshark_sees_an_interface_for_each_session() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    let sites = "samples/two-sites-erspan.toml";
    let arguments = [
        "decap",
        "--sites",
        sites,
        "-w",
        text(&inner),
        "samples/asymmetric-erspan.pcap",
    ];
    run(env!("CARGO_BIN_EXE_mirrorscope"), &arguments);
    let fields = [
        "-n",
        "-r",
        text(&inner),
        "-T",
        "fields",
        "-e",
        "frame.interface_name",
        "-e",
        "frame.interface_description",
    ];
    let mut interfaces: BTreeMap<String, u64> = BTreeMap::new();
    for line in run("tshark", &fields).lines() {
        *interfaces.entry(line.to_owned()).or_default() += 1;
    }
    let outer = run(
        "tshark",
        &[
            "-n",
            "-r",
            "samples/asymmetric-erspan.pcap",
            "-T",
            "fields",
            "-e",
            "erspan.spanid",
        ],
    );
    let firewall = outer.lines().filter(|id| *id == "101").count() as u64;
    assert_eq!(interfaces.len(), 6, "{interfaces:?}");
    assert_eq!(
        interfaces["erspan2-101@10.60.0.1\tfirewall at fw1-inside (dc1)"],
        firewall
    );
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn sequence_numbers_are_those_that_tshark_reads() {
    let file = "samples/mirror-loss-erspan.pcap";
    let numbers = run(
        "tshark",
        &[
            "-n",
            "-r",
            file,
            "-T",
            "fields",
            "-E",
            "separator=;",
            "-e",
            "erspan.spanid",
            "-e",
            "gre.sequence_number",
        ],
    );
    let mut sessions: BTreeMap<u64, Vec<u64>> = BTreeMap::new();
    for line in numbers.lines() {
        let (session, number) = line.split_once(';').unwrap();
        sessions
            .entry(session.parse().unwrap())
            .or_default()
            .push(number.parse().unwrap());
    }
    let reported = run(
        env!("CARGO_BIN_EXE_mirrorscope"),
        &["sessions", "--format", "json", file],
    );
    for line in reported.lines() {
        let session: serde_json::Value = serde_json::from_str(line).unwrap();
        let numbers = &sessions[&session["id"].as_u64().unwrap()];
        let missing = numbers.iter().max().unwrap() - numbers.iter().min().unwrap() + 1
            - numbers.len() as u64;
        assert_eq!(session["sequence"]["received"], numbers.len());
        assert_eq!(session["sequence"]["missing"], missing, "{session:#}");
    }
}
