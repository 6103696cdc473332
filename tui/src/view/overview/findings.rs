//! What is wrong: the selected finding in full, the others in a line each.

use mirrorscope_engine::finding::Finding;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::style::Modifier;
use ratatui::text::{Line, Span};
use unicode_width::UnicodeWidthStr as _;

use super::heading;
use crate::look::Role;
use crate::view::Context;
use crate::view::related::headline;
use crate::widget::text::{clean, fit, labelled, wrap};

/// Findings before the selected one, and behind it, that may have room.
const AROUND: usize = 100;

/// A line, and the finding that it belongs to.
pub type Told = (usize, Line<'static>);

/// The findings around the selected one, in lines of so many columns.
pub fn lines(findings: &[Finding], at: usize, columns: usize, cx: &Context<'_>) -> Vec<Told> {
    if findings.is_empty() {
        return nothing(columns, cx);
    }
    let mut told = Vec::new();
    let near = at.saturating_sub(AROUND)..at.saturating_add(AROUND);
    let findings = findings.iter().enumerate();
    for (index, finding) in findings.filter(|(index, _)| near.contains(index)) {
        let role = finding.severity.into();
        let sign = cx.look.signs.severity(finding.severity);
        let selected = index == at;
        let style = match (selected, finding.because) {
            (true, _) => cx.look.style(role).add_modifier(Modifier::BOLD),
            (false, Some(_)) => cx.look.style(Role::Faint),
            (false, None) => cx.look.style(Role::Text),
        };
        let head = clean(&headline(finding), cx.look.signs);
        let sign = Span::styled(format!("{sign} "), cx.look.style(role));
        if !selected {
            let head = fit(&head, columns.saturating_sub(2), cx.look.signs);
            told.push((index, Line::from(vec![sign, Span::styled(head, style)])));
            continue;
        }
        let head = wrap(&head, columns.saturating_sub(2), style, cx.look.signs);
        for (number, line) in head.into_iter().enumerate() {
            let mut spans = vec![if number == 0 {
                sign.clone()
            } else {
                Span::raw("  ")
            }];
            spans.push(Span::styled(line.to_string(), style));
            told.push((index, Line::from(spans)));
        }
        for line in in_full(finding, columns.saturating_sub(2), cx) {
            let mut spans = vec![Span::raw("  ")];
            spans.extend(line.spans);
            told.push((index, Line::from(spans)));
        }
    }
    told
}

/// What there is to say of a finding besides its headline.
fn in_full(finding: &Finding, columns: usize, cx: &Context<'_>) -> Vec<Line<'static>> {
    let mut lines = Vec::new();
    let mut add = |label: &str, text: &str, role: Role| {
        let role = match label {
            "requests" => Role::Originator,
            "answers" => Role::Responder,
            "breaks" => Role::Warning,
            "check" => Role::Info,
            _ => role,
        };
        lines.extend(labelled(label, text, columns, (Role::Faint, role), cx.look));
    };
    if let Some(story) = &finding.story {
        for (label, text) in &story.lines {
            add(label, text, Role::Text);
        }
    } else {
        let rest = finding.summary.split_once(". ").map(|(_, rest)| rest);
        if let Some(rest) = rest {
            add("says", rest, Role::Text);
        }
        if let Some(because) = finding.because {
            add("because", &format!("of {}", because.as_str()), Role::Text);
        }
        if let Some(next) = finding.next.first() {
            add("check", next, Role::Text);
        }
    }
    lines
}

fn nothing(columns: usize, cx: &Context<'_>) -> Vec<Told> {
    let totals = &cx.snapshot.report.totals;
    let text = if totals.frames == 0 {
        "no packet yet"
    } else if totals.flows == 0 {
        "no flow yet: nothing to judge"
    } else {
        "nothing found: no flow goes wrong, and the mirror is well"
    };
    let sign = if totals.flows == 0 {
        " "
    } else {
        cx.look.signs.good()
    };
    let role = if totals.flows == 0 {
        Role::Faint
    } else {
        Role::Good
    };
    let mut lines = vec![(
        0,
        Line::styled(format!("{sign} {text}"), cx.look.style(role)),
    )];
    // What was seen of the flows that are well, and why others are not judged.
    let counted = |counts: &std::collections::BTreeMap<&'static str, u64>| {
        let counts = counts
            .iter()
            .map(|(name, number)| format!("{number} {name}"));
        counts.collect::<Vec<_>>().join(", ")
    };
    for (label, counts) in [("flows", &totals.verdicts), ("unknown", &totals.causes)] {
        if !counts.is_empty() {
            let roles = (Role::Faint, Role::Text);
            let text = counted(counts);
            let told = labelled(label, &text, columns.saturating_sub(2), roles, cx.look);
            lines.extend(told.into_iter().map(|line| {
                let mut spans = vec![Span::raw("  ")];
                spans.extend(line.spans);
                (0, Line::from(spans))
            }));
        }
    }
    lines
}

/// Draws them, so that the selected one is there; gives where each is.
pub fn draw(
    frame: &mut Frame<'_>,
    area: Rect,
    told: Vec<Told>,
    at: usize,
    cx: &Context<'_>,
) -> Vec<(usize, Rect)> {
    let inner = heading(frame, area, "Findings", cx);
    let height = usize::from(inner.height);
    let first = told.iter().position(|(index, _)| *index == at).unwrap_or(0);
    let own = told.iter().filter(|(index, _)| *index == at).count();
    // As little as needed is scrolled.
    let offset = (first + own).saturating_sub(height).min(first);
    let hidden = told.len().saturating_sub(offset + height);
    let mut drawn = Vec::new();
    for ((index, line), y) in told.into_iter().skip(offset).zip(inner.y..inner.bottom()) {
        let place = Rect {
            y,
            height: 1,
            ..inner
        };
        frame.render_widget(line, place);
        drawn.push((index, place));
    }
    if hidden > 0 {
        let more = format!(" {} {hidden} more lines ", cx.look.signs.either("↓", "v"));
        let width = more.width() as u16;
        let place = Rect {
            x: area.right().saturating_sub(width),
            width,
            height: 1,
            ..area
        };
        let line = Line::styled(more, cx.look.style(Role::Faint));
        frame.render_widget(line, place.intersection(area));
    }
    drawn
}
