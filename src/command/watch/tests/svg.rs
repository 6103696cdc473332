//! A screen as a picture: what every cell holds, at its place, whatever font a reader has.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::style::{Color, Modifier};

/// Size of a cell.
const CELL: (f32, f32) = (8.4, 18.0);
/// What is around the screen.
const MARGIN: f32 = 12.0;
/// Colours of a terminal that says nothing else.
const TEXT: &str = "#d0d0d0";
const GROUND: &str = "#16181d";

/// Draws a screen.
pub fn picture(screen: &Buffer) -> String {
    let (columns, rows) = (screen.area.width, screen.area.height);
    let (width, height) = (
        f32::from(columns) * CELL.0 + 2.0 * MARGIN,
        f32::from(rows) * CELL.1 + 2.0 * MARGIN,
    );
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
         viewBox=\"0 0 {width:.0} {height:.0}\">\n\
         <style>text {{ font: 14px 'DejaVu Sans Mono', Menlo, Consolas, monospace; white-space: pre; }} \
         .b {{ font-weight: bold; }}</style>\n\
         <rect width=\"100%\" height=\"100%\" rx=\"6\" fill=\"{GROUND}\"/>\n"
    );
    for (row, cells) in screen.content().chunks(columns.into()).enumerate() {
        let top = MARGIN + row as f32 * CELL.1;
        let mut column = 0;
        for run in cells.chunk_by(alike) {
            draw(&mut svg, run, column, top);
            column += run.len();
        }
    }
    svg.push_str("</svg>\n");
    svg
}

/// Cells that are drawn together. Signs stand alone: fonts that lack them take them from others, of other widths.
fn alike(one: &Cell, other: &Cell) -> bool {
    let is_sign = |cell: &Cell| !cell.symbol().is_ascii();
    one.style() == other.style()
        && (one.symbol() == other.symbol() || !is_sign(one) && !is_sign(other))
}

fn draw(svg: &mut String, run: &[Cell], column: usize, top: f32) {
    let Some(cell) = run.first() else { return };
    let (mut text, mut ground) = (colour(cell.fg), colour(cell.bg));
    if cell.modifier.contains(Modifier::REVERSED) {
        let (over, under) = (ground.take(), text.take());
        text = over.or(Some(GROUND.to_owned()));
        ground = under.or(Some(TEXT.to_owned()));
    }
    let left = MARGIN + column as f32 * CELL.0;
    let width = run.len() as f32 * CELL.0;
    if let Some(ground) = ground {
        let height = CELL.1;
        // Writing to a string cannot fail.
        let _ = writeln!(
            svg,
            "<rect x=\"{left:.1}\" y=\"{top:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" fill=\"{ground}\"/>"
        );
    }
    let symbols: String = run.iter().map(Cell::symbol).collect();
    if symbols.trim().is_empty() {
        return;
    }
    let text = text.unwrap_or_else(|| TEXT.to_owned());
    let mut marks = format!("fill=\"{text}\"");
    if cell.modifier.contains(Modifier::BOLD) {
        marks.push_str(" class=\"b\"");
    }
    if cell.modifier.contains(Modifier::DIM) {
        marks.push_str(" opacity=\"0.6\"");
    }
    let base = top + 13.5;
    let symbols = symbols.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        "<text x=\"{left:.1}\" y=\"{base:.1}\" textLength=\"{width:.1}\" lengthAdjust=\"spacingAndGlyphs\" \
         xml:space=\"preserve\" {marks}>{symbols}</text>"
    );
}

/// A colour of the 256 as numbers; nothing where a terminal has its own.
fn colour(colour: Color) -> Option<String> {
    let (red, green, blue) = match colour {
        Color::Reset => return None,
        Color::Rgb(red, green, blue) => (red, green, blue),
        Color::Indexed(index @ 16..=231) => {
            let level = |step: u8| if step == 0 { 0 } else { step * 40 + 55 };
            let cube = index - 16;
            (level(cube / 36), level(cube / 6 % 6), level(cube % 6))
        }
        Color::Indexed(index @ 232..) => {
            let grey = (index - 232) * 10 + 8;
            (grey, grey, grey)
        }
        other => panic!("{other} looks different in every terminal"),
    };
    Some(format!("#{red:02x}{green:02x}{blue:02x}"))
}
