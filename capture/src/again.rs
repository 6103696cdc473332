//! Frames of files, read again at their places.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use crate::frame::Packet;
use crate::{Error, Interface, Place, pcap, pcapng};

/// Reads frames of files again, in any order.
///
/// It knows what the files had told until it was made: it reads all frames that were lent before.
#[derive(Clone)]
pub struct Again {
    files: Arc<[Option<Source>]>,
    interfaces: Arc<[Interface]>,
    record: Vec<u8>,
}

/// A frame that was read again.
#[derive(Clone, Copy, Debug)]
pub struct Reread<'a> {
    /// When it was captured, in nanoseconds since the Unix epoch.
    pub time: i64,
    /// Length on the wire, in bytes.
    pub wire_len: u32,
    /// Index into the interfaces of its source.
    pub interface: u32,
    /// The interface itself.
    pub origin: &'a Interface,
    /// The captured bytes.
    pub bytes: &'a [u8],
}

pub(crate) struct Source {
    pub name: String,
    pub file: io::Result<(File, u64)>,
    pub format: Format,
}

pub(crate) enum Format {
    Pcap(pcap::Again),
    Pcapng(pcapng::Again),
}

impl Again {
    pub(crate) fn new(files: Vec<Option<Source>>, interfaces: Vec<Interface>) -> Self {
        Self {
            files: files.into(),
            interfaces: interfaces.into(),
            record: Vec::new(),
        }
    }

    /// Reads the frame at a place.
    ///
    /// # Errors
    ///
    /// Those of the file, and that it is not what it was.
    pub fn frame(&mut self, place: Place) -> Result<Reread<'_>, Error> {
        let Self {
            files,
            interfaces,
            record,
        } = self;
        let source = files.get(place.file()).and_then(Option::as_ref);
        let source = source.ok_or_else(|| Error::Read {
            file: "?".to_owned(),
            offset: place.offset(),
            cause: io::ErrorKind::NotSeekable.into(),
        })?;
        let failed = |cause| Error::Read {
            file: source.name.clone(),
            offset: place.offset(),
            cause,
        };
        let packet = source.read(place.offset(), record).map_err(failed)?;
        let changed = || failed(changed());
        Ok(Reread {
            time: packet.time,
            wire_len: packet.wire_len,
            interface: packet.interface,
            origin: interfaces
                .get(packet.interface as usize)
                .ok_or_else(changed)?,
            bytes: record
                .get(packet.start..packet.start + packet.len)
                .ok_or_else(changed)?,
        })
    }
}

impl Source {
    /// Reads the record at a place of the file.
    fn read(&self, offset: u64, record: &mut Vec<u8>) -> io::Result<Packet> {
        let (file, start) = match &self.file {
            Ok((file, start)) => (file, *start),
            Err(cause) => return Err(cause.kind().into()),
        };
        record.clear();
        record.resize(self.format.head(), 0);
        file.read_exact_at(record, start + offset)?;
        let head = record.len();
        let len = self.format.len(offset, record).ok_or_else(changed)?;
        record.resize(len.max(head), 0);
        let rest = record.get_mut(head..).unwrap_or_default();
        file.read_exact_at(rest, start + offset + head as u64)?;
        self.format.packet(offset, record).ok_or_else(changed)
    }
}

impl Format {
    fn head(&self) -> usize {
        match self {
            Self::Pcap(pcap) => pcap.head(),
            Self::Pcapng(_) => pcapng::HEAD,
        }
    }

    fn len(&self, offset: u64, head: &[u8]) -> Option<usize> {
        match self {
            Self::Pcap(pcap) => pcap.len(head),
            Self::Pcapng(pcapng) => pcapng.len(offset, head),
        }
    }

    fn packet(&self, offset: u64, record: &[u8]) -> Option<Packet> {
        match self {
            Self::Pcap(pcap) => pcap.packet(record),
            Self::Pcapng(pcapng) => pcapng.packet(offset, record),
        }
    }
}

/// The file is not what it was.
fn changed() -> io::Error {
    io::Error::new(
        io::ErrorKind::InvalidData,
        "the file has changed since it was read",
    )
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt;
    use std::sync::Arc;

    use hex_literal::hex;

    use crate::testing::{block, file, gzip, pcap};
    use crate::{BATCH, Files, Place};

    /// The places of all frames.
    fn places(files: &mut Files) -> Vec<Option<Place>> {
        let mut places = Vec::new();
        loop {
            let batch = files.next_frames(BATCH);
            if batch.len() == 0 {
                return places;
            }
            places.extend(batch.map(|frame| frame.place));
        }
    }

    /// That what can be read again is the same, every test of a format sees.
    #[test]
    fn frames_of_plain_files_have_places() {
        let plain = file(&pcap(&[1, 2, 3]));
        let mut files = Files::open(&[plain.path().to_owned()], Arc::default()).unwrap();
        let places = places(&mut files);
        let mut again = files.again();
        let times = places.iter().rev();
        let times = times.map(|place| again.frame(place.unwrap()).unwrap().time);
        assert_eq!(
            times.collect::<Vec<_>>(),
            [3_000_000_000, 2_000_000_000, 1_000_000_000]
        );
    }

    #[test]
    fn what_is_compressed_or_has_no_time_of_its_own_has_no_place() {
        let packed = file(&gzip(&pcap(&[1, 2, 3])));
        let mut files = Files::open(&[packed.path().to_owned()], Arc::default()).unwrap();
        assert_eq!(places(&mut files), [None; 3]);

        let section = block(0x0a0d_0d0a, &hex!("4d3c2b1a 0100 0000 ffffffffffffffff"));
        let interface = block(1, &hex!("0100 0000 00000000"));
        let simple = block(3, &hex!("04000000 01020304"));
        let blocks = file(&[section, interface, simple].concat());
        let mut files = Files::open(&[blocks.path().to_owned()], Arc::default()).unwrap();
        assert_eq!(places(&mut files), [None]);
    }

    #[test]
    fn a_file_that_changed_is_told() {
        let plain = file(&pcap(&[1, 2, 3]));
        let mut files = Files::open(&[plain.path().to_owned()], Arc::default()).unwrap();
        let places = places(&mut files);
        plain.as_file().set_len(24 + 10).unwrap();
        let error = files.again().frame(places[0].unwrap()).unwrap_err();
        assert!(error.to_string().contains("at byte 24"), "{error}");
        plain.as_file().write_all_at(&[0xff; 100], 24).unwrap();
        let error = files.again().frame(places[2].unwrap()).unwrap_err();
        assert!(error.to_string().contains("has changed"), "{error}");
    }
}
