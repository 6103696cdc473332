//! The packets of a flow across its points: a lane for each, an arrow for each packet.

mod plan;
mod rung;

use ratatui::text::{Line, Span};

use super::words::{clock, count, cut, span, wrapped};
use crate::data::{Ladder, Rung, Sight};
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
                let told = format!("{} not kept any more", count(packets, "earlier packet"));
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

    /// What there is to say of the selected packet where it is looked at; always as many lines on a screen this high.
    pub(super) fn told(
        &self,
        rung: Option<&Rung>,
        sight: usize,
        height: u16,
        look: &Look,
    ) -> Vec<Line<'static>> {
        let width = self.plan.width;
        let most = if height < 20 { 1 } else { 2 };
        let mut lines = Vec::new();
        if let Some((rung, sight)) = rung.and_then(|rung| Some((rung, rung.sights.get(sight)?))) {
            lines.push(cut(self.place(rung, sight, look), width, look));
            let (text, role) = match sight.out_of_state {
                Some(reason) => (self.reason(reason, sight, look), Role::Error),
                None => (rung::missed(rung, &self.ladder.lanes), Role::Faint),
            };
            let text = wrapped(&clean(&text, look.signs), width, "", "  ");
            let whole = text.len() <= most;
            for (index, line) in text.into_iter().take(most).enumerate() {
                // What is left over is told by the sign of what was cut.
                let more = if whole || index + 1 < most {
                    0
                } else {
                    usize::from(width)
                };
                let line = Line::styled(format!("{line}{}", " ".repeat(more)), look.style(role));
                lines.push(cut(line, width, look));
            }
        }
        lines.resize(most + 1, Line::default());
        lines
    }

    /// Where and when a packet was seen.
    fn place(&self, rung: &Rung, sight: &Sight, look: &Look) -> Line<'static> {
        let lanes = &self.ladder.lanes;
        let name = |lane: usize| lanes.get(lane).map_or("", |lane| lane.point.as_str());
        let mut facts = vec![clock(sight.time)];
        if let Some(before) = rung.sights.first().filter(|first| first.lane != sight.lane) {
            let after = sight.time.since(before.time);
            facts.push(format!("{} after {}", span(after), name(before.lane)));
        }
        facts.push(format!("ttl {}", sight.ttl));
        if sight.duplicate {
            facts.push("brought a second time by the mirror".to_owned());
        }
        let place = lanes.get(sight.lane).map_or(String::new(), |lane| {
            format!("at {} ({}, {}) ", lane.point, lane.site, lane.role)
        });
        Line::from(vec![
            Span::styled(clean(&place, look.signs), look.style(Role::Heading)),
            Span::styled(clean(&facts.join(", "), look.signs), look.style(Role::Text)),
        ])
    }

    /// Why a firewall cannot match a packet; of the first one there is more to say.
    fn reason(&self, reason: &str, sight: &Sight, look: &Look) -> String {
        let point = self.ladder.lanes.get(sight.lane).map(|lane| &lane.point);
        let at = self
            .ladder
            .flow
            .points
            .iter()
            .find(|at| Some(&at.point) == point);
        let told = at.and_then(|at| at.firewall.as_ref());
        let reason = match told.filter(|told| told.first.time == sight.time) {
            Some(told) if told.why.starts_with(reason) => told.why.clone(),
            Some(told) => format!("{reason} – {}", told.why),
            None => reason.to_owned(),
        };
        let mark = look.signs.either("✖", "X");
        format!("{mark} the firewall there cannot match it: {reason}")
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
