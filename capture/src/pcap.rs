//! pcap files: a header of 24 bytes, then packets, each behind 16 bytes (24 in Kuznetsov's variant).
//!
//! Snap length, time zone, accuracy and the FCS bits of the link word are not read: files in the
//! field carry anything there.

use pcap_file::pcap::PcapHeader;
use pcap_file::{Endianness, TsResolution};

use crate::frame::{MAX_PACKET, NOWHERE, Packet};
use crate::input::Input;
use crate::{Error, Interface};

/// Length of the file header.
const FILE_HEADER: usize = 24;
/// Length of a packet header.
const PACKET_HEADER: usize = 16;
/// The only major version there ever was.
const MAJOR: u16 = 2;

/// Reads the packets of one pcap file.
///
/// `pcap-file` parses the file header. The packet headers are read here: its checked packets refuse
/// every frame that the snap length cut, and its raw ones say only that bytes are missing, not how
/// many, which a live pipe and the limit on lengths have to know first.
pub(crate) struct Pcap {
    layout: Layout,
    interface: u32,
    /// Of the latest packet.
    number: u64,
}

/// How a file writes packet headers.
#[derive(Clone, Copy)]
struct Layout {
    big_endian: bool,
    /// Nanoseconds in one unit of the fraction.
    unit: i64,
    /// Bytes before each packet's data.
    packet_header: usize,
}

impl Layout {
    /// A fraction of a second or more is simply added: some writers do not carry over.
    #[inline]
    fn time(self, seconds: u32, fraction: u32) -> i64 {
        i64::from(seconds) * 1_000_000_000 + i64::from(fraction) * self.unit
    }

    /// The fields of a packet header: seconds, fraction of a second, bytes captured, bytes on the wire.
    #[inline]
    fn header(self, bytes: &[u8]) -> Option<[u32; 4]> {
        let (words, _) = bytes.first_chunk::<PACKET_HEADER>()?.as_chunks::<4>();
        let words: [[u8; 4]; 4] = words.try_into().ok()?;
        Some(if self.big_endian {
            words.map(u32::from_be_bytes)
        } else {
            words.map(u32::from_le_bytes)
        })
    }
}

impl Pcap {
    /// Reads the file header; None if `magic` is not one of pcap's.
    pub fn open(
        input: &mut Input,
        magic: [u8; 4],
        source: &str,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Option<Self>, Error> {
        let (magic, packet_header) = match magic {
            [0xa1, 0xb2, 0xc3, 0xd4]
            | [0xd4, 0xc3, 0xb2, 0xa1]
            | [0xa1, 0xb2, 0x3c, 0x4d]
            | [0x4d, 0x3c, 0xb2, 0xa1] => (magic, PACKET_HEADER),
            // Kuznetsov's variant adds interface, protocol and packet type to each packet header.
            [0xa1, 0xb2, 0xcd, 0x34] => ([0xa1, 0xb2, 0xc3, 0xd4], PACKET_HEADER + 8),
            [0x34, 0xcd, 0xb2, 0xa1] => ([0xd4, 0xc3, 0xb2, 0xa1], PACKET_HEADER + 8),
            _ => return Ok(None),
        };
        input.fill(FILE_HEADER)?;
        let cut = |have: usize| Error::CutHeader {
            file: input.name(),
            have: have as u64,
            want: FILE_HEADER as u64,
        };
        let Some(bytes) = input.buffered().first_chunk::<FILE_HEADER>() else {
            return Err(cut(input.buffered().len()));
        };
        let mut bytes = *bytes;
        bytes[..4].copy_from_slice(&magic);
        let (_, header) = PcapHeader::from_slice(&bytes).map_err(|_| cut(bytes.len()))?;
        if header.version_major != MAJOR {
            return Err(Error::Version {
                file: input.name(),
                format: "pcap",
                major: header.version_major,
                minor: header.version_minor,
            });
        }
        input.consume(FILE_HEADER);
        let link_type = u32::from(header.datalink) as u16;
        let interface = interfaces.len() as u32;
        interfaces.push(Interface {
            source: source.to_owned(),
            name: None,
            description: None,
            link_type,
        });
        Ok(Some(Self {
            layout: Layout {
                big_endian: header.endianness == Endianness::Big,
                unit: match header.ts_resolution {
                    TsResolution::MicroSecond => 1000,
                    TsResolution::NanoSecond => 1,
                },
                packet_header,
            },
            interface,
            number: 0,
        }))
    }

    /// How to read packets again.
    pub fn again(&self) -> Again {
        Again {
            layout: self.layout,
            interface: self.interface,
        }
    }

    /// The next packet, None at the end of the file.
    pub fn next(&mut self, input: &mut Input) -> Result<Option<Packet>, Error> {
        let there = self.fill(input)?;
        Ok(there.then(|| self.buffered(input)).flatten())
    }

    /// The next packet if all of it is buffered, and nothing is wrong with it.
    #[inline]
    pub fn buffered(&mut self, input: &mut Input) -> Option<Packet> {
        let bytes = input.buffered();
        let [seconds, fraction, captured, wire_len] = self.layout.header(bytes)?;
        let len = captured as usize;
        let whole = self.layout.packet_header + len;
        if captured > MAX_PACKET || bytes.len() < whole {
            return None;
        }
        self.number += 1;
        let offset = input.offset();
        Some(Packet {
            time: self.layout.time(seconds, fraction),
            wire_len,
            interface: self.interface,
            number: self.number,
            offset,
            start: input.consume(whole) + self.layout.packet_header,
            len,
        })
    }

    /// Sees to it that the next packet is buffered; false at the end of the file.
    fn fill(&self, input: &mut Input) -> Result<bool, Error> {
        if !input.fill(self.layout.packet_header)? {
            if input.buffered().is_empty() {
                return Ok(false);
            }
            return Err(self.cut(input, self.layout.packet_header));
        }
        let Some([_, _, captured, _]) = self.layout.header(input.buffered()) else {
            return Err(self.cut(input, self.layout.packet_header));
        };
        if captured > MAX_PACKET {
            return Err(Error::Oversized {
                file: input.name(),
                packet: self.number + 1,
                offset: input.offset(),
                claimed: captured,
            });
        }
        let whole = self.layout.packet_header + captured as usize;
        if !input.fill(whole)? {
            return Err(self.cut(input, whole));
        }
        Ok(true)
    }

    fn cut(&self, input: &Input, want: usize) -> Error {
        Error::CutPacket {
            file: input.name(),
            packet: self.number + 1,
            offset: input.offset(),
            have: input.buffered().len() as u64,
            want: want as u64,
        }
    }
}

/// Reads packets whose places are known.
#[derive(Clone, Copy)]
pub(crate) struct Again {
    layout: Layout,
    interface: u32,
}

impl Again {
    /// Bytes that tell how long the record of a packet is.
    pub fn head(&self) -> usize {
        self.layout.packet_header
    }

    /// The length of the record that begins so; None if none does.
    pub fn len(&self, head: &[u8]) -> Option<usize> {
        let [_, _, captured, _] = self.layout.header(head)?;
        (captured <= MAX_PACKET).then_some(self.layout.packet_header + captured as usize)
    }

    /// Reads a record.
    pub fn packet(&self, record: &[u8]) -> Option<Packet> {
        let [seconds, fraction, captured, wire_len] = self.layout.header(record)?;
        Some(Packet {
            time: self.layout.time(seconds, fraction),
            wire_len,
            interface: self.interface,
            number: 0,
            offset: NOWHERE,
            start: self.layout.packet_header,
            len: captured as usize,
        })
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use pcap_file::DataLink;
    use proptest::prelude::*;

    use crate::testing::{pcap, read};

    const PACKET: [u8; 20] = hex!("0000 0001 0000 0002 0000 0004 0000 003c 01020304");

    /// A big-endian file: header with this magic, one packet behind it.
    fn big_endian(magic: [u8; 4], link_word: [u8; 4], packet: &[u8]) -> Vec<u8> {
        let rest = hex!("0002 0004 00000000 00000000 00000000");
        [&magic[..], &rest, &link_word, packet].concat()
    }

    #[test]
    fn micro_and_nanoseconds_in_both_byte_orders() {
        let little = |magic: [u8; 4]| {
            let rest = hex!("0200 0400 00000000 00000000 ffff0000 01000000");
            let packet = hex!("01000000 02000000 04000000 3c000000 01020304");
            [&magic[..], &rest, &packet].concat()
        };
        for (file, time) in [
            (
                big_endian(hex!("a1b2c3d4"), hex!("00000001"), &PACKET),
                1_000_002_000,
            ),
            (
                big_endian(hex!("a1b23c4d"), hex!("00000001"), &PACKET),
                1_000_000_002,
            ),
            (little(hex!("d4c3b2a1")), 1_000_002_000),
            (little(hex!("4d3cb2a1")), 1_000_000_002),
        ] {
            let outcome = read(&file).unwrap();
            let [frame] = &outcome.frames[..] else {
                panic!("{outcome:?}");
            };
            assert_eq!(frame.time, time);
            assert_eq!((frame.wire_len, frame.number, frame.interface), (60, 1, 0));
            assert_eq!(frame.bytes, [1, 2, 3, 4]);
            assert!(outcome.problems.is_empty());
        }
    }

    #[test]
    fn kuznetsovs_packet_headers_are_eight_bytes_longer() {
        let packet = hex!("00000001 00000002 00000004 0000003c 00000007 0800 00 00 01020304");
        let outcome = read(&big_endian(hex!("a1b2cd34"), hex!("00000001"), &packet)).unwrap();
        assert_eq!(outcome.frames[0].bytes, [1, 2, 3, 4]);
        assert_eq!(outcome.times(), [1_000_002_000]);
        assert!(outcome.problems.is_empty());
    }

    #[test]
    fn link_type_is_the_low_half_of_its_word() {
        let outcome = read(&big_endian(hex!("a1b2c3d4"), hex!("24000114"), &PACKET)).unwrap();
        assert_eq!(outcome.interfaces[0].link_type, 276);
        assert_eq!(outcome.frames[0].link_type, 276);
    }

    /// The link type goes through the names of `pcap-file` and back.
    #[test]
    fn every_link_type_survives_its_name() {
        for number in 0..=u32::from(u16::MAX) {
            assert_eq!(u32::from(DataLink::from(number)), number);
        }
    }

    #[test]
    fn a_fraction_beyond_a_second_is_added() {
        let packet = hex!("00000001 001e8480 00000000 00000000");
        let outcome = read(&big_endian(hex!("a1b2c3d4"), hex!("00000001"), &packet)).unwrap();
        assert_eq!(outcome.times(), [3_000_000_000]);
    }

    #[test]
    fn more_captured_than_sent_is_tolerated() {
        let packet = hex!("00000001 00000000 00000004 00000002 01020304");
        let outcome = read(&big_endian(hex!("a1b2c3d4"), hex!("00000001"), &packet)).unwrap();
        assert_eq!(outcome.frames[0].wire_len, 2);
        assert_eq!(outcome.frames[0].bytes.len(), 4);
    }

    #[test]
    fn an_absurd_length_ends_the_file() {
        let packets = [&PACKET[..], &hex!("00000001 00000000 00040001 00040001")].concat();
        let outcome = read(&big_endian(hex!("a1b2c3d4"), hex!("00000001"), &packets)).unwrap();
        assert_eq!(outcome.frames.len(), 1);
        let problem = "packet 2 at byte 44: corrupt: packet claims 262145 bytes";
        assert_eq!(outcome.problems, [problem]);
    }

    #[test]
    fn another_major_version_is_refused() {
        let mut file = pcap(&[]);
        file[4] = 3;
        assert_eq!(read(&file).unwrap_err(), "unsupported pcap version 3.4");
    }

    #[test]
    fn cut_at_every_byte() {
        let file = pcap(&[5, 6, 7]);
        let ends = [24, 40, 57, 75];
        assert_eq!(file.len(), 75);
        assert_eq!(read(&file[..0]).unwrap_err(), "empty file");
        assert!(
            read(&file[..3])
                .unwrap_err()
                .starts_with("not a capture file")
        );
        for cut in 4..24 {
            let expected = format!("cut short inside the file header, {cut} of 24 bytes");
            assert_eq!(read(&file[..cut]).unwrap_err(), expected);
        }
        for cut in 24..=file.len() {
            let outcome = read(&file[..cut]).unwrap();
            let complete = ends.iter().filter(|end| **end <= cut).count() - 1;
            assert_eq!(outcome.frames.len(), complete, "cut at {cut}");
            let problems = usize::from(!ends.contains(&cut));
            assert_eq!(outcome.problems.len(), problems, "cut at {cut}");
        }
        let outcome = read(&file[..74]).unwrap();
        assert_eq!(
            outcome.problems,
            ["packet 3 at byte 57: cut short, 17 of 18 bytes"]
        );
    }

    proptest! {
        #[test]
        fn any_bytes_behind_the_header_are_read_without_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let file = [&pcap(&[])[..], &bytes].concat();
            let outcome = read(&file).unwrap();
            prop_assert!(outcome.problems.len() <= 1);
        }

        #[test]
        fn damaged_files_are_read_without_panic(
            damage in prop::collection::vec((0_usize..200, any::<u8>()), 1..6),
        ) {
            let mut file = pcap(&[1, 2, 3, 4, 5]);
            for (at, byte) in damage {
                if let Some(place) = file.get_mut(at) {
                    *place = byte;
                }
            }
            if let Ok(outcome) = read(&file) {
                prop_assert!(outcome.problems.len() <= 1);
            }
        }
    }
}
