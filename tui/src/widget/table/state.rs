//! What a table remembers between two drawings.

use ratatui::layout::Position;

use super::columns::{Column, Preference, Sort};
use super::{Rows, draw};
use crate::action::Action;
use crate::view::Context;
use crate::widget::text;

/// It.
#[derive(Clone, Debug)]
pub struct TableState {
    /// The table's name in the configuration.
    pub name: &'static str,
    /// Its columns in the order of their declaration.
    pub columns: Vec<Shown>,
    /// The column that it is sorted by, and whether the other way round.
    pub order: (usize, bool),
    /// What is searched for.
    pub search: String,
    /// Rows that hold it, in ascending order.
    pub hits: Vec<usize>,
    /// The row that keys act on.
    pub(super) index: usize,
    /// What that row is known by.
    pub(super) selected: Option<String>,
    /// The first row on the screen.
    pub(super) offset: usize,
    /// The selection stays at the end, whatever comes.
    follow: bool,
    pub(super) drawn: draw::Drawn,
}

/// What a user may know and choose of a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    /// Its name.
    pub name: &'static str,
    /// Whether it is there.
    pub shown: bool,
    /// Whether rows can be sorted by it.
    pub sortable: bool,
    /// Whether it is always there.
    pub fixed: bool,
}

/// What was clicked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Click {
    /// The head of a column: the order is another one now.
    Head,
    /// A row, which is selected now.
    Row,
    /// Nothing.
    Nothing,
}

impl TableState {
    /// A table of that name, sorted by its column `sort`, as far as the user did not choose otherwise.
    pub fn new<R>(
        name: &'static str,
        columns: &[Column<R>],
        (sort, descending): (&str, bool),
        chosen: Option<&Preference>,
    ) -> Self {
        let shown = |column: &Column<R>| match chosen.and_then(|chosen| chosen.columns.as_ref()) {
            Some(names) => names.iter().any(|name| name == column.name),
            None => column.shown,
        };
        let columns: Vec<Shown> = columns
            .iter()
            .map(|column| Shown {
                name: column.name,
                shown: shown(column) || column.priority == 0,
                sortable: !matches!(column.sort, Sort::No),
                fixed: column.priority == 0,
            })
            .collect();
        let place = |sort: &str| columns.iter().position(|c| c.name == sort && c.sortable);
        let own = chosen.and_then(|chosen| Some((place(chosen.sort.as_ref()?)?, chosen)));
        let order = match own {
            Some((column, chosen)) => (column, chosen.descending),
            None => (place(sort).unwrap_or_default(), descending),
        };
        Self {
            name,
            columns,
            order,
            search: String::new(),
            hits: Vec::new(),
            index: 0,
            selected: None,
            offset: 0,
            follow: false,
            drawn: draw::Drawn::default(),
        }
    }

    /// What the user chose, to be kept.
    pub fn preference(&self) -> Preference {
        let shown = self.columns.iter().filter(|column| column.shown);
        Preference {
            columns: Some(shown.map(|column| column.name.to_owned()).collect()),
            sort: self
                .columns
                .get(self.order.0)
                .map(|column| column.name.to_owned()),
            descending: self.order.1,
        }
    }

    /// The row that keys act on.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The rows that the screen has room for, as drawn last.
    pub fn window(&self) -> std::ops::Range<usize> {
        self.offset..self.offset + self.drawn.height().max(1)
    }

    /// Selects what is known by a key as soon as it is there.
    pub fn select(&mut self, key: String) {
        self.selected = Some(key);
    }

    /// Selects a row.
    pub fn go<R>(&mut self, index: usize, rows: &Rows<'_, R>) {
        self.index = index.min(rows.len.saturating_sub(1));
        self.selected = rows.key_at(self.index);
        self.follow = false;
    }

    /// The next row that holds what is searched for, or the one before; behind the last comes the first.
    pub fn hit(&self, forward: bool) -> Option<usize> {
        let at = self.index;
        let next = if forward {
            let next = self.hits.iter().find(|hit| **hit > at);
            next.or(self.hits.first())
        } else {
            let previous = self.hits.iter().rev().find(|hit| **hit < at);
            previous.or(self.hits.last())
        };
        next.copied()
    }

    /// Whether a row holds what is searched for in a column that is shown.
    pub fn holds<R>(&self, row: &R, columns: &[Column<R>], cx: &Context<'_>) -> bool {
        let mut shown = columns.iter().zip(&self.columns).filter(|(_, c)| c.shown);
        // Most of the time nothing is searched for, and rows are many.
        !self.search.is_empty()
            && shown.any(|(column, _)| {
                let cell = (column.cell)(row, cx).to_string();
                !text::hits(&cell, &self.search).is_empty()
            })
    }

    /// Starts at the first row again: the rows are others.
    pub fn restart(&mut self) {
        (self.index, self.offset, self.selected) = (0, 0, None);
        self.hits.clear();
        self.follow = false;
    }

    /// Moves the selection; false if the action is another one.
    pub fn navigate<R>(&mut self, action: Action, rows: &Rows<'_, R>) -> bool {
        let page = self.drawn.height().saturating_sub(1).max(1);
        let index = match action {
            Action::Up => self.index.saturating_sub(1),
            Action::Down => self.index.saturating_add(1),
            Action::PageUp => self.index.saturating_sub(page),
            Action::PageDown => self.index.saturating_add(page),
            Action::First => 0,
            Action::Last => usize::MAX,
            _ => return false,
        };
        self.go(index, rows);
        self.follow = action == Action::Last;
        true
    }

    /// Sorts by a column; by the same one the other way round.
    pub fn sort_by(&mut self, column: usize) {
        if self.columns.get(column).is_some_and(|c| c.sortable) {
            let same = self.order.0 == column;
            self.order = (column, same && !self.order.1);
        }
    }

    /// Sorts the other way round.
    pub fn reverse(&mut self) {
        self.order.1 = !self.order.1;
    }

    /// Shows a column or leaves it out; those that matter most always stay.
    pub fn toggle(&mut self, column: usize) {
        if let Some(column) = self.columns.get_mut(column) {
            column.shown = !column.shown || column.fixed;
        }
    }

    /// Takes a click.
    pub fn click<R>(&mut self, at: Position, rows: &Rows<'_, R>) -> Click {
        if let Some(column) = self.drawn.head_at(at) {
            self.sort_by(column);
            return Click::Head;
        }
        let body = self.drawn.body;
        let index = self.offset + usize::from(at.y.saturating_sub(body.y));
        if !body.contains(at) || index >= rows.len {
            return Click::Nothing;
        }
        self.go(index, rows);
        Click::Row
    }

    /// Finds the selected row again among rows that have moved, and keeps it on a screen of so many rows.
    pub fn settle<R>(&mut self, rows: &Rows<'_, R>, height: usize) {
        let last = rows.len.saturating_sub(1);
        if self.follow {
            self.index = last;
            self.selected = rows.key_at(last);
        } else if let Some(selected) = &self.selected {
            if rows.key_at(self.index).as_ref() != Some(selected) {
                let mut places = (0..rows.len).filter(|&index| (rows.get)(index).is_some());
                let place = places.find(|&index| rows.key_at(index).as_ref() == Some(selected));
                self.index = place.unwrap_or(self.index);
            }
        } else {
            self.selected = rows.key_at(self.index);
        }
        self.index = self.index.min(last);
        let lowest = (self.index + 1).saturating_sub(height.max(1));
        self.offset = self.offset.clamp(lowest, self.index.max(lowest));
        // No empty rows at the end while there are others above.
        self.offset = self.offset.min(rows.len.saturating_sub(height));
    }
}
