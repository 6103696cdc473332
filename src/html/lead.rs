//! The head of the page: the answer, and the sites picture that shows it.

use std::sync::Arc;

use maud::{Markup, html};
use mirrorscope_engine::finding::{Finding, Severity};
use mirrorscope_engine::report::{AtPoint, FlowReport, Report};
use mirrorscope_engine::verdict::Verdict;
use mirrorscope_tui::data::Ladder;
use mirrorscope_tui::picture::{Picture, way_of};

use super::{Page, sites, words};

/// Findings that are told at the head besides the first.
const ALSO: usize = 4;

/// What is told before all detail: no finding that another one explains, and none that is only good to know.
fn causes(report: &Report) -> impl Iterator<Item = &Finding> {
    let told = |f: &&Finding| f.severity > Severity::Info && f.because.is_none();
    report.findings.iter().filter(told)
}

/// The answer in a line.
pub(super) fn headline(report: &Report) -> String {
    match causes(report).next() {
        Some(finding) => gist(finding),
        None if report.totals.frames == 0 => "No frames".to_owned(),
        None => "Nothing found that breaks traffic".to_owned(),
    }
}

/// A finding in a line.
pub(super) fn gist(finding: &Finding) -> String {
    let summary = finding.summary.as_str();
    let first = summary.split_once(". ").map_or(summary, |(first, _)| first);
    let story = finding.story.as_ref();
    let line = story.map_or(first, |story| story.headline.as_str());
    words::capital(line.trim_end_matches('.'))
}

/// Whether a flow has one way for each direction: it did not move, and nothing of it came by anywhere twice.
fn keeps_its_way(flow: &FlowReport) -> bool {
    let again = |at: &AtPoint| at.orig.again.is_some() || at.resp.again.is_some();
    let judged = matches!(flow.verdict, Verdict::Symmetric | Verdict::Asymmetric);
    judged && !flow.points.iter().any(again)
}

/// The picture of the first finding's traffic: the way that it tells, or else that of the flow that is its example, with the points
/// that it is about.
fn picture(
    report: &Report,
    first: Option<&Finding>,
    ladders: &[Result<Arc<Ladder>, String>],
) -> Markup {
    let picture = Picture::new(report, first);
    if !picture.requests.is_empty() || !picture.answers.is_empty() {
        return sites::picture(&picture, &[], None);
    }
    let named = first.map_or(&[][..], |finding| &finding.points);
    let example = first.and_then(|finding| finding.examples.first());
    let mut flows = ladders.iter().flatten().map(|ladder| &ladder.flow);
    let flow = flows.find(|flow| Some(&flow.id) == example);
    match flow.filter(|flow| keeps_its_way(flow)) {
        Some(flow) => {
            let ways = [true, false].map(|from_originator| way_of(flow, from_originator));
            sites::picture(&Picture::with_ways(report, ways), named, Some(&flow.id))
        }
        None => sites::picture(&picture, named, None),
    }
}

/// The head of the page.
pub(super) fn lead(page: &Page) -> Markup {
    let Page {
        report,
        input,
        ladders,
        ..
    } = page;
    let first = causes(report).next();
    let (sign, class) = first.map_or(("✔", "good"), |f| words::severity(f.severity));
    let also: Vec<&Finding> = causes(report).skip(1).collect();
    html! {
        header class=(class) {
            div.brand {
                span { "mirrorscope report" }
                span.input { (source(input)) }
            }
            h1 { span.sign aria-hidden="true" { (sign) } " " (headline(report)) }
            @if let Some(finding) = first { (story(finding)) }
            (picture(report, first, ladders))
            @if !also.is_empty() {
                h2.also { "Also" }
                ul.also {
                    @for finding in also.iter().take(ALSO) {
                        @let (sign, class) = words::severity(finding.severity);
                        li class=(class) { span.sign { (sign) } " " (gist(finding)) }
                    }
                    @if also.len() > ALSO {
                        li { "and " (words::count((also.len() - ALSO) as u64, "more finding")) " " a href="#findings" { "below" } }
                    }
                }
            }
        }
    }
}

fn source(input: &[String]) -> String {
    /// Names that are listed.
    const LISTED: usize = 4;
    let shown: Vec<String> = input
        .iter()
        .take(LISTED)
        .map(|name| words::fit(name, 80))
        .collect();
    match input.len().saturating_sub(LISTED) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What an engineer must know of it. The ways stand in the picture too, but can be copied only here.
fn story(finding: &Finding) -> Markup {
    let Some(story) = &finding.story else {
        let rest = finding.summary.split_once(". ").map(|(_, rest)| rest);
        return html! {
            @if let Some(rest) = rest { p.breaks { (rest) } }
            @if let Some(step) = finding.next.first() {
                dl.story { div.plain { dt { "Check" } dd { (step) } } }
            }
        };
    };
    let (breaks, rest): (Vec<_>, Vec<_>) =
        story.lines.iter().partition(|(label, _)| label == "breaks");
    html! {
        @for (_, text) in breaks { p.breaks { (words::capital(text)) } }
        dl.story {
            @for (label, text) in rest {
                div class=(label_class(label)) {
                    dt { (words::capital(label)) }
                    dd { (text) }
                }
            }
        }
    }
}

fn label_class(label: &str) -> &'static str {
    match label {
        "requests" => "requests",
        "answers" => "answers",
        _ => "plain",
    }
}
