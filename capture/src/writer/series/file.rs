//! One file of a series while it is written.

use std::io::{self, Write as _};
use std::path::Path;

use crate::Error;
use crate::writer::encoder::{Encoder, Interface, Name};
use crate::writer::own::{Cut, OwnFile};
use crate::writer::{OutputFile, Packet};

/// A file that is being written.
pub(super) struct Open {
    pub target: Target,
    pub encoder: Encoder,
    /// Where in the waiting bytes each packet ends.
    pub ends: Vec<usize>,
    /// Bytes that do not wait any more.
    pub len: u64,
    /// Packets since it was opened, waiting ones among them.
    pub packets: u64,
    /// When it began.
    pub start: i64,
}

pub(super) enum Target {
    /// Standard output, a device, or a file that appears when it is complete.
    Output(OutputFile),
    Own(OwnFile),
}

/// Why what waited was not written.
pub(super) enum Failed {
    Cut(Cut),
    Fatal(io::Error),
}

impl Open {
    /// Adds a packet; not if the file, having others, would then have more than `limit` bytes.
    pub fn encode(
        &mut self,
        packet: &Packet<'_>,
        interface: &Interface,
        names: &[Name],
        limit: Option<u64>,
    ) -> io::Result<bool> {
        let before = self.encoder.bytes().len();
        let known = self.encoder.knows(packet.interface);
        self.encoder.packet(packet, interface, names)?;
        let after = self.encoder.bytes().len();
        let size = self.size();
        if self.packets > 0 && limit.is_some_and(|limit| size > limit) {
            self.encoder.bytes().truncate(before);
            if !known {
                self.encoder.forget(packet.interface);
            }
            return Ok(false);
        }
        self.ends.push(after);
        self.packets += 1;
        Ok(true)
    }

    /// Bytes of the file if it ended now.
    pub fn size(&mut self) -> u64 {
        self.len + self.encoder.bytes().len() as u64 + self.encoder.rest()
    }

    pub fn push(&mut self) -> Result<(), Failed> {
        let bytes = self.encoder.bytes();
        match &mut self.target {
            Target::Own(file) => file.append(bytes, &self.ends).map_err(Failed::Cut)?,
            Target::Output(file) => {
                let written = file.write_all(bytes).and_then(|()| file.flush());
                written.map_err(Failed::Fatal)?;
            }
        }
        self.len += bytes.len() as u64;
        bytes.clear();
        self.ends.clear();
        Ok(())
    }

    /// Begins with another header; there are no packets yet.
    pub fn begin_anew(&mut self, encoder: Encoder) -> io::Result<()> {
        if let Target::Own(file) = &mut self.target {
            file.empty().map_err(|cause| named(file.path(), cause))?;
        }
        self.encoder = encoder;
        self.len = 0;
        Ok(())
    }

    pub fn is_deleted(&self) -> bool {
        matches!(&self.target, Target::Own(file) if file.is_deleted())
    }
}

/// A failed write, with the name of its file.
pub(super) fn named(path: &Path, cause: io::Error) -> io::Error {
    let (kind, file) = (cause.kind(), path.display().to_string());
    io::Error::new(kind, Error::Write { file, cause })
}
