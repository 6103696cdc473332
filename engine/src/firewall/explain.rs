//! Why a firewall could not match a packet, from what all points saw: what it lacks passed elsewhere, or the mirror
//! kept it from us.

use crate::correlate::{Judgement, kind_of_packet};
use crate::flow::{Side, protocol};
use crate::observation::{FlowObserved, Observation, Visible};
use crate::observer::{Context, Missing, Observer, PATIENCE, PointFacts};
use crate::point::PointId;
use crate::site::{Carries, Role};
use crate::time::{SECOND, Timestamp};
use crate::verdict::{Cause, Confidence};

use super::reason::Reason;
use super::state::State;
use super::unmatched::{Doubt, Unmatched, What};

/// Mirrors of two places are at most this far apart.
const SLACK: i64 = SECOND / 2;

/// What a firewall would have had to see.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lacks {
    /// The SYN, or the echo request.
    Request,
    /// The SYN-ACK.
    Answer,
    /// Packets in the middle of the connection.
    Data,
    /// Nothing: it saw all, and forgot it for want of packets.
    Time,
}

/// Where that passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed {
    /// The most telling place: another firewall, else one on the path, else a machine's own port.
    pub point: PointId,
    /// When it passed there first.
    pub time: Timestamp,
}

/// What is to be said of the packets that one firewall could not match of a flow.
#[derive(Clone, Copy, Debug)]
pub struct Explained {
    /// The firewall.
    pub point: PointId,
    /// What it could not match.
    pub unmatched: Unmatched,
    /// What it lacks; `None` if it saw all that there is (flags that make no sense, packets after the end).
    pub lacks: Option<Lacks>,
    /// Where that passed, if it was seen.
    pub passed: Option<Passed>,
    /// What else may be the cause; then nothing is proven.
    pub cause: Option<Cause>,
    /// How sure it is.
    pub confidence: Confidence,
}

impl Explained {
    /// Whether the packets are out of state because of the network, not of the mirror or of the packets themselves.
    pub fn is_proven(&self) -> bool {
        self.cause.is_none() && self.lacks.is_some()
    }

    /// Whether the packets count: the firewall cannot match them, and the mirror is no explanation.
    pub fn counts(&self) -> bool {
        self.cause.is_none()
    }

    /// Why, in a clause.
    pub fn why(&self, context: &Context) -> String {
        let first = &self.unmatched.first;
        let kind = first.what.in_words();
        if let Some(cause) = self.cause {
            return format!("{}: {}", cause.as_str(), cause.in_words());
        }
        let place = self
            .passed
            .and_then(|passed| context.point(passed.point))
            .map(PointFacts::place);
        let passed = |what: &str| match &place {
            Some(place) => format!("the {what} passed {place}"),
            None => format!("the {what} passed no mirrored place"),
        };
        match (self.lacks, first.what) {
            (Some(Lacks::Request), What::Tcp(_)) => {
                format!("{kind} without a SYN: {}", passed("request"))
            }
            (Some(Lacks::Request), _) => format!("{kind} without a request: {}", passed("request")),
            (Some(Lacks::Answer), _) => {
                format!("{kind} without a SYN-ACK: {}", passed("answer"))
            }
            (Some(Lacks::Data), _) => {
                format!("{}: {}", first.reason.in_words(), passed("missing part"))
            }
            (Some(Lacks::Time) | None, _) => format!("{kind}: {}", first.reason.in_words()),
        }
    }
}

impl Context {
    /// What each firewall could not match of a flow, and what that means.
    pub(crate) fn explain_unmatched(
        &self,
        flow: &FlowObserved,
        judgement: &Judgement,
    ) -> Vec<Explained> {
        let unmatched = flow.observations.iter().filter_map(|here| {
            let unmatched = here.unmatched?;
            let facts = self.point(here.point)?;
            let observer = judgement
                .observers
                .iter()
                .find(|o| o.points.contains(&here.point));
            let case = Case {
                context: self,
                flow,
                here,
                facts,
                observer,
                unmatched,
            };
            Some(case.explain())
        });
        unmatched.collect()
    }
}

/// One firewall and what it could not match of one flow.
struct Case<'a> {
    context: &'a Context,
    flow: &'a FlowObserved,
    here: &'a Observation,
    facts: &'a PointFacts,
    observer: Option<&'a Observer>,
    unmatched: Unmatched,
}

impl Case<'_> {
    fn explain(&self) -> Explained {
        let lacks = self.lacks();
        let passed = lacks.and_then(|lacks| self.passed(lacks));
        let (cause, confidence) = match lacks {
            Some(lacks) => (
                self.known_cause().or_else(|| self.cause(lacks, passed)),
                self.confidence(passed),
            ),
            None => (
                self.known_cause().or_else(|| self.odd_cause()),
                Confidence::High,
            ),
        };
        Explained {
            point: self.here.point,
            unmatched: self.unmatched,
            lacks,
            passed,
            cause,
            confidence,
        }
    }

    /// What the firewall would have had to see to match the first packet.
    fn lacks(&self) -> Option<Lacks> {
        let tcp = self.flow.key.protocol == protocol::TCP;
        let (orig, resp) = (self.flow.originator, self.flow.responder());
        let halves = &self.here.conversation.halves;
        match self.unmatched.first.reason {
            Reason::NoConnection | Reason::NewWithoutSyn if tcp => {
                (halves[orig].syn == 0).then_some(Lacks::Request)
            }
            Reason::NoRequest => (self.here.sides[orig].packets == 0).then_some(Lacks::Request),
            Reason::State(State::SynSent) => (halves[resp].syn_ack == 0).then_some(Lacks::Answer),
            Reason::AcksUnseen | Reason::BeyondWindow => Some(Lacks::Data),
            Reason::TimedOut => Some(Lacks::Time),
            _ => None,
        }
    }

    /// The side whose packets are lacking.
    fn side(&self, lacks: Lacks) -> Side {
        match lacks {
            Lacks::Request => self.flow.originator,
            Lacks::Answer => self.flow.responder(),
            Lacks::Data | Lacks::Time => 1 - self.unmatched.first.side,
        }
    }

    /// Where what is lacking passed.
    fn passed(&self, lacks: Lacks) -> Option<Passed> {
        let side = self.side(lacks);
        let tcp = self.flow.key.protocol == protocol::TCP;
        let there = |o: &&Observation| {
            let half = &o.conversation.halves[side];
            o.point != self.here.point
                && match lacks {
                    Lacks::Request if tcp => half.syn > 0,
                    Lacks::Answer => half.syn_ack > 0,
                    Lacks::Request => o.sides[side].packets > 0,
                    Lacks::Data => o.sides[side].packets > self.here.sides[side].packets,
                    Lacks::Time => false,
                }
        };
        let rank = |o: &&Observation| match self.context.point(o.point).map(|p| p.role) {
            Some(Role::Firewall) => (0, o.sides[side].first),
            Some(role) if role.on_path() => (1, o.sides[side].first),
            _ => (2, o.sides[side].first),
        };
        let best = self
            .flow
            .observations
            .iter()
            .filter(there)
            .min_by_key(rank)?;
        Some(Passed {
            point: best.point,
            time: best.sides[side].first,
        })
    }

    /// What is known of the place's mirror, and explains anything.
    fn known_cause(&self) -> Option<Cause> {
        let facts = self.facts;
        match self.unmatched.doubt {
            Some(Doubt::Evicted) => Some(Cause::TableFull),
            Some(Doubt::Cut) => Some(Cause::Truncated),
            // The model began in the midst of the flow.
            None if self.flow.first < facts.tracks_since => Some(Cause::CaptureStart),
            None if facts.sampled => Some(Cause::Sampled),
            None if facts.portless > 0.01 => Some(Cause::Truncated),
            None if facts.carries == Some(Carries::One) => Some(Cause::BlindSpot),
            None => None,
        }
    }

    /// What may explain a packet that lacks nothing that was seen.
    fn odd_cause(&self) -> Option<Cause> {
        match self.unmatched.first.reason {
            Reason::InvalidFlags | Reason::Malformed | Reason::IcmpType => None,
            // What it quotes may be older than the capture.
            Reason::ErrorAboutUnknown => Some(Cause::CaptureStart),
            _ => self.lost(1, self.flow.first, self.unmatched.first.time),
        }
    }

    /// What else than the network may explain that something is lacking.
    fn cause(&self, lacks: Lacks, passed: Option<Passed>) -> Option<Cause> {
        let side = self.side(lacks);
        let missing = self.observer.and_then(|o| o.missing);
        let one_sided = missing.filter(|m| m.side == side);
        let first = self.unmatched.first.time;
        match (lacks, passed, one_sided) {
            (Lacks::Time, _, _) => self.lost(1, self.here.first(), first),
            // All that the side sent is missing here: what is known of that counts.
            (Lacks::Request | Lacks::Answer, Some(_), Some(Missing { cause, .. })) => cause,
            (Lacks::Request, None, Some(missing)) if self.answers() => {
                let young = self.young().then_some(Cause::CaptureStart);
                young.or_else(|| self.unseen_way(missing))
            }
            (Lacks::Answer, None, Some(missing)) => self.unseen_way(missing),
            (Lacks::Request, None, _) => Some(Cause::CaptureStart),
            (Lacks::Answer | Lacks::Data, None, _) => {
                let lost = self.lost(1, self.flow.first, first);
                lost.or(Some(Cause::NoPoint))
            }
            (Lacks::Data, Some(_), Some(Missing { cause: Some(c), .. })) => Some(c),
            (Lacks::Data, Some(_), _) => self.lost(1, self.flow.first, first),
            (Lacks::Request | Lacks::Answer, Some(passed), None) => {
                self.lost(self.passed_before(), passed.time, first)
            }
        }
    }

    /// What may explain that a side's packets, which exist, were seen nowhere. Other machines' packets show that the
    /// firewall's mirror carries both directions; that is less than proof, and the confidence is low.
    fn unseen_way(&self, missing: Missing) -> Option<Cause> {
        if missing.cause == Some(Cause::BlindSpot)
            && self.facts.carries.is_none()
            && self.here.visible[missing.side] >= Visible::Likely
        {
            let seen = self.here.sides[1 - missing.side].packets;
            return self.lost((seen / 3).max(1), self.flow.first, self.flow.last);
        }
        missing.cause
    }

    /// Whether the first packet answers what must have passed just before.
    fn answers(&self) -> bool {
        match self.unmatched.first.what {
            What::Tcp(flags) => kind_of_packet(flags) == "SYN-ACK",
            What::Icmp(_) => self.unmatched.first.reason == Reason::NoRequest,
            What::Other => false,
        }
    }

    /// Whether the place's mirror had just begun.
    fn young(&self) -> bool {
        let since = self.unmatched.first.time.plus(-PATIENCE);
        self.facts.lived.iter().all(|(first, _)| *first > since)
    }

    /// Packets of the flow that passed elsewhere before the first one here, as far as that is sure.
    fn passed_before(&self) -> u64 {
        let first = self.here.first();
        let earlier = |o: &&Observation| o.point != self.here.point && o.last() <= first;
        let packets = |o: &Observation| o.sides.iter().map(|s| s.packets).sum();
        let others = self.flow.observations.iter().filter(earlier).map(packets);
        others.max().unwrap_or(0).max(1)
    }

    /// Whether the place's mirror may have lost so many packets in a period.
    fn lost(&self, expected: u64, from: Timestamp, to: Timestamp) -> Option<Cause> {
        let (from, to) = (from.min(to).plus(-SLACK), from.max(to).plus(SLACK));
        if self.facts.silent((from, to)) || self.began_after(from.plus(SLACK)) {
            Some(Cause::MirrorSilent)
        } else if self.facts.explains(expected, from, to) {
            Some(Cause::MirrorLoss)
        } else if self.facts.unopened >= expected {
            Some(Cause::Unopened)
        } else {
            None
        }
    }

    /// Whether no session of the place ran yet at a time.
    fn began_after(&self, time: Timestamp) -> bool {
        self.facts
            .lived
            .iter()
            .all(|(first, _)| *first > time.plus(SLACK))
    }

    fn confidence(&self, passed: Option<Passed>) -> Confidence {
        let role = passed
            .and_then(|p| self.context.point(p.point))
            .map(|p| p.role);
        match role {
            Some(role) if role.on_path() => Confidence::High,
            Some(_) => Confidence::Medium,
            None if self.unmatched.first.reason == Reason::TimedOut => Confidence::High,
            None => Confidence::Low,
        }
    }
}
