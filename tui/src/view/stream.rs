//! What two ends said to each other, stitched from all points.

mod chunks;
mod index;
mod search;

use ratatui::Frame;
use ratatui::layout::{Constraint, Layout, Position, Rect};
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::asked::{Asked, is_old};
use super::cursor::Cursor;
use super::words::{self, clock, count, cut};
use super::{Context, Effect, View};
use crate::action::Action;
use crate::data::{Answer, Ask, FlowId, Stream};
use crate::look::{Look, Role};
use crate::widget::text::clean;
use chunks::{Body, Chunk, chunks};
use index::{Entry, Form, Index};
use search::Hits;

/// The screen of a stream.
#[derive(Debug)]
pub struct StreamView {
    id: FlowId,
    stream: Asked<Stream>,
    chunks: Vec<Chunk>,
    index: Index,
    form: Form,
    hits: Hits,
    cursor: Cursor,
    /// The snapshot at which it was asked for last; none while an answer is awaited.
    asked: Option<u64>,
    area: Rect,
}

impl StreamView {
    /// The stream of this flow.
    pub fn new(id: FlowId) -> Self {
        Self {
            id,
            stream: Asked::Waiting,
            chunks: Vec::new(),
            index: Index::default(),
            form: Form::Text,
            hits: Hits::default(),
            cursor: Cursor::default(),
            asked: None,
            area: Rect::ZERO,
        }
    }

    /// The chunk that the selected line is of.
    fn chunk(&self) -> Option<(&Entry, &Chunk)> {
        let entry = self.index.lines().get(self.cursor.selected)?;
        Some((entry, self.chunks.get(entry.chunk)?))
    }

    /// To a hit of the search, from the selected line.
    fn turn(&mut self, forwards: bool) {
        let Some(entry) = self.index.lines().get(self.cursor.selected) else {
            return;
        };
        if let Some((chunk, at)) = self.hits.next(entry, forwards) {
            self.cursor.selected = self.index.line_of(chunk, at);
        }
    }

    /// Another form, at the same bytes.
    fn reform(&mut self) {
        let place = self
            .chunk()
            .map(|(entry, _)| (entry.chunk, entry.bytes.start));
        self.form = self.form.next();
        self.index = Index::new(&self.chunks, self.form, self.area.width);
        if let Some((chunk, at)) = place {
            self.cursor.selected = self.index.line_of(chunk, at);
        }
    }
}

impl View for StreamView {
    fn title(&self, _: &Context<'_>) -> String {
        "stream".to_owned()
    }

    fn opened(&mut self, _: &Context<'_>) -> Vec<Effect> {
        self.asked = None;
        vec![Effect::Ask(Ask::Stream(self.id.clone()))]
    }

    fn learned(&mut self, cx: &Context<'_>) -> Vec<Effect> {
        let known = self.stream.get().zip(self.asked);
        let is_old = known.is_some_and(|(stream, asked)| is_old(&stream.flow, asked, cx));
        if is_old { self.opened(cx) } else { Vec::new() }
    }

    fn answer(&mut self, answer: &Answer, cx: &Context<'_>) -> bool {
        let Answer::Stream(id, stream) = answer else {
            return false;
        };
        if *id != self.id {
            return false;
        }
        self.asked = Some(cx.snapshot.generation);
        let lines = self.index.lines().len();
        let follows = lines > 0 && self.cursor.selected + 1 == lines;
        self.stream.take(stream);
        self.chunks = self
            .stream
            .get()
            .map_or(Vec::new(), |stream| chunks(&stream.pieces));
        self.index = Index::new(&self.chunks, self.form, self.area.width);
        // What was looked for may occur in what is new; who was at the end stays there.
        self.hits = Hits::find(&self.chunks, self.hits.text());
        if follows {
            self.cursor.act(Action::Last, self.index.lines().len());
        }
        true
    }

    fn actions(&self) -> &'static [Action] {
        &[
            Action::Search,
            Action::NextHit,
            Action::PreviousHit,
            Action::Form,
            Action::Copy,
            Action::Export,
        ]
    }

    fn act(&mut self, action: Action, cx: &Context<'_>) -> Vec<Effect> {
        if self.cursor.act(action, self.index.lines().len()) {
            return Vec::new();
        }
        match action {
            Action::NextHit => self.turn(true),
            Action::PreviousHit => self.turn(false),
            Action::Form => self.reform(),
            Action::Export => return cx.export(std::slice::from_ref(&self.id)),
            Action::Copy => {
                let text = self.chunk().and_then(|(_, chunk)| chunk.text());
                return text.map(Effect::Copy).into_iter().collect();
            }
            _ => {}
        }
        Vec::new()
    }

    fn click(&mut self, at: Position, _: bool, _: &Context<'_>) -> Vec<Effect> {
        if self.area.contains(at)
            && let Some(line) = self
                .cursor
                .line_at(at.y - self.area.y, self.index.lines().len())
        {
            self.cursor.selected = line;
        }
        Vec::new()
    }

    fn search(&mut self, text: &str, _: &Context<'_>) -> usize {
        self.hits = Hits::find(&self.chunks, text);
        if let Some(entry) = self.index.lines().get(self.cursor.selected)
            && let Some((chunk, at)) = self.hits.from(entry)
        {
            self.cursor.selected = self.index.line_of(chunk, at);
        }
        self.hits.len()
    }

    fn draw(&mut self, frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
        let Some(stream) = self.stream.get().cloned() else {
            return self
                .stream
                .draw(frame, area, cx.look, "what this flow said");
        };
        let [head, body] = area.layout(&Layout::vertical([
            Constraint::Length(3),
            Constraint::Min(0),
        ]));
        if self.index.width() != body.width {
            let place = self
                .chunk()
                .map(|(entry, _)| (entry.chunk, entry.bytes.start));
            self.index = Index::new(&self.chunks, self.form, body.width);
            let line = place.map(|(chunk, at)| self.index.line_of(chunk, at));
            self.cursor.selected = line.unwrap_or_default();
        }
        self.area = body;
        let said = self.said(&stream, cx.look);
        for (row, line) in head.rows().zip(said) {
            frame.render_widget(cut(line, row.width, cx.look), row);
        }
        if self.chunks.is_empty() {
            let nothing = "Neither end said anything that was seen.";
            frame.render_widget(Line::styled(nothing, cx.look.style(Role::Faint)), body);
        }
        let shown = self.cursor.show(self.index.lines().len(), body.height);
        for (row, at) in body.rows().zip(shown) {
            let Some(entry) = self.index.lines().get(at) else {
                continue;
            };
            let Some(chunk) = self.chunks.get(entry.chunk) else {
                continue;
            };
            let line = self.line(entry, chunk, at == self.cursor.selected, cx.look);
            frame.render_widget(line, row);
        }
    }
}

impl StreamView {
    /// Who said how much, and where the reader is.
    fn said(&self, stream: &Stream, look: &Look) -> [Line<'static>; 3] {
        let bytes = |from_originator| {
            let chunks = self
                .chunks
                .iter()
                .filter(|chunk| chunk.from_originator == from_originator);
            chunks.map(Chunk::len).sum()
        };
        let mut facts = vec![
            Span::styled(
                format!("> {}", count(bytes(true), "byte")),
                look.style(Role::Originator),
            ),
            Span::raw("  "),
            Span::styled(
                format!("< {}", count(bytes(false), "byte")),
                look.style(Role::Responder),
            ),
        ];
        if stream.left_out > 0 {
            let told = format!(
                "  {} more are not kept for this view",
                count(stream.left_out, "byte")
            );
            facts.push(Span::styled(told, look.style(Role::Warning)));
        }
        let mut place = String::new();
        if let Some((entry, chunk)) = self.chunk() {
            let lines = self.index.lines().len();
            place = format!("line {} of {lines}", self.cursor.selected + 1);
            place = format!("{place}, byte {}", chunk.offset + entry.bytes.start as u64);
            if let Some(time) = chunk.time {
                place = format!("{place}, {}", clock(time));
            }
        }
        if let Some(told) = self.hits.told() {
            place = format!("{place}, {told}");
        }
        [
            Line::styled(
                clean(&words::flow(&stream.flow), look.signs),
                look.style(Role::Heading),
            ),
            Line::from(facts),
            Line::styled(clean(&place, look.signs), look.style(Role::Faint)),
        ]
    }

    /// A line of the stream.
    fn line(&self, entry: &Entry, chunk: &Chunk, selected: bool, look: &Look) -> Line<'static> {
        let (mark, side) = if chunk.from_originator {
            ("> ", look.style(Role::Originator))
        } else {
            ("< ", look.style(Role::Responder))
        };
        let mark_style = if selected {
            side.patch(look.style(Role::Selected))
        } else {
            side
        };
        let mut line = Line::from(Span::styled(mark, mark_style));
        match &chunk.body {
            Body::Data(bytes) => {
                let hit = side.patch(look.style(Role::Hit));
                let style = |at: usize| {
                    let is_hit = self.hits.covers(entry.chunk, at);
                    if is_hit { hit } else { side }
                };
                line.extend(match self.form {
                    Form::Text => text(bytes, entry, style, look),
                    Form::Hex => hex(bytes, chunk.offset, entry, self.index.hex(), style, look),
                });
            }
            Body::Gap(words) => line.push_span(told(look, Role::Warning, "…", words)),
            Body::Note(words) => line.push_span(told(look, Role::Faint, "·", words)),
        }
        line
    }
}

/// Something between the bytes.
fn told(look: &Look, role: Role, mark: &'static str, words: &str) -> Span<'static> {
    let text = format!("[{} {words}]", look.signs.either(mark, "~"));
    Span::styled(clean(&text, look.signs), look.style(role))
}

/// Characters of the same style are one span.
fn spans(cells: impl Iterator<Item = (char, Style)>) -> Vec<Span<'static>> {
    let mut spans: Vec<(String, Style)> = Vec::new();
    for (c, style) in cells {
        match spans.last_mut() {
            Some((text, last)) if *last == style => text.push(c),
            _ => spans.push((c.to_string(), style)),
        }
    }
    spans
        .into_iter()
        .map(|(text, style)| Span::styled(text, style))
        .collect()
}

/// A byte as a character that does nothing.
fn letter(byte: u8, look: &Look) -> char {
    match byte {
        b' '..=b'~' => char::from(byte),
        b'\t' => ' ',
        _ if look.signs.ascii => '.',
        _ => '·',
    }
}

fn text(
    bytes: &[u8],
    entry: &Entry,
    style: impl Fn(usize) -> Style,
    look: &Look,
) -> Vec<Span<'static>> {
    let shown = bytes.get(entry.bytes.clone()).unwrap_or_default();
    let cells = shown.iter().zip(entry.bytes.start..);
    spans(cells.map(|(&byte, at)| (letter(byte, look), style(at))))
}

fn hex(
    bytes: &[u8],
    offset: u64,
    entry: &Entry,
    per_line: usize,
    style: impl Fn(usize) -> Style,
    look: &Look,
) -> Vec<Span<'static>> {
    let shown = bytes.get(entry.bytes.clone()).unwrap_or_default();
    let place = offset + entry.bytes.start as u64;
    let mut line = vec![Span::styled(
        format!("{place:08x}  "),
        look.style(Role::Faint),
    )];
    let mut cells = Vec::new();
    for (&byte, at) in shown.iter().zip(entry.bytes.start..) {
        cells.extend(format!("{byte:02x}").chars().map(|c| (c, style(at))));
        cells.push((' ', Style::new()));
    }
    let missing = per_line.saturating_sub(shown.len()) * 3 + 1;
    cells.extend(std::iter::repeat_n((' ', Style::new()), missing));
    line.extend(spans(cells.into_iter()));
    line.extend(text(bytes, entry, style, look));
    line
}

#[cfg(test)]
mod tests;
