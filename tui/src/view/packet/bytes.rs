//! The bytes of a packet in hexadecimal and as characters.

use std::fmt::Write as _;
use std::ops::Range;

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use crate::look::{Look, Role};

/// Columns of a line of 16 bytes: place, hexadecimal in two halves, characters.
const WIDE: u16 = 4 + 2 + 16 * 3 + 1 + 1 + 16;

/// Which bytes are marked, and how.
pub(super) struct Marks {
    /// Those of the layer.
    pub(super) layer: Range<usize>,
    /// Those of the field, or again of the layer.
    pub(super) field: Range<usize>,
}

/// Bytes in hexadecimal, one behind the other.
pub(super) fn plain(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Columns that the bytes want beside the tree, or rows below it.
pub(super) fn size(bytes: usize, area: Rect, beside: bool) -> u16 {
    if beside {
        return WIDE + 2;
    }
    let rows = bytes.div_ceil(per_line(area.width)) as u16;
    (area.height * 2 / 5).min(rows + 1)
}

fn per_line(width: u16) -> usize {
    if width >= WIDE { 16 } else { 8 }
}

/// Draws them so that the marked ones are seen; gives the first line that is shown.
pub(super) fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    bytes: &[u8],
    marks: &Marks,
    top: usize,
    look: &Look,
) -> usize {
    if area.is_empty() || bytes.is_empty() {
        return top;
    }
    // A blank line or column keeps them from the tree.
    let area = if area.width > WIDE + 1 && area.x > 0 {
        Rect {
            x: area.x + 2,
            width: area.width - 2,
            ..area
        }
    } else {
        Rect {
            y: area.y + 1,
            height: area.height - 1,
            ..area
        }
    };
    let per_line = per_line(area.width);
    let height = usize::from(area.height).max(1);
    let first = marks.field.start / per_line;
    let last = marks.field.end.saturating_sub(1).max(marks.field.start) / per_line;
    let lines = bytes.len().div_ceil(per_line);
    let mut top = top.min(lines.saturating_sub(height));
    if last >= top + height {
        top = last + 1 - height;
    }
    top = top.min(first);
    for (row, line) in area.rows().zip(top..lines) {
        frame.render_widget(hex_line(bytes, line * per_line, per_line, marks, look), row);
    }
    top
}

fn hex_line(
    bytes: &[u8],
    start: usize,
    per_line: usize,
    marks: &Marks,
    look: &Look,
) -> Line<'static> {
    let style = |at: usize| -> Style {
        if marks.field.contains(&at) {
            look.style(Role::Selected)
        } else if marks.layer.contains(&at) {
            look.style(Role::Heading)
        } else {
            look.style(Role::Faint)
        }
    };
    let mut spans = vec![Span::styled(
        format!("{start:04x}  "),
        look.style(Role::Faint),
    )];
    for at in start..start + per_line {
        let half = if at == start + 7 && per_line == 16 {
            "  "
        } else {
            " "
        };
        match bytes.get(at) {
            Some(byte) => {
                // Blanks between two marked bytes are marked with them.
                let joined = at + 1 < start + per_line && style(at) == style(at + 1);
                let behind = if joined { style(at) } else { Style::new() };
                spans.push(Span::styled(format!("{byte:02x}"), style(at)));
                spans.push(Span::styled(half, behind));
            }
            None => spans.push(Span::raw(format!("  {half}"))),
        }
    }
    spans.push(Span::raw(" "));
    for (at, byte) in bytes.iter().enumerate().skip(start).take(per_line) {
        let text = match byte {
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => look.signs.either("·", ".").to_owned(),
        };
        spans.push(Span::styled(text, style(at)));
    }
    Line::from(spans)
}
