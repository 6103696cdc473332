//! MPLS: a stack of labels in front of an IP packet, or of the Ethernet frame of a pseudowire.
//!
//! Specification: RFC 3032 §2.1, RFC 4023 (in IP and GRE), RFC 7510 (in UDP), RFC 4385 and RFC 4448
//! (pseudowires and their control word), RFC 6790 (entropy labels), RFC 5586 (associated channel).
//!
//! No field tells what follows the stack: only the router that chose the bottom label knows. It is
//! judged by its first bytes. OTV in GRE (0x8848, one label, Ethernet without a control word) is such
//! a pseudowire, and nothing on the wire tells it from another; its label is the VLAN plus 32.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::dissect::{Dissect, Next, Opened, Place};
use crate::link::LinkType;
use crate::protocol::Encapsulation;
use crate::protocol::ethernet::{Plausibility, plausibility};
use crate::protocol::ipv4::Ipv4;
use crate::protocol::ipv6::{HEADER_LEN, Ipv6};
use crate::reason::Reason;

/// `EtherType` of labels.
pub(crate) const ETHER_TYPE: u16 = 0x8847;

/// Labels that are followed in one stack.
const MAX_LABELS: usize = 16;

const IPV4_NULL: u32 = 0;
const IPV6_NULL: u32 = 2;
const ENTROPY_INDICATOR: u32 = 7;
const GENERIC_CHANNEL: u32 = 13;
const OAM_ALERT: u32 = 14;
const EXTENSION: u32 = 15;
/// Smallest label that routers give away.
const MIN_UNRESERVED: u32 = 16;

/// A payload shorter than this tells its length in the control word.
const SHORT: usize = 64;

/// An entry of the stack as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct Entry {
    /// Label (20 bits), traffic class (3), bottom of the stack (1), time to live (8).
    word: U32,
}

impl Entry {
    fn label(&self) -> u32 {
        self.word.get() >> 12
    }

    fn is_bottom(&self) -> bool {
        self.word.get() & 0x0100 != 0
    }
}

/// The control word of an Ethernet pseudowire as it is on the wire.
#[derive(FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned, Debug)]
#[repr(C)]
struct ControlWord {
    /// Zero (4 bits), flags (4), fragmentation (2), length (6).
    flags_len: U16,
    sequence: U16,
}

/// What follows the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Content {
    Ip,
    Ethernet,
    /// Messages between the ends of a label switched path.
    Channel,
}

/// One entry of a label stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MplsLabel {
    /// Label (20 bits).
    pub label: u32,
    /// Traffic class (3 bits).
    pub traffic_class: u8,
    /// Time to live.
    pub ttl: u8,
}

/// A checked label stack and what follows it.
#[derive(Clone, Copy, Debug)]
pub struct Mpls<'a> {
    entries: &'a [Entry],
    control_word: Option<&'a ControlWord>,
    content: Content,
    payload: &'a [u8],
}

impl<'a> Mpls<'a> {
    /// Reads the stack at the start of `bytes`, down to its bottom.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Reason> {
        let (entries, _) = bytes.as_chunks::<{ size_of::<Entry>() }>();
        let entries = entries.get(..MAX_LABELS).unwrap_or(entries);
        let entries =
            <[Entry]>::ref_from_bytes(entries.as_flattened()).map_err(|_| Reason::Truncated)?;
        let Some(bottom) = entries.iter().position(Entry::is_bottom) else {
            return Err(match entries.len() {
                MAX_LABELS => Reason::TooManyHeaders,
                _ => Reason::Truncated,
            });
        };
        let entries = entries.get(..=bottom).unwrap_or_default();
        let payload = bytes.get(size_of_val(entries)..).unwrap_or_default();
        let mut mpls = Self {
            entries,
            control_word: None,
            content: Content::Ip,
            payload,
        };
        mpls.content = mpls.judge();
        if mpls.content == Content::Ethernet
            && let Some((control_word, frame)) = control_word(payload)
        {
            mpls.control_word = Some(control_word);
            mpls.payload = frame;
        }
        Ok(mpls)
    }

    /// The labels, from the top.
    pub fn labels(&self) -> impl ExactSizeIterator<Item = MplsLabel> {
        self.entries.iter().map(|entry| MplsLabel {
            label: entry.label(),
            traffic_class: (entry.word.get() >> 9) as u8 & 7,
            ttl: entry.word.get() as u8,
        })
    }

    /// The lowest label that names a service or a path: entropy and reserved labels name none. The
    /// bottom label if there is no such label.
    pub fn service_label(&self) -> u32 {
        let mut service = None;
        let mut skip = false;
        for label in self.entries.iter().map(Entry::label) {
            match label {
                _ if skip => skip = false,
                ENTROPY_INDICATOR | EXTENSION => skip = true,
                MIN_UNRESERVED.. => service = Some(label),
                _ => {}
            }
        }
        service.unwrap_or(self.bottom_label())
    }

    /// Sequence number of a pseudowire that has a control word; 0 if it does not count.
    pub fn sequence(&self) -> Option<u16> {
        self.control_word.map(|word| word.sequence.get())
    }

    /// What follows the stack and the control word.
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    fn bottom_label(&self) -> u32 {
        self.entries.last().map_or(0, Entry::label)
    }

    /// Judges what follows the stack.
    fn judge(&self) -> Content {
        match self.bottom_label() {
            IPV4_NULL | IPV6_NULL => return Content::Ip,
            GENERIC_CHANNEL | OAM_ALERT => return Content::Channel,
            _ => {}
        }
        let ethernet = || plausibility(self.payload);
        match *self.payload {
            [] => Content::Ip,
            [0x40..=0x4f | 0x60..=0x6f, ..] if is_likelier_ip(self.payload) => Content::Ip,
            [0x10, 0, ..] if ethernet() != Plausibility::Confirmed => Content::Channel,
            _ => Content::Ethernet,
        }
    }
}

/// The bytes, which start with a version of IP, are rather an IP packet than an Ethernet frame.
fn is_likelier_ip(bytes: &[u8]) -> bool {
    let ip = as_ip(bytes);
    ip == Plausibility::Confirmed || ip >= plausibility(bytes)
}

/// How surely an IP packet starts with the first of `bytes`, measured as for Ethernet.
fn as_ip(bytes: &[u8]) -> Plausibility {
    let confirmed = Ipv4::parse(bytes).map(|ip| ip.checksum_ok()).or_else(|_| {
        Ipv6::parse(bytes)
            .map(|ip| usize::from(ip.payload_len()).checked_add(HEADER_LEN) == Some(bytes.len()))
    });
    match confirmed {
        Ok(true) => Plausibility::Confirmed,
        Ok(false) => Plausibility::Possible,
        Err(_) => Plausibility::No,
    }
}

/// The control word at the start of a pseudowire's payload and the frame behind it, if there is one.
fn control_word(payload: &[u8]) -> Option<(&ControlWord, &[u8])> {
    let (word, frame) = ControlWord::ref_from_prefix(payload).ok()?;
    let flags_len = word.flags_len.get();
    if flags_len >> 12 != 0 {
        return None;
    }
    let len = usize::from(flags_len & 0x3f);
    // Ethernet uses neither flags nor fragmentation, and has a length only if it is short.
    let valid = flags_len & 0x0fc0 == 0
        && (len == 0
            || payload.len() < SHORT && (size_of::<ControlWord>()..=payload.len()).contains(&len));
    let (with, without) = (plausibility(frame), plausibility(payload));
    // An address may start with the zeros of a control word: the frame that is confirmed decides.
    if with < without || with == without && !valid {
        return None;
    }
    let whole = payload.get(..len).filter(|_| valid && len > 0);
    let padded = whole.and_then(|whole| whole.get(size_of::<ControlWord>()..));
    Some((word, padded.unwrap_or(frame)))
}

impl<'a> Dissect<'a> for Mpls<'a> {
    fn next(&self, _: &Place<'a, '_>) -> Next<'a> {
        match self.content {
            Content::Ip => Next::Frame(LinkType::RawIp, self.payload),
            Content::Ethernet => Next::Frame(LinkType::Ethernet, self.payload),
            Content::Channel => Next::Opaque(Reason::ControlMessage),
        }
    }

    fn opened(&self, _: Option<u32>) -> Option<Opened<'a>> {
        let encapsulation = match self.content {
            Content::Ethernet => Encapsulation::MplsPw,
            Content::Ip | Content::Channel => Encapsulation::Mpls,
        };
        Some(Opened {
            one_way_id: true,
            ..Opened::new(
                encapsulation,
                Some(self.service_label().into()),
                self.payload,
            )
        })
    }
}

/// Writes a stack, top first, and the control word with this sequence number if there is to be one.
pub(crate) fn write(labels: &[u32], control_word: Option<u16>, out: &mut Vec<u8>) {
    const TTL: u32 = 64;
    for (index, label) in labels.iter().enumerate() {
        let is_bottom = index.saturating_add(1) == labels.len();
        let entry = Entry {
            word: (label << 12 | u32::from(is_bottom) << 8 | TTL).into(),
        };
        out.extend_from_slice(entry.as_bytes());
    }
    if let Some(sequence) = control_word {
        let word = ControlWord {
            flags_len: 0.into(),
            sequence: sequence.into(),
        };
        out.extend_from_slice(word.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;

    use super::*;

    /// A TCP SYN from 192.0.2.10, with a right checksum.
    const IP: [u8; 40] =
        hex!("450000280a0a400040064474c000020ac6336414 9c4001bb11223344000000005002faf0e63d0000");
    const IP6: [u8; 48] = hex!(
        "6000000000081140 20010db8000000000000000000000001 20010db8000000000000000000000002"
        "1389138a00080000"
    );
    const BOTTOM: [u8; 4] = hex!("05dc1140");

    fn frame(destination: [u8; 6]) -> Vec<u8> {
        [&destination[..], &hex!("02000000000a 0800"), &IP].concat()
    }

    /// What is read behind one label.
    fn behind(payload: &[u8]) -> (Content, Option<u16>, Vec<u8>) {
        let bytes = [&BOTTOM[..], payload].concat();
        let mpls = Mpls::parse(&bytes).unwrap();
        (mpls.content, mpls.sequence(), mpls.payload().to_vec())
    }

    #[test]
    fn every_field_is_read() {
        let bytes = [&hex!("fedcba3f 05dc7b7d")[..], &IP].concat();
        let mpls = Mpls::parse(&bytes).unwrap();
        let labels: Vec<_> = mpls.labels().collect();
        let expected =
            [(0xf_edcb, 5, 0x3f), (24007, 5, 0x7d)].map(|(label, traffic_class, ttl)| MplsLabel {
                label,
                traffic_class,
                ttl,
            });
        assert_eq!(labels, expected);
        assert_eq!(mpls.service_label(), 24007);
        assert_eq!(mpls.payload(), IP);
        for len in 0..8 {
            assert_eq!(Mpls::parse(&bytes[..len]).unwrap_err(), Reason::Truncated);
        }
        let opened = mpls.opened(None).unwrap();
        assert!(opened.one_way_id);
        assert_eq!(opened.encapsulation, Encapsulation::Mpls);
    }

    #[test]
    fn stacks_are_bounded() {
        let stack = |labels: usize| {
            let mut bytes = Vec::new();
            write(&vec![100; labels], None, &mut bytes);
            bytes
        };
        assert_eq!(Mpls::parse(&stack(16)).unwrap().labels().count(), 16);
        assert_eq!(Mpls::parse(&stack(17)).unwrap_err(), Reason::TooManyHeaders);
    }

    #[test]
    fn reserved_and_entropy_labels_name_no_service() {
        let service = |labels: &[u32]| {
            let mut bytes = Vec::new();
            write(labels, None, &mut bytes);
            bytes.extend(IP);
            Mpls::parse(&bytes).unwrap().service_label()
        };
        assert_eq!(service(&[16001, 24007]), 24007);
        assert_eq!(service(&[16001, 24007, 7, 0xabcde]), 24007);
        assert_eq!(service(&[16001, 0]), 16001);
        assert_eq!(service(&[16001, 15, 300]), 16001);
        assert_eq!(service(&[2]), 2);
    }

    #[test]
    fn ip_is_known_by_its_header_and_by_explicit_null() {
        assert_eq!(behind(&IP), (Content::Ip, None, IP.to_vec()));
        assert_eq!(behind(&IP6), (Content::Ip, None, IP6.to_vec()));
        let mut wrong_checksum = IP;
        wrong_checksum[10] ^= 1;
        assert_eq!(behind(&wrong_checksum).0, Content::Ip);
        assert_eq!(behind(&IP6[..44]).0, Content::Ip);
        // Addresses that start like IP do not hide the frame behind them.
        for destination in [hex!("450000280a0a"), hex!("600000000008")] {
            let frame = frame(destination);
            assert_eq!(behind(&frame), (Content::Ethernet, None, frame));
        }
        let null = [&hex!("00000140")[..], &[0; 40]].concat();
        assert_eq!(Mpls::parse(&null).unwrap().content, Content::Ip);
    }

    #[test]
    fn a_control_word_is_told_from_an_address() {
        for destination in [
            hex!("02000000000b"),
            hex!("005056895ff5"),
            hex!("000000000001"),
            hex!("a2000000000b"),
        ] {
            let frame = frame(destination);
            assert_eq!(behind(&frame), (Content::Ethernet, None, frame.clone()));
            let with = [&hex!("00000105")[..], &frame].concat();
            assert_eq!(behind(&with), (Content::Ethernet, Some(0x0105), frame));
        }
    }

    #[test]
    fn a_frame_that_nothing_confirms_is_taken_as_its_first_bytes_are() {
        let unknown = hex!("020000005102 020000005101 88b5 6d706c73");
        assert_eq!(behind(&unknown).1, None);
        let with = [&hex!("00000000")[..], &unknown].concat();
        assert_eq!(
            behind(&with),
            (Content::Ethernet, Some(0), unknown.to_vec())
        );
        // Cisco's spanning tree in a pseudowire without a control word.
        let hello = hex!("0180c2000014 02000000000a 0005 fefe03 83 1b");
        assert_eq!(behind(&hello), (Content::Ethernet, None, hello.to_vec()));
    }

    #[test]
    fn the_length_of_a_control_word_drops_padding() {
        let arp = hex!(
            "ffffffffffff 02000000000a 0806 0001080006040001 02000000000a 0a000001 000000000000 0a000002"
        );
        let padded = [&hex!("002e0000")[..], &arp, &[0; 8]].concat();
        assert_eq!(behind(&padded), (Content::Ethernet, Some(0), arp.to_vec()));
    }

    #[test]
    fn an_associated_channel_is_no_traffic() {
        let channel = hex!("10000021 45000028");
        assert_eq!(behind(&channel).0, Content::Channel);
        assert_eq!(behind(&frame(hex!("100000000021"))).0, Content::Ethernet);
        let alert = [&hex!("0000d101")[..], &channel].concat();
        assert_eq!(Mpls::parse(&alert).unwrap().content, Content::Channel);
        let next = |bytes| Mpls::parse(bytes).unwrap().opened(None).unwrap().id;
        assert_eq!(next(&alert), Some(13));
    }
}
