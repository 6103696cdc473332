//! Frames that came by, fetched again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mirrorscope_capture::Again;
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::time::Timestamp;

use super::history::{Block, Spot};

/// What is told of a frame that is not here any more.
const FORGOTTEN: &str =
    "this packet is not here any more: there was no room for it (--keep-packets)";

/// The frames that the history knew at a moment.
pub struct Frames {
    blocks: Vec<Arc<Block>>,
    /// The files, if there are any.
    again: Option<Again>,
    /// Nobody wants them any more.
    stop: Arc<AtomicBool>,
}

impl Frames {
    /// Those of some blocks, which are in order.
    pub fn new(blocks: Vec<Arc<Block>>, again: Option<Again>, stop: Arc<AtomicBool>) -> Self {
        Self {
            blocks,
            again,
            stop,
        }
    }

    /// The numbers of the frames of some flows, in order of arrival, each once.
    pub fn of(&self, flows: &[u64]) -> Vec<u64> {
        let mut flows: Vec<u32> = flows.iter().map(|flow| *flow as u32).collect();
        flows.sort_unstable();
        let blocks = self.blocks.iter();
        let mut numbers: Vec<u64> = blocks.flat_map(|block| block.of(&flows)).collect();
        // What carries packets of several of them.
        numbers.dedup();
        numbers
    }

    /// Fetches a frame.
    pub fn fetch<T>(
        &mut self,
        number: u64,
        take: impl FnOnce(&Frame<'_>) -> T,
    ) -> Result<T, String> {
        if self.stop.load(Ordering::Relaxed) {
            return Err("interrupted".to_owned());
        }
        let later = self.blocks.partition_point(|block| block.first() <= number);
        let block = later.checked_sub(1).and_then(|i| self.blocks.get(i));
        let (place, number) = match block.and_then(|block| block.spot(number)) {
            Some(Spot::Memory(frame)) => return Ok(take(&frame)),
            Some(Spot::File(place, number)) => (place, number),
            None => return Err(FORGOTTEN.to_owned()),
        };
        let again = self.again.as_mut().ok_or(FORGOTTEN)?;
        let frame = again
            .frame(place)
            .map_err(|error| printable(&error.to_string()))?;
        let link = LinkType::from_number(frame.origin.link_type);
        Ok(take(&Frame {
            time: Timestamp(frame.time),
            wire_len: frame.wire_len,
            link: link.ok_or(FORGOTTEN)?,
            interface: frame.interface,
            number,
            bytes: frame.bytes,
        }))
    }
}
