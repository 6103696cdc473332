//! Link types of captures: what the first byte of a frame belongs to.
//!
//! Specification: the LINKTYPE list of pcap (draft-ietf-opsawg-pcaplinktype).

use crate::protocol::Protocol;

/// Link type of a captured frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LinkType {
    /// BSD loopback; address family in the byte order of the machine that captured.
    Null,
    /// Ethernet.
    Ethernet,
    /// PPP, or Cisco HDLC on the same line.
    Ppp,
    /// An IPv4 or IPv6 packet, told apart by its version.
    RawIp,
    /// Cisco HDLC.
    CiscoHdlc,
    /// IEEE 802.11.
    Ieee80211,
    /// `OpenBSD` loopback; address family in network byte order.
    Loop,
    /// Linux cooked capture, version 1.
    LinuxSll,
    /// Linux cooked capture, version 2.
    LinuxSll2,
    /// Radiotap in front of IEEE 802.11.
    Radiotap,
    /// An MPLS label stack.
    Mpls,
    /// An IPv4 packet.
    Ipv4,
    /// An IPv6 packet.
    Ipv6,
}

impl LinkType {
    /// The link type with this number in pcap and pcapng files, if it can be read.
    pub fn from_number(number: u16) -> Option<Self> {
        Some(match number {
            0 => Self::Null,
            1 => Self::Ethernet,
            // 50 is PPP that is always framed as in HDLC.
            9 | 50 => Self::Ppp,
            // 12 and 14 are what DLT_RAW is on some BSDs, and files carry them.
            12 | 14 | 101 => Self::RawIp,
            104 => Self::CiscoHdlc,
            105 => Self::Ieee80211,
            108 => Self::Loop,
            113 => Self::LinuxSll,
            127 => Self::Radiotap,
            219 => Self::Mpls,
            228 => Self::Ipv4,
            229 => Self::Ipv6,
            276 => Self::LinuxSll2,
            _ => return None,
        })
    }

    /// The link type of the frames that start with this protocol, where they are known by it alone.
    pub(crate) fn starting_with(protocol: Protocol) -> Option<Self> {
        Some(match protocol {
            Protocol::Ethernet => Self::Ethernet,
            Protocol::Ieee80211 => Self::Ieee80211,
            Protocol::Radiotap => Self::Radiotap,
            Protocol::LinuxSll => Self::LinuxSll,
            Protocol::LinuxSll2 => Self::LinuxSll2,
            Protocol::Ipv4 | Protocol::Ipv6 => Self::RawIp,
            _ => return None,
        })
    }

    /// Number in pcap and pcapng files.
    pub fn number(self) -> u16 {
        match self {
            Self::Null => 0,
            Self::Ethernet => 1,
            Self::Ppp => 9,
            Self::RawIp => 101,
            Self::CiscoHdlc => 104,
            Self::Ieee80211 => 105,
            Self::Loop => 108,
            Self::LinuxSll => 113,
            Self::LinuxSll2 => 276,
            Self::Radiotap => 127,
            Self::Mpls => 219,
            Self::Ipv4 => 228,
            Self::Ipv6 => 229,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_lead_back_to_their_link_type() {
        let known: Vec<u16> = (0..=u16::MAX)
            .filter(|&number| LinkType::from_number(number).is_some())
            .collect();
        assert_eq!(
            known,
            [
                0, 1, 9, 12, 14, 50, 101, 104, 105, 108, 113, 127, 219, 228, 229, 276
            ]
        );
        for number in known {
            let link = LinkType::from_number(number).unwrap();
            assert_eq!(LinkType::from_number(link.number()), Some(link));
        }
    }
}
