//! What a filter is asked about: a whole flow, or what a first packet shows of it.

use std::net::IpAddr;

use super::vocabulary;
use crate::flow::{FlowKey, protocol};
use crate::observation::Sum;
use crate::report::{AtPoint, FlowReport};

/// Which end of a flow, or which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Either end; for counts, both directions together.
    Either,
    /// The side that opened the flow.
    Originator,
    /// The side that answers.
    Responder,
}

/// Fields whose values are words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextField {
    /// Names of the sites where the flow was seen.
    Site,
    /// Names of the points that saw it.
    Point,
    /// What stands at these points.
    Role,
    /// The tenant that it belongs to.
    Tenant,
    /// Names of the mirror sessions that brought it.
    Session,
    /// The verdict.
    Verdict,
    /// Why the verdict is unknown.
    Cause,
    /// Zeek's `conn_state`.
    State,
    /// Zeek's history.
    History,
    /// The flow's id.
    Id,
    /// Its Community ID.
    CommunityId,
}

/// Fields whose values are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NumberField {
    /// VNI or GRE key that its packets came with.
    Segment,
    /// VLAN that its packets came with.
    Vlan,
    /// Bytes by the IP header.
    Bytes,
    /// Packets.
    Packets,
    /// Bytes behind the transport header.
    Payload,
    /// Nanoseconds from the first packet to the last.
    Duration,
    /// Packets that a firewall can match to no connection; those that the mirror explains are left out.
    OutOfState,
}

/// Something that a filter can be asked about. Every method tells whether one of the field's values passes `test`, or
/// `None` if that is not known, or not known yet. A flow that has no such value (ICMP has no ports) does not pass.
pub trait Subject {
    /// Addresses.
    fn address(&self, end: End, test: &dyn Fn(IpAddr) -> bool) -> Option<bool>;
    /// What its ends are called.
    fn name(&self, end: End, test: &dyn Fn(&str) -> bool) -> Option<bool>;
    /// Ports.
    fn port(&self, end: End, test: &dyn Fn(u16) -> bool) -> Option<bool>;
    /// The number of the IP protocol.
    fn protocol(&self, test: &dyn Fn(u8) -> bool) -> Option<bool>;
    /// Words.
    fn text(&self, field: TextField, test: &dyn Fn(&str) -> bool) -> Option<bool>;
    /// Numbers; `end` tells the direction that is counted.
    fn number(&self, field: NumberField, end: End, test: &dyn Fn(u64) -> bool) -> Option<bool>;
}

/// What the first packet shows. Which end opened the flow may turn out only later, and so does all but the 5-tuple.
impl Subject for FlowKey {
    fn address(&self, end: End, test: &dyn Fn(IpAddr) -> bool) -> Option<bool> {
        (end == End::Either).then(|| test(self.low.address) || test(self.high.address))
    }

    fn name(&self, _: End, _: &dyn Fn(&str) -> bool) -> Option<bool> {
        None
    }

    fn port(&self, end: End, test: &dyn Fn(u16) -> bool) -> Option<bool> {
        if !has_ports(self.protocol) {
            return Some(false);
        }
        (end == End::Either).then(|| test(self.low.port) || test(self.high.port))
    }

    fn protocol(&self, test: &dyn Fn(u8) -> bool) -> Option<bool> {
        Some(test(self.protocol))
    }

    fn text(&self, _: TextField, _: &dyn Fn(&str) -> bool) -> Option<bool> {
        None
    }

    fn number(&self, _: NumberField, _: End, _: &dyn Fn(u64) -> bool) -> Option<bool> {
        None
    }
}

impl Subject for FlowReport {
    fn address(&self, end: End, test: &dyn Fn(IpAddr) -> bool) -> Option<bool> {
        Some(match end {
            End::Either => test(self.src) || test(self.dst),
            End::Originator => test(self.src),
            End::Responder => test(self.dst),
        })
    }

    fn name(&self, end: End, test: &dyn Fn(&str) -> bool) -> Option<bool> {
        let [orig, resp] =
            [&self.src_name, &self.dst_name].map(|name| name.as_deref().is_some_and(test));
        Some(match end {
            End::Either => orig || resp,
            End::Originator => orig,
            End::Responder => resp,
        })
    }

    fn port(&self, end: End, test: &dyn Fn(u16) -> bool) -> Option<bool> {
        let ports = vocabulary::protocol_number(&self.proto).is_some_and(has_ports);
        Some(
            ports
                && match end {
                    End::Either => test(self.sport) || test(self.dport),
                    End::Originator => test(self.sport),
                    End::Responder => test(self.dport),
                },
        )
    }

    fn protocol(&self, test: &dyn Fn(u8) -> bool) -> Option<bool> {
        vocabulary::protocol_number(&self.proto).map(test)
    }

    fn text(&self, field: TextField, test: &dyn Fn(&str) -> bool) -> Option<bool> {
        let mut points = self.points.iter();
        Some(match field {
            TextField::Site => points.any(|p| test(&p.site)),
            TextField::Point => points.any(|p| test(&p.point)),
            TextField::Role => points.any(|p| test(p.role)),
            TextField::Tenant => self.tenant.as_ref().is_some_and(|name| test(name)),
            TextField::Session => points.flat_map(|p| &p.sessions).any(|name| test(name)),
            TextField::Verdict => test(self.verdict.as_str()),
            TextField::Cause => self.cause.is_some_and(|cause| test(cause.as_str())),
            TextField::State => test(self.state),
            TextField::History => test(&self.history),
            TextField::Id => test(&self.id),
            TextField::CommunityId => test(&self.community_id),
        })
    }

    fn number(&self, field: NumberField, end: End, test: &dyn Fn(u64) -> bool) -> Option<bool> {
        let count = |count: fn(&Sum) -> u64| match end {
            End::Either => count(&self.orig).saturating_add(count(&self.resp)),
            End::Originator => count(&self.orig),
            End::Responder => count(&self.resp),
        };
        let mut points = self.points.iter();
        Some(match field {
            NumberField::Segment => points.any(|p| p.segments.iter().any(|&vni| test(vni))),
            NumberField::Vlan => points.any(|p| p.vlans.iter().any(|&vlan| test(vlan.into()))),
            NumberField::Bytes => test(count(|d| d.bytes)),
            NumberField::Packets => test(count(|d| d.packets)),
            NumberField::Payload => test(count(|d| d.payload)),
            NumberField::OutOfState => test(points.map(|p| p.out_of_state(end)).sum()),
            NumberField::Duration => {
                test(u64::try_from(self.last.since(self.first)).unwrap_or_default())
            }
        })
    }
}

impl AtPoint {
    /// Packets that the firewall there cannot match, by who sent them.
    fn out_of_state(&self, end: End) -> u64 {
        let counts = self.firewall.as_ref().filter(|f| f.cause.is_none());
        counts.map_or(0, |firewall| match end {
            End::Either => firewall.packets(),
            End::Originator => firewall.out_of_state.orig,
            End::Responder => firewall.out_of_state.resp,
        })
    }
}

pub(super) fn has_ports(number: u8) -> bool {
    matches!(number, protocol::TCP | protocol::UDP | protocol::SCTP)
}
