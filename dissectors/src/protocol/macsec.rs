//! MACsec: a frame that one hop protects, by encryption or by a checksum alone.
//!
//! Specification: IEEE 802.1AE §9. The integrity check value is not verified: that takes the key.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::reason::Reason;

/// Bytes of the integrity check value with every cipher suite in use.
const CHECK_VALUE_LEN: usize = 16;

/// Flag: another version.
const VERSION: u8 = 0x80;
/// Flag: the channel's identifier follows.
const CHANNEL: u8 = 0x20;
/// Flag: encrypted.
const ENCRYPTED: u8 = 0x08;
/// Flag: what follows is not what it was, be it encrypted or only changed.
const CHANGED: u8 = 0x04;

/// What follows the `EtherType`, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (1 bit), end station (1), channel present (1), broadcast (1), encrypted (1), changed (1),
    /// association (2).
    control: u8,
    /// Reserved (2 bits), length of the data if below 48 (6).
    short_len: u8,
    packet_number: U32,
}

/// A checked header and the data behind it.
#[derive(Clone, Copy, Debug)]
pub struct MacSec<'a> {
    header: &'a Header,
    channel: Option<u64>,
    payload: &'a [u8],
}

impl<'a> MacSec<'a> {
    /// Reads the header that follows its `EtherType`.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.control & VERSION != 0 {
            return Err(Reason::BadVersion);
        }
        let (channel, rest) = if header.control & CHANNEL == 0 {
            (None, rest)
        } else {
            let (channel, rest) = rest.split_first_chunk().ok_or(Reason::Truncated)?;
            (Some(u64::from_be_bytes(*channel)), rest)
        };
        let len = match usize::from(header.short_len & 0x3f) {
            0 => rest.len().saturating_sub(CHECK_VALUE_LEN),
            short => short,
        };
        Ok(Self {
            header,
            channel,
            payload: rest.get(..len).unwrap_or(rest),
        })
    }

    /// The data is encrypted, or changed in another way.
    pub fn encrypted(&self) -> bool {
        self.header.control & (ENCRYPTED | CHANGED) != 0
    }

    /// Secure association within the channel (2 bits).
    pub fn association(&self) -> u8 {
        self.header.control & 3
    }

    /// Packet number, which counts up in each association.
    pub fn packet_number(&self) -> u32 {
        self.header.packet_number.get()
    }

    /// Secure channel identifier, if present: MAC address (48 bits) and port (16) of the sender.
    pub fn channel(&self) -> Option<u64> {
        self.channel
    }

    /// `EtherType` and what follows it, without the integrity check value; not readable if encrypted.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for MacSec<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        if self.encrypted() {
            return Next::Opaque(Reason::Encrypted);
        }
        match U16::ref_from_prefix(self.payload) {
            Ok((ether_type, payload)) => {
                behind_ether_type(ether_type.get(), payload, place.options)
            }
            // Cut in front of it.
            Err(_) => Next::Network(0, self.payload),
        }
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::link::LinkType;
    use crate::options::Options;
    use crate::packet::Network;
    use crate::protocol::Protocol;
    use crate::strip::decapsulate;
    use crate::stripped::Stop;

    #[test]
    fn every_field_is_read() {
        let bytes = [
            &hex!("22 c3 01020304 02000000000afffe 0800 45")[..],
            &[0xcc; 18],
        ]
        .concat();
        let sec = MacSec::parse(&bytes).unwrap();
        assert!(!sec.encrypted());
        assert_eq!((sec.association(), sec.packet_number()), (2, 0x0102_0304));
        assert_eq!(sec.channel(), Some(0x0200_0000_000a_fffe));
        assert_eq!(sec.payload(), hex!("0800 45"));
        for len in 0..14 {
            assert_eq!(MacSec::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        assert_eq!(MacSec::parse(&bytes[..15]).unwrap().payload(), [8]);
        let encrypted = |control| MacSec::parse(&[control, 0, 0, 0, 0, 1]).map(|s| s.encrypted());
        assert_eq!(encrypted(0x08), Ok(true));
        assert_eq!(encrypted(0x04), Ok(true));
        assert_eq!(encrypted(0x53), Ok(false));
        assert_eq!(encrypted(0x80), Err(Reason::BadVersion));
    }

    #[test]
    fn data_in_the_clear_is_followed_and_other_data_is_not() {
        let clear = hex!(
            "02000000000b 02000000000a 88e5 00 00 00000009 0800"
            "4500001c 00010000 4011 0000 0a000001 0a000002 1389138a00080000"
            "cccccccccccccccccccccccccccccccc"
        );
        let options = Options::default();
        let stripped = decapsulate(LinkType::Ethernet, &clear, &options);
        let packet = stripped.packet();
        assert!(matches!(packet.network, Network::Ip(ip) if ip.ports == Some((5001, 5002))));
        assert_eq!(stripped.layers.len(), 3);
        let mut closed = clear;
        closed[14] = 0x0c;
        let stripped = decapsulate(LinkType::Ethernet, &closed, &options);
        let stop = Stop::Opaque {
            protocol: Protocol::MacSec,
            reason: Reason::Encrypted,
        };
        assert_eq!(stripped.stop, stop);
        let packet = stripped.packet();
        assert_eq!(packet.network, Network::Other(0));
        assert_eq!(packet.macs.map(|macs| macs.source[5]), Some(0x0a));
    }
}
