//! docs/watch.md says what the program does.

use std::path::Path;

use crate::action::ACTIONS;
use crate::config::Config;
use crate::keys::KeyMap;
use crate::look::{Role, ThemeName};

fn page() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/watch.md");
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn the_page_has_every_key_of_every_action() {
    let keys = KeyMap::default();
    let rows: Vec<String> = ACTIONS
        .iter()
        .map(|info| {
            let names: Vec<String> = keys
                .names(info.action)
                .iter()
                .map(|key| format!("`{key}`"))
                .collect();
            format!(
                "| {} | {} | `{}` |",
                names.join(" "),
                info.description,
                info.name
            )
        })
        .collect();
    let page = page();
    let missing: Vec<&String> = rows.iter().filter(|row| !page.contains(*row)).collect();
    assert!(
        missing.is_empty(),
        "the tables of keys are:\n{}",
        rows.join("\n")
    );
    let told = page
        .lines()
        .filter(|line| line.starts_with("| `") && line.matches('|').count() == 4)
        .count();
    assert_eq!(told, rows.len(), "keys that do not exist are told");
}

#[test]
fn the_page_names_all_themes_and_styles_and_its_example_can_be_read() {
    let page = page();
    for (_, name) in ThemeName::ALL {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    for (_, name) in Role::ALL {
        assert!(page.contains(&format!("`{name}`")), "{name}");
    }
    let (_, example) = page.split_once("```toml\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let config = Config::parse(example).unwrap();
    assert_ne!(config, Config::default());
}
