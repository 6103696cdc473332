//! The pieces put together: frames in, report out.

use mirrorscope_dissectors::{Direction, Options, Protocol, Reason};

use crate::correlate::Judgement;
use crate::finding::Collector;
use crate::hint::Hint;
use crate::observation::FlowObserved;
use crate::observer::{Context, Losses, PointFacts};
use crate::point::{PointId, session_name};
use crate::receive::{Frame, Mirrored, Receiver, TimeSource};
use crate::report::{
    Carried, ClockReport, Cut, FlowReport, PortReport, Report, SequenceReport, SessionReport,
    Totals, WayReport,
};
use crate::sequence::{Assigned, Counter};
use crate::session::{Registry, SessionId, Ways};
use crate::site::Sites;
use crate::stream::MirrorLosses;
use crate::table::Map;
use crate::time::{SECOND, Timestamp};
use crate::track::{FlowHandle, PointEvidence, Scope, Tracked, Tracker};

/// More than this share of a point's TCP bytes unseen: its mirror takes samples.
const SAMPLED: f64 = 0.5;

/// Settings of a run.
#[derive(Clone, Debug)]
pub struct Config {
    /// Ports and nesting.
    pub dissect: Options,
    /// Described sites.
    pub sites: Sites,
    /// What keeps equal 5-tuples apart.
    pub scope: Scope,
    /// Most flows held at once.
    pub max_flows: usize,
    /// Which clock tells when packets passed.
    pub time: TimeSource,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            dissect: Options::default(),
            sites: Sites::default(),
            scope: Scope::default(),
            max_flows: 1_000_000,
            time: TimeSource::default(),
        }
    }
}

/// One run: receives frames, tracks flows, and tells what it found at any time.
pub struct Engine {
    receiver: Receiver,
    time: TimeSource,
    tracker: Tracker,
    /// Packets by point, and those cut before their ports.
    packets: Vec<(u64, u64)>,
    period: Option<(Timestamp, Timestamp)>,
}

impl Engine {
    /// Starts a run. `registry` may be shared with views.
    pub fn new(config: Config, registry: Registry) -> Self {
        Self {
            receiver: Receiver::new(config.dissect, config.sites, registry).timed_by(config.time),
            time: config.time,
            tracker: Tracker::new(config.scope, config.max_flows),
            packets: Vec::new(),
            period: None,
        }
    }

    /// The receiving half, to name interfaces and read counts.
    pub fn receiver(&mut self) -> &mut Receiver {
        &mut self.receiver
    }

    /// Encapsulations that nobody told of, and how to read them.
    pub fn hints(&self) -> Vec<Hint> {
        self.receiver.hints()
    }

    /// Flows so far.
    pub fn flow_count(&self) -> usize {
        self.tracker.flow_count()
    }

    /// Packets of flows for which the table had no room.
    pub fn refused_by_flows(&self) -> u64 {
        self.tracker.refused
    }

    /// Packets of sessions for which the table had no room.
    pub fn refused_by_sessions(&self) -> u64 {
        self.receiver.sessions().refused
    }

    /// A flow by its number; `None` if the table does not hold it any more.
    pub fn flow(&self, serial: u64) -> Option<FlowHandle> {
        self.tracker.flow(serial)
    }

    /// When the mirrors lost packets, as far as their sequence numbers tell by now.
    pub fn mirror_losses(&self) -> MirrorLosses {
        let assigned = self.receiver.sessions().sequences.assign();
        let points = self.receiver.points().all().iter().zip(0..);
        MirrorLosses::new(points.map(|(point, id)| {
            // Losses are noted by arrival, packets by the clock that was chosen.
            let behind = match self.time {
                TimeSource::Arrival => 0,
                TimeSource::Mirror => self.behind(PointId(id)),
            };
            let counters = point.sessions.iter().filter_map(|s| assigned.get(s));
            let episodes = counters.flat_map(|a| a.counter.episodes());
            let periods = episodes.map(|e| (e.from.plus(-behind), e.to.plus(-behind)));
            periods.collect()
        }))
    }

    /// Takes one frame.
    pub fn frame(&mut self, frame: &Frame<'_>) {
        self.frame_with(frame, |_, _| ());
    }

    /// Takes one frame; `sink` gets each packet of a flow that it completes.
    pub fn frame_with(&mut self, frame: &Frame<'_>, mut sink: impl FnMut(&Mirrored<'_>, Tracked)) {
        let period = self.period.get_or_insert((frame.time, frame.time));
        *period = (period.0.min(frame.time), period.1.max(frame.time));
        let Self {
            receiver,
            tracker,
            packets,
            ..
        } = self;
        receiver.receive(frame, |mirrored| {
            if let Some(tracked) = track(tracker, packets, mirrored) {
                sink(mirrored, tracked);
            }
        });
    }

    /// Ends the capture: incomplete datagrams are used as far as they go.
    pub fn finish(&mut self) {
        self.finish_with(|_, _| ());
    }

    /// The same; `sink` gets each packet of a flow that is still found in them.
    pub fn finish_with(&mut self, mut sink: impl FnMut(&Mirrored<'_>, Tracked)) {
        let Self {
            receiver,
            tracker,
            packets,
            ..
        } = self;
        receiver.finish(|mirrored| {
            if let Some(tracked) = track(tracker, packets, mirrored) {
                sink(mirrored, tracked);
            }
        });
    }

    /// Everything found so far.
    pub fn report(&self) -> Report {
        let assigned = self.receiver.sessions().sequences.assign();
        let (context, evidence) = self.context(&assigned);
        let sessions = self.session_reports(&assigned);
        let mut collector = Collector::default();
        let mut totals = self.totals(&sessions);
        for (flow, judgement) in self.judged(&context, &evidence) {
            *totals
                .verdicts
                .entry(judgement.verdict.as_str())
                .or_default() += 1;
            if let Some(cause) = judgement.cause {
                *totals.causes.entry(cause.as_str()).or_default() += 1;
            }
            collector.add(&context, &flow, &judgement);
        }
        Report {
            totals,
            findings: collector.finish(&context, &sessions),
            sessions,
            hints: self.hints(),
        }
    }

    /// Gives every flow to `sink`, in order of appearance, until it says no.
    pub fn flows<E>(&self, mut sink: impl FnMut(FlowReport) -> Result<(), E>) -> Result<(), E> {
        let assigned = self.receiver.sessions().sequences.assign();
        let (context, evidence) = self.context(&assigned);
        for (flow, judgement) in self.judged(&context, &evidence) {
            sink(FlowReport::new(&context, &flow, &judgement))?;
        }
        Ok(())
    }

    fn judged<'a>(
        &'a self,
        context: &'a Context,
        evidence: &'a [PointEvidence],
    ) -> impl Iterator<Item = (FlowObserved, Judgement)> + 'a {
        self.tracker
            .flows(self.receiver.points().all(), evidence)
            .map(|flow| {
                let judgement = match self.time {
                    TimeSource::Arrival => context.judge(&flow),
                    TimeSource::Mirror => context.judge(&self.arrived(&flow)),
                };
                (flow, judgement)
            })
    }

    /// What verdicts rest on.
    fn context(&self, assigned: &Map<SessionId, Assigned<'_>>) -> (Context, Vec<PointEvidence>) {
        let points = self.receiver.points().all();
        let evidence = self.tracker.evidence(points.len());
        let facts = points
            .iter()
            .zip(&evidence)
            .enumerate()
            .map(|(index, (point, evidence))| {
                let mut counters: Vec<&Assigned<'_>> = point
                    .sessions
                    .iter()
                    .filter_map(|s| assigned.get(s))
                    .collect();
                counters.sort_by_key(|a| a.id);
                counters.dedup_by_key(|a| a.id);
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
                let (packets, portless) = self.packets.get(index).copied().unwrap_or_default();
                PointFacts {
                    name: point.name.clone(),
                    site: point.site.clone(),
                    role: point.role,
                    carries: point.carries,
                    sampled: point.sampling.is_some_and(|n| n > 1)
                        || (unseen > SAMPLED && unnumbered),
                    losses: counters
                        .into_iter()
                        .map(|a| self.losses(a.counter))
                        .collect(),
                    unnumbered,
                    lived: sessions().map(|s| (s.first, s.last)).collect(),
                    unseen,
                    unopened: point.unopened,
                    portless: if packets > 0 {
                        portless as f64 / packets as f64
                    } else {
                        0.0
                    },
                }
            });
        let context = Context::new(facts.collect(), self.period.unwrap_or_default().1);
        (context, evidence)
    }

    /// The flow as it arrived: the only time that all points share, and that of the mirrors' health.
    fn arrived(&self, flow: &FlowObserved) -> FlowObserved {
        flow.later(|point| self.behind(point))
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

    fn losses(&self, counter: &Counter) -> Losses {
        let sent = (counter.received + counter.missing) as f64;
        let (from, to) = self.period.unwrap_or_default();
        let seconds = (to.since(from) as f64 / SECOND as f64).max(1e-3);
        Losses {
            rate: if sent > 0.0 {
                counter.missing as f64 / sent
            } else {
                0.0
            },
            pace: sent / seconds,
            episodes: counter.episodes().copied().collect(),
        }
    }

    /// The sessions so far.
    pub fn sessions(&self) -> Vec<SessionReport> {
        self.session_reports(&self.receiver.sessions().sequences.assign())
    }

    fn session_reports(&self, assigned: &Map<SessionId, Assigned<'_>>) -> Vec<SessionReport> {
        self.receiver
            .sessions()
            .iter()
            .map(|(id, session)| self.session(id, session, assigned.get(&id)))
            .collect()
    }

    fn session(
        &self,
        id: SessionId,
        session: &crate::session::Session,
        assigned: Option<&Assigned<'_>>,
    ) -> SessionReport {
        let interface = self.receiver.interfaces().get(session.interface as usize);
        let point = self.receiver.points().of_session(id);
        SessionReport {
            name: session_name(&session.key, interface),
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

    fn totals(&self, sessions: &[SessionReport]) -> Totals {
        let counts = self.receiver.counts();
        let fragments = self.receiver.fragment_counts();
        let named = |(protocol, reason, count): (Protocol, Reason, u64)| {
            (format!("{}: {}", protocol.as_str(), reason.as_str()), count)
        };
        let file = |interface: u32| {
            self.receiver
                .interfaces()
                .get(interface as usize)
                .map_or("?", |i| i.file.as_str())
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
            duplicates: counters.into_iter().map(|(_, duplicate)| duplicate).sum(),
            flows: self.tracker.flow_count() as u64,
            verdicts: std::collections::BTreeMap::new(),
            causes: std::collections::BTreeMap::new(),
            portless: self.tracker.portless,
            refused: self.refused_by_flows(),
            refused_sessions: self.refused_by_sessions(),
            first: self.period.map(|p| p.0),
            last: self.period.map(|p| p.1),
        }
    }
}

fn track(
    tracker: &mut Tracker,
    packets: &mut Vec<(u64, u64)>,
    mirrored: &Mirrored<'_>,
) -> Option<Tracked> {
    let before = tracker.portless;
    let taken = tracker.track(mirrored);
    let PointId(index) = mirrored.point;
    if packets.len() <= index as usize {
        packets.resize(index as usize + 1, (0, 0));
    }
    if let Some((all, portless)) = packets.get_mut(index as usize) {
        *all += 1;
        *portless += tracker.portless - before;
    }
    taken
}
