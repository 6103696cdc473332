//! How streams are put together, and within which bounds.

use crate::time::SECOND;

/// Which bytes count where segments contradict each other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Overlap {
    /// Those that arrived first.
    #[default]
    First,
    /// Those that arrived last, as long as the others are not delivered.
    Last,
}

/// Rules and bounds.
#[derive(Clone, Copy, Debug)]
pub struct Policy {
    /// Which bytes count where segments contradict each other.
    pub overlap: Overlap,
    /// Bytes held for all streams together, with everything that they cost: half for data that waits behind holes, one
    /// eighth for delivered bytes that later ones are compared with and for what was given up, three eighths for the streams
    /// themselves.
    pub memory: usize,
    /// Bytes that may wait in one direction of one stream.
    pub stream_memory: usize,
    /// Bytes delivered of one direction of one stream; what is beyond is counted.
    pub limit: Option<u64>,
    /// A hole that the other side acknowledged is given up after this time, in nanoseconds: no host sends those bytes
    /// again, and copies from other points are not later than that.
    pub wait: i64,
    /// The same for a hole that the other side acknowledged selectively: once its timer runs out, a sender may send all
    /// of that again, as RFC 2018 §5 wants it.
    pub wait_selected: i64,
    /// The same where no packet of the other side was ever seen, so that nothing is acknowledged.
    pub wait_one_way: i64,
    /// Where no SYN tells the start, the first data waits this long for segments in front of it, in nanoseconds.
    pub start_wait: i64,
    /// The same in segments.
    pub start_segments: u32,
}

impl Default for Policy {
    fn default() -> Self {
        Self::within(64 << 20)
    }
}

impl Policy {
    /// The usual rules with so much memory, in bytes.
    pub fn within(memory: usize) -> Self {
        Self {
            overlap: Overlap::First,
            memory,
            stream_memory: memory / 4,
            limit: None,
            wait: 2 * SECOND,
            wait_selected: 10 * SECOND,
            wait_one_way: 10 * SECOND,
            start_wait: SECOND,
            start_segments: 64,
        }
    }

    /// Bytes that may wait, in all streams.
    pub(super) fn waiting(&self) -> usize {
        self.memory / 2
    }

    /// Delivered bytes kept to compare others with, in all streams.
    pub(super) fn history(&self) -> usize {
        self.memory / 32 * 3
    }

    /// Bytes that it takes to know what was given up, in all streams.
    pub(super) fn missed(&self) -> usize {
        self.memory / 32
    }

    /// Bytes for the streams themselves.
    pub(super) fn streams(&self) -> usize {
        self.memory / 8 * 3
    }
}
