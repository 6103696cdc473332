//! Where `decap` writes, and what it leaves out.

use std::collections::HashSet;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, Result, bail};
use mirrorscope_capture::live::now;
use mirrorscope_capture::writer::{
    Direction, Format, InterfaceDescription, Options, Packet, Rotation, Series, Totals,
};
use mirrorscope_dissectors::{Direction as Way, Network};
use mirrorscope_engine::names::Names;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::{Frame, Mirrored, Receiver};
use mirrorscope_engine::time::Timestamp;

use super::gate::is_bare;
use super::interfaces::{Interfaces, Key};
use super::writer::Writer;
use crate::cli::{AnalysisArgs, CaptureFormat, DecapArgs, Keep};
use crate::command::{APPLICATION, capture_format};

/// What is written, and what was left out.
pub struct Output {
    writer: Writer,
    /// Memory for live packets that wait.
    room: usize,
    path: PathBuf,
    rotates: bool,
    interfaces: Interfaces,
    keep: Keep,
    filter: String,
    names: Arc<Names>,
    /// Addresses whose names are written.
    named: HashSet<IpAddr>,
    /// When the frame at hand arrived.
    now: i64,
    snaplen: u32,
    totals: Totals,
}

/// A packet on its way into files.
pub struct Outgoing<'a> {
    /// Without its encapsulation.
    pub mirrored: &'a Mirrored<'a>,
    /// The frames that it came in, if they are to be written.
    pub frames: &'a [Frame<'a>],
    /// What to say of it.
    pub comment: Option<&'a str>,
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
    /// What is written of packets with encapsulation.
    pub keep: Keep,
    /// What chose them, in words.
    pub filter: String,
    /// What machines are called.
    pub names: Arc<Names>,
    /// Packets come live: memory for those that wait.
    pub live: Option<usize>,
}

impl Output {
    /// Prepares the output; packets may come live.
    pub fn create(path: &Path, args: &DecapArgs, names: Arc<Names>, live: bool) -> Result<Self> {
        let rotation = Rotation {
            size: args.rotation.rotate_size,
            time: args.rotation.rotate_time,
            keep: args.rotation.keep_files.map(usize::from),
        };
        let format = match capture_format(path, args.format) {
            CaptureFormat::Pcapng => Format::Pcapng,
            CaptureFormat::Pcap => Format::Pcap,
        };
        let settings = Settings {
            path,
            format,
            rotation,
            snaplen: args.snaplen,
            keep: args.keep,
            filter: filter_text(&args.analysis),
            names,
            live: live.then_some(args.write_buffer),
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
            live,
            keep,
            ref filter,
            ref names,
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
                "{}: is an input file, and --keep-files would delete it as one of an earlier run; write to another name",
                file.display()
            );
        }
        Ok(Self {
            writer: Writer::new(series, live)?,
            room: live.unwrap_or_default(),
            path: path.to_owned(),
            rotates: rotation.is_some(),
            interfaces: Interfaces::default(),
            keep,
            filter: filter.clone(),
            names: Arc::clone(names),
            named: HashSet::new(),
            now: now(),
            snaplen: snaplen.unwrap_or(u32::MAX),
            totals: Totals::default(),
        })
    }

    /// The time of the frame whose packets come next.
    pub fn arrived(&mut self, time: Timestamp) {
        self.now = time.0;
    }

    /// Writes one packet, unless an earlier one failed.
    pub fn keep(&mut self, result: &mut Result<()>, packet: &Outgoing<'_>) {
        if result.is_ok() {
            *result = self.write(packet).context("writing stopped");
        }
    }

    fn write(&mut self, packet: &Outgoing<'_>) -> io::Result<()> {
        let mirrored = packet.mirrored;
        let bare = is_bare(mirrored);
        if !self.names.is_empty() {
            self.name(mirrored);
        }
        if self.keep != Keep::Inner && !bare {
            for frame in packet.frames {
                self.write_outer(packet, frame)?;
            }
        }
        if self.keep != Keep::Outer || bare {
            self.write_inner(packet)?;
        }
        Ok(())
    }

    /// Writes what the ends of a packet are called.
    fn name(&mut self, mirrored: &Mirrored<'_>) {
        let inner = match &mirrored.shown.packet.network {
            Network::Ip(ip) => Some((ip.source, ip.destination)),
            _ => None,
        };
        let outer = mirrored.key.addresses;
        let outer = outer.filter(|_| self.keep != Keep::Inner);
        for (source, destination) in inner.into_iter().chain(outer) {
            for address in [source, destination] {
                if let Some(name) = self.names.of(address)
                    && self.named.insert(address)
                {
                    self.writer.name(address, name);
                }
            }
        }
    }

    /// Writes a frame as it arrived. Its way through the mirrored port is that of what is inside.
    fn write_outer(&mut self, packet: &Outgoing<'_>, frame: &Frame<'_>) -> io::Result<()> {
        let key = Key::outer(packet.mirrored, frame.link);
        let interface = self.interface(key, packet.mirrored);
        self.put(&Packet {
            interface,
            time: frame.time.0,
            wire_len: frame.wire_len,
            bytes: self.cut(frame.bytes),
            direction: None,
            comment: packet.comment,
        })
    }

    fn write_inner(&mut self, packet: &Outgoing<'_>) -> io::Result<()> {
        let mirrored = packet.mirrored;
        let interface = self.interface(Key::inner(mirrored), mirrored);
        let said = mirrored.mirror.and_then(|m| m.facts.direction);
        self.put(&Packet {
            interface,
            time: mirrored.shown.time.0,
            wire_len: mirrored.inner_len,
            bytes: self.cut(mirrored.inner.bytes),
            direction: said.map(|said| direction(mirrored.shown.place.direction(said))),
            comment: packet.comment,
        })
    }

    fn cut<'a>(&self, bytes: &'a [u8]) -> &'a [u8] {
        bytes.get(..self.snaplen as usize).unwrap_or(bytes)
    }

    fn put(&mut self, packet: &Packet<'_>) -> io::Result<()> {
        self.writer.write(self.now, packet)
    }

    /// The number of an interface, for one more packet.
    fn interface(&mut self, key: Key, mirrored: &Mirrored<'_>) -> u32 {
        let Self {
            writer,
            interfaces,
            keep,
            filter,
            snaplen,
            ..
        } = self;
        interfaces.number(key, || {
            let interface = InterfaceDescription {
                name: &key.name(mirrored, *keep == Keep::Both),
                description: &key.description(mirrored),
                link_type: key.link().number(),
                snaplen: if *snaplen == u32::MAX { 0 } else { *snaplen },
                filter,
            };
            writer.add_interface(&interface)
        })
    }

    /// Notes the counters of all interfaces, for the end of the file.
    pub fn count(&mut self, receiver: &Receiver) {
        let live = self.writer.is_live();
        for (interface, statistics) in self.interfaces.statistics(receiver, self.now, live) {
            self.writer.tell(interface, statistics);
        }
    }

    /// Whether a file may end before the next packets are written, so that its counters are asked for.
    pub fn may_end(&mut self) -> bool {
        self.writer.may_end(self.now)
    }

    /// Once a second, of live packets: what waits is written, and what failed tried again.
    pub fn tick(&mut self) -> Result<()> {
        self.writer.tick(now())?;
        self.tell_notes();
        Ok(())
    }

    fn tell_notes(&mut self) {
        for note in self.writer.take_notes() {
            eprintln!("mirrorscope: {}", printable(&note));
        }
    }

    /// Writes what waits, and puts the file in its place; true if all packets are in it.
    pub fn finish(&mut self) -> Result<bool> {
        let other_link = self.writer.other_link();
        if other_link > 0 && !self.rotates {
            bail!(
                "{other_link} packets of another link type do not fit into one pcap file; write pcapng instead"
            );
        }
        let finished = self.writer.finish(now());
        self.tell_notes();
        self.totals = finished.context("writing stopped")?;
        let dropped = self.writer.dropped();
        if dropped > 0 {
            eprintln!(
                "mirrorscope: {dropped} packets were not written because the disk is too slow; raise --write-buffer (now {} \
                 MiB), or write less: --snaplen, --filter",
                self.room >> 20
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

/// What chose the packets of a file, in words.
fn filter_text(args: &AnalysisArgs) -> String {
    let mut parts: Vec<String> = args.filter.iter().cloned().collect();
    let prefixes = &args.input.live.capture_filter;
    if !prefixes.is_empty() {
        let prefixes: Vec<String> = prefixes.iter().map(ToString::to_string).collect();
        parts.push(format!("mirrored by {}", prefixes.join(", ")));
    }
    parts.join("; ")
}

/// The switch's ingress is what the mirrored station sends: outbound as the station's own capture would call it,
/// but pcapng means the capturing interface, which is the switch's port.
fn direction(way: Way) -> Direction {
    match way {
        Way::Ingress => Direction::Inbound,
        Way::Egress => Direction::Outbound,
    }
}
