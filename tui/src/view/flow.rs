//! A flow: what became of it, its packets at all points as a ladder, and what each point saw.

mod place;
mod points;
mod verdict;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::{Line, Text};

use super::asked::{Asked, is_old};
use super::cursor::Cursor;
use super::ladder::{Clock, Ladders, Row, rows};
use super::words;
use super::{Context, Effect, Page, View};
use crate::action::Action;
use crate::data::{Answer, Ask, FlowId, Ladder, Rung};

/// The table of points stands beside the ladder where so many columns are left for that.
const LADDER: u16 = 110;

/// The screen of a flow.
#[derive(Debug)]
pub struct FlowView {
    id: FlowId,
    ladder: Asked<Ladder>,
    rows: Vec<Row>,
    cursor: Cursor,
    /// What is searched for, in lower case, and the lines that have it.
    wanted: String,
    hits: Vec<usize>,
    /// Which of the selected packet's sights.
    sight: usize,
    clock: Clock,
    /// The snapshot at which it was asked for last; none while an answer is awaited.
    asked: Option<u64>,
    /// Where the packets were drawn.
    area: Rect,
}

impl FlowView {
    /// The flow with this id.
    pub fn new(id: FlowId) -> Self {
        Self {
            id,
            ladder: Asked::Waiting,
            rows: Vec::new(),
            cursor: Cursor::default(),
            wanted: String::new(),
            hits: Vec::new(),
            sight: 0,
            clock: Clock::Relative,
            asked: None,
            area: Rect::ZERO,
        }
    }

    /// The selected packet.
    fn rung(&self) -> Option<&Rung> {
        let ladder = self.ladder.get()?;
        match *self.rows.get(self.cursor.selected)? {
            Row::Rung(index) => ladder.rows.get(index),
            Row::Silence(_) | Row::Forgotten(_) => None,
        }
    }

    fn open(&self) -> Vec<Effect> {
        let sight = self.rung().and_then(|rung| rung.sights.get(self.sight));
        sight
            .map(|sight| Effect::Open(Page::Packet(sight.frame)))
            .into_iter()
            .collect()
    }
}

impl View for FlowView {
    fn title(&self, _: &Context<'_>) -> String {
        match self.ladder.get() {
            Some(ladder) => words::flow(&ladder.flow),
            None => format!("flow {}", self.id),
        }
    }

    fn opened(&mut self, _: &Context<'_>) -> Vec<Effect> {
        self.asked = None;
        vec![Effect::Ask(Ask::Ladder(self.id.clone()))]
    }

    fn learned(&mut self, cx: &Context<'_>) -> Vec<Effect> {
        let known = self.ladder.get().zip(self.asked);
        let is_old = known.is_some_and(|(ladder, asked)| is_old(&ladder.flow, asked, cx));
        if is_old { self.opened(cx) } else { Vec::new() }
    }

    fn answer(&mut self, answer: &Answer, cx: &Context<'_>) -> bool {
        let Answer::Ladder(id, ladder) = answer else {
            return false;
        };
        if *id != self.id {
            return false;
        }
        let before = self.place();
        self.asked = Some(cx.snapshot.generation);
        self.ladder.take(ladder);
        self.rows = self.ladder.get().map_or(Vec::new(), |ladder| rows(ladder));
        self.look_for();
        if let Some(before) = before {
            self.return_to(before);
            return true;
        }
        // A packet that a firewall cannot match is what a reader looks for.
        let offends = |rung: &Rung| rung.sights.iter().any(|sight| sight.out_of_state.is_some());
        let first = self.like(offends).first().copied();
        self.go(first.unwrap_or_default());
        true
    }

    fn actions(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::Left,
            Action::Right,
            Action::Search,
            Action::NextHit,
            Action::PreviousHit,
            Action::ToStream,
            Action::Form,
            Action::Mark,
            Action::Export,
            Action::Copy,
            Action::Related,
        ]
    }

    fn act(&mut self, action: Action, cx: &Context<'_>) -> Vec<Effect> {
        if self.cursor.act(action, self.rows.len()) {
            self.settle(!matches!(
                action,
                Action::Up | Action::PageUp | Action::Last
            ));
            return Vec::new();
        }
        match action {
            Action::Left => self.turn(-1),
            Action::Right => self.turn(1),
            Action::NextHit => self.turn_hit(true),
            Action::PreviousHit => self.turn_hit(false),
            Action::Mark => return vec![Effect::Mark(vec![self.id.clone()])],
            Action::Form => self.clock = self.clock.next(),
            Action::Open => return self.open(),
            Action::ToStream => return vec![Effect::Open(Page::Stream(self.id.clone()))],
            Action::Export => return cx.export(std::slice::from_ref(&self.id)),
            Action::Related => {
                let filter = self
                    .ladder
                    .get()
                    .map(|ladder| format!("host {} and host {}", ladder.flow.src, ladder.flow.dst));
                return filter
                    .map(|filter| Effect::Open(Page::Flows(filter)))
                    .into_iter()
                    .collect();
            }
            Action::Copy => {
                let text = self.ladder.get().map(|ladder| verdict::text(&ladder.flow));
                return text.map(Effect::Copy).into_iter().collect();
            }
            _ => {}
        }
        Vec::new()
    }

    fn click(&mut self, at: Position, twice: bool, _: &Context<'_>) -> Vec<Effect> {
        if !self.area.contains(at) {
            return Vec::new();
        }
        let Some(line) = self.cursor.line_at(at.y - self.area.y, self.rows.len()) else {
            return Vec::new();
        };
        if self.cursor.selected != line {
            self.go(line);
        }
        let clicked = self.ladder.get().and_then(|ladder| {
            Ladders::new(ladder, self.area.width, self.clock).lane_at(at.x - self.area.x)
        });
        let sight = self.rung().and_then(|rung| {
            rung.sights
                .iter()
                .position(|sight| Some(sight.lane) == clicked)
        });
        self.sight = sight.unwrap_or(self.sight);
        if twice { self.open() } else { Vec::new() }
    }

    fn search(&mut self, text: &str, _: &Context<'_>) -> usize {
        self.wanted = text.to_lowercase();
        self.look_for();
        let at = self.cursor.selected;
        let first = self.hits.iter().find(|hit| **hit >= at);
        if let Some(&line) = first.or(self.hits.first()) {
            self.go(line);
        }
        self.hits.len()
    }

    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        let Some(ladder) = self.ladder.get().cloned() else {
            return self
                .ladder
                .draw(frame, area, cx.look, "the packets of this flow");
        };
        let said = verdict::lines(&ladder.flow, area, cx.look);
        let table = points::lines(&ladder, cx.look);
        let columns = table.iter().map(Line::width).max().unwrap_or_default() as u16 + 2;
        let is_beside = area.width >= LADDER + columns;
        // A table that would take the packets' place is left out.
        let below = if is_beside || area.height < 20 {
            0
        } else {
            table.len() as u16 + 1
        };
        let [top, middle] = area.layout(&Layout::vertical([
            Constraint::Length(said.len() as u16 + u16::from(area.height >= 30)),
            Constraint::Min(0),
        ]));
        frame.render_widget(Text::from(said), top);
        let sizes = [
            Constraint::Min(0),
            Constraint::Length(if is_beside { columns } else { 0 }),
        ];
        let apart = if is_beside { 2 } else { 0 };
        let [packets, side] = middle.layout(&Layout::horizontal(sizes).spacing(apart));
        let drawing = Ladders::new(&ladder, packets.width, self.clock);
        let names = drawing.heads(cx.look);
        let told = drawing.told(self.rung(), self.sight, area.height, cx.look);
        let [names_area, rows_area, told_area, table_area] = packets.layout(&Layout::vertical([
            Constraint::Length(names.len() as u16),
            Constraint::Max(self.rows.len() as u16),
            Constraint::Length(told.len() as u16),
            Constraint::Length(below),
        ]));
        frame.render_widget(Text::from(names), names_area);
        frame.render_widget(Text::from(told), told_area);
        let table_area = if is_beside { side } else { table_area };
        points::draw(frame, table_area, table, !is_beside, cx.look);
        let selected = (self.cursor.selected, self.sight);
        self.area = rows_area;
        let shown = self.cursor.show(self.rows.len(), rows_area.height);
        for (line, row) in rows_area.rows().zip(shown) {
            if let Some(what) = self.rows.get(row) {
                let sight = (row == selected.0).then_some(selected.1);
                frame.render_widget(drawing.row(*what, sight, cx.look), line);
            }
        }
    }
}

#[cfg(test)]
mod tests;
