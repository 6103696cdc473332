//! VXLAN: one Ethernet frame of an overlay network behind 8 bytes, in UDP.
//!
//! Specification: RFC 7348 §5; draft-smith-vxlan-group-policy; draft-herbert-vxlan-rco, of which only
//! the flag is read. The other flags and the reserved bytes are ignored (RFC 7348 §5), so that what
//! fabrics make of the same shape (Cisco's iVXLAN on a port of its own) is read too.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// Flag of the first byte: the network identifier is valid.
const VALID_VNI: u8 = 0x08;
/// Flag of the first byte: the group is valid.
const GROUP: u8 = 0x80;
/// Flag of the second byte: the receiver must not learn the sender's address.
const DONT_LEARN: u8 = 0x40;
/// Flag of the second byte: the checksum of the inner packet is left to the receiver.
const REMOTE_CHECKSUM: u8 = 0x20;
/// Flag of the second byte: the group's policy was applied.
const POLICY_APPLIED: u8 = 0x08;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) flags: u8,
    pub(crate) policy_flags: u8,
    /// Group policy id if the G flag is set.
    pub(crate) group: U16,
    /// VXLAN network identifier (24 bits), reserved (8).
    pub(crate) vni: U32,
}

/// A checked header and the frame behind it.
#[derive(Clone, Copy, Debug)]
pub struct Vxlan<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Vxlan<'a> {
    /// Reads the header at the start of a UDP payload.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.flags & VALID_VNI == 0 {
            return Err(Reason::NoVni);
        }
        Ok(Self { header, payload })
    }

    /// Flags (8 bits); only 0x08 is assigned by the RFC.
    pub fn flags(&self) -> u8 {
        self.header.flags
    }

    /// VXLAN network identifier (24 bits).
    pub fn vni(&self) -> u32 {
        self.header.vni.get() >> 8
    }

    /// Group of the sender, if the group policy extension (draft-smith-vxlan-group-policy) is used.
    pub fn group_policy(&self) -> Option<u16> {
        (self.header.flags & GROUP != 0).then(|| self.header.group.get())
    }

    /// The receiver must not learn the sender's address (D bit); means something with a group only.
    pub fn dont_learn(&self) -> bool {
        self.header.policy_flags & DONT_LEARN != 0
    }

    /// The sender's group policy was applied already (A bit); means something with a group only.
    pub fn policy_applied(&self) -> bool {
        self.header.policy_flags & POLICY_APPLIED != 0
    }

    /// The transport checksum of the inner packet is unfinished (C bit of the checksum offload).
    pub fn remote_checksum(&self) -> bool {
        self.header.policy_flags & REMOTE_CHECKSUM != 0
    }

    /// The overlay's Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// The group policy extension.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupPolicy {
    /// Group of the sender.
    pub group: u16,
    /// The receiver must not learn the sender's address.
    pub dont_learn: bool,
    /// The policy was applied already.
    pub applied: bool,
}

/// Writes a header.
pub(crate) fn write(vni: u32, policy: Option<GroupPolicy>, out: &mut Vec<u8>) {
    let flag = |set: bool, flag| if set { flag } else { 0 };
    let policy_flags = policy.map_or(0, |policy| {
        flag(policy.dont_learn, DONT_LEARN) | flag(policy.applied, POLICY_APPLIED)
    });
    let header = Header {
        flags: VALID_VNI | flag(policy.is_some(), GROUP),
        policy_flags,
        group: policy.map_or(0, |policy| policy.group).into(),
        vni: (vni << 8).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

impl<'a> Dissect<'a> for Vxlan<'a> {
    #[inline(always)]
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::Vxlan,
            Some(self.vni().into()),
            self.payload,
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("88 48 0042 fedcba ff 02");
        let vxlan = Vxlan::parse(&bytes).unwrap();
        assert_eq!(vxlan.flags(), 0x88);
        assert_eq!(vxlan.group_policy(), Some(0x42));
        assert!(vxlan.dont_learn() && vxlan.policy_applied() && !vxlan.remote_checksum());
        assert_eq!(vxlan.vni(), 0xfe_dcba);
        assert_eq!(vxlan.payload(), [2]);
        for len in 0..8 {
            assert_eq!(Vxlan::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let plain = hex!("08ffffff00138800");
        let vxlan = Vxlan::parse(&plain).unwrap();
        assert_eq!((vxlan.vni(), vxlan.group_policy()), (5000, None));
        for (flags, expected) in [
            (0x40, (true, false, false)),
            (0x08, (false, true, false)),
            (0x20, (false, false, true)),
            (0x97, (false, false, false)),
        ] {
            let bytes = [0x88, flags, 0, 0, 0, 0, 0, 0];
            let vxlan = Vxlan::parse(&bytes).unwrap();
            let read = (
                vxlan.dont_learn(),
                vxlan.policy_applied(),
                vxlan.remote_checksum(),
            );
            assert_eq!(read, expected, "{flags:#04x}");
        }
    }

    #[test]
    fn only_the_flag_of_the_identifier_is_required() {
        assert_eq!(
            Vxlan::parse(&hex!("f7ffffff00138800")).unwrap_err(),
            Reason::NoVni
        );
        assert!(Vxlan::parse(&hex!("ffffffff00138800")).is_ok());
    }
}
