//! How others get at the analysis: a moment at a time, between two batches of packets.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::{Duration, Instant};

use super::analysis::Analysis;
use crate::pipeline::Course;

/// The analysis, while no packet comes.
pub struct Moment<'m, 'a> {
    /// All that it knows.
    pub analysis: &'m mut Analysis<'a>,
    /// How the reading goes; none once it is over.
    pub course: Option<&'m Course<'m>>,
    /// Packets came since the last moment.
    pub busy: bool,
}

/// Something that takes a moment.
pub type Work = Box<dyn FnOnce(Moment<'_, '_>) + Send>;

/// What is known of the analysis without asking it.
#[derive(Debug, Default)]
pub struct Pulse {
    frames: AtomicU64,
    changes: AtomicU64,
    live: AtomicBool,
}

/// What was new when somebody looked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Beat {
    /// Frames so far.
    pub frames: u64,
    /// How often something changed that is no packet.
    pub changes: u64,
}

impl Pulse {
    /// So many frames came, out of interfaces if `live`.
    pub fn tell(&self, frames: u64, live: bool) {
        self.frames.store(frames, Ordering::Relaxed);
        self.live.store(live, Ordering::Relaxed);
    }

    /// Something changed that is no packet.
    pub fn change(&self) {
        self.changes.fetch_add(1, Ordering::Relaxed);
    }

    /// What is new by now.
    pub fn beat(&self) -> Beat {
        Beat {
            frames: self.frames.load(Ordering::Relaxed),
            changes: self.changes.load(Ordering::Relaxed),
        }
    }

    /// Whether time goes on though nothing comes.
    pub fn is_live(&self) -> bool {
        self.live.load(Ordering::Relaxed)
    }
}

/// The way to the analysis.
#[derive(Clone)]
pub struct Line {
    to: Sender<Work>,
    /// What is known without asking.
    pub pulse: Arc<Pulse>,
}

/// Nobody wants to know any more.
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
    pub fn new() -> (Self, Receiver<Work>) {
        let (to, work) = mpsc::channel();
        let pulse = Arc::default();
        (Self { to, pulse }, work)
    }

    /// Waits for a moment, and does something in it.
    pub fn at<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Moment<'_, '_>) -> R + Send + 'static,
    ) -> Result<(R, Spent), Gone> {
        let (result, done) = mpsc::sync_channel(1);
        let work = move |mut moment: Moment<'_, '_>| {
            let begin = Instant::now();
            let done = work(&mut moment);
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
}
