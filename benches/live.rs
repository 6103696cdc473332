//! What is asked of an engine while packets come: none of it may keep packets waiting for long.
//!
//! `cargo bench --bench live`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use divan::Bencher;
use mirrorscope_capture::Files;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::{Config, Engine};
use tempfile::NamedTempFile;

#[path = "../examples/generate_load/load.rs"]
mod load;

use load::Load;

fn main() {
    divan::main();
}

const SITES: &str = include_str!("../tests/generated/two-sites-erspan.toml");
const FLOWS: u32 = 100_000;

/// An engine in the midst of many flows at two points.
fn engine() -> Engine {
    let mut file = NamedTempFile::new().unwrap();
    let load = Load {
        packets: 1_000_000,
        flows: FLOWS,
        seed: 1,
        first: 0,
        train: 1,
        small: false,
    };
    load.write(&mut file).unwrap();
    let config = Config {
        sites: Sites::parse(SITES).unwrap(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, Registry::default());
    let stop = Arc::new(AtomicBool::new(false));
    let mut files = Files::open(&[file.path().to_owned()], stop).unwrap();
    while let Some(frame) = files.next_frame() {
        engine.frame(&Frame {
            time: Timestamp(frame.time),
            wire_len: frame.wire_len,
            link: LinkType::from_number(frame.link_type).unwrap(),
            interface: frame.interface,
            number: frame.number,
            bytes: frame.bytes,
        });
    }
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
