//! IPv6 extension headers, and the authentication header that IPv4 has too.
//!
//! Specification: RFC 8200 §4, RFC 4302 §2. ESP and "no next header" end the walk.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::reason::Reason;

/// Extension headers that are followed in one packet.
const MAX_HEADERS: usize = 16;
/// Next header number of the fragment header.
pub(crate) const FRAGMENT: u8 = 44;
/// Next header number of the authentication header.
pub(crate) const AUTHENTICATION: u8 = 51;

/// The fragment header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct FragmentHeader {
    pub(crate) next_header: u8,
    pub(crate) reserved: u8,
    /// Offset in units of 8 bytes (13 bits), reserved (2), more fragments (1).
    pub(crate) offset_more: U16,
    pub(crate) identification: U32,
}

impl FragmentHeader {
    /// Place of the payload in the datagram, in bytes.
    pub(crate) fn offset(&self) -> u16 {
        // The offset counts units of 8 bytes and stands 3 bits to the left: already bytes.
        self.offset_more.get() & 0xfff8
    }

    /// Further fragments follow.
    pub(crate) fn more(&self) -> bool {
        self.offset_more.get() & 1 != 0
    }
}

/// Where a walk over extension headers ended.
pub(crate) struct Chain<'a> {
    /// What the payload is; the number of the header that was cut if `cut`.
    pub(crate) protocol: u8,
    /// What follows the last header that was read.
    pub(crate) payload: &'a [u8],
    /// The header that makes the payload one fragment of several.
    pub(crate) fragment: Option<&'a FragmentHeader>,
    /// The bytes ended inside a header.
    pub(crate) cut: bool,
}

/// Walks from the header with number `protocol`, which starts with the first of `bytes`.
///
/// A fragment header ends the walk unless the fragment is the whole datagram (RFC 6946): what
/// follows it in a later fragment is no header.
pub(crate) fn walk(mut protocol: u8, mut bytes: &[u8]) -> Result<Chain<'_>, Reason> {
    // One round more than there may be headers, to see that none follows the last.
    for _ in 0..=MAX_HEADERS {
        let end = Chain {
            protocol,
            payload: bytes,
            fragment: None,
            cut: false,
        };
        if len(protocol, 0).is_none() {
            return Ok(end);
        }
        let Some(extension) = Extension::split(protocol, bytes)? else {
            return Ok(Chain { cut: true, ..end });
        };
        protocol = extension.next_header;
        bytes = extension.rest;
        if let Some(fragment) = extension.fragment
            && (fragment.offset() > 0 || fragment.more())
        {
            return Ok(Chain {
                protocol,
                payload: bytes,
                fragment: Some(fragment),
                cut: false,
            });
        }
    }
    Err(Reason::TooManyHeaders)
}

/// Skips an authentication header in front of an IPv4 payload, if there is a whole one.
pub(crate) fn skip_authentication(protocol: u8, bytes: &[u8]) -> (u8, &[u8]) {
    if protocol == AUTHENTICATION
        && let Ok(Some(extension)) = Extension::split(protocol, bytes)
    {
        return (extension.next_header, extension.rest);
    }
    (protocol, bytes)
}

/// Length of the extension header with this number and length field; `None` if it is not one.
pub(crate) fn len(protocol: u8, units: u8) -> Option<usize> {
    let units = usize::from(units);
    match protocol {
        // Hop-by-hop, routing, destination options, mobility, HIP, Shim6: 8-byte units after the
        // first 8.
        0 | 43 | 60 | 135 | 139 | 140 => Some(units.saturating_add(1) << 3),
        FRAGMENT => Some(size_of::<FragmentHeader>()),
        // 4-byte units, counted without the first two (RFC 4302 §2.2).
        AUTHENTICATION => Some(units.saturating_add(2) << 2),
        _ => None,
    }
}

/// One extension header and what follows it.
struct Extension<'a> {
    next_header: u8,
    /// The header itself if it is a fragment header.
    fragment: Option<&'a FragmentHeader>,
    rest: &'a [u8],
}

impl<'a> Extension<'a> {
    /// Takes the header with number `protocol` off the front; `None` if the bytes end inside it.
    fn split(protocol: u8, bytes: &'a [u8]) -> Result<Option<Self>, Reason> {
        let Some(&[next_header, units]) = bytes.first_chunk() else {
            return Ok(None);
        };
        // The fixed part of an authentication header alone has 12 bytes.
        if protocol == AUTHENTICATION && units == 0 {
            return Err(Reason::BadHeaderLength);
        }
        let parts = len(protocol, units).and_then(|len| bytes.split_at_checked(len));
        Ok(parts.map(|(header, rest)| Self {
            next_header,
            fragment: (protocol == FRAGMENT)
                .then(|| FragmentHeader::ref_from_bytes(header).ok())
                .flatten(),
            rest,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    fn end(protocol: u8, bytes: &[u8]) -> (u8, usize, bool, bool) {
        let chain = walk(protocol, bytes).unwrap();
        let is_fragment = chain.fragment.is_some();
        (chain.protocol, chain.payload.len(), is_fragment, chain.cut)
    }

    #[test]
    fn headers_of_every_kind_are_walked() {
        // Destination options of 16 bytes, authentication of 16, mobility of 8, then 3 bytes of TCP.
        let bytes = hex!(
            "33010000000000000000000000000000"
            "870200000000000100000002aabbccdd"
            "0600000000000000 010203"
        );
        assert_eq!(end(60, &bytes), (6, 3, false, false));
        assert_eq!(end(6, &bytes), (6, bytes.len(), false, false));
        for len in 0..40 {
            assert!(end(60, &bytes[..len]).3, "cut after {len} bytes");
        }
    }

    #[test]
    fn a_fragment_ends_the_walk_and_an_atomic_one_does_not() {
        let later = hex!("3c00 0009 01020304 0600000000000000");
        let chain = walk(44, &later).unwrap();
        let fragment = chain.fragment.unwrap();
        assert_eq!((chain.protocol, chain.payload.len()), (60, 8));
        assert_eq!((fragment.offset(), fragment.more()), (8, true));
        assert_eq!(fragment.identification.get(), 0x0102_0304);
        let last = hex!("3c00 fff8 01020304");
        let chain = walk(44, &last).unwrap();
        let fragment = chain.fragment.unwrap();
        assert_eq!((fragment.offset(), fragment.more()), (0xfff8, false));
        let atomic = hex!("3c00 0006 01020304 0600000000000000");
        assert_eq!(end(44, &atomic), (6, 0, false, false));
    }

    #[test]
    fn the_number_of_headers_is_bounded() {
        let mut bytes = [[60, 0, 0, 0, 0, 0, 0, 0]; 17];
        bytes[15][0] = 6;
        assert_eq!(end(60, bytes.as_flattened()), (6, 8, false, false));
        bytes[15][0] = 60;
        bytes[16][0] = 6;
        assert_eq!(
            walk(60, bytes.as_flattened()).err(),
            Some(Reason::TooManyHeaders)
        );
    }

    #[test]
    fn an_authentication_header_shorter_than_its_fields_is_refused() {
        assert_eq!(walk(51, &[6; 1]).map(|chain| chain.cut), Ok(true));
        assert_eq!(
            walk(51, &[6, 0, 0, 0, 0, 0, 0, 0]).err(),
            Some(Reason::BadHeaderLength)
        );
    }
}
