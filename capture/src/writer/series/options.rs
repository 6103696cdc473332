//! What a series of files is to be, and what became of it.

use std::path::PathBuf;

use crate::writer::Format;

/// When another file begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rotation {
    /// Before a file would have more bytes than this.
    pub size: Option<u64>,
    /// So long after a file began, in nanoseconds.
    pub time: Option<i64>,
    /// How many files are kept; the oldest are deleted, those of earlier runs among them.
    pub keep: Option<usize>,
}

impl Rotation {
    /// Whether there are several files.
    pub fn is_some(&self) -> bool {
        self.size.is_some() || self.time.is_some()
    }
}

/// What is written where.
#[derive(Clone, Debug)]
pub struct Options {
    /// The file; with rotation, its name without number and time. `-` is standard output.
    pub path: PathBuf,
    /// Its format.
    pub format: Format,
    /// Program that a pcapng file names as its writer.
    pub application: String,
    /// Bytes that packets are cut to, 0 if they are not.
    pub snaplen: u32,
    /// When another file begins.
    pub rotation: Rotation,
    /// Packets come as they happen and cannot be had again. Then the file is there from the start, and a full disk is no
    /// reason to stop: packets are counted until there is room again.
    pub live: bool,
}

/// What became of packets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// In files.
    pub written: u64,
    /// Not in any, for want of room or by another fault of the disk.
    pub unwritten: u64,
    /// Left out because a pcap file has one link type only.
    pub other_link: u64,
    /// Files that were begun and have something in them.
    pub files: u64,
}
