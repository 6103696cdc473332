//! LISP data: one IP packet between sites behind 8 bytes, in UDP.
//!
//! Specification: RFC 9300 §5.3, RFC 8061 §4 (the key bits). Generic protocol extension (RFC 9305)
//! and frames in place of packets are not read.

use zerocopy::byteorder::network_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

const NONCE: u32 = 0x8000_0000;
const ECHO: u32 = 0x2000_0000;
const MAP_VERSION: u32 = 0x1000_0000;
const INSTANCE: u32 = 0x0800_0000;
const KEY: u32 = 0x0300_0000;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Nonce, locator status, echo, map version, instance present (5 bits), reserved (1), key (2),
    /// nonce or map versions (24).
    flags_nonce: U32,
    /// Instance id (24 bits) and locator status (8), or locator status (32).
    instance_status: U32,
}

/// A checked header and the packet behind it.
#[derive(Clone, Copy, Debug)]
pub struct Lisp<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Lisp<'a> {
    /// Reads the header at the start of a UDP payload.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        match header.flags_nonce.get() & (NONCE | MAP_VERSION | ECHO) {
            // Nonce and versions share their field, and only a nonce can be echoed.
            flags if flags & NONCE != 0 && flags & MAP_VERSION != 0 => Err(Reason::BadFlags),
            flags if flags & NONCE == 0 && flags & ECHO != 0 => Err(Reason::BadFlags),
            _ => Ok(Self { header, payload }),
        }
    }

    /// Nonce (24 bits), if present.
    pub fn nonce(&self) -> Option<u32> {
        self.announced(NONCE)
            .then(|| self.header.flags_nonce.get() & 0x00ff_ffff)
    }

    /// Versions (12 bits) of the source's and the destination's mapping, if present.
    pub fn map_versions(&self) -> Option<(u16, u16)> {
        let versions = self.header.flags_nonce.get();
        self.announced(MAP_VERSION)
            .then_some(((versions >> 12) as u16 & 0x0fff, versions as u16 & 0x0fff))
    }

    /// Instance id (24 bits), if present: the virtual network.
    pub fn instance(&self) -> Option<u32> {
        self.announced(INSTANCE)
            .then(|| self.header.instance_status.get() >> 8)
    }

    /// The payload is encrypted.
    pub fn is_encrypted(&self) -> bool {
        self.announced(KEY)
    }

    /// The packet.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn announced(&self, flags: u32) -> bool {
        self.header.flags_nonce.get() & flags != 0
    }
}

impl<'a> Dissect<'a> for Lisp<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match self.payload.first().map(|byte| byte >> 4) {
            _ if self.is_encrypted() => Next::Opaque(Reason::Encrypted),
            Some(4 | 6) | None => Next::Frame(LinkType::RawIp, self.payload),
            Some(_) => Next::Opaque(Reason::UnsupportedType),
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let id = self.instance().map(u64::from);
        Some(Opened::new(Encapsulation::Lisp, id, self.payload))
    }
}

/// Writes the header; nonce and instance id have 24 bits.
pub(crate) fn write(nonce: Option<u32>, instance: Option<u32>, out: &mut Vec<u8>) {
    let nonce = nonce.map_or(0, |nonce| NONCE | nonce & 0x00ff_ffff);
    let flag = if instance.is_some() { INSTANCE } else { 0 };
    let header = Header {
        flags_nonce: (nonce | flag).into(),
        instance_status: (instance.unwrap_or_default() << 8).into(),
    };
    out.extend_from_slice(header.as_bytes());
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("e8 fedcba 89abcd 01 45");
        let lisp = Lisp::parse(&bytes).unwrap();
        assert_eq!(lisp.nonce(), Some(0xfe_dcba));
        assert_eq!(lisp.instance(), Some(0x89_abcd));
        assert_eq!((lisp.map_versions(), lisp.is_encrypted()), (None, false));
        assert_eq!(lisp.payload(), [0x45]);
        for len in 0..8 {
            assert_eq!(Lisp::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let lisp = Lisp::parse(&hex!("52 fedcba 89abcdef")).unwrap();
        assert_eq!(lisp.map_versions(), Some((0xfed, 0xcba)));
        assert_eq!((lisp.nonce(), lisp.instance()), (None, None));
        assert!(lisp.is_encrypted());
    }

    #[test]
    fn flags_that_exclude_each_other_are_refused() {
        let parse = |flags: u8| Lisp::parse(&[flags, 0, 0, 0, 0, 0, 0, 0]).map(drop);
        assert_eq!(parse(0x90), Err(Reason::BadFlags));
        assert_eq!(parse(0x20), Err(Reason::BadFlags));
        assert_eq!(parse(0xa0), Ok(()));
        assert_eq!(parse(0x00), Ok(()));
    }
}
