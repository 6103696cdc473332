//! A choice of several things.

use crossterm::event::{KeyCode, KeyEvent, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::{Outcome, window};
use crate::action::Action;
use crate::keys::KeyMap;
use crate::look::{Look, Role};

/// What is chosen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// The column that a table is sorted by.
    Order,
    /// The columns that a table shows.
    Columns,
}

/// One of them.
#[derive(Clone, Debug)]
pub struct Item {
    /// Its name.
    pub name: String,
    /// What it stands for: the number of a column.
    pub number: usize,
    /// It is chosen now.
    pub on: bool,
}

/// A menu.
#[derive(Debug)]
pub struct Menu {
    of: Of,
    items: Vec<Item>,
    at: usize,
    offset: usize,
    drawn: Rect,
}

impl Menu {
    /// A menu of these.
    pub fn new(of: Of, items: Vec<Item>) -> Self {
        let at = match of {
            Of::Order => items.iter().position(|item| item.on),
            Of::Columns => None,
        };
        Self {
            of,
            items,
            at: at.unwrap_or_default(),
            offset: 0,
            drawn: Rect::ZERO,
        }
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, keys: &KeyMap) -> Outcome {
        let last = self.items.len().saturating_sub(1);
        match key.code {
            KeyCode::Enter if self.of == Of::Order => return self.choose(),
            KeyCode::Enter | KeyCode::Esc => return Outcome::Close,
            KeyCode::Char(' ') => return self.choose(),
            _ => {}
        }
        match keys.action(key, |_| true) {
            Some(Action::Up) => self.at = self.at.saturating_sub(1),
            Some(Action::Down) => self.at = (self.at + 1).min(last),
            Some(Action::First) => self.at = 0,
            Some(Action::Last) => self.at = last,
            Some(Action::Back | Action::Left | Action::Quit | Action::Sort | Action::Columns) => {
                return Outcome::Close;
            }
            _ => {}
        }
        Outcome::Stay
    }

    /// Takes the mouse.
    pub fn mouse(&mut self, mouse: MouseEvent) -> Outcome {
        let at = Position::new(mouse.column, mouse.row);
        match mouse.kind {
            MouseEventKind::ScrollUp => self.at = self.at.saturating_sub(1),
            MouseEventKind::ScrollDown => {
                self.at = (self.at + 1).min(self.items.len().saturating_sub(1));
            }
            MouseEventKind::Down(MouseButton::Left) if self.drawn.contains(at) => {
                let index = self.offset + usize::from(at.y - self.drawn.y);
                if index < self.items.len() {
                    self.at = index;
                    return self.choose();
                }
            }
            MouseEventKind::Down(MouseButton::Left) => return Outcome::Close,
            _ => {}
        }
        Outcome::Stay
    }

    fn choose(&mut self) -> Outcome {
        let Some(item) = self.items.get_mut(self.at) else {
            return Outcome::Close;
        };
        match self.of {
            Of::Order => Outcome::Sort(item.number),
            Of::Columns => {
                item.on = !item.on;
                Outcome::Column(item.number)
            }
        }
    }

    /// Draws it.
    pub fn draw(&mut self, frame: &mut Frame<'_>, body: Rect, look: &Look) {
        let title = match self.of {
            Of::Order => "sort by",
            Of::Columns => "columns: space turns one on or off",
        };
        let widest = self.items.iter().map(|item| item.name.width()).max();
        let width = widest.unwrap_or_default().max(title.width()) as u16 + 8;
        let size = (width, self.items.len() as u16 + 2);
        let inner = window(frame, body, size, title, look);
        self.drawn = inner;
        let height = usize::from(inner.height).max(1);
        self.offset = self
            .offset
            .clamp((self.at + 1).saturating_sub(height), self.at);
        let shown = self.items.iter().enumerate().skip(self.offset).take(height);
        for ((index, item), y) in shown.zip(inner.y..) {
            let on = match (self.of, item.on) {
                (Of::Order, true) => look.signs.either("●", "*"),
                (Of::Columns, true) => look.signs.either("✔", "x"),
                _ => " ",
            };
            let text = format!(" {on} {}", item.name);
            let area = Rect {
                y,
                height: 1,
                ..inner
            };
            frame.render_widget(Line::from(Span::raw(text)), area);
            if index == self.at {
                frame
                    .buffer_mut()
                    .set_style(area, look.style(Role::Selected));
            }
        }
    }
}
