//! On the way of a packet – read, taken apart, counted in its session, found in the flow table, followed as TCP – nothing is
//! allocated once its flow is known.
//!
//! A binary of its own, as an allocator that counts is one for all of it.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

#[allow(dead_code, reason = "tests/compare/speed does more with it")]
#[path = "speed/conversation.rs"]
mod conversation;
#[allow(dead_code, reason = "tests/compare/speed does more with it")]
#[path = "speed/frame.rs"]
mod frame;
#[path = "../src/random.rs"]
mod random;
#[allow(dead_code, reason = "tests/compare/speed does more with it")]
#[path = "speed/recipe.rs"]
mod recipe;
#[allow(dead_code, reason = "tests/compare/speed does more with it")]
#[path = "speed/traffic.rs"]
mod traffic;

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use arrayvec::ArrayVec;
use conversation::Sizes;
use dhat::HeapStats;
use frame::Form;
use mirrorscope_capture::{BATCH, Files};
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine, Threaded};
use recipe::Load;
use traffic::{Lives, Mix, Places};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const SITES: &str = include_str!("generated/two-sites-erspan.toml");
/// Frames until all flows are known and all that grows with them has grown.
const WARM_UP: u64 = 60_000;
const COUNTED: u64 = 100_000;
const FLOWS: u32 = 40;
/// The memory of the packets that were seen of late doubles until it holds two seconds of them.
const DOUBLINGS: u64 = 4;
/// What trouble an end had takes memory once: of each of the two, at each of two points, and at both together.
const TROUBLES: u64 = FLOWS as u64 * 2 * 3;
/// Threads hand packets over in batches. A few are made as the other thread falls behind, each of which grows until it is full,
/// and the channel that brings them back takes memory for 31 at a time: how many depends on who is faster.
const BATCHES: u64 = COUNTED / 100;

fn load(form: Form, points: u8) -> Load {
    Load {
        form,
        mix: Mix {
            flows: FLOWS,
            packets: (WARM_UP + COUNTED) / u64::from(points),
            sizes: Sizes::Even(100),
            udp: 0,
            lives: Lives::Endless,
            places: Places::Row(points),
        },
        mtu: None,
        sessions: 1,
    }
}

fn write(load: &Load, path: &Path) {
    let file = BufWriter::new(File::create(path).unwrap());
    load.write(file).unwrap();
}

/// Allocations while the frames behind the warm-up are read and taken.
fn allocations(path: &Path, mut take: impl FnMut(&[Frame<'_>])) -> u64 {
    let mut files = Files::open(&[path.to_owned()], std::sync::Arc::default()).unwrap();
    let mut count = 0;
    let mut before = None;
    loop {
        if count >= WARM_UP && before.is_none() {
            before = Some(HeapStats::get().total_blocks);
        }
        let frames: ArrayVec<Frame<'_>, BATCH> = files
            .next_frames(BATCH)
            .map(|frame| Frame {
                time: Timestamp(frame.time),
                wire_len: frame.wire_len,
                link: LinkType::Ethernet,
                interface: frame.interface,
                number: frame.number,
                bytes: frame.bytes,
            })
            .collect();
        if frames.is_empty() {
            break;
        }
        count += frames.len() as u64;
        take(&frames);
    }
    assert_eq!(count, WARM_UP + COUNTED);
    HeapStats::get().total_blocks - before.unwrap()
}

fn engine() -> Engine {
    let config = Config {
        sites: Sites::parse(SITES).unwrap(),
        ..Config::default()
    };
    Engine::new(config, Registry::default())
}

#[test]
fn packets_of_known_flows_allocate_nothing() {
    let _profiler = dhat::Profiler::builder().testing().build();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("load.pcap");
    for (form, points) in [
        (Form::Erspan2, 1),
        (Form::Erspan2, 2),
        (Form::Erspan3, 1),
        (Form::Vxlan, 1),
        (Form::Gre, 1),
        (Form::Nested(1), 1),
        (Form::Bare, 1),
    ] {
        write(&load(form, points), &path);
        let mut alone = engine();
        let one = allocations(&path, |frames| alone.frames(frames));
        assert_eq!(alone.flow_count(), FLOWS as usize, "{form:?}");
        assert!(
            one <= DOUBLINGS + TROUBLES,
            "{form:?} at {points} points: {one}"
        );
    }
    // Not a test of its own: what one allocates would be counted in the other.
    write(&load(Form::Erspan2, 1), &path);
    let mut threaded = Threaded::new(engine(), 2).unwrap();
    let two = allocations(&path, |frames| threaded.frames(frames));
    assert_eq!(threaded.engine().unwrap().flow_count(), FLOWS as usize);
    assert!(two <= DOUBLINGS + TROUBLES + BATCHES, "two threads: {two}");
}
