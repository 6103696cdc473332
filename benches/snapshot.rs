//! What the interface asks for again and again: the report and a page of 100,000 flows. First it is told for how long packets
//! wait at a time.
//!
//! `cargo bench --bench snapshot`

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use std::convert::Infallible;
use std::time::{Duration, Instant};

use divan::{Bencher, black_box};
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::look::{self, Desk};
use mirrorscope_engine::page::{self, FlowQuery, FlowSort};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::{Config, Engine, one};

mod capture;
#[path = "../examples/generate_load/load.rs"]
mod load;

use capture::Capture;
use load::Load;

fn main() {
    if std::env::args().all(|argument| argument != "--list") {
        tell_moments();
    }
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
fn query(filter: Option<&str>, sort: FlowSort, window: std::ops::Range<usize>) -> FlowQuery {
    FlowQuery {
        filter: filter.map(|text| Filter::parse(text).unwrap()),
        sort,
        descending: true,
        window,
    }
}

/// For how long packets would have to wait.
struct Timed<'a> {
    engine: &'a Engine,
    moments: Vec<Duration>,
}

impl Desk for Timed<'_> {
    type Gone = Infallible;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Infallible> {
        let begin = Instant::now();
        let done = work(self.engine);
        self.moments.push(begin.elapsed());
        Ok(done)
    }
}

/// Tells how long the moments are that looks at all flows are made of.
fn tell_moments() {
    let engine = engine();
    let tell = |what: &str, look: &mut dyn FnMut(&mut Timed<'_>)| {
        let mut desk = Timed {
            engine: &engine,
            moments: Vec::new(),
        };
        let begin = Instant::now();
        look(&mut desk);
        let (whole, moments) = (begin.elapsed(), desk.moments);
        let longest = moments.iter().max().copied().unwrap_or_default();
        let waited: Duration = moments.iter().sum();
        let count = moments.len();
        println!(
            "{what:22} {count:4} moments, the longest {longest:?}, {waited:?} in all, of {whole:?}"
        );
    };
    let Ok((_, digest)) = page::report_and_digest(&mut &engine);
    tell("report", &mut |desk| {
        drop(page::report_and_digest(desk));
    });
    tell("endpoints", &mut |desk| drop(look::endpoints(desk)));
    let history = query(Some("history ShA"), FlowSort::Duration, 0..100);
    for (what, query) in [
        ("page by bytes", query(None, FlowSort::Bytes, 0..100)),
        ("page by history", history),
    ] {
        tell(what, &mut |desk| drop(page::page(desk, &digest, &query)));
    }
    let Ok(last) = page::page(&mut &engine, &digest, &query(None, FlowSort::First, 0..1));
    let id = last.rows[0].id.clone();
    tell("one flow", &mut |desk| {
        drop(one::flows(desk, &digest, std::slice::from_ref(&id)));
    });
}

#[divan::bench(args = [
    "first", "by bytes", "host", "verdict", "state", "history", "last rows",
])]
fn pages(bencher: Bencher<'_, '_>, name: &str) {
    let engine = engine();
    let desk = &mut &engine;
    let query = match name {
        "by bytes" => query(None, FlowSort::Bytes, 0..100),
        "host" => query(Some("host 10.9.0.10"), FlowSort::Last, 0..100),
        "verdict" => query(Some("not symmetric"), FlowSort::Verdict, 0..100),
        "state" => query(Some("state SF,S1 and site dc1"), FlowSort::Duration, 0..100),
        "history" => query(Some("history ShA"), FlowSort::Duration, 0..100),
        "last rows" => query(None, FlowSort::Source, 90_000..90_100),
        _ => query(None, FlowSort::First, 0..100),
    };
    let Ok((_, digest)) = page::report_and_digest(desk);
    bencher.bench_local(|| page::page(desk, &digest, &query));
}

/// All that is looked at while packets come.
#[divan::bench]
fn snapshot(bencher: Bencher<'_, '_>) {
    let engine = engine();
    let desk = &mut &engine;
    let query = query(None, FlowSort::Last, 0..100);
    bencher.bench_local(|| {
        let Ok((report, digest)) = page::report_and_digest(desk);
        black_box((report, page::page(desk, &digest, &query)))
    });
}

/// One flow by itself.
#[divan::bench]
fn one_flow(bencher: Bencher<'_, '_>) {
    let engine = engine();
    let desk = &mut &engine;
    let Ok((_, digest)) = page::report_and_digest(desk);
    let Ok(page) = page::page(desk, &digest, &query(None, FlowSort::Last, 0..1));
    let id = page.rows[0].id.clone();
    bencher.bench_local(|| one::flows(desk, &digest, std::slice::from_ref(&id)));
}
