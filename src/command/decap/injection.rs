//! Packets onto interfaces, without their encapsulation: to which of them each goes, and what is put before those that are no
//! Ethernet frames.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use mirrorscope_capture::host::interface::find;
use mirrorscope_capture::inject::{HEADER, Injector, Pace, Port, Totals, header};
use mirrorscope_dissectors::LinkType;
use mirrorscope_engine::point::{PointId, printable, session_name};
use mirrorscope_engine::receive::Mirrored;
use mirrorscope_engine::session::SessionId;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::table::Map;
use mirrorscope_engine::track::Tracked;

use super::copies::Copies;
use crate::cli::{DecapArgs, LiveArgs, To};
use crate::privilege;

/// Memory for packets of files that wait for their time.
const ROOM: usize = 4 << 20;
/// Names that are listed where one was looked for in vain.
const LISTED: usize = 20;
/// How long sessions that come live may take to appear, from the first one on, until it is told who was not met.
const MEETING: Duration = Duration::from_secs(5);

/// An interface that is open, and whose packets go there: those of sites, points and sessions, or all.
struct Wish {
    port: Port,
    interface: String,
    who: Vec<Option<String>>,
}

/// Interfaces that are open, before privileges are given up.
pub struct Ports(Vec<Wish>);

impl Ports {
    /// Opens all that were asked for.
    pub fn open(args: &DecapArgs) -> Result<Self> {
        let live = &args.analysis.input.live;
        privilege::take();
        let mut wishes: Vec<Wish> = Vec::new();
        for To { who, interface } in &args.to {
            if let Some(known) = wishes
                .iter_mut()
                .find(|known| known.interface == *interface)
            {
                known.who.push(who.clone());
                continue;
            }
            refuse_captured(live, interface)?;
            wishes.push(Wish {
                port: Port::open(interface).context("--to")?,
                interface: interface.clone(),
                who: vec![who.clone()],
            });
        }
        Ok(Self(wishes))
    }

    /// There are some.
    pub fn is_some(&self) -> bool {
        !self.0.is_empty()
    }
}

/// What is put on an interface that is captured would come back.
fn refuse_captured(live: &LiveArgs, interface: &str) -> Result<()> {
    let number = |name: &str| find(name).ok();
    let own = number(interface);
    let is_same =
        |captured: &String| captured == interface || own.is_some() && number(captured) == own;
    let captures_all = live.all && live.interfaces.iter().any(|captured| captured == "any");
    if captures_all || live.interfaces.iter().any(is_same) {
        bail!(
            "--to {0}: is captured, too, and what is put there would come back; make another interface: --to tap:NAME",
            printable(interface)
        );
    }
    Ok(())
}

/// What is to be said at the start of names that the sites file does not have, where it has any: those of sessions, and of sites
/// that nobody described, are told from others by their addresses.
fn missed_in(sites: &Sites, to: &[To]) -> Option<String> {
    let points = sites.sites.iter().flat_map(|site| &site.points);
    let points = points.map(|point| point.name.as_str());
    let known: Vec<&str> = sites.sites.iter().map(|site| site.name.as_str()).collect();
    let known: Vec<&str> = known.into_iter().chain(points).collect();
    let who = to.iter().filter_map(|to| to.who.as_deref());
    let missed =
        |who: &&str| !known.contains(who) && !who.contains('@') && who.parse::<IpAddr>().is_err();
    let missed: Vec<String> = who.filter(missed).map(printable).collect();
    if known.is_empty() || missed.is_empty() {
        return None;
    }
    let known: Vec<String> = known.into_iter().take(LISTED).map(printable).collect();
    Some(format!(
        "--to: the sites file has no site or point called {}; it has: {}",
        missed.join(", "),
        known.join(", ")
    ))
}

/// Where packets go.
struct Target {
    /// The sites, points and sessions whose packets go there, and whether there were any; all packets, where there is no name.
    who: Vec<(Option<String>, bool)>,
    /// If each packet is to go there once.
    copies: Option<Copies>,
}

impl Target {
    /// Whether it wants packets of something with these names.
    fn wants(&mut self, names: [&String; 3]) -> bool {
        let mut wants = false;
        for (who, met) in &mut self.who {
            if who.as_ref().is_none_or(|who| names.contains(&who)) {
                *met = true;
                wants = true;
            }
        }
        wants
    }
}

/// Puts packets on interfaces.
pub struct Injection {
    targets: Vec<Target>,
    injector: Injector,
    /// Targets by what decides them.
    ways: Map<(SessionId, PointId), Vec<usize>>,
    /// Sites, points and sessions that were met.
    names: BTreeSet<String>,
    /// It is still to be told who was not met.
    untold: bool,
    /// When the first session was.
    met: Option<Instant>,
    /// Packets that go nowhere.
    unwanted: u64,
    /// Packets that got an Ethernet header.
    headed: u64,
    /// Packets that are neither Ethernet frames nor IP packets.
    unfit: u64,
    /// Packets that the mirror, or the capture, had cut.
    cut: u64,
}

impl Injection {
    /// Starts it. `live`: packets come as they happen, and cannot wait.
    pub fn start(
        ports: Ports,
        args: &DecapArgs,
        sites: &Sites,
        live: bool,
        stop: Arc<AtomicBool>,
    ) -> Result<Self> {
        let missed = if live {
            missed_in(sites, &args.to)
        } else {
            None
        };
        if let Some(missed) = &missed {
            eprintln!("mirrorscope: {missed}");
        }
        let wishes = ports.0.into_iter();
        let (who, ports): (Vec<_>, Vec<_>) = wishes.map(|wish| (wish.who, wish.port)).unzip();
        let pace = args
            .pace
            .unwrap_or(if live { Pace::Max } else { Pace::Recorded });
        let room = if live { args.write_buffer } else { ROOM };
        let injector = Injector::start(ports, pace, room, !live, stop);
        let target = |who: Vec<_>| Target {
            who: who.into_iter().map(|who| (who, false)).collect(),
            copies: args.dedup.then(Copies::default),
        };
        Ok(Self {
            targets: who.into_iter().map(target).collect(),
            injector: injector.context("cannot start the thread that sends")?,
            ways: Map::default(),
            names: BTreeSet::new(),
            // Of files the end is soon there; of packets that come live it may be days away.
            untold: live && missed.is_none(),
            met: None,
            unwanted: 0,
            headed: 0,
            unfit: 0,
            cut: 0,
        })
    }

    /// Puts a packet where it belongs.
    pub fn put(&mut self, mirrored: &Mirrored<'_>, tracked: Option<Tracked>) {
        let place = (mirrored.shown.session, mirrored.shown.point);
        if !self.ways.contains_key(&place) {
            let way = self.way(mirrored);
            self.ways.insert(place, way);
            self.met.get_or_insert_with(Instant::now);
        }
        let Self { ways, targets, .. } = self;
        let Some(way) = ways.get(&place).filter(|way| !way.is_empty()) else {
            self.unwanted += 1;
            return;
        };
        let bytes = mirrored.inner.bytes;
        let head = match mirrored.inner.link {
            LinkType::Ethernet => (bytes.len() >= HEADER).then_some(None),
            LinkType::RawIp | LinkType::Ipv4 | LinkType::Ipv6 => header(bytes).map(Some),
            _ => None,
        };
        let Some(head) = head else {
            self.unfit += 1;
            return;
        };
        let time = mirrored.shown.time.0;
        let mut sent = false;
        for &number in way {
            let Some(target) = targets.get_mut(number) else {
                continue;
            };
            if let Some(copies) = &mut target.copies
                && copies.has(mirrored, tracked)
            {
                continue;
            }
            let head = head.as_ref().map_or(&[][..], |head| head);
            self.injector.give(number, time, head, bytes);
            sent = true;
        }
        if sent {
            self.headed += u64::from(head.is_some());
            self.cut += u64::from(mirrored.inner_len as usize > bytes.len());
        }
    }

    /// The targets that want packets of a session at a point.
    fn way(&mut self, mirrored: &Mirrored<'_>) -> Vec<usize> {
        let place = mirrored.shown.place;
        let session = session_name(mirrored.key, mirrored.interface);
        let names = [&place.site, &place.name, &session];
        let targets = self.targets.iter_mut().enumerate();
        let way = targets.filter_map(|(number, target)| target.wants(names).then_some(number));
        let way = way.collect();
        for name in names {
            if self.names.len() < LISTED {
                self.names.insert(name.clone());
            }
        }
        way
    }

    /// Sites were described anew: sessions may belong elsewhere.
    pub fn reload(&mut self) {
        self.ways.clear();
    }

    /// Has sent what was put so far.
    pub fn hand_over(&mut self) {
        self.injector.hand_over();
    }

    /// Tells what happened.
    pub fn tell_notes(&mut self) {
        for note in self.injector.take_notes() {
            eprintln!("mirrorscope: {note}");
        }
        if self.untold && self.met.is_some_and(|met| met.elapsed() >= MEETING) {
            self.untold = false;
            self.tell_missed("so far");
        }
    }

    /// Tells who was asked for and not met; true if there is nobody.
    fn tell_missed(&self, until: &str) -> bool {
        let who = self.targets.iter().flat_map(|target| &target.who);
        let mut met_all = true;
        for who in who.filter_map(|(who, met)| who.as_deref().filter(|_| !met)) {
            met_all = false;
            let known: Vec<String> = self.names.iter().map(|name| printable(name)).collect();
            let known = match &known[..] {
                [] => "none".to_owned(),
                known => known.join(", "),
            };
            eprintln!(
                "mirrorscope: --to: no site, point or session is called {}; {until} there were: {known}",
                printable(who)
            );
        }
        met_all
    }

    /// Waits until all is sent, and tells what became of it; true if all that was to be sent was.
    pub fn finish(&mut self) -> bool {
        let totals = self.injector.finish();
        self.tell_notes();
        let met_all = self.tell_missed("in all");
        for (total, target) in totals.iter().zip(&self.targets) {
            for complaint in total.complaints() {
                eprintln!("mirrorscope: {}", printable(&complaint));
            }
            let copies = target.copies.as_ref().map_or(0, |copies| copies.told);
            let without = if copies > 0 {
                format!(", {copies} copies left out")
            } else {
                String::new()
            };
            eprintln!(
                "mirrorscope: {}: {} frames sent, {} bytes{without}",
                printable(&total.name),
                total.sent,
                total.bytes
            );
        }
        self.tell_counts();
        // What was left when the end was asked for is told, and no fault.
        let complete = totals.iter().all(Totals::is_complete);
        met_all && complete && self.injector.dropped() + self.unfit == 0
    }

    fn tell_counts(&self) {
        let dropped = self.injector.dropped();
        let counts = [
            (
                dropped,
                "packets were not sent because interfaces are too slow; raise --write-buffer, or send less: --filter, --dedup",
            ),
            (
                self.unwanted,
                "packets are of sessions that no --to names, and were not sent",
            ),
            (
                self.unfit,
                "packets are neither Ethernet frames nor IP packets, and were not sent",
            ),
            (
                self.headed,
                "packets came without an Ethernet header, and were sent with an empty one",
            ),
            (
                self.cut,
                "packets had been cut by the mirror or the capture, and were sent as far as they go",
            ),
        ];
        for (count, what) in counts {
            if count > 0 {
                eprintln!("mirrorscope: {count} {what}");
            }
        }
    }
}
