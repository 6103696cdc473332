//! What each point saw of a flow, as a table.

use mirrorscope_engine::report::AtPoint;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::data::Ladder;
use crate::look::{Look, Role};
use crate::view::words::cut;
use crate::widget::text::clean;

/// Heads of the columns.
const HEADS: [&str; 7] = [
    "POINT",
    "SITE",
    ">",
    "<",
    "STATE",
    "HISTORY",
    "OUT OF STATE",
];

/// The table, heads included; its columns are as wide as what stands in them.
///
/// Points stand in the order of the lanes.
pub(super) fn lines(ladder: &Ladder, look: &Look) -> Vec<Line<'static>> {
    let mut all: Vec<&AtPoint> = ladder.flow.points.iter().collect();
    all.sort_by_key(|at| {
        let mut lanes = ladder.lanes.iter();
        lanes.position(|lane| lane.point == at.point && lane.site == at.site)
    });
    let mut rows = vec![HEADS.map(str::to_owned)];
    rows.extend(
        all.iter()
            .map(|at| cells(at).map(|cell| clean(&cell, look.signs))),
    );
    let widths: [usize; 7] = std::array::from_fn(|column| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| Span::raw(cell).width()).max().unwrap_or(0)
    });
    let mut points = all.into_iter();
    let lines = rows.into_iter().enumerate().map(|(index, row)| {
        let at = if index == 0 { None } else { points.next() };
        let mut line = Line::default();
        for (column, (cell, width)) in row.into_iter().zip(widths).enumerate() {
            let blanks = " ".repeat(width - Span::raw(&cell).width());
            let text = match column {
                2 | 3 => format!("{blanks}{cell}  "),
                _ => format!("{cell}{blanks}  "),
            };
            line.push_span(Span::styled(text, look.style(role(at, column))));
        }
        line
    });
    lines.collect()
}

/// How a cell looks.
fn role(at: Option<&AtPoint>, column: usize) -> Role {
    let Some(at) = at else { return Role::Heading };
    match column {
        1 | 4 | 5 => Role::Faint,
        2 if at.orig.packets > 0 => Role::Originator,
        3 if at.resp.packets > 0 => Role::Responder,
        2 | 3 => Role::Warning,
        6 => Role::Error,
        _ => Role::Text,
    }
}

fn cells(at: &AtPoint) -> [String; 7] {
    let out_of_state = at.firewall.as_ref().filter(|told| told.cause.is_none());
    let out_of_state = out_of_state.map(|told| {
        let first = if told.first.from == "orig" { '>' } else { '<' };
        format!("{}, first {first} {}", told.packets(), told.first.packet)
    });
    [
        at.point.clone(),
        at.site.clone(),
        at.orig.packets.to_string(),
        at.resp.packets.to_string(),
        at.state.to_owned(),
        at.history.clone(),
        out_of_state.unwrap_or_default(),
    ]
}

/// Draws it; `apart` if a blank line keeps it from what is above.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    lines: Vec<Line<'static>>,
    apart: bool,
    look: &Look,
) {
    for (row, line) in area.rows().skip(apart.into()).zip(lines) {
        frame.render_widget(cut(line, row.width, look), row);
    }
}
