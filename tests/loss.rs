//! The network is never blamed for what the mirror does: the samples with packets taken away at random, doubled, or
//! mirrored in one direction only.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use mirrorscope_engine::finding::Kind;
use mirrorscope_engine::observation::Sum;
use mirrorscope_engine::report::{FlowReport, Report};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::{Config, Engine};

use crate::frames::Random;

/// Verdicts by flow.
type Verdicts = BTreeMap<String, String>;

/// A sample's frames with their times.
fn frames(name: &str) -> Vec<(i64, Vec<u8>)> {
    crate::generated::write();
    let folder = concat!(env!("CARGO_TARGET_TMPDIR"), "/generated");
    let path = PathBuf::from(format!("{folder}/{name}.pcap"));
    crate::frames::read(&path)
}

/// An engine that got frames of a sample.
fn analyse<'a>(name: &str, frames: impl IntoIterator<Item = (i64, &'a [u8])>) -> Engine {
    let encapsulation = if name.ends_with("vxlan") {
        "vxlan"
    } else {
        "erspan"
    };
    let sites =
        std::fs::read_to_string(format!("tests/generated/two-sites-{encapsulation}.toml")).unwrap();
    let config = Config {
        sites: Sites::parse(&sites).unwrap(),
        ..Config::default()
    };
    crate::frames::analyse(config, frames)
}

/// Everything that is said of a flow and does not depend on the order of its packets, by its community id.
type Said = BTreeMap<String, (String, String, BTreeSet<char>, [u64; 2], [u64; 2])>;

fn said(engine: &Engine) -> Said {
    let mut said = Said::new();
    let keep = |f: FlowReport| -> Result<(), ()> {
        // `^` tells whose packet came first.
        let letters = f.history.chars().filter(|letter| *letter != '^').collect();
        let counts = |count: fn(&Sum) -> u64| [count(&f.orig), count(&f.resp)];
        let packets = (counts(|d| d.packets), counts(|d| d.payload));
        let verdict = f.verdict.as_str().to_owned();
        let flow = (verdict, f.state.to_owned(), letters, packets.0, packets.1);
        assert!(said.insert(f.community_id, flow).is_none());
        Ok(())
    };
    engine.flows(keep).unwrap();
    said
}

/// Verdicts and report of a sample of which `copies` says how often each frame arrives.
fn run(name: &str, mut copies: impl FnMut(&[u8]) -> u32) -> (Verdicts, Report) {
    let frames = frames(name);
    let arrived = frames.iter().flat_map(|(time, bytes)| {
        let times = copies(bytes) as usize;
        std::iter::repeat_n((*time, bytes.as_slice()), times)
    });
    let engine = analyse(name, arrived);
    let mut verdicts = Verdicts::new();
    engine
        .flows(|f| -> Result<(), ()> {
            // Who opened a flow may be lost too.
            let mut ends = [(f.src, f.sport), (f.dst, f.dport)];
            ends.sort_unstable();
            let key = format!("{} {ends:?} {:?}", f.proto, f.icmp_id);
            verdicts.insert(key, f.verdict.as_str().to_owned());
            Ok(())
        })
        .unwrap();
    (verdicts, engine.report())
}

/// A sample of which `percent` are lost in bursts of `burst` packets.
fn lossy(name: &str, percent: u64, burst: u64, seed: u64) -> (Verdicts, Report) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut dropping = 0;
    run(name, |_| {
        if dropping == 0 && random.below(100 * burst) < percent {
            dropping = burst;
        }
        let arrives = u32::from(dropping == 0);
        dropping = dropping.saturating_sub(1);
        arrives
    })
}

/// VNI of a sample's frame, and the station that sent the mirrored frame.
fn vni_and_sender(frame: &[u8]) -> (u32, &[u8]) {
    // Ethernet, IPv4 and UDP take 42 bytes; VXLAN has its VNI at @4, the inner source at @14.
    (
        u32::from_be_bytes([0, frame[46], frame[47], frame[48]]),
        &frame[56..62],
    )
}

/// Every rate of loss in every kind of burst, with several seeds.
fn losses() -> impl Iterator<Item = (u64, u64, u64)> {
    let rates = [1, 5, 20, 40].into_iter();
    rates.flat_map(|percent| {
        [1, 5, 20]
            .into_iter()
            .flat_map(move |burst| (1..=12).map(move |seed| (percent, burst, seed)))
    })
}

#[test]
fn no_loss_of_the_mirror_makes_a_healthy_network_look_broken() {
    for name in ["healthy-erspan", "healthy-vxlan"] {
        for (percent, burst, seed) in losses() {
            let (verdicts, report) = lossy(name, percent, burst, seed);
            let told: Vec<&str> = report
                .findings
                .iter()
                .map(|f| f.summary.as_str())
                .filter(|s| !s.starts_with("The mirror lost"))
                .collect();
            assert!(
                told.is_empty(),
                "{name}, {percent} % in bursts of {burst}, seed {seed}: {told:#?}"
            );
            for (flow, verdict) in verdicts {
                assert!(
                    ["symmetric", "unknown"].contains(&verdict.as_str()),
                    "{name}, {percent} % in bursts of {burst}, seed {seed}: {flow} is {verdict}"
                );
            }
        }
    }
}

#[test]
fn loss_hides_asymmetry_but_never_invents_it() {
    for name in ["asymmetric-erspan", "asymmetric-vxlan"] {
        let (truth, _) = lossy(name, 0, 1, 1);
        let asymmetric = truth
            .values()
            .filter(|verdict| *verdict == "asymmetric")
            .count();
        let (mut found, mut runs) = (0, 0);
        for (percent, burst, seed) in losses().filter(|(percent, ..)| *percent <= 5) {
            for (flow, verdict) in lossy(name, percent, burst, seed).0 {
                let broken = !["symmetric", "unknown"].contains(&verdict.as_str());
                let true_verdict = truth.get(&flow).map_or("", String::as_str);
                assert!(
                    !broken
                        || verdict == true_verdict
                        || verdict == "asymmetric" && true_verdict == "moved",
                    "{name}, {percent} % in bursts of {burst}, seed {seed}: {flow} is {verdict}, in truth {true_verdict}"
                );
                found += usize::from(verdict == "asymmetric");
            }
            runs += asymmetric;
        }
        // What is said is right; that something is said at all is worth a check too.
        assert!(
            found * 2 > runs,
            "{name}: {found} of {runs} asymmetric flows found"
        );
    }
}

#[test]
fn packets_in_any_order_that_a_mirror_can_produce_say_the_same() {
    for name in ["healthy-erspan", "asymmetric-vxlan", "server-down-erspan"] {
        let frames = frames(name);
        let expected = said(&analyse(
            name,
            frames.iter().map(|(time, bytes)| (*time, bytes.as_slice())),
        ));
        for seed in 1..=20 {
            let mut random = Random((seed * 0x9e37_79b9) | 1);
            // Each is held up for as long as a mirror's way may differ from another one's.
            let mut late: Vec<(i64, &[u8])> = frames
                .iter()
                .map(|(time, bytes)| {
                    (
                        time + random.below(5_000_000).cast_signed(),
                        bytes.as_slice(),
                    )
                })
                .collect();
            late.sort_by_key(|(time, _)| *time);
            let found = said(&analyse(name, late));
            for (flow, expected) in &expected {
                assert_eq!(
                    found.get(flow),
                    Some(expected),
                    "{name}, seed {seed}: {flow}"
                );
            }
            assert_eq!(found.len(), expected.len(), "{name}, seed {seed}");
        }
    }
}

#[test]
fn a_mirror_that_doubles_every_packet_changes_nothing() {
    for name in [
        "healthy-erspan",
        "healthy-vxlan",
        "asymmetric-erspan",
        "asymmetric-vxlan",
        "server-down-erspan",
    ] {
        let (once, report) = run(name, |_| 1);
        let (twice, doubled) = run(name, |_| 2);
        assert_eq!(once, twice, "{name}");
        let kinds = |report: &Report| {
            report
                .findings
                .iter()
                .map(|f| (f.kind, f.flows))
                .filter(|(kind, _)| *kind != Kind::MirrorDuplicates)
                .collect::<Vec<_>>()
        };
        assert_eq!(kinds(&report), kinds(&doubled), "{name}");
        let all = frames(name);
        let once = |frame: &(i64, Vec<u8>)| (frame.0, frame.1.clone());
        let twice: Vec<(i64, Vec<u8>)> = all
            .iter()
            .flat_map(|frame| [once(frame), (frame.0 + 50_000, frame.1.clone())])
            .collect();
        let bytes = |frames: &[(i64, Vec<u8>)]| {
            let frames = frames.iter().map(|(time, bytes)| (*time, bytes.as_slice()));
            said(&analyse(name, frames))
        };
        assert_eq!(bytes(&all), bytes(&twice), "{name}");
    }
}

#[test]
fn mirrors_of_one_direction_only_prove_nothing() {
    let router = [2, 0, 0, 0, 1, 0x11];
    for from_router in [true, false] {
        // The firewall's port at dc1 mirrors only what the firewall sends, or only what it receives.
        let (verdicts, report) = run("healthy-vxlan", |frame| {
            let (vni, sender) = vni_and_sender(frame);
            u32::from(vni != 5101 || (sender == router) == from_router)
        });
        let kinds: Vec<&str> = report.findings.iter().map(|f| f.kind.as_str()).collect();
        assert_eq!(kinds, ["mirror-blind-spot"], "{:#?}", report.findings);
        let unknown = verdicts
            .values()
            .filter(|verdict| *verdict == "unknown")
            .count();
        let symmetric = verdicts
            .values()
            .filter(|verdict| *verdict == "symmetric")
            .count();
        assert_eq!(unknown + symmetric, verdicts.len(), "{verdicts:#?}");
        assert!(unknown > 0, "fw1 is the only place on the path of some");
        assert!(
            report.totals.causes.contains_key("blind-spot"),
            "{:?}",
            report.totals.causes
        );
    }
}
