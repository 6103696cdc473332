//! What a user can do. Keys, help, palette and configuration are made of this one list.

/// One thing that can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Up by one.
    Up,
    /// Down by one.
    Down,
    /// To the left: a column, a lane, a branch that closes.
    Left,
    /// To the right.
    Right,
    /// Up by a page.
    PageUp,
    /// Down by a page.
    PageDown,
    /// To the first.
    First,
    /// To the last, and follow what comes.
    Last,
    /// Opens what is selected.
    Open,
    /// Back to what was there before.
    Back,
    /// The next tab.
    NextTab,
    /// The previous tab.
    PreviousTab,
    /// A tab by number, from 1.
    Tab(u8),
    /// To edit the filter.
    Filter,
    /// To search in what is shown.
    Search,
    /// The next hit.
    NextHit,
    /// The previous hit.
    PreviousHit,
    /// To choose what is sorted by.
    Sort,
    /// Sorts the other way round.
    Reverse,
    /// To choose columns.
    Columns,
    /// Writes the columns and the order of a table into the configuration.
    SaveColumns,
    /// Nothing on the screen changes until it is asked again; the capture goes on.
    Pause,
    /// Marks what is selected.
    Mark,
    /// Marks all, or none.
    MarkAll,
    /// Writes what is marked, or selected, to a file.
    Export,
    /// Copies what is selected.
    Copy,
    /// To what belongs to what is selected.
    Related,
    /// The flows of what is selected.
    ToFlows,
    /// The stream of the flow.
    ToStream,
    /// Another form of the same: text or hex, tree or bytes.
    Form,
    /// Names or addresses.
    Names,
    /// Reads the sites file again.
    ReloadSites,
    /// Help on the screen at hand.
    Help,
    /// All that can be done, to be searched.
    Palette,
    /// Draws everything anew.
    Redraw,
    /// Gives the terminal back until the program is told to go on.
    Suspend,
    /// Ends the program.
    Quit,
}

/// What there is to say of an action.
#[derive(Clone, Copy, Debug)]
pub struct Info {
    /// The action.
    pub action: Action,
    /// Its name in the configuration and the palette.
    pub name: &'static str,
    /// What it does, in a few words.
    pub description: &'static str,
    /// A word for the line of keys; empty for what is not shown there.
    pub short: &'static str,
    /// The keys that do it unless the configuration tells others.
    pub keys: &'static [&'static str],
    /// On every screen; others are there where a screen has them, and go first if they share a key.
    pub everywhere: bool,
}

const fn everywhere(
    action: Action,
    name: &'static str,
    short: &'static str,
    description: &'static str,
    keys: &'static [&'static str],
) -> Info {
    Info {
        action,
        name,
        description,
        short,
        keys,
        everywhere: true,
    }
}

const fn here(
    action: Action,
    name: &'static str,
    short: &'static str,
    description: &'static str,
    keys: &'static [&'static str],
) -> Info {
    Info {
        everywhere: false,
        ..everywhere(action, name, short, description, keys)
    }
}

/// All actions, in the order of the help.
pub const ACTIONS: &[Info] = &[
    everywhere(Action::Up, "up", "", "up by one", &["up", "k"]),
    everywhere(Action::Down, "down", "", "down by one", &["down", "j"]),
    here(Action::Left, "left", "", "to the left", &["left", "h"]),
    here(Action::Right, "right", "", "to the right", &["right", "l"]),
    everywhere(
        Action::PageUp,
        "page-up",
        "",
        "up by a page",
        &["pageup", "ctrl-u"],
    ),
    everywhere(
        Action::PageDown,
        "page-down",
        "",
        "down by a page",
        &["pagedown", "ctrl-d"],
    ),
    everywhere(Action::First, "first", "", "to the first", &["home", "g"]),
    everywhere(
        Action::Last,
        "last",
        "",
        "to the last, and follow what comes",
        &["end", "G"],
    ),
    here(
        Action::Open,
        "open",
        "open",
        "open what is selected",
        &["enter"],
    ),
    everywhere(
        Action::Back,
        "back",
        "back",
        "back to what was there before",
        &["esc", "backspace", "h"],
    ),
    everywhere(Action::NextTab, "next-tab", "", "the next tab", &["tab"]),
    everywhere(
        Action::PreviousTab,
        "previous-tab",
        "",
        "the previous tab",
        &["shift-backtab"],
    ),
    everywhere(Action::Tab(1), "overview", "", "to the overview", &["1"]),
    everywhere(Action::Tab(2), "sessions", "", "to the sessions", &["2"]),
    everywhere(Action::Tab(3), "flows", "", "to the flows", &["3"]),
    everywhere(Action::Tab(4), "findings", "", "to the findings", &["4"]),
    everywhere(Action::Tab(5), "endpoints", "", "to the endpoints", &["5"]),
    everywhere(
        Action::Filter,
        "filter",
        "filter",
        "choose flows by a filter",
        &["/", "f"],
    ),
    here(
        Action::Search,
        "search",
        "search",
        "search in what is shown",
        &["s", "ctrl-f"],
    ),
    here(
        Action::NextHit,
        "next-hit",
        "next hit",
        "the next hit of the search",
        &["n"],
    ),
    here(
        Action::PreviousHit,
        "previous-hit",
        "",
        "the previous hit of the search",
        &["N"],
    ),
    here(
        Action::Sort,
        "sort",
        "sort",
        "choose what is sorted by",
        &["o"],
    ),
    here(
        Action::Reverse,
        "reverse",
        "",
        "sort the other way round",
        &["O"],
    ),
    here(
        Action::Columns,
        "columns",
        "columns",
        "choose columns",
        &["c"],
    ),
    here(
        Action::SaveColumns,
        "save-columns",
        "",
        "keep columns and order in the configuration",
        &["C"],
    ),
    here(
        Action::Mark,
        "mark",
        "mark",
        "mark what is selected",
        &["m"],
    ),
    here(Action::MarkAll, "mark-all", "", "mark all, or none", &["M"]),
    here(
        Action::Export,
        "export",
        "export",
        "write what is marked, or selected, to a file",
        &["e"],
    ),
    here(
        Action::Copy,
        "copy",
        "copy",
        "copy what is selected to the clipboard",
        &["y"],
    ),
    here(
        Action::Related,
        "related",
        "related",
        "to what belongs to what is selected",
        &["r"],
    ),
    here(
        Action::ToFlows,
        "to-flows",
        "its flows",
        "the flows of what is selected",
        &["F"],
    ),
    here(
        Action::ToStream,
        "to-stream",
        "stream",
        "what both ends of the flow said",
        &["t"],
    ),
    here(
        Action::Form,
        "form",
        "form",
        "another form: text or hex, tree or bytes",
        &["x"],
    ),
    everywhere(
        Action::Pause,
        "pause",
        "pause",
        "hold the screen; the capture goes on",
        &["space"],
    ),
    everywhere(
        Action::Names,
        "names",
        "",
        "names or numbers: machines and services",
        &["n"],
    ),
    everywhere(
        Action::ReloadSites,
        "reload-sites",
        "",
        "read the sites file again",
        &["R"],
    ),
    everywhere(
        Action::Help,
        "help",
        "help",
        "all keys of this screen",
        &["?", "f1"],
    ),
    everywhere(
        Action::Palette,
        "palette",
        "",
        "all that can be done, to be searched",
        &[":", "ctrl-p"],
    ),
    everywhere(
        Action::Redraw,
        "redraw",
        "",
        "draw everything anew",
        &["ctrl-l"],
    ),
    everywhere(
        Action::Suspend,
        "suspend",
        "",
        "give the terminal back for a while",
        &["ctrl-z"],
    ),
    everywhere(
        Action::Quit,
        "quit",
        "quit",
        "end the program",
        &["q", "ctrl-c"],
    ),
];

impl Action {
    /// What there is to say of it.
    pub fn info(self) -> Option<&'static Info> {
        ACTIONS.iter().find(|info| info.action == self)
    }

    /// The action of that name.
    pub fn named(name: &str) -> Option<Self> {
        let info = ACTIONS.iter().find(|info| info.name == name)?;
        Some(info.action)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_and_actions_are_there_once() {
        let names: BTreeSet<_> = ACTIONS.iter().map(|info| info.name).collect();
        assert_eq!(names.len(), ACTIONS.len());
        for info in ACTIONS {
            assert_eq!(Action::named(info.name), Some(info.action));
            assert!(!info.description.is_empty() && !info.keys.is_empty());
        }
    }
}
