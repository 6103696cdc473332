//! One flow by itself: what it is now, and what of the packets must be seen again to know it in every detail.

use std::sync::Arc;

use super::Engine;
use super::look::{self, Desk, PLACES};
use super::page::{Digest, Place, Rows};
use crate::firewall::OutOfState;
use crate::flow::{FlowKey, Side};
use crate::point::PointId;
use crate::report::FlowReport;
use crate::table::Map;

/// Flows whose ids are made in one moment.
const IDS: u32 = 2048;

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

/// Flows by their ids, judged as far as a digest was, without those that are not in the table any more.
pub fn flows<D: Desk>(
    desk: &mut D,
    digest: &Digest,
    ids: &[String],
) -> Result<Vec<OneFlow>, D::Gone> {
    let known = find(desk, ids)?;
    let places = known.iter().map(|known| known.place).collect();
    let observed = Rows::new(digest).of(desk, places)?;
    let reports = observed.iter().map(|(.., report)| report);
    let quoted: Vec<String> = reports.flat_map(|report| report.quotes.clone()).collect();
    let quoted = find(desk, &quoted)?;
    let all = known.iter().chain(&quoted).cloned().collect();
    let earlier = before(desk, all)?;
    let flows = observed.into_iter().map(|(_, flow, report)| {
        let before = |serial: u64| earlier.get(&serial).into_iter().flatten().copied();
        let mut related: Vec<u64> = before(flow.serial).collect();
        let its = quoted
            .iter()
            .filter(|known| report.quotes.contains(&known.id));
        for (_, serial) in its.map(|known| known.place) {
            related.extend(before(serial));
            related.push(serial);
        }
        related.sort_unstable();
        related.dedup();
        OneFlow {
            report,
            key: flow.key,
            originator: flow.originator,
            serial: flow.serial,
            points: flow.observations.iter().map(|o| o.point).collect(),
            related,
        }
    });
    Ok(flows.collect())
}

/// What became of flows with these ids, as far as they are in the table still.
pub fn reports<D: Desk>(
    desk: &mut D,
    digest: &Digest,
    ids: &[String],
) -> Result<Vec<FlowReport>, D::Gone> {
    let known = find(desk, ids)?;
    let places = known.into_iter().map(|known| known.place).collect();
    let flows = Rows::new(digest).of(desk, places)?;
    Ok(flows.into_iter().map(|(_, _, report)| report).collect())
}

/// A flow that was found.
#[derive(Clone)]
struct Known {
    id: String,
    place: Place,
    key: FlowKey,
}

/// The flows with some ids, in the order of these.
fn find<D: Desk>(desk: &mut D, ids: &[String]) -> Result<Vec<Known>, D::Gone> {
    let found: Vec<Option<Known>> = ids.iter().map(|_| None).collect();
    let ids: Arc<[String]> = ids.into();
    let found = look::fold(desk, IDS, found, move |tracker, places, found| {
        if found.iter().all(Option::is_some) {
            return false;
        }
        for (place, flow) in tracker.briefs(places) {
            let id = flow.key.id(flow.born);
            if let Some(index) = ids.iter().position(|sought| *sought == id) {
                let place = (place, flow.serial);
                let key = flow.key;
                found[index] = Some(Known { id, place, key });
            }
        }
        true
    })?;
    Ok(found.into_iter().flatten().collect())
}

/// The numbers of flows that came before others with the same ends, by the numbers of these.
fn before<D: Desk>(desk: &mut D, flows: Vec<Known>) -> Result<Map<u64, Vec<u64>>, D::Gone> {
    let mut sought: Map<FlowKey, Vec<u64>> = Map::default();
    for flow in flows {
        let (_, serial) = flow.place;
        sought.entry(flow.key).or_default().push(serial);
    }
    let sought = Arc::new(sought);
    look::fold(
        desk,
        PLACES,
        Map::default(),
        move |tracker, places, earlier: &mut Map<u64, Vec<u64>>| {
            for (_, flow) in tracker.briefs(places) {
                let later = sought.get(&flow.key).into_iter().flatten();
                for later in later.filter(|later| flow.serial < **later) {
                    earlier.entry(*later).or_default().push(flow.serial);
                }
            }
            !sought.is_empty()
        },
    )
}

impl Engine {
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
