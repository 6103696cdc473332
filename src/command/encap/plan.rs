//! From the arguments to the headers of every packet: what was asked for, checked, and put into the wire's fields.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use mirrorscope_dissectors::encap::{Outer, Wrap, fragment, wrap};
use mirrorscope_dissectors::{Direction, Network, Packet};
use mirrorscope_engine::time::Timestamp;

use super::original::{MAX_PACKET, Original, Take};
use crate::cli::Encapsulation::{Erspan1, Erspan2, Erspan3, Geneve, Gre, Nvgre, Vxlan};
use crate::cli::{
    CarrierArgs, EncapArgs, Encapsulation, Granularity, HeaderArgs, PortDirection, Sequence,
};

/// `EtherType` of an Ethernet frame in GRE and Geneve.
const BRIDGING: u16 = 0x6558;
/// Smallest MTU of IPv6 (RFC 8200 §5).
const IPV6_MTU: u16 = 1280;
/// Ethernet and IPv4 header of a fragment; Ethernet, IPv6 and fragment header.
const FRAGMENT_HEAD: (usize, usize) = (14 + 20, 14 + 40 + 8);
/// The dynamic ports, over which senders spread flows (RFC 7348 §5, RFC 8926 §3.3).
const DYNAMIC_PORTS: std::ops::Range<u16> = 49_152..65_535;

/// How packets are wrapped.
#[derive(Debug)]
pub struct Plan {
    encapsulation: Encapsulation,
    /// Session, key or network; none for ERSPAN I, and GRE without a key.
    id: Option<u32>,
    /// Number of the first packet.
    sequence: Option<u32>,
    vlan: u16,
    cos: Option<u8>,
    index: u32,
    granularity: Granularity,
    direction: Direction,
    hw_id: u8,
    sgt: u16,
    checksum: bool,
    port: u16,
    /// Options of Geneve.
    options: Vec<u8>,
    take: Take,
    outer: Outer,
    /// The IPv4 identification counts.
    counts: bool,
    mtu: Option<u16>,
}

/// A frame on its way to the collector.
#[derive(Debug)]
pub struct Wire {
    /// Length on the wire.
    pub len: u32,
    /// What was captured of it.
    pub bytes: Vec<u8>,
}

impl Plan {
    /// Checks the arguments, each alone and with each other.
    pub fn new(args: &EncapArgs) -> Result<Self> {
        let EncapArgs {
            encapsulation,
            header,
            carrier,
            ..
        } = args;
        let encapsulation = *encapsulation;
        refuse_foreign(encapsulation, header, carrier)?;
        let granularity = header.granularity.unwrap_or(Granularity::Microseconds100);
        let id = id(encapsulation, header)?;
        let default_port = if encapsulation == Geneve { 6081 } else { 4789 };
        Ok(Self {
            encapsulation,
            id,
            sequence: sequence(encapsulation, header.sequence)?,
            vlan: header.vlan.unwrap_or(0),
            cos: header.cos,
            index: index(encapsulation, granularity, header.index)?,
            granularity,
            direction: match header.direction {
                Some(PortDirection::Egress) => Direction::Egress,
                Some(PortDirection::Ingress) | None => Direction::Ingress,
            },
            hw_id: header.hw_id.unwrap_or(0),
            sgt: header.sgt.unwrap_or(0),
            checksum: header.checksum,
            port: carrier.port.unwrap_or(default_port),
            options: geneve_options(header.geneve_options.as_deref().unwrap_or_default())?,
            take: Take {
                ip: matches!(encapsulation, Erspan3 | Gre | Geneve),
                strip_vlan: header.strip_vlan,
                truncate: header.truncate,
            },
            outer: outer(carrier)?,
            counts: !carrier.ip_id_zero,
            mtu: carrier.mtu,
        })
    }

    /// How packets are taken that this encapsulation carries.
    pub fn take(&self) -> Take {
        self.take
    }

    /// Wraps a packet, the `number`th from 0 that the mirror sends: one frame, or its fragments.
    pub fn wrap(
        &self,
        number: u64,
        time: Timestamp,
        original: &Original,
        source_port: u16,
    ) -> Vec<Wire> {
        let outer = Outer {
            identification: if self.counts { number as u16 } else { 0 },
            udp_source_port: source_port,
            ..self.outer
        };
        let mut frame = Vec::with_capacity(original.bytes.len() + 128);
        let header = self.header(number, time, original);
        wrap(&outer, &header, &original.bytes, &mut frame);
        let frames = match self.mtu {
            Some(mtu) => fragment(&frame, mtu.into()),
            None => vec![frame],
        };
        self.on_wire(frames, original.uncaptured)
    }

    /// Takes what was never captured off the end of the last frames.
    fn on_wire(&self, frames: Vec<Vec<u8>>, mut uncaptured: usize) -> Vec<Wire> {
        let head = match (frames.len(), self.outer.source) {
            (1, _) => 0,
            (_, IpAddr::V4(_)) => FRAGMENT_HEAD.0,
            (_, IpAddr::V6(_)) => FRAGMENT_HEAD.1,
        };
        let mut wires: Vec<Wire> = frames
            .into_iter()
            .rev()
            .map(|mut bytes| {
                let len = bytes.len();
                let cut = uncaptured.min(len.saturating_sub(head));
                uncaptured -= cut;
                bytes.truncate((len - cut).min(MAX_PACKET as usize));
                if cut > 0 {
                    // A file may claim any length; what was never captured must not fill memory on the way.
                    bytes.shrink_to_fit();
                }
                Wire {
                    len: len as u32,
                    bytes,
                }
            })
            .collect();
        wires.reverse();
        wires
    }

    fn header(&self, number: u64, time: Timestamp, original: &Original) -> Wrap<'_> {
        let id = self.id.unwrap_or(0);
        let sequence = self.sequence.map(|first| first.wrapping_add(number as u32));
        let vlan = original.tag.map_or(self.vlan, |tag| tag.vlan);
        let priority = original.tag.map_or(0, |tag| tag.priority);
        let cos = self.cos.unwrap_or(priority);
        let protocol = original.ip.unwrap_or(BRIDGING);
        match self.encapsulation {
            Erspan1 => Wrap::Erspan1,
            Erspan2 => Wrap::Erspan2 {
                session: id as u16,
                vlan,
                cos,
                en: match original.tag {
                    None => 0,
                    Some(_) if self.take.strip_vlan => 2,
                    Some(_) => 3,
                },
                truncated: original.truncated,
                index: self.index,
                sequence: sequence.unwrap_or(0),
            },
            Erspan3 => {
                let stamp = Stamp::new(self.granularity, time, self.index);
                Wrap::Erspan3 {
                    session: id as u16,
                    vlan,
                    cos,
                    truncated: original.truncated,
                    timestamp: stamp.low,
                    sgt: self.sgt,
                    frame_type: if original.ip.is_some() { 2 } else { 0 },
                    hw_id: self.hw_id,
                    direction: self.direction,
                    granularity: stamp.granularity,
                    sequence,
                    platform: stamp.platform,
                }
            }
            Gre | Nvgre => Wrap::Gre {
                key: self.id,
                sequence,
                checksum: self.checksum,
                protocol,
            },
            Vxlan => Wrap::Vxlan {
                vni: id,
                port: self.port,
            },
            Geneve => Wrap::Geneve {
                vni: id,
                port: self.port,
                protocol,
                options: &self.options,
            },
        }
    }
}

/// A time stamp of ERSPAN III.
#[derive(Debug, PartialEq, Eq)]
struct Stamp {
    low: u32,
    /// As the header says it (2 bits).
    granularity: u8,
    /// Platform specific sub-header.
    platform: Option<[u8; 8]>,
}

impl Stamp {
    fn new(granularity: Granularity, time: Timestamp, port: u32) -> Self {
        const SECOND: u64 = 1_000_000_000;
        let time = u64::try_from(time.0).unwrap_or(0);
        // Platform id (6 bits), port index in the lowest bits of the first word, and the second word.
        let platform =
            |id: u64, high: u64| Some((id << 58 | u64::from(port) << 32 | high).to_be_bytes());
        let (ticks, granularity, platform) = match granularity {
            Granularity::Microseconds100 => (time / 100_000, 0, None),
            Granularity::Nanoseconds100 => (time / 100, 1, None),
            Granularity::Ieee1588 => {
                let seconds = (time / SECOND) & u64::from(u32::MAX);
                (time % SECOND, 2, platform(5, seconds))
            }
            Granularity::Nanoseconds => (time, 3, platform(3, time >> 32)),
        };
        Self {
            low: ticks as u32,
            granularity,
            platform,
        }
    }
}

/// Source port of an overlay's datagram: a hash of the flow, so that paths may share load but keep its order.
pub fn source_port(packet: &Packet<'_>) -> u16 {
    let mut hash = Fnv::default();
    if let Some(macs) = &packet.macs {
        hash.add(&macs.source);
        hash.add(&macs.destination);
    }
    if let Network::Ip(ip) = &packet.network {
        for address in [ip.source, ip.destination] {
            match address {
                IpAddr::V4(address) => hash.add(&address.octets()),
                IpAddr::V6(address) => hash.add(&address.octets()),
            }
        }
        let (from, to) = ip.ports.unwrap_or_default();
        hash.add(&[ip.protocol]);
        hash.add(&from.to_be_bytes());
        hash.add(&to.to_be_bytes());
    }
    DYNAMIC_PORTS.start + (hash.0 % u32::from(DYNAMIC_PORTS.end - DYNAMIC_PORTS.start)) as u16
}

/// FNV-1a: the same in every version of the compiler, as files are to be.
struct Fnv(u32);

impl Default for Fnv {
    fn default() -> Self {
        Self(0x811c_9dc5)
    }
}

impl Fnv {
    fn add(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u32::from(byte)).wrapping_mul(0x0100_0193);
        }
    }
}

/// Refuses options of other formats.
fn refuse_foreign(
    encapsulation: Encapsulation,
    header: &HeaderArgs,
    carrier: &CarrierArgs,
) -> Result<()> {
    const ERSPAN: &[Encapsulation] = &[Erspan2, Erspan3];
    const UDP: &[Encapsulation] = &[Vxlan, Geneve];
    let options: [(&str, bool, &[Encapsulation]); 13] = [
        (
            "--session",
            header.session.is_some(),
            &[Erspan2, Erspan3, Gre, Nvgre, Vxlan, Geneve],
        ),
        (
            "--sequence",
            header.sequence.is_some(),
            &[Erspan2, Erspan3, Gre],
        ),
        ("--vlan", header.vlan.is_some(), ERSPAN),
        ("--cos", header.cos.is_some(), ERSPAN),
        ("--index", header.index.is_some(), ERSPAN),
        ("--granularity", header.granularity.is_some(), &[Erspan3]),
        ("--direction", header.direction.is_some(), &[Erspan3]),
        ("--hw-id", header.hw_id.is_some(), &[Erspan3]),
        ("--sgt", header.sgt.is_some(), &[Erspan3]),
        ("--checksum", header.checksum, &[Gre]),
        ("--flow-id", header.flow_id.is_some(), &[Nvgre]),
        (
            "--geneve-options",
            header.geneve_options.is_some(),
            &[Geneve],
        ),
        ("--port", carrier.port.is_some(), UDP),
    ];
    for (option, given, formats) in options {
        if given && !formats.contains(&encapsulation) {
            let names: Vec<String> = formats.iter().map(|format| name(*format)).collect();
            bail!(
                "{option} says nothing in {}; it is for {}",
                name(encapsulation),
                names.join(", ")
            );
        }
    }
    Ok(())
}

/// The name on the command line.
pub fn name(encapsulation: Encapsulation) -> String {
    let value = encapsulation.to_possible_value();
    value.map_or_else(String::new, |value| value.get_name().to_owned())
}

fn id(encapsulation: Encapsulation, header: &HeaderArgs) -> Result<Option<u32>> {
    const BITS_24: u32 = 0x00ff_ffff;
    let (what, most) = match encapsulation {
        Erspan1 => return Ok(None),
        Gre => return Ok(header.session),
        Erspan2 | Erspan3 => ("an ERSPAN session", 1023),
        Nvgre => ("a VSID", BITS_24),
        Vxlan | Geneve => ("a VNI", BITS_24),
    };
    let id = header.session.unwrap_or(1);
    if id > most {
        bail!("--session {id}: {what} is at most {most}");
    }
    Ok(Some(if encapsulation == Nvgre {
        id << 8 | u32::from(header.flow_id.unwrap_or(0))
    } else {
        id
    }))
}

fn sequence(encapsulation: Encapsulation, asked: Option<Sequence>) -> Result<Option<u32>> {
    match (encapsulation, asked) {
        (Erspan2, Some(Sequence(None))) => {
            bail!("--sequence none: ERSPAN II without numbers would be read as ERSPAN I")
        }
        (_, Some(Sequence(start))) => Ok(start),
        (Erspan2 | Erspan3, None) => Ok(Some(0)),
        _ => Ok(None),
    }
}

fn index(
    encapsulation: Encapsulation,
    granularity: Granularity,
    asked: Option<u32>,
) -> Result<u32> {
    let Some(index) = asked else { return Ok(0) };
    let bits = match (encapsulation, granularity) {
        (Erspan3, Granularity::Ieee1588) => 16,
        (Erspan3, Granularity::Nanoseconds) => 14,
        (Erspan3, _) => bail!(
            "--index: only the sub-header of --granularity 1588 or ns has room for a port index"
        ),
        _ => 20,
    };
    if index >> bits != 0 {
        bail!("--index {index}: the field has {bits} bits");
    }
    Ok(index)
}

/// Reads hex, with or without separators.
fn geneve_options(hex: &str) -> Result<Vec<u8>> {
    let digits: Option<Vec<u8>> = hex
        .chars()
        .filter(|c| !matches!(c, ' ' | ':' | '-'))
        .map(|c| c.to_digit(16).map(|digit| digit as u8))
        .collect();
    let digits = digits.context("--geneve-options: not hex")?;
    let options: Vec<u8> = digits
        .chunks(2)
        .map(|pair| pair.iter().fold(0, |byte, digit| byte << 4 | digit))
        .collect();
    let whole = digits.len() % 8 == 0 && options.len() <= 252;
    let words = (options.len() / 4) as u8 & 0x3f;
    let header = [&[words, 0, 0x65, 0x58, 0, 0, 0, 0][..], &options].concat();
    if !whole || mirrorscope_dissectors::Geneve::parse(&header).is_err() {
        bail!(
            "--geneve-options: not a list of options, each with class (2 bytes), type, length in units of 4 bytes, \
             and so much data; 252 bytes at most"
        );
    }
    Ok(options)
}

fn outer(args: &CarrierArgs) -> Result<Outer> {
    let own = |other: Option<IpAddr>, last: u8| match other {
        Some(IpAddr::V6(_)) => {
            IpAddr::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, last.into()))
        }
        Some(IpAddr::V4(_)) | None => Ipv4Addr::new(192, 0, 2, last).into(),
    };
    let source = args.source.unwrap_or_else(|| own(args.destination, 1));
    let destination = args.destination.unwrap_or_else(|| own(args.source, 2));
    if source.is_ipv4() != destination.is_ipv4() {
        bail!("--source {source} and --destination {destination} are of different families");
    }
    if source.is_ipv6() {
        let foreign = [
            ("--ip-id-zero", args.ip_id_zero),
            ("--dont-fragment", args.dont_fragment),
        ];
        if let Some((option, _)) = foreign.iter().find(|(_, given)| *given) {
            bail!("{option}: IPv6 has no such field; it is for IPv4 addresses");
        }
        if let Some(mtu) = args.mtu.filter(|mtu| *mtu < IPV6_MTU) {
            bail!("--mtu {mtu}: links with IPv6 carry at least {IPV6_MTU} bytes");
        }
    }
    Ok(Outer {
        source_mac: args.source_mac,
        destination_mac: args.destination_mac,
        ttl: args.ttl,
        dont_fragment: args.dont_fragment,
        ..Outer::new(source, destination)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_stamps_have_the_unit_and_the_sub_header_of_their_granularity() {
        let time = Timestamp(1_700_000_000_123_456_789);
        let stamp = |granularity| Stamp::new(granularity, time, 0x1555);
        let ticks = 17_000_000_001_234_u64;
        assert_eq!(
            stamp(Granularity::Microseconds100),
            Stamp {
                low: ticks as u32,
                granularity: 0,
                platform: None
            }
        );
        let ticks = 17_000_000_001_234_567_u64;
        assert_eq!(
            stamp(Granularity::Nanoseconds100),
            Stamp {
                low: ticks as u32,
                granularity: 1,
                platform: None
            }
        );
        assert_eq!(
            stamp(Granularity::Ieee1588),
            Stamp {
                low: 123_456_789,
                granularity: 2,
                platform: Some([0x14, 0, 0x15, 0x55, 0x65, 0x53, 0xf1, 0])
            }
        );
        let all = (1_700_000_000_123_456_789_u64).to_be_bytes();
        assert_eq!(
            stamp(Granularity::Nanoseconds),
            Stamp {
                low: u32::from_be_bytes([all[4], all[5], all[6], all[7]]),
                granularity: 3,
                platform: Some([0x0c, 0, 0x15, 0x55, all[0], all[1], all[2], all[3]])
            }
        );
        let before_1970 = Stamp::new(Granularity::Nanoseconds100, Timestamp(-5), 0);
        assert_eq!(before_1970.low, 0);
    }

    #[test]
    fn geneve_options_are_checked() {
        assert!(geneve_options("").unwrap().is_empty());
        let option = [1, 2, 0x80, 1, 0, 7, 0, 0x2a];
        assert_eq!(geneve_options("01028001 0007002A").unwrap(), option);
        assert_eq!(geneve_options("01:02:80:01:00:07:00:2a").unwrap(), option);
        let long = "0102001f".to_owned() + &"00".repeat(124);
        assert_eq!(geneve_options(&long).unwrap().len(), 128);
        for wrong in [
            "01028001",
            "0102800100070",
            "010280010007",
            "zz028001 0007002a",
            &long.repeat(2),
        ] {
            assert!(geneve_options(wrong).is_err(), "{wrong}");
        }
    }
}
