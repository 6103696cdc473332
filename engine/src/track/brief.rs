//! What can be said of a flow at once, without putting its points side by side.

use super::table::{Flow, Table};
use crate::flow::{FlowKey, Side};
use crate::observation::{FlowObserved, Sum};
use crate::point::PointId;
use crate::report::state_of;
use crate::tcp::Conversation;
use crate::time::Timestamp;

/// A flow in brief.
pub(crate) struct Brief<'a> {
    /// Its number.
    pub serial: u64,
    /// What makes it a flow.
    pub key: FlowKey,
    /// Time of its first packet, part of its id.
    pub born: Timestamp,
    /// The side that opened it.
    pub originator: Side,
    /// First packet at any point.
    pub first: Timestamp,
    /// Last packet at any point.
    pub last: Timestamp,
    /// What each side sent.
    pub sums: [Sum; 2],
    /// TCP as all points saw it.
    conversation: Option<&'a Conversation>,
    /// Points that saw it.
    pub points: Vec<PointId>,
}

impl<'a> Brief<'a> {
    pub(super) fn new(table: &'a Table, flow: &'a Flow) -> Self {
        Self {
            serial: flow.serial,
            key: flow.key,
            born: flow.born,
            originator: flow.originator(),
            first: flow.first,
            last: flow.last,
            sums: table.sums(flow),
            conversation: table.conversation(flow),
            points: table.parts(flow).map(|part| part.point).collect(),
        }
    }

    /// Zeek's `conn_state`.
    pub fn state(&self) -> &'static str {
        let seen = self.sums.map(|sum| sum.packets > 0);
        let of = |conversation: &Conversation| {
            state_of(self.key.protocol, self.originator, conversation, seen)
        };
        self.conversation
            .map_or_else(|| of(&Conversation::default()), of)
    }
}

impl FlowObserved {
    /// The same in brief.
    pub(crate) fn brief(&self) -> Brief<'_> {
        Brief {
            serial: self.serial,
            key: self.key,
            born: self.born,
            originator: self.originator,
            first: self.first,
            last: self.last,
            sums: self.sums,
            conversation: Some(&self.conversation),
            points: self.observations.iter().map(|o| o.point).collect(),
        }
    }
}
