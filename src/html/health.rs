//! The health of the mirror: its sessions, what they lost, what this host dropped.

use std::cmp::Reverse;

use maud::{Markup, html};
use mirrorscope_engine::report::{Report, SessionReport};

use super::outline::{Cell, Column, Row, section, table};
use super::words::{bytes, clock, count, number};

/// Sessions that are listed.
const LISTED: usize = 200;

const COLUMNS: &[Column] = &[
    Column::new("Session", "Encapsulation, id and outer source"),
    Column::new("Site", "Site of its point"),
    Column::new(
        "Point",
        "The place in the network that it shows, and what stands there",
    ),
    Column::figures("Packets", "Mirrored packets"),
    Column::figures("Bytes", "With the outer headers"),
    Column::figures(
        "Lost",
        "Missing sequence numbers; – where the encapsulation has none",
    ),
    Column::figures("Doubled", "Packets whose number had arrived before"),
    Column::figures("Cut", "Packets that arrived shorter than they were"),
    Column::figures("Malformed", "Packets with a fault below the encapsulation"),
    Column::new("First", "Its first packet, UTC"),
    Column::new("Last", "Its last packet, UTC"),
];

/// The section.
pub(super) fn sessions(report: &Report) -> Markup {
    let mut sessions: Vec<&SessionReport> = report.sessions.iter().collect();
    if sessions.len() > LISTED {
        sessions.sort_by_key(|session| Reverse(session.packets));
    }
    let more = sessions.len().saturating_sub(LISTED) as u64;
    let rows: Vec<Row> = sessions.into_iter().take(LISTED).map(row).collect();
    let shared = report.sessions.iter().any(shares);
    section(
        "health",
        "Mirror health",
        &html! {
            p.note { "What the mirror itself lost, doubled or cut. A verdict that this could explain is unknown." }
            @if rows.is_empty() { p.nothing { "No mirror session." } }
            @else { (table("Mirror sessions", COLUMNS, &rows)) }
            @if shared { p.note { "* Sessions that share one sequence counter: lost by all of them together." } }
            @if more > 0 {
                p.more { (count(more, "more session")) " with fewer packets; " code { "mirrorscope sessions" } " lists all." }
            }
            (interfaces(report))
        },
    )
}

/// Whether what it lost may have been another's.
fn shares(session: &SessionReport) -> bool {
    let sequence = session.sequence.as_ref();
    sequence.is_some_and(|sequence| sequence.shared > 1 && sequence.missing > 0)
}

fn row(session: &SessionReport) -> Row {
    let sequence = session.sequence.as_ref();
    let lost = match sequence {
        None => Cell::by("–", &-1),
        Some(sequence) => {
            let all = sequence.received + sequence.missing;
            let share = sequence.missing as f64 / all.max(1) as f64;
            let mark = if shares(session) { "*" } else { "" };
            let shown = html! {
                (number(sequence.missing)) (mark)
                @if sequence.missing > 0 { " " small { (format!("{:.2} %", share * 100.0)) } }
            };
            Cell::by(alarming(sequence.missing, &shown), &sequence.missing)
        }
    };
    let bad = |number_of: u64| {
        Cell::by(
            alarming(number_of, &html! { (number(number_of)) }),
            &number_of,
        )
    };
    Row {
        id: None,
        class: "",
        cells: vec![
            Cell::new(html! { code { (session.name) } }),
            Cell::new(&session.site),
            Cell::by(
                html! { (session.point) " " span.faint { (session.role) } },
                &session.point,
            ),
            Cell::by(number(session.packets), &session.packets),
            Cell::by(bytes(session.bytes), &session.bytes),
            lost,
            bad(sequence.map_or(0, |sequence| sequence.duplicate)),
            bad(session.truncated),
            bad(session.malformed),
            Cell::by(clock(session.first), &session.first),
            Cell::by(clock(session.last), &session.last),
        ],
    }
}

/// A figure that is bad unless it is 0.
fn alarming(number_of: u64, shown: &Markup) -> Markup {
    if number_of == 0 {
        return html! { span.faint { (shown) } };
    }
    html! { strong.warning { "▲ " (shown) } }
}

/// Of a live run, what the interfaces brought and what this host dropped.
fn interfaces(report: &Report) -> Markup {
    let Some(live) = &report.live else {
        return html! {};
    };
    let rows = live.interfaces.iter().map(|interface| {
        let dropped = interface.dropped;
        let bad = |many: u64| Cell::by(alarming(many, &html! { (number(many)) }), &many);
        Row {
            id: None,
            class: "",
            cells: vec![
                Cell::new(&interface.name),
                Cell::new(&interface.via),
                Cell::new(if interface.present { "there" } else { "gone" }),
                Cell::by(number(interface.frames), &interface.frames),
                bad(dropped.all()),
            ],
        }
    });
    let rows: Vec<Row> = rows.collect();
    let columns = [
        Column::new("Interface", "Where packets came from"),
        Column::new("By", "How it is listened on"),
        Column::new("State", "Whether it is there"),
        Column::figures("Frames", "Frames that were read"),
        Column::figures("Dropped here", "Frames that this host could not take"),
    ];
    html! { (table("Interfaces of the collector", &columns, &rows)) }
}
