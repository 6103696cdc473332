//! Packets as they come, for a time or until someone has seen enough.

use std::time::{Duration, Instant};

use anyhow::Result;
use mirrorscope_capture::live::{self, InterfaceStatistics, Live, Via};
use mirrorscope_engine::activity::{Activity, SessionChange};
use mirrorscope_engine::live::{DroppedReport, InterfaceReport, LiveReport};
use mirrorscope_engine::point::printable;
use mirrorscope_engine::session::Registry;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_tui::data::Weight;
use mirrorscope_tui::progress::{Done, State};

use super::frames::Frames;
use super::signals::Signals;
use super::{Consumer, Course, Teller, config};
use crate::cli::{InputArgs, LiveArgs};
use crate::output::live::{interface_text, line};
use crate::resolve::Resolver;

/// Between two looks at counters, signals and sessions: so that what changes is told within a second.
const TICK: Duration = Duration::from_millis(250);
/// Frames between two looks at the clock.
const LOOK: u64 = 1024;
/// Between two complaints about drops.
const QUIET: Duration = Duration::from_secs(10);

/// Takes packets until the time is over, enough have come, or someone ends it. What arrived before that is taken, too.
pub fn read(
    live: &mut Live,
    args: &InputArgs,
    signals: &Signals,
    registry: &Registry,
    consumer: &mut impl Consumer,
    (teller, mut names): (&mut dyn Teller, Option<&mut Resolver>),
) -> Result<(LiveReport, Activity)> {
    live.start()?;
    let mut watch = Watch::new(live, teller);
    let mut clock = Clock::new(&args.live);
    let count = args.count.unwrap_or(u64::MAX);
    let mut frames = Frames::default();
    let mut look = LOOK;
    while frames.taken < count {
        let batch = live.next_frames(frames.left(count), clock.patience(consumer.patience()))?;
        match frames.take(batch, consumer)? {
            Some(time) if time < clock.due && frames.taken < look => continue,
            Some(time) => watch.reached = Timestamp(time),
            None if signals.stopped() => break,
            None => watch.reached = now(),
        }
        look = frames.taken + LOOK;
        clock.look();
        if clock.ticks() {
            watch.tick(live, consumer)?;
            if let (Some(names), Some(engine)) = (&mut names, consumer.engine()) {
                names.refresh(engine);
            }
            watch.show_progress(&frames, registry, consumer);
            if signals.take_reload() {
                watch.reload(args, consumer);
            }
        }
        if clock.shows() {
            watch.look(live, consumer);
            watch.teller.make_room();
            consumer.interval(&watch.report(), &watch.activity)?;
        }
        consumer.look(&Course::Live {
            report: &|| watch.report(),
            activity: &watch.activity,
        })?;
        if clock.is_over() {
            signals.stop();
        }
    }
    watch.tick(live, consumer)?;
    if let (Some(names), Some(engine)) = (names, consumer.engine()) {
        names.finish(engine, true);
    }
    Ok(watch.finish(&frames))
}

/// When something is to be done.
struct Clock {
    now: Instant,
    next_tick: Instant,
    next_view: Option<Instant>,
    interval: Option<Duration>,
    end: Option<Instant>,
    /// The first of these by the clock of packets, in nanoseconds since the Unix epoch.
    due: i64,
}

impl Clock {
    fn new(args: &LiveArgs) -> Self {
        let begin = Instant::now();
        let span = |time: i64| Duration::from_nanos(time.unsigned_abs());
        let interval = args.interval.map(span);
        let mut clock = Self {
            now: begin,
            next_tick: begin + TICK,
            next_view: interval.and_then(|interval| begin.checked_add(interval)),
            interval,
            end: args.duration.and_then(|time| begin.checked_add(span(time))),
            due: 0,
        };
        clock.look();
        clock
    }

    fn look(&mut self) {
        self.now = Instant::now();
        self.due = now().plus(self.left().as_nanos() as i64).0;
    }

    /// Time until something is to be done.
    fn left(&self) -> Duration {
        let next = [Some(self.next_tick), self.next_view, self.end];
        let next = next.into_iter().flatten().min();
        next.map_or(TICK, |next| next.saturating_duration_since(self.now))
    }

    fn patience(&self, most: Duration) -> Duration {
        self.left().min(most)
    }

    fn ticks(&mut self) -> bool {
        let is_due = self.now >= self.next_tick;
        if is_due {
            self.next_tick = self.now + TICK;
        }
        is_due
    }

    fn shows(&mut self) -> bool {
        match (self.next_view, self.interval) {
            (Some(next), Some(interval)) if self.now >= next => {
                // What took longer than the interval is not made up for.
                self.next_view = (next + interval).max(self.now).into();
                true
            }
            _ => false,
        }
    }

    fn is_over(&self) -> bool {
        self.end.is_some_and(|end| self.now >= end)
    }
}

/// What this host and the mirrors do while packets come.
struct Watch<'a> {
    teller: &'a mut dyn Teller,
    started: Timestamp,
    /// The last look at the counters.
    looked: Timestamp,
    /// The time that the analysis has reached: it may lag behind.
    reached: Timestamp,
    interfaces: Vec<InterfaceStatistics>,
    activity: Activity,
    /// When drops were told last, and how many.
    complained: Option<(Instant, u64)>,
    /// Frames a second ago, and when that was.
    paced: (Instant, u64),
    rate: u64,
}

impl<'a> Watch<'a> {
    fn new(live: &mut Live, teller: &'a mut dyn Teller) -> Self {
        let started = now();
        let interfaces = live.statistics();
        let names: Vec<String> = interfaces.iter().map(|i| printable(&i.name)).collect();
        let names = if names.is_empty() {
            "all addresses".to_owned()
        } else {
            names.join(", ")
        };
        for note in live.notes() {
            teller.tell(Weight::Error, &printable(note));
        }
        for remark in live.remarks() {
            teller.tell(Weight::Info, &printable(remark));
        }
        let text = format!("listening on {names}; Ctrl-C ends");
        teller.tell(Weight::Info, &text);
        Self {
            teller,
            started,
            looked: started,
            reached: started,
            interfaces,
            activity: Activity::default(),
            complained: None,
            paced: (Instant::now(), 0),
            rate: 0,
        }
    }

    /// Looks at everything that happens beside packets, and tells what changed.
    fn tick(&mut self, live: &mut Live, consumer: &mut impl Consumer) -> Result<()> {
        self.look(live, consumer);
        self.complain();
        if let Some(engine) = consumer.engine() {
            engine.now(self.reached);
            for change in self.activity.tick(engine, self.reached) {
                self.tell(Weight::Info, &line(&change));
            }
        }
        consumer.tick()
    }

    /// Reads the counters: what was dropped must be known before anything is said of the network.
    fn look(&mut self, live: &mut Live, consumer: &mut impl Consumer) {
        let time = now();
        for event in live.take_events() {
            let time = Timestamp(event.time);
            let change = SessionChange::of_interface(time, &event.interface, &event.text);
            self.tell(Weight::Info, &line(&change));
            self.activity.remember(change);
        }
        let interfaces = live.statistics();
        for interface in &interfaces {
            let same = |i: &&InterfaceStatistics| i.interface == interface.interface;
            let before = self.interfaces.iter().find(same);
            let before = before.map_or(0, |i| i.dropped.total());
            let lost = interface.dropped.total().saturating_sub(before);
            if lost > 0
                && let Some(receiver) = consumer.receiver()
            {
                receiver.lost_here(interface.interface, self.looked, time, lost);
            }
        }
        self.interfaces = interfaces;
        self.looked = time;
    }

    /// Tells of drops when they begin, and now and then while they go on.
    fn complain(&mut self) {
        let (dropped, told) = (self.dropped(), self.complained);
        let quiet = told.is_some_and(|(when, count)| when.elapsed() < QUIET || count == dropped);
        if dropped == 0 || quiet {
            return;
        }
        self.complained = Some((Instant::now(), dropped));
        let those = self.interfaces.iter().filter(|i| i.dropped.total() > 0);
        for interface in those.map(interface).collect::<Vec<_>>() {
            self.tell(Weight::Error, &interface_text(&interface));
        }
    }

    /// Frames that this host dropped.
    fn dropped(&self) -> u64 {
        self.interfaces.iter().map(|i| i.dropped.total()).sum()
    }

    /// Reads the sites file again. A wrong one changes nothing.
    fn reload(&mut self, args: &InputArgs, consumer: &mut impl Consumer) {
        match config::sites_again(args) {
            Ok((sites, text)) => {
                consumer.reload(sites, now());
                self.tell(Weight::Info, &text);
            }
            Err(text) => self.tell(Weight::Error, &text),
        }
    }

    /// How the run goes.
    fn report(&self) -> LiveReport {
        let mut report = LiveReport::new(self.started, now());
        report.interfaces = self.interfaces.iter().map(interface).collect();
        report.changes = self.activity.changes().cloned().collect();
        report
    }

    fn show_progress(
        &mut self,
        frames: &Frames,
        registry: &Registry,
        consumer: &mut impl Consumer,
    ) {
        let (since, before) = self.paced;
        let seconds = since.elapsed().as_secs_f64();
        if seconds >= 1.0 {
            self.rate = ((frames.taken - before) as f64 / seconds) as u64;
            self.paced = (Instant::now(), frames.taken);
        }
        if self.teller.wants_progress() && !consumer.is_showing() {
            let state = State {
                done: Done::Live {
                    seconds: (now().since(self.started) / SECOND) as u64,
                    rate: self.rate,
                    dropped: self.dropped(),
                },
                frames: frames.taken,
                sessions: registry.len(),
                flows: consumer.flows(),
            };
            self.teller.progress(&state);
        }
    }

    /// Ends the run, and tells what each interface brought.
    fn finish(mut self, frames: &Frames) -> (LiveReport, Activity) {
        let report = self.report();
        for interface in &report.interfaces {
            self.tell(Weight::Info, &interface_text(interface));
        }
        if frames.taken == 0 {
            self.tell(
                Weight::Error,
                "nothing arrived; `mirrorscope doctor` tells what may be wrong with this host, and --all takes what is no mirror's, too",
            );
        }
        (report, self.activity)
    }

    fn tell(&mut self, weight: Weight, text: &str) {
        self.teller.tell(weight, text);
    }
}

/// An interface as reports have it.
fn interface(of: &InterfaceStatistics) -> InterfaceReport {
    InterfaceReport {
        name: printable(&of.name),
        via: match of.via {
            Via::Ring => "ring",
            Via::Endpoint => "endpoint",
            Via::Portable => "portable",
        }
        .to_owned(),
        present: of.present,
        frames: of.frames,
        dropped: DroppedReport {
            kernel: of.dropped.kernel,
            socket: of.dropped.socket,
            queue: of.dropped.queue,
        },
    }
}

/// The time by the clock that frames are stamped with.
fn now() -> Timestamp {
    Timestamp(live::now())
}
