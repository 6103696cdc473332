//! The kernel filter: lets through what may be a mirror's encapsulation, and nothing else.
//!
//! What passes, behind up to four VLAN tags in the bytes (the kernel has taken out another one before):
//!
//! * UDP and TCP with a listed port, of either end, and listed IP protocols, in IPv4 with or without options, and in IPv6
//!   behind extension headers;
//! * of fragments: the first by its ports, later ones by their protocol, because their ports are elsewhere;
//! * frames of a listed `EtherType`;
//! * what is nested deeper than is looked: behind more tags or extension headers.
//!
//! With source prefixes only IP packets from there.

mod assembler;
#[cfg(test)]
mod interpreter;
pub(crate) mod spread;
#[cfg(test)]
mod tests;

use std::ops::RangeInclusive;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

pub(crate) use assembler::{Assembler, Instruction, MAX_INSTRUCTIONS, To};
use assembler::{Label, Test, Width};

use super::{Numbers, Pass};

/// Bytes of a frame that passes: all, however long it is.
const ALL: u32 = u32::MAX;

/// Loads at this offset and above are from the network header on, wherever that is.
pub(crate) const NETWORK: u32 = libc::SKF_NET_OFF.cast_unsigned();
/// Loads of facts that the kernel knows of a packet.
pub(crate) const FACT: u32 = libc::SKF_AD_OFF.cast_unsigned();
const PROTOCOL: u32 = FACT.wrapping_add(libc::SKF_AD_PROTOCOL.cast_unsigned());
const PACKET_TYPE: u32 = FACT.wrapping_add(libc::SKF_AD_PKTTYPE.cast_unsigned());
const DEVICE_TYPE: u32 = FACT.wrapping_add(libc::SKF_AD_HATYPE.cast_unsigned());

/// Length of an Ethernet header without tags.
pub(crate) const ETHERNET: u32 = 14;
pub(crate) const IPV4: u32 = 0x0800;
pub(crate) const IPV6: u32 = 0x86dd;
/// `EtherType`s of VLAN tags: 802.1Q, 802.1ad, and what older switches used for outer tags.
pub(crate) const TAGS: [u32; 5] = [0x8100, 0x88a8, 0x9100, 0x9200, 0x9300];
const MAX_TAGS: u32 = 4;

const TCP: u32 = 6;
const UDP: u32 = 17;
const FRAGMENT: u32 = 44;
const AUTHENTICATION: u32 = 51;
/// Extension headers with their length in units of 8 bytes behind the first: hop-by-hop options, routing, destination
/// options (Linux's ip6gre puts some in front of GRE), mobility, host identity, shim6.
const EXTENSIONS: [u32; 6] = [0, 43, 60, 135, 139, 140];
const MAX_EXTENSIONS: usize = 6;

/// Device types whose frames begin with an Ethernet header.
const ETHERNET_DEVICES: [u32; 2] = [libc::ARPHRD_ETHER as u32, libc::ARPHRD_LOOPBACK as u32];

/// What kind of devices a filter is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Devices {
    /// With an Ethernet header.
    Ethernet,
    /// With another header, or none.
    Other,
    /// Of any kind.
    Any,
}

/// Lets nothing through.
pub(crate) fn nothing() -> Vec<Instruction> {
    let mut program = Assembler::default();
    program.give(0);
    program.finish().unwrap_or_default()
}

/// The program for these devices; or how long it would be, if the kernel takes no program as long as that.
///
/// With `received_only` packets that this host sends are left out: for kernels that cannot do so by themselves.
pub(crate) fn program(
    pass: &Pass,
    numbers: &Numbers,
    devices: Devices,
    received_only: bool,
) -> Result<Vec<Instruction>, usize> {
    let mut assembler = Assembler::default();
    let pass_label = assembler.label();
    let reject = assembler.label();
    let mut writer = Writer {
        wanted: Wanted::new(pass, numbers),
        program: assembler,
        pass: pass_label,
        reject,
    };
    if received_only {
        let sent = u32::from(libc::PACKET_OUTGOING);
        writer.program.load(Width::Word, PACKET_TYPE);
        writer.program.branch(Test::Equal(sent), reject, To::Next);
    }
    match devices {
        _ if pass.all && pass.sources.is_empty() => writer.program.jump(pass_label),
        devices => writer.frames(devices),
    }
    writer.program.mark(pass_label);
    writer.program.give(ALL);
    writer.program.mark(reject);
    writer.program.give(0);
    writer.program.finish()
}

/// Sorted ranges of numbers.
fn ranges(numbers: impl IntoIterator<Item = u32>) -> Vec<RangeInclusive<u32>> {
    joined(numbers.into_iter().map(|number| number..=number).collect())
}

/// The ranges in order; those that touch become one.
fn joined(mut ranges: Vec<RangeInclusive<u32>>) -> Vec<RangeInclusive<u32>> {
    ranges.sort_unstable_by_key(|range| *range.start());
    let mut joined: Vec<RangeInclusive<u32>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if *range.start() <= last.end().saturating_add(1) => {
                *last = *last.start()..=*last.end().max(range.end());
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// What passes, as the program searches it.
struct Wanted {
    all: bool,
    udp: Vec<RangeInclusive<u32>>,
    tcp: Vec<RangeInclusive<u32>>,
    protocols: Vec<RangeInclusive<u32>>,
    /// Protocols whose later fragments pass.
    in_fragments: Vec<RangeInclusive<u32>>,
    ethertypes: Vec<RangeInclusive<u32>>,
    /// Sources are asked for.
    from: bool,
    from4: Vec<RangeInclusive<u32>>,
    from6: Vec<Ipv6Net>,
}

impl Wanted {
    fn new(pass: &Pass, numbers: &Numbers) -> Self {
        let udp = ranges(numbers.udp.iter().map(|port| u32::from(*port)));
        let tcp = ranges(numbers.tcp.iter().map(|port| u32::from(*port)));
        let protocols = numbers.ip.iter().map(|protocol| u32::from(*protocol));
        let with_ports = [(&udp, UDP), (&tcp, TCP)]
            .into_iter()
            .filter_map(|(ports, protocol)| (!ports.is_empty()).then_some(protocol));
        let mut from4 = Vec::new();
        let mut from6 = Vec::new();
        for source in &pass.sources {
            match source {
                IpNet::V4(net) => from4.push(addresses(*net)),
                IpNet::V6(net) => from6.push(*net),
            }
        }
        Self {
            all: pass.all,
            in_fragments: ranges(protocols.clone().chain(with_ports)),
            udp,
            tcp,
            protocols: ranges(protocols),
            ethertypes: ranges(numbers.ethertypes.iter().map(|number| u32::from(*number))),
            from: !pass.sources.is_empty(),
            from4: joined(from4),
            from6: Ipv6Net::aggregate(&from6),
        }
    }
}

fn addresses(net: Ipv4Net) -> RangeInclusive<u32> {
    net.network().to_bits()..=net.broadcast().to_bits()
}

/// Writes the program. All loads are at X and a constant: X holds the bytes of tags and headers that were passed over. For
/// devices without an Ethernet header X begins so that the kernel counts from the network header on. Where nothing was
/// passed over yet, loads are at the constant alone, which the kernel does several times faster.
struct Writer {
    program: Assembler,
    wanted: Wanted,
    pass: Label,
    reject: Label,
}

/// Places in the program.
struct Places {
    /// An IPv4 header is at X and 14.
    four: Label,
    /// An IPv6 header is at X and 14.
    six: Label,
    /// A is an `EtherType` that leads to no IP.
    unknown: Label,
    /// A is the protocol of what begins at X and 14: ports can be looked at.
    upper: Label,
    /// A is the protocol of a later part of a packet.
    later: Label,
}

impl Writer {
    fn frames(&mut self, devices: Devices) {
        let places = Places {
            four: self.program.label(),
            six: self.program.label(),
            unknown: self.program.label(),
            upper: self.program.label(),
            later: self.program.label(),
        };
        match devices {
            Devices::Ethernet => self.ethernet(&places),
            Devices::Other => self.other(&places),
            Devices::Any => {
                let other = self.program.label();
                let ethernet = self.program.label();
                self.program.load(Width::Word, DEVICE_TYPE);
                self.program
                    .search(&ranges(ETHERNET_DEVICES), ethernet, other);
                self.program.mark(other);
                self.other(&places);
                self.program.mark(ethernet);
                self.ethernet(&places);
            }
        }
        self.program.mark(places.unknown);
        self.ethertype();
        self.program.mark(places.four);
        self.ipv4(&places);
        self.program.mark(places.six);
        self.ipv6(&places);
        self.transport(&places);
    }

    /// For frames with an Ethernet header.
    fn ethernet(&mut self, places: &Places) {
        let plain = self.program.label();
        self.program.set_x(0);
        self.program.load(Width::Half, ETHERNET - 2);
        self.program.branch(Test::Equal(IPV4), plain, To::Next);
        self.program.branch(Test::Equal(IPV6), places.six, To::Next);
        for tags in 1..=MAX_TAGS {
            let tag = self.program.label();
            self.program.search(&ranges(TAGS), tag, places.unknown);
            self.program.mark(tag);
            self.program.set_x(4 * tags);
            self.program.load_x(Width::Half, ETHERNET - 2);
            self.program
                .branch(Test::Equal(IPV4), places.four, To::Next);
            self.program.branch(Test::Equal(IPV6), places.six, To::Next);
        }
        let deeper = if self.wanted.from {
            self.reject
        } else {
            self.pass
        };
        self.program.search(&ranges(TAGS), deeper, places.unknown);

        // IPv4 without tags, the usual case.
        self.program.mark(plain);
        if self.wanted.from {
            return self.program.jump(places.four);
        }
        let later = self.program.label();
        self.program.load(Width::Half, ETHERNET + 6);
        self.program.branch(Test::Bits(0x1fff), later, To::Next);
        self.program.header_len_to_x(ETHERNET);
        self.program.load(Width::Byte, ETHERNET + 9);
        self.program.jump(places.upper);
        self.program.mark(later);
        self.program.load(Width::Byte, ETHERNET + 9);
        self.program.jump(places.later);
    }

    /// For packets of devices with another header, or none: the kernel says what they are and where they begin.
    fn other(&mut self, places: &Places) {
        self.program.set_x(NETWORK.wrapping_sub(ETHERNET));
        self.program.load(Width::Word, PROTOCOL);
        self.program
            .branch(Test::Equal(IPV4), places.four, To::Next);
        self.program
            .branch(Test::Equal(IPV6), places.six, places.unknown);
    }

    /// A is an `EtherType` that leads to no IP.
    fn ethertype(&mut self) {
        if self.wanted.from {
            self.program.jump(self.reject);
        } else {
            self.program
                .search(&self.wanted.ethertypes, self.pass, self.reject);
        }
    }

    fn ipv4(&mut self, places: &Places) {
        if self.wanted.from {
            let from = self.program.label();
            self.program.load_x(Width::Word, at(12));
            self.program.search(&self.wanted.from4, from, self.reject);
            self.program.mark(from);
        }
        if self.wanted.all {
            return self.program.jump(self.pass);
        }
        let later = self.program.label();
        self.program.load_x(Width::Half, at(6));
        self.program.branch(Test::Bits(0x1fff), later, To::Next);
        self.program.load_x(Width::Byte, at(9));
        self.program.store(0);
        self.program.load_x(Width::Byte, at(0));
        self.program.and(0x0f);
        self.program.shift_left(2);
        self.program.add_x();
        self.program.copy_to_x();
        self.program.recall(0);
        self.program.jump(places.upper);
        self.program.mark(later);
        self.program.load_x(Width::Byte, at(9));
        self.program.jump(places.later);
    }

    fn ipv6(&mut self, places: &Places) {
        if self.wanted.from {
            self.sources6();
        }
        if self.wanted.all {
            return self.program.jump(self.pass);
        }
        self.program.load_x(Width::Byte, at(6));
        self.skip(40);
        for _ in 0..MAX_EXTENSIONS {
            let extension = self.program.label();
            let fragment = self.program.label();
            let authentication = self.program.label();
            let next = self.program.label();
            let proceed = self.program.label();
            let test = Test::Equal(FRAGMENT);
            self.program.branch(test, fragment, To::Next);
            let test = Test::Equal(AUTHENTICATION);
            self.program.branch(test, authentication, To::Next);
            self.program
                .search(&ranges(EXTENSIONS), extension, places.upper);

            self.program.mark(extension);
            self.program.load_x(Width::Byte, at(0));
            self.program.store(0);
            self.program.load_x(Width::Byte, at(1));
            self.program.add(1);
            self.program.shift_left(3);
            self.program.jump(proceed);

            self.program.mark(authentication);
            self.program.load_x(Width::Byte, at(0));
            self.program.store(0);
            self.program.load_x(Width::Byte, at(1));
            self.program.add(2);
            self.program.shift_left(2);
            self.program.jump(proceed);

            self.program.mark(fragment);
            let later = self.program.label();
            self.program.load_x(Width::Half, at(2));
            self.program.branch(Test::Bits(0xfff8), later, To::Next);
            self.program.load_x(Width::Byte, at(0));
            self.skip(8);
            self.program.jump(next);
            self.program.mark(later);
            self.program.load_x(Width::Byte, at(0));
            self.program.jump(places.later);

            self.program.mark(proceed);
            self.program.add_x();
            self.program.copy_to_x();
            self.program.recall(0);
            self.program.mark(next);
        }
        let test = Test::Equal(FRAGMENT);
        self.program.branch(test, self.pass, To::Next);
        let test = Test::Equal(AUTHENTICATION);
        self.program.branch(test, self.pass, To::Next);
        self.program
            .search(&ranges(EXTENSIONS), self.pass, places.upper);
    }

    /// Rejects IPv6 packets from elsewhere.
    fn sources6(&mut self) {
        let from = self.program.label();
        for net in std::mem::take(&mut self.wanted.from6) {
            let other = self.program.label();
            let address = net.network().to_bits();
            for word in 0..4 {
                let bits = u32::from(net.prefix_len())
                    .saturating_sub(32 * word)
                    .min(32);
                if bits == 0 {
                    break;
                }
                self.program.load_x(Width::Word, at(8 + 4 * word));
                if bits < 32 {
                    self.program.and(u32::MAX << (32 - bits));
                }
                let wanted = (address >> (96 - 32 * word)) as u32;
                self.program.branch(Test::Equal(wanted), To::Next, other);
            }
            self.program.jump(from);
            self.program.mark(other);
        }
        self.program.jump(self.reject);
        self.program.mark(from);
    }

    /// X += `bytes`, and A stays.
    fn skip(&mut self, bytes: u32) {
        self.program.store(0);
        self.program.copy_from_x();
        self.program.add(bytes);
        self.program.copy_to_x();
        self.program.recall(0);
    }

    /// What is behind IP headers.
    fn transport(&mut self, places: &Places) {
        let udp = self.program.label();
        let tcp = self.program.label();
        let rest = self.program.label();
        self.program.mark(places.upper);
        self.program.search(&self.wanted.protocols, self.pass, rest);
        self.program.mark(rest);
        self.program.branch(Test::Equal(UDP), udp, To::Next);
        self.program.branch(Test::Equal(TCP), tcp, self.reject);
        for (label, ports) in [(udp, &self.wanted.udp), (tcp, &self.wanted.tcp)] {
            let source = self.program.label();
            self.program.mark(label);
            self.program.load_x(Width::Half, at(2));
            self.program.search(ports, self.pass, source);
            self.program.mark(source);
            self.program.load_x(Width::Half, at(0));
            self.program.search(ports, self.pass, self.reject);
        }
        self.program.mark(places.later);
        // In IPv6, the rest of a fragmented packet may begin with an extension header, whose end is elsewhere. In IPv4 these
        // numbers are nobody's.
        let unknown = joined(
            [
                &self.wanted.in_fragments[..],
                &ranges(EXTENSIONS),
                &ranges([FRAGMENT, AUTHENTICATION]),
            ]
            .concat(),
        );
        self.program.search(&unknown, self.pass, self.reject);
    }
}

/// Where a header's byte is: X is added.
fn at(offset: u32) -> u32 {
    ETHERNET + offset
}
