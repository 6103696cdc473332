//! What batches of frames are worth, and what sequence numbers cost that are no counter's. What a packet costs in each stage:
//! benches/stages.rs.
//!
//! `cargo bench --bench read_path`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use divan::Bencher;
use divan::counter::ItemsCount;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::sequence::Sequences;
use mirrorscope_engine::session::{Registry, SessionId};
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
