//! Reading a configuration, so that everything wrong in it is told with its place.

use std::ops::Range;

use crokey::KeyCombination;
use toml_edit::{Document, Item, Key, Table, TableLike, Value};

use super::problem::unknown;
use super::style::{self, FORM};
use super::{Characters, Config, Problem};
use crate::action::{ACTIONS, Action};
use crate::keys;
use crate::look::{Role, ThemeName};
use crate::view;
use crate::widget::table::Preference;

/// What stands at the top.
const TOP: [&str; 8] = [
    "theme",
    "colour",
    "characters",
    "mouse",
    "names",
    "colours",
    "keys",
    "tables",
];

/// What stands in a table's part.
const OF_TABLE: [&str; 3] = ["columns", "sort", "descending"];

/// Reads a configuration.
pub fn read(text: &str) -> Result<Config, Vec<Problem>> {
    let document = match Document::parse(text) {
        Ok(document) => document,
        Err(error) => return Err(vec![Problem::new(text, error.span(), error.message())]),
    };
    let mut reader = Reader {
        text,
        config: Config::default(),
        problems: Vec::new(),
    };
    reader.top(document.as_table());
    if reader.problems.is_empty() {
        Ok(reader.config)
    } else {
        Err(reader.problems)
    }
}

struct Reader<'t> {
    text: &'t str,
    config: Config,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn wrong(&mut self, at: Option<Range<usize>>, message: &str) {
        self.problems.push(Problem::new(self.text, at, message));
    }

    fn top(&mut self, table: &Table) {
        for (name, key, item) in entries(table) {
            match name {
                "theme" => {
                    if let Some(theme) = self.choice(item, "theme", &ThemeName::ALL) {
                        self.config.theme = theme;
                    }
                }
                "characters" => {
                    if let Some(characters) =
                        self.choice(item, "set of characters", &Characters::ALL)
                    {
                        self.config.characters = characters;
                    }
                }
                "colour" => self.flag(item, |config| &mut config.colour),
                "mouse" => self.flag(item, |config| &mut config.mouse),
                "names" => self.flag(item, |config| &mut config.names),
                "colours" => self.part(item, Self::colours),
                "keys" => self.part(item, Self::keys),
                "tables" => self.part(item, Self::tables),
                name => self.wrong(key, &unknown(name, "setting", &TOP)),
            }
        }
    }

    fn part(&mut self, item: &Item, read: fn(&mut Self, &dyn TableLike)) {
        match item.as_table_like() {
            Some(table) => read(self, table),
            None => self.wrong(
                item.span(),
                "a part in brackets is expected, such as [keys]",
            ),
        }
    }

    fn text(&mut self, value: &Value) -> Option<String> {
        if value.as_str().is_none() {
            self.wrong(value.span(), "a text in quotes is expected");
        }
        value.as_str().map(str::to_owned)
    }

    fn flag(&mut self, item: &Item, of: fn(&mut Config) -> &mut bool) {
        match item.as_bool() {
            Some(value) => *of(&mut self.config) = value,
            None => self.wrong(item.span(), "true or false is expected"),
        }
    }

    fn choice<T: Copy>(&mut self, item: &Item, what: &str, all: &[(T, &'static str)]) -> Option<T> {
        let names: Vec<&str> = all.iter().map(|(_, name)| *name).collect();
        let Some(text) = item.as_str() else {
            let message = format!("a {what} in quotes is expected: {}", names.join(", "));
            self.wrong(item.span(), &message);
            return None;
        };
        let known = all.iter().find(|(_, name)| *name == text);
        if known.is_none() {
            self.wrong(item.span(), &unknown(text, what, &names));
        }
        known.map(|(choice, _)| *choice)
    }

    fn colours(&mut self, table: &dyn TableLike) {
        for (name, key, item) in entries(table) {
            let Some((role, _)) = Role::ALL.iter().find(|(_, known)| *known == name) else {
                let names = Role::ALL.map(|(_, name)| name);
                self.wrong(key, &unknown(name, "part of the screen", &names));
                continue;
            };
            match item.as_str().map(style::parse) {
                Some(Ok(style)) => self.config.styles.push((*role, style)),
                Some(Err(word)) => {
                    let message = format!("`{word}` is no part of a style; expected {FORM}");
                    self.wrong(item.span(), &message);
                }
                None => self.wrong(
                    item.span(),
                    &format!("a style in quotes is expected: {FORM}"),
                ),
            }
        }
    }

    fn keys(&mut self, table: &dyn TableLike) {
        let before = self.problems.len();
        let mut places: Vec<(&str, Option<Range<usize>>)> = Vec::new();
        for (name, key, item) in entries(table) {
            let Some(action) = Action::named(name) else {
                let names: Vec<&str> = ACTIONS.iter().map(|info| info.name).collect();
                self.wrong(key, &unknown(name, "action", &names));
                continue;
            };
            if let Some(keys) = self.key_list(item) {
                self.config.keys.set(action, keys);
                places.push((name, key));
            }
        }
        if self.problems.len() > before {
            return;
        }
        for conflict in self.config.keys.conflicts() {
            let [one, other] = conflict.actions;
            let mut at = places
                .iter()
                .filter(|(name, _)| [one, other].contains(name));
            let at = at.next_back().and_then(|(_, at)| at.clone());
            let message = format!("the key {} stands for {one} and for {other}", conflict.key);
            self.wrong(at, &message);
        }
    }

    fn key_list(&mut self, item: &Item) -> Option<Vec<KeyCombination>> {
        let values: Vec<&Value> = match item.as_value() {
            Some(Value::Array(array)) => array.iter().collect(),
            Some(one) => vec![one],
            None => {
                self.wrong(item.span(), "a key, or keys in brackets, are expected");
                return None;
            }
        };
        let mut keys = Vec::new();
        for value in values {
            let text = self.text(value)?;
            let Some(key) = keys::parse(&text) else {
                let message = format!(
                    "`{text}` is no key; keys are a, G, ?, enter, esc, space, tab, up, pagedown, f1, ctrl-x, alt-x"
                );
                self.wrong(value.span(), &message);
                return None;
            };
            keys.push(key);
        }
        Some(keys)
    }

    fn tables(&mut self, table: &dyn TableLike) {
        for (name, key, item) in entries(table) {
            let Some(columns) = view::columns(name) else {
                self.wrong(key, &unknown(name, "table", &view::TABLES));
                continue;
            };
            let Some(part) = item.as_table_like() else {
                let message = format!("a part in brackets is expected: [tables.{name}]");
                self.wrong(item.span(), &message);
                continue;
            };
            let mut chosen = self.config.tables.get(name).cloned().unwrap_or_default();
            self.table(part, &columns, &mut chosen);
            self.config.tables.insert(name.to_owned(), chosen);
        }
    }

    fn table(
        &mut self,
        part: &dyn TableLike,
        columns: &[(&'static str, bool)],
        chosen: &mut Preference,
    ) {
        let all: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let sortable: Vec<&str> = columns
            .iter()
            .filter(|(_, sorts)| *sorts)
            .map(|(name, _)| *name)
            .collect();
        for (name, key, item) in entries(part) {
            match name {
                "columns" => {
                    let Some(array) = item.as_array() else {
                        self.wrong(item.span(), "names of columns in brackets are expected");
                        continue;
                    };
                    let mut names = Vec::new();
                    for value in array {
                        let Some(name) = self.text(value) else {
                            continue;
                        };
                        if all.contains(&name.as_str()) {
                            names.push(name);
                        } else {
                            self.wrong(value.span(), &unknown(&name, "column of this table", &all));
                        }
                    }
                    chosen.columns = Some(names);
                }
                "sort" => match item.as_str() {
                    Some(name) if sortable.contains(&name) => chosen.sort = Some(name.to_owned()),
                    Some(name) => {
                        self.wrong(item.span(), &unknown(name, "column to sort by", &sortable));
                    }
                    None => self.wrong(item.span(), "the name of a column in quotes is expected"),
                },
                "descending" => match item.as_bool() {
                    Some(value) => chosen.descending = value,
                    None => self.wrong(item.span(), "true or false is expected"),
                },
                name => self.wrong(key, &unknown(name, "setting of a table", &OF_TABLE)),
            }
        }
    }
}

/// What a table holds: names, their places, values.
fn entries(table: &dyn TableLike) -> Vec<(&str, Option<Range<usize>>, &Item)> {
    let entries = table.iter().map(|(name, item)| {
        let place = table
            .get_key_value(name)
            .and_then(|(key, _): (&Key, _)| key.span());
        (name, place, item)
    });
    entries.collect()
}
