//! All that can be done, to be searched by a few letters of its name.

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::input::Typed;
use super::{Outcome, window};
use crate::action::{ACTIONS, Action, Info};
use crate::keys::KeyMap;
use crate::look::{Look, Role};
use crate::widget::text::fit;

/// Columns for a name.
const NAME: usize = 14;

/// It.
#[derive(Debug)]
pub struct Palette {
    typed: Typed,
    /// What can be done, with its keys.
    can: Vec<(&'static Info, String)>,
    /// What fits to what was typed, the best first.
    found: Vec<usize>,
    at: usize,
}

impl Palette {
    /// A palette of what can be done here.
    pub fn new(keys: &KeyMap, can: impl Fn(Action) -> bool) -> Self {
        let can = ACTIONS.iter().filter(|info| can(info.action));
        let can = can.map(|info| (info, keys.names(info.action).join(" ")));
        let mut palette = Self {
            typed: Typed::default(),
            can: can.collect(),
            found: Vec::new(),
            at: 0,
        };
        palette.find();
        palette
    }

    fn find(&mut self) {
        let wanted = self.typed.text().trim().to_lowercase();
        let fits = self
            .can
            .iter()
            .enumerate()
            .filter_map(|(index, (info, _))| {
                let name = fitness(&wanted, info.name).map(|fit| fit + 100);
                let description = fitness(&wanted, info.description);
                Some((index, name.max(description)?))
            });
        let mut fits: Vec<(usize, i32)> = fits.collect();
        fits.sort_by_key(|(index, fit)| (-fit, *index));
        self.found = fits.into_iter().map(|(index, _)| index).collect();
        self.at = 0;
    }

    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent) -> Outcome {
        let control = key.modifiers == KeyModifiers::CONTROL;
        let last = self.found.len().saturating_sub(1);
        match key.code {
            KeyCode::Esc => return Outcome::Close,
            KeyCode::Char('c') if control => return Outcome::Close,
            KeyCode::Enter => {
                let chosen = self
                    .found
                    .get(self.at)
                    .and_then(|index| self.can.get(*index));
                return chosen.map_or(Outcome::Close, |(info, _)| Outcome::Act(info.action));
            }
            KeyCode::Up | KeyCode::BackTab => self.at = self.at.saturating_sub(1),
            KeyCode::Char('p') if control => self.at = self.at.saturating_sub(1),
            KeyCode::Down | KeyCode::Tab => self.at = (self.at + 1).min(last),
            KeyCode::Char('n') if control => self.at = (self.at + 1).min(last),
            _ => {
                if self.typed.key(key) {
                    self.find();
                }
            }
        }
        Outcome::Stay
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) -> Outcome {
        self.typed.paste(text);
        self.find();
        Outcome::Stay
    }

    /// Draws it.
    pub fn draw(&self, frame: &mut Frame<'_>, body: Rect, look: &Look) {
        let size = (72, 16);
        let inner = window(frame, body, size, "what to do", look);
        let line = Rect { height: 1, ..inner }.intersection(inner);
        self.typed.draw(frame, line, look.signs.then(), None, look);
        let height = usize::from(inner.height).saturating_sub(1).max(1);
        let offset = (self.at + 1).saturating_sub(height);
        let width = usize::from(inner.width);
        let shown = self.found.iter().enumerate().skip(offset).take(height);
        for ((place, index), y) in shown.zip(inner.y + 1..inner.bottom()) {
            let Some((info, keys)) = self.can.get(*index) else {
                continue;
            };
            let area = Rect {
                y,
                height: 1,
                ..inner
            };
            let free = width.saturating_sub(NAME + 4 + keys.width());
            let what = fit(info.description, free, look.signs);
            let blanks = " ".repeat(free - what.width().min(free));
            let line = Line::from(vec![
                Span::raw(format!(" {:NAME$} ", info.name)),
                Span::styled(format!("{what}{blanks} "), look.style(Role::Faint)),
                Span::styled(keys.clone(), look.style(Role::Key)),
            ]);
            frame.render_widget(line, area);
            if place == self.at {
                frame
                    .buffer_mut()
                    .set_style(area, look.style(Role::Selected));
            }
        }
    }
}

/// How well a few letters fit to a text that has them in this order: letters that begin a word, or follow each other,
/// count more.
fn fitness(letters: &str, text: &str) -> Option<i32> {
    let mut fit = 0;
    let mut rest = text.char_indices();
    let mut last = None;
    for letter in letters.chars() {
        let (at, _) = rest.find(|(_, c)| c.to_lowercase().eq([letter]))?;
        let before = text.get(..at).and_then(|front| front.chars().next_back());
        let starts = before.is_none_or(|c| !c.is_alphanumeric());
        let follows = last.is_some_and(|last| last + 1 == at);
        fit += 1 + 4 * i32::from(starts) + 6 * i32::from(follows);
        last = Some(at);
    }
    // Of two that fit alike the shorter one is meant.
    let length = i32::try_from(text.len()).unwrap_or(i32::MAX);
    Some(fit * 4 - length / 4)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn best(letters: &str) -> &'static str {
        let mut palette = Palette::new(&KeyMap::default(), |_| true);
        palette.paste(letters);
        let found = palette
            .found
            .first()
            .and_then(|index| palette.can.get(*index));
        found.map_or("", |(info, _)| info.name)
    }

    #[test]
    fn a_few_letters_find_what_is_meant() {
        assert_eq!(best("ex"), "export");
        assert_eq!(best("rs"), "reload-sites");
        assert_eq!(best("ntab"), "next-tab");
        assert_eq!(best("clipb"), "copy");
        assert_eq!(best("SORT"), "sort");
        assert_eq!(best("zzz"), "");
    }
}
