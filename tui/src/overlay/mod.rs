//! What opens over a screen and takes all keys: the input line, menus, the palette, the help.

mod complete;
mod help;
mod input;
mod menu;
mod palette;
mod prompt;

use crossterm::event::{KeyEvent, MouseEvent};
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::widgets::{Block, Clear};

use crate::action::Action;
use crate::data::Export;
use crate::keys::KeyMap;
use crate::look::{Look, Role};
use crate::view::Context;

pub use help::Help;
pub use menu::{Item, Menu, Of};
pub use palette::Palette;
pub use prompt::{History, Prompt};

/// One of them.
pub enum Overlay {
    /// The input line.
    Prompt(Prompt),
    /// A choice of several.
    Menu(Menu),
    /// All actions, to be searched.
    Palette(Palette),
    /// All keys of a screen.
    Help(Help),
}

/// What a key in one of them leads to.
#[derive(Debug)]
pub enum Outcome {
    /// It stays.
    Stay,
    /// It closes, and nothing else happens.
    Close,
    /// It closes, and this is done.
    Act(Action),
    /// It closes, and flows are chosen by this.
    Filter(String),
    /// This is searched for while it is typed.
    Seek(String),
    /// It closes, and hits of this search stay.
    Found(String),
    /// It closes, and nothing is searched for any more.
    Forget,
    /// It closes, and this is written.
    Export(Export),
    /// It closes, and the table is sorted by this column.
    Sort(usize),
    /// It stays, and the table shows or hides this column.
    Column(usize),
}

impl Overlay {
    /// Takes a key.
    pub fn key(&mut self, key: KeyEvent, keys: &KeyMap, cx: &Context<'_>) -> Outcome {
        match self {
            Self::Prompt(prompt) => prompt.key(key, cx),
            Self::Menu(menu) => menu.key(key, keys),
            Self::Palette(palette) => palette.key(key),
            Self::Help(help) => help.key(key, keys),
        }
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str, cx: &Context<'_>) -> Outcome {
        match self {
            Self::Prompt(prompt) => prompt.paste(text, cx),
            Self::Palette(palette) => palette.paste(text),
            Self::Menu(_) | Self::Help(_) => Outcome::Stay,
        }
    }

    /// Takes the mouse.
    pub fn mouse(&mut self, mouse: MouseEvent) -> Outcome {
        match self {
            Self::Menu(menu) => menu.mouse(mouse),
            Self::Help(help) => help.mouse(mouse),
            Self::Prompt(_) | Self::Palette(_) => Outcome::Stay,
        }
    }

    /// Lines at the bottom of the screen that it takes in place of what stands there.
    pub fn lines(&self) -> u16 {
        match self {
            Self::Prompt(prompt) => prompt.lines(),
            _ => 0,
        }
    }

    /// Draws it: over the screen, or in the lines at the bottom.
    pub fn draw(&mut self, frame: &mut Frame<'_>, body: Rect, bottom: Rect, look: &Look) {
        match self {
            Self::Prompt(prompt) => prompt.draw(frame, bottom, look),
            Self::Menu(menu) => menu.draw(frame, body, look),
            Self::Palette(palette) => palette.draw(frame, body, look),
            Self::Help(help) => help.draw(frame, body, look),
        }
    }
}

/// Draws a box of that size in the middle, and gives its inside.
fn window(frame: &mut Frame<'_>, body: Rect, size: (u16, u16), title: &str, look: &Look) -> Rect {
    let (width, height) = (size.0.min(body.width), size.1.min(body.height));
    let area = Rect {
        x: body.x + (body.width - width) / 2,
        y: body.y + (body.height - height) / 3,
        width,
        height,
    };
    let block = Block::bordered()
        .border_set(look.signs.border())
        .border_style(look.style(Role::Border))
        .title(format!(" {title} "))
        .title_style(look.style(Role::Heading));
    let inner = block.inner(area);
    frame.render_widget(Clear, area);
    frame.render_widget(block, area);
    inner
}
