//! What became of a flow, in a sentence.

use mirrorscope_engine::report::FlowReport;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::look::{Look, Role};
use crate::view::words::{clock, count, cut, flow as ends, span, wrapped};
use crate::widget::text::clean;

/// The verdict with its confidence and why, and what the flow is in figures, if the screen has room for that.
pub(super) fn lines(flow: &FlowReport, area: Rect, look: &Look) -> Vec<Line<'static>> {
    let width = area.width;
    let style = look.style(flow.verdict.into());
    let first = format!("{} ", look.signs.verdict(flow.verdict));
    let why = format!(
        "{}, confidence {}: {}",
        flow.verdict.as_str(),
        flow.confidence.as_str(),
        flow.why
    );
    let why = wrapped(&clean(&why, look.signs), width, &first, "  ");
    let most = usize::from(area.height / 5).max(1);
    let cut_off = why.len() > most;
    let mut lines: Vec<Line<'_>> = why
        .into_iter()
        .take(most)
        .map(|line| Line::styled(line, style))
        .collect();
    if let Some(last) = lines.last_mut().filter(|_| cut_off) {
        last.push_span(Span::styled(
            look.signs.either(" …", " ~"),
            look.style(Role::Faint),
        ));
    }
    if area.height < 20 {
        return lines;
    }
    let facts = clean(&facts(flow), look.signs);
    lines.push(cut(
        Line::styled(format!("  {facts}"), look.style(Role::Faint)),
        width,
        look,
    ));
    lines
}

/// The flow in figures.
fn facts(flow: &FlowReport) -> String {
    let mut facts = vec![
        format!("flow {}", flow.id),
        format!("state {}", flow.state),
        format!(
            "{} >, {} <",
            count(flow.orig.packets, "packet"),
            flow.resp.packets
        ),
        format!(
            "{} from {}",
            span(flow.last.since(flow.first)),
            clock(flow.first)
        ),
    ];
    if !flow.history.is_empty() {
        facts.insert(2, format!("history {}", flow.history));
    }
    facts.extend(flow.tenant.as_deref().map(|name| format!("tenant {name}")));
    facts.join(", ")
}

/// The flow as text to be pasted somewhere.
pub(super) fn text(flow: &FlowReport) -> String {
    format!(
        "{} (flow {}, Community ID {}): {}, confidence {}: {}",
        ends(flow),
        flow.id,
        flow.community_id,
        flow.verdict.as_str(),
        flow.confidence.as_str(),
        flow.why
    )
}
