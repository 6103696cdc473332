//! Tables for people: sessions and flows, fitted to the width of the screen.

use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use anyhow::Result;
use comfy_table::{CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};
use mirrorscope_engine::inventory::{EndpointReport, PlaceReport};
use mirrorscope_engine::matrix::SiteRow;
use mirrorscope_engine::report::{FlowReport, PortReport, SessionReport};
use mirrorscope_tui::theme::Meaning;

use super::{Screen, text};

/// From this width on, sessions have their first and last times too.
const WIDEST: u16 = 140;
/// From this width on, tables have all their other columns.
pub(super) const WIDE: u16 = 120;
/// Below this width, two endpoints and a verdict are all that a flow's line holds.
pub(super) const MIDDLE: u16 = 96;
/// Blanks between columns.
const GAP: u16 = 2;
/// Ports of a session that are listed.
const PORTS: usize = 8;

/// A column of a table.
pub(super) struct Column<T> {
    title: &'static str,
    /// Screens at least this wide have it.
    from: u16,
    /// It holds numbers.
    figures: bool,
    cell: fn(&T) -> String,
}

impl<T> Column<T> {
    pub(super) const fn new(title: &'static str, from: u16, cell: fn(&T) -> String) -> Self {
        Self {
            title,
            from,
            figures: false,
            cell,
        }
    }

    pub(super) const fn figures(title: &'static str, from: u16, cell: fn(&T) -> String) -> Self {
        Self {
            figures: true,
            ..Self::new(title, from, cell)
        }
    }
}

const SESSIONS: &[Column<SessionReport>] = &[
    Column::new("session", 0, |s| s.name.clone()),
    Column::new("destination", WIDE, |s| or_dash(s.destination)),
    Column::new("site", 0, |s| s.site.clone()),
    Column::new("point", 0, |s| {
        let point = if s.point == s.name {
            "(not described)"
        } else {
            &s.point
        };
        point.to_owned()
    }),
    Column::new("role", WIDE, |s| s.role.to_owned()),
    Column::figures("packets", 0, |s| s.packets.to_string()),
    Column::figures("bytes", WIDE, |s| s.bytes.to_string()),
    Column::figures("lost", 0, |s| {
        let mark = if loses_together(s) { "*" } else { "" };
        or_dash(s.sequence.as_ref().map(|q| format!("{}{mark}", q.missing)))
    }),
    Column::figures("doubled", WIDE, |s| {
        or_dash(s.sequence.as_ref().map(|q| q.duplicate))
    }),
    Column::figures("late", WIDE, |s| {
        or_dash(s.sequence.as_ref().map(|q| q.reordered))
    }),
    Column::figures("cut", 0, |s| s.truncated.to_string()),
    Column::new("first", WIDEST, |s| clock(&s.first.to_string())),
    Column::new("last", WIDEST, |s| clock(&s.last.to_string())),
];

/// Columns of a session up to those that count its packets; behind them stand rates.
const COUNTED: usize = 7;

/// What sessions bring now, while packets still come.
const RATES: &[Column<SessionReport>] = &[
    Column::figures("packets/s", MIDDLE, |s| {
        or_dash(s.recent.map(|recent| figure(recent.pace())))
    }),
    Column::figures("bit/s", WIDE, |s| {
        or_dash(s.recent.map(|recent| figure(recent.bits())))
    }),
];

/// Writes sessions; wide screens get more columns.
pub fn sessions(out: &mut dyn Write, screen: Screen, sessions: &[SessionReport]) -> Result<()> {
    if sessions.is_empty() {
        writeln!(out, "no mirror session")?;
        return Ok(());
    }
    let live = sessions.iter().any(|s| s.recent.is_some());
    let rates = RATES.iter().filter(|_| live);
    let (front, back) = SESSIONS.split_at(COUNTED);
    let mut table = Fitted::of(screen, front.iter().chain(rates).chain(back));
    // A name is copied into commands and files: as long as there is room, it stays in one piece.
    let longest = sessions.iter().map(|s| s.name.len()).max();
    table.keep_first(longest.unwrap_or_default());
    for session in sessions {
        table.add(session);
    }
    table.write(out)?;
    if sessions.iter().any(loses_together) {
        writeln!(
            out,
            "{}",
            screen.theme.paint(
                Meaning::Faint,
                "* sessions that share one sequence counter: lost by all of them together"
            )
        )?;
    }
    notes(out, screen, sessions)
}

const SITES: &[Column<SiteRow>] = &[
    Column::new("site", 0, |s| s.site.clone()),
    Column::figures("requests of", 0, |s| text::count(s.requests.flows, "flow")),
    Column::figures("packets", 0, |s| s.requests.packets.to_string()),
    Column::figures("bytes", MIDDLE, |s| s.requests.bytes.to_string()),
    Column::figures("answers of", 0, |s| text::count(s.answers.flows, "flow")),
    Column::figures("packets", 0, |s| s.answers.packets.to_string()),
    Column::figures("bytes", MIDDLE, |s| s.answers.bytes.to_string()),
];

/// Writes what each site passes.
pub fn sites(out: &mut dyn Write, screen: Screen, sites: &[SiteRow]) -> Result<()> {
    let mut table = Fitted::new(screen, SITES);
    let longest = sites.iter().map(|s| s.site.len()).max();
    table.keep_first(longest.unwrap_or_default());
    for site in sites {
        table.add(site);
    }
    table.write(out)
}

/// Whether what a session lost may have been another's that has the same counter.
fn loses_together(session: &SessionReport) -> bool {
    let sequence = session.sequence.as_ref();
    sequence.is_some_and(|sequence| sequence.shared > 1 && sequence.missing > 0)
}

/// What is worth telling of sessions beside their figures: which way their packets went, and clocks that are not what
/// they say.
fn notes(out: &mut dyn Write, screen: Screen, sessions: &[SessionReport]) -> Result<()> {
    for session in sessions {
        let ways = session.directions.iter();
        let ways = ways.map(|way| format!("{} {}", text::count(way.packets, "packet"), way.way));
        let ways: Vec<String> = ways.collect();
        let mut parts = Vec::new();
        // A direction that never changes may be a setting of the sender's, the same for both.
        if ways.len() > 1 {
            parts.push(ways.join(", "));
            parts.extend(ports(&session.ports));
        }
        if let Some(clock) = &session.clock
            && let Some(declared) = &clock.declared
        {
            match &clock.unit {
                Some(unit) if unit != declared => parts.push(format!(
                    "its time stamps count {unit}, not the {declared} that they claim"
                )),
                Some(_) => {}
                None => parts.push("its time stamps fit no clock".to_owned()),
            }
        }
        if !parts.is_empty() {
            let note = format!("{}: {}", session.name, parts.join("; "));
            text::paragraph(out, screen, "", "  ", &note)?;
        }
    }
    Ok(())
}

/// The mirrored ports by number: `ports 3, 7`, or the first few of many.
fn ports(ports: &[PortReport]) -> Option<String> {
    let mut numbers: Vec<u32> = ports.iter().filter_map(|port| port.index).collect();
    numbers.sort_unstable();
    numbers.dedup();
    let shown: Vec<String> = numbers.iter().take(PORTS).map(u32::to_string).collect();
    let word = if numbers.len() == 1 { "port" } else { "ports" };
    let more = if numbers.len() > PORTS { ", …" } else { "" };
    (!shown.is_empty()).then(|| format!("{word} {}{more}", shown.join(", ")))
}

const ENDPOINTS: &[Column<EndpointReport>] = &[
    Column::new("address", 0, |e| match e.addresses.as_slice() {
        [] => "-".to_owned(),
        addresses => {
            let more = e.more_addresses.then(|| "…".to_owned());
            let names = addresses.iter().map(|own| own.address.to_string());
            names.chain(more).collect::<Vec<_>>().join("\n")
        }
    }),
    Column::new("mac", 0, |e| e.mac.clone()),
    Column::new("kind", 0, |e| e.kind.to_owned()),
    Column::new("site", 0, |e| or_dash(e.place.as_ref().map(|p| &p.site))),
    Column::new("point", 0, |e| or_dash(e.place.as_ref().map(|p| &p.point))),
    Column::new("placed", 0, |e| or_dash(e.place.as_ref().map(|p| p.placed))),
    Column::new("since", 0, |e| {
        or_dash(e.place.as_ref().map(|p| clock(&p.since.to_string())))
    }),
    Column::new("until", WIDE, |e| {
        or_dash(e.place.as_ref().map(|p| clock(&p.until.to_string())))
    }),
    Column::new("vlan", WIDE, |e| {
        let vlans: Vec<String> = e.vlans.iter().map(u16::to_string).collect();
        or_dash((!vlans.is_empty()).then(|| vlans.join(",")))
    }),
    Column::new("tenant", WIDE, |e| or_dash(e.tenant.as_ref())),
    Column::new("known by", WIDE, |e| {
        let mut ways: Vec<&str> = e
            .addresses
            .iter()
            .flat_map(|own| own.known.iter().copied())
            .collect();
        ways.sort_unstable();
        ways.dedup();
        or_dash((!ways.is_empty()).then(|| ways.join(", ")))
    }),
];

/// What an inventory tells.
const INVENTORY: &[Column<EndpointReport>] = &[
    Column::new("name", 0, |e| or_dash(e.name.as_ref())),
    Column::new("host", MIDDLE, |e| {
        or_dash(e.inventory.as_ref().and_then(|i| i.machine.host.as_ref()))
    }),
    Column::new("port group", WIDE, |e| {
        or_dash(
            e.inventory
                .as_ref()
                .and_then(|i| i.machine.port_group.as_ref()),
        )
    }),
];

/// Writes endpoints, where each was before, and where the inventory has those that it has elsewhere.
pub fn endpoints(out: &mut dyn Write, screen: Screen, endpoints: &[EndpointReport]) -> Result<()> {
    if endpoints.is_empty() {
        writeln!(out, "no endpoint")?;
        return Ok(());
    }
    let named = endpoints.iter().any(|endpoint| endpoint.name.is_some());
    let inventory = INVENTORY.iter().filter(|_| named);
    let (address, rest) = ENDPOINTS.split_at(1);
    let mut table = Fitted::of(screen, address.iter().chain(inventory).chain(rest));
    let longest = endpoints
        .iter()
        .flat_map(|endpoint| &endpoint.addresses)
        .map(|own| own.address.to_string().len());
    table.keep_first(longest.max().unwrap_or_default());
    for endpoint in endpoints {
        table.add(endpoint);
    }
    table.write(out)?;
    for endpoint in endpoints
        .iter()
        .filter(|endpoint| endpoint.places.len() > 1)
    {
        let place = |place: &PlaceReport| {
            format!(
                "{} ({}) {} to {}",
                place.point,
                place.site,
                clock(&place.since.to_string()),
                clock(&place.until.to_string())
            )
        };
        let places: Vec<String> = endpoint.places.iter().map(place).collect();
        let name = match endpoint.addresses.first() {
            Some(own) => own.address.to_string(),
            None => endpoint.mac.clone(),
        };
        let note = format!("{name} moved: {}", places.join(", then "));
        text::paragraph(out, screen, "", "  ", &note)?;
    }
    for endpoint in endpoints {
        if let Some(note) = elsewhere(endpoint) {
            text::paragraph(out, screen, "", "  ", &note)?;
        }
    }
    Ok(())
}

/// That an endpoint is not where the inventory has it.
fn elsewhere(endpoint: &EndpointReport) -> Option<String> {
    let inventory = endpoint.inventory.as_ref().filter(|i| i.elsewhere)?;
    let (name, place) = (endpoint.name.as_ref()?, endpoint.place.as_ref()?);
    let told = inventory.machine.site.as_ref()?;
    let host = inventory.machine.host.as_ref();
    let host = host.map(|host| format!(" on {host}")).unwrap_or_default();
    Some(format!(
        "{name} is at {} ({}); the inventory has it at {told}{host}",
        place.site, place.point
    ))
}

const FLOWS: &[Column<FlowReport>] = &[
    Column::new("flow", 0, |f| f.id.clone()),
    Column::new("proto", 0, |f| f.proto.clone()),
    Column::new("originator", 0, |f| {
        named(f, f.src_name.as_ref(), f.src, f.sport)
    }),
    Column::new("responder", 0, |f| {
        named(f, f.dst_name.as_ref(), f.dst, f.dport)
    }),
    Column::figures("packets", 0, |f| {
        format!("{}/{}", f.orig.packets, f.resp.packets)
    }),
    Column::figures("again", WIDE, |f| {
        let ends = f.tcp.as_ref().map(|tcp| [&tcp.orig, &tcp.resp]);
        or_dash(ends.map(|ends| ends.map(|end| end.retransmissions.to_string()).join("/")))
    }),
    Column::new("state", MIDDLE, |f| f.state.to_owned()),
    Column::new("history", WIDE, |f| f.history.clone()),
    Column::new("verdict", 0, |f| f.verdict.as_str().to_owned()),
    Column::new("why", WIDE, |f| f.why.clone()),
];

/// Rows whose columns are fitted together.
const BLOCK: usize = 1000;

/// Flows in blocks, so that any number of them needs little memory.
pub struct Flows {
    screen: Screen,
    block: Fitted<FlowReport>,
    any: bool,
}

impl Flows {
    /// An empty table.
    pub fn new(screen: Screen) -> Self {
        Self {
            screen,
            block: Fitted::new(screen, FLOWS),
            any: false,
        }
    }

    /// Adds one flow.
    pub fn add(&mut self, out: &mut dyn Write, flow: &FlowReport) -> Result<()> {
        self.block.add(flow);
        self.any = true;
        if self.block.table.row_count() < BLOCK {
            return Ok(());
        }
        std::mem::replace(&mut self.block, Fitted::new(self.screen, FLOWS)).write(out)
    }

    /// Writes what is left.
    pub fn finish(self, out: &mut dyn Write) -> Result<()> {
        if !self.any {
            writeln!(out, "no flow")?;
        }
        if self.block.table.row_count() == 0 {
            return Ok(());
        }
        self.block.write(out)
    }
}

/// A table with those of its columns for which the screen has room.
pub(super) struct Fitted<T: 'static> {
    screen: Screen,
    columns: Vec<&'static Column<T>>,
    table: Table,
}

impl<T> Fitted<T> {
    pub(super) fn new(screen: Screen, columns: &'static [Column<T>]) -> Self {
        Self::of(screen, columns.iter())
    }

    fn of(screen: Screen, columns: impl Iterator<Item = &'static Column<T>>) -> Self {
        let columns: Vec<_> = columns.filter(|c| screen.width >= c.from).collect();
        let mut table = Table::new();
        table
            .load_style(comfy_table::presets::NOTHING)
            .set_content_arrangement(ContentArrangement::Dynamic)
            .set_width(screen.width);
        table.set_header(columns.iter().map(|column| column.title.to_uppercase()));
        for (column, shown) in columns.iter().zip(table.column_iter_mut()) {
            shown.set_padding((0, GAP));
            if column.figures {
                shown.set_cell_alignment(CellAlignment::Right);
            }
        }
        Self {
            screen,
            columns,
            table,
        }
    }

    /// Keeps the first column's text of so many characters in one line, if half the screen is enough for it.
    pub(super) fn keep_first(&mut self, longest: usize) {
        let width = u16::try_from(longest)
            .unwrap_or(u16::MAX)
            .saturating_add(GAP);
        if let Some(first) = self.table.column_mut(0)
            && width <= self.screen.width / 2
        {
            first.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(width)));
        }
    }

    pub(super) fn add(&mut self, row: &T) {
        self.table
            .add_row(self.columns.iter().map(|column| (column.cell)(row)));
    }

    /// Writes the rows with nothing at the left, header faint.
    pub(super) fn write(self, out: &mut dyn Write) -> Result<()> {
        for (index, line) in self.table.lines().enumerate() {
            let line = line.trim_end();
            if index == 0 {
                writeln!(out, "{}", self.screen.theme.paint(Meaning::Faint, line))?;
            } else {
                writeln!(out, "{line}")?;
            }
        }
        Ok(())
    }
}

/// Address and port; the address alone where there are no ports.
pub(super) fn endpoint(flow: &FlowReport, address: IpAddr, port: u16) -> String {
    match flow.proto.as_str() {
        "tcp" | "udp" | "sctp" => SocketAddr::new(address, port).to_string(),
        _ => address.to_string(),
    }
}

/// The same by name, if the end has one.
fn named(flow: &FlowReport, name: Option<&Arc<str>>, address: IpAddr, port: u16) -> String {
    match (name, flow.proto.as_str()) {
        (None, _) => endpoint(flow, address, port),
        (Some(name), "tcp" | "udp" | "sctp") => format!("{name}:{port}"),
        (Some(name), _) => name.to_string(),
    }
}

pub(super) fn or_dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// A rate with three digits: `0.25`, `12.3`, `540`, `1.25M`.
fn figure(number: f64) -> String {
    let units = [(1e9, "G"), (1e6, "M"), (1e4, "k")];
    let unit = units.iter().find(|(least, _)| number >= *least);
    let (value, unit) = match unit {
        Some((_, "k")) => (number / 1e3, "k"),
        Some((factor, unit)) => (number / factor, *unit),
        None => (number, ""),
    };
    let digits = match value {
        v if v == 0.0 || v >= 100.0 => 0,
        v if v >= 10.0 => 1,
        _ => 2,
    };
    format!("{value:.digits$}{unit}")
}

/// The time of day, to milliseconds, of an RFC 3339 time.
fn clock(time: &str) -> String {
    time.get(11..23).unwrap_or(time).to_owned()
}
