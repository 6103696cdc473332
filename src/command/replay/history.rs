//! Which frames belong to which flow, and where each of them is: in a file that can be read again, or in memory.
//!
//! An entry takes 16 bytes. Frames that cannot be read again are copied beside. Both are bounded: beyond that the oldest are
//! forgotten. Nobody waits for who looks at it: blocks that are full are shared, not locked.

mod batch;
mod block;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;

use mirrorscope_capture::Place;
use mirrorscope_dissectors::Options;
use mirrorscope_engine::receive::Frame;

use crate::command::fragments::Fragments;
pub use batch::Batch;
pub use block::{Block, Spot};

/// Bytes that the entries may take.
const ENTRIES: usize = 512 << 20;
/// Bytes of frames in a block, at most: as many as can be forgotten at once.
const BLOCK: usize = 1 << 20;
/// A share of all memory for frames that is forgotten at once.
const SHARE: usize = 16;

/// The frames of all flows.
pub struct History {
    blocks: VecDeque<Arc<Block>>,
    open: Block,
    /// Bytes of frames, and of entries, in all blocks that are full.
    held: [usize; 2],
    /// Most of both.
    bounds: [usize; 2],
    fragments: Fragments,
    /// Frames are not here any more, or never were.
    incomplete: bool,
}

impl History {
    /// Nothing yet; `keep` is the memory for frames that cannot be read again, `options` tell what frames are.
    pub fn new(keep: usize, options: Options) -> Self {
        Self {
            blocks: VecDeque::new(),
            open: Block::new(0),
            held: [0; 2],
            bounds: [keep, ENTRIES],
            fragments: Fragments::new(options),
            incomplete: false,
        }
    }

    /// Takes a batch of frames, whose packets are told one after the other.
    pub fn batch<'a>(
        &'a mut self,
        frames: &'a [Frame<'a>],
        places: &'a [Option<Place>],
    ) -> Batch<'a> {
        Batch::new(self, frames, places)
    }

    /// All that is kept, the oldest first.
    pub fn blocks(&mut self) -> Vec<Arc<Block>> {
        self.close();
        self.blocks.iter().map(Arc::clone).collect()
    }

    /// Whether all frames of flows are here.
    pub fn is_complete(&self) -> bool {
        !self.incomplete
    }

    /// Adds a frame; its flow may be told later, by the number that this returns.
    fn add(&mut self, frame: &Frame<'_>, place: Option<Place>, flow: Option<u64>) -> Option<u64> {
        let keep = self.bounds[0];
        if place.is_none() && keep == 0 {
            self.incomplete = true;
            return None;
        }
        // All entries of a frame are in one block.
        let [frames, _] = self.open.size();
        if self.open.is_full() || frames >= BLOCK.min(keep / SHARE) && frames > 0 {
            self.close();
        }
        Some(self.open.add(frame, place, flow))
    }

    /// The frame that was added last is of another flow, too.
    fn add_again(&mut self, flow: u64) {
        self.open.add_again(flow);
    }

    /// Tells whose an earlier frame is.
    fn assign(&self, number: u64, flow: u64) {
        if number >= self.open.first() {
            self.open.assign(number, flow);
            return;
        }
        let later = self.blocks.partition_point(|block| block.first() <= number);
        if let Some(block) = later.checked_sub(1).and_then(|i| self.blocks.get(i)) {
            block.assign(number, flow);
        }
    }

    /// Ends a block, and forgets the oldest ones beyond the bounds.
    fn close(&mut self) {
        let next = self.open.next();
        if next == self.open.first() {
            return;
        }
        let full = std::mem::replace(&mut self.open, Block::new(next));
        for (held, size) in self.held.iter_mut().zip(full.size()) {
            *held += size;
        }
        self.blocks.push_back(Arc::new(full));
        let over = |held: &[usize; 2]| held.iter().zip(&self.bounds).any(|(h, b)| h > b);
        while over(&self.held)
            && let Some(oldest) = self.blocks.pop_front()
        {
            self.incomplete = true;
            for (held, size) in self.held.iter_mut().zip(oldest.size()) {
                *held -= size;
            }
        }
    }
}
