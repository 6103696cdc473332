//! Findings, the gravest first.

use mirrorscope_engine::finding::Finding;
use ratatui::text::{Line, Span};

use super::list::{List, Listed};
use super::related::{flows_of, headline};
use super::{Context, Page};
use crate::action::Action;
use crate::data::Snapshot;
use crate::look::Role;
use crate::widget::figure;
use crate::widget::table::Column;
use crate::widget::text::labelled;

/// The list of findings.
pub type Findings = List<Told>;

/// Findings.
pub struct Told;

/// What a finding is known by while more of it is seen: its kind, where and since when it shows, and its first flow. Several of a
/// kind may show at the same points.
pub fn key(finding: &Finding) -> String {
    let points = finding.points.join(" ");
    let flow = finding.examples.first().map_or("", String::as_str);
    format!(
        "{} {points} {} {flow}",
        finding.kind.as_str(),
        finding.first.0
    )
}

impl Listed for Told {
    type Row = Finding;
    const TITLE: &'static str = "Findings";
    const NAME: &'static str = "findings";
    const EMPTY: &'static str = "nothing found: no flow goes wrong, and the mirror is well";
    const ORDER: (&'static str, bool) = ("finding", false);
    const ACTIONS: &'static [Action] = &[
        Action::Open,
        Action::ToFlows,
        Action::Sort,
        Action::Search,
        Action::NextHit,
        Action::PreviousHit,
        Action::Reverse,
        Action::Columns,
        Action::SaveColumns,
        Action::Related,
        Action::Copy,
    ];
    const COLUMNS: &'static [Column<Finding>] = &[
        Column::<Finding>::new("finding", (24, 26), 0, |f, cx| {
            let sign = cx.look.signs.severity(f.severity);
            Line::from(vec![
                Span::styled(format!("{sign} "), cx.look.style(f.severity.into())),
                Span::raw(f.kind.as_str()),
            ])
        })
        // They come with the gravest first, and those that follow from others behind these.
        .by(|_, _| std::cmp::Ordering::Equal),
        Column::<Finding>::new("sites", (8, 20), 2, |f, _| f.sites.join(", ").into())
            .by(|a, b| a.sites.cmp(&b.sites)),
        Column::<Finding>::new("flows", (5, 8), 3, |f, cx| {
            if f.flows == 0 {
                super::cells::or_dash(None::<u64>, cx)
            } else {
                figure::number(f.flows).into()
            }
        })
        .figures()
        .by(|a, b| a.flows.cmp(&b.flows)),
        Column::<Finding>::new("packets", (7, 8), 5, |f, _| {
            figure::number(f.packets).into()
        })
        .figures()
        .by(|a, b| a.packets.cmp(&b.packets)),
        Column::<Finding>::new("since", (12, 12), 4, |f, _| figure::clock(f.first).into())
            .by(|a, b| a.first.cmp(&b.first)),
        Column::<Finding>::new("last", (12, 12), 6, |f, _| figure::clock(f.last).into())
            .by(|a, b| a.last.cmp(&b.last)),
        Column::<Finding>::new("sure", (6, 6), 7, |f, _| f.confidence.as_str().into())
            .by(|a, b| a.confidence.cmp(&b.confidence)),
        Column::<Finding>::new("says", (28, 120), 1, |f, _| headline(f).into()),
    ];

    fn rows(snapshot: &Snapshot) -> &[Finding] {
        &snapshot.report.findings
    }

    fn key(row: &Finding) -> String {
        key(row)
    }

    fn open(row: &Finding) -> Option<Page> {
        Some(Page::Finding(Box::new(row.clone())))
    }

    fn flows(row: &Finding) -> Option<String> {
        flows_of(row)
    }

    fn related(row: &Finding) -> Option<Page> {
        // What is told of the mirror leads to its sessions.
        match row.flows {
            0 => Some(Page::Sessions(String::new())),
            _ => flows_of(row).map(Page::Flows),
        }
    }

    fn copy(row: &Finding) -> String {
        row.summary.clone()
    }

    fn tell(row: &Finding, columns: usize, cx: &Context<'_>) -> Vec<Line<'static>> {
        let mut lines = Vec::new();
        let mut add = |label: &str, text: &str, role: Role| {
            lines.extend(labelled(label, text, columns, (Role::Faint, role), cx.look));
        };
        add("says", &row.summary, Role::Text);
        if let Some(because) = row.because {
            add("because", &format!("of {}", because.as_str()), Role::Faint);
        }
        if let Some(next) = row.next.first() {
            add("check", next, Role::Info);
        }
        lines
    }
}
