//! Mirror sessions: which streams of mirrored packets arrive, and how healthy each is.

use std::net::IpAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use dashmap::DashMap;
use mirrorscope_dissectors::{DeviceTime, Direction, Encapsulation, Mirror};
use serde::{Deserialize, Serialize};

use crate::clock::Clock;
use crate::pack::packed;
use crate::pause::Pauses;
use crate::sequence::Sequences;
use crate::table::{Map, Seed};
use crate::time::Timestamp;

/// Sessions that are kept apart; what arrives beyond this bound is counted as `refused`.
pub const MAX_SESSIONS: usize = 16_384;
/// From this many sessions on, those between the same two addresses are no longer told apart by their id, so that
/// thousands of tunnels (TEIDs of GTP-U) do not leave other mirrors without a place.
const MAX_IDS: usize = 12_288;
/// Sessions that are found without a hash.
const RECENT: usize = 64;
/// Ports and ways through them that are told apart for a session.
const MAX_WAYS: usize = 64;
/// Sessions listed whose output another one carries.
const MAX_LOOPED: usize = 4;
/// Inner encapsulations listed for a session.
const MAX_CARRIED: usize = 16;
/// Interfaces that are told apart for a session.
const MAX_INTERFACES: usize = 8;

/// Names a session within one run, in order of appearance.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
pub struct SessionId(pub u32);

packed!(SessionId { 0 });

/// What makes a session: the outermost encapsulation, its endpoints and its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The outermost encapsulation; `None` for frames that arrived bare (a local SPAN port, a tap).
    pub encapsulation: Option<Encapsulation>,
    /// Outer source and destination; `None` for bare frames.
    pub addresses: Option<(IpAddr, IpAddr)>,
    /// ERSPAN session id, GRE key, VNI and so on.
    pub id: Option<u64>,
    /// Packets back have another id.
    pub one_way_id: bool,
    /// Capture interface: for bare frames, and wherever the sites file tells interfaces or files apart.
    pub interface: Option<u32>,
}

impl SessionKey {
    /// The key of the frames that one encapsulation, or none, brought in by an interface.
    pub fn new(mirror: Option<&Mirror>, interface: u32, by_interface: bool) -> Self {
        match mirror {
            Some(mirror) => Self {
                encapsulation: Some(mirror.encapsulation),
                addresses: Some((mirror.source, mirror.destination)),
                id: mirror.id,
                one_way_id: mirror.one_way_id,
                interface: by_interface.then_some(interface),
            },
            None => Self {
                encapsulation: None,
                addresses: None,
                id: None,
                one_way_id: false,
                interface: Some(interface),
            },
        }
    }
}

impl SessionKey {
    /// Whether this may be the session of another key from another source, as that of a machine is which moved to
    /// another host: who mirrors is then all that differs.
    pub fn continues(&self, other: &Self) -> bool {
        let ends = self.addresses.zip(other.addresses);
        let elsewhere = ends.is_some_and(|(here, there)| here.0 != there.0 && here.1 == there.1);
        let same = (self.encapsulation, self.id) == (other.encapsulation, other.id);
        elsewhere && same && self.id.is_some() && !self.one_way_id
    }

    /// A place among the recent sessions.
    fn place(&self) -> usize {
        let source = self.addresses.as_ref().map(|(source, _)| source);
        place(self.id, source, self.interface.unwrap_or_default())
    }

    /// Whether this is what [`Self::new`] gives: compared where it lies, because every packet asks.
    #[inline(always)]
    fn is_of(&self, mirror: Option<&Mirror>, interface: u32, by_interface: bool) -> bool {
        let Some(mirror) = mirror else {
            return *self == Self::new(None, interface, by_interface);
        };
        let Some((source, destination)) = &self.addresses else {
            return false;
        };
        self.id == mirror.id
            && *source == mirror.source
            && *destination == mirror.destination
            && self.encapsulation == Some(mirror.encapsulation)
            && self.one_way_id == mirror.one_way_id
            && self.interface == by_interface.then_some(interface)
    }
}

/// A place among the recent sessions: cheap, and apart for the sessions that one switch numbers.
#[inline(always)]
fn place(id: Option<u64>, source: Option<&IpAddr>, interface: u32) -> usize {
    let source = match source {
        Some(IpAddr::V4(source)) => source.to_bits(),
        Some(IpAddr::V6(source)) => source.to_bits() as u32,
        None => interface,
    };
    let mixed = id.unwrap_or_default() as u32 ^ source.wrapping_mul(0x9e37_79b9).rotate_left(7);
    mixed as usize % RECENT
}

/// One session and what is known of its health. What every frame changes comes first, in two cache lines.
#[derive(Clone, Debug)]
#[repr(C)]
pub struct Session {
    /// Frames (a datagram joined from fragments counts once).
    pub packets: u64,
    /// Bytes on the wire, outer headers included.
    pub bytes: u64,
    /// Arrival of the first frame.
    pub first: Timestamp,
    /// Arrival of the last frame.
    pub last: Timestamp,
    /// Packets by mirrored port and way through it, as far as the encapsulation tells.
    pub ways: Ways,
    /// The longest inner frame that came whole since one was cut.
    pub whole: u32,
    /// Capture interface of its first frame.
    pub interface: u32,
    /// Capture interfaces of all its frames.
    pub interfaces: Interfaces,
    /// What makes it this session.
    pub key: SessionKey,
    /// How long it was silent between two frames lately, at most.
    pub pauses: Pauses,
    /// Frames whose inner packet was cut: by the mirror's word, or because its IP header claims more than arrived.
    pub truncated: u64,
    /// Frames in which something below the encapsulation could not be read.
    pub malformed: u64,
    /// Largest inner frame that was cut, as long as it was before: bytes from its first header on.
    pub largest_cut: u32,
    /// The longest inner frame that a cut left over.
    pub cut_to: u32,
    /// Outer headers in front of the mirrored frame, from the outer IP header on, in bytes.
    pub overhead: u32,
    /// Encapsulations inside the session's own: kind, id, frames.
    pub carries: Vec<(Encapsulation, Option<u64>, u64)>,
    /// The device's clock, if its encapsulation tells its time.
    pub clock: Option<Box<Clock>>,
    /// Packets that are the output of mirrors themselves.
    pub looped: Option<Box<Looped>>,
}

/// Capture interfaces that a session comes by.
#[derive(Clone, Debug)]
pub struct Interfaces {
    /// That of the last frame.
    recent: u32,
    all: ArrayVec<u32, MAX_INTERFACES>,
    /// There are more than are told apart.
    more: bool,
}

impl Interfaces {
    fn new(first: u32) -> Self {
        Self {
            recent: first,
            all: ArrayVec::from_iter([first]),
            more: false,
        }
    }

    #[inline(always)]
    fn note(&mut self, interface: u32) {
        if self.recent == interface {
            return;
        }
        self.recent = interface;
        if !self.all.contains(&interface) {
            self.more |= self.all.try_push(interface).is_err();
        }
    }

    /// Whether frames came by an interface, or may have.
    pub fn contains(&self, interface: u32) -> bool {
        self.more || self.all.contains(&interface)
    }

    /// The interfaces, the first few.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.all.iter().copied()
    }
}

/// Mirrored packets that were on their way to the collector already: the output of this session or of others.
#[derive(Clone, Debug)]
pub struct Looped {
    /// All of them.
    pub packets: u64,
    /// Those that are of this very session: it copies its own copies.
    pub own: u64,
    /// How often one was mirrored again, at most.
    pub depth: u8,
    /// Arrival of the first.
    pub first: Timestamp,
    /// Arrival of the last.
    pub last: Timestamp,
    /// Whose output they are, the first few.
    pub of: Vec<SessionKey>,
}

/// One packet that is the output of a mirror itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Loop {
    /// How often it was mirrored again.
    pub depth: u8,
    /// The session whose output it is.
    pub of: SessionKey,
    /// That is the very session that brought it.
    pub own: bool,
}

/// Port of the mirroring device, by its own index, and way through it, as its packets tell.
pub type Way = (Option<u32>, Option<Direction>);

/// Packets by port and way.
#[derive(Clone, Debug, Default)]
#[repr(C)]
pub struct Ways {
    told: Vec<(Way, u64)>,
    /// Where the last packet was counted.
    recent: usize,
    /// Packets of ports beyond those that are told apart, by way: ingress, egress, untold.
    pub others: [u64; 3],
}

impl Ways {
    #[inline(always)]
    fn count(&mut self, way: Way) {
        if let Some((known, packets)) = self.told.get_mut(self.recent)
            && *known == way
        {
            *packets += 1;
        } else {
            self.count_other(way);
        }
    }

    /// Counts one that does not go the way of the last one.
    fn count_other(&mut self, way: Way) {
        if let Some(index) = self.told.iter().position(|(known, _)| *known == way) {
            self.recent = index;
        } else if self.told.len() < MAX_WAYS {
            self.recent = self.told.len();
            self.told.push((way, 0));
        } else {
            let [ingress, egress, untold] = &mut self.others;
            *match way.1 {
                Some(Direction::Ingress) => ingress,
                Some(Direction::Egress) => egress,
                None => untold,
            } += 1;
            return;
        }
        self.count(way);
    }

    /// Ports, ways through them and packets, in order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = (Way, u64)> {
        self.told.iter().copied()
    }
}

impl Session {
    fn new(key: SessionKey, interface: u32, time: Timestamp) -> Self {
        Self {
            key,
            interface,
            interfaces: Interfaces::new(interface),
            packets: 0,
            bytes: 0,
            first: time,
            last: time,
            pauses: Pauses::default(),
            truncated: 0,
            malformed: 0,
            largest_cut: 0,
            cut_to: 0,
            whole: 0,
            overhead: 0,
            carries: Vec::new(),
            clock: None,
            ways: Ways::default(),
            looped: None,
        }
    }

    /// Counts one frame.
    #[inline(always)]
    pub fn count(&mut self, time: Timestamp, interface: u32, wire_len: u32, malformed: bool) {
        self.packets += 1;
        self.bytes += u64::from(wire_len);
        self.pauses.note(time.since(self.last), time);
        self.interfaces.note(interface);
        self.first = self.first.min(time);
        self.last = self.last.max(time);
        if malformed {
            self.malformed += 1;
        }
    }

    /// Counts one frame that was cut from `before` bytes to `left`, behind `overhead` bytes of outer headers.
    pub fn cut(&mut self, before: u32, left: u32, overhead: u32) {
        self.truncated += 1;
        self.largest_cut = self.largest_cut.max(before);
        self.cut_to = self.cut_to.max(left);
        self.overhead = self.overhead.max(overhead);
        self.whole = 0;
    }

    /// Takes what the device tells of a frame: counts it by port and way, and gives the time of mirroring as far as
    /// the device's clock can be believed.
    #[inline(always)]
    pub fn mirrored(&mut self, mirror: &Mirror, arrival: Timestamp) -> Option<Timestamp> {
        let way = (mirror.facts.port_index, mirror.facts.direction);
        if way != (None, None) {
            self.ways.count(way);
        }
        self.tell_time(mirror.facts.time?, arrival)
    }

    /// The time that the device says, as far as its clock can be believed.
    fn tell_time(&mut self, time: DeviceTime, arrival: Timestamp) -> Option<Timestamp> {
        if self.clock.is_none() {
            self.clock = Clock::new(time).map(Box::new);
        }
        self.clock.as_mut()?.push(time, arrival)
    }

    /// Counts one packet that is the output of a mirror.
    pub(crate) fn count_loop(&mut self, one: Loop, time: Timestamp) {
        let looped = self.looped.get_or_insert_with(|| {
            Box::new(Looped {
                packets: 0,
                own: 0,
                depth: 0,
                first: time,
                last: time,
                of: Vec::new(),
            })
        });
        looped.packets += 1;
        looped.own += u64::from(one.own);
        looped.depth = looped.depth.max(one.depth);
        looped.first = looped.first.min(time);
        looped.last = looped.last.max(time);
        if looped.of.len() < MAX_LOOPED && !looped.of.contains(&one.of) {
            looped.of.push(one.of);
        }
    }

    /// Counts one inner encapsulation.
    pub fn carry(&mut self, encapsulation: Encapsulation, id: Option<u64>) {
        if let Some(known) = self
            .carries
            .iter_mut()
            .find(|c| c.0 == encapsulation && c.1 == id)
        {
            known.2 += 1;
        } else if self.carries.len() < MAX_CARRIED {
            self.carries.push((encapsulation, id, 1));
        }
    }
}

/// Session ids that every thread agrees on, and that views may read at any time.
pub type Registry = Arc<DashMap<SessionKey, SessionId, Seed>>;

/// The sessions of one receiver.
#[derive(Debug)]
pub struct Sessions {
    registry: Registry,
    /// The receiver's own copy of what it has met, so that known sessions need no lock.
    known: Map<SessionKey, SessionId>,
    /// Sessions met lately, each at a place that its key alone tells: most packets need no look at the table.
    recent: [Option<(SessionKey, SessionId)>; RECENT],
    all: Vec<Session>,
    /// Sequence numbers by session.
    pub sequences: Sequences,
    /// Frames of sessions beyond [`MAX_SESSIONS`].
    pub refused: u64,
}

impl Sessions {
    /// Starts with no session; `registry` may be shared with views.
    pub fn new(registry: Registry) -> Self {
        Self {
            registry,
            known: Map::default(),
            recent: [None; RECENT],
            all: Vec::new(),
            sequences: Sequences::default(),
            refused: 0,
        }
    }

    /// The session of the frames that one encapsulation, or none, brought in by an interface; made if it is new. `None` when
    /// there are too many.
    #[inline(always)]
    pub fn find(
        &mut self,
        mirror: Option<&Mirror>,
        interface: u32,
        by_interface: bool,
        time: Timestamp,
    ) -> Option<SessionId> {
        let met = self.met_lately(mirror, interface, by_interface);
        met.or_else(|| {
            let key = SessionKey::new(mirror, interface, by_interface);
            self.of_key(key, interface, time)
        })
    }

    /// The same session, if it is among those that were met lately.
    #[inline(always)]
    pub(crate) fn met_lately(
        &self,
        mirror: Option<&Mirror>,
        interface: u32,
        by_interface: bool,
    ) -> Option<SessionId> {
        let place = match mirror {
            Some(mirror) => place(mirror.id, Some(&mirror.source), 0),
            None => place(None, None, interface),
        };
        let (recent, id) = self.recent.get(place)?.as_ref()?;
        recent.is_of(mirror, interface, by_interface).then_some(*id)
    }

    /// The session of a key, made if it is new. `None` when there are too many.
    pub fn of_key(
        &mut self,
        key: SessionKey,
        interface: u32,
        time: Timestamp,
    ) -> Option<SessionId> {
        let place = key.place();
        if let Some(Some((recent, id))) = self.recent.get(place)
            && *recent == key
        {
            return Some(*id);
        }
        let id = match self.known.get(&key) {
            Some(id) => *id,
            None if self.all.len() >= MAX_SESSIONS => {
                self.refused += 1;
                return None;
            }
            None if key.id.is_some() && self.all.len() >= MAX_IDS => {
                let shared = SessionKey { id: None, ..key };
                self.of_key(shared, interface, time)?
            }
            None => {
                let id = SessionId(self.all.len() as u32);
                self.registry.insert(key, id);
                self.known.insert(key, id);
                self.all.push(Session::new(key, interface, time));
                id
            }
        };
        if let Some(slot) = self.recent.get_mut(place) {
            *slot = Some((key, id));
        }
        Some(id)
    }

    /// From now on the interface is part of what makes a session: those that are known are those of the interface that
    /// they came by first.
    pub(crate) fn tell_interfaces_apart(&mut self) {
        self.recent = [None; RECENT];
        for (session, id) in self.all.iter_mut().zip((0..).map(SessionId)) {
            if session.key.interface.is_none() {
                self.known.remove(&session.key);
                self.registry.remove(&session.key);
                session.key.interface = Some(session.interface);
                self.known.insert(session.key, id);
                self.registry.insert(session.key, id);
            }
        }
    }

    /// The session of a key, if there is one.
    pub fn known(&mut self, key: &SessionKey) -> Option<&mut Session> {
        let id = *self.known.get(key)?;
        self.get_mut(id)
    }

    /// A session that `find` returned.
    pub fn get_mut(&mut self, id: SessionId) -> Option<&mut Session> {
        self.all.get_mut(id.0 as usize)
    }

    /// A session that `find` returned.
    pub fn get(&self, id: SessionId) -> Option<&Session> {
        self.all.get(id.0 as usize)
    }

    /// All sessions in order of appearance.
    pub fn iter(&self) -> impl Iterator<Item = (SessionId, &Session)> {
        self.all
            .iter()
            .enumerate()
            .map(|(index, session)| (SessionId(index as u32), session))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(source: u8, id: u64) -> SessionKey {
        SessionKey {
            encapsulation: Some(Encapsulation::Vxlan),
            addresses: Some(([10, 0, 0, source].into(), [10, 0, 0, 9].into())),
            id: Some(id),
            one_way_id: false,
            interface: None,
        }
    }

    proptest! {
        /// What is compared where it lies is what the whole key is compared to.
        #[test]
        fn sessions_are_found_as_by_their_keys(
            known in (mirror(), 0..2_u32, any::<bool>()),
            asked in (mirror(), 0..2_u32, any::<bool>()),
        ) {
            let key = |(mirror, interface, apart): &(Option<Mirror>, u32, bool)| {
                SessionKey::new(mirror.as_ref(), *interface, *apart)
            };
            let (mirror, interface, apart) = &asked;
            let same = key(&known).is_of(mirror.as_ref(), *interface, *apart);
            prop_assert_eq!(same, key(&known) == key(&asked));
            let mut sessions = Sessions::new(Registry::default());
            let time = Timestamp(0);
            let first = sessions.of_key(key(&known), 0, time);
            let found = sessions.find(mirror.as_ref(), *interface, *apart, time);
            prop_assert_eq!(found == first, same);
            prop_assert_eq!(sessions.of_key(key(&asked), 0, time), found);
        }
    }

    /// What an encapsulation says, if there is one, of few that differ.
    #[expect(clippy::default_trait_access, reason = "the type has no public name")]
    fn mirror() -> impl Strategy<Value = Option<Mirror>> {
        let address = prop_oneof![
            (1..3_u8).prop_map(|n| IpAddr::from([10, 0, 0, n])),
            (1..3_u16).prop_map(|n| IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, n])),
        ];
        let kind = prop_oneof![Just(Encapsulation::Vxlan), Just(Encapsulation::Gre)];
        let id = prop::option::of(0..2_u64);
        let told = (kind, address.clone(), address, id, any::<bool>());
        let mirror = told.prop_map(
            |(encapsulation, source, destination, id, one_way_id)| Mirror {
                encapsulation,
                source,
                destination,
                id,
                one_way_id,
                facts: Default::default(),
                outer_len: 0,
                present_len: 0,
            },
        );
        prop::option::of(mirror)
    }

    #[test]
    fn ids_without_end_leave_room_for_other_senders() {
        let mut sessions = Sessions::new(Registry::default());
        for id in 0..20_000 {
            assert!(sessions.of_key(key(1, id), 0, Timestamp(0)).is_some());
        }
        let shared = sessions.of_key(key(1, 30_000), 0, Timestamp(0)).unwrap();
        assert_eq!(sessions.get(shared).unwrap().key.id, None);
        assert_eq!(
            sessions.of_key(key(1, 19_999), 0, Timestamp(0)),
            Some(shared)
        );
        let known = sessions.of_key(key(1, 12_287), 0, Timestamp(0)).unwrap();
        assert_eq!(sessions.get(known).unwrap().key.id, Some(12_287));
        assert_eq!(sessions.iter().count(), MAX_IDS + 1);
        for source in 2..=200 {
            assert!(sessions.of_key(key(source, 1), 0, Timestamp(0)).is_some());
        }
        assert_eq!(sessions.refused, 0);
    }
}
