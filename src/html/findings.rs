//! Findings with their evidence and what to check next.

use maud::{Markup, html};
use mirrorscope_engine::finding::Finding;
use mirrorscope_engine::page::FlowPage;
use mirrorscope_engine::report::Report;

use super::outline::section;
use super::words::{count, severity, time};
use super::{flows, lead};

/// Findings that are shown.
const MOST: usize = 100;

/// All findings, the gravest first.
pub(super) fn all(report: &Report, flows: &FlowPage) -> Markup {
    let findings = &report.findings;
    let more = findings.len().saturating_sub(MOST);
    section(
        "findings",
        "Findings",
        &html! {
            @if findings.is_empty() { p.nothing { "Nothing found that is worth telling." } }
            @for finding in findings.iter().take(MOST) { (one(finding, flows)) }
            @if more > 0 {
                p.more { "And " (count(more as u64, "more finding")) ": " code { "mirrorscope findings" } " lists all." }
            }
        },
    )
}

/// One; what another finding explains is folded up.
fn one(finding: &Finding, page: &FlowPage) -> Markup {
    let (sign, class) = severity(finding.severity);
    html! {
        details.finding.(class) open[finding.because.is_none()] {
            summary {
                h3 { span.sign aria-hidden="true" { (sign) } " " (lead::gist(finding)) }
                p.kind {
                    span.badge.(class) { (finding.severity.as_str()) }
                    " " code { (finding.kind.as_str()) }
                    @for site in &finding.sites { " " span.site { (site) } }
                    @if finding.flows > 0 { " · " (count(finding.flows, "flow")) }
                    @if let Some(cause) = finding.because { " · because of " code { (cause.as_str()) } }
                }
            }
            p { (finding.summary) }
            p.faint {
                "Since " (time(finding.first)) ", last " (time(finding.last))
                ". Confidence " strong { (finding.confidence.as_str()) } ": " (finding.confidence_why) "."
            }
            div.columns {
                div {
                    h4 { "Seen" }
                    ul { @for fact in &finding.evidence { li { (fact) } } }
                }
                div.next {
                    h4 { "Check next" }
                    ol { @for step in &finding.next { li { (step) } } }
                }
            }
            @if !finding.examples.is_empty() {
                p.examples {
                    "Flows: "
                    @for (index, id) in finding.examples.iter().enumerate() {
                        @if index > 0 { ", " }
                        (flows::link(id, page))
                    }
                    @if finding.flows > finding.examples.len() as u64 { ", …" }
                }
            }
        }
    }
}
