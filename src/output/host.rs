//! What is told of this machine: its interfaces, and what is wrong with it as a collector.

use std::io::Write;

use anyhow::Result;
use mirrorscope_tui::theme::Meaning;

use super::table::{Column, Fitted, MIDDLE, WIDE, or_dash};
use super::{Screen, text};
use crate::command::doctor::{Check, Diagnosis, Status};
use crate::command::interfaces::InterfaceReport;

const INTERFACES: &[Column<InterfaceReport>] = &[
    Column::new("name", 0, |i| i.name.clone()),
    Column::figures("index", MIDDLE, |i| i.index.to_string()),
    Column::new("state", 0, |i| i.state.to_owned()),
    Column::new("addresses", 0, |i| match i.addresses.as_slice() {
        [] => "-".to_owned(),
        addresses => addresses.join("\n"),
    }),
    Column::figures("mtu", 0, |i| i.mtu.to_string()),
    Column::figures("fits", 0, |i| i.fits.to_string()),
    Column::new("type", MIDDLE, |i| i.link_type.clone()),
    Column::new("driver", MIDDLE, |i| or_dash(i.driver.as_ref())),
    Column::new("mac", WIDE, |i| or_dash(i.mac.as_ref())),
];

/// Writes interfaces; wide screens get more columns.
pub fn interfaces(
    out: &mut dyn Write,
    screen: Screen,
    interfaces: &[InterfaceReport],
) -> Result<()> {
    let mut table = Fitted::new(screen, INTERFACES);
    let longest = interfaces.iter().map(|i| i.name.len()).max();
    table.keep_first(longest.unwrap_or_default());
    for interface in interfaces {
        table.add(interface);
    }
    table.write(out)?;
    for interface in interfaces {
        if let Some(note) = &interface.note {
            let note = format!("{}: {note}", interface.name);
            text::paragraph(out, screen, "", "  ", &note)?;
        }
    }
    Ok(())
}

/// Writes what is missing to listen at all.
pub fn missing(out: &mut dyn Write, screen: Screen, how: &str) -> Result<()> {
    let mark = screen.theme.paint(Meaning::Warning, "▲");
    let text = format!(
        "none of them can be captured now: {how}. Without it, mirrors over UDP can be received: --via endpoint"
    );
    text::paragraph(out, screen, &format!("{mark} "), "  ", &text)
}

/// Writes what is wrong, the host's own matters first, then those of each interface.
pub fn diagnosis(out: &mut dyn Write, screen: Screen, diagnosis: &Diagnosis) -> Result<()> {
    let theme = screen.theme;
    let width = diagnosis.checks.iter().map(|check| check.name.len()).max();
    let width = width.unwrap_or_default();
    let mut part: Option<&Option<String>> = None;
    for check in &diagnosis.checks {
        if part != Some(&check.interface) {
            if part.is_some() {
                writeln!(out)?;
            }
            let title = match &check.interface {
                Some(name) => format!("Interface {name}"),
                None => "This host".to_owned(),
            };
            writeln!(out, "{}", theme.paint(Meaning::Heading, &title))?;
            part = Some(&check.interface);
        }
        one(out, screen, check, width)?;
    }
    summary(out, screen, diagnosis)
}

fn one(out: &mut dyn Write, screen: Screen, check: &Check, width: usize) -> Result<()> {
    let (symbol, meaning) = mark(check.status);
    let head = format!("{symbol} {:<width$}  ", check.name);
    let indent = " ".repeat(width + 4);
    let mut found = Vec::new();
    text::paragraph(&mut found, screen, &head, &indent, &check.found)?;
    for line in String::from_utf8_lossy(&found).lines() {
        // What is well is not worth a colour but for its symbol.
        let line = match check.status {
            Status::Ok => line.replacen(symbol, &screen.theme.paint(meaning, symbol), 1),
            _ => screen.theme.paint(meaning, line),
        };
        writeln!(out, "{line}")?;
    }
    if let Some(meaning) = &check.meaning {
        text::paragraph(out, screen, &indent, &indent, meaning)?;
    }
    for command in &check.fix {
        // A command is copied: it stays in one line, however long that is.
        writeln!(
            out,
            "{indent}{}",
            screen
                .theme
                .paint(Meaning::Heading, &format!("$ {command}"))
        )?;
    }
    Ok(())
}

fn summary(out: &mut dyn Write, screen: Screen, diagnosis: &Diagnosis) -> Result<()> {
    let number = |status| {
        let checks = diagnosis.checks.iter();
        checks.filter(|check| check.status == status).count() as u64
    };
    let mut parts = Vec::new();
    let (bad, warn, unknown) = (
        number(Status::Bad),
        number(Status::Warn),
        number(Status::Unknown),
    );
    if bad > 0 {
        let verb = if bad == 1 {
            "loses or distorts"
        } else {
            "lose or distort"
        };
        parts.push(format!(
            "{} that {verb} packets",
            text::count(bad, "problem")
        ));
    }
    if warn > 0 {
        parts.push(text::count(warn, "warning"));
    }
    if unknown > 0 {
        parts.push(format!("{unknown} not seen"));
    }
    parts.push(format!("{} well", number(Status::Ok)));
    writeln!(out)?;
    let (_, meaning) = mark(diagnosis.status);
    writeln!(out, "{}", screen.theme.paint(meaning, &parts.join(", ")))?;
    Ok(())
}

fn mark(status: Status) -> (&'static str, Meaning) {
    match status {
        Status::Ok => ("✔", Meaning::Good),
        Status::Unknown => ("?", Meaning::Faint),
        Status::Warn => ("▲", Meaning::Warning),
        Status::Bad => ("✖", Meaning::Error),
    }
}
