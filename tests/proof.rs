//! What is said of recordings whose truth is known, while the mirror loses, doubles and reorders what it brings: it may
//! say less, and nothing that is not true.
//!
//! A recording is `NAME.pcap` beside `NAME.truth.json` and `NAME.toml` or `two-sites.toml`: in `samples/`, or in the folder that
//! `MIRRORSCOPE_RECORDINGS` names. The truth lists `flows` with the verdicts that are right, `findings` by kind and
//! sites, and in `also` what may be found besides.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use mirrorscope_engine::report::{FlowReport, Report};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::Scope;
use mirrorscope_engine::{Config, Engine};
use serde_json::Value;

use crate::frames::Random;

/// Protocol and both ends, whoever opened it.
type Key = (String, [(String, u64); 2]);

/// A recording and what is true of it.
pub struct Recording {
    pub name: String,
    pub frames: Vec<(i64, Vec<u8>)>,
    sites: String,
    scope: Scope,
    verdicts: BTreeMap<Key, BTreeSet<String>>,
    findings: BTreeSet<(String, BTreeSet<String>)>,
    also: BTreeSet<(String, BTreeSet<String>)>,
    /// When something moved.
    event: Option<Timestamp>,
    /// When flows first took a new way, as the whole recording shows.
    moved: BTreeMap<Key, Timestamp>,
}

/// What the mirror does to its packets.
#[derive(Clone, Copy, Debug, Default)]
struct Impairment {
    /// Of a hundred.
    lost: u64,
    /// Packets that are lost in a row.
    burst: u64,
    /// Of a hundred.
    doubled: u64,
    /// Most nanoseconds that a packet comes late.
    late: u64,
}

/// How much of the truth was told.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recall {
    pub symmetric: (usize, usize),
    /// Asymmetric flows, and those that moved.
    pub split: (usize, usize),
    pub unanswered: (usize, usize),
    pub findings: (usize, usize),
}

impl Recording {
    /// All recordings that are there, in the order of their names.
    pub fn all() -> Vec<Self> {
        let folder = std::env::var_os("MIRRORSCOPE_RECORDINGS");
        let folder = folder.map_or_else(|| PathBuf::from("samples"), PathBuf::from);
        let files = std::fs::read_dir(&folder)
            .unwrap()
            .map(|e| e.unwrap().path());
        let mut truths: Vec<PathBuf> = files
            .filter(|path| path.to_str().unwrap().ends_with(".truth.json"))
            .collect();
        truths.sort();
        truths.iter().map(|path| Self::read(path)).collect()
    }

    fn read(truth: &Path) -> Self {
        let stem = truth.to_str().unwrap().strip_suffix(".truth.json").unwrap();
        let own = PathBuf::from(format!("{stem}.toml"));
        let shared = truth.with_file_name("two-sites.toml");
        let sites = std::fs::read_to_string(if own.exists() { own } else { shared }).unwrap();
        let frames = crate::frames::read(Path::new(&format!("{stem}.pcap")));
        let truth: Value = serde_json::from_slice(&std::fs::read(truth).unwrap()).unwrap();
        let mut verdicts: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
        for flow in truth["flows"].as_array().unwrap() {
            let end = |address: &str, port: &str| {
                let port = flow[port].as_u64().unwrap_or_default();
                (flow[address].as_str().unwrap().to_owned(), port)
            };
            let proto = flow["proto"].as_str().unwrap();
            let key = key(proto, end("src", "sport"), end("dst", "dport"));
            verdicts
                .entry(key)
                .or_default()
                .extend(strings(&flow["verdicts"]));
        }
        let findings = |name: &str| {
            let listed = truth[name].as_array().into_iter().flatten();
            let found = listed.map(|f| {
                let kind = f["kind"].as_str().unwrap().to_owned();
                (kind, strings(&f["sites"]).collect())
            });
            found.collect()
        };
        let mut recording = Self {
            name: Path::new(stem)
                .file_name()
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned(),
            frames,
            sites,
            scope: if strings(&truth["options"]).eq(["--scope", "vlan"]) {
                Scope::Vlan
            } else {
                Scope::None
            },
            verdicts,
            findings: findings("findings"),
            also: findings("also"),
            event: truth["events"][0]["time"]
                .as_str()
                .map(|t| t.parse().unwrap()),
            moved: BTreeMap::new(),
        };
        let (flows, _) = recording.analyse(Impairment::default(), 0);
        for flow in flows {
            let latest = flow.points.iter().map(|point| point.first).max();
            recording.moved.insert(of(&flow), latest.unwrap());
        }
        recording
    }

    /// Flows and report of what a mirror with faults would have brought.
    fn analyse(&self, impairment: Impairment, seed: u64) -> (Vec<FlowReport>, Report) {
        let seed = seed + 1000 * self.frames.len() as u64;
        let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        let mut dropping = 0;
        let mut arrivals: Vec<(i64, &[u8])> = Vec::new();
        for (time, bytes) in &self.frames {
            if dropping == 0 && random.below(100 * impairment.burst.max(1)) < impairment.lost {
                dropping = impairment.burst.max(1);
            }
            let arrives = dropping == 0;
            dropping = dropping.saturating_sub(1);
            if !arrives {
                continue;
            }
            let late = random.below(impairment.late.max(1)).cast_signed();
            arrivals.push((time + late, bytes));
            if random.below(100) < impairment.doubled {
                arrivals.push((time + late + 30_000, bytes));
            }
        }
        arrivals.sort_by_key(|(time, _)| *time);
        said(&crate::frames::analyse(self.config(), arrivals))
    }

    /// The settings that it is analysed with.
    pub fn config(&self) -> Config {
        Config {
            sites: Sites::parse(&self.sites).unwrap(),
            scope: self.scope,
            ..Config::default()
        }
    }

    /// What was said that is not true, and how much of the truth was said.
    fn compare(&self, impairment: Impairment, seed: u64, wrong: &mut String) -> Recall {
        let (flows, report) = self.analyse(impairment, seed);
        let by_mirror = |kind: &str| match kind {
            "mirror-loss" => impairment.lost > 0,
            "mirror-duplicates" => impairment.doubled > 0,
            _ => false,
        };
        let how = format!("{impairment:?}, seed {seed}");
        self.judge(&flows, &report, by_mirror, &how, wrong)
    }

    /// The same of flows and a report that came of it; `by_mirror` tells kinds of findings that are true besides.
    pub fn judge(
        &self,
        flows: &[FlowReport],
        report: &Report,
        by_mirror: impl Fn(&str) -> bool,
        how: &str,
        wrong: &mut String,
    ) -> Recall {
        let mut recall = Recall::default();
        let mut said: BTreeMap<Key, BTreeSet<String>> = BTreeMap::new();
        for flow in flows {
            let key = of(flow);
            let Some(right) = self.verdicts.get(&key) else {
                continue;
            };
            let verdict = flow.verdict.as_str().to_owned();
            // Of a flow that moved, the mirror may have brought one part only.
            let part = right.contains("moved")
                && match verdict.as_str() {
                    "symmetric" => self.moved.get(&key).is_some_and(|at| flow.last < *at),
                    "asymmetric" => self.event.is_some_and(|event| flow.first > event),
                    _ => false,
                };
            if verdict != "unknown" && !right.contains(&verdict) && !part {
                let name = &self.name;
                let why = &flow.why;
                writeln!(
                    wrong,
                    "{name}, {how}: {key:?} is {verdict} ({why}), in truth {right:?}"
                )
                .unwrap();
            }
            said.entry(key).or_default().insert(verdict);
        }
        for (key, right) in &self.verdicts {
            let told = said.get(key).is_some_and(|said| !said.is_disjoint(right));
            let count = |(yes, all): &mut (usize, usize)| {
                *yes += usize::from(told);
                *all += 1;
            };
            if right.contains("unknown") {
                continue;
            }
            count(if right.contains("symmetric") {
                &mut recall.symmetric
            } else if right.contains("unanswered") {
                &mut recall.unanswered
            } else {
                &mut recall.split
            });
        }
        let found: BTreeSet<(String, BTreeSet<String>)> = report
            .findings
            .iter()
            .map(|f| {
                (
                    f.kind.as_str().to_owned(),
                    f.sites.iter().cloned().collect(),
                )
            })
            .collect();
        for (kind, sites) in &found {
            let right = |(k, s): &(String, BTreeSet<String>)| {
                k == kind && (s.is_empty() || sites.is_subset(s))
            };
            let true_one = self.findings.iter().chain(&self.also).any(right);
            if !by_mirror(kind) && !true_one {
                let name = &self.name;
                let summary: Vec<&str> = report
                    .findings
                    .iter()
                    .filter(|f| f.kind.as_str() == kind)
                    .map(|f| f.summary.as_str())
                    .collect();
                writeln!(
                    wrong,
                    "{name}, {how}: {kind} at {sites:?} is not true: {summary:#?}"
                )
                .unwrap();
            }
        }
        for right in &self.findings {
            let told = |(kind, sites): &(String, BTreeSet<String>)| {
                *kind == right.0 && (right.1.is_empty() || sites.is_subset(&right.1))
            };
            recall.findings.0 += usize::from(found.iter().any(told));
            recall.findings.1 += 1;
        }
        recall
    }
}

/// Flows and report of an engine.
pub fn said(engine: &Engine) -> (Vec<FlowReport>, Report) {
    let mut flows = Vec::new();
    let Ok(()) = engine.flows::<std::convert::Infallible>(|flow| {
        flows.push(flow);
        Ok(())
    });
    (flows, engine.report())
}

/// The key of a flow as it was found; of ICMP the addresses alone.
fn of(flow: &FlowReport) -> Key {
    let end = |address: std::net::IpAddr, port: u16| {
        let port = if flow.proto.starts_with("icmp") {
            0
        } else {
            port
        };
        (address.to_string(), u64::from(port))
    };
    let (src, dst) = (end(flow.src, flow.sport), end(flow.dst, flow.dport));
    key(&flow.proto, src, dst)
}

fn key(proto: &str, a: (String, u64), b: (String, u64)) -> Key {
    let mut ends = [a, b];
    ends.sort();
    (proto.to_owned(), ends)
}

fn strings(value: &Value) -> impl Iterator<Item = String> {
    let values = value.as_array().into_iter().flatten();
    values.map(|v| v.as_str().unwrap().to_owned())
}

/// Loss of every rate, alone and in bursts, alone and with doubled and late packets.
fn impairments() -> impl Iterator<Item = Impairment> {
    let faults = [(0, 0), (5, 5_000_000)];
    let rates = [(0, 1), (1, 1), (5, 1), (10, 1), (20, 1), (5, 20), (20, 20)];
    faults.into_iter().flat_map(move |(doubled, late)| {
        rates.into_iter().map(move |(lost, burst)| Impairment {
            lost,
            burst,
            doubled,
            late,
        })
    })
}

/// Runs all recordings with all impairments; prints a table of what was told, and fails on anything that is not true.
fn prove(seeds: u64) {
    let recordings = Recording::all();
    let mut wrong = String::new();
    println!(
        "lost   burst  doubled  late    symmetric          asymmetric, moved  unanswered         findings"
    );
    for impairment in impairments() {
        let mut total = Recall::default();
        for recording in &recordings {
            for seed in 1..=seeds {
                let recall = recording.compare(impairment, seed, &mut wrong);
                let parts = [
                    (&mut total.symmetric, recall.symmetric),
                    (&mut total.split, recall.split),
                    (&mut total.unanswered, recall.unanswered),
                    (&mut total.findings, recall.findings),
                ];
                for (sum, (yes, all)) in parts {
                    sum.0 += yes;
                    sum.1 += all;
                }
            }
        }
        let share = |(yes, all): (usize, usize)| {
            let percent = yes as f64 * 100.0 / all.max(1) as f64;
            format!("{percent:5.1} % of {all}")
        };
        println!(
            "{:3} %  {:5}  {:5} %  {:3} ms  {:<17}  {:<17}  {:<17}  {}",
            impairment.lost,
            impairment.burst,
            impairment.doubled,
            impairment.late / 1_000_000,
            share(total.symmetric),
            share(total.split),
            share(total.unanswered),
            share(total.findings)
        );
    }
    assert!(wrong.is_empty(), "{}{wrong}", wrong.lines().count());
}

#[test]
fn nothing_untrue_is_said_of_recordings_whatever_the_mirror_does_to_them() {
    prove(1);
}

#[test]
#[ignore = "minutes: cargo test --release --test cli proof -- --ignored --nocapture"]
fn nothing_untrue_is_said_with_twenty_seeds() {
    prove(20);
}
