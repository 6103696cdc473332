//! What the interface asks for again and again: the report and a page of 100,000 flows.
//!
//! `cargo bench --bench snapshot`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use divan::{Bencher, black_box};
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::page::{FlowQuery, FlowSort};
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
    packets: 1_600_000,
    flows: 100_000,
    seed: 1,
    first: 0,
    train: 1,
    small: true,
};

const SITES: &str = include_str!("../tests/generated/two-sites-erspan.toml");

fn engine() -> Engine {
    let config = Config {
        sites: Sites::parse(SITES).unwrap(),
        ..Config::default()
    };
    let mut engine = Engine::new(config, Registry::default());
    Capture::new(&LOAD).read(|frames| engine.frames(frames));
    engine.finish();
    assert!(engine.flow_count() > 90_000);
    engine
}

/// What a screen shows of the flows.
fn page(filter: Option<&str>, sort: FlowSort, window: std::ops::Range<usize>) -> FlowQuery {
    FlowQuery {
        filter: filter.map(|text| Filter::parse(text).unwrap()),
        sort,
        descending: true,
        window,
    }
}

#[divan::bench(args = [
    "first", "by bytes", "host", "verdict", "state", "history", "last rows",
])]
fn pages(bencher: Bencher<'_, '_>, name: &str) {
    let engine = engine();
    let query = match name {
        "by bytes" => page(None, FlowSort::Bytes, 0..100),
        "host" => page(Some("host 10.9.0.10"), FlowSort::Last, 0..100),
        "verdict" => page(Some("not symmetric"), FlowSort::Verdict, 0..100),
        "state" => page(Some("state SF,S1 and site dc1"), FlowSort::Duration, 0..100),
        "history" => page(Some("history ShA"), FlowSort::Duration, 0..100),
        "last rows" => page(None, FlowSort::Source, 90_000..90_100),
        _ => page(None, FlowSort::First, 0..100),
    };
    let (_, digest) = engine.report_and_digest();
    bencher.bench_local(|| black_box(engine.page(&digest, &query)));
}

/// All that is looked at while packets come.
#[divan::bench]
fn snapshot(bencher: Bencher<'_, '_>) {
    let engine = engine();
    let query = page(None, FlowSort::Last, 0..100);
    bencher.bench_local(|| {
        let (report, digest) = engine.report_and_digest();
        black_box((report, engine.page(&digest, &query)))
    });
}

/// One flow by itself.
#[divan::bench]
fn one_flow(bencher: Bencher<'_, '_>) {
    let engine = engine();
    let (_, digest) = engine.report_and_digest();
    let page = engine.page(&digest, &page(None, FlowSort::Last, 0..1));
    let id = page.rows[0].id.clone();
    bencher.bench_local(|| black_box(engine.flow(&digest, &id)));
}
