//! What the tests of several files share: captures made by hand, and a reader that keeps all.

use std::io::Write;
use std::sync::Arc;

use flate2::Compression;
use flate2::write::GzEncoder;
use hex_literal::hex;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};
use tempfile::NamedTempFile;

use crate::{Again, BATCH, Error, Files, Frame, Interface, Place};

/// A frame that outlives its source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    pub time: i64,
    pub wire_len: u32,
    pub link_type: u16,
    pub interface: u32,
    pub number: u64,
    pub bytes: Vec<u8>,
}

impl From<Frame<'_>> for Kept {
    fn from(frame: Frame<'_>) -> Self {
        Self {
            time: frame.time,
            wire_len: frame.wire_len,
            link_type: frame.origin.link_type,
            interface: frame.interface,
            number: frame.number,
            bytes: frame.bytes.to_vec(),
        }
    }
}

/// All that files gave.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    pub frames: Vec<Kept>,
    pub interfaces: Vec<Interface>,
    /// Without the paths, which differ each time.
    pub problems: Vec<String>,
}

impl Outcome {
    pub fn times(&self) -> Vec<i64> {
        self.frames.iter().map(|frame| frame.time).collect()
    }
}

/// A file with these bytes, that goes with the value.
pub fn file(bytes: &[u8]) -> NamedTempFile {
    let mut file = NamedTempFile::new().unwrap();
    file.write_all(bytes).unwrap();
    file
}

/// Reads capture files that hold these bytes, the same whatever the size of batches; the error of opening as its text, without the path.
pub fn read_all(contents: &[&[u8]]) -> Result<Outcome, String> {
    let kept: Vec<_> = contents.iter().map(|bytes| file(bytes)).collect();
    let paths: Vec<_> = kept.iter().map(|file| file.path().to_owned()).collect();
    let text = |error: &Error| {
        let text = error.to_string();
        let path = paths
            .iter()
            .find(|path| text.starts_with(&*path.to_string_lossy()));
        let skip = path.map_or(0, |path| path.to_string_lossy().len() + 2);
        text[skip..].to_owned()
    };
    let outcome = |most: usize| {
        let mut files = Files::open(&paths, Arc::default()).map_err(|error| text(&error))?;
        let (mut frames, mut places) = (Vec::new(), Vec::new());
        loop {
            let batch = files.next_frames(most);
            assert!(batch.len() <= most);
            if batch.len() == 0 {
                break;
            }
            for frame in batch {
                places.push(frame.place);
                frames.push(Kept::from(frame));
            }
        }
        read_again(&mut files.again(), &places, &frames);
        Ok(Outcome {
            frames,
            interfaces: files.interfaces().to_vec(),
            problems: files.problems().iter().map(text).collect(),
        })
    };
    let whole = outcome(BATCH);
    for most in [1, 3] {
        assert_eq!(outcome(most), whole, "at most {most} at once");
    }
    whole
}

/// Each frame that has a place is there once more, in any order.
fn read_again(again: &mut Again, places: &[Option<Place>], frames: &[Kept]) {
    for (place, first) in places.iter().zip(frames).rev() {
        let Some(place) = place else {
            continue;
        };
        assert_eq!(Place::from_bits(place.to_bits()), *place);
        let frame = again.frame(*place).unwrap();
        let same = Kept {
            time: frame.time,
            wire_len: frame.wire_len,
            link_type: frame.origin.link_type,
            interface: frame.interface,
            number: first.number,
            bytes: frame.bytes.to_vec(),
        };
        assert_eq!(same, *first);
    }
}

/// Reads one capture file.
pub fn read(bytes: &[u8]) -> Result<Outcome, String> {
    read_all(&[bytes])
}

/// A pcap file, µs, little-endian, of Ethernet frames with these times in seconds, each frame as
/// long as its place in the list and captured in full.
pub fn pcap(times: &[u32]) -> Vec<u8> {
    let mut file = hex!("d4c3b2a1 0200 0400 00000000 00000000 00000400 01000000").to_vec();
    for (len, time) in times.iter().enumerate() {
        for field in [*time, 0, len as u32, len as u32] {
            file.extend(field.to_le_bytes());
        }
        file.extend(vec![0xaa; len]);
    }
    file
}

/// A pcapng block with this type and body, little-endian.
pub fn block(kind: u32, body: &[u8]) -> Vec<u8> {
    let len = (body.len().next_multiple_of(4) + 12) as u32;
    let mut block = [kind.to_le_bytes(), len.to_le_bytes()].concat();
    block.extend(body);
    block.resize(len as usize - 4, 0);
    block.extend(len.to_le_bytes());
    block
}

/// A section header block.
pub fn section() -> Vec<u8> {
    block(0x0a0d_0d0a, &hex!("4d3c2b1a 0100 0000 ffffffffffffffff"))
}

/// An interface description block for Ethernet, without options.
pub fn ethernet() -> Vec<u8> {
    block(1, &hex!("0100 0000 00000000"))
}

/// An enhanced packet block: four bytes captured of 60.
pub fn packet(interface: u32, ticks: u64) -> Vec<u8> {
    let mut body = interface.to_le_bytes().to_vec();
    body.extend(((ticks >> 32) as u32).to_le_bytes());
    body.extend((ticks as u32).to_le_bytes());
    body.extend(hex!("04000000 3c000000 01020304"));
    block(6, &body)
}

pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

pub fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}
