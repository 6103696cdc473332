//! Colours by meaning. Whether there is colour at all is decided once, by the terminal and `NO_COLOR`.

use std::io::IsTerminal;

use crossterm::style::{Attribute, Color, ContentStyle, StyledContent};

/// What a piece of text means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// A heading.
    Heading,
    /// Traffic breaks.
    Error,
    /// Something is wrong, or will be.
    Warning,
    /// Good to know.
    Info,
    /// All is well.
    Good,
    /// Of less weight than its surroundings.
    Faint,
}

/// Paints text, or leaves it as it is.
#[derive(Clone, Copy, Debug)]
pub struct Theme {
    colour: bool,
}

impl Theme {
    /// Colour only on a terminal, and never with `NO_COLOR` set to anything (<https://no-color.org>).
    pub fn of(stream: &impl IsTerminal) -> Self {
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            colour: stream.is_terminal() && !refused,
        }
    }

    /// No colour, for files.
    pub fn plain() -> Self {
        Self { colour: false }
    }

    /// The text as it should be printed.
    pub fn paint(self, meaning: Meaning, text: &str) -> String {
        if self.colour {
            StyledContent::new(style(meaning), text).to_string()
        } else {
            text.to_owned()
        }
    }
}

/// Only the 16 colours that every terminal has and its user has chosen.
fn style(meaning: Meaning) -> ContentStyle {
    let (colour, attribute) = match meaning {
        Meaning::Heading => (None, Attribute::Bold),
        Meaning::Error => (Some(Color::DarkRed), Attribute::Bold),
        Meaning::Warning => (Some(Color::DarkYellow), Attribute::Bold),
        Meaning::Info => (Some(Color::DarkBlue), Attribute::Bold),
        Meaning::Good => (Some(Color::DarkGreen), Attribute::Bold),
        Meaning::Faint => (None, Attribute::Dim),
    };
    let mut style = ContentStyle {
        foreground_color: colour,
        ..ContentStyle::default()
    };
    style.attributes.set(attribute);
    style
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_is_added_or_not_and_the_text_stays() {
        assert_eq!(Theme { colour: false }.paint(Meaning::Error, "x"), "x");
        let painted = Theme { colour: true }.paint(Meaning::Error, "x");
        assert!(
            painted.starts_with('\u{1b}') && painted.contains('x'),
            "{painted:?}"
        );
    }
}
