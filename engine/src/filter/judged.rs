//! A flow and its verdict, asked before they are put into words: that costs more than most filters need.

use std::collections::BTreeSet;
use std::net::IpAddr;

use super::subject::has_ports;
use super::{End, Filter, NumberField, Subject, TextField};
use crate::flow::{Endpoint, Side};
use crate::observation::Sum;
use crate::observer::{Context, PointFacts};
use crate::report::FlowReport;
use crate::track::Brief;
use crate::verdict::{Cause, Verdict};

/// A flow in brief, and what was made of it. What is only known in words, it does not know.
pub(crate) struct Judged<'a> {
    /// The points.
    pub context: &'a Context,
    /// The flow.
    pub flow: &'a Brief<'a>,
    /// How it went.
    pub verdict: Verdict,
    /// Why that is unknown.
    pub cause: Option<Cause>,
}

impl Judged<'_> {
    /// Whether a filter wants the flow; `None` if only its words tell.
    pub fn is_wanted(&self, filter: &Filter) -> Option<bool> {
        let known = filter.decide(&self.flow.key);
        known.or_else(|| filter.decide(self))
    }

    fn ends(&self, end: End, test: impl Fn(Endpoint) -> bool) -> bool {
        let side = |side: Side| test(self.flow.key.end(side));
        match end {
            End::Either => side(0) || side(1),
            End::Originator => side(self.flow.originator),
            End::Responder => side(1 - self.flow.originator),
        }
    }

    fn any_point(&self, test: impl Fn(&PointFacts) -> bool) -> bool {
        self.flow
            .any_point(|point| self.context.point(point).is_some_and(&test))
    }
}

/// Somebody who wants some of the flows.
pub(crate) trait Chooses {
    /// Whether it wants a flow, which can be put into words.
    fn wants(&self, flow: &Judged<'_>, in_words: &dyn Fn() -> FlowReport) -> bool;

    /// Which it wants, if that can be said.
    fn in_words(&self) -> Option<String>;
}

impl Chooses for Filter {
    fn wants(&self, flow: &Judged<'_>, in_words: &dyn Fn() -> FlowReport) -> bool {
        let known = flow.is_wanted(self);
        known.unwrap_or_else(|| self.decide(&in_words()) == Some(true))
    }

    fn in_words(&self) -> Option<String> {
        Some(self.to_string())
    }
}

/// By their ids.
impl Chooses for &BTreeSet<String> {
    fn wants(&self, flow: &Judged<'_>, _in_words: &dyn Fn() -> FlowReport) -> bool {
        self.contains(&flow.flow.key.id(flow.flow.born))
    }

    fn in_words(&self) -> Option<String> {
        None
    }
}

impl Subject for Judged<'_> {
    fn address(&self, end: End, test: &dyn Fn(IpAddr) -> bool) -> Option<bool> {
        Some(self.ends(end, |end| test(end.address)))
    }

    fn name(&self, end: End, test: &dyn Fn(&str) -> bool) -> Option<bool> {
        let names = &self.context.names;
        Some(self.ends(end, |end| names.of(end.address).is_some_and(test)))
    }

    fn port(&self, end: End, test: &dyn Fn(u16) -> bool) -> Option<bool> {
        let ports = has_ports(self.flow.key.protocol);
        Some(ports && self.ends(end, |end| test(end.port)))
    }

    fn protocol(&self, test: &dyn Fn(u8) -> bool) -> Option<bool> {
        Some(test(self.flow.key.protocol))
    }

    fn text(&self, field: TextField, test: &dyn Fn(&str) -> bool) -> Option<bool> {
        Some(match field {
            TextField::Site => self.any_point(|p| test(&p.site)),
            TextField::Point => self.any_point(|p| test(&p.name)),
            TextField::Role => self.any_point(|p| test(p.role.as_str())),
            TextField::Verdict => test(self.verdict.as_str()),
            TextField::Cause => self.cause.is_some_and(|cause| test(cause.as_str())),
            TextField::State => test(self.flow.state()),
            TextField::Id => test(&self.flow.key.id(self.flow.born)),
            TextField::Tenant
            | TextField::Session
            | TextField::History
            | TextField::CommunityId => return None,
        })
    }

    fn number(&self, field: NumberField, end: End, test: &dyn Fn(u64) -> bool) -> Option<bool> {
        let count = |count: fn(&Sum) -> u64| {
            let sums = self.flow.sums();
            let of = |side: Side| sums.get(side).map_or(0, count);
            match end {
                End::Either => of(0).saturating_add(of(1)),
                End::Originator => of(self.flow.originator),
                End::Responder => of(1 - self.flow.originator),
            }
        };
        Some(match field {
            NumberField::Bytes => test(count(|sum| sum.bytes)),
            NumberField::Packets => test(count(|sum| sum.packets)),
            NumberField::Payload => test(count(|sum| sum.payload)),
            NumberField::Duration => {
                let duration = self.flow.last.since(self.flow.first);
                test(u64::try_from(duration).unwrap_or_default())
            }
            NumberField::Segment | NumberField::Vlan | NumberField::OutOfState => return None,
        })
    }
}
