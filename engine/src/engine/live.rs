//! What is asked of an engine while packets still come.

use super::Engine;
use crate::sequence::Episode;
use crate::session::{Session, SessionId};
use crate::site::Sites;
use crate::table::{Map, Set};
use crate::time::Timestamp;

impl Engine {
    /// Describes the sites anew, while flows live.
    ///
    /// A point that shows the same packets as before keeps what it saw, under its new name, site and role; as a firewall
    /// it judges flows that begin from now on. Where packets of several points become those of one, or those of one point
    /// are told apart, new points begin, and the old ones keep what they saw under their old names. Where stations are is
    /// learned anew if a place changed. Tenants keep their flows by name. Numbers that lead to protocols stay as they are.
    pub fn reload(&mut self, sites: Sites) {
        let now = self.time_reached();
        self.tables.reload_firewalls();
        self.tables.flows.tracker.reload(&sites.tenants);
        if self.receiver.reload(sites, now) {
            self.tables.inventory.forget_places();
        }
    }

    /// Tells that time passes, though no frame came: what waits for others waits no longer than that. The clock of this
    /// host is that of arrival.
    pub fn now(&mut self, time: Timestamp) {
        self.clock = self.clock.max(Some(time));
        let Self {
            receiver, tables, ..
        } = self;
        receiver.pass_time(time, |mirrored| {
            tables.take(&mirrored.shown, None);
        });
        tables.pass_time(time);
    }

    /// The time that the run has reached.
    pub fn time_reached(&self) -> Timestamp {
        let last = self.period.map(|period| period.1);
        last.max(self.clock).unwrap_or_default()
    }

    /// All sessions in order of appearance.
    pub(crate) fn sessions_by_id(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.receiver.sessions().iter()
    }

    pub(crate) fn session_of(&self, id: SessionId) -> Option<&Session> {
        self.receiver.sessions().get(id)
    }

    /// A session's name.
    pub(crate) fn session_name_of(&self, id: SessionId) -> String {
        self.session_of(id)
            .map_or_else(String::new, |s| self.name(s))
    }

    /// The names of a session's point and its site.
    pub(crate) fn point_of(&self, id: SessionId) -> Option<(&str, &str)> {
        let point = self.receiver.points().of_session(id)?;
        Some((&point.name, &point.site))
    }

    /// Numbers missing in the counter of each session that has one.
    pub(crate) fn missing_by_session(&self) -> Map<SessionId, u64> {
        let assigned = self.receiver.sessions().sequences.assign();
        let missing = assigned.iter().map(|(id, a)| (*id, a.counter.missing));
        missing.collect()
    }

    /// When how many sequence numbers were missing, of each counter once.
    pub fn missing_when(&self) -> Vec<Episode> {
        let assigned = self.receiver.sessions().sequences.assign();
        let mut told = Set::default();
        let counters = assigned.values().filter(|a| told.insert(a.id));
        counters
            .flat_map(|a| a.counter.episodes().copied())
            .collect()
    }

    /// Whether this host dropped packets since a time that may have been of a session.
    pub(crate) fn dropped_since(&self, session: &Session, since: Timestamp) -> bool {
        let lost = self.receiver.losses_here();
        let mut interfaces = lost
            .iter()
            .filter(|(id, _)| session.interfaces.contains(*id));
        interfaces.any(|(_, at)| at.periods().any(|period| period.to >= since))
    }

    /// Whether a session shows the stations of one that was there before it; `None` if nothing tells.
    pub(crate) fn shows_the_same(&self, before: SessionId, after: SessionId) -> Option<bool> {
        let points = self.receiver.points();
        let (before, after) = (points.of_session(before)?, points.of_session(after)?);
        if std::ptr::eq(before, after) {
            return Some(true);
        }
        after.senders.are_known_to(&before.senders)
    }
}
