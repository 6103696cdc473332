//! A capture file through the stages that lie one upon the other: reading, receiving, the whole engine with report.
//!
//! `cargo bench --bench read_path`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use divan::counter::{BytesCount, ItemsCount};
use divan::{Bencher, black_box};
use mirrorscope_capture::Files;
use mirrorscope_dissectors::{LinkType, Options};
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine};
use tempfile::NamedTempFile;

#[path = "../examples/generate_load/load.rs"]
mod load;

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

struct Capture {
    file: NamedTempFile,
    len: u64,
}

impl Capture {
    fn new() -> Self {
        let file = NamedTempFile::new().unwrap();
        let target = File::create(file.path()).unwrap();
        LOAD.write(BufWriter::with_capacity(1 << 20, target))
            .unwrap();
        let len = file.path().metadata().unwrap().len();
        Self { file, len }
    }

    fn count<'a, 'b>(&self, bencher: Bencher<'a, 'b>) -> Bencher<'a, 'b> {
        bencher
            .counter(ItemsCount::new(LOAD.packets))
            .counter(BytesCount::new(self.len))
    }

    /// Reads all of it, from the page cache after the first time.
    fn read(&self, mut sink: impl FnMut(&Frame<'_>)) {
        let stop = Arc::new(AtomicBool::new(false));
        let mut files = Files::open(&[self.file.path().to_owned()], stop).unwrap();
        let mut frames = 0;
        while let Some(frame) = files.next_frame() {
            frames += 1;
            sink(&Frame {
                time: Timestamp(frame.time),
                wire_len: frame.wire_len,
                link: LinkType::from_number(frame.link_type).unwrap(),
                interface: frame.interface,
                number: frame.number,
                bytes: frame.bytes,
            });
        }
        assert_eq!(frames, LOAD.packets, "{:?}", files.problems());
    }
}

fn sites() -> Sites {
    Sites::parse(SITES).unwrap()
}

/// Reading alone.
#[divan::bench(max_time = 3)]
fn read(bencher: Bencher<'_, '_>) {
    let capture = Capture::new();
    capture.count(bencher).bench_local(|| {
        capture.read(|frame| {
            black_box(frame);
        });
    });
}

/// Reading, stripping, sessions and their sequence numbers.
#[divan::bench(max_time = 3)]
fn receive(bencher: Bencher<'_, '_>) {
    let capture = Capture::new();
    capture.count(bencher).bench_local(|| {
        let mut receiver = Receiver::new(Options::default(), sites(), Registry::default());
        capture.read(|frame| {
            receiver.receive(frame, |mirrored| {
                black_box(mirrored);
            });
        });
    });
}

/// All of that, flows and TCP, and the report in the end.
#[divan::bench(max_time = 3)]
fn report(bencher: Bencher<'_, '_>) {
    let capture = Capture::new();
    capture.count(bencher).bench_local(|| {
        let config = Config {
            sites: sites(),
            ..Config::default()
        };
        let mut engine = Engine::new(config, Registry::default());
        capture.read(|frame| engine.frame(frame));
        engine.finish();
        let report = engine.report();
        assert_eq!(report.totals.flows, u64::from(LOAD.flows));
        report
    });
}
