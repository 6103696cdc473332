//! What tshark and capinfos read in the files of `decap`: where packets came from, what became of their flows, what is missing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;

use crate::{fields, run, text};

const SITES: [&str; 2] = ["--sites", "samples/two-sites.toml"];
const SAMPLE: &str = "samples/asymmetric-strict.pcap";

fn mirrorscope(words: &[&str]) -> String {
    run(env!("CARGO_BIN_EXE_mirrorscope"), words)
}

fn decap(output: &Path, words: &[&str]) {
    let words = [&["decap", "-w", text(output)], &SITES[..], words].concat();
    mirrorscope(&words);
}

/// One JSON object a line.
fn objects(words: &[&str]) -> Vec<Value> {
    let lines = mirrorscope(&[words, &SITES[..]].concat());
    let lines = lines.lines();
    lines.map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The file's own blocks, not its packets, as tshark reads them.
fn blocks(file: &Path) -> String {
    let arguments = [
        "-X",
        "read_format:MIME Files Format",
        "-V",
        "-r",
        text(file),
    ];
    run("tshark", &arguments)
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn tshark_reads_each_packets_site_point_and_verdict() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inner.pcapng");
    let mut directions = 0;
    for sample in [SAMPLE, "samples/healthy.pcap", "samples/trombone.pcap"] {
        decap(&file, &["--comment", "verdict", sample]);
        let names = [
            "frame.interface_name",
            "frame.packet_flags_direction",
            "frame.comment",
        ];
        let mut counted: BTreeMap<(String, String), u64> = BTreeMap::new();
        for line in fields(&file, &names) {
            // Comments have semicolons, too.
            let mut values = line.splitn(3, ';');
            let point = values.next().unwrap().to_owned();
            // The sample's ERSPAN III tells the way through the switch's port.
            directions += u64::from(values.next() == Some("0x00000001"));
            let comment = values.next().unwrap();
            if let Some((_, flow)) = comment.rsplit_once(" (flow ") {
                let flow = flow.trim_end_matches(')').to_owned();
                *counted.entry((flow, point)).or_default() += 1;
                let verdict = comment.split(':').next().unwrap();
                assert!(
                    ["symmetric", "asymmetric", "unknown"].contains(&verdict),
                    "{comment}"
                );
            }
        }
        let mut expected = BTreeMap::new();
        for flow in objects(&["flows", "--format", "json", sample]) {
            let id = flow["id"].as_str().unwrap();
            for at in flow["points"].as_array().unwrap() {
                let point = format!(
                    "{} {}",
                    at["site"].as_str().unwrap(),
                    at["point"].as_str().unwrap()
                );
                let all = ["orig", "resp"].map(|side| {
                    let count = |sum: &Value| sum["packets"].as_u64().unwrap_or_default();
                    count(&at[side]) + count(&at[side]["doubled"]) + count(&at[side]["again"])
                });
                expected.insert((id.to_owned(), point), all.iter().sum());
            }
        }
        assert_eq!(counted, expected, "{sample}");
    }
    assert!(directions > 50, "{directions}");
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn capinfos_reads_the_interfaces() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inner.pcapng");
    let filter = "port 80 and asymmetric";
    decap(&file, &["--keep", "both", "--filter", filter, SAMPLE]);
    let told = run("capinfos", &[text(&file)]);
    let values = |name: &str| -> Vec<&str> {
        let lines = told
            .lines()
            .filter_map(|line| line.trim().split_once(" = "));
        lines
            .filter(|(known, _)| *known == name)
            .map(|(_, value)| value)
            .collect()
    };
    let names = values("Name");
    for pair in names.chunks(2) {
        assert_eq!(pair[0], format!("{} outer", pair[1]), "{names:?}");
    }
    assert!(
        names.contains(&"dc1 fw1-inside") && names.contains(&"dc2 fw2-inside"),
        "{names:?}"
    );
    let descriptions = values("Description");
    assert!(
        descriptions.contains(&"erspan2-101@10.60.0.1 to 10.60.0.9, firewall"),
        "{descriptions:?}"
    );
    assert!(
        descriptions.contains(&"vxlan-5203@10.60.0.13 to 10.60.0.9, vnic, frames as they arrived")
    );
    let all = |name: &str, value: &str| {
        let values = values(name);
        assert_eq!(values, vec![value; names.len()], "{name}");
    };
    all("Time precision", "nanoseconds (9)");
    all("Filter string", filter);
    all("Number of stat entries", "1");
    let packets = values("Number of packets");
    for pair in packets.chunks(2) {
        assert_eq!(pair[0], pair[1], "as many with as without encapsulation");
    }
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn tshark_reads_what_came_and_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inner.pcapng");
    let mut missing = 0;
    for sample in ["samples/mirror-loss-10.pcap", "samples/mirror-loss-1.pcap"] {
        decap(&file, &[sample]);
        let mut told: BTreeMap<String, (u64, Option<u64>)> = BTreeMap::new();
        let (mut interfaces, mut counted) = (Vec::new(), None);
        for line in blocks(&file).lines() {
            let number = |text: &str| text.trim().parse::<u64>().unwrap();
            if let Some(text) = line.trim().strip_prefix("Description: ") {
                interfaces.push(text.split(" to ").next().unwrap().to_owned());
            } else if line.trim().starts_with("Block: ") {
                counted = None;
            } else if let Some(text) = line.trim().strip_prefix("Interface: ") {
                counted = Some(interfaces[number(text) as usize].clone());
            } else if let Some(text) = line.trim().strip_prefix("Number of Received Packets: ") {
                told.insert(counted.clone().unwrap(), (number(text), None));
            } else if let Some(text) = line.trim().strip_prefix("Number of Dropped Packets: ") {
                told.get_mut(counted.as_ref().unwrap()).unwrap().1 = Some(number(text));
            }
        }
        let expected = objects(&["sessions", "--format", "json", sample]);
        let expected = expected.iter().map(|session| {
            let name = session["name"].as_str().unwrap().to_owned();
            let lost = session["sequence"]["missing"].as_u64();
            missing += lost.unwrap_or_default();
            (name, (session["packets"].as_u64().unwrap(), lost))
        });
        assert_eq!(told, expected.collect(), "{sample}");
    }
    assert!(missing > 50, "{missing}");
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn tshark_calls_machines_by_their_names() {
    let folder = tempfile::tempdir().unwrap();
    let (file, inventory) = (
        folder.path().join("inner.pcapng"),
        folder.path().join("names.csv"),
    );
    fs::write(
        &inventory,
        "name,address\nweb01,10.20.0.50\nclient é,10.9.0.10\n",
    )
    .unwrap();
    decap(&file, &["--names", text(&inventory), SAMPLE]);
    let arguments = [
        "-N",
        "n",
        "-r",
        text(&file),
        "-T",
        "fields",
        "-e",
        "ip.src_host",
        "-e",
        "ip.dst_host",
    ];
    let told = run("tshark", &arguments);
    let (mut named, mut bare) = (0, 0);
    for ends in told.lines() {
        named += u64::from(ends == "client é\tweb01");
        bare += u64::from(ends.contains("10.20.0.50") || ends.contains("10.9.0.10"));
    }
    assert!(named > 30 && bare == 0, "{named} {bare}");
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn tshark_reads_the_same_frames_in_what_was_kept() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("outer.pcapng");
    let names = [
        "frame.time_epoch",
        "frame.len",
        "ip.src",
        "ip.id",
        "gre.sequence_number",
        "vxlan.vni",
        "tcp.seq_raw",
    ];
    for sample in [SAMPLE, "samples/mirrored-twice.pcap"] {
        decap(&file, &["--keep", "outer", sample]);
        assert_eq!(
            fields(&file, &names),
            fields(Path::new(sample), &names),
            "{sample}"
        );
    }
}

/// The packet list with the columns and colours of docs/wireshark, drawn; `UPDATE_PICTURE=1` writes it anew.
#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn the_picture_is_what_tshark_shows() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("inner.pcapng");
    let profile = folder.path().join("wireshark/profiles/mirrorscope");
    fs::create_dir_all(&profile).unwrap();
    for name in ["preferences", "colorfilters"] {
        fs::copy(format!("docs/wireshark/{name}"), profile.join(name)).unwrap();
    }
    decap(&file, &["--comment", "verdict", SAMPLE]);
    let shown = Command::new("tshark")
        .args(["-C", "mirrorscope", "-n", "-T", "tabs", "-r", text(&file)])
        .args(["-Y", "tcp.port in {40004, 40006}"])
        .env("XDG_CONFIG_HOME", folder.path())
        .output()
        .unwrap();
    assert!(shown.status.success());
    let shown = String::from_utf8(shown.stdout).unwrap();
    let drawn = draw(
        &shown,
        &fs::read_to_string("docs/wireshark/colorfilters").unwrap(),
    );
    for words in [
        "dc1 fw1-inside",
        "dc2 dci2",
        "asymmetric: requests pass",
        "symmetric: both",
    ] {
        assert!(drawn.contains(words), "{words}: {drawn}");
    }
    let picture = anstyle_svg::Term::new()
        .min_width_px(1200)
        .render_svg(&drawn);
    let path = "docs/wireshark.svg";
    if std::env::var_os("UPDATE_PICTURE").is_some() {
        fs::write(path, &picture).unwrap();
    }
    let committed = fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == picture,
        "{path} is old: run the test with UPDATE_PICTURE=1"
    );
}

/// Columns, and the letters that are shown of each.
const COLUMNS: [(&str, usize); 9] = [
    ("No.", 4),
    ("Time", 8),
    ("Site and point", 15),
    ("Way", 8),
    ("Source", 12),
    ("Destination", 12),
    ("Protocol", 8),
    ("Info", 26),
    ("Verdict", 104),
];

/// Lines of tab-separated columns as a packet list, in the colours of a profile.
fn draw(shown: &str, colours: &str) -> String {
    let heads: Vec<&str> = COLUMNS.iter().map(|(name, _)| *name).collect();
    let mut drawn = format!("\u{1b}[1m{}\u{1b}[0m\n", aligned(&heads));
    for line in shown.lines().take(24) {
        let cells: Vec<&str> = line.split('\t').map(str::trim).collect();
        // Between the addresses tshark draws an arrow.
        let cells: Vec<&str> = cells.into_iter().filter(|cell| *cell != "→").collect();
        assert_eq!(cells.len(), COLUMNS.len(), "{cells:?}");
        let verdict = cells[COLUMNS.len() - 1].split(':').next().unwrap();
        let rule = colours
            .lines()
            .find(|line| line.starts_with(&format!("@{verdict}@")));
        let [back, front] = rule.map(colour).unwrap();
        writeln!(
            drawn,
            "\u{1b}[48;2;{back}m\u{1b}[38;2;{front}m{}\u{1b}[0m",
            aligned(&cells)
        )
        .unwrap();
    }
    drawn
}

/// Background and foreground of a rule, as a terminal wants them.
fn colour(rule: &str) -> [String; 2] {
    let (_, colours) = rule.split_once("@[").unwrap();
    let parts: Vec<String> = colours
        .trim_end_matches(']')
        .split("][")
        .map(|part| {
            let values = part
                .split(',')
                .map(|value| value.parse::<u32>().unwrap() / 257);
            values
                .map(|value| value.to_string())
                .collect::<Vec<_>>()
                .join(";")
        })
        .collect();
    parts.try_into().unwrap()
}

fn aligned(cells: &[&str]) -> String {
    let cells = cells.iter().zip(COLUMNS).map(|(cell, (_, width))| {
        let cell: String = cell.chars().take(width).collect();
        format!("{cell:width$}")
    });
    cells.collect::<Vec<_>>().join(" ")
}
