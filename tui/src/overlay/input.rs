//! A line that is typed.

use crossterm::event::{Event, KeyEvent};
use mirrorscope_engine::point::acts;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use tui_input::Input;
use tui_input::backend::crossterm::EventHandler as _;

use crate::look::{Look, Role};

/// Characters of a pasted text that are taken.
const PASTED: usize = 4096;

/// It.
#[derive(Debug, Default)]
pub struct Typed {
    input: Input,
}

impl Typed {
    /// A line that holds a text, the cursor at its end.
    pub fn new(text: &str) -> Self {
        Self {
            input: Input::new(text.to_owned()),
        }
    }

    /// What was typed.
    pub fn text(&self) -> &str {
        self.input.value()
    }

    /// What stands before the cursor, and behind it.
    pub fn around(&self) -> (String, String) {
        let letters = self.text().chars();
        let at = self.input.cursor();
        (
            letters.clone().take(at).collect(),
            letters.skip(at).collect(),
        )
    }

    /// Holds another text, the cursor behind so many characters of it.
    pub fn set(&mut self, text: String, cursor: usize) {
        self.input = Input::new(text).with_cursor(cursor);
    }

    /// Takes a key; true if the text is another one.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        let before = self.text().to_owned();
        self.input.handle_event(&Event::Key(key));
        self.text() != before
    }

    /// Takes pasted text; lines become one.
    pub fn paste(&mut self, text: &str) {
        let (before, behind) = self.around();
        let text = text.trim().chars().take(PASTED);
        let one_line = text.map(|c| if c.is_whitespace() { ' ' } else { c });
        let pasted: String = one_line.filter(|c| !acts(*c)).collect();
        let cursor = before.chars().count() + pasted.chars().count();
        self.set(before + &pasted + &behind, cursor);
    }

    /// Draws it behind a label, with a span of it underlined, and puts the cursor there.
    pub fn draw(
        &self,
        frame: &mut Frame<'_>,
        area: Rect,
        label: &str,
        wrong: Option<(usize, usize)>,
        look: &Look,
    ) {
        let label = Line::styled(format!(" {label} "), look.style(Role::Key));
        let width = label.width() as u16;
        frame.render_widget(label, area);
        let area = Rect {
            x: area.x + width.min(area.width),
            width: area.width.saturating_sub(width),
            ..area
        };
        let room = usize::from(area.width.saturating_sub(1));
        let scroll = self.input.visual_scroll(room);
        let (from, to) = wrong.map_or((0, 0), |(start, length)| (start, start + length));
        let spans = self.text().chars().enumerate().map(|(index, letter)| {
            let style = if (from..to).contains(&index) {
                let underlined = ratatui::style::Modifier::UNDERLINED;
                look.style(Role::Error).add_modifier(underlined)
            } else {
                look.style(Role::Text)
            };
            Span::styled(look.signs.text(letter.encode_utf8(&mut [0; 4])), style)
        });
        let line = Line::from(spans.collect::<Vec<_>>());
        let text = ratatui::widgets::Paragraph::new(line).scroll((0, scroll as u16));
        frame.render_widget(text, area);
        let cursor = self.input.visual_cursor().saturating_sub(scroll) as u16;
        frame.set_cursor_position(Position::new(area.x + cursor, area.y));
    }
}
