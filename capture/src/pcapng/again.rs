//! Packets of a pcapng file whose places are known, read again.

use super::block::{BODY, LONGEST, SHORTEST, is_packet};
use super::{Facts, Section};
use crate::frame::{MAX_PACKET, NOWHERE, Packet};

/// Bytes that tell how long a block is.
pub(crate) const HEAD: usize = BODY;

/// Reads packets whose places are known.
#[derive(Clone)]
pub(crate) struct Again {
    /// By where they begin.
    sections: Vec<Section>,
}

impl Again {
    pub(super) fn new(sections: Vec<Section>) -> Self {
        Self { sections }
    }

    fn section(&self, offset: u64) -> Option<&Section> {
        let later = self.sections.partition_point(|s| s.start <= offset);
        self.sections.get(later.checked_sub(1)?)
    }

    /// The length of the packet's block that begins so; None if none does.
    pub fn len(&self, offset: u64, head: &[u8]) -> Option<usize> {
        let order = self.section(offset)?.order;
        let (kind, len) = (order.u32(head, 0)?, order.u32(head, 4)? as usize);
        (is_packet(kind) && (SHORTEST..=LONGEST).contains(&len)).then_some(len)
    }

    /// Reads a block.
    pub fn packet(&self, offset: u64, block: &[u8]) -> Option<Packet> {
        let section = self.section(offset)?;
        let kind = section.order.u32(block, 0)?;
        let facts = Facts::of(section.order, kind, block)?;
        let interface = section.declared.get(facts.interface as usize)?;
        let room = block.len().checked_sub(4 + facts.data)?;
        let captured = facts.captured(kind, interface.snaplen, room);
        (captured <= MAX_PACKET && captured as usize <= room).then_some(())?;
        Some(Packet {
            time: interface.clock.nanos(facts.ticks?),
            wire_len: facts.wire_len,
            interface: interface.index,
            number: 0,
            offset: NOWHERE,
            start: facts.data,
            len: captured as usize,
        })
    }
}
