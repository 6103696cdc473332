//! Ethernet II and 802.3: the MAC header in front of a mirrored frame, and inside it.
//!
//! Specification: IEEE 802.3 §3.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::protocol::arista::{self, Arista};
use crate::protocol::arp::Arp;
use crate::protocol::cmd::{self, CiscoMetaData};
use crate::protocol::etag::{self, ETag};
use crate::protocol::ipv4::Ipv4;
use crate::protocol::ipv6::Ipv6;
use crate::protocol::vlan::{MAX_TAGS, Vlan};
use crate::protocol::vntag::{self, VnTag};
use crate::reason::Reason;

/// `EtherType` of IPv4.
pub(crate) const IPV4: u16 = 0x0800;
/// `EtherType` of Ethernet frames in other protocols: transparent Ethernet bridging.
pub(crate) const BRIDGING: u16 = 0x6558;
/// `EtherType` of ARP.
pub(crate) const ARP: u16 = 0x0806;
/// `EtherType` of RARP.
pub(crate) const RARP: u16 = 0x8035;
/// `EtherType` of PPP.
pub(crate) const PPP: u16 = 0x880b;
/// `EtherType` of IPv6.
pub(crate) const IPV6: u16 = 0x86dd;

/// Largest value of the type field that is a length.
pub(crate) const MAX_LENGTH: u16 = 0x05dc;
/// Smallest value of the type field that is an `EtherType`.
pub(crate) const MIN_TYPE: u16 = 0x0600;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) macs: Macs,
    /// `EtherType`, or the length of what follows if at most 1500.
    pub(crate) ether_type: U16,
}

/// Length of the header.
pub(crate) const HEADER_LEN: u16 = size_of::<Header>() as u16;

/// Source and destination MAC address of a frame, as they are on the wire: to be copied in one piece.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, Hash, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned,
)]
#[repr(C)]
pub struct Macs {
    /// Receiver.
    pub destination: [u8; 6],
    /// Sender.
    pub source: [u8; 6],
}

/// A checked MAC header and what follows it, padding included.
#[derive(Clone, Copy, Debug)]
pub struct Ethernet<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Ethernet<'a> {
    /// Reads the header at the start of a frame.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        check_type(header.ether_type.get())?;
        Ok(Self { header, payload })
    }

    /// Receiver.
    pub fn destination(&self) -> [u8; 6] {
        self.header.macs.destination
    }

    /// Sender.
    pub fn source(&self) -> [u8; 6] {
        self.header.macs.source
    }

    /// Both addresses.
    pub fn macs(&self) -> Macs {
        self.header.macs
    }

    /// `EtherType`; a value of at most 1500 is the length of an 802.3 frame's payload.
    pub fn ether_type(&self) -> u16 {
        self.header.ether_type.get()
    }

    /// What follows the header, padding included: only the next header knows its length.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Ethernet<'a> {
    #[inline(always)]
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        behind_ether_type(self.ether_type(), self.payload, place.options)
    }
}

/// Refuses the undefined range between lengths and types.
pub(crate) fn check_type(ether_type: u16) -> Result<(), Reason> {
    if ether_type > MAX_LENGTH && ether_type < MIN_TYPE {
        return Err(Reason::BadType);
    }
    Ok(())
}

/// How surely an Ethernet frame starts at a place that no header vouches for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Plausibility {
    /// It does not.
    No,
    /// Addresses and type are possible.
    Possible,
    /// The header that follows confirms it.
    Confirmed,
}

/// `EtherType` and bytes behind a tag, if the `EtherType` is that of one.
fn behind_tag(ether_type: u16, bytes: &[u8]) -> Option<Result<(u16, &[u8]), Reason>> {
    // Some are as long as a cookie or a control word: behind so many bytes of the addresses, another
    // frame would seem to start whose type is the one behind the tag.
    Some(match ether_type {
        vntag::ETHER_TYPE => VnTag::parse(bytes).map(|tag| (tag.ether_type(), tag.payload())),
        etag::ETHER_TYPE => ETag::parse(bytes).map(|tag| (tag.ether_type(), tag.payload())),
        cmd::ETHER_TYPE => CiscoMetaData::parse(bytes).map(|tag| (tag.ether_type(), tag.payload())),
        arista::ETHER_TYPE => match Arista::parse(bytes) {
            Ok(stamp) => Ok((stamp.ether_type()?, stamp.payload())),
            Err(reason) => Err(reason),
        },
        _ if Vlan::is_tag(ether_type) => {
            Vlan::parse(bytes).map(|tag| (tag.ether_type(), tag.payload()))
        }
        _ => return None,
    })
}

/// Judges whether an Ethernet frame starts with the first of `bytes`.
pub(crate) fn plausibility(bytes: &[u8]) -> Plausibility {
    let Ok(ethernet) = Ethernet::parse(bytes) else {
        return Plausibility::No;
    };
    let source = ethernet.source();
    let is_multicast = source.first().is_some_and(|byte| byte & 1 != 0);
    if is_multicast || source == [0; 6] || source == ethernet.destination() {
        return Plausibility::No;
    }
    let mut ether_type = ethernet.ether_type();
    let mut payload = ethernet.payload();
    for _ in 0..MAX_TAGS {
        match behind_tag(ether_type, payload) {
            Some(Ok(behind)) => (ether_type, payload) = behind,
            Some(Err(_)) => return Plausibility::No,
            None => break,
        }
    }
    let confirmed = match ether_type {
        IPV4 => Ipv4::parse(payload).is_ok_and(|ip| ip.checksum_ok()),
        IPV6 => Ipv6::parse(payload).is_ok(),
        ARP | RARP => Arp::parse(payload).is_ok_and(|arp| arp.is_some()),
        // LLDP, slow protocols, CFM, MPLS, PPPoE, MACsec, MAC-in-MAC, TRILL, FabricPath, NSH, what
        // Arista has besides its time: real frames, but nothing to check.
        0x88cc | 0x8809 | 0x8902 | 0x8847 | 0x8848 | 0x8863 | 0x8864 | 0x88e5 | 0x88e7 | 0x22f3
        | 0x8903 | 0x894f | 0xd28b => {
            return Plausibility::Possible;
        }
        // A length that fits, with the LLC headers of SNAP, spanning tree or IS-IS behind it.
        0..=MAX_LENGTH => {
            return match payload {
                [0xaa, 0xaa, 3, ..] | [0x42, 0x42, 3, ..] | [0xfe, 0xfe, 3, ..]
                    if usize::from(ether_type) <= payload.len() =>
                {
                    Plausibility::Possible
                }
                _ => Plausibility::No,
            };
        }
        _ => false,
    };
    if confirmed {
        Plausibility::Confirmed
    } else {
        Plausibility::No
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("02000000000b 02000000000a 88a8 ff");
        let ethernet = Ethernet::parse(&bytes).unwrap();
        assert_eq!(ethernet.destination(), [2, 0, 0, 0, 0, 0x0b]);
        assert_eq!(ethernet.source(), [2, 0, 0, 0, 0, 0x0a]);
        assert_eq!(ethernet.ether_type(), 0x88a8);
        assert_eq!(ethernet.payload(), [0xff]);
        for len in 0..14 {
            assert_eq!(
                Ethernet::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
    }

    #[test]
    fn types_between_lengths_and_ether_types_are_refused() {
        for (ether_type, valid) in [
            (0x05dc, true),
            (0x05dd, false),
            (0x05ff, false),
            (0x0600, true),
        ] {
            assert_eq!(check_type(ether_type).is_ok(), valid);
        }
    }

    #[test]
    fn a_frame_is_told_from_other_bytes() {
        let frame = hex!(
            "02000000000b02000000000a810000640800450000280a0a400040064474c000020ac6336414"
            "9c4001bb11223344000000005002faf0e63d0000"
        );
        assert_eq!(plausibility(&frame), Plausibility::Confirmed);
        assert_eq!(plausibility(&frame[1..]), Plausibility::No);
        let mut wrong_checksum = frame;
        wrong_checksum[28] ^= 1;
        assert_eq!(plausibility(&wrong_checksum), Plausibility::No);
        let lldp = hex!("0180c200000e 02000000000a 88cc 0207");
        assert_eq!(plausibility(&lldp), Plausibility::Possible);
        let multicast_source = hex!("0180c200000e 03000000000a 88cc 0207");
        assert_eq!(plausibility(&multicast_source), Plausibility::No);
        let spanning_tree = hex!("0180c2000000 02000000000a 0003 424203");
        assert_eq!(plausibility(&spanning_tree), Plausibility::Possible);
        let rarp = hex!(
            "ffffffffffff005056895ff58035 0001080006040003005056895ff500000000"
            "005056895ff500000000"
        );
        assert_eq!(plausibility(&rarp), Plausibility::Confirmed);
        assert_eq!(plausibility(&[0; 64]), Plausibility::No);
    }
}
