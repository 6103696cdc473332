//! `config`: the default file, and what is wrong with one.

use std::fs;

use crate::support::{mirrorscope, run, stderr, stdout};

#[test]
fn the_default_file_is_right_and_says_every_setting() {
    let text = stdout(&run(&["config", "--print-default"]));
    assert!(text.starts_with("# How `mirrorscope watch` looks"));
    for setting in [
        "theme = \"dark\"",
        "[keys]",
        "quit = [\"q\", \"ctrl-c\"]",
        "[tables.flows]",
    ] {
        assert!(text.contains(setting), "{setting}");
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, text).unwrap();
    let checked = run(&["config", "--check", file.to_str().unwrap()]);
    assert_eq!(
        stdout(&checked),
        format!("{}: all is right\n", file.display())
    );
    assert_eq!(checked.status.code(), Some(0));
}

#[test]
fn mistakes_are_told_with_line_and_column_and_refuse_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.toml");
    fs::write(&file, "theme = \"drak\"\n[keys]\nqiut = \"q\"\n").unwrap();
    let name = file.to_str().unwrap();
    let checked = run(&["config", "--check", name]);
    assert_eq!(
        stdout(&checked),
        format!(
            "{name}:1:9: `drak` is no theme; did you mean dark? (dark, light, high-contrast, colour-blind-safe, 16-colours)\n\
             {name}:3:1: `qiut` is no action; did you mean quit?\n"
        )
    );
    assert_eq!(checked.status.code(), Some(2));
}

#[test]
fn without_a_name_it_is_the_file_at_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let config = || {
        let output = mirrorscope()
            .env("XDG_CONFIG_HOME", folder.path())
            .arg("config")
            .output();
        output.unwrap()
    };
    let place = folder.path().join("mirrorscope/config.toml");
    let none = config();
    assert_eq!(
        stdout(&none),
        format!(
            "{}: there is no such file; the defaults hold\n",
            place.display()
        )
    );
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::write(&place, "mouse = 1\n").unwrap();
    let wrong = config();
    assert_eq!(
        stdout(&wrong),
        format!("{}:1:9: true or false is expected\n", place.display()),
        "{}",
        stderr(&wrong)
    );
}
