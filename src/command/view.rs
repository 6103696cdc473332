//! What is known at a time, as commands ask for it.

use anyhow::Result;
use mirrorscope_engine::Engine;
use mirrorscope_engine::activity::{Activity, Lately};
use mirrorscope_engine::filter::Filter;
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::inventory::EndpointReport;
use mirrorscope_engine::list;
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::look::{self, Desk};
use mirrorscope_engine::report::{FlowReport, Report, SessionReport};
use mirrorscope_engine::time::Timestamp;

use super::tell;
use crate::pipeline::{Gone, Moments};

/// What is known at a time.
pub struct View<'a> {
    pub eyes: Eyes<'a>,
    pub filter: Option<&'a Filter>,
    pub live: Option<&'a Live>,
    pub turn: Turn,
}

/// How an engine is looked at.
#[derive(Clone, Copy)]
pub enum Eyes<'a> {
    /// Nothing comes any more.
    Still(&'a Engine),
    /// Packets come meanwhile.
    Moments(Moments<'a>),
}

/// How a live run went until a time.
pub struct Live {
    report: LiveReport,
    lately: Lately,
}

/// Which of the views it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The only one.
    Only,
    /// One of several, after one at that time.
    After(Timestamp),
    /// The last of several, which tells everything.
    Last,
}

impl Desk for Eyes<'_> {
    type Gone = Gone;

    fn at<R: Send + 'static>(
        &mut self,
        work: impl FnOnce(&Engine) -> R + Send + 'static,
    ) -> Result<R, Gone> {
        match self {
            Self::Still(engine) => Ok(work(engine)),
            Self::Moments(moments) => moments.at(work),
        }
    }

    fn is_still(&self) -> bool {
        matches!(self, Self::Still(_))
    }
}

impl Live {
    /// As it is now.
    pub fn new(report: &LiveReport, activity: &Activity) -> Self {
        Self {
            report: report.clone(),
            lately: activity.lately(),
        }
    }

    /// Until when.
    pub fn time(&self) -> Timestamp {
        self.report.time
    }
}

impl View<'_> {
    /// When it was asked for, if it is one of several.
    pub fn at(&self) -> Option<Timestamp> {
        let several = self.turn != Turn::Only;
        self.live.filter(|_| several).map(Live::time)
    }

    /// Everything found so far.
    pub fn report(&self) -> Result<Report> {
        let mut report = look::report(&mut self.eyes(), self.filter)?;
        if let Some(live) = self.live {
            live.lately.annotate(&mut report.sessions);
            report.live = Some(live.report.clone());
        }
        Ok(report)
    }

    /// Mirror sessions.
    pub fn sessions(&self) -> Result<Vec<SessionReport>> {
        let mut sessions = list::sessions(&mut self.eyes(), self.filter)?;
        if let Some(live) = self.live {
            live.lately.annotate(&mut sessions);
        }
        Ok(sessions)
    }

    /// Flows; of a view between others those that had packets since the one before.
    pub fn flows(&self, sink: impl FnMut(FlowReport) -> Result<()>) -> Result<()> {
        let since = match self.turn {
            Turn::After(before) => Some(before),
            Turn::Only | Turn::Last => None,
        };
        list::flows(&mut self.eyes(), self.filter, since, sink)?
    }

    /// Findings, and a word if the filter left no flow.
    pub fn findings(&self) -> Result<Vec<Finding>> {
        let Report {
            findings, totals, ..
        } = self.report()?;
        if totals.flows_matching == Some(0) && self.is_last() {
            eprintln!(
                "mirrorscope: none of {} flows matches the filter",
                totals.flows
            );
        }
        Ok(findings)
    }

    /// Addresses and where they live.
    pub fn endpoints(&self) -> Result<Vec<EndpointReport>> {
        Ok(look::endpoints(&mut self.eyes())?)
    }

    /// Stations that gave way to others in the inventory.
    pub fn evicted_endpoints(&self) -> Result<u64> {
        Ok(self.eyes().at(Engine::evicted_endpoints)?)
    }

    /// Arrival of the first frame and of the last.
    pub fn period(&self) -> Result<Option<(Timestamp, Timestamp)>> {
        Ok(self.eyes().at(Engine::period)?)
    }

    /// A sites file from what was seen.
    pub fn propose_sites(&self) -> Result<String> {
        Ok(self.eyes().at(Engine::propose_sites)?)
    }

    /// Tells on standard error what could be read with another option.
    pub fn tell_hints(&self) -> Result<()> {
        if self.is_last() {
            tell(&self.eyes().at(Engine::hints)?);
        }
        Ok(())
    }

    fn eyes(&self) -> Eyes<'_> {
        self.eyes
    }

    /// Whether no other view follows.
    fn is_last(&self) -> bool {
        !matches!(self.turn, Turn::After(_))
    }
}
