//! Sources side by side, their frames merged by time.
//!
//! A source may hold frames back: a block of a ring is handed over when it is full or its time is over. So the earliest frame
//! that is there may be lent only when no other source can have an earlier one. A source that has none ready says up to
//! when all of its frames were there; that is at most [`HOLD`] ago, so no frame waits for longer.
//!
//! Frames are taken in batches: after the first one, those that can be had while it stays where it is.

use std::io;
use std::os::fd::BorrowedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::clock::now;
use super::endpoint::Endpoint;
use super::portable::Portable;
use super::ring::{HOLD, Ring};
use super::threads::Queue;
use super::{Event, InterfaceStatistics, Taken};
use crate::{Error, Interface};

/// Nanoseconds from a frame's stamp until it can be read.
pub(crate) const SLACK: i64 = 1_000_000;
/// Nanoseconds that are worth a sleep.
const SHORTEST: i64 = 100_000;

/// One source of frames.
pub(crate) enum Source {
    Ring(Box<Ring>),
    Queue(Box<Queue>),
    Endpoint(Box<Endpoint>),
    Portable(Box<Portable>),
}

impl Source {
    pub fn interfaces(&self) -> &[Interface] {
        match self {
            Self::Ring(ring) => ring.interfaces(),
            Self::Queue(queue) => queue.interfaces(),
            Self::Endpoint(endpoint) => endpoint.interfaces(),
            Self::Portable(portable) => portable.interfaces(),
        }
    }

    /// Frames get in from now on.
    pub fn start(&mut self) -> Result<(), Error> {
        match self {
            Self::Ring(ring) => ring.start(),
            Self::Queue(queue) => queue.start(),
            Self::Endpoint(_) => Ok(()),
            Self::Portable(portable) => portable.start(),
        }
    }

    /// The time of the next frame, if one is there now; never waits. The bytes of those that were taken may go.
    #[inline]
    fn ready(&mut self) -> Result<Option<i64>, Error> {
        match self {
            Self::Ring(ring) => Ok(ring.ready()),
            Self::Queue(queue) => Ok(queue.ready()),
            Self::Endpoint(endpoint) => endpoint.ready(),
            Self::Portable(portable) => Ok(portable.ready()),
        }
    }

    /// The same, if the bytes of those that were taken stay where they are.
    #[inline]
    fn more(&mut self) -> Option<i64> {
        match self {
            Self::Ring(ring) => ring.more(),
            Self::Queue(queue) => queue.more(),
            Self::Endpoint(endpoint) => endpoint.more(),
            Self::Portable(portable) => portable.more(),
        }
    }

    /// Takes the frame out that `ready` or `more` told of.
    #[inline]
    pub fn take(&mut self) -> Option<Taken> {
        match self {
            Self::Ring(ring) => ring.take(),
            Self::Queue(queue) => queue.take(),
            Self::Endpoint(endpoint) => endpoint.take(),
            Self::Portable(portable) => portable.take(),
        }
    }

    /// The bytes of a frame that was taken since `ready`.
    #[inline]
    pub fn bytes(&self, taken: &Taken) -> Option<&[u8]> {
        match self {
            Self::Ring(ring) => ring.bytes(taken),
            Self::Queue(queue) => queue.bytes(taken),
            Self::Endpoint(endpoint) => endpoint.bytes(taken),
            Self::Portable(portable) => portable.bytes(taken),
        }
    }

    /// Up to when all frames were there, of a source that had none ready at `now`.
    fn complete(&self, now: i64) -> i64 {
        match self {
            Self::Ring(ring) => ring.complete(now),
            Self::Queue(queue) => queue.complete(now),
            // What the kernel has received can be read at once.
            Self::Endpoint(_) | Self::Portable(_) => now - SLACK,
        }
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Ring(ring) => ring.fds(),
            Self::Queue(queue) => queue.fds(),
            Self::Endpoint(endpoint) => endpoint.fds(),
            Self::Portable(portable) => portable.fds(),
        }
    }

    pub fn statistics(&mut self) -> Vec<InterfaceStatistics> {
        match self {
            Self::Ring(ring) => ring.statistics(),
            Self::Queue(queue) => queue.statistics(),
            Self::Endpoint(endpoint) => endpoint.statistics(),
            Self::Portable(portable) => portable.statistics(),
        }
    }

    pub fn tick(&mut self, now: i64) -> Vec<Event> {
        match self {
            Self::Ring(ring) => ring.tick(now),
            Self::Queue(queue) => queue.tick(now),
            Self::Endpoint(endpoint) => endpoint.tick(now),
            Self::Portable(portable) => portable.tick(now),
        }
    }
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A frame of the source with this number, at this time.
    Frame(usize, i64),
    /// A frame that is to wait for others: so many nanoseconds at most.
    Wait(i64),
    /// None is there.
    Nothing,
}

/// Several sources, their frames in the order of time.
pub(crate) struct Merge {
    pub sources: Vec<Source>,
    heads: Vec<Head>,
    /// The source whose frame was handed out.
    last: Option<usize>,
}

/// What is known of a source without asking it.
#[derive(Clone, Copy, Debug)]
struct Head {
    /// The time of its next frame.
    time: Option<i64>,
    /// Up to when it has given all frames.
    complete: i64,
}

impl Head {
    /// Its source may have a frame that is earlier than the earliest one that is known.
    fn may_precede(&self, earliest: Option<i64>) -> bool {
        self.time.is_none() && earliest.is_none_or(|time| self.complete < time)
    }
}

impl Merge {
    pub fn new(sources: Vec<Source>) -> Self {
        let head = Head {
            time: None,
            complete: i64::MIN,
        };
        let heads = vec![head; sources.len()];
        Self {
            sources,
            heads,
            last: None,
        }
    }

    /// What comes next. A frame that it tells of must be taken before this or `more` is asked again. The bytes of those that
    /// were taken before may go.
    #[inline]
    pub fn next(&mut self) -> Result<Next, Error> {
        if let [only] = &mut self.sources[..] {
            return Ok(match only.ready()? {
                Some(time) => Next::Frame(0, time),
                None => Next::Nothing,
            });
        }
        self.earliest(now)
    }

    /// The frame that comes next, and its source, if that is sure without asking others, and the bytes of those that were taken
    /// since `next` stay where they are.
    #[inline]
    pub fn more(&mut self) -> Option<(usize, i64)> {
        if let [only] = &mut self.sources[..] {
            return Some((0, only.more()?));
        }
        let last = self.last?;
        let time = self.sources.get_mut(last)?.more()?;
        self.heads.get_mut(last)?.time = Some(time);
        self.last = None;
        let (time, index) = self.first()?;
        if self.heads.iter().any(|head| head.may_precede(Some(time))) {
            return None;
        }
        self.hand_out(index, time);
        Some((index, time))
    }

    /// The earliest frame that is known, and its source.
    #[inline]
    fn first(&self) -> Option<(i64, usize)> {
        let times = self.heads.iter().enumerate();
        times
            .filter_map(|(index, head)| Some((head.time?, index)))
            .min()
    }

    fn earliest(&mut self, now: impl Fn() -> i64) -> Result<Next, Error> {
        // The source that gave a frame most often has another one: no need to look at the clock for it.
        if let Some(last) = self.last.take()
            && let (Some(head), Some(source)) =
                (self.heads.get_mut(last), self.sources.get_mut(last))
        {
            head.time = source.ready()?;
        }
        let mut asked = None;
        loop {
            let first = self.first();
            let earliest = first.map(|(time, _)| time);
            let behind = |head: &Head| head.may_precede(earliest);
            if !self.heads.iter().any(behind) {
                return Ok(match first {
                    Some((time, index)) => self.hand_out(index, time),
                    None => Next::Nothing,
                });
            }
            if let Some(asked) = asked {
                return Ok(match first {
                    // A frame from the future, because a clock was set or is another one: waiting would not help.
                    Some((time, index)) if time > asked => self.hand_out(index, time),
                    // While those that it waits for stay empty, they are complete up to a moment that advances with the clock.
                    Some((time, _)) => {
                        let missing = self.heads.iter().filter(|head| behind(head));
                        let complete = missing.map(|head| head.complete).min();
                        let wait = complete.map_or(0, |complete| time.saturating_sub(complete));
                        Next::Wait(wait.clamp(SHORTEST, HOLD))
                    }
                    None => Next::Nothing,
                });
            }
            let time = now();
            asked = Some(time);
            for (head, source) in self.heads.iter_mut().zip(&mut self.sources) {
                if head.time.is_none() {
                    head.time = source.ready()?;
                }
                if head.time.is_none() {
                    head.complete = source.complete(time);
                }
            }
        }
    }

    fn hand_out(&mut self, index: usize, time: i64) -> Next {
        if let Some(head) = self.heads.get_mut(index) {
            head.time = None;
        }
        self.last = Some(index);
        Next::Frame(index, time)
    }

    /// Up to when all frames were handed out, when there was none to hand out after `now`.
    pub fn complete(&self, now: i64) -> i64 {
        let sources = self.sources.iter().zip(&self.heads);
        let complete = sources.map(|(source, head)| match head.time {
            Some(time) => time,
            None => source.complete(now),
        });
        complete.min().unwrap_or(now)
    }

    /// Waits until a source that has no frame gets one. (A ring that has one would be ready at once, again and again.)
    ///
    /// True if a source has something else to say: it is to be looked after.
    pub fn sleep(&self, most: Duration) -> io::Result<bool> {
        let sources = self.sources.iter().zip(&self.heads);
        let fds: Vec<BorrowedFd<'_>> = sources
            .filter(|(_, head)| head.time.is_none())
            .flat_map(|(source, _)| source.fds())
            .collect();
        let mut fds: Vec<PollFd<'_>> = fds
            .iter()
            .map(|fd| PollFd::new(fd, PollFlags::IN))
            .collect();
        let most = Timespec {
            tv_sec: most.as_secs().cast_signed(),
            tv_nsec: most.subsec_nanos().into(),
        };
        match poll(&mut fds, Some(&most)) {
            Ok(0) | Err(rustix::io::Errno::INTR) => Ok(false),
            Ok(_) => {
                let failed = |fd: &PollFd<'_>| fd.revents().contains(PollFlags::ERR);
                Ok(fds.iter().any(failed))
            }
            Err(errno) => Err(errno.into()),
        }
    }
}

/// The interfaces of several sources, each once.
#[derive(Debug, Default)]
pub(crate) struct Interfaces {
    pub all: Vec<Interface>,
    /// For each source, what its own are here.
    places: Vec<Vec<u32>>,
}

impl Interfaces {
    /// For these sources.
    pub fn new(sources: &[Source]) -> Self {
        let mut interfaces = Self {
            all: Vec::new(),
            places: vec![Vec::new(); sources.len()],
        };
        for (number, source) in sources.iter().enumerate() {
            interfaces.adopt(number, source.interfaces());
        }
        interfaces
    }

    /// Takes over those that a source has met since.
    pub fn adopt(&mut self, source: usize, interfaces: &[Interface]) {
        let Some(places) = self.places.get_mut(source) else {
            return;
        };
        let known = places.len();
        for interface in interfaces.iter().skip(known) {
            let place = self.all.iter().position(|one| one == interface);
            let place = place.unwrap_or_else(|| {
                self.all.push(interface.clone());
                self.all.len() - 1
            });
            places.push(place as u32);
        }
    }

    /// Where a source's interface is here.
    #[inline]
    pub fn place(&self, source: usize, interface: u32) -> Option<u32> {
        let places = self.places.get(source)?;
        places.get(interface as usize).copied()
    }
}
