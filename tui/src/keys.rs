//! Which key does what: a table that the configuration may change.

use std::collections::BTreeMap;
use std::str::FromStr as _;

use crokey::KeyCombination;
use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use crate::action::{ACTIONS, Action};

/// Keys of every action. One key may stand for several actions: the first of them that the screen at hand has is done,
/// and those of a screen go before those that are everywhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyMap {
    keys: Vec<(Action, Vec<KeyCombination>)>,
}

/// Two actions that no screen can tell apart by a key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conflict {
    /// The key.
    pub key: String,
    /// Names of the two.
    pub actions: [&'static str; 2],
}

impl Default for KeyMap {
    fn default() -> Self {
        let keys = ACTIONS.iter().map(|info| {
            let keys = info.keys.iter().filter_map(|key| parse(key));
            (info.action, keys.collect())
        });
        Self {
            keys: keys.collect(),
        }
    }
}

impl KeyMap {
    /// Gives an action other keys.
    pub fn set(&mut self, action: Action, keys: Vec<KeyCombination>) {
        if let Some((_, own)) = self.keys.iter_mut().find(|(other, _)| *other == action) {
            *own = keys;
        }
    }

    /// The action that a key stands for among those that can be done.
    pub fn action(&self, key: KeyEvent, can: impl Fn(Action) -> bool) -> Option<Action> {
        let key = normal(key);
        let here = |action: &Action| action.info().is_some_and(|info| !info.everywhere);
        let mut meant: Vec<Action> = self
            .keys
            .iter()
            .filter(|(action, keys)| keys.contains(&key) && can(*action))
            .map(|(action, _)| *action)
            .collect();
        meant.sort_by_key(|action| !here(action));
        meant.first().copied()
    }

    /// The keys of an action as people write them.
    pub fn names(&self, action: Action) -> Vec<String> {
        let keys = self.keys.iter().find(|(other, _)| *other == action);
        keys.map_or_else(Vec::new, |(_, keys)| {
            keys.iter().copied().map(name).collect()
        })
    }

    /// Keys that stand for two actions of the same kind: one of them could never be done.
    pub fn conflicts(&self) -> Vec<Conflict> {
        let mut met: BTreeMap<(String, bool), &'static str> = BTreeMap::new();
        let mut conflicts = Vec::new();
        for (action, keys) in &self.keys {
            let Some(info) = action.info() else { continue };
            for key in keys {
                let key = name(*key);
                if let Some(other) = met.insert((key.clone(), info.everywhere), info.name)
                    && other != info.name
                {
                    conflicts.push(Conflict {
                        key,
                        actions: [other, info.name],
                    });
                }
            }
        }
        conflicts
    }
}

/// The key of that name.
pub fn parse(text: &str) -> Option<KeyCombination> {
    let mut letters = text.chars();
    if let (Some(letter), None) = (letters.next(), letters.next()) {
        // `G` is not `g`, which the crate takes it for.
        let key = KeyCombination::one_key(KeyCode::Char(letter), KeyModifiers::NONE);
        return Some(tidy(key.normalized()));
    }
    let key = KeyCombination::from_str(text).ok()?;
    // A key pressed together with another one cannot be told apart on most terminals.
    key.is_ansi_compatible().then(|| tidy(key.normalized()))
}

/// The key of an event, as [`parse`] would give it.
pub fn normal(event: KeyEvent) -> KeyCombination {
    tidy(KeyCombination::from(event).normalized())
}

/// Terminals differ in whether they tell shift with signs that need it.
fn tidy(mut key: KeyCombination) -> KeyCombination {
    match *key.codes.first() {
        KeyCode::Char(c) if !c.is_alphabetic() => key.modifiers.remove(KeyModifiers::SHIFT),
        KeyCode::BackTab => key.modifiers.insert(KeyModifiers::SHIFT),
        KeyCode::Tab if key.modifiers.contains(KeyModifiers::SHIFT) => {
            *key.codes.first_mut() = KeyCode::BackTab;
        }
        _ => {}
    }
    key
}

/// The name of a key, short enough for a line of keys.
pub fn name(key: KeyCombination) -> String {
    let code = *key.codes.first();
    match code {
        KeyCode::Char(c) if c != ' ' && (key.modifiers - KeyModifiers::SHIFT).is_empty() => {
            c.to_string()
        }
        KeyCode::BackTab => "shift-tab".to_owned(),
        _ => key.to_string().to_ascii_lowercase(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(code: KeyCode, modifiers: KeyModifiers) -> KeyEvent {
        KeyEvent::new(code, modifiers)
    }

    #[test]
    fn every_default_key_can_be_read_and_its_name_leads_back() {
        for info in ACTIONS {
            for text in info.keys {
                let key = parse(text).unwrap_or_else(|| panic!("{text}"));
                let again = parse(&name(key)).unwrap_or_else(|| panic!("{}", name(key)));
                assert_eq!(key, again, "{text} {}", name(key));
            }
        }
    }

    #[test]
    fn defaults_do_not_conflict() {
        assert_eq!(KeyMap::default().conflicts(), []);
    }

    #[test]
    fn what_the_screen_has_goes_before_what_is_everywhere() {
        let map = KeyMap::default();
        let h = press(KeyCode::Char('h'), KeyModifiers::NONE);
        assert_eq!(map.action(h, |_| true), Some(Action::Left));
        assert_eq!(map.action(h, |a| a != Action::Left), Some(Action::Back));
        assert_eq!(map.action(h, |_| false), None);
    }

    #[test]
    fn shift_may_be_told_or_not() {
        let map = KeyMap::default();
        for modifiers in [KeyModifiers::NONE, KeyModifiers::SHIFT] {
            let event = press(KeyCode::Char('G'), modifiers);
            assert_eq!(map.action(event, |_| true), Some(Action::Last));
            let event = press(KeyCode::Char('?'), modifiers);
            assert_eq!(map.action(event, |_| true), Some(Action::Help));
            let event = press(KeyCode::BackTab, modifiers);
            assert_eq!(map.action(event, |_| true), Some(Action::PreviousTab));
        }
        let event = press(KeyCode::Char('c'), KeyModifiers::CONTROL);
        assert_eq!(map.action(event, |_| true), Some(Action::Quit));
    }

    #[test]
    fn a_key_for_two_things_everywhere_is_a_conflict() {
        let mut map = KeyMap::default();
        map.set(Action::Help, parse("q").into_iter().collect());
        assert_eq!(
            map.conflicts(),
            [Conflict {
                key: "q".to_owned(),
                actions: ["help", "quit"]
            }]
        );
    }
}
