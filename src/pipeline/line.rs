//! How other threads get at what takes packets: a moment at a time, between two batches of them.

use std::error::Error;
use std::fmt;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use anyhow::Result;

use super::Course;

/// How long others look while no packets came, before it is asked whether some do now.
const WHILE: Duration = Duration::from_millis(2);
/// How long another moment is waited for meanwhile.
const NEXT: Duration = Duration::from_millis(1);
/// How long somebody who wants a moment may wait while no packets come.
const PATIENCE: Duration = Duration::from_millis(10);
/// Times that a moment takes which go by until the next one, while packets come and nobody waits for it.
const SHARE: u32 = 19;
/// Who looked so lately looks on.
const LATELY: Duration = Duration::from_millis(20);

/// What is lent, while no packet comes.
pub struct Moment<'m, T> {
    /// All that is known.
    pub lent: &'m mut T,
    /// How the reading goes; none once it is over.
    pub course: Option<&'m Course<'m>>,
    /// Packets came since the last moment.
    pub busy: bool,
}

/// Something that takes a moment.
pub type Work<T> = Box<dyn FnOnce(&mut Moment<'_, T>) + Send>;

/// The way to what is lent.
pub struct Line<T> {
    to: Sender<Work<T>>,
    /// Nothing ever comes of it; it is closed when the other end is.
    end: Receiver<()>,
}

/// The other end: where it is lent.
pub struct Desk<T> {
    work: Receiver<Work<T>>,
    _end: Sender<()>,
    /// Frames at the last moment.
    frames: u64,
    /// When somebody looked last, who may look again at once.
    lent: Option<Instant>,
}

/// Nobody is at the other end any more.
#[derive(Debug)]
pub struct Gone;

impl fmt::Display for Gone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the thread that takes packets has ended")
    }
}

impl Error for Gone {}

/// What a moment took.
#[derive(Clone, Copy, Debug)]
pub struct Spent {
    /// The time for which packets waited.
    pub time: Duration,
    /// There were some.
    pub busy: bool,
}

impl Spent {
    /// For how long packets are to come undisturbed afterwards, if some do.
    pub fn rest(self) -> Option<Duration> {
        self.busy.then(|| self.time * SHARE)
    }
}

/// Has what is lent.
pub trait Owner<T> {
    /// Frames that were taken so far.
    fn frames(&mut self) -> u64;

    /// What is lent.
    fn lent(&mut self) -> Result<&mut T>;
}

/// A way, and its other end.
pub fn line<T>() -> (Line<T>, Desk<T>) {
    let (to, work) = mpsc::channel();
    let (ends, end) = mpsc::channel();
    let desk = Desk {
        work,
        _end: ends,
        frames: 0,
        lent: None,
    };
    (Line { to, end }, desk)
}

impl<T> Line<T> {
    /// Waits for a moment, and does something in it.
    pub fn at<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Moment<'_, T>) -> R + Send + 'static,
    ) -> Result<(R, Spent), Gone> {
        let (result, done) = mpsc::sync_channel(1);
        let work = move |moment: &mut Moment<'_, T>| {
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

impl<T> Desk<T> {
    /// Lets others look: for one moment while packets come, for some while none do, and as long as packets are to wait.
    pub fn lend<O: Owner<T>>(
        &mut self,
        owner: &mut O,
        course: &Course<'_>,
        wait: impl Fn(&mut O) -> bool,
    ) -> Result<()> {
        let frames = owner.frames();
        let busy = frames != self.frames && !wait(owner);
        self.frames = frames;
        let until = Instant::now() + if busy { Duration::ZERO } else { WHILE };
        loop {
            let next = if busy { Duration::ZERO } else { NEXT };
            match self.work.recv_timeout(next) {
                Ok(work) => self.give(work, owner.lent()?, Some(course), busy),
                Err(RecvTimeoutError::Timeout) if !busy && wait(owner) => continue,
                Err(_) => return Ok(()),
            }
            if Instant::now() >= until && !wait(owner) {
                return Ok(());
            }
        }
    }

    /// Lets somebody look who asks within a time, though no packets come any more.
    pub fn lend_within(&mut self, time: Duration, lent: &mut T) -> Result<(), Gone> {
        match self.work.recv_timeout(time) {
            Ok(work) => self.give(work, lent, None, false),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => return Err(Gone),
        }
        Ok(())
    }

    fn give(&mut self, work: Work<T>, lent: &mut T, course: Option<&Course<'_>>, busy: bool) {
        work(&mut Moment { lent, course, busy });
        self.expect();
    }

    /// Somebody is about to look.
    pub fn expect(&mut self) {
        self.lent = Some(Instant::now());
    }

    /// How long packets may be waited for: between two moments of a look nobody waits for them in vain.
    pub fn patience(&self) -> Duration {
        let looks = self.lent.is_some_and(|lent| lent.elapsed() < LATELY);
        if looks { Duration::ZERO } else { PATIENCE }
    }
}
