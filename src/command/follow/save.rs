//! Every stream as files: the bytes of each direction, written as they become known, and a list of them.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use mirrorscope_capture::writer::OutputFile;
use mirrorscope_engine::flow::{Endpoint, Side};
use mirrorscope_engine::stream::{Event, Gap};

use super::collect::{Collected, Followed, Store};
use crate::output::csv;
use crate::output::follow::WAYS;

/// Bytes that wait to be written, in all files.
const WAITING: usize = 8 << 20;
/// Bytes that wait for one file.
const PART: usize = 256 << 10;

/// The list of streams.
const INDEX: &str = "index.csv";

/// Files that are being written. Only one is open at a time, however many there are.
pub struct Files {
    folder: PathBuf,
    zeros: bool,
    parts: HashMap<(u64, Side), Part>,
    waiting: usize,
}

/// One direction.
#[derive(Default)]
struct Part {
    buffer: Vec<u8>,
    /// The file is there.
    created: bool,
    /// Bytes in it.
    written: u64,
    first_gap: Option<Gap>,
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
            parts: HashMap::new(),
            waiting: 0,
        })
    }

    /// Where a direction is written until its name is known: who opened a flow may show late.
    fn part(folder: &Path, flow: u64, side: Side) -> PathBuf {
        folder.join(format!(".{flow}-{side}.part"))
    }

    fn add(&mut self, flow: u64, side: Side, bytes: &[u8]) -> Result<()> {
        let part = self.parts.entry((flow, side)).or_default();
        part.buffer.extend_from_slice(bytes);
        self.waiting += bytes.len();
        if part.buffer.len() >= PART {
            self.waiting -= part.flush(&self.folder, flow, side)?;
        }
        if self.waiting >= WAITING {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the zeros for a gap.
    fn settle(&mut self, flow: u64, side: Side) -> Result<()> {
        let part = self.parts.get_mut(&(flow, side));
        let owed = part.map_or(0, |part| std::mem::take(&mut part.owed));
        super::zeros(owed, |zeros| self.add(flow, side, zeros))
    }

    fn flush(&mut self) -> Result<()> {
        for (&(flow, side), part) in &mut self.parts {
            self.waiting -= part.flush(&self.folder, flow, side)?;
        }
        Ok(())
    }
}

/// What is not complete does not stay.
impl Drop for Files {
    fn drop(&mut self) {
        for (&(flow, side), part) in &self.parts {
            if part.created {
                // The error that led here says what is wrong; a second one adds nothing.
                let _ = fs::remove_file(Self::part(&self.folder, flow, side));
            }
        }
    }
}

impl Part {
    /// Writes what waits; says how much that was.
    fn flush(&mut self, folder: &Path, flow: u64, side: Side) -> Result<usize> {
        if self.buffer.is_empty() {
            return Ok(0);
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
        let len = self.buffer.len();
        self.written += len as u64;
        self.buffer = Vec::new();
        Ok(len)
    }
}

impl Store for Files {
    fn event(&mut self, flow: u64, event: Event<'_>) -> Result<()> {
        match event {
            Event::Data { side, bytes, .. } => {
                self.settle(flow, side)?;
                self.add(flow, side, bytes)
            }
            Event::Gap(gap) => {
                let part = self.parts.entry((flow, gap.side)).or_default();
                part.first_gap.get_or_insert(gap);
                if self.zeros {
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
    let Collected {
        engine,
        flows,
        store,
        ..
    } = collected;
    for (serial, flow) in flows.iter() {
        for side in [0, 1] {
            if flow.counts(side).delivered > 0 {
                store.settle(*serial, side)?;
            }
        }
    }
    store.flush()?;
    let losses = engine.mirror_losses();
    let index = store.folder.join(INDEX);
    let mut file = OutputFile::create(&index)?;
    let (mut files, mut bytes) = (0, 0);
    let mut rows = csv::Streams::new(&mut file)?;
    for (serial, flow) in flows.iter() {
        let about = flow.conversation(engine.receiver());
        for (way, side) in [flow.originator(), 1 - flow.originator()]
            .into_iter()
            .enumerate()
        {
            let Some(part) = store.parts.get_mut(&(*serial, side)) else {
                continue;
            };
            let gap = part.first_gap.map(|gap| Gap {
                cause: losses.cause(&gap, flow.points()),
                ..gap
            });
            let mut file = None;
            if part.written > 0 {
                let name = name(flow, way);
                let place = store.folder.join(&name);
                fs::rename(Files::part(&store.folder, *serial, side), &place)
                    .with_context(|| format!("{}: cannot be put in its place", place.display()))?;
                files += 1;
                part.created = false;
                bytes += part.written;
                file = Some(name);
            }
            rows.add(&about, way, file.as_deref(), gap.as_ref())?;
        }
    }
    rows.finish()?;
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
