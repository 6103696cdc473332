//! What a sites file describes, and what is wrong with it.

use std::fmt::Write as _;
use std::io::Write;

use anyhow::Result;
use mirrorscope_engine::point::printable;
use mirrorscope_engine::site::{Carries, Match, MatchDirection, PointRule, Problem, Sites};
use mirrorscope_tui::theme::Meaning;

use super::{Screen, text};

/// Writes what a file describes.
pub fn summary(out: &mut dyn Write, screen: Screen, name: &str, sites: &Sites) -> Result<()> {
    let points: usize = sites.sites.iter().map(|site| site.points.len()).sum();
    let mut counts = vec![
        text::count(sites.sites.len() as u64, "site"),
        text::count(points as u64, "point"),
    ];
    if !sites.tenants.is_empty() {
        counts.push(text::count(sites.tenants.len() as u64, "tenant"));
    }
    let head = format!("{}: {}", printable(name), counts.join(", "));
    writeln!(out, "{}", screen.theme.paint(Meaning::Heading, &head))?;
    for site in &sites.sites {
        let sources: Vec<String> = site.source.iter().map(prefix).collect();
        let from = if sources.is_empty() {
            String::new()
        } else {
            format!(", mirrors from {}", sources.join(", "))
        };
        text::paragraph(out, screen, "", "  ", &format!("site {}{from}", site.name))?;
        for point in &site.points {
            text::paragraph(out, screen, "  ", "      ", &in_words(point))?;
        }
    }
    for tenant in &sites.tenants {
        let list = |what: &str, values: Vec<String>| {
            (!values.is_empty()).then(|| format!("{what} {}", values.join(", ")))
        };
        let tags = [
            list("VLAN", tenant.vlans.iter().map(u16::to_string).collect()),
            list(
                "segment",
                tenant.segments.iter().map(u64::to_string).collect(),
            ),
            list("point", tenant.points.clone()),
        ];
        let tags: Vec<String> = tags.into_iter().flatten().collect();
        let line = format!("tenant {}: {}", tenant.name, tags.join("; "));
        text::paragraph(out, screen, "", "  ", &line)?;
    }
    Ok(())
}

/// Writes what is wrong or odd.
pub fn problems(
    out: &mut dyn Write,
    screen: Screen,
    name: &str,
    problems: &[Problem],
) -> Result<()> {
    for problem in problems {
        let (kind, meaning) = if problem.harmless {
            ("warning", Meaning::Warning)
        } else {
            ("error", Meaning::Error)
        };
        let kind = screen.theme.paint(meaning, kind);
        writeln!(out, "{kind}: {}: {problem}", printable(name))?;
    }
    Ok(())
}

/// A point in a line: `fw1-inside: firewall, where source 10.60.0.1 and session 101`.
fn in_words(point: &PointRule) -> String {
    let matches: Vec<String> = point.matches.iter().map(condition).collect();
    let mut line = format!(
        "{}: {}, where {}",
        point.name,
        point.role.as_str(),
        matches.join(", or ")
    );
    match point.carries {
        Some(Carries::Both) => line.push_str("; carries both directions"),
        Some(Carries::One) => line.push_str("; carries one direction"),
        None => {}
    }
    if let Some(sampling) = point.sampling {
        let _ = write!(line, "; one packet of {sampling}");
    }
    line
}

fn condition(one: &Match) -> String {
    let parts = [
        one.source
            .as_ref()
            .map(|net| format!("source {}", prefix(net))),
        one.destination
            .as_ref()
            .map(|net| format!("destination {}", prefix(net))),
        one.encapsulation.map(|kind| kind.as_str().to_owned()),
        one.session.map(|id| format!("session {id}")),
        one.interface
            .as_ref()
            .map(|name| format!("interface {}", printable(name))),
        one.file
            .as_ref()
            .map(|name| format!("file {}", printable(name))),
        one.port_index.map(|index| format!("port {index}")),
        one.direction.map(|direction| match direction {
            MatchDirection::Ingress => "ingress".to_owned(),
            MatchDirection::Egress => "egress".to_owned(),
        }),
    ];
    parts
        .into_iter()
        .flatten()
        .collect::<Vec<_>>()
        .join(" and ")
}

/// A prefix; one address without its length.
fn prefix(net: &ipnet::IpNet) -> String {
    if net.prefix_len() == net.max_prefix_len() {
        net.addr().to_string()
    } else {
        net.to_string()
    }
}
