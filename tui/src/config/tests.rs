//! What can be written, what is refused and how, and what is written back.

use ratatui::style::{Color, Style};

use super::save::with_table;
use super::*;
use crate::action::Action;
use crate::widget::table::Preference;

fn problems(text: &str) -> Vec<String> {
    let problems = Config::parse(text).unwrap_err();
    problems.iter().map(ToString::to_string).collect()
}

#[test]
fn the_default_file_says_what_holds_without_it() {
    assert_eq!(Config::parse(&print_default()).unwrap(), Config::default());
    assert_eq!(Config::parse("").unwrap(), Config::default());
}

#[test]
fn a_file_changes_what_it_names_and_nothing_else() {
    let text = r##"
theme = "light"
characters = "ascii"
mouse = false
[colours]
error = "#ff0000"
[keys]
pause = ["p", "ctrl-s"]
export = "w"
copy = []
[tables.flows]
columns = ["originator", "id"]
sort = "bytes"
descending = true
"##;
    let config = Config::parse(text).unwrap();
    let style = Style::new().fg(Color::Rgb(255, 0, 0));
    assert_eq!(config.theme, ThemeName::Light);
    assert_eq!(config.characters, Characters::Ascii);
    assert!(!config.mouse && config.names);
    assert_eq!(config.styles, [(Role::Error, style)]);
    assert_eq!(config.keys.names(Action::Pause), ["p", "ctrl-s"]);
    assert_eq!(config.keys.names(Action::Export), ["w"]);
    assert_eq!(config.keys.names(Action::Copy), [""; 0]);
    assert_eq!(config.keys.names(Action::Quit), ["q", "ctrl-c"]);
    let flows = config.tables.get("flows").unwrap();
    assert_eq!(
        flows.columns.as_deref(),
        Some(&["originator".to_owned(), "id".to_owned()][..])
    );
    assert_eq!(
        (flows.sort.as_deref(), flows.descending),
        (Some("bytes"), true)
    );
    assert_eq!(
        config.tables.get("sessions"),
        Config::default().tables.get("sessions")
    );
}

#[test]
fn everything_wrong_is_told_with_its_place_and_what_is_allowed() {
    let text = "theme = \"drak\"\nmouse = 1\ntehme = 2\n[keys]\n  qiut = \"q\"\npause = [\"sapce\"]\n[tables.flows]\nsort = \"id\"\ncolumns = [\"byts\"]\n[tables.flow]\n[colours]\nerror = \"bold rod\"\n";
    let told = problems(text);
    let begins = [
        "1:9: `drak` is no theme; did you mean dark? (dark, light, high-contrast, colour-blind-safe, 16-colours)",
        "2:9: true or false is expected",
        "3:1: `tehme` is no setting; did you mean theme?",
        "5:3: `qiut` is no action; did you mean quit?",
        "6:10: `sapce` is no key; keys are",
        "8:8: `id` is no column to sort by; there are verdict",
        "9:12: `byts` is no column of this table; did you mean bytes?",
        "10:9: `flow` is no table; did you mean flows?",
        "12:9: `rod` is no part of a style; expected a colour",
    ];
    assert_eq!(told.len(), begins.len(), "{told:#?}");
    for (told, begin) in told.iter().zip(begins) {
        assert!(told.starts_with(begin), "{told}\n{begin}");
    }
}

#[test]
fn what_is_no_toml_is_told_with_its_place() {
    let told = problems("theme = \"dark\"\nmouse = \n");
    assert!(told.len() == 1 && told[0].starts_with("2:"), "{told:?}");
}

#[test]
fn a_key_for_two_actions_is_told_where_it_was_given() {
    assert_eq!(
        problems("[keys]\nback = \"esc\"\nhelp = [\"f1\", \"q\"]\n"),
        ["3:1: the key q stands for help and for quit"]
    );
}

#[test]
fn a_saved_table_leaves_the_rest_of_the_file_as_it_is() {
    let chosen = Preference {
        columns: Some(vec!["originator".to_owned(), "id".to_owned()]),
        sort: Some("bytes".to_owned()),
        descending: true,
    };
    let before = "# mine\ntheme = \"light\" # for the day\n\n[tables.flows]\nsort = \"last\"\n";
    let after = with_table(before, "flows", &chosen).unwrap();
    assert_eq!(
        after,
        "# mine\ntheme = \"light\" # for the day\n\n[tables.flows]\nsort = \"bytes\"\ncolumns = [\"originator\", \"id\"]\ndescending = true\n"
    );
    let config = Config::parse(&after).unwrap();
    assert_eq!(config.tables.get("flows"), Some(&chosen));
    let fresh = with_table("", "flows", &chosen).unwrap();
    assert_eq!(
        Config::parse(&fresh).unwrap().tables.get("flows"),
        Some(&chosen)
    );
    assert!(with_table("tables = 3", "flows", &chosen).is_err());
}
