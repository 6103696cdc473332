//! The line above the keys: what is wrong with the run, what there is to tell, how the input goes.

use mirrorscope_engine::finding::Severity;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::app::Notice;
use crate::data::{InputState, Snapshot, Weight};
use crate::look::{Look, Role};
use crate::widget::figure;
use crate::widget::text::{clean, fit};
use crate::world::World;

/// Columns for the names of files or interfaces.
const NAMES: usize = 40;

/// Frames that this host dropped.
pub fn dropped(snapshot: &Snapshot) -> u64 {
    let live = snapshot.report.live.as_ref();
    let interfaces = live.map_or(&[][..], |live| &live.interfaces);
    interfaces.iter().map(|i| i.dropped.all()).sum()
}

/// Draws it. What must not be overlooked comes first, and no notice covers it.
pub fn draw(frame: &mut Frame<'_>, area: Rect, world: &World, notice: Option<&Notice>) {
    let (look, snapshot) = (&world.look, world.snapshot());
    let mut parts: Vec<(String, Role)> = Vec::new();
    if world.held() {
        let held = look.signs.either("⏸ held", "|| held");
        parts.push((held.to_owned(), Role::Warning));
    }
    let sign = look.signs.severity(Severity::Warning);
    let dropped = dropped(snapshot);
    if dropped > 0 {
        let text = format!("{sign} {} dropped here", figure::number(dropped));
        parts.push((text, Role::Warning));
    }
    if let InputState::Files { problems, .. } = &snapshot.input
        && let Some(first) = problems.first()
    {
        let first = fit(&clean(first, look.signs), NAMES * 2, look.signs);
        let more = match problems.len() {
            1 => String::new(),
            number => format!(", and {} more", number - 1),
        };
        parts.push((format!("{sign} {first}{more}"), Role::Warning));
    }
    if !world.marked.is_empty() {
        let text = format!("{} {} marked", look.signs.mark(), world.marked.len());
        parts.push((text, Role::Marked));
    }
    match notice {
        Some(notice) => {
            let role = match notice.weight {
                Weight::Info => Role::Info,
                Weight::Error => Role::Error,
            };
            parts.push((clean(&notice.text, look.signs), role));
        }
        None => input(snapshot, look, &mut parts),
    }
    let mut spans = vec![Span::raw(" ")];
    for (text, role) in parts {
        spans.push(Span::styled(text, look.style(role)));
        spans.push(Span::raw("  "));
    }
    frame.render_widget(Line::from(spans), area);
}

fn input(snapshot: &Snapshot, look: &Look, parts: &mut Vec<(String, Role)>) {
    match &snapshot.input {
        InputState::Files {
            names,
            read,
            total,
            done,
            ..
        } => {
            let name = match names.as_slice() {
                [] => String::new(),
                [one] => one.clone(),
                [first, more @ ..] => format!("{first} and {} more", more.len()),
            };
            let name = fit(&clean(&name, look.signs), NAMES, look.signs);
            parts.push((name, Role::Text));
            if !done {
                let share = match total {
                    Some(total @ 1..) => format!("{:.0} %", *read as f64 / *total as f64 * 100.0),
                    _ => figure::bytes(*read),
                };
                parts.push((format!("reading {share}"), Role::Info));
            }
        }
        InputState::Live { done } => {
            let live = snapshot.report.live.as_ref();
            let interfaces = live.map_or(&[][..], |live| &live.interfaces);
            let names: Vec<&str> = interfaces.iter().map(|i| i.name.as_str()).collect();
            let names = fit(&clean(&names.join(", "), look.signs), NAMES, look.signs);
            parts.push((names, Role::Text));
            if *done {
                parts.push(("ended".to_owned(), Role::Warning));
            } else if let Some(rate) = snapshot.rates.back() {
                parts.push((format!("{}/s", figure::number(rate.frames)), Role::Info));
                parts.push((figure::bits(rate.bytes), Role::Info));
            }
        }
    }
    let totals = &snapshot.report.totals;
    for (number, what) in [(totals.frames, "frames"), (totals.flows, "flows")] {
        parts.push((format!("{} {what}", figure::number(number)), Role::Faint));
    }
}
