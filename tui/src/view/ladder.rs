//! The packets of a flow across its points: a lane for each, an arrow for each packet.

mod plan;
mod rung;

use ratatui::text::{Line, Span};

use super::words::{clock, cut, span};
use crate::data::{Ladder, Rung};
use crate::look::{Look, Role};
use crate::widget::text::clean;
use mirrorscope_engine::time::{SECOND, Timestamp};
use plan::Plan;

/// Longer silence between two packets is told in a line of its own.
const SILENCE: i64 = SECOND;

/// How times are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Clock {
    /// Since the first packet.
    Relative,
    /// Since the packet before.
    Delta,
    /// Of the day.
    Absolute,
}

impl Clock {
    /// The next way to tell them.
    pub(super) fn next(self) -> Self {
        match self {
            Self::Relative => Self::Delta,
            Self::Delta => Self::Absolute,
            Self::Absolute => Self::Relative,
        }
    }

    fn head(self) -> &'static str {
        match self {
            Self::Relative => "since first",
            Self::Delta => "since last",
            Self::Absolute => "time",
        }
    }
}

/// A line of a ladder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Row {
    /// A packet, by its index.
    Rung(usize),
    /// Nothing for so many nanoseconds.
    Silence(i64),
    /// So many packets that are not kept any more.
    Forgotten(u64),
}

/// The lines of a ladder: its packets, and silence between them.
pub(super) fn rows(ladder: &Ladder) -> Vec<Row> {
    let mut rows = Vec::with_capacity(ladder.rows.len());
    if ladder.forgotten > 0 {
        rows.push(Row::Forgotten(ladder.forgotten));
    }
    let mut last: Option<Timestamp> = None;
    for (index, rung) in ladder.rows.iter().enumerate() {
        let silence = last.map_or(0, |last| rung.time.since(last));
        if silence >= SILENCE {
            rows.push(Row::Silence(silence));
        }
        last = Some(rung.time);
        rows.push(Row::Rung(index));
    }
    rows
}

/// What stands at a point, as a sign.
fn role_sign(look: &Look, role: &str) -> &'static str {
    match role {
        "firewall" => look.signs.either("▦", "F"),
        "router" => look.signs.either("◇", "R"),
        "dci" => look.signs.either("≍", "D"),
        "vnic" => look.signs.either("▪", "V"),
        "uplink" => look.signs.either("△", "U"),
        _ => look.signs.either("▤", "S"),
    }
}

/// A ladder, laid out for a width.
pub(super) struct Ladders<'a> {
    ladder: &'a Ladder,
    clock: Clock,
    plan: Plan,
}

impl<'a> Ladders<'a> {
    pub(super) fn new(ladder: &'a Ladder, width: u16, clock: Clock) -> Self {
        Self {
            ladder,
            clock,
            plan: Plan::new(&ladder.lanes, width),
        }
    }

    /// The lane at a column.
    pub(super) fn lane_at(&self, column: u16) -> Option<usize> {
        self.plan.lane_at(column)
    }

    /// The lines above the packets: which lane is which.
    pub(super) fn heads(&self, look: &Look) -> Vec<Line<'static>> {
        let heads = self.plan.heads(&self.ladder.lanes, self.clock.head(), look);
        heads
            .into_iter()
            .map(|line| cut(line, self.plan.width, look))
            .collect()
    }

    /// A line of it; `sight` if it is the selected one.
    pub(super) fn row(&self, row: Row, sight: Option<usize>, look: &Look) -> Line<'static> {
        let line = match row {
            Row::Rung(index) => self.rung(index, sight, look),
            Row::Silence(time) => self.between(&format!("{} of silence", span(time)), look),
            Row::Forgotten(packets) => {
                let told = format!("{packets} earlier packets are not kept any more");
                self.between(&told, look)
            }
        };
        cut(line, self.plan.width, look)
    }

    fn rung(&self, index: usize, sight: Option<usize>, look: &Look) -> Line<'static> {
        let Some(rung) = self.ladder.rows.get(index) else {
            return Line::default();
        };
        let time = self.time(index, rung);
        rung::line(&self.plan, rung, &self.ladder.lanes, &time, sight, look)
    }

    /// When a packet passed, as it is told.
    fn time(&self, index: usize, rung: &Rung) -> String {
        let seconds = |since: Option<&Rung>| {
            let nanoseconds = since.map_or(0, |since| rung.time.since(since.time));
            format!("{:.6}", nanoseconds as f64 / SECOND as f64)
        };
        match self.clock {
            Clock::Relative => seconds(self.ladder.rows.first()),
            Clock::Delta => seconds(index.checked_sub(1).and_then(|at| self.ladder.rows.get(at))),
            Clock::Absolute => clock(rung.time),
        }
    }

    /// Words between packets.
    fn between(&self, text: &str, look: &Look) -> Line<'static> {
        let dots = look.signs.either("┄┄┄", "...");
        let blanks = " ".repeat(usize::from(self.plan.time) + 2);
        let text = clean(&format!("{blanks}{dots} {text} {dots}"), look.signs);
        Line::styled(text, look.style(Role::Faint))
    }

    /// Why a firewall cannot match a packet; of the first one there is more to say.
    fn reason(&self, reason: &str, time: Timestamp, point: &str) -> String {
        let at = self.ladder.flow.points.iter().find(|at| at.point == point);
        let told = at.and_then(|at| at.firewall.as_ref());
        match told.filter(|told| told.first.time == time) {
            Some(told) => format!("{reason} – {}", told.why),
            None => reason.to_owned(),
        }
    }

    /// What there is to say of the selected packet where it is looked at.
    pub(super) fn told(
        &self,
        rung: Option<&Rung>,
        sight: usize,
        look: &Look,
    ) -> Vec<Line<'static>> {
        let nothing = vec![Line::default(), Line::default()];
        let Some((rung, sight)) = rung.and_then(|rung| Some((rung, rung.sights.get(sight)?)))
        else {
            return nothing;
        };
        let lanes = &self.ladder.lanes;
        let Some(lane) = lanes.get(sight.lane) else {
            return nothing;
        };
        let mut facts = vec![clock(sight.time)];
        if let Some(before) = rung.sights.first().filter(|first| first.lane != sight.lane) {
            let name = lanes
                .get(before.lane)
                .map_or("", |lane| lane.point.as_str());
            let after = sight.time.since(before.time);
            facts.push(format!("{} after {}", span(after), name));
        }
        facts.push(format!("ttl {}", sight.ttl));
        if sight.duplicate {
            facts.push("brought a second time by the mirror".to_owned());
        }
        let place = format!(
            "at {} ({}, {}) ",
            clean(&lane.point, look.signs),
            clean(&lane.site, look.signs),
            lane.role
        );
        let first = Line::from(vec![
            Span::styled(place, look.style(Role::Heading)),
            Span::styled(clean(&facts.join(", "), look.signs), look.style(Role::Text)),
        ]);
        let below = match sight.out_of_state {
            Some(reason) => {
                let reason = self.reason(reason, sight.time, &lane.point);
                let told = format!("the firewall there cannot match it: {reason}");
                let told = format!(
                    "{} {}",
                    look.signs.either("✖", "X"),
                    clean(&told, look.signs)
                );
                Line::styled(told, look.style(Role::Error))
            }
            None => Line::styled(
                clean(&rung::missed(rung, lanes), look.signs),
                look.style(Role::Faint),
            ),
        };
        [first, below]
            .map(|line| cut(line, self.plan.width, look))
            .into()
    }
}

/// All that is said of a packet, to be searched.
pub(super) fn words(rung: &Rung) -> String {
    let mut words = rung.what.clone();
    words.push_str(if rung.retransmission {
        " sent again"
    } else {
        ""
    });
    words.push_str(if rung.gap > 0 { " missing" } else { "" });
    for sight in &rung.sights {
        words.push_str(if sight.duplicate { " twice" } else { "" });
        words.push(' ');
        words.push_str(sight.out_of_state.unwrap_or_default());
    }
    words
}
