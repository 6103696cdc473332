//! A flow and its judgement, asked before they are put into words: that costs more than most filters need.

use std::collections::HashSet;
use std::net::IpAddr;

use super::subject::has_ports;
use super::{End, Filter, NumberField, Subject, TextField};
use crate::correlate::Judgement;
use crate::flow::{Endpoint, Side};
use crate::observation::{FlowObserved, Sum};
use crate::observer::{Context, PointFacts};
use crate::report::{FlowReport, conn_state};

/// A flow as it was observed and judged. What is only known in words, it does not know.
pub(crate) struct Judged<'a> {
    context: &'a Context,
    names: &'a [String],
    flow: &'a FlowObserved,
    judgement: &'a Judgement,
}

impl<'a> Judged<'a> {
    /// `names` are those of the sessions, by id.
    pub fn new(
        context: &'a Context,
        names: &'a [String],
        flow: &'a FlowObserved,
        judgement: &'a Judgement,
    ) -> Self {
        Self {
            context,
            names,
            flow,
            judgement,
        }
    }

    /// Whether a filter wants the flow.
    pub fn is_wanted(&self, filter: &Filter) -> bool {
        let known = filter.decide(&self.flow.key);
        let known = known.or_else(|| filter.decide(self));
        known.unwrap_or_else(|| filter.decide(&self.in_words()) == Some(true))
    }

    /// The flow in words.
    pub fn in_words(&self) -> FlowReport {
        FlowReport::new(self.context, self.names, self.flow, self.judgement)
    }

    fn ends(&self, end: End, test: impl Fn(Endpoint) -> bool) -> bool {
        let side = |side: Side| test(self.flow.key.end(side));
        match end {
            End::Either => side(0) || side(1),
            End::Originator => side(self.flow.originator),
            End::Responder => side(self.flow.responder()),
        }
    }

    fn points(&self) -> impl Iterator<Item = &'a PointFacts> {
        let observations = self.flow.observations.iter();
        observations.filter_map(|o| self.context.points.get(o.point.0 as usize))
    }
}

/// Somebody who wants some of the flows.
pub(crate) trait Chooses {
    /// Whether it wants a flow.
    fn wants(&self, flow: &Judged<'_>) -> bool;

    /// Which it wants, if that can be said.
    fn in_words(&self) -> Option<String>;
}

impl Chooses for Filter {
    fn wants(&self, flow: &Judged<'_>) -> bool {
        flow.is_wanted(self)
    }

    fn in_words(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// By their ids.
impl Chooses for &HashSet<String> {
    fn wants(&self, flow: &Judged<'_>) -> bool {
        self.contains(&flow.flow.id())
    }

    fn in_words(&self) -> Option<String> {
        None
    }
}

impl Subject for Judged<'_> {
    fn address(&self, end: End, test: &dyn Fn(IpAddr) -> bool) -> Option<bool> {
        Some(self.ends(end, |end| test(end.address)))
    }

    fn port(&self, end: End, test: &dyn Fn(u16) -> bool) -> Option<bool> {
        let ports = has_ports(self.flow.key.protocol);
        Some(ports && self.ends(end, |end| test(end.port)))
    }

    fn protocol(&self, test: &dyn Fn(u8) -> bool) -> Option<bool> {
        Some(test(self.flow.key.protocol))
    }

    fn text(&self, field: TextField, test: &dyn Fn(&str) -> bool) -> Option<bool> {
        let mut points = self.points();
        Some(match field {
            TextField::Site => points.any(|p| test(&p.site)),
            TextField::Point => points.any(|p| test(&p.name)),
            TextField::Role => points.any(|p| test(p.role.as_str())),
            TextField::Tenant => self.context.tenant(self.flow).is_some_and(test),
            TextField::Verdict => test(self.judgement.verdict.as_str()),
            TextField::Cause => self.judgement.cause.is_some_and(|c| test(c.as_str())),
            TextField::State => test(conn_state(self.flow)),
            TextField::Id => test(&self.flow.id()),
            TextField::Session | TextField::History | TextField::CommunityId => return None,
        })
    }

    fn number(&self, field: NumberField, end: End, test: &dyn Fn(u64) -> bool) -> Option<bool> {
        let FlowObserved {
            sums, observations, ..
        } = self.flow;
        let count = |count: fn(&Sum) -> u64| match end {
            End::Either => sums.iter().map(count).fold(0, u64::saturating_add),
            End::Originator => count(&sums[self.flow.originator]),
            End::Responder => count(&sums[self.flow.responder()]),
        };
        let mut seen = observations.iter();
        Some(match field {
            NumberField::Segment => seen.any(|o| o.segments.iter().any(|&vni| test(vni))),
            NumberField::Vlan => seen.any(|o| o.vlans.iter().any(|&vlan| test(vlan.into()))),
            NumberField::Bytes => test(count(|sum| sum.bytes)),
            NumberField::Packets => test(count(|sum| sum.packets)),
            NumberField::Payload => test(count(|sum| sum.payload)),
            NumberField::Duration => {
                let duration = self.flow.last.since(self.flow.first);
                test(u64::try_from(duration).unwrap_or_default())
            }
            NumberField::OutOfState => return None,
        })
    }
}
