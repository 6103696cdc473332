//! Flows, a row each.

use maud::{Markup, html};
use mirrorscope_engine::page::FlowPage;
use mirrorscope_engine::report::FlowReport;

use super::outline::{Cell, Column, Row, section, table as sortable};
use super::words::{bytes, clock, count, end, number, verdict};

/// Flows that a page lists.
pub const LISTED: usize = 500;

const COLUMNS: &[Column] = &[
    Column::new(
        "Flow",
        "Its id, the same in every run and in all other outputs",
    ),
    Column::new(
        "Verdict",
        "How the two directions went, and what that rests on",
    ),
    Column::new("Proto", "Transport protocol"),
    Column::new("Originator", "Who opened it"),
    Column::new("Responder", "Who answers"),
    Column::figures(
        "Packets",
        "Of the originator / of the responder, each counted once",
    ),
    Column::figures("Bytes", "Of both directions, by the inner IP header"),
    Column::new("State", "Zeek's conn_state, from all points"),
    Column::new("First", "Time of its first packet, UTC"),
    Column::new(
        "Points",
        "Where it was seen: packets of the originator / of the responder",
    ),
];

/// The section.
pub(super) fn table(page: &FlowPage) -> Markup {
    let rows: Vec<Row> = page.rows.iter().map(row).collect();
    let more = page.matching.saturating_sub(page.rows.len()) as u64;
    section(
        "flows",
        "Flows",
        &html! {
            @if rows.is_empty() { p.nothing { "No flow." } }
            @else { (sortable("Flows, the gravest verdicts first", COLUMNS, &rows)) }
            @if more > 0 {
                p.more {
                    (count(more, "more flow")) " of " (number(page.matching as u64)) " are not listed here. "
                    code { "mirrorscope flows" } " lists all of them, and " code { "--filter" } " chooses."
                }
            }
        },
    )
}

/// A link to a flow's row, if it has one.
pub(super) fn link(id: &str, page: &FlowPage) -> Markup {
    let listed = page.rows.iter().any(|flow| flow.id == id);
    html! {
        @if listed { a href={ "#flow-" (id) } { code { (id) } } }
        @else { code { (id) } }
    }
}

fn row(flow: &FlowReport) -> Row {
    let (sign, class) = verdict(flow.verdict);
    let packets = flow.orig.packets + flow.resp.packets;
    let all = flow.orig.bytes + flow.resp.bytes;
    let points = html! {
        ul.points {
            @for at in &flow.points {
                li {
                    (at.point) " " span.faint { (number(at.orig.packets)) "/" (number(at.resp.packets)) }
                    @if let Some(firewall) = at.firewall.as_ref().filter(|firewall| firewall.cause.is_none()) {
                        " " span.badge.error title=(firewall.why) { (number(firewall.packets())) " out of state" }
                    }
                }
            }
        }
    };
    let verdict = html! {
        span.verdict.(class) { span.sign { (sign) } " " (flow.verdict.as_str()) }
        div.why { (flow.why) }
    };
    let pair = format!(
        "{}/{}",
        number(flow.orig.packets),
        number(flow.resp.packets)
    );
    Row {
        id: Some(format!("flow-{}", flow.id)),
        class: "",
        cells: vec![
            Cell::new(html! { code { (flow.id) } }),
            Cell::by(verdict, &flow.verdict.as_str()),
            Cell::new(&flow.proto),
            Cell::new(end(flow, true)),
            Cell::new(end(flow, false)),
            Cell::by(pair, &packets),
            Cell::by(bytes(all), &all),
            Cell::new(html! { span title=(flow.history) { (flow.state) } }),
            Cell::by(clock(flow.first), &flow.first),
            Cell::by(points, &flow.points.len()),
        ],
    }
}
