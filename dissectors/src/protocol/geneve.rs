//! Geneve: one frame or packet of an overlay network behind 8 bytes and options, in UDP.
//!
//! Specification: RFC 8926 §3.4 and §3.5. Critical options do not stop the reader: it only looks on.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place, carried};
use crate::mirror::Direction;
use crate::protocol::Encapsulation;
use crate::reason::Reason;

/// Flag of the header: some option is critical.
const CRITICAL: u8 = 0x40;
/// Flag of the header: a message between endpoints.
const CONTROL: u8 = 0x80;
/// Class and type of Google's option with network id (28 bits), reserved bits (3) and direction (1).
const GOOGLE_NETWORK: (u16, u8) = (0x0132, 1);
/// The packet is one that the machine sent.
const SENT: u8 = 1;
/// Flag of an option's type: critical.
const CRITICAL_OPTION: u8 = 0x80;

/// The fixed part as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// Version (2 bits), length of the options in units of 4 bytes (6).
    version_len: u8,
    /// Control (1 bit), critical (1), reserved (6).
    flags: u8,
    /// `EtherType` of the payload.
    protocol: U16,
    /// Virtual network identifier (24 bits), reserved (8).
    vni: U32,
}

/// The head of an option as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct OptionHeader {
    class: U16,
    kind: u8,
    /// Reserved (3 bits), length of the data in units of 4 bytes (5).
    len: u8,
}

/// A checked header, its options and what follows them.
#[derive(Clone, Copy, Debug)]
pub struct Geneve<'a> {
    header: &'a Header,
    /// Options and payload.
    rest: &'a [u8],
}

/// One option of a [`Geneve`] header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GeneveOption<'a> {
    /// Namespace of the type, assigned to an organisation.
    pub class: u16,
    /// Type (8 bits, the highest one repeated in `critical`).
    pub kind: u8,
    /// An endpoint that does not know the option must drop the packet.
    pub critical: bool,
    /// Data, at most 124 bytes.
    pub data: &'a [u8],
}

impl<'a> Geneve<'a> {
    /// Reads the header at the start of a UDP payload.
    #[inline]
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        if header.version_len >> 6 != 0 {
            return Err(Reason::BadVersion);
        }
        let geneve = Self { header, rest };
        if rest.len() < geneve.options_len() {
            return Err(Reason::Truncated);
        }
        let mut options = geneve.options();
        options.by_ref().for_each(drop);
        if !options.rest.is_empty() {
            return Err(Reason::BadOptions);
        }
        Ok(geneve)
    }

    /// The payload is a message between the tunnel's endpoints (O bit).
    pub fn is_control(&self) -> bool {
        self.header.flags & CONTROL != 0
    }

    /// Some option is critical (C bit).
    pub fn has_critical_options(&self) -> bool {
        self.header.flags & CRITICAL != 0
    }

    /// `EtherType` of the payload; 0x6558 is an Ethernet frame.
    pub fn protocol(&self) -> u16 {
        self.header.protocol.get()
    }

    /// Virtual network identifier (24 bits).
    pub fn vni(&self) -> u32 {
        self.header.vni.get() >> 8
    }

    /// The options, in their order.
    pub fn options(&self) -> GeneveOptions<'a> {
        let options = self.rest.get(..self.options_len());
        GeneveOptions {
            rest: options.unwrap_or_default(),
        }
    }

    /// What follows the options.
    pub fn payload(&self) -> &'a [u8] {
        self.rest.get(self.options_len()..).unwrap_or_default()
    }

    fn options_len(&self) -> usize {
        usize::from(self.header.version_len & 0x3f) << 2
    }
}

/// Iterator over the options of a [`Geneve`] header.
#[derive(Clone, Debug)]
pub struct GeneveOptions<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for GeneveOptions<'a> {
    type Item = GeneveOption<'a>;

    /// The next option; stops in front of one that does not fit.
    fn next(&mut self) -> Option<Self::Item> {
        let (header, rest) = OptionHeader::ref_from_prefix(self.rest).ok()?;
        let (data, rest) = rest.split_at_checked(usize::from(header.len & 0x1f) << 2)?;
        self.rest = rest;
        Some(GeneveOption {
            class: header.class.get(),
            kind: header.kind,
            critical: header.kind & CRITICAL_OPTION != 0,
            data,
        })
    }
}

impl<'a> Dissect<'a> for Geneve<'a> {
    #[inline]
    fn next(&self, place: &Place<'a, '_>) -> Next<'a> {
        if self.is_control() {
            return Next::Opaque(Reason::ControlMessage);
        }
        carried(self.protocol(), self.payload(), place.options)
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let id = Some(self.vni().into());
        let mut opened = Opened::new(Encapsulation::Geneve, id, self.payload());
        opened.facts.direction = self.direction();
        Some(opened)
    }
}

impl Geneve<'_> {
    /// Way of the packet, if Google's intercept tells it. There *egress* is what a machine sends,
    /// which a switch in front of it receives.
    fn direction(&self) -> Option<Direction> {
        let network = self
            .options()
            .find(|option| (option.class, option.kind) == GOOGLE_NETWORK)?;
        match network.data {
            [_, _, _, flags] if flags & SENT != 0 => Some(Direction::Ingress),
            [_, _, _, _] => Some(Direction::Egress),
            _ => None,
        }
    }
}

/// Writes the header and the options, as they are on the wire.
pub(crate) fn write(vni: u32, protocol: u16, options: &[u8], out: &mut Vec<u8>) {
    let critical = GeneveOptions { rest: options }.any(|option| option.critical);
    let header = Header {
        version_len: (options.len() >> 2) as u8 & 0x3f,
        flags: if critical { CRITICAL } else { 0 },
        protocol: protocol.into(),
        vni: (vni << 8).into(),
    };
    out.extend_from_slice(header.as_bytes());
    out.extend_from_slice(options);
}

#[cfg(test)]
mod tests {
    use super::*;
    use hex_literal::hex;

    const OVN: [u8; 17] = hex!("02 7f 6558 fedcba ff 0102 80 e1 0007002a 02");

    #[test]
    fn every_field_is_read() {
        let geneve = Geneve::parse(&OVN).unwrap();
        assert!(!geneve.is_control() && geneve.has_critical_options());
        assert_eq!(geneve.protocol(), 0x6558);
        assert_eq!(geneve.vni(), 0xfe_dcba);
        assert_eq!(geneve.payload(), [2]);
        let options: Vec<_> = geneve.options().collect();
        assert_eq!(
            options,
            [GeneveOption {
                class: 0x0102,
                kind: 0x80,
                critical: true,
                data: &hex!("0007002a"),
            }]
        );
        for len in 0..16 {
            assert_eq!(Geneve::parse(&OVN[..len]).unwrap_err(), Reason::Truncated);
        }
        let control = hex!("00 bf 0800 000001 00");
        let geneve = Geneve::parse(&control).unwrap();
        assert!(geneve.is_control() && !geneve.has_critical_options());
    }

    #[test]
    fn options_must_add_up() {
        let parse = |at: usize, value: u8| {
            let mut bytes = OVN;
            bytes[at] = value;
            Geneve::parse(&bytes).map(|geneve| geneve.options().count())
        };
        assert_eq!(parse(11, 2), Err(Reason::BadOptions));
        assert_eq!(parse(11, 0), Err(Reason::BadOptions));
        assert_eq!(parse(0, 0x42), Err(Reason::BadVersion));
        let empty_options = hex!("02 00 6558 000001 00 0102 01 00 0102 02 e0");
        let kinds: Vec<_> = Geneve::parse(&empty_options)
            .unwrap()
            .options()
            .map(|option| (option.kind, option.critical, option.data.len()))
            .collect();
        assert_eq!(kinds, [(1, false, 0), (2, false, 0)]);
    }

    #[test]
    fn the_direction_that_google_tells_is_that_of_the_switch() {
        let way = |option: [u8; 8]| {
            let bytes = [&hex!("02006558 00138900")[..], &option].concat();
            let geneve = Geneve::parse(&bytes).unwrap();
            geneve.opened(None).unwrap().facts.direction
        };
        assert_eq!(way(hex!("01320101 800000d1")), Some(Direction::Ingress));
        assert_eq!(way(hex!("01320101 800000d0")), Some(Direction::Egress));
        assert_eq!(way(hex!("01320201 800000d1")), None);
        assert_eq!(way(hex!("01020101 800000d1")), None);
    }
}
