//! What changes among the mirror sessions while packets come, in plain words, and how much each brought lately.
//!
//! A session has fallen silent if it pauses for several times as long as it ever did in the last ten minutes. What is
//! merely quiet – a packet every ten seconds, a machine that nobody uses – has long pauses, and is given time. One
//! that turned out to have paused only is given more time the next time. What this host dropped itself is no silence.

mod course;
mod words;

use std::collections::VecDeque;

use serde::Serialize;

use crate::Engine;
use crate::live::Recent;
use crate::point::printable;
use crate::report::SessionReport;
use crate::session::{Session, SessionId};
use crate::table::Map;
use crate::time::{SECOND, Timestamp};
use course::{Course, Turn};

/// Changes that are remembered, for reports.
const REMEMBERED: usize = 100;
/// Changes told of one moment; what is beyond is counted. A sender restarts with thousands of sessions.
const AT_ONCE: usize = 50;
/// Rates are those of a time so long at least.
const WINDOW: i64 = SECOND / 10 * 9;

/// What happened to a session, or to an interface. Names are stable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Change {
    /// It brought its first packet.
    Started,
    /// It brought packets regularly, and brings none any more.
    Silent,
    /// It goes on.
    Resumed,
    /// The same packets come in another encapsulation, or under another id.
    Changed,
    /// The same session comes from another source.
    Moved,
    /// It begins to bring packets cut.
    Cut,
    /// It brings them whole again.
    Whole,
    /// Something about an interface of this host.
    Interface,
}

impl Change {
    /// The name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Silent => "silent",
            Self::Resumed => "resumed",
            Self::Changed => "changed",
            Self::Moved => "moved",
            Self::Cut => "cut",
            Self::Whole => "whole",
            Self::Interface => "interface",
        }
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SessionChange {
    /// When it happened, by the packets themselves.
    pub time: Timestamp,
    /// The session's name; for an interface its name.
    pub session: String,
    /// What happened.
    pub change: Change,
    /// The same in words.
    pub text: String,
}

impl SessionChange {
    /// Something about an interface of this host. Its words may come from anywhere.
    pub fn of_interface(time: Timestamp, interface: &str, text: &str) -> Self {
        Self {
            time,
            session: printable(interface),
            change: Change::Interface,
            text: printable(text),
        }
    }
}

/// What each session brought lately, as of a moment.
#[derive(Debug)]
pub struct Lately(Vec<Option<Recent>>);

impl Lately {
    /// Adds it to sessions.
    pub fn annotate(&self, sessions: &mut [SessionReport]) {
        annotate(sessions, |session| *self.0.get(session.0 as usize)?);
    }
}

fn annotate(sessions: &mut [SessionReport], recent: impl Fn(SessionId) -> Option<Recent>) {
    for session in sessions {
        session.recent = recent(session.number);
    }
}

/// Follows the sessions of an engine from one moment to the next.
#[derive(Debug, Default)]
pub struct Activity {
    sessions: Vec<Course>,
    changes: VecDeque<SessionChange>,
    /// When rates were last reckoned.
    reckoned: Option<Timestamp>,
}

impl Activity {
    /// Looks at the sessions, and tells what changed since the last look. Once a second will do; four times a second
    /// tells of each change within one.
    ///
    /// `now` is the time that the engine's frames have reached: the clock's if none waits to be taken, else the last
    /// frame's. Otherwise an engine that lags behind would see silence everywhere.
    pub fn tick(&mut self, engine: &Engine, now: Timestamp) -> Vec<SessionChange> {
        let mut turns: Vec<(SessionId, Turn)> = Vec::new();
        for (id, session) in engine.sessions_by_id() {
            let index = id.0 as usize;
            if index >= self.sessions.len() {
                self.sessions.push(Course::new(session));
                turns.push((id, Turn::Started));
            }
            let Some(course) = self.sessions.get_mut(index) else {
                continue;
            };
            let dropped = || engine.dropped_since(session, session.last);
            if let Some(turn) = course.look(session, now, dropped) {
                turns.push((id, turn));
            }
            if let Some(turn) = course.cut(session) {
                turns.push((id, turn));
            }
        }
        self.reckon(engine, now);
        let turns = self.successors(engine, turns, now);
        let told = tell(engine, turns);
        for change in &told {
            self.remember(change.clone());
        }
        told
    }

    /// Keeps a change for reports that [`Activity::tick`] did not find: of an interface.
    pub fn remember(&mut self, change: SessionChange) {
        if self.changes.len() >= REMEMBERED {
            self.changes.pop_front();
        }
        self.changes.push_back(change);
    }

    /// The latest changes, the very last at the end.
    pub fn changes(&self) -> impl Iterator<Item = &SessionChange> {
        self.changes.iter()
    }

    /// What a session brought lately.
    pub fn recent(&self, session: SessionId) -> Option<Recent> {
        self.sessions.get(session.0 as usize)?.recent
    }

    /// What each session brought lately, for those who look while it goes on.
    pub fn lately(&self) -> Lately {
        Lately(self.sessions.iter().map(|course| course.recent).collect())
    }

    /// Adds to sessions what they brought lately.
    pub fn annotate(&self, sessions: &mut [SessionReport]) {
        annotate(sessions, |session| self.recent(session));
    }

    fn reckon(&mut self, engine: &Engine, now: Timestamp) {
        let since = self.reckoned;
        if since.is_some_and(|since| now.since(since) < WINDOW) {
            return;
        }
        let seconds = since.map(|since| now.since(since) as f64 / SECOND as f64);
        let missing = engine.missing_by_session();
        for (id, session) in engine.sessions_by_id() {
            if let Some(course) = self.sessions.get_mut(id.0 as usize) {
                course.reckon(session, missing.get(&id).copied(), seconds);
            }
        }
        self.reckoned = Some(now);
    }

    /// Finds out which sessions that began take the place of others that ended with that.
    fn successors(
        &mut self,
        engine: &Engine,
        turns: Vec<(SessionId, Turn)>,
        now: Timestamp,
    ) -> Vec<(SessionId, Turn)> {
        let mut told = Vec::new();
        let mut beginnings: Vec<(SessionId, Turn)> = Vec::new();
        for (id, turn) in turns {
            match turn {
                Turn::Started | Turn::Returned(_) => beginnings.push((id, turn)),
                _ => told.push((id, turn)),
            }
        }
        // Those that were held back for a moment are decided now.
        for (index, course) in self.sessions.iter_mut().enumerate() {
            if let Some(turn) = course.held.take() {
                beginnings.push((SessionId(index as u32), turn));
            }
        }
        let mut ended: Map<course::Kinship, Vec<SessionId>> = Map::default();
        if !beginnings.is_empty() {
            for (id, session) in engine.sessions_by_id() {
                for kinship in course::kinships(&session.key) {
                    ended.entry(kinship).or_default().push(id);
                }
            }
        }
        for (id, turn) in beginnings {
            let Some(session) = engine.session_of(id) else {
                continue;
            };
            match self.predecessor(engine, id, session, turn, &ended, now) {
                Predecessor::None => told.push((id, turn)),
                Predecessor::Undecided => {
                    if let Some(course) = self.sessions.get_mut(id.0 as usize) {
                        course.held = Some(turn);
                    }
                }
                Predecessor::Is(before) => {
                    if let Some(course) = self.sessions.get_mut(before.0 as usize) {
                        course.replaced();
                    }
                    // That it is silent since is said with it.
                    told.retain(|(id, turn)| *id != before || !matches!(turn, Turn::Silent(_)));
                    told.push((id, Turn::Follows(before)));
                }
            }
        }
        told
    }

    fn predecessor(
        &self,
        engine: &Engine,
        id: SessionId,
        session: &Session,
        turn: Turn,
        ended: &Map<course::Kinship, Vec<SessionId>>,
        now: Timestamp,
    ) -> Predecessor {
        let began = match turn {
            Turn::Returned(silent) => silent.until,
            _ => session.first,
        };
        let mut undecided = false;
        let mut found: Vec<SessionId> = Vec::new();
        for kinship in course::kinships(&session.key) {
            for before in ended.get(&kinship).into_iter().flatten() {
                let Some(other) = engine.session_of(*before).filter(|_| *before != id) else {
                    continue;
                };
                if !course::ended_with(other, began) || found.contains(before) {
                    continue;
                }
                match engine.shows_the_same(*before, id) {
                    Some(false) => continue,
                    // Without stations inside, only a setting that changed on one sender is believed.
                    None if !course::same_sender(&session.key, &other.key) => continue,
                    _ => {}
                }
                let course = self.sessions.get(before.0 as usize);
                match course.and_then(|course| course.is_over(other, now)) {
                    Some(true) => found.push(*before),
                    Some(false) => undecided = true,
                    None => {}
                }
            }
        }
        match found.as_slice() {
            [one] if !undecided => Predecessor::Is(*one),
            [] if undecided && now.since(began) < 2 * SECOND => Predecessor::Undecided,
            _ => Predecessor::None,
        }
    }
}

enum Predecessor {
    None,
    /// It may have ended, or pause.
    Undecided,
    Is(SessionId),
}

/// The changes in words, of very many those that were found first.
fn tell(engine: &Engine, turns: Vec<(SessionId, Turn)>) -> Vec<SessionChange> {
    let more = turns.len().saturating_sub(AT_ONCE);
    let mut changes: Vec<SessionChange> = turns
        .into_iter()
        .take(AT_ONCE)
        .filter_map(|(id, turn)| words::change(engine, id, turn))
        .collect();
    changes.sort_by_key(|change| change.time);
    if more > 0
        && let Some(last) = changes.last_mut()
    {
        last.text = format!("{}; and {more} more changes at the same time", last.text);
    }
    changes
}
