//! An engine on one thread or several: one strips encapsulations and keeps session health; others, in a row, have what packets
//! are taken into – the flow table, then the inventory and the firewalls.
//!
//! Packets are handed on in batches, in the order in which they came, so that the same comes of them as on one thread.
//! Whoever looks at the engine gets it whole: what was handed over is taken by then.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::thread::Builder;

use arrayvec::ArrayVec;

use super::tables::{Flows, Tables};
use super::{BATCH, Engine};
use crate::firewall::Firewalls;
use crate::inventory::Inventory;
use crate::point::{Point, Points};
use crate::receive::{self, Frame, Mirrored, Opened, Records, Shown};
use crate::table::fetch;
use crate::track::{Coming, Followed, Noted, Outlook};

/// So many threads have something to do.
pub const MOST_THREADS: u8 = 4;

/// Packets that are handed over at once, while other threads have others to take: it costs as much as to take one.
const HANDFUL: usize = 12 * BATCH;
/// Frames that are laid out before the first of them is taken apart: what was just written is slow to read.
const SOME: usize = 8;
/// Packets that are brought near in front of the one that is taken: another processor wrote them.
const SOON: usize = 6;
/// Batches that wait for a thread at most; what comes then waits at its source.
const WAITING: usize = 6;

/// An engine on one thread or several.
pub struct Threaded {
    state: State,
    outlook: Outlook,
    /// The way to the other threads.
    line: Option<Line>,
    /// Flows, as of the last batch that was taken.
    flows: Arc<AtomicUsize>,
}

/// The way to the other threads and back.
struct Line {
    /// What is handed over next.
    batch: Batch,
    /// Points that were handed over: of which edition, and how many.
    told: (u64, usize),
    to: Next,
    from: Receiver<Work>,
    /// Batches that were handed over, and not yet taken.
    under_way: usize,
    /// Batches that were taken.
    spare: Vec<Batch>,
}

/// Where the tables are.
enum State {
    /// Here.
    Whole(Box<Engine>),
    /// On other threads.
    Split(Box<Engine<Away>>),
    /// Nowhere: another thread failed.
    Gone,
}

/// In place of tables that are on other threads.
struct Away;

/// Packets on their way to the tables.
#[derive(Default)]
struct Batch {
    records: Records,
    /// What each of them leads to.
    coming: Vec<Option<Coming>>,
    /// How each of them was taken into the flow table.
    followed: Vec<Followed>,
    /// What firewalls could not match, which no batch told the flow table before.
    noted: Vec<Noted>,
    /// All points are described anew.
    anew: bool,
    /// Points that no batch brought before.
    points: Vec<Point>,
}

/// Some of the tables.
#[derive(Default)]
struct Share {
    flows: Option<Box<Flows>>,
    inventory: Option<Box<Inventory>>,
    firewalls: Option<Box<Firewalls>>,
}

/// What goes from one thread to the next, and from the last one back to the first.
enum Work {
    /// Packets to be taken; from the last one, they were, and the batch may be filled again.
    Take(Batch),
    /// Tables, of which each thread keeps those that it works at.
    Keep(Share),
    /// The tables are wanted back: each thread adds its own.
    Give(Share),
}

/// Where work goes.
enum Next {
    /// To another thread, which may make it wait.
    Thread(SyncSender<Work>),
    /// Back to the first one.
    First(Sender<Work>),
}

/// Which tables a thread works at.
#[derive(Clone, Copy)]
enum Tasks {
    All,
    Flows,
    InventoryAndFirewalls,
    Inventory,
    Firewalls,
}

impl Tasks {
    /// Those of the threads behind the first of so many.
    fn of(threads: usize) -> &'static [Self] {
        match threads {
            0 | 1 => &[],
            2 => &[Self::All],
            3 => &[Self::Flows, Self::InventoryAndFirewalls],
            _ => &[Self::Flows, Self::Inventory, Self::Firewalls],
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::All | Self::Flows => "flows",
            Self::InventoryAndFirewalls | Self::Inventory => "inventory",
            Self::Firewalls => "firewalls",
        }
    }

    /// Its own out of some tables.
    fn take(self, from: &mut Share) -> Share {
        let flows = matches!(self, Self::All | Self::Flows);
        let inventory = matches!(
            self,
            Self::All | Self::InventoryAndFirewalls | Self::Inventory
        );
        let firewalls = matches!(
            self,
            Self::All | Self::InventoryAndFirewalls | Self::Firewalls
        );
        Share {
            flows: from.flows.take_if(|_| flows),
            inventory: from.inventory.take_if(|_| inventory),
            firewalls: from.firewalls.take_if(|_| firewalls),
        }
    }
}

impl Threaded {
    /// Begins with an engine, on at most [`MOST_THREADS`]; fails if the system does not give them.
    pub fn new(engine: Engine, threads: usize) -> io::Result<Self> {
        let flows = Arc::new(AtomicUsize::new(engine.flow_count()));
        let tasks = Tasks::of(threads);
        let line = (!tasks.is_empty()).then(|| Line::new(tasks, &flows));
        Ok(Self {
            outlook: engine.tables.flows.tracker.outlook().clone(),
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
        for frames in frames.chunks(SOME) {
            let mut opened: ArrayVec<Opened<'_>, SOME> = frames.iter().map(Opened::whole).collect();
            for opened in &mut opened {
                engine.reach(opened.frame.time);
                engine.receiver.open(opened);
                let sink = |mirrored: &Mirrored<'_>| line.batch.push(outlook, &mirrored.shown);
                engine.receiver.accept(opened, sink);
                if line.batch.is_full() {
                    line.hand_over(engine.receiver.points());
                }
            }
        }
        // What is at hand need not wait for more if nothing else is to be done.
        if !line.is_busy() {
            line.hand_over(engine.receiver.points());
        }
    }

    /// The engine, with all that it was given; the next frames split it again. `None` if another thread failed.
    pub fn engine(&mut self) -> Option<&mut Engine> {
        self.join();
        match &mut self.state {
            State::Whole(engine) => Some(engine),
            State::Split(_) | State::Gone => None,
        }
    }

    /// The engine at the end. `None` if another thread failed.
    pub fn into_engine(mut self) -> Option<Engine> {
        self.join();
        match self.state {
            State::Whole(engine) => Some(*engine),
            State::Split(_) | State::Gone => None,
        }
    }

    /// The receiving half, to name interfaces and tell of drops. `None` if another thread failed.
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

    /// Gives the tables to the other threads, if there are any.
    fn split(&mut self) {
        if let Some(line) = &self.line
            && matches!(self.state, State::Whole(_))
            && let State::Whole(engine) = std::mem::replace(&mut self.state, State::Gone)
        {
            let (half, tables) = engine.exchange(Away);
            if line.to.send(Work::Keep(Share::whole(tables))) {
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
            self.state = State::Whole(Box::new(half.exchange(tables).0));
        }
    }
}

impl Line {
    /// Starts the other threads; the one that has the flow table tells of the flows that it knows.
    fn new(tasks: &[Tasks], flows: &Arc<AtomicUsize>) -> io::Result<Self> {
        let (done, from) = channel();
        let mut to = Next::First(done);
        // Each knows the one behind it.
        for &task in tasks.iter().rev() {
            let (before, work) = sync_channel(WAITING);
            let next = std::mem::replace(&mut to, Next::Thread(before));
            let flows = Arc::clone(flows);
            Builder::new()
                .name(task.name().to_owned())
                .spawn(move || go_through(task, &work, &next, &flows))?;
        }
        Ok(Self {
            batch: Batch::default(),
            told: (0, 0),
            to,
            from,
            under_way: 0,
            spare: Vec::new(),
        })
    }

    /// Hands the batch over, with the points that are new. Waits if too many wait already. If another thread failed, that
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
        self.to.send(Work::Take(batch));
    }

    /// Whether other threads have anything to do.
    fn is_busy(&mut self) -> bool {
        while let Ok(work) = self.from.try_recv() {
            self.note(work);
        }
        self.under_way > 0
    }

    /// Asks for the tables, once all is taken. `None` if another thread failed.
    fn give_back(&mut self, points: &Points) -> Option<Tables> {
        self.hand_over(points);
        if !self.to.send(Work::Give(Share::default())) {
            return None;
        }
        loop {
            let work = self.from.recv().ok()?;
            if let Some(share) = self.note(work) {
                let mut tables = share.into_whole()?;
                for noted in self.batch.noted.drain(..) {
                    tables.flows.tracker.note_unmatched(&noted);
                }
                return Some(tables);
            }
        }
    }

    /// Notes what was done. Gives the tables if they came.
    fn note(&mut self, work: Work) -> Option<Share> {
        match work {
            Work::Take(mut batch) => {
                self.under_way -= 1;
                self.batch.noted.append(&mut batch.noted);
                batch.clear();
                self.spare.push(batch);
                None
            }
            Work::Keep(_) => None,
            Work::Give(share) => Some(share),
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

    fn clear(&mut self) {
        self.records.clear();
        self.coming.clear();
        self.followed.clear();
        self.points.clear();
        self.anew = false;
    }
}

impl Share {
    fn whole(tables: Tables) -> Self {
        Self {
            flows: Some(Box::new(tables.flows)),
            inventory: Some(Box::new(tables.inventory)),
            firewalls: Some(Box::new(tables.firewalls)),
        }
    }

    /// The tables, if all of them are there.
    fn into_whole(self) -> Option<Tables> {
        Some(Tables {
            flows: *self.flows?,
            inventory: *self.inventory?,
            firewalls: *self.firewalls?,
        })
    }

    /// Adds others.
    fn add(&mut self, others: Self) {
        self.flows = self.flows.take().or(others.flows);
        self.inventory = self.inventory.take().or(others.inventory);
        self.firewalls = self.firewalls.take().or(others.firewalls);
    }

    /// Takes a batch into the tables that are here; `points` are those known so far.
    fn take(&mut self, batch: &mut Batch, points: &mut Vec<Point>) {
        if batch.anew {
            points.clear();
        }
        points.extend(batch.points.iter().map(Point::description));
        if let Some(flows) = &mut self.flows {
            for noted in batch.noted.drain(..) {
                flows.tracker.note_unmatched(&noted);
            }
        }
        let Batch {
            records,
            coming,
            followed: all,
            noted,
            ..
        } = batch;
        let mut indices = 0..;
        let mut rest = coming.as_mut_slice();
        while !rest.is_empty() {
            let end = BATCH.min(rest.len());
            let (now, later) = std::mem::take(&mut rest).split_at_mut(end);
            rest = later;
            let mut later = rest.iter();
            if let Some(flows) = &self.flows {
                flows.tracker.ahead(now);
            }
            if let Some(firewalls) = &self.firewalls {
                firewalls.ahead(now);
            }
            for (coming, index) in now.iter().zip(&mut indices) {
                records.fetch(index + SOON);
                if let Some(later) = later.next() {
                    fetch(later);
                }
                records.with(index, points, |shown| {
                    if let Some(flows) = &mut self.flows {
                        all.push(flows.take(shown, coming.as_ref()));
                    }
                    let Some(followed) = all.get(index) else {
                        return;
                    };
                    if let Some(inventory) = &mut self.inventory {
                        inventory.note(shown, followed);
                    }
                    if let Some(firewalls) = &mut self.firewalls {
                        firewalls.take(shown, followed);
                    }
                });
                if all.len() <= index {
                    all.push(Followed::default());
                }
            }
        }
        if let Some(firewalls) = &mut self.firewalls {
            noted.extend(firewalls.noted());
        }
    }
}

impl Next {
    /// False if that thread failed.
    fn send(&self, work: Work) -> bool {
        match self {
            Self::Thread(to) => to.send(work).is_ok(),
            Self::First(to) => to.send(work).is_ok(),
        }
    }
}

/// Does a thread's tasks at whatever comes, and hands it on.
fn go_through(task: Tasks, work: &Receiver<Work>, next: &Next, flows: &AtomicUsize) {
    let mut points = Vec::new();
    let mut own = Share::default();
    for mut work in work {
        match &mut work {
            Work::Take(batch) => own.take(batch, &mut points),
            Work::Keep(share) => own = task.take(share),
            Work::Give(share) => share.add(std::mem::take(&mut own)),
        }
        if let Some(own) = &own.flows {
            flows.store(own.tracker.flow_count(), Ordering::Relaxed);
        }
        if !next.send(work) {
            break;
        }
    }
}
