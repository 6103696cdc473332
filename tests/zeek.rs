//! `flows --format zeek`: a conn.log, column by column.

use std::collections::BTreeMap;
use std::fs;

use etherparse::{IpNumber, PacketBuilder};
use mirrorscope_capture::writer::PcapWriter;

use crate::support::{json_lines, run, run_with_input, stdout, text};

const SAMPLE: &str = crate::generated::ASYMMETRIC;
const SITES: &str = crate::generated::SITES;

/// Zeek 6's conn.log with the package community-id, and two columns of our own.
const COLUMNS: [(&str, &str); 24] = [
    ("ts", "time"),
    ("uid", "string"),
    ("id.orig_h", "addr"),
    ("id.orig_p", "port"),
    ("id.resp_h", "addr"),
    ("id.resp_p", "port"),
    ("proto", "enum"),
    ("service", "string"),
    ("duration", "interval"),
    ("orig_bytes", "count"),
    ("resp_bytes", "count"),
    ("conn_state", "string"),
    ("local_orig", "bool"),
    ("local_resp", "bool"),
    ("missed_bytes", "count"),
    ("history", "string"),
    ("orig_pkts", "count"),
    ("orig_ip_bytes", "count"),
    ("resp_pkts", "count"),
    ("resp_ip_bytes", "count"),
    ("tunnel_parents", "set[string]"),
    ("community_id", "string"),
    ("verdict", "string"),
    ("points", "set[string]"),
];

fn log(file: &str) -> String {
    stdout(&run(&["flows", "--format", "zeek", "--sites", SITES, file]))
}

/// A flow's columns by name.
#[track_caller]
fn row(log: &str, wanted: impl Fn(&BTreeMap<&str, &str>) -> bool) -> Vec<String> {
    let rows = log.lines().filter(|line| !line.starts_with('#'));
    let mut found = rows.filter_map(|line| {
        let cells: Vec<&str> = line.split('\t').collect();
        assert_eq!(cells.len(), COLUMNS.len(), "{line}");
        let names = COLUMNS.iter().map(|(name, _)| *name);
        let by_name: BTreeMap<&str, &str> = names.zip(cells.iter().copied()).collect();
        wanted(&by_name).then(|| cells.iter().map(|&cell| cell.to_owned()).collect())
    });
    found.next().unwrap()
}

#[test]
fn the_header_is_zeeks_and_the_same_in_every_run() {
    let first = log(SAMPLE);
    let lines: Vec<&str> = first.lines().collect();
    let names: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let types: Vec<&str> = COLUMNS.iter().map(|(_, kind)| *kind).collect();
    assert_eq!(
        lines[..8],
        [
            "#separator \\x09",
            "#set_separator\t,",
            "#empty_field\t(empty)",
            "#unset_field\t-",
            "#path\tconn",
            "#open\t2026-03-02-09-00-00",
            &format!("#fields\t{}", names.join("\t")),
            &format!("#types\t{}", types.join("\t")),
        ]
    );
    assert_eq!(lines.last(), Some(&"#close\t2026-03-02-09-00-30"));
    assert_eq!(lines.len(), 8 + 30 + 1);
    assert_eq!(log(SAMPLE), first);
}

#[test]
fn every_column_says_what_the_packets_were() {
    // Counted with tshark in what each session brought.
    let log = log(SAMPLE);
    let expected = [
        (
            "50001",
            "1772442000.374270 CDbd54fvqsk 10.9.0.10 50001 10.20.0.50 80 tcp - 0.058718 85 3394 SF - - 0 ShADadFf \
             7 457 6 3714 - 1:0oXrOwfbxX/uKKElkXTF9EwEp7A= symmetric fw1-inside,vm-dc1",
        ),
        (
            "50002",
            "1772442012.974268 C7kg9rvr7qn 10.9.0.10 50002 10.20.0.50 80 tcp - 7.112971 0 0 S1 - - 0 Sh \
             4 240 7 420 - 1:FPs7/iUUeP/Vt7y8gBITCWAs9eE= asymmetric fw1-inside,dci-dc1,dci-dc2,vm-dc2,fw2-inside",
        ),
        (
            "43484",
            "1772442000.304270 C22jB5b2hkC 10.9.0.10 43484 10.20.0.53 53 udp - 0.000157 34 50 SF - - 0 Dd \
             1 62 1 78 - 1:yLJfdfiKmO1oeYhtNFARemn5Chs= symmetric fw1-inside,vm-dc1",
        ),
    ];
    for (port, expected) in expected {
        let cells = row(&log, |cells| cells["id.orig_p"] == port);
        assert_eq!(cells.join(" "), expected);
    }
    let ping = row(&log, |cells| {
        cells["proto"] == "icmp" && cells["id.orig_h"] == "10.9.0.11"
    });
    assert_eq!(
        ping.join(" "),
        "1772442016.011698 C9Crjcbhc9g 10.9.0.11 8 10.20.0.50 0 icmp - 3.000949 224 224 OTH - - 0 - \
         4 336 4 336 - 1:3FJYK/WN8LwLvNas4Gz2gmHqRQg= asymmetric fw1-inside,dci-dc1,dci-dc2,vm-dc2,fw2-inside"
    );
}

/// A capture of frames that came bare, a millisecond apart.
fn capture(frames: &[Vec<u8>]) -> Vec<u8> {
    let mut writer = PcapWriter::new(Vec::new(), 1, 0).unwrap();
    for (time, frame) in (0..).zip(frames) {
        let time = 1_700_000_000_000_000_000 + time * 1_000_000;
        writer.write(time, frame.len() as u32, frame).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn protocols_without_ports_are_told_as_zeek_does() {
    let ethernet = || PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let (a, b) = ([0xfd; 16], [0xfe; 16]);
    let ipv6 = |source, destination| ethernet().ipv6(source, destination, 64);
    let ipv4 = || ethernet().ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
    let mut frames = vec![Vec::new(); 6];
    let echo = [1, 2, 3, 4];
    let write = ipv6(a, b).icmpv6_echo_request(7, 1);
    write.write(&mut frames[0], &echo).unwrap();
    let write = ipv6(b, a).icmpv6_echo_reply(7, 1);
    write.write(&mut frames[1], &echo).unwrap();
    let unreachable = ipv4().icmpv4_raw(3, 13, [0; 4]);
    unreachable.write(&mut frames[2], &[0; 28]).unwrap();
    ipv4().udp(5000, 514).write(&mut frames[3], b"x").unwrap();
    let sctp = [0x13, 0x88, 0x0b, 0x59, 0, 0, 0, 0, 0, 0, 0, 0];
    ipv4().write(&mut frames[4], IpNumber::SCTP, &sctp).unwrap();
    ipv4()
        .write(&mut frames[5], IpNumber(89), &[2; 24])
        .unwrap();
    let read = run_with_input(&["flows", "--format", "zeek", "-"], &capture(&frames));
    let log = stdout(&read);
    let told = |proto: &str, port: &str| {
        let cells = row(&log, |c| c["proto"] == proto && c["id.orig_p"] == port);
        // From the responder's port to the responder's bytes, and the counts.
        format!("{} | {}", cells[5..11].join(" "), cells[14..20].join(" "))
    };
    // An echo's answer has a type of its own in ICMPv6; an error has none, and a code.
    assert_eq!(
        told("icmp", "128"),
        "129 icmp - 0.001000 4 4 | 0 - 1 52 1 52"
    );
    assert_eq!(told("icmp", "3"), "13 icmp - - - - | 0 - 1 56 0 0");
    assert_eq!(told("udp", "5000"), "514 udp - - - - | 0 D 1 29 0 0");
    assert_eq!(
        told("unknown_transport", "5000"),
        "2905 unknown_transport - - - - | 0 - 1 32 0 0"
    );
    assert_eq!(
        told("unknown_transport", "0"),
        "0 unknown_transport - - - - | 0 - 1 44 0 0"
    );
}

#[test]
fn names_cannot_break_the_log() {
    let folder = tempfile::tempdir().unwrap();
    let sites = folder.path().join("sites.toml");
    fs::write(
        &sites,
        "[[site]]\nname = \"dc1\"\n[[site.point]]\nname = \"fw,\\\\ 1\"\nmatch = { source = \"10.60.0.0/24\" }\n",
    )
    .unwrap();
    let log = stdout(&run(&[
        "flows",
        "--format",
        "zeek",
        "--sites",
        text(&sites),
        SAMPLE,
    ]));
    let cells = row(&log, |_| true);
    assert_eq!(cells[23], "fw\\x2c\\\\ 1");
}

#[test]
fn the_json_form_has_the_same_fields_without_the_unset_ones() {
    let rows = json_lines(&["flows", "--format", "zeek-json", "--sites", SITES, SAMPLE]);
    assert_eq!(rows.len(), 30);
    assert_eq!(
        rows[0].to_string(),
        serde_json::json!({
            "ts": 1_772_442_000.304_27, "uid": "C22jB5b2hkC", "id.orig_h": "10.9.0.10", "id.orig_p": 43484,
            "id.resp_h": "10.20.0.53", "id.resp_p": 53, "proto": "udp", "duration": 0.000_157,
            "orig_bytes": 34, "resp_bytes": 50, "conn_state": "SF", "missed_bytes": 0, "history": "Dd",
            "orig_pkts": 1, "orig_ip_bytes": 62, "resp_pkts": 1, "resp_ip_bytes": 78,
            "community_id": "1:yLJfdfiKmO1oeYhtNFARemn5Chs=", "verdict": "symmetric",
            "points": ["fw1-inside", "vm-dc1"],
        })
        .to_string()
    );
}

#[test]
fn the_line_of_the_page_cuts_columns_out() {
    let page = fs::read_to_string("docs/zeek.md").unwrap();
    let script = page.split("awk -F'\\t' '").nth(1).unwrap();
    let script = script.split('\'').next().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("conn.log");
    fs::write(&path, log(SAMPLE)).unwrap();
    let cut = std::process::Command::new("awk")
        .args(["-F\t", script, text(&path)])
        .output();
    let cut = String::from_utf8(cut.unwrap().stdout).unwrap();
    assert_eq!(cut.lines().count(), 30);
    assert_eq!(
        cut.lines().nth(2),
        Some("10.9.0.12 10.20.0.50 moved"),
        "{cut}"
    );
}

#[test]
fn a_log_without_flows_is_a_log() {
    let empty = run_with_input(&["flows", "--format", "zeek", "-"], &capture(&[]));
    let log = stdout(&empty);
    assert_eq!(log.lines().count(), 9, "{log}");
    let filtered = stdout(&run(&[
        "flows",
        "--format",
        "zeek",
        "--filter",
        "dport 8443",
        SAMPLE,
    ]));
    assert_eq!(filtered.lines().count(), 10, "{filtered}");
    assert!(
        filtered.contains("#open\t2026-03-02-09-00-00\n"),
        "the capture's time: {filtered}"
    );
}
