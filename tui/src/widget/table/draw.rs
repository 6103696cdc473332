//! Drawing a table.

use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::text::{Line, Span};
use ratatui::widgets::{Scrollbar, ScrollbarOrientation, ScrollbarState};
use unicode_width::UnicodeWidthStr as _;

use super::columns::{Column, GAP, Wish, widths};
use super::{Rows, TableState};
use crate::look::Role;
use crate::view::Context;
use crate::widget::text;

/// Signs in front of a row: selected, marked.
const GUTTER: u16 = 3;

/// What is known of a table since it was drawn.
#[derive(Clone, Debug, Default)]
pub(super) struct Drawn {
    /// Its rows.
    pub body: Rect,
    /// Its heads.
    heads: Vec<(usize, Rect)>,
    /// The widest cell of each column so far: columns do not jump about while rows pass by.
    widest: Vec<u16>,
    /// The area that this is true for.
    area: Rect,
}

impl Drawn {
    /// Rows that there is room for.
    pub fn height(&self) -> usize {
        usize::from(self.body.height)
    }

    /// The column whose head is at a place.
    pub fn head_at(&self, at: Position) -> Option<usize> {
        let head = self.heads.iter().find(|(_, area)| area.contains(at));
        head.map(|(column, _)| *column)
    }
}

/// Draws a table; `empty` says why there are no rows.
pub fn draw<R>(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &mut TableState,
    columns: &[Column<R>],
    rows: &Rows<'_, R>,
    cx: &Context<'_>,
    empty: &str,
) {
    if state.drawn.area != area {
        state.drawn = Drawn {
            area,
            ..Drawn::default()
        };
    }
    let head = Rect { height: 1, ..area }.intersection(area);
    let body = Rect {
        y: area.y + head.height,
        height: area.height - head.height,
        ..area
    };
    state.drawn.body = body;
    state.settle(rows, usize::from(body.height));
    let shown = state.offset..rows.len.min(state.offset + usize::from(body.height));
    let lines: Vec<Option<(&R, Vec<Line<'static>>)>> = shown
        .clone()
        .map(|index| {
            let row = (rows.get)(index)?;
            Some((row, columns.iter().map(|c| (c.cell)(row, cx)).collect()))
        })
        .collect();
    let fitted = fit(
        state,
        columns,
        &lines,
        area.width.saturating_sub(GUTTER + 1),
    );
    heads(frame, head, state, columns, &fitted, cx);
    if rows.len == 0 {
        let line = text::clean(empty, cx.look.signs);
        let area = Rect {
            x: body.x + GUTTER,
            width: body.width.saturating_sub(GUTTER),
            ..body
        };
        frame.render_widget(Line::styled(line, cx.look.style(Role::Faint)), area);
        return;
    }
    for (line, (index, y)) in lines.iter().zip(shown.zip(body.y..)) {
        let area = Rect {
            y,
            height: 1,
            ..body
        };
        let selected = index == state.index;
        let marked = line
            .as_ref()
            .is_some_and(|(row, _)| cx.marked.contains(&(rows.key)(row)));
        let mut spans = vec![gutter(selected, marked, cx)];
        match line {
            Some((_, cells)) => {
                for ((column, cell), width) in columns.iter().zip(cells).zip(&fitted) {
                    if let Some(width) = width {
                        let width = usize::from(*width);
                        let cell = text::cell(&cell.spans, width, &state.search, cx.look);
                        spans.extend(aligned(cell, width, column.figures));
                    }
                }
            }
            None => spans.push(Span::styled(
                cx.look.signs.more().to_owned(),
                cx.look.style(Role::Faint),
            )),
        }
        frame.render_widget(Line::from(spans), area);
        if selected {
            let style = cx.look.style(Role::Selected);
            let bar = Rect {
                width: area.width.saturating_sub(1),
                ..area
            };
            frame.buffer_mut().set_style(bar, style);
        }
    }
    scroll_bar(frame, body, state.offset, rows.len, cx);
}

fn gutter(selected: bool, marked: bool, cx: &Context<'_>) -> Span<'static> {
    let signs = cx.look.signs;
    let at = if selected {
        signs.either("▸", ">")
    } else {
        " "
    };
    let mark = if marked { signs.mark() } else { " " };
    let role = if marked { Role::Marked } else { Role::Text };
    Span::styled(format!("{at}{mark} "), cx.look.style(role))
}

/// A cell with the blanks that it needs, and those behind it.
fn aligned(cell: Vec<Span<'static>>, width: usize, right: bool) -> Vec<Span<'static>> {
    let taken: usize = cell.iter().map(|span| span.content.width()).sum();
    let blanks = width.saturating_sub(taken);
    let (front, back) = if right { (blanks, 0) } else { (0, blanks) };
    let mut spans = vec![Span::raw(" ".repeat(front))];
    spans.extend(cell);
    spans.push(Span::raw(" ".repeat(back + usize::from(GAP))));
    spans
}

fn fit<R>(
    state: &mut TableState,
    columns: &[Column<R>],
    lines: &[Option<(&R, Vec<Line<'static>>)>],
    room: u16,
) -> Vec<Option<u16>> {
    let mut wishes = Vec::new();
    state.drawn.widest.resize(columns.len(), 0);
    for (index, column) in columns.iter().enumerate() {
        let cells = lines
            .iter()
            .flatten()
            .filter_map(|(_, cells)| cells.get(index));
        let widest = cells.map(Line::width).max().unwrap_or_default();
        // The head, with the sign of order if it has one.
        let sign = if state.order.0 == index { 2 } else { 0 };
        let head = column.name.width() + sign;
        if let Some(known) = state.drawn.widest.get_mut(index) {
            *known = (*known).max(widest as u16);
            let most = (*known)
                .max(head as u16)
                .clamp(column.width.0, column.width.1);
            wishes.push(Wish {
                least: column.width.0.min(most),
                most,
                priority: column.priority,
            });
        }
    }
    let shown: Vec<usize> = state
        .columns
        .iter()
        .enumerate()
        .filter(|(_, column)| column.shown)
        .map(|(index, _)| index)
        .collect();
    let chosen: Vec<Wish> = shown
        .iter()
        .filter_map(|index| wishes.get(*index).copied())
        .collect();
    let mut fitted = vec![None; columns.len()];
    for (index, width) in shown.iter().zip(widths(&chosen, room)) {
        if let Some(slot) = fitted.get_mut(*index) {
            *slot = width;
        }
    }
    fitted
}

fn heads<R>(
    frame: &mut Frame<'_>,
    area: Rect,
    state: &mut TableState,
    columns: &[Column<R>],
    fitted: &[Option<u16>],
    cx: &Context<'_>,
) {
    state.drawn.heads.clear();
    let signs = cx.look.signs;
    let mut x = area.x + GUTTER;
    for (index, (column, width)) in columns.iter().zip(fitted).enumerate() {
        let Some(width) = *width else { continue };
        let sorted =
            (state.order.0 == index && !matches!(column.sort, super::Sort::No)).then(|| {
                if state.order.1 {
                    signs.either("▾", "v")
                } else {
                    signs.either("▴", "^")
                }
            });
        let name = match sorted {
            Some(sign) if column.figures => format!("{sign} {}", column.name),
            Some(sign) => format!("{} {sign}", column.name),
            None => column.name.to_owned(),
        };
        let name = text::fit(&name, usize::from(width), signs);
        let role = if sorted.is_some() {
            Role::Heading
        } else {
            Role::Faint
        };
        let spans = aligned(
            vec![Span::styled(name, cx.look.style(role))],
            usize::from(width),
            column.figures,
        );
        let place = Rect::new(x, area.y, width + GAP, 1).intersection(area);
        frame.render_widget(Line::from(spans), place);
        state.drawn.heads.push((index, place));
        x += width + GAP;
    }
}

/// Draws a scroll bar at the right, if there is more than fits.
pub fn scroll_bar(frame: &mut Frame<'_>, area: Rect, offset: usize, len: usize, cx: &Context<'_>) {
    let height = usize::from(area.height);
    if len <= height {
        return;
    }
    let signs = cx.look.signs;
    let bar = Scrollbar::new(ScrollbarOrientation::VerticalRight)
        .begin_symbol(None)
        .end_symbol(None)
        .thumb_symbol(signs.either("┃", "#"))
        .track_symbol(Some(signs.either("│", "|")))
        .style(cx.look.style(Role::Border));
    // The thumb reaches the end when the last row is on the screen.
    let mut state = ScrollbarState::new(len - height)
        .position(offset)
        .viewport_content_length(height);
    frame.render_stateful_widget(bar, area, &mut state);
}
