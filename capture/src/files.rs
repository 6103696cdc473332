//! Capture files, merged in time order.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use arrayvec::ArrayVec;

use crate::frame::{BATCH, Packet};
use crate::input::Input;
use crate::pcap::Pcap;
use crate::pcapng::{self, Pcapng};
use crate::raw::{self, Raw};
use crate::{Again, Error, Frame, Interface, Place, again};

/// Capture files merged in time order.
///
/// Each file is streamed: 256 KiB of it are in memory, more only for a block that is longer; of a
/// compressed file also what its decoder holds (gzip little, zstd the window that the file asks for, 128 MiB at most).
/// Frames of one file keep their order, even if their times do not.
pub struct Files {
    sources: Vec<Source>,
    found: Found,
    stop: Arc<AtomicBool>,
    /// With several files: the time of each one's next frame, the earliest on top.
    queue: BinaryHeap<Reverse<(i64, usize)>>,
    /// With several files: the frame of the one on top was handed out.
    used: bool,
    started: bool,
    /// The batch that is lent.
    batch: Packets,
}

/// Packets, and the files they are of, by number.
type Packets = ArrayVec<(usize, Packet), BATCH>;

/// How much of the files was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes read so far, as they are on disk: still compressed.
    pub read: u64,
    /// Bytes of all files, None if one of them is not a regular file.
    pub total: Option<u64>,
}

/// What files hold beside frames.
#[derive(Default)]
pub(crate) struct Found {
    pub interfaces: Vec<Interface>,
    pub problems: Vec<Error>,
}

impl Files {
    /// Opens every path and reads each file's header. `-` is standard input, possible once.
    ///
    /// Gzip and zstd data is unpacked, whatever the file's name. Waits for the header of a pipe;
    /// once `stop` is true it does not, and no frames follow.
    ///
    /// # Errors
    ///
    /// The first file that cannot be opened or is no capture file.
    pub fn open(paths: &[PathBuf], stop: Arc<AtomicBool>) -> Result<Self, Error> {
        if paths.iter().filter(|path| path.as_os_str() == "-").count() > 1 {
            return Err(Error::StandardInputTwice);
        }
        // All names are tried before any pipe is waited for.
        let mut opened = Vec::new();
        for path in paths {
            opened.push((path, Raw::open(path, Arc::clone(&stop))?));
        }
        let mut found = Found::default();
        let mut sources = Vec::new();
        for (path, raw) in opened {
            let mut input = Input::new(raw::display(path), raw)?;
            match Format::open(&mut input, &path.to_string_lossy(), &mut found.interfaces) {
                Ok(format) => sources.push(Source {
                    format,
                    ended: false,
                    again: input.again().is_some(),
                    input,
                    next: None,
                }),
                Err(_) if input.raw().interrupted() => break,
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            sources,
            found,
            stop,
            queue: BinaryHeap::new(),
            used: false,
            started: false,
            batch: Packets::new(),
        })
    }

    /// The next frames in time order, `most` and [`BATCH`] at most; of equal times, that of the file named first comes first.
    ///
    /// Reads on only for the first of them: the others are those that are there already, so that no frame waits for a pipe
    /// to bring more. None when all files have ended, or soon after `stop` became true.
    pub fn next_frames(&mut self, most: usize) -> impl ExactSizeIterator<Item = Frame<'_>> {
        self.batch.clear();
        let most = most.min(BATCH);
        if most > 0 && !self.stop.load(Ordering::Relaxed) {
            match &mut self.sources[..] {
                [only] => only.collect(most, &mut self.batch, &mut self.found),
                _ => self.merge(most),
            }
        }
        let (sources, interfaces) = (&self.sources, &self.found.interfaces);
        let frames = self.batch.iter();
        frames.map(|(source, packet)| Frame {
            time: packet.time,
            wire_len: packet.wire_len,
            interface: packet.interface,
            origin: &interfaces[packet.interface as usize],
            number: packet.number,
            place: sources[*source].place(*source, packet.offset),
            bytes: sources[*source].input.bytes(packet.start, packet.len),
        })
    }

    /// Where the frames come from. Grows as pcapng files declare interfaces on the way.
    pub fn interfaces(&self) -> &[Interface] {
        &self.found.interfaces
    }

    /// What went wrong inside files so far.
    ///
    /// A fault ends its file, not the others; so there is one entry a file. Only
    /// [`Error::UndeclaredInterface`] does not end it, and may stand before another.
    pub fn problems(&self) -> &[Error] {
        &self.found.problems
    }

    /// From now on a pipe that brings nothing is not waited for, if it is the only file and not compressed: then
    /// [`Self::next_frames`] gives none for a while, and [`Self::is_idle`] tells why.
    pub fn return_when_idle(&mut self) {
        if let [only] = &mut self.sources[..] {
            only.input.set_hasty(true);
        }
    }

    /// No frames came, but more may follow.
    pub fn is_idle(&self) -> bool {
        let stopped = self.stop.load(Ordering::Relaxed);
        matches!(&self.sources[..], [only] if !stopped && !only.ended && only.input.raw().idle())
    }

    /// To read frames again that were lent so far.
    pub fn again(&self) -> Again {
        let sources = self.sources.iter().map(|source| {
            Some(again::Source {
                name: source.input.name(),
                file: source.input.again()?,
                format: match &source.format {
                    Format::Pcap(pcap) => again::Format::Pcap(pcap.again()),
                    Format::Pcapng(pcapng) => again::Format::Pcapng(pcapng.again()),
                },
            })
        });
        Again::new(sources.collect(), self.found.interfaces.clone())
    }

    /// How much was read.
    pub fn progress(&self) -> Progress {
        let raws = || self.sources.iter().map(|file| file.input.raw());
        Progress {
            read: raws().map(Raw::bytes_read).sum(),
            total: raws().map(Raw::total).sum(),
        }
    }

    /// The next frames of several files.
    fn merge(&mut self, most: usize) {
        if !self.started {
            self.started = true;
            for (index, file) in self.sources.iter_mut().enumerate() {
                file.next = file.advance(&mut self.found);
                if let Some(packet) = &file.next {
                    self.queue.push(Reverse((packet.time, index)));
                }
            }
        }
        while self.batch.len() < most {
            if self.used && !self.replace(self.batch.is_empty()) {
                return;
            }
            self.used = false;
            // While a pipe was waited for.
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
            let Some(Reverse((_, index))) = self.queue.peek() else {
                return;
            };
            if let Some(packet) = self.sources[*index].next {
                self.batch.push((*index, packet));
            }
            self.used = true;
        }
    }

    /// Puts the next frame of the file on top in the place of the one that was handed out; false if that would move bytes
    /// which are still needed.
    #[inline]
    fn replace(&mut self, may_read: bool) -> bool {
        let Some(mut top) = self.queue.peek_mut() else {
            return true;
        };
        let Reverse((time, index)) = &mut *top;
        let file = &mut self.sources[*index];
        file.next = if may_read {
            file.advance(&mut self.found)
        } else {
            file.buffered(&mut self.found)
        };
        match &file.next {
            Some(packet) => *time = packet.time,
            None if may_read => {
                PeekMut::pop(top);
            }
            None => return false,
        }
        true
    }
}

/// One open file.
struct Source {
    input: Input,
    format: Format,
    ended: bool,
    /// Its frames can be read again at their places.
    again: bool,
    /// With several files: its frame in the queue.
    next: Option<Packet>,
}

impl Source {
    /// Where a frame of this file can be read again.
    #[inline]
    fn place(&self, index: usize, offset: u64) -> Option<Place> {
        self.again.then(|| Place::new(index, offset)).flatten()
    }

    /// The next packets of the only file.
    #[inline]
    fn collect(&mut self, most: usize, batch: &mut Packets, found: &mut Found) {
        let mut next = self.advance(found);
        while let Some(packet) = next {
            batch.push((0, packet));
            if batch.len() >= most {
                return;
            }
            next = self.buffered(found);
        }
    }

    /// The next packet if it can be had without reading on: until then all bytes stay where they are.
    #[inline]
    fn buffered(&mut self, found: &mut Found) -> Option<Packet> {
        match &mut self.format {
            Format::Pcap(pcap) => pcap.buffered(&mut self.input),
            Format::Pcapng(pcapng) => pcapng.buffered(&mut self.input, found),
        }
    }

    /// The next packet, read if need be; None at the end.
    fn advance(&mut self, found: &mut Found) -> Option<Packet> {
        if self.ended {
            return None;
        }
        let result = match &mut self.format {
            Format::Pcap(pcap) => pcap.next(&mut self.input),
            Format::Pcapng(pcapng) => pcapng.next(&mut self.input, found),
        };
        match result {
            Ok(Some(packet)) => return Some(packet),
            Ok(None) => {}
            // Stopped in the middle of a packet: the file is not to blame.
            Err(_) if self.input.raw().interrupted() => {}
            Err(_) if self.input.raw().idle() => return None,
            Err(problem) => found.problems.push(problem),
        }
        self.ended = true;
        self.input.close();
        None
    }
}

/// What kind of capture a file is, and how far it was read.
enum Format {
    Pcap(Pcap),
    Pcapng(Pcapng),
}

/// First bytes of files that are known but not read here.
const UNSUPPORTED: &[(&[u8], &str)] = &[
    (b"\xfd7zXZ", "xz compression"),
    (b"BZh", "bzip2 compression"),
    (b"\x04\x22\x4d\x18", "lz4 compression"),
    (b"\xac\x01\x00\x1c", "the pcap variant of IXIA hardware"),
    (b"\x1c\x00\x01\xac", "the pcap variant of IXIA hardware"),
    (b"\xab\x01\x00\x1c", "the pcap variant of IXIA software"),
    (b"\x1c\x00\x01\xab", "the pcap variant of IXIA software"),
    (b"snoop\0", "the snoop format"),
];

impl Format {
    /// Reads a file's header.
    fn open(
        input: &mut Input,
        source: &str,
        interfaces: &mut Vec<Interface>,
    ) -> Result<Self, Error> {
        input.fill(4)?;
        if let Some(&magic) = input.buffered().first_chunk() {
            if magic == pcapng::MAGIC {
                return Pcapng::open(input, source).map(Self::Pcapng);
            }
            if let Some(pcap) = Pcap::open(input, magic, source, interfaces)? {
                return Ok(Self::Pcap(pcap));
            }
        }
        // To show a little more of it.
        input.fill(8)?;
        let file = input.name();
        let start = input.buffered();
        if start.is_empty() {
            return Err(Error::Empty { file });
        }
        if let Some((_, format)) = UNSUPPORTED
            .iter()
            .find(|(magic, _)| start.starts_with(magic))
        {
            return Err(Error::Unsupported { file, format });
        }
        Err(Error::NotACapture {
            file,
            start: start[..start.len().min(8)].to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
