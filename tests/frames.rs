//! Frames of a capture through the engine itself, so that a test may change them on the way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use mirrorscope_capture::Files;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine};

/// xorshift64*: any sequence will do, as long as it is the same in every run.
pub struct Random(pub u64);

impl Random {
    /// The next number, below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) % limit
    }
}

/// The frames of a file with their times.
pub fn read(path: &Path) -> Vec<(i64, Vec<u8>)> {
    let mut files = Files::open(&[path.to_owned()], Arc::new(AtomicBool::new(false))).unwrap();
    let mut frames = Vec::new();
    while let Some(frame) = files.next_frames(1).next() {
        frames.push((frame.time, frame.bytes.to_vec()));
    }
    frames
}

/// A frame of Ethernet that came by an only interface.
pub fn frame(number: u64, time: i64, bytes: &[u8]) -> Frame<'_> {
    Frame {
        time: Timestamp(time),
        wire_len: bytes.len() as u32,
        link: LinkType::Ethernet,
        interface: 0,
        number,
        bytes,
    }
}

/// An engine that got them all.
pub fn analyse<'a>(config: Config, frames: impl IntoIterator<Item = (i64, &'a [u8])>) -> Engine {
    let mut engine = Engine::new(config, Arc::default());
    for (number, (time, bytes)) in (1..).zip(frames) {
        engine.frame(&frame(number, time, bytes));
    }
    engine.finish();
    engine
}
