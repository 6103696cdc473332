//! Every TCP stream of captures that other projects made has the bytes that tshark's `follow` gives, by their hashes.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::agreement::{captures, files, in_two_threads, tell};
use crate::support::{mirrorscope, stderr, text};

/// Directions whose bytes are others, with the reason.
const KNOWN: &[(&str, &[&str], &str)] = &[
    (
        "libpcap-AH-IPcomp-IPv4.pcap",
        &["50.0.1.1|1026 150.0.1.1|80", "150.0.1.1|80 50.0.1.1|1026"],
        IPCOMP,
    ),
    (
        "libpcap-AH-IPcomp-IPv6.pcap",
        &[
            "4000::1|12764 2003::8c00:1|80",
            "2003::8c00:1|80 4000::1|12764",
        ],
        IPCOMP,
    ),
    (
        "ndpi-heuristic_tcp_ack_payload.pcap",
        &[
            "194.226.199.9|49756 92.223.106.21|443",
            "194.226.199.226|34101 8.247.226.126|80",
            "194.226.199.103|62580 217.69.139.59|443",
            "194.226.199.61|27453 35.241.9.150|443",
            "35.241.9.150|443 194.226.199.61|27453",
        ],
        "IP claims the padding of short frames, so that a bare FIN has data behind it, and an RST a payload: neither is of \
         the stream (RFC 9293 §3.5.3); tshark adds what lies beyond the last byte",
    ),
    (
        "ndpi-reasm_segv_anon.pcapng",
        &["63.190.145.43|80 172.17.36.21|57619"],
        "segments far out of order: the capture has every byte of these 40496, of which tshark loses four segments",
    ),
    (
        "pcpp-Ftp.pcap",
        &[
            "192.168.0.114|1137 192.168.0.193|21",
            "192.168.0.193|21 192.168.0.114|1137",
        ],
        "packets of one connection, and 15 years later packets of another one with the same numbers, which tshark takes for the same",
    ),
    (
        "pcpp-unidirectional_tcp_stream_with_missing_packet.pcap",
        &["10.0.0.1|61541 81.218.72.15|80"],
        GAP,
    ),
    (
        "tcpdump-tcp_rst_data-trunc.pcap",
        &["199.204.31.89|80 172.16.133.41|52875"],
        "the payload of an RST says why it was sent, and is not of the stream (RFC 9293 §3.5.3)",
    ),
    (
        "zeek-gre-aruba-amsdu.pcap",
        &["157.240.18.16|443 149.159.130.184|49392"],
        "one frame with two packets, of which the first is followed",
    ),
];

const IPCOMP: &str = "tshark inflates what is compressed; here it stays closed";
const GAP: &str = "tshark stops at a gap, and what follows is in the capture";

#[test]
fn streams_have_the_bytes_that_tshark_gives() {
    let Some(directory) = captures() else { return };
    let truths = files(&directory, &[".pcap.truth.json", ".pcapng.truth.json"]);
    let mut directions = 0;
    let mut wrong = Vec::new();
    let mut known: BTreeMap<&str, Vec<&str>> = KNOWN
        .iter()
        .map(|(file, streams, _)| (*file, streams.to_vec()))
        .collect();
    for (file, compared, different) in in_two_threads(&truths, compare) {
        directions += compared;
        let mut expected = known.remove(file.as_str()).unwrap_or_default();
        for stream in different {
            match expected
                .iter()
                .position(|known| stream.starts_with(&format!("{known}: ")))
            {
                Some(index) => drop(expected.remove(index)),
                None => wrong.push(format!("{file}: {stream}")),
            }
        }
        wrong.extend(
            expected
                .iter()
                .map(|stream| format!("{file}: listed, but the same: {stream}")),
        );
    }
    wrong.extend(
        known
            .keys()
            .map(|file| format!("{file}: listed, but there is no such capture")),
    );
    let accepted: usize = KNOWN.iter().map(|(_, streams, _)| streams.len()).sum();
    tell(&format!(
        "streams: {directions} directions compared by hash, {accepted} known differences"
    ));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(directions > 800, "{directions}");
}

/// Name of the capture, directions compared, and those that differ.
fn compare(path: &Path) -> (String, usize, Vec<String>) {
    let truth: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let file = truth["file"].as_str().unwrap().to_owned();
    let mut different = Vec::new();
    let mut compared = 0;
    let streams = truth["tcp_reassembly"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    if streams.is_empty() {
        return (file, 0, different);
    }
    let folder = tempfile::tempdir().unwrap();
    let words: Vec<&str> = truth["tshark"]
        .as_str()
        .unwrap()
        .split_whitespace()
        .collect();
    let rules = words
        .windows(2)
        .filter(|pair| pair[0] == "-d" && pair[1].starts_with("udp.port=="));
    let output = mirrorscope()
        .args(["follow", "--save-all", text(folder.path())])
        .args(rules.flatten())
        .arg(path.with_file_name(&file))
        .output()
        .unwrap();
    let ours = saved(folder.path()).unwrap_or_else(|| panic!("{file}: {}", stderr(&output)));
    for stream in &streams {
        for (from, to, way) in [("a", "b", "ab"), ("b", "a", "ba")] {
            // Where tshark saw a gap it gives no hash.
            let Some(hash) = stream[format!("sha256_{way}")].as_str() else {
                continue;
            };
            let ends = [from, to]
                .map(|end| stream[end].as_str().unwrap())
                .join(" ");
            let bytes = ours.get(&ends).cloned().unwrap_or_default();
            compared += 1;
            let same = if hash.is_empty() {
                bytes.is_empty()
            } else {
                sha256(&bytes) == hash
            };
            if !same {
                different.push(format!(
                    "{ends}: {}, tshark {}",
                    bytes.len(),
                    stream[format!("bytes_{way}")]
                ));
            }
        }
    }
    (file, compared, different)
}

/// The bytes of every TCP direction by its ends, sender first; connections with the same ends one after the other.
fn saved(folder: &Path) -> Option<BTreeMap<String, Vec<u8>>> {
    let mut streams: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let index = fs::read(folder.join("index.csv")).ok()?;
    for row in csv::Reader::from_reader(index.as_slice()).deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        if row["proto"] == "tcp" && !row["file"].is_empty() {
            let ends = format!(
                "{}|{} {}|{}",
                row["src"], row["sport"], row["dst"], row["dport"]
            );
            let bytes = fs::read(folder.join(&row["file"])).unwrap();
            assert_eq!(row["bytes"], bytes.len().to_string(), "{}", row["file"]);
            streams.entry(ends).or_default().extend(bytes);
        }
    }
    Some(streams)
}

fn sha256(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    digest.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
