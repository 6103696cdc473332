//! `incomplete-handshake`: a firewall, or a place that nobody described, saw half of a TCP handshake of which the
//! other half exists. What nobody answered is `unanswered`, not this.

use super::{Finding, Group, Groups, Kind, Passed, Severity, count, distinct, join_and, symptom};
use crate::correlate::Judgement;
use crate::flow::protocol;
use crate::observation::FlowObserved;
use crate::observer::{Context, Missing, Observer, PointFacts};
use crate::point::PointId;
use crate::time::SECOND;
use crate::verdict::Verdict;

/// Which half is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Half {
    /// SYN, and no SYN-ACK.
    Answer,
    /// SYN-ACK, and no SYN.
    Request,
    /// SYN and SYN-ACK again and again, and no ACK.
    LastAck,
}

/// Incomplete handshakes by place (several points only where nobody described them) and half.
#[derive(Debug, Default)]
pub(super) struct IncompleteHandshakes {
    groups: Groups<(Vec<PointId>, Half)>,
}

impl IncompleteHandshakes {
    pub fn add(&mut self, flow: &FlowObserved, judgement: &Judgement) {
        if flow.key.protocol != protocol::TCP {
            return;
        }
        for observer in &judgement.observers {
            let Some(confidence) = symptom::confidence(observer.role) else {
                continue;
            };
            if let Some(half) = missing_half(flow, judgement, observer) {
                self.groups.add(
                    (observer.points.clone(), half),
                    flow,
                    flow.first,
                    confidence,
                );
            }
        }
    }

    pub fn finish(self, context: &Context) -> Vec<Finding> {
        self.groups
            .into_findings(|((points, half), group)| Some(finding(context, &points, half, &group)))
    }
}

fn missing_half(flow: &FlowObserved, judgement: &Judgement, observer: &Observer) -> Option<Half> {
    let (orig, resp) = (flow.originator, flow.responder());
    let all = &flow.conversation.halves;
    let here = || flow.seen_at(&observer.points);
    let syn = || here().any(|o| o.conversation.halves[orig].syn > 0);
    let syn_acks = |least: u16| here().any(|o| o.conversation.halves[resp].syn_ack >= least);
    match observer.missing {
        Some(Missing { side, cause: None }) => {
            judgement.split(flow)?;
            let answered = || all[resp].syn_ack > 0 || all[orig].acknowledges_progress();
            if side == resp {
                (syn() && answered()).then_some(Half::Answer)
            } else {
                syn_acks(1).then_some(Half::Request)
            }
        }
        // Where the paths differ, that is the cause, and told as such.
        None if judgement.verdict != Verdict::Asymmetric => {
            let patient = flow.last.since(flow.first) >= SECOND / 2;
            let only_syn = all[orig].only_asks() && all[orig].rst == 0;
            let only_here = || {
                here().all(|o| o.sides[orig].packets == u64::from(o.conversation.halves[orig].syn))
            };
            let never = patient && only_syn && only_here() && syn() && syn_acks(2);
            never.then_some(Half::LastAck)
        }
        _ => None,
    }
}

fn finding(context: &Context, points: &[PointId], half: Half, group: &Group) -> Finding {
    let facts = || points.iter().filter_map(|id| context.point(*id));
    let place = join_and(&context.places(points));
    let elsewhere = |direction: usize| {
        let others = group
            .points
            .iter()
            .filter(|(id, passed)| !points.contains(id) && passed[direction].packets > 0);
        let others = others.filter_map(|(id, _)| context.point(*id));
        distinct(others.map(PointFacts::place)).join(", ")
    };
    let passed = |direction: usize| {
        let here = points
            .iter()
            .filter_map(|id| group.points.get(id))
            .map(|passed| passed[direction]);
        here.fold(Passed::default(), |a, b| Passed {
            packets: a.packets + b.packets,
            first: [a.first, b.first].into_iter().flatten().min(),
        })
    };
    let (requests, answers) = (passed(0), passed(1));
    let what = count(group.flows, "handshake");
    let to = group.target();
    let (summary, missing, seen) = match half {
        Half::Answer => (
            format!("At {place}, {what} to {to}: the SYN passed, its SYN-ACK did not."),
            1,
            ("SYN", requests),
        ),
        Half::Request => (
            format!("At {place}, {what} to {to}: a SYN-ACK passed, its SYN never did."),
            0,
            ("SYN-ACK", answers),
        ),
        Half::LastAck => (
            format!(
                "At {place}, {what} to {to}: SYN-ACKs are repeated, the client's ACK never passes."
            ),
            0,
            ("SYN-ACK", answers),
        ),
    };
    let mut evidence = vec![format!(
        "{place}: {} of requests, {} of answers",
        count(requests.packets, "packet"),
        count(answers.packets, "packet")
    )];
    if let Some((time, _)) = seen.1.first {
        evidence.push(format!("first {} there at {time}", seen.0));
    }
    let others = elsewhere(missing);
    if half != Half::LastAck && !others.is_empty() {
        evidence.push(format!("the missing direction passed {others}"));
    }
    let next = match half {
        Half::Answer => format!(
            "the connections stay half open in the state table at {place} until they time out"
        ),
        Half::Request => format!(
            "a stateful firewall at {place} drops a SYN-ACK without SYN: look at its drop log and counters"
        ),
        Half::LastAck => {
            "look whether the SYN-ACK reaches the client: a firewall behind this place may drop it"
                .to_owned()
        }
    };
    let confidence_why = match (half, group.confidence()) {
        (Half::LastAck, _) => "both sides repeat themselves",
        (_, confidence) => symptom::why(confidence),
    };
    Finding {
        sites: distinct(facts().map(|p| p.site.clone())),
        points: facts().map(|p| p.name.clone()).collect(),
        summary,
        because: (half != Half::LastAck).then_some(Kind::AsymmetricPath),
        evidence,
        next: vec![next],
        ..group.finding(Kind::IncompleteHandshake, Severity::Warning, confidence_why)
    }
}
