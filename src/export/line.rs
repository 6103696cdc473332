//! How the thread that feeds others gets at the engine: a moment at a time, between packets.

use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use mirrorscope_engine::Engine;

use crate::pipeline::Course;

/// The engine, while no packet comes.
pub struct Moment<'m> {
    /// All that is known.
    pub engine: &'m mut Engine,
    /// How the reading goes.
    pub course: &'m Course<'m>,
    /// Packets came since the last moment.
    pub busy: bool,
}

/// Something that takes a moment.
pub type Work = Box<dyn FnOnce(&mut Moment<'_>) + Send>;

/// The way to the engine.
pub struct Line {
    to: Sender<Work>,
    /// Nothing ever comes of it; it is closed when the reading is over.
    end: Receiver<()>,
}

/// The other end of it.
pub struct Desk {
    pub work: Receiver<Work>,
    _end: Sender<()>,
}

/// The reading is over.
#[derive(Debug)]
pub struct Gone;

/// What a moment took.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// The time for which packets waited.
    pub time: Duration,
    /// There were some.
    pub busy: bool,
}

impl Line {
    /// A way, and its other end.
    pub fn new() -> (Self, Desk) {
        let (to, work) = mpsc::channel();
        let (ends, end) = mpsc::channel();
        (Self { to, end }, Desk { work, _end: ends })
    }

    /// Waits for a moment, and does something in it.
    pub fn at<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Moment<'_>) -> R + Send + 'static,
    ) -> Result<(R, Spent), Gone> {
        let (result, done) = mpsc::sync_channel(1);
        let work = move |moment: &mut Moment<'_>| {
            let begin = Instant::now();
            let done = work(moment);
            let spent = Spent {
                time: begin.elapsed(),
                busy: moment.busy,
            };
            // Whoever asked has ended, then.
            let _ = result.send((done, spent));
        };
        self.to.send(Box::new(work)).map_err(|_| Gone)?;
        done.recv().map_err(|_| Gone)
    }

    /// Lets time pass.
    pub fn wait(&self, time: Duration) -> Result<(), Gone> {
        match self.end.recv_timeout(time) {
            Err(RecvTimeoutError::Timeout) => Ok(()),
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Err(Gone),
        }
    }
}
