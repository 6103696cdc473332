//! What all screens look at: what is known, how it looks, what is marked.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use mirrorscope_engine::report::Report;

use crate::data::{FlowId, FlowPage, InputState, Snapshot};
use crate::look::Look;
use crate::view::Context;

/// It.
#[derive(Debug)]
pub struct World {
    /// What is shown.
    snapshot: Arc<Snapshot>,
    /// What came while the screen was held.
    latest: Option<Arc<Snapshot>>,
    held: bool,
    /// Colours and signs.
    pub look: Look,
    /// Services have names, not numbers.
    pub names: bool,
    /// Flows that are marked.
    pub marked: BTreeSet<FlowId>,
}

impl World {
    /// A world of which nothing is known yet.
    pub fn new(look: Look, names: bool) -> Self {
        let nothing = Snapshot {
            generation: 0,
            input: InputState::Files {
                names: Vec::new(),
                read: 0,
                total: None,
                done: false,
                problems: Vec::new(),
            },
            report: Report::default(),
            flows: FlowPage::default(),
            endpoints: Vec::new(),
            rates: VecDeque::new(),
        };
        Self {
            snapshot: Arc::new(nothing),
            latest: None,
            held: false,
            look,
            names,
            marked: BTreeSet::new(),
        }
    }

    /// What screens see of it.
    pub fn context(&self) -> Context<'_> {
        Context {
            snapshot: &self.snapshot,
            look: &self.look,
            names: self.names,
            marked: &self.marked,
        }
    }

    /// What is shown.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// The same, for whoever wants to keep it.
    pub fn shown(&self) -> Arc<Snapshot> {
        Arc::clone(&self.snapshot)
    }

    /// Whether the screen is held while the capture goes on.
    pub fn held(&self) -> bool {
        self.held
    }

    /// Takes what is known by now; true if screens see anything of it. On a held screen only other flows that were asked for
    /// appear.
    pub fn learn(&mut self, snapshot: Arc<Snapshot>) -> bool {
        if !self.held {
            self.snapshot = snapshot;
            return true;
        }
        let others = self.snapshot.flows.query != snapshot.flows.query;
        if others {
            Arc::make_mut(&mut self.snapshot).flows = snapshot.flows.clone();
        }
        self.latest = Some(snapshot);
        others
    }

    /// Holds the screen, or lets it go on.
    pub fn hold(&mut self, held: bool) {
        self.held = held;
        if let Some(latest) = self.latest.take() {
            self.snapshot = latest;
        }
    }

    /// Marks flows; if all of them are marked, takes the marks away.
    pub fn mark(&mut self, flows: Vec<FlowId>) {
        if flows.iter().all(|flow| self.marked.contains(flow)) {
            for flow in &flows {
                self.marked.remove(flow);
            }
        } else {
            self.marked.extend(flows);
        }
    }
}
