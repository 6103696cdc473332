//! The pieces put together: frames in, report out.

pub mod depart;
pub mod list;
mod live;
pub mod look;
mod losses;
pub mod one;
pub mod page;
mod tables;
mod threaded;
mod words;

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;

use arrayvec::ArrayVec;
use mirrorscope_dissectors::{Direction, Options, Protocol, Reason};

use crate::correlate::Judgement;
use crate::filter::{Chooses, Filter, Judged};
use crate::firewall::Firewalls;
use crate::flow::Side;
use crate::hint::Hint;
use crate::inventory::{EndpointReport, Inventory};
use crate::names::Names;
use crate::observation::FlowObserved;
use crate::observer::{Context, PointFacts};
use crate::point::{InterfaceName, Point, PointId, session_name};
use crate::propose::Seen;
use crate::receive::{Frame, Mirrored, Opened, Receiver, TimeSource};
use crate::report::{
    Carried, ClockReport, Cut, FlowReport, LoopReport, PortReport, Report, SequenceReport,
    SessionReport, Totals, WayReport,
};
use crate::sequence::Assigned;
use crate::session::{Registry, Session, SessionId, Ways};
use crate::site::{Sites, Tenants};
use crate::table::Map;
use crate::time::Timestamp;
use crate::track::{Coming, Evicted, Limits, PointEvidence, Scope, Timeouts, Tracked, Tracker};

use tables::Flows;
pub use tables::Tables;
pub use threaded::{MOST_THREADS, Threaded};

/// Frames that are taken apart before the first of them is followed further: the memory of their flows comes near
/// meanwhile.
pub const BATCH: usize = 32;

/// More than this share of a point's TCP bytes unseen: its mirror takes samples.
const SAMPLED: f64 = 0.5;

/// Gets the packets of frames.
pub trait Sink {
    /// Numbers of flows that packets of the next frames will most probably belong to, with who sent them: what is known of
    /// these flows can be brought near.
    fn ahead(&mut self, _flows: impl Iterator<Item = (u64, Side)>) {}

    /// Takes a packet: the index of the frame that completed it, how it was taken if it belongs to a flow, and the table
    /// that knows the flow.
    fn packet(
        &mut self,
        index: usize,
        mirrored: &Mirrored<'_>,
        taken: Option<Tracked>,
        flows: &Tracker,
    );
}

impl<F: FnMut(usize, &Mirrored<'_>, Option<Tracked>, &Tracker)> Sink for F {
    fn packet(
        &mut self,
        index: usize,
        mirrored: &Mirrored<'_>,
        taken: Option<Tracked>,
        flows: &Tracker,
    ) {
        self(index, mirrored, taken, flows);
    }
}

/// Settings of a run.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Ports and nesting.
    pub dissect: Options,
    /// Described sites.
    pub sites: Sites,
    /// What keeps equal 5-tuples apart.
    pub scope: Scope,
    /// Bounds of the flow table.
    pub limits: Limits,
    /// How long flows may be silent.
    pub timeouts: Timeouts,
    /// Which clock tells when packets passed.
    pub time: TimeSource,
    /// Bound of the inventory.
    pub endpoints: Endpoints,
    /// What machines are called.
    pub names: Arc<Names>,
}

/// Bound of the inventory.
#[derive(Clone, Copy, Debug)]
pub struct Endpoints(
    /// Most stations that are known at once.
    pub usize,
);

impl Default for Endpoints {
    fn default() -> Self {
        Self(65_536)
    }
}

/// One run: receives frames, tracks flows, and tells what it found at any time.
pub struct Engine<T = Tables> {
    receiver: Receiver,
    time: TimeSource,
    tables: T,
    period: Option<(Timestamp, Timestamp)>,
    /// The time that was told, while no frame came.
    clock: Option<Timestamp>,
    /// No frame will come any more.
    finished: bool,
    names: Arc<Names>,
}

impl<T> Engine<T> {
    /// The same with other tables, and its own.
    fn exchange<U>(self, tables: U) -> (Engine<U>, T) {
        let Self {
            receiver,
            time,
            tables: own,
            period,
            clock,
            finished,
            names,
        } = self;
        let engine = Engine {
            receiver,
            time,
            tables,
            period,
            clock,
            finished,
            names,
        };
        (engine, own)
    }

    /// Notes that a frame came at a time.
    fn reach(&mut self, time: Timestamp) {
        let period = self.period.get_or_insert((time, time));
        *period = (period.0.min(time), period.1.max(time));
    }
}

impl Engine {
    /// Starts a run. `registry` may be shared with views.
    pub fn new(config: Config, registry: Registry) -> Self {
        let tenants = Tenants::new(&config.sites.tenants);
        let tracker = Tracker::new(config.scope, config.limits, config.timeouts);
        Self {
            receiver: Receiver::new(config.dissect, config.sites, registry).timed_by(config.time),
            time: config.time,
            tables: Tables {
                flows: Flows::new(tracker.with_tenants(tenants)),
                inventory: Inventory::new(config.endpoints.0),
                firewalls: Firewalls::new(config.limits.flows),
            },
            period: None,
            clock: None,
            finished: false,
            names: config.names,
        }
    }

    /// The receiving half, to name interfaces and read counts.
    pub fn receiver(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// What machines are called.
    pub fn names(&self) -> &Arc<Names> {
        &self.names
    }

    /// Calls machines by these names from now on.
    pub fn set_names(&mut self, names: Arc<Names>) {
        self.names = names;
    }

    /// Addresses of the ends of flows, at most so many.
    pub fn addresses(&self, most: usize) -> BTreeSet<IpAddr> {
        let tracker = &self.tables.flows.tracker;
        let mut addresses = BTreeSet::new();
        for (_, flow) in tracker.briefs(0..tracker.places()) {
            if addresses.len() >= most {
                break;
            }
            addresses.extend([flow.key.low.address, flow.key.high.address]);
        }
        addresses
    }

    /// Encapsulations that nobody told of, and how to read them.
    pub fn hints(&self) -> Vec<Hint> {
        self.receiver.hints()
    }

    /// Flows so far.
    pub fn flow_count(&self) -> usize {
        self.tables.flows.tracker.flow_count()
    }

    /// Flows that there ever were, those that gave way to others among them.
    pub fn flows_born(&self) -> u64 {
        self.tables.flows.tracker.flows_born()
    }

    /// Flows that gave way to others.
    pub fn evicted(&self) -> Evicted {
        self.tables.flows.tracker.evicted()
    }

    /// Connections that the model of the firewalls had no room for.
    pub fn forgotten_by_firewalls(&self) -> u64 {
        self.tables.firewalls.evicted()
    }

    /// Bytes that the flows take.
    pub fn flow_bytes(&self) -> usize {
        self.tables.flows.tracker.bytes()
    }

    /// Packets at points beyond those that are kept of a flow.
    pub fn refused_by_flows(&self) -> u64 {
        self.tables.flows.tracker.refused
    }

    /// Packets of sessions for which the table had no room.
    pub fn refused_by_sessions(&self) -> u64 {
        self.receiver.sessions().refused
    }

    /// Takes one frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.frame_with(frame, |_, _, _| ());
    }

    /// Takes frames, one after the other.
    ///
    /// The same comes of it as if they were given one by one. What their flows need of memory is on its way while others
    /// are at work: give as many as are there, up to [`BATCH`].
    pub fn frames(&mut self, frames: &[Frame<'_>]) {
        self.frames_with(frames, |_, _, _, _| ());
    }

    /// The same; `sink` gets each packet, as that of [`Self::frame_with`] does, behind the index of the frame that completed it.
    pub fn frames_with(
        &mut self,
        frames: &[Frame<'_>],
        mut sink: impl FnMut(usize, &Mirrored<'_>, Option<Tracked>, &Tracker),
    ) {
        self.frames_into(frames, &mut sink);
    }

    /// The same for a sink that is also told what comes.
    pub fn frames_into(&mut self, frames: &[Frame<'_>], sink: &mut impl Sink) {
        let mut index = 0..;
        for batch in frames.chunks(BATCH) {
            let mut opened = ArrayVec::<_, BATCH>::new();
            opened.extend(batch.iter().map(Opened::whole));
            let mut coming = ArrayVec::<_, BATCH>::new();
            for frame in &mut opened {
                self.receiver.open(frame);
                let point = self.receiver.guess_point(frame);
                let outlook = self.tables.flows.tracker.outlook();
                coming.push(outlook.coming(&frame.packet, point, frame.vlan, frame.segment));
            }
            self.tables.ahead(&mut coming);
            let known = |coming: &Coming| self.tables.flows.tracker.expected(coming);
            sink.ahead(coming.iter().flatten().filter_map(known));
            for ((frame, coming), index) in opened.iter().zip(&coming).zip(&mut index) {
                let mut sink =
                    |mirrored: &Mirrored<'_>, taken: Option<Tracked>, flows: &Tracker| {
                        sink.packet(index, mirrored, taken, flows);
                    };
                self.accept(frame, coming.as_ref(), &mut sink);
            }
        }
    }

    /// Takes one frame; `sink` gets each packet that it completes, how that was taken if it belongs to a flow, and the
    /// table that knows the flow.
    pub fn frame_with(
        &mut self,
        frame: &Frame<'_>,
        mut sink: impl FnMut(&Mirrored<'_>, Option<Tracked>, &Tracker),
    ) {
        let mut opened = Opened::whole(frame);
        self.receiver.open(&mut opened);
        self.accept(&opened, None, &mut sink);
    }

    /// Takes a frame that was taken apart, and of whose packet `coming` was told.
    fn accept(
        &mut self,
        opened: &Opened<'_>,
        coming: Option<&Coming>,
        sink: &mut impl FnMut(&Mirrored<'_>, Option<Tracked>, &Tracker),
    ) {
        self.reach(opened.frame.time);
        let Self {
            receiver, tables, ..
        } = self;
        receiver.accept(opened, |mirrored| {
            // A frame may complete another packet than its own.
            let coming =
                coming.filter(|_| std::ptr::eq(mirrored.shown.packet, &raw const opened.packet));
            let taken = tables.take(&mirrored.shown, coming);
            sink(mirrored, taken, &tables.flows.tracker);
        });
    }

    /// Ends the capture: incomplete datagrams are used as far as they go.
    pub fn finish(&mut self) {
        self.finish_with(|_, _, _| ());
    }

    /// The same; `sink` gets the packets that come of it.
    pub fn finish_with(&mut self, mut sink: impl FnMut(&Mirrored<'_>, Option<Tracked>, &Tracker)) {
        let Self {
            receiver, tables, ..
        } = self;
        receiver.finish(|mirrored| {
            let taken = tables.take(&mirrored.shown, None);
            sink(mirrored, taken, &tables.flows.tracker);
        });
        tables.finish();
        self.finished = true;
    }

    /// Arrival of the first frame and of the last.
    pub fn period(&self) -> Option<(Timestamp, Timestamp)> {
        self.period
    }

    /// Everything found so far.
    pub fn report(&self) -> Report {
        self.report_on(None)
    }

    /// The same of the flows that a filter wants: verdicts, causes and findings are theirs alone. The frames, the
    /// mirror sessions and what is found about the mirror itself stay those of the whole capture.
    pub fn report_matching(&self, filter: &Filter) -> Report {
        self.report_on(Some(filter))
    }

    fn report_on(&self, filter: Option<&Filter>) -> Report {
        let Ok(report) = look::report(&mut { self }, filter);
        report
    }

    /// Gives every flow to `sink`, in order of appearance, until it says no.
    pub fn flows<E>(&self, sink: impl FnMut(FlowReport) -> Result<(), E>) -> Result<(), E> {
        self.flows_on(None, sink)
    }

    /// The same, of the flows that a filter wants.
    pub fn flows_matching<E>(
        &self,
        filter: &Filter,
        sink: impl FnMut(FlowReport) -> Result<(), E>,
    ) -> Result<(), E> {
        self.flows_on(Some(filter), sink)
    }

    fn flows_on<E>(
        &self,
        filter: Option<&Filter>,
        sink: impl FnMut(FlowReport) -> Result<(), E>,
    ) -> Result<(), E> {
        let Ok(result) = list::flows(&mut { self }, filter, None, sink);
        result
    }

    /// Names of all sessions; the index is a session's id.
    fn session_names(&self) -> Vec<String> {
        self.names_since(0).collect()
    }

    fn name(&self, session: &Session) -> String {
        let interface = self.receiver.interfaces().get(session.interface as usize);
        session_name(&session.key, interface)
    }

    /// What is known of the points and their mirrors.
    fn facts(
        &self,
        assigned: &Map<SessionId, Assigned<'_>>,
        evidence: &[PointEvidence],
    ) -> Vec<PointFacts> {
        let points = self.receiver.points().all();
        let (lost, burst) = losses::share(assigned);
        let here = losses::Here::new(self);
        let facts = points
            .iter()
            .zip(evidence)
            .enumerate()
            .map(|(index, (point, evidence))| {
                let unnumbered = point.sessions.iter().any(|s| !assigned.contains_key(s));
                let sessions = || {
                    point
                        .sessions
                        .iter()
                        .filter_map(|s| self.receiver.sessions().get(*s))
                };
                let tcp = evidence.payload + evidence.holes;
                let unseen = if tcp > 0 {
                    evidence.holes as f64 / tcp as f64
                } else {
                    0.0
                };
                // What this host dropped was no sample.
                let dropped = here.share(self, point);
                let unsent = 1.0 - (1.0 - unseen) / (1.0 - dropped);
                let (packets, portless) = self.tables.flows.packets_at(index);
                PointFacts {
                    name: point.name.clone(),
                    site: point.site.clone(),
                    role: point.role,
                    carries: point.carries,
                    firewall: point.firewall.as_deref().copied(),
                    sampled: point.sampling.is_some_and(|n| n > 1)
                        || (unsent > SAMPLED && unnumbered),
                    losses: self.losses_at(point, assigned, &here),
                    unnumbered,
                    lived: lived(point, sessions()),
                    tracks_since: point.tracks_since,
                    unseen: unseen.max(lost),
                    burst,
                    unopened: point.unopened,
                    packets,
                    doubled: evidence.doubled,
                    routed: evidence.routed,
                    both_ways: evidence.both_ways,
                    portless: if packets > 0 {
                        portless as f64 / packets as f64
                    } else {
                        0.0
                    },
                }
            });
        facts.collect()
    }

    /// By how much the times of a point's packets are behind arrival.
    fn behind(&self, point: PointId) -> i64 {
        let sessions = self.receiver.sessions();
        let point = self.receiver.points().all().get(point.0 as usize);
        let ids = point.into_iter().flat_map(|point| &point.sessions);
        let clocks = ids.filter_map(|id| sessions.get(*id)?.clock.as_ref());
        let offsets = clocks.filter_map(|clock| clock.offset());
        offsets.max().unwrap_or_default()
    }

    /// The sessions so far.
    pub fn sessions(&self) -> Vec<SessionReport> {
        self.session_reports(&self.receiver.sessions().sequences.assign())
    }

    /// A sites file from what was seen, with reasons, ready to be edited: for sessions that nobody described.
    pub fn propose_sites(&self) -> String {
        let sessions = |point: &Point| {
            let ids = point.sessions.iter();
            let sessions = ids.filter_map(|id| self.receiver.sessions().get(*id));
            let interface = |session: &Session| {
                let interfaces = self.receiver.interfaces();
                interfaces.get(session.interface as usize)
            };
            sessions
                .map(|session| (session, interface(session)))
                .collect()
        };
        let points = self.receiver.points().all();
        let mut seen = Seen::new(points, sessions, &self.tables.inventory);
        let ground = self.ground(&self.whole_basis());
        for flow in self.observed(&ground) {
            seen.add(&flow);
        }
        seen.propose()
    }

    /// What is known of endpoints.
    pub fn inventory(&self) -> &Inventory {
        &self.tables.inventory
    }

    /// The endpoints so far, by address.
    pub fn endpoints(&self) -> Vec<EndpointReport> {
        let Ok(endpoints) = look::endpoints(&mut { self });
        endpoints
    }

    /// Whether a point that nobody described shows the same mirror session as another one, from another source: that of
    /// a machine which moved to another host.
    fn follows(&self, from: PointId, to: PointId) -> bool {
        let points = self.receiver.points().all();
        let sessions = |id: PointId| {
            let point = points.get(id.0 as usize).filter(|point| !point.described);
            let ids = point.into_iter().flat_map(|point| &point.sessions);
            ids.filter_map(|id| self.receiver.sessions().get(*id))
        };
        sessions(from).any(|before| sessions(to).any(|after| after.key.continues(&before.key)))
    }

    /// Stations that gave way to others in the inventory.
    pub fn evicted_endpoints(&self) -> u64 {
        self.tables.inventory.evicted()
    }

    /// The sessions that brought packets of flows that a filter wants.
    pub fn sessions_matching(&self, filter: &Filter) -> Vec<SessionReport> {
        let Ok(sessions) = list::sessions(&mut { self }, Some(filter));
        sessions
    }

    fn session_reports(&self, assigned: &Map<SessionId, Assigned<'_>>) -> Vec<SessionReport> {
        let here = self.gaps_made_here(assigned);
        let sessions = self.receiver.sessions().iter();
        sessions
            .map(|(id, session)| {
                let assigned = assigned.get(&id);
                let here = assigned.and_then(|a| here.get(&a.id));
                self.session(id, session, assigned, here.copied().unwrap_or_default())
            })
            .collect()
    }

    fn session(
        &self,
        id: SessionId,
        session: &Session,
        assigned: Option<&Assigned<'_>>,
        missing_here: u64,
    ) -> SessionReport {
        let point = self.receiver.points().of_session(id);
        let lost_here = self.receiver.losses_here();
        let dropped = session.interfaces.iter().filter_map(|i| lost_here.at(i));
        SessionReport {
            name: self.name(session),
            encapsulation: session.key.encapsulation.map_or("plain", |e| e.as_str()),
            source: session.key.addresses.map(|a| a.0),
            destination: session.key.addresses.map(|a| a.1),
            id: session.key.id,
            one_way_id: session.key.one_way_id,
            site: point.map_or_else(String::new, |p| p.site.clone()),
            point: point.map_or_else(String::new, |p| p.name.clone()),
            role: point.map(|p| p.role).unwrap_or_default().as_str(),
            described: point.is_some_and(|p| p.described),
            packets: session.packets,
            bytes: session.bytes,
            first: session.first,
            last: session.last,
            truncated: session.truncated,
            malformed: session.malformed,
            sequence: assigned.map(|a| SequenceReport {
                received: a.counter.received,
                missing: a.counter.missing,
                dropped_here: missing_here,
                duplicate: a.counter.duplicate,
                reordered: a.counter.reordered,
                restarts: a.counter.restarts,
                shared: a.sessions,
                loss_period: a.counter.loss_period(),
                gaps: a.counter.episodes().count(),
            }),
            carries: session
                .carries
                .iter()
                .map(|&(encapsulation, id, packets)| Carried {
                    encapsulation: encapsulation.as_str(),
                    id,
                    packets,
                })
                .collect(),
            clock: session.clock.as_ref().map(|clock| ClockReport::new(clock)),
            directions: self.directions(id, &session.ways),
            ports: self.ports(id, &session.ways),
            looped: session.looped.as_ref().map(|looped| LoopReport {
                packets: looped.packets,
                own: looped.own,
                depth: looped.depth,
                first: looped.first,
                last: looped.last,
                of: looped
                    .of
                    .iter()
                    .map(|key| session_name(key, None))
                    .collect(),
            }),
            dropped_here: dropped.map(|at| at.packets).sum(),
            recent: None,
            number: id,
            interfaces: session.interfaces.iter().collect(),
            counter: assigned.map(|a| a.id),
            cut: Cut {
                largest: session.largest_cut,
                to: session.cut_to,
                overhead: session.overhead,
            },
        }
    }

    /// A session's packets by their way, in words.
    fn directions(&self, id: SessionId, ways: &Ways) -> Vec<WayReport> {
        let told = ways.iter().filter_map(|((port, direction), packets)| {
            let way = self.receiver.points().of_way(id, (port, direction))?;
            Some((way.way(direction?), packets))
        });
        let [ingress, egress, _] = ways.others;
        let others = [(Direction::Ingress, ingress), (Direction::Egress, egress)];
        let others = others.into_iter().filter_map(|(direction, packets)| {
            let point = self.receiver.points().of_session(id)?;
            (packets > 0).then(|| (point.way(direction), packets))
        });
        let mut directions: Vec<WayReport> = Vec::new();
        for (way, packets) in told.chain(others) {
            match directions.iter_mut().find(|known| known.way == way) {
                Some(known) => known.packets += packets,
                None => directions.push(WayReport { way, packets }),
            }
        }
        directions
    }

    /// A session's packets by mirrored port.
    fn ports(&self, id: SessionId, ways: &Ways) -> Vec<PortReport> {
        let told = ways.iter().filter(|((port, _), _)| port.is_some());
        let mut ports: Vec<PortReport> = told
            .map(|(way, packets)| PortReport {
                index: way.0,
                way: way.1.and_then(|direction| {
                    let point = self.receiver.points().of_way(id, way)?;
                    Some(point.way(direction))
                }),
                packets,
            })
            .collect();
        let others = ways.others.iter().sum();
        if others > 0 {
            ports.push(PortReport {
                index: None,
                way: None,
                packets: others,
            });
        }
        ports
    }

    fn totals(&self, sessions: &[SessionReport], doubled: u64) -> Totals {
        let counts = self.receiver.counts();
        let fragments = self.receiver.fragment_counts();
        let inner = self.receiver.inner_fragment_counts();
        let named = |(protocol, reason, count): (Protocol, Reason, u64)| {
            (format!("{}: {}", protocol.as_str(), reason.as_str()), count)
        };
        let file = |interface: u32| {
            let interfaces = self.receiver.interfaces();
            interfaces
                .get(interface as usize)
                .map_or("?", InterfaceName::origin)
        };
        let mut counters: Vec<(usize, u64)> = sessions
            .iter()
            .filter_map(|s| Some((s.counter?, s.sequence.as_ref()?.duplicate)))
            .collect();
        counters.sort_unstable();
        counters.dedup();
        Totals {
            frames: counts.frames,
            bytes: counts.bytes,
            mirrored: counts.mirrored,
            plain: counts.plain,
            malformed: counts.malformed,
            malformed_reasons: counts.faults().map(named).collect(),
            malformed_examples: counts
                .examples
                .iter()
                .map(|(interface, number, fault)| {
                    format!("{}: packet {number}: {fault}", file(*interface))
                })
                .collect(),
            opaque: counts.opaque + counts.too_deep,
            opaque_reasons: counts.closed().map(named).collect(),
            fragments: fragments.fragments,
            reassembly: fragments.into(),
            looped: counts.looped,
            duplicates: counters.into_iter().map(|(_, duplicate)| duplicate).sum(),
            inner_fragments: inner.fragments,
            inner_reassembly: inner.into(),
            doubled,
            flows: self.tables.flows.tracker.flows_born(),
            flows_matching: None,
            evicted: self.tables.flows.tracker.evicted(),
            firewall_evicted: self.tables.firewalls.evicted(),
            endpoints: self.tables.inventory.len() as u64,
            endpoints_evicted: self.tables.inventory.evicted(),
            verdicts: std::collections::BTreeMap::new(),
            causes: std::collections::BTreeMap::new(),
            portless: self.tables.flows.tracker.portless,
            refused: self.refused_by_flows(),
            refused_sessions: self.refused_by_sessions(),
            first: self.period.map(|p| p.0),
            last: self.period.map(|p| p.1),
        }
    }
}

/// First and last packet of each session of a point, as long as the point was described as it is.
fn lived<'a>(
    point: &Point,
    sessions: impl Iterator<Item = &'a Session>,
) -> Vec<(Timestamp, Timestamp)> {
    let (since, until) = point.period;
    let lived = sessions.map(|s| (s.first.max(since), s.last.min(until)));
    lived.filter(|(first, last)| first <= last).collect()
}

/// Whether a filter wants a flow.
fn wanted(
    filter: &dyn Chooses,
    context: &Context,
    names: &[String],
    flow: &FlowObserved,
    judgement: &Judgement,
) -> bool {
    let brief = flow.brief();
    let judged = Judged {
        context,
        flow: &brief,
        verdict: judgement.verdict,
        cause: judgement.cause,
    };
    filter.wants(&judged, &|| {
        FlowReport::new(context, names, flow, judgement)
    })
}
