//! Agreement with programs of others, which must be installed: `tests/compare/run`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

mod bench;
mod encapsulations;
mod extcap;
mod fields;
mod formats;
#[allow(dead_code, reason = "other tests look at all of them")]
#[path = "../generated/mod.rs"]
mod generated;
mod html;
mod ipfix;
mod logs;
#[allow(dead_code, reason = "the lab does more with it")]
#[path = "../lab/machine.rs"]
mod machine;
mod metrics;
mod ours;
mod pcapng;
mod streams;
mod tcp_analysis;
mod tls;
mod zeek;

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

fn encap(input: &Path, output: &Path, format: &[&str]) {
    let arguments = [&["encap", "-w", text(output), text(input), "--as"], format];
    run(env!("CARGO_BIN_EXE_mirrorscope"), &arguments.concat());
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

/// Compares fields of packets without encapsulation with those that tshark sees inside one.
#[track_caller]
fn assert_same(bare: &[String], inside: &[String], names: &[&str], what: &str) {
    assert_eq!(bare.len(), inside.len(), "{what}");
    for (number, (bare, inside)) in bare.iter().zip(inside).enumerate() {
        // Where the innermost packet has no such header the last value is an outer one's: it must be gone.
        let pairs = bare.split(';').zip(inside.split(';')).zip(names);
        for ((bare, inside), field) in pairs {
            let outer_only = bare.is_empty() && !inside.is_empty();
            assert!(
                bare == inside || outer_only,
                "{what} packet {}: {field}: {bare:?}, tshark {inside:?}",
                number + 1
            );
        }
    }
}

/// Fields of the outermost header that has them, one packet a line.
fn fields(file: &Path, names: &[&str]) -> Vec<String> {
    let mut arguments = vec!["-n", "-r", text(file), "-T", "fields"];
    arguments.extend(["-E", "occurrence=f", "-E", "separator=;"]);
    arguments.extend(names.iter().flat_map(|name| ["-e", name]));
    let lines = run("tshark", &arguments);
    lines.lines().map(str::to_owned).collect()
}

/// Captures in a folder.
fn captures_in(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|ending| ending == "pcap"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    files
}

/// Captures from the seeded generator.
fn generated() -> Vec<PathBuf> {
    generated::write();
    captures_in(concat!(env!("CARGO_TARGET_TMPDIR"), "/generated"))
}

/// These, and the recordings of the lab.
fn samples() -> Vec<PathBuf> {
    [generated(), captures_in("samples")].concat()
}

/// The folder of the captures of others, where it exists.
fn captures() -> Option<PathBuf> {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/captures");
    let captures =
        PathBuf::from(std::env::var_os("MIRRORSCOPE_CAPTURES").unwrap_or_else(|| default.into()));
    if captures.is_dir() {
        return Some(captures);
    }
    eprintln!("captures not found at {}: samples only", captures.display());
    None
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
    if let Some(captures) = captures() {
        files.extend(CAPTURES.iter().map(|name| captures.join(name)));
    }
    let mut compared = 0;
    for file in &files {
        decap(file, &inner);
        let expected = packets(file, "gre or vxlan or geneve");
        let written = packets(&inner, "");
        assert!(!written.is_empty(), "{}", file.display());
        assert_same(&written, &expected, FIELDS, text(file));
        compared += written.len();
    }
    eprintln!("{compared} packets of {} files compared", files.len());
}

/// What stands in front of the mirrored frame in generated captures: Ethernet, IPv4, and GRE with ERSPAN II or UDP with VXLAN.
const OVERHEAD: &str = "50";

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn decapsulated_frames_are_the_original_bytes_times_and_lengths() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, chopped) = (
        folder.path().join("inner.pcap"),
        folder.path().join("chopped.pcap"),
    );
    for file in generated() {
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
    generated::write();
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    let sites = generated::SITES;
    let arguments = [
        "decap",
        "--sites",
        sites,
        "-w",
        text(&inner),
        generated::ASYMMETRIC,
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
            generated::ASYMMETRIC,
            "-T",
            "fields",
            "-e",
            "erspan.spanid",
        ],
    );
    let firewall = outer.lines().filter(|id| *id == "101").count() as u64;
    assert_eq!(interfaces.len(), 6, "{interfaces:?}");
    assert_eq!(
        interfaces["dc1 fw1-inside\terspan2-101@10.60.0.1 to 10.60.0.9, firewall"],
        firewall
    );
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn sequence_numbers_are_those_that_tshark_reads() {
    generated::write();
    let file = generated::MIRROR_LOSS;
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

/// A format with options, the fields that they set, and what tshark must read in them.
const WRAPPED: &[(&[&str], &[&str], &[&str])] = &[
    (
        &["erspan1"],
        &["gre.proto", "gre.flags_and_version"],
        &["0x88be", "0x0000"],
    ),
    (
        &[
            "erspan2",
            "--session",
            "513",
            "--vlan",
            "20",
            "--cos",
            "5",
            "--index",
            "43973",
        ],
        &[
            "erspan.spanid",
            "erspan.vlan",
            "erspan.cos",
            "erspan.encap",
            "erspan.index",
        ],
        &["513", "20", "5", "0", "43973"],
    ),
    (
        &[
            "erspan3",
            "--session",
            "1023",
            "--hw-id",
            "45",
            "--sgt",
            "4660",
            "--direction",
            "egress",
        ],
        &[
            "erspan.spanid",
            "erspan.hw",
            "erspan.sgt",
            "erspan.direction",
            "erspan.gra",
            "erspan.ft",
        ],
        &["1023", "45", "4660", "1", "0", "0"],
    ),
    (
        &["erspan3", "--granularity", "1588", "--index", "65533"],
        &[
            "erspan.gra",
            "erspan.platid",
            "erspan.pid5.port_index",
            "erspan.pid5.timestamp",
        ],
        &["2", "5", "65533", "1772442000"],
    ),
    (
        &["erspan3", "--granularity", "ns", "--index", "16381"],
        &[
            "erspan.gra",
            "erspan.platid",
            "erspan.pid3.port_index",
            "erspan.pid3.timestamp",
        ],
        &["3", "3", "16381", "412678811"],
    ),
    (
        &["gre", "--session", "16909060", "--checksum"],
        &["gre.key", "gre.proto"],
        &["0x01020304", "0x6558"],
    ),
    (
        &["nvgre", "--session", "5000", "--flow-id", "170"],
        &["gre.key", "gre.flags_and_version"],
        &["0x001388aa", "0x2000"],
    ),
    (
        &["vxlan", "--session", "16777215"],
        &["vxlan.vni", "udp.dstport"],
        &["16777215", "4789"],
    ),
    (
        &[
            "geneve",
            "--session",
            "5001",
            "--geneve-options",
            "010280010007002a",
        ],
        &["geneve.vni", "geneve.option.class", "geneve.flags.critical"],
        &["0x001389", "0x0102", "1"],
    ),
];

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn wrapped_packets_are_those_that_tshark_sees_inside() {
    generated::write();
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    decap(Path::new(generated::HEALTHY), &plain);
    let expected = packets(&plain, "");
    for (format, names, values) in WRAPPED {
        for carrier in [
            &[][..],
            &["--destination", "2001:db8:60::9"],
            &["--mtu", "600"],
            &["--destination", "2001:db8:60::9", "--mtu", "1280"],
        ] {
            let what = format!("{format:?} {carrier:?}");
            encap(&plain, &mirrored, &[format, carrier].concat());
            // Only the fragment that completes a packet shows what is inside.
            let inside = packets(&mirrored, "gre or udp.port in {4789, 6081}");
            assert_same(&expected, &inside, FIELDS, &what);
            if !carrier.contains(&"--mtu") {
                let first = &fields(&mirrored, names)[0];
                assert_eq!(
                    first.split(';').collect::<Vec<_>>(),
                    *values,
                    "{what}: {names:?}"
                );
            }
        }
    }
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn wrapped_packets_are_numbered_before_the_path_strikes() {
    generated::write();
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    decap(Path::new(generated::HEALTHY), &plain);
    let sent = packets(&plain, "");
    for format in ["erspan2", "erspan3", "gre"] {
        let start: u32 = 4_294_967_000;
        let sequence = start.to_string();
        let faults = [
            "--sequence",
            &sequence,
            "--loss",
            "5",
            "--duplicate",
            "5",
            "--reorder",
            "5",
        ];
        encap(&plain, &mirrored, &[&[format], &faults[..]].concat());
        let numbers = fields(&mirrored, &["gre.sequence_number", "ip.id"]);
        let arrived = packets(&mirrored, "");
        assert!(arrived.len() != sent.len() && numbers.len() == arrived.len());
        for (line, packet) in numbers.iter().zip(&arrived) {
            let (number, identification) = line.split_once(';').unwrap();
            let place = number.parse::<u32>().unwrap().wrapping_sub(start);
            assert_eq!(identification, format!("{place:#06x}"), "{format}");
            // All but the time, which a late packet has from those in front of it.
            let untimed = |packet: &str| packet.split_once(';').unwrap().1.to_owned();
            let original = [untimed(&sent[place as usize])];
            assert_same(&original, &[untimed(packet)], &FIELDS[1..], format);
        }
    }
}
