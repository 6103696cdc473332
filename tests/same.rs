//! The same report, byte for byte, with any number of threads, whatever pieces the capture comes in, and whatever batches the
//! engine gets. Nothing in it may differ.

use std::io::Write as _;
use std::process::Stdio;

use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::Limits;
use mirrorscope_engine::{Config, Engine};

use crate::recipe::{Load, RECIPES};
use crate::support::mirrorscope;

const SITES: &str = "tests/generated/two-sites-erspan.toml";
/// More than one, as the command takes them.
const THREADS: [&str; 3] = ["2", "3", "4"];
/// Before each frame of a pcap file.
const RECORD: usize = 16;

/// A small part of each capture that speed is measured with: its name, and the file.
fn captures() -> Vec<(&'static str, Vec<u8>)> {
    RECIPES
        .iter()
        .map(|recipe| {
            // Each has some ten thousand packets.
            let part = (recipe.load.mix.packets / 10_000) as u32;
            let load: Load = recipe.part(part).load;
            (recipe.name, load.write(Vec::new()).unwrap().0)
        })
        .collect()
}

/// The report of a capture that comes in pieces of these lengths, again and again.
fn report(capture: &[u8], threads: &str, pieces: &[usize]) -> String {
    let mut child = mirrorscope()
        .args(["report", "--format", "json", "--sites", SITES])
        .args(["--threads", threads, "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    let mut rest = capture;
    for piece in pieces.iter().cycle() {
        let (now, later) = rest.split_at(rest.len().min(*piece));
        input.write_all(now).unwrap();
        rest = later;
        if rest.is_empty() {
            break;
        }
    }
    drop(input);
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn threads_and_pieces_of_input_change_nothing() {
    for (name, capture) in captures() {
        let whole = report(&capture, "1", &[capture.len()]);
        assert!(whole.contains("\"frames\": "), "{name}: {whole}");
        for threads in THREADS {
            let report = report(&capture, threads, &[capture.len()]);
            assert_eq!(whole, report, "{name}, {threads} threads");
        }
        // Headers and frames cut anywhere, and what a pipe holds.
        for pieces in [&[1009][..], &[65_536, 1, 15, 16, 17, 40_000]] {
            assert_eq!(whole, report(&capture, "1", pieces), "{name}, {pieces:?}");
        }
        assert_eq!(whole, report(&capture, "2", &[70_001, 3]), "{name}");
    }
}

/// The frames of a capture file.
fn frames(capture: &[u8]) -> Vec<Frame<'_>> {
    let mut frames = Vec::new();
    let mut at = 24;
    while let Some(head) = capture.get(at..at + RECORD) {
        let field = |place: usize| u32::from_le_bytes(head[place..place + 4].try_into().unwrap());
        let len = field(8) as usize;
        frames.push(Frame {
            time: Timestamp(i64::from(field(0)) * 1_000_000_000 + i64::from(field(4))),
            wire_len: field(12),
            link: LinkType::Ethernet,
            interface: 0,
            number: frames.len() as u64 + 1,
            bytes: &capture[at + RECORD..at + RECORD + len],
        });
        at += RECORD + len;
    }
    frames
}

#[test]
fn batches_of_any_size_change_nothing() {
    for (name, capture) in captures() {
        let all = frames(&capture);
        let of = |batch: usize| {
            let config = Config {
                sites: Sites::parse(&std::fs::read_to_string(SITES).unwrap()).unwrap(),
                ..Config::default()
            };
            let mut engine = Engine::new(config, Registry::default());
            for frames in all.chunks(batch) {
                engine.frames(frames);
            }
            engine.finish();
            serde_json::to_string(&engine.report()).unwrap()
        };
        let singly = of(1);
        assert!(singly.contains("\"verdicts\""), "{name}: {singly}");
        for batch in [2, 31, 32, 33, 1000, all.len()] {
            assert_eq!(singly, of(batch), "{name}, batches of {batch}");
        }
    }
}

#[test]
fn flows_that_are_put_away_come_back_as_they_were() {
    for (name, capture) in captures() {
        let of = |full: usize| {
            let config = Config {
                sites: Sites::parse(&std::fs::read_to_string(SITES).unwrap()).unwrap(),
                limits: Limits {
                    full,
                    ..Limits::default()
                },
                ..Config::default()
            };
            let mut engine = Engine::new(config, Registry::default());
            engine.frames(&frames(&capture));
            engine.finish();
            let mut flows = Vec::new();
            let kept = engine.flows::<()>(|flow| {
                flows.push(serde_json::to_string(&flow).unwrap());
                Ok(())
            });
            kept.unwrap();
            let report = serde_json::to_string(&engine.report()).unwrap();
            (report, flows, engine.flow_bytes())
        };
        let (in_full, away) = (of(usize::MAX), of(0));
        assert_eq!(in_full.0, away.0, "{name}");
        assert_eq!(in_full.1, away.1, "{name}");
        // Of few flows, that memory is taken in pieces outweighs it.
        if name == "short" {
            assert!(in_full.1.len() > 500);
            assert!(away.2 < in_full.2, "{} of {}", away.2, in_full.2);
        }
    }
}
