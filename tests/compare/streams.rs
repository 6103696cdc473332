//! The bytes of every TCP stream, as tshark's `follow` and as tcpflow have them, by their hashes.

mod known;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::Command;

use sha2::{Digest as _, Sha256};

use super::{captures, samples, text};

/// Streams that tshark follows in one run.
const BATCH: usize = 100;

/// The bytes of each direction by its ends, sender first; of connections with the same ends one after the other.
type Streams = BTreeMap<(SocketAddr, SocketAddr), Vec<u8>>;

#[test]
#[ignore = "needs tshark, tcpflow: tests/compare/run"]
fn streams_are_those_of_tshark_and_tcpflow() {
    let mut files = samples();
    files.extend(captures().iter().flat_map(|folder| all(folder)));
    let halves = files.split_at(files.len() / 2);
    let work = |files: &[PathBuf]| files.iter().map(|file| compare(file)).collect::<Vec<_>>();
    let compared = std::thread::scope(|scope| {
        let second = scope.spawn(|| work(halves.1));
        let mut all = work(halves.0);
        all.extend(second.join().unwrap());
        all
    });
    let mut counts = [0; 2];
    let mut found = BTreeSet::new();
    for (with, differences) in compared {
        counts[0] += with[0];
        counts[1] += with[1];
        found.extend(differences);
    }
    let known = known::differences();
    let meant = |difference: &str| {
        known
            .iter()
            .find(|known| difference.starts_with(**known))
            .copied()
    };
    let used: BTreeSet<_> = found
        .iter()
        .filter_map(|difference| meant(difference))
        .collect();
    let mut wrong: Vec<String> = found
        .iter()
        .filter(|d| meant(d).is_none())
        .cloned()
        .collect();
    let accepted = found.len() - wrong.len();
    if captures().is_some() {
        let unused = known.difference(&used);
        wrong.extend(unused.map(|known| format!("listed, but no longer so: {known}")));
    }
    eprintln!(
        "streams: {} directions compared with tshark, {} with tcpflow; {accepted} known differences",
        counts[0], counts[1]
    );
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

/// Every capture in a folder.
fn all(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries
        .filter(|path| {
            path.extension()
                .is_some_and(|ending| ending == "pcap" || ending == "pcapng")
        })
        .collect();
    files.sort();
    files
}

/// How many directions were compared with each tool, and what differs.
fn compare(file: &Path) -> ([usize; 2], Vec<String>) {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    let name = file.file_name().unwrap().to_str().unwrap();
    // Faulty captures are read as far as they go.
    mirrorscope(&["decap", "--plain", "-w", text(&inner), text(file)]);
    if !inner.exists() {
        return ([0; 2], Vec::new());
    }
    let mut counts = [0; 2];
    let mut differences = Vec::new();
    let skipped = ours(&inner, &folder.path().join("skip"), "skip");
    let zeros = ours(&inner, &folder.path().join("zero"), "zero");
    let flowed = tcpflow(&inner, &folder.path().join("tcpflow"));
    let pairs = [
        ("tshark", &skipped, Some(tshark(&inner))),
        ("tcpflow", &zeros, flowed),
    ];
    for ((tool, ours, theirs), count) in pairs.into_iter().zip(&mut counts) {
        let Some(theirs) = theirs else {
            continue;
        };
        let ends: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        for (from, to) in ends {
            let of = |streams: &Streams| streams.get(&(*from, *to)).cloned().unwrap_or_default();
            let (ours, theirs) = (of(ours), of(&theirs));
            *count += 1;
            if tool == "tcpflow" && padded(&ours, &theirs) {
                *count -= 1;
            } else if Sha256::digest(&ours) != Sha256::digest(&theirs) {
                let same = ours.iter().zip(&theirs).take_while(|(a, b)| a == b).count();
                differences.push(format!(
                    "{name} {tool} {from} {to}: {} bytes, {tool} {}, the first {same} the same",
                    ours.len(),
                    theirs.len()
                ));
            }
        }
    }
    (counts, differences)
}

fn mirrorscope(arguments: &[&str]) {
    let status = Command::new(env!("CARGO_BIN_EXE_mirrorscope"))
        .args(arguments)
        .output()
        .unwrap()
        .status;
    assert!(
        matches!(status.code(), Some(0 | 2)),
        "{arguments:?}: {status}"
    );
}

/// What we save.
fn ours(file: &Path, folder: &Path, gaps: &str) -> Streams {
    let mut streams = Streams::new();
    mirrorscope(&[
        "follow",
        "--save-all",
        text(folder),
        "--gaps",
        gaps,
        text(file),
    ]);
    let Ok(index) = fs::read(folder.join("index.csv")) else {
        return streams;
    };
    for row in csv::Reader::from_reader(index.as_slice()).deserialize() {
        let row: BTreeMap<String, String> = row.unwrap();
        if row["proto"] == "tcp" && !row["file"].is_empty() {
            let end = |address: &str, port: &str| {
                SocketAddr::new(row[address].parse().unwrap(), row[port].parse().unwrap())
            };
            let bytes = fs::read(folder.join(&row["file"])).unwrap();
            streams
                .entry((end("src", "sport"), end("dst", "dport")))
                .or_default()
                .extend(bytes);
        }
    }
    streams
}

/// What tshark follows.
fn tshark(file: &Path) -> Streams {
    let mut streams = Streams::new();
    let numbers = tshark_run(&[
        "-n",
        "-r",
        text(file),
        "-T",
        "fields",
        "-E",
        "occurrence=l",
        "-e",
        "tcp.stream",
    ]);
    let last = numbers
        .lines()
        .filter_map(|line| line.parse::<usize>().ok())
        .max();
    let all: Vec<usize> = last.map_or_else(Vec::new, |last| (0..=last).collect());
    for batch in all.chunks(BATCH) {
        let follow: Vec<String> = batch
            .iter()
            .map(|n| format!("follow,tcp,raw,{n}"))
            .collect();
        let mut arguments = vec!["-n", "-q", "-r", text(file)];
        arguments.extend(follow.iter().flat_map(|follow| ["-z", follow.as_str()]));
        let output = tshark_run(&arguments);
        // The runs of taps come in any order.
        let mut told: Vec<(usize, &str)> = output
            .split("Filter: tcp.stream eq ")
            .skip(1)
            .map(|part| {
                let (number, rest) = part.split_once('\n').unwrap();
                (number.trim().parse().unwrap(), rest)
            })
            .collect();
        told.sort_by_key(|(number, _)| *number);
        for (_, part) in told {
            let mut lines = part.lines();
            let mut node = || lines.next()?.split_once(": ")?.1.parse::<SocketAddr>().ok();
            let (Some(zero), Some(one)) = (node(), node()) else {
                continue;
            };
            for line in lines.take_while(|line| !line.starts_with('=')) {
                let (from, to) = if line.starts_with('\t') {
                    (one, zero)
                } else {
                    (zero, one)
                };
                streams
                    .entry((from, to))
                    .or_default()
                    .extend(unhex(line.trim()));
            }
        }
    }
    for bytes in streams.values_mut() {
        without_gaps(bytes);
    }
    streams
}

/// Output of tshark, which may complain about a cut file.
fn tshark_run(arguments: &[&str]) -> String {
    let output = Command::new("tshark").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn unhex(text: &str) -> Vec<u8> {
    text.as_bytes()
        .chunks(2)
        .filter_map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok())
        .collect()
}

/// Takes out what tshark writes in place of a gap: `[1448 bytes missing in capture file]`.
fn without_gaps(bytes: &mut Vec<u8>) {
    const WORDS: &[u8] = b" bytes missing in capture file]";
    while let Some(at) = bytes.windows(WORDS.len()).position(|part| part == WORDS) {
        let start = bytes[..at].iter().rposition(|byte| *byte == b'[').unwrap();
        let mut end = at + WORDS.len();
        end += usize::from(bytes.get(end) == Some(&0));
        bytes.drain(start..end);
    }
}

/// What tcpflow writes; `None` if it cannot read the file (several link types).
fn tcpflow(file: &Path, folder: &Path) -> Option<Streams> {
    fs::create_dir(folder).unwrap();
    let output = Command::new("tcpflow")
        .args([
            "-q",
            "-E",
            "tcpdemux",
            "-T",
            "%A_%a_%B_%b_%V_%v_%c",
            "-o",
            text(folder),
            "-r",
            text(file),
        ])
        .output()
        .unwrap();
    if !output.status.success() {
        return None;
    }
    let mut streams = Streams::new();
    let entries = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> = entries.collect();
    files.sort();
    for path in files {
        let name = path.file_name().unwrap().to_str().unwrap();
        let mut words = name.split('_');
        let mut end = || {
            Some(SocketAddr::new(
                address(words.next()?)?,
                words.next()?.parse().ok()?,
            ))
        };
        if let (Some(from), Some(to)) = (end(), end()) {
            streams
                .entry((from, to))
                .or_default()
                .extend(fs::read(&path).unwrap());
        }
    }
    Some(streams)
}

/// tcpflow takes the padding of short Ethernet frames for data, and probes for life too; what stands behind the last byte
/// is not overwritten later. Streams with up to twelve such bytes are not compared with it.
fn padded(ours: &[u8], theirs: &[u8]) -> bool {
    let rest = theirs.strip_prefix(ours).unwrap_or_default();
    (1..=12).contains(&rest.len())
}

/// An address whose parts have leading zeros.
fn address(text: &str) -> Option<IpAddr> {
    if text.contains(':') {
        return text.parse().ok();
    }
    let parts: Vec<u8> = text
        .split('.')
        .filter_map(|part| part.parse().ok())
        .collect();
    <[u8; 4]>::try_from(parts).ok().map(IpAddr::from)
}

#[test]
fn what_stands_for_a_gap_is_taken_out() {
    let mut bytes =
        b"ab[12 bytes missing in capture file]\0cd[3 bytes missing in capture file]e".to_vec();
    without_gaps(&mut bytes);
    assert_eq!(bytes, b"abcde");
}
