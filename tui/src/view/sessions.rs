//! Mirror sessions, and how healthy each is.

use mirrorscope_engine::report::SessionReport;
use ratatui::text::Line;

use super::cells::{alarming, or_dash, styled};
use super::list::{List, Listed};
use super::related::quoted;
use super::{Context, Page};
use crate::data::Snapshot;
use crate::look::Role;
use crate::widget::figure;
use crate::widget::table::Column;
use crate::widget::text::labelled;

/// The list of sessions.
pub type Sessions = List<Mirrors>;

/// Mirror sessions.
pub struct Mirrors;

fn missing(session: &SessionReport) -> u64 {
    session.sequence.as_ref().map_or(0, |s| s.missing)
}

impl Listed for Mirrors {
    type Row = SessionReport;
    const TITLE: &'static str = "Sessions";
    const NAME: &'static str = "sessions";
    const EMPTY: &'static str = "no mirror session yet";
    const ORDER: (&'static str, bool) = ("site", false);
    const COLUMNS: &'static [Column<SessionReport>] = &[
        Column::<SessionReport>::new("session", (16, 40), 0, |s, _| s.name.clone().into())
            .by(|a, b| a.name.cmp(&b.name)),
        Column::<SessionReport>::new("site", (4, 20), 1, |s, _| s.site.clone().into())
            .by(|a, b| (&a.site, &a.point).cmp(&(&b.site, &b.point))),
        Column::<SessionReport>::new("point", (8, 24), 1, |s, cx| {
            if s.described {
                s.point.clone().into()
            } else {
                styled("not described", Role::Faint, cx)
            }
        })
        .by(|a, b| a.point.cmp(&b.point)),
        Column::<SessionReport>::new("role", (4, 8), 5, |s, _| s.role.into())
            .by(|a, b| a.role.cmp(b.role)),
        Column::<SessionReport>::new("packets", (7, 9), 1, |s, _| {
            figure::number(s.packets).into()
        })
        .figures()
        .by(|a, b| a.packets.cmp(&b.packets)),
        Column::<SessionReport>::new("rate", (6, 9), 3, |s, cx| {
            or_dash(
                s.recent
                    .map(|recent| format!("{}/s", figure::number(recent.pace() as u64))),
                cx,
            )
        })
        .figures()
        .by(|a, b| {
            let pace = |s: &SessionReport| s.recent.map_or(0.0, |recent| recent.pace());
            pace(a).total_cmp(&pace(b))
        }),
        Column::<SessionReport>::new("bytes", (7, 9), 6, |s, _| figure::bytes(s.bytes).into())
            .figures()
            .by(|a, b| a.bytes.cmp(&b.bytes)),
        Column::<SessionReport>::new("lost", (4, 9), 1, |s, cx| match &s.sequence {
            Some(sequence) => {
                let together = if sequence.shared > 1 { "*" } else { "" };
                let text = format!("{}{together}", figure::number(sequence.missing));
                alarming(sequence.missing, text, cx)
            }
            None => or_dash(None::<u64>, cx),
        })
        .figures()
        .by(|a, b| missing(a).cmp(&missing(b))),
        Column::<SessionReport>::new("cut", (3, 9), 2, |s, cx| {
            alarming(s.truncated, figure::number(s.truncated), cx)
        })
        .figures()
        .by(|a, b| a.truncated.cmp(&b.truncated)),
        Column::<SessionReport>::new("doubled", (7, 9), 4, |s, cx| {
            let number = s.sequence.as_ref().map(|s| figure::number(s.duplicate));
            or_dash(number, cx)
        })
        .figures(),
        Column::<SessionReport>::new("late", (4, 9), 7, |s, cx| {
            let number = s.sequence.as_ref().map(|s| figure::number(s.reordered));
            or_dash(number, cx)
        })
        .figures(),
        Column::<SessionReport>::new("malformed", (9, 9), 8, |s, cx| {
            alarming(s.malformed, figure::number(s.malformed), cx)
        })
        .figures()
        .by(|a, b| a.malformed.cmp(&b.malformed)),
        Column::<SessionReport>::new("first", (12, 12), 9, |s, _| figure::clock(s.first).into())
            .by(|a, b| a.first.cmp(&b.first)),
        Column::<SessionReport>::new("last", (12, 12), 8, |s, _| figure::clock(s.last).into())
            .by(|a, b| a.last.cmp(&b.last)),
        Column::<SessionReport>::new("destination", (12, 39), 9, |s, cx| {
            or_dash(s.destination, cx)
        })
        .hidden(),
    ];

    fn rows(snapshot: &Snapshot) -> &[SessionReport] {
        &snapshot.report.sessions
    }

    fn key(row: &SessionReport) -> String {
        row.name.clone()
    }

    fn open(row: &SessionReport) -> Option<Page> {
        Self::flows(row).map(Page::Flows)
    }

    fn flows(row: &SessionReport) -> Option<String> {
        Some(format!("session {}", quoted(&row.name)))
    }

    fn related(_row: &SessionReport) -> Option<Page> {
        Some(Page::Findings)
    }

    fn copy(row: &SessionReport) -> String {
        row.name.clone()
    }

    fn tell(row: &SessionReport, columns: usize, cx: &Context<'_>) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut add = |label: &str, text: &str, role: Role| {
            lines.extend(labelled(label, text, columns, (Role::Faint, role), cx.look));
        };
        let ends = match (row.source, row.destination) {
            (Some(source), Some(destination)) => {
                format!("{} from {source} to {destination}", row.encapsulation)
            }
            _ => row.encapsulation.to_owned(),
        };
        let place = format!("{ends}; {} at {}, a {}", row.point, row.site, row.role);
        add("mirror", &place, Role::Text);
        if !row.carries.is_empty() {
            let carried = row.carries.iter().map(|c| match c.id {
                Some(id) => format!("{} {id} ({})", c.encapsulation, figure::number(c.packets)),
                None => format!("{} ({})", c.encapsulation, figure::number(c.packets)),
            });
            let carried: Vec<String> = carried.collect();
            add("carries", &carried.join(", "), Role::Text);
        }
        if let Some(s) = &row.sequence {
            let together = match s.shared {
                0 | 1 => String::new(),
                shared => format!(", by a counter that {shared} sessions share"),
            };
            let text = format!(
                "{} numbered, {} lost, {} doubled, {} late, {} restarts{together}",
                s.received, s.missing, s.duplicate, s.reordered, s.restarts
            );
            let role = if s.missing > 0 {
                Role::Warning
            } else {
                Role::Text
            };
            add("sequence", &text, role);
        }
        if row.dropped_here > 0 {
            let text = format!(
                "{} packets may have been dropped by this host",
                row.dropped_here
            );
            add("dropped", &text, Role::Warning);
        }
        for way in &row.directions {
            let text = format!("{}: {} packets", way.way, way.packets);
            add("direction", &text, Role::Text);
        }
        if let Some(clock) = &row.clock {
            let unit = clock.unit.as_deref().unwrap_or("an unknown unit");
            let text = format!("in {unit}, epoch {}, {} bits", clock.epoch, clock.bits);
            add("clock", &text, Role::Text);
        }
        if let Some(looped) = &row.looped {
            let text = format!("{} packets are the output of mirrors", looped.packets);
            add("loop", &text, Role::Warning);
        }
        lines
    }
}
