//! The thread that takes packets. Others look at what it knows for a moment at a time, between packets.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mirrorscope_capture::live::now;
use mirrorscope_capture::{Again, Files, Place};
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::{Frame, Receiver as Decapsulator};
use mirrorscope_engine::report::SessionReport;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine};
use mirrorscope_tui::data::{Answer, Ask, InputState, Rate};

use super::frames::Frames;
use super::history::History;
use super::job;
use super::line::{Line, Moment, Pulse, Work};
use super::notices::{self, Notices};
use super::rates::Rates;
use super::replay::Source;
use super::views::Views;
use crate::cli::WatchArgs;
use crate::output::error_text;
use crate::pipeline::{Consumer, Course, Input, Signals};

/// How long a question may wait while no packets come.
const PATIENCE: Duration = Duration::from_millis(10);
/// How long another question is waited for while no packets come.
const NEXT: Duration = Duration::from_millis(1);
/// How long others look while no packets came, before it is asked whether some do now.
const WHILE: Duration = Duration::from_millis(2);
/// Who looked so lately looks on.
const LATELY: Duration = Duration::from_millis(20);
/// How long signals may wait once all is read.
const REST: Duration = Duration::from_millis(100);

/// Takes all input and answers all questions until it is told to end.
pub fn run(
    input: Input<'_>,
    args: &WatchArgs,
    asks: Receiver<Ask>,
    answers: &Sender<Answer>,
) -> Result<()> {
    let (jobs, queue) = mpsc::channel();
    let (line, work) = Line::new();
    thread::scope(|scope| {
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        let told = answers.clone();
        thread("packets")
            .spawn_scoped(scope, move || job::work(&queue, &told))
            .context("cannot start the thread that fetches packets")?;
        let mut analysis = Analysis::new(&input, args, work, Arc::clone(&line.pulse), answers);
        let views = Views::new(args, input.signals(), line, (asks, answers.clone(), jobs));
        thread("views")
            .spawn_scoped(scope, move || views.run())
            .context("cannot start the thread that makes the views")?;
        let result = input.run_with(&mut analysis, &mut Notices(answers.clone()));
        let ended = match result {
            Ok(done) => {
                analysis.ended = done.live;
                Ok(())
            }
            Err(error) => {
                // An interface that has ended need not be told.
                let _ = answers.send(Answer::Failed(error_text(&error)));
                Err(error)
            }
        };
        analysis.rest();
        ended
    })
}

/// A file's name, fit for a screen.
fn name(path: &Path) -> String {
    if path.as_os_str() == "-" {
        "standard input".to_owned()
    } else {
        printable(&path.to_string_lossy())
    }
}

/// Everything that is known.
pub struct Analysis<'a> {
    args: &'a WatchArgs,
    pub engine: Engine,
    /// Settings of the engine, as they are by now.
    config: Config,
    pub history: History,
    /// To read files again that are all read.
    again: Option<Again>,
    work: Receiver<Work>,
    pulse: Arc<Pulse>,
    answers: Sender<Answer>,
    signals: Arc<Signals>,
    rates: Rates,
    /// How far the input has come.
    pub state: InputState,
    /// How a live run ended.
    ended: Option<(LiveReport, Activity)>,
    /// Frames at the last moment.
    looked: u64,
    /// When somebody looked last, who may look again at once.
    lent: Option<Instant>,
}

/// What the screens show besides the engine's report.
pub struct Beside {
    /// The sessions, with what they did of late.
    pub sessions: Vec<SessionReport>,
    /// How a live run goes.
    pub live: Option<LiveReport>,
    /// What arrived in the last seconds.
    pub rates: VecDeque<Rate>,
}

impl<'a> Analysis<'a> {
    fn new(
        input: &Input<'_>,
        args: &'a WatchArgs,
        work: Receiver<Work>,
        pulse: Arc<Pulse>,
        answers: &Sender<Answer>,
    ) -> Self {
        let config = input.settings(&args.analysis);
        let files = args.analysis.input.files.iter();
        Self {
            args,
            engine: input.engine(&args.analysis),
            history: History::new(args.keep_packets, config.dissect.clone()),
            config,
            again: None,
            work,
            pulse,
            answers: answers.clone(),
            signals: input.signals(),
            rates: Rates::default(),
            state: if input.is_live() {
                InputState::Live { done: false }
            } else {
                InputState::Files {
                    names: files.map(|path| name(path)).collect(),
                    read: 0,
                    total: None,
                    done: false,
                    problems: Vec::new(),
                }
            },
            ended: None,
            looked: 0,
            lent: None,
        }
    }

    /// Ends the capture, and lets others look until nobody will any more.
    fn rest(&mut self) {
        if self.signals.stopped() {
            return;
        }
        let Self {
            engine, history, ..
        } = self;
        engine.finish_with(|mirrored, taken, _| {
            if let Some(taken) = taken {
                history.salvaged(mirrored, taken);
            }
        });
        match &mut self.state {
            InputState::Files { done, .. } | InputState::Live { done } => *done = true,
        }
        let frames = self.engine.receiver().counts().frames;
        self.pulse.tell(frames, false);
        self.pulse.change();
        while !self.signals.stopped() {
            self.reload_if_told();
            match self.work.recv_timeout(REST) {
                Ok(work) => self.lend(work, None, false),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Lets somebody look.
    fn lend(&mut self, work: Work, course: Option<&Course<'_>>, busy: bool) {
        work(Moment {
            analysis: self,
            course,
            busy,
        });
        self.lent = Some(Instant::now());
    }

    /// Lets others look: for one moment while packets come, for some while none do.
    fn lend_if_wanted(&mut self, course: &Course<'_>) {
        let frames = self.engine.receiver().counts().frames;
        let busy = frames != self.looked;
        self.looked = frames;
        self.pulse
            .tell(frames, matches!(course, Course::Live { .. }));
        if busy {
            if let Ok(work) = self.work.try_recv() {
                self.lend(work, Some(course), busy);
            }
            return;
        }
        let until = Instant::now() + WHILE;
        while Instant::now() < until
            && let Ok(work) = self.work.recv_timeout(NEXT)
        {
            self.lend(work, Some(course), busy);
        }
    }

    /// What the screens show of this moment, besides the engine's report: `sessions` are that one's.
    pub fn beside(
        &mut self,
        course: Option<&Course<'_>>,
        mut sessions: Vec<SessionReport>,
    ) -> Beside {
        let mut clock = None;
        let live = match course {
            Some(Course::Live { report, activity }) => {
                activity.annotate(&mut sessions);
                let live = report();
                clock = Some(live.time);
                Some(live)
            }
            Some(Course::Files(_) | Course::Read(_)) => None,
            None => self.ended.as_ref().map(|(live, activity)| {
                activity.annotate(&mut sessions);
                live.clone()
            }),
        };
        Beside {
            sessions,
            live,
            rates: self.rates.show(&mut self.engine, clock),
        }
    }

    /// The frames that are there, and how they are read.
    pub fn source(&mut self, course: Option<&Course<'_>>) -> Source {
        let again = match course {
            Some(Course::Files(files) | Course::Read(files)) => Some(files.again()),
            Some(Course::Live { .. }) => None,
            None => self.again.clone(),
        };
        Source {
            frames: Frames::new(self.history.blocks(), again, self.signals.flag()),
            config: self.config.clone(),
            interfaces: self.engine.receiver().interfaces().to_vec(),
        }
    }

    fn reload_if_told(&mut self) {
        if self.signals.take_reload()
            && let Some(sites) = notices::sites_again(&self.args.analysis.input, &self.answers)
        {
            self.reload(sites, Timestamp(now()));
        }
    }

    /// How far files were read.
    fn note_progress(&mut self, files: &Files) {
        if let InputState::Files {
            read,
            total,
            problems,
            ..
        } = &mut self.state
        {
            let progress = files.progress();
            (*read, *total) = (progress.read, progress.total);
            for problem in files.problems().iter().skip(problems.len()) {
                problems.push(printable(&problem.to_string()));
            }
        }
    }
}

impl Consumer for Analysis<'_> {
    fn receiver(&mut self) -> Option<&mut Decapsulator> {
        Some(self.engine.receiver())
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        Some(&mut self.engine)
    }

    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        self.frames_at(frames, &[])
    }

    fn frames_at(&mut self, frames: &[Frame<'_>], places: &[Option<Place>]) -> Result<()> {
        for frame in frames {
            self.rates.count(frame.time, frame.wire_len);
        }
        let mut batch = self.history.batch(frames, places);
        self.engine
            .frames_with(frames, |index, mirrored, taken, _| {
                batch.packet(index, mirrored, taken);
            });
        batch.finish();
        Ok(())
    }

    fn look(&mut self, course: &Course<'_>) -> Result<()> {
        if let Course::Files(files) | Course::Read(files) = course {
            self.note_progress(files);
            self.reload_if_told();
        }
        if let Course::Read(files) = course {
            self.again = Some(files.again());
        }
        self.lend_if_wanted(course);
        Ok(())
    }

    fn patience(&self) -> Duration {
        // Between two moments of a look nobody waits for packets in vain.
        let looks = self.lent.is_some_and(|lent| lent.elapsed() < LATELY);
        if looks { Duration::ZERO } else { PATIENCE }
    }

    fn flows(&self) -> usize {
        self.engine.flow_count()
    }

    fn reload(&mut self, sites: Sites, _now: Timestamp) {
        self.config.sites = sites.clone();
        self.engine.reload(sites);
        self.pulse.change();
    }
}
