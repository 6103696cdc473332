//! What a stateful firewall at a point can match to a connection, and what it cannot: connection tracking that follows
//! the Linux kernel's.
//!
//! Judged at points of role `firewall` from packets at that point alone, in the order in which they came; what a mirror
//! brought twice is left out. Fragments are judged once, joined, as the kernel joins them before it tracks. Checksums
//! are not judged: mirrored packets may have unfinished ones.
//!
//! A packet out of state is one that the kernel calls invalid, or a TCP packet that is new to it and no SYN. What the
//! model says is raw: whether the mirror explains it is for the correlator to tell ([`crate::observer::Context`]).

mod connection;
mod explain;
mod order;
mod preset;
mod reason;
mod segment;
mod settings;
mod state;
mod table;
mod unmatched;
mod window;

use mirrorscope_dissectors::{Ip, Network, Transport};

use crate::flow::{FlowKey, Side, icmp_request, icmp6_request, is_icmp_error, is_icmp6_error};
use crate::point::PointId;
use crate::receive::Shown;
use crate::time::{SECOND, Timestamp};
use crate::track::{Coming, Followed, Noted, Sight, Tracked as TrackedPacket, Tracker};
use connection::{Connection, Life, Outcome};
use order::Order;
use segment::Segment;
use state::{Kind, State};
use table::{Entry, Key, Table, Tracked};

pub use explain::{Explained, Lacks, Passed};
pub use preset::Preset;
pub use reason::Reason;
pub use settings::{Policy, Rule, Settings, Timeouts, TimeoutsRule};
pub use state::State as TcpState;
pub use unmatched::{Doubt, FirstUnmatched, Unmatched, What};

/// UDP that is answered counts as a stream from this age on.
const STREAM: i64 = 2 * SECOND;
/// The header of a redirect in front of its options, behind the first 8 bytes (RFC 4861 §4.5).
const REDIRECT: usize = 32;
/// The option that quotes the packet which a redirect is about (RFC 4861 §4.6.3), and what stands in front of the quotation.
const REDIRECTED_HEADER: u8 = 4;
const REDIRECTED_AT: usize = REDIRECT + 8;

/// What a packet is to a firewall, as `ct state` of nftables says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// Of a connection that nobody has answered yet.
    New,
    /// Of a connection with packets both ways.
    Established,
    /// About a connection.
    Related,
    /// Not for connection tracking to judge.
    Untracked,
    /// Of no connection.
    Invalid(Reason),
}

/// The stateful firewalls of a run.
#[derive(Debug)]
pub struct Firewalls {
    table: Table,
    order: Order<Packet>,
    /// How the firewall at each point tracks connections; the index is that of the point.
    settings: Vec<Option<Settings>>,
    /// Segments were cut before their flags.
    cut: bool,
    /// Packets out of state that their flows do not know of yet.
    noted: Vec<Noted>,
    /// Each packet out of state, if somebody wants to know.
    log: Option<Vec<OutOfState>>,
}

/// A packet that the firewall at a point can match to no connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfState {
    /// The point.
    pub point: PointId,
    /// The packet, as it was taken there.
    pub packet: TrackedPacket,
    /// Its arrival.
    pub arrival: Timestamp,
    /// Why.
    pub reason: Reason,
}

/// What is to be judged of a packet.
#[derive(Clone, Copy, Debug)]
struct Packet {
    key: Key,
    taken: TrackedPacket,
    time: Timestamp,
    arrival: Timestamp,
    what: What,
    input: Input,
}

/// What connection tracking looks at.
#[derive(Clone, Copy, Debug)]
enum Input {
    Tcp(Segment),
    Udp,
    /// Protocols of which only the addresses are tracked.
    Other,
    /// A request of ICMP, or a reply.
    Query {
        asks: bool,
    },
    /// An ICMP error, or a redirect: the connection of the packet that it quotes, if it is told to that packet's sender.
    Error(Option<(FlowKey, (u8, u8))>),
    /// Not for connection tracking to judge.
    Untracked,
    /// Of no connection, whatever came before.
    Never(Reason),
    /// TCP that was cut before its flags.
    Cut,
}

impl Firewalls {
    /// Firewalls that remember so many connections, all together.
    pub fn new(connections: usize) -> Self {
        Self {
            table: Table::new(connections),
            order: Order::new(),
            settings: Vec::new(),
            cut: false,
            noted: Vec::new(),
            log: None,
        }
    }

    /// From now on each packet out of state is noted.
    pub(crate) fn keep_log(&mut self) {
        self.log = Some(Vec::new());
    }

    /// The packets out of state that were noted.
    pub(crate) fn log(&self) -> &[OutOfState] {
        self.log.as_deref().unwrap_or_default()
    }

    /// Connections that are remembered.
    pub fn connections(&self) -> usize {
        self.table.len()
    }

    /// Connections that gave way to others before their time.
    pub fn evicted(&self) -> u64 {
        self.table.evicted
    }

    /// Takes a packet as the flow table took it. Once those in front of it are there, it is judged, and noted if it is out of
    /// state. Does nothing where no firewall stands.
    #[inline]
    pub(crate) fn take(&mut self, shown: &Shown<'_>, followed: &Followed) {
        if shown.place.firewall.is_some() || !self.order.is_empty() {
            self.take_in_order(shown, followed);
        }
    }

    fn take_in_order(&mut self, shown: &Shown<'_>, followed: &Followed) {
        let (session, number) = (shown.session, shown.number);
        let goes_on = shown.place.firewall.is_some() && self.order.goes_on(session, number);
        if let Some((taken, flow)) = followed.taken.zip(followed.at_firewall)
            && let Some(packet) = self.read(shown, taken, flow)
        {
            if goes_on && self.order.is_empty() {
                self.settle(&packet);
                return;
            }
            self.order
                .push(session, (number, goes_on), shown.arrival, packet);
        }
        self.settle_until(Some(shown.arrival));
    }

    /// Has the connections brought near that packets lead to which will come soon.
    pub(crate) fn ahead(&self, coming: &[Option<Coming>]) {
        if self.settings.is_empty() || !self.order.is_empty() {
            return;
        }
        let keys = coming.iter().flatten().filter_map(|coming| {
            let (point, flow) = coming.place()?;
            self.settings.get(point.0 as usize)?.as_ref()?;
            let query = (0, 0);
            Some(Key { point, flow, query })
        });
        self.table.ahead(keys);
    }

    /// Judges what waits no longer at a time, though no packet came; without a time all of it: no packet will come any more.
    pub(crate) fn settle_until(&mut self, now: Option<Timestamp>) {
        while let Some(packet) = self.order.next(now) {
            self.settle(&packet);
        }
    }

    /// The points are described anew: what waits is judged as before, what comes by their new settings.
    pub(crate) fn reload(&mut self) {
        self.settle_until(None);
        self.settings.clear();
    }

    /// Packets out of state since this was asked last, for the flow table to note.
    pub(crate) fn noted(&mut self) -> std::vec::Drain<'_, Noted> {
        self.noted.drain(..)
    }

    /// Judges a packet of a flow at once, in the order of arrival.
    pub fn judge(
        &mut self,
        shown: &Shown<'_>,
        taken: Option<TrackedPacket>,
        tracker: &Tracker,
    ) -> Option<Standing> {
        let taken = taken?;
        let flow = tracker.flow(taken)?.key;
        let packet = self.read(shown, taken, flow)?;
        let standing = self.settle(&packet);
        self.noted.clear();
        standing
    }

    /// What is to be judged of a packet, if a firewall stands there and it is one of its own.
    fn read(&mut self, shown: &Shown<'_>, taken: TrackedPacket, flow: FlowKey) -> Option<Packet> {
        let settings = shown.place.firewall.as_deref()?;
        // What comes back on the same link after a router had it is on its way out of the firewall.
        if !matches!(taken.sight, Sight::Fresh | Sight::Copy) {
            return None;
        }
        let Network::Ip(ip) = &shown.packet.network else {
            return None;
        };
        // The kernel tracks datagrams, not their fragments.
        if ip.fragment.is_some() {
            return None;
        }
        let index = shown.point.0 as usize;
        if self.settings.len() <= index {
            self.settings.resize(index + 1, None);
        }
        if let Some(place) = self.settings.get_mut(index) {
            place.get_or_insert(*settings);
        }
        Some(Packet {
            key: Key {
                point: shown.point,
                flow,
                query: query(ip, taken.side),
            },
            taken,
            time: shown.time,
            arrival: shown.arrival,
            what: what(ip),
            input: Input::of(ip, flow.scope)?,
        })
    }

    /// Judges a packet, and notes if it is out of state.
    fn settle(&mut self, packet: &Packet) -> Option<Standing> {
        let Packet {
            key, taken, input, ..
        } = packet;
        let index = key.point.0 as usize;
        let settings = self.settings.get(index).copied().flatten()?;
        let standing = self.standing(*key, taken.side, input, &settings, packet.arrival)?;
        let reason = match (standing, input) {
            (Standing::Invalid(reason), _) => reason,
            (Standing::New, Input::Tcp(segment)) if !segment.syn => Reason::NewWithoutSyn,
            _ => return Some(standing),
        };
        let doubt = if !self.table.is_marked(key) {
            None
        } else if self.cut {
            Some(Doubt::Cut)
        } else {
            Some(Doubt::Evicted)
        };
        if let Some(log) = &mut self.log {
            log.push(OutOfState {
                point: key.point,
                packet: *taken,
                arrival: packet.arrival,
                reason,
            });
        }
        self.noted.push(Noted {
            packet: *taken,
            point: key.point,
            unmatched: FirstUnmatched {
                time: packet.time,
                side: taken.side,
                what: packet.what,
                reason,
            },
            doubt,
        });
        Some(standing)
    }

    /// What a packet is to the firewall at its point; `None` if too little of it is there to tell.
    fn standing(
        &mut self,
        key: Key,
        side: Side,
        input: &Input,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Standing> {
        Some(match input {
            Input::Tcp(segment) => self.tcp(key, side, segment, settings, now),
            Input::Udp => self.datagram(key, side, settings, now, true),
            Input::Other => self.datagram(key, side, settings, now, false),
            Input::Query { asks } => self.query(key, side, *asks, settings, now),
            Input::Error(quoted) => {
                let quoted = quoted.map(|(flow, query)| Key { flow, query, ..key });
                if quoted.is_some_and(|quoted| self.table.knows(&quoted, now)) {
                    Standing::Related
                } else {
                    Standing::Invalid(Reason::ErrorAboutUnknown)
                }
            }
            Input::Untracked => Standing::Untracked,
            Input::Never(reason) => Standing::Invalid(*reason),
            Input::Cut => {
                self.cut = true;
                self.table.mark(&key);
                return None;
            }
        })
    }

    fn tcp(
        &mut self,
        key: Key,
        side: Side,
        segment: &Segment,
        settings: &Settings,
        now: Timestamp,
    ) -> Standing {
        let mut absent = Reason::NoConnection;
        if let Some(entry) = self.table.find(&key)
            && let Tracked::Tcp(connection) = &mut entry.tracked
        {
            let dir = usize::from(side != usize::from(entry.opener));
            if entry.life.deadline > now {
                let standing = entry.life.standing(dir);
                match connection.take(dir, segment, &mut entry.life, settings, now) {
                    Outcome::Accept => {
                        entry.life.replied |= dir == 1;
                        return standing;
                    }
                    Outcome::Invalid(reason) => return Standing::Invalid(reason),
                    Outcome::Kill => {
                        self.table.remove(&key);
                        return standing;
                    }
                    Outcome::Anew => {}
                }
            } else if connection.state == State::Established {
                absent = Reason::TimedOut;
            }
        }
        let Some(mut connection) = Connection::open(segment, settings) else {
            return Standing::Invalid(absent);
        };
        let mut life = Life::default();
        match connection.take(0, segment, &mut life, settings, now) {
            Outcome::Invalid(reason) => Standing::Invalid(reason),
            Outcome::Accept | Outcome::Kill | Outcome::Anew => {
                // An entry lasts only if the policy let its first packet pass.
                let kept = segment.kind == Kind::Syn || settings.policy == Policy::Accept;
                self.table.remove(&key);
                if kept {
                    self.insert(key, side, life, Tracked::Tcp(connection), now);
                }
                Standing::New
            }
        }
    }

    fn insert(&mut self, key: Key, opener: Side, life: Life, tracked: Tracked, now: Timestamp) {
        let entry = Entry {
            key,
            opener: opener as u8,
            life,
            tracked,
        };
        self.table.insert(entry, now);
    }

    /// UDP, and protocols of which only the addresses are tracked.
    fn datagram(
        &mut self,
        key: Key,
        side: Side,
        settings: &Settings,
        now: Timestamp,
        udp: bool,
    ) -> Standing {
        let timeouts = &settings.timeouts;
        if let Some(entry) = self.table.find(&key)
            && entry.life.deadline > now
        {
            let dir = usize::from(side != usize::from(entry.opener));
            let standing = entry.life.standing(dir);
            let timeout = match entry.tracked {
                Tracked::Udp(stream) if entry.life.replied && now > stream => {
                    entry.life.assured = true;
                    timeouts.udp_stream
                }
                Tracked::Udp(_) => timeouts.udp,
                _ => timeouts.generic,
            };
            entry.life.deadline = now.plus(timeout);
            entry.life.replied |= dir == 1;
            return standing;
        }
        self.table.remove(&key);
        let (timeout, tracked) = if udp {
            (timeouts.udp, Tracked::Udp(now.plus(STREAM)))
        } else {
            (timeouts.generic, Tracked::Other)
        };
        let life = Life {
            deadline: now.plus(timeout),
            ..Life::default()
        };
        self.insert(key, side, life, tracked, now);
        Standing::New
    }

    /// A request or a reply of ICMP.
    fn query(
        &mut self,
        key: Key,
        side: Side,
        asks: bool,
        settings: &Settings,
        now: Timestamp,
    ) -> Standing {
        let timeout = settings.timeouts.icmp;
        if let Some(entry) = self.table.find(&key)
            && entry.life.deadline > now
        {
            let standing = entry.life.standing(usize::from(!asks));
            entry.life.replied |= !asks;
            entry.life.deadline = now.plus(timeout);
            return standing;
        }
        if !asks {
            return Standing::Invalid(Reason::NoRequest);
        }
        self.table.remove(&key);
        let life = Life {
            deadline: now.plus(timeout),
            ..Life::default()
        };
        self.insert(key, side, life, Tracked::Other, now);
        Standing::New
    }
}

impl Input {
    /// What connection tracking looks at of a packet in a scope; `None` if nothing of that is there.
    fn of(ip: &Ip<'_>, scope: u32) -> Option<Self> {
        Some(match &ip.transport {
            Transport::Tcp(tcp) => {
                let segment = Segment::of(ip, tcp);
                if segment.flags_make_sense() {
                    Self::Tcp(segment)
                } else {
                    Self::Never(Reason::InvalidFlags)
                }
            }
            Transport::TcpPorts { .. } => Self::Cut,
            Transport::Malformed(_) => Self::Never(Reason::Malformed),
            Transport::Udp(udp) if udp.overlong => Self::Never(Reason::Malformed),
            Transport::Udp(_) => Self::Udp,
            Transport::Sctp { .. } | Transport::Other { .. } => Self::Other,
            Transport::Icmp { kind, payload, .. } if is_icmp_error(*kind) => {
                Self::error(ip, payload, scope)
            }
            Transport::Icmp { kind, .. } => Self::query(*kind, icmp_request(*kind)),
            Transport::Icmp6 { kind, payload, .. } => match kind {
                // Multicast listeners, neighbours and routers.
                130..=136 | 143 | 151 | 152 => Self::Untracked,
                137 => Self::redirect(ip, payload, scope),
                kind if is_icmp6_error(*kind) => Self::error(ip, payload, scope),
                kind => Self::query(*kind, icmp6_request(*kind)),
            },
            Transport::LaterFragment { .. } | Transport::Cut => return None,
        })
    }

    fn query(kind: u8, request: Option<u8>) -> Self {
        match request {
            Some(request) => Self::Query {
                asks: request == kind,
            },
            None => Self::Never(Reason::IcmpType),
        }
    }

    fn error(ip: &Ip<'_>, quoted: &[u8], scope: u32) -> Self {
        let quoted = Ip::quoted(quoted).filter(|quoted| quoted.source == ip.destination);
        Self::Error(quoted.and_then(|quoted| {
            let (flow, side) = FlowKey::of(&quoted, scope)?;
            Some((flow, query(&quoted, side)))
        }))
    }

    /// A redirect is of a neighbour, about a packet.
    fn redirect(ip: &Ip<'_>, payload: &[u8], scope: u32) -> Self {
        match payload.get(REDIRECT..) {
            Some([REDIRECTED_HEADER, length, ..]) if ip.ttl == 255 && *length > 0 => {
                let quoted = payload.get(REDIRECTED_AT..).unwrap_or_default();
                Self::error(ip, quoted, scope)
            }
            _ => Self::Never(Reason::IcmpType),
        }
    }
}

impl Life {
    /// What a packet of the opener (0) or its peer (1) is.
    fn standing(&self, dir: usize) -> Standing {
        if dir == 1 || self.replied {
            Standing::Established
        } else {
            Standing::New
        }
    }
}

/// Who asks, and by which code, if a packet is an ICMP query.
fn query(ip: &Ip<'_>, side: Side) -> (u8, u8) {
    let (kind, code, request) = match ip.transport {
        Transport::Icmp { kind, code, .. } => (kind, code, icmp_request(kind)),
        Transport::Icmp6 { kind, code, .. } => (kind, code, icmp6_request(kind)),
        _ => return (0, 0),
    };
    match request {
        Some(request) if request == kind => (side as u8, code),
        Some(_) => (1 - side as u8, code),
        None => (0, 0),
    }
}

fn what(ip: &Ip<'_>) -> What {
    match ip.transport {
        Transport::Tcp(tcp) => What::Tcp(tcp.flags.0),
        Transport::Icmp { kind, .. } | Transport::Icmp6 { kind, .. } => What::Icmp(kind),
        _ => What::Other,
    }
}

#[cfg(test)]
mod tests;
