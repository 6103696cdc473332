//! Where `decap` writes, and what it leaves out.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use mirrorscope_capture::live::now;
use mirrorscope_capture::writer::{
    Direction, Format, InterfaceDescription, Options, Packet, Queue, Rotation, Series, Totals,
};
use mirrorscope_dissectors::{Direction as Way, LinkType};
use mirrorscope_engine::point::{printable, session_name};
use mirrorscope_engine::receive::{Delivery, Mirrored};
use mirrorscope_engine::session::SessionId;
use mirrorscope_engine::time::Timestamp;

use crate::cli::{CaptureFormat, DecapArgs};
use crate::command::{APPLICATION, capture_format};

/// What is written, and what was left out.
pub struct Output {
    writer: Writer,
    path: PathBuf,
    rotates: bool,
    interfaces: HashMap<(SessionId, LinkType), u32>,
    /// When the frame at hand arrived.
    now: i64,
    snaplen: u32,
    plain: bool,
    skipped: u64,
    flowless: u64,
    totals: Totals,
}

/// Who writes.
enum Writer {
    /// The thread that reads: files can wait.
    Here(Box<Series>),
    /// A thread of its own: packets that come live cannot.
    Apart(Queue, usize),
}

/// How packets are to be written.
pub struct Settings<'a> {
    /// The file.
    pub path: &'a Path,
    /// Its format.
    pub format: Format,
    /// When another file begins.
    pub rotation: Rotation,
    /// Bytes that packets are cut to, if they are.
    pub snaplen: Option<u32>,
    /// Packets without encapsulation are written too.
    pub plain: bool,
    /// Packets come live: memory for those that wait.
    pub live: Option<usize>,
}

impl Output {
    /// Prepares the output; packets may come live.
    pub fn create(args: &DecapArgs, live: bool) -> Result<Self> {
        let rotation = Rotation {
            size: args.rotation.rotate_size,
            time: args.rotation.rotate_time,
            keep: args.rotation.keep.map(usize::from),
        };
        let format = match capture_format(&args.output) {
            CaptureFormat::Pcapng => Format::Pcapng,
            CaptureFormat::Pcap => Format::Pcap,
        };
        let settings = Settings {
            path: &args.output.write,
            format,
            rotation,
            snaplen: args.snaplen,
            plain: args.plain,
            live: live.then_some(args.rotation.write_buffer),
        };
        Self::new(&settings, &args.analysis.input.files)
    }

    /// The same, of packets that were read from `inputs`.
    pub fn new(settings: &Settings<'_>, inputs: &[PathBuf]) -> Result<Self> {
        let Settings {
            path,
            format,
            rotation,
            snaplen,
            plain,
            live,
        } = *settings;
        // A limit of the file size is an error of a write then, and does not end the process.
        signal_hook::flag::register(libc::SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        let series = Series::create(
            Options {
                path: path.to_owned(),
                format,
                application: APPLICATION.to_owned(),
                snaplen: snaplen.unwrap_or(0),
                rotation,
                live: live.is_some(),
            },
            now(),
        )?;
        let deleted = |file: &&PathBuf| rotation.keep.is_some() && series.rotates(file);
        if let Some(file) = inputs.iter().find(deleted) {
            bail!(
                "{}: is an input file, and --keep would delete it as one of an earlier run; write to another name",
                file.display()
            );
        }
        Ok(Self {
            writer: if let Some(room) = live {
                let queue =
                    Queue::start(series, room).context("cannot start the thread that writes")?;
                Writer::Apart(queue, room)
            } else {
                Writer::Here(Box::new(series))
            },
            path: path.to_owned(),
            rotates: rotation.is_some(),
            interfaces: HashMap::new(),
            now: now(),
            snaplen: snaplen.unwrap_or(u32::MAX),
            plain,
            skipped: 0,
            flowless: 0,
            totals: Totals::default(),
        })
    }

    /// The time of the frame whose packets come next.
    pub fn arrived(&mut self, time: Timestamp) {
        self.now = time.0;
    }

    /// Writes one packet, unless an earlier one failed.
    pub fn keep(&mut self, result: &mut Result<()>, mirrored: &Mirrored<'_>, wanted: Option<bool>) {
        if result.is_ok() {
            *result = self.write(mirrored, wanted).context("writing stopped");
        }
    }

    fn write(&mut self, mirrored: &Mirrored<'_>, wanted: Option<bool>) -> io::Result<()> {
        // Fragments are written as the mirror brought them.
        if mirrored.shown.delivery != Delivery::Whole {
            return Ok(());
        }
        // Labels and sessions of the link are an encapsulation too, though no mirror's.
        if mirrored.mirror.is_none() && mirrored.inner.offset == 0 && !self.plain {
            self.skipped += 1;
            return Ok(());
        }
        match wanted {
            Some(true) => {}
            Some(false) => return Ok(()),
            None => {
                self.flowless += 1;
                return Ok(());
            }
        }
        let bytes = mirrored.inner.bytes;
        let said = mirrored.mirror.and_then(|m| m.facts.direction);
        let packet = Packet {
            interface: self.interface(mirrored),
            time: mirrored.shown.time.0,
            wire_len: mirrored.inner_len,
            bytes: bytes.get(..self.snaplen as usize).unwrap_or(bytes),
            direction: said.map(|said| direction(mirrored.shown.place.direction(said))),
        };
        match &mut self.writer {
            Writer::Here(series) => series.write(self.now, &packet),
            Writer::Apart(queue, _) => queue.write(self.now, &packet),
        }
    }

    /// The number of a session's interface.
    fn interface(&mut self, mirrored: &Mirrored<'_>) -> u32 {
        let key = (mirrored.shown.session, mirrored.inner.link);
        let writer = &mut self.writer;
        *self.interfaces.entry(key).or_insert_with(|| {
            let description = format!(
                "{} at {} ({})",
                mirrored.shown.place.role.as_str(),
                mirrored.shown.place.name,
                mirrored.shown.place.site
            );
            let interface = InterfaceDescription {
                name: &session_name(mirrored.key, mirrored.interface),
                description: &description,
                link_type: mirrored.inner.link.number(),
                snaplen: if self.snaplen == u32::MAX {
                    0
                } else {
                    self.snaplen
                },
            };
            match writer {
                Writer::Here(series) => series.add_interface(&interface),
                Writer::Apart(queue, _) => queue.add_interface(&interface),
            }
        })
    }

    /// Once a second, of live packets: what waits is written, and what failed tried again.
    pub fn tick(&mut self) -> Result<()> {
        match &mut self.writer {
            Writer::Here(series) => series.tick(now())?,
            Writer::Apart(queue, _) => queue.tick(now())?,
        }
        self.tell_notes();
        Ok(())
    }

    fn tell_notes(&mut self) {
        let notes = match &mut self.writer {
            Writer::Here(series) => series.take_notes(),
            Writer::Apart(queue, _) => queue.take_notes(),
        };
        for note in notes {
            eprintln!("mirrorscope: {}", printable(&note));
        }
    }

    /// Writes what waits, and puts the file in its place; true if all packets are in it.
    pub fn finish(&mut self) -> Result<bool> {
        let finished = match &mut self.writer {
            Writer::Here(series) => {
                let other_link = series.totals().other_link;
                if other_link > 0 && !self.rotates {
                    bail!(
                        "{other_link} packets of another link type do not fit into one pcap file; write pcapng instead"
                    );
                }
                series.finish(now())
            }
            Writer::Apart(queue, _) => queue.finish(now()),
        };
        self.tell_notes();
        self.totals = finished.context("writing stopped")?;
        let dropped = self.dropped();
        if let Writer::Apart(_, room) = self.writer
            && dropped > 0
        {
            eprintln!(
                "mirrorscope: {dropped} packets were not written because the disk is too slow; raise --write-buffer (now {} \
                 MiB), or write less: --snaplen, --filter",
                room >> 20
            );
        }
        if self.totals.unwritten > 0 {
            eprintln!(
                "mirrorscope: {} packets could not be written",
                self.totals.unwritten
            );
        }
        if self.totals.other_link > 0 {
            eprintln!(
                "mirrorscope: {} packets of another link type do not fit into a pcap file and were left out; write pcapng \
                 instead",
                self.totals.other_link
            );
        }
        Ok(dropped + self.totals.unwritten + self.totals.other_link == 0)
    }

    /// Packets that are in the file.
    pub fn written(&self) -> u64 {
        self.totals.written
    }

    fn dropped(&self) -> u64 {
        match &self.writer {
            Writer::Here(_) => 0,
            Writer::Apart(queue, _) => queue.dropped(),
        }
    }

    /// Tells what was not to be written.
    pub fn tell_left_out(&self, frames: u64) {
        let Self {
            skipped, flowless, ..
        } = self;
        if *skipped > 0 {
            eprintln!(
                "mirrorscope: {skipped} of {frames} frames are not encapsulated and were left out (--plain writes them too)"
            );
        }
        if *flowless > 0 {
            eprintln!(
                "mirrorscope: {flowless} packets belong to no flow that a filter could choose (ARP, fragments whose first is missing) \
                 and were left out"
            );
        }
    }

    /// Tells what was written.
    pub fn tell_written(&self) {
        if self.path.as_os_str() == "-" {
            return;
        }
        let name = printable(&self.path.to_string_lossy());
        let Totals { written, files, .. } = self.totals;
        if self.rotates {
            let plural = if files == 1 { "" } else { "s" };
            eprintln!("mirrorscope: {name}: {written} packets in {files} file{plural}");
        } else {
            eprintln!("mirrorscope: {name}: {written} packets");
        }
    }
}

/// The switch's ingress is what the mirrored station sends: outbound as the station's own capture would call it,
/// but pcapng means the capturing interface, which is the switch's port.
fn direction(way: Way) -> Direction {
    match way {
        Way::Ingress => Direction::Inbound,
        Way::Egress => Direction::Outbound,
    }
}
