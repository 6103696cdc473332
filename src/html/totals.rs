//! Figures: what was read, and what became of it.

use maud::{Markup, html};
use mirrorscope_engine::report::{Report, Totals};
use mirrorscope_engine::time::SECOND;

use super::outline::section;
use super::words::{bytes, count, number, time};

/// Verdicts in the order of the bar, with their classes.
const VERDICTS: [(&str, &str); 6] = [
    ("asymmetric", "error"),
    ("moved", "warning"),
    ("one-way", "warning"),
    ("unanswered", "warning"),
    ("unknown", "info"),
    ("symmetric", "good"),
];
/// Width of the bar in its own units.
const BAR: f64 = 1000.0;

/// The figures in front of everything.
pub(super) fn figures(report: &Report) -> Markup {
    let totals = &report.totals;
    let missing = report.sessions.iter().filter_map(|s| s.sequence.as_ref());
    // Sessions that share a counter have the same figure.
    let missing: u64 = missing.map(|s| s.missing / s.shared.max(1) as u64).sum();
    html! {
        section.figures aria-label="Figures" {
            @if let Some(filter) = &report.filter {
                p.filter { "Only flows that match " code { (filter) } }
            }
            dl {
                (figure("Flows", &number(totals.flows_matching.unwrap_or(totals.flows)), &flows_of(totals)))
                (figure("Mirrored packets", &number(totals.mirrored), &format!("{} in {}", bytes(totals.bytes), count(totals.frames, "frame"))))
                (figure("Mirror sessions", &number(report.sessions.len() as u64), &lost(missing)))
                (figure("Time", &span(totals), ""))
            }
            (bar(totals))
            @if let (Some(first), Some(last)) = (totals.first, totals.last) {
                p.period { "Captured from " (time(first)) " to " (time(last)) " UTC" }
            }
        }
    }
}

fn figure(label: &str, value: &str, more: &str) -> Markup {
    html! {
        div { dt { (label) } dd { (value) @if !more.is_empty() { " " small { (more) } } } }
    }
}

fn flows_of(totals: &Totals) -> String {
    match totals.flows_matching {
        Some(_) => format!("of {}", number(totals.flows)),
        None => String::new(),
    }
}

fn lost(missing: u64) -> String {
    match missing {
        0 => "no loss by their numbers".to_owned(),
        _ => format!("{} lost on the way here", number(missing)),
    }
}

fn span(totals: &Totals) -> String {
    let span = totals
        .first
        .zip(totals.last)
        .map(|(first, last)| last.since(first));
    let seconds = span.unwrap_or_default() as f64 / SECOND as f64;
    if seconds < 600.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.1} min", seconds / 60.0)
    }
}

/// Flows by verdict, as a bar and in words.
fn bar(totals: &Totals) -> Markup {
    let all: u64 = totals.verdicts.values().sum();
    if all == 0 {
        return html! {};
    }
    let parts: Vec<(&str, &str, u64)> = VERDICTS
        .iter()
        .filter_map(|(name, class)| Some((*name, *class, *totals.verdicts.get(name)?)))
        .collect();
    let mut at = 0.0;
    let drawn = parts.iter().map(|(name, class, flows)| {
        let width = *flows as f64 / all as f64 * BAR;
        at += width;
        (
            name,
            class,
            flows,
            format!("{:.1}", at - width),
            format!("{width:.1}"),
        )
    });
    let drawn: Vec<_> = drawn.collect();
    html! {
        svg.bar viewBox="0 0 1000 14" preserveAspectRatio="none" aria-hidden="true" focusable="false" {
            @for (name, class, flows, x, width) in &drawn {
                rect class=(class) x=(x) y="0" width=(width) height="14" { title { (flows) " " (name) } }
            }
        }
        ul.verdicts {
            @for (name, class, flows) in &parts {
                li { span.key.(class) aria-hidden="true" {} (number(*flows)) " " (name) }
            }
        }
        @if !totals.causes.is_empty() {
            p.causes {
                "Unknown because of: "
                @for (index, (cause, flows)) in totals.causes.iter().enumerate() {
                    @if index > 0 { ", " }
                    (cause) " (" (number(*flows)) ")"
                }
            }
        }
    }
}

/// What remains to be told: what to mirror besides, what could be read with another option, what was wrong with packets.
pub(super) fn rest(report: &Report) -> Markup {
    let totals = &report.totals;
    let faults = totals
        .malformed_reasons
        .iter()
        .chain(&totals.opaque_reasons);
    let faults: Vec<_> = faults.collect();
    html! {
        @if !report.advice.is_empty() || !report.hints.is_empty() {
            (section("advice", "To be sure", &html! {
                ul {
                    @for line in &report.advice { li { "Mirror also: " (line) } }
                    @for hint in &report.hints { li { (hint.summary) } }
                }
            }))
        }
        @if !faults.is_empty() {
            (section("faults", "Packets with faults", &html! {
                ul {
                    @for (reason, packets) in faults { li { (number(*packets)) " × " (reason) } }
                    @for example in &totals.malformed_examples { li.faint { (example) } }
                }
            }))
        }
    }
}
