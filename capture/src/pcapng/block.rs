//! Walks the blocks of a pcapng file: type and length before each body, the length again after it.

use pcap_file::pcapng::blocks::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK,
    SIMPLE_PACKET_BLOCK,
};

use super::MAGIC;
use crate::Error;
use crate::input::Input;

/// Where a block's body begins, behind its type and length.
pub(super) const BODY: usize = 8;
/// What every block has: type, length, and the length again.
pub(super) const SHORTEST: usize = 12;
/// No block that has to be in memory is longer.
pub(super) const LONGEST: usize = 16 * 1024 * 1024;

/// How numbers are written in a section.
#[derive(Clone, Copy)]
pub(super) struct Order {
    big_endian: bool,
}

impl Order {
    /// The number at a place in `bytes`, None if they end before.
    #[inline]
    pub fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    }

    /// As `u16`, four bytes long.
    #[inline]
    pub fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    /// As `u16`, eight bytes long and signed.
    pub fn i64(self, bytes: &[u8], at: usize) -> Option<i64> {
        let bytes = *bytes.get(at..)?.first_chunk()?;
        Some(if self.big_endian {
            i64::from_be_bytes(bytes)
        } else {
            i64::from_le_bytes(bytes)
        })
    }
}

/// One block.
#[derive(Clone, Copy)]
pub(super) struct Block {
    pub kind: u32,
    /// Its length if it is buffered, 0 if it was passed over.
    pub len: usize,
}

/// The walk, and the byte order of the section it is in.
pub(super) struct Blocks {
    pub order: Order,
}

impl Blocks {
    pub fn new() -> Self {
        Self {
            order: Order { big_endian: false },
        }
    }

    /// The next block, None at the end of the file. Blocks that are not needed are passed over.
    ///
    /// `packet` is the number that a packet has if the block is one.
    pub fn next(&mut self, input: &mut Input, packet: u64) -> Result<Option<Block>, Error> {
        // No block is shorter, so a live pipe is never waited for in vain.
        if !input.fill(SHORTEST)? {
            let have = input.buffered().len();
            if have == 0 {
                return Ok(None);
            }
            return Err(cut_block(
                input,
                input.offset(),
                have as u64,
                SHORTEST as u64,
            ));
        }
        let (kind, claimed) = self.head(input)?;
        let len = claimed as usize;
        if len < SHORTEST || !len.is_multiple_of(4) {
            let reason = format!("its length is {claimed}");
            return Err(bad_block(input, input.offset(), reason));
        }
        let is_packet = is_packet(kind);
        let is_needed = matches!(kind, SECTION_HEADER_BLOCK | INTERFACE_DESCRIPTION_BLOCK);
        if !is_packet && !is_needed {
            self.pass(input, claimed)?;
            return Ok(Some(Block { kind, len: 0 }));
        }
        if len > LONGEST {
            let reason = format!("its length is {claimed}, more than {LONGEST}");
            return Err(bad_block(input, input.offset(), reason));
        }
        if !input.fill(len)? {
            let (offset, have) = (input.offset(), input.buffered().len() as u64);
            return Err(if is_packet {
                Error::CutPacket {
                    file: input.name(),
                    packet,
                    offset,
                    have,
                    want: claimed.into(),
                }
            } else {
                cut_block(input, offset, have, claimed.into())
            });
        }
        self.check_end(input, input.offset(), len - 4, claimed)?;
        Ok(Some(Block { kind, len }))
    }

    /// The next block if it is a packet's, all of it is buffered, and its lengths are right.
    #[inline]
    pub fn buffered_packet(&self, input: &Input) -> Option<Block> {
        let bytes = input.buffered();
        let kind = self.order.u32(bytes, 0)?;
        let claimed = self.order.u32(bytes, 4)?;
        let len = claimed as usize;
        if !is_packet(kind) || len < SHORTEST || !len.is_multiple_of(4) || len > LONGEST {
            return None;
        }
        let repeated = self.order.u32(bytes, len - 4)?;
        (repeated == claimed).then_some(Block { kind, len })
    }

    /// Type and length of the next block; a section header also tells the byte order.
    #[inline]
    fn head(&mut self, input: &Input) -> Result<(u32, u32), Error> {
        let bytes = input.buffered();
        if bytes.starts_with(&MAGIC) {
            self.order.big_endian = match bytes[BODY..SHORTEST] {
                [0x1a, 0x2b, 0x3c, 0x4d] => true,
                [0x4d, 0x3c, 0x2b, 0x1a] => false,
                _ => {
                    let reason = "a section header without byte-order mark".to_owned();
                    return Err(bad_block(input, input.offset(), reason));
                }
            };
        }
        let word = |at| self.order.u32(bytes, at).unwrap_or_default();
        Ok((word(0), word(4)))
    }

    /// Passes over a block, of any length, without keeping it. A pipe is waited for: nobody could go on in the midst of it.
    fn pass(&self, input: &mut Input, claimed: u32) -> Result<(), Error> {
        let hasty = input.set_hasty(false);
        let result = self.pass_patiently(input, claimed);
        input.set_hasty(hasty);
        result
    }

    fn pass_patiently(&self, input: &mut Input, claimed: u32) -> Result<(), Error> {
        let offset = input.offset();
        let before_end = u64::from(claimed) - 4;
        let have = input.skip(before_end)?;
        if have < before_end || !input.fill(4)? {
            let have = have + input.buffered().len() as u64;
            return Err(cut_block(input, offset, have, claimed.into()));
        }
        self.check_end(input, offset, 0, claimed)?;
        input.consume(4);
        Ok(())
    }

    /// Compares the length at a block's end with the one at its start.
    #[inline]
    fn check_end(&self, input: &Input, offset: u64, at: usize, claimed: u32) -> Result<(), Error> {
        let repeated = self.order.u32(input.buffered(), at).unwrap_or_default();
        if repeated == claimed {
            return Ok(());
        }
        let reason = format!("its length is {claimed} at its start, {repeated} at its end");
        Err(bad_block(input, offset, reason))
    }
}

pub(super) fn is_packet(kind: u32) -> bool {
    matches!(
        kind,
        ENHANCED_PACKET_BLOCK | SIMPLE_PACKET_BLOCK | PACKET_BLOCK
    )
}

#[cold]
fn cut_block(input: &Input, offset: u64, have: u64, want: u64) -> Error {
    Error::CutBlock {
        file: input.name(),
        offset,
        have,
        want,
    }
}

/// The fault of a block that contradicts itself.
#[cold]
pub(super) fn bad_block(input: &Input, offset: u64, reason: String) -> Error {
    Error::BadBlock {
        file: input.name(),
        offset,
        reason,
    }
}
