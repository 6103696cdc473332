//! How the mirror is, and what arrives.

use std::collections::BTreeSet;

use mirrorscope_engine::finding::{Finding, Kind, Severity};
use mirrorscope_engine::live::LiveReport;
use mirrorscope_engine::report::SessionReport;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::symbols::bar;
use ratatui::text::{Line, Span};
use ratatui::widgets::{RenderDirection, Sparkline};

use super::heading;
use crate::data::{Rate, Snapshot};
use crate::look::Role;
use crate::status::dropped;
use crate::view::Context;
use crate::widget::figure;
use crate::widget::text::{clean, fit};

/// Rows of a sparkline.
const SPARK: u16 = 3;
/// Columns of a label.
const LABEL: usize = 11;

const ASCII_BARS: bar::Set<'static> = bar::Set {
    full: "#",
    seven_eighths: "#",
    three_quarters: "*",
    five_eighths: "+",
    half: "=",
    three_eighths: "-",
    one_quarter: ":",
    one_eighth: ".",
    empty: " ",
};

/// A number over time: its name, where it is, how it is written, its style.
type Number = (&'static str, fn(&Rate) -> u64, fn(u64) -> String, Role);

/// A fact: its name, what it says, whether that is bad.
struct Fact<'a> {
    name: &'a str,
    text: String,
    bad: bool,
}

impl<'a> Fact<'a> {
    fn new(name: &'a str, text: impl Into<String>, bad: bool) -> Self {
        let text = text.into();
        Self { name, text, bad }
    }
}

/// Numbered packets that arrived, and those that did not. Sessions that share a counter share its figures.
fn sequence(sessions: &[SessionReport]) -> (u64, u64) {
    let mut met = BTreeSet::new();
    let mut sums = (0, 0);
    for session in sessions {
        let Some(sequence) = &session.sequence else {
            continue;
        };
        let met_before = session.counter.is_some_and(|counter| !met.insert(counter));
        if met_before {
            continue;
        }
        sums.0 += sequence.received;
        sums.1 += sequence.missing;
    }
    sums
}

fn facts(snapshot: &Snapshot) -> Vec<Fact<'static>> {
    let report = &snapshot.report;
    let sessions = &report.sessions;
    let undescribed = sessions.iter().filter(|s| !s.described).count();
    let sum = |number: fn(&SessionReport) -> u64| sessions.iter().map(number).sum::<u64>();
    let mut facts = vec![match undescribed {
        0 => Fact::new("sessions", sessions.len().to_string(), false),
        n => Fact::new(
            "sessions",
            format!("{}, {n} not described", sessions.len()),
            false,
        ),
    }];
    let (received, missing) = sequence(sessions);
    facts.push(match (received, missing) {
        (0, _) => Fact::new("lost", "no sequence numbers", false),
        (_, 0) => Fact::new("lost", "none", false),
        (received, missing) => {
            let share = missing as f64 / (received + missing) as f64 * 100.0;
            Fact::new(
                "lost",
                format!("{} ({share:.2} %)", figure::number(missing)),
                true,
            )
        }
    });
    let mut count = |name, number: u64| {
        let text = if number == 0 {
            "none".to_owned()
        } else {
            figure::number(number)
        };
        facts.push(Fact::new(name, text, number > 0));
    };
    count("cut", sum(|s| s.truncated));
    count("doubled", report.totals.duplicates + report.totals.doubled);
    count("malformed", report.totals.malformed);
    let of_kind = |kind| {
        report
            .findings
            .iter()
            .filter(move |f: &&Finding| f.kind == kind)
    };
    count("silent", of_kind(Kind::MirrorSilent).count() as u64);
    if report.live.is_some() {
        count("dropped here", dropped(snapshot));
    }
    facts
}

/// Draws rates and health, one below the other.
pub fn draw(frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
    let facts = facts(cx.snapshot);
    let mut rest = heading(frame, area, "Rates", cx);
    let numbers: [Number; 2] = [
        (
            "frames",
            |r| r.frames,
            |n| format!("{}/s", figure::number(n)),
            Role::Info,
        ),
        ("bits", |r| r.bytes, figure::bits, Role::Info),
    ];
    // Health must have its place; the pictures take what is left.
    let free = rest.height.saturating_sub(facts.len() as u16 + 2);
    let pictures = (free / (SPARK + 1)).min(2);
    for (name, number, text, role) in numbers.into_iter().take(usize::from(pictures.max(1))) {
        rest = rate(frame, rest, (name, number, text, role), pictures > 0, cx);
    }
    rest = below(rest, 1);
    let mut rest = heading(frame, rest, "Mirror", cx);
    for fact in facts {
        if rest.height == 0 {
            return;
        }
        frame.render_widget(line(&fact, cx), Rect { height: 1, ..rest });
        rest = below(rest, 1);
    }
    if let Some(live) = &cx.snapshot.report.live {
        let rest = interfaces(frame, below(rest, 1), live, cx);
        changes(frame, below(rest, 1), live, cx);
    }
}

/// Draws what is listened on, and gives what is below it.
fn interfaces(frame: &mut Frame<'_>, area: Rect, live: &LiveReport, cx: &Context<'_>) -> Rect {
    let mut rest = heading(frame, area, "Interfaces", cx);
    for interface in &live.interfaces {
        let state = if interface.present {
            format!(
                "{} frames by {}",
                figure::number(interface.frames),
                interface.via
            )
        } else {
            "gone".to_owned()
        };
        let fact = Fact::new("", state, !interface.present || interface.dropped.all() > 0);
        let name = fit(&clean(&interface.name, cx.look.signs), LABEL, cx.look.signs);
        let fact = line(
            &Fact {
                name: &name,
                ..fact
            },
            cx,
        );
        frame.render_widget(fact, Rect { height: 1, ..rest }.intersection(rest));
        rest = below(rest, 1);
    }
    rest
}

/// Draws what changed lately, the latest first.
fn changes(frame: &mut Frame<'_>, area: Rect, live: &LiveReport, cx: &Context<'_>) {
    if live.changes.is_empty() || area.height < 2 {
        return;
    }
    let rest = heading(frame, area, "Changes", cx);
    for (change, y) in live.changes.iter().rev().zip(rest.y..rest.bottom()) {
        let time = figure::clock(change.time);
        let spans = vec![
            Span::styled(
                format!("  {} ", time.get(..8).unwrap_or(&time)),
                cx.look.style(Role::Faint),
            ),
            Span::raw(clean(&change.text, cx.look.signs)),
        ];
        frame.render_widget(
            Line::from(spans),
            Rect {
                y,
                height: 1,
                ..rest
            },
        );
    }
}

fn line(fact: &Fact<'_>, cx: &Context<'_>) -> Line<'static> {
    let (sign, role) = if fact.bad {
        (cx.look.signs.severity(Severity::Warning), Role::Warning)
    } else {
        (" ", Role::Text)
    };
    Line::from(vec![
        Span::styled(format!("{sign} "), cx.look.style(role)),
        Span::styled(
            format!("{:<LABEL$} ", fact.name),
            cx.look.style(Role::Faint),
        ),
        Span::styled(fact.text.clone(), cx.look.style(role)),
    ])
}

fn below(area: Rect, rows: u16) -> Rect {
    let rows = rows.min(area.height);
    Rect {
        y: area.y + rows,
        height: area.height - rows,
        ..area
    }
}

/// Draws one number over time, and gives what is below it.
fn rate(
    frame: &mut Frame<'_>,
    area: Rect,
    number: Number,
    picture: bool,
    cx: &Context<'_>,
) -> Rect {
    let (name, number, text, role) = number;
    let rates = &cx.snapshot.rates;
    let last = rates.back().map_or(0, number);
    let most = rates.iter().map(number).max().unwrap_or_default();
    let line = Line::from(vec![
        Span::styled(format!("  {name:<7} "), cx.look.style(Role::Faint)),
        Span::raw(text(last)),
        Span::styled(format!("  max {}", text(most)), cx.look.style(Role::Faint)),
    ]);
    frame.render_widget(line, Rect { height: 1, ..area }.intersection(area));
    let rest = below(area, 1);
    if !picture {
        return rest;
    }
    let place = Rect {
        x: rest.x + 2,
        width: rest.width.saturating_sub(2),
        height: SPARK.min(rest.height),
        ..rest
    };
    let bars = cx.look.signs.either(bar::NINE_LEVELS, ASCII_BARS);
    let data: Vec<u64> = rates.iter().rev().map(number).collect();
    let picture = Sparkline::default()
        .data(data)
        .direction(RenderDirection::RightToLeft)
        .bar_set(bars)
        .style(cx.look.style(role));
    frame.render_widget(picture, place);
    below(rest, SPARK)
}

/// Draws all of it in one line.
pub fn strip(frame: &mut Frame<'_>, area: Rect, cx: &Context<'_>) {
    let mut spans = vec![Span::styled("Mirror  ", cx.look.style(Role::Heading))];
    for fact in facts(cx.snapshot) {
        let well = !fact.bad && !matches!(fact.name, "sessions" | "lost");
        if well {
            continue;
        }
        let role = if fact.bad { Role::Warning } else { Role::Text };
        if fact.bad {
            let sign = cx.look.signs.severity(Severity::Warning);
            spans.push(Span::styled(format!("{sign} "), cx.look.style(role)));
        }
        spans.push(Span::styled(
            format!("{} ", fact.name),
            cx.look.style(Role::Faint),
        ));
        spans.push(Span::styled(
            format!("{}  ", fact.text),
            cx.look.style(role),
        ));
    }
    frame.render_widget(Line::from(spans), area);
}
