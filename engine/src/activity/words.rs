//! Changes in plain words.

use super::course::{Silence, Turn};
use super::{Change, SessionChange};
use crate::Engine;
use crate::point::readable;
use crate::session::{Session, SessionId};
use crate::time::SECOND;

/// What is to be told of a session; `None` if it is gone.
pub(super) fn change(engine: &Engine, id: SessionId, turn: Turn) -> Option<SessionChange> {
    let session = engine.session_of(id)?;
    let name = engine.session_name_of(id);
    let (time, change, text) = match turn {
        Turn::Started => (session.first, Change::Started, started(engine, id, &name)),
        Turn::Silent(usual) => (
            session.last,
            Change::Silent,
            format!(
                "{name} is silent since {}; until then a packet came at least every {}",
                session.last.to_seconds(),
                duration(usual)
            ),
        ),
        Turn::Resumed(Silence { from, until }) | Turn::Returned(Silence { from, until }) => (
            until,
            Change::Resumed,
            format!(
                "{name} goes on after {} of silence since {}",
                duration(until.since(from)),
                from.to_seconds()
            ),
        ),
        Turn::Follows(before) => {
            let other = engine.session_of(before)?;
            let (change, text) = follows(&name, session, &engine.session_name_of(before), other);
            (
                session.last.min(other.last.max(session.first)),
                change,
                text,
            )
        }
        Turn::Cut => (
            session.last,
            Change::Cut,
            format!(
                "{name} begins to cut packets: of frames of up to {} bytes, {} at most arrive",
                session.largest_cut, session.cut_to
            ),
        ),
        Turn::Whole => (
            session.last,
            Change::Whole,
            format!(
                "{name} no longer cuts packets: frames of {} bytes arrive whole",
                session.whole
            ),
        ),
    };
    Some(SessionChange {
        time,
        session: name,
        change,
        text,
    })
}

fn started(engine: &Engine, id: SessionId, name: &str) -> String {
    match engine.point_of(id) {
        Some((point, site)) if point != name => format!("{name} started: {point} ({site})"),
        _ => format!("{name} started"),
    }
}

/// What differs between a session and the one whose place it takes.
fn follows(name: &str, session: &Session, before: &str, other: &Session) -> (Change, String) {
    let (now, then) = (&session.key, &other.key);
    let id = |id: Option<u64>| {
        id.map_or_else(|| "no id".to_owned(), |id| format!("id {}", readable(id)))
    };
    if let (Some(here), Some(there)) = (now.addresses, then.addresses)
        && here.0 != there.0
    {
        return (
            Change::Moved,
            format!(
                "{before} moved: the same mirror comes from {} now, as {name}; last from {} at {}",
                here.0,
                there.0,
                other.last.to_seconds()
            ),
        );
    }
    let text = if now.encapsulation == then.encapsulation {
        format!(
            "{before} changed: its packets come with {} now, as {name}, no longer with {}",
            id(now.id),
            id(then.id)
        )
    } else {
        let kind = |session: &Session| session.key.encapsulation.map_or("plain", |e| e.as_str());
        format!(
            "{before} changed: its packets come as {} now, as {name}, no longer as {}",
            kind(session),
            kind(other)
        )
    };
    (Change::Changed, text)
}

/// A span of time to be read at a glance: `0.2 s`, `12 s`, `3 min`, `2.5 h`.
fn duration(nanoseconds: i64) -> String {
    let seconds = nanoseconds as f64 / SECOND as f64;
    match seconds {
        s if s < 10.0 => format!("{s:.1} s"),
        s if s < 120.0 => format!("{s:.0} s"),
        s if s < 7200.0 => format!("{:.0} min", s / 60.0),
        s => format!("{:.1} h", s / 3600.0),
    }
}
