//! Text in a given number of columns of the screen. What comes from packets is made printable here, at the last step.

use std::ops::Range;

use mirrorscope_engine::point::printable;
use ratatui::style::Style;
use ratatui::text::{Line, Span};
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use crate::look::{Look, Role, Signs};

/// A text as it may stand on a screen.
pub fn clean(text: &str, signs: Signs) -> String {
    signs.text(&printable(text))
}

/// A text cut to so many columns, with a sign where it was cut.
pub fn fit(text: &str, columns: usize, signs: Signs) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut left = columns.saturating_sub(signs.more().width());
    let mut short = String::new();
    for letter in text.chars() {
        let width = letter.width().unwrap_or_default();
        if width > left {
            break;
        }
        left -= width;
        short.push(letter);
    }
    if columns > 0 {
        short.push_str(signs.more());
    }
    short
}

/// Spans cut to so many columns, clean, with the hits of a search set apart.
pub fn cell(spans: &[Span<'_>], columns: usize, hit: &str, look: &Look) -> Vec<Span<'static>> {
    let mut left = columns;
    let mut cell = Vec::new();
    for span in spans {
        let text = clean(&span.content, look.signs);
        let text = fit(&text, left, look.signs);
        left -= text.width().min(left);
        set_apart(&text, span.style, hit, look, &mut cell);
    }
    cell
}

fn set_apart(text: &str, style: Style, hit: &str, look: &Look, into: &mut Vec<Span<'static>>) {
    let mut from = 0;
    for Range { start, end } in hits(text, hit) {
        into.push(Span::styled(text[from..start].to_owned(), style));
        let style = look.style(Role::Hit);
        into.push(Span::styled(text[start..end].to_owned(), style));
        from = end;
    }
    into.push(Span::styled(text[from..].to_owned(), style));
}

/// Where a text holds another one; letters of ASCII are the same in upper and lower case.
pub fn hits(text: &str, wanted: &str) -> Vec<Range<usize>> {
    if wanted.is_empty() {
        return Vec::new();
    }
    // Lower case of ASCII alone keeps every byte in its place.
    let (text, wanted) = (text.to_ascii_lowercase(), wanted.to_ascii_lowercase());
    let hits = text.match_indices(&wanted);
    hits.map(|(start, hit)| start..start + hit.len()).collect()
}

/// A paragraph in lines of so many columns, each in one style.
pub fn wrap(text: &str, columns: usize, style: Style, signs: Signs) -> Vec<Line<'static>> {
    let text = clean(text, signs);
    let mut lines = Vec::new();
    let mut line = String::new();
    for word in text.split(' ') {
        let blank = usize::from(!line.is_empty());
        if line.width() + blank + word.width() > columns && !line.is_empty() {
            lines.push(Line::styled(std::mem::take(&mut line), style));
        } else if blank > 0 {
            line.push(' ');
        }
        line.push_str(&fit(word, columns, signs));
    }
    lines.push(Line::styled(line, style));
    lines
}

/// A paragraph behind a label that stands in front of its first line.
pub fn labelled(
    label: &str,
    text: &str,
    columns: usize,
    (label_role, role): (Role, Role),
    look: &Look,
) -> Vec<Line<'static>> {
    /// Columns of a label.
    const LABEL: usize = 12;
    let lines = wrap(
        text,
        columns.saturating_sub(LABEL),
        look.style(role),
        look.signs,
    );
    let lines = lines.into_iter().enumerate().map(|(index, line)| {
        let label = if index == 0 { label } else { "" };
        let label = fit(&clean(label, look.signs), LABEL - 1, look.signs);
        let pad = " ".repeat(LABEL - label.width().min(LABEL));
        let mut spans = vec![Span::styled(label + &pad, look.style(label_role))];
        let style = line.style;
        spans.extend(line.spans.into_iter().map(|span| span.patch_style(style)));
        Line::from(spans)
    });
    lines.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIGNS: Signs = Signs { ascii: false };

    #[test]
    fn wide_characters_take_two_columns() {
        assert_eq!(fit("数据中心", 8, SIGNS), "数据中心");
        assert_eq!(fit("数据中心", 7, SIGNS), "数据中…");
        assert_eq!(fit("数据中心", 6, SIGNS), "数据…");
        assert_eq!(fit("abc", 2, Signs { ascii: true }), "a~");
        assert_eq!(fit("abc", 0, SIGNS), "");
    }

    #[test]
    fn hits_are_found_in_any_case_and_do_not_move() {
        assert_eq!(hits("ÄFw1 fW1", "FW1"), [2..5, 6..9]);
        assert_eq!(hits("fw1", ""), []);
    }

    #[test]
    fn what_acts_on_a_terminal_is_spelled_out() {
        let look = Look::default();
        let spans = cell(&[Span::raw("a\u{1b}[2Jb\u{202e}c")], 40, "", &look);
        let text: String = spans.iter().map(|span| span.content.as_ref()).collect();
        assert_eq!(text, "a\\u{1b}[2Jb\\u{202e}c");
    }

    #[test]
    fn paragraphs_keep_to_their_columns() {
        let lines = wrap("one two three fourteen", 9, Style::new(), SIGNS);
        let texts: Vec<String> = lines.iter().map(ToString::to_string).collect();
        assert_eq!(texts, ["one two", "three", "fourteen"]);
        let long = wrap("abcdefghijk", 5, Style::new(), SIGNS);
        assert_eq!(long[0].to_string(), "abcd…");
    }
}
