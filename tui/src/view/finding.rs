//! A finding: what is wrong, what was seen, which flows it is about, and what to do next, as one page.

mod page;

use mirrorscope_engine::finding::Finding;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};

use super::findings::key;
use super::{Context, Effect, Page, View, related};
use crate::action::Action;
use crate::look::Role;
use page::{Item, page};

/// The screen of a finding.
#[derive(Debug)]
pub struct FindingView {
    finding: Box<Finding>,
    /// Which of the flows is selected.
    flow: usize,
    /// First line that is shown.
    top: usize,
    /// The lines of the page, what each is of, and the width that they were made for.
    items: Vec<Item>,
    area: Rect,
}

impl FindingView {
    /// The finding as it is known now.
    pub fn new(finding: Box<Finding>) -> Self {
        Self {
            finding,
            flow: 0,
            top: 0,
            items: Vec::new(),
            area: Rect::ZERO,
        }
    }

    /// Takes what is known of it by now.
    fn refresh(&mut self, cx: &Context<'_>) {
        let own = key(&self.finding);
        let mut findings = cx.snapshot.report.findings.iter();
        if let Some(newer) = findings.find(|other| key(other) == own) {
            *self.finding = newer.clone();
        }
    }

    /// The line where a flow is told.
    fn line_of(&self, flow: usize) -> Option<usize> {
        self.items.iter().position(|item| *item == Item::Flow(flow))
    }

    /// Lines that are not on the screen when its end is.
    fn hidden(&self) -> usize {
        self.items
            .len()
            .saturating_sub(usize::from(self.area.height))
    }

    /// To the next flow if it is near, else on by a line.
    fn step(&mut self, forwards: bool) {
        let next = if forwards {
            self.flow.checked_add(1)
        } else {
            self.flow.checked_sub(1)
        };
        let shown = self.top..self.top + usize::from(self.area.height);
        let is_shown = |line: &usize| shown.contains(line);
        let is_here = self.line_of(self.flow).as_ref().is_some_and(is_shown);
        let near = next.filter(|&flow| self.line_of(flow).is_some() && is_here);
        match near {
            Some(flow) => self.select(flow),
            None if forwards => self.top = (self.top + 1).min(self.hidden()),
            None => self.top = self.top.saturating_sub(1),
        }
    }

    /// Selects a flow, and scrolls to it.
    fn select(&mut self, flow: usize) {
        self.flow = flow;
        if let Some(line) = self.line_of(flow) {
            let height = usize::from(self.area.height).max(1);
            self.top = self.top.clamp((line + 1).saturating_sub(height), line);
        }
    }

    fn open(&self) -> Vec<Effect> {
        let id = self.finding.examples.get(self.flow).cloned();
        id.map(|id| Effect::Open(Page::Flow(id)))
            .into_iter()
            .collect()
    }
}

impl View for FindingView {
    fn title(&self, _: &Context<'_>) -> String {
        self.finding.kind.as_str().to_owned()
    }

    fn actions(&self) -> &'static [Action] {
        &[
            Action::Open,
            Action::ToFlows,
            Action::ToStream,
            Action::Mark,
            Action::Export,
            Action::Copy,
            Action::Related,
        ]
    }

    fn act(&mut self, action: Action, cx: &Context<'_>) -> Vec<Effect> {
        let page = usize::from(self.area.height).saturating_sub(2).max(1);
        let selected = self.finding.examples.get(self.flow).cloned();
        match action {
            Action::Up => self.step(false),
            Action::Down => self.step(true),
            Action::PageUp => self.top = self.top.saturating_sub(page),
            Action::PageDown => self.top = (self.top + page).min(self.hidden()),
            Action::First => self.top = 0,
            Action::Last => self.top = self.hidden(),
            Action::Open => return self.open(),
            Action::ToFlows => {
                let filter = related::flows_of(&self.finding);
                let filter = filter.map(|filter| Effect::Open(Page::Flows(filter)));
                return filter.into_iter().collect();
            }
            Action::ToStream => {
                let stream = selected.map(|id| Effect::Open(Page::Stream(id)));
                return stream.into_iter().collect();
            }
            Action::Mark => {
                let last = self.finding.examples.len().saturating_sub(1);
                self.select((self.flow + 1).min(last));
                return selected
                    .map(|id| Effect::Mark(vec![id]))
                    .into_iter()
                    .collect();
            }
            Action::Export => return cx.export(&self.finding.examples),
            Action::Copy => return vec![Effect::Copy(page::text(&self.finding))],
            Action::Related => return vec![Effect::Open(Page::Findings)],
            _ => {}
        }
        Vec::new()
    }

    fn click(&mut self, at: Position, twice: bool, _: &Context<'_>) -> Vec<Effect> {
        if !self.area.contains(at) {
            return Vec::new();
        }
        let line = self.top + usize::from(at.y - self.area.y);
        if let Some(&Item::Flow(flow)) = self.items.get(line) {
            self.flow = flow;
            if twice {
                return self.open();
            }
        }
        Vec::new()
    }

    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        self.refresh(cx);
        let (items, lines): (Vec<_>, Vec<_>) =
            page(&self.finding, area.width, cx).into_iter().unzip();
        self.items = items;
        self.area = area;
        self.flow = self.flow.min(self.finding.examples.len().saturating_sub(1));
        self.top = self.top.min(self.hidden());
        let below = self.items.len() > self.top + usize::from(area.height);
        let shown = self.items.iter().zip(lines).skip(self.top);
        for (row, (item, mut line)) in area.rows().zip(shown) {
            if *item == Item::Flow(self.flow) {
                line = line.patch_style(cx.look.style(Role::Selected));
            }
            frame.render_widget(line, row);
        }
        page::draw_more(frame, area, (self.top > 0, below), cx.look);
    }
}

#[cfg(test)]
mod tests;
