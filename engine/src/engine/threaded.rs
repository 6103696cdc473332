//! An engine on one thread or two: then one strips encapsulations and keeps session health, the other follows flows.
//!
//! Packets are handed over in batches, in the order in which they came, so that the same comes of them as on one thread.
//! Whoever looks at the engine gets it whole: what was handed over is taken by then.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;

use super::{BATCH, Engine, Tables};
use crate::point::{Point, Points};
use crate::receive::{self, Frame, Mirrored, Opened, Records, Shown};
use crate::track::{Coming, Outlook};

/// Packets that are handed over at once, while the second thread has others to take: it costs as much as to take one.
const HANDFUL: usize = 4 * BATCH;
/// Batches that wait at most; what comes then waits at its source.
const WAITING: usize = 16;

/// An engine on one thread or two.
pub struct Threaded {
    state: State,
    outlook: Outlook,
    /// The way to the second thread.
    line: Option<Line>,
    /// Flows, as of the last batch that was taken.
    flows: Arc<AtomicUsize>,
}

/// The way to the other thread and back.
struct Line {
    /// What is handed over next.
    batch: Batch,
    /// Points that were handed over: of which edition, and how many.
    told: (u64, usize),
    to: SyncSender<Work>,
    from: Receiver<Done>,
    /// Batches that were handed over, and not yet taken.
    under_way: usize,
    /// Batches that were taken.
    spare: Vec<Batch>,
}

/// Where the tables are.
enum State {
    /// Here.
    Whole(Box<Engine>),
    /// On the other thread.
    Split(Box<Engine<Away>>),
    /// Nowhere: the other thread failed.
    Gone,
}

/// In place of tables that are on another thread.
struct Away;

/// Packets on their way to the tables.
#[derive(Default)]
struct Batch {
    records: Records,
    /// What each of them leads to.
    coming: Vec<Option<Coming>>,
    /// All points are described anew.
    anew: bool,
    /// Points that no batch brought before.
    points: Vec<Point>,
}

/// What the other thread is told.
enum Work {
    /// To take these.
    Take(Batch),
    /// To keep the tables.
    Keep(Box<Tables>),
    /// To give the tables back.
    Give,
}

/// What it answers.
enum Done {
    /// A batch was taken, and may be filled again.
    Taken(Batch),
    /// The tables.
    Given(Box<Tables>),
}

impl Threaded {
    /// Begins with an engine; fails if the system gives no second thread.
    pub fn new(engine: Engine, threads: usize) -> io::Result<Self> {
        let flows = Arc::new(AtomicUsize::new(engine.flow_count()));
        let line = (threads > 1).then(|| Line::new(Arc::clone(&flows)));
        Ok(Self {
            outlook: engine.tables.tracker.outlook().clone(),
            state: State::Whole(Box::new(engine)),
            line: line.transpose()?,
            flows,
        })
    }

    /// Takes frames, as [`Engine::frames`] does.
    pub fn frames(&mut self, frames: &[Frame<'_>]) {
        self.split();
        let Self {
            state,
            outlook,
            line,
            flows,
        } = self;
        let (engine, line) = match (state, line) {
            (State::Split(engine), Some(line)) => (engine, line),
            (State::Whole(engine), _) => {
                engine.frames(frames);
                flows.store(engine.flow_count(), Ordering::Relaxed);
                return;
            }
            _ => return,
        };
        for frame in frames {
            engine.reach(frame.time);
            let mut opened = Opened::whole(frame);
            engine.receiver.open(&mut opened);
            let sink = |mirrored: &Mirrored<'_>| line.batch.push(outlook, &mirrored.shown);
            engine.receiver.accept(&opened, sink);
            if line.batch.is_full() {
                line.hand_over(engine.receiver.points());
            }
        }
        // What is at hand need not wait for more if nothing else is to be done.
        if !line.is_busy() {
            line.hand_over(engine.receiver.points());
        }
    }

    /// The engine, with all that it was given; the next frames split it again. `None` if the other thread failed.
    pub fn engine(&mut self) -> Option<&mut Engine> {
        self.join();
        match &mut self.state {
            State::Whole(engine) => Some(engine),
            State::Split(_) | State::Gone => None,
        }
    }

    /// The engine at the end. `None` if the other thread failed.
    pub fn into_engine(mut self) -> Option<Engine> {
        self.join();
        match self.state {
            State::Whole(engine) => Some(*engine),
            State::Split(_) | State::Gone => None,
        }
    }

    /// The receiving half, to name interfaces and tell of drops. `None` if the other thread failed.
    pub fn receiver(&mut self) -> Option<&mut receive::Receiver> {
        match &mut self.state {
            State::Whole(engine) => Some(&mut engine.receiver),
            State::Split(engine) => Some(&mut engine.receiver),
            State::Gone => None,
        }
    }

    /// Flows; those of packets under way are not counted yet.
    pub fn flow_count(&self) -> usize {
        self.flows.load(Ordering::Relaxed)
    }

    /// Gives the tables to the second thread, if there is one.
    fn split(&mut self) {
        if let Some(line) = &self.line
            && matches!(self.state, State::Whole(_))
            && let State::Whole(engine) = std::mem::replace(&mut self.state, State::Gone)
        {
            let (half, tables) = engine.exchange(Away);
            if line.to.send(Work::Keep(Box::new(tables))).is_ok() {
                self.state = State::Split(Box::new(half));
            }
        }
    }

    /// Has the tables back.
    fn join(&mut self) {
        if let Some(line) = &mut self.line
            && matches!(self.state, State::Split(_))
            && let State::Split(half) = std::mem::replace(&mut self.state, State::Gone)
            && let Some(tables) = line.give_back(half.receiver.points())
        {
            self.state = State::Whole(Box::new(half.exchange(*tables).0));
        }
    }
}

impl Line {
    /// Starts the second thread, which tells of the flows that it knows.
    fn new(flows: Arc<AtomicUsize>) -> io::Result<Self> {
        let (to, work) = sync_channel(WAITING);
        let (done, from) = channel();
        Builder::new()
            .name("flows".to_owned())
            .spawn(move || follow(&work, &done, &flows))?;
        Ok(Self {
            batch: Batch::default(),
            told: (0, 0),
            to,
            from,
            under_way: 0,
            spare: Vec::new(),
        })
    }

    /// Hands the batch over, with the points that are new. Waits if too many wait already. If the other thread failed, that
    /// shows when the tables are wanted back.
    fn hand_over(&mut self, points: &Points) {
        if self.batch.coming.is_empty() {
            return;
        }
        if self.told.0 != points.edition() {
            self.told = (points.edition(), 0);
            self.batch.anew = true;
        }
        let new = points.all().get(self.told.1..).unwrap_or_default();
        self.batch.points.extend(new.iter().map(Point::description));
        self.told.1 = points.all().len();
        let spare = self.spare.pop().unwrap_or_default();
        let batch = std::mem::replace(&mut self.batch, spare);
        self.under_way += 1;
        let _ = self.to.send(Work::Take(batch));
    }

    /// Whether the other thread has anything to do.
    fn is_busy(&mut self) -> bool {
        while let Ok(done) = self.from.try_recv() {
            self.note(done);
        }
        self.under_way > 0
    }

    /// Asks for the tables, once all is taken. `None` if the other thread failed.
    fn give_back(&mut self, points: &Points) -> Option<Box<Tables>> {
        self.hand_over(points);
        self.to.send(Work::Give).ok()?;
        loop {
            let done = self.from.recv().ok()?;
            if let Some(tables) = self.note(done) {
                return Some(tables);
            }
        }
    }

    /// Notes what was done. Gives the tables if they came.
    fn note(&mut self, done: Done) -> Option<Box<Tables>> {
        match done {
            Done::Taken(batch) => {
                self.under_way -= 1;
                self.spare.push(batch);
                None
            }
            Done::Given(tables) => Some(tables),
        }
    }
}

impl Batch {
    fn push(&mut self, outlook: &Outlook, shown: &Shown<'_>) {
        let coming = outlook.coming(shown.packet, Some(shown.point), shown.vlan, shown.segment);
        self.coming.push(coming);
        self.records.push(shown);
    }

    fn is_full(&self) -> bool {
        self.coming.len() >= HANDFUL || self.records.full()
    }

    /// Takes all of it into the tables; `points` are those known so far.
    fn take(&mut self, points: &mut Vec<Point>, tables: &mut Tables) {
        if std::mem::take(&mut self.anew) {
            points.clear();
        }
        points.append(&mut self.points);
        let mut records = 0..;
        for coming in self.coming.chunks_mut(BATCH) {
            tables.tracker.ahead(coming);
            for (coming, index) in coming.iter().zip(&mut records) {
                self.records.with(index, points, |shown| {
                    tables.take(shown, coming.as_ref());
                });
            }
        }
        self.coming.clear();
        self.records.clear();
    }
}

/// Takes packets into the tables while it has them.
fn follow(work: &Receiver<Work>, done: &Sender<Done>, flows: &AtomicUsize) {
    let mut points = Vec::new();
    let mut tables: Option<Box<Tables>> = None;
    for work in work {
        match work {
            Work::Keep(given) => tables = Some(given),
            Work::Take(mut batch) => {
                if let Some(tables) = &mut tables {
                    batch.take(&mut points, tables);
                    flows.store(tables.tracker.flow_count(), Ordering::Relaxed);
                }
                // Nobody waits for it at the end.
                let _ = done.send(Done::Taken(batch));
            }
            Work::Give => {
                if let Some(tables) = tables.take() {
                    let _ = done.send(Done::Given(tables));
                }
            }
        }
    }
}
