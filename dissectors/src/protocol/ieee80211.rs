//! IEEE 802.11: the frames of a wireless network, as an access point, a controller or a capturing
//! card passes them on.
//!
//! Specification: IEEE 802.11 §9.2 and §9.3. Data frames are opened, unless encrypted. Of an
//! aggregate (A-MSDU) only the first subframe is: a frame is followed to one innermost packet, and
//! keeping more would take memory on the way in. Mesh control headers are not read.

use zerocopy::byteorder::{little_endian, network_endian};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Place};
use crate::protocol::Protocol;
use crate::protocol::ethernet::Macs;
use crate::protocol::llc::SNAP;
use crate::reason::Reason;

const TO_DS: u16 = 0x0100;
const FROM_DS: u16 = 0x0200;
const PROTECTED: u16 = 0x4000;
/// Of a QoS data frame: a high throughput control field follows.
const ORDER: u16 = 0x8000;
/// Bit of a data frame's subtype: no data.
const NULL: u8 = 4;
/// Bit of a data frame's subtype: a QoS field follows.
const QOS: u8 = 8;
/// Bit of the QoS field: the payload is an aggregate.
const AGGREGATE: u16 = 0x0080;

/// What a data frame starts with, as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Header {
    /// In the order of its bits from the lowest: version (2 bits), type (2), subtype (4), flags (8).
    control: little_endian::U16,
    duration: little_endian::U16,
    receiver: [u8; 6],
    transmitter: [u8; 6],
    third: [u8; 6],
    /// Fragment number (4 bits), sequence number (12), from the lowest.
    sequence: little_endian::U16,
}

/// The header of a subframe of an aggregate as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Subframe {
    destination: [u8; 6],
    source: [u8; 6],
    len: network_endian::U16,
}

/// Kind of an 802.11 frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameType {
    /// Management: beacons, association and the like.
    Management,
    /// Control: acknowledgements and the like.
    Control,
    /// Data.
    Data,
    /// Extension.
    Extension,
}

/// A checked header and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Ieee80211<'a> {
    control: u16,
    /// The fields are in the other byte order.
    swapped: bool,
    /// Only of data frames: others have other fields.
    data: Option<Data<'a>>,
}

#[derive(Clone, Copy, Debug)]
struct Data<'a> {
    header: &'a Header,
    /// Present if the frame goes from one distribution system to another.
    fourth: Option<&'a [u8; 6]>,
    qos: Option<u16>,
    /// Of the first subframe, if the payload is an aggregate in the clear.
    subframe: Option<&'a Subframe>,
    payload: &'a [u8],
}

impl<'a> Ieee80211<'a> {
    /// Reads the header at the start of a frame.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (control, _) =
            little_endian::U16::read_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let control = control.get();
        // Some controllers swap the bytes of each field. What then stands in place of the version,
        // which is 0, are the bits that tell where the frame comes from or goes to: one is set.
        let swapped = version(control) != 0 && version(control.swap_bytes()) == 0;
        let mut frame = Self {
            control: in_order(control, swapped),
            swapped,
            data: None,
        };
        if version(frame.control) != 0 {
            return Err(Reason::BadVersion);
        }
        if frame.frame_type() == FrameType::Data {
            frame.data = Some(frame.parse_data(bytes)?);
        }
        Ok(frame)
    }

    fn parse_data(&self, bytes: &'a [u8]) -> Result<Data<'a>, Reason> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Reason::Truncated)?;
        let (fourth, rest) = if self.control & (TO_DS | FROM_DS) == TO_DS | FROM_DS {
            let (address, rest) = rest.split_first_chunk().ok_or(Reason::Truncated)?;
            (Some(address), rest)
        } else {
            (None, rest)
        };
        let (qos, rest) = if self.subtype() & QOS != 0 {
            let (qos, rest) = rest.split_first_chunk().ok_or(Reason::Truncated)?;
            (Some(in_order(u16::from_le_bytes(*qos), self.swapped)), rest)
        } else {
            (None, rest)
        };
        let rest = if qos.is_some() && self.control & ORDER != 0 {
            rest.get(4..).ok_or(Reason::Truncated)?
        } else {
            rest
        };
        let mut data = Data {
            header,
            fourth,
            qos,
            subframe: None,
            payload: rest,
        };
        if self.has_data() && !self.protected() {
            data.open()?;
        }
        Ok(data)
    }

    /// Kind of the frame.
    pub fn frame_type(&self) -> FrameType {
        match self.control >> 2 & 3 {
            0 => FrameType::Management,
            1 => FrameType::Control,
            2 => FrameType::Data,
            _ => FrameType::Extension,
        }
    }

    /// Kind within [`Self::frame_type`] (4 bits).
    pub fn subtype(&self) -> u8 {
        (self.control >> 4) as u8 & 0x0f
    }

    /// The payload is encrypted.
    pub fn protected(&self) -> bool {
        self.control & PROTECTED != 0
    }

    /// Sequence number of a data frame (12 bits).
    pub fn sequence(&self) -> Option<u16> {
        Some(self.sequence_control()? >> 4)
    }

    /// QoS control of a data frame that has it: traffic identifier (4 bits from the lowest) and so on.
    pub fn qos(&self) -> Option<u16> {
        self.data?.qos
    }

    /// The payload of a data frame is an aggregate (A-MSDU).
    pub fn aggregated(&self) -> bool {
        self.qos().is_some_and(|qos| qos & AGGREGATE != 0)
    }

    /// Sender and receiver of a data frame, as Ethernet would have them.
    pub fn macs(&self) -> Option<Macs> {
        let data = self.data?;
        if let Some(subframe) = data.subframe {
            return Some(Macs {
                source: subframe.source,
                destination: subframe.destination,
            });
        }
        let header = data.header;
        let destination = if self.control & TO_DS == 0 {
            header.receiver
        } else {
            header.third
        };
        let source = match (self.control & FROM_DS, data.fourth) {
            (0, _) => header.transmitter,
            (_, Some(fourth)) => *fourth,
            (_, None) => header.third,
        };
        Some(Macs {
            destination,
            source,
        })
    }

    /// What follows the header of a data frame, or that of the first subframe.
    pub fn payload(&self) -> &'a [u8] {
        self.data.map(|data| data.payload).unwrap_or_default()
    }

    fn has_data(&self) -> bool {
        self.subtype() & NULL == 0
    }

    fn sequence_control(&self) -> Option<u16> {
        let sequence = self.data?.header.sequence.get();
        Some(in_order(sequence, self.swapped))
    }

    fn is_later_fragment(&self) -> bool {
        self.sequence_control()
            .is_some_and(|sequence| sequence & 0x0f != 0)
    }
}

/// Version of a frame control, which is 0.
fn version(control: u16) -> u16 {
    control & 3
}

/// A field as the standard has it.
fn in_order(field: u16, swapped: bool) -> u16 {
    if swapped { field.swap_bytes() } else { field }
}

impl Data<'_> {
    /// Goes on to the LLC header: behind that of the first subframe, or behind padding.
    fn open(&mut self) -> Result<(), Reason> {
        if self.qos.is_some_and(|qos| qos & AGGREGATE != 0) {
            let (subframe, rest) =
                Subframe::ref_from_prefix(self.payload).map_err(|_| Reason::Truncated)?;
            let len = usize::from(subframe.len.get());
            self.subframe = Some(subframe);
            self.payload = rest.get(..len).unwrap_or(rest);
        } else if let Some(padded) = self.payload.get(2..)
            && padded.starts_with(&SNAP)
            && !self.payload.starts_with(&SNAP)
        {
            // Some cards align the payload to 4 bytes.
            self.payload = padded;
        }
        Ok(())
    }
}

impl<'a> Dissect<'a> for Ieee80211<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match self.frame_type() {
            FrameType::Management | FrameType::Control => Next::Opaque(Reason::ControlMessage),
            FrameType::Extension => Next::Opaque(Reason::UnsupportedType),
            FrameType::Data if !self.has_data() => Next::Opaque(Reason::ControlMessage),
            FrameType::Data if self.protected() => Next::Opaque(Reason::Encrypted),
            FrameType::Data if self.is_later_fragment() => Next::Opaque(Reason::UnsupportedType),
            FrameType::Data => Next::Header(Protocol::Llc, self.payload()),
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
    use crate::strip::decapsulate;
    use crate::stripped::Stop;

    const IP: [u8; 28] = hex!("4500001c 00010000 4011 0000 0a000001 0a000002 1389138a0008 0000");
    const LLC: [u8; 8] = hex!("aaaa03 000000 0800");
    const ADDRESSES: [u8; 18] = hex!("020000000001 020000000002 020000000003");

    /// A data frame: control, what follows the sequence number, payload.
    fn frame(control: [u8; 2], more: &[u8], payload: &[u8]) -> Vec<u8> {
        let sequence = hex!("30ab");
        [&control[..], &[0; 2], &ADDRESSES, &sequence, more, payload].concat()
    }

    /// Last bytes of source and destination, and the ports.
    fn read(bytes: &[u8]) -> Option<(u8, u8, (u16, u16))> {
        let stripped = decapsulate(LinkType::Ieee80211, bytes, &Options::default());
        let packet = stripped.packet();
        let macs = packet.macs?;
        match packet.network {
            Network::Ip(ip) => Some((macs.source[5], macs.destination[5], ip.ports?)),
            _ => None,
        }
    }

    fn opaque(bytes: &[u8]) -> Option<Reason> {
        match decapsulate(LinkType::Ieee80211, bytes, &Options::default()).stop {
            Stop::Opaque { reason, .. } => Some(reason),
            _ => None,
        }
    }

    #[test]
    fn every_field_is_read() {
        let bytes = frame(hex!("b841"), &hex!("a501"), &[9]);
        let frame = Ieee80211::parse(&bytes).unwrap();
        assert_eq!(frame.frame_type(), FrameType::Data);
        assert_eq!((frame.subtype(), frame.protected()), (11, true));
        assert_eq!((frame.sequence(), frame.qos()), (Some(0xab3), Some(0x01a5)));
        assert!(frame.aggregated());
        assert_eq!(frame.payload(), [9]);
        for len in 0..26 {
            assert_eq!(
                Ieee80211::parse(&bytes[..len]).unwrap_err(),
                Reason::Truncated
            );
        }
        assert_eq!(
            Ieee80211::parse(&hex!("0901")).unwrap_err(),
            Reason::BadVersion
        );
    }

    #[test]
    fn the_way_through_the_distribution_system_tells_the_addresses() {
        let payload = [&LLC[..], &IP].concat();
        let ports = (5001, 5002);
        for (flags, fourth, source, destination) in [
            (0, &[][..], 2, 1),
            (1, &[], 2, 3),
            (2, &[], 3, 1),
            (3, &hex!("020000000004"), 4, 3),
        ] {
            let plain = frame([0x08, flags], fourth, &payload);
            assert_eq!(read(&plain), Some((source, destination, ports)));
            let qos = [fourth, &[0, 0]].concat();
            let with_qos = frame([0x88, flags], &qos, &payload);
            assert_eq!(read(&with_qos), Some((source, destination, ports)));
            let with_order = frame(
                [0x88, flags | 0x80],
                &[&qos[..], &[7; 4]].concat(),
                &payload,
            );
            assert_eq!(read(&with_order), Some((source, destination, ports)));
        }
        let padded = frame(hex!("8801"), &[0; 4], &payload);
        assert_eq!(read(&padded), Some((2, 3, ports)));
    }

    #[test]
    fn the_first_subframe_of_an_aggregate_is_opened() {
        let subframe = hex!("020000000005 020000000006 0024");
        let bytes = frame(
            hex!("8802"),
            &hex!("8000"),
            &[&subframe[..], &LLC, &IP, &subframe, &LLC, &IP].concat(),
        );
        assert_eq!(read(&bytes), Some((6, 5, (5001, 5002))));
        let parsed = Ieee80211::parse(&bytes).unwrap();
        assert_eq!(parsed.payload().len(), LLC.len() + IP.len());
        assert_eq!(
            Ieee80211::parse(&bytes[..39]).unwrap_err(),
            Reason::Truncated
        );
    }

    #[test]
    fn a_frame_control_with_swapped_bytes_is_read() {
        let mut bytes = frame(hex!("0208"), &[], &[&LLC[..], &IP].concat());
        // Sequence number 0x763, which is fragment 6 in the right order.
        bytes[22..24].copy_from_slice(&hex!("7630"));
        let swapped = Ieee80211::parse(&bytes).unwrap();
        assert_eq!(swapped.frame_type(), FrameType::Data);
        assert_eq!(swapped.sequence(), Some(0x763));
        assert_eq!(
            read(&bytes),
            read(&frame(hex!("0802"), &[], &[&LLC[..], &IP].concat()))
        );
        assert!(read(&bytes).is_some());
        let neither = hex!("0302 0000");
        assert_eq!(Ieee80211::parse(&neither).unwrap_err(), Reason::BadVersion);
    }

    #[test]
    fn what_carries_no_packet_in_the_clear_is_told_apart() {
        assert_eq!(opaque(&hex!("8000 0000")), Some(Reason::ControlMessage));
        assert_eq!(opaque(&hex!("d400 0000")), Some(Reason::ControlMessage));
        assert_eq!(opaque(&hex!("0c00 0000")), Some(Reason::UnsupportedType));
        let null = frame(hex!("4801"), &[], &[]);
        assert_eq!(opaque(&null), Some(Reason::ControlMessage));
        let protected = frame(hex!("0841"), &[], &[0x55; 40]);
        assert_eq!(opaque(&protected), Some(Reason::Encrypted));
        let mut fragment = frame(hex!("0801"), &[], &[0x55; 40]);
        fragment[22] |= 1;
        assert_eq!(opaque(&fragment), Some(Reason::UnsupportedType));
    }
}
