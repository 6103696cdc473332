//! The sites picture as SVG, and the view by site as tables.
//!
//! Sites stand side by side, their points from the outside at the top to the machines at the bottom. Both ways of the finding's flows
//! go from point to point: straight where nothing lies between, beside the points where they pass others by.

mod draw;
mod grid;

use maud::{Markup, html};
use mirrorscope_engine::matrix::WaysRow;
use mirrorscope_engine::report::Report;
use mirrorscope_tui::picture::{Picture, Stop};

use super::outline::{Cell, Column, Row, section, table};
use super::words::{bytes, count, number};
use grid::Grid;

/// The picture, and what it shows in words. `named` are the points that the finding is about; `flow` is the one whose way it shows,
/// if it is not that of all flows of the finding.
pub(super) fn picture(picture: &Picture, named: &[String], flow: Option<&str>) -> Markup {
    if picture.sites.is_empty() {
        return html! {};
    }
    let grid = Grid::new(picture, named);
    let left_out = picture.sites.len() - grid.sites.len() + picture.more;
    html! {
        figure.sites {
            div.scroll tabindex="0" role="region" aria-label="Sites and the way of the traffic" { (draw::svg(&grid)) }
            figcaption {
                @if !picture.requests.is_empty() { span.legend.requests { "→ requests" } " " }
                @if !picture.answers.is_empty() { span.legend.answers { "⇢ answers" } " " }
                @if let Some(flow) = flow { span { "of flow " code { (flow) } } " " }
                @for way in &picture.ways { span.way { (way_in_words(way)) } " " }
                @if left_out > 0 { span.faint { (count(left_out as u64, "more site")) " below" } }
            }
        }
    }
}

/// `fw1-inside (dc1), dci1 (dc1)`.
fn way(stops: &[Stop]) -> String {
    let stops = stops
        .iter()
        .map(|stop| format!("{} ({})", stop.point, stop.site));
    stops.collect::<Vec<_>>().join(", ")
}

fn way_in_words(way: &WaysRow) -> Markup {
    let name = |site: &Option<String>| {
        site.clone()
            .unwrap_or_else(|| "a place that is not mirrored".to_owned())
    };
    let (requests, answers) = (name(&way.requests), name(&way.answers));
    let flows = count(way.flows, "flow");
    html! {
        @if way.requests == way.answers { span.good { "✔ " (flows) " in and out by " (requests) } }
        @else { span.error { "✖ " (flows) " in by " (requests) ", out by " (answers) } }
    }
}

/// What each site passes, where there are several.
pub(super) fn tables(report: &Report) -> Markup {
    let matrix = &report.sites_matrix;
    if matrix.sites.len() < 2 {
        return html! {};
    }
    let columns = [
        Column::new("Site", "Its firewalls, routers and uplinks"),
        Column::figures("Requests of", "Flows whose requests pass here"),
        Column::figures("Packets", "Of requests"),
        Column::figures("Bytes", "Of requests"),
        Column::figures("Answers of", "Flows whose answers pass here"),
        Column::figures("Packets", "Of answers"),
        Column::figures("Bytes", "Of answers"),
    ];
    let rows = matrix.sites.iter().map(|site| {
        let of = |passed: mirrorscope_engine::matrix::Passed| {
            [
                Cell::by(count(passed.flows, "flow"), &passed.flows),
                Cell::by(number(passed.packets), &passed.packets),
                Cell::by(bytes(passed.bytes), &passed.bytes),
            ]
        };
        let mut cells = vec![Cell::new(&site.site)];
        cells.extend(of(site.requests));
        cells.extend(of(site.answers));
        Row {
            id: None,
            class: "",
            cells,
        }
    });
    let rows: Vec<Row> = rows.collect();
    section(
        "sites",
        "Sites",
        &html! {
            (table("What each site passes", &columns, &rows))
            @for pair in &matrix.pairs {
                @let [a, b] = &pair.sites;
                p {
                    (a) " – " (b) ": " strong { (format!("{:.0} %", (pair.score * 100.0).floor())) } " symmetric; "
                    (number(pair.symmetric)) " of " (count(pair.symmetric + pair.asymmetric, "flow")) " keep to one of the two both ways"
                }
            }
        },
    )
}
