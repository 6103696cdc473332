//! Flows one after the other in order of appearance, and the sessions that brought them, a moment at a time.
//!
//! Which flows there are is noted first; in order, some of them are observed in each moment. They are judged, chosen and put
//! into words between the moments, by what was known of the mirrors when they were observed.

use std::convert::Infallible;
use std::sync::Arc;

use super::look::{self, Basis, Desk, Ground, PLACES};
use super::page::Place;
use super::words::{Observed, Words};
use super::{Engine, wanted};
use crate::correlate::Judgement;
use crate::filter::Filter;
use crate::observation::FlowObserved;
use crate::observer::Context;
use crate::report::{FlowReport, SessionReport};
use crate::session::SessionId;
use crate::table::Set;
use crate::time::Timestamp;

/// Some of the flows that were noted.
struct Handful {
    observed: Observed<u32>,
    /// The first one that is not among them.
    next: usize,
    edition: u64,
}

/// A flow that is wanted, and what became of it.
struct Listed<'a> {
    observed: &'a FlowObserved,
    judgement: &'a Judgement,
    context: &'a Context,
    names: &'a [String],
}

impl Listed<'_> {
    fn in_words(&self) -> FlowReport {
        FlowReport::new(self.context, self.names, self.observed, self.judgement)
    }
}

/// Gives the flows that a filter wants to `sink`, in order of appearance, until it says no: those that had a packet since a
/// time, if one is given. Those that come meanwhile are left out, and those that give way to others. The inner result is the
/// sink's.
pub fn flows<D: Desk, E>(
    desk: &mut D,
    filter: Option<&Filter>,
    since: Option<Timestamp>,
    mut sink: impl FnMut(FlowReport) -> Result<(), E>,
) -> Result<Result<(), E>, D::Gone> {
    each(desk, filter, since, |flow| sink(flow.in_words()))
}

/// The sessions that brought packets of flows that a filter wants; without one, all.
pub fn sessions<D: Desk>(
    desk: &mut D,
    filter: Option<&Filter>,
) -> Result<Vec<SessionReport>, D::Gone> {
    if filter.is_none() {
        return desk.at(Engine::sessions);
    }
    let mut theirs: Set<SessionId> = Set::default();
    let Ok(()) = each::<_, Infallible>(desk, filter, None, |flow| {
        let observations = flow.observed.observations.iter();
        theirs.extend(observations.flat_map(|at| &at.sessions));
        Ok(())
    })?;
    let mut sessions = desk.at(Engine::sessions)?;
    sessions.retain(|session| theirs.contains(&session.number));
    Ok(sessions)
}

fn each<D: Desk, E>(
    desk: &mut D,
    filter: Option<&Filter>,
    since: Option<Timestamp>,
    mut sink: impl FnMut(&Listed<'_>) -> Result<(), E>,
) -> Result<Result<(), E>, D::Gone> {
    let mut basis = look::basis(desk)?;
    let places = Arc::new(noted(desk, since)?);
    let mut words = Words::default();
    let mut ground = None;
    let mut next = 0;
    while next < places.len() {
        let (of, those) = (Arc::clone(&basis), Arc::clone(&places));
        let (reached, known) = (ground.take(), words.known());
        let reached = reached.filter(|_| desk.is_still());
        let handful = desk.at(move |engine| engine.listed(&of, reached, known, &those, next))?;
        if handful.edition != basis.edition {
            // Of sites that are described anew, only what is judged from now on is told.
            basis = look::basis(desk)?;
            continue;
        }
        next = handful.next;
        let Observed {
            ground: reached,
            names,
            flows,
        } = handful.observed;
        let names = words.with(names);
        let context = &reached.context;
        for (_, observed) in &flows {
            let judgement = &reached.judge(observed);
            if filter.is_none_or(|filter| wanted(filter, context, names, observed, judgement)) {
                let flow = Listed {
                    observed,
                    judgement,
                    context,
                    names,
                };
                if let Err(ended) = sink(&flow) {
                    return Ok(Err(ended));
                }
            }
        }
        ground = Some(reached);
    }
    Ok(Ok(()))
}

/// The flows that had a packet since a time, in order of appearance; all without one.
fn noted<D: Desk>(desk: &mut D, since: Option<Timestamp>) -> Result<Vec<Place>, D::Gone> {
    let room = match since {
        None => desk.at(Engine::flow_count)?,
        Some(_) => 0,
    };
    let mut places = look::fold(
        desk,
        PLACES,
        Vec::with_capacity(room),
        move |tracker, range, noted: &mut Vec<Place>| {
            let flows = tracker.briefs(range);
            let some = flows.filter(|(_, flow)| since.is_none_or(|since| flow.last >= since));
            noted.extend(some.map(|(place, flow)| (place, flow.serial)));
            true
        },
    )?;
    // Where places are used again, their order says nothing.
    places.sort_unstable_by_key(|(_, serial)| *serial);
    Ok(places)
}

impl Engine {
    /// Some of the flows that were noted, from one on, to whoever knows the names of so many sessions.
    fn listed(
        &self,
        basis: &Basis,
        reached: Option<Arc<Ground>>,
        known: usize,
        places: &[Place],
        first: usize,
    ) -> Handful {
        let ground = reached.unwrap_or_else(|| Arc::new(self.ground(basis)));
        let next = places.len().min(first + self.at_once() as usize);
        let flows = self.still(&ground, places.get(first..next).unwrap_or_default());
        Handful {
            observed: Observed::new(self, known, ground, flows),
            next,
            edition: self.receiver.points().edition(),
        }
    }
}
