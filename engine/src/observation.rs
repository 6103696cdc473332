//! What one point knows of one flow: the only thing that the correlator ever sees of packets.

use serde::{Deserialize, Serialize};

use crate::flow::{FlowKey, Side};
use crate::point::PointId;
use crate::tcp::Conversation;
use crate::time::Timestamp;

/// Packets of one direction at one point, named after their sender.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// Packets.
    pub packets: u64,
    /// Bytes by the inner IP header, which is part of them.
    pub bytes: u64,
    /// Bytes behind the transport header, as the headers claim.
    pub payload: u64,
    /// First packet; meaningless without packets.
    pub first: Timestamp,
    /// Last packet.
    pub last: Timestamp,
    /// Source and destination MAC of the last packet that had them.
    pub macs: Option<([u8; 6], [u8; 6])>,
}

/// Whether a point could see what a side sends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Visible {
    /// No sign of it: the session may carry one direction only.
    #[default]
    Unproven,
    /// The point sees both directions of other flows.
    Likely,
    /// The very station whose packets are missing was seen to send here.
    Proven,
    /// Its packets of this flow were seen.
    Seen,
}

/// How sure it is which side opened a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Opening {
    /// It sent the first packet that was seen, or uses the port that clients use.
    Guess,
    /// The other side answered it: SYN+ACK, echo reply.
    Answer,
    /// It asked: SYN, echo request.
    Request,
}

/// What one point saw of one flow. Sides are the flow key's: 0 is `low`, 1 is `high`.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Observation {
    /// The flow.
    pub flow: FlowKey,
    /// The point.
    pub point: PointId,
    /// What each side sent past the point.
    pub sides: [Seen; 2],
    /// Whether the point could see what each side sends.
    pub visible: [Visible; 2],
    /// TCP as the point saw it; empty for other protocols.
    pub conversation: Conversation,
}

impl Observation {
    /// First packet of either direction.
    pub fn first(&self) -> Timestamp {
        self.seen().map(|s| s.first).min().unwrap_or_default()
    }

    /// Last packet of either direction.
    pub fn last(&self) -> Timestamp {
        self.seen().map(|s| s.last).max().unwrap_or_default()
    }

    fn seen(&self) -> impl Iterator<Item = &Seen> {
        self.sides.iter().filter(|s| s.packets > 0)
    }
}

/// A flow with all that was observed of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct FlowObserved {
    /// Its place in the order of appearance.
    pub serial: u64,
    /// The flow.
    pub key: FlowKey,
    /// The side that opened it.
    pub originator: Side,
    /// How sure that is.
    pub opening: Opening,
    /// First packet at any point.
    pub first: Timestamp,
    /// Last packet at any point.
    pub last: Timestamp,
    /// TCP as all points together saw it.
    pub conversation: Conversation,
    /// One for each point that saw it, in order of their first packet.
    pub observations: Vec<Observation>,
}

impl FlowObserved {
    /// The side that answers.
    pub fn responder(&self) -> Side {
        1 - self.originator
    }

    /// Packets of a side, each counted once: what the point that saw the most of them saw.
    pub fn total(&self, side: Side) -> Seen {
        let most = self
            .observations
            .iter()
            .map(|o| o.sides[side])
            .max_by_key(|s| s.packets);
        most.unwrap_or_default()
    }

    /// The same, with what each point saw so many nanoseconds later.
    #[must_use]
    pub fn later(&self, by: impl Fn(PointId) -> i64) -> Self {
        let mut flow = self.clone();
        for observation in &mut flow.observations {
            let by = by(observation.point);
            for seen in &mut observation.sides {
                seen.first = seen.first.plus(by);
                seen.last = seen.last.plus(by);
            }
        }
        flow.observations.sort_by_key(Observation::first);
        let (first, last) = (Observation::first, Observation::last);
        flow.first = flow
            .observations
            .iter()
            .map(first)
            .min()
            .unwrap_or(self.first);
        flow.last = flow
            .observations
            .iter()
            .map(last)
            .max()
            .unwrap_or(self.last);
        flow
    }

    /// The flow's id.
    pub fn id(&self) -> String {
        self.key.id(self.first)
    }
}
