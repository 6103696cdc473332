//! The configuration: how the interface looks, which key does what, what tables show.

mod print;
mod problem;
mod read;
mod save;
mod style;
#[cfg(test)]
mod tests;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use etcetera::{BaseStrategy as _, choose_base_strategy};
use ratatui::style::Style;

use crate::app::Options;
use crate::keys::KeyMap;
use crate::look::{Look, Role, Signs, ThemeName};
use crate::view::{self, Tables};

pub use print::print_default;
pub use problem::Problem;
pub use save::{remember, save_table};

/// Names of the file, and of the one beside it that keeps filters.
const NAME: &str = "config.toml";
const FILTERS: &str = "filters";

/// What a configuration says.
#[derive(Clone, Debug, PartialEq)]
pub struct Config {
    /// The theme.
    pub theme: ThemeName,
    /// Colours are used at all.
    pub colour: bool,
    /// Which characters are used.
    pub characters: Characters,
    /// The mouse is listened to.
    pub mouse: bool,
    /// Ports of services have names.
    pub names: bool,
    /// Styles that replace those of the theme.
    pub styles: Vec<(Role, Style)>,
    /// Which key does what.
    pub keys: KeyMap,
    /// Columns and order of tables.
    pub tables: Tables,
}

/// Which characters are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Characters {
    /// What the locale allows.
    Auto,
    /// All.
    Unicode,
    /// Those of ASCII.
    Ascii,
}

impl Characters {
    /// All choices, with their names in the configuration.
    pub const ALL: [(Self, &'static str); 3] = [
        (Self::Auto, "auto"),
        (Self::Unicode, "unicode"),
        (Self::Ascii, "ascii"),
    ];
}

impl Default for Config {
    fn default() -> Self {
        Self {
            theme: ThemeName::default(),
            colour: true,
            characters: Characters::Auto,
            mouse: true,
            names: true,
            styles: Vec::new(),
            keys: KeyMap::default(),
            tables: view::default_tables(),
        }
    }
}

/// A configuration that cannot be used.
#[derive(Debug)]
pub enum Error {
    /// It cannot be read.
    Read(PathBuf, io::Error),
    /// Something in it is wrong.
    Wrong(PathBuf, Vec<Problem>),
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Read(path, error) => write!(f, "{}: {error}", path.display()),
            Self::Wrong(path, problems) => {
                if let Some(first) = problems.first() {
                    write!(f, "{}:{first}", path.display())?;
                }
                match problems.len().saturating_sub(1) {
                    0 => Ok(()),
                    more => write!(f, "\nand {more} more; mirrorscope config --check tells all"),
                }
            }
        }
    }
}

impl std::error::Error for Error {}

impl Config {
    /// Reads a configuration; what it does not say stays as it is by default.
    pub fn parse(text: &str) -> Result<Self, Vec<Problem>> {
        read::read(text)
    }

    /// The configuration of the user, if there is a file at its place; the default without one.
    pub fn load() -> Result<Self, Error> {
        match default_path() {
            Some(path) if path.exists() => Self::of_file(&path),
            _ => Ok(Self::default()),
        }
    }

    /// The configuration in a file.
    pub fn of_file(path: &Path) -> Result<Self, Error> {
        let text = fs::read_to_string(path).map_err(|error| Error::Read(path.to_owned(), error))?;
        Self::parse(&text).map_err(|problems| Error::Wrong(path.to_owned(), problems))
    }

    /// How the interface is on this terminal.
    pub fn options(self) -> Options {
        let ascii = match self.characters {
            Characters::Auto => !locale_is_utf8(),
            Characters::Unicode => false,
            Characters::Ascii => true,
        };
        let few = crossterm::style::available_color_count() < 256;
        let theme = match self.theme {
            ThemeName::HighContrast => ThemeName::HighContrast,
            _ if few => ThemeName::Sixteen,
            theme => theme,
        };
        // <https://no-color.org>
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let mut look = Look::new(theme, Signs { ascii }, self.colour && !refused);
        for (role, style) in self.styles {
            look.set(role, style);
        }
        Options {
            look,
            keys: self.keys,
            mouse: self.mouse,
            names: self.names,
            tables: self.tables,
            filters: save::remembered(),
            filter: String::new(),
        }
    }
}

/// Where the configuration is on this platform, if it is known where this user keeps any.
pub fn default_path() -> Option<PathBuf> {
    Some(directory()?.join(NAME))
}

/// Where it and what is kept beside it are.
pub fn directory() -> Option<PathBuf> {
    let strategy = choose_base_strategy().ok()?;
    Some(strategy.config_dir().join("mirrorscope"))
}

/// Whether this process may write more than ASCII, as its locale says.
fn locale_is_utf8() -> bool {
    let set = |name| std::env::var(name).ok().filter(|value| !value.is_empty());
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"].into_iter().find_map(set);
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
