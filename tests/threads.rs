//! One thread or two: the same comes of the same frames, however they come, whenever someone looks, and whatever they hold.

use std::sync::Arc;

use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::{Engine, Threaded};

use crate::frames::{Random, frame};
use crate::proof::Recording;

/// All that an engine has to say.
fn everything(engine: &Engine) -> String {
    let mut flows = Vec::new();
    let all: Result<(), ()> = engine.flows(|flow| {
        flows.push(flow);
        Ok(())
    });
    all.unwrap();
    let all = (engine.report(), flows, engine.endpoints());
    serde_json::to_string_pretty(&all).unwrap()
}

/// Gives the same frames to one thread and to two, in batches of any size; looks at them in between, and describes the
/// sites anew on the way.
fn compare(recording: &Recording, frames: &[(i64, Vec<u8>)], random: &mut Random) {
    let engine = || Engine::new(recording.config(), Arc::default());
    let mut alone = engine();
    let mut threaded = Threaded::new(engine(), 2).unwrap();
    let mut frames: Vec<Frame<'_>> = (1..)
        .zip(frames)
        .map(|(number, (time, bytes))| frame(number, *time, bytes))
        .collect();
    let middle = frames.len() / 2;
    while !frames.is_empty() {
        let rest = frames.split_off(frames.len().min(1 + random.below(90) as usize));
        alone.frames(&frames);
        threaded.frames(&frames);
        let last = frames[frames.len() - 1];
        let renew = last.number as usize >= middle && frames[0].number as usize <= middle;
        if renew || random.below(8) == 0 {
            let engine = threaded.engine().unwrap();
            for engine in [&mut alone, &mut *engine] {
                engine.now(last.time);
                if renew {
                    engine.reload(Sites::default());
                }
            }
            assert!(
                everything(&alone) == everything(engine),
                "{}: another report after packet {}",
                recording.name,
                last.number
            );
        }
        frames = rest;
    }
    let mut together = threaded.into_engine().unwrap();
    for engine in [&mut alone, &mut together] {
        engine.finish();
    }
    let (alone, together) = (everything(&alone), everything(&together));
    assert!(alone.contains("\"flows\""));
    assert!(alone == together, "{}: another report", recording.name);
}

#[test]
fn two_threads_say_what_one_says() {
    let mut random = Random(11);
    for recording in Recording::all() {
        compare(&recording, &recording.frames, &mut random);
    }
}

#[test]
fn two_threads_say_what_one_says_of_damaged_frames() {
    let mut random = Random(12);
    for recording in Recording::all() {
        let mut frames = recording.frames.clone();
        for (_, bytes) in &mut frames {
            for _ in 0..random.below(3) {
                let at = random.below(bytes.len() as u64) as usize;
                bytes[at] ^= 1 << random.below(8);
            }
            if random.below(6) == 0 {
                bytes.truncate(1 + random.below(bytes.len() as u64) as usize);
            }
        }
        compare(&recording, &frames, &mut random);
    }
}
