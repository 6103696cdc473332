//! A capture file through the stages that lie one upon the other: reading, receiving, the whole engine with report; and
//! what batches of frames are worth, and numbers that are no counter's.
//!
//! `cargo bench --bench read_path`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mirrorscope_dissectors::Options;
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::sequence::Sequences;
use mirrorscope_engine::session::{Registry, SessionId};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{BATCH, Config, Engine};

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

/// The engine alone, given so many frames at once: many flows, whose memory is far away.
#[divan::bench(args = [1, BATCH], max_time = 3)]
fn batches(bencher: Bencher<'_, '_>, frames: usize) {
    let load = Load {
        flows: 50_000,
        ..LOAD
    };
    let capture = Capture::new(&load);
    let mut owned: Vec<(Frame<'static>, Vec<u8>)> = Vec::new();
    capture.read(|frames| {
        owned.extend(frames.iter().map(|frame| {
            let empty = Frame {
                bytes: &[],
                ..*frame
            };
            (empty, frame.bytes.to_vec())
        }));
    });
    let all: Vec<Frame<'_>> = owned
        .iter()
        .map(|(frame, bytes)| Frame { bytes, ..*frame })
        .collect();
    bencher.counter(ItemsCount::new(all.len())).bench_local(|| {
        let mut engine = Engine::new(Config::default(), Registry::default());
        for batch in all.chunks(frames) {
            engine.frames(batch);
        }
        engine
    });
}

/// Two sessions to one collector that count on their own: as numbers of one counter, which they are tried as, every second
/// one is a gap.
#[divan::bench(args = [0, 5_000], max_time = 3)]
fn sequences(bencher: Bencher<'_, '_>, apart: u32) {
    const PACKETS: u32 = 100_000;
    let ends = |source: u8| ([10, 0, 0, source].into(), [10, 0, 0, 9].into());
    bencher
        .counter(ItemsCount::new(2 * PACKETS))
        .bench_local(|| {
            let mut sequences = Sequences::default();
            for number in 0..PACKETS {
                let time = Timestamp(i64::from(number) * 1_000 + i64::from(number % 89));
                sequences.push(SessionId(0), || ends(1), number, time);
                sequences.push(SessionId(1), || ends(2), number + apart, time);
            }
            sequences
        });
}
