//! Live sources: sockets and rings.

#![expect(dead_code, reason = "nobody opens a source yet")]

mod clock;
mod endpoint;
mod find;
mod hold;
mod opened;
mod outer;
mod portable;
mod socket;
mod tap;

use ipnet::IpNet;

/// How frames are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// The packet ring.
    Ring,
    /// Sockets that are the mirror's destination.
    Endpoint,
    /// pnet's datalink.
    Portable,
}

/// What to receive, and how.
#[derive(Clone, Debug)]
pub struct Options {
    /// How.
    pub via: Via,
    /// Names, indexes, addresses, or "any"; none is possible with an endpoint only: all addresses.
    pub interfaces: Vec<String>,
    /// Take what is for other stations, too.
    pub promiscuous: bool,
    /// Bytes of ring or socket buffer for each interface.
    pub buffer: usize,
    /// Threads that receive.
    pub threads: usize,
    /// Bytes of the queue between several threads and the reader.
    pub queue: usize,
    /// Stamps of the card, where it makes them.
    pub hardware_time: bool,
    /// What the kernel lets through.
    pub pass: Pass,
    /// What leads to a mirror's encapsulation.
    pub numbers: Numbers,
    /// Hold the endpoint's sockets open, so that the host answers no mirror with ICMP unreachable.
    pub hold: bool,
}

/// What the kernel lets through.
#[derive(Clone, Debug, Default)]
pub struct Pass {
    /// Everything.
    pub all: bool,
    /// Outer source prefixes that may send; none: any.
    pub sources: Vec<IpNet>,
}

/// Numbers that lead to a mirror's encapsulation.
#[derive(Clone, Debug, Default)]
pub struct Numbers {
    /// UDP ports.
    pub udp: Vec<u16>,
    /// TCP ports.
    pub tcp: Vec<u16>,
    /// IP protocols.
    pub ip: Vec<u8>,
    /// Ethernet types.
    pub ethertypes: Vec<u16>,
}

/// What an interface received and lost.
#[derive(Clone, Debug)]
pub struct InterfaceStatistics {
    /// Local index.
    pub interface: u32,
    /// Name.
    pub name: String,
    /// How.
    pub via: Via,
    /// It exists.
    pub present: bool,
    /// Frames delivered.
    pub frames: u64,
    /// Frames lost on this host.
    pub dropped: Dropped,
}

/// Frames lost on this host.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The ring was full.
    pub kernel: u64,
    /// The socket buffer was full.
    pub socket: u64,
    /// The own queue was full.
    pub queue: u64,
}

/// Something that happened to an interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When, in nanoseconds since the Unix epoch.
    pub time: i64,
    /// What, in plain words.
    pub text: String,
}

/// A frame, lent by a source until it is asked again.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lent<'a> {
    pub time: i64,
    pub wire_len: u32,
    /// Index into the interfaces of its source.
    pub interface: u32,
    pub bytes: &'a [u8],
}
