//! Every stream as files: the bytes of each direction, written as they become known, and a list of them.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mirrorscope_capture::writer::OutputFile;
use mirrorscope_engine::flow::{Endpoint, Side};
use mirrorscope_engine::stream::Event;
use mirrorscope_engine::table::fetch;

use super::collect::{Collected, Followed, Store, Which};
use super::list;
use crate::output::csv;
use crate::output::follow::WAYS;

/// Memory of what waits to be written, in all files. Tens of thousands of streams that take turns shall have some
/// kilobytes each before a file is opened for them.
const WAITING: usize = 64 << 20;
/// Bytes that wait for one file.
const PART: usize = 256 << 10;
/// What a buffer costs beside its bytes: the allocator's own, and its place in the list.
const PLACE: usize = 32;

/// The list of streams.
const INDEX: &str = "index.csv";

/// Files that are being written. Only one is open at a time, however many there are.
pub struct Files {
    folder: PathBuf,
    zeros: bool,
    /// By the places of their flows.
    flows: Vec<Parts>,
    /// Those in whose buffers something waits, and some that were written since.
    filled: Vec<(usize, Side)>,
    /// Memory of all buffers.
    waiting: usize,
}

/// A flow.
#[derive(Default)]
struct Parts {
    serial: u64,
    sides: [Part; 2],
}

/// One direction.
#[derive(Default)]
struct Part {
    buffer: Vec<u8>,
    /// It is among those that were filled.
    listed: bool,
    /// The file is there.
    created: bool,
    /// Bytes in it.
    written: u64,
    /// Zeros to be written before anything else is: a direction of which nothing was seen gets no file.
    owed: u64,
}

impl Files {
    /// Prepares the folder, which must be empty unless `force`.
    pub fn create(folder: &Path, zeros: bool, force: bool) -> Result<Self> {
        let name = folder.display();
        match fs::read_dir(folder) {
            Ok(mut entries) => {
                if entries.next().is_some() && !force {
                    bail!("{name}: is not empty; --force writes to it all the same");
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                fs::create_dir_all(folder).with_context(|| format!("{name}: cannot be created"))?;
            }
            Err(error) => return Err(error).with_context(|| format!("{name}: cannot be used")),
        }
        Ok(Self {
            folder: folder.to_owned(),
            zeros,
            flows: Vec::new(),
            filled: Vec::new(),
            waiting: 0,
        })
    }

    /// Where a direction is written until its name is known: who opened a flow may show late.
    fn part(folder: &Path, flow: u64, side: Side) -> PathBuf {
        folder.join(format!(".{flow}-{side}.part"))
    }

    fn add(&mut self, flow: Which, side: Side, bytes: &[u8]) -> Result<()> {
        let Self {
            folder,
            flows,
            filled,
            waiting,
            ..
        } = self;
        let Some(part) = of(flows, flow, side) else {
            return Ok(());
        };
        if !std::mem::replace(&mut part.listed, true) {
            filled.push((flow.place, side));
        }
        *waiting -= part.memory();
        part.buffer.extend_from_slice(bytes);
        if part.buffer.len() >= PART {
            part.flush(folder, flow.serial, side)?;
        }
        *waiting += part.memory();
        if *waiting >= WAITING {
            self.make_room()?;
        }
        Ok(())
    }

    /// Writes the zeros for a gap.
    fn settle(&mut self, flow: Which, side: Side) -> Result<()> {
        let part = of(&mut self.flows, flow, side);
        let owed = part.map_or(0, |part| std::mem::take(&mut part.owed));
        super::zeros(owed, |zeros| self.add(flow, side, zeros))
    }

    /// Writes the fullest buffers, which hold at least half of the memory: to open a file costs as much as to write some
    /// kilobytes.
    fn make_room(&mut self) -> Result<()> {
        // By the length of each in powers of two.
        let mut memory = [0; usize::BITS as usize];
        for &(place, side) in &self.filled {
            let part = self.flows.get(place).and_then(|f| f.sides.get(side));
            if let Some(part) = part
                && let Some(size) = part.buffer.len().checked_ilog2()
                && let Some(memory) = memory.get_mut(size as usize)
            {
                *memory += part.memory();
            }
        }
        let mut free = 0;
        let least = memory.iter().rposition(|memory| {
            free += memory;
            free >= self.waiting / 2
        });
        let least = 1 << least.unwrap_or_default();
        self.write(|len| len >= least)
    }

    /// Writes the buffers with such lengths.
    fn write(&mut self, wanted: impl Fn(usize) -> bool) -> Result<()> {
        let Self {
            folder,
            flows,
            filled,
            waiting,
            ..
        } = self;
        let mut result = Ok(());
        filled.retain(|&(place, side)| {
            let Some(Parts { serial, sides }) = flows.get_mut(place) else {
                return false;
            };
            let Some(part) = sides.get_mut(side) else {
                return false;
            };
            if result.is_ok() && wanted(part.buffer.len()) {
                *waiting -= part.memory();
                result = part.flush(folder, *serial, side);
                *waiting += part.memory();
            }
            part.listed = !part.buffer.is_empty();
            part.listed
        });
        result
    }
}

/// One direction of a flow.
fn of(flows: &mut Vec<Parts>, flow: Which, side: Side) -> Option<&mut Part> {
    let Which { serial, place } = flow;
    if place >= flows.len() {
        flows.resize_with(place + 1, Parts::default);
    }
    let parts = flows.get_mut(place)?;
    parts.serial = serial;
    parts.sides.get_mut(side)
}

/// What is not complete does not stay.
impl Drop for Files {
    fn drop(&mut self) {
        for Parts { serial, sides } in &self.flows {
            for (side, part) in sides.iter().enumerate() {
                if part.created {
                    // The error that led here says what is wrong; a second one adds nothing.
                    let _ = fs::remove_file(Self::part(&self.folder, *serial, side));
                }
            }
        }
    }
}

impl Part {
    /// What its buffer costs.
    fn memory(&self) -> usize {
        let capacity = self.buffer.capacity();
        if capacity == 0 { 0 } else { capacity + PLACE }
    }

    /// Writes what waits.
    fn flush(&mut self, folder: &Path, flow: u64, side: Side) -> Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let path = Files::part(folder, flow, side);
        let fresh = !std::mem::replace(&mut self.created, true);
        let open = || {
            let mut options = File::options();
            // A part of the same name is of a run that was killed.
            options.create(fresh).write(true).truncate(fresh);
            if !fresh {
                options.append(true);
            }
            options.open(&path)
        };
        let write = || open()?.write_all(&self.buffer);
        write().with_context(|| {
            format!(
                "{}: writing stopped, and what was written of all streams is removed",
                path.display()
            )
        })?;
        self.written += self.buffer.len() as u64;
        self.buffer = Vec::new();
        Ok(())
    }
}

impl Store for Files {
    fn fetch(&self, place: usize, side: Side) {
        if let Some(part) = self.flows.get(place).and_then(|f| f.sides.get(side)) {
            fetch(part);
        }
    }

    fn fetch_end(&self, place: usize, side: Side) {
        let part = self.flows.get(place).and_then(|f| f.sides.get(side));
        if let Some(last) = part.and_then(|part| part.buffer.last()) {
            fetch(last);
        }
    }

    fn event(&mut self, flow: Which, event: Event<'_>) -> Result<()> {
        match event {
            Event::Data { side, bytes, .. } => {
                self.settle(flow, side)?;
                self.add(flow, side, bytes)
            }
            Event::Gap(gap) => {
                if self.zeros
                    && let Some(part) = of(&mut self.flows, flow, gap.side)
                {
                    part.owed += gap.len;
                }
                Ok(())
            }
            Event::Note { .. } | Event::End { .. } => Ok(()),
        }
    }
}

/// Gives the files their names and writes the list; says how many files and bytes there are.
pub fn finish(collected: &mut Collected<Files>) -> Result<(u64, u64)> {
    let Collected { flows, store, .. } = &mut *collected;
    for (place, flow) in flows.iter().enumerate() {
        let serial = flow.serial();
        for side in [0, 1] {
            if flow.counts(side).delivered > 0 {
                store.settle(Which { serial, place }, side)?;
            }
        }
    }
    store.write(|_| true)?;
    let mut file = OutputFile::create(&store.folder.join(INDEX))?;
    let (mut files, mut bytes) = (0, 0);
    list::write(&mut file, collected, csv::Files::Named, |store, row| {
        let parts = store.flows.get_mut(row.place);
        let part = parts.and_then(|parts| parts.sides.get_mut(row.side));
        let Some(part) = part.filter(|part| part.written > 0) else {
            return Ok(None);
        };
        let name = name(row.flow, row.way);
        let place = store.folder.join(&name);
        fs::rename(
            Files::part(&store.folder, row.flow.serial(), row.side),
            &place,
        )
        .with_context(|| format!("{}: cannot be put in its place", place.display()))?;
        files += 1;
        part.created = false;
        bytes += part.written;
        Ok(Some(name))
    })?;
    file.commit()?;
    Ok((files, bytes))
}

/// A name of addresses, ports and id only, which every file system takes.
fn name(flow: &Followed, way: usize) -> String {
    let end = |end: Endpoint| format!("{}.{}", end.address.to_string().replace(':', "_"), end.port);
    let [orig, resp] = flow.ends().map(end);
    let way = WAYS.get(way).copied().unwrap_or_default();
    format!("{}_{orig}-{resp}_{}_{way}.bin", flow.protocol(), flow.id())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_fullest_are_written_where_too_much_waits_and_nothing_is_lost() {
        let folder = tempfile::tempdir().unwrap();
        let mut files = Files::create(folder.path(), false, false).unwrap();
        let which = |place: usize| Which {
            serial: 2 * place as u64,
            place,
        };
        let sizes = |place: usize| 1 + place % 40 * 100;
        for round in 0..80 {
            for place in 0..500 {
                let bytes = vec![round; sizes(place)];
                files.add(which(place), place % 2, &bytes).unwrap();
                assert!(files.waiting < WAITING);
            }
        }
        let memory = |files: &Files| -> usize {
            let parts = files.flows.iter().flat_map(|flow| &flow.sides);
            parts.map(Part::memory).sum()
        };
        assert_eq!(files.waiting, memory(&files));
        let name = |place: usize| Files::part(folder.path(), which(place).serial, place % 2);
        assert!(name(39).exists(), "the fullest went first");
        assert!(!name(0).exists(), "what holds 80 bytes waits");
        files.write(|_| true).unwrap();
        assert_eq!((files.waiting, memory(&files)), (0, 0));
        assert!(files.filled.is_empty());
        for place in 0..500 {
            let rounds = (0..80).flat_map(|round| vec![round; sizes(place)]);
            let bytes: Vec<u8> = rounds.collect();
            assert!(fs::read(name(place)).unwrap() == bytes, "{place}");
        }
        drop(files);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
