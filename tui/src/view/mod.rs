//! Screens: each a state, what changes it, and how it is drawn.

mod asked;
pub mod cells;
mod cursor;
mod endpoints;
mod finding;
pub mod findings;
#[cfg(test)]
mod fixture;
mod flow;
mod flows;
mod ladder;
mod list;
mod overview;
mod packet;
pub mod related;
#[cfg(test)]
mod restless;
mod sessions;
mod stream;
mod words;

use std::collections::{BTreeMap, BTreeSet};

use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use crate::action::Action;
use crate::data::{Answer, Ask, FlowId, PacketRef, Snapshot};
use crate::look::Look;
use crate::widget::table::{Preference, TableState};
use endpoints::Endpoints;
use finding::FindingView;
use findings::Findings;
use flow::FlowView;
use flows::Flows;
use overview::Overview;
use packet::PacketView;
use sessions::Sessions;
use stream::StreamView;

/// What every screen may look at.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// What is known.
    pub snapshot: &'a Snapshot,
    /// Colours and signs.
    pub look: &'a Look,
    /// Services have names, not numbers.
    pub names: bool,
    /// Flows that are marked.
    pub marked: &'a BTreeSet<FlowId>,
}

impl Context<'_> {
    /// Asks where to write the flows that are marked; if none is, those that a screen is about.
    fn export(&self, own: &[FlowId]) -> Vec<Effect> {
        let flows = match self.marked.len() {
            0 => own.to_vec(),
            _ => self.marked.iter().cloned().collect(),
        };
        if flows.is_empty() {
            return Vec::new();
        }
        vec![Effect::Export(flows)]
    }
}

/// A screen that can be opened over another one.
#[derive(Clone, Debug)]
pub enum Page {
    /// A finding, as it is known now.
    Finding(Box<mirrorscope_engine::finding::Finding>),
    /// A flow: what became of it, what each point saw, and its ladder.
    Flow(FlowId),
    /// What the two ends said.
    Stream(FlowId),
    /// A packet of a flow.
    Packet(PacketRef),
    /// The list of flows, with a filter.
    Flows(String),
    /// The list of sessions, at the one with this name.
    Sessions(String),
    /// The list of endpoints, at the one with this address.
    Endpoints(String),
    /// The list of findings.
    Findings,
}

/// What a screen wants to happen.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Opens a screen over this one.
    Open(Page),
    /// Goes back.
    Back,
    /// Asks the analysis.
    Ask(Ask),
    /// Copies to the clipboard.
    Copy(String),
    /// Asks for a file name, and writes these flows.
    Export(Vec<FlowId>),
    /// Marks these flows; if all of them are, takes the marks away.
    Mark(Vec<FlowId>),
    /// Tells something in the last line.
    Notice(String),
}

/// A screen.
pub trait View {
    /// What it shows, in few words: part of the path in the first line.
    fn title(&self, cx: &Context<'_>) -> String;

    /// What it asks of the analysis when it is opened.
    fn opened(&mut self, _cx: &Context<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// What it asks when what was opened over it is closed, or its order has changed.
    fn resumed(&mut self, _cx: &Context<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// What it asks when more is known than before, while it is on top.
    fn learned(&mut self, _cx: &Context<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// Takes an answer; true if it was for this screen.
    fn answer(&mut self, _answer: &Answer, _cx: &Context<'_>) -> bool {
        false
    }

    /// What can be done here besides what can be done everywhere, in the order of the help.
    fn actions(&self) -> &'static [Action];

    /// Does it.
    fn act(&mut self, action: Action, cx: &Context<'_>) -> Vec<Effect>;

    /// A click at a place of the screen; `twice` for the second of two.
    fn click(&mut self, _at: Position, _twice: bool, _cx: &Context<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// Looks for a text in what is shown; the number of hits.
    fn search(&mut self, _text: &str, _cx: &Context<'_>) -> usize {
        0
    }

    /// The filter by which it chooses flows, if it does.
    fn filter(&self) -> Option<&str> {
        None
    }

    /// Chooses flows by another filter.
    fn set_filter(&mut self, _text: &str, _cx: &Context<'_>) -> Vec<Effect> {
        Vec::new()
    }

    /// The table that it consists of, if it does: columns and order can be chosen then.
    fn table(&mut self) -> Option<&mut TableState> {
        None
    }

    /// Draws it. What it learns of the size stays in the view's state for the next action.
    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>);
}

/// The screens that tabs lead to, in their order.
pub const TABS: [&str; 5] = ["Overview", "Sessions", "Flows", "Findings", "Endpoints"];

/// What the user chose of each table, by its name.
pub type Tables = BTreeMap<String, Preference>;

/// Names of the tables in the configuration.
pub const TABLES: [&str; 4] = ["sessions", "flows", "findings", "endpoints"];

/// An empty table of that name, as the user wants it.
fn table(name: &str, chosen: Option<&Preference>) -> Option<TableState> {
    Some(match name {
        "sessions" => Sessions::state(chosen),
        "flows" => flows::state(chosen),
        "findings" => Findings::state(chosen),
        "endpoints" => Endpoints::state(chosen),
        _ => return None,
    })
}

/// Columns of the table of that name, and whether it can be sorted by them.
pub fn columns(name: &str) -> Option<Vec<(&'static str, bool)>> {
    let columns = table(name, None)?.columns;
    Some(
        columns
            .iter()
            .map(|column| (column.name, column.sortable))
            .collect(),
    )
}

/// What tables show unless the user says otherwise.
pub fn default_tables() -> Tables {
    let tables = TABLES
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), table(name, None)?.preference())));
    tables.collect()
}

/// The first screen of a tab, from 0; flows are chosen by a filter.
pub fn tab(index: usize, tables: &Tables, filter: &str) -> Box<dyn View> {
    match index {
        1 => Box::new(Sessions::new(tables.get("sessions"))),
        2 => Box::new(Flows::new(filter, tables.get("flows"))),
        3 => Box::new(Findings::new(tables.get("findings"))),
        4 => Box::new(Endpoints::new(tables.get("endpoints"))),
        _ => Box::new(Overview::default()),
    }
}

/// The screen of a page.
pub fn open(page: Page, tables: &Tables) -> Box<dyn View> {
    match page {
        Page::Flows(filter) => Box::new(Flows::new(&filter, tables.get("flows"))),
        Page::Sessions(name) => Box::new(Sessions::new(tables.get("sessions")).at(name)),
        Page::Endpoints(name) => Box::new(Endpoints::new(tables.get("endpoints")).at(name)),
        Page::Findings => Box::new(Findings::new(tables.get("findings"))),
        Page::Finding(finding) => Box::new(FindingView::new(finding)),
        Page::Flow(id) => Box::new(FlowView::new(id)),
        Page::Stream(id) => Box::new(StreamView::new(id)),
        Page::Packet(reference) => Box::new(PacketView::new(reference)),
    }
}
