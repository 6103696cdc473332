//! UDP: carries tunnels, which are known by the port that they are sent to, and a few by the one that
//! they are sent from.
//!
//! Specification: RFC 768. The checksum is not verified: tunnels leave it 0, over IPv6 too
//! (RFC 6936).

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place, led};
use crate::options::{Options, Selector};
use crate::protocol::{Encapsulation, Protocol};
use crate::reason::Reason;

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
pub(crate) struct Header {
    pub(crate) source_port: U16,
    pub(crate) destination_port: U16,
    /// Header and payload, in bytes.
    pub(crate) len: U16,
    pub(crate) checksum: U16,
}

/// A checked header and what is present of its payload.
#[derive(Clone, Copy, Debug)]
pub struct Udp<'a> {
    header: &'a Header,
    payload: &'a [u8],
}

impl<'a> Udp<'a> {
    /// Reads the header at the start of an IP payload; what lies beyond its length is cut off.
    #[inline(always)]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let payload = match usize::from(header.len.get()) {
            // A jumbogram (RFC 2675 §4), or a frame that the network card was to split.
            0 => rest,
            len => {
                let len = len
                    .checked_sub(size_of::<Header>())
                    .ok_or(Reason::BadLength)?;
                rest.get(..len).unwrap_or(rest)
            }
        };
        Ok(Self { header, payload })
    }

    /// Port of the sender; tunnels put entropy for load sharing there.
    pub fn source_port(&self) -> u16 {
        self.header.source_port.get()
    }

    /// Port of the receiver.
    pub fn destination_port(&self) -> u16 {
        self.header.destination_port.get()
    }

    /// A probe or a keepalive, without a byte in it.
    pub(crate) fn claims_nothing(&self) -> bool {
        usize::from(self.len()) == size_of::<Header>()
    }

    /// Length of header and payload as the header has it, in bytes.
    pub fn len(&self) -> u16 {
        self.header.len.get()
    }

    /// No payload is present.
    pub fn is_empty(&self) -> bool {
        self.payload.is_empty()
    }

    /// Checksum as it was sent; 0 is none.
    pub fn checksum(&self) -> u16 {
        self.header.checksum.get()
    }

    /// What is present of the payload.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

/// Source and destination port at the start of a UDP or TCP header, which may be cut behind them.
#[inline(always)]
pub(crate) fn ports(bytes: &[u8]) -> Option<(u16, u16)> {
    let &[a, b, c, d] = bytes.first_chunk()?;
    Some((u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])))
}

impl<'a> Dissect<'a> for Udp<'a> {
    #[inline(always)]
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        // That is not a tunnel's header cut short.
        if self.claims_nothing() {
            return Next::Transport;
        }
        let addressed = Selector::UdpPort(self.destination_port());
        let protocol = place.options.protocol(addressed);
        match protocol.or_else(|| self.answering(place.options)) {
            Some(protocol) => led(protocol, self.payload),
            None => Next::Transport,
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        Some(Opened::new(Encapsulation::Udp, None, self.payload))
    }
}

impl Udp<'_> {
    /// The tunnel whose port the datagram comes from, if it is an answer: one end may have any port.
    ///
    /// Any host may send from the same port by chance, so that the payload must leave no doubt.
    pub(crate) fn answering(&self, options: &Options) -> Option<Protocol> {
        let protocol = options.protocol(Selector::UdpPort(self.source_port()))?;
        let claimed = usize::from(self.len()).checked_sub(size_of::<Header>());
        protocol.answers(self.payload, claimed).then_some(protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    const DATAGRAM: [u8; 12] = hex!("c15c 12b5 000b abcd 010203 ff");

    #[test]
    fn every_field_is_read() {
        let udp = Udp::parse(&DATAGRAM).unwrap();
        assert_eq!(udp.source_port(), 49500);
        assert_eq!(udp.destination_port(), 4789);
        assert_eq!(udp.len(), 11);
        assert_eq!(udp.checksum(), 0xabcd);
        assert_eq!(udp.payload(), [1, 2, 3]);
        for len in 0..8 {
            assert_eq!(Udp::parse(&DATAGRAM[..len]).unwrap_err(), Reason::Truncated);
        }
    }

    #[test]
    fn the_length_bounds_the_payload() {
        for (len, expected) in [
            (0, Ok(4)),
            (7, Err(Reason::BadLength)),
            (8, Ok(0)),
            (200, Ok(4)),
        ] {
            let mut bytes = DATAGRAM;
            bytes[5] = len;
            assert_eq!(Udp::parse(&bytes).map(|udp| udp.payload().len()), expected);
        }
    }
}
