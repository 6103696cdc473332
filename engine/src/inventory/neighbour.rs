//! What stations say of themselves: ARP (RFC 826), RARP as hypervisors send it for a VM that moved, IPv6 neighbour
//! discovery (RFC 4861).

use std::net::IpAddr;

use mirrorscope_dissectors::{Arp, Ip, Transport};
use serde::Serialize;

/// A MAC address.
pub(super) type Mac = [u8; 6];

/// How a station made itself known, unasked.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Announcement {
    /// RARP: what a hypervisor sends for a VM that moved or started.
    Rarp,
    /// An ARP packet about the sender's own address.
    GratuitousArp,
    /// A neighbour advertisement that nobody asked for.
    NeighbourAdvertisement,
}

impl Announcement {
    /// In words.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::Rarp => "RARP",
            Self::GratuitousArp => "gratuitous ARP",
            Self::NeighbourAdvertisement => "unsolicited neighbour advertisement",
        }
    }
}

/// What a packet says of its sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// An address that is its own.
    pub address: Option<IpAddr>,
    /// It says so unasked.
    pub announcement: Option<Announcement>,
    /// It is a router.
    pub router: bool,
}

/// What an ARP or RARP packet says of the station that sent the frame.
pub(super) fn arp(arp: &Arp, source: Mac) -> Option<Said> {
    // Speaks for another one.
    if arp.sender_mac != source {
        return None;
    }
    let own = Some(IpAddr::from(arp.sender_ip)).filter(|address| is_own(*address));
    let announced = arp.sender_ip == arp.target_ip;
    match arp.operation {
        1 | 2 => Some(Said {
            // A probe asks whether an address is free: its sender does not have it yet (RFC 5227).
            address: own,
            announcement: own
                .filter(|_| announced)
                .map(|_| Announcement::GratuitousArp),
            router: false,
        }),
        3 if arp.target_mac == source => Some(Said {
            announcement: Some(Announcement::Rarp),
            ..Said::default()
        }),
        _ => None,
    }
}

/// What a packet of neighbour discovery says of its sender; `None` for other packets.
pub(super) fn discovery(ip: &Ip<'_>, source: Mac) -> Option<Said> {
    const ROUTER_SOLICITATION: u8 = 133;
    const ROUTER_ADVERTISEMENT: u8 = 134;
    const NEIGHBOUR_SOLICITATION: u8 = 135;
    const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
    /// Source and target link-layer address.
    const SOURCE_OPTION: u8 = 1;
    const TARGET_OPTION: u8 = 2;
    const FROM_A_ROUTER: u16 = 0x8000;
    const SOLICITED: u16 = 0x4000;

    let Transport::Icmp6 {
        kind,
        identifier: flags,
        payload,
        ..
    } = &ip.transport
    else {
        return None;
    };
    // RFC 4861 §6.1, §7.1: whatever passed a router is none.
    if ip.ttl != 255 {
        return None;
    }
    let own = |address: IpAddr| Some(address).filter(|address| is_own(*address));
    let speaks_for_itself =
        |options: &[u8], kind| link_address(options, kind).is_none_or(|mac| mac == source);
    match *kind {
        ROUTER_SOLICITATION if speaks_for_itself(payload, SOURCE_OPTION) => Some(Said {
            address: own(ip.source),
            ..Said::default()
        }),
        ROUTER_ADVERTISEMENT => Some(Said {
            address: own(ip.source),
            router: true,
            announcement: None,
        }),
        // Without a source it asks whether an address is free (RFC 4862 §5.4.2).
        NEIGHBOUR_SOLICITATION if speaks_for_itself(payload.get(16..)?, SOURCE_OPTION) => {
            Some(Said {
                address: own(ip.source),
                ..Said::default()
            })
        }
        NEIGHBOUR_ADVERTISEMENT if speaks_for_itself(payload.get(16..)?, TARGET_OPTION) => {
            let target: [u8; 16] = payload.get(..16)?.try_into().ok()?;
            let unasked = flags & SOLICITED == 0 && ip.destination.is_multicast();
            Some(Said {
                address: own(target.into()),
                announcement: unasked.then_some(Announcement::NeighbourAdvertisement),
                router: flags & FROM_A_ROUTER != 0,
            })
        }
        _ => None,
    }
}

/// The link-layer address among the options of neighbour discovery.
fn link_address(mut options: &[u8], wanted: u8) -> Option<Mac> {
    while let [kind, words, ..] = *options {
        let len = usize::from(words) << 3;
        let option = options.get(..len).filter(|_| len > 0)?;
        if kind == wanted {
            return option.get(2..8)?.try_into().ok();
        }
        options = options.get(len..)?;
    }
    None
}

/// Whether an address can be one station's own.
pub(super) fn is_own(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(v4) => {
            !(v4.is_unspecified() || v4.is_multicast() || v4.is_broadcast() || v4.is_loopback())
        }
        IpAddr::V6(v6) => !(v6.is_unspecified() || v6.is_multicast() || v6.is_loopback()),
    }
}

/// MAC addresses that stand for a group of routers or servers by their form: several stations send from them.
pub(super) fn is_virtual(mac: Mac) -> bool {
    matches!(
        mac,
        // VRRP and CARP for IPv4 and IPv6 (RFC 9568 §7.3).
        [0x00, 0x00, 0x5e, 0x00, 0x01 | 0x02, _]
            // HSRP versions 1 and 2, HSRP for IPv6, GLBP (Cisco).
            | [0x00, 0x00, 0x0c, 0x07, 0xac, _]
            | [0x00, 0x00, 0x0c, 0x9f, 0xf0..=0xff, _]
            | [0x00, 0x05, 0x73, 0xa0, 0x00..=0x0f, _]
            | [0x00, 0x07, 0xb4, 0x00, _, _]
            // Network Load Balancing (Microsoft).
            | [0x02, 0xbf, _, _, _, _]
    )
}

/// A multicast or broadcast address.
pub(super) fn is_group(mac: Mac) -> bool {
    mac[0] & 1 == 1
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use hex_literal::hex;
    use mirrorscope_dissectors::{LinkType, Network, Options, decapsulate};

    use super::*;

    const MAC: Mac = hex!("525400123456");

    fn packet(operation: u16, sender: [u8; 4], target: [u8; 4]) -> Arp {
        Arp {
            operation,
            sender_mac: MAC,
            sender_ip: Ipv4Addr::from(sender),
            target_mac: if operation == 3 { MAC } else { [0; 6] },
            target_ip: Ipv4Addr::from(target),
        }
    }

    #[test]
    fn an_announcement_is_about_the_sender_itself() {
        let own = [192, 0, 2, 50];
        let garp = arp(&packet(1, own, own), MAC).unwrap();
        assert_eq!(garp.address, Some(own.into()));
        assert_eq!(garp.announcement, Some(Announcement::GratuitousArp));
        let asks = arp(&packet(1, own, [192, 0, 2, 1]), MAC).unwrap();
        assert_eq!((asks.address, asks.announcement), (Some(own.into()), None));
        let rarp = arp(&packet(3, [0; 4], [0; 4]), MAC).unwrap();
        assert_eq!(
            (rarp.address, rarp.announcement),
            (None, Some(Announcement::Rarp))
        );
    }

    #[test]
    fn nothing_is_learned_from_probes_and_from_those_that_speak_for_others() {
        let probe = arp(&packet(1, [0; 4], [192, 0, 2, 50]), MAC).unwrap();
        assert_eq!(probe, Said::default());
        assert_eq!(
            arp(
                &packet(2, [192, 0, 2, 50], [192, 0, 2, 1]),
                [2, 0, 0, 0, 0, 9]
            ),
            None
        );
    }

    /// A router's advertisement of `2001:db8::5`, flags, hop limit and last byte of the destination as given.
    fn advertisement(flags: u8, hops: u8, to: u8) -> Vec<u8> {
        let mut frame = hex!(
            "333300000001 525400123456 86dd 60000000 0020 3a ff"
            "fe800000000000000000000000000001 ff020000000000000000000000000001"
            "8800 0000 00000000 20010db8000000000000000000000005 0201 525400123456"
        )
        .to_vec();
        frame[21] = hops;
        frame[38] = to;
        frame[58] = flags;
        frame
    }

    fn said(frame: &[u8], source: Mac) -> Option<Said> {
        let stripped = decapsulate(LinkType::Ethernet, frame, &Options::default());
        match stripped.packet().network {
            Network::Ip(ip) => discovery(&ip, source),
            _ => None,
        }
    }

    #[test]
    fn an_advertisement_tells_address_and_router_and_whether_it_was_asked_for() {
        let unasked = said(&advertisement(0xa0, 255, 0xff), MAC).unwrap();
        assert_eq!(unasked.address, "2001:db8::5".parse().ok());
        assert!(unasked.router);
        assert_eq!(
            unasked.announcement,
            Some(Announcement::NeighbourAdvertisement)
        );
        let asked = said(&advertisement(0x60, 255, 0xfe), MAC).unwrap();
        assert_eq!((asked.router, asked.announcement), (false, None));
    }

    #[test]
    fn an_advertisement_from_afar_or_for_another_station_is_not_believed() {
        assert_eq!(said(&advertisement(0x20, 254, 0xff), MAC), None);
        assert_eq!(
            said(&advertisement(0x20, 255, 0xff), [2, 0, 0, 0, 0, 9]),
            None
        );
    }

    #[test]
    fn options_of_no_length_end_the_search() {
        assert_eq!(link_address(&hex!("0100000000000000"), 1), None);
        assert_eq!(
            link_address(&hex!("0e01000000000000 0101525400123456"), 1),
            Some(MAC)
        );
    }

    #[test]
    fn routers_that_share_an_address_are_known_by_it() {
        assert!(is_virtual(hex!("00005e000133")) && is_virtual(hex!("00005e000233")));
        assert!(is_virtual(hex!("00000c07ac01")) && is_virtual(hex!("00000c9ff001")));
        assert!(!is_virtual(hex!("00005e005301")) && !is_virtual(hex!("525400123456")));
    }
}
