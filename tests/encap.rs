//! `encap`: what it wraps is what `decap` unwraps, and what it says it did is what a receiver counts.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use mirrorscope_capture::Files;
use mirrorscope_capture::writer::PcapWriter;
use serde_json::Value;
use tempfile::TempDir;

use crate::support::{json, json_lines, run, run_with_input, stderr, text};

const FORMATS: [&str; 7] = [
    "erspan1", "erspan2", "erspan3", "gre", "nvgre", "vxlan", "geneve",
];
/// Those with sequence numbers, as they are asked for.
const NUMBERED: [&[&str]; 3] = [
    &["erspan2"],
    &["erspan3"],
    &["gre", "--session", "7", "--sequence", "4294967000"],
];
const SAMPLE: &str = crate::generated::HEALTHY;

/// Time in nanoseconds, length on the wire, bytes.
type Packet = (i64, u32, Vec<u8>);

fn write(path: &Path, link_type: u16, packets: &[Packet]) {
    let mut writer = PcapWriter::new(fs::File::create(path).unwrap(), link_type, 0).unwrap();
    for (time, wire_len, bytes) in packets {
        writer.write(*time, *wire_len, bytes).unwrap();
    }
    writer.finish().unwrap();
}

/// Link type of the first packet, and all packets.
fn read(path: &Path) -> (Option<u16>, Vec<Packet>) {
    let mut files = Files::open(&[path.to_owned()], Arc::default()).unwrap();
    let (mut link_type, mut packets) = (None, Vec::new());
    while let Some(frame) = files.next_frames(1).next() {
        link_type.get_or_insert(frame.origin.link_type);
        packets.push((frame.time, frame.wire_len, frame.bytes.to_vec()));
    }
    assert!(files.problems().is_empty(), "{:?}", files.problems());
    (link_type, packets)
}

/// Runs `encap`; gives the JSON summary.
#[track_caller]
fn encap(arguments: &[&str], from: &Path, to: &Path) -> Value {
    let all = [
        &[
            "encap",
            "--summary",
            "json",
            "-w",
            text(to),
            text(from),
            "--as",
        ],
        arguments,
    ];
    let output = run(&all.concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_str(&stderr(&output)).unwrap()
}

/// What `decap` makes of a file.
#[track_caller]
fn decap(file: &Path) -> (Option<u16>, Vec<Packet>) {
    let inner = file.with_extension("inner");
    let output = run(&["decap", "--format", "pcap", "-w", text(&inner), text(file)]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    read(&inner)
}

/// A folder with the packets of the sample, stripped, as `plain.pcap`.
fn plain_sample() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let plain = folder.path().join("plain.pcap");
    let output = run(&["decap", "-w", text(&plain), SAMPLE]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    (folder, plain)
}

/// UDP from 10.1.0.1 to 10.1.0.2, of so many bytes with its IPv4 header.
fn ipv4(len: u16) -> Vec<u8> {
    let mut packet = vec![0x45, 0, 0, 0, 0, 9, 0, 0, 64, 17, 0, 0];
    packet[2..4].copy_from_slice(&len.to_be_bytes());
    packet.extend([10, 1, 0, 1, 10, 1, 0, 2, 0, 7, 0, 9]);
    packet.extend((len - 20).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend((28..len).map(|byte| byte as u8));
    packet
}

/// UDP between IPv6 hosts that end in 10.1.0.1 and 10.1.0.2, of so many bytes with its header.
fn ipv6(len: u16) -> Vec<u8> {
    let mut packet = vec![0x60, 0, 0, 0];
    packet.extend((len - 40).to_be_bytes());
    packet.extend([17, 64]);
    for last in [1, 2] {
        packet.extend([0x20, 1, 0x0d, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 10, 1, 0, last]);
    }
    packet.extend([0, 7, 0, 9]);
    packet.extend((len - 40).to_be_bytes());
    packet.extend([0, 0]);
    packet.resize(len.into(), 0x66);
    packet
}

fn ip_packets() -> Vec<Vec<u8>> {
    vec![ipv4(28), ipv4(1500), ipv4(1471), ipv6(48), ipv6(1500)]
}

/// Behind the Ethernet header that `encap` documents for packets without.
fn with_made_up_ethernet(packet: &[u8]) -> Vec<u8> {
    let ether_type = if packet[0] >> 4 == 4 {
        [8, 0]
    } else {
        [0x86, 0xdd]
    };
    let macs = [2, 0, 10, 1, 0, 2, 2, 0, 10, 1, 0, 1];
    [&macs[..], &ether_type, packet].concat()
}

/// Frames of an Ethernet: tagged, padded, of IP and not.
fn frames() -> Vec<Vec<u8>> {
    let mut frames: Vec<Vec<u8>> = ip_packets()
        .iter()
        .map(|packet| with_made_up_ethernet(packet))
        .collect();
    let mut padded = with_made_up_ethernet(&ipv4(30));
    padded.resize(60, 0);
    let mut tagged = with_made_up_ethernet(&ipv4(1500));
    tagged.splice(12..12, [0x81, 0, 0xa0, 100]);
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 9, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1]);
    arp.extend([2, 0, 0, 0, 0, 9, 10, 1, 0, 9, 0, 0, 0, 0, 0, 0, 10, 1, 0, 1]);
    arp.resize(60, 0);
    frames.extend([padded, tagged, arp]);
    frames
}

/// With times that neither micro- nor milliseconds hold.
fn timed(packets: Vec<Vec<u8>>) -> Vec<Packet> {
    (0..)
        .map(|number| 1_700_000_000_123_456_789 + 1_000_001 * number)
        .zip(packets)
        .map(|(time, bytes)| (time, bytes.len() as u32, bytes))
        .collect()
}

/// A link type, what stands in front of an IPv4 and an IPv6 packet there, and whether there is IP alone.
const LINK_TYPES: [(u16, &[u8], &[u8]); 5] = [
    (101, &[], &[]),
    (0, &[2, 0, 0, 0], &[30, 0, 0, 0]),
    (108, &[0, 0, 0, 2], &[0, 0, 0, 24]),
    (
        113,
        &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 8, 0],
        &[0, 0, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0, 0x86, 0xdd],
    ),
    (
        276,
        &[8, 0, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0],
        &[
            0x86, 0xdd, 0, 0, 0, 0, 0, 3, 0, 1, 0, 6, 2, 0, 0, 0, 0, 9, 0, 0,
        ],
    ),
];

#[test]
fn decap_gives_back_what_encap_was_given() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    // Each input with what comes back of it, if IP is carried alone and if not.
    let mut inputs = vec![(1, timed(frames()), (1, timed(frames())))];
    for (link_type, before_ipv4, before_ipv6) in LINK_TYPES {
        let packets = ip_packets();
        let headed = packets.iter().map(|packet| {
            let before = if packet[0] >> 4 == 4 {
                before_ipv4
            } else {
                before_ipv6
            };
            [before, packet].concat()
        });
        inputs.push((link_type, timed(headed.collect()), (101, timed(packets))));
    }
    for (link_type, packets, (back_link_type, back)) in inputs {
        write(&plain, link_type, &packets);
        for format in FORMATS {
            let bare = link_type == 1 || ["erspan3", "gre", "geneve"].contains(&format);
            let expected = if bare {
                (Some(back_link_type), back.clone())
            } else {
                let framed = ip_packets()
                    .iter()
                    .map(|p| with_made_up_ethernet(p))
                    .collect();
                (Some(1), timed(framed))
            };
            for destination in ["10.60.0.9", "2001:db8:60::9"] {
                for mtu in [None, Some("1280")] {
                    let mut arguments = vec![format, "--destination", destination];
                    arguments.extend(mtu.iter().flat_map(|mtu| ["--mtu", mtu]));
                    let done = encap(&arguments, &plain, &mirrored);
                    let what = format!("link type {link_type}, {arguments:?}");
                    assert_eq!(done["mirrored"], packets.len(), "{what}");
                    assert_eq!(
                        done["fragments"].as_u64() > Some(0),
                        mtu.is_some(),
                        "{what}"
                    );
                    assert!(decap(&mirrored) == expected, "{what}");
                }
            }
        }
    }
}

#[test]
fn no_outer_packet_is_longer_than_the_mtu() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    write(&plain, 1, &timed(frames()));
    for (destination, mtu) in [("10.60.0.9", 68), ("10.60.0.9", 1500), ("::9", 1280)] {
        let asked = mtu.to_string();
        let arguments = ["vxlan", "--destination", destination, "--mtu", &asked];
        let done = encap(&arguments, &plain, &mirrored);
        let (_, frames) = read(&mirrored);
        let longest = frames.iter().map(|frame| frame.1).max();
        assert!(
            longest <= Some(mtu + 14) && longest > Some(mtu + 14 - 8),
            "{longest:?}"
        );
        assert_eq!(done["frames"], frames.len());
        assert!(decap(&mirrored).1 == timed(self::frames()), "{arguments:?}");
    }
}

#[test]
fn packets_that_the_capture_cut_keep_their_length() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    let mut packets = timed(frames());
    for (_, _, bytes) in &mut packets {
        bytes.truncate(96);
    }
    write(&plain, 1, &packets);
    for format in FORMATS {
        encap(&[format], &plain, &mirrored);
        assert!(decap(&mirrored).1 == packets, "{format}");
    }
    // In fragments the same bytes were captured; those of which nothing was have their headers left.
    encap(&["gre", "--mtu", "576"], &plain, &mirrored);
    let (_, parts) = read(&mirrored);
    let payload: usize = parts.iter().map(|part| part.2.len() - 34).sum();
    let captured: usize = packets.iter().map(|packet| packet.2.len() + 4).sum();
    assert_eq!(payload, captured);
    let on_wire: u32 = parts.iter().map(|part| part.1 - 34).sum();
    assert_eq!(
        on_wire,
        packets.iter().map(|packet| packet.1 + 4).sum::<u32>()
    );
}

#[test]
fn frames_beyond_the_longest_ip_packet_come_back_too() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    // A frame that the network card would still have split: its own IP length is 0 as well.
    let mut frame = with_made_up_ethernet(&ipv4(1500));
    frame[16..18].copy_from_slice(&[0, 0]);
    frame.resize(70_000, 0x55);
    write(&plain, 1, &timed(vec![frame.clone()]));
    for format in FORMATS {
        encap(&[format], &plain, &mirrored);
        assert_eq!(read(&mirrored).1[0].2[16..18], [0, 0], "{format}");
        assert!(decap(&mirrored).1 == timed(vec![frame.clone()]), "{format}");
    }
}

#[test]
fn a_receiver_counts_what_encap_says_it_did() {
    let (folder, plain) = plain_sample();
    let mirrored = folder.path().join("mirrored.pcap");
    let mut faults = 0;
    for format in NUMBERED {
        for (seed, mtu) in ["1", "2", "3", "4"]
            .into_iter()
            .zip([None, Some("600")].iter().cycle())
        {
            for more in [
                &["--loss", "5"][..],
                &["--loss", "20", "--loss-burst", "7"],
                &["--duplicate", "10"],
                &["--reorder", "10", "--reorder-distance", "30"],
                &["--loss", "8", "--duplicate", "8", "--reorder", "25"],
            ] {
                let mut arguments = [format, more, &["--seed", seed]].concat();
                arguments.extend(mtu.iter().flat_map(|mtu| ["--mtu", mtu]));
                let done = encap(&arguments, &plain, &mirrored);
                let sessions = json_lines(&["sessions", "--format", "json", text(&mirrored)]);
                let [session] = &sessions[..] else {
                    panic!("{arguments:?}: {sessions:#?}");
                };
                let sequence = &session["sequence"];
                let counts = |value: &Value, names: [&str; 3]| {
                    names.map(|name| value[name].as_u64().unwrap())
                };
                let told = counts(&done, ["lost", "duplicated", "reordered"]);
                assert_eq!(
                    counts(sequence, ["missing", "duplicate", "reordered"]),
                    told,
                    "{arguments:?}"
                );
                let arrived = done["mirrored"].as_u64().unwrap() - told[0] + told[1];
                assert_eq!(sequence["received"], arrived, "{arguments:?}");
                assert_eq!(sequence["restarts"], 0, "{arguments:?}");
                faults += told.iter().sum::<u64>();
            }
        }
    }
    assert!(faults > 3000, "{faults}");
}

#[test]
fn times_stay_in_order_when_packets_do_not() {
    let (folder, plain) = plain_sample();
    let mirrored = folder.path().join("mirrored.pcap");
    let done = encap(
        &["erspan2", "--reorder", "30", "--delay", "1.5ms"],
        &plain,
        &mirrored,
    );
    assert!(done["reordered"].as_u64() > Some(100));
    let times = |path: &Path| -> Vec<i64> { read(path).1.iter().map(|packet| packet.0).collect() };
    let (sent, arrived) = (times(&plain), times(&mirrored));
    assert!(arrived.is_sorted());
    assert_eq!(arrived[0], sent[0] + 1_500_000);
    assert_eq!(arrived.len(), sent.len());
}

#[test]
fn the_seed_decides_the_file() {
    let (folder, plain) = plain_sample();
    let written = |name: &str, seed: &str| {
        let path = folder.path().join(name);
        let faults = ["--loss", "5", "--duplicate", "5", "--reorder", "5"];
        encap(
            &[&["erspan3", "--mtu", "1000", "--seed", seed], &faults[..]].concat(),
            &plain,
            &path,
        );
        fs::read(path).unwrap()
    };
    let first = written("one.pcapng", "7");
    assert!(first == written("two.pcapng", "7"));
    assert!(first != written("three.pcapng", "8"));
}

#[test]
fn the_tag_taken_off_is_in_the_erspan_header() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    let untagged = with_made_up_ethernet(&ipv4(60));
    let mut tagged = untagged.clone();
    tagged.splice(12..12, [0x81, 0, 0xa0, 100]);
    write(&plain, 1, &timed(vec![tagged.clone(), untagged.clone()]));
    // Ethernet, IPv4 and GRE with its number take 42 bytes; the header's first words follow.
    let headers = |arguments: &[&str]| {
        encap(arguments, &plain, &mirrored);
        let (_, frames) = read(&mirrored);
        frames
            .into_iter()
            .map(|(_, _, bytes)| bytes[42..46].try_into().unwrap())
            .collect::<Vec<[u8; 4]>>()
    };
    // VLAN 100 is 0x064 and priority 5 is 0xa000; En 2 is 0x1000, En 3 0x1800; VLAN 20 is 0x014.
    let session = ["--session", "513"];
    let strip = headers(&[&["erspan2", "--strip-vlan", "--vlan", "20"], &session[..]].concat());
    assert_eq!(strip, [[0x10, 0x64, 0xb2, 0x01], [0x10, 0x14, 0x02, 0x01]]);
    assert!(decap(&mirrored).1.iter().all(|packet| packet.2 == untagged));
    let keep = headers(&[&["erspan2", "--cos", "3"], &session[..]].concat());
    assert_eq!(keep, [[0x10, 0x64, 0x7a, 0x01], [0x10, 0, 0x62, 0x01]]);
    assert_eq!(decap(&mirrored).1[0].2, tagged);
    let third = headers(&[&["erspan3", "--strip-vlan"], &session[..]].concat());
    assert_eq!(third, [[0x20, 0x64, 0xa2, 0x01], [0x20, 0, 0x02, 0x01]]);
    let vlans: Vec<Value> = json_lines(&[
        "flows",
        "--format",
        "json",
        "--scope",
        "vlan",
        text(&mirrored),
    ]);
    assert_eq!(vlans.len(), 2, "the same flow in and outside VLAN 100");
}

#[test]
fn outer_headers_are_those_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    write(&plain, 1, &timed(frames()));
    let headers = |arguments: &[&str]| -> Vec<Vec<u8>> {
        encap(arguments, &plain, &mirrored);
        let (_, frames) = read(&mirrored);
        frames.iter().map(|frame| frame.2[..42].to_vec()).collect()
    };
    let macs = [
        "--source-mac",
        "02:aa:00:00:00:01",
        "--destination-mac",
        "02:bb:00:00:00:02",
    ];
    let ends = [
        "--source",
        "10.60.0.1",
        "--destination",
        "10.60.0.9",
        "--ttl",
        "9",
    ];
    let vxlan = headers(
        &[
            &["vxlan", "--port", "8472", "--dont-fragment"],
            &macs[..],
            &ends,
        ]
        .concat(),
    );
    let first = &vxlan[0];
    assert_eq!(
        first[..14],
        [2, 0xbb, 0, 0, 0, 2, 2, 0xaa, 0, 0, 0, 1, 8, 0]
    );
    assert_eq!(first[26..34], [10, 60, 0, 1, 10, 60, 0, 9]);
    assert_eq!(
        (first[20], first[22]),
        (0x40, 9),
        "don't fragment, time to live"
    );
    assert_eq!(first[36..38], 8472_u16.to_be_bytes());
    let ids: Vec<u8> = vxlan.iter().map(|header| header[19]).collect();
    assert_eq!(ids, (0..vxlan.len() as u8).collect::<Vec<_>>());
    // A flow keeps its port, or its packets would overtake each other; another has another.
    let ports: Vec<&[u8]> = vxlan.iter().map(|header| &header[34..36]).collect();
    assert_eq!(ports[0], ports[1]);
    assert_ne!(ports[0], ports[3], "IPv4 and IPv6");
    assert!(ports.iter().all(|port| port[0] >= 0xc0));
    let plain_ids = headers(&["gre", "--ip-id-zero"]);
    assert!(
        plain_ids
            .iter()
            .all(|header| header[18..20] == [0, 0] && header[20] == 0)
    );
}

#[test]
fn a_truncating_mirror_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, mirrored) = (
        folder.path().join("plain.pcap"),
        folder.path().join("mirrored.pcap"),
    );
    write(&plain, 1, &timed(frames()));
    let done = encap(&["erspan2", "--truncate", "60"], &plain, &mirrored);
    let longer = frames().iter().filter(|frame| frame.len() > 60).count();
    assert_eq!(done["truncated"], longer);
    let bits = read(&mirrored)
        .1
        .iter()
        .filter(|packet| packet.2[44] & 4 != 0)
        .count();
    assert_eq!(bits, longer);
    for ((_, _, inner), frame) in decap(&mirrored).1.iter().zip(frames()) {
        assert_eq!(*inner, frame[..frame.len().min(60)]);
    }
}

#[test]
fn one_direction_and_the_other_are_the_whole() {
    let (folder, plain) = plain_sample();
    let (forth, back) = (
        folder.path().join("forth.pcap"),
        folder.path().join("back.pcap"),
    );
    let [there, answers] = [("forth", &forth), ("back", &back)]
        .map(|(way, path)| encap(&["vxlan", "--only", way], &plain, path));
    let count = |done: &Value, name: &str| done[name].as_u64().unwrap();
    assert_eq!(count(&there, "mirrored"), count(&answers, "not_selected"));
    assert_eq!(count(&answers, "mirrored"), count(&there, "not_selected"));
    assert!(count(&answers, "mirrored") > 100);
    // Whoever is taken for the originator there: one side of each flow is silent.
    for path in [&forth, &back] {
        for flow in json_lines(&["flows", "--format", "json", text(path)]) {
            let packets = |side: &str| flow[side]["packets"].as_u64().unwrap();
            assert!(packets("orig") == 0 || packets("resp") == 0, "{flow:#}");
        }
    }
    // As received from the virtual machines' network.
    let port = folder.path().join("port.pcap");
    encap(&["erspan2", "--only-source", "10.20.0.0/24"], &plain, &port);
    for flow in json_lines(&["flows", "--format", "json", text(&port)]) {
        let sender = if flow["orig"]["packets"] == 0 {
            "dst"
        } else {
            "src"
        };
        assert!(
            flow[sender].as_str().unwrap().starts_with("10.20.0."),
            "{flow:#}"
        );
    }
}

#[test]
fn a_second_mirror_of_one_direction_makes_no_asymmetry() {
    let (folder, plain) = plain_sample();
    let (both, forth) = (
        folder.path().join("both.pcap"),
        folder.path().join("forth.pcap"),
    );
    encap(&["erspan2", "--session", "1"], &plain, &both);
    let later = ["--only", "forth", "--delay", "20us"];
    encap(
        &[&["erspan2", "--session", "2"], &later[..]].concat(),
        &plain,
        &forth,
    );
    let report = json(&["report", "--format", "json", text(&both), text(&forth)]);
    let findings = report["findings"].as_array().unwrap();
    // What several points of the sample saw comes from one mirror here.
    let kinds = findings.iter().map(|f| f["kind"].as_str().unwrap());
    assert!(kinds.eq(["mirror-duplicates"]), "{findings:#?}");
    let verdicts = &report["totals"]["verdicts"];
    assert!(verdicts["asymmetric"].is_null(), "{verdicts}");
    assert!(verdicts["symmetric"].as_u64() > Some(10), "{verdicts}");
}

#[test]
fn it_writes_into_a_pipe_and_reads_from_one() {
    let (folder, plain) = plain_sample();
    let mirrored = folder.path().join("mirrored.pcapng");
    encap(&["geneve", "--session", "77"], &plain, &mirrored);
    let arguments = ["encap", "--as", "geneve", "--session", "77", "-w", "-", "-"];
    let output = run_with_input(&arguments, &fs::read(&plain).unwrap());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(output.stdout == fs::read(&mirrored).unwrap());
    let told = stderr(&output);
    assert!(
        told.starts_with("mirrorscope: -: 824 packets read, 824 mirrored; 824 frames"),
        "{told}"
    );
}

#[test]
fn what_makes_no_sense_is_refused_in_a_sentence() {
    let (folder, plain) = plain_sample();
    let written = folder.path().join("mirrored.pcap");
    for (arguments, told) in [
        (
            &["vxlan", "--vlan", "7"][..],
            "--vlan says nothing in vxlan; it is for erspan2, erspan3",
        ),
        (
            &["erspan2", "--hw-id", "7"],
            "--hw-id says nothing in erspan2; it is for erspan3",
        ),
        (
            &["erspan1", "--session", "7"],
            "--session says nothing in erspan1",
        ),
        (
            &["nvgre", "--sequence", "7"],
            "--sequence says nothing in nvgre",
        ),
        (
            &["gre", "--port", "4789"],
            "--port says nothing in gre; it is for vxlan, geneve",
        ),
        (
            &["erspan2", "--session", "1024"],
            "--session 1024: an ERSPAN session is at most 1023",
        ),
        (
            &["vxlan", "--session", "16777216"],
            "a VNI is at most 16777215",
        ),
        (
            &["nvgre", "--session", "16777216"],
            "a VSID is at most 16777215",
        ),
        (
            &["erspan2", "--sequence", "none"],
            "would be read as ERSPAN I",
        ),
        (
            &["erspan2", "--index", "1048576"],
            "--index 1048576: the field has 20 bits",
        ),
        (
            &["erspan3", "--granularity", "ns", "--index", "16384"],
            "the field has 14 bits",
        ),
        (
            &["erspan3", "--index", "1"],
            "only the sub-header of --granularity 1588 or ns",
        ),
        (&["erspan3", "--vlan", "4096"], "4096 is not in 0..=4095"),
        (&["gre", "--ttl", "0"], "0 is not in 1..=255"),
        (&["gre", "--loss", "101"], "not a number from 0 to 100"),
        (&["gre", "--delay", "5"], "a number and its unit are needed"),
        (&["gre", "--source-mac", "02:00"], "not a MAC address"),
        (
            &["gre", "--source", "10.0.0.1", "--destination", "::1"],
            "of different families",
        ),
        (
            &["gre", "--source", "::1", "--ip-id-zero"],
            "IPv6 has no such field",
        ),
        (
            &["gre", "--source", "::1", "--mtu", "1279"],
            "at least 1280",
        ),
        (&["gre", "--mtu", "67"], "67 is not in 68..=65535"),
        (
            &["gre", "--mtu", "1500", "--dont-fragment"],
            "cannot be used with",
        ),
        (
            &["geneve", "--geneve-options", "01"],
            "not a list of options",
        ),
        (&["l2tp"], "invalid value 'l2tp'"),
    ] {
        let all = [
            &["encap", "-w", text(&written), text(&plain), "--as"],
            arguments,
        ];
        let output = run(&all.concat());
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(
            stderr(&output).contains(told),
            "{arguments:?}: {}",
            stderr(&output)
        );
    }
    assert!(!written.exists());
}

#[test]
fn a_file_appears_complete_or_not_at_all() {
    let (folder, plain) = plain_sample();
    let before = fs::read(&plain).unwrap();
    let output = run(&["encap", "--as", "gre", "-w", text(&plain), text(&plain)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("is an input file too"),
        "{}",
        stderr(&output)
    );
    assert!(fs::read(&plain).unwrap() == before);
    let output = run(&["encap", "--as", "gre", "-w", "/dev/full", text(&plain)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("no space left on device"),
        "{}",
        stderr(&output)
    );
    let cut = folder.path().join("cut.pcap");
    fs::write(&cut, &before[..before.len() - 1]).unwrap();
    let mirrored = folder.path().join("mirrored.pcap");
    let output = run(&["encap", "--as", "gre", "-w", text(&mirrored), text(&cut)]);
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        read(&mirrored).1.len(),
        read(&plain).1.len() - 1,
        "the packets before the cut"
    );
    let missing = folder.path().join("missing.pcap");
    let other = folder.path().join("other.pcap");
    let output = run(&["encap", "--as", "gre", "-w", text(&other), text(&missing)]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!other.exists());
}
