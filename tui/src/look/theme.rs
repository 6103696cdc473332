//! Themes: a style for each role.

use ratatui::style::{Color, Modifier, Style};

use super::Role;

/// A set of styles.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ThemeName {
    /// For dark backgrounds, with calm colours of the 256.
    #[default]
    Dark,
    /// For light backgrounds.
    Light,
    /// Black and white, and few strong colours.
    HighContrast,
    /// Blue, orange and yellow (Okabe and Ito), which nearly everybody tells apart.
    ColourBlindSafe,
    /// Only the 16 colours that a terminal's user has chosen.
    Sixteen,
}

/// The colours of a theme; what is not here is made of modifiers.
struct Colours {
    error: Color,
    warning: Color,
    info: Color,
    good: Color,
    originator: Color,
    responder: Color,
    faint: Option<Color>,
    border: Option<Color>,
    heading: Option<Color>,
    key: Option<Color>,
    marked: Color,
    selected: (Option<Color>, Option<Color>),
    hit: (Color, Color),
}

const DARK: Colours = Colours {
    error: Color::Indexed(203),
    warning: Color::Indexed(221),
    info: Color::Indexed(110),
    good: Color::Indexed(108),
    originator: Color::Indexed(80),
    responder: Color::Indexed(176),
    faint: Some(Color::Indexed(245)),
    border: Some(Color::Indexed(240)),
    heading: Some(Color::Indexed(153)),
    key: Some(Color::Indexed(153)),
    marked: Color::Indexed(222),
    selected: (None, Some(Color::Indexed(238))),
    hit: (Color::Indexed(16), Color::Indexed(222)),
};

const LIGHT: Colours = Colours {
    error: Color::Indexed(124),
    warning: Color::Indexed(94),
    info: Color::Indexed(25),
    good: Color::Indexed(22),
    originator: Color::Indexed(30),
    responder: Color::Indexed(90),
    faint: Some(Color::Indexed(242)),
    border: Some(Color::Indexed(249)),
    heading: Some(Color::Indexed(18)),
    key: Some(Color::Indexed(18)),
    marked: Color::Indexed(130),
    selected: (None, Some(Color::Indexed(253))),
    hit: (Color::Indexed(16), Color::Indexed(221)),
};

const HIGH_CONTRAST: Colours = Colours {
    error: Color::LightRed,
    warning: Color::LightYellow,
    info: Color::LightCyan,
    good: Color::LightGreen,
    originator: Color::LightCyan,
    responder: Color::LightMagenta,
    faint: None,
    border: None,
    heading: Some(Color::White),
    key: Some(Color::White),
    marked: Color::LightYellow,
    selected: (Some(Color::Black), Some(Color::White)),
    hit: (Color::Black, Color::LightYellow),
};

/// Okabe and Ito, "Color Universal Design": vermilion, orange, sky blue, bluish green, blue, reddish purple.
const COLOUR_BLIND_SAFE: Colours = Colours {
    error: Color::Indexed(202),
    warning: Color::Indexed(220),
    info: Color::Indexed(74),
    good: Color::Indexed(36),
    originator: Color::Indexed(74),
    responder: Color::Indexed(214),
    faint: Some(Color::Indexed(246)),
    border: Some(Color::Indexed(240)),
    heading: None,
    key: None,
    marked: Color::Indexed(220),
    selected: (None, Some(Color::Indexed(238))),
    hit: (Color::Indexed(16), Color::Indexed(220)),
};

const SIXTEEN: Colours = Colours {
    error: Color::Red,
    warning: Color::Yellow,
    info: Color::Cyan,
    good: Color::Green,
    originator: Color::Cyan,
    responder: Color::Magenta,
    faint: Some(Color::DarkGray),
    border: Some(Color::DarkGray),
    heading: None,
    key: None,
    marked: Color::Yellow,
    selected: (None, None),
    hit: (Color::Black, Color::Yellow),
};

impl ThemeName {
    /// All of them, with their names in the configuration.
    pub const ALL: [(Self, &'static str); 5] = [
        (Self::Dark, "dark"),
        (Self::Light, "light"),
        (Self::HighContrast, "high-contrast"),
        (Self::ColourBlindSafe, "colour-blind-safe"),
        (Self::Sixteen, "16-colours"),
    ];

    fn colours(self) -> &'static Colours {
        match self {
            Self::Dark => &DARK,
            Self::Light => &LIGHT,
            Self::HighContrast => &HIGH_CONTRAST,
            Self::ColourBlindSafe => &COLOUR_BLIND_SAFE,
            Self::Sixteen => &SIXTEEN,
        }
    }

    /// The style of something.
    pub(super) fn style(self, role: Role) -> Style {
        let colours = self.colours();
        let plain = Style::new();
        let coloured = |colour: Option<Color>| Style {
            fg: colour,
            ..plain
        };
        match role {
            Role::Text => plain,
            Role::Faint => coloured(colours.faint),
            Role::Border => coloured(colours.border),
            Role::Heading => coloured(colours.heading).add_modifier(Modifier::BOLD),
            Role::Key => coloured(colours.key).add_modifier(Modifier::BOLD),
            Role::Selected => match colours.selected {
                (None, None) => plain.add_modifier(Modifier::REVERSED),
                (fg, bg) => Style { fg, bg, ..plain }.add_modifier(Modifier::BOLD),
            },
            Role::Marked => plain.fg(colours.marked).add_modifier(Modifier::BOLD),
            Role::Hit => plain.fg(colours.hit.0).bg(colours.hit.1),
            Role::Error => plain.fg(colours.error).add_modifier(Modifier::BOLD),
            Role::Warning => plain.fg(colours.warning),
            Role::Info => plain.fg(colours.info),
            Role::Good => plain.fg(colours.good),
            Role::Originator => plain.fg(colours.originator),
            Role::Responder => plain.fg(colours.responder),
        }
    }
}
