//! Packets as the bytes of either format.

use std::io;

use super::{Direction, InterfaceDescription, PcapWriter, PcapngWriter};

/// Capture file formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One file has packets of several interfaces, with names and directions.
    Pcapng,
    /// One link type; no interfaces.
    Pcap,
}

/// A packet to be written.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The number of its interface, as `add_interface` gave it.
    pub interface: u32,
    /// Nanoseconds since the epoch.
    pub time: i64,
    /// Its length on the wire, in bytes.
    pub wire_len: u32,
    /// What there is of it.
    pub bytes: &'a [u8],
    /// Which way it went.
    pub direction: Option<Direction>,
}

/// An interface, for every file that gets packets of it.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    name: String,
    description: String,
    pub link_type: u16,
    snaplen: u32,
}

impl Interface {
    pub fn new(described: &InterfaceDescription<'_>) -> Self {
        Self {
            name: described.name.to_owned(),
            description: described.description.to_owned(),
            link_type: described.link_type,
            snaplen: described.snaplen,
        }
    }
}

/// The bytes of one file, from its header on, until they are taken away to be written.
pub(super) enum Encoder {
    Pcapng {
        writer: PcapngWriter<Vec<u8>>,
        /// For each interface its number in this file.
        numbers: Vec<Option<u32>>,
    },
    Pcap(PcapWriter<Vec<u8>>),
}

impl Encoder {
    pub fn pcapng(application: &str) -> io::Result<Self> {
        Ok(Self::Pcapng {
            writer: PcapngWriter::new(Vec::new(), application)?,
            numbers: Vec::new(),
        })
    }

    pub fn pcap(link_type: u16, snaplen: u32) -> io::Result<Self> {
        Ok(Self::Pcap(PcapWriter::new(Vec::new(), link_type, snaplen)?))
    }

    /// The bytes that wait.
    pub fn bytes(&mut self) -> &mut Vec<u8> {
        match self {
            Self::Pcapng { writer, .. } => writer.get_mut(),
            Self::Pcap(writer) => writer.get_mut(),
        }
    }

    /// Adds a packet, and before its first one its interface.
    pub fn packet(&mut self, packet: &Packet<'_>, interface: &Interface) -> io::Result<()> {
        let Packet {
            time,
            wire_len,
            bytes,
            direction,
            ..
        } = *packet;
        match self {
            Self::Pcapng { writer, numbers } => {
                let index = packet.interface as usize;
                if numbers.len() <= index {
                    numbers.resize(index + 1, None);
                }
                let number = match numbers[index] {
                    Some(number) => number,
                    None => {
                        *numbers[index].insert(writer.add_interface(&InterfaceDescription {
                            name: &interface.name,
                            description: &interface.description,
                            link_type: interface.link_type,
                            snaplen: interface.snaplen,
                        })?)
                    }
                };
                writer.write(number, time, wire_len, bytes, direction)
            }
            Self::Pcap(writer) => writer.write(time, wire_len, bytes),
        }
    }
}
