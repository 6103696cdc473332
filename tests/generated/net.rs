//! The two sites: who is where, which way a packet goes at which time, and what the mirrors see of it.
//!
//! ```text
//!   users ── WAN ─┬─ fw1 ─ fw1-inside ─ switch dc1 ─ vm-dc1 ─ VMs
//!                 │                         │ dci-dc1
//!                 │                         │ dci-dc2
//!                 └─ fw2 ─ fw2-inside ─ switch dc2 ─ vm-dc2 ─ VMs
//! ```
//!
//! Both firewalls are the same gateway, 10.20.0.1, each with its own MAC; a VM finds that of its own site.

use std::rc::Rc;

use super::random::Random;

pub const MICRO: i64 = 1_000;
pub const MILLI: i64 = 1_000 * MICRO;
pub const SECOND: i64 = 1_000 * MILLI;

pub type Mac = [u8; 6];
pub type Address = [u8; 4];

pub const BROADCAST: Mac = [0xff; 6];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Site {
    Dc1,
    Dc2,
}

impl Site {
    /// The MAC of its firewall, which is the gateway there.
    pub fn gateway_mac(self) -> Mac {
        match self {
            Self::Dc1 => [0x02, 0, 0, 0, 0x01, 0x11],
            Self::Dc2 => [0x02, 0, 0, 0, 0x02, 0x22],
        }
    }

    pub fn other(self) -> Self {
        match self {
            Self::Dc1 => Self::Dc2,
            Self::Dc2 => Self::Dc1,
        }
    }

    pub fn firewall(self) -> Point {
        match self {
            Self::Dc1 => Point::Firewall1,
            Self::Dc2 => Point::Firewall2,
        }
    }

    pub fn dci(self) -> Point {
        match self {
            Self::Dc1 => Point::Dci1,
            Self::Dc2 => Point::Dci2,
        }
    }

    pub fn vms(self) -> Point {
        match self {
            Self::Dc1 => Point::Vm1,
            Self::Dc2 => Point::Vm2,
        }
    }
}

/// A mirrored place; its number is its mirror session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Point {
    Firewall1 = 101,
    Dci1 = 102,
    Vm1 = 103,
    Firewall2 = 201,
    Dci2 = 202,
    Vm2 = 203,
}

impl Point {
    pub fn session(self) -> u16 {
        self as u16
    }

    pub fn site(self) -> Site {
        match self {
            Self::Firewall1 | Self::Dci1 | Self::Vm1 => Site::Dc1,
            Self::Firewall2 | Self::Dci2 | Self::Vm2 => Site::Dc2,
        }
    }
}

/// A virtual machine on the stretched network 10.20.0.0/24.
#[derive(Clone, Copy, Debug)]
pub struct Vm {
    /// Where it runs at first.
    pub site: Site,
    /// The site whose firewall the WAN sends its packets to.
    pub entry: Site,
    /// Its gateway's address; 10.20.0.1 is at both sites, 10.20.0.2 is the firewall at dc1 alone.
    pub gateway: Address,
    /// When it moves to the other site.
    pub moves: Option<i64>,
}

#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Somewhere behind the WAN, this long away from either firewall.
    User {
        away: i64,
    },
    Vm(Vm),
}

#[derive(Clone, Copy, Debug)]
pub struct Host {
    pub address: Address,
    pub kind: Kind,
}

pub const SHARED_GATEWAY: Address = [10, 20, 0, 1];
pub const GATEWAY_AT_DC1: Address = [10, 20, 0, 2];

impl Host {
    pub fn user(last: u8, away: i64) -> Self {
        Self {
            address: [10, 9, 0, last],
            kind: Kind::User { away },
        }
    }

    /// A VM that is reached through the firewall of its own site.
    pub fn vm(last: u8, site: Site) -> Self {
        let vm = Vm {
            site,
            entry: site,
            gateway: SHARED_GATEWAY,
            moves: None,
        };
        Self {
            address: [10, 20, 0, last],
            kind: Kind::Vm(vm),
        }
    }

    /// The same machine, which moves to the other site; the WAN's route to it stays as it is.
    pub fn moving(self, at: i64) -> Self {
        self.with(|vm| vm.moves = Some(at))
    }

    /// The same machine behind the firewall at dc1, in both directions, wherever it runs.
    pub fn behind_dc1(self) -> Self {
        self.with(|vm| {
            vm.entry = Site::Dc1;
            vm.gateway = GATEWAY_AT_DC1;
        })
    }

    fn with(mut self, change: impl FnOnce(&mut Vm)) -> Self {
        if let Kind::Vm(vm) = &mut self.kind {
            change(vm);
        }
        self
    }

    /// Its MAC shows its address: 10.20.0.50 has 02:00:00:00:00:50.
    pub fn mac(&self) -> Mac {
        let last = self.address[3];
        [0x02, 0, 0, 0, 0, ((last / 10) << 4) | (last % 10)]
    }
}

impl Vm {
    pub fn site_at(&self, time: i64) -> Site {
        if self.moves.is_some_and(|at| time >= at) {
            self.site.other()
        } else {
            self.site
        }
    }

    /// The site whose firewall is its gateway.
    pub fn gateway_at(&self, time: i64) -> Site {
        if self.gateway == GATEWAY_AT_DC1 {
            Site::Dc1
        } else {
            self.site_at(time)
        }
    }
}

/// The way of a packet from one host to another.
pub struct Route {
    /// Mirrored places with the time since it was sent.
    pub passes: Vec<(Point, i64)>,
    /// Time until it arrives.
    pub takes: i64,
    /// A firewall that never saw the other direction drops it.
    pub delivered: bool,
    pub source: Mac,
    pub destination: Mac,
    /// Routers that counted its time to live down before the mirrored places.
    pub routers: u8,
}

/// Delay between the two ends of the interconnect.
const DCI: i64 = 870 * MICRO;
/// Delay of a switch, and of a firewall.
const SWITCH: i64 = 9 * MICRO;
const FIREWALL: i64 = 58 * MICRO;

impl Route {
    /// The way at a time.
    pub fn between(from: &Host, to: &Host, time: i64) -> Self {
        match (&from.kind, &to.kind) {
            (Kind::User { away }, Kind::Vm(vm)) => {
                let passes = [vm.entry.firewall()];
                let mut route = Self::new(&passes, *away + FIREWALL);
                route.walk(vm.entry, vm.site_at(time));
                route.source = vm.entry.gateway_mac();
                route.destination = to.mac();
                route.routers = 2;
                route
            }
            (Kind::Vm(vm), Kind::User { away }) => {
                let exit = vm.gateway_at(time);
                let here = vm.site_at(time);
                let mut route = Self::new(&[here.vms()], SWITCH);
                route.cross(here, exit);
                route.pass(exit.firewall(), SWITCH);
                route.takes += FIREWALL + *away;
                route.delivered = exit == vm.entry;
                route.source = from.mac();
                route.destination = exit.gateway_mac();
                route
            }
            (Kind::Vm(one), Kind::Vm(other)) => {
                let (here, there) = (one.site_at(time), other.site_at(time));
                let mut route = Self::new(&[here.vms()], SWITCH);
                route.walk(here, there);
                route.source = from.mac();
                route.destination = to.mac();
                route
            }
            (Kind::User { .. }, Kind::User { .. }) => Self::new(&[], MILLI),
        }
    }

    fn new(points: &[Point], takes: i64) -> Self {
        Self {
            passes: points.iter().map(|point| (*point, takes)).collect(),
            takes,
            delivered: true,
            source: [0; 6],
            destination: [0; 6],
            routers: 0,
        }
    }

    fn pass(&mut self, point: Point, after: i64) {
        self.takes += after;
        self.passes.push((point, self.takes));
    }

    fn cross(&mut self, from: Site, to: Site) {
        if from != to {
            self.pass(from.dci(), SWITCH);
            self.pass(to.dci(), DCI);
        }
    }

    /// From inside a site to a VM; a switch mirrors a frame once, even if it passes two VM ports.
    fn walk(&mut self, from: Site, to: Site) {
        self.cross(from, to);
        if self.passes.iter().all(|(point, _)| *point != to.vms()) {
            self.pass(to.vms(), SWITCH);
        }
        self.takes += SWITCH;
    }

    /// Where a broadcast from a VM port or a firewall goes: all of the stretched network.
    pub fn flood(origin: Point) -> Self {
        let here = origin.site();
        let mut route = Self::new(&[origin], SWITCH);
        for point in [here.vms(), here.firewall()] {
            if point != origin {
                route.pass(point, MICRO);
            }
        }
        route.cross(here, here.other());
        route.pass(here.other().firewall(), SWITCH);
        route.pass(here.other().vms(), MICRO);
        route.takes += SWITCH;
        route
    }
}

/// A frame as one mirrored place saw it.
#[derive(Clone)]
pub struct Seen {
    pub time: i64,
    pub point: Point,
    pub frame: Rc<[u8]>,
}

/// Records what every place sees.
pub struct Network {
    seen: Vec<Seen>,
    pub random: Random,
}

impl Network {
    pub fn new(seed: u64) -> Self {
        Self {
            seen: Vec::new(),
            random: Random::new(seed),
        }
    }

    /// A time from `from` up to, not including, `to`.
    pub fn delay(&mut self, from: i64, to: i64) -> i64 {
        from + self.random.below((to - from).unsigned_abs()).cast_signed()
    }

    /// Sends a frame; gives the time of its arrival, if it arrives.
    pub fn send(&mut self, time: i64, route: &Route, frame: &[u8]) -> Option<i64> {
        let frame: Rc<[u8]> = frame.into();
        // One delay for the whole way, so that no place sees it before the place in front of it.
        let jitter = self.delay(0, 3 * MICRO);
        for &(point, after) in &route.passes {
            self.seen.push(Seen {
                time: time + after + jitter,
                point,
                frame: Rc::clone(&frame),
            });
        }
        route.delivered.then_some(time + route.takes + jitter)
    }

    /// All that was seen, in the order of time.
    pub fn seen(mut self) -> Vec<Seen> {
        self.seen.sort_by_key(|seen| seen.time);
        self.seen
    }
}
