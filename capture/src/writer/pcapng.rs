//! pcapng files: one section, little-endian, times in nanoseconds.

use std::borrow::Cow;
use std::io::{self, Write};

use pcap_file::pcapng::PcapNgWriter;
use pcap_file::pcapng::blocks::ENHANCED_PACKET_BLOCK;
use pcap_file::pcapng::blocks::interface_description::{
    InterfaceDescriptionBlock, InterfaceDescriptionOption,
};
use pcap_file::pcapng::blocks::section_header::{SectionHeaderBlock, SectionHeaderOption};
use pcap_file::{DataLink, Endianness};

use super::{captured, io_error, since_epoch};

/// Length of a packet block's fields before the data.
const HEAD: usize = 28;
/// Option with the direction of a packet: code 2, length 4.
const FLAGS: [u8; 4] = [2, 0, 4, 0];
/// The end of options.
const END: [u8; 4] = [0; 4];

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
}

/// Writes a pcapng file.
///
/// Makes several small writes a frame, so give it a buffered `W`, as [`OutputFile`] is.
///
/// [`OutputFile`]: super::OutputFile
pub struct PcapngWriter<W: Write> {
    inner: PcapNgWriter<W>,
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
        Ok(Self { inner })
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
        let number = self.inner.interfaces().len() as u32;
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::from(u32::from(interface.link_type)),
            snaplen: interface.snaplen,
            options,
        };
        self.inner.write_pcapng_block(block).map_err(io_error)?;
        Ok(number)
    }

    /// Writes a frame of an interface: its time in nanoseconds since the Unix epoch, its length on
    /// the wire in bytes, and what was captured of it.
    ///
    /// A time before 1970 becomes 1970.
    ///
    /// # Errors
    ///
    /// Those of `writer`, an interface that was not added, and frames of nearly 4 GiB or more.
    pub fn write(
        &mut self,
        interface: u32,
        time: i64,
        wire_len: u32,
        bytes: &[u8],
        direction: Option<Direction>,
    ) -> io::Result<()> {
        let invalid = |what| io::Error::new(io::ErrorKind::InvalidInput, what);
        if interface as usize >= self.inner.interfaces().len() {
            return Err(invalid("frame of an interface that was not added"));
        }
        let captured = captured(bytes)?;
        let padding = bytes.len().next_multiple_of(4) - bytes.len();
        let options = if direction.is_some() { 12 } else { 0 };
        let len = u32::try_from(HEAD + bytes.len() + padding + options + 4)
            .map_err(|_| invalid("frame of nearly 4 GiB or more"))?;
        let time = since_epoch(time);
        let fields = [
            ENHANCED_PACKET_BLOCK,
            len,
            interface,
            (time >> 32) as u32,
            time as u32,
            captured,
            wire_len.max(captured),
        ];
        let mut head = [0; HEAD];
        for (room, field) in head.chunks_exact_mut(4).zip(fields) {
            room.copy_from_slice(&field.to_le_bytes());
        }
        // `pcap-file` would format each packet twice, and allocate for the direction.
        let writer = self.inner.get_mut();
        writer.write_all(&head)?;
        writer.write_all(bytes)?;
        writer.write_all(&[0; 3][..padding])?;
        if let Some(direction) = direction {
            let flags: u32 = match direction {
                Direction::Inbound => 1,
                Direction::Outbound => 2,
            };
            writer.write_all(&FLAGS)?;
            writer.write_all(&flags.to_le_bytes())?;
            writer.write_all(&END)?;
        }
        writer.write_all(&len.to_le_bytes())
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

/// As much of a text as an option holds.
fn fitting(text: &str) -> &str {
    &text[..text.floor_char_boundary(usize::from(u16::MAX))]
}
