//! What is asked of an engine while packets come: none of it may keep packets waiting for long.
//!
//! `cargo bench --bench live`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use divan::Bencher;
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::SECOND;
use mirrorscope_engine::{Config, Engine};

mod capture;
#[path = "../examples/generate_load/load.rs"]
mod load;

use capture::Capture;
use load::Load;

fn main() {
    divan::main();
}

const SITES: &str = include_str!("../tests/generated/two-sites-erspan.toml");
const FLOWS: u32 = 100_000;

/// An engine in the midst of many flows at two points.
fn engine() -> Engine {
    let load = Load {
        packets: 1_000_000,
        flows: FLOWS,
        seed: 1,
        first: 0,
        train: 1,
        small: false,
    };
    let config = Config {
        sites: Sites::parse(SITES).unwrap(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, Registry::default());
    Capture::new(&load).read(|frames| engine.frames(frames));
    engine
}

/// A report over 100,000 flows.
#[divan::bench(max_time = 10)]
fn report(bencher: Bencher<'_, '_>) {
    let engine = engine();
    bencher.bench_local(|| engine.report());
}

/// The same while this host drops packets.
#[divan::bench(max_time = 10)]
fn report_with_drops(bencher: Bencher<'_, '_>) {
    let mut engine = engine();
    let (first, last) = engine.period().unwrap();
    let step = last.since(first) / 300;
    for number in 0..300 {
        let from = first.plus(number * step);
        engine.lost_here(0, from, from.plus(step), 10);
    }
    bencher.bench_local(|| engine.report());
}

/// What is looked at four times a second.
#[divan::bench(max_time = 3)]
fn tick(bencher: Bencher<'_, '_>) {
    let mut engine = engine();
    let mut activity = Activity::default();
    let mut now = engine.period().unwrap().1;
    bencher.bench_local(|| {
        now = now.plus(SECOND / 4);
        engine.now(now);
        activity.tick(&engine, now)
    });
}
