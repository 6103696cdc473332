//! A way out with a thread of its own: what it is given waits in a bounded queue, and whoever gives waits for nobody.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};

use super::chunk::Chunk;
use super::news::News;
use super::sink::{Fate, Sink, Then, Trouble};
use crate::output::cause_text;

/// News that may wait: each has some hundred flows.
const WAITING: usize = 64;
/// Between two looks at what is to be done besides.
const TICK: Duration = Duration::from_secs(1);
/// Between two tries to reach somebody who did not answer: at first, and at most.
const SOON: Duration = Duration::from_millis(500);
const LATER: Duration = Duration::from_secs(30);
/// At the end: nothing went out for so long, and nothing will.
const LAST: Duration = Duration::from_secs(10);
/// What is said of a host where nothing takes datagrams.
const REFUSED: &str = "nobody listens there";
/// Between two looks at whether there is room, where what gives may wait.
const PAUSE: Duration = Duration::from_millis(5);

/// Puts news into records.
pub trait Form: Send {
    /// What a reader needs before anything else.
    fn begin(&mut self, _chunk: &mut Chunk) {}
    /// Some news.
    fn put(&mut self, news: &News, chunk: &mut Chunk);
    /// What is due though there is no news.
    fn tick(&mut self, _chunk: &mut Chunk) {}
    /// What a reader needs behind everything else.
    fn end(&mut self, _chunk: &mut Chunk) {}
}

/// How it goes.
#[derive(Debug, Default)]
pub struct Counts {
    /// Records that arrived, as far as the system tells.
    pub delivered: AtomicU64,
    /// Those that never will.
    pub lost: AtomicU64,
    /// Whether the last ones arrived.
    pub reached: AtomicBool,
}

/// What people should know.
type Notes = Arc<Mutex<Vec<String>>>;

/// A way out.
pub struct Outlet {
    /// For people, and as a label.
    pub name: String,
    pub counts: Arc<Counts>,
    to: SyncSender<Arc<News>>,
    /// What had gone out when patience ended: until more does, nobody is waited for any more.
    stuck: AtomicU64,
    notes: Notes,
    end: Arc<AtomicBool>,
    thread: JoinHandle<io::Result<()>>,
}

impl Outlet {
    /// Starts the thread.
    pub fn start(name: String, form: Box<dyn Form>, sink: Box<dyn Sink>) -> Result<Self> {
        let (to, news) = sync_channel(WAITING);
        let (counts, notes) = (Arc::new(Counts::default()), Arc::default());
        let end = Arc::new(AtomicBool::new(false));
        let worker = Worker {
            name: name.clone(),
            form,
            sink,
            chunk: Chunk::default(),
            counts: Arc::clone(&counts),
            notes: Arc::clone(&notes),
            end: Arc::clone(&end),
            broken: None,
            stays: false,
        };
        let thread = Builder::new()
            .name("export".to_owned())
            .spawn(move || worker.run(&news))
            .with_context(|| format!("no thread for {name}"))?;
        Ok(Self {
            name,
            counts,
            to,
            stuck: AtomicU64::new(u64::MAX),
            notes,
            end,
            thread,
        })
    }

    /// Hands news over, or counts what is in it as lost if too much waits already. With `patient`, waits as long as anything
    /// goes out.
    pub fn give(&self, news: &Arc<News>, patient: bool) {
        let mut gone = self.gone();
        let mut since = Instant::now();
        loop {
            let waits = match self.to.try_send(Arc::clone(news)) {
                Ok(()) => return,
                Err(TrySendError::Full(_)) => {
                    patient && since.elapsed() < LAST && self.stuck.load(Ordering::Relaxed) != gone
                }
                Err(TrySendError::Disconnected(_)) => false,
            };
            if !waits {
                if patient {
                    self.stuck.store(gone, Ordering::Relaxed);
                }
                self.counts
                    .lost
                    .fetch_add(news.len() as u64, Ordering::Relaxed);
                return;
            }
            std::thread::sleep(PAUSE);
            if self.gone() != gone {
                (gone, since) = (self.gone(), Instant::now());
            }
        }
    }

    fn gone(&self) -> u64 {
        self.counts.delivered.load(Ordering::Relaxed)
    }

    /// What people should know since this was asked last.
    pub fn take_notes(&self) -> Vec<String> {
        take(&self.notes)
    }

    /// Whether nothing can go out any more.
    pub fn is_over(&self) -> bool {
        self.thread.is_finished()
    }

    /// Gives nothing any more: what waits goes out, as long as anything does.
    pub fn end(self) -> Ending {
        self.end.store(true, Ordering::Relaxed);
        Ending {
            name: self.name,
            counts: self.counts,
            notes: self.notes,
            thread: self.thread,
        }
    }
}

/// A way out that ends when all is out, or nothing goes out any more.
pub struct Ending {
    pub name: String,
    counts: Arc<Counts>,
    notes: Notes,
    thread: JoinHandle<io::Result<()>>,
}

impl Ending {
    /// Waits for that. Gives what was lost.
    pub fn wait(self, tell: impl Fn(&str)) -> Result<u64> {
        let Self {
            name,
            counts,
            notes,
            thread,
        } = self;
        let result = thread.join();
        for note in take(&notes) {
            tell(&note);
        }
        match result {
            Ok(result) => result.context(name)?,
            Err(_) => anyhow::bail!("{name}: its thread failed"),
        }
        Ok(counts.lost.load(Ordering::Relaxed))
    }
}

/// What people should know since this was asked last.
fn take(notes: &Notes) -> Vec<String> {
    std::mem::take(&mut notes.lock().unwrap_or_else(PoisonError::into_inner))
}

/// The thread.
struct Worker {
    name: String,
    form: Box<dyn Form>,
    sink: Box<dyn Sink>,
    chunk: Chunk,
    counts: Arc<Counts>,
    notes: Notes,
    /// Nothing more will be given.
    end: Arc<AtomicBool>,
    /// Since when nothing goes out, which was told.
    broken: Option<Instant>,
    /// What is full could not be put aside, which was told.
    stays: bool,
}

impl Worker {
    /// Takes news until there will be none. The result is an error if nothing can go out any more.
    fn run(mut self, news: &Receiver<Arc<News>>) -> io::Result<()> {
        let mut ticked = Instant::now();
        loop {
            match news.recv_timeout(TICK.saturating_sub(ticked.elapsed())) {
                Ok(news) => {
                    self.begin();
                    self.form.put(&news, &mut self.chunk);
                    self.send()?;
                    self.turn();
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if ticked.elapsed() >= TICK {
                ticked = Instant::now();
                self.sink.tick();
                self.form.tick(&mut self.chunk);
                self.send()?;
                self.learn_fate(0, false);
                self.turn();
            }
        }
        self.begin();
        self.form.end(&mut self.chunk);
        self.send()?;
        self.sink.wait();
        self.learn_fate(0, false);
        Ok(())
    }

    /// Begins another file where one is full.
    fn turn(&mut self) {
        if !self.sink.is_full() {
            self.stays = false;
            return;
        }
        let mut end = Chunk::default();
        self.form.end(&mut end);
        let result = self.sink.turn(&end);
        let told = std::mem::replace(&mut self.stays, result.is_err());
        if let (Err(cause), false) = (result, told) {
            let cause = cause_text(&cause);
            self.note(format!("{}: cannot be put aside: {cause}", self.name));
        }
    }

    fn begin(&mut self) {
        self.turn();
        if self.sink.is_fresh() {
            self.form.begin(&mut self.chunk);
        }
    }

    /// Sends what there is, as often as it takes; what waits meanwhile waits in the queue.
    fn send(&mut self) -> io::Result<()> {
        let mut wait = SOON;
        while !self.chunk.is_empty() {
            let (before, length) = (self.chunk.count(), self.chunk.bytes().len());
            let result = self.sink.send(&mut self.chunk);
            let sent = before - self.chunk.count();
            let progress = self.chunk.bytes().len() < length;
            if progress {
                wait = SOON;
            }
            self.learn_fate(sent, progress);
            let Err(Trouble { cause, then }) = result else {
                continue;
            };
            let since = self.failed(&cause, then);
            let given_up = self.ends() && since.elapsed() >= LAST;
            match then {
                Then::Again if !given_up => self.rest(&mut wait),
                Then::Again | Then::Lost => self.lose(),
                Then::Over => {
                    self.lose();
                    return Err(cause);
                }
            }
            // A reader that is new needs the beginning before what is left.
            if self.sink.is_fresh() {
                let mut rest = Chunk::default();
                self.form.begin(&mut rest);
                rest.append(&self.chunk);
                self.chunk = rest;
            }
        }
        Ok(())
    }

    /// Counts what became of records, of which so many were sent just now.
    fn learn_fate(&mut self, sent: u64, progress: bool) {
        match self.sink.fate(sent) {
            Fate::Arrived(records) => {
                self.counts.delivered.fetch_add(records, Ordering::Relaxed);
                if progress || records > 0 {
                    self.reached();
                }
            }
            Fate::Refused(records) => {
                self.counts.lost.fetch_add(records, Ordering::Relaxed);
                let cause = io::Error::new(io::ErrorKind::ConnectionRefused, REFUSED);
                self.failed(&cause, Then::Lost);
            }
            Fate::Unknown => {}
        }
    }

    fn ends(&self) -> bool {
        self.end.load(Ordering::Relaxed)
    }

    /// Waits, longer each time, but not at the end.
    fn rest(&self, wait: &mut Duration) {
        let until = Instant::now() + *wait;
        *wait = (*wait * 2).min(LATER);
        while Instant::now() < until {
            if self.ends() {
                std::thread::sleep(SOON);
                return;
            }
            std::thread::sleep(SOON.min(until.saturating_duration_since(Instant::now())));
        }
    }

    fn lose(&mut self) {
        let lost = self.chunk.count();
        self.counts.lost.fetch_add(lost, Ordering::Relaxed);
        self.chunk.clear();
    }

    fn reached(&mut self) {
        self.counts.reached.store(true, Ordering::Relaxed);
        if self.broken.take().is_some() {
            self.note(format!("{}: goes on", self.name));
        }
    }

    /// Tells it once; gives since when nothing goes out.
    fn failed(&mut self, cause: &io::Error, then: Then) -> Instant {
        self.counts.reached.store(false, Ordering::Relaxed);
        if let Some(since) = self.broken {
            return since;
        }
        if then != Then::Over {
            let then = match then {
                Then::Again => {
                    "; what waits is kept as long as there is room, and it is tried again"
                }
                Then::Lost | Then::Over => "; what is lost meanwhile is counted",
            };
            let cause = cause_text(cause);
            self.note(format!("{}: {cause}{then}", self.name));
        }
        *self.broken.insert(Instant::now())
    }

    fn note(&self, note: String) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.push(note);
    }
}
