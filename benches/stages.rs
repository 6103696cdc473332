//! What each stage of a packet's way costs, and that they explain the whole: first a table of all stages with their sum beside
//! the whole, then each by itself.
//!
//! `cargo bench --bench stages`
//!
//! Flows are many enough that a packet's flow is in no cache when it comes, and the bytes of all packets are more than the last
//! cache holds: stages that work on frames in memory wait for them as the whole does for the page cache.

#![expect(
    clippy::unwrap_used,
    reason = "a benchmark that cannot be set up may panic"
)]

use std::collections::HashMap;
use std::ops::Range;
use std::time::Duration;

use divan::counter::ItemsCount;
use divan::{Bencher, black_box};
use mirrorscope_capture::memory::HugePages;
use mirrorscope_dissectors::{
    Familiar, LinkType, Network, Options, Packet, Stripped, Tcp, Transport,
};
use mirrorscope_engine::flow::{FlowKey, Side};
use mirrorscope_engine::receive::{Frame, Receiver};
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::stream::{Policy, Segment, Streams};
use mirrorscope_engine::tcp::Conversation;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{Limits, Scope, Timeouts, Tracker};
use mirrorscope_engine::{BATCH, Config, Engine};
use rustix::time::{ClockId, clock_gettime};

mod capture;
#[path = "../examples/generate_load/load.rs"]
mod load;

use capture::Capture;
use load::Load;

const LOAD: Load = Load {
    packets: 1_000_000,
    flows: 20_000,
    seed: 1,
    first: 0,
    train: 1,
    small: false,
};

const SITES: &str = include_str!("../tests/generated/two-sites-erspan.toml");
/// How often the table's stages run; the fastest counts, as everything else on the machine only adds.
const ROUNDS: usize = 5;

#[global_allocator]
static MEMORY: HugePages = HugePages;

fn main() {
    let material = Material::new();
    if std::env::args().all(|argument| argument != "--list") {
        tell(&material);
    }
    drop(material);
    divan::main();
}

/// A capture file, and its frames in memory.
struct Material {
    capture: Capture,
    bytes: Vec<u8>,
    frames: Vec<(Frame<'static>, Range<usize>)>,
}

impl Material {
    fn new() -> Self {
        let capture = Capture::new(&LOAD);
        let (mut bytes, mut frames) = (Vec::new(), Vec::new());
        capture.read(|batch| {
            for frame in batch {
                let begin = bytes.len();
                bytes.extend_from_slice(frame.bytes);
                let empty = Frame {
                    bytes: &[],
                    ..*frame
                };
                frames.push((empty, begin..bytes.len()));
            }
        });
        Self {
            capture,
            bytes,
            frames,
        }
    }

    fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        self.frames.iter().map(|(frame, place)| Frame {
            bytes: &self.bytes[place.clone()],
            ..*frame
        })
    }

    /// All packets as they are dissected.
    fn packets(&self) -> Vec<(Timestamp, Packet<'_>)> {
        let options = Options::default();
        let packets = self.frames().map(|frame| {
            let mut packet = nothing();
            let mut stripped = Stripped::whole(frame.link, frame.bytes);
            stripped.decapsulate(&options);
            stripped.packet_into(&mut packet);
            (frame.time, packet)
        });
        packets.collect()
    }

    /// All TCP segments with the number of their flow.
    fn segments(&self) -> Vec<(u32, Side, Timestamp, Tcp<'_>)> {
        let mut numbers: HashMap<FlowKey, u32> = HashMap::new();
        let mut segments = Vec::new();
        for (time, packet) in self.packets() {
            if let Network::Ip(ip) = packet.network
                && let Transport::Tcp(tcp) = ip.transport
            {
                let (key, side) = FlowKey::of(&ip, 0).unwrap();
                let next = numbers.len() as u32;
                let number = *numbers.entry(key).or_insert(next);
                segments.push((number, side, time, tcp));
            }
        }
        segments
    }
}

fn nothing<'a>() -> Packet<'a> {
    Packet {
        macs: None,
        vlan: None,
        network: Network::Other(0),
    }
}

fn receiver() -> Receiver {
    Receiver::new(
        Options::default(),
        Sites::parse(SITES).unwrap(),
        Registry::default(),
    )
}

fn tracker(limits: Limits) -> Tracker {
    Tracker::new(Scope::None, limits, Timeouts::default())
}

/// Few flows may be kept in full: most are packed after each of their packets.
fn packed() -> Limits {
    Limits {
        full: 1 << 20,
        ..Limits::default()
    }
}

fn engine() -> Engine {
    let config = Config {
        sites: Sites::parse(SITES).unwrap(),
        ..Config::default()
    };
    Engine::new(config, Registry::default())
}

/// The file, in batches.
fn read(material: &Material) {
    material.capture.read(|frames| {
        black_box(frames);
    });
}

/// Encapsulation off; the mirror's fields, and the innermost headers.
fn decapsulate(material: &Material) {
    let options = Options::default();
    let mut familiar = Familiar::default();
    let mut mirror = None;
    for frame in material.frames() {
        let mut packet = nothing();
        let mut stripped = Stripped::whole(LinkType::Ethernet, black_box(frame.bytes));
        familiar.decapsulate(&mut stripped, &mut mirror, &options);
        stripped.packet_into(&mut packet);
        black_box((&packet, &mirror, stripped.is_nested()));
    }
}

/// That, sessions with their sequence numbers, and points.
fn receive(material: &Material) {
    let mut receiver = receiver();
    for frame in material.frames() {
        receiver.receive(&frame, |mirrored| {
            black_box(mirrored);
        });
    }
}

/// That, and the flow table with what each point saw; no packet's flow is fetched ahead.
fn track(material: &Material, limits: Limits) {
    let (mut receiver, mut tracker) = (receiver(), tracker(limits));
    for frame in material.frames() {
        receiver.receive(&frame, |mirrored| {
            black_box(tracker.track(&mirrored.shown));
        });
    }
}

/// That, and all else that an engine keeps, in batches.
fn take(material: &Material) -> Engine {
    let mut engine = engine();
    let mut batch = Vec::with_capacity(BATCH);
    for frame in material.frames() {
        batch.push(frame);
        if batch.len() == BATCH {
            engine.frames(&batch);
            batch.clear();
        }
    }
    engine.frames(&batch);
    engine
}

/// The keys of flows by themselves.
fn keys(packets: &[(Timestamp, Packet<'_>)]) {
    for (_, packet) in packets {
        if let Network::Ip(ip) = &packet.network {
            black_box(FlowKey::of(ip, 0));
        }
    }
}

/// The state of TCP by itself: each flow's is a place in a row.
fn tcp(segments: &[(u32, Side, Timestamp, Tcp<'_>)]) -> Vec<Conversation> {
    let mut flows = vec![Conversation::default(); LOAD.flows as usize];
    for (number, side, time, tcp) in segments {
        flows[*number as usize].push(*side, tcp, *time);
    }
    flows
}

/// Streams by themselves, put together from both points.
fn streams(segments: &[(u32, Side, Timestamp, Tcp<'_>)]) -> u64 {
    let mut streams = Streams::new(Policy::default());
    let mut events = 0;
    for (number, side, time, tcp) in segments {
        let segment = Segment::new(tcp, *time);
        streams.push(u64::from(*number), *side, &segment, &mut |_, event| {
            black_box(&event);
            events += 1;
        });
    }
    events
}

/// From the file to the report.
fn whole(material: &Material) {
    let mut engine = engine();
    material.capture.read(|frames| engine.frames(frames));
    engine.finish();
    assert_eq!(engine.report().totals.flows, u64::from(LOAD.flows));
}

/// How long this thread has worked: what others do on the machine is not counted.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Prints what a packet costs in each stage, and how much of the whole that explains.
fn tell(material: &Material) {
    let packets = material.packets();
    let segments = material.segments();
    let mut reported = None;
    let mut best = [Duration::MAX; 11];
    for _ in 0..ROUNDS {
        let mut stage = 0;
        let mut time = |work: &mut dyn FnMut()| {
            let begin = worked();
            work();
            best[stage] = best[stage].min(worked().saturating_sub(begin));
            stage += 1;
        };
        time(&mut || read(material));
        time(&mut || decapsulate(material));
        time(&mut || receive(material));
        time(&mut || track(material, Limits::default()));
        time(&mut || reported = Some(take(material)));
        time(&mut || {
            let engine = reported.as_mut().unwrap();
            engine.finish();
            black_box(engine.report());
        });
        time(&mut || whole(material));
        time(&mut || keys(&packets));
        time(&mut || drop(black_box(tcp(&segments))));
        time(&mut || {
            black_box(streams(&segments));
        });
        time(&mut || track(material, packed()));
    }
    let [
        read,
        decapsulate,
        receive,
        track,
        take,
        report,
        whole,
        keys,
        tcp,
        streams,
        packed,
    ] = best.map(|time| time.as_secs_f64() * 1e9 / LOAD.packets as f64);
    println!("| stage | ns/packet | how |\n| --- | --: | --- |");
    let row = |stage: &str, cost: f64, how: &str| println!("| {stage} | {cost:.0} | {how} |");
    row("read", read, "alone");
    row("decapsulate, inner headers", decapsulate, "alone");
    row(
        "sessions and points",
        receive - decapsulate,
        "with less without",
    );
    row("key", keys, "alone");
    row("TCP state", tcp, "alone");
    row(
        "lookup, duplicates, flow at a point",
        track - receive - keys - tcp,
        "with, less without and less the two above",
    );
    row(
        "firewalls, inventory; fetching ahead",
        take - track,
        "with less without: what is fetched ahead is not waited for",
    );
    row("correlation and report", report, "alone");
    let sum = read + take + report;
    row("**sum**", sum, "");
    row(
        "**whole**",
        whole,
        &format!("the sum is {:.0} % of it", sum / whole * 100.0),
    );
    row("streams, besides", streams, "alone: no part of a report");
    row(
        "packing, besides",
        packed - track,
        "with 1 MiB for flows in full, less with room for all",
    );
    println!();
}

fn count<'a, 'b>(bencher: Bencher<'a, 'b>) -> Bencher<'a, 'b> {
    bencher.counter(ItemsCount::new(LOAD.packets))
}

#[divan::bench(max_time = 3)]
fn stage_read(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    count(bencher).bench_local(|| read(&material));
}

#[divan::bench(max_time = 3)]
fn stage_decapsulate(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    count(bencher).bench_local(|| decapsulate(&material));
}

#[divan::bench(max_time = 3)]
fn stage_receive(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    count(bencher).bench_local(|| receive(&material));
}

#[divan::bench(max_time = 3)]
fn stage_track(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    count(bencher).bench_local(|| track(&material, Limits::default()));
}

#[divan::bench(max_time = 3)]
fn stage_track_packed(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    count(bencher).bench_local(|| track(&material, packed()));
}

#[divan::bench(max_time = 3)]
fn stage_take(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    count(bencher).bench_local(|| take(&material));
}

#[divan::bench(max_time = 3)]
fn stage_key(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    let packets = material.packets();
    count(bencher).bench_local(|| keys(&packets));
}

#[divan::bench(max_time = 3)]
fn stage_tcp(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    let segments = material.segments();
    count(bencher).bench_local(|| tcp(&segments));
}

#[divan::bench(max_time = 3)]
fn stage_streams(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    let segments = material.segments();
    count(bencher).bench_local(|| streams(&segments));
}

/// Over 20,000 flows at two points.
#[divan::bench(max_time = 3)]
fn stage_report(bencher: Bencher<'_, '_>) {
    let mut engine = take(&Material::new());
    engine.finish();
    bencher.bench_local(|| engine.report());
}

#[divan::bench(max_time = 3)]
fn stage_whole(bencher: Bencher<'_, '_>) {
    let material = Material::new();
    count(bencher).bench_local(|| whole(&material));
}
