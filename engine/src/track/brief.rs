//! What can be said of a flow at once, without putting its points side by side.

use std::cell::OnceCell;

use super::away::{Held, View};
use super::table::{Flow, Table};
use crate::flow::{FlowKey, Side};
use crate::observation::{FlowObserved, Sum};
use crate::point::PointId;
use crate::report::state_of;
use crate::tcp::Conversation;
use crate::time::Timestamp;

/// A flow in brief. What lies elsewhere in memory is fetched when it is asked for: of most flows little is.
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
    rest: Rest<'a>,
}

/// Where the rest of it is.
enum Rest<'a> {
    Kept(Kept<'a>),
    Observed(&'a FlowObserved),
}

/// What a table has of it, looked at when it is asked for.
struct Kept<'a> {
    table: &'a Table,
    flow: &'a Flow,
    held: OnceCell<Option<Box<Held>>>,
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
            rest: Rest::Kept(Kept {
                table,
                flow,
                held: OnceCell::new(),
            }),
        }
    }

    /// What each side sent.
    pub fn sums(&self) -> [Sum; 2] {
        match &self.rest {
            Rest::Kept(kept) => kept.view().sums(),
            Rest::Observed(flow) => flow.sums,
        }
    }

    /// Whether one of the points that saw it passes a test.
    pub fn any_point(&self, mut test: impl FnMut(PointId) -> bool) -> bool {
        match &self.rest {
            Rest::Kept(kept) => kept.view().parts().any(|part| test(part.point)),
            Rest::Observed(flow) => flow.observations.iter().any(|o| test(o.point)),
        }
    }

    /// Points that saw it.
    pub fn point_count(&self) -> usize {
        match &self.rest {
            Rest::Kept(kept) => kept.view().parts().count(),
            Rest::Observed(flow) => flow.observations.len(),
        }
    }

    /// Zeek's `conn_state`.
    pub fn state(&self) -> &'static str {
        let seen = self.sums().map(|sum| sum.packets > 0);
        let of = |conversation: &Conversation| {
            state_of(self.key.protocol, self.originator, conversation, seen)
        };
        let conversation = match &self.rest {
            Rest::Kept(kept) => kept.view().conversation(),
            Rest::Observed(flow) => Some(&flow.conversation),
        };
        conversation.map_or_else(|| of(&Conversation::default()), of)
    }
}

impl Kept<'_> {
    fn view(&self) -> View<'_> {
        let unpack = || self.table.held(self.flow).map(Box::new);
        let held = self.held.get_or_init(unpack);
        self.table.view(self.flow, held.as_deref())
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
            rest: Rest::Observed(self),
        }
    }
}
