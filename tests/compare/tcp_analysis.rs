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

const KNOWN: &[Known] = &[
    Known {
        file: "ndpi-heuristic_tcp_ack_payload.pcap",
        differences: &[
            "194.226.199.21|58155 > 52.18.127.189|443: acks_of_unseen 1, tshark 7",
            "194.226.199.21|58155 > 52.18.127.189|443: out_of_order 0, tshark 6",
            "194.226.199.21|58155 > 52.18.127.189|443: retransmissions 9, tshark 2",
            "194.226.199.226|34101 > 8.247.226.126|80: acks_of_unseen 0, tshark 1",
            "194.226.199.226|34101 > 8.247.226.126|80: out_of_order 0, tshark 2",
            "194.226.199.226|34101 > 8.247.226.126|80: retransmissions 4, tshark 2",
            "194.226.199.61|27453 > 35.241.9.150|443: acks_of_unseen 0, tshark 5",
            "194.226.199.61|27453 > 35.241.9.150|443: out_of_order 0, tshark 6",
            "194.226.199.61|27453 > 35.241.9.150|443: retransmissions 20, tshark 14",
            "194.226.199.61|6946 > 2.22.40.186|443: acks_of_unseen 0, tshark 4",
            "194.226.199.61|6946 > 2.22.40.186|443: out_of_order 0, tshark 2",
            "194.226.199.61|6946 > 2.22.40.186|443: retransmissions 19, tshark 17",
            "194.226.199.9|49756 > 92.223.106.21|443: acks_of_unseen 0, tshark 1",
            "194.226.199.9|49756 > 92.223.106.21|443: retransmissions 3, tshark 4",
            "2.22.40.186|443 > 194.226.199.61|6946: acks_of_unseen 0, tshark 8",
            "2.22.40.186|443 > 194.226.199.61|6946: out_of_order 0, tshark 4",
            "2.22.40.186|443 > 194.226.199.61|6946: retransmissions 19, tshark 14",
            "35.241.9.150|443 > 194.226.199.61|27453: acks_of_unseen 0, tshark 8",
            "35.241.9.150|443 > 194.226.199.61|27453: out_of_order 0, tshark 3",
            "35.241.9.150|443 > 194.226.199.61|27453: retransmissions 12, tshark 9",
            "52.18.127.189|443 > 194.226.199.21|58155: acks_of_unseen 1, tshark 8",
            "52.18.127.189|443 > 194.226.199.21|58155: out_of_order 0, tshark 3",
            "52.18.127.189|443 > 194.226.199.21|58155: retransmissions 12, tshark 9",
            "8.247.226.126|80 > 194.226.199.226|34101: acks_of_unseen 0, tshark 1",
            "8.247.226.126|80 > 194.226.199.226|34101: out_of_order 0, tshark 9",
            "8.247.226.126|80 > 194.226.199.226|34101: retransmissions 9, tshark 0",
            "92.223.106.21|443 > 194.226.199.9|49756: acks_of_unseen 0, tshark 2",
        ],
        why: PADDED,
    },
    Known {
        file: "ndpi-wechat.pcap",
        differences: &[
            "172.217.23.78|443 > 192.168.1.103|53220: acks_of_unseen 1, tshark 2",
            "203.205.151.162|443 > 192.168.1.103|54058: acks_of_unseen 1, tshark 2",
            "203.205.151.211|443 > 192.168.1.103|40740: acks_of_unseen 1, tshark 2",
            "216.58.205.78|443 > 192.168.1.103|47627: acks_of_unseen 1, tshark 2",
        ],
        why: AGAIN,
    },
    Known {
        file: "sv-TLPW1-tcp-110.37.219.134-10.12.14.101-tcp-990-49254.pcap",
        differences: &["10.12.14.101|49254 > 110.37.219.134|990: acks_of_unseen 23, tshark 11"],
        why: AGAIN,
    },
    Known {
        file: "sv-TLPW1-tcp-110.37.219.134-10.12.14.101-tcp-990-49254.pcap",
        differences: &[
            "110.37.219.134|990 > 10.12.14.101|49254: out_of_order 14, tshark 13",
            "110.37.219.134|990 > 10.12.14.101|49254: retransmissions 2, tshark 3",
            "110.37.219.134|990 > 10.12.14.101|49254: spurious_retransmissions 2, tshark 3",
        ],
        why: UNSEEN,
    },
    Known {
        file: "sv-dce-gap-handling.pcap",
        differences: &["172.31.9.211|49154 > 172.31.9.1|59374: acks_of_unseen 1, tshark 2"],
        why: AGAIN,
    },
    Known {
        file: "sv-http-gap-double.pcap",
        differences: &["127.0.0.1|51297 > 127.0.0.1|8080: acks_of_unseen 2, tshark 3"],
        why: AGAIN,
    },
    Known {
        file: "sv-tcp-overlap2.pcap",
        differences: &["2.2.2.2|8080 > 1.1.1.1|12345: duplicate_acks 0, tshark 1"],
        why: HANDSHAKE,
    },
    Known {
        file: "sv-tls-subjectaltname.pcap",
        differences: &[
            "138.201.208.22|443 > 192.168.100.206|59949: acks_of_unseen 0, tshark 1",
            "192.168.100.206|59621 > 138.201.208.22|443: acks_of_unseen 0, tshark 1",
            "192.168.100.206|59622 > 138.201.208.22|443: acks_of_unseen 0, tshark 1",
            "192.168.100.206|59819 > 93.184.221.240|80: acks_of_unseen 0, tshark 1",
            "192.168.100.206|59949 > 138.201.208.22|443: acks_of_unseen 0, tshark 1",
            "192.168.100.206|60036 > 138.201.208.22|443: acks_of_unseen 0, tshark 1",
            "192.168.100.206|60045 > 93.191.156.41|80: acks_of_unseen 0, tshark 1",
            "192.168.100.206|60093 > 93.191.156.41|443: acks_of_unseen 0, tshark 1",
            "204.79.197.200|443 > 192.168.100.206|59691: retransmissions 0, tshark 8",
            "212.237.249.17|80 > 192.168.100.206|60064: out_of_order 1, tshark 0",
            "212.237.249.17|80 > 192.168.100.206|60064: retransmissions 2, tshark 3",
            "93.184.221.240|80 > 192.168.100.206|59819: acks_of_unseen 0, tshark 1",
        ],
        why: OLDER,
    },
    Known {
        file: "sv-tls-subjectaltname.pcap",
        differences: &[
            "138.201.208.22|443 > 192.168.100.206|60038: fast_retransmissions 28, tshark 2",
            "138.201.208.22|443 > 192.168.100.206|60038: out_of_order 6, tshark 21",
            "138.201.208.22|443 > 192.168.100.206|60038: retransmissions 35, tshark 20",
            "46.183.138.100|80 > 192.168.100.206|60040: fast_retransmissions 2, tshark 1",
            "93.191.156.41|80 > 192.168.100.206|60043: fast_retransmissions 4, tshark 1",
            "93.191.156.41|80 > 192.168.100.206|60043: out_of_order 0, tshark 3",
            "93.191.156.41|80 > 192.168.100.206|60043: retransmissions 4, tshark 1",
            "94.231.103.159|80 > 192.168.100.206|60053: fast_retransmissions 4, tshark 1",
            "94.231.103.159|80 > 192.168.100.206|60053: out_of_order 0, tshark 3",
            "94.231.103.159|80 > 192.168.100.206|60053: retransmissions 4, tshark 1",
        ],
        why: SELECTIVE,
    },
    Known {
        file: "trex-asa_exploit.pcap",
        differences: &[
            "203.146.140.17|80 > 117.195.143.198|2131: fast_retransmissions 1, tshark 0",
            "203.146.140.17|80 > 117.195.143.198|2131: out_of_order 1, tshark 2",
            "203.146.140.17|80 > 117.195.143.198|2131: retransmissions 3, tshark 2",
        ],
        why: SELECTIVE,
    },
    Known {
        file: "zeek-gap-data-missing.pcapng",
        differences: &[
            "2a00:6020:ad0b:8381:fd70:e2f9:f031:9dc4|49980 > 2a00:6020:ad0b:8380::10|389: acks_of_unseen 1, tshark 2",
        ],
        why: AGAIN,
    },
    Known {
        file: "zeek-reassembly.pcap",
        differences: &[
            "128.3.97.175|80 > 63.193.213.194|2564: acks_of_unseen 5, tshark 7",
            "63.193.213.194|2564 > 128.3.97.175|80: lost_segments 6, tshark 8",
        ],
        why: SHORT,
    },
    Known {
        file: "zeek-reassembly.pcap",
        differences: &["128.3.97.175|80 > 63.193.213.194|2564: fast_retransmissions 0, tshark 3"],
        why: NEGATIVE,
    },
    Known {
        file: "zeek-retransmit-fast009.pcap",
        differences: &["192.168.0.27|80 > 10.0.88.85|50368: fast_retransmissions 3, tshark 1"],
        why: SELECTIVE,
    },
];

const PADDED: &str = "acknowledgements carry bytes of padding as payload, over and over: bytes that were seen are not out of \
                      order, however soon they come again, and not unseen because they come with too low a number";
const AGAIN: &str = "tshark tells the same missing bytes with further acknowledgements, and misses others while the number \
                     that it compares with is beyond them";
const UNSEEN: &str =
    "data that was acknowledged, but comes for the first time, was not sent without need";
const OLDER: &str = "the answers to the first SYN acknowledge an older connection: tshark takes its numbers for this one's, \
                     and the SYN+ACK then for one that comes again";
const SELECTIVE: &str = "tshark knows no selective acknowledgements: what they ask for is out of order to it if it comes \
                         within a round trip, and a timeout if not";
const SHORT: &str = "packets are shorter than their IP length says; tshark believes the frame, so that the rest is missing";
const NEGATIVE: &str = "nobody asked for these: tshark's count of duplicate acknowledgements is -1 here, which it takes for 255";
const HANDSHAKE: &str =
    "the first ACK behind a SYN+ACK repeats none: the window of a SYN is never scaled";
