//! What happens to the interface, and what it wants to be done by whoever runs it.

use crossterm::event::{KeyEvent, MouseEvent};

use crate::data::{Answer, Ask};
use crate::widget::table::Preference;

/// What happens.
#[derive(Clone, Debug)]
pub enum Event {
    /// A key was pressed.
    Key(KeyEvent),
    /// The mouse was moved, turned or pressed.
    Mouse(MouseEvent),
    /// Text was pasted.
    Paste(String),
    /// The terminal has another size, or was covered.
    Resized,
    /// The analysis says something.
    Answer(Box<Answer>),
    /// Time passed.
    Tick,
}

/// What is to be done outside of the interface.
#[derive(Clone, Debug)]
pub enum Request {
    /// Ask the analysis.
    Ask(Ask),
    /// Put a text on the clipboard.
    Copy(String),
    /// Keep the columns and the order of a table.
    SaveTable(&'static str, Preference),
    /// Keep a filter for later runs.
    Remember(String),
    /// Draw all of the screen, whatever stands there.
    Redraw,
    /// Give the terminal back until the program is told to go on.
    Suspend,
    /// End.
    Quit,
}
