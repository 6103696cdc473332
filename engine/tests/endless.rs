//! A run of a month: nothing grows with time alone, and times that are far apart are no trouble.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

mod story;

use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::track::Limits;
use mirrorscope_engine::verdict::Cause;
use mirrorscope_engine::{Config, Engine};

const START: f64 = 1_700_000_000.0;
const HOUR: u32 = 3600;
const DAY: u32 = 24 * HOUR;
/// Seconds between two packets.
const STEP: u32 = 60;

/// Memory of this process in KiB.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmRSS"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
#[cfg(target_os = "linux")]
fn a_month_takes_no_more_memory_than_some_days() {
    let config = Config {
        sites: Sites::parse(story::SITES).unwrap(),
        limits: Limits {
            flows: 500,
            ..Limits::default()
        },
        ..Config::default()
    };
    let mut engine = Engine::new(config, std::sync::Arc::default());
    let mut activity = Activity::default();
    let mut after_days = 0;
    for time in (0..30 * DAY).step_by(STEP as usize) {
        let number = time / STEP;
        // A new connection every time, a station that announces itself, a number lost in ten.
        let port = format!("r1>server:{}", 1 + number % 60_000);
        let back = format!("server:{}>r1", 1 + number % 60_000);
        let announces = [
            "from",
            if number.is_multiple_of(2) {
                "server"
            } else {
                "r1"
            },
        ];
        let packets = [
            (1, vec![port.as_str(), "S", "100"]),
            (11, vec![port.as_str(), "S", "100"]),
            (1, vec![back.as_str(), "SA", "500", "101"]),
            (13, announces.to_vec()),
        ];
        for (place, (session, what)) in packets.iter().enumerate() {
            let sequence = number * 11 / 10;
            let bytes = story::mirrored(*session, 0, sequence, &story::inner(what));
            story::feed(&mut engine, f64::from(time) + 0.01 * place as f64, &bytes);
        }
        let now = Timestamp(((START + f64::from(time)) * 1e9) as i64 + SECOND);
        engine.now(now);
        activity.tick(&engine, now);
        if time % HOUR == 0 {
            engine.lost_here(0, now.plus(-SECOND), now, 100);
        }
        if time % (DAY / 4) == 0 {
            let report = engine.report();
            assert!(report.sessions.len() <= 3);
            assert!(report.findings.len() < 50, "{}", report.findings.len());
        }
        if time == 5 * DAY {
            after_days = memory();
        }
    }
    let grown = memory().saturating_sub(after_days);
    assert!(grown < 4096, "{grown} KiB more than after five days");
    assert!(activity.changes().count() <= 100);
    assert_eq!(engine.flow_count(), 500);
}

#[test]
fn a_flow_is_idle_for_as_long_as_the_clock_says() {
    let mut engine = story::engine_with(story::SITES);
    let mut number = 0;
    let mut syn = |engine: &mut Engine, seconds: f64| {
        number += 1;
        let inner = story::inner(&["r1>server", "S", "100"]);
        story::feed(engine, seconds, &story::mirrored(1, 0, number, &inner));
    };
    let verdict = |engine: &Engine| {
        let mut said = Vec::new();
        let all: Result<(), ()> = engine.flows(|flow| {
            said.push((flow.verdict.as_str(), flow.cause.map(Cause::as_str)));
            Ok(())
        });
        all.unwrap();
        said
    };
    let unanswered = ("unanswered", None);
    let early = ("unknown", Some("capture-end"));
    let clock = |seconds: f64| Timestamp(((START + seconds) * 1e9) as i64);
    // Something from the server, so that the place is known to see it.
    let bytes = story::mirrored(1, 0, 0, &story::inner(&["from", "server"]));
    story::feed(&mut engine, 0.0, &bytes);
    syn(&mut engine, 1.0);
    assert_eq!(verdict(&engine), [early]);
    engine.now(clock(1.5));
    assert_eq!(verdict(&engine), [early], "half a second ago");
    // No frame comes for an hour.
    engine.now(clock(3600.0));
    assert_eq!(verdict(&engine), [unanswered]);
    // What comes then is another flow.
    syn(&mut engine, 3601.0);
    assert_eq!(verdict(&engine), [unanswered, early]);
    engine.now(clock(3605.0));
    engine.finish();
    assert_eq!(verdict(&engine), [unanswered, unanswered]);
}
