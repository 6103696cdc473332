//! Several receiving threads: each empties rings of its own, and copies frames in batches into a queue of its own.
//!
//! When a queue is full, frames wait in the ring: only there they are lost, and counted by the kernel.

use std::mem;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, unbounded};
use rustix::event::{EventfdFlags, eventfd};

use super::clock::now;
use super::merge::{Interfaces, Merge, Next, Source};
use super::ring::Ring;
use super::turns::Turns;
use super::{Dropped, Event, InterfaceStatistics, Options, PATIENCE, TICK, Taken, Via};
use crate::{Error, Interface};

/// Bytes of a batch. It is sent when it is full, and when no more frames are there.
const BATCH: usize = 128 * 1024;
/// Frames of a batch.
const FRAMES: usize = 1024;
/// Nanoseconds for which frames wait for those of a thread that gets no processor.
const PATIENCE_WITH_THREADS: i64 = 1_000_000_000;
/// How long a thread waits for room before it looks again; its rings take in frames meanwhile.
const FULL: Duration = Duration::from_micros(500);

/// Copied frames.
#[derive(Debug, Default)]
struct Batch {
    bytes: Vec<u8>,
    frames: Vec<Copied>,
    /// Interfaces that the thread has met since the last batch.
    interfaces: Vec<Interface>,
}

/// A frame in a batch.
#[derive(Clone, Copy, Debug)]
struct Copied {
    time: i64,
    /// By the clock that all sources share.
    moment: i64,
    wire_len: u32,
    interface: u32,
    start: usize,
    len: usize,
}

/// A ring as its thread last saw it.
#[derive(Debug)]
struct Seen {
    name: String,
    /// Among the interfaces of the thread.
    interface: u32,
    present: AtomicBool,
    dropped: AtomicU64,
}

/// What a thread and the reader share.
#[derive(Debug)]
struct Shared {
    /// The reader is gone.
    ended: AtomicBool,
    /// Up to when all frames are in the queue.
    complete: AtomicI64,
    rings: Vec<Seen>,
    events: Mutex<Vec<Event>>,
    /// Batches that were read, the last one on top: its memory is still near.
    empty: Mutex<Vec<Batch>>,
    /// Wakes the reader.
    wake: OwnedFd,
}

/// What a thread is made of.
struct Worker {
    merge: Merge,
    interfaces: Interfaces,
    /// Interfaces that the reader knows.
    told: usize,
    batch: Batch,
    /// Batches that may still be made.
    room: usize,
    queue: Sender<Batch>,
    shared: Arc<Shared>,
    /// Says what happens to interfaces: others have rings of the same ones.
    speaker: bool,
    /// It may go before other programs.
    realtime: bool,
}

/// The reader's end of a thread.
pub(crate) struct Queue {
    batches: Receiver<Batch>,
    shared: Arc<Shared>,
    interfaces: Vec<Interface>,
    batch: Batch,
    next: usize,
    /// What the thread said before the queue was found empty.
    complete: i64,
    worker: Option<Worker>,
    thread: Option<JoinHandle<()>>,
}

impl Queue {
    /// A thread for these rings, not yet running, with its share of the queue. One of those with the same interfaces is the
    /// speaker.
    pub fn new(rings: Vec<Ring>, options: &Options, speaker: bool) -> Result<Self, Error> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
        let wake = wake.map_err(|errno| Error::Live {
            interface: "live capture".to_owned(),
            what: "cannot have a thread",
            cause: errno.into(),
        })?;
        let sources = rings.into_iter().map(Box::new).map(Source::Ring).collect();
        let mut merge = Merge::new(sources);
        let interfaces = Interfaces::new(&merge.sources);
        let mut seen = Vec::new();
        for (number, source) in merge.sources.iter_mut().enumerate() {
            for part in source.statistics() {
                seen.push(Seen {
                    interface: interfaces.place(number, 0).unwrap_or_default(),
                    name: part.name,
                    present: AtomicBool::new(part.present),
                    dropped: AtomicU64::new(0),
                });
            }
        }
        let shared = Arc::new(Shared {
            ended: AtomicBool::new(false),
            complete: AtomicI64::new(i64::MIN),
            rings: seen,
            events: Mutex::default(),
            empty: Mutex::default(),
            wake,
        });
        let (sender, batches) = unbounded();
        Ok(Self {
            batches,
            interfaces: interfaces.all.clone(),
            batch: Batch::default(),
            next: 0,
            complete: i64::MIN,
            thread: None,
            worker: Some(Worker {
                merge,
                told: interfaces.all.len(),
                interfaces,
                batch: Batch::default(),
                room: (options.queue / options.threads / BATCH).max(2),
                queue: sender,
                shared: Arc::clone(&shared),
                speaker,
                realtime: options.realtime,
            }),
            shared,
        })
    }

    /// Starts the thread.
    pub fn start(&mut self) -> Result<(), Error> {
        let Some(mut worker) = self.worker.take() else {
            return Ok(());
        };
        for source in &mut worker.merge.sources {
            source.start()?;
        }
        let started = thread::Builder::new()
            .name("receive".to_owned())
            .spawn(move || worker.run());
        let thread = started.map_err(|cause| Error::Live {
            interface: "live capture".to_owned(),
            what: "cannot start a thread",
            cause,
        })?;
        self.thread = Some(thread);
        Ok(())
    }

    pub fn interfaces(&self) -> &[Interface] {
        &self.interfaces
    }

    #[inline]
    pub fn ready(&mut self) -> Option<i64> {
        self.more().or_else(|| self.refill())
    }

    #[inline]
    pub fn more(&mut self) -> Option<i64> {
        let copied = self.batch.frames.get(self.next)?;
        Some(copied.moment)
    }

    #[cold]
    fn refill(&mut self) -> Option<i64> {
        // Before the look into the queue: what came later is not in this.
        let complete = self.shared.complete.load(Ordering::Acquire);
        let batch = self.batches.try_recv().ok().or_else(|| {
            // A wish to be woken ends here; then another look, because it was for a batch that came meanwhile.
            let _ = rustix::io::read(&self.shared.wake, &mut [0; 8]);
            self.batches.try_recv().ok()
        });
        let Some(mut batch) = batch else {
            self.complete = complete;
            return None;
        };
        self.interfaces.append(&mut batch.interfaces);
        let mut used = mem::replace(&mut self.batch, batch);
        used.bytes.clear();
        used.frames.clear();
        if used.bytes.capacity() > 0 {
            locked(&self.shared.empty).push(used);
        }
        self.next = 0;
        self.batch.frames.first().map(|first| first.moment)
    }

    #[inline]
    pub fn take(&mut self) -> Option<Taken> {
        let copied = self.batch.frames.get(self.next)?;
        self.next += 1;
        Some(Taken {
            time: copied.time,
            wire_len: copied.wire_len,
            interface: copied.interface,
            buffer: 0,
            start: copied.start,
            len: copied.len,
        })
    }

    #[inline]
    pub fn bytes(&self, taken: &Taken) -> Option<&[u8]> {
        self.batch.bytes.get(taken.start..)?.get(..taken.len)
    }

    /// The time up to which all frames were there, for a queue that had none ready at `now`.
    pub fn complete(&self, now: i64) -> i64 {
        // A thread that gets no processor for so long must not hold all others up.
        self.complete.max(now - PATIENCE_WITH_THREADS)
    }

    pub fn fds(&self) -> Vec<BorrowedFd<'_>> {
        vec![self.shared.wake.as_fd()]
    }

    pub fn statistics(&mut self) -> Vec<InterfaceStatistics> {
        let rings = self.shared.rings.iter();
        rings
            .map(|ring| InterfaceStatistics {
                interface: ring.interface,
                name: ring.name.clone(),
                via: Via::Ring,
                present: ring.present.load(Ordering::Relaxed),
                frames: 0,
                dropped: Dropped {
                    kernel: ring.dropped.load(Ordering::Relaxed),
                    ..Dropped::default()
                },
            })
            .collect()
    }

    pub fn tick(&mut self, _now: i64) -> Vec<Event> {
        mem::take(&mut *locked(&self.shared.events))
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Worker {
    fn run(mut self) {
        let mut turns = Turns::begin(self.realtime);
        let mut ticked = Instant::now();
        while !self.shared.ended.load(Ordering::Relaxed) {
            let moment = now();
            let next = self.copy();
            self.send();
            self.count();
            let time = Instant::now();
            turns.look(time);
            let mut look = time.saturating_duration_since(ticked) >= TICK;
            match next {
                Next::Frame(..) => {}
                Next::Wait(_) | Next::Nothing => {
                    let complete = self.merge.complete(moment);
                    self.shared.complete.store(complete, Ordering::Release);
                    let most = match next {
                        Next::Wait(nanoseconds) => {
                            Duration::from_nanos(nanoseconds.cast_unsigned())
                        }
                        _ => PATIENCE,
                    };
                    // It fails only for want of memory; then it is tried again.
                    look |= self.merge.sleep(most).unwrap_or_default();
                }
            }
            if look {
                ticked = Instant::now();
                self.tick();
            }
        }
    }

    /// Fills the batch with frames that are there; gives what ended it: a frame, if it was full.
    fn copy(&mut self) -> Next {
        loop {
            // Sources of a thread are rings, which cannot fail.
            let next = self.merge.next().unwrap_or(Next::Nothing);
            let Next::Frame(number, moment) = next else {
                return next;
            };
            let Some(source) = self.merge.sources.get_mut(number) else {
                return Next::Nothing;
            };
            self.interfaces.adopt(number, source.interfaces());
            if let Some(taken) = source.take()
                && let Some(bytes) = source.bytes(&taken)
            {
                let start = self.batch.bytes.len();
                self.batch.bytes.extend_from_slice(bytes);
                let interface = self.interfaces.place(number, taken.interface);
                self.batch.frames.push(Copied {
                    time: taken.time,
                    moment,
                    wire_len: taken.wire_len,
                    interface: interface.unwrap_or_default(),
                    start,
                    len: bytes.len(),
                });
            }
            if self.batch.bytes.len() >= BATCH || self.batch.frames.len() >= FRAMES {
                return next;
            }
        }
    }

    /// Puts the batch into the queue, and takes another one; waits while there is none.
    fn send(&mut self) {
        if self.batch.frames.is_empty() {
            return;
        }
        let new = self.interfaces.all.get(self.told..).unwrap_or_default();
        self.batch.interfaces.extend_from_slice(new);
        self.told = self.interfaces.all.len();
        // The reader is there as long as this thread: it waits for its end.
        let _ = self.queue.send(mem::take(&mut self.batch));
        let _ = rustix::io::write(&self.shared.wake, &1_u64.to_ne_bytes());
        while !self.shared.ended.load(Ordering::Relaxed) {
            if let Some(batch) = locked(&self.shared.empty).pop() {
                self.batch = batch;
                return;
            }
            if self.room > 0 {
                self.room -= 1;
                self.batch.bytes.reserve(BATCH + BATCH / 2);
                self.batch.frames.reserve(FRAMES);
                return;
            }
            self.count();
            thread::sleep(FULL);
        }
    }

    fn count(&mut self) {
        for (source, seen) in self.merge.sources.iter_mut().zip(&self.shared.rings) {
            if let Source::Ring(ring) = source {
                seen.dropped.store(ring.count_drops(), Ordering::Relaxed);
                seen.present.store(ring.present(), Ordering::Relaxed);
            }
        }
    }

    fn tick(&mut self) {
        let time = now();
        for source in &mut self.merge.sources {
            let events = source.tick(time);
            if self.speaker {
                locked(&self.shared.events).extend(events);
            }
        }
    }
}

/// What a thread that panicked has left is still whole.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
