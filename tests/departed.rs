//! Flows that are over while packets come: each is told once, with all that was seen of it, and judged as at the end.

use std::collections::BTreeMap;
use std::convert::Infallible;

use mirrorscope_engine::depart::{self, End, Left, Lender, UnderWay};
use mirrorscope_engine::look::Desk;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::{Config, Engine};

use crate::frames::frame;
use crate::proof::Recording;

/// An engine to which nothing comes while it is lent.
struct Still(Engine);

impl Desk for Still {
    type Gone = Infallible;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Infallible> {
        Ok(work(&self.0))
    }
}

impl Lender for Still {
    fn alter<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut Engine) -> R + Send + 'static,
    ) -> Result<R, Infallible> {
        Ok(work(&mut self.0))
    }
}

/// Takes a recording, looks every second, and once more after the pause; gives what was told.
fn told(
    recording: &Recording,
    change: impl Fn(&mut Config),
    every: i64,
    pause: i64,
) -> (Vec<(FlowReport, End)>, Engine) {
    let mut config = recording.config();
    change(&mut config);
    let mut desk = Still(Engine::new(config, Registry::default()));
    desk.0.keep_departed(1000);
    let mut under_way = UnderWay::every(every);
    let mut all = Vec::new();
    let mut look = |desk: &mut Still, now: i64| {
        desk.0.now(Timestamp(now));
        let sink = |flow, end| all.push((flow, end));
        let Ok(missed) = depart::departed(desk, Some(&mut under_way), &mut Left::default(), sink);
        assert_eq!(missed, 0);
    };
    let mut next = recording.frames[0].0 + SECOND;
    for (time, bytes) in &recording.frames {
        while *time >= next {
            look(&mut desk, next);
            next += SECOND;
        }
        desk.0.frame(&frame(1, *time, bytes));
    }
    look(&mut desk, next + pause);
    look(&mut desk, next + pause + SECOND);
    let mut engine = desk.0;
    engine.finish();
    assert_eq!(
        engine.untold(Left::default(), |flow, end| all.push((flow, end))),
        0
    );
    (all, engine)
}

/// What a flow is at the end, by its number.
fn whole(recording: &Recording) -> BTreeMap<u64, FlowReport> {
    let mut engine = Engine::new(recording.config(), Registry::default());
    for (time, bytes) in &recording.frames {
        engine.frame(&frame(1, *time, bytes));
    }
    engine.finish();
    let mut flows = BTreeMap::new();
    let Ok(()) = engine.flows::<Infallible>(|flow| {
        flows.insert(flow.serial, flow);
        Ok(())
    });
    flows
}

#[test]
fn each_flow_is_told_once_when_it_is_over() {
    let mut ends = BTreeMap::new();
    for recording in Recording::all() {
        let whole = whole(&recording);
        let (told, _) = told(&recording, |_| (), 0, 3700 * SECOND);
        let mut numbers: Vec<u64> = told.iter().map(|(flow, _)| flow.serial).collect();
        numbers.sort_unstable();
        assert_eq!(numbers, whole.keys().copied().collect::<Vec<_>>());
        for (flow, end) in &told {
            *ends.entry(format!("{end:?}")).or_insert(0) += 1;
            let last = &whole[&flow.serial];
            if flow.orig.packets + flow.resp.packets == last.orig.packets + last.resp.packets {
                assert_eq!(flow.verdict, last.verdict, "{} {}", flow.why, last.why);
            } else {
                // Nothing but what closes a connection once more comes behind its end.
                assert_eq!(*end, End::Closed, "{flow:?}");
            }
        }
    }
    assert!(ends["Closed"] > 100 && ends["Silent"] > 100, "{ends:?}");
    assert!(!ends.contains_key("Run"), "all are over by then: {ends:?}");
}

#[test]
fn what_gives_way_is_told_before_it_is_forgotten() {
    for recording in Recording::all() {
        let born = whole(&recording).len() as u64;
        let (told, engine) = told(&recording, |config| config.limits.flows = 3, 0, 0);
        let mut numbers: Vec<u64> = told.iter().map(|(flow, _)| flow.serial).collect();
        numbers.sort_unstable();
        let count = numbers.len() as u64;
        numbers.dedup();
        assert_eq!(numbers.len() as u64, count, "each once");
        assert_eq!(count, engine.flows_born());
        assert!(count >= born);
        let evicted = told.iter().filter(|(_, end)| *end == End::Evicted);
        assert!(evicted.count() as u64 <= engine.evicted().flows());
    }
}

#[test]
fn what_goes_on_is_told_again_and_again() {
    let mut most = 0;
    for recording in Recording::all() {
        let (told, _) = told(&recording, |_| (), 2 * SECOND, 3700 * SECOND);
        let mut flows: BTreeMap<u64, Vec<(u64, End)>> = BTreeMap::new();
        for (flow, end) in &told {
            let packets = flow.orig.packets + flow.resp.packets;
            flows.entry(flow.serial).or_default().push((packets, *end));
        }
        for turns in flows.values() {
            most = most.max(turns.len());
            let (last, before) = turns.split_last().unwrap();
            assert_ne!(last.1, End::UnderWay);
            assert!(before.iter().all(|(_, end)| *end == End::UnderWay));
            assert!(turns.is_sorted_by_key(|(packets, _)| *packets));
        }
    }
    assert!(most >= 3, "{most}");
}
