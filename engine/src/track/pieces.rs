//! Fragments of inner packets: only the first has ports; the others belong to its flow.

use std::net::IpAddr;

use mirrorscope_dissectors::{FragmentPosition, Ip};

use crate::flow::Side;
use crate::table::Map;
use crate::time::{SECOND, Timestamp};

/// First fragments are remembered for at least this long, and at most for twice as long: as Linux waits for the last.
const WINDOW: i64 = 30 * SECOND;
/// First fragments remembered in one window; with more, windows are shorter.
const ROOM: usize = 16_384;

/// What fragments of one datagram share.
type Datagram = (u32, IpAddr, IpAddr, u8, u32);
/// Slot and serial of a flow, and who sent the packet.
type Place = (u32, u64, Side);

/// Flows of datagrams in parts.
#[derive(Debug, Default)]
pub(super) struct Pieces {
    young: Map<Datagram, Place>,
    old: Map<Datagram, Place>,
    since: Timestamp,
}

impl Pieces {
    /// Notes the flow of a first fragment.
    pub(super) fn first(
        &mut self,
        scope: u32,
        ip: &Ip<'_>,
        position: FragmentPosition,
        place: Place,
        now: Timestamp,
    ) {
        if self.young.len() >= ROOM || now.since(self.since) >= WINDOW {
            self.since = now;
            std::mem::swap(&mut self.young, &mut self.old);
            self.young.clear();
        }
        self.young.insert(datagram(scope, ip, position), place);
    }

    /// The flow of the first fragment of the same datagram.
    pub(super) fn find(
        &self,
        scope: u32,
        ip: &Ip<'_>,
        position: FragmentPosition,
    ) -> Option<Place> {
        let key = datagram(scope, ip, position);
        self.young.get(&key).or_else(|| self.old.get(&key)).copied()
    }
}

fn datagram(scope: u32, ip: &Ip<'_>, position: FragmentPosition) -> Datagram {
    (
        scope,
        ip.source,
        ip.destination,
        ip.protocol,
        position.identification,
    )
}
