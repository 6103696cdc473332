//! The packet ring: frames as the kernel puts them into memory that it shares with us.
//!
//! The kernel fills one block after the other and hands each over when it is full, or some milliseconds after its first
//! frame. Frames are lent where they lie; a block goes back when its last frame was used. Specification: packet(7) and
//! Linux, `Documentation/networking/packet_mmap.rst` (`TPACKET_V3`).

mod aside;
mod block;
mod mapping;
mod origins;
pub(crate) mod socket;
mod target;

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::{Arc, Mutex, PoisonError};

use block::{Corrupt, Reader, Slot};
use mapping::Blocks;
use origins::Origins;
use socket::Socket;
use target::Target;

use super::clock::now;
use super::filter::{self, Devices, Instruction};
use super::interface::{ANY, Link, Wanted, shown};
use super::merge::SLACK;
use super::opened::size;
use super::{Dropped, Event, InterfaceStatistics, Numbers, Pass, Taken, Via};
use crate::host::capability;
use crate::{Error, Interface};

/// Size of a block. A block that is handed over early is used up like a full one, so that many small blocks bear a reader
/// that pauses for longer than few large ones; but the largest frame, of 64 KiB, must fit well.
const BLOCK: usize = 128 * 1024;
/// How often an interface that several threads share may come back.
const SPARES: usize = 8;
/// No ring has fewer blocks: the kernel fills one while another one is read.
const FEWEST: usize = 4;
/// Milliseconds after which a block is handed over that is not full.
const RETIRE: u32 = 8;
/// Nanoseconds after which a frame is surely in a block that was handed over. A timer of the kernel may be late by as much as
/// its slowest clock ticks, a hundredth of a second.
pub(crate) const HOLD: i64 = (RETIRE as i64 + 12) * 1_000_000;

/// The filters for all kinds of devices.
#[derive(Debug)]
pub(crate) struct Filters {
    ethernet: Vec<Instruction>,
    other: Vec<Instruction>,
    any: Vec<Instruction>,
}

impl Filters {
    /// Writes them.
    pub fn new(pass: &Pass, numbers: &Numbers, received_only: bool) -> Result<Self, Error> {
        let program = |devices| {
            filter::program(pass, numbers, devices, received_only).map_err(|needed| {
                Error::FilterTooLong {
                    needed,
                    most: filter::MAX_INSTRUCTIONS,
                }
            })
        };
        Ok(Self {
            ethernet: program(Devices::Ethernet)?,
            other: program(Devices::Other)?,
            any: program(Devices::Any)?,
        })
    }
}

/// The rings of several threads that share the packets of one interface: the interface's number, and their group.
pub(crate) type Group = Arc<Mutex<Option<(i32, u16)>>>;

/// What a ring is opened with.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub wanted: &'a Wanted,
    pub promiscuous: bool,
    pub hardware_time: bool,
    /// Bytes.
    pub buffer: usize,
    pub pass: &'a Pass,
    pub numbers: &'a Numbers,
    /// With others of the same interface.
    pub group: Option<Group>,
}

/// The ring of one interface, or of all.
#[derive(Debug)]
pub(crate) struct Ring {
    socket: Socket,
    blocks: Blocks,
    reader: Reader,
    /// The frame that is taken next, and its interface.
    next: Option<(Slot, u32)>,
    origins: Origins,
    target: Target,
    filters: Filters,
    dropped: u64,
    frames: u64,
    group: Option<Group>,
    /// How far the card's clock is behind the system's, if it stamps frames; known from the first one.
    behind: Option<i64>,
    hardware_time: bool,
    /// Sockets in place of this one when its interface comes back: in a group it cannot be bound anew, and a new one needs a
    /// capability that is gone by then.
    spares: Vec<Socket>,
}

impl Ring {
    /// Opens the socket and its ring. No frame gets in until [`Ring::start`].
    pub fn open(setup: &Setup<'_>, notes: &mut Vec<String>) -> Result<Self, Error> {
        let name = shown(&setup.wanted.name);
        let fault = |what| {
            let interface = name.clone();
            move |cause| Error::Live {
                interface,
                what,
                cause,
            }
        };
        let open = || {
            Socket::open().map_err(|cause| match cause.kind() {
                io::ErrorKind::PermissionDenied => Error::MissingCapability {
                    interface: name.clone(),
                    how: capability::how_to_grant("cap_net_raw"),
                },
                _ => fault("cannot open a packet socket")(cause),
            })
        };
        let socket = open()?;
        // In a group the kernel may take no notice of it (before 5.16).
        let received_only = !socket.ignore_outgoing() || setup.group.is_some();
        let filters = Filters::new(setup.pass, setup.numbers, received_only)?;
        let (blocks, smaller) =
            equip(&socket, setup.buffer).map_err(fault("cannot have a packet ring"))?;
        if let Some(cause) = smaller {
            notes.push(format!(
                "{name}: a ring of {} cannot be had ({cause}): {} instead",
                size(setup.buffer),
                size(blocks.count() * BLOCK),
            ));
        }
        let mut target = Target::new(setup.wanted, setup.promiscuous);
        target
            .bind(&socket, setup.wanted.index)
            .map_err(fault("cannot capture"))?;
        if !target.present {
            notes.push(format!("{name}: is down: captured once it is up"));
        }
        if setup.hardware_time
            && let Some(note) = card_time(&socket, &setup.wanted.name)
        {
            notes.push(note);
        }
        let mut spares = Vec::new();
        if let Some(group) = &setup.group {
            join(&socket, group, setup.wanted.index)
                .map_err(fault("cannot share it among threads"))?;
            while spares.len() < SPARES && setup.wanted.index != 0 {
                spares.push(open()?);
            }
        }
        let mut origins = Origins::default();
        origins.add(&setup.wanted.name, Link::of(target.device_type));
        Ok(Self {
            socket,
            blocks,
            reader: Reader::default(),
            next: None,
            origins,
            target,
            filters,
            dropped: 0,
            frames: 0,
            group: setup.group.clone(),
            behind: None,
            hardware_time: setup.hardware_time,
            spares,
        })
    }

    /// Frames get in from now on. Needs no capability.
    pub fn start(&self) -> Result<(), Error> {
        let program = if self.target.all() {
            &self.filters.any
        } else if Link::of(self.target.device_type) == Link::Ethernet {
            &self.filters.ethernet
        } else {
            &self.filters.other
        };
        self.socket.filter(program).map_err(|cause| Error::Live {
            interface: shown(&self.target.name),
            what: "cannot attach the filter",
            cause,
        })
    }

    pub fn interfaces(&self) -> &[Interface] {
        &self.origins.interfaces
    }

    /// The time of the next frame, if one is there now. A block that is used up is given back.
    #[inline]
    pub fn ready(&mut self) -> Option<i64> {
        loop {
            if let Some(time) = self.more() {
                return Some(time);
            }
            self.blocks.give_back();
            let block = self.blocks.take()?;
            self.reader = Reader::new(block);
        }
    }

    /// The time of the next frame of the block that is ours.
    #[inline]
    pub fn more(&mut self) -> Option<i64> {
        if let Some((slot, _)) = &self.next {
            return Some(self.moment(slot));
        }
        match self.reader.next(self.blocks.taken_mut()?) {
            Ok(slot) => {
                let slot = slot?;
                let origin = self.origins.of(&slot, &self.socket);
                if slot.by_card && self.behind.is_none() {
                    self.behind = Some(behind(slot.time, now()));
                }
                self.next = Some((slot, origin));
                Some(self.moment(&slot))
            }
            Err(Corrupt { lost }) => {
                self.dropped += u64::from(lost);
                None
            }
        }
    }

    /// When a frame came, by the clock that all sources share.
    #[inline]
    fn moment(&self, slot: &Slot) -> i64 {
        if slot.by_card {
            slot.time.saturating_add(self.behind.unwrap_or_default())
        } else {
            slot.time
        }
    }

    /// The frame that [`Ring::ready`] or [`Ring::more`] told of.
    #[inline]
    pub fn take(&mut self) -> Option<Taken> {
        let (slot, interface) = self.next.take()?;
        self.frames += 1;
        Some(Taken {
            time: slot.time,
            wire_len: slot.wire_len,
            interface,
            buffer: 0,
            start: slot.start,
            len: slot.len,
        })
    }

    /// The bytes of a frame that was taken since [`Ring::ready`].
    #[inline]
    pub fn bytes(&self, taken: &Taken) -> Option<&[u8]> {
        self.blocks.taken()?.get(taken.start..)?.get(..taken.len)
    }

    /// The time up to which all frames were there, for a ring that had none ready at `now`.
    pub fn complete(&self, now: i64) -> i64 {
        if self.next.is_none() && self.blocks.none_begun() {
            now - SLACK
        } else {
            now - HOLD
        }
    }

    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.socket.as_fd()]
    }

    pub fn statistics(&mut self) -> Vec<InterfaceStatistics> {
        vec![InterfaceStatistics {
            interface: 0,
            name: self.target.name.clone(),
            via: Via::Ring,
            present: self.present(),
            frames: self.frames,
            dropped: Dropped {
                kernel: self.count_drops(),
                ..Dropped::default()
            },
        }]
    }

    /// Frames that were lost since the start because the ring was full.
    pub fn count_drops(&mut self) -> u64 {
        // It cannot fail for an open packet socket; what is not told now is told the next time.
        self.dropped += u64::from(self.socket.take_drops().unwrap_or_default());
        self.dropped
    }

    /// The interface exists and is up.
    pub fn present(&self) -> bool {
        self.target.present
    }

    /// Looks after the interface: it may have gone, come back, or have another name.
    pub fn tick(&mut self, now: i64) -> Vec<Event> {
        let (mut events, found) = self.target.look(&self.socket, now);
        if let Some(index) = found {
            match self.attach(index) {
                Ok(true) => {
                    events.push(self.target.back(now));
                    // It may be another kind of device now. The filter that is there lets nothing wrong through.
                    let _ = self.start();
                }
                Ok(false) => {}
                // It may be gone again; else the next look will do.
                Err(_) => self.target.lost(),
            }
        }
        events
    }

    /// Binds to an interface that is back; false if it has to wait.
    fn attach(&mut self, index: i32) -> io::Result<bool> {
        let Some(group) = &self.group else {
            self.target.bind(&self.socket, index)?;
            return Ok(true);
        };
        if self.next.is_some() || self.blocks.any() {
            // First what the old ring still has.
            return Ok(false);
        }
        let Some(socket) = self.spares.pop() else {
            return Ok(false);
        };
        socket.ignore_outgoing();
        if self.hardware_time {
            // It was told when the first one was opened if that is not possible.
            let _ = socket.hardware_time(&self.target.name);
        }
        let (blocks, _) = equip(&socket, self.blocks.count() * BLOCK)?;
        self.target.bind(&socket, index)?;
        join(&socket, group, index)?;
        self.count_drops();
        self.socket = socket;
        self.blocks = blocks;
        self.reader = Reader::default();
        Ok(true)
    }
}

/// Gives a socket its ring, and a filter that lets nothing through; also says why the ring is smaller than wanted, if it is.
///
/// In this order no frame gets in that the filter would not pass: nothing is received until the socket is bound.
fn equip(socket: &Socket, buffer: usize) -> io::Result<(Blocks, Option<String>)> {
    socket.filter(&filter::nothing())?;
    socket.prepare()?;
    let mut count = buffer.div_ceil(BLOCK).max(FEWEST);
    let mut smaller = None;
    while let Err(cause) = socket.ring(BLOCK, count, RETIRE) {
        if count == FEWEST {
            return Err(cause);
        }
        smaller = Some(crate::error::plain(&cause));
        count = (count / 2).max(FEWEST);
    }
    Ok((Blocks::map(socket, BLOCK, count)?, smaller))
}

/// Joins the group of an interface, or founds it.
fn join(socket: &Socket, group: &Group, index: i32) -> io::Result<()> {
    let mut group = group.lock().unwrap_or_else(PoisonError::into_inner);
    let known = group.filter(|(of, _)| *of == index).map(|(_, id)| id);
    let id = socket.join(known, &filter::spread::program())?;
    *group = Some((index, id));
    Ok(())
}

/// Asks for the time stamps of the card; says so if they cannot be had.
fn card_time(socket: &Socket, name: &str) -> Option<String> {
    let shown = shown(name);
    if name == ANY {
        return Some(format!(
            "{shown}: frames have the kernel's time: name an interface for that of its card"
        ));
    }
    let cause = socket.hardware_time(name).err()?;
    let why = match cause.kind() {
        io::ErrorKind::PermissionDenied => capability::how_to_grant("cap_net_admin"),
        io::ErrorKind::Unsupported => "its card does not stamp all frames".to_owned(),
        _ => crate::error::plain(&cause),
    };
    Some(format!("{shown}: frames have the kernel's time: {why}"))
}

/// How far a card's clock is behind the system's. One that is set by the same clock differs by less than frames may have
/// waited; others count from whenever they were started, or in TAI.
fn behind(card: i64, system: i64) -> i64 {
    const SET: i64 = 2_000_000_000;
    let behind = system.saturating_sub(card);
    if behind.abs() < SET { 0 } else { behind }
}
