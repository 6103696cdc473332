//! `--interval`: the thread that shows what is known every so often.
//!
//! It looks at the engine for a moment at a time and rests in between, so that packets need not wait for a view. What takes
//! longer than the interval is not made up for: a view that comes due meanwhile is left out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Engine, Threaded};

use super::view::{Eyes, Live, Turn, View};
use crate::pipeline::{self, Course, Desk, Line, Moments, Owner as _, PATIENCE};

/// The thread failed.
const FAILED: &str = "the thread that shows what is known failed";

/// The side of the packets.
pub struct Views<'scope> {
    desk: Desk<Engine>,
    /// Whoever is at a view takes no other one.
    to: SyncSender<Live>,
    /// Views that were taken, and those that are done.
    taken: u64,
    done: Arc<AtomicU64>,
    thread: Option<ScopedJoinHandle<'scope, Result<()>>>,
}

impl<'scope> Views<'scope> {
    /// Starts the thread, which hands each view to `show`.
    pub fn start(
        scope: &'scope Scope<'scope, '_>,
        filter: Option<&'scope Filter>,
        show: impl FnMut(&View<'_>) -> Result<()> + Send + 'scope,
    ) -> Result<Self> {
        let (line, desk) = pipeline::line();
        // Nothing waits in it.
        let (to, asked) = mpsc::sync_channel(0);
        let done = Arc::default();
        let count = Arc::clone(&done);
        let thread = Builder::new()
            .name("views".to_owned())
            .spawn_scoped(scope, move || run(&line, &asked, filter, show, &count))
            .context("no thread to show what is known")?;
        Ok(Self {
            desk,
            to,
            taken: 0,
            done,
            thread: Some(thread),
        })
    }

    /// Asks for a view as of now; without the one before being done, it is left out.
    pub fn ask(&mut self, live: &LiveReport, activity: &Activity) {
        if self.to.try_send(Live::new(live, activity)).is_ok() {
            self.taken += 1;
            self.desk.expect();
        }
    }

    /// Whether one is under way.
    pub fn is_showing(&self) -> bool {
        self.taken != self.done.load(Ordering::Acquire)
    }

    /// Lets the thread look at the engine for a moment at a time. Fails if it did.
    pub fn lend(&mut self, engine: &mut Threaded, course: &Course<'_>) -> Result<()> {
        let ended = ScopedJoinHandle::is_finished;
        if self.thread.as_ref().is_some_and(ended) {
            return join(self.thread.take());
        }
        if self.is_showing() {
            self.desk.lend(engine, course, |_| false)?;
        }
        Ok(())
    }

    /// How long packets may be waited for.
    pub fn patience(&self) -> Duration {
        if self.is_showing() {
            self.desk.patience()
        } else {
            PATIENCE
        }
    }

    /// Lets the view under way come to its end, though no packets come any more.
    pub fn finish(self, engine: &mut Threaded) -> Result<()> {
        let Self {
            mut desk,
            to,
            thread,
            ..
        } = self;
        drop(to);
        while let Ok(engine) = engine.lent() {
            if desk.lend_within(PATIENCE, engine).is_err() {
                break;
            }
        }
        drop(desk);
        join(thread)
    }
}

fn join(thread: Option<ScopedJoinHandle<'_, Result<()>>>) -> Result<()> {
    match thread {
        Some(thread) => thread.join().map_err(|_| anyhow!(FAILED))?,
        None => Ok(()),
    }
}

/// Shows every view that is asked for.
fn run(
    line: &Line<Engine>,
    asked: &Receiver<Live>,
    filter: Option<&Filter>,
    mut show: impl FnMut(&View<'_>) -> Result<()>,
    done: &AtomicU64,
) -> Result<()> {
    let mut since = Timestamp(0);
    for live in asked {
        show(&View {
            eyes: Eyes::Moments(Moments(line)),
            filter,
            live: Some(&live),
            turn: Turn::After(since),
        })?;
        since = live.time();
        done.fetch_add(1, Ordering::Release);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::thread;

    use mirrorscope_engine::Config;

    use super::*;
    use crate::output::is_broken_pipe;

    fn threaded(threads: usize) -> Threaded {
        let engine = Engine::new(Config::default(), Arc::default());
        Threaded::new(engine, threads).unwrap()
    }

    /// Asks for a view as soon as somebody takes it.
    fn ask(views: &mut Views<'_>, time: i64) {
        let taken = views.taken;
        while views.taken == taken {
            let live = LiveReport::new(Timestamp(0), Timestamp(time));
            views.ask(&live, &Activity::default());
            thread::yield_now();
        }
    }

    fn lend(views: &mut Views<'_>, engine: &mut Threaded) -> Result<()> {
        let course = Course::Live {
            report: &|| LiveReport::new(Timestamp(0), Timestamp(0)),
            activity: &Activity::default(),
        };
        views.lend(engine, &course)
    }

    #[test]
    fn a_view_that_comes_due_while_another_one_is_made_is_left_out() {
        let (told, views_shown) = mpsc::channel();
        let (go_on, wait) = mpsc::channel::<()>();
        let show = move |view: &View<'_>| {
            told.send((view.at().map(|at| at.0), view.turn)).unwrap();
            wait.recv().unwrap();
            Ok(())
        };
        thread::scope(|scope| {
            let mut engine = threaded(1);
            let mut views = Views::start(scope, None, show).unwrap();
            assert!(!views.is_showing());
            ask(&mut views, 10);
            assert!(views.is_showing());
            let late = LiveReport::new(Timestamp(0), Timestamp(20));
            views.ask(&late, &Activity::default());
            go_on.send(()).unwrap();
            while views.is_showing() {
                lend(&mut views, &mut engine).unwrap();
            }
            ask(&mut views, 30);
            go_on.send(()).unwrap();
            views.finish(&mut engine).unwrap();
        });
        let shown: Vec<_> = views_shown.iter().collect();
        let after = |time| Turn::After(Timestamp(time));
        assert_eq!(shown, [(Some(10), after(0)), (Some(30), after(10))]);
    }

    #[test]
    fn a_view_that_is_under_way_when_the_input_ends_is_made_to_its_end() {
        for threads in [1, 2, 3, 4] {
            let (told, reports) = mpsc::channel();
            let show = move |view: &View<'_>| {
                told.send(view.report()?).unwrap();
                Ok(())
            };
            thread::scope(|scope| {
                let mut engine = threaded(threads);
                let mut views = Views::start(scope, None, show).unwrap();
                ask(&mut views, 10);
                views.finish(&mut engine).unwrap();
            });
            let reports: Vec<_> = reports.iter().collect();
            let [report] = &reports[..] else {
                panic!("{} reports", reports.len());
            };
            assert_eq!(report.live.as_ref().unwrap().time, Timestamp(10));
        }
    }

    #[test]
    fn a_view_that_cannot_be_written_ends_the_run_at_the_next_look() {
        let show = |_: &View<'_>| Err(io::Error::from(io::ErrorKind::BrokenPipe).into());
        thread::scope(|scope| {
            let mut engine = threaded(1);
            let mut views = Views::start(scope, None, show).unwrap();
            ask(&mut views, 10);
            let ended = loop {
                if let Err(error) = lend(&mut views, &mut engine) {
                    break error;
                }
            };
            assert!(is_broken_pipe(&ended));
            views.finish(&mut engine).unwrap();
        });
    }
}
