//! Endpoints: where each address lives, and what the inventory tells of it.

use maud::{Markup, html};
use mirrorscope_engine::inventory::EndpointReport;

use super::outline::{Cell, Column, Row, section, table as sortable};
use super::words::{clock, count};

/// Endpoints that are listed; those that moved, and those that are not where the inventory has them, first.
const LISTED: usize = 200;

const COLUMNS: &[Column] = &[
    Column::new("Address", "Its own addresses"),
    Column::new("Name", "What it is called"),
    Column::new(
        "Kind",
        "host, router, or the shared address of a group of routers",
    ),
    Column::new("Site", "Where it is"),
    Column::new("Point", "The point by which its frames enter"),
    Column::new("Since", "Its first frame there, UTC"),
    Column::new("Before", "Where it was before"),
    Column::new(
        "Inventory",
        "Host, port group and site that the inventory tells",
    ),
    Column::new("MAC", "Its MAC address"),
];

/// The section.
pub(super) fn table(endpoints: &[EndpointReport]) -> Markup {
    if endpoints.is_empty() {
        return html! {};
    }
    let mut chosen: Vec<&EndpointReport> = endpoints.iter().collect();
    chosen.sort_by_key(|endpoint| !is_remarkable(endpoint));
    let more = chosen.len().saturating_sub(LISTED) as u64;
    let rows: Vec<Row> = chosen.into_iter().take(LISTED).map(row).collect();
    section(
        "endpoints",
        "Endpoints",
        &html! {
            (sortable("Endpoints: which address lives where", COLUMNS, &rows))
            @if more > 0 {
                p.more { (count(more, "more endpoint")) "; " code { "mirrorscope endpoints" } " lists all." }
            }
        },
    )
}

fn is_remarkable(endpoint: &EndpointReport) -> bool {
    endpoint.places.len() > 1 || endpoint.inventory.as_ref().is_some_and(|i| i.elsewhere)
}

fn row(endpoint: &EndpointReport) -> Row {
    let place = endpoint.place.as_ref();
    let addresses = html! {
        @if endpoint.addresses.is_empty() { "–" }
        @for (index, own) in endpoint.addresses.iter().enumerate() {
            @if index > 0 { br; }
            span.address { (own.address) }
        }
    };
    let before = endpoint.places.split_last().map(|(_, before)| before);
    let before = html! {
        @for (index, place) in before.unwrap_or_default().iter().enumerate() {
            @if index > 0 { br; }
            (place.point) " (" (place.site) ")"
        }
    };
    let inventory = html! {
        @if let Some(inventory) = &endpoint.inventory {
            @let machine = &inventory.machine;
            @if let Some(host) = &machine.host { (host) }
            @if let Some(group) = &machine.port_group { " " span.faint { (group) } }
            @if let Some(site) = &machine.site {
                " "
                @if inventory.elsewhere { strong.warning { "▲ " (site) ", where it is not" } }
                @else { span.site { (site) } }
            }
        }
    };
    Row {
        id: None,
        class: if is_remarkable(endpoint) {
            "remarkable"
        } else {
            ""
        },
        cells: vec![
            Cell::new(addresses),
            Cell::new(endpoint.name.as_deref().unwrap_or_default()),
            Cell::new(endpoint.kind),
            Cell::new(place.map_or("", |place| &place.site)),
            Cell::new(place.map_or("", |place| &place.point)),
            Cell::by(
                html! { @if let Some(place) = place { (clock(place.since)) } },
                &place.map(|p| p.since).unwrap_or_default(),
            ),
            Cell::new(before),
            Cell::new(inventory),
            Cell::new(html! { code { (endpoint.mac) } }),
        ],
    }
}
