//! Ways through the interface, key by key.

use std::collections::BTreeSet;

use crossterm::event::{MouseButton, MouseEventKind};

use crate::action::{ACTIONS, Action};
use crate::data::{Ask, ExportForm};
use crate::event::{Event, Request};
use crate::fixture::Driver;

const SIZE: (u16, u16) = (120, 30);

fn driver() -> Driver {
    Driver::new("asymmetric-strict", SIZE)
}

/// The line of the selected row.
fn selected(driver: &mut Driver) -> String {
    let screen = driver.screen();
    let line = screen.lines().find(|line| line.starts_with('▸'));
    line.unwrap_or_else(|| panic!("{screen}")).to_owned()
}

#[test]
fn from_the_overview_to_a_finding_to_its_flows_and_back() {
    let mut driver = driver();
    let overview = driver.screen();
    let finding = driver.keys(["enter"]).screen();
    assert!(
        finding.starts_with(" Overview › asymmetric-path"),
        "{finding}"
    );
    driver.keys(["esc", "F"]);
    let flows = driver.screen();
    assert!(flows.starts_with(" Overview › Flows: point"), "{flows}");
    assert_eq!(flows.matches("✖ asymmetric").count(), 6, "{flows}");
    let flow = driver.keys(["enter"]).screen();
    assert!(flow.contains("rqnxpnC7wp"), "{flow}");
    driver.keys(["backspace", "h"]);
    assert_eq!(driver.screen(), overview);
    driver.keys(["esc"]);
    assert_eq!(driver.screen(), overview, "the first screen stays");
}

#[test]
fn tabs_keep_what_is_open_and_their_number_leads_to_their_first_screen() {
    let mut driver = driver();
    driver.keys(["2", "enter"]);
    let open = driver.screen();
    assert!(
        open.starts_with(" Sessions › Flows: session erspan2-102@10.60.0.1"),
        "{open}"
    );
    driver.keys(["5"]);
    assert_eq!(driver.keys(["2"]).screen(), open);
    let first = driver.keys(["2"]).screen();
    assert!(
        first.contains("session ") && !first.contains('›'),
        "{first}"
    );
}

#[test]
fn a_filter_is_completed_told_wrong_while_typed_and_applied() {
    let mut driver = driver();
    driver.keys(["3", "/"]).text("site dc2 and not symetric");
    let typing = driver.screen();
    assert!(typing.contains("did you mean symmetric?"), "{typing}");
    // The word is underlined where it is wrong, and nowhere else.
    let buffer = driver.buffer();
    let underlined: String = buffer
        .content()
        .iter()
        .filter(|cell| cell.modifier.contains(ratatui::style::Modifier::UNDERLINED))
        .map(ratatui::buffer::Cell::symbol)
        .collect();
    assert_eq!(underlined, "symetric");
    driver.keys(["enter"]);
    assert!(
        driver.screen().contains("filter site dc2 and not symetric"),
        "a wrong one stays"
    );
    let completed = driver.keys(["tab"]).screen();
    assert!(
        completed.contains("filter site dc2 and not symmetric"),
        "{completed}"
    );
    let chosen = driver.keys(["enter"]).screen();
    assert_eq!(chosen.matches("✖ asymmetric").count(), 6, "{chosen}");
    assert_eq!(chosen.matches("✔ symmetric").count(), 0, "{chosen}");
    assert!(matches!(
        driver.requests.as_slice(),
        [Request::Remember(text)] if text == "site dc2 and not symmetric"
    ));
    // It is there to be changed, empty it chooses all, and the history has it.
    driver.keys(["f", "ctrl-u", "enter"]);
    assert_eq!(driver.screen().matches("✔ symmetric").count(), 4);
    let again = driver.keys(["f", "up"]).screen();
    assert!(
        again.contains("filter site dc2 and not symmetric"),
        "{again}"
    );
    driver.keys(["esc"]);
    assert_eq!(driver.screen().matches("✔ symmetric").count(), 4);
}

#[test]
fn a_filter_on_a_screen_without_flows_opens_them() {
    let mut driver = driver();
    driver.keys(["1", "f"]).text("host 10.20.0.70");
    let flows = driver.keys(["enter"]).screen();
    assert!(
        flows.starts_with(" Overview › Flows: host 10.20.0.70"),
        "{flows}"
    );
    assert_eq!(
        flows.matches("10.20.0.70").count(),
        3,
        "two flows and the title: {flows}"
    );
}

#[test]
fn lines_that_are_pasted_become_one_and_cannot_act() {
    let mut driver = driver();
    driver.keys(["3", "f"]);
    driver.send(Event::Paste(
        "host 10.20.0.50\nand\u{1b}[31m tcp\n".to_owned(),
    ));
    let screen = driver.screen();
    assert!(
        screen.contains("filter host 10.20.0.50 and[31m tcp"),
        "{screen}"
    );
}

#[test]
fn flows_are_sorted_by_menu_by_key_and_by_click() {
    let mut driver = driver();
    driver.keys(["3", "o", "down", "down", "enter"]);
    assert!(driver.screen().contains("last ▴") || !driver.screen().contains("first ▴"));
    driver.keys(["3", "O"]);
    let last = selected(&mut driver);
    let screen = driver.screen();
    // The head of `originator`, wherever it is.
    let head = screen.lines().nth(1).unwrap();
    let column = head.chars().take_while(|c| *c != 'g').count() as u16;
    driver.mouse(MouseEventKind::Down(MouseButton::Left), column, 1);
    let sorted = driver.screen();
    assert!(sorted.contains("originator ▴"), "{sorted}");
    let addresses: Vec<&str> = sorted
        .lines()
        .filter_map(|line| {
            line.split_whitespace()
                .find(|word| word.starts_with("10.9."))
        })
        .collect();
    assert_eq!(addresses.len(), 10, "{sorted}");
    assert!(addresses.is_sorted(), "{sorted}");
    // Still the same flow, wherever it went.
    assert_eq!(
        selected(&mut driver).split_whitespace().nth(4),
        last.split_whitespace().nth(4)
    );
}

#[test]
fn sessions_are_sorted_here_and_the_selection_stays() {
    let mut driver = driver();
    driver.keys(["2", "down", "down"]);
    let before = selected(&mut driver);
    let name = before.split_whitespace().nth(1).unwrap().to_owned();
    driver.keys(["o"]);
    for _ in 0..3 {
        driver.keys(["down"]);
    }
    driver.keys(["enter"]);
    assert_eq!(
        selected(&mut driver).split_whitespace().nth(1),
        Some(name.as_str())
    );
    assert!(driver.screen().contains(" ▴"));
}

#[test]
fn columns_are_turned_off_and_on_and_kept_only_when_asked() {
    let mut driver = driver();
    driver.keys(["3", "c", "space"]);
    driver.keys(["esc"]);
    let screen = driver.screen();
    assert!(!screen.contains("verdict"), "{screen}");
    assert!(driver.requests.is_empty());
    driver.keys(["C"]);
    match driver.requests.as_slice() {
        [Request::SaveTable("flows", chosen)] => {
            let columns = chosen.columns.as_ref().unwrap();
            assert!(
                !columns.contains(&"verdict".to_owned()) && columns.contains(&"proto".to_owned())
            );
            assert_eq!(chosen.sort.as_deref(), Some("first"));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn marked_flows_are_exported_under_the_name_that_is_typed() {
    let mut driver = driver();
    driver.keys(["3", "m", "m", "e"]);
    let asked = driver.screen();
    assert!(asked.contains("2 flows as packets"), "{asked}");
    driver.keys(["ctrl-u"]).text("bad.txt");
    assert!(driver.screen().contains("2 flows as a page"));
    driver.keys(["enter"]);
    match driver.requests.as_slice() {
        [Request::Ask(Ask::Export(export))] => {
            assert_eq!(export.flows, ["9csgjtc7y9", "dw4B8rsjx4"]);
            assert_eq!(export.form, ExportForm::Page);
            assert_eq!(export.path.to_str(), Some("bad.txt"));
        }
        other => panic!("{other:?}"),
    }
    driver.keys(["M"]);
    assert!(driver.screen().contains("◉ 10 marked"));
    driver.keys(["M"]);
    assert!(!driver.screen().contains("marked"));
}

#[test]
fn hits_are_found_while_typed_and_visited_by_key() {
    let mut driver = driver();
    driver.keys(["3", "s"]).text("10.20.0.70");
    driver.keys(["enter"]);
    assert!(selected(&mut driver).contains("40004"));
    driver.keys(["n"]);
    assert!(selected(&mut driver).contains("40005"));
    driver.keys(["n"]);
    assert!(selected(&mut driver).contains("40004"), "round and round");
    driver.keys(["N"]);
    assert!(selected(&mut driver).contains("40005"));
    // Without hits the same key is for names.
    driver.keys(["s", "esc", "n"]);
    let screen = driver.screen();
    assert!(
        screen.contains("10.20.0.50:80 ") && !screen.contains(":http"),
        "{screen}"
    );
}

#[test]
fn what_is_selected_is_copied() {
    let mut driver = driver();
    driver.keys(["3", "y", "5", "down", "down", "y"]);
    match driver.requests.as_slice() {
        [Request::Copy(flow), Request::Copy(address)] => {
            assert_eq!(
                (flow.as_str(), address.as_str()),
                ("dw4B8rsjx4", "10.20.0.50")
            );
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn names_lead_to_their_flows() {
    let mut driver = driver();
    driver.keys(["5", "down", "down", "enter"]);
    let flows = driver.screen();
    assert!(
        flows.starts_with(" Endpoints › Flows: host 10.20.0.50"),
        "{flows}"
    );
    assert_eq!(flows.matches("✖ asymmetric").count(), 6, "{flows}");
}

#[test]
fn two_clicks_open_and_the_wheel_moves() {
    let mut driver = driver();
    driver.keys(["3"]).screen();
    driver.mouse(MouseEventKind::ScrollDown, 40, 5);
    assert!(selected(&mut driver).contains("40005"));
    driver.mouse(MouseEventKind::Down(MouseButton::Left), 40, 6);
    assert!(selected(&mut driver).contains("40006"));
    driver.mouse(MouseEventKind::Down(MouseButton::Left), 40, 6);
    let opened = driver.screen();
    assert!(
        opened.contains("Flows › ") && opened.contains("rqnxpnC7wp"),
        "{opened}"
    );
}

#[test]
fn the_palette_finds_and_does_things() {
    let mut driver = driver();
    driver.keys([":"]).text("endp");
    driver.keys(["enter"]);
    assert_eq!(driver.app.screens.current(), 4);
    driver.keys(["ctrl-p"]).text("hold the");
    driver.keys(["enter"]);
    assert!(driver.screen().contains("held"));
}

#[test]
fn help_lists_all_that_the_screen_has_and_all_screens_have_all_actions() {
    let mut listed = BTreeSet::new();
    for keys in [
        &["1"][..],
        &["2"],
        &["3"],
        &["4"],
        &["5"],
        &["4", "enter"],
        &["3", "enter"],
        &["3", "t"],
    ] {
        let mut driver = Driver::new("asymmetric-strict", (100, 70));
        for key in keys {
            driver.keys([*key]);
        }
        driver.app.hits = 1;
        let has = driver.app.has();
        let help = driver.keys(["?"]).screen();
        for info in ACTIONS {
            let here = info.everywhere || has.contains(&info.action);
            assert_eq!(
                help.contains(info.description),
                here,
                "{keys:?} {}: {help}",
                info.name
            );
            if here {
                listed.insert(info.name);
            }
        }
    }
    let missing: Vec<&str> = ACTIONS
        .iter()
        .filter(|info| !listed.contains(info.name))
        .map(|info| info.name)
        .collect();
    assert_eq!(missing, [""; 0], "on no screen");
}

#[test]
fn no_key_means_two_things_of_one_screen() {
    let mut driver = driver();
    for keys in [
        &["1"][..],
        &["2"],
        &["3"],
        &["4"],
        &["5"],
        &["4", "enter"],
        &["3", "enter"],
    ] {
        for key in keys {
            driver.keys([*key]);
        }
        let has = driver.app.has();
        let mut met = BTreeSet::new();
        for action in has {
            for key in driver.app.keys.names(action) {
                assert!(met.insert(key.clone()), "{key} on {keys:?}");
            }
        }
    }
    assert!(Action::named("quit").is_some());
}

#[test]
fn resizing_keeps_everything_in_its_place() {
    let mut driver = driver();
    driver.keys(["3", "down", "down", "down", "f"]).text("tcp");
    let before = driver.screen();
    for size in [(1, 1), (60, 15), (20, 60), (300, 100), (61, 16)] {
        driver.resize(size.0, size.1).screen();
    }
    assert_eq!(driver.resize(SIZE.0, SIZE.1).screen(), before);
}
