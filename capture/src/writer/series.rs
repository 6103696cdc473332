//! Packets into one file or several, one after the other.

mod file;
mod options;

use std::io;
use std::mem;
use std::net::IpAddr;
use std::path::Path;

use super::encoder::{Encoder, Interface, Name};
use super::names::Names;
use super::own::{Cut, OwnFile};
use super::{Format, InterfaceDescription, OutputFile, Packet, Statistics};
use crate::Error;
use file::{Failed, Open, Target, named};
pub use options::{Options, Rotation, Totals};

/// Bytes gathered before they are written.
const ROOM: usize = 256 * 1024;
/// Free bytes of a disk that was full before anything is written again: otherwise each freed block would become a file.
const ENOUGH: u64 = 1024 * 1024;
/// Bytes that may be written at once: a datagram of the greatest length, as it is and as it arrived in parts.
const NEXT: u64 = 256 * 1024;
/// LINKTYPE number of Ethernet.
const ETHERNET: u16 = 1;

/// Writes packets into one file, or into several by size and time.
///
/// Files that rotate, and files of live packets, are there under their own names at once and hold whole packets at any moment: a
/// process that is killed leaves files that can be read. One file of packets that are not live appears when it is complete
/// (see [`OutputFile`]).
pub struct Series {
    options: Options,
    /// With rotation.
    names: Option<Names>,
    interfaces: Vec<Interface>,
    addresses: Vec<Name>,
    /// The link type of all packets, with pcap.
    link_type: Option<u16>,
    state: State,
    totals: Totals,
    /// Packets that were not written since nothing can be.
    missed: u64,
    notes: Vec<String>,
}

enum State {
    /// The next packet begins a file.
    Between,
    Open(Box<Open>),
    /// Nothing can be written. The file, if it is to be gone on with.
    Blocked(Option<OwnFile>),
}

impl Series {
    /// Prepares the output; `now` is nanoseconds since the epoch.
    ///
    /// # Errors
    ///
    /// What keeps it from being created, and rotation of what is no ordinary file.
    pub fn create(options: Options, now: i64) -> io::Result<Self> {
        let mut series = Self {
            names: None,
            interfaces: Vec::new(),
            addresses: Vec::new(),
            link_type: None,
            state: State::Between,
            totals: Totals::default(),
            missed: 0,
            notes: Vec::new(),
            options,
        };
        let path = &series.options.path;
        let rotates = series.options.rotation.is_some();
        if rotates {
            if is_special(path) {
                let name = if path.as_os_str() == "-" {
                    "standard output".into()
                } else {
                    path.to_string_lossy()
                };
                let text = format!("{name}: rotation needs an ordinary file");
                return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
            }
            series.names = Some(Names::new(path).map_err(|cause| opening(path, cause))?);
        }
        if series.options.live || !rotates {
            series.open(now)?;
        }
        if series.options.live {
            series.push()?;
        }
        Ok(series)
    }

    /// Whether a file is one of those that rotation makes, and deletes.
    pub fn rotates(&self, path: &Path) -> bool {
        self.names.as_ref().is_some_and(|names| names.has(path))
    }

    /// Declares an interface; returns its number.
    pub fn add_interface(&mut self, interface: &InterfaceDescription<'_>) -> u32 {
        self.add(Interface::new(interface))
    }

    pub(super) fn add(&mut self, interface: Interface) -> u32 {
        self.interfaces.push(interface);
        self.interfaces.len() as u32 - 1
    }

    /// Tells the counters of an interface. Each file has at its end what was told last.
    pub fn tell(&mut self, interface: u32, statistics: Statistics) {
        if let Some(interface) = self.interfaces.get_mut(interface as usize) {
            interface.statistics = Some(statistics);
        }
    }

    /// Whether the file may end before the next packets are written: then it is time to tell counters.
    pub fn may_end(&mut self, now: i64) -> bool {
        let limit = self.options.rotation.size;
        let is_full = match &mut self.state {
            State::Open(open) => {
                limit.is_some_and(|limit| open.size().saturating_add(NEXT) > limit)
            }
            _ => false,
        };
        is_full || self.is_over(now)
    }

    /// Names an address, once. Every file that a packet is written to from now on has it before.
    pub fn name(&mut self, address: IpAddr, name: &str) {
        self.addresses.push((address, name.to_owned()));
    }

    /// Writes a packet that arrived at `now`, in nanoseconds since the epoch.
    ///
    /// # Errors
    ///
    /// Those of the file, if packets are not live: whole packets before it are written. Of live packets, only those of
    /// standard output and devices.
    pub fn write(&mut self, now: i64, packet: &Packet<'_>) -> io::Result<()> {
        let Some(interface) = self.interfaces.get(packet.interface as usize) else {
            let text = "packet of an interface that was not added";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, text));
        };
        if !self.fits(interface.link_type)? {
            self.totals.other_link += 1;
            return Ok(());
        }
        if self.is_over(now) {
            self.close()?;
        }
        // Twice at most: a packet that would make a file too large begins the next one.
        loop {
            if let State::Between = self.state {
                self.open_or_block(now)?;
            }
            let State::Open(open) = &mut self.state else {
                self.miss(1);
                return Ok(());
            };
            let interface = &self.interfaces[packet.interface as usize];
            let limit = self.options.rotation.size;
            if open.encode(packet, interface, &self.addresses, limit)? {
                break;
            }
            self.close()?;
        }
        self.totals.written += 1;
        match &self.state {
            State::Open(open) if open.ends.last() >= Some(&ROOM) => self.push(),
            _ => Ok(()),
        }
    }

    /// Writes what waits, ends a file whose time is over, and tries again what failed. To be called once a second while packets
    /// are live.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn tick(&mut self, now: i64) -> io::Result<()> {
        if self.is_over(now) {
            return self.close();
        }
        match &self.state {
            State::Between => Ok(()),
            State::Blocked(_) => self.resume(now),
            State::Open(open) if open.is_deleted() => self.replace(now),
            State::Open(_) => self.push(),
        }
    }

    /// What became of packets so far.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// What people should know of what happened since this was asked last, a line each.
    pub fn take_notes(&mut self) -> Vec<String> {
        mem::take(&mut self.notes)
    }

    /// Writes what waits and puts the file in its place.
    ///
    /// # Errors
    ///
    /// As [`write`](Self::write).
    pub fn finish(&mut self, now: i64) -> io::Result<Totals> {
        // A capture without packets is one too.
        if self.totals.files == 0 && matches!(self.state, State::Between) {
            self.open(now)?;
        }
        // Standard output learns now what an empty file is.
        self.link_type.get_or_insert(ETHERNET);
        self.close()?;
        Ok(self.totals)
    }

    /// Whether packets of a link type can be written. With pcap the first one decides; a file that is there already has then to
    /// begin once more.
    fn fits(&mut self, link_type: u16) -> io::Result<bool> {
        if self.options.format == Format::Pcapng {
            return Ok(true);
        }
        let known = *self.link_type.get_or_insert(link_type);
        if self.totals.written == 0 && known != ETHERNET {
            let encoder = self.encoder()?;
            if let State::Open(open) = &mut self.state {
                open.begin_anew(encoder)?;
                self.push()?;
            }
        }
        Ok(known == link_type)
    }

    /// The file's time is over.
    fn is_over(&mut self, now: i64) -> bool {
        match (&mut self.state, self.options.rotation.time) {
            (State::Open(open), Some(time)) if now.saturating_sub(open.start) >= time => {
                if open.packets == 0 {
                    // It was made before there was anything to write.
                    open.start = now;
                }
                open.packets > 0
            }
            _ => false,
        }
    }

    fn open(&mut self, now: i64) -> io::Result<()> {
        let path = &self.options.path;
        let target = match &mut self.names {
            Some(names) => {
                let file = next_file(names, now).map_err(|cause| opening(names.folder(), cause))?;
                if let Some(keep) = self.options.rotation.keep
                    && let Err(cause) = names.prune(keep)
                {
                    let cause = named(names.folder(), cause);
                    let note = format!("{cause}: the oldest files cannot be deleted");
                    if !self.notes.contains(&note) {
                        self.notes.push(note);
                    }
                }
                Target::Own(file)
            }
            None if self.options.live && !is_special(path) => {
                Target::Own(OwnFile::create(path).map_err(|cause| opening(path, cause))?)
            }
            None => Target::Output(OutputFile::create(path).map_err(io::Error::other)?),
        };
        // Whatever happens from now on, there is a capture file.
        let own = matches!(target, Target::Own(_));
        self.go_on_in(target, now)?;
        self.totals.files += 1;
        if own { self.push() } else { Ok(()) }
    }

    /// Opens the next file; if packets are live, a failure is told and tried again later.
    fn open_or_block(&mut self, now: i64) -> io::Result<()> {
        match self.open(now) {
            Err(cause) if self.options.live => {
                self.block(&cause, None);
                Ok(())
            }
            result => result,
        }
    }

    fn go_on_in(&mut self, target: Target, now: i64) -> io::Result<()> {
        let mut encoder = self.encoder()?;
        let len = match &target {
            Target::Own(file) => file.len(),
            Target::Output(_) => 0,
        };
        if len > 0 && self.options.format == Format::Pcap {
            // It has its header. A pcapng file gets another section, with interfaces of its own.
            encoder.bytes().clear();
        }
        self.state = State::Open(Box::new(Open {
            target,
            encoder,
            ends: Vec::new(),
            len,
            packets: 0,
            start: now,
        }));
        Ok(())
    }

    fn encoder(&self) -> io::Result<Encoder> {
        match self.options.format {
            Format::Pcapng => Encoder::pcapng(&self.options.application),
            Format::Pcap => Encoder::pcap(self.link_type.unwrap_or(ETHERNET), self.options.snaplen),
        }
    }

    /// Writes what waits.
    fn push(&mut self) -> io::Result<()> {
        let State::Open(open) = &mut self.state else {
            return Ok(());
        };
        if let Target::Output(_) = open.target
            && self.options.format == Format::Pcap
            && self.link_type.is_none()
        {
            // A header that is sent cannot be changed.
            return Ok(());
        }
        match open.push() {
            Ok(()) => Ok(()),
            Err(Failed::Fatal(cause)) => Err(cause),
            Err(Failed::Cut(cut)) => self.fail(cut),
        }
    }

    /// An own file took some of what waited only.
    fn fail(&mut self, cut: Cut) -> io::Result<()> {
        let State::Open(open) = mem::replace(&mut self.state, State::Between) else {
            return Ok(());
        };
        let Target::Own(file) = open.target else {
            return Ok(());
        };
        let cause = named(file.path(), cut.cause);
        let lost = (open.ends.len() - cut.packets) as u64;
        self.totals.written -= lost;
        self.miss(lost);
        let mut rest = None;
        match &mut self.names {
            None => rest = Some(file),
            Some(names) if open.packets == lost => {
                // Nothing of it is worth a file.
                self.totals.files -= 1;
                names.take_back();
                file.remove();
            }
            Some(_) => {}
        }
        if !self.options.live {
            return Err(cause);
        }
        self.block(&cause, rest);
        Ok(())
    }

    /// Tells that nothing is written from now on.
    fn block(&mut self, cause: &io::Error, rest: Option<OwnFile>) {
        self.notes.push(format!(
            "{cause}; what was written before is intact; packets are counted instead of written until there is room again"
        ));
        self.state = State::Blocked(rest);
    }

    /// Tries to write again.
    fn resume(&mut self, now: i64) -> io::Result<()> {
        if !self.has_room() {
            return Ok(());
        }
        let told = self.notes.len();
        match mem::replace(&mut self.state, State::Between) {
            State::Blocked(Some(file)) if !file.is_deleted() => {
                self.go_on_in(Target::Own(file), now)?;
            }
            _ => self.open_or_block(now)?,
        }
        self.push()?;
        if let State::Open(open) = &self.state
            && let Target::Own(file) = &open.target
        {
            let (name, missed) = (file.path().display(), mem::take(&mut self.missed));
            self.notes.push(format!(
                "{name}: is written again; {missed} packets are missing before"
            ));
        } else {
            // It was told when it began.
            self.notes.truncate(told);
        }
        Ok(())
    }

    /// Whether it is worth trying.
    fn has_room(&self) -> bool {
        let folder = match &self.names {
            Some(names) => names.folder(),
            None => folder(&self.options.path),
        };
        // What cannot be asked is tried.
        let free = rustix::fs::statvfs(folder)
            .map_or(u64::MAX, |disk| disk.f_bavail.saturating_mul(disk.f_frsize));
        // The next file makes room where the oldest one goes for it.
        let makes_room = match (&self.names, self.options.rotation.keep) {
            (Some(names), Some(keep)) => names.count().is_ok_and(|count| count >= keep),
            _ => false,
        };
        free >= ENOUGH || makes_room
    }

    /// Begins another file for one that somebody deleted.
    fn replace(&mut self, now: i64) -> io::Result<()> {
        if let State::Open(open) = mem::replace(&mut self.state, State::Between) {
            let waiting = open.ends.len() as u64;
            self.totals.written -= waiting;
            self.miss(waiting);
            if let Target::Own(file) = &open.target {
                let name = file.path().display();
                self.notes.push(format!(
                    "{name}: was deleted while it was written; another file is begun"
                ));
            }
        }
        self.open_or_block(now)?;
        self.push()
    }

    fn miss(&mut self, packets: u64) {
        self.totals.unwritten += packets;
        self.missed += packets;
    }

    fn close(&mut self) -> io::Result<()> {
        if let State::Open(open) = &mut self.state {
            open.encoder.finish(&self.interfaces)?;
        }
        self.push()?;
        if let State::Blocked(_) = self.state {
            return Ok(());
        }
        if let State::Open(open) = mem::replace(&mut self.state, State::Between)
            && let Target::Output(file) = open.target
        {
            file.commit().map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// The next file that is not there yet.
fn next_file(names: &mut Names, now: i64) -> io::Result<OwnFile> {
    loop {
        match OwnFile::create_new(&names.next(now)) {
            // Another process may write files of the same name.
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => {}
            Err(cause) => {
                names.take_back();
                return Err(cause);
            }
            file => return file,
        }
    }
}

/// Standard output, a device or a pipe.
fn is_special(path: &Path) -> bool {
    path.as_os_str() == "-" || path.metadata().is_ok_and(|metadata| !metadata.is_file())
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn opening(path: &Path, cause: io::Error) -> io::Error {
    let (kind, file) = (cause.kind(), path.display().to_string());
    let error = match kind {
        io::ErrorKind::NotFound => Error::Open { file, cause },
        _ => Error::open(file, cause),
    };
    io::Error::new(kind, error)
}

#[cfg(test)]
mod tests;
