//! What a file says of an interface besides its packets: how many there were, and how many are missing.

use super::block::{Block, cut};
use crate::writer::since_epoch;

/// Interface statistics block.
pub(super) const KIND: u32 = 5;
/// Bytes of a comment: that is enough for a line.
const COMMENT: usize = 160;
/// Bytes that a block has at most: fields, six options of eight bytes, and the comment.
pub(in crate::writer) const MOST: u64 = (8 + 12 + 6 * 12 + 4 + COMMENT + 4 + 4) as u64;

/// Counters of an interface at a moment, from the beginning of the capture on.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// The moment, in nanoseconds since the epoch.
    pub time: i64,
    /// When its first packet came, and the last one.
    pub period: (i64, i64),
    /// Packets that came.
    pub received: u64,
    /// Those of them that a filter let through.
    pub accepted: u64,
    /// Packets that did not come, as far as anybody can tell.
    pub missing: Option<u64>,
    /// Packets that the system had no room for.
    pub dropped: Option<u64>,
    /// A line for people.
    pub comment: String,
}

impl Statistics {
    /// Adds the fields of the block, for the interface with this number.
    pub(super) fn write(&self, block: &mut Block<'_>, interface: u32) {
        block.field(interface);
        block.time(since_epoch(self.time));
        block.comment(cut(&self.comment, COMMENT));
        block.moment(2, since_epoch(self.period.0));
        block.moment(3, since_epoch(self.period.1));
        block.count(4, self.received);
        if let Some(missing) = self.missing {
            block.count(5, missing);
        }
        block.count(6, self.accepted);
        if let Some(dropped) = self.dropped {
            block.count(7, dropped);
        }
    }
}
