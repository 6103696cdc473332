//! What to receive, and how.

use ipnet::IpNet;

/// How frames are received.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Via {
    /// The kernel's packet ring, Linux only: needs the capability `CAP_NET_RAW`.
    Ring,
    /// Sockets that are the destination of the mirror: UDP needs no privilege, GRE the capability `CAP_NET_RAW`.
    Endpoint,
    /// pnet's datalink, for systems without a packet ring.
    Portable,
}

/// What to receive, and how.
#[expect(clippy::struct_excessive_bools, reason = "each is an option")]
#[derive(Clone, Debug)]
pub struct Options {
    /// How frames are received.
    pub via: Via,
    /// Interfaces: name, index, address, or `any`. None is possible with an endpoint: all its addresses.
    pub interfaces: Vec<String>,
    /// Take frames for other stations, too.
    pub promiscuous: bool,
    /// Size of the ring or socket buffer of each interface, in bytes.
    pub buffer: usize,
    /// Threads that receive. With 1, frames are lent straight out of the ring; with more, each thread has rings of its own
    /// and copies frames into a queue.
    pub threads: usize,
    /// Size of that queue, in bytes.
    pub queue: usize,
    /// Let threads that take frames go before other programs, as long as they have time to rest in between. That needs a
    /// limit of real-time priority (`RLIMIT_RTPRIO`) of 1 or the capability `CAP_SYS_NICE` once they run.
    pub realtime: bool,
    /// Take the time stamps of the card, where it makes them.
    pub hardware_time: bool,
    /// What the kernel lets through.
    pub pass: Pass,
    /// What leads to a mirror's encapsulation.
    pub numbers: Numbers,
    /// Hold the mirrors' ports and protocols open, so that the host answers no mirror with ICMP *unreachable*.
    pub hold: bool,
}

/// What the kernel lets through.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Pass {
    /// All frames, not only those that may be a mirror's.
    pub all: bool,
    /// Outer source prefixes that may send; none: any. With prefixes, frames that are not IP do not pass.
    pub sources: Vec<IpNet>,
}

/// The numbers that lead to a mirror's encapsulation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Numbers {
    /// UDP ports, of either end.
    pub udp: Vec<u16>,
    /// TCP ports, of either end.
    pub tcp: Vec<u16>,
    /// IP protocols.
    pub ip: Vec<u8>,
    /// `EtherType`s. Those of IPv4, IPv6 and VLAN tags lead on, whether they are listed or not.
    pub ethertypes: Vec<u16>,
}
