//! Events that wait on disk until the whole stream is known: who opened it, which points saw it, what a mirror lost.

use std::collections::HashMap;
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, Write};

use anyhow::{Context, Result};
use mirrorscope_engine::flow::Side;
use mirrorscope_engine::stream::{Cause, Event, Gap, Note};
use mirrorscope_engine::time::Timestamp;
use tempfile::SpooledTempFile;

use super::collect::Store;
use crate::output::follow::{Item, Replay};

/// Bytes of one direction that are kept in memory.
const IN_MEMORY: usize = 1 << 20;
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

/// The directions of all chosen flows.
#[derive(Default)]
pub struct Spools(HashMap<(u64, Side), Spool>);

impl Spools {
    /// What was told of a flow, in the order of time, with `originator` as side 0.
    pub fn replay(&mut self, flow: u64, originator: Side) -> Recording {
        let mut side = |side| self.0.remove(&(flow, side)).unwrap_or_default();
        Recording([side(originator), side(1 - originator)])
    }
}

impl Store for Spools {
    fn event(&mut self, flow: u64, event: Event<'_>) -> Result<()> {
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
        let spool = self.0.entry((flow, side)).or_default();
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
        spool.write(&record).context("temporary file")
    }
}

/// Events of one direction.
struct Spool(BufWriter<SpooledTempFile>);

impl Default for Spool {
    fn default() -> Self {
        Self(BufWriter::new(SpooledTempFile::new(IN_MEMORY)))
    }
}

impl Spool {
    fn write(&mut self, record: &[&[u8]]) -> io::Result<()> {
        record.iter().try_for_each(|part| self.0.write_all(part))
    }

    fn read(&mut self) -> io::Result<Reader<'_>> {
        self.0.flush()?;
        let file = self.0.get_mut();
        file.rewind()?;
        Ok(Reader {
            file: BufReader::with_capacity(1 << 16, file),
            reached: NEVER,
        })
    }
}

/// Reads events back.
struct Reader<'a> {
    file: BufReader<&'a mut SpooledTempFile>,
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

impl Reader<'_> {
    fn next(&mut self) -> io::Result<Option<Record>> {
        let mut header = [0; HEADER];
        match self.file.read_exact(&mut header) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
            other => other?,
        }
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
            self.file.read_exact(&mut record.bytes)?;
        }
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
pub struct Recording([Spool; 2]);

impl Replay for Recording {
    fn replay(&mut self, sink: &mut dyn FnMut(Item<'_>) -> Result<()>) -> Result<()> {
        let [orig, resp] = &mut self.0;
        let mut readers = [
            orig.read().context("temporary file")?,
            resp.read().context("temporary file")?,
        ];
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
