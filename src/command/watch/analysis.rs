//! The thread that takes packets. Others look at what it knows for a moment at a time, between packets.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use mirrorscope_capture::live::now;
use mirrorscope_capture::{Files, Place};
use mirrorscope_engine::Engine;
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::{Frame, Receiver as Decapsulator};
use mirrorscope_engine::report::SessionReport;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_tui::data::{Answer, Ask, InputState, Rate, Weight};

use super::job;
use super::notices::{self, Notices};
use super::pulse::Pulse;
use super::rates::Rates;
use super::views::Views;
use crate::cli::WatchArgs;
use crate::command::replay::Recorder;
use crate::export::{Closing, Feed};
use crate::output::error_text;
use crate::pipeline::{self, Consumer, Course, Desk, Input, Owner, Signals};

/// How long signals may wait once all is read.
const REST: Duration = Duration::from_millis(100);

/// Takes all input and answers all questions until it is told to end. Gives what is still on its way to other tools then.
pub fn run(
    (input, feed): (Input<'_>, Option<Feed>),
    args: &WatchArgs,
    asks: Receiver<Ask>,
    answers: &Sender<Answer>,
) -> Result<Option<Closing>> {
    let (jobs, queue) = mpsc::channel();
    let (line, desk) = pipeline::line();
    let pulse = Arc::default();
    thread::scope(|scope| {
        let thread = |name: &str| thread::Builder::new().name(name.to_owned());
        let told = answers.clone();
        thread("packets")
            .spawn_scoped(scope, move || job::work(&queue, &told))
            .context("cannot start the thread that fetches packets")?;
        let mut attended = Attended {
            analysis: Analysis::new(&input, args, Arc::clone(&pulse), answers),
            desk,
            feed,
            closing: None,
        };
        let asked = (asks, answers.clone(), jobs);
        let views = Views::new(args, input.signals(), (line, pulse), asked);
        thread("views")
            .spawn_scoped(scope, move || views.run())
            .context("cannot start the thread that makes the views")?;
        let result = input.run_with(&mut attended, &mut Notices(answers.clone()));
        let ended = match result {
            Ok(done) => {
                attended.analysis.ended = done.live;
                Ok(())
            }
            Err(error) => {
                // An interface that has ended need not be told.
                let _ = answers.send(Answer::Failed(error_text(&error)));
                Err(error)
            }
        };
        attended.rest();
        ended?;
        attended.close()
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
    pub recorder: Recorder,
    pulse: Arc<Pulse>,
    answers: Sender<Answer>,
    signals: Arc<Signals>,
    rates: Rates,
    /// How far the input has come.
    pub state: InputState,
    /// How a live run ended.
    ended: Option<(LiveReport, Activity)>,
}

/// The same, while others look at it.
struct Attended<'a> {
    analysis: Analysis<'a>,
    desk: Desk<Analysis<'a>>,
    /// Other tools get what they asked for, while packets come and when they end.
    feed: Option<Feed>,
    closing: Option<Closing>,
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
        pulse: Arc<Pulse>,
        answers: &Sender<Answer>,
    ) -> Self {
        let signals = input.signals();
        let stop = signals.flag();
        let files = args.analysis.input.files.iter();
        Self {
            args,
            recorder: Recorder::new(input, &args.analysis, args.keep_packets, stop),
            pulse,
            answers: answers.clone(),
            signals,
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
            rates: self.rates.show(&mut self.recorder.engine, clock),
        }
    }

    fn reload_if_told(&mut self) {
        if self.signals.take_reload()
            && let Some(sites) = notices::sites_again(&self.args.analysis.input, &self.answers)
        {
            self.reload(sites, Timestamp(now()));
        }
    }

    /// Describes the sites anew, from a time on.
    pub fn reload(&mut self, sites: Sites, now: Timestamp) {
        self.recorder.reload(sites, now);
        self.pulse.change();
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

impl<'a> Owner<Analysis<'a>> for Analysis<'a> {
    fn frames(&mut self) -> u64 {
        self.recorder.engine.receiver().counts().frames
    }

    fn lent(&mut self) -> Result<&mut Self> {
        Ok(self)
    }
}

impl Attended<'_> {
    /// Ends the capture, and lets others look until nobody will any more.
    fn rest(&mut self) {
        if self.analysis.signals.stopped() {
            return;
        }
        self.analysis.recorder.finish();
        if let Err(error) = self.close_feed() {
            let failed = Answer::Notice(Weight::Error, error_text(&error));
            let _ = self.analysis.answers.send(failed);
        }
        let Self { analysis, desk, .. } = self;
        match &mut analysis.state {
            InputState::Files { done, .. } | InputState::Live { done } => *done = true,
        }
        let frames = analysis.frames();
        analysis.pulse.tell(frames, false);
        analysis.pulse.change();
        while !analysis.signals.stopped() {
            analysis.reload_if_told();
            if desk.lend_within(REST, analysis).is_err() {
                return;
            }
        }
    }
}

impl Attended<'_> {
    /// Tells other tools all that they were not told yet.
    fn close_feed(&mut self) -> Result<()> {
        if let Some(feed) = self.feed.take() {
            self.closing = Some(feed.close(&mut self.analysis.recorder.engine)?);
        }
        Ok(())
    }

    /// The same where packets came until the end.
    fn close(mut self) -> Result<Option<Closing>> {
        if self.feed.is_some() {
            self.analysis.recorder.finish();
            self.close_feed()?;
        }
        Ok(self.closing)
    }
}

impl Consumer for Attended<'_> {
    fn receiver(&mut self) -> Option<&mut Decapsulator> {
        self.analysis.recorder.receiver()
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        Some(&mut self.analysis.recorder.engine)
    }

    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        self.frames_at(frames, &[])
    }

    fn frames_at(&mut self, frames: &[Frame<'_>], places: &[Option<Place>]) -> Result<()> {
        for frame in frames {
            self.analysis.rates.count(frame.time, frame.wire_len);
        }
        self.analysis.recorder.frames_at(frames, places)
    }

    fn look(&mut self, course: &Course<'_>) -> Result<()> {
        let Self {
            analysis,
            desk,
            feed,
            ..
        } = self;
        if let Course::Files(files) | Course::Read(files) = course {
            analysis.note_progress(files);
            analysis.reload_if_told();
        }
        analysis.recorder.look(course)?;
        let is_live = matches!(course, Course::Live { .. });
        let frames = analysis.frames();
        analysis.pulse.tell(frames, is_live);
        desk.lend(analysis, course, |_| false)?;
        match feed {
            Some(feed) => feed.lend(&mut analysis.recorder.engine, course),
            None => Ok(()),
        }
    }

    fn patience(&self) -> Duration {
        let feed = self.feed.as_ref().map(Feed::patience);
        self.desk.patience().min(feed.unwrap_or(Duration::MAX))
    }

    fn flows(&self) -> usize {
        self.analysis.recorder.flows()
    }

    fn reload(&mut self, sites: Sites, now: Timestamp) {
        self.analysis.reload(sites, now);
    }
}
