//! LLC and SNAP: what follows the length of an 802.3 frame, and the MAC header of 802.11.
//!
//! Specification: IEEE 802.2 §3, IEEE 802 §10 (SNAP), RFC 1042. What a service access point or
//! another organisation's SNAP protocol stands for (spanning tree, IS-IS, IPX, CDP) is not read.

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place, behind_ether_type};
use crate::link::LinkType;
use crate::protocol::Protocol;
use crate::protocol::ethernet::MIN_TYPE;
use crate::reason::Reason;

/// Access points and control of SNAP.
pub(crate) const SNAP: [u8; 3] = [0xaa, 0xaa, 3];

/// Organisations whose SNAP protocol is an `EtherType`.
const ETHER_TYPE: [[u8; 3]; 2] = [[0, 0, 0], [0, 0, 0xf8]];
/// IEEE 802.1, whose SNAP protocol tells a bridged frame.
const BRIDGED: [u8; 3] = [0, 0x80, 0xc2];
/// Bridged Ethernet, with and without its FCS.
const BRIDGED_ETHERNET: [u16; 2] = [1, 7];

/// The header as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    destination: u8,
    source: u8,
    /// First byte of one or two.
    control: u8,
}

/// What SNAP adds, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Snap {
    organisation: [u8; 3],
    protocol: U16,
}

/// A checked header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Llc<'a> {
    header: &'a Header,
    snap: Option<&'a Snap>,
    payload: &'a [u8],
}

impl<'a> Llc<'a> {
    /// Reads the header behind a length, in 802.11, or behind the `EtherType` of jumbo LLC frames.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, payload) =
            Header::ref_from_prefix(without_jumbo_length(bytes)).map_err(|_| Reason::Truncated)?;
        let llc = Self {
            header,
            snap: None,
            payload,
        };
        if header.as_bytes() != SNAP {
            return Ok(llc);
        }
        let (snap, payload) = Snap::ref_from_prefix(payload).map_err(|_| Reason::Truncated)?;
        Ok(Self {
            snap: Some(snap),
            payload,
            ..llc
        })
    }

    /// Service access point of the receiver.
    pub fn destination(&self) -> u8 {
        self.header.destination
    }

    /// Service access point of the sender.
    pub fn source(&self) -> u8 {
        self.header.source
    }

    /// Control field, or the first byte of one that has two; 3 is unnumbered information.
    pub fn control(&self) -> u8 {
        self.header.control
    }

    /// Organisation that names the protocol, with SNAP.
    pub fn organisation(&self) -> Option<[u8; 3]> {
        self.snap.map(|snap| snap.organisation)
    }

    /// Protocol in the organisation's numbering, with SNAP.
    pub fn protocol(&self) -> Option<u16> {
        self.snap.map(|snap| snap.protocol.get())
    }

    /// What follows the header; the second byte of a control field included.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }
}

impl<'a> Dissect<'a> for Llc<'a> {
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        match (self.organisation(), self.protocol()) {
            (Some(organisation), Some(protocol @ MIN_TYPE..))
                if ETHER_TYPE.contains(&organisation) =>
            {
                behind_ether_type(protocol, self.payload, place.options)
            }
            (Some(BRIDGED), Some(protocol)) if BRIDGED_ETHERNET.contains(&protocol) => {
                Next::Frame(LinkType::Ethernet, self.payload)
            }
            // No EtherType tells what this is.
            _ => Next::Network(0, self.payload),
        }
    }
}

/// What follows the length of an 802.3 frame; what lies beyond it is padding.
pub(crate) fn behind_length(len: u16, payload: &[u8]) -> Next<'_> {
    let payload = payload.get(..usize::from(len)).unwrap_or(payload);
    if payload.starts_with(&SNAP) {
        Next::Header(Protocol::Llc, payload)
    } else {
        Next::Network(len, payload)
    }
}

/// Some senders of jumbo LLC frames put the length behind the `EtherType` (0x8870), others do not.
/// Access points of SNAP are no length: no frame has 43690 bytes.
fn without_jumbo_length(bytes: &[u8]) -> &[u8] {
    match bytes.split_first_chunk() {
        Some((&len, rest)) if rest.starts_with(&SNAP) && !bytes.starts_with(&SNAP) => rest
            .get(..usize::from(u16::from_be_bytes(len)))
            .unwrap_or(rest),
        _ => bytes,
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;
    use crate::options::Options;
    use crate::packet::Network;
    use crate::strip::decapsulate;

    const IP: [u8; 28] = hex!("4500001c 00010000 4011 0000 0a000001 0a000002 1389138a0008 0000");

    fn frame(behind_addresses: &[u8], payload: &[u8]) -> Vec<u8> {
        let macs = hex!("02000000000b 02000000000a");
        [&macs[..], behind_addresses, payload].concat()
    }

    fn network(bytes: &[u8]) -> String {
        let stripped = decapsulate(LinkType::Ethernet, bytes, &Options::default());
        match stripped.packet().network {
            Network::Ip(ip) => format!("{:?}", ip.ports),
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn every_field_is_read() {
        let bytes = hex!("aaaa03 00000c 2000 02");
        let llc = Llc::parse(&bytes).unwrap();
        assert_eq!(llc.organisation(), Some(hex!("00000c")));
        assert_eq!((llc.protocol(), llc.payload()), (Some(0x2000), &[2][..]));
        for len in 0..8 {
            assert_eq!(Llc::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let information = hex!("0efe 00 02");
        let llc = Llc::parse(&information).unwrap();
        assert_eq!(
            (llc.destination(), llc.source(), llc.control()),
            (0x0e, 0xfe, 0)
        );
        assert_eq!((llc.organisation(), llc.payload()), (None, &[2][..]));
    }

    #[test]
    fn an_ether_type_in_snap_is_followed() {
        let ports = "Some((5001, 5002))";
        for snap in [
            hex!("0024 aaaa03 000000 0800"),
            hex!("0024 aaaa03 0000f8 0800"),
        ] {
            assert_eq!(network(&frame(&snap, &IP)), ports);
        }
        let tagged = hex!("8100 0064 0028 aaaa03 000000 8100 00c8 0800");
        assert_eq!(network(&frame(&tagged, &IP)), ports);
        let bridged = frame(&hex!("0032 aaaa03 0080c2 0007"), &frame(&hex!("0800"), &IP));
        assert_eq!(network(&bridged), ports);
        for jumbo in ["88700024aaaa030000000800", "8870aaaa030000000800"] {
            let header: Vec<u8> = (0..jumbo.len())
                .step_by(2)
                .map(|at| u8::from_str_radix(&jumbo[at..at + 2], 16).unwrap())
                .collect();
            assert_eq!(network(&frame(&header, &IP)), ports);
        }
    }

    #[test]
    fn the_length_ends_the_payload() {
        let cut = frame(&hex!("0007 aaaa03 000000 0800"), &IP);
        assert_eq!(
            network(&cut),
            "Malformed(Malformed { protocol: Llc, reason: Truncated, offset: 14 })"
        );
        let short = frame(&hex!("001b aaaa03 000000 0800"), &IP);
        assert_eq!(
            network(&short),
            "Malformed(Malformed { protocol: Ipv4, reason: Truncated, offset: 22 })"
        );
    }

    #[test]
    fn what_is_not_ip_is_no_fault() {
        for (header, expected) in [
            (&hex!("0026 424203 0000")[..], "Other(38)"),
            (&hex!("0026 ffff 0022"), "Other(38)"),
            (&hex!("0026 aaaa03 00000c 2000"), "Other(0)"),
            (&hex!("0026 aaaa03 000000 0026"), "Other(0)"),
            (&hex!("8870 fefe03 83"), "Other(0)"),
        ] {
            assert_eq!(network(&frame(header, &[0x55; 40])), expected);
        }
    }
}
