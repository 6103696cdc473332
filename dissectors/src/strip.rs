//! The loop that takes one layer after the other off a frame, and the list of all protocols.

use arrayvec::ArrayVec;

use crate::erspan1::Erspan1;
use crate::erspan2::{self, Erspan2};
use crate::erspan3::{self, Erspan3};
use crate::ethernet::{self, Ethernet, Plausibility};
use crate::fragment::Fragment;
use crate::geneve::Geneve;
use crate::gre::{self, Gre};
use crate::ipv4::Ipv4;
use crate::ipv6::Ipv6;
use crate::link::LinkType;
use crate::null::Loopback;
use crate::options::{Options, Ports};
use crate::reason::{Malformed, Protocol, Reason};
use crate::sll::{LinuxSll, LinuxSll2};
use crate::stripped::{InnerFrame, Stop, Stripped};
use crate::udp::Udp;
use crate::vlan::{MAX_TAGS, Vlan};
use crate::vxlan::Vxlan;

/// Layers that are kept of one frame.
pub const MAX_LAYERS: usize = 32;

const GRE: u8 = 47;
const UDP: u8 = 17;

/// Layers of a frame, from the wire inwards.
pub type Layers<'a> = ArrayVec<Layer<'a>, MAX_LAYERS>;

/// One header of a frame.
#[derive(Clone, Copy, Debug)]
#[expect(
    missing_docs,
    reason = "each variant is its protocol, documented there"
)]
pub enum Layer<'a> {
    Ethernet(Ethernet<'a>),
    Vlan(Vlan<'a>),
    LinuxSll(LinuxSll<'a>),
    LinuxSll2(LinuxSll2<'a>),
    Loopback(Loopback<'a>),
    Ipv4(Ipv4<'a>),
    Ipv6(Ipv6<'a>),
    Udp(Udp<'a>),
    Gre(Gre<'a>),
    Erspan1(Erspan1<'a>),
    Erspan2(Erspan2<'a>),
    Erspan3(Erspan3<'a>),
    Vxlan(Vxlan<'a>),
    Geneve(Geneve<'a>),
}

/// What follows a layer.
enum Next<'a> {
    /// Another header of the same frame.
    Header(Protocol, &'a [u8]),
    /// An encapsulated frame or packet and the protocol of its first header.
    Frame(LinkType, Protocol, &'a [u8]),
    /// An encapsulated packet without a MAC header that is not IP.
    Bare(u16, &'a [u8]),
    /// No header that is read here: the `EtherType` and what it stands for.
    Network(u16, &'a [u8]),
    /// The payload of the innermost IP packet.
    Transport,
    Fragment(Fragment<'a>),
    Opaque(Reason),
}

/// Decapsulates one captured frame.
pub fn decapsulate<'a>(link: LinkType, bytes: &'a [u8], options: &Options) -> Stripped<'a> {
    let mut stripped = Stripped {
        layers: Layers::new_const(),
        inner: InnerFrame {
            link,
            bytes,
            offset: 0,
            first_layer: 0,
            network: None,
        },
        stop: Stop::Inner,
    };
    stripped.stop = walk(&mut stripped.layers, &mut stripped.inner, options);
    stripped
}

fn walk<'a>(layers: &mut Layers<'a>, inner: &mut InnerFrame<'a>, options: &Options) -> Stop<'a> {
    let frame = inner.bytes;
    let mut encapsulations = 0_usize;
    let mut tags = 0_usize;
    let mut protocol = first_header(inner.link, frame);
    let mut bytes = frame;
    loop {
        let malformed = |reason| {
            Stop::Malformed(Malformed {
                protocol,
                reason,
                offset: offset_in(frame, bytes),
            })
        };
        if protocol == Protocol::Vlan {
            tags = tags.saturating_add(1);
            if tags > MAX_TAGS {
                return malformed(Reason::TooManyHeaders);
            }
        }
        let (layer, next) = match step(protocol, bytes, options, encapsulations > 0) {
            Ok(step) => step,
            Err(reason) => return malformed(reason),
        };
        if matches!(next, Next::Frame(..) | Next::Bare(..)) {
            encapsulations = encapsulations.saturating_add(1);
            if encapsulations > options.max_encapsulations {
                return Stop::TooDeep;
            }
        }
        if layers.try_push(layer).is_err() {
            return Stop::TooDeep;
        }
        match protocol {
            Protocol::Ipv4 => inner.network = Some((ethernet::IPV4, bytes)),
            Protocol::Ipv6 => inner.network = Some((ethernet::IPV6, bytes)),
            _ => {}
        }
        let mut enter = |link, bytes| {
            *inner = InnerFrame {
                link,
                bytes,
                offset: offset_in(frame, bytes),
                first_layer: layers.len(),
                network: None,
            };
        };
        match next {
            Next::Header(next_protocol, rest) => {
                protocol = next_protocol;
                bytes = rest;
            }
            Next::Frame(link, next_protocol, rest) => {
                enter(link, rest);
                tags = 0;
                protocol = next_protocol;
                bytes = rest;
            }
            Next::Bare(ether_type, rest) => {
                enter(LinkType::RawIp, rest);
                inner.network = Some((ether_type, rest));
                return Stop::Inner;
            }
            Next::Network(ether_type, rest) => {
                inner.network = Some((ether_type, rest));
                return Stop::Inner;
            }
            Next::Transport => return Stop::Inner,
            Next::Fragment(fragment) => return Stop::Fragment(fragment),
            Next::Opaque(reason) => return Stop::Opaque { protocol, reason },
        }
    }
}

/// Reads one header and tells what follows it: the registration of every protocol.
fn step<'a>(
    protocol: Protocol,
    bytes: &'a [u8],
    options: &Options,
    encapsulated: bool,
) -> Result<(Layer<'a>, Next<'a>), Reason> {
    Ok(match protocol {
        Protocol::Ethernet => {
            let ethernet = Ethernet::parse(bytes)?;
            let next = behind_ether_type(ethernet.ether_type(), ethernet.payload());
            (Layer::Ethernet(ethernet), next)
        }
        Protocol::Vlan => {
            let tag = Vlan::parse(bytes)?;
            let next = behind_ether_type(tag.ether_type(), tag.payload());
            (Layer::Vlan(tag), next)
        }
        Protocol::LinuxSll => {
            let sll = LinuxSll::parse(bytes)?;
            let next = behind_ether_type(sll.ether_type(), sll.payload());
            (Layer::LinuxSll(sll), next)
        }
        Protocol::LinuxSll2 => {
            let sll = LinuxSll2::parse(bytes)?;
            let next = behind_ether_type(sll.ether_type(), sll.payload());
            (Layer::LinuxSll2(sll), next)
        }
        Protocol::Loopback => {
            let loopback = Loopback::parse(bytes)?;
            let next = behind_ether_type(loopback.ether_type(), loopback.payload());
            (Layer::Loopback(loopback), next)
        }
        Protocol::Ipv4 => {
            let ip = Ipv4::parse(bytes)?;
            let next = if let Some(fragment) = Fragment::from_ipv4(&ip, encapsulated) {
                Next::Fragment(fragment)
            } else {
                let (protocol, payload) = ip.transport();
                behind_ip(protocol, payload, &options.ports)
            };
            (Layer::Ipv4(ip), next)
        }
        Protocol::Ipv6 => {
            let ip = Ipv6::parse(bytes)?;
            let next = if let Some(fragment) = Fragment::from_ipv6(&ip, encapsulated) {
                Next::Fragment(fragment)
            } else {
                behind_ip(ip.protocol(), ip.payload(), &options.ports)
            };
            (Layer::Ipv6(ip), next)
        }
        Protocol::Udp => {
            let udp = Udp::parse(bytes)?;
            let next = match tunnel(udp.destination_port(), &options.ports) {
                Some(protocol) => Next::Header(protocol, udp.payload()),
                None => Next::Transport,
            };
            (Layer::Udp(udp), next)
        }
        Protocol::Gre => {
            let gre = Gre::parse(bytes)?;
            (Layer::Gre(gre), behind_gre(&gre))
        }
        Protocol::Erspan1 => {
            let erspan = Erspan1::new(bytes);
            let next = ethernet_frame(erspan.payload());
            (Layer::Erspan1(erspan), next)
        }
        Protocol::Erspan2 => {
            let erspan = Erspan2::parse(bytes)?;
            let next = ethernet_frame(erspan.payload());
            (Layer::Erspan2(erspan), next)
        }
        Protocol::Erspan3 => {
            let erspan = Erspan3::parse(bytes)?;
            let next = if erspan.is_ip() {
                Next::Frame(
                    LinkType::RawIp,
                    ip_version(erspan.payload()),
                    erspan.payload(),
                )
            } else if erspan.carries_ethernet() {
                ethernet_frame(erspan.payload())
            } else {
                Next::Opaque(Reason::UnsupportedType)
            };
            (Layer::Erspan3(erspan), next)
        }
        Protocol::Vxlan => {
            let vxlan = Vxlan::parse(bytes)?;
            let next = ethernet_frame(vxlan.payload());
            (Layer::Vxlan(vxlan), next)
        }
        Protocol::Geneve => {
            let geneve = Geneve::parse(bytes)?;
            (Layer::Geneve(geneve), behind_geneve(&geneve))
        }
        // Read where the innermost packet is described; nothing leads here.
        Protocol::Arp | Protocol::Tcp => return Err(Reason::UnsupportedType),
    })
}

pub(crate) fn first_header(link: LinkType, bytes: &[u8]) -> Protocol {
    match link {
        LinkType::Null | LinkType::Loop => Protocol::Loopback,
        LinkType::Ethernet => Protocol::Ethernet,
        LinkType::LinuxSll => Protocol::LinuxSll,
        LinkType::LinuxSll2 => Protocol::LinuxSll2,
        LinkType::Ipv4 => Protocol::Ipv4,
        LinkType::Ipv6 => Protocol::Ipv6,
        LinkType::RawIp => ip_version(bytes),
    }
}

fn ip_version(bytes: &[u8]) -> Protocol {
    match bytes.first() {
        Some(byte) if byte >> 4 == 6 => Protocol::Ipv6,
        // Anything else is for IPv4 to refuse.
        _ => Protocol::Ipv4,
    }
}

fn ethernet_frame(payload: &[u8]) -> Next<'_> {
    Next::Frame(LinkType::Ethernet, Protocol::Ethernet, payload)
}

fn behind_ether_type(ether_type: u16, payload: &[u8]) -> Next<'_> {
    match ether_type {
        ethernet::IPV4 => Next::Header(Protocol::Ipv4, payload),
        ethernet::IPV6 => Next::Header(Protocol::Ipv6, payload),
        tag if Vlan::is_tag(tag) => Next::Header(Protocol::Vlan, payload),
        other => Next::Network(other, payload),
    }
}

fn behind_ip<'a>(protocol: u8, payload: &'a [u8], ports: &Ports) -> Next<'a> {
    match protocol {
        GRE => Next::Header(Protocol::Gre, payload),
        // A datagram cut behind its ports is still known as a tunnel's, and told as damaged.
        UDP if let Some(&[_, _, high, low]) = payload.first_chunk()
            && tunnel(u16::from_be_bytes([high, low]), ports).is_some() =>
        {
            Next::Header(Protocol::Udp, payload)
        }
        _ => Next::Transport,
    }
}

fn tunnel(destination_port: u16, ports: &Ports) -> Option<Protocol> {
    if ports.vxlan.contains(&destination_port) {
        Some(Protocol::Vxlan)
    } else if ports.geneve.contains(&destination_port) {
        Some(Protocol::Geneve)
    } else {
        None
    }
}

fn behind_gre<'a>(gre: &Gre<'a>) -> Next<'a> {
    let payload = gre.payload();
    match gre.protocol() {
        gre::ETHERNET => ethernet_frame(payload),
        ethernet::IPV4 => Next::Frame(LinkType::RawIp, Protocol::Ipv4, payload),
        ethernet::IPV6 => Next::Frame(LinkType::RawIp, Protocol::Ipv6, payload),
        gre::ERSPAN if gre.sequence().is_none() => Next::Header(Protocol::Erspan1, payload),
        gre::ERSPAN => match payload.first().map(|byte| byte >> 4) {
            // Some devices send Type III content under the type of Type II.
            Some(erspan3::VERSION) => Next::Header(Protocol::Erspan3, payload),
            // Others number the frames of Type I.
            Some(version)
                if version != erspan2::VERSION
                    && matches!(ethernet::plausibility(payload), Plausibility::Confirmed) =>
            {
                Next::Header(Protocol::Erspan1, payload)
            }
            _ => Next::Header(Protocol::Erspan2, payload),
        },
        gre::ERSPAN3 => Next::Header(Protocol::Erspan3, payload),
        _ => Next::Opaque(Reason::UnsupportedType),
    }
}

fn behind_geneve<'a>(geneve: &Geneve<'a>) -> Next<'a> {
    let payload = geneve.payload();
    if geneve.is_control() {
        return Next::Opaque(Reason::ControlMessage);
    }
    match geneve.protocol() {
        gre::ETHERNET => ethernet_frame(payload),
        ethernet::IPV4 => Next::Frame(LinkType::RawIp, Protocol::Ipv4, payload),
        ethernet::IPV6 => Next::Frame(LinkType::RawIp, Protocol::Ipv6, payload),
        ethernet::ARP => Next::Bare(ethernet::ARP, payload),
        _ => Next::Opaque(Reason::UnsupportedType),
    }
}

/// Bytes of `frame` in front of `part`, which is a slice of it.
pub(crate) fn offset_in(frame: &[u8], part: &[u8]) -> usize {
    part.as_ptr().addr().saturating_sub(frame.as_ptr().addr())
}

#[cfg(test)]
mod tests;
