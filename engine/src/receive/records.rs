//! Packets as points show them, kept: for another thread to take.
//!
//! Of its bytes a packet keeps what the tables look at: options of TCP, messages of ICMP, the first bytes of other payloads.

use mirrorscope_dissectors::{Direction, Network, Packet, Transport};

use super::{Delivery, Shown};
use crate::point::{Point, PointId};
use crate::session::SessionId;
use crate::table::fetch_from;
use crate::time::Timestamp;
use crate::track::SAMPLE;

/// A batch is full with so many bytes: messages of ICMP may be long.
const FULL: usize = 48 << 10;

/// Packets in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Records {
    all: Vec<Record>,
    /// What is kept of their bytes.
    bytes: Vec<u8>,
}

/// One packet.
#[derive(Debug)]
#[repr(C)]
struct Record {
    /// Where its bytes are: options of TCP, and what follows.
    begin: u32,
    options: u32,
    payload: u32,
    session: SessionId,
    point: PointId,
    time: Timestamp,
    arrival: Timestamp,
    vlan: Option<u16>,
    segment: Option<u64>,
    own_segment: Option<u64>,
    direction: Option<Direction>,
    number: Option<u32>,
    delivery: Delivery,
    repeated: bool,
    /// The packet without its bytes.
    packet: Packet<'static>,
}

impl Records {
    /// Keeps a packet.
    pub(crate) fn push(&mut self, shown: &Shown<'_>) {
        let begin = self.bytes.len() as u32;
        let (options, payload) = looked_at(&shown.packet.network);
        self.bytes.extend_from_slice(options);
        self.bytes.extend_from_slice(payload);
        self.all.push(Record {
            session: shown.session,
            point: shown.point,
            time: shown.time,
            arrival: shown.arrival,
            vlan: shown.vlan,
            segment: shown.segment,
            own_segment: shown.own_segment,
            direction: shown.direction,
            number: shown.number,
            delivery: shown.delivery,
            repeated: shown.repeated,
            packet: shown.packet.with_bytes(&[], &[]),
            begin,
            options: options.len() as u32,
            payload: payload.len() as u32,
        });
    }

    /// Whether there is no room for more bytes.
    pub(crate) fn full(&self) -> bool {
        self.bytes.len() >= FULL
    }

    /// Forgets all, and gives back what an unusually long message took.
    pub(crate) fn clear(&mut self) {
        self.all.clear();
        self.bytes.clear();
        self.bytes.shrink_to(FULL);
    }

    /// Has a packet brought near: another processor wrote it.
    #[inline(always)]
    pub(crate) fn fetch(&self, index: usize) {
        if let Some(record) = self.all.get(index) {
            fetch_from(&record.begin, size_of::<Record>());
        }
    }

    /// Gives a packet as it was; `points` describe the places.
    pub(crate) fn with<T>(
        &self,
        index: usize,
        points: &[Point],
        take: impl FnOnce(&Shown<'_>) -> T,
    ) -> Option<T> {
        let record = self.all.get(index)?;
        let place = points.get(record.point.0 as usize)?;
        let bytes = self.bytes.get(record.begin as usize..)?;
        let (options, rest) = bytes.split_at_checked(record.options as usize)?;
        let payload = rest.get(..record.payload as usize)?;
        let packet = record.packet.with_bytes(options, payload);
        Some(take(&Shown {
            session: record.session,
            point: record.point,
            place,
            time: record.time,
            arrival: record.arrival,
            vlan: record.vlan,
            segment: record.segment,
            own_segment: record.own_segment,
            direction: record.direction,
            number: record.number,
            packet: &packet,
            delivery: record.delivery,
            repeated: record.repeated,
        }))
    }
}

/// What the tables look at of a packet's bytes: options of TCP, and of what follows. A segment's payload counts by its
/// length; that some of it is there tells that nothing of the options is missing.
#[inline]
fn looked_at<'a>(network: &Network<'a>) -> (&'a [u8], &'a [u8]) {
    let Network::Ip(ip) = network else {
        return (&[], &[]);
    };
    let (options, payload) = ip.transport.bytes();
    let most = match ip.transport {
        Transport::Tcp(_) => 1,
        Transport::Icmp { .. } | Transport::Icmp6 { .. } => payload.len(),
        _ => SAMPLE,
    };
    (options, payload.get(..most).unwrap_or(payload))
}
