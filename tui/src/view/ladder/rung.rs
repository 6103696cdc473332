//! One packet: its arrow over the lanes, and its words.

use ratatui::style::{Modifier, Style};
use ratatui::text::{Line, Span};

use super::plan::Plan;
use crate::data::{Lane, Rung};
use crate::look::{Look, Role};
use crate::widget::figure::number;
use crate::widget::text::clean;

/// The line of a packet; `sight` is the one looked at if it is the selected line.
pub(super) fn line(
    plan: &Plan,
    rung: &Rung,
    lanes: &[Lane],
    time: &str,
    sight: Option<usize>,
    look: &Look,
) -> Line<'static> {
    let selected = sight.is_some();
    let gutter = if selected {
        look.signs.either("▸", ">")
    } else {
        " "
    };
    let width = usize::from(plan.time) - 3;
    let time_style = look.style(if selected { Role::Key } else { Role::Faint });
    let mut line = Line::from(vec![
        Span::styled(gutter, look.style(Role::Key)),
        Span::styled(format!("{time:>width$}  "), time_style),
    ]);
    if plan.step > 0 {
        line.extend(arrow(plan, rung, sight, look));
    } else {
        line.extend(places(rung, sight, look));
    }
    let room = usize::from(plan.width).saturating_sub(line.width());
    line.extend(label(rung, lanes, room, look));
    line
}

/// What a packet's side looks like.
fn side(rung: &Rung, look: &Look) -> Style {
    look.style(if rung.from_originator {
        Role::Originator
    } else {
        Role::Responder
    })
}

/// The style of a sight, and whether it is the one looked at.
fn looked_at(style: Style, selected: bool, look: &Look) -> Style {
    if selected {
        return style.patch(look.style(Role::Selected));
    }
    style
}

/// The arrow over the lanes.
fn arrow(plan: &Plan, rung: &Rung, sight: Option<usize>, look: &Look) -> Vec<Span<'static>> {
    let mut cells: Vec<(&'static str, Style)> =
        vec![(" ", look.style(Role::Text)); usize::from(plan.lanes_width())];
    let mut put = |column: usize, text: &'static str, style: Style| {
        if let Some(cell) = cells.get_mut(column) {
            *cell = (text, style);
        }
    };
    let faint = look.style(Role::Faint);
    for lane in 0..usize::from(plan.count) {
        put(plan.column(lane), look.signs.either("│", "|"), faint);
    }
    let seen = |lane: usize| rung.sights.iter().any(|sight| sight.lane == lane);
    let lanes = rung.sights.iter().map(|sight| sight.lane);
    let (Some(low), Some(high)) = (lanes.clone().min(), lanes.max()) else {
        return Vec::new();
    };
    let style = side(rung, look);
    for lane in low..high {
        // What lies beside a lane that did not see the packet is drawn in dashes.
        let whole = seen(lane) && seen(lane + 1);
        let (text, style) = if whole {
            (look.signs.either("─", "-"), style)
        } else {
            (look.signs.either("╌", "."), style.patch(faint))
        };
        for column in plan.column(lane) + 1..plan.column(lane + 1) {
            put(column, text, style);
        }
        if lane > low && !seen(lane) {
            put(plan.column(lane), look.signs.either("┊", ":"), faint);
        }
    }
    let (low, high) = (plan.column(low), plan.column(high));
    let line = look.signs.either("─", "-");
    let reach = usize::from(plan.step) / 2;
    let (tail, head) = if rung.from_originator {
        (low.saturating_sub(reach)..low, high + 1..high + reach)
    } else {
        (high + 1..high + reach, low.saturating_sub(reach)..low)
    };
    for column in tail.clone().chain(head.clone()) {
        put(column, line, style);
    }
    if rung.from_originator {
        put(head.end - 1, look.signs.either("▶", ">"), style);
    } else {
        put(head.start, look.signs.either("◀", "<"), style);
    }
    for (index, one) in rung.sights.iter().enumerate() {
        let (text, role) = match one {
            _ if one.out_of_state.is_some() => (look.signs.either("✖", "X"), Some(Role::Error)),
            _ if one.duplicate => (look.signs.either("◎", "d"), None),
            _ => (look.signs.either("●", "o"), None),
        };
        let own = role.map_or(style, |role| look.style(role));
        let own = looked_at(own, sight == Some(index), look);
        put(plan.column(one.lane), text, own);
    }
    let chunks = cells.chunk_by(|one, other| one.1 == other.1);
    let spans = chunks.map(|chunk| {
        let text: String = chunk.iter().map(|cell| cell.0).collect();
        Span::styled(text, chunk.first().map_or(Style::new(), |cell| cell.1))
    });
    spans.collect()
}

/// Where there is no room for lanes: the direction, and the numbers of the points.
fn places(rung: &Rung, sight: Option<usize>, look: &Look) -> Vec<Span<'static>> {
    let style = side(rung, look);
    let mark = if rung.from_originator { "> " } else { "< " };
    let mut spans = vec![Span::styled(mark, style)];
    for (index, one) in rung.sights.iter().enumerate() {
        let own = match one.out_of_state {
            Some(_) => look.style(Role::Error),
            None => style,
        };
        let own = looked_at(own, sight == Some(index), look);
        spans.push(Span::styled((one.lane + 1).to_string(), own));
        spans.push(Span::raw(" "));
    }
    spans
}

/// What a packet is, in so many columns: what is remarkable goes before numbers where both do not fit.
fn label(rung: &Rung, lanes: &[Lane], room: usize, look: &Look) -> Vec<Span<'static>> {
    let what = clean(&rung.what, look.signs);
    let mut numbers = Vec::new();
    numbers.extend(rung.sequence.map(|number| format!("seq {number}")));
    numbers.extend(rung.acknowledgement.map(|number| format!("ack {number}")));
    if rung.payload > 0 {
        numbers.push(format!("len {}", rung.payload));
    }
    let numbers = Span::styled(numbers.join(" "), look.style(Role::Text));
    let notes = notes(rung, lanes, look);
    let notes_width: usize = notes.iter().map(|note| note.width() + 2).sum();
    let style = side(rung, look).add_modifier(Modifier::BOLD);
    let padded = format!(" {what:<8}");
    let fits = padded.chars().count() + 1 + numbers.width() + notes_width <= room;
    let first = if fits { padded } else { format!(" {what}") };
    let mut spans = vec![Span::styled(first, style)];
    let blank = || Span::raw("  ");
    if fits {
        spans.extend([Span::raw(" "), numbers]);
        spans.extend(notes.into_iter().flat_map(|note| [blank(), note]));
    } else {
        let used = 1 + Span::raw(&what).width() + notes_width - notes.len();
        spans.extend(notes.into_iter().flat_map(|note| [Span::raw(" "), note]));
        if used + 1 + numbers.width() <= room {
            spans.extend([Span::raw(" "), numbers]);
        }
    }
    spans
}

/// What is remarkable about a packet.
fn notes(rung: &Rung, lanes: &[Lane], look: &Look) -> Vec<Span<'static>> {
    let mut notes = Vec::new();
    let mut add = |role: Role, text: String| {
        notes.push(Span::styled(clean(&text, look.signs), look.style(role)));
    };
    if let Some(reason) = rung.sights.iter().find_map(|sight| sight.out_of_state) {
        add(
            Role::Error,
            format!("{} {reason}", look.signs.either("✖", "X")),
        );
    }
    if rung.retransmission {
        add(
            Role::Warning,
            format!("{} sent again", look.signs.either("↻", "r")),
        );
    }
    if rung.gap > 0 {
        add(
            Role::Warning,
            format!(
                "{} {} bytes missing before",
                look.signs.either("…", "~"),
                rung.gap
            ),
        );
    }
    for (lane, duplicates) in duplicates(rung) {
        let point = lanes.get(lane).map_or("", |lane| lane.point.as_str());
        let times = match duplicates {
            1 => "twice".to_owned(),
            _ => format!("{} times", number(duplicates + 1)),
        };
        add(
            Role::Faint,
            format!("{} {times} from {point}", look.signs.either("◎", "d")),
        );
    }
    notes
}

/// How many duplicates each lane has, in the order in which they came.
fn duplicates(rung: &Rung) -> Vec<(usize, u64)> {
    let mut lanes: Vec<(usize, u64)> = Vec::new();
    for sight in rung.sights.iter().filter(|sight| sight.duplicate) {
        match lanes.iter_mut().find(|(lane, _)| *lane == sight.lane) {
            Some((_, count)) => *count += 1,
            None => lanes.push((sight.lane, 1 + rung.more.get(&sight.lane).unwrap_or(&0))),
        }
    }
    lanes
}

/// Which points did not see a packet.
pub(super) fn missed(rung: &Rung, lanes: &[Lane]) -> String {
    let missed: Vec<String> = lanes
        .iter()
        .enumerate()
        .filter(|(index, _)| !rung.sights.iter().any(|sight| sight.lane == *index))
        .map(|(_, lane)| lane.point.clone())
        .collect();
    match missed.as_slice() {
        [] => "seen at every point of this flow".to_owned(),
        missed => format!("not seen at {}", missed.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::fixture;

    #[test]
    fn duplicates_of_a_point_are_told_once() {
        let ladder = fixture::ladder();
        let mut rung = ladder.rows.last().unwrap().clone();
        let told = |rung: &Rung| -> Vec<String> {
            let notes = notes(rung, &ladder.lanes, &Look::default());
            let notes = notes.into_iter().map(|note| note.content.into_owned());
            notes.filter(|note| note.contains('◎')).collect()
        };
        assert_eq!(told(&rung), ["◎ twice from dci1"]);
        let mut other = rung.sights[3].clone();
        other.duplicate = true;
        rung.sights.push(other);
        rung.sights.push(rung.sights[2].clone());
        assert_eq!(told(&rung), ["◎ 3 times from dci1", "◎ twice from vm2"]);
        rung.more.insert(1, 59_997);
        assert_eq!(told(&rung), ["◎ 60000 times from dci1", "◎ twice from vm2"]);
        assert_eq!(rung.sightings(), 6 + 59_997);
    }
}
