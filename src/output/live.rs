//! What a report says of a run over live interfaces: what each dropped, and what changed.

use std::io::Write;

use anyhow::Result;
use mirrorscope_engine::activity::SessionChange;
use mirrorscope_engine::live::{DroppedReport, InterfaceReport, LiveReport};
use mirrorscope_tui::theme::Meaning;

use super::Screen;
use super::text::{count, heading, painted, paragraph};

/// Changes that a report lists.
const MAX_LISTED: usize = 20;

/// Writes how long the run has lasted, and a line for each interface: what it brought, and what was dropped.
pub(super) fn interfaces(out: &mut dyn Write, screen: Screen, live: &LiveReport) -> Result<()> {
    let text = format!(
        "live for {:.0} s, since {}",
        live.seconds,
        live.started.to_seconds()
    );
    paragraph(out, screen, "", "", &text)?;
    for interface in &live.interfaces {
        let text = interface_text(interface);
        if interface.dropped.all() > 0 || !interface.present {
            painted(out, screen, Meaning::Warning, ("▲ ", "    "), &text)?;
        } else {
            paragraph(out, screen, "  ", "    ", &text)?;
        }
    }
    Ok(())
}

/// What an interface brought, and what is wrong with it, with the option that mends it.
pub fn interface_text(interface: &InterfaceReport) -> String {
    let InterfaceReport {
        name,
        via,
        frames,
        dropped,
        ..
    } = interface;
    let DroppedReport {
        kernel,
        socket,
        queue,
    } = *dropped;
    let all = dropped.all();
    let share = all as f64 * 100.0 / (all.saturating_add(*frames)).max(1) as f64;
    let mut text = format!("{name} ({via}): {}", count(*frames, "frame"));
    if all > 0 {
        text = format!("{text}, {all} dropped ({share:.2} %): ");
        let causes = [
            (
                kernel,
                "the kernel's ring was full (larger: --buffer; more hands: --receive-threads)",
            ),
            (socket, "a socket's buffer was full (larger: --buffer)"),
            (
                queue,
                "the queue was full (larger: --queue; fewer frames: --capture-filter)",
            ),
        ];
        let causes = causes.iter().filter(|(number, _)| *number > 0);
        let causes: Vec<String> = causes
            .map(|(number, why)| format!("{number} as {why}"))
            .collect();
        text.push_str(&causes.join("; "));
    } else {
        text.push_str(", none dropped");
    }
    if !interface.present {
        text.push_str("; it is not there now, and waited for");
    }
    text
}

/// Writes what changed, the latest at the end.
pub(super) fn changes(out: &mut dyn Write, screen: Screen, live: &LiveReport) -> Result<()> {
    if live.changes.is_empty() {
        return Ok(());
    }
    let earlier = live.changes.len().saturating_sub(MAX_LISTED);
    heading(out, screen, "Changes")?;
    if earlier > 0 {
        let text = format!("… {} before", count(earlier as u64, "change"));
        paragraph(out, screen, "", "", &text)?;
    }
    for change in live.changes.iter().skip(earlier) {
        paragraph(out, screen, "", "  ", &line(change))?;
    }
    Ok(())
}

/// One change in a line, for standard error too.
pub fn line(change: &SessionChange) -> String {
    format!("{} {}", change.time.to_seconds(), change.text)
}
