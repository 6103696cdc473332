//! A file's bytes, unpacked, in a buffer that is refilled as they are used.

use std::fs::File;
use std::io::{self, BufReader, Chain, Cursor, Read};

use crate::Error;
use crate::gzip::Gzip;
use crate::raw::Raw;
use crate::zstd::Zstd;

/// Room for bytes in one file's buffer. Twice as much is no faster, and it is held for every file.
const ROOM: usize = 256 * 1024;

/// Compressed bytes: the first few, already read to know them, and the rest.
type Packed = BufReader<Chain<Cursor<Vec<u8>>, Raw>>;

enum Source {
    Plain(Raw),
    Gzip(Box<Gzip<Packed>>),
    Zstd(Box<Zstd<Packed>>),
}

/// The bytes of one file, compressed or not, from a buffer.
pub(crate) struct Input {
    name: String,
    source: Source,
    buffer: Vec<u8>,
    /// Where in the buffer the unused bytes begin.
    start: usize,
    /// Where in the buffer they end.
    end: usize,
    /// Place in the unpacked file of the buffer's first byte.
    base: u64,
}

impl Input {
    /// Looks at the first bytes of a file to know whether it is compressed.
    ///
    /// `name` is the file's name in messages.
    pub fn new(name: String, mut raw: Raw) -> Result<Self, Error> {
        let mut head = vec![0; 4];
        let mut have = 0;
        while have < head.len() {
            match raw.read(&mut head[have..]) {
                Ok(0) => break,
                Ok(count) => have += count,
                Err(cause) => {
                    let offset = have as u64;
                    return Err(Error::Read {
                        file: name,
                        offset,
                        cause,
                    });
                }
            }
        }
        head.truncate(have);
        let packed = |head, raw| BufReader::with_capacity(ROOM, Cursor::new(head).chain(raw));
        let mut buffer = vec![0; ROOM];
        let mut end = 0;
        let source = match head[..] {
            [0x1f, 0x8b, ..] => Source::Gzip(Box::new(Gzip::new(packed(head, raw)))),
            // A frame, or one of those that carry no data but may come first.
            [0x28, 0xb5, 0x2f, 0xfd] | [0x50..=0x5f, 0x2a, 0x4d, 0x18] => {
                Source::Zstd(Box::new(Zstd::new(packed(head, raw))))
            }
            _ => {
                buffer[..have].copy_from_slice(&head);
                end = have;
                Source::Plain(raw)
            }
        };
        Ok(Self {
            name,
            source,
            buffer,
            start: 0,
            end,
            base: 0,
        })
    }

    /// The file's name in messages.
    pub fn name(&self) -> String {
        self.name.clone()
    }

    /// The bytes that are there now.
    #[inline]
    pub fn buffered(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Place of the next byte in the unpacked file.
    pub fn offset(&self) -> u64 {
        self.base + self.start as u64
    }

    /// Sees to it that `want` bytes are buffered; false if the file ends before.
    ///
    /// Reads no more often than that needs, so a live pipe is never waited for in vain. The buffer
    /// grows only as bytes arrive: a length in a header alone allocates nothing.
    #[inline]
    pub fn fill(&mut self, want: usize) -> Result<bool, Error> {
        if want <= self.end - self.start {
            return Ok(true);
        }
        self.refill(want)
    }

    #[cold]
    fn refill(&mut self, want: usize) -> Result<bool, Error> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.base += self.start as u64;
        self.end -= self.start;
        self.start = 0;
        while self.end < want {
            if self.end == self.buffer.len() {
                let room = want.min(self.buffer.len() * 2).max(ROOM);
                self.buffer.resize(room, 0);
            }
            let count = self.read()?;
            if count == 0 {
                return Ok(false);
            }
            self.end += count;
        }
        Ok(true)
    }

    /// Takes `count` buffered bytes as used; they stay in place until the next `fill`.
    ///
    /// Returns where in the buffer they begin.
    #[inline]
    pub fn consume(&mut self, count: usize) -> usize {
        let start = self.start;
        self.start += count;
        debug_assert!(self.start <= self.end, "only buffered bytes are used up");
        start
    }

    /// Passes over bytes without keeping them; returns how many there were, `count` at most.
    pub fn skip(&mut self, count: u64) -> Result<u64, Error> {
        let mut left = count;
        while left > 0 && self.fill(1)? {
            let step = usize::try_from(left).map_or(self.buffered().len(), |left| {
                left.min(self.buffered().len())
            });
            self.consume(step);
            left -= step as u64;
        }
        Ok(count - left)
    }

    /// Lets a pipe be waited for, or not: then what cannot be had at once is an error, and nothing is lost of what is
    /// buffered. Tells what was so before. A decoder is always given the time.
    pub fn set_hasty(&mut self, hasty: bool) -> bool {
        match &mut self.source {
            Source::Plain(raw) => raw.set_hasty(hasty),
            Source::Gzip(_) | Source::Zstd(_) => false,
        }
    }

    /// The file, to be read at any place, and where its first byte is; None if that cannot be.
    pub fn again(&self) -> Option<io::Result<(File, u64)>> {
        match &self.source {
            Source::Plain(raw) => raw.again(),
            Source::Gzip(_) | Source::Zstd(_) => None,
        }
    }

    /// Bytes at a place in the buffer.
    #[inline]
    pub fn bytes(&self, start: usize, len: usize) -> &[u8] {
        &self.buffer[start..start + len]
    }

    /// Gives the buffer back; nothing more will be read.
    pub fn close(&mut self) {
        self.buffer = Vec::new();
        self.start = 0;
        self.end = 0;
    }

    /// The file as the system sees it.
    pub fn raw(&self) -> &Raw {
        match &self.source {
            Source::Plain(raw) => raw,
            Source::Gzip(decoder) => decoder.get_ref().get_ref().get_ref().1,
            Source::Zstd(decoder) => decoder.get_ref().get_ref().get_ref().1,
        }
    }

    /// One read behind the buffered bytes.
    fn read(&mut self) -> Result<usize, Error> {
        let room = &mut self.buffer[self.end..];
        let (result, compression) = match &mut self.source {
            Source::Plain(raw) => (raw.read(room), ""),
            Source::Gzip(decoder) => (decoder.read(room), "gzip"),
            Source::Zstd(decoder) => (decoder.read(room), "zstd"),
        };
        result.map_err(|cause| self.fault(compression, cause))
    }

    fn fault(&self, compression: &'static str, cause: io::Error) -> Error {
        let file = self.name();
        let offset = self.base + self.end as u64;
        if self.raw().failed() {
            return Error::Read {
                file,
                offset,
                cause,
            };
        }
        Error::Compressed {
            file,
            compression,
            cut: self.raw().ended(),
            offset,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::{Input, ROOM};
    use crate::raw::Raw;
    use crate::testing::{file, gzip, pcap, read, zstd};

    /// A capture file of 20,000 packets, 32 bytes each, half of it noise.
    fn capture() -> Vec<u8> {
        let mut bytes = pcap(&[]);
        let mut noise = 1_u32;
        for time in 0..20_000_u32 {
            for field in [time, 0, 16, 16] {
                bytes.extend(field.to_le_bytes());
            }
            for _ in 0..4 {
                noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                bytes.extend(noise.to_le_bytes());
            }
        }
        bytes
    }

    #[test]
    fn gzip_and_zstd_are_unpacked() {
        let plain = capture();
        let expected = read(&plain).unwrap().frames;
        assert_eq!(expected.len(), 20_000);
        let (first, second) = plain.split_at(300_000);
        for packed in [
            gzip(&plain),
            zstd(&plain),
            [gzip(first), gzip(second)].concat(),
            [zstd(first), zstd(second)].concat(),
            // A frame that may be skipped, before and between.
            [
                b"\x50\x2a\x4d\x18\x02\0\0\0ab",
                &zstd(first)[..],
                b"\x5f\x2a\x4d\x18\0\0\0\0",
                &zstd(second),
            ]
            .concat(),
        ] {
            let outcome = read(&packed).unwrap();
            assert!(outcome.problems.is_empty(), "{:?}", outcome.problems);
            assert_eq!(outcome.frames, expected);
        }
    }

    #[test]
    fn cut_compressed_data_gives_what_was_unpacked_and_one_problem() {
        let plain = capture();
        let expected = read(&plain).unwrap().frames;
        for (packed, name) in [(gzip(&plain), "gzip"), (zstd(&plain), "zstd")] {
            for cut in (packed.len() / 2..packed.len()).step_by(packed.len() / 40) {
                let outcome = read(&packed[..cut]).unwrap();
                assert!(
                    outcome.frames.len() > 8000,
                    "{} at {cut}",
                    outcome.frames.len()
                );
                assert!(expected.starts_with(&outcome.frames));
                assert_eq!(outcome.problems.len(), 1);
                let start = format!("{name} data cut short at unpacked byte ");
                assert!(
                    outcome.problems[0].starts_with(&start),
                    "{:?}",
                    outcome.problems
                );
            }
        }
    }

    #[test]
    fn cut_inside_the_last_bytes_loses_nothing() {
        let packed = gzip(&pcap(&[1, 2]));
        for cut in packed.len() - 8..packed.len() {
            let outcome = read(&packed[..cut]).unwrap();
            assert_eq!(outcome.times(), [1_000_000_000, 2_000_000_000]);
            assert_eq!(outcome.problems.len(), 1);
        }
    }

    #[test]
    fn damaged_compressed_data_is_one_problem() {
        let mut packed = gzip(&capture());
        let middle = packed.len() / 2;
        packed[middle..middle + 20].fill(0xff);
        let outcome = read(&packed).unwrap();
        assert!(!outcome.frames.is_empty());
        assert_eq!(outcome.problems.len(), 1);

        // Something else behind the end.
        let outcome = read(&[gzip(&pcap(&[1])), b"trailing bytes".to_vec()].concat()).unwrap();
        assert_eq!(outcome.frames.len(), 1);
        assert_eq!(outcome.problems, ["gzip data damaged at unpacked byte 40"]);
    }

    #[test]
    fn compressed_files_that_hold_no_capture() {
        assert_eq!(read(&gzip(b"")).unwrap_err(), "empty file");
        assert!(
            read(&zstd(b"hello"))
                .unwrap_err()
                .starts_with("not a capture file")
        );
        let cut = read(&gzip(&pcap(&[]))[..10]).unwrap_err();
        assert_eq!(cut, "gzip data cut short at unpacked byte 0");
    }

    #[test]
    fn a_claimed_length_allocates_nothing() {
        let file = file(&[0; 100]);
        let raw = Raw::open(file.path(), Arc::default()).unwrap();
        let mut input = Input::new(String::new(), raw).unwrap();
        assert!(!input.fill(16 * 1024 * 1024).unwrap());
        assert_eq!(input.buffer.len(), ROOM);
        assert_eq!(input.buffered().len(), 100);
    }

    #[test]
    fn the_buffer_grows_for_what_is_there() {
        let file = file(&vec![7; 5 * ROOM]);
        let raw = Raw::open(file.path(), Arc::default()).unwrap();
        let mut input = Input::new(String::new(), raw).unwrap();
        assert!(input.fill(10).unwrap());
        input.consume(10);
        assert!(input.fill(3 * ROOM + 1).unwrap());
        assert_eq!(input.offset(), 10);
        assert!(input.buffered().iter().all(|byte| *byte == 7));
        assert_eq!(input.skip(u64::MAX).unwrap(), (5 * ROOM - 10) as u64);
        assert_eq!(input.offset(), (5 * ROOM) as u64);
    }

    proptest! {
        #[test]
        fn damaged_compressed_data_is_read_without_panic(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            as_zstd in any::<bool>(),
        ) {
            let plain = pcap(&(0..60).collect::<Vec<_>>());
            let mut packed = if as_zstd { zstd(&plain) } else { gzip(&plain) };
            for (at, byte) in damage {
                let at = at.index(packed.len());
                packed[at] = byte;
            }
            if let Ok(outcome) = read(&packed) {
                prop_assert!(outcome.problems.len() <= 1);
            }
        }
    }
}
