//! Frames on their way to the thread that sends them, as many as there is room for.

use std::collections::VecDeque;
use std::mem;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// Frames that are handed over together.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub bytes: Vec<u8>,
    pub frames: Vec<Waiting>,
}

/// A frame, its bytes in the batch.
#[derive(Clone, Copy, Debug)]
pub(super) struct Waiting {
    /// The port that it is for.
    pub port: usize,
    /// When it passed, in nanoseconds.
    pub time: i64,
    /// Where its bytes end; they begin where those before end.
    pub end: usize,
}

impl Batch {
    pub fn size(&self) -> usize {
        self.bytes.len() + self.frames.len() * size_of::<Waiting>()
    }
}

/// Batches in their order.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    /// Something came, or the end.
    filled: Condvar,
    /// Something was taken, or nobody takes any more.
    emptied: Condvar,
    room: usize,
}

#[derive(Debug, Default)]
struct State {
    batches: VecDeque<Batch>,
    /// Bytes of all of them, and of the one that is being sent.
    bytes: usize,
    /// The last one.
    sending: usize,
    /// No more will come.
    ended: bool,
    /// The thread is gone.
    gone: bool,
}

impl Queue {
    pub fn new(room: usize) -> Self {
        Self {
            state: Mutex::default(),
            filled: Condvar::new(),
            emptied: Condvar::new(),
            room,
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A thread that ended with a panic left a queue that is whole.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a batch if there is room for it; else it is left where it is. With `wait`, there will be.
    pub fn add(&self, batch: &mut Batch, wait: bool) -> bool {
        let mut state = self.state();
        // A batch larger than all room has it to itself.
        while state.bytes > 0 && state.bytes + batch.size() > self.room && !state.gone {
            if !wait {
                return false;
            }
            state = self
                .emptied
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
        state.bytes += batch.size();
        state.batches.push_back(mem::take(batch));
        self.filled.notify_one();
        true
    }

    /// The next batch, which is waited for; `None` at the end.
    pub fn take(&self) -> Option<Batch> {
        let mut state = self.state();
        state.bytes -= mem::take(&mut state.sending);
        self.emptied.notify_one();
        loop {
            if let Some(batch) = state.batches.pop_front() {
                state.sending = batch.size();
                return Some(batch);
            }
            if state.ended {
                return None;
            }
            state = self
                .filled
                .wait(state)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    /// No more will come.
    pub fn end(&self) {
        self.state().ended = true;
        self.filled.notify_one();
    }

    /// Nobody takes any more.
    pub fn leave(&self) {
        self.state().gone = true;
        self.emptied.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn batch(bytes: usize) -> Batch {
        Batch {
            bytes: vec![0; bytes],
            frames: Vec::new(),
        }
    }

    #[test]
    fn what_finds_no_room_stays_and_what_waits_finds_it() {
        let queue = Queue::new(100);
        assert!(queue.add(&mut batch(300), false), "alone it has all room");
        let mut next = batch(60);
        assert!(!queue.add(&mut next, false));
        assert_eq!(next.size(), 60);
        thread::scope(|scope| {
            let waits = scope.spawn(|| queue.add(&mut batch(60), true));
            assert_eq!(queue.take().unwrap().size(), 300);
            // It is being sent until the next one is asked for.
            assert_eq!(queue.take().unwrap().size(), 60);
            assert!(waits.join().unwrap());
        });
        assert!(!queue.add(&mut next, false));
        queue.end();
        assert!(queue.take().is_none());
        assert!(queue.add(&mut next, false));
    }

    #[test]
    fn nobody_waits_for_a_thread_that_is_gone() {
        let queue = Queue::new(100);
        queue.add(&mut batch(100), false);
        queue.leave();
        assert!(queue.add(&mut batch(100), true));
    }
}
