//! OTV over UDP: one Ethernet frame of an extended LAN behind 8 bytes.
//!
//! Specification: draft-hasmit-otv-04 §3. The header is that of VXLAN with an overlay id where VXLAN
//! has reserved bytes, on a port (8472) that more senders use for VXLAN, and some of those set
//! reserved bytes. No frame tells the two apart, so nothing leads here unless a user says so
//! (`udp.port==8472,otv`); read as VXLAN, the same frames have the same id and payload.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// UDP port of the draft.
pub(crate) const PORT: u16 = 8472;

/// Flag: the instance id is valid.
const VALID_INSTANCE: u32 = 0x08 << 24;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Flags (8 bits), overlay id (24).
    flags_overlay: U32,
    /// Instance id (24 bits), reserved (8).
    instance: U32,
}

/// A checked header and the frame behind it.
#[derive(Clone, Copy, Debug)]
pub struct Otv<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Otv<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.flags_overlay.get() & VALID_INSTANCE == 0 {
            return Err(Reason::NoVni);
        }
        Ok(Self { header, payload })
    }

    /// Overlay id (24 bits): the extended network between the sites; used on the control plane.
    pub fn overlay(&self) -> u32 {
        self.header.flags_overlay.get() & 0x00ff_ffff
    }

    /// Instance id (24 bits): the table that the frame is looked up in.
    pub fn instance(&self) -> u32 {
        self.header.instance.get() >> 8
    }

    /// The Ethernet frame.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Writes a header.
pub(crate) fn write(overlay: u32, instance: u32, out: &mut Vec<u8>) {
    let header = Header {
        flags_overlay: (VALID_INSTANCE | overlay & 0x00ff_ffff).into(),
        instance: (instance << 8).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

impl<'a> Dissect<'a> for Otv<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        Next::Frame(LinkType::Ethernet, self.payload)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(
            Encapsulation::Otv,
            Some(self.instance().into()),
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
        let bytes = hex!("08 fedcba 987654 ff 02");
        let otv = Otv::parse(&bytes).unwrap();
        assert_eq!((otv.overlay(), otv.instance()), (0xfe_dcba, 0x98_7654));
        assert_eq!(otv.payload(), [2]);
        for len in 0..8 {
            assert_eq!(Otv::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let no_instance = hex!("f7 fedcba 987654 ff");
        assert_eq!(Otv::parse(&no_instance).unwrap_err(), Reason::NoVni);
    }
}
