//! What became of a flow, in a sentence.

use mirrorscope_engine::point::printable;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::verdict::Verdict;
use ratatui::text::{Line, Span};

use crate::look::{Look, Role};
use crate::view::words::{clock, count, cut, flow as ends, plain, sign, span, wrapped};

/// How a verdict looks.
fn role(verdict: Verdict) -> Role {
    match verdict {
        Verdict::Symmetric => Role::Good,
        Verdict::Asymmetric => Role::Error,
        Verdict::OneWay | Verdict::Unanswered | Verdict::Moved => Role::Warning,
        Verdict::Unknown => Role::Info,
    }
}

/// The sign of a verdict.
fn mark(verdict: Verdict, look: &Look) -> &'static str {
    match verdict {
        Verdict::Symmetric => sign(look, "✔", "="),
        Verdict::Asymmetric => sign(look, "✖", "X"),
        Verdict::OneWay => sign(look, "▲", "!"),
        Verdict::Unanswered => sign(look, "○", "o"),
        Verdict::Moved => sign(look, "◆", "~"),
        Verdict::Unknown => "?",
    }
}

/// The verdict with its confidence and why, and what the flow is in figures: at most so many lines.
pub(super) fn lines(flow: &FlowReport, width: u16, most: u16, look: &Look) -> Vec<Line<'static>> {
    let style = look.style(role(flow.verdict));
    let first = format!("{} ", mark(flow.verdict, look));
    let why = format!(
        "{}, confidence {}: {}",
        flow.verdict.as_str(),
        flow.confidence.as_str(),
        printable(&flow.why)
    );
    let why = wrapped(&plain(look, &why), width, &first, "  ");
    let most = usize::from(most.max(2)) - 1;
    let cut_off = why.len() > most;
    let mut lines: Vec<Line<'_>> = why
        .into_iter()
        .take(most)
        .map(|line| Line::styled(line, style))
        .collect();
    if let Some(last) = lines.last_mut().filter(|_| cut_off) {
        last.push_span(Span::styled(
            sign(look, " …", " ~"),
            look.style(Role::Faint),
        ));
    }
    let facts = plain(look, &facts(flow));
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
    facts.extend(
        flow.tenant
            .as_deref()
            .map(|name| format!("tenant {}", printable(name))),
    );
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
