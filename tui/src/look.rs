//! How things look: styles by what they mean, and signs.

use ratatui::style::{Color, Modifier, Style};

/// What something on the screen is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Text.
    Text,
    /// Of less weight than its surroundings.
    Faint,
    /// A heading, or a column's head.
    Heading,
    /// Lines around and between.
    Border,
    /// The row or field that keys act on.
    Selected,
    /// A row that is marked.
    Marked,
    /// A hit of a search.
    Hit,
    /// A key in a help line.
    Key,
    /// Traffic breaks.
    Error,
    /// Something is wrong, or will be.
    Warning,
    /// Good to know.
    Info,
    /// All is well.
    Good,
    /// What the originator sends.
    Originator,
    /// What the responder sends.
    Responder,
}

/// Signs: in Unicode or ASCII.
#[derive(Clone, Copy, Debug)]
pub struct Signs {
    /// Only characters of ASCII.
    pub ascii: bool,
}

/// How things look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Signs.
    pub signs: Signs,
    /// Colour is used at all.
    pub colour: bool,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            signs: Signs { ascii: false },
            colour: true,
        }
    }
}

impl Look {
    /// The style of something.
    pub fn style(&self, role: Role) -> Style {
        let style = match role {
            Role::Text => Style::new(),
            Role::Faint | Role::Border => Style::new().add_modifier(Modifier::DIM),
            Role::Heading | Role::Key | Role::Marked => Style::new().add_modifier(Modifier::BOLD),
            Role::Selected | Role::Hit => Style::new().add_modifier(Modifier::REVERSED),
            Role::Error => Style::new().fg(Color::Red),
            Role::Warning => Style::new().fg(Color::Yellow),
            Role::Info | Role::Originator => Style::new().fg(Color::Cyan),
            Role::Good => Style::new().fg(Color::Green),
            Role::Responder => Style::new().fg(Color::Magenta),
        };
        if self.colour {
            style
        } else {
            Style {
                fg: None,
                bg: None,
                ..style
            }
        }
    }
}
