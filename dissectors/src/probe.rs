//! Whether bytes that nothing leads to are an encapsulation after all.
//!
//! A guess is never acted upon: it is counted, and told as the option that would read the packets.

use crate::link::LinkType;
use crate::options::{Options, Selector};
use crate::packet::{Network, Packet};
use crate::protocol::{Layer, Protocol};
use crate::strip::decapsulate_from;
use crate::stripped::{Stop, Stripped};
use crate::transport::Transport;

impl Stripped<'_> {
    /// The protocol that a packet, which ends in an unknown number, would be if that number led to
    /// it: the first of the list whose headers lead to an inner packet that checks itself.
    ///
    /// `packet` is what [`Self::packet`] returned, `selector` what [`Self::unknown`] did.
    pub fn probe(
        &self,
        packet: &Packet<'_>,
        selector: Selector,
        options: &Options,
    ) -> Option<Protocol> {
        let bytes = match packet.network {
            Network::Ip(ip) => match ip.transport {
                Transport::Udp(udp) => udp.payload,
                _ => return None,
            },
            Network::Other(_) => self.inner.network?.1,
            _ => return None,
        };
        let mut candidates = Protocol::ALL.iter().copied();
        candidates
            .find(|&protocol| may_follow(protocol, selector) && reads(protocol, bytes, options))
    }

    /// The number at which the walk ended because it leads to nothing known: the destination port of
    /// a UDP datagram or an `EtherType`. `packet` is what [`Self::packet`] returned.
    pub fn unknown(&self, packet: &Packet<'_>) -> Option<Selector> {
        if self.stop != Stop::Inner {
            return None;
        }
        match packet.network {
            Network::Ip(ip) if matches!(ip.transport, Transport::Udp(_)) => {
                Some(Selector::UdpPort(ip.ports?.1))
            }
            Network::Other(ether_type) if ether_type >= 0x0600 => {
                Some(Selector::EtherType(ether_type))
            }
            _ => None,
        }
    }
}

/// Whether a protocol is ever found behind such a number: its default numbers tell. Frames and
/// packets without any header stand behind UDP too.
fn may_follow(protocol: Protocol, selector: Selector) -> bool {
    let alike =
        |other: &Selector| std::mem::discriminant(other) == std::mem::discriminant(&selector);
    let bare = matches!(
        protocol,
        Protocol::Ethernet | Protocol::Ipv4 | Protocol::Ipv6
    );
    let over_udp = matches!(selector, Selector::UdpPort(_));
    protocol.selectors().iter().any(alike) && !bare || bare && over_udp
}

/// Whether the bytes, read as a protocol, lead to a packet that proves itself.
fn reads(protocol: Protocol, bytes: &[u8], options: &Options) -> bool {
    let stripped = decapsulate_from(protocol, LinkType::RawIp, bytes, options);
    if stripped.stop != Stop::Inner {
        return false;
    }
    match stripped.packet().network {
        Network::Ip(ip) if ip.fragment.is_some() => false,
        Network::Ip(ip) => match stripped.layers.iter().rev().find(|layer| is_ip(layer)) {
            Some(Layer::Ipv4(header)) => header.checksum_ok(),
            // Without a checksum: an exact length, and a transport header that can be read.
            Some(Layer::Ipv6(_)) => {
                ip.claimed_len == ip.present_len
                    && !matches!(
                        ip.transport,
                        Transport::Other { .. } | Transport::Cut | Transport::Malformed(_)
                    )
            }
            _ => false,
        },
        Network::Arp(_) => true,
        Network::Other(_) | Network::Malformed(_) => false,
    }
}

fn is_ip(layer: &Layer<'_>) -> bool {
    matches!(layer, Layer::Ipv4(_) | Layer::Ipv6(_))
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::encap::{Outer, Wrap, wrap};
    use crate::strip::decapsulate;

    /// A mirrored TCP SYN.
    const FRAME: [u8; 54] = hex!(
        "02000000000b02000000000a0800450000280a0a400040064474c000020ac6336414"
        "9c4001bb11223344000000005002faf0e63d0000"
    );

    fn guess(frame: &[u8]) -> Option<(String, &'static str)> {
        let options = Options::default();
        let stripped = decapsulate(LinkType::Ethernet, frame, &options);
        let packet = stripped.packet();
        let selector = stripped.unknown(&packet)?;
        let protocol = stripped.probe(&packet, selector, &options)?;
        Some((selector.to_string(), protocol.as_str()))
    }

    fn wrapped(with: &Wrap<'_>, inner: &[u8]) -> Vec<u8> {
        let mut frame = Vec::new();
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        wrap(&outer, with, inner, &mut frame);
        frame
    }

    #[test]
    fn tunnels_on_other_ports_are_guessed() {
        let vxlan = |port| Wrap::Vxlan { vni: 5000, port };
        let expected = Some(("udp.port==20000".to_owned(), "vxlan"));
        assert_eq!(guess(&wrapped(&vxlan(20000), &FRAME)), expected);
        assert_eq!(guess(&wrapped(&vxlan(4789), &FRAME)), None, "known already");
        let geneve = Wrap::Geneve {
            vni: 1,
            port: 20001,
            protocol: 0x6558,
            options: &[],
        };
        let expected = Some(("udp.port==20001".to_owned(), "geneve"));
        assert_eq!(guess(&wrapped(&geneve, &FRAME)), expected);
    }

    #[test]
    fn a_tag_with_another_type_is_guessed() {
        let mut frame = FRAME.to_vec();
        frame.splice(12..12, hex!("88b7 0064"));
        let expected = Some(("ethertype==0x88b7".to_owned(), "vlan"));
        assert_eq!(guess(&frame), expected);
    }

    #[test]
    fn what_does_not_prove_itself_is_not_guessed() {
        let vxlan = Wrap::Vxlan {
            vni: 5000,
            port: 20000,
        };
        let mut wrong_checksum = wrapped(&vxlan, &FRAME);
        wrong_checksum[74] ^= 1;
        assert_eq!(guess(&wrong_checksum), None);
        let text = wrapped(
            &vxlan,
            b"GET / HTTP/1.1 and more of the same, on and on and on",
        );
        assert_eq!(guess(&text), None);
        assert_eq!(guess(&FRAME), None, "TCP is none of its business");
    }
}
