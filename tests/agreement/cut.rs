//! Every capture, each of its first packets cut at every length: nothing panics, nothing runs on.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mirrorscope_capture::Files;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::Limits;
use mirrorscope_engine::{Config, Engine};

/// Packets of a capture that are cut.
const PACKETS: u64 = 200;

#[test]
fn packets_cut_at_every_length_are_counted_whatever_they_are() {
    let Some(directory) = super::captures() else {
        return;
    };
    let captures = super::files(&directory, &[".pcap", ".pcapng"]);
    let frames: u64 = super::in_two_threads(&captures, cut_everywhere)
        .iter()
        .sum();
    super::tell(&format!(
        "cut: {frames} frames from {} captures",
        captures.len()
    ));
    assert!(frames > 0);
}

/// Gives every start of every packet to one engine; returns how many those were.
fn cut_everywhere(capture: &Path) -> u64 {
    let config = Config {
        limits: Limits {
            flows: 1000,
            ..Limits::default()
        },
        ..Config::default()
    };
    let mut engine = Engine::new(config, Arc::default());
    let stop = Arc::new(AtomicBool::new(false));
    // A few captures are no files that can be read; that is another test's concern.
    let Ok(mut files) = Files::open(&[capture.to_path_buf()], stop) else {
        return 0;
    };
    let mut number = 0;
    while let Some(frame) = files.next_frames(1).next() {
        let Some(link) = LinkType::from_number(frame.origin.link_type) else {
            continue;
        };
        for len in 0..=frame.bytes.len() {
            number += 1;
            engine.frame(&Frame {
                time: Timestamp(frame.time),
                wire_len: frame.wire_len,
                link,
                interface: 0,
                number,
                bytes: &frame.bytes[..len],
            });
        }
        if frame.number == PACKETS {
            break;
        }
    }
    engine.finish();
    let totals = engine.report().totals;
    assert_eq!(totals.frames, number, "{}", capture.display());
    assert!(totals.flows <= 1000, "{}", capture.display());
    number
}
