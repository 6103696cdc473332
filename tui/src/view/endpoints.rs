//! Endpoints: who they are, and where.

use mirrorscope_engine::inventory::{EndpointReport, InventoryReport};
use ratatui::text::{Line, Span};

use super::cells::{or_dash, styled};
use super::list::{List, Listed};
use super::{Context, Page};
use crate::data::Snapshot;
use crate::look::Role;
use crate::widget::figure;
use crate::widget::table::Column;
use crate::widget::text::labelled;

/// The list of endpoints.
pub type Endpoints = List<Stations>;

/// Endpoints.
pub struct Stations;

fn address(endpoint: &EndpointReport) -> Option<std::net::IpAddr> {
    endpoint.addresses.first().map(|own| own.address)
}

fn site(endpoint: &EndpointReport) -> Option<(&String, &String)> {
    let place = endpoint.place.as_ref()?;
    Some((&place.site, &place.point))
}

/// Host, port group and site, as the inventory has them.
fn told(inventory: &InventoryReport) -> String {
    let machine = &inventory.machine;
    let parts = [
        ("host", &machine.host),
        ("port group", &machine.port_group),
        ("site", &machine.site),
    ];
    let parts = parts
        .into_iter()
        .filter_map(|(label, part)| Some(format!("{label} {}", part.as_ref()?)));
    let mut text = parts.collect::<Vec<_>>().join(", ");
    if inventory.elsewhere {
        text.push_str(", where it is not");
    }
    text
}

impl Listed for Stations {
    type Row = EndpointReport;
    const TITLE: &'static str = "Endpoints";
    const NAME: &'static str = "endpoints";
    const EMPTY: &'static str = "no endpoint yet";
    const ORDER: (&'static str, bool) = ("address", false);
    const COLUMNS: &'static [Column<EndpointReport>] = &[
        Column::<EndpointReport>::new("address", (15, 64), 0, |e, cx| {
            let address = match e.addresses.as_slice() {
                [] => "-".to_owned(),
                [one] => one.address.to_string(),
                [one, more @ ..] => format!("{} +{}", one.address, more.len()),
            };
            let role = if e.addresses.is_empty() {
                Role::Faint
            } else {
                Role::Text
            };
            let mut line = styled(address, role, cx);
            if let Some(name) = e.name.as_ref().filter(|_| cx.names) {
                line.push_span(Span::styled(format!(" {name}"), cx.look.style(Role::Faint)));
            }
            line
        })
        .by(|a, b| address(a).cmp(&address(b))),
        Column::<EndpointReport>::new("mac", (17, 17), 2, |e, _| e.mac.clone().into())
            .by(|a, b| a.mac.cmp(&b.mac)),
        Column::<EndpointReport>::new("kind", (6, 6), 3, |e, _| e.kind.into())
            .by(|a, b| a.kind.cmp(b.kind)),
        Column::<EndpointReport>::new("site", (4, 20), 1, |e, cx| {
            or_dash(site(e).map(|(site, _)| site), cx)
        })
        .by(|a, b| site(a).cmp(&site(b))),
        Column::<EndpointReport>::new("point", (8, 24), 1, |e, cx| {
            or_dash(site(e).map(|(_, point)| point), cx)
        })
        .by(|a, b| site(a).map(|s| s.1).cmp(&site(b).map(|s| s.1))),
        Column::<EndpointReport>::new("placed", (6, 6), 4, |e, cx| {
            or_dash(e.place.as_ref().map(|p| p.placed), cx)
        }),
        Column::<EndpointReport>::new("moves", (5, 5), 2, |e, cx| {
            let moves = e.places.len().saturating_sub(1) as u64;
            super::cells::alarming(moves, moves.to_string(), cx)
        })
        .figures()
        .by(|a, b| a.places.len().cmp(&b.places.len())),
        Column::<EndpointReport>::new("since", (12, 12), 5, |e, cx| {
            or_dash(e.place.as_ref().map(|p| figure::clock(p.since)), cx)
        }),
        Column::<EndpointReport>::new("last", (12, 12), 6, |e, _| figure::clock(e.last).into())
            .by(|a, b| a.last.cmp(&b.last)),
        Column::<EndpointReport>::new("vlan", (4, 12), 7, |e, cx| {
            let vlans: Vec<String> = e.vlans.iter().map(u16::to_string).collect();
            or_dash((!vlans.is_empty()).then(|| vlans.join(",")), cx)
        }),
        Column::<EndpointReport>::new("tenant", (6, 16), 8, |e, cx| or_dash(e.tenant.as_ref(), cx)),
    ];

    fn rows(snapshot: &Snapshot) -> &[EndpointReport] {
        &snapshot.endpoints
    }

    fn key(row: &EndpointReport) -> String {
        format!("{} {}", row.tenant.as_deref().unwrap_or_default(), row.mac)
    }

    fn open(row: &EndpointReport) -> Option<Page> {
        Self::flows(row).map(Page::Flows)
    }

    fn flows(row: &EndpointReport) -> Option<String> {
        let own: Vec<String> = row
            .addresses
            .iter()
            .map(|own| own.address.to_string())
            .collect();
        (!own.is_empty()).then(|| format!("host {}", own.join(",")))
    }

    fn related(row: &EndpointReport) -> Option<Page> {
        Self::flows(row).map(|flows| Page::Flows(format!("{flows} and not symmetric")))
    }

    fn copy(row: &EndpointReport) -> String {
        address(row).map_or_else(|| row.mac.clone(), |address| address.to_string())
    }

    fn tell(row: &EndpointReport, columns: usize, cx: &Context<'_>) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut add = |label: &str, text: &str, role: Role| {
            lines.extend(labelled(label, text, columns, (Role::Faint, role), cx.look));
        };
        for own in &row.addresses {
            let text = format!("{}, known by {}", own.address, own.known.join(", "));
            add("address", &text, Role::Text);
        }
        if let Some(name) = &row.name {
            add("name", name, Role::Text);
        }
        if let Some(inventory) = &row.inventory {
            let role = if inventory.elsewhere {
                Role::Warning
            } else {
                Role::Text
            };
            add("inventory", &told(inventory), role);
        }
        let moved = row.places.len() > 1;
        for (index, place) in row.places.iter().enumerate() {
            let text = format!(
                "{} ({}) {} to {}, {}",
                place.point,
                place.site,
                figure::clock(place.since),
                figure::clock(place.until),
                match place.placed {
                    "port" => "its own port",
                    "site" => "its frames enter there",
                    _ => "seen there",
                }
            );
            let label = if index == 0 { "place" } else { "then" };
            let role = if moved { Role::Warning } else { Role::Text };
            add(label, &text, role);
        }
        for announced in &row.announced {
            let what = match announced.address {
                Some(address) => format!("{address} by {}", announced.point),
                None => format!("by {}", announced.point),
            };
            let text = format!("{what} at {}", figure::clock(announced.time));
            add("announced", &text, Role::Text);
        }
        lines
    }
}
