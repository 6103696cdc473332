//! One flow by itself: what it is now, and what of the packets must be seen again to know it in every detail.

use super::Engine;
use super::page::{Digest, Ground};
use crate::firewall::OutOfState;
use crate::flow::{FlowKey, Side};
use crate::point::PointId;
use crate::report::FlowReport;

/// A flow, and the flows without which it cannot be judged anew.
#[derive(Clone, Debug)]
pub struct OneFlow {
    /// What it is now.
    pub report: FlowReport,
    /// What makes it a flow.
    pub key: FlowKey,
    /// The side that opened it.
    pub originator: Side,
    /// Its number.
    pub serial: u64,
    /// Points that saw it.
    pub points: Vec<PointId>,
    /// Numbers of the flows that firewalls must have seen before they can judge it: earlier ones between the same ends, and
    /// for ICMP errors those that they are about. They ascend.
    pub related: Vec<u64>,
}

impl Engine {
    /// A flow by its id, as the moment of a digest knows points and sessions.
    pub fn flow(&self, digest: &Digest, id: &str) -> Option<OneFlow> {
        let Ground {
            context,
            evidence,
            names,
        } = &digest.ground;
        let tracker = &self.tables.tracker;
        let (serial, key) = tracker.known_as(id)?;
        let points = self.receiver.points().all();
        let mut flows = tracker.flows_where(points, evidence, |number| number == serial);
        let flow = flows.next()?;
        let judgement = self.judge(context, &flow);
        let report = FlowReport::new(context, names, &flow, &judgement);
        let quoted = report.quotes.iter();
        let quoted = quoted.filter_map(|id| tracker.known_as(id));
        let mut related = tracker.before(serial, &key);
        for (serial, key) in quoted {
            related.extend(tracker.before(serial, &key));
            related.push(serial);
        }
        related.sort_unstable();
        related.dedup();
        Some(OneFlow {
            report,
            key,
            originator: flow.originator,
            serial,
            points: flow.observations.iter().map(|o| o.point).collect(),
            related,
        })
    }

    /// From now on each packet is noted that a firewall can match to no connection.
    #[must_use]
    pub fn logging_firewalls(mut self) -> Self {
        self.tables.firewalls.keep_log();
        self
    }

    /// What was noted.
    pub fn out_of_state(&self) -> &[OutOfState] {
        self.tables.firewalls.log()
    }
}
