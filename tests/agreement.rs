//! Agreement with tshark over captures that other projects made, each with what tshark says of it in a
//! `.truth.json`: sessions and innermost conversations must be the same, but for what [`known`] lists.

mod coverage;
mod cut;
mod known;
mod ours;
mod truth;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::mpsc;
use std::time::Duration;

use crate::support;
use coverage::Coverage;
use truth::Truth;

/// Far more than a debug build needs for the largest capture.
const PATIENCE: Duration = Duration::from_mins(1);

#[test]
fn sessions_and_conversations_are_those_of_tshark() {
    let Some(directory) = captures() else { return };
    let truths: Vec<PathBuf> = files(&directory, &[".pcap.truth.json", ".pcapng.truth.json"]);
    let compared = in_two_threads(&truths, compare);
    let mut known = known::differences();
    let mut wrong = Vec::new();
    let mut total = Compared::default();
    let (mut files, mut accepted) = (0, 0);
    for file in &compared {
        let expected: BTreeSet<_> = known.remove(file.name.as_str()).unwrap_or_default();
        let found: BTreeSet<_> = file.differences.iter().map(String::as_str).collect();
        for difference in found.difference(&expected) {
            wrong.push(format!("{}: {difference}", file.name));
        }
        for difference in expected.difference(&found) {
            wrong.push(format!(
                "{}: listed, but no longer so: {difference}",
                file.name
            ));
        }
        files += usize::from(file.sessions.is_some() || file.conversations > 0);
        accepted += found.intersection(&expected).count();
        total.sessions = Some(total.sessions.unwrap_or(0) + file.sessions.unwrap_or(0));
        total.conversations += file.conversations;
    }
    for file in known.keys() {
        wrong.push(format!("{file}: listed, but there is no such capture"));
    }
    tell(&format!(
        "agreement: {files} captures compared, {} sessions, {} conversations; {} captures not covered, {accepted} \
         known differences",
        total.sessions.unwrap_or(0),
        total.conversations,
        compared.len() - files,
    ));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_capture_is_reported_or_refused() {
    let Some(directory) = captures() else { return };
    let captures = files(&directory, &[".pcap", ".pcapng"]);
    let wrong: Vec<String> = in_two_threads(&captures, |path| {
        report(path)
            .err()
            .map(|why| format!("{}: {why}", path.display()))
    })
    .into_iter()
    .flatten()
    .collect();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

fn report(path: &Path) -> Result<(), String> {
    let mut command = support::mirrorscope();
    command.args(["report", "--format", "json"]).arg(path);
    let output = patiently(command).ok_or("takes too long")?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    if stderr.contains("panicked") {
        return Err(stderr.into_owned());
    }
    match output.status.code() {
        Some(2) if output.stdout.is_empty() => Ok(()),
        Some(0 | 2) => serde_json::from_slice::<serde::de::IgnoredAny>(&output.stdout)
            .map(drop)
            .map_err(|error| error.to_string()),
        _ => Err(format!("{}: {stderr}", output.status)),
    }
}

/// What came of the comparison of one capture.
#[derive(Default)]
struct Compared {
    name: String,
    /// Mirror sessions compared; `None` if the capture has encapsulations that are not covered.
    sessions: Option<usize>,
    /// Conversations compared.
    conversations: usize,
    differences: Vec<String>,
}

fn compare(path: &Path) -> Compared {
    let truth = Truth::read(path);
    let capture = path.with_file_name(&truth.file);
    let mut compared = Compared {
        name: truth.file.clone(),
        ..Compared::default()
    };
    let Some(coverage) = Coverage::of(&truth) else {
        return compared;
    };
    let differences = &mut compared.differences;
    let (status, sessions) = lines("sessions", &capture, &truth);
    if (status == Some(2)) != truth.faulty || !matches!(status, Some(0 | 2)) {
        differences.push(format!(
            "exit status {status:?}, tshark calls the file {}",
            if truth.faulty { "faulty" } else { "sound" }
        ));
    }
    compared.sessions = compare_sessions(&truth, &coverage, &sessions, differences);
    let (_, flows) = lines("flows", &capture, &truth);
    compared.conversations = compare_conversations(&truth, &coverage, &flows, differences);
    compared
}

/// How many sessions could be compared.
fn compare_sessions(
    truth: &Truth,
    coverage: &Coverage,
    sessions: &[serde_json::Value],
    differences: &mut Vec<String>,
) -> Option<usize> {
    let ours = ours::Sessions::of(sessions);
    let mut check = |what: &str, ours: &Counted, theirs: &Counted| {
        let names: BTreeSet<_> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            let count = |side: &Counted| side.get(name).copied().unwrap_or(0);
            let (ours, theirs) = (count(ours), count(theirs));
            if ours != theirs {
                differences.push(format!("{what} {name}: {ours}, tshark {theirs}"));
            }
        }
    };
    if let Some(encapsulations) = &truth.corrected_encapsulations {
        if coverage.sessions {
            check("packets with", &ours.encapsulations, encapsulations);
        }
        return coverage.sessions.then_some(ours.count);
    }
    if coverage.sessions {
        check("packets of", &ours.pairs, &truth.pairs);
    }
    check("headers of", &ours.erspan, &truth.erspan);
    check("ERSPAN session", &ours.span_ids, &truth.span_ids);
    check("VXLAN VNI", &ours.vxlan, &truth.vxlan);
    check("Geneve VNI", &ours.geneve, &truth.geneve);
    check("GRE", &ours.gre, &truth.gre);
    // The key of a GRE header in front of a span id is not told.
    if ours.span_ids.is_empty() {
        check("GRE key", &ours.gre_keys, &truth.gre_keys);
    }
    let none = Counted::new();
    for (name, theirs) in &truth.others {
        check(name, ours.others.get(*name).unwrap_or(&none), theirs);
    }
    Some(ours.count)
}

fn compare_conversations(
    truth: &Truth,
    coverage: &Coverage,
    flows: &[serde_json::Value],
    differences: &mut Vec<String>,
) -> usize {
    let mut ours = ours::conversations(flows);
    let total = ours.len();
    let mut compared = 0;
    for theirs in &truth.conversations {
        let name = theirs.name();
        let found = ours.remove(&theirs.key());
        if !coverage.has(theirs) {
            continue;
        }
        compared += 1;
        let Some(found) = found else {
            differences.push(format!("{name}: missing"));
            continue;
        };
        for (what, here, there) in found.compared_with(theirs) {
            if here != there {
                differences.push(format!("{name}: {what} {here}, tshark {there}"));
            }
        }
    }
    if !coverage.whole {
        return compared;
    }
    if truth.conversations.len() < truth.conversations_total {
        if total != truth.conversations_total {
            let theirs = truth.conversations_total;
            differences.push(format!("{total} conversations, tshark {theirs}"));
        }
    } else {
        for (protocol, a, b) in ours.keys() {
            differences.push(format!("{protocol} {a} {b}: not in tshark's list"));
        }
    }
    compared
}

/// Something counted by name.
type Counted = BTreeMap<String, u64>;

/// Exit status and JSON lines of a subcommand.
fn lines(subcommand: &str, capture: &Path, truth: &Truth) -> (Option<i32>, Vec<serde_json::Value>) {
    let mut command = support::mirrorscope();
    command
        .args([subcommand, "--format", "json"])
        .args(&truth.options)
        .arg(capture);
    let output = patiently(command).unwrap_or_else(|| panic!("{}: takes too long", truth.file));
    let lines = support::stdout(&output)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    (output.status.code(), lines)
}

/// Runs a command; `None` if it does not end.
fn patiently(mut command: Command) -> Option<Output> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        // Nobody may be listening any more.
        let _ = sender.send(command.output().unwrap());
    });
    receiver.recv_timeout(PATIENCE).ok()
}

/// The directory of the captures, which is not part of the repository.
pub fn captures() -> Option<PathBuf> {
    let directory = std::env::var_os("MIRRORSCOPE_CAPTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/captures"),
        PathBuf::from,
    );
    if directory.is_dir() {
        return Some(directory);
    }
    tell(&format!(
        "captures not found at {}: test skipped",
        directory.display()
    ));
    None
}

/// Prints a line even if the test passes, which `eprintln!` does not.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Files whose names end in one of `endings`, in order.
pub fn files(directory: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let ends_well = |path: &PathBuf| {
        path.to_str()
            .is_some_and(|name| endings.iter().any(|ending| name.ends_with(ending)))
    };
    let entries = std::fs::read_dir(directory).unwrap();
    let mut files: Vec<PathBuf> = entries
        .map(|entry| entry.unwrap().path())
        .filter(ends_well)
        .collect();
    files.sort();
    files
}

pub fn in_two_threads<T: Send>(files: &[PathBuf], work: impl Fn(&Path) -> T + Sync) -> Vec<T> {
    let halves = files.split_at(files.len() / 2);
    let run = |half: &[PathBuf]| half.iter().map(|path| work(path)).collect::<Vec<T>>();
    std::thread::scope(|scope| {
        let second = scope.spawn(|| run(halves.1));
        let mut results = run(halves.0);
        results.extend(second.join().unwrap());
        results
    })
}
