//! The overview: what is wrong in plain words, the sites and the ways between them, the mirror's health, the rates.

mod findings;
mod health;
mod sites;

use mirrorscope_engine::finding::Finding;
use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::text::Line;

use super::findings::place;
use super::related::flows_of;
use super::{Context, Effect, Page, View};
use crate::action::Action;
use crate::look::Role;

/// From this width on, health and rates stand at the right.
const WIDE: u16 = 100;
/// Columns at the right.
const SIDE: u16 = 38;

/// The overview.
#[derive(Debug, Default)]
pub struct Overview {
    /// The finding that is told in full.
    at: usize,
    /// That one as it was known last, so that it stays when others come. Until one is chosen it is the first.
    selected: Option<Box<Finding>>,
    /// Where findings were drawn, and which.
    drawn: Vec<(usize, Rect)>,
}

impl Overview {
    fn go(&mut self, at: usize, cx: &Context<'_>) {
        let findings = &cx.snapshot.report.findings;
        self.at = at.min(findings.len().saturating_sub(1));
        self.selected = findings.get(self.at).cloned().map(Box::new);
    }

    /// Finds the selected one again, should others have come before it.
    fn settle(&mut self, cx: &Context<'_>) {
        let selected = self.selected.as_ref();
        let place = selected.and_then(|own| place(&cx.snapshot.report.findings, own));
        match place {
            Some(at) => self.go(at, cx),
            None => self.at = 0,
        }
    }

    fn finding<'a>(&self, cx: &Context<'a>) -> Option<&'a Finding> {
        cx.snapshot.report.findings.get(self.at)
    }
}

impl View for Overview {
    fn title(&self, _cx: &Context<'_>) -> String {
        "Overview".to_owned()
    }

    fn actions(&self) -> &'static [Action] {
        &[Action::Open, Action::ToFlows, Action::Copy]
    }

    fn act(&mut self, action: Action, cx: &Context<'_>) -> Vec<Effect> {
        self.settle(cx);
        match action {
            Action::Up => self.go(self.at.saturating_sub(1), cx),
            Action::Down => self.go(self.at + 1, cx),
            Action::First | Action::PageUp => self.go(0, cx),
            Action::Last | Action::PageDown => self.go(usize::MAX, cx),
            _ => {}
        }
        let Some(finding) = self.finding(cx) else {
            return match action {
                Action::Open | Action::ToFlows => vec![Effect::Open(Page::Flows(String::new()))],
                _ => Vec::new(),
            };
        };
        let effect = match action {
            Action::Open => Some(Effect::Open(Page::Finding(Box::new(finding.clone())))),
            Action::ToFlows => flows_of(finding).map(|filter| Effect::Open(Page::Flows(filter))),
            Action::Copy => Some(Effect::Copy(finding.summary.clone())),
            _ => None,
        };
        effect.into_iter().collect()
    }

    fn click(&mut self, at: Position, twice: bool, cx: &Context<'_>) -> Vec<Effect> {
        let clicked = self.drawn.iter().find(|(_, area)| area.contains(at));
        let Some(index) = clicked.map(|(index, _)| *index) else {
            return Vec::new();
        };
        self.go(index, cx);
        if twice {
            return self.act(Action::Open, cx);
        }
        Vec::new()
    }

    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        self.settle(cx);
        let area = Rect {
            x: area.x + 1,
            width: area.width.saturating_sub(2),
            ..area
        };
        let wide = area.width + 2 >= WIDE;
        let (main, side) = if wide {
            let columns = [Constraint::Min(0), Constraint::Length(SIDE)];
            let [main, side] = area.layout(&Layout::horizontal(columns).spacing(2));
            (main, Some(side))
        } else {
            (area, None)
        };
        // One line of health must do where there is no room at the right.
        let strip = u16::from(side.is_none());
        let picture = sites::Picture::new(self.finding(cx), main.width, cx);
        let told = findings::lines(
            &cx.snapshot.report.findings,
            self.at,
            usize::from(main.width),
            cx,
        );
        let told_height = told.len() as u16 + 1;
        let room = main.height.saturating_sub(strip + 1);
        // What is wrong comes first, whole; the picture takes what is left, if that is enough for it.
        let picture_height = picture.height() + 1;
        let (above, below) = if told_height + picture_height <= room {
            (told_height, picture_height)
        } else {
            let least = told_height.min(room).min((room * 3 / 5).max(8));
            let below = room.saturating_sub(least);
            if below > picture.least() {
                (room - below, below)
            } else {
                (room, 0)
            }
        };
        let gap = u16::from(below > 0 && above + below <= room);
        let rows = [
            Constraint::Length(above),
            Constraint::Length(gap),
            Constraint::Length(below),
            Constraint::Min(0),
            Constraint::Length(strip),
        ];
        let [top, _, middle, _, bottom] = main.layout(&Layout::vertical(rows));
        self.drawn = findings::draw(frame, top, told, self.at, cx);
        if below > 0 {
            let inner = heading(frame, middle, "Sites", cx);
            picture.draw(frame, inner, cx);
        }
        match side {
            Some(side) => health::draw(frame, side, cx),
            None => health::strip(frame, bottom, cx),
        }
    }
}

/// Draws a heading, and gives what is below it.
fn heading(frame: &mut Frame<'_>, area: Rect, text: &str, cx: &Context<'_>) -> Rect {
    let line = Line::styled(text.to_owned(), cx.look.style(Role::Heading));
    frame.render_widget(line, Rect { height: 1, ..area }.intersection(area));
    Rect {
        y: area.y + 1,
        height: area.height.saturating_sub(1),
        ..area
    }
    .intersection(area)
}
