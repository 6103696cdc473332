//! Parts that recur: sections with a heading, tables that can be sorted.

use std::fmt::Display;

use maud::{Markup, html};

/// A section with its heading.
pub(super) fn section(id: &str, title: &str, body: &Markup) -> Markup {
    html! {
        section id=(id) aria-labelledby={ (id) "-title" } {
            h2 id={ (id) "-title" } { (title) }
            (body)
        }
    }
}

/// A column of a table.
pub(super) struct Column {
    /// Its title.
    pub title: &'static str,
    /// What it means, for who points at it.
    pub help: &'static str,
    /// It holds figures, which stand at the right.
    pub figures: bool,
}

impl Column {
    /// A column of words.
    pub(super) const fn new(title: &'static str, help: &'static str) -> Self {
        Self {
            title,
            help,
            figures: false,
        }
    }

    /// A column of figures.
    pub(super) const fn figures(title: &'static str, help: &'static str) -> Self {
        Self {
            title,
            help,
            figures: true,
        }
    }
}

/// A cell: what is shown, and what it is sorted by if that is another thing.
pub(super) struct Cell {
    shown: Markup,
    sort: Option<String>,
}

impl Cell {
    /// Sorted by what is shown.
    pub(super) fn new(shown: impl maud::Render) -> Self {
        Self {
            shown: html! { (shown) },
            sort: None,
        }
    }

    /// Sorted by something else.
    pub(super) fn by(shown: impl maud::Render, sort: &dyn Display) -> Self {
        Self {
            shown: html! { (shown) },
            sort: Some(sort.to_string()),
        }
    }
}

/// A row: its cells, and an anchor to it.
pub(super) struct Row {
    /// The anchor.
    pub id: Option<String>,
    /// The class, which tells what it means.
    pub class: &'static str,
    /// Cells, as many as columns; the first names the row.
    pub cells: Vec<Cell>,
}

/// A table with a caption. A script makes its headers buttons that sort it; without one it is a table all the same.
pub(super) fn table(caption: &str, columns: &[Column], rows: &[Row]) -> Markup {
    html! {
        div.scroll tabindex="0" role="region" aria-label=(caption) {
            table.sortable {
                caption { (caption) }
                thead {
                    tr {
                        @for column in columns {
                            th scope="col" class=(class(column)) title=(column.help) { (column.title) }
                        }
                    }
                }
                tbody {
                    @for row in rows {
                        tr id=[row.id.as_deref()] class=(row.class) {
                            @for (index, (cell, column)) in row.cells.iter().zip(columns).enumerate() {
                                @if index == 0 {
                                    th scope="row" class=(class(column)) data-sort=[cell.sort.as_deref()] { (cell.shown) }
                                } @else {
                                    td class=(class(column)) data-sort=[cell.sort.as_deref()] { (cell.shown) }
                                }
                            }
                        }
                    }
                }
            }
        }
    }
}

fn class(column: &Column) -> &'static str {
    if column.figures { "figures" } else { "words" }
}
