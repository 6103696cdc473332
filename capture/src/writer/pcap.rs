//! pcap files with nanoseconds, little-endian.

use std::io::{self, Write};

use pcap_file::pcap::{self, PcapHeader};
use pcap_file::{DataLink, Endianness, TsResolution};

use super::{captured, io_error, since_epoch};

/// Writes a pcap file: one link type, times in nanoseconds.
///
/// Makes several small writes a frame, so give it a buffered `W`, as [`OutputFile`] is.
///
/// [`OutputFile`]: super::OutputFile
pub struct PcapWriter<W: Write> {
    writer: W,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header. `snaplen` is the length that frames are cut to, 0 if they are not.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn new(writer: W, link_type: u16, snaplen: u32) -> io::Result<Self> {
        let header = PcapHeader {
            // Some readers refuse every packet behind a 0; tcpdump writes this.
            snaplen: if snaplen == 0 { 262_144 } else { snaplen },
            datalink: DataLink::from(u32::from(link_type)),
            ts_resolution: TsResolution::NanoSecond,
            endianness: Endianness::Little,
            ..PcapHeader::default()
        };
        let inner = pcap::PcapWriter::with_header(writer, header).map_err(io_error)?;
        Ok(Self {
            writer: inner.into_writer(),
        })
    }

    /// Writes a frame: its time in nanoseconds since the Unix epoch, its length on the wire in
    /// bytes, and what was captured of it.
    ///
    /// A time before 1970 becomes 1970, one after 2106 its last second.
    ///
    /// # Errors
    ///
    /// Those of `writer`, and frames of 4 GiB or more.
    pub fn write(&mut self, time: i64, wire_len: u32, bytes: &[u8]) -> io::Result<()> {
        let time = since_epoch(time);
        let captured = captured(bytes)?;
        let fields = [
            u32::try_from(time / 1_000_000_000).unwrap_or(u32::MAX),
            (time % 1_000_000_000) as u32,
            captured,
            wire_len.max(captured),
        ];
        let mut head = [0; 16];
        for (room, field) in head.chunks_exact_mut(4).zip(fields) {
            room.copy_from_slice(&field.to_le_bytes());
        }
        // `pcap-file` would refuse a frame that the snap length cut.
        self.writer.write_all(&head)?;
        self.writer.write_all(bytes)
    }

    /// What is written to.
    pub(super) fn get_mut(&mut self) -> &mut W {
        &mut self.writer
    }

    /// Flushes, and gives the writer back.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn finish(mut self) -> io::Result<W> {
        self.writer.flush()?;
        Ok(self.writer)
    }
}
