//! All keys of the screen at hand.

use crossterm::event::{KeyEvent, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::{Outcome, window};
use crate::action::{ACTIONS, Action, Info};
use crate::keys::KeyMap;
use crate::look::{Look, Role};

/// Columns for keys.
const KEYS: usize = 20;

/// It.
#[derive(Debug)]
pub struct Help {
    title: String,
    /// Keys and what they do; headings have no keys.
    lines: Vec<(String, &'static str)>,
    offset: usize,
    height: usize,
}

impl Help {
    /// The help on a screen that has these actions besides those that are everywhere.
    pub fn new(title: String, has: &[Action], keys: &KeyMap) -> Self {
        let line = |info: &Info| (keys.names(info.action).join("  "), info.description);
        let here = ACTIONS.iter().filter(|info| has.contains(&info.action));
        let everywhere = ACTIONS
            .iter()
            .filter(|info| info.everywhere && !has.contains(&info.action));
        let mut lines = vec![(String::new(), "On this screen")];
        lines.extend(here.map(line));
        lines.push((String::new(), ""));
        lines.push((String::new(), "Everywhere"));
        lines.extend(everywhere.map(line));
        Self {
            title,
            lines,
            offset: 0,
            height: 1,
        }
    }

    fn scroll(&mut self, to: usize) {
        self.offset = to.min(self.lines.len().saturating_sub(self.height));
    }

    /// Takes a key: it scrolls, or closes.
    pub fn key(&mut self, key: KeyEvent, keys: &KeyMap) -> Outcome {
        match keys.action(key, |_| true) {
            Some(Action::Up) => self.scroll(self.offset.saturating_sub(1)),
            Some(Action::Down) => self.scroll(self.offset + 1),
            Some(Action::PageUp) => self.scroll(self.offset.saturating_sub(self.height)),
            Some(Action::PageDown | Action::Pause) => self.scroll(self.offset + self.height),
            Some(Action::First) => self.scroll(0),
            Some(Action::Last) => self.scroll(usize::MAX),
            _ => return Outcome::Close,
        }
        Outcome::Stay
    }

    /// Takes the mouse.
    pub fn mouse(&mut self, mouse: MouseEvent) -> Outcome {
        match mouse.kind {
            MouseEventKind::ScrollUp => self.scroll(self.offset.saturating_sub(1)),
            MouseEventKind::ScrollDown => self.scroll(self.offset + 1),
            MouseEventKind::Down(_) => return Outcome::Close,
            _ => {}
        }
        Outcome::Stay
    }

    /// Draws it.
    pub fn draw(&mut self, frame: &mut Frame<'_>, body: Rect, look: &Look) {
        let size = (70, self.lines.len() as u16 + 2);
        let title = format!("keys: {}", self.title);
        let inner = window(frame, body, size, &title, look);
        self.height = usize::from(inner.height).max(1);
        self.scroll(self.offset);
        let shown = self.lines.iter().skip(self.offset);
        for ((keys, what), y) in shown.zip(inner.y..inner.bottom()) {
            let line = if keys.is_empty() {
                Line::styled(format!(" {what}"), look.style(Role::Heading))
            } else {
                let blanks = " ".repeat(KEYS.saturating_sub(keys.width()));
                Line::from(vec![
                    Span::styled(format!("   {keys}{blanks}"), look.style(Role::Key)),
                    Span::raw(*what),
                ])
            };
            frame.render_widget(
                line,
                Rect {
                    y,
                    height: 1,
                    ..inner
                },
            );
        }
        if self.offset + self.height < self.lines.len() {
            let more = format!(" {} more ", look.signs.either("↓", "v"));
            let area = Rect {
                x: inner.right().saturating_sub(more.width() as u16 + 1),
                y: inner.bottom(),
                width: more.width() as u16,
                height: 1,
            };
            frame.render_widget(
                Line::styled(more, look.style(Role::Faint)),
                area.intersection(frame.area()),
            );
        }
    }
}
