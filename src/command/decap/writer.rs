//! Who writes: the thread that reads, or one of its own.

use std::io;
use std::net::IpAddr;

use anyhow::{Context, Result};
use mirrorscope_capture::writer::{
    InterfaceDescription, Packet, Queue, Series, Statistics, Totals,
};

/// Who writes.
pub enum Writer {
    /// The thread that reads: files can wait.
    Here(Box<Series>),
    /// A thread of its own: packets that come live cannot.
    Apart(Box<Queue>),
}

impl Writer {
    /// Has `series` written; `room` is the memory for live packets that wait.
    pub fn new(series: Series, room: Option<usize>) -> Result<Self> {
        let Some(room) = room else {
            return Ok(Self::Here(Box::new(series)));
        };
        let queue = Queue::start(series, room);
        let queue = queue.context("cannot start the thread that writes")?;
        Ok(Self::Apart(Box::new(queue)))
    }

    /// Whether packets come live.
    pub fn is_live(&self) -> bool {
        matches!(self, Self::Apart(_))
    }

    /// Writes a packet, or hands it over.
    pub fn write(&mut self, now: i64, packet: &Packet<'_>) -> io::Result<()> {
        match self {
            Self::Here(series) => series.write(now, packet),
            Self::Apart(queue) => queue.write(now, packet),
        }
    }

    /// Declares an interface.
    pub fn add_interface(&mut self, interface: &InterfaceDescription<'_>) -> u32 {
        match self {
            Self::Here(series) => series.add_interface(interface),
            Self::Apart(queue) => queue.add_interface(interface),
        }
    }

    /// Tells the counters of an interface.
    pub fn tell(&mut self, interface: u32, statistics: Statistics) {
        match self {
            Self::Here(series) => series.tell(interface, statistics),
            Self::Apart(queue) => queue.tell(interface, statistics),
        }
    }

    /// Names an address, once.
    pub fn name(&mut self, address: IpAddr, name: &str) {
        match self {
            Self::Here(series) => series.name(address, name),
            Self::Apart(queue) => queue.name(address, name),
        }
    }

    /// Whether a file may end before the next packets are written, so that its counters are asked for.
    pub fn may_end(&mut self, now: i64) -> bool {
        match self {
            Self::Here(series) => series.may_end(now),
            // It has those of the last tick.
            Self::Apart(_) => false,
        }
    }

    /// Writes what waits.
    pub fn tick(&mut self, now: i64) -> io::Result<()> {
        match self {
            Self::Here(series) => series.tick(now),
            Self::Apart(queue) => queue.tick(now),
        }
    }

    /// What people should know.
    pub fn take_notes(&mut self) -> Vec<String> {
        match self {
            Self::Here(series) => series.take_notes(),
            Self::Apart(queue) => queue.take_notes(),
        }
    }

    /// Writes all, and puts the file in its place.
    pub fn finish(&mut self, now: i64) -> io::Result<Totals> {
        match self {
            Self::Here(series) => series.finish(now),
            Self::Apart(queue) => queue.finish(now),
        }
    }

    /// Packets of another link type than the file's.
    pub fn other_link(&self) -> u64 {
        match self {
            Self::Here(series) => series.totals().other_link,
            Self::Apart(_) => 0,
        }
    }

    /// Packets for which there was no room while they waited.
    pub fn dropped(&self) -> u64 {
        match self {
            Self::Here(_) => 0,
            Self::Apart(queue) => queue.dropped(),
        }
    }
}
