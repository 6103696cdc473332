//! Packets as the bytes of either format.

use std::io;
use std::net::IpAddr;

use super::pcapng::STATISTICS;
use super::{Direction, InterfaceDescription, PcapWriter, PcapngWriter, Statistics};

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
    /// A line for people. Only pcapng has it.
    pub comment: Option<&'a str>,
}

/// An interface, for every file that gets packets of it.
#[derive(Clone, Debug)]
pub(super) struct Interface {
    name: String,
    description: String,
    pub link_type: u16,
    snaplen: u32,
    filter: String,
    /// Its counters, as far as they are known.
    pub statistics: Option<Statistics>,
}

impl Interface {
    pub fn new(described: &InterfaceDescription<'_>) -> Self {
        Self {
            name: described.name.to_owned(),
            description: described.description.to_owned(),
            link_type: described.link_type,
            snaplen: described.snaplen,
            filter: described.filter.to_owned(),
            statistics: None,
        }
    }
}

/// The name of an address.
pub(super) type Name = (IpAddr, String);

/// The bytes of one file, from its header on, until they are taken away to be written.
pub(super) enum Encoder {
    Pcapng {
        writer: PcapngWriter<Vec<u8>>,
        /// For each interface its number in this file.
        numbers: Vec<Option<u32>>,
        /// Names that are in this file: so many of all.
        names: usize,
    },
    Pcap(PcapWriter<Vec<u8>>),
}

impl Encoder {
    pub fn pcapng(application: &str) -> io::Result<Self> {
        Ok(Self::Pcapng {
            writer: PcapngWriter::new(Vec::new(), application)?,
            numbers: Vec::new(),
            names: 0,
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

    /// Adds a packet, and before it its interface and the names that this file has not yet.
    pub fn packet(
        &mut self,
        packet: &Packet<'_>,
        interface: &Interface,
        all_names: &[Name],
    ) -> io::Result<()> {
        match self {
            Self::Pcapng {
                writer,
                numbers,
                names,
            } => {
                if let Some(new @ [_, ..]) = all_names.get(*names..) {
                    let new = new.iter();
                    writer.add_names(new.map(|(address, name)| (*address, name.as_str())))?;
                    *names = all_names.len();
                }
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
                            filter: &interface.filter,
                        })?)
                    }
                };
                writer.write(&Packet {
                    interface: number,
                    ..*packet
                })
            }
            Self::Pcap(writer) => writer.write(packet.time, packet.wire_len, packet.bytes),
        }
    }

    /// Whether the file has an interface.
    pub fn knows(&self, interface: u32) -> bool {
        match self {
            Self::Pcapng { numbers, .. } => {
                numbers.get(interface as usize).is_some_and(Option::is_some)
            }
            Self::Pcap(_) => false,
        }
    }

    /// An interface was taken out again, with its first packet.
    pub fn forget(&mut self, interface: u32) {
        if let Self::Pcapng { numbers, .. } = self
            && let Some(number) = numbers.get_mut(interface as usize)
        {
            *number = None;
        }
    }

    /// Bytes that [`Self::finish`] adds at most.
    pub fn rest(&self) -> u64 {
        match self {
            Self::Pcapng { numbers, .. } => numbers.iter().flatten().count() as u64 * STATISTICS,
            Self::Pcap(_) => 0,
        }
    }

    /// Adds what stands behind all packets: the counters of the interfaces.
    pub fn finish(&mut self, interfaces: &[Interface]) -> io::Result<()> {
        let Self::Pcapng {
            writer, numbers, ..
        } = self
        else {
            return Ok(());
        };
        for (interface, number) in interfaces.iter().zip(numbers) {
            if let (Some(statistics), Some(number)) = (&interface.statistics, number) {
                writer.add_statistics(*number, statistics)?;
            }
        }
        Ok(())
    }
}
