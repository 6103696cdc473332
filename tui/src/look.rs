//! How things look: styles by what they mean, and signs.

mod theme;

use mirrorscope_engine::finding::Severity;
use mirrorscope_engine::verdict::Verdict;
use ratatui::style::{Modifier, Style};
use ratatui::symbols::border;

pub use theme::ThemeName;

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

impl Role {
    /// All of them, with their names in the configuration.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::Text, "text"),
        (Self::Faint, "faint"),
        (Self::Heading, "heading"),
        (Self::Border, "border"),
        (Self::Selected, "selected"),
        (Self::Marked, "marked"),
        (Self::Hit, "hit"),
        (Self::Key, "key"),
        (Self::Error, "error"),
        (Self::Warning, "warning"),
        (Self::Info, "info"),
        (Self::Good, "good"),
        (Self::Originator, "originator"),
        (Self::Responder, "responder"),
    ];
}

impl From<Severity> for Role {
    fn from(severity: Severity) -> Self {
        match severity {
            Severity::Error => Self::Error,
            Severity::Warning => Self::Warning,
            Severity::Info => Self::Info,
        }
    }
}

impl From<Verdict> for Role {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Symmetric => Self::Good,
            Verdict::Asymmetric => Self::Error,
            Verdict::OneWay | Verdict::Unanswered | Verdict::Moved => Self::Warning,
            Verdict::Unknown => Self::Faint,
        }
    }
}

/// Signs: in Unicode or ASCII.
#[derive(Clone, Copy, Debug)]
pub struct Signs {
    /// Only characters of ASCII.
    pub ascii: bool,
}

impl Signs {
    /// One of two ways to write the same.
    pub fn either<T>(self, unicode: T, ascii: T) -> T {
        if self.ascii { ascii } else { unicode }
    }

    /// How much a finding matters.
    pub fn severity(self, severity: Severity) -> &'static str {
        match severity {
            Severity::Error => self.either("✖", "X"),
            Severity::Warning => self.either("▲", "!"),
            Severity::Info => self.either("●", "i"),
        }
    }

    /// How a flow went.
    pub fn verdict(self, verdict: Verdict) -> &'static str {
        match verdict {
            Verdict::Symmetric => self.either("✔", "="),
            Verdict::Asymmetric => self.either("✖", "X"),
            Verdict::OneWay => self.either("▲", "!"),
            Verdict::Unanswered => self.either("○", "o"),
            Verdict::Moved => self.either("◆", "~"),
            Verdict::Unknown => "?",
        }
    }

    /// All is well.
    pub fn good(self) -> &'static str {
        self.either("✔", "+")
    }

    /// Towards the right.
    pub fn right(self) -> &'static str {
        self.either("→", "->")
    }

    /// Towards the left.
    pub fn left(self) -> &'static str {
        self.either("←", "<-")
    }

    /// Between the parts of a path.
    pub fn then(self) -> &'static str {
        self.either("›", ">")
    }

    /// What was cut off.
    pub fn more(self) -> &'static str {
        self.either("…", "~")
    }

    /// In front of what is marked.
    pub fn mark(self) -> &'static str {
        self.either("◉", "*")
    }

    /// The lines of a box.
    pub fn border(self) -> border::Set<'static> {
        self.either(
            border::ROUNDED,
            border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            },
        )
    }

    /// A text in the characters that may be used: what has no counterpart is a question mark.
    pub fn text(self, text: &str) -> String {
        if !self.ascii {
            return text.to_owned();
        }
        let letter = |c: char| match c {
            c if c.is_ascii() => c,
            '–' | '—' => '-',
            '›' | '→' | '▶' => '>',
            '←' | '◀' => '<',
            '…' => '~',
            'µ' => 'u',
            '“' | '”' => '"',
            '’' | '‘' => '\'',
            _ => '?',
        };
        text.chars().map(letter).collect()
    }
}

/// How things look.
#[derive(Clone, Debug)]
pub struct Look {
    /// Signs.
    pub signs: Signs,
    /// Colour is used at all.
    pub colour: bool,
    styles: [Style; Role::ALL.len()],
}

impl Default for Look {
    fn default() -> Self {
        Self::new(ThemeName::default(), Signs { ascii: false }, true)
    }
}

impl Look {
    /// The look of a theme.
    pub fn new(theme: ThemeName, signs: Signs, colour: bool) -> Self {
        Self {
            signs,
            colour,
            styles: Role::ALL.map(|(role, _)| theme.style(role)),
        }
    }

    /// Changes the style of something.
    pub fn set(&mut self, role: Role, style: Style) {
        if let Some(own) = self.styles.get_mut(role as usize) {
            *own = style;
        }
    }

    /// The style of something.
    pub fn style(&self, role: Role) -> Style {
        let style = self.styles.get(role as usize).copied().unwrap_or_default();
        if self.colour {
            return style;
        }
        let plain = Style {
            fg: None,
            bg: None,
            underline_color: None,
            ..style
        };
        match role {
            // Without colours something else must set them apart.
            Role::Selected | Role::Hit => plain.add_modifier(Modifier::REVERSED),
            Role::Error | Role::Marked => plain.add_modifier(Modifier::BOLD),
            _ => plain,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn styles_are_those_of_their_roles() {
        let mut look = Look::default();
        for (role, name) in Role::ALL {
            let style = Style::new().add_modifier(Modifier::SLOW_BLINK);
            look.set(role, style);
            assert_eq!(look.style(role), style, "{name}");
        }
    }

    #[test]
    fn without_colour_nothing_has_any_and_what_is_selected_still_stands_out() {
        for (theme, name) in ThemeName::ALL {
            let look = Look::new(theme, Signs { ascii: false }, false);
            for (role, _) in Role::ALL {
                let style = look.style(role);
                assert_eq!((style.fg, style.bg), (None, None), "{name} {role:?}");
            }
            let selected = look.style(Role::Selected);
            assert!(selected.add_modifier.contains(Modifier::REVERSED));
        }
    }

    #[test]
    fn ascii_is_ascii() {
        let signs = Signs { ascii: true };
        let text = signs.text("dc1 – dc2 › fw1 … ✖ 数");
        assert_eq!(text, "dc1 - dc2 > fw1 ~ ? ?");
        for severity in [Severity::Info, Severity::Warning, Severity::Error] {
            assert!(signs.severity(severity).is_ascii());
        }
    }
}
