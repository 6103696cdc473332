//! Endpoint sockets: they are the mirror's destination. UDP needs no privilege, GRE and other IP protocols a raw socket.
//!
//! The kernel joins outer fragments and checks what it delivers. Frames are given as raw IP, with their outer headers put
//! together again.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};

use ipnet::IpNet;
use rustix::event::Timespec;
use rustix::event::epoll::{self, CreateFlags, EventData, EventFlags};
use rustix::net::netdevice;

use super::clock::now;
use super::opened::{self, Opened, Place};
use super::socket::{self, Scratch};
use super::tap::{self, Kind, Tap};
use super::{Dropped, Event, InterfaceStatistics, Options, Taken, Via};
use crate::error::{Error, plain};
use crate::frame::Interface;

/// Raw IP: what the frames begin with.
const LINKTYPE_RAW: u16 = 101;
/// Most interfaces that are told apart; what comes by further ones counts for the last.
const MAX_PLACES: usize = 1024;
const AT_ONCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 0,
};

/// What became of an interface.
enum Change {
    None,
    Gone,
    /// It is there again, or at once with another number.
    Back {
        renumbered: bool,
    },
    Renamed(String),
}

/// The sockets, and what they have delivered.
pub struct Endpoint {
    taps: Vec<Tap>,
    /// Tells which of them have something.
    poll: OwnedFd,
    /// Taps with datagrams that wait to be read.
    filled: Vec<usize>,
    /// What the kernel received until then is here, or nowhere.
    complete_until: i64,
    /// The tap whose datagram is taken next.
    chosen: Option<usize>,
    places: Vec<Place>,
    interfaces: Vec<Interface>,
    sources: Vec<IpNet>,
    buffer: usize,
    scratch: Scratch,
}

impl Endpoint {
    /// Opens all sockets that can be had; what cannot is told in the notes. Fails only if there is none.
    pub fn open(options: &Options) -> Result<(Self, Vec<String>), Error> {
        let Opened {
            taps,
            places,
            notes,
        } = opened::open(options)?;
        let poll = epoll::create(CreateFlags::CLOEXEC).map_err(unusable)?;
        let mut endpoint = Self {
            filled: Vec::with_capacity(taps.len()),
            taps,
            poll,
            complete_until: i64::MIN,
            chosen: None,
            interfaces: places
                .iter()
                .map(|place| interface(place.name.clone()))
                .collect(),
            places,
            sources: options.pass.sources.clone(),
            buffer: options.buffer,
            scratch: Scratch::default(),
        };
        for number in 0..endpoint.taps.len() {
            endpoint.listen(number).map_err(unusable)?;
        }
        Ok((endpoint, notes))
    }

    fn listen(&mut self, number: usize) -> io::Result<()> {
        let Some(tap) = self.taps.get(number) else {
            return Ok(());
        };
        let data = EventData::new_u64(number as u64);
        Ok(epoll::add(&self.poll, &tap.socket, data, EventFlags::IN)?)
    }

    /// Interfaces that frames came by, or that were asked for.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    /// What to wait for.
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.poll.as_fd()]
    }

    /// When the next frame came, if there is one now; never waits.
    pub fn ready(&mut self) -> Result<Option<i64>, Error> {
        let mut oldest = self.oldest();
        // One look is enough unless something came while it was taken; then the order is only sure after another.
        for _ in 0..2 {
            if oldest.is_some_and(|(time, _)| time <= self.complete_until) {
                break;
            }
            self.fill()?;
            oldest = self.oldest();
            if oldest.is_none() {
                break;
            }
        }
        Ok(self.choose(oldest))
    }

    /// The same, if it is known without a look at the sockets, which could overwrite what was taken.
    pub fn more(&mut self) -> Option<i64> {
        let sure = |(time, _): &(i64, usize)| *time <= self.complete_until;
        let oldest = self.oldest().filter(sure);
        self.choose(oldest)
    }

    /// Makes the oldest datagram the one that is taken next; gives when it came.
    fn choose(&mut self, oldest: Option<(i64, usize)>) -> Option<i64> {
        self.chosen = oldest.map(|(_, tap)| tap);
        oldest.map(|(time, _)| time)
    }

    /// The frame that `ready` or `more` told of.
    pub fn take(&mut self) -> Option<Taken> {
        let number = self.chosen.take()?;
        let head = *self.taps.get(number)?.head()?;
        let place = self.place(head.interface);
        let tap = self.taps.get_mut(number)?;
        if tap.is_last() && tap.more {
            // What it still has in the kernel may be older than what waits here of others.
            self.complete_until = i64::MIN;
        }
        tap.last = Some(place);
        let head = tap.take()?;
        if let Some(place) = self.places.get_mut(place) {
            place.frames += 1;
        }
        Some(Taken {
            time: head.time,
            wire_len: head.len as u32,
            interface: place as u32,
            buffer: number,
            start: head.start,
            len: head.len,
        })
    }

    /// The bytes of a frame that was taken since `ready`.
    pub fn bytes(&self, taken: &Taken) -> Option<&[u8]> {
        let tap = self.taps.get(taken.buffer)?;
        tap.bytes(taken.start, taken.len)
    }

    /// Frames and drops by interface. Drops are counted by socket: those of a socket that listens on all interfaces count
    /// for the one that brought its last datagram.
    pub fn statistics(&mut self) -> Vec<InterfaceStatistics> {
        for number in 0..self.taps.len() {
            self.count_drops(number);
        }
        let places = self.places.iter().enumerate();
        let statistics = places.map(|(number, place)| InterfaceStatistics {
            interface: number as u32,
            name: place.name.clone(),
            via: Via::Endpoint,
            present: place.present,
            frames: place.frames,
            dropped: Dropped {
                socket: place.dropped,
                ..Dropped::default()
            },
        });
        statistics.collect()
    }

    fn count_drops(&mut self, number: usize) {
        let Some(tap) = self.taps.get(number) else {
            return;
        };
        let Ok(dropped) = socket::dropped(tap.socket.as_fd()) else {
            return;
        };
        // Before the first datagram nobody knows whose they are.
        let Some(place) = tap.bound.or(tap.last) else {
            return;
        };
        let more = dropped.wrapping_sub(self.taps[number].dropped);
        self.taps[number].dropped = dropped;
        if let Some(place) = self.places.get_mut(place) {
            place.dropped += u64::from(more);
        }
    }

    /// Once a second: follows interfaces that go, come back or get another name.
    pub fn tick(&mut self, now: i64) -> Vec<Event> {
        let mut events = Vec::new();
        let mut moved = false;
        for number in 0..self.places.len() {
            let known_as = self.places[number].name.clone();
            let (text, renumbered) = match self.look(number) {
                Change::None => continue,
                Change::Renamed(name) => {
                    self.interfaces[number].name = Some(name.clone());
                    (format!("is called {name} now"), false)
                }
                Change::Gone => ("is gone; waiting for it to come back".to_owned(), false),
                Change::Back { renumbered } if renumbered && self.places[number].bound => {
                    (self.reopen(number), true)
                }
                Change::Back { .. } => ("is back".to_owned(), false),
            };
            moved |= renumbered;
            events.push(Event {
                time: now,
                text: format!("{known_as} {text}"),
                interface: known_as,
            });
        }
        if moved {
            let bound: Vec<u32> = self.places.iter().map(|place| place.index).collect();
            for tap in &self.taps {
                if matches!(tap.kind, Kind::Ip(_)) {
                    let _ = tap::listen_only_on(&tap.socket, &bound);
                }
            }
        }
        events
    }

    /// What became of an interface since the last look.
    fn look(&mut self, number: usize) -> Change {
        let (Some(tap), Some(place)) = (self.taps.first(), self.places.get_mut(number)) else {
            return Change::None;
        };
        if let Ok(index) = netdevice::name_to_index(&tap.socket, &place.name) {
            let renumbered = std::mem::replace(&mut place.index, index) != index;
            let was_present = std::mem::replace(&mut place.present, true);
            return if renumbered || !was_present {
                Change::Back { renumbered }
            } else {
                Change::None
            };
        }
        if !place.present {
            return Change::None;
        }
        if let Ok(name) = netdevice::index_to_name(&tap.socket, place.index) {
            place.name.clone_from(&name);
            return Change::Renamed(name);
        }
        place.present = false;
        Change::Gone
    }

    /// Opens the UDP sockets of an interface anew, which has another number now; says how that went.
    fn reopen(&mut self, place: usize) -> String {
        let mut refused: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let name = self.places[place].name.clone();
        for number in 0..self.taps.len() {
            let tap = &self.taps[number];
            let Kind::Udp(port) = tap.kind else {
                continue;
            };
            if tap.bound != Some(place) {
                continue;
            }
            let socket = opened::udp(port, tap.family, Some(&name), self.buffer);
            let result = socket.and_then(|(socket, _)| {
                self.count_drops(number);
                let tap = &mut self.taps[number];
                (tap.socket, tap.dropped) = (socket, 0);
                self.listen(number)
            });
            if let Err(error) = result {
                let ports = refused.entry(plain(&error)).or_default();
                ports.push(port.to_string());
            }
        }
        let mut text = "is back".to_owned();
        for (reason, ports) in refused {
            text = format!("{text}; UDP {} not received: {reason}", ports.join(", "));
        }
        text
    }

    /// The tap with the oldest datagram, and when it came.
    fn oldest(&self) -> Option<(i64, usize)> {
        let heads = self.filled.iter().filter_map(|number| {
            let head = self.taps.get(*number)?.head()?;
            Some((head.time, *number))
        });
        heads.min()
    }

    /// Takes a batch from every socket that has something, and has none waiting here.
    fn fill(&mut self) -> Result<(), Error> {
        let began = now();
        // Not kept: an event holds a pointer, and the sources of other threads could not be of the same type.
        let mut ready: Vec<epoll::Event> = Vec::with_capacity(self.taps.len().max(1));
        let room = rustix::buffer::spare_capacity(&mut ready);
        match epoll::wait(&self.poll, room, Some(&AT_ONCE)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(unusable(error)),
        }
        let taps = &self.taps;
        self.filled
            .retain(|number| taps.get(*number).is_some_and(|tap| tap.head().is_some()));
        for event in &ready {
            let data = event.data;
            let number = data.u64() as usize;
            let Some(tap) = self.taps.get_mut(number).filter(|tap| tap.head().is_none()) else {
                continue;
            };
            // An error that waits at a socket is told once and gone with that; the socket goes on.
            if tap.fill(&mut self.scratch, &self.sources).is_ok() && tap.head().is_some() {
                self.filled.push(number);
            }
        }
        self.complete_until = began;
        Ok(())
    }

    /// The interface with a number of the system's.
    fn place(&mut self, index: u32) -> usize {
        if let Some(known) = self.places.iter().position(|place| place.index == index) {
            return known;
        }
        let socket = self.taps.first().map(|tap| &tap.socket);
        let name = socket.and_then(|socket| netdevice::index_to_name(socket, index).ok());
        let name = name.unwrap_or_else(|| format!("interface {index}"));
        if let Some(known) = self.places.iter().position(|place| place.name == name) {
            let place = &mut self.places[known];
            (place.index, place.present) = (index, true);
            return known;
        }
        if self.places.len() < MAX_PLACES {
            self.interfaces.push(interface(name.clone()));
            self.places.push(Place::new(name, index, false));
        }
        self.places.len() - 1
    }
}

fn interface(name: String) -> Interface {
    Interface {
        source: "live".to_owned(),
        name: Some(name),
        description: None,
        link_type: LINKTYPE_RAW,
    }
}

fn unusable(error: impl Into<io::Error>) -> Error {
    Error::Receive {
        name: "endpoint".to_owned(),
        cause: plain(&error.into()),
    }
}

#[cfg(test)]
mod tests;
