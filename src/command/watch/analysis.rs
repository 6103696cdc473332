//! The thread that takes packets and answers questions.

use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use mirrorscope_capture::live::now;
use mirrorscope_capture::{Again, Files, Place};
use mirrorscope_engine::activity::Activity;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::page::{Digest, FlowQuery};
use mirrorscope_engine::point::printable;
use mirrorscope_engine::receive::{Frame, Receiver as Decapsulator};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Config, Engine, OneFlow};
use mirrorscope_tui::data::{
    Answer, Ask, Export, ExportForm, InputState, Latest, Snapshot, Weight,
};

use super::export::{Packets, Whole};
use super::frames::Frames;
use super::history::History;
use super::job::{self, Job};
use super::notices::Notices;
use super::pace::{News, Pace};
use super::rates::Rates;
use super::replay::{Replay, Source};
use crate::cli::WatchArgs;
use crate::output::error_text;
use crate::pipeline::{Consumer, Course, Input, Signals, Teller, sites_again};

/// How long a question may wait while no packets come.
const PATIENCE: Duration = Duration::from_millis(10);
/// What is told of a flow that is not in the table.
const GONE: &str = "this flow is not known any more: it gave way to others (--max-flows)";
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
    thread::scope(|scope| {
        let worker = thread::Builder::new().name("packets".to_owned());
        let told = answers.clone();
        worker
            .spawn_scoped(scope, move || job::work(&queue, &told))
            .context("cannot start the thread that fetches packets")?;
        let mut analysis = Analysis::new(&input, args, asks, (answers.clone(), jobs));
        let result = input.run_with(&mut analysis, &mut Notices(answers.clone()));
        let ended = match result {
            Ok(done) => {
                analysis.ended = done.live;
                Ok(())
            }
            Err(error) => {
                analysis.send(Answer::Failed(error_text(&error)));
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

/// Everything that is known, and who asks for it.
struct Analysis<'a> {
    args: &'a WatchArgs,
    engine: Engine,
    /// Settings of the engine, as they are by now.
    config: Config,
    history: History,
    /// To read files again that are all read.
    again: Option<Again>,
    jobs: Sender<Job>,
    asks: Receiver<Ask>,
    answers: Sender<Answer>,
    signals: Arc<Signals>,
    query: FlowQuery,
    rates: Rates,
    state: InputState,
    /// How a live run ended.
    ended: Option<(LiveReport, Activity)>,
    pace: Pace,
    /// Frames when questions were looked for last, and when all flows were.
    looked: u64,
    shown: Option<u64>,
    /// Something changed that is no packet.
    stale: bool,
    /// Other flows are asked for.
    asked: bool,
    /// What was known when all flows were looked at last, and what was sent last.
    latest: Option<(Digest, Arc<Snapshot>)>,
    generation: u64,
    /// What was sent last, until the interface takes it.
    published: Latest<Arc<Snapshot>>,
}

impl<'a> Analysis<'a> {
    fn new(
        input: &Input<'_>,
        args: &'a WatchArgs,
        asks: Receiver<Ask>,
        (answers, jobs): (Sender<Answer>, Sender<Job>),
    ) -> Self {
        let config = input.settings(&args.analysis);
        let files = args.analysis.input.files.iter();
        Self {
            args,
            engine: input.engine(&args.analysis),
            history: History::new(args.keep_packets, config.dissect.clone()),
            config,
            again: None,
            jobs,
            asks,
            answers,
            signals: input.signals(),
            query: FlowQuery::default(),
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
            pace: Pace::new(),
            looked: 0,
            shown: None,
            stale: false,
            asked: false,
            latest: None,
            generation: 0,
            published: Latest::default(),
        }
    }

    /// Frames so far.
    fn frames(&mut self) -> u64 {
        self.engine.receiver().counts().frames
    }

    /// Answers questions about what was read, until there will be none.
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
        self.stale = true;
        while !self.signals.stopped() {
            self.reload_if_told();
            if self.stale {
                self.look_at_all(None, News::Packets);
            } else if self.asked {
                self.answer_question(false);
            }
            match self.asks.recv_timeout(REST) {
                Ok(ask) => {
                    self.answer(ask, None);
                    self.answer_all(None);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Answers what was asked meanwhile.
    fn answer_all(&mut self, course: Option<&Course<'_>>) {
        loop {
            match self.asks.try_recv() {
                Ok(ask) => self.answer(ask, course),
                Err(TryRecvError::Empty) => return,
                Err(TryRecvError::Disconnected) => return self.signals.stop(),
            }
        }
    }

    fn answer(&mut self, ask: Ask, course: Option<&Course<'_>>) {
        let job = match ask {
            Ask::Flows(query) => {
                self.asked |= query != self.query;
                self.query = query;
                return;
            }
            Ask::Reports(ids) => {
                let flows = ids.iter().filter_map(|id| self.known(id));
                let reports = flows.map(|flow| flow.report).collect();
                return self.send(Answer::Reports(ids, reports));
            }
            Ask::ReloadSites => return self.reload_sites(),
            Ask::Quit => return self.signals.stop(),
            Ask::Ladder(id) => match self.replay(&id, course) {
                Some(replay) => Job::Ladder(id, replay),
                None => return self.send(Answer::Ladder(id, Err(GONE.to_owned()))),
            },
            Ask::Stream(id) => match self.replay(&id, course) {
                Some(replay) => Job::Stream(id, replay),
                None => return self.send(Answer::Stream(id, Err(GONE.to_owned()))),
            },
            Ask::Packet(packet) => Job::Packet(packet, Box::new(self.source(course))),
            Ask::Export(export) => self.export(export, course),
        };
        // The other thread ends later than this one.
        let _ = self.jobs.send(job);
    }

    /// A flow that somebody knows of: from a snapshot.
    fn known(&self, id: &str) -> Option<OneFlow> {
        let (digest, _) = self.latest.as_ref()?;
        self.engine.flow(digest, id)
    }

    /// What it takes to see the packets of a flow once more.
    fn replay(&mut self, id: &str, course: Option<&Course<'_>>) -> Option<Box<Replay>> {
        Some(Box::new(Replay {
            flow: self.known(id)?,
            source: self.source(course),
            losses: self.engine.mirror_losses(),
        }))
    }

    /// The frames that are there, and how they are read.
    fn source(&mut self, course: Option<&Course<'_>>) -> Source {
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

    /// How to read all input from its beginning.
    fn whole(&self) -> Whole {
        let input = &self.args.analysis.input;
        Whole {
            files: input.files.clone(),
            count: input.count.unwrap_or(u64::MAX),
            stop: self.signals.flag(),
        }
    }

    fn export(&mut self, export: Export, course: Option<&Course<'_>>) -> Job {
        let flows = export.flows.iter();
        let flows = flows.filter_map(|id| self.known(id));
        let flows: Vec<OneFlow> = flows.collect();
        match export.form {
            ExportForm::Pcapng => Job::Packets(Box::new(Packets {
                path: export.path,
                flows,
                source: self.source(course),
                whole: (!self.history.is_complete()).then(|| self.whole()),
            })),
            ExportForm::Page => {
                let ids = export.flows.into_iter().collect();
                let mut findings = self.engine.report_of(&ids).findings;
                // Those about the mirrors are of no flow.
                findings.retain(|finding| finding.flows > 0);
                let flows = flows.into_iter().map(|flow| flow.report).collect();
                Job::Page(export.path, flows, findings)
            }
        }
    }

    /// An interface that has ended need not be told.
    fn send(&self, answer: Answer) {
        let _ = self.answers.send(answer);
    }

    fn reload_if_told(&mut self) {
        if self.signals.take_reload() {
            self.reload_sites();
        }
    }

    fn reload_sites(&mut self) {
        let mut notices = Notices(self.answers.clone());
        match sites_again(&self.args.analysis.input) {
            Ok((sites, text)) => {
                self.reload(sites, Timestamp(now()));
                notices.tell(Weight::Info, &text);
            }
            Err(text) => notices.tell(Weight::Error, &text),
        }
    }

    /// Sends a snapshot if one is due.
    fn show_if_due(&mut self, course: &Course<'_>) {
        let frames = self.frames();
        let busy = frames != self.looked;
        self.looked = frames;
        if self.asked && self.pace.is_due(News::Question { busy }) {
            self.answer_question(busy);
        }
        let news = if self.shown != Some(frames) || self.stale {
            News::Packets
        } else if matches!(course, Course::Live { .. }) {
            News::Time
        } else {
            return;
        };
        if self.pace.is_due(news) {
            self.look_at_all(Some(course), news);
        }
    }

    /// Looks at all flows, and sends what is known now.
    fn look_at_all(&mut self, course: Option<&Course<'_>>, news: News) {
        let begin = Instant::now();
        let (mut report, digest) = self.engine.report_and_digest();
        let mut clock = None;
        match course {
            Some(Course::Live {
                report: live,
                activity,
            }) => {
                activity.annotate(&mut report.sessions);
                let live = live();
                clock = Some(live.time);
                report.live = Some(live);
            }
            Some(Course::Files(_) | Course::Read(_)) => {}
            None => {
                if let Some((live, activity)) = &self.ended {
                    activity.annotate(&mut report.sessions);
                    report.live = Some(live.clone());
                }
            }
        }
        let snapshot = Snapshot {
            generation: self.generation,
            input: self.state.clone(),
            report,
            flows: self.engine.page(&digest, &self.query),
            endpoints: self.engine.endpoints(),
            rates: self.rates.show(&mut self.engine, clock),
        };
        self.shown = Some(self.frames());
        self.stale = false;
        self.publish(digest, snapshot);
        self.pace.done(news, begin);
    }

    /// Sends other flows of what was known when all were looked at.
    fn answer_question(&mut self, busy: bool) {
        let begin = Instant::now();
        let Some((digest, latest)) = self.latest.take() else {
            return;
        };
        let snapshot = Snapshot {
            flows: self.engine.page(&digest, &self.query),
            ..Snapshot::clone(&latest)
        };
        self.publish(digest, snapshot);
        self.pace.done(News::Question { busy }, begin);
    }

    fn publish(&mut self, digest: Digest, mut snapshot: Snapshot) {
        self.generation += 1;
        snapshot.generation = self.generation;
        let snapshot = Arc::new(snapshot);
        self.latest = Some((digest, Arc::clone(&snapshot)));
        self.asked = false;
        if self.published.put(snapshot) {
            self.send(Answer::Snapshot(self.published.clone()));
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
        self.answer_all(Some(course));
        self.show_if_due(course);
        Ok(())
    }

    fn patience(&self) -> Duration {
        PATIENCE
    }

    fn flows(&self) -> usize {
        self.engine.flow_count()
    }

    fn reload(&mut self, sites: Sites, _now: Timestamp) {
        self.config.sites = sites.clone();
        self.engine.reload(sites);
        self.stale = true;
    }
}
