//! From captured frames to mirrored packets: strips encapsulations, joins outer fragments, keeps session health.

mod counts;
mod loops;
mod opened;
mod records;

use mirrorscope_dissectors::{
    Carried, Direction, Encapsulation, Familiar, Fragment, InnerFrame, Layer, LinkType, Mirror,
    Network, Options, Packet, Protocol, Reason, Stop, Stripped, decapsulate,
};

use crate::fragment::{Arrival, FragmentCounts, Joined, Reassembler};
use crate::hint::{Hint, Hints};
use crate::lost_here::LostHere;
use crate::point::{InterfaceName, Known, Point, PointId, Points, printable};
use crate::session::{Registry, Session, SessionId, SessionKey, Sessions};
use crate::site::Sites;
use crate::time::Timestamp;
use loops::loops;

pub use counts::Counts;
pub use opened::Opened;
pub(crate) use records::Records;

/// No capture holds longer frames (libpcap's own limit); a header that claims more is wrong.
const MAX_FRAME: u32 = 262_144;
/// How often what was joined may be joined again: IP splits what STT or CAPWAP split. Hostile packets hold thousands of
/// fragment headers one behind the other.
const MAX_JOINS: u8 = 2;

/// Which clock tells when packets passed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeSource {
    /// The collector's.
    #[default]
    Arrival,
    /// The mirroring device's where it is good, else the collector's.
    Mirror,
}

impl TimeSource {
    fn of(self, arrival: Timestamp, mirrored_at: Option<Timestamp>) -> Timestamp {
        match self {
            Self::Arrival => arrival,
            Self::Mirror => mirrored_at.unwrap_or(arrival),
        }
    }
}

/// One captured frame, as any source delivers it.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// Arrival.
    pub time: Timestamp,
    /// Bytes on the wire, of which `bytes` may be only the start.
    pub wire_len: u32,
    /// What the bytes begin with.
    pub link: LinkType,
    /// Number of the capture interface, as given to [`Receiver::name_interface`].
    pub interface: u32,
    /// Number of the frame in its file, from 1.
    pub number: u64,
    /// The captured bytes.
    pub bytes: &'a [u8],
}

/// How a packet came to be given.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Delivery {
    /// It arrived so.
    #[default]
    Whole,
    /// It was put together from fragments, each of which was given before.
    Joined,
    /// It was inside of what was put together so.
    Inside,
}

/// A packet as a point shows it: all that is followed further.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// The session that brought it.
    pub session: SessionId,
    /// The place that it shows.
    pub point: PointId,
    /// That place's description.
    pub place: &'a Point,
    /// When it passed, for all analysis: as [`TimeSource`] says.
    pub time: Timestamp,
    /// Arrival at the collector.
    pub arrival: Timestamp,
    /// VLAN or segment that the packet came with: of the innermost frame, else what ERSPAN says.
    pub vlan: Option<u16>,
    /// Segment (VNI, GRE key) of the innermost encapsulation that has one, the same for both directions of a flow.
    pub segment: Option<u64>,
    /// That of the mirror itself, which names no network of the packet's.
    pub own_segment: Option<u64>,
    /// Its way through the mirrored port, as the mirror says.
    pub direction: Option<Direction>,
    /// The mirror's sequence number.
    pub number: Option<u32>,
    /// The innermost packet.
    pub packet: &'a Packet<'a>,
    /// How it came to be given.
    pub delivery: Delivery,
    /// The mirror's sequence number had come before: it sent this packet twice.
    pub repeated: bool,
}

/// A packet with its encapsulation stripped.
#[derive(Clone, Copy, Debug)]
pub struct Mirrored<'a> {
    /// The packet at its point.
    pub shown: Shown<'a>,
    /// What makes its session that session.
    pub key: &'a SessionKey,
    /// The capture interface that it came by.
    pub interface: Option<&'a InterfaceName>,
    /// When the device mirrored it, if the device's clock is good.
    pub mirrored_at: Option<Timestamp>,
    /// What the outermost encapsulation says of it; `None` for frames that came bare.
    pub mirror: Option<&'a Mirror>,
    /// The innermost frame.
    pub inner: &'a InnerFrame<'a>,
    /// Length of the innermost frame before anything cut it, as far as headers tell.
    pub inner_len: u32,
}

/// Takes frames and gives mirrored packets.
#[derive(Debug)]
pub struct Receiver {
    fragments: Reassembler,
    /// Outer headers that came before.
    familiar: Familiar,
    state: State,
}

/// All but the reassembler, whose buffer the packets may borrow.
#[derive(Debug)]
struct State {
    options: Options,
    interfaces: Vec<InterfaceName>,
    by_interface: bool,
    time: TimeSource,
    sessions: Sessions,
    points: Points,
    counts: Counts,
    hints: Hints,
    /// Joins fragments of mirrored packets, for each point by itself.
    inner: Reassembler,
    /// What this host dropped.
    lost: LostHere,
}

impl Receiver {
    /// Starts with no session. `registry` may be shared with views.
    pub fn new(options: Options, sites: Sites, registry: Registry) -> Self {
        let by_interface = sites.by_interface();
        let state = State {
            options,
            interfaces: Vec::new(),
            by_interface,
            time: TimeSource::default(),
            sessions: Sessions::new(registry),
            points: Points::new(sites),
            counts: Counts::default(),
            hints: Hints::default(),
            inner: Reassembler::default(),
            lost: LostHere::default(),
        };
        Self {
            fragments: Reassembler::default(),
            familiar: Familiar::default(),
            state,
        }
    }

    /// The same with another clock.
    #[must_use]
    pub fn timed_by(mut self, time: TimeSource) -> Self {
        self.state.time = time;
        self
    }

    /// Names a capture interface. Its text may come from a file, so characters that could move a cursor or turn text
    /// around are made visible.
    pub fn name_interface(&mut self, index: u32, file: &str, name: Option<&str>) {
        let index = index as usize;
        if self.state.interfaces.len() <= index {
            self.state
                .interfaces
                .resize_with(index + 1, InterfaceName::default);
        }
        if let Some(slot) = self.state.interfaces.get_mut(index) {
            *slot = InterfaceName {
                file: printable(file),
                name: name.map(printable),
            };
        }
    }

    /// Notes that this host dropped packets of an interface between two moments. Tell it before the next report is
    /// asked for: nothing may be said of the network that this could explain.
    pub fn lost_here(&mut self, interface: u32, from: Timestamp, to: Timestamp, packets: u64) {
        self.state.lost.note(interface, from, to, packets);
    }

    /// What this host dropped.
    pub fn losses_here(&self) -> &LostHere {
        &self.state.lost
    }

    /// Describes the points anew from a time on; true if that changed anything. Numbers that lead to protocols stay as
    /// they were at the start.
    pub fn reload(&mut self, sites: Sites, now: Timestamp) -> bool {
        let State {
            sessions,
            points,
            interfaces,
            by_interface,
            ..
        } = &mut self.state;
        if sites.by_interface() && !*by_interface {
            *by_interface = true;
            sessions.tell_interfaces_apart();
        }
        let known: Vec<Known<'_>> = sessions
            .iter()
            .map(|(id, session)| Known {
                id,
                key: &session.key,
                ways: &session.ways,
                interface: interfaces.get(session.interface as usize),
            })
            .collect();
        points.reload(sites, &known, now)
    }

    /// Interfaces named so far.
    pub fn interfaces(&self) -> &[InterfaceName] {
        &self.state.interfaces
    }

    /// Takes one frame; `sink` gets each packet that it completes.
    pub fn receive(&mut self, frame: &Frame<'_>, sink: impl FnMut(&Mirrored<'_>)) {
        let mut opened = Opened::whole(frame);
        self.open(&mut opened);
        self.accept(&opened, sink);
    }

    /// Takes a frame apart, for [`Self::accept`].
    pub(crate) fn open(&mut self, frame: &mut Opened<'_>) {
        frame.open_familiar(&self.state.options, &mut self.familiar);
    }

    /// The point that a frame which was taken apart was most probably seen at.
    pub(crate) fn guess_point(&self, frame: &Opened<'_>) -> Option<PointId> {
        let state = &self.state;
        let (mirror, interface) = (frame.mirror.as_ref(), frame.frame.interface);
        let session = state
            .sessions
            .met_lately(mirror, interface, state.by_interface)?;
        state.points.guess(session)
    }

    /// Takes one frame that was taken apart; `sink` gets each packet that it completes.
    pub(crate) fn accept(&mut self, opened: &Opened<'_>, mut sink: impl FnMut(&Mirrored<'_>)) {
        let frame = &opened.frame;
        self.state.counts.frames += 1;
        self.state.counts.bytes += u64::from(frame.wire_len);
        let uncaptured = frame.wire_len.saturating_sub(frame.bytes.len() as u32);
        self.take(opened, uncaptured, MAX_JOINS, &mut sink);
        self.salvage(&mut sink);
    }

    /// Takes a frame, or what others were joined to; `uncaptured` bytes of it stayed on the wire. What it
    /// completes may be a part again, `joins` times.
    #[inline(always)]
    fn take(
        &mut self,
        opened: &Opened<'_>,
        uncaptured: u32,
        joins: u8,
        sink: &mut impl FnMut(&Mirrored<'_>),
    ) {
        match opened.outer_fragment() {
            None => self.state.accept(opened, uncaptured, sink),
            Some(fragment) => self.take_part(&opened.frame, fragment, joins, sink),
        }
    }

    /// Takes a part of what must be joined first.
    fn take_part(
        &mut self,
        frame: &Frame<'_>,
        fragment: &Fragment<'_>,
        joins: u8,
        sink: &mut impl FnMut(&Mirrored<'_>),
    ) {
        let arrival = Arrival {
            interface: frame.interface,
            lane: (None, None),
            number: frame.number,
            wire_len: frame.wire_len,
            time: frame.time,
        };
        let Some(Joined { bytes, wire_len }) = self.fragments.push(fragment, arrival) else {
            return;
        };
        let whole = Frame {
            wire_len,
            link: LinkType::RawIp,
            bytes,
            ..*frame
        };
        let opened = Opened::of(&whole, &self.state.options);
        if joins == 0 || opened.outer_fragment().is_none() {
            self.state.accept(&opened, 0, sink);
            return;
        }
        drop(opened);
        // IP split a part of a frame in STT or CAPWAP once more.
        let bytes = bytes.to_vec();
        let whole = Frame {
            bytes: &bytes,
            ..whole
        };
        let opened = Opened::of(&whole, &self.state.options);
        self.take(&opened, 0, joins - 1, sink);
    }

    /// Ends the capture: what still waits for fragments is used as far as it goes.
    pub fn finish(&mut self, mut sink: impl FnMut(&Mirrored<'_>)) {
        self.fragments.finish();
        self.salvage(&mut sink);
        self.state.inner.finish();
        self.state.inner.forget_salvaged();
    }

    /// Tells that time passes, though no frame came: what has waited for fragments for too long is used as far as it goes.
    pub(crate) fn pass_time(&mut self, now: Timestamp, mut sink: impl FnMut(&Mirrored<'_>)) {
        self.fragments.pass_time(now);
        self.salvage(&mut sink);
        self.state.inner.pass_time(now);
        self.state.inner.forget_salvaged();
    }

    #[inline]
    fn salvage(&mut self, sink: &mut impl FnMut(&Mirrored<'_>)) {
        if self.fragments.has_salvaged() {
            self.take_salvaged(sink);
        }
    }

    #[cold]
    fn take_salvaged(&mut self, sink: &mut impl FnMut(&Mirrored<'_>)) {
        for part in self.fragments.salvaged() {
            let Arrival {
                interface,
                lane: _,
                number,
                wire_len,
                time,
            } = part.arrival;
            let bytes = part.bytes.as_slice();
            let frame = Frame {
                time,
                wire_len,
                link: LinkType::RawIp,
                interface,
                number,
                bytes,
            };
            let opened = Opened::of(&frame, &self.state.options);
            self.state.accept(&opened, 0, sink);
        }
    }

    /// The sessions so far.
    pub fn sessions(&self) -> &Sessions {
        &self.state.sessions
    }

    /// The points so far.
    pub fn points(&self) -> &Points {
        &self.state.points
    }

    /// What became of the frames so far.
    pub fn counts(&self) -> &Counts {
        &self.state.counts
    }

    /// Encapsulations that nobody told of, and how to read them.
    pub fn hints(&self) -> Vec<Hint> {
        self.state.hints.all()
    }

    /// What became of outer fragments so far.
    pub fn fragment_counts(&self) -> FragmentCounts {
        self.fragments.counts
    }

    /// What became of fragments of mirrored packets so far.
    pub fn inner_fragment_counts(&self) -> FragmentCounts {
        self.state.inner.counts
    }
}

impl State {
    /// Takes a frame whose parts, if it had any, were joined; `uncaptured` bytes of it stayed on the wire.
    fn accept(
        &mut self,
        opened: &Opened<'_>,
        uncaptured: u32,
        sink: &mut impl FnMut(&Mirrored<'_>),
    ) {
        let Opened {
            frame,
            stripped,
            packet,
            ..
        } = opened;
        let mirror = opened.mirror.as_ref();
        let open = matches!(stripped.stop, Stop::Inner);
        if !open && self.take_marker(frame, stripped) {
            return;
        }
        let faulty = self.counts.take(frame, stripped, packet);
        match mirror {
            Some(_) => self.counts.mirrored += 1,
            None => self.counts.plain += 1,
        }
        let sessions = &mut self.sessions;
        let Some(id) = sessions.find(mirror, frame.interface, self.by_interface, frame.time) else {
            return;
        };
        let interface = self.interfaces.get(frame.interface as usize);
        let mut repeated = false;
        if let Some(mirror) = mirror
            && let Some(number) = mirror.facts.sequence
        {
            let ends = || (mirror.source, mirror.destination);
            repeated = sessions.sequences.push(id, ends, number, frame.time);
        }
        let Some(session) = sessions.get_mut(id) else {
            return;
        };
        // One that many ids share has none.
        let key = &session.key;
        let point = self.points.find(id, key, mirror, interface);
        let looped = loops(stripped, packet, mirror, key);
        let inner_len = inner_len(stripped, packet, mirror, uncaptured);
        session.count(frame.time, frame.interface, frame.wire_len, faulty);
        let mirrored_at = mirror.and_then(|mirror| session.mirrored(mirror, frame.time));
        if mirror.is_none() || stripped.is_nested() {
            carry(session, mirror, stripped);
        }
        let cut = mirror.is_some_and(|m| m.facts.truncated)
            || matches!(&packet.network, Network::Ip(ip) if ip.truncated());
        match mirror {
            Some(mirror) if cut => {
                let left = stripped.inner.bytes.len() as u32;
                session.cut(inner_len, left, mirror.outer_len);
            }
            _ => session.whole = session.whole.max(inner_len),
        }
        if let Some(looped) = looped {
            session.count_loop(looped, frame.time);
            // What it is a copy of has come, or will: it is no packet of the network once more.
            self.counts.looped += 1;
            return;
        }
        let guessed = self.hints.look(stripped, packet, &self.options);
        let hides = guessed || !open && unopened(&stripped.stop);
        let sender = packet.macs.map(|macs| macs.source);
        let Some(place) = self.points.note(point, sender, hides) else {
            return;
        };
        let shown = Shown {
            session: id,
            point,
            place,
            time: self.time.of(frame.time, mirrored_at),
            arrival: frame.time,
            vlan: opened.vlan,
            segment: opened.segment,
            own_segment: mirror.and_then(Mirror::segment),
            direction: mirror.and_then(|mirror| mirror.facts.direction),
            number: mirror.and_then(|mirror| mirror.facts.sequence),
            packet,
            delivery: Delivery::Whole,
            repeated,
        };
        let mirrored = Mirrored {
            shown,
            key: &session.key,
            interface,
            mirrored_at,
            mirror,
            inner: &stripped.inner,
            inner_len,
        };
        sink(&mirrored);
        if let Stop::Fragment(fragment) = &stripped.stop {
            join(
                &mut self.inner,
                &self.options,
                fragment,
                frame,
                &mirrored,
                sink,
            );
        }
    }

    /// Takes a marker, if the frame is one: it sets the clock of the session between the same two devices that has its
    /// id, and is itself no traffic.
    #[inline]
    fn take_marker(&mut self, frame: &Frame<'_>, stripped: &Stripped<'_>) -> bool {
        match stripped.stop {
            Stop::Opaque { protocol, reason } => self.mark(frame, stripped, protocol, reason),
            _ => false,
        }
    }

    fn mark(
        &mut self,
        frame: &Frame<'_>,
        stripped: &Stripped<'_>,
        protocol: Protocol,
        reason: Reason,
    ) -> bool {
        let Some(Layer::ErspanMarker(marker)) = stripped.layers.last() else {
            return false;
        };
        self.counts.close(protocol, reason);
        let Some(mark) = marker.mark() else {
            return true;
        };
        let key = SessionKey {
            encapsulation: Some(Encapsulation::Erspan3),
            addresses: stripped.addresses(),
            id: Some(mark.session_id.into()),
            one_way_id: false,
            interface: self.by_interface.then_some(frame.interface),
        };
        if let Some(session) = self.sessions.known(&key)
            && let Some(clock) = &mut session.clock
            && let Ok(utc) = i64::try_from(mark.utc.as_nanos())
        {
            clock.mark(mark.counter as u32, Timestamp(utc), frame.time);
        }
        true
    }
}

/// Takes a mirrored packet that is a fragment, and gives what it completes.
#[inline(never)]
fn join(
    fragments: &mut Reassembler,
    options: &Options,
    fragment: &Fragment<'_>,
    frame: &Frame<'_>,
    mirrored: &Mirrored<'_>,
    sink: &mut impl FnMut(&Mirrored<'_>),
) {
    let arrival = Arrival {
        interface: mirrored.shown.point.0,
        lane: (mirrored.shown.vlan, mirrored.shown.segment),
        number: frame.number,
        wire_len: frame.wire_len,
        time: frame.time,
    };
    if let Some(joined) = fragments.push(fragment, arrival) {
        let whole = decapsulate(LinkType::RawIp, joined.bytes, options);
        let packet = whole.packet();
        let inside = whole.encapsulations().next().is_some();
        sink(&Mirrored {
            shown: Shown {
                packet: &Packet {
                    macs: packet.macs.or(mirrored.shown.packet.macs),
                    vlan: packet.vlan.or(mirrored.shown.packet.vlan),
                    ..packet
                },
                delivery: if inside {
                    Delivery::Inside
                } else {
                    Delivery::Joined
                },
                ..mirrored.shown
            },
            inner: &whole.inner,
            inner_len: whole.inner.bytes.len() as u32,
            ..*mirrored
        });
    }
    // No later fragment will come of what was given up: all of them were given as they came.
    fragments.forget_salvaged();
}

/// Whether the packet carries others in an encapsulation that is not opened: a flow may hide in it. Encryption is left
/// out, because what it hides is not one direction of a flow that is in the clear elsewhere; so is what the ends of a
/// tunnel tell each other.
fn unopened(stop: &Stop<'_>) -> bool {
    match stop {
        Stop::Opaque { reason, .. } => {
            !matches!(reason, Reason::Encrypted | Reason::ControlMessage)
        }
        Stop::TooDeep => true,
        Stop::Inner | Stop::Fragment(_) | Stop::Malformed(_) => false,
    }
}

/// Notes what a session carries besides its own encapsulation.
fn carry(session: &mut Session, own: Option<&Mirror>, stripped: &Stripped<'_>) {
    let mut own = own.map(|m| (m.encapsulation, m.id));
    for Carried {
        encapsulation, id, ..
    } in stripped.encapsulations()
    {
        if own.take_if(|own| *own == (encapsulation, id)).is_none() {
            session.carry(encapsulation, id);
        }
    }
}

/// Length of the innermost frame before anything cut it: by its own headers, by the mirror's word, or by what stayed on
/// the wire. Whatever cut the mirrored frame cut the end of the innermost one.
fn inner_len(
    stripped: &Stripped<'_>,
    packet: &Packet<'_>,
    mirror: Option<&Mirror>,
    uncaptured: u32,
) -> u32 {
    let cut = match &packet.network {
        Network::Ip(ip) => ip.claimed_len.saturating_sub(ip.present_len),
        _ => 0,
    };
    let by_mirror = mirror
        .and_then(|mirror| {
            Some(
                mirror
                    .facts
                    .original_len?
                    .saturating_sub(mirror.present_len),
            )
        })
        .unwrap_or_default();
    let present = stripped.inner.bytes.len() as u32;
    present
        .saturating_add(cut.max(by_mirror).max(uncaptured))
        .min(MAX_FRAME.max(present))
}
