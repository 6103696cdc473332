//! pcapng files: one section, little-endian, times in nanoseconds.

mod block;
mod statistics;

use std::borrow::Cow;
use std::io::{self, Write};
use std::net::IpAddr;

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::ENHANCED_PACKET_BLOCK;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness};

use super::{Packet, captured, io_error, since_epoch};
use block::{Block, cut, fitting};
pub(super) use statistics::MOST as STATISTICS;
pub use statistics::Statistics;

/// Name resolution block.
const NAMES: u32 = 4;
/// Its records: the end, an IPv4 address, an IPv6 address.
const RECORDS: [u16; 3] = [0, 1, 2];
/// Bytes of a name, as the domain name system has them at most.
const NAME: usize = 255;
/// Option with the direction of a packet.
const FLAGS: u16 = 2;
/// What begins a filter that is a text.
const TEXT: u8 = 0;

/// Which way a frame went through the interface that saw it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Received by it.
    Inbound,
    /// Sent by it.
    Outbound,
}

/// An interface as a pcapng file describes it. Empty texts are left out; those beyond 65,535 bytes
/// are cut.
#[derive(Clone, Copy, Debug)]
pub struct InterfaceDescription<'a> {
    /// Its name.
    pub name: &'a str,
    /// What it is, for people.
    pub description: &'a str,
    /// LINKTYPE number of its frames.
    pub link_type: u16,
    /// Bytes that frames are cut to, 0 if they are not.
    pub snaplen: u32,
    /// Which packets were chosen, if not all.
    pub filter: &'a str,
}

/// Writes a pcapng file.
///
/// Makes a small write for each frame, so give it a buffered `W`, as [`OutputFile`] is.
///
/// [`OutputFile`]: super::OutputFile
pub struct PcapngWriter<W: Write> {
    inner: PcapNgWriter<W>,
    /// The block at hand.
    block: Vec<u8>,
}

impl<W: Write> PcapngWriter<W> {
    /// Writes the section header. `application` is the program that writes.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn new(writer: W, application: &str) -> io::Result<Self> {
        let application = Cow::Owned(fitting(application).to_owned());
        let section = SectionHeaderBlock {
            endianness: Endianness::Little,
            options: vec![SectionHeaderOption::UserApplication(application)],
            ..SectionHeaderBlock::default()
        };
        let inner = PcapNgWriter::with_section_header(writer, section).map_err(io_error)?;
        Ok(Self {
            inner,
            block: Vec::new(),
        })
    }

    /// Declares an interface; returns the number that its frames are written with.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn add_interface(&mut self, interface: &InterfaceDescription<'_>) -> io::Result<u32> {
        let mut options = Vec::new();
        if !interface.name.is_empty() {
            let name = Cow::Borrowed(fitting(interface.name));
            options.push(InterfaceDescriptionOption::IfName(name));
        }
        if !interface.description.is_empty() {
            let description = Cow::Borrowed(fitting(interface.description));
            options.push(InterfaceDescriptionOption::IfDescription(description));
        }
        options.push(InterfaceDescriptionOption::IfTsResol(9));
        if !interface.filter.is_empty() {
            let text = cut(interface.filter, usize::from(u16::MAX) - 1);
            let bytes = [&[TEXT], text.as_bytes()].concat();
            options.push(InterfaceDescriptionOption::IfFilter(Cow::Owned(bytes)));
        }
        let number = self.inner.interfaces().len() as u32;
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::from(u32::from(interface.link_type)),
            snaplen: interface.snaplen,
            options,
        };
        self.inner.write_pcapng_block(block).map_err(io_error)?;
        Ok(number)
    }

    /// Writes a packet of an interface, whose number is that of [`add_interface`](Self::add_interface).
    ///
    /// A time before 1970 becomes 1970.
    ///
    /// # Errors
    ///
    /// Those of `writer`, an interface that was not added, and frames of nearly 4 GiB or more.
    pub fn write(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        self.check(packet.interface)?;
        let captured = captured(packet.bytes)?;
        // `pcap-file` would format each packet twice, and allocate for its options.
        let mut block = Block::new(&mut self.block, ENHANCED_PACKET_BLOCK);
        block.field(packet.interface);
        block.time(since_epoch(packet.time));
        block.field(captured);
        block.field(packet.wire_len.max(captured));
        block.padded(packet.bytes);
        block.comment(packet.comment.unwrap_or_default());
        if let Some(direction) = packet.direction {
            let flags = match direction {
                Direction::Inbound => 1,
                Direction::Outbound => 2,
            };
            block.number(FLAGS, flags);
        }
        block.finish()?;
        self.inner.get_mut().write_all(&self.block)
    }

    /// Writes names of addresses, for packets that come behind. Names end at a zero byte, and after 255 bytes.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn add_names<'a>(
        &mut self,
        names: impl IntoIterator<Item = (IpAddr, &'a str)>,
    ) -> io::Result<()> {
        let [end, v4, v6] = RECORDS;
        let mut block = Block::new(&mut self.block, NAMES);
        for (address, name) in names {
            let name = cut(name.split('\0').next().unwrap_or_default(), NAME).as_bytes();
            match address {
                _ if name.is_empty() => {}
                IpAddr::V4(address) => block.entry(v4, &[&address.octets(), name, &[0]]),
                IpAddr::V6(address) => block.entry(v6, &[&address.octets(), name, &[0]]),
            }
        }
        block.entry(end, &[]);
        block.finish()?;
        self.inner.get_mut().write_all(&self.block)
    }

    /// Writes the counters of an interface.
    ///
    /// # Errors
    ///
    /// Those of `writer`, and an interface that was not added.
    pub fn add_statistics(&mut self, interface: u32, statistics: &Statistics) -> io::Result<()> {
        self.check(interface)?;
        let mut block = Block::new(&mut self.block, statistics::KIND);
        statistics.write(&mut block, interface);
        block.finish()?;
        self.inner.get_mut().write_all(&self.block)
    }

    fn check(&self, interface: u32) -> io::Result<()> {
        if (interface as usize) < self.inner.interfaces().len() {
            return Ok(());
        }
        let text = "frame of an interface that was not added";
        Err(io::Error::new(io::ErrorKind::InvalidInput, text))
    }

    /// What is written to.
    pub(super) fn get_mut(&mut self) -> &mut W {
        self.inner.get_mut()
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn finish(self) -> io::Result<W> {
        let mut writer = self.inner.into_inner();
        writer.flush()?;
        Ok(writer)
    }
}
