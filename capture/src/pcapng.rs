//! pcapng files: blocks of packets, interfaces and much else, in sections of either byte order.
//!
//! `pcap-file` parses pcapng too, but it reads the options of every section and interface block on
//! its way and gives up on those without an end mark or not in UTF-8, both common; it takes all
//! times for nanoseconds; and it allocates for packets. So only its block numbers serve here.
//!
//! Not read: name resolution, statistics, secrets, comments, hashes and flags.

mod again;
mod block;
mod interface;

use pcap_file::pcapng::blocks::{
    ENHANCED_PACKET_BLOCK, INTERFACE_DESCRIPTION_BLOCK, PACKET_BLOCK, SECTION_HEADER_BLOCK,
    SIMPLE_PACKET_BLOCK, SYSTEMD_JOURNAL_EXPORT_BLOCK,
};

use crate::files::Found;
use crate::frame::{MAX_PACKET, NOWHERE, Packet};
use crate::input::Input;
use crate::{Error, Interface};
use block::{BODY, Block, Blocks, Order, bad_block};
use interface::{Clock, Declaration};

pub(crate) use again::{Again, HEAD};

/// The first bytes of a section header block, in either byte order, and so of a file.
pub(crate) const MAGIC: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];
/// The only major version there is.
const MAJOR: u16 = 1;
/// Custom blocks, which may or may not be copied to other files.
const CUSTOM_BLOCK: u32 = 0x0000_0bad;
const CUSTOM_BLOCK_NO_COPY: u32 = 0x4000_0bad;
/// A file cannot make us remember more interfaces; each mirror session may be one.
const MAX_INTERFACES: usize = 65_536;

/// Reads the packets of one pcapng file.
pub(crate) struct Pcapng {
    blocks: Blocks,
    /// The file as the caller named it.
    source: String,
    /// Sections before the current one that declare interfaces.
    past: Vec<Section>,
    /// Where the current section begins, and how it writes numbers.
    start: u64,
    order: Order,
    /// Interfaces of the current section.
    declared: Vec<Declared>,
    /// Interfaces of all sections so far.
    interfaces: usize,
    /// Of the latest frame.
    number: u64,
    /// Time of the latest packet, for those without.
    time: i64,
    /// A packet of an undeclared interface was told of.
    told: bool,
}

/// What is kept of a section to read its packets again.
#[derive(Clone)]
struct Section {
    /// Where it begins.
    start: u64,
    order: Order,
    declared: Vec<Declared>,
}

/// What is kept of an interface to read its packets.
#[derive(Clone)]
struct Declared {
    index: u32,
    snaplen: u32,
    clock: Clock,
}

/// What a packet block says, wherever its kind keeps it.
struct Facts {
    interface: u32,
    /// Time in the interface's units, if the block has one.
    ticks: Option<u64>,
    captured: u32,
    wire_len: u32,
    /// Where in the block the data begins.
    data: usize,
}

impl Pcapng {
    /// Reads the first section header.
    pub fn open(input: &mut Input, source: &str) -> Result<Self, Error> {
        let mut reader = Self {
            blocks: Blocks::new(),
            source: source.to_owned(),
            past: Vec::new(),
            start: 0,
            order: Blocks::new().order,
            declared: Vec::new(),
            interfaces: 0,
            number: 0,
            time: 0,
            told: false,
        };
        let header = reader.blocks.next(input, 0).map_err(|error| match error {
            Error::CutBlock {
                file, have, want, ..
            } => Error::CutHeader { file, have, want },
            other => other,
        })?;
        if let Some(header) = header {
            reader.begin_section(input)?;
            input.consume(header.len);
        }
        Ok(reader)
    }

    /// The next packet, None at the end of the file.
    pub fn next(&mut self, input: &mut Input, found: &mut Found) -> Result<Option<Packet>, Error> {
        while let Some(block) = self.blocks.next(input, self.number + 1)? {
            match block.kind {
                ENHANCED_PACKET_BLOCK | PACKET_BLOCK | SIMPLE_PACKET_BLOCK => {
                    let packet = self.take(input, block, &mut found.problems)?;
                    if packet.is_some() {
                        return Ok(packet);
                    }
                    continue;
                }
                INTERFACE_DESCRIPTION_BLOCK => {
                    self.declare(input, block, &mut found.interfaces)?;
                }
                SECTION_HEADER_BLOCK => self.begin_section(input)?,
                // Wireshark shows these as frames, so they take numbers.
                SYSTEMD_JOURNAL_EXPORT_BLOCK | CUSTOM_BLOCK | CUSTOM_BLOCK_NO_COPY => {
                    self.number += 1;
                }
                _ => {}
            }
            input.consume(block.len);
        }
        Ok(None)
    }

    /// The next packet if its block comes next, all of it is buffered, and nothing is wrong with it.
    #[inline]
    pub fn buffered(&mut self, input: &mut Input, found: &mut Found) -> Option<Packet> {
        while let Some(block) = self.blocks.buffered_packet(input) {
            // What is wrong is told by `next`, which comes to the same block.
            let packet = self.take(input, block, &mut found.problems).ok()?;
            if packet.is_some() {
                return packet;
            }
        }
        None
    }

    /// Uses a packet block up; None if its interface is unknown.
    #[inline]
    fn take(
        &mut self,
        input: &mut Input,
        block: Block,
        problems: &mut Vec<Error>,
    ) -> Result<Option<Packet>, Error> {
        let packet = self.packet(input, block, problems)?;
        self.number += 1;
        let start = input.consume(block.len);
        Ok(packet.map(|packet| Packet {
            start: start + packet.start,
            ..packet
        }))
    }

    /// A section begins: its interfaces are numbered from 0 again.
    fn begin_section(&mut self, input: &Input) -> Result<(), Error> {
        let order = self.blocks.order;
        let version = |at| order.u16(input.buffered(), at).unwrap_or_default();
        let (major, minor) = (version(BODY + 4), version(BODY + 6));
        if major != MAJOR {
            return Err(Error::Version {
                file: input.name(),
                format: "pcapng",
                major,
                minor,
            });
        }
        self.end_section();
        self.start = input.offset();
        Ok(())
    }

    /// Keeps what packets of the section need that ends, if it can have packets.
    fn end_section(&mut self) {
        let declared = std::mem::take(&mut self.declared);
        if !declared.is_empty() {
            self.past.push(Section {
                start: self.start,
                order: self.order,
                declared,
            });
        }
        self.order = self.blocks.order;
    }

    /// How to read packets again.
    pub fn again(&self) -> Again {
        let current = Section {
            start: self.start,
            order: self.order,
            declared: self.declared.clone(),
        };
        Again::new(self.past.iter().cloned().chain([current]).collect())
    }

    /// Takes note of an interface.
    fn declare(
        &mut self,
        input: &Input,
        block: Block,
        interfaces: &mut Vec<Interface>,
    ) -> Result<(), Error> {
        let bytes = &input.buffered()[..block.len];
        let Some(declaration) = Declaration::parse(self.blocks.order, bytes) else {
            let reason = format!("{} bytes are too few for an interface", block.len);
            return Err(bad_block(input, input.offset(), reason));
        };
        if self.interfaces == MAX_INTERFACES {
            let reason = format!("more than {MAX_INTERFACES} interfaces");
            return Err(bad_block(input, input.offset(), reason));
        }
        self.interfaces += 1;
        self.declared.push(Declared {
            index: interfaces.len() as u32,
            snaplen: declaration.snaplen,
            clock: declaration.clock,
        });
        interfaces.push(Interface {
            source: self.source.clone(),
            name: declaration.name,
            description: declaration.description,
            link_type: declaration.link_type,
        });
        Ok(())
    }

    /// Reads a packet block; None if its interface is unknown. `start` counts from the block's.
    #[inline]
    fn packet(
        &mut self,
        input: &Input,
        block: Block,
        problems: &mut Vec<Error>,
    ) -> Result<Option<Packet>, Error> {
        let number = self.number + 1;
        let bytes = &input.buffered()[..block.len];
        let Some(facts) = Facts::of(self.blocks.order, block.kind, bytes) else {
            let reason = format!("{} bytes are too few for a packet", block.len);
            return Err(bad_block(input, input.offset(), reason));
        };
        let Some(interface) = self.declared.get(facts.interface as usize) else {
            if !self.told {
                self.told = true;
                problems.push(Error::UndeclaredInterface {
                    file: input.name(),
                    packet: number,
                    offset: input.offset(),
                    interface: facts.interface,
                });
            }
            return Ok(None);
        };
        let room = block.len - 4 - facts.data;
        let captured = facts.captured(block.kind, interface.snaplen, room);
        if captured > MAX_PACKET || captured as usize > room {
            return Err(Error::Oversized {
                file: input.name(),
                packet: number,
                offset: input.offset(),
                claimed: captured,
            });
        }
        if let Some(ticks) = facts.ticks {
            self.time = interface.clock.nanos(ticks);
        }
        Ok(Some(Packet {
            time: self.time,
            wire_len: facts.wire_len,
            interface: interface.index,
            number,
            // Without a time it means nothing alone.
            offset: facts.ticks.map_or(NOWHERE, |_| input.offset()),
            start: facts.data,
            len: captured as usize,
        }))
    }
}

impl Facts {
    /// The fields before a packet's data; None if the block is too short for them.
    #[inline]
    fn of(order: Order, kind: u32, block: &[u8]) -> Option<Self> {
        let body = block.get(BODY..block.len().checked_sub(4)?)?;
        if kind == SIMPLE_PACKET_BLOCK {
            let wire_len = order.u32(body, 0)?;
            return Some(Self {
                interface: 0,
                ticks: None,
                captured: wire_len,
                wire_len,
                data: BODY + 4,
            });
        }
        let high = u64::from(order.u32(body, 4)?);
        let low = u64::from(order.u32(body, 8)?);
        Some(Self {
            // The obsolete packet block has half as much room for it, then counts drops.
            interface: if kind == PACKET_BLOCK {
                order.u16(body, 0)?.into()
            } else {
                order.u32(body, 0)?
            },
            ticks: Some(high << 32 | low),
            captured: order.u32(body, 12)?,
            wire_len: order.u32(body, 16)?,
            data: BODY + 20,
        })
    }

    /// Bytes that were captured.
    #[inline]
    fn captured(&self, kind: u32, snaplen: u32, room: usize) -> u32 {
        if kind != SIMPLE_PACKET_BLOCK {
            return self.captured;
        }
        // These do not say how much was captured; padding may be counted into the room.
        let cut = if snaplen == 0 { u32::MAX } else { snaplen };
        self.captured.min(cut).min(room as u32)
    }
}

#[cfg(test)]
mod tests;
