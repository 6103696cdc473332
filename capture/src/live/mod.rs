//! Live sources: the packet ring of Linux, sockets that are a mirror's destination, and pnet's datalink.
//!
//! [`Live`] merges what they deliver by time. Frames of different interfaces come in order, as far as their stamps do; so a
//! SYN by one interface is in front of the SYN-ACK by another.
//!
//! Nothing is lost in silence: frames for which a ring or socket buffer was too small are counted for each interface, see
//! [`Live::statistics`].

mod clock;
mod endpoint;
mod filter;
mod find;
mod hold;
pub(crate) mod interface;
mod merge;
mod opened;
mod options;
mod outer;
mod portable;
pub(crate) mod ring;
mod socket;
mod statistics;
mod tap;
mod threads;
mod turns;

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arrayvec::ArrayVec;

pub use clock::now;
use endpoint::Endpoint;
use hold::Hold;
use merge::{Interfaces, Merge, Next, Source};
pub use options::{Numbers, Options, Pass, Via};
use portable::Portable;
use ring::{Group, Ring, Setup};
use statistics::Shares;
pub use statistics::{Dropped, Event, InterfaceStatistics};
use threads::Queue;
use turns::Turns;

use crate::{BATCH, Error, Frame, Interface};

/// How long is slept before `stop` is looked at again.
const PATIENCE: Duration = Duration::from_millis(50);
/// How long is slept before it is looked whether the last frames have come.
const LAST: Duration = Duration::from_millis(2);
/// How often interfaces are looked after.
const TICK: Duration = Duration::from_millis(200);
/// More threads are of no use: the reader is one.
const MOST_THREADS: usize = 64;
/// Frames after which the clock is looked at, if there is no other reason to.
const FRAMES: u32 = 4096;

/// A frame that was taken out of a source, which has its bytes until it is asked whether another one is ready.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// Nanoseconds since the Unix epoch.
    pub time: i64,
    pub wire_len: u32,
    /// Index into the interfaces of its source.
    pub interface: u32,
    /// Which of the buffers of its source has the bytes, if there are several.
    pub buffer: usize,
    /// Where in it they begin, and how many there are.
    pub start: usize,
    pub len: usize,
}

/// A frame of a batch.
struct Numbered {
    taken: Taken,
    source: usize,
    /// Index into all interfaces.
    interface: u32,
    number: u64,
}

/// An interface of a live source.
pub(crate) fn interface(name: &str, link_type: u16) -> Interface {
    Interface {
        source: "live".to_owned(),
        name: Some(name.to_owned()),
        description: None,
        link_type,
    }
}

/// Frames as they arrive.
pub struct Live {
    merge: Merge,
    via: Via,
    /// Open as long as frames are received.
    _hold: Option<Hold>,
    interfaces: Interfaces,
    /// Frames handed out, for each interface.
    frames: Vec<u64>,
    shares: Shares,
    stop: Arc<AtomicBool>,
    /// When `stop` was noticed, in nanoseconds since the Unix epoch: later frames are not handed out.
    end: Option<i64>,
    ended: bool,
    /// The batch that is lent.
    batch: ArrayVec<Numbered, BATCH>,
    /// Frames until the clock is looked at.
    until_tick: u32,
    ticked: Instant,
    /// Threads that take frames may go before others.
    realtime: bool,
    /// This one's turns, once it takes frames.
    turns: Option<Turns>,
    events: Vec<Event>,
    notes: Vec<String>,
    remarks: Vec<String>,
}

impl Live {
    /// Opens all sockets. This is what needs privileges; no frame is taken before [`Live::start`].
    ///
    /// # Errors
    ///
    /// An interface that does not exist or cannot be captured, and why.
    pub fn open(options: &Options, stop: Arc<AtomicBool>) -> Result<Self, Error> {
        let mut notes = Vec::new();
        let sources = match options.via {
            Via::Ring => rings(options, &mut notes)?,
            Via::Endpoint => {
                let (endpoint, told) = Endpoint::open(options)?;
                notes.extend(told);
                vec![Source::Endpoint(Box::new(endpoint))]
            }
            Via::Portable => {
                let (portable, told) = Portable::open(options)?;
                notes.extend(told);
                vec![Source::Portable(Box::new(portable))]
            }
        };
        let mut remarks = Vec::new();
        // An endpoint's own sockets do the same.
        let hold = (options.hold && options.via != Via::Endpoint).then(|| {
            let (hold, told) = Hold::open(&options.numbers);
            remarks = told;
            hold
        });
        let interfaces = Interfaces::new(&sources);
        Ok(Self {
            frames: vec![0; interfaces.all.len()],
            interfaces,
            shares: Shares::default(),
            merge: Merge::new(sources),
            via: options.via,
            _hold: hold,
            stop,
            end: None,
            ended: false,
            batch: ArrayVec::new(),
            until_tick: FRAMES,
            ticked: Instant::now(),
            realtime: options.realtime,
            turns: None,
            events: Vec::new(),
            notes,
            remarks,
        })
    }

    /// Begins to receive. Needs no privileges.
    ///
    /// # Errors
    ///
    /// The kernel does not take the filter.
    pub fn start(&mut self) -> Result<(), Error> {
        for source in &mut self.merge.sources {
            source.start()?;
        }
        // What comes by a queue may wait in that.
        let queue = |source: &Source| matches!(source, Source::Queue(_));
        let queued = self.merge.sources.iter().any(queue);
        self.turns = Some(Turns::begin(self.realtime && !queued));
        self.ticked = Instant::now();
        Ok(())
    }

    /// The next frames, `most` and [`BATCH`] at most. The first one is waited for as long as `patience`, the others are those
    /// that are there already; none if none came.
    ///
    /// Once `stop` is true, frames that had come until then are handed out, and an empty batch says that there are no more.
    ///
    /// # Errors
    ///
    /// The system cannot wait for frames. What happens to an interface is no error, but an event.
    pub fn next_frames(
        &mut self,
        most: usize,
        patience: Duration,
    ) -> Result<impl ExactSizeIterator<Item = Frame<'_>>, Error> {
        self.batch.clear();
        let most = most.min(BATCH);
        if most > 0 {
            let mut source = self.next_source(patience)?;
            while let Some(frame) = source.and_then(|source| self.take(source)) {
                self.batch.push(frame);
                source = if self.batch.len() < most {
                    self.more()
                } else {
                    None
                };
            }
        }
        self.until_tick = self.until_tick.saturating_sub(self.batch.len() as u32);
        Ok(self.batch.iter().map(|frame| self.lend(frame)))
    }

    /// Where frames come from: the interfaces that were asked for, and with `any` also each one that frames came by.
    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces.all
    }

    /// What each interface delivered and lost since the start.
    ///
    /// Of what a ring of `any` lost it is not known which interface it came by: it is shared out among them by the frames that
    /// they brought meanwhile.
    pub fn statistics(&mut self) -> Vec<InterfaceStatistics> {
        let named = self.interfaces.all.iter().zip(&self.frames).enumerate();
        let mut all: Vec<InterfaceStatistics> = named
            .map(|(index, (interface, frames))| InterfaceStatistics {
                interface: index as u32,
                name: interface.name.clone().unwrap_or_default(),
                via: self.via,
                present: true,
                frames: *frames,
                dropped: Dropped::default(),
            })
            .collect();
        for (number, source) in self.merge.sources.iter_mut().enumerate() {
            for part in source.statistics() {
                let place = self.interfaces.place(number, part.interface);
                let whole = place.and_then(|place| all.get_mut(place as usize));
                if let Some(whole) = whole {
                    whole.present &= part.present;
                    whole.dropped.add(part.dropped);
                }
            }
        }
        if self.via == Via::Ring {
            self.shares.apply(&mut all);
        }
        all
    }

    /// What happened to interfaces since this was asked last.
    pub fn take_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// What is to be known from the start: what could not be had, and why.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// What is good to know from the start, and no fault: which packets this host may answer.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The source that has another frame of the batch.
    #[inline]
    fn more(&mut self) -> Option<usize> {
        let (source, time) = self.merge.more()?;
        self.ended = self.end.is_some_and(|end| time > end);
        (!self.ended).then_some(source)
    }

    /// Takes the frame out of a source that comes next, and numbers it.
    #[inline]
    fn take(&mut self, source: usize) -> Option<Numbered> {
        let taken = self.merge.sources.get_mut(source)?.take()?;
        let known = self.interfaces.place(source, taken.interface);
        let interface = known.or_else(|| self.meet(source, taken.interface))?;
        let number = self.frames.get_mut(interface as usize)?;
        *number += 1;
        Some(Numbered {
            taken,
            source,
            interface,
            number: *number,
        })
    }

    /// Lends a frame of the batch.
    #[inline]
    fn lend(&self, frame: &Numbered) -> Frame<'_> {
        let taken = &frame.taken;
        let source = &self.merge.sources[frame.source];
        Frame {
            time: taken.time,
            wire_len: taken.wire_len,
            interface: frame.interface,
            origin: &self.interfaces.all[frame.interface as usize],
            number: frame.number,
            place: None,
            bytes: source.bytes(taken).unwrap_or_default(),
        }
    }

    /// The source that has the next frame.
    fn next_source(&mut self, patience: Duration) -> Result<Option<usize>, Error> {
        if self.end.is_none() && self.stop.load(Ordering::Relaxed) {
            self.end = Some(now());
        }
        if self.ended {
            return Ok(None);
        }
        if self.until_tick == 0 {
            self.until_tick = FRAMES;
            self.look_after(Instant::now());
        }
        match self.merge.next()? {
            Next::Frame(source, time) if self.end.is_none_or(|end| time <= end) => Ok(Some(source)),
            next => self.wait(next, patience),
        }
    }

    /// Waits for a frame.
    #[cold]
    fn wait(&mut self, mut next: Next, patience: Duration) -> Result<Option<usize>, Error> {
        let deadline = Instant::now() + patience;
        // Before the last look at the sources.
        let mut asked = None;
        loop {
            if self.end.is_none() && self.stop.load(Ordering::Relaxed) {
                self.end = Some(now());
            }
            let moment = Instant::now();
            let mut most = deadline.saturating_duration_since(moment).min(PATIENCE);
            match (next, self.end) {
                (Next::Frame(source, time), end) if end.is_none_or(|end| time <= end) => {
                    return Ok(Some(source));
                }
                (Next::Frame(..), _) => {
                    self.ended = true;
                    return Ok(None);
                }
                (Next::Wait(nanoseconds), _) => {
                    most = most.min(Duration::from_nanos(nanoseconds.cast_unsigned()));
                }
                // The last frames may be in blocks that are not handed over yet, or on their way through a thread.
                (Next::Nothing, Some(end)) => {
                    if asked.is_some_and(|asked| self.merge.complete(asked) >= end) {
                        self.ended = true;
                        return Ok(None);
                    }
                    most = LAST;
                }
                (Next::Nothing, None) => {}
            }
            self.look_after(moment);
            // To the end it is waited whatever the patience: else nobody knows that it is reached.
            if moment >= deadline && self.end.is_none() {
                return Ok(None);
            }
            self.sleep(most)?;
            asked = Some(now());
            next = self.merge.next()?;
        }
    }

    fn sleep(&mut self, most: Duration) -> Result<(), Error> {
        let look = self.merge.sleep(most).map_err(|cause| Error::Live {
            interface: "live capture".to_owned(),
            what: "cannot wait for frames",
            cause,
        })?;
        if look {
            // An interface went away: at once, and so that the same error does not wake us again.
            self.tick();
        }
        Ok(())
    }

    /// Looks after the interfaces and this thread's turns, if it is time.
    fn look_after(&mut self, moment: Instant) {
        if let Some(turns) = &mut self.turns {
            turns.look(moment);
        }
        if moment.saturating_duration_since(self.ticked) >= TICK {
            self.ticked = moment;
            self.tick();
        }
    }

    fn tick(&mut self) {
        let time = now();
        for source in &mut self.merge.sources {
            self.events.extend(source.tick(time));
        }
    }

    /// The place of an interface that a source has met since it was asked last.
    #[cold]
    fn meet(&mut self, source: usize, interface: u32) -> Option<u32> {
        let interfaces = self.merge.sources.get(source)?.interfaces();
        self.interfaces.adopt(source, interfaces);
        self.frames.resize(self.interfaces.all.len(), 0);
        self.interfaces.place(source, interface)
    }
}

/// A ring for each interface; or, with several threads, rings of each interface for each thread.
fn rings(options: &Options, notes: &mut Vec<String>) -> Result<Vec<Source>, Error> {
    let (wanted, told) = interface::find(&options.interfaces)?;
    notes.extend(told);
    let threads = options.threads.clamp(1, MOST_THREADS);
    let groups: Vec<Option<Group>> = wanted
        .iter()
        .map(|_| (threads > 1).then(Group::default))
        .collect();
    let mut sources = Vec::new();
    for thread in 0..threads {
        let mut rings = Vec::with_capacity(wanted.len());
        for (wanted, group) in wanted.iter().zip(&groups) {
            let setup = Setup {
                wanted,
                promiscuous: options.promiscuous,
                hardware_time: options.hardware_time,
                buffer: options.buffer / threads,
                pass: &options.pass,
                numbers: &options.numbers,
                group: group.clone(),
            };
            rings.push(Ring::open(&setup, notes)?);
        }
        if threads == 1 {
            sources.extend(rings.into_iter().map(Box::new).map(Source::Ring));
        } else {
            let queue = Queue::new(rings, options, thread == 0)?;
            sources.push(Source::Queue(Box::new(queue)));
        }
    }
    // Each thread has said the same.
    let mut seen = HashSet::new();
    notes.retain(|note| seen.insert(note.clone()));
    Ok(sources)
}
