//! What became of the frames.

use mirrorscope_dissectors::{
    Ip, Malformed, Network, Packet, Protocol, Reason, Stop, Stripped, Transport,
};

use super::Frame;

/// Malformed frames that are remembered with their place.
const EXAMPLES: usize = 10;

/// Frames by what became of them.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// Frames that arrived.
    pub frames: u64,
    /// Their bytes on the wire.
    pub bytes: u64,
    /// Frames (or joined datagrams) that carried a mirrored packet.
    pub mirrored: u64,
    /// Frames without encapsulation.
    pub plain: u64,
    /// Frames with a fault, at any layer.
    pub malformed: u64,
    /// Frames whose encapsulation is known but cannot be opened.
    pub opaque: u64,
    /// Frames nested deeper than allowed.
    pub too_deep: u64,
    /// Mirrored packets that are the output of a mirror themselves.
    pub looped: u64,
    /// Faults by layer and reason.
    faults: Reasons,
    /// What cannot be opened by layer and reason.
    closed: Reasons,
    /// The first faults, with interface and frame number.
    pub examples: Vec<(u32, u64, Malformed)>,
}

impl Counts {
    /// Counts how the walk over a frame ended; true if something in it was wrong.
    #[inline]
    pub(super) fn take(
        &mut self,
        frame: &Frame<'_>,
        stripped: &Stripped<'_>,
        packet: &Packet<'_>,
    ) -> bool {
        let within = match packet.network {
            Network::Malformed(fault)
            | Network::Ip(Ip {
                transport: Transport::Malformed(fault),
                ..
            }) => Some(fault),
            Network::Ip(_) | Network::Arp(_) | Network::Other(_) => None,
        };
        let fault = match &stripped.stop {
            Stop::Inner => within,
            stop => self.stopped(stop).or(within),
        };
        fault.is_some_and(|fault| self.count(frame, fault))
    }

    /// Counts what kept a walk from the innermost packet; gives what is wrong, if that is why.
    fn stopped(&mut self, stop: &Stop<'_>) -> Option<Malformed> {
        match *stop {
            Stop::Malformed(fault) => return Some(fault),
            Stop::Opaque { protocol, reason } => self.close(protocol, reason),
            Stop::TooDeep => self.too_deep += 1,
            Stop::Inner | Stop::Fragment(_) => {}
        }
        None
    }

    /// Counts what cannot be opened.
    pub(super) fn close(&mut self, protocol: Protocol, reason: Reason) {
        self.opaque += 1;
        self.closed.count(protocol, reason);
    }

    /// Counts a fault.
    #[cold]
    fn count(&mut self, frame: &Frame<'_>, fault: Malformed) -> bool {
        self.malformed += 1;
        self.faults.count(fault.protocol, fault.reason);
        if self.examples.len() < EXAMPLES {
            self.examples.push((frame.interface, frame.number, fault));
        }
        true
    }

    /// Layers, faults and how often, for those that occurred.
    pub fn faults(&self) -> impl Iterator<Item = (Protocol, Reason, u64)> {
        self.faults.all()
    }

    /// The same for encapsulations that cannot be opened.
    pub fn closed(&self) -> impl Iterator<Item = (Protocol, Reason, u64)> {
        self.closed.all()
    }
}

/// Counters by layer and reason.
#[derive(Clone, Debug)]
struct Reasons(Box<[[u64; Reason::COUNT]; Protocol::COUNT]>);

impl Default for Reasons {
    fn default() -> Self {
        Self(Box::new([[0; Reason::COUNT]; Protocol::COUNT]))
    }
}

impl Reasons {
    fn count(&mut self, protocol: Protocol, reason: Reason) {
        let row = self.0.get_mut(protocol.index());
        if let Some(count) = row.and_then(|row| row.get_mut(reason.index())) {
            *count += 1;
        }
    }

    fn all(&self) -> impl Iterator<Item = (Protocol, Reason, u64)> {
        let rows = Protocol::ALL.iter().zip(self.0.iter());
        rows.flat_map(|(protocol, row)| {
            let occurred = Reason::ALL.iter().zip(row).filter(|(_, count)| **count > 0);
            occurred.map(|(reason, count)| (*protocol, *reason, *count))
        })
    }
}
