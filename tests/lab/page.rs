//! The page beside a recording, from its truth.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::machine::run;
use crate::truth::{Attempt, Expected, Firewall, Kind, Truth};

/// Whose counters and mirrors these are.
pub fn recorder() -> String {
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let kernel = kernel.split('-').next().unwrap().trim();
    // The last word of the first line: "ovs-vswitchd (Open vSwitch) 3.1.0", "nftables v1.0.6 (Lester Gooch #5)".
    let switch = run("ovs-vswitchd", &["--version"]);
    let switch = switch.lines().next().unwrap().rsplit(' ').next().unwrap();
    let tables = run("nft", &["--version"]);
    let tables = tables.split_whitespace().nth(1).unwrap();
    format!("tests/lab with Linux {kernel}, Open vSwitch {switch}, nftables {tables}")
}

/// The page.
pub fn page(truth: &Truth) -> String {
    let name = &truth.scenario;
    let mut page = format!("# {name}.pcap\n\n{}\n", wrap(&truth.says));
    let options = [&truth.options[..], &[String::new()]].concat().join(" ");
    write!(
        page,
        "\nRecorded by {}; [{name}.truth.json]({name}.truth.json) has every client's try, every flow's verdict and all \
         counters.\n[two-sites.toml](two-sites.toml) draws the network.\n",
        truth.recorder
    )
    .unwrap();
    if !truth.events.is_empty() {
        page.push_str("\n| when (UTC) | what |\n| --- | --- |\n");
        for event in &truth.events {
            writeln!(page, "| {} | {} |", event.time, event.what).unwrap();
        }
    }
    page.push_str("\nWhat the clients saw:\n\n| part | to | succeeded |\n| --- | --- | --- |\n");
    for ((phase, target), (ok, tries)) in outcomes(&truth.attempts) {
        writeln!(page, "| {phase} | {target} | {ok} of {tries} |").unwrap();
    }
    page.push_str("\nWhat the firewalls counted, by where the packets came from:\n\n");
    page.push_str(
        "| firewall | from the inside | from the outside | out of state at the inside port |\n",
    );
    page.push_str("| --- | --- | --- | --- |\n");
    for (site, firewall) in &truth.firewalls {
        let Firewall {
            policy,
            inside,
            outside,
            out_of_state,
            ..
        } = firewall;
        let (inside, outside) = (classes(inside), classes(outside));
        writeln!(
            page,
            "| {site}, {policy} | {inside} | {outside} | {out_of_state} |"
        )
        .unwrap();
    }
    if truth.mirror.lost > 0 {
        let all = truth.mirror.lost + truth.mirror.arrived;
        writeln!(
            page,
            "\nOf {all} mirrored packets {} never reached the collector.",
            truth.mirror.lost
        )
        .unwrap();
    }
    write!(
        page,
        "\n`mirrorscope report {options}--sites two-sites.toml {name}.pcap` says:\n\n"
    )
    .unwrap();
    for (verdicts, flows) in verdicts(&truth.flows) {
        let plural = if flows == 1 { "flow" } else { "flows" };
        writeln!(page, "* {flows} {plural}: {verdicts}").unwrap();
    }
    for kind in &truth.findings {
        writeln!(page, "* {}", finding(kind)).unwrap();
    }
    for kind in &truth.also {
        writeln!(page, "* perhaps {}", finding(kind)).unwrap();
    }
    page.push_str("* nothing else\n");
    page
}

/// Successes and tries, by part of the scenario and target, in order of the first try.
fn outcomes(attempts: &[Attempt]) -> Vec<((String, String), (usize, usize))> {
    let mut outcomes: Vec<((String, String), (usize, usize))> = Vec::new();
    for attempt in attempts {
        let (proto, dst) = (attempt.proto.to_uppercase(), &attempt.dst);
        // A port of each: what matters of a scan is that there are many.
        let many = attempts
            .iter()
            .filter(|other| other.dst == *dst)
            .map(|other| other.dport);
        let ports: std::collections::BTreeSet<u16> = many.collect();
        let target = match attempt.dport {
            0 => format!("{dst} {proto}"),
            port if ports.len() > 20 && port >= 1000 => format!("{dst} {proto} ports from 1000"),
            port => format!("{dst} {proto} {port}"),
        };
        let key = (attempt.phase.clone(), target);
        let place = outcomes.iter().position(|(known, _)| *known == key);
        let place = place.unwrap_or_else(|| {
            outcomes.push((key, (0, 0)));
            outcomes.len() - 1
        });
        let (ok, tries) = &mut outcomes[place].1;
        *ok += usize::from(attempt.ok);
        *tries += 1;
    }
    outcomes
}

/// Counters that counted.
fn classes(counters: &BTreeMap<String, u64>) -> String {
    let counted: Vec<String> = counters
        .iter()
        .filter(|(_, packets)| **packets > 0)
        .map(|(class, packets)| format!("{packets} {}", class.replace('_', " ")))
        .collect();
    if counted.is_empty() {
        return "nothing".to_owned();
    }
    counted.join(", ")
}

/// How many flows may have which verdicts.
fn verdicts(flows: &[Expected]) -> BTreeMap<String, usize> {
    let mut verdicts = BTreeMap::new();
    for flow in flows {
        *verdicts.entry(flow.verdicts.join(" or ")).or_default() += flow.times;
    }
    verdicts
}

fn finding(kind: &Kind) -> String {
    match kind.sites.join(", ").as_str() {
        "" => format!("`{}`", kind.kind),
        sites => format!("`{}` ({sites})", kind.kind),
    }
}

/// Lines of at most 120 columns.
fn wrap(text: &str) -> String {
    textwrap::fill(text, 118)
}
