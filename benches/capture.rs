//! A generated capture, and its frames as the engine takes them.

use std::fs::File;
use std::io::BufWriter;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use arrayvec::ArrayVec;
use mirrorscope_capture::{BATCH, Files};
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::Timestamp;
use tempfile::NamedTempFile;

use crate::load::Load;

/// A capture file that goes away with it.
pub struct Capture {
    pub file: NamedTempFile,
    packets: u64,
}

impl Capture {
    pub fn new(load: &Load) -> Self {
        let file = NamedTempFile::new().unwrap();
        let target = File::create(file.path()).unwrap();
        load.write(BufWriter::with_capacity(1 << 20, target))
            .unwrap();
        Self {
            file,
            packets: load.packets,
        }
    }

    /// Reads all of it, from the page cache after the first time.
    pub fn read(&self, mut sink: impl FnMut(&[Frame<'_>])) {
        let stop = Arc::new(AtomicBool::new(false));
        let mut files = Files::open(&[self.file.path().to_owned()], stop).unwrap();
        let mut count = 0;
        loop {
            let batch = files.next_frames(BATCH);
            if batch.len() == 0 {
                break;
            }
            let frames = batch.map(|frame| Frame {
                time: Timestamp(frame.time),
                wire_len: frame.wire_len,
                link: LinkType::from_number(frame.origin.link_type).unwrap(),
                interface: frame.interface,
                number: frame.number,
                bytes: frame.bytes,
            });
            let frames: ArrayVec<Frame<'_>, BATCH> = frames.collect();
            count += frames.len() as u64;
            sink(&frames);
        }
        assert_eq!(count, self.packets, "{:?}", files.problems());
    }
}
