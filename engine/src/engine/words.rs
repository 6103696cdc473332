//! Flows put into words, some at a time: what takes long is not done while packets wait.

use std::sync::Arc;

use super::Engine;
use super::look::Ground;
use crate::observation::FlowObserved;
use crate::report::FlowReport;

/// Names of the sessions, as far as flows of them were put into words.
#[derive(Debug, Default)]
pub(super) struct Words(Vec<String>);

/// Flows of one moment, each with something of its own, and what it takes to put them into words.
pub(super) struct Observed<X> {
    pub ground: Arc<Ground>,
    /// Names that were not known before.
    pub names: Vec<String>,
    pub flows: Vec<(X, FlowObserved)>,
}

impl Words {
    /// How many sessions have a name here.
    pub fn known(&self) -> usize {
        self.0.len()
    }

    /// Learns the names of sessions that are new.
    pub fn learn(&mut self, engine: &Engine) {
        self.0.extend(engine.names_since(self.known()));
    }

    /// The names with those that come next.
    pub fn with(&mut self, names: Vec<String>) -> &[String] {
        self.0.extend(names);
        &self.0
    }

    /// What a flow is, and what became of it.
    pub fn of(&self, ground: &Ground, flow: &FlowObserved) -> FlowReport {
        FlowReport::new(&ground.context, &self.0, flow, &ground.judge(flow))
    }

    /// The same of several. Their names begin where those that are known end.
    pub fn all<X>(
        &mut self,
        observed: Observed<X>,
    ) -> impl Iterator<Item = (X, FlowObserved, FlowReport)> {
        let Observed {
            ground,
            names,
            flows,
        } = observed;
        self.with(names);
        flows.into_iter().map(move |(own, flow)| {
            let report = self.of(&ground, &flow);
            (own, flow, report)
        })
    }
}

impl<X> Observed<X> {
    /// Flows to whoever knows the names of so many sessions.
    pub fn new(
        engine: &Engine,
        known: usize,
        ground: Arc<Ground>,
        flows: Vec<(X, FlowObserved)>,
    ) -> Self {
        Self {
            names: engine.names_since(known).collect(),
            ground,
            flows,
        }
    }
}

impl Engine {
    /// Names of the sessions that came after so many.
    pub(super) fn names_since(&self, known: usize) -> impl Iterator<Item = String> {
        let sessions = self.receiver.sessions().iter().skip(known);
        sessions.map(|(_, session)| self.name(session))
    }
}
