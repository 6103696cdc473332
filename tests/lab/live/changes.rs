//! A mirror session that starts, stops, goes on, changes or moves is told within a second.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::bench::Bench;
use super::listener::{Heard, Listener};
use crate::sender::Offer;

/// Frames of both sessions in a second.
const RATE: u64 = 200;
/// Regular for so long, a session that stops is missed at once.
const LONG: Duration = Duration::from_secs(5);
const SHORT: Duration = Duration::from_secs(2);

/// A moment at which something happened, and what must be told of it.
struct Moment {
    time: SystemTime,
    change: &'static str,
    session: &'static str,
}

fn moment(time: SystemTime, change: &'static str, session: &'static str) -> Moment {
    Moment {
        time,
        change,
        session,
    }
}

/// Sends for a time; gives when it began and ended.
fn send_for(bench: &Bench, offer: &Offer, time: Duration) -> [SystemTime; 2] {
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let stop = &stop;
        let begin = SystemTime::now();
        let sender = scope.spawn(move || bench.switch.inside(|| offer.send("eth0", stop).unwrap()));
        std::thread::sleep(time);
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap();
        [begin, SystemTime::now()]
    })
}

/// Each change is told once, at the right time, within a second.
#[track_caller]
fn check(listener: Listener, moments: &[Moment]) {
    let mut told = Vec::new();
    for Moment {
        session, change, ..
    } in moments
    {
        // The first report that has it.
        let has = |change_told: &Value| {
            change_told["change"] == *change
                && change_told["session"].as_str().unwrap().contains(session)
        };
        told.push(listener.when(|report| {
            let changes = report["live"]["changes"].as_array();
            changes.is_some_and(|changes| changes.iter().any(has))
        }));
    }
    let Heard { out, err, .. } = listener.interrupt();
    let last: Value = serde_json::from_str(out.last().unwrap()).unwrap();
    let changes = last["live"]["changes"].as_array().unwrap();
    for (moment, told) in moments.iter().zip(told) {
        let found: Vec<&Value> = changes
            .iter()
            .filter(|change| {
                change["change"] == moment.change
                    && change["session"].as_str().unwrap().contains(moment.session)
            })
            .collect();
        let what = format!("{} {}: {changes:#?}\n{err}", moment.session, moment.change);
        assert_eq!(found.len(), 1, "{what}");
        let time: jiff::Timestamp = found[0]["time"].as_str().unwrap().parse().unwrap();
        let off = SystemTime::from(time)
            .duration_since(moment.time)
            .unwrap_or_else(|early| early.duration());
        assert!(off < Duration::from_millis(200), "{off:?} off: {what}");
        let late = told.duration_since(moment.time).unwrap();
        assert!(late < LATE, "told after {late:?}: {what}");
        assert!(err.contains(found[0]["text"].as_str().unwrap()), "{what}");
    }
    assert_eq!(changes.len(), moments.len(), "{changes:#?}");
}

/// A second, and what an unoptimized build on a busy machine needs to write it down.
const LATE: Duration = Duration::from_millis(1300);

const LISTEN: &str = "report --format json -i eth0 --interval 200ms";

#[test]
#[ignore = "needs root: tests/lab/run"]
fn a_session_starts_stops_and_goes_on() {
    let bench = Bench::new();
    let listener = Listener::start(&bench.collector, LISTEN);
    let offer = bench.load(u64::MAX, Some(RATE));
    let [begin, end] = send_for(&bench, &offer, LONG);
    std::thread::sleep(SHORT);
    let [again, _] = send_for(&bench, &offer, SHORT);
    let moments = [
        moment(begin, "started", "101"),
        moment(begin, "started", "201"),
        moment(end, "silent", "101"),
        moment(end, "silent", "201"),
        moment(again, "resumed", "101"),
        moment(again, "resumed", "201"),
    ];
    check(listener, &moments);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn a_session_gets_another_id_and_another_source() {
    let bench = Bench::new();
    let listener = Listener::start(&bench.collector, LISTEN);
    let mut offer = bench.load(u64::MAX, Some(RATE));
    let [begin, _] = send_for(&bench, &offer, LONG);
    offer.points[0].1 = 111;
    let [changed, _] = send_for(&bench, &offer, LONG);
    offer.points[1].0.source = [10, 60, 0, 4].into();
    let [moved, _] = send_for(&bench, &offer, SHORT);
    let moments = [
        moment(begin, "started", "101"),
        moment(begin, "started", "201"),
        moment(changed, "changed", "111"),
        moment(moved, "moved", "201"),
    ];
    check(listener, &moments);
}
