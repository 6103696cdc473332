//! The thread that sends.

use std::io;
use std::mem;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};

use super::pace::Clock;
use super::queue::{Batch, Queue, Waiting};
use super::{Pace, Port, Totals};

/// Bytes that are handed over at once, unless somebody asks for it earlier.
const BATCH: usize = 64 * 1024;

/// Puts frames on interfaces, from a thread of its own, behind a queue of bounded size.
pub struct Injector {
    queue: Arc<Queue>,
    batch: Batch,
    /// Who gives frames waits if the queue is full; else they are counted.
    waits: bool,
    dropped: u64,
    notes: Receiver<String>,
    thread: Option<JoinHandle<Vec<Totals>>>,
}

impl Injector {
    /// Starts the thread. `room` is how many bytes may wait for it; `waits`: who gives frames waits for room, rather than to
    /// lose them. After `stop` no frame is waited for whose time has not come.
    ///
    /// # Errors
    ///
    /// What keeps a thread from being started.
    pub fn start(
        ports: Vec<Port>,
        pace: Pace,
        room: usize,
        waits: bool,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let queue = Arc::new(Queue::new(room));
        let from = Arc::clone(&queue);
        let (tell, notes) = channel();
        let thread = thread::Builder::new()
            .name("injector".to_owned())
            .spawn(move || {
                let from = Leaving(from);
                send(ports, pace, &from.0, &tell, &stop)
            })?;
        Ok(Self {
            queue,
            batch: Batch::default(),
            waits,
            dropped: 0,
            notes,
            thread: Some(thread),
        })
    }

    /// Gives a frame to a port, by its number, in two parts: a header, if it has none of its own, and the rest. `time` is when
    /// it passed, in nanoseconds.
    pub fn give(&mut self, port: usize, time: i64, header: &[u8], rest: &[u8]) {
        if self.batch.size() >= BATCH {
            self.hand_over();
        }
        if self.batch.size() >= BATCH {
            self.dropped += 1;
            return;
        }
        let Batch { bytes, frames } = &mut self.batch;
        bytes.extend_from_slice(header);
        bytes.extend_from_slice(rest);
        frames.push(Waiting {
            port,
            time,
            end: bytes.len(),
        });
    }

    /// Has sent what was given, as soon as it is time for it.
    pub fn hand_over(&mut self) {
        if !self.batch.frames.is_empty() {
            self.queue.add(&mut self.batch, self.waits);
        }
    }

    /// What people should know of what happened since this was asked last, a line each.
    pub fn take_notes(&mut self) -> Vec<String> {
        self.notes.try_iter().collect()
    }

    /// Frames for which there was no room in the queue.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Waits until all is sent; tells what became of it, by port.
    pub fn finish(&mut self) -> Vec<Totals> {
        if !self.batch.frames.is_empty() {
            let batch = &mut mem::take(&mut self.batch);
            self.queue.add(batch, true);
        }
        self.queue.end();
        let thread = self.thread.take();
        let totals = thread.map(JoinHandle::join);
        totals.and_then(Result::ok).unwrap_or_default()
    }
}

/// The thread's end of the queue: nobody waits for a thread that is gone, however it went.
struct Leaving(Arc<Queue>);

impl Drop for Leaving {
    fn drop(&mut self) {
        self.0.leave();
    }
}

/// The thread.
fn send(
    mut ports: Vec<Port>,
    pace: Pace,
    from: &Queue,
    tell: &Sender<String>,
    stop: &AtomicBool,
) -> Vec<Totals> {
    let mut clock = Clock::new(pace);
    while let Some(batch) = from.take() {
        let mut start = 0;
        for frame in &batch.frames {
            let bytes = &batch.bytes[start..frame.end];
            start = frame.end;
            let Some(port) = ports.get_mut(frame.port) else {
                continue;
            };
            if clock.wait(frame.time, bytes.len(), stop) {
                port.send(bytes);
            } else {
                port.leave();
            }
        }
        for port in &mut ports {
            for note in port.take_notes() {
                // Whoever gave frames may be gone.
                let _ = tell.send(note);
            }
        }
    }
    ports.into_iter().map(Port::finish).collect()
}
