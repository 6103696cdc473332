//! The report for people: summary, sessions, findings with evidence and next steps.

use std::cmp::Reverse;
use std::io::Write;

use anyhow::Result;
use mirrorscope_engine::finding::{Finding, Severity};
use mirrorscope_engine::matrix::Matrix;
use mirrorscope_engine::point::readable;
use mirrorscope_engine::report::{Report, SessionReport, Totals};
use mirrorscope_engine::session::MAX_SESSIONS;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::track::MAX_POINTS;
use mirrorscope_tui::theme::Meaning;
use textwrap::{Options, WordSeparator, WordSplitter, wrap};

use super::{Screen, live, table};

/// Sessions that a report lists.
const MAX_LISTED: usize = 50;
/// Findings that are told before all detail.
const MAX_STORIES: usize = 5;

/// Writes the whole report.
pub fn report(out: &mut dyn Write, screen: Screen, report: &Report) -> Result<()> {
    if let (Some(filter), Some(matching)) = (&report.filter, report.totals.flows_matching) {
        let flows = count(report.totals.flows, "flow");
        let text = format!("{filter} (matches {matching} of {flows})");
        paragraph(out, screen, "filter: ", "        ", &text)?;
    }
    stories(out, screen, &report.findings)?;
    summary(out, screen, report)?;
    matrix(out, screen, &report.sites_matrix)?;
    heading(out, screen, "Mirror sessions")?;
    sessions(out, screen, &report.sessions)?;
    if let Some(live) = &report.live {
        live::changes(out, screen, live)?;
    }
    advice(out, screen, report)?;
    for hint in &report.hints {
        paragraph(out, screen, "hint: ", "      ", &hint.summary)?;
    }
    heading(out, screen, "Findings")?;
    findings(out, screen, &report.findings)?;
    if report.advice.is_empty() {
        return Ok(());
    }
    heading(out, screen, "To be sure, mirror also")?;
    for line in &report.advice {
        paragraph(out, screen, "- ", "  ", line)?;
    }
    Ok(())
}

/// Writes the gist of what was found: what an engineer must know before all detail.
fn stories(out: &mut dyn Write, screen: Screen, findings: &[Finding]) -> Result<()> {
    // What another finding explains is told with that.
    let told = |f: &&Finding| f.severity > Severity::Info && f.because.is_none();
    let causes: Vec<&Finding> = findings.iter().filter(told).collect();
    for finding in causes.iter().take(MAX_STORIES) {
        let (symbol, meaning) = mark(finding.severity);
        let headline = match &finding.story {
            Some(story) => story.headline.as_str(),
            None => finding
                .summary
                .split_once(". ")
                .map_or(finding.summary.as_str(), |s| s.0),
        };
        let headline = headline.trim_end_matches('.');
        let indents = (format!("{symbol} "), "  ");
        painted(out, screen, meaning, (&indents.0, indents.1), headline)?;
        for (label, text) in finding.story.iter().flat_map(|story| &story.lines) {
            let label = format!("  {label:<10}");
            paragraph(out, screen, &label, "            ", text)?;
        }
    }
    let more = causes.len().saturating_sub(MAX_STORIES);
    if more > 0 {
        let text = format!("… and {} below", count(more as u64, "more finding"));
        paragraph(out, screen, "  ", "  ", &text)?;
    }
    if !causes.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// Writes the view by site, where there are several.
fn matrix(out: &mut dyn Write, screen: Screen, matrix: &Matrix) -> Result<()> {
    if matrix.sites.len() < 2 {
        return Ok(());
    }
    heading(out, screen, "Sites")?;
    table::sites(out, screen, &matrix.sites)?;
    for pair in &matrix.pairs {
        let [a, b] = &pair.sites;
        let all = pair.symmetric + pair.asymmetric;
        let text = format!(
            "{a} – {b}: {:.0} % symmetric; {} of {} keep to one of the two both ways",
            (pair.score * 100.0).floor(),
            pair.symmetric,
            count(all, "flow")
        );
        paragraph(out, screen, "", "  ", &text)?;
    }
    let left = matrix.left_out;
    let parts = [
        (left.by_nature, "one-way by nature"),
        (left.one_way, "one-way or unanswered"),
        (left.unknown, "unknown"),
        (left.local, "past no mirrored gateway"),
    ];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, what)| format!("{number} {what}"))
        .collect();
    if !parts.is_empty() {
        paragraph(
            out,
            screen,
            "",
            "  ",
            &format!("left out: {}", parts.join(", ")),
        )?;
    }
    Ok(())
}

/// Writes the sessions, of very many those with the most packets: the findings come after them.
fn sessions(out: &mut dyn Write, screen: Screen, sessions: &[SessionReport]) -> Result<()> {
    let Some(more) = sessions
        .len()
        .checked_sub(MAX_LISTED)
        .filter(|more| *more > 0)
    else {
        return table::sessions(out, screen, sessions);
    };
    let mut busiest = sessions.to_vec();
    busiest.sort_by_key(|session| Reverse(session.packets));
    busiest.truncate(MAX_LISTED);
    table::sessions(out, screen, &busiest)?;
    let text = format!("… and {more} more; all of them: mirrorscope sessions");
    paragraph(out, screen, "", "", &text)
}

/// Writes findings alone.
pub fn findings(out: &mut dyn Write, screen: Screen, findings: &[Finding]) -> Result<()> {
    if findings.is_empty() {
        writeln!(
            out,
            "{}",
            screen
                .theme
                .paint(Meaning::Good, "nothing found that is worth telling")
        )?;
    }
    for (index, finding) in findings.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        one(out, screen, finding)?;
    }
    Ok(())
}

fn mark(severity: Severity) -> (&'static str, Meaning) {
    match severity {
        Severity::Error => ("✖", Meaning::Error),
        Severity::Warning => ("▲", Meaning::Warning),
        Severity::Info => ("●", Meaning::Info),
    }
}

fn one(out: &mut dyn Write, screen: Screen, finding: &Finding) -> Result<()> {
    let (symbol, meaning) = mark(finding.severity);
    let theme = screen.theme;
    let head = theme.paint(
        meaning,
        &format!(
            "{symbol} {} {}",
            finding.severity.as_str(),
            finding.kind.as_str()
        ),
    );
    let sites = if finding.sites.is_empty() {
        String::new()
    } else {
        format!("  {}", finding.sites.join(", "))
    };
    let because = match finding.because {
        Some(kind) => format!("  because of {}", kind.as_str()),
        None => String::new(),
    };
    writeln!(out, "{head}{sites}{because}")?;
    paragraph(out, screen, "  ", "  ", &finding.summary)?;
    let period = format!(
        "since {}, last {}",
        second(finding.first),
        second(finding.last)
    );
    let confidence = format!(
        "; confidence {}: {}",
        finding.confidence.as_str(),
        finding.confidence_why
    );
    paragraph(out, screen, "  ", "  ", &format!("{period}{confidence}"))?;
    writeln!(out, "  {}", theme.paint(Meaning::Heading, "seen"))?;
    for fact in &finding.evidence {
        paragraph(out, screen, "  - ", "    ", fact)?;
    }
    writeln!(out, "  {}", theme.paint(Meaning::Heading, "next"))?;
    for (index, step) in finding.next.iter().enumerate() {
        paragraph(out, screen, &format!("  {}. ", index + 1), "     ", step)?;
    }
    if !finding.examples.is_empty() {
        let more = if finding.flows > finding.examples.len() as u64 {
            ", …"
        } else {
            ""
        };
        paragraph(
            out,
            screen,
            "  flows: ",
            "         ",
            &format!("{}{more}", finding.examples.join(", ")),
        )?;
    }
    Ok(())
}

fn summary(out: &mut dyn Write, screen: Screen, report: &Report) -> Result<()> {
    let t = &report.totals;
    if let (Some(first), Some(last)) = (t.first, t.last) {
        let seconds = last.since(first) as f64 / SECOND as f64;
        paragraph(
            out,
            screen,
            "",
            "",
            &format!(
                "{} frames, {} bytes in {seconds:.3} s, from {} to {}",
                t.frames,
                t.bytes,
                second(first),
                second(last)
            ),
        )?;
    } else {
        writeln!(out, "no frames")?;
    }
    paragraph(out, screen, "", "", &frames(t))?;
    let mut flows = count(t.flows, "flow");
    if let Some(matching) = t.flows_matching {
        flows = format!("{matching} of {flows} match");
    }
    let verdicts: Vec<String> = t
        .verdicts
        .iter()
        .map(|(verdict, count)| format!("{count} {verdict}"))
        .collect();
    if !verdicts.is_empty() {
        flows = format!("{flows}: {}", verdicts.join(", "));
    }
    let causes: Vec<String> = t
        .causes
        .iter()
        .map(|(cause, count)| format!("{count} {cause}"))
        .collect();
    if !causes.is_empty() {
        flows = format!("{flows} ({})", causes.join(", "));
    }
    paragraph(out, screen, "", "", &flows)?;
    if let Some(live) = &report.live {
        live::interfaces(out, screen, live)?;
    }
    for (reason, count) in t.malformed_reasons.iter().chain(&t.opaque_reasons) {
        paragraph(out, screen, "  ", "    ", &format!("{count} × {reason}"))?;
    }
    for example in &t.malformed_examples {
        paragraph(out, screen, "  ", "    ", example)?;
    }
    Ok(())
}

fn frames(t: &Totals) -> String {
    let mut parts = vec![format!(
        "{} mirrored, {} plain, {} malformed",
        t.mirrored, t.plain, t.malformed
    )];
    let r = t.reassembly;
    let lost = r.incomplete + r.overlapping + r.refused;
    let more = [
        (t.opaque, format!("{} opaque", t.opaque)),
        (
            t.fragments,
            format!(
                "{} joined to {}",
                count(t.fragments, "fragment"),
                count(r.joined, "packet")
            ),
        ),
        (lost, format!("{lost} fragmented packets not joined")),
        (t.duplicates, format!("{} duplicates", t.duplicates)),
        (
            t.portless,
            format!("{} IP packets without ports", t.portless),
        ),
        (
            t.doubled,
            format!("{} packets that a mirror sent twice", t.doubled),
        ),
        (
            t.evicted.flows(),
            format!(
                "{} of {} flows gave way to others (--max-flows)",
                t.evicted.flows(),
                t.flows
            ),
        ),
        (
            t.refused,
            format!(
                "{} packets at points beyond {MAX_POINTS} of one flow",
                t.refused
            ),
        ),
        (
            t.refused_sessions,
            format!(
                "{} packets of sessions beyond {MAX_SESSIONS} left out",
                t.refused_sessions
            ),
        ),
    ];
    parts.extend(
        more.into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(_, text)| text),
    );
    parts.join("; ")
}

/// Which lines of a sites file would tell more.
fn advice(out: &mut dyn Write, screen: Screen, report: &Report) -> Result<()> {
    let unknown: Vec<_> = report
        .sessions
        .iter()
        .filter(|s| !s.described && s.source.is_some())
        .collect();
    let Some(session) = unknown.first() else {
        return Ok(());
    };
    let (Some(source), id) = (session.source, session.id) else {
        return Ok(());
    };
    // A tunnel's place is that of both its directions, each of which has its own id.
    let id = id.filter(|_| !session.one_way_id);
    let id = id.map_or_else(String::new, |id| format!(", session = {}", readable(id)));
    let text = format!(
        "{} of {} sessions are not described. Tell what they show with --sites FILE (`mirrorscope sites --propose` writes one to begin with):",
        unknown.len(),
        report.sessions.len()
    );
    paragraph(out, screen, "", "", &text)?;
    writeln!(
        out,
        "  [[site]]\n  name = \"dc1\"\n  [[site.point]]\n  name = \"fw1-inside\"\n  role = \"firewall\"  # or router, dci, vnic, uplink, switch\n  \
         match = {{ source = \"{source}\"{id} }}"
    )?;
    Ok(())
}

/// Writes a heading.
pub fn heading(out: &mut dyn Write, screen: Screen, text: &str) -> Result<()> {
    writeln!(out, "\n{}", screen.theme.paint(Meaning::Heading, text))?;
    Ok(())
}

/// Writes a paragraph in the colour of what it means; `indents` are those of its first line and of the others.
pub(super) fn painted(
    out: &mut dyn Write,
    screen: Screen,
    meaning: Meaning,
    indents: (&str, &str),
    text: &str,
) -> Result<()> {
    let mut lines = Vec::new();
    paragraph(&mut lines, screen, indents.0, indents.1, text)?;
    for line in String::from_utf8_lossy(&lines).lines() {
        writeln!(out, "{}", screen.theme.paint(meaning, line))?;
    }
    Ok(())
}

pub(super) fn paragraph(
    out: &mut dyn Write,
    screen: Screen,
    first: &str,
    rest: &str,
    text: &str,
) -> Result<()> {
    // Times, addresses and names hold hyphens and are no place to break a line.
    let options = Options::new(usize::from(screen.width))
        .initial_indent(first)
        .subsequent_indent(rest)
        .break_words(false)
        .word_separator(WordSeparator::AsciiSpace)
        .word_splitter(WordSplitter::NoHyphenation);
    for line in wrap(text, options) {
        writeln!(out, "{line}")?;
    }
    Ok(())
}

/// `1 packet`, `2 packets`.
pub fn count(number: u64, what: &str) -> String {
    let ending = if number == 1 { "" } else { "s" };
    format!("{number} {what}{ending}")
}

/// A time to the millisecond.
fn second(time: Timestamp) -> String {
    let text = time.to_string();
    match text.get(..23) {
        Some(short) => format!("{short}Z"),
        None => text,
    }
}
