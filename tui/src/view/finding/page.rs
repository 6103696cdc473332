//! The page of a finding, line by line.

use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::time::Timestamp;
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use crate::look::{Look, Role};
use crate::view::Context;
use crate::view::words::{self, count, cut, span, wrapped};
use crate::widget::text::clean;

/// What a line is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item {
    Text,
    /// One of the flows, by its index.
    Flow(usize),
}

/// Text is no wider, so that it can be read.
const MOST: u16 = 110;

/// Gathers lines.
struct Writer<'a> {
    lines: Vec<(Item, Line<'static>)>,
    width: u16,
    look: &'a Look,
}

impl Writer<'_> {
    fn blank(&mut self) {
        self.lines.push((Item::Text, Line::default()));
    }

    /// Text that may take several lines; the others stand behind as many blanks as `first` has columns.
    fn text(&mut self, first: &str, text: &str, style: Style) {
        let other = " ".repeat(Span::raw(first).width());
        let text = clean(text, self.look.signs);
        for line in wrapped(&text, self.width, first, &other) {
            self.lines.push((Item::Text, Line::styled(line, style)));
        }
    }

    /// A heading, behind a blank line.
    fn heading(&mut self, text: &str) {
        self.blank();
        let style = self.look.style(Role::Heading);
        self.lines
            .push((Item::Text, Line::styled(text.to_owned(), style)));
    }
}

/// The page in lines.
pub(super) fn page(finding: &Finding, width: u16, cx: &Context<'_>) -> Vec<(Item, Line<'static>)> {
    let look = cx.look;
    let mut page = Writer {
        lines: Vec::new(),
        width: width.min(MOST),
        look,
    };
    let text = look.style(Role::Text);
    let faint = look.style(Role::Faint);
    let grave = look.style(finding.severity.into());
    let first = format!("{} ", look.signs.severity(finding.severity));
    match &finding.story {
        Some(story) => {
            page.text(&first, &story.headline, grave.add_modifier(Modifier::BOLD));
            story_lines(&mut page, &story.lines);
            page.blank();
            page.text("", &finding.summary, text);
        }
        None => page.text(&first, &finding.summary, grave),
    }
    page.blank();
    page.text("", &since(finding), faint);
    let sure = format!(
        "confidence {}: {}",
        finding.confidence.as_str(),
        finding.confidence_why
    );
    page.text("", &sure, faint);
    if let Some(because) = finding.because {
        page.text("", &format!("because of {}", because.as_str()), faint);
    }
    flows(&mut page, finding, cx);
    if !finding.evidence.is_empty() {
        page.heading("Seen");
        for fact in &finding.evidence {
            page.text(look.signs.either("  · ", "  - "), fact, text);
        }
    }
    if !finding.next.is_empty() {
        page.heading("Next");
        for (index, step) in finding.next.iter().enumerate() {
            page.text(&format!("{:>3} ", format!("{}.", index + 1)), step, text);
        }
    }
    page.lines
}

/// The story: what each line is about stands in front of it.
fn story_lines(page: &mut Writer<'_>, lines: &[(String, String)]) {
    let widest = lines
        .iter()
        .map(|(about, _)| Span::raw(about).width())
        .max();
    let widest = widest.unwrap_or_default();
    for (about, what) in lines {
        let style = page.look.style(Role::Text);
        let blanks = " ".repeat(widest.saturating_sub(Span::raw(about).width()));
        page.text(&format!("  {about}{blanks}  "), what, style);
    }
}

/// Since when, how long, and how much.
fn since(finding: &Finding) -> String {
    let short = |time: Timestamp| {
        let text = time.to_string();
        let seconds = text.get(..23).unwrap_or(&text).replace('T', " ");
        format!("{seconds}Z")
    };
    let mut text = format!(
        "since {}, for {}",
        short(finding.first),
        span(finding.last.since(finding.first))
    );
    if finding.packets > 0 {
        text = format!("{text}, {}", count(finding.packets, "packet"));
    }
    if !finding.sites.is_empty() {
        text = format!("{text}, at {}", finding.sites.join(" and "));
    }
    text
}

/// The flows that can be opened.
fn flows(page: &mut Writer<'_>, finding: &Finding, cx: &Context<'_>) {
    if finding.examples.is_empty() {
        return;
    }
    let shown = finding.examples.len() as u64;
    page.heading(&match finding.flows {
        all if all > shown => format!("Flows: {shown} of {all}"),
        _ => "Flows".to_owned(),
    });
    for (index, id) in finding.examples.iter().enumerate() {
        let known = cx.snapshot.flows.rows.iter().find(|flow| flow.id == *id);
        let about = known.map_or(String::new(), |flow| {
            format!("  {}  {}", words::flow(flow), flow.verdict.as_str())
        });
        let (mark, role) = if cx.marked.contains(id) {
            (cx.look.signs.mark(), Role::Marked)
        } else {
            (" ", Role::Text)
        };
        let sign = cx.look.signs.either("▸", ">");
        let text = clean(&format!("  {sign}{mark}{id}{about} "), cx.look.signs);
        let line = cut(Line::styled(text, cx.look.style(role)), page.width, cx.look);
        page.lines.push((Item::Flow(index), line));
    }
}

/// Says at the right edge that there is more above or below.
pub(super) fn draw_more(frame: &mut Frame<'_>, area: Rect, more: (bool, bool), look: &Look) {
    if area.is_empty() {
        return;
    }
    let (above, below) = more;
    let column = area.right() - 1;
    let rows = [
        (above, area.top(), look.signs.either("▲", "^")),
        (below, area.bottom() - 1, look.signs.either("▼", "v")),
    ];
    for (is_more, row, text) in rows {
        if is_more {
            let cell = frame.buffer_mut().cell_mut(Position::new(column, row));
            if let Some(cell) = cell {
                cell.set_symbol(text).set_style(look.style(Role::Faint));
            }
        }
    }
}

/// The page as text to be pasted somewhere.
pub(super) fn text(finding: &Finding) -> String {
    let mut lines = Vec::new();
    if let Some(story) = &finding.story {
        lines.push(story.headline.clone());
        lines.extend(
            story
                .lines
                .iter()
                .map(|(about, what)| format!("  {about}: {what}")),
        );
    }
    lines.push(finding.summary.clone());
    lines.push(since(finding));
    lines.push(format!(
        "confidence {}: {}",
        finding.confidence.as_str(),
        finding.confidence_why
    ));
    lines.extend(finding.evidence.iter().map(|fact| format!("- {fact}")));
    let steps = finding.next.iter().enumerate();
    lines.extend(steps.map(|(index, step)| format!("{}. {step}", index + 1)));
    if !finding.examples.is_empty() {
        lines.push(format!("flows: {}", finding.examples.join(", ")));
    }
    lines
        .iter()
        .map(|line| printable(line))
        .collect::<Vec<_>>()
        .join("\n")
}
