//! Sources side by side, their frames merged by time.
//!
//! A source may hold frames back: a block of a ring is handed over when it is full or its time is over. So the earliest frame
//! that is there may be lent only when no other source can have an earlier one. A source that has none ready says up to
//! when all of its frames were there; that is at most [`HOLD`] ago, so no frame waits for longer.

use std::os::fd::BorrowedFd;

use super::clock::now;
use super::endpoint::Endpoint;
use super::portable::Portable;
use super::ring::{HOLD, Ring};
use super::{Event, InterfaceStatistics, Lent};
use crate::{Error, Interface};

/// Nanoseconds from a frame's stamp until it can be read.
pub(crate) const SLACK: i64 = 1_000_000;
/// Nanoseconds that are worth a sleep.
const SHORTEST: i64 = 100_000;

/// One source of frames.
pub(crate) enum Source {
    Ring(Box<Ring>),
    Endpoint(Box<Endpoint>),
    Portable(Box<Portable>),
}

impl Source {
    pub fn interfaces(&self) -> &[Interface] {
        match self {
            Self::Ring(ring) => ring.interfaces(),
            Self::Endpoint(endpoint) => endpoint.interfaces(),
            Self::Portable(portable) => portable.interfaces(),
        }
    }

    /// Frames get in from now on.
    pub fn start(&mut self) -> Result<(), Error> {
        match self {
            Self::Ring(ring) => ring.start(),
            Self::Endpoint(_) => Ok(()),
            Self::Portable(portable) => portable.start(),
        }
    }

    /// The time of the next frame, if one is there now; never waits.
    #[inline]
    fn ready(&mut self) -> Result<Option<i64>, Error> {
        match self {
            Self::Ring(ring) => Ok(ring.ready()),
            Self::Endpoint(endpoint) => endpoint.ready(),
            Self::Portable(portable) => Ok(portable.ready()),
        }
    }

    /// The frame that `ready` told of.
    #[inline]
    pub fn lend(&mut self) -> Option<Lent<'_>> {
        match self {
            Self::Ring(ring) => ring.lend(),
            Self::Endpoint(endpoint) => endpoint.lend(),
            Self::Portable(portable) => portable.lend(),
        }
    }

    /// Up to when all frames were there, of a source that had none ready at `now`.
    fn complete(&self, now: i64) -> i64 {
        match self {
            Self::Ring(ring) => ring.complete(now),
            // What the kernel has received can be read at once.
            Self::Endpoint(_) | Self::Portable(_) => now - SLACK,
        }
    }

    fn fds(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Self::Ring(ring) => ring.fds(),
            Self::Endpoint(endpoint) => endpoint.fds(),
            Self::Portable(portable) => portable.fds(),
        }
    }

    pub fn statistics(&mut self) -> Vec<InterfaceStatistics> {
        match self {
            Self::Ring(ring) => ring.statistics(),
            Self::Endpoint(endpoint) => endpoint.statistics(),
            Self::Portable(portable) => portable.statistics(),
        }
    }

    pub fn tick(&mut self, now: i64) -> Vec<Event> {
        match self {
            Self::Ring(ring) => ring.tick(now),
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

    /// What comes next. A frame that it tells of must be lent before this is asked again.
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
            let times = self.heads.iter().enumerate();
            let first = times
                .filter_map(|(index, head)| Some((head.time?, index)))
                .min();
            // Sources that may have an earlier frame.
            let behind = |head: &Head| {
                head.time.is_none() && first.is_none_or(|(time, _)| head.complete < time)
            };
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

    /// What to wait for: sources that have no frame. (A ring with one would be ready at once, again and again.)
    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        let sources = self.sources.iter().zip(&self.heads);
        sources
            .filter(|(_, head)| head.time.is_none())
            .flat_map(|(source, _)| source.fds())
            .collect()
    }
}
