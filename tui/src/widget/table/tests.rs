//! Widths, selection and order.

use super::columns::{Wish, widths};
use super::*;
use crate::action::Action;

fn wish(least: u16, most: u16, priority: u8) -> Wish {
    Wish {
        least,
        most,
        priority,
    }
}

#[test]
fn columns_vanish_by_priority_and_grow_to_what_they_need() {
    let wishes = [wish(5, 20, 0), wish(4, 4, 3), wish(3, 6, 2)];
    assert_eq!(widths(&wishes, 40), [Some(20), Some(4), Some(6)]);
    assert_eq!(widths(&wishes, 21), [Some(10), Some(4), Some(3)]);
    assert_eq!(widths(&wishes, 20), [Some(13), None, Some(5)]);
    assert_eq!(widths(&wishes, 14), [Some(14), None, None]);
    assert_eq!(widths(&wishes, 9), [Some(9), None, None]);
    assert_eq!(widths(&wishes, 2), [Some(5), None, None], "the first stays");
    let wishes = [wish(5, 20, 0), wish(4, 20, 1)];
    assert_eq!(widths(&wishes, 12), [Some(6), Some(4)], "both are needed");
}

fn state() -> TableState {
    let columns: [Column<String>; 1] =
        [Column::new("name", (4, 8), 0, |row, _| row.clone().into())];
    TableState::new("test", &columns, ("name", false), None)
}

fn with_rows<T>(names: &[&str], act: impl FnOnce(&Rows<'_, String>) -> T) -> T {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    act(&Rows {
        len: names.len(),
        get: &|index| names.get(index),
        key: String::clone,
    })
}

#[test]
fn the_selection_stays_with_its_row_when_rows_move() {
    let mut state = state();
    with_rows(&["a", "b", "c"], |rows| {
        state.settle(rows, 10);
        state.navigate(Action::Down, rows);
    });
    with_rows(&["x", "y", "a", "b"], |rows| state.settle(rows, 10));
    assert_eq!(state.index(), 3);
    with_rows(&["x", "y"], |rows| state.settle(rows, 10));
    assert_eq!(state.index(), 1, "its row is gone");
    with_rows(&[], |rows| state.settle(rows, 10));
    assert_eq!(state.index(), 0);
}

#[test]
fn the_last_row_is_followed_until_another_one_is_selected() {
    let mut state = state();
    with_rows(&["a", "b"], |rows| state.navigate(Action::Last, rows));
    with_rows(&["a", "b", "c"], |rows| {
        state.settle(rows, 10);
        assert_eq!(state.index(), 2);
        state.navigate(Action::Up, rows);
    });
    with_rows(&["a", "b", "c", "d"], |rows| state.settle(rows, 10));
    assert_eq!(state.index(), 1);
}

#[test]
fn the_selected_row_is_on_the_screen() {
    let names: Vec<String> = (0..50).map(|n| format!("{n:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut state = state();
    with_rows(&names, |rows| {
        state.go(30, rows);
        state.settle(rows, 10);
        assert_eq!(state.offset, 21);
        state.go(25, rows);
        state.settle(rows, 10);
        assert_eq!(state.offset, 21, "no more than needed");
        state.go(3, rows);
        state.settle(rows, 10);
        assert_eq!(state.offset, 3);
        state.settle(rows, 60);
        assert_eq!(state.offset, 0);
    });
}
