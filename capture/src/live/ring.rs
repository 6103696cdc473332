//! The packet ring: frames as the kernel puts them into memory that it shares with us.
//!
//! The kernel fills one block after the other and hands each over when it is full, or some milliseconds after its first
//! frame. Frames are lent where they lie; a block goes back when its last frame was used. Specification: packet(7) and
//! Linux, `Documentation/networking/packet_mmap.rst` (`TPACKET_V3`).

mod block;
mod mapping;
mod socket;

use std::collections::HashMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;

use block::{Corrupt, Reader, Slot};
use mapping::Blocks;
use socket::Socket;

use super::filter::{self, Devices, Instruction};
use super::interface::{ANY, Link, Wanted, shown};
use super::merge::SLACK;
use super::{Dropped, Event, InterfaceStatistics, Lent, Numbers, Pass, Via};
use crate::host::capability;
use crate::{Error, Interface};

/// Size of a block. A block that is handed over early is used up like a full one, so that many small blocks bear a reader
/// that pauses for longer than few large ones; but the largest frame, of 64 KiB, must fit well.
const BLOCK: usize = 128 * 1024;
/// No ring has fewer blocks: the kernel fills one while another one is read.
const FEWEST: usize = 4;
/// Milliseconds after which a block is handed over that is not full.
const RETIRE: u32 = 8;
/// Nanoseconds after which a frame is surely in a block that was handed over. A timer of the kernel may be late by as much as
/// its slowest clock ticks, a hundredth of a second.
pub(crate) const HOLD: i64 = (RETIRE as i64 + 12) * 1_000_000;
/// As many interfaces are told apart when all are captured; containers come and go.
const MOST_INTERFACES: usize = 4096;

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

/// What a ring is opened with.
#[derive(Debug)]
pub(crate) struct Setup<'a> {
    pub wanted: &'a Wanted,
    pub promiscuous: bool,
    /// Bytes.
    pub buffer: usize,
    pub pass: &'a Pass,
    pub numbers: &'a Numbers,
}

/// The ring of one interface, or of all.
#[derive(Debug)]
pub(crate) struct Ring {
    socket: Socket,
    blocks: Blocks,
    /// The block that is read, or that comes next.
    at: usize,
    reader: Reader,
    /// The frame that is lent next, and its interface.
    next: Option<(Slot, u32)>,
    origins: Origins,
    target: Target,
    filters: Arc<Filters>,
    dropped: u64,
    frames: u64,
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
        let socket = Socket::open().map_err(|cause| match cause.kind() {
            io::ErrorKind::PermissionDenied => Error::MissingCapability {
                interface: name.clone(),
                how: capability::how_to_grant("cap_net_raw"),
            },
            _ => fault("cannot open a packet socket")(cause),
        })?;
        // In this order no frame gets in that the filter would not pass: nothing is received until the socket is bound.
        let filters = Filters::new(setup.pass, setup.numbers, !socket.ignore_outgoing())?;
        socket
            .filter(&filter::nothing())
            .map_err(fault("cannot attach a filter"))?;
        socket.prepare().map_err(fault(
            "the kernel has no packet ring of version 3 (Linux 3.2)",
        ))?;
        let (count, cause) =
            make_ring(&socket, setup.buffer).map_err(fault("cannot have a packet ring"))?;
        if let Some(cause) = cause {
            notes.push(format!(
                "{name}: a ring of {} cannot be had ({cause}): {} instead",
                size(setup.buffer),
                size(count * BLOCK),
            ));
        }
        let blocks =
            Blocks::map(&socket, BLOCK, count).map_err(fault("cannot map the packet ring"))?;
        let mut target = Target::new(setup.wanted, setup.promiscuous);
        target
            .bind(&socket, setup.wanted.index)
            .map_err(fault("cannot capture"))?;
        if !target.present {
            notes.push(format!("{name}: is down: captured once it is up"));
        }
        let mut origins = Origins::default();
        origins.add(&setup.wanted.name, Link::of(target.device_type));
        Ok(Self {
            socket,
            blocks,
            at: 0,
            reader: Reader::default(),
            next: None,
            origins,
            target,
            filters: Arc::new(filters),
            dropped: 0,
            frames: 0,
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

    /// The time of the next frame, if one is there now.
    #[inline]
    pub fn ready(&mut self) -> Option<i64> {
        if let Some((slot, _)) = &self.next {
            return Some(slot.time);
        }
        loop {
            if let Some(block) = self.blocks.taken() {
                match self.reader.next(block) {
                    Ok(Some(slot)) => {
                        let origin = self.origins.of(&slot, &self.socket);
                        self.next = Some((slot, origin));
                        return Some(slot.time);
                    }
                    Ok(None) => {}
                    Err(Corrupt { lost }) => self.dropped += u64::from(lost),
                }
                self.blocks.give_back();
                self.at = (self.at + 1) % self.blocks.count();
            }
            let block = self.blocks.take(self.at)?;
            self.reader = Reader::new(block);
        }
    }

    /// The frame that [`Ring::ready`] told of.
    #[inline]
    pub fn lend(&mut self) -> Option<Lent<'_>> {
        let (slot, interface) = self.next.take()?;
        self.frames += 1;
        let bytes = self.blocks.taken()?.get(slot.start..)?.get(..slot.len)?;
        Some(Lent {
            time: slot.time,
            wire_len: slot.wire_len,
            interface,
            bytes,
        })
    }

    /// The time up to which all frames were there, for a ring that had none ready at `now`.
    pub fn complete(&self, now: i64) -> i64 {
        if self.next.is_none() && self.blocks.is_untouched(self.at) {
            now - SLACK
        } else {
            now - HOLD
        }
    }

    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.socket.as_fd()]
    }

    pub fn statistics(&mut self) -> Vec<InterfaceStatistics> {
        // It cannot fail for an open packet socket; what was not asked for now is asked for the next time.
        self.dropped += u64::from(self.socket.take_drops().unwrap_or_default());
        vec![InterfaceStatistics {
            interface: 0,
            name: self.target.name.clone(),
            via: Via::Ring,
            present: self.target.present,
            frames: self.frames,
            dropped: Dropped {
                kernel: self.dropped,
                ..Dropped::default()
            },
        }]
    }

    /// Looks after the interface: it may have gone, come back, or have another name.
    pub fn tick(&mut self, now: i64) -> Vec<Event> {
        let (texts, new_kind) = self.target.look(&self.socket);
        if new_kind {
            // The filter that is there now fits another kind of device, and lets nothing wrong through.
            let _ = self.start();
        }
        texts
            .into_iter()
            .map(|text| Event { time: now, text })
            .collect()
    }
}

/// Asks for a ring of that size, and for smaller ones while there is no memory; gives its blocks, and why it is smaller.
fn make_ring(socket: &Socket, buffer: usize) -> io::Result<(usize, Option<String>)> {
    let mut count = buffer.div_ceil(BLOCK).max(FEWEST);
    let mut reason = None;
    loop {
        match socket.ring(BLOCK, count, RETIRE) {
            Ok(()) => return Ok((count, reason)),
            Err(cause) if count > FEWEST => {
                reason = Some(crate::error::plain(&cause));
                count = (count / 2).max(FEWEST);
            }
            Err(cause) => return Err(cause),
        }
    }
}

/// Bytes as people write them.
fn size(bytes: usize) -> String {
    const MIB: usize = 1024 * 1024;
    if bytes >= MIB {
        format!("{} MiB", bytes / MIB)
    } else {
        format!("{} KiB", bytes / 1024)
    }
}

/// What was asked for, and where it is now.
#[derive(Debug)]
struct Target {
    /// Its present name.
    name: String,
    /// The name by which it is looked for when it is gone.
    given: String,
    /// The interface that the socket is bound to, 0 for all; None while there is none.
    index: Option<i32>,
    device_type: u16,
    promiscuous: bool,
    /// It exists and is up.
    present: bool,
}

impl Target {
    fn new(wanted: &Wanted, promiscuous: bool) -> Self {
        Self {
            name: wanted.name.clone(),
            given: wanted.name.clone(),
            index: None,
            device_type: libc::ARPHRD_ETHER,
            promiscuous,
            present: false,
        }
    }

    fn all(&self) -> bool {
        self.index == Some(0)
    }

    fn bind(&mut self, socket: &Socket, index: i32) -> io::Result<()> {
        if index == 0 {
            socket.bind(0)?;
            self.present = true;
        } else {
            let state = socket.state(&self.name)?;
            socket.bind(index)?;
            if self.promiscuous {
                socket.promiscuous(index)?;
            }
            self.device_type = state.device_type;
            self.present = state.up;
            // That of an interface that is down.
            socket.take_error();
        }
        self.index = Some(index);
        Ok(())
    }

    /// What has changed, in words, and whether it is another kind of device now.
    fn look(&mut self, socket: &Socket) -> (Vec<String>, bool) {
        let mut texts = Vec::new();
        let kind = self.device_type;
        if self.all() {
            return (texts, false);
        }
        socket.take_error();
        if let Some(index) = self.index {
            if let Some(name) = socket.name(index) {
                if name != self.name {
                    let (old, new) = (shown(&self.name), shown(&name));
                    texts.push(format!("{old}: is called {new} now: still captured"));
                    self.name = name;
                }
                let up = socket.state(&self.name).is_ok_and(|state| state.up);
                if up != self.present {
                    let how = if up { "is up again" } else { "is down" };
                    texts.push(format!("{}: {how}", shown(&self.name)));
                    self.present = up;
                }
            } else {
                texts.push(format!("{}: is gone", shown(&self.name)));
                self.index = None;
                self.present = false;
            }
        }
        if self.index.is_none()
            && let Some(index) = socket.index(&self.given)
        {
            self.name.clone_from(&self.given);
            if self.bind(socket, index).is_ok() {
                let how = if self.present { "" } else { ", but down" };
                texts.push(format!("{}: is back{how}", shown(&self.name)));
            }
        }
        (texts, self.device_type != kind)
    }
}

/// The interfaces that frames came by.
#[derive(Debug, Default)]
struct Origins {
    interfaces: Vec<Interface>,
    /// By number and device type.
    known: HashMap<(i32, u16), u32>,
    /// The last one that was asked for.
    last: Option<((i32, u16), u32)>,
}

impl Origins {
    #[inline]
    fn of(&mut self, slot: &Slot, socket: &Socket) -> u32 {
        let key = (slot.interface, slot.device_type);
        match self.last {
            Some((last, origin)) if last == key => origin,
            _ => self.look_up(key, socket),
        }
    }

    fn look_up(&mut self, key: (i32, u16), socket: &Socket) -> u32 {
        let known = self.known.get(&key).copied();
        let origin = known.unwrap_or_else(|| self.meet(key, socket));
        self.last = Some((key, origin));
        origin
    }

    /// An interface that frames come by for the first time.
    fn meet(&mut self, key: (i32, u16), socket: &Socket) -> u32 {
        if self.known.len() >= MOST_INTERFACES {
            return self.interfaces.len() as u32 - 1;
        }
        let (index, device_type) = key;
        let given = self.interfaces.first().and_then(|first| first.name.clone());
        // Under its first name, whatever it is called later.
        let name = given.filter(|name| name != ANY);
        let name = name
            .or_else(|| socket.name(index))
            .unwrap_or_else(|| format!("interface {index}"));
        let origin = self.add(&name, Link::of(device_type));
        self.known.insert(key, origin);
        origin
    }

    /// The interface of that name and link type; it is new, or has come back with another number.
    fn add(&mut self, name: &str, link: Link) -> u32 {
        let interface = super::interface(name, link.number());
        let place = self.interfaces.iter().position(|one| *one == interface);
        let place = place.unwrap_or_else(|| {
            self.interfaces.push(interface);
            self.interfaces.len() - 1
        });
        place as u32
    }
}
