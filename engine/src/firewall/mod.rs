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
use crate::receive::Mirrored;
use crate::time::{SECOND, Timestamp};
use crate::track::{Sight, Tracked as TrackedPacket, Tracker};
use connection::{Connection, Life, Outcome};
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
    /// Segments were cut before their flags.
    cut: bool,
}

impl Firewalls {
    /// Firewalls that remember so many connections, all together.
    pub fn new(connections: usize) -> Self {
        Self {
            table: Table::new(connections),
            cut: false,
        }
    }

    /// Connections that are remembered.
    pub fn connections(&self) -> usize {
        self.table.len()
    }

    /// Connections that gave way to others before their time.
    pub fn evicted(&self) -> u64 {
        self.table.evicted
    }

    /// Judges a packet of a flow, and notes in the flow if it is out of state. Does nothing where no firewall stands.
    pub fn take(
        &mut self,
        packet: &Mirrored<'_>,
        taken: Option<TrackedPacket>,
        tracker: &mut Tracker,
    ) -> Option<Standing> {
        let settings = packet.place.firewall.as_deref()?;
        let taken = taken.filter(|taken| taken.sight != Sight::Duplicate)?;
        let Network::Ip(ip) = &packet.packet.network else {
            return None;
        };
        // The kernel tracks datagrams, not their fragments.
        if ip.fragment.is_some() {
            return None;
        }
        let flow = tracker.flow(taken)?.key;
        let key = Key {
            point: packet.point,
            flow,
            query: query(ip, taken.side),
        };
        let standing = self.judge(key, taken.side, ip, settings, packet.arrival)?;
        let reason = match standing {
            Standing::Invalid(reason) => Some(reason),
            Standing::New => match &ip.transport {
                Transport::Tcp(tcp) if !tcp.flags.syn() => Some(Reason::NewWithoutSyn),
                _ => None,
            },
            Standing::Established | Standing::Related | Standing::Untracked => None,
        };
        if let Some(reason) = reason {
            let first = FirstUnmatched {
                time: packet.time,
                side: taken.side,
                what: what(ip),
                reason,
            };
            let doubt = if !self.table.is_marked(&key) {
                None
            } else if self.cut {
                Some(Doubt::Cut)
            } else {
                Some(Doubt::Evicted)
            };
            if let Some(unmatched) = tracker.unmatched(taken, packet.point, first) {
                unmatched.packets[taken.side & 1] += 1;
                unmatched.doubt = unmatched.doubt.or(doubt);
            }
        }
        Some(standing)
    }

    /// What a packet is to the firewall at its point; `None` if too little of it is there to tell.
    fn judge(
        &mut self,
        key: Key,
        side: Side,
        ip: &Ip<'_>,
        settings: &Settings,
        now: Timestamp,
    ) -> Option<Standing> {
        match &ip.transport {
            Transport::Tcp(tcp) => {
                let segment = Segment::of(ip, tcp);
                if segment.flags_make_sense() {
                    Some(self.tcp(key, side, &segment, settings, now))
                } else {
                    Some(Standing::Invalid(Reason::InvalidFlags))
                }
            }
            Transport::TcpPorts { .. } => {
                self.cut = true;
                self.table.mark(&key);
                None
            }
            Transport::Malformed(_) => Some(Standing::Invalid(Reason::Malformed)),
            Transport::Udp(udp) if udp.overlong => Some(Standing::Invalid(Reason::Malformed)),
            Transport::Udp(_) => Some(self.datagram(key, side, settings, now, true)),
            Transport::Sctp { .. } | Transport::Other { .. } => {
                Some(self.datagram(key, side, settings, now, false))
            }
            Transport::Icmp { kind, payload, .. } => {
                Some(self.icmp(key, side, ip, (*kind, payload), settings, now))
            }
            Transport::Icmp6 { kind, payload, .. } => {
                Some(self.icmp6(key, side, ip, (*kind, payload), settings, now))
            }
            Transport::LaterFragment { .. } | Transport::Cut => None,
        }
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
            let dir = usize::from(side != entry.opener);
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
            opener,
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
            let dir = usize::from(side != entry.opener);
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

    fn icmp(
        &mut self,
        key: Key,
        side: Side,
        ip: &Ip<'_>,
        (kind, payload): (u8, &[u8]),
        settings: &Settings,
        now: Timestamp,
    ) -> Standing {
        if is_icmp_error(kind) {
            return self.error(key, ip, payload, now);
        }
        match icmp_request(kind) {
            Some(request) => self.query(key, side, request == kind, settings, now),
            None => Standing::Invalid(Reason::IcmpType),
        }
    }

    fn icmp6(
        &mut self,
        key: Key,
        side: Side,
        ip: &Ip<'_>,
        (kind, payload): (u8, &[u8]),
        settings: &Settings,
        now: Timestamp,
    ) -> Standing {
        match kind {
            // Multicast listeners, neighbours and routers.
            130..=136 | 143 | 151 | 152 => Standing::Untracked,
            // Redirects: of a neighbour, about a packet.
            137 => match payload.get(REDIRECT..) {
                _ if ip.ttl != 255 => Standing::Invalid(Reason::IcmpType),
                Some([REDIRECTED_HEADER, length, ..]) if *length > 0 => {
                    let quoted = payload.get(REDIRECTED_AT..).unwrap_or_default();
                    self.error(key, ip, quoted, now)
                }
                _ => Standing::Invalid(Reason::IcmpType),
            },
            _ if is_icmp6_error(kind) => self.error(key, ip, payload, now),
            _ => match icmp6_request(kind) {
                Some(request) => self.query(key, side, request == kind, settings, now),
                None => Standing::Invalid(Reason::IcmpType),
            },
        }
    }

    /// An ICMP error, or a redirect: about a packet of a connection, told to its sender.
    fn error(&self, key: Key, ip: &Ip<'_>, quoted: &[u8], now: Timestamp) -> Standing {
        let unknown = Standing::Invalid(Reason::ErrorAboutUnknown);
        let Some(quoted) = Ip::quoted(quoted).filter(|q| q.source == ip.destination) else {
            return unknown;
        };
        let Some((flow, side)) = FlowKey::of(&quoted, key.flow.scope) else {
            return unknown;
        };
        let key = Key {
            flow,
            query: query(&quoted, side),
            ..key
        };
        if self.table.knows(&key, now) {
            Standing::Related
        } else {
            unknown
        }
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
fn query(ip: &Ip<'_>, side: Side) -> (Side, u8) {
    let (kind, code, request) = match ip.transport {
        Transport::Icmp { kind, code, .. } => (kind, code, icmp_request(kind)),
        Transport::Icmp6 { kind, code, .. } => (kind, code, icmp6_request(kind)),
        _ => return (0, 0),
    };
    match request {
        Some(request) if request == kind => (side, code),
        Some(_) => (1 - side, code),
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
