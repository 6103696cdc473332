//! What the other side has behind bytes that it misses: selective acknowledgements (RFC 2018).

use super::LEAD;
use crate::stream::event::Segment;
use crate::stream::ranges::Ranges;
use crate::tcp::{Options, TcpOption};
use crate::time::Timestamp;

/// What they said, while something waits behind a hole.
#[derive(Debug, Default)]
pub(super) struct Selected {
    /// What arrived at the other side. It may throw that away again (RFC 2018 §8), which hosts do not.
    has: Ranges,
    /// The byte that the latest of them asked for, and when it came.
    asked: Option<(u64, Timestamp)>,
}

impl Selected {
    /// What it costs, in bytes.
    pub fn memory(&self) -> usize {
        size_of::<Self>() + self.has.memory()
    }

    /// Takes a block of an acknowledgement whose own position is `acknowledged`.
    pub fn take(&mut self, block: (u64, u64), acknowledged: u64, now: Timestamp) {
        self.has.add(block.0, block.1);
        self.asked = Some((acknowledged, now));
    }

    /// Forgets what lies before a position.
    pub fn forget_before(&mut self, position: u64) {
        self.has.forget_before(position);
    }

    /// Whether all bytes of a range arrived.
    pub fn has(&self, from: u64, until: u64) -> bool {
        let (there, change) = self.has.at(from);
        there && change >= Some(until)
    }

    /// Whether some bytes of a range were asked for after `since`: what is there lies behind them.
    pub fn asks(&self, from: u64, until: u64, since: Timestamp) -> bool {
        let Some((wanted, _)) = self.asked.filter(|(_, time)| *time > since) else {
            return false;
        };
        let from = from.max(wanted);
        let until = until.min(self.has.last().unwrap_or(0));
        from < until && self.has.overlap(from, until) < until - from
    }
}

/// The blocks of a segment that can be true. `acknowledged` is the position of its acknowledgement, `right` that behind
/// the last byte which was seen.
pub(super) fn blocks(
    segment: &Segment<'_>,
    acknowledged: u64,
    right: u64,
) -> impl Iterator<Item = (u64, u64)> {
    let number = segment.acknowledgement;
    Options::new(segment.options)
        .filter_map(|option| match option {
            TcpOption::Sack(blocks) => Some(blocks),
            _ => None,
        })
        .flatten()
        .filter_map(move |(left, end)| {
            let (ahead, len) = (left.wrapping_sub(number), end.wrapping_sub(left));
            // A block at the acknowledgement or below it tells of data that came twice (RFC 2883 §4).
            if ahead.cast_signed() <= 0 || len.cast_signed() <= 0 {
                return None;
            }
            let left = acknowledged + u64::from(ahead);
            let end = left + u64::from(len);
            // What nobody saw yet may have arrived there, but not that much of it.
            (left < right && end <= right + LEAD).then_some((left, end.min(right)))
        })
}
