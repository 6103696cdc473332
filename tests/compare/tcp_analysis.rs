//! What went wrong in TCP conversations, counted as tshark's `tcp.analysis` counts it: by conversation and direction.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{decap, run, text};

/// Our name, and tshark's filters for packets of that kind, separated by commas.
const KINDS: &[(&str, &str)] = &[
    ("retransmissions", "tcp.analysis.retransmission"),
    ("fast_retransmissions", "tcp.analysis.fast_retransmission"),
    (
        "spurious_retransmissions",
        "tcp.analysis.spurious_retransmission",
    ),
    ("out_of_order", "tcp.analysis.out_of_order"),
    ("duplicate_acks", "tcp.analysis.duplicate_ack_num"),
    ("zero_windows", "tcp.analysis.zero_window"),
    ("window_full", "tcp.analysis.window_full"),
    ("keep_alives", "tcp.analysis.keep_alive"),
    ("zero_window_probes", "tcp.analysis.zero_window_probe"),
    ("lost_segments", "tcp.analysis.lost_segment"),
    ("acks_of_unseen", "tcp.analysis.ack_lost_segment"),
];

/// Fields that tell a packet from a copy of it.
const IDENTITY: &[&str] = &[
    "ip.src",
    "ipv6.src",
    "tcp.srcport",
    "ip.dst",
    "ipv6.dst",
    "tcp.dstport",
    "ip.id",
    "tcp.seq_raw",
    "tcp.ack_raw",
    "tcp.flags",
    "tcp.len",
    "tcp.options",
];

type End = (String, String);

/// What tshark says of a file.
#[derive(Default)]
struct Theirs {
    /// Packets by kind, sender and receiver.
    counts: BTreeMap<(usize, End, End), u64>,
    /// Its numbers of the streams between two ends.
    streams: BTreeMap<BTreeSet<End>, BTreeSet<String>>,
    /// Ends between which a packet came twice: there is more than one copy of each.
    copied: BTreeSet<BTreeSet<End>>,
}

impl Theirs {
    fn read(file: &Path) -> Self {
        let mut arguments = vec!["-n", "-r", text(file), "-Y", "tcp && !icmp && !icmpv6"];
        arguments.extend(["-T", "fields", "-E", "separator=;", "-E", "occurrence=f"]);
        let names = IDENTITY.iter().chain(&["tcp.stream"]).copied();
        for name in names.chain(KINDS.iter().map(|(_, theirs)| *theirs)) {
            arguments.extend(["-e", name]);
        }
        let mut all = Self::default();
        let mut packets = BTreeSet::new();
        for line in run("tshark", &arguments).lines() {
            let values: Vec<&str> = line.split(';').collect();
            let (identity, rest) = values.split_at(IDENTITY.len());
            let end = |v4: usize| {
                let address = if identity[v4].is_empty() {
                    identity[v4 + 1]
                } else {
                    identity[v4]
                };
                (address.to_owned(), identity[v4 + 2].to_owned())
            };
            let (source, destination) = (end(0), end(3));
            let ends = BTreeSet::from([source.clone(), destination.clone()]);
            if !matches!(identity[6], "" | "0x0000") && !packets.insert(identity.join(";")) {
                all.copied.insert(ends.clone());
            }
            let streams = all.streams.entry(ends).or_default();
            streams.insert(rest[0].to_owned());
            for kind in (0..KINDS.len()).filter(|kind| !rest[kind + 1].is_empty()) {
                let key = (kind, source.clone(), destination.clone());
                *all.counts.entry(key).or_default() += 1;
            }
        }
        all
    }
}

/// The conversations of a file and how their counts differ.
fn compare(file: &Path, theirs: &Theirs) -> (usize, Vec<String>) {
    let reported = run(
        env!("CARGO_BIN_EXE_mirrorscope"),
        &["flows", "--format", "json", text(file)],
    );
    let (mut compared, mut differences) = (0, Vec::new());
    for line in reported.lines() {
        let flow: Value = serde_json::from_str(line).unwrap();
        let end = |address: &str, port: &str| {
            (
                flow[address].as_str().unwrap().to_owned(),
                flow[port].to_string(),
            )
        };
        let (orig, resp) = (end("src", "sport"), end("dst", "dport"));
        let ends = BTreeSet::from([orig.clone(), resp.clone()]);
        let once = flow["points"].as_array().unwrap().len() == 1 && !theirs.copied.contains(&ends);
        let one_stream = theirs.streams.get(&ends).is_some_and(|s| s.len() == 1);
        if flow["proto"] != "tcp" || !once || !one_stream {
            continue;
        }
        compared += 1;
        let one_way = flow["orig"]["packets"] == 0 || flow["resp"]["packets"] == 0;
        for (side, other, from, to) in [
            ("orig", "resp", &orig, &resp),
            ("resp", "orig", &resp, &orig),
        ] {
            for (kind, (name, _)) in KINDS.iter().enumerate() {
                // Ours are of the end whose bytes were not seen, tshark's of the one that acknowledges them, if it
                // has seen any at all.
                let owner = match *name {
                    "acks_of_unseen" if one_way => continue,
                    "acks_of_unseen" => other,
                    _ => side,
                };
                let ours = flow["tcp"][owner][name].as_u64().unwrap();
                let key = (kind, from.clone(), to.clone());
                let theirs = theirs.counts.get(&key).copied().unwrap_or_default();
                if ours != theirs {
                    let (from, to) = (
                        format!("{}|{}", from.0, from.1),
                        format!("{}|{}", to.0, to.1),
                    );
                    differences.push(format!("{from} > {to}: {name} {ours}, tshark {theirs}"));
                }
            }
        }
    }
    (compared, differences)
}

#[test]
#[ignore = "needs tshark: tests/compare/run"]
fn counts_of_tcp_conversations_are_those_of_tshark_or_known_to_differ() {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/captures");
    let captures =
        PathBuf::from(std::env::var_os("MIRRORSCOPE_CAPTURES").unwrap_or_else(|| default.into()));
    if !captures.is_dir() {
        eprintln!(
            "captures not found at {}: nothing compared",
            captures.display()
        );
        return;
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(&captures)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.extension()
                .is_some_and(|e| e == "pcap" || e == "pcapng")
        })
        .collect();
    files.sort();
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    let (mut total, mut with, mut surprises) = (0, 0, Vec::new());
    let mut known: BTreeSet<(String, String)> = KNOWN
        .iter()
        .flat_map(|known| {
            known
                .differences
                .iter()
                .map(|d| (known.file.to_owned(), (*d).to_owned()))
        })
        .collect();
    let accepted = known.len();
    for file in &files {
        // Some are cut, or no captures at all: what can be read of those is elsewhere.
        let Ok(opened) = std::panic::catch_unwind(|| {
            decap(file, &inner);
            let mirrored = Theirs::read(&inner);
            if mirrored.streams.is_empty() {
                (file.as_path(), Theirs::read(file))
            } else {
                (inner.as_path(), mirrored)
            }
        }) else {
            eprintln!("{}: not readable", file.display());
            continue;
        };
        let (compared, differences) = compare(opened.0, &opened.1);
        total += compared;
        with += usize::from(compared > 0);
        let name = file.file_name().unwrap().to_str().unwrap();
        for difference in differences {
            if !known.remove(&(name.to_owned(), difference.clone())) {
                surprises.push(format!("{name}: {difference}"));
            }
        }
    }
    eprintln!("{total} conversations of {with} captures compared, {accepted} known differences");
    surprises.extend(
        known
            .into_iter()
            .map(|(file, difference)| format!("{file}: gone: {difference}")),
    );
    assert!(surprises.is_empty(), "{}", surprises.join("\n"));
    assert!(total > 0);
}

struct Known {
    file: &'static str,
    differences: &'static [&'static str],
    #[expect(dead_code, reason = "for people")]
    why: &'static str,
}

const KNOWN: &[Known] = &[];
