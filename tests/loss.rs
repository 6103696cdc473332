//! The network is never blamed for what the mirror lost: the samples with packets taken away at random.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mirrorscope_capture::Files;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::report::Report;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine};

/// xorshift64*: any sequence will do, as long as it is the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// Verdicts by flow, and the report, of a sample of which `percent` are lost in bursts of `burst` packets.
fn lossy(name: &str, percent: u64, burst: u64, seed: u64) -> (BTreeMap<String, String>, Report) {
    let encapsulation = if name.ends_with("vxlan") {
        "vxlan"
    } else {
        "erspan"
    };
    let sites = std::fs::read_to_string(format!("samples/two-sites-{encapsulation}.toml")).unwrap();
    let config = Config {
        sites: Sites::parse(&sites).unwrap(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, Arc::default());
    let path = PathBuf::from(format!("samples/{name}.pcap"));
    let mut files = Files::open(&[path], Arc::new(AtomicBool::new(false))).unwrap();
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut dropping = 0;
    while let Some(frame) = files.next_frame() {
        if dropping == 0 && random.below(100 * burst) < percent {
            dropping = burst;
        }
        if dropping > 0 {
            dropping -= 1;
            continue;
        }
        engine.frame(&Frame {
            time: Timestamp(frame.time),
            wire_len: frame.wire_len,
            link: LinkType::Ethernet,
            interface: 0,
            number: frame.number,
            bytes: frame.bytes,
        });
    }
    engine.finish();
    let mut verdicts = BTreeMap::new();
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
                    !broken || true_verdict == "asymmetric",
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
