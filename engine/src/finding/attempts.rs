//! Requests in vain, by source: one that tries many targets is a `scan`, what the others tried is `unanswered`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::unanswered::{Target, Unanswered};
use super::{Finding, Group, Groups, MAX_GROUPS, scan};
use crate::correlate::Judgement;
use crate::flow::{Endpoint, protocol};
use crate::observation::FlowObserved;
use crate::table::{Map, Set};
use crate::verdict::{Cause, Verdict};

/// One source that tries this many targets in vain is told once, not once a target.
const MANY: usize = 10;
/// Targets that are counted apart for one source.
pub(super) const COUNTED: usize = 256;
/// Where the mirror may have lost some answers, so many times as many targets must have been tried as answered.
const DOUBT: usize = 3;
/// Sources of which it is known how often they were answered.
const SOURCES: usize = 65_536;

/// What sources tried.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    sources: BTreeMap<IpAddr, Source>,
    /// Connections that worked, by source.
    successes: Map<IpAddr, u32>,
    /// Where there are too many sources to tell them apart (a flood): by target alone.
    crowd: Groups<Target>,
}

/// What one source tried in vain.
#[derive(Debug, Default)]
pub(super) struct Source {
    /// What nobody answered, by target, until there are many.
    targets: BTreeMap<Target, Group>,
    /// What nobody answered.
    pub unanswered: Group,
    /// What was refused.
    pub refused: Group,
    /// Requests whose answer the mirror may have lost.
    pub doubtful: Group,
    /// Targets of both.
    pub tried: Set<Target>,
}

impl Attempts {
    pub fn add(&mut self, flow: &FlowObserved, judgement: &Judgement) {
        let address = flow.key.end(flow.originator).address;
        let refused = refused(flow);
        let doubtful =
            judgement.cause == Some(Cause::MirrorLoss) && flow.sums[flow.responder()].packets == 0;
        if judgement.verdict != Verdict::Unanswered && !refused && !doubtful {
            let answered = flow.sums.iter().all(|sum| sum.packets > 0);
            if !answered {
                return;
            }
            if self.successes.len() < SOURCES {
                *self.successes.entry(address).or_default() += 1;
            } else if let Some(successes) = self.successes.get_mut(&address) {
                *successes += 1;
            }
            return;
        }
        let target = (flow.key.protocol, target(flow));
        let confidence = judgement.confidence;
        if self.sources.len() >= MAX_GROUPS && !self.sources.contains_key(&address) {
            if !refused && !doubtful {
                self.crowd.add(target, flow, flow.first, confidence);
            }
            return;
        }
        let source = self.sources.entry(address).or_default();
        if source.tried.len() < COUNTED {
            source.tried.insert(target);
        }
        if refused {
            source.refused.add(flow, flow.first, confidence);
            return;
        }
        if doubtful {
            source.doubtful.add(flow, flow.first, confidence);
            return;
        }
        source.unanswered.add(flow, flow.first, confidence);
        if source.tried.len() < MANY {
            let group = source.targets.entry(target).or_default();
            group.add(flow, flow.first, confidence);
        } else if let Some(group) = source.targets.get_mut(&target) {
            group.add(flow, flow.first, confidence);
        }
    }

    pub fn finish(self) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut unanswered = Unanswered::default();
        let mut left_out = self.crowd.left_out;
        for (address, source) in self.sources {
            let successes = self.successes.get(&address).copied().unwrap_or_default();
            // Who is answered more often than not looks for nothing: some of what it needs is gone.
            let tried = source.tried.len();
            let sure = source.doubtful.flows == 0 || tried / DOUBT > successes as usize;
            let scans = tried >= MANY && tried > successes as usize && sure;
            if scans {
                findings.extend(scan::finding(address, &source, successes));
                continue;
            }
            let told: u64 = source.targets.values().map(|group| group.flows).sum();
            left_out += source.unanswered.flows - told;
            for (target, group) in source.targets {
                unanswered.add(Some(address), target, group);
            }
        }
        for (target, group) in self.crowd.groups {
            unanswered.add(None, target, group);
        }
        findings.extend(unanswered.finish(left_out));
        findings
    }
}

/// The responder; ICMP identifiers are no ports.
fn target(flow: &FlowObserved) -> Endpoint {
    let end = flow.key.end(flow.responder());
    if flow.key.is_icmp() {
        Endpoint { port: 0, ..end }
    } else {
        end
    }
}

/// Whether a connection was answered by a reset.
fn refused(flow: &FlowObserved) -> bool {
    // Without a reset of the responder's there is no need to ask.
    flow.key.protocol == protocol::TCP
        && flow.conversation.halves[flow.responder()].rst > 0
        && flow.conversation.conn_state(flow.originator) == "REJ"
}
