//! The thread that makes what is drawn: snapshots, again and again, and answers to questions. It looks at the analysis for a
//! moment at a time, and rests in between while packets come.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, TryRecvError};
use std::time::{Duration, Instant};

use mirrorscope_capture::live::now;
use mirrorscope_engine::look::{self, Desk};
use mirrorscope_engine::page::{self, Digest, FlowQuery};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::{Engine, one};
use mirrorscope_tui::data::{Answer, Ask, Export, ExportForm, FlowId, Latest, Snapshot};

use super::analysis::Analysis;
use super::export::{LADDERS, Packets, Pages, Whole, is_html};
use super::job::Job;
use super::notices;
use super::pulse::{Beat, Pulse};
use crate::cli::WatchArgs;
use crate::command::replay::Replay;
use crate::pipeline::{Gone, Line, Moment, Signals, Spent};

/// Nobody reads faster.
const INTERVAL: Duration = Duration::from_millis(250);
/// Without packets only the clock goes on.
const IDLE: Duration = Duration::from_secs(1);
/// Times that a look took which go by until the next one, while only the clock goes on.
const IDLE_SHARE: u32 = 99;
/// Times that a moment takes which go by until the next one while packets come, if somebody asked for it.
const ASKED_SHARE: u32 = 1;
/// How often it is looked whether anything is new.
const TICK: Duration = Duration::from_millis(10);
/// What is told of a flow that is not in the table.
const GONE: &str = "this flow is not known any more: it gave way to others (--max-flows)";

/// What is shown, and who asks for it.
pub struct Views<'a> {
    args: &'a WatchArgs,
    signals: Arc<Signals>,
    line: Line<Analysis<'a>>,
    pulse: Arc<Pulse>,
    asks: Receiver<Ask>,
    answers: Sender<Answer>,
    jobs: Sender<Job>,
    query: FlowQuery,
    /// Other flows are asked for.
    asked: bool,
    /// When all flows were looked at last, what was new then, and for how long that kept this thread busy.
    looked: Option<(Instant, Beat, Duration)>,
    /// For how long the look at hand rested.
    rested: Duration,
    /// What was known when all flows were looked at last, and what was sent last.
    latest: Option<(Arc<Digest>, Arc<Snapshot>)>,
    generation: u64,
    /// What was sent last, until the interface takes it.
    published: Latest<Arc<Snapshot>>,
}

/// Looks for somebody who waits.
struct Asked<'v, 'a>(&'v Views<'a>);

/// Looks because time has passed: questions come first.
struct Unasked<'v, 'a>(&'v mut Views<'a>);

impl Desk for Asked<'_, '_> {
    type Gone = Gone;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        self.0.at(move |moment| work(&moment.lent.recorder.engine))
    }
}

impl Desk for Unasked<'_, '_> {
    type Gone = Gone;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        let work = move |moment: &mut Moment<'_, _>| {
            let analysis: &Analysis<'_> = moment.lent;
            work(&analysis.recorder.engine)
        };
        let (done, spent) = self.0.line.at(work)?;
        self.0.rest(spent)?;
        Ok(done)
    }
}

impl<'a> Views<'a> {
    /// Nothing is known yet.
    pub fn new(
        args: &'a WatchArgs,
        signals: Arc<Signals>,
        (line, pulse): (Line<Analysis<'a>>, Arc<Pulse>),
        (asks, answers, jobs): (Receiver<Ask>, Sender<Answer>, Sender<Job>),
    ) -> Self {
        Self {
            args,
            signals,
            line,
            pulse,
            asks,
            answers,
            jobs,
            query: FlowQuery::default(),
            asked: false,
            looked: None,
            rested: Duration::ZERO,
            latest: None,
            generation: 0,
            published: Latest::default(),
        }
    }

    /// Shows what is new, and answers, until nobody looks any more.
    pub fn run(mut self) {
        while self.go_on().is_ok() {}
        self.signals.stop();
    }

    fn go_on(&mut self) -> Result<(), Gone> {
        self.wait(TICK)?;
        if self.is_due() {
            self.look_at_all()?;
        }
        Ok(())
    }

    /// Lets time pass; answers what is asked meanwhile.
    fn wait(&mut self, time: Duration) -> Result<(), Gone> {
        let until = Instant::now() + time;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            match self.asks.recv_timeout(left) {
                Ok(ask) => self.answer(ask)?,
                Err(RecvTimeoutError::Timeout) => return Ok(()),
                Err(RecvTimeoutError::Disconnected) => return Err(Gone),
            }
            self.answer_all()?;
        }
    }

    /// Leaves the analysis to its packets after a moment; answers what is asked meanwhile.
    fn rest(&mut self, spent: Spent) -> Result<(), Gone> {
        if let Some(rest) = spent.rest() {
            let begin = Instant::now();
            self.wait(rest)?;
            self.rested += begin.elapsed();
            Ok(())
        } else {
            self.answer_all()
        }
    }

    /// Does something in a moment for somebody who waits.
    fn at<R: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Moment<'_, Analysis<'a>>) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        let (done, spent) = self.line.at(work)?;
        if spent.busy {
            std::thread::sleep(spent.time * ASKED_SHARE);
        }
        Ok(done)
    }

    /// Answers what was asked meanwhile; of flows, what was asked last.
    fn answer_all(&mut self) -> Result<(), Gone> {
        loop {
            match self.asks.try_recv() {
                Ok(ask) => self.answer(ask)?,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Err(Gone),
            }
        }
        if self.asked {
            self.show_other_flows()?;
        }
        Ok(())
    }

    fn answer(&mut self, ask: Ask) -> Result<(), Gone> {
        let job = match ask {
            Ask::Flows(query) => {
                self.asked |= query != self.query;
                self.query = query;
                return Ok(());
            }
            Ask::Reports(ids) => {
                let reports = match &self.latest {
                    Some((digest, _)) => one::reports(&mut Asked(self), digest, &ids)?,
                    None => Vec::new(),
                };
                self.send(Answer::Reports(ids, reports));
                return Ok(());
            }
            Ask::ReloadSites => {
                let sites = notices::sites_again(&self.args.analysis.input, &self.answers);
                if let Some(sites) = sites {
                    self.at(|moment| moment.lent.reload(sites, Timestamp(now())))?;
                }
                return Ok(());
            }
            Ask::Quit => return Err(Gone),
            Ask::Ladder(id) => {
                let Some(replay) = self.replay(&id)? else {
                    self.send(Answer::Ladder(id, Err(GONE.to_owned())));
                    return Ok(());
                };
                Job::Ladder(id, replay)
            }
            Ask::Stream(id) => {
                let Some(replay) = self.replay(&id)? else {
                    self.send(Answer::Stream(id, Err(GONE.to_owned())));
                    return Ok(());
                };
                Job::Stream(id, replay)
            }
            Ask::Packet(packet) => {
                let source = self.at(|moment| moment.lent.recorder.source(moment.course))?;
                Job::Packet(packet, Box::new(source))
            }
            Ask::Export(export) => self.export(export)?,
        };
        // The other thread ends later than this one.
        let _ = self.jobs.send(job);
        Ok(())
    }

    /// Flows that somebody knows of: from a snapshot.
    fn known(&self, ids: &[FlowId]) -> Result<Vec<one::OneFlow>, Gone> {
        let Some((digest, _)) = &self.latest else {
            return Ok(Vec::new());
        };
        one::flows(&mut Asked(self), digest, ids)
    }

    /// What it takes to see the packets of a flow once more.
    fn replay(&self, id: &FlowId) -> Result<Option<Box<Replay>>, Gone> {
        let Some(flow) = self.known(std::slice::from_ref(id))?.pop() else {
            return Ok(None);
        };
        let (source, losses) = self.at(|moment| {
            let losses = moment.lent.recorder.engine.mirror_losses();
            (moment.lent.recorder.source(moment.course), losses)
        })?;
        Ok(Some(Box::new(Replay {
            flow,
            source,
            losses,
        })))
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

    fn export(&self, export: Export) -> Result<Job, Gone> {
        let flows = self.known(&export.flows)?;
        Ok(match export.form {
            ExportForm::Pcapng => {
                let (source, complete) = self.at(|moment| {
                    let source = moment.lent.recorder.source(moment.course);
                    (source, moment.lent.recorder.history.is_complete())
                })?;
                Job::Packets(Box::new(Packets {
                    path: export.path,
                    flows,
                    source,
                    whole: (!complete).then(|| self.whole()),
                }))
            }
            ExportForm::Page => {
                let ids: BTreeSet<FlowId> = export.flows.into_iter().collect();
                let mut report = page::report_of(&mut Asked(self), &ids)?;
                // Those about the mirrors are of no flow.
                report.findings.retain(|finding| finding.flows > 0);
                let mut replays = Vec::new();
                let drawn = if is_html(&export.path) { LADDERS } else { 0 };
                for flow in flows.iter().take(drawn) {
                    replays.extend(self.replay(&flow.report.id)?.map(|replay| *replay));
                }
                Job::Page(Box::new(Pages {
                    path: export.path,
                    flows: flows.into_iter().map(|flow| flow.report).collect(),
                    report,
                    replays,
                }))
            }
        })
    }

    /// An interface that has ended need not be told.
    fn send(&self, answer: Answer) {
        let _ = self.answers.send(answer);
    }

    /// Whether something is new that is to be shown.
    fn is_due(&self) -> bool {
        let beat = self.pulse.beat();
        let Some((ended, shown, cost)) = self.looked else {
            return true;
        };
        let wait = if beat.changes != shown.changes {
            Duration::ZERO
        } else if beat.frames != shown.frames {
            INTERVAL
        } else if self.pulse.is_live() {
            IDLE.max(cost * IDLE_SHARE)
        } else {
            return false;
        };
        ended.elapsed() >= wait
    }

    /// Looks at all flows, and sends what is known now.
    fn look_at_all(&mut self) -> Result<(), Gone> {
        let begin = Instant::now();
        let beat = self.pulse.beat();
        self.rested = Duration::ZERO;
        // What is said to be read must have been there for all that follows.
        let input = self.at(|moment| moment.lent.state.clone())?;
        let (mut report, digest) = page::report_and_digest(&mut Unasked(self))?;
        let endpoints = look::endpoints(&mut Unasked(self))?;
        let sessions = std::mem::take(&mut report.sessions);
        let beside = self.at(|moment| moment.lent.beside(moment.course, sessions))?;
        report.sessions = beside.sessions;
        report.live = beside.live;
        // Others may be asked for while these are sought.
        let flows = loop {
            let query = self.query.clone();
            let flows = page::page(&mut Unasked(self), &digest, &query)?;
            if self.query == query {
                self.asked = false;
                break flows;
            }
        };
        let snapshot = Snapshot {
            generation: 0,
            input,
            report,
            flows,
            endpoints,
            rates: beside.rates,
        };
        self.publish(Arc::new(digest), snapshot);
        let cost = begin.elapsed().saturating_sub(self.rested);
        self.looked = Some((Instant::now(), beat, cost));
        Ok(())
    }

    /// Sends other flows of what was known when all were looked at.
    fn show_other_flows(&mut self) -> Result<(), Gone> {
        let Some((digest, latest)) = self.latest.clone() else {
            return Ok(());
        };
        self.asked = false;
        let snapshot = Snapshot {
            flows: page::page(&mut Asked(self), &digest, &self.query)?,
            ..Snapshot::clone(&latest)
        };
        self.publish(digest, snapshot);
        Ok(())
    }

    fn publish(&mut self, digest: Arc<Digest>, mut snapshot: Snapshot) {
        self.generation += 1;
        snapshot.generation = self.generation;
        let snapshot = Arc::new(snapshot);
        self.latest = Some((digest, Arc::clone(&snapshot)));
        if self.published.put(snapshot) {
            self.send(Answer::Snapshot(self.published.clone()));
        }
    }
}
