//! A capture file through the stages that lie one upon the other: reading, receiving, the whole engine with report.
//!
//! `cargo bench --bench read_path`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mirrorscope_dissectors::Options;
use mirrorscope_engine::receive::Receiver;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::{Config, Engine};

mod capture;
#[path = "../examples/generate_load/load.rs"]
mod load;

use capture::Capture;
use load::Load;

fn main() {
    divan::main();
}

const LOAD: Load = Load {
    packets: 200_000,
    flows: 2_000,
    seed: 1,
    first: 0,
    train: 1,
    small: false,
};

const SITES: &str = include_str!("../tests/generated/two-sites-erspan.toml");

fn count<'a, 'b>(capture: &Capture, bencher: Bencher<'a, 'b>) -> Bencher<'a, 'b> {
    let len = capture.file.path().metadata().unwrap().len();
    bencher
        .counter(ItemsCount::new(LOAD.packets))
        .counter(BytesCount::new(len))
}

fn sites() -> Sites {
    Sites::parse(SITES).unwrap()
}

/// Reading alone.
#[divan::bench(max_time = 3)]
fn read(bencher: Bencher<'_, '_>) {
    let capture = Capture::new(&LOAD);
    count(&capture, bencher).bench_local(|| {
        capture.read(|frames| {
            black_box(frames);
        });
    });
}

/// Reading, stripping, sessions and their sequence numbers.
#[divan::bench(max_time = 3)]
fn receive(bencher: Bencher<'_, '_>) {
    let capture = Capture::new(&LOAD);
    count(&capture, bencher).bench_local(|| {
        let mut receiver = Receiver::new(Options::default(), sites(), Registry::default());
        capture.read(|frames| {
            for frame in frames {
                receiver.receive(frame, |mirrored| {
                    black_box(mirrored);
                });
            }
        });
    });
}

/// All of that, flows and TCP, and the report in the end.
#[divan::bench(max_time = 3)]
fn report(bencher: Bencher<'_, '_>) {
    let capture = Capture::new(&LOAD);
    count(&capture, bencher).bench_local(|| {
        let config = Config {
            sites: sites(),
            ..Config::default()
        };
        let mut engine = Engine::new(config, Registry::default());
        capture.read(|frames| engine.frames(frames));
        engine.finish();
        let report = engine.report();
        assert_eq!(report.totals.flows, u64::from(LOAD.flows));
        report
    });
}
