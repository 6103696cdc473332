//! The head of the page: the answer, and the sites picture that shows it.

use maud::{Markup, html};
use mirrorscope_engine::finding::{Finding, Severity};
use mirrorscope_engine::report::Report;
use mirrorscope_tui::picture::Picture;

use super::{sites, words};

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

/// The head of the page.
pub(super) fn lead(report: &Report, input: &[String]) -> Markup {
    let first = causes(report).next();
    let (sign, class) = first.map_or(("✔", "good"), |f| words::severity(f.severity));
    let picture = Picture::new(report, first);
    let also: Vec<&Finding> = causes(report).skip(1).collect();
    html! {
        header class=(class) {
            div.brand {
                span { "mirrorscope report" }
                span.input { (source(input)) }
            }
            h1 { span.sign aria-hidden="true" { (sign) } " " (headline(report)) }
            @if let Some(finding) = first { (story(finding)) }
            (sites::picture(&picture))
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
        return html! { p.breaks { (finding.summary) } };
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
