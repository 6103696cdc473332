//! The default configuration as a file that explains itself.

use std::fmt::Write as _;

use super::style::FORM;
use super::{Characters, Config};
use crate::action::{ACTIONS, Info};
use crate::look::{Role, ThemeName};
use crate::view;

/// The text of a configuration that says what holds without one.
pub fn print_default() -> String {
    let config = Config::default();
    let mut text = String::new();
    let mut line = |line: &str| {
        text.push_str(line);
        text.push('\n');
    };
    line(
        "# How `mirrorscope watch` looks and which key does what. What is not said here is as shown here.",
    );
    line(
        "# Its place is $XDG_CONFIG_HOME/mirrorscope/config.toml; ~/.config/mirrorscope/config.toml without that variable.",
    );
    line("# `mirrorscope config --check` tells what is wrong with it.");
    line("");
    line(&format!(
        "# {}. Terminals with few colours get 16-colours.",
        names(&ThemeName::ALL)
    ));
    line(&format!(
        "theme = \"{}\"",
        name(config.theme, &ThemeName::ALL)
    ));
    line("# Colours at all; the environment variable NO_COLOR turns them off too.");
    line(&format!("colour = {}", config.colour));
    line(&format!(
        "# {}. auto: ASCII unless the locale is UTF-8.",
        names(&Characters::ALL)
    ));
    line(&format!(
        "characters = \"{}\"",
        name(config.characters, &Characters::ALL)
    ));
    line(
        "# Clicks and the wheel. Without it, the terminal selects text by itself; with it, most do while shift is held.",
    );
    line(&format!("mouse = {}", config.mouse));
    line("# Ports of services by name.");
    line(&format!("names = {}", config.names));
    line("");
    line("# Styles that replace those of the theme:");
    line(&format!("# {FORM}."));
    line("[colours]");
    for (_, name) in Role::ALL {
        line(&format!("# {name} = \"\""));
    }
    line("");
    line("# Keys of every action: one, or several in brackets, or [] for none.");
    line(
        "# One key may stand for two actions if only one of them is everywhere; on screens that have the other one, that goes first.",
    );
    line("[keys]");
    for everywhere in [true, false] {
        let what = if everywhere {
            "Everywhere."
        } else {
            "On screens that have it."
        };
        line(&format!("# {what}"));
        for info in ACTIONS.iter().filter(|info| info.everywhere == everywhere) {
            line(&format!(
                "{:<34} # {}",
                key_line(info, &config),
                info.description
            ));
        }
    }
    for table in view::TABLES {
        line("");
        let columns = view::columns(table).unwrap_or_default();
        let all: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        line(&format!("[tables.{table}]"));
        line(&format!("# {}.", all.join(", ")));
        let chosen = config.tables.get(table).cloned().unwrap_or_default();
        line(&format!(
            "columns = {:?}",
            chosen.columns.unwrap_or_default()
        ));
        let sortable = columns.iter().filter(|(_, sorts)| *sorts);
        let sortable: Vec<&str> = sortable.map(|(name, _)| *name).collect();
        line(&format!("# {}.", sortable.join(", ")));
        line(&format!("sort = {:?}", chosen.sort.unwrap_or_default()));
        line(&format!("descending = {}", chosen.descending));
    }
    text
}

fn key_line(info: &Info, config: &Config) -> String {
    let keys = config.keys.names(info.action);
    let mut text = String::new();
    // Writing to a text cannot fail.
    let _ = write!(text, "{} = {keys:?}", info.name);
    text
}

fn names<T>(all: &[(T, &'static str)]) -> String {
    let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
    names.join(", ")
}

fn name<T: Copy + PartialEq>(one: T, all: &[(T, &'static str)]) -> &'static str {
    let name = all.iter().find(|(other, _)| *other == one);
    name.map_or("", |(_, name)| name)
}
