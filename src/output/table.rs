//! Tables for people: sessions and flows, fitted to the width of the screen.

use std::io::Write;

use anyhow::Result;
use comfy_table::{CellAlignment, ContentArrangement, Table};
use mirrorscope_engine::report::{FlowReport, PortReport, SessionReport};
use mirrorscope_tui::theme::Meaning;

use super::{Screen, text};

/// From this width on, tables have all their columns.
const WIDE: u16 = 120;
/// Below this width, two endpoints and a verdict are all that a flow's line holds.
const MIDDLE: u16 = 96;
/// Ports of a session that are listed.
const PORTS: usize = 8;

/// Writes sessions; wide screens get more columns.
pub fn sessions(out: &mut dyn Write, screen: Screen, sessions: &[SessionReport]) -> Result<()> {
    if sessions.is_empty() {
        writeln!(out, "no mirror session")?;
        return Ok(());
    }
    let wide = screen.width >= WIDE;
    let mut header = vec!["session", "site", "point", "packets", "lost", "cut"];
    if wide {
        header = vec![
            "session",
            "destination",
            "site",
            "point",
            "role",
            "packets",
            "bytes",
            "lost",
            "doubled",
            "late",
            "cut",
            "first",
            "last",
        ];
    }
    let mut table = table(screen, &header);
    for s in sessions {
        let point = if s.point == s.name {
            "(not described)"
        } else {
            s.point.as_str()
        };
        let sequence = |figure: fn(&mirrorscope_engine::report::SequenceReport) -> u64| {
            s.sequence
                .as_ref()
                .map_or_else(|| "-".to_owned(), |s| figure(s).to_string())
        };
        let lost = s.sequence.as_ref().map_or_else(
            || "-".to_owned(),
            |q| {
                if q.shared > 1 && q.missing > 0 {
                    format!("{}*", q.missing)
                } else {
                    q.missing.to_string()
                }
            },
        );
        let row = if wide {
            vec![
                s.name.clone(),
                s.destination
                    .map_or_else(|| "-".to_owned(), |d| d.to_string()),
                s.site.clone(),
                point.to_owned(),
                s.role.to_owned(),
                s.packets.to_string(),
                s.bytes.to_string(),
                lost,
                sequence(|q| q.duplicate),
                sequence(|q| q.reordered),
                s.truncated.to_string(),
                clock(&s.first.to_string()),
                clock(&s.last.to_string()),
            ]
        } else {
            vec![
                s.name.clone(),
                s.site.clone(),
                point.to_owned(),
                s.packets.to_string(),
                lost,
                s.truncated.to_string(),
            ]
        };
        table.add_row(row);
    }
    let figures: &[usize] = if wide {
        &[5, 6, 7, 8, 9, 10]
    } else {
        &[3, 4, 5]
    };
    write_table(out, screen, &mut table, figures)?;
    if sessions.iter().any(|s| {
        s.sequence
            .as_ref()
            .is_some_and(|q| q.shared > 1 && q.missing > 0)
    }) {
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

/// What is worth telling of sessions beside their figures: which way their packets went, and clocks that are not what
/// they say.
fn notes(out: &mut dyn Write, screen: Screen, sessions: &[SessionReport]) -> Result<()> {
    for session in sessions {
        let ways = session.directions.iter();
        let ways = ways.map(|way| format!("{} {}", text::count(way.packets, "packet"), way.way));
        let ways: Vec<String> = ways.collect();
        let mut parts = Vec::new();
        if !ways.is_empty() {
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

/// Flows in blocks, so that any number of them needs little memory.
pub struct Flows {
    screen: Screen,
    rows: Vec<Vec<String>>,
    any: bool,
}

/// Rows whose columns are fitted together.
const BLOCK: usize = 1000;

impl Flows {
    /// An empty table.
    pub fn new(screen: Screen) -> Self {
        Self {
            screen,
            rows: Vec::new(),
            any: false,
        }
    }

    /// Adds one flow.
    pub fn add(&mut self, out: &mut dyn Write, flow: &FlowReport) -> Result<()> {
        let port = |address: std::net::IpAddr, port: u16| match (flow.proto.as_str(), address) {
            ("tcp" | "udp" | "sctp", std::net::IpAddr::V6(v6)) => format!("[{v6}]:{port}"),
            ("tcp" | "udp" | "sctp", std::net::IpAddr::V4(v4)) => format!("{v4}:{port}"),
            (_, address) => address.to_string(),
        };
        let mut row = vec![
            flow.id.clone(),
            flow.proto.clone(),
            port(flow.src, flow.sport),
            port(flow.dst, flow.dport),
            format!("{}/{}", flow.orig.packets, flow.resp.packets),
            flow.state.to_owned(),
            flow.verdict.as_str().to_owned(),
        ];
        if self.screen.width >= WIDE {
            row.insert(6, flow.history.clone());
            row.push(flow.why.clone());
        } else if self.screen.width < MIDDLE {
            row.remove(5);
        }
        self.rows.push(row);
        self.any = true;
        if self.rows.len() >= BLOCK {
            self.write(out)
        } else {
            Ok(())
        }
    }

    /// Writes what is left.
    pub fn finish(mut self, out: &mut dyn Write) -> Result<()> {
        if !self.any {
            writeln!(out, "no flow")?;
        }
        if self.rows.is_empty() {
            Ok(())
        } else {
            self.write(out)
        }
    }

    fn write(&mut self, out: &mut dyn Write) -> Result<()> {
        let mut header = vec![
            "flow",
            "proto",
            "originator",
            "responder",
            "packets",
            "state",
            "verdict",
        ];
        if self.screen.width >= WIDE {
            header.insert(6, "history");
            header.push("why");
        } else if self.screen.width < MIDDLE {
            header.remove(5);
        }
        let mut table = table(self.screen, &header);
        for row in self.rows.drain(..) {
            table.add_row(row);
        }
        write_table(out, self.screen, &mut table, &[4])
    }
}

fn table(screen: Screen, header: &[&str]) -> Table {
    let mut table = Table::new();
    table
        .load_style(comfy_table::presets::NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_width(screen.width);
    table.set_header(header.iter().map(|name| name.to_uppercase()));
    table
}

/// Writes a table: no padding at the left, header faint.
fn write_table(
    out: &mut dyn Write,
    screen: Screen,
    table: &mut Table,
    figures: &[usize],
) -> Result<()> {
    for (index, column) in table.column_iter_mut().enumerate() {
        column.set_padding((0, 2));
        if figures.contains(&index) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    for (index, line) in table.lines().enumerate() {
        let line = line.trim_end();
        if index == 0 {
            writeln!(out, "{}", screen.theme.paint(Meaning::Faint, line))?;
        } else {
            writeln!(out, "{line}")?;
        }
    }
    Ok(())
}

/// The time of day, to milliseconds, of an RFC 3339 time.
fn clock(time: &str) -> String {
    time.get(11..23).unwrap_or(time).to_owned()
}
