//! Frames from any source to a consumer.

use std::collections::BTreeMap;

use anyhow::Result;
use arrayvec::ArrayVec;
use mirrorscope_capture as capture;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::Timestamp;

use super::Consumer;

/// Hands frames over.
#[derive(Default)]
pub struct Frames {
    /// How many came.
    pub taken: u64,
    /// Those of link types that are not supported.
    pub unsupported: BTreeMap<u16, u64>,
    /// Interfaces that the consumer knows by name.
    named: Vec<bool>,
}

impl Frames {
    /// How many may follow until `count` have come.
    pub fn left(&self, count: u64) -> usize {
        usize::try_from(count.saturating_sub(self.taken)).unwrap_or(usize::MAX)
    }

    /// Hands a batch over.
    pub fn take(&mut self, batch: &capture::Batch<'_>, consumer: &mut impl Consumer) -> Result<()> {
        self.taken += batch.len() as u64;
        let mut frames = ArrayVec::<Frame<'_>, { capture::BATCH }>::new();
        for frame in batch {
            if self.named.get(frame.interface as usize) != Some(&true) {
                self.name(frame, consumer);
            }
            let Some(link) = LinkType::from_number(frame.link_type) else {
                *self.unsupported.entry(frame.link_type).or_default() += 1;
                continue;
            };
            frames.push(Frame {
                time: Timestamp(frame.time),
                wire_len: frame.wire_len,
                link,
                interface: frame.interface,
                number: frame.number,
                bytes: frame.bytes,
            });
        }
        consumer.frames(&frames)
    }

    #[cold]
    fn name(&mut self, frame: &capture::Frame<'_>, consumer: &mut impl Consumer) {
        let index = frame.interface as usize;
        self.named.resize(self.named.len().max(index + 1), false);
        self.named[index] = true;
        let origin = frame.origin;
        if let Some(receiver) = consumer.receiver() {
            receiver.name_interface(frame.interface, &origin.source, origin.name.as_deref());
        }
    }
}
