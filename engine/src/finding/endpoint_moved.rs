//! `endpoint-moved`: an address or a MAC is now at another place, and what became of the flows that were open then.

use std::net::IpAddr;

use super::{EXAMPLES, Finding, Kind, Severity, count, distinct, join_and, mac};
use crate::flow::protocol;
use crate::inventory::{Change, Stay, Strength, announcement_in_words};
use crate::observation::{FlowObserved, Observation};
use crate::observer::{Context, PointFacts};
use crate::point::PointId;
use crate::report::SessionReport;
use crate::table::Map;
use crate::tcp::Phase;
use crate::time::{SECOND, Timestamp};
use crate::verdict::Confidence;

/// Moves between the same two places that lie closer together are one event: a host that is emptied, a site that fails.
const TOGETHER: i64 = 60 * SECOND;
/// Endpoints of one finding that are told one by one.
const TOLD: usize = 5;
/// A flow that was silent for longer before the move had perhaps ended.
const LATELY: i64 = 5 * SECOND;

/// Moves that share places and time, and what became of flows.
#[derive(Debug, Default)]
struct Event {
    moves: Vec<Change>,
    /// Flows that had been open and went on another way.
    rerouted: Affected,
    /// Flows that had been open and were heard from one side at most afterwards.
    broken: Affected,
    packets: u64,
}

/// Flows, counted, with examples.
#[derive(Debug, Default)]
struct Affected {
    flows: u64,
    examples: Vec<String>,
}

impl Affected {
    fn add(&mut self, flow: &FlowObserved) {
        self.flows += 1;
        if self.examples.len() < EXAMPLES {
            self.examples.push(flow.id());
        }
    }
}

/// All moves of a run.
#[derive(Debug, Default)]
pub(super) struct EndpointMoves {
    events: Vec<Event>,
    /// Where moves of an address are: event, and time of the move.
    by_address: Map<(u32, IpAddr), Vec<(usize, Timestamp)>>,
    /// Tell only those that touch flows.
    only_touched: bool,
}

impl EndpointMoves {
    /// The moves that the inventory found, in the order of time.
    pub fn new(moves: Vec<Change>, only_touched: bool) -> Self {
        let mut events: Vec<Event> = Vec::new();
        let mut by_address: Map<(u32, IpAddr), Vec<(usize, Timestamp)>> = Map::default();
        for change in moves {
            let time = change.time();
            let same = |event: &Event| {
                event.moves.last().is_some_and(|last| {
                    (last.from.point, last.to.point) == (change.from.point, change.to.point)
                        && last.before.is_some() == change.before.is_some()
                        && time.since(last.time()) < TOGETHER
                })
            };
            let index = events.iter().rposition(same).unwrap_or(events.len());
            for address in &change.addresses {
                let known = by_address.entry((change.scope, *address)).or_default();
                known.push((index, time));
            }
            if index == events.len() && index < super::MAX_GROUPS {
                events.push(Event::default());
            }
            if let Some(event) = events.get_mut(index) {
                event.moves.push(change);
            }
        }
        Self {
            events,
            by_address,
            only_touched,
        }
    }

    /// Looks what became of a flow when its ends moved.
    pub fn add(&mut self, context: &Context, flow: &FlowObserved) {
        if self.by_address.is_empty() {
            return;
        }
        for end in [flow.key.low, flow.key.high] {
            let Some(moves) = self.by_address.get(&(flow.key.scope, end.address)) else {
                continue;
            };
            for (event, time) in moves {
                if flow.first >= *time || flow.last < time.plus(-LATELY) {
                    continue;
                }
                let Some(event) = self.events.get_mut(*event) else {
                    continue;
                };
                if broke(flow, *time) {
                    event.broken.add(flow);
                } else if changed_way(context, flow, *time) {
                    event.rerouted.add(flow);
                } else {
                    continue;
                }
                event.packets += flow.sums[0].packets + flow.sums[1].packets;
            }
        }
    }

    pub fn finish(self, context: &Context, sessions: &[SessionReport]) -> Vec<Finding> {
        let Self {
            events,
            only_touched,
            ..
        } = self;
        let wanted =
            |event: &&Event| !only_touched || event.rerouted.flows + event.broken.flows > 0;
        events
            .iter()
            .filter(wanted)
            .filter_map(|event| finding(context, sessions, event))
            .collect()
    }
}

/// Whether a flow that was open is heard from one side at most after a time.
fn broke(flow: &FlowObserved, time: Timestamp) -> bool {
    let over = flow.key.protocol == protocol::TCP && flow.conversation.phase() == Phase::Closed;
    let sides = [flow.total(0), flow.total(1)];
    let whole = sides
        .iter()
        .all(|side| side.packets > 0 && side.first < time);
    flow.key.protocol == protocol::TCP
        && whole
        && !over
        && sides.iter().any(|side| side.last < time)
        // The end of the capture ends nothing.
        && flow.last >= time
}

/// Whether a flow left a place on its path, or reached a new one, when its end moved.
fn changed_way(context: &Context, flow: &FlowObserved, time: Timestamp) -> bool {
    let on_path = |observation: &&Observation| {
        let point = context.point(observation.point);
        point.is_some_and(|point| point.role.on_path())
    };
    let sides = || {
        let observations = flow.observations.iter().filter(on_path);
        observations.flat_map(|o| o.sides.iter().filter(|side| side.packets > 0))
    };
    let goes_on = flow.last >= time;
    goes_on && (sides().any(|side| side.first >= time) || sides().any(|side| side.last < time))
}

/// A point's name with its site.
fn place(context: &Context, point: PointId) -> String {
    context
        .point(point)
        .map_or_else(String::new, PointFacts::place)
}

/// A port with its site, or the site if no more than that is known.
pub(super) fn stay(context: &Context, stay: &Stay) -> String {
    match (stay.strength, context.point(stay.point)) {
        (Strength::Site, Some(point)) => point.site.clone(),
        (_, Some(point)) => point.place(),
        (_, None) => String::new(),
    }
}

fn finding(context: &Context, sessions: &[SessionReport], event: &Event) -> Option<Finding> {
    let first = event.moves.first()?;
    let last = event.moves.last()?;
    let (from, to) = (
        context.point(first.from.point)?,
        context.point(first.to.point)?,
    );
    let strengths = event
        .moves
        .iter()
        .map(|change| change.from.strength.min(change.to.strength));
    let weakest = strengths.min()?;
    let (confidence, confidence_why) = sure(weakest, first.before.is_some());
    let touched = event.rerouted.flows + event.broken.flows;
    let severity = if touched > 0 {
        Severity::Warning
    } else {
        Severity::Info
    };
    let examples = event.broken.examples.iter().chain(&event.rerouted.examples);
    Some(Finding {
        kind: Kind::EndpointMoved,
        severity,
        confidence,
        confidence_why: confidence_why.to_owned(),
        sites: distinct([from, to].into_iter().map(|point| point.site.clone())),
        points: distinct([from, to].into_iter().map(|point| point.name.clone())),
        flows: touched,
        examples: examples.take(EXAMPLES).cloned().collect(),
        packets: event.packets,
        first: first.time(),
        last: last.time().max(last.to.last),
        summary: summary(context, event, first),
        evidence: evidence(context, sessions, event, weakest),
        next: next(event, first, from, to),
        because: None,
        story: None,
    })
}

fn sure(weakest: Strength, other_station: bool) -> (Confidence, &'static str) {
    match (weakest, other_station) {
        (Strength::Port, false) => (
            Confidence::High,
            "its frames entered by one mirrored port of a machine, and then by another",
        ),
        (Strength::Port, true) => (
            Confidence::High,
            "both stations speak for the address at mirrored ports of their own, one after the other",
        ),
        (Strength::Site, _) => (
            Confidence::Medium,
            "its frames entered at one site without passing the interconnect, and then at the other",
        ),
        (Strength::Seen, _) => (
            Confidence::Low,
            "no more than that its frames come in one mirror session from another source than before",
        ),
    }
}

/// Its addresses, the first few, or its MAC address.
fn name(change: &Change) -> String {
    let mut names: Vec<String> = change
        .addresses
        .iter()
        .take(super::NAMED)
        .map(ToString::to_string)
        .collect();
    if names.is_empty() {
        return format!("MAC {}", mac(change.mac));
    }
    if change.addresses.len() > names.len() {
        names.push("others".to_owned());
    }
    join_and(&names)
}

fn names(event: &Event) -> String {
    let mut names: Vec<String> = event.moves.iter().take(super::NAMED).map(name).collect();
    let more = event.moves.len().saturating_sub(names.len());
    if more > 0 {
        names.push(count(more as u64, "other"));
    }
    join_and(&names)
}

fn summary(context: &Context, event: &Event, first: &Change) -> String {
    let (from, to) = (stay(context, &first.from), stay(context, &first.to));
    let mut text = match first.before {
        Some(_) => format!(
            "{} moved to another machine, from {from} to {to}",
            names(event)
        ),
        None => format!("{} moved from {from} to {to}", names(event)),
    };
    text.push('.');
    let Event {
        rerouted, broken, ..
    } = event;
    let what = match (rerouted.flows, broken.flows) {
        (0, 0) => " No flow that was open then broke or changed its way.".to_owned(),
        (changed, 0) => format!(" {} changed the way then.", count(changed, "open flow")),
        (0, broke) => format!(" {} broke off then.", count(broke, "open flow")),
        (changed, broke) => format!(
            " {} changed the way then, and {} broke off.",
            count(changed, "open flow"),
            count(broke, "flow")
        ),
    };
    text.push_str(&what);
    text
}

fn evidence(
    context: &Context,
    sessions: &[SessionReport],
    event: &Event,
    weakest: Strength,
) -> Vec<String> {
    let mut facts = Vec::new();
    for change in event.moves.iter().take(TOLD) {
        let station = match change.before {
            Some(before) => format!(
                "{}: {} until {}, {} from {} on",
                name(change),
                mac(before),
                change.from.last,
                mac(change.mac),
                change.to.first
            ),
            None => format!(
                "{} ({}): at {} from {} to {}, at {} from {} on",
                name(change),
                mac(change.mac),
                stay(context, &change.from),
                change.from.first,
                change.from.last,
                stay(context, &change.to),
                change.to.first
            ),
        };
        facts.push(station);
        facts.push(match &change.announced {
            Some(announced) => format!(
                "{} from {} at {}, seen first at {}",
                announcement_in_words(announced),
                mac(change.mac),
                announced.time,
                place(context, announced.point)
            ),
            None => format!(
                "no RARP or gratuitous ARP from {} was seen",
                mac(change.mac)
            ),
        });
    }
    if event.moves.len() > TOLD {
        facts.push(format!(
            "{} more moved the same way",
            event.moves.len() - TOLD
        ));
    }
    if weakest == Strength::Seen
        && let Some(first) = event.moves.first()
    {
        let of = |id: PointId| {
            let point = context.point(id)?;
            sessions.iter().find(|session| session.point == point.name)
        };
        if let (Some(from), Some(to)) = (of(first.from.point), of(first.to.point)) {
            facts.push(format!(
                "{} takes up where {} ended: one mirror session that moved with the machine to another host, not a new network",
                to.name, from.name
            ));
        }
    }
    if event.broken.flows > 0 {
        facts.push(format!(
            "{} had both directions before, and one or none after: {}",
            count(event.broken.flows, "flow"),
            event.broken.examples.join(", ")
        ));
    }
    if event.rerouted.flows > 0 {
        facts.push(format!(
            "{} left places or reached new ones: {}",
            count(event.rerouted.flows, "flow"),
            event.rerouted.examples.join(", ")
        ));
    }
    facts
}

fn next(event: &Event, first: &Change, from: &PointFacts, to: &PointFacts) -> Vec<String> {
    let names = names(event);
    let mut steps = vec![format!(
        "look for a migration or failover of {names} at {} (vCenter tasks, cluster log); if nobody ordered one, look for \
         a loop or a stolen address",
        first.time()
    )];
    if from.site != to.site {
        steps.push(format!(
            "does traffic to {names} still enter at {}: look at its host route or mobility announcement (EVPN, LISP) there",
            from.site
        ));
        steps.push(format!(
            "on {names}: whose MAC is the default gateway (ip neigh, arp -a), that of {} or still that of {}",
            to.site, from.site
        ));
    }
    if event.moves.iter().any(|change| change.announced.is_none()) {
        steps.push(
            "switches learn the new place only from frames: check that the hypervisor announces moves (notify switches)"
                .to_owned(),
        );
    }
    steps
}
