//! Events that wait on disk until the whole stream is known: who opened it, which points saw it, what a mirror lost.

use std::cell::RefCell;
use std::io::{self, BufWriter, Read, Seek, SeekFrom, Write};
use std::ops::Range;

use anyhow::{Context, Result};
use mirrorscope_engine::flow::Side;
use mirrorscope_engine::stream::{Cause, Event, Gap, Note};
use mirrorscope_engine::table::Map;
use mirrorscope_engine::time::Timestamp;
use tempfile::SpooledTempFile;

use super::collect::{Store, Which};
use crate::output::follow::{Item, Replay};

/// Bytes that are kept in memory.
const IN_MEMORY: usize = 8 << 20;
/// No time.
const NEVER: i64 = i64::MIN;
/// A record in front of its bytes: kind, time, offset, length, and for gaps the times around.
const HEADER: usize = 1 + 5 * 8;

const DATA: u8 = 0;
const GAP: u8 = 1;
const NOTE: u8 = 16;

const CAUSES: [Cause; 4] = [
    Cause::NeverSeen,
    Cause::MirrorLoss,
    Cause::Truncated,
    Cause::OutsideTheCapture,
];

/// The directions of all chosen flows, in one file: there may be more of them than files can be open.
pub struct Spools {
    file: BufWriter<SpooledTempFile>,
    end: u64,
    /// Where the records of each direction are.
    places: Map<(u64, Side), Vec<Range<u64>>>,
}

impl Default for Spools {
    fn default() -> Self {
        Self {
            file: BufWriter::new(SpooledTempFile::new(IN_MEMORY)),
            end: 0,
            places: Map::default(),
        }
    }
}

impl Spools {
    /// What was told of a flow, in the order of time, with `originator` as side 0.
    pub fn replay(&mut self, flow: u64, originator: Side) -> Result<Recording<'_>> {
        self.file.flush().context("temporary file")?;
        let mut places = |side| self.places.remove(&(flow, side)).unwrap_or_default();
        Ok(Recording {
            places: [places(originator), places(1 - originator)],
            file: RefCell::new(self.file.get_mut()),
        })
    }

    fn write(&mut self, flow: u64, side: Side, record: &[&[u8]]) -> io::Result<()> {
        let start = self.end;
        for part in record {
            self.file.write_all(part)?;
            self.end += part.len() as u64;
        }
        let places = self.places.entry((flow, side)).or_default();
        match places.last_mut() {
            Some(last) if last.end == start => last.end = self.end,
            _ => places.push(start..self.end),
        }
        Ok(())
    }
}

impl Store for Spools {
    fn event(&mut self, flow: Which, event: Event<'_>) -> Result<()> {
        let (side, kind, time, offset, len, around, bytes) = match event {
            Event::Data {
                side,
                time,
                offset,
                bytes,
            } => (
                side,
                DATA,
                time.0,
                offset,
                bytes.len() as u64,
                [NEVER; 2],
                bytes,
            ),
            Event::Gap(gap) => {
                let around = [gap.from, gap.to].map(|time| time.map_or(NEVER, |time| time.0));
                let cause = CAUSES.iter().position(|cause| *cause == gap.cause);
                let kind = GAP + cause.unwrap_or_default() as u8;
                (gap.side, kind, NEVER, gap.offset, gap.len, around, &[][..])
            }
            Event::Note {
                side,
                time,
                offset,
                note,
            } => (
                side,
                NOTE + note as u8,
                time.0,
                offset,
                0,
                [NEVER; 2],
                &[][..],
            ),
            Event::End { .. } => return Ok(()),
        };
        let [from, to] = around;
        let record = [
            &[kind][..],
            &time.to_le_bytes(),
            &offset.to_le_bytes(),
            &len.to_le_bytes(),
            &from.to_le_bytes(),
            &to.to_le_bytes(),
            bytes,
        ];
        self.write(flow.serial, side, &record)
            .context("temporary file")
    }
}

/// Reads the events of one direction back.
struct Reader<'a, 'f> {
    file: &'a RefCell<&'f mut SpooledTempFile>,
    places: std::slice::Iter<'a, Range<u64>>,
    place: Range<u64>,
    /// Time up to which everything has passed.
    reached: i64,
}

/// One event.
struct Record {
    kind: u8,
    time: i64,
    offset: u64,
    len: u64,
    from: i64,
    to: i64,
    bytes: Vec<u8>,
}

impl<'a, 'f> Reader<'a, 'f> {
    fn new(file: &'a RefCell<&'f mut SpooledTempFile>, places: &'a [Range<u64>]) -> Self {
        Self {
            file,
            places: places.iter(),
            place: 0..0,
            reached: NEVER,
        }
    }

    fn next(&mut self) -> io::Result<Option<Record>> {
        if self.place.is_empty() {
            match self.places.next() {
                Some(place) => self.place = place.clone(),
                None => return Ok(None),
            }
        }
        let mut file = self.file.borrow_mut();
        file.seek(SeekFrom::Start(self.place.start))?;
        let mut header = [0; HEADER];
        file.read_exact(&mut header)?;
        let [kind, numbers @ ..] = header;
        let (numbers, _) = numbers.as_chunks::<8>();
        let mut numbers = numbers.iter().map(|number| u64::from_le_bytes(*number));
        let mut number = || numbers.next().unwrap_or_default();
        let mut record = Record {
            kind,
            time: number().cast_signed(),
            offset: number(),
            len: number(),
            from: number().cast_signed(),
            to: number().cast_signed(),
            bytes: Vec::new(),
        };
        if kind == DATA {
            record.bytes.resize(record.len as usize, 0);
            file.read_exact(&mut record.bytes)?;
        }
        self.place.start += (HEADER + record.bytes.len()) as u64;
        // What was late is read where it could be read first.
        let passed = [record.time, record.from, record.to];
        self.reached = passed.into_iter().fold(self.reached, i64::max);
        Ok(Some(record))
    }
}

impl Record {
    /// As an event of a side; `None` for a kind that nobody writes.
    fn item(&self, side: Side) -> Option<Item<'_>> {
        let time = |time| (time != NEVER).then_some(Timestamp(time));
        match self.kind {
            DATA => Some(Item::Data {
                side,
                time: Timestamp(self.time),
                offset: self.offset,
                bytes: &self.bytes,
            }),
            GAP..NOTE => Some(Item::Gap(Gap {
                side,
                offset: self.offset,
                len: self.len,
                from: time(self.from),
                to: time(self.to),
                cause: *CAUSES.get(usize::from(self.kind - GAP))?,
            })),
            NOTE.. => Some(Item::Note {
                side,
                offset: self.offset,
                note: *Note::ALL.get(usize::from(self.kind - NOTE))?,
            }),
        }
    }
}

/// Both directions of a flow.
pub struct Recording<'f> {
    places: [Vec<Range<u64>>; 2],
    file: RefCell<&'f mut SpooledTempFile>,
}

impl Replay for Recording<'_> {
    fn replay(&mut self, sink: &mut dyn FnMut(Item<'_>) -> Result<()>) -> Result<()> {
        let [orig, resp] = &self.places;
        let mut readers = [orig, resp].map(|places| Reader::new(&self.file, places));
        let mut next = [None, None];
        for (record, reader) in next.iter_mut().zip(&mut readers) {
            *record = reader.next().context("temporary file")?;
        }
        loop {
            let [one, other] = &readers;
            let side = match &next {
                [None, None] => return Ok(()),
                [Some(_), None] => 0,
                [None, Some(_)] => 1,
                [Some(_), Some(_)] => usize::from(other.reached < one.reached),
            };
            let (Some(record), Some(reader)) = (next.get_mut(side), readers.get_mut(side)) else {
                return Ok(());
            };
            if let Some(item) = record.as_ref().and_then(|record| record.item(side)) {
                sink(item)?;
            }
            *record = reader.next().context("temporary file")?;
        }
    }
}
