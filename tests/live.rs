//! The engine as it is asked while packets still come, and about what this host itself dropped: nothing may be said of the
//! network that time or a fuller buffer would have mended.

use std::collections::BTreeMap;

use mirrorscope_dissectors::Network;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::Engine;
use mirrorscope_engine::flow::FlowKey;
use mirrorscope_engine::receive::Receiver;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::{PointRule, Sites};
use mirrorscope_engine::time::{SECOND, Timestamp};

use crate::frames::{Random, frame};
use crate::proof::{Recording, said};

/// A frame, and what it shows: session, flow and direction.
struct Shown {
    time: i64,
    bytes: Vec<u8>,
    what: String,
}

/// The same packets in VXLAN, which numbers nothing: the session's id is the VNI.
fn unnumbered(recording: &Recording) -> Vec<Shown> {
    let config = recording.config();
    let mut receiver = Receiver::new(config.dissect, config.sites, Registry::default());
    let mut frames = Vec::new();
    for (time, bytes) in &recording.frames {
        receiver.receive(&frame(1, *time, bytes), |mirrored| {
            let (Some(mirror), Some(id)) = (&mirrored.mirror, mirrored.key.id) else {
                return;
            };
            let outer = Outer::new(mirror.source, mirror.destination);
            let vxlan = Wrap::Vxlan {
                vni: id as u32,
                port: 4789,
            };
            let mut bytes = Vec::new();
            wrap(&outer, &vxlan, mirrored.inner.bytes, &mut bytes);
            let what = match &mirrored.shown.packet.network {
                Network::Ip(ip) => format!("{:?} {:?}", mirrored.key, FlowKey::of(ip, 0)),
                _ => String::new(),
            };
            frames.push(Shown {
                time: *time,
                bytes,
                what,
            });
        });
    }
    frames
}

/// What is said of a recording of which this host drops packets, and whether it admits that.
fn with_drops(
    recording: &Recording,
    frames: &[Shown],
    mut drops: impl FnMut(&Shown) -> bool,
    (admits, how): (bool, &str),
    wrong: &mut String,
) {
    let mut engine = Engine::new(recording.config(), Registry::default());
    let (mut second, mut lost) = (frames[0].time, 0);
    for shown in frames {
        // Counters are read once a second.
        while shown.time >= second + SECOND {
            if admits {
                engine.lost_here(0, Timestamp(second), Timestamp(second + SECOND), lost);
            }
            (second, lost) = (second + SECOND, 0);
        }
        if drops(shown) {
            lost += 1;
        } else {
            engine.frame(&frame(1, shown.time, &shown.bytes));
        }
    }
    if admits {
        engine.lost_here(0, Timestamp(second), Timestamp(second + SECOND), lost);
    }
    engine.finish();
    let (flows, report) = said(&engine);
    let by_mirror = |kind: &str| kind == "mirror-loss";
    recording.judge(&flows, &report, by_mirror, how, wrong);
}

#[test]
fn bursts_that_this_host_drops_are_never_blamed_on_the_network() {
    let mut wrong = String::new();
    for recording in Recording::all() {
        let frames = unnumbered(&recording);
        for seed in 1..=4_u64 {
            let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
            // A ring that is full stays full for a while.
            let (mut passing, mut full) = (1 + random.below(80), 0);
            let drops = |_: &Shown| {
                if passing > 0 {
                    passing -= 1;
                    full = 1 + random.below(25);
                    return false;
                }
                full -= 1;
                if full == 0 {
                    passing = 1 + random.below(160);
                }
                true
            };
            let how = format!("bursts, seed {seed}");
            with_drops(&recording, &frames, drops, (true, &how), &mut wrong);
        }
    }
    assert!(wrong.is_empty(), "{}{wrong}", wrong.lines().count());
}

/// The worst that can happen: of all packets just those of one direction of a flow at one point.
#[test]
fn one_direction_that_this_host_drops_is_never_blamed_on_the_network() {
    let (mut wrong, mut not_told) = (String::new(), String::new());
    for recording in Recording::all() {
        let frames = unnumbered(&recording);
        let mut groups: BTreeMap<&str, usize> = BTreeMap::new();
        for frame in &frames {
            *groups.entry(&frame.what).or_default() += 1;
        }
        groups.retain(|what, packets| !what.is_empty() && *packets >= 3);
        let step = groups.len().div_ceil(8).max(1);
        for what in groups.into_keys().step_by(step) {
            let drops = |frame: &Shown| frame.what == what;
            with_drops(&recording, &frames, drops, (true, what), &mut wrong);
            with_drops(&recording, &frames, drops, (false, what), &mut not_told);
        }
    }
    assert!(wrong.is_empty(), "{}{wrong}", wrong.lines().count());
    // Who does not know of the drops says a lot that is not true.
    assert!(
        not_told.lines().count() > 100,
        "{}",
        not_told.lines().count()
    );
}

/// Asks for a report again and again while a recording comes in: what waits for other packets is neither lost nor judged.
#[test]
fn a_report_in_the_midst_of_it_says_nothing_untrue() {
    let mut wrong = String::new();
    let mut recalls = [(0, 0); 2];
    for recording in Recording::all() {
        let frames = &recording.frames;
        let step = frames.len().div_ceil(80).max(1);
        let mut engine = Engine::new(recording.config(), Registry::default());
        for (index, (time, bytes)) in frames.iter().enumerate() {
            engine.frame(&frame(1, *time, bytes));
            if index % step != 0 {
                continue;
            }
            // The clock goes on until the next frame comes.
            if let Some((next, _)) = frames.get(index + 1) {
                engine.now(Timestamp(next - 1));
            }
            let (flows, report) = said(&engine);
            let how = format!("after {} of {} frames", index + 1, frames.len());
            recording.judge(&flows, &report, |_| false, &how, &mut wrong);
        }
        // Once all had time to come, as much is told as of a file that ends.
        let last = frames.last().map(|(time, _)| *time).unwrap();
        engine.now(Timestamp(last + 4 * SECOND));
        let none = |_: &str| false;
        let mut recall = |engine: &Engine, how: &str| {
            let (flows, report) = said(engine);
            recording.judge(&flows, &report, none, how, &mut wrong)
        };
        let asked = recall(&engine, "at the end");
        let finished = recall(
            &crate::frames::analyse(
                recording.config(),
                frames.iter().map(|(time, bytes)| (*time, bytes.as_slice())),
            ),
            "finished",
        );
        for (sum, recall) in recalls.iter_mut().zip([asked, finished]) {
            let parts = [recall.symmetric, recall.split, recall.unanswered];
            sum.0 += parts.iter().map(|(told, _)| told).sum::<usize>();
            sum.1 += recall.findings.0;
        }
    }
    assert!(wrong.is_empty(), "{}{wrong}", wrong.lines().count());
    let [asked, finished] = recalls;
    assert!(
        asked.0 >= finished.0 && asked.1 >= finished.1,
        "{asked:?} of {finished:?}"
    );
}

/// Describes the sites in the midst of it, or describes them otherwise before: what was seen until then keeps its meaning.
#[test]
fn sites_described_anew_in_the_midst_say_nothing_untrue() {
    let mut wrong = String::new();
    let mut told = 0;
    for recording in Recording::all() {
        let frames = &recording.frames;
        // With nothing described before, with other names, and with each way to match a point a point of its own.
        let true_sites = recording.config().sites;
        let (mut renamed, mut apart) = (true_sites.clone(), true_sites.clone());
        for (number, site) in renamed.sites.iter_mut().enumerate() {
            site.name = format!("old-site-{number}");
            for point in &mut site.points {
                point.name = format!("old-{}", point.name);
            }
        }
        for site in &mut apart.sites {
            let points = std::mem::take(&mut site.points).into_iter();
            site.points = points
                .flat_map(|point| {
                    let matches = point.matches.clone().into_iter().zip(1..);
                    matches.map(move |(one, number)| PointRule {
                        name: format!("{}-{number}", point.name),
                        matches: vec![one],
                        ..point.clone()
                    })
                })
                .collect();
        }
        let before = [
            ("nothing", Sites::default()),
            ("renamed", renamed),
            ("apart", apart),
        ];
        for (name, before) in before {
            for cut in [frames.len() / 8, frames.len() / 2, frames.len() * 7 / 8] {
                let config = mirrorscope_engine::Config {
                    sites: before.clone(),
                    ..recording.config()
                };
                let mut engine = Engine::new(config, Registry::default());
                for (index, (time, bytes)) in frames.iter().enumerate() {
                    if index == cut {
                        engine.reload(true_sites.clone());
                    }
                    engine.frame(&frame(1, *time, bytes));
                }
                engine.finish();
                let (flows, report) = said(&engine);
                let how = format!("{name} until frame {cut} of {}", frames.len());
                let recall = recording.judge(&flows, &report, |_| false, &how, &mut wrong);
                told += recall.symmetric.0 + recall.split.0;
            }
        }
    }
    assert!(wrong.is_empty(), "{}{wrong}", wrong.lines().count());
    assert!(told > 500, "{told}");
}
