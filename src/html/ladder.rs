//! The packets of example flows as ladders: a lane for each point in the order of the path, an arrow for each packet.

mod plan;

use std::fmt::Write as _;
use std::sync::Arc;

use maud::{Markup, html};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_tui::data::{Ladder, Lane, Rung};

use super::outline::section;
use super::words::{count, end, fit, number, units, verdict};
use plan::Plan;

/// Packets that are drawn.
const DRAWN: usize = 60;

/// The section.
pub(super) fn all(ladders: &[Result<Arc<Ladder>, String>]) -> Markup {
    if ladders.is_empty() {
        return html! {};
    }
    section(
        "ladders",
        "Packets of example flows",
        &html! {
            p.note {
                "From the originator on the left to the responder on the right; time runs downwards. A dot is a point that saw the packet; "
                span.error { "✖" } " is a firewall that cannot match it to a connection."
            }
            @for (index, ladder) in ladders.iter().enumerate() {
                @match ladder {
                    Ok(ladder) => (one(index, ladder)),
                    Err(why) => p.nothing { "A ladder is left out: " (why) "." },
                }
            }
        },
    )
}

fn one(index: usize, ladder: &Ladder) -> Markup {
    let flow = &ladder.flow;
    let (sign, class) = verdict(flow.verdict);
    let more = ladder.rows.len().saturating_sub(DRAWN) as u64;
    html! {
        figure.ladder {
            figcaption {
                span.verdict.(class) { span.sign { (sign) } " " (flow.verdict.as_str()) }
                " " (flow.proto) " " (end(flow, true)) " → " (end(flow, false))
                " · " a href={ "#flow-" (flow.id) } { code { (flow.id) } }
                p.faint { (flow.why) }
            }
            div.scroll tabindex="0" role="region" aria-label={ "Packets of flow " (flow.id) } { (svg(index, ladder)) }
            @if more > 0 { p.more { (count(more, "more packet")) " not drawn." } }
            @if ladder.forgotten > 0 {
                p.more { (count(ladder.forgotten, "earlier packet")) " not here any more: there was no room to keep them." }
            }
        }
    }
}

fn svg(index: usize, ladder: &Ladder) -> Markup {
    let rows = ladder
        .rows
        .get(..DRAWN.min(ladder.rows.len()))
        .unwrap_or_default();
    let plan = Plan::new(
        ladder.lanes.len(),
        rows.iter().map(|rung| notes(rung, &ladder.lanes).len()),
    );
    let (width, height) = (plan.width(), plan.height());
    let start = rows.first().map(|rung| rung.time).unwrap_or_default();
    let ids = format!("ladder-{index}");
    html! {
        svg.ladder viewBox={ "0 0 " (width) " " (height) } width=(width) height=(height) role="img" aria-labelledby={ (ids) "-title " (ids) "-words" } {
            title id={ (ids) "-title" } { "Packets of flow " (ladder.flow.id) }
            desc id={ (ids) "-words" } { (in_words(ladder, rows, start)) }
            defs {
                @for class in ["requests", "answers"] {
                    marker.{ "head " (class) } id={ (ids) "-" (class) } viewBox="0 0 10 10" refX="9" refY="5" markerWidth="6" markerHeight="6" orient="auto" {
                        path d="M0 0 10 5 0 10z" {}
                    }
                }
            }
            (heads(&plan, &ladder.lanes))
            @for (row, rung) in rows.iter().enumerate() {
                (self::rung(&plan, row, rung, &ladder.lanes, start, &ids))
            }
        }
    }
}

/// Sites over their lanes, the lanes with their names.
fn heads(plan: &Plan, lanes: &[Lane]) -> Markup {
    let mut first = 0;
    let runs = lanes
        .chunk_by(|one, other| one.site == other.site)
        .map(|run| {
            let from = first;
            first += run.len();
            (from, run)
        });
    let runs: Vec<(usize, &[Lane])> = runs.collect();
    html! {
        @for (from, run) in &runs {
            @if let Some(lane) = run.first() {
                @let (left, right) = (plan::lane(*from) - plan::STEP / 2 + 6, plan::lane(from + run.len() - 1) + plan::STEP / 2 - 6);
                rect.site x=(left) y="4" width=(right - left) height=(plan.height() - 10) rx="8" {}
                text.site x=(i32::midpoint(left, right)) y="22" { title { (lane.site) } (fit(&lane.site, 14 * run.len())) }
            }
        }
        @for (index, lane) in lanes.iter().enumerate() {
            @let x = plan::lane(index);
            text.point x=(x) y="42" { title { (lane.point) } (fit(&lane.point, 15)) }
            text.role x=(x) y="57" { (lane.role) }
            line.lane x1=(x) x2=(x) y1=(plan::TOP - 6) y2=(plan.height() - 14) {}
        }
    }
}

fn rung(
    plan: &Plan,
    row: usize,
    rung: &Rung,
    lanes: &[Lane],
    start: Timestamp,
    ids: &str,
) -> Markup {
    let y = plan.row(row);
    let class = if rung.from_originator {
        "requests"
    } else {
        "answers"
    };
    let unmatched = rung.sights.iter().any(|sight| sight.out_of_state.is_some());
    html! {
        g.{ "rung " (class) @if unmatched { " unmatched" } } {
            text.time x=(plan::TIME - 12) y=(y + 4) { (since(rung.time, start)) }
            path.arrow.{ @if rung.retransmission { "again" } @else { "first" } } d=(arrow(rung, y)) marker-end={ "url(#" (ids) "-" (class) ")" } {}
            @for sight in &rung.sights {
                @let x = plan::lane(sight.lane);
                @if sight.out_of_state.is_some() {
                    circle.unmatched cx=(x) cy=(y) r="9" {}
                    path.cross d={ "M" (x - 4) " " (y - 4) "L" (x + 4) " " (y + 4) "M" (x + 4) " " (y - 4) "L" (x - 4) " " (y + 4) } {}
                } @else {
                    circle.{ @if sight.duplicate { "twice" } @else { "once" } } cx=(x) cy=(y) r="4" {}
                }
            }
            text.what x=(plan.words()) y=(y + 4) {
                tspan.flags { (rung.what) } " " tspan.numbers { (numbers(rung)) }
            }
            @for (index, (class, note)) in notes(rung, lanes).iter().enumerate() {
                text.note.(class) x=(plan.words()) y=(y + 4 + plan::LINE * (units(index) + 1)) { (note) }
            }
        }
    }
}

/// The line of a packet; it leaps over lanes that did not see it.
fn arrow(rung: &Rung, y: i32) -> String {
    let mut lanes: Vec<usize> = rung.sights.iter().map(|sight| sight.lane).collect();
    lanes.sort_unstable();
    let (low, high) = (
        lanes.first().copied().unwrap_or(0),
        lanes.last().copied().unwrap_or(0),
    );
    let (left, right) = (
        plan::lane(low) - plan::REACH,
        plan::lane(high) + plan::REACH,
    );
    let mut missed: Vec<usize> = (low..high)
        .filter(|lane| lanes.binary_search(lane).is_err())
        .collect();
    let (from, to, ahead) = if rung.from_originator {
        (left, right, 1)
    } else {
        (right, left, -1)
    };
    if ahead < 0 {
        missed.reverse();
    }
    let sweep = i32::from(ahead > 0);
    let mut path = format!("M{from} {y}");
    for lane in missed {
        let (x, leap) = (plan::lane(lane), plan::LEAP);
        let _ = write!(
            path,
            "H{}A{leap} {leap} 0 0 {sweep} {} {y}",
            x - ahead * leap,
            x + ahead * leap
        );
    }
    let _ = write!(path, "H{to}");
    path
}

/// Time since the first packet.
fn since(time: Timestamp, start: Timestamp) -> String {
    let nanoseconds = time.since(start) as f64;
    if nanoseconds < 1e9 {
        format!("{:.3} ms", nanoseconds / 1e6)
    } else {
        format!("{:.3} s", nanoseconds / 1e9)
    }
}

fn numbers(rung: &Rung) -> String {
    let mut numbers = Vec::new();
    numbers.extend(rung.sequence.map(|number| format!("seq {number}")));
    numbers.extend(rung.acknowledgement.map(|number| format!("ack {number}")));
    if rung.payload > 0 {
        numbers.push(format!("len {}", rung.payload));
    }
    numbers.join(" ")
}

/// What is remarkable about a packet, with its class.
fn notes(rung: &Rung, lanes: &[Lane]) -> Vec<(&'static str, String)> {
    let point = |lane: usize| lanes.get(lane).map_or("", |lane| lane.point.as_str());
    let mut notes = Vec::new();
    for sight in &rung.sights {
        if let Some(reason) = sight.out_of_state {
            notes.push((
                "error",
                fit(&format!("✖ {}: {reason}", fit(point(sight.lane), 20)), 52),
            ));
        }
    }
    if rung.retransmission {
        notes.push(("warning", "↻ sent again".to_owned()));
    }
    if rung.gap > 0 {
        let missing = number(rung.gap.into());
        notes.push(("warning", format!("… {missing} bytes missing before")));
    }
    let twice = rung.sights.iter().filter(|sight| sight.duplicate).count() as u64;
    let twice = twice + rung.more.values().sum::<u64>();
    if twice > 0 {
        notes.push(("faint", format!("◎ mirrored {} more", count(twice, "time"))));
    }
    notes
}

/// The ladder for those who cannot see it.
fn in_words(ladder: &Ladder, rows: &[Rung], start: Timestamp) -> String {
    /// Packets that are told.
    const TOLD: usize = 12;
    let lanes = ladder.lanes.iter();
    let lanes: Vec<String> = lanes
        .map(|lane| format!("{} ({})", lane.point, lane.site))
        .collect();
    let packets = rows.iter().take(TOLD).map(|rung| {
        let from = if rung.from_originator {
            "originator"
        } else {
            "responder"
        };
        let seen = rung.sights.iter().filter(|sight| !sight.duplicate);
        let seen = seen.filter_map(|sight| ladder.lanes.get(sight.lane));
        let seen: Vec<&str> = seen.map(|lane| lane.point.as_str()).collect();
        let notes: Vec<String> = notes(rung, &ladder.lanes)
            .into_iter()
            .map(|(_, note)| note)
            .collect();
        format!(
            "After {}: {} of the {from}, seen at {}. {}",
            since(rung.time, start),
            rung.what,
            seen.join(", "),
            notes.join(". ")
        )
    });
    format!(
        "Points: {}. {}",
        lanes.join(", "),
        packets.collect::<Vec<_>>().join(" ")
    )
}
