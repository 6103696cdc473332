//! Frames in, events of the chosen flows out.

use std::collections::BTreeMap;

use anyhow::Result;
use arrayvec::ArrayVec;
use mirrorscope_dissectors::{Network, Transport};
use mirrorscope_engine::flow::{Endpoint, Side, community_id, protocol};
use mirrorscope_engine::point::PointId;
use mirrorscope_engine::receive::{Delivery, Frame, Mirrored, Receiver};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::stream::{Cause, Counts, Event, Gap, Policy, Segment, Streams};
use mirrorscope_engine::table::{Map, fetch};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{FlowHandle, Sight, Tracked, Tracker};
use mirrorscope_engine::{BATCH, Engine, Sink};

use super::select::Selector;
use crate::command::choice::Choice;
use crate::output::follow::{Conversation, Place};
use crate::pipeline::Consumer;

/// Gets what comes of the chosen flows.
pub trait Store {
    /// Takes one event.
    fn event(&mut self, flow: Which, event: Event<'_>) -> Result<()>;

    /// Has brought near what is known of a direction whose flow has this place.
    fn fetch(&self, _place: usize, _side: Side) {}

    /// The same for what waits there, if this is near.
    fn fetch_end(&self, _place: usize, _side: Side) {}
}

/// One of the chosen flows.
#[derive(Clone, Copy, Debug)]
pub struct Which {
    /// Its number among all flows.
    pub serial: u64,
    /// Its place among the chosen ones, which are in the order of their numbers.
    pub place: usize,
}

/// A chosen flow.
pub struct Followed {
    serial: u64,
    handle: FlowHandle,
    /// Points that saw it, with packets of each side.
    points: Vec<(PointId, [u64; 2])>,
    /// What happened in each direction.
    counts: [Counts; 2],
    first_gaps: [Option<Gap>; 2],
    /// Bytes of datagrams so far.
    offsets: [u64; 2],
}

/// Takes frames, and follows the flows that are meant.
pub struct Collector<S> {
    engine: Engine,
    chosen: Chosen<S>,
}

/// The flows that are meant.
struct Chosen<S> {
    /// All flows, if nobody says which.
    selector: Option<Selector>,
    choice: Choice,
    /// Number of the first flow that was not looked at yet.
    next: u64,
    streams: Streams,
    flows: Vec<Followed>,
    /// Where in `flows` each number is.
    places: Map<u64, usize>,
    /// Flows that are meant and carry no stream, by protocol.
    others: BTreeMap<u8, u64>,
    store: S,
}

impl<S: Store> Collector<S> {
    /// Follows what a selector means, or everything, as far as the filter wants it.
    pub fn new(
        engine: Engine,
        (selector, choice): (Option<Selector>, Choice),
        policy: Policy,
        store: S,
    ) -> Self {
        Self {
            engine,
            chosen: Chosen {
                selector,
                choice,
                next: 0,
                streams: Streams::new(policy),
                flows: Vec::new(),
                places: Map::default(),
                others: BTreeMap::new(),
                store,
            },
        }
    }

    /// Ends the capture.
    pub fn finish(mut self) -> Result<Collected<S>> {
        let mut result = Ok(());
        let Self { engine, chosen } = &mut self;
        engine.finish_with(|mirrored, tracked, flows| {
            chosen.packet(&mut result, mirrored, tracked, flows);
        });
        result?;
        let Self { engine, chosen } = self;
        let Chosen {
            mut streams,
            mut flows,
            places,
            others,
            mut store,
            ..
        } = chosen;
        let mut result = Ok(());
        streams.finish(&mut |flow, event| {
            keep(
                &mut result,
                &mut flows,
                &mut store,
                places.get(&flow),
                event,
            );
        });
        result?;
        Ok(Collected {
            engine,
            flows,
            others,
            store,
            refused: streams.refused,
        })
    }
}

/// Counts an event, and hands it on unless an earlier one failed.
fn keep<S: Store>(
    result: &mut Result<()>,
    flows: &mut [Followed],
    store: &mut S,
    place: Option<&usize>,
    event: Event<'_>,
) {
    let Some((&place, followed)) = place.and_then(|place| Some((place, flows.get_mut(*place)?)))
    else {
        return;
    };
    match event {
        Event::Gap(gap) => followed.gap(gap),
        Event::End { side, counts, .. } => {
            if let Some(slot) = followed.counts.get_mut(side) {
                *slot = counts;
            }
        }
        Event::Data { .. } | Event::Note { .. } => {}
    }
    if result.is_ok() {
        let serial = followed.serial;
        *result = store.event(Which { serial, place }, event);
    }
}

impl<S: Store> Chosen<S> {
    fn add(&mut self, serial: u64, handle: FlowHandle) {
        let number = handle.key.protocol;
        if !matches!(number, protocol::TCP | protocol::UDP) {
            *self.others.entry(number).or_default() += 1;
            return;
        }
        self.places.insert(serial, self.flows.len());
        self.flows.push(Followed {
            serial,
            handle,
            points: Vec::new(),
            counts: [Counts::default(); 2],
            first_gaps: [None; 2],
            offsets: [0; 2],
        });
    }

    /// Has brought near what will be needed for packets of such flows.
    fn ahead(&self, flows: impl Iterator<Item = (u64, Side)>) {
        let flows: ArrayVec<_, BATCH> = flows.take(BATCH).collect();
        let mut near = ArrayVec::<_, BATCH>::new();
        for &(flow, side) in &flows {
            if let Some(&place) = self.places.get(&flow)
                && let Some(followed) = self.flows.get(place)
            {
                followed.fetch();
                self.store.fetch(place, side);
                near.push((followed, place, side));
            }
        }
        self.streams.ahead(&flows);
        for (followed, place, side) in near {
            followed.fetch_points();
            self.store.fetch_end(place, side);
        }
    }

    /// Takes a packet if its flow is meant, unless an earlier one failed.
    fn packet(
        &mut self,
        result: &mut Result<()>,
        mirrored: &Mirrored<'_>,
        tracked: Option<Tracked>,
        flows: &Tracker,
    ) {
        let (Some(tracked), Network::Ip(ip), true) =
            (tracked, &mirrored.shown.packet.network, result.is_ok())
        else {
            return;
        };
        let handle = flows.flow(tracked);
        if tracked.flow >= self.next {
            self.next = tracked.flow + 1;
            let meant = |handle: &FlowHandle| {
                let selector = self.selector.as_ref();
                selector.is_none_or(|selector| selector.matches(&handle.key, handle.born))
                    && self.choice.wants(Some(tracked), flows) == Some(true)
            };
            if let Some(handle) = handle.filter(meant) {
                self.add(tracked.flow, handle);
            }
        }
        if let Some(&place) = self.places.get(&tracked.flow)
            && let Some(followed) = self.flows.get_mut(place)
        {
            if let Some(handle) = handle {
                // Nothing else of it changes.
                followed.handle.originator = handle.originator;
            }
            // Fragments were counted before; their data comes with the whole datagram.
            if mirrored.shown.delivery != Delivery::Joined {
                followed.note(mirrored.shown.point, tracked.side);
            }
            if ip.fragment.is_none() {
                *result = self.take(tracked, place, mirrored.shown.time, &ip.transport);
            }
        }
    }

    fn take(
        &mut self,
        tracked: Tracked,
        place: usize,
        time: Timestamp,
        transport: &Transport<'_>,
    ) -> Result<()> {
        let Tracked {
            flow: serial,
            side,
            sight,
            ..
        } = tracked;
        let Self {
            streams,
            flows,
            places,
            store,
            ..
        } = self;
        let mut result = Ok(());
        match transport {
            Transport::Tcp(tcp) => {
                let segment = Segment::new(tcp, time);
                streams.push(serial, side, &segment, &mut |flow, event| {
                    // Nearly all that comes of a segment is of its own flow.
                    let place = if flow == serial {
                        Some(&place)
                    } else {
                        places.get(&flow)
                    };
                    keep(&mut result, flows, store, place, event);
                });
            }
            // Nothing in a datagram tells a copy from another that says the same.
            Transport::Udp(udp) if sight == Sight::Fresh => {
                if let Some(followed) = flows.get_mut(place) {
                    followed.datagram(side, time, udp.payload, udp.payload_len, &mut |event| {
                        if result.is_ok() {
                            result = store.event(Which { serial, place }, event);
                        }
                    });
                }
            }
            _ => {}
        }
        result
    }
}

impl Followed {
    /// Has it brought near.
    fn fetch(&self) {
        fetch(&self.serial);
        fetch(&self.handle.originator);
        fetch(&self.points);
    }

    /// The same of its points, if it is near.
    fn fetch_points(&self) {
        if let Some(first) = self.points.first() {
            fetch(first);
        }
    }

    /// Notes which point showed a packet.
    fn note(&mut self, point: PointId, side: Side) {
        let index = self.points.iter().position(|(id, _)| *id == point);
        let index = index.unwrap_or_else(|| {
            self.points.push((point, [0; 2]));
            self.points.len() - 1
        });
        let packets = self.points.get_mut(index);
        if let Some(count) = packets.and_then(|(_, packets)| packets.get_mut(side)) {
            *count += 1;
        }
    }

    /// A datagram is a chunk of its own; what was cut from it is a gap.
    fn datagram(
        &mut self,
        side: Side,
        time: Timestamp,
        payload: &[u8],
        len: u32,
        sink: &mut dyn FnMut(Event<'_>),
    ) {
        let (Some(offset), Some(counts)) = (self.offsets.get_mut(side), self.counts.get_mut(side))
        else {
            return;
        };
        if !payload.is_empty() {
            sink(Event::Data {
                side,
                time,
                offset: *offset,
                bytes: payload,
            });
        }
        let present = payload.len() as u64;
        let cut = u64::from(len).saturating_sub(present);
        *offset += present;
        counts.delivered += present;
        if cut > 0 {
            let gap = Gap {
                side,
                offset: *offset,
                len: cut,
                from: Some(time),
                to: Some(time),
                cause: Cause::Truncated,
            };
            *offset += cut;
            counts.missing += cut;
            counts.gaps += 1;
            self.gap(gap);
            sink(Event::Gap(gap));
        }
    }

    /// Remembers the first of each direction.
    fn gap(&mut self, gap: Gap) {
        if let Some(first) = self.first_gaps.get_mut(gap.side) {
            first.get_or_insert(gap);
        }
    }

    /// Its number among all flows.
    pub fn serial(&self) -> u64 {
        self.serial
    }

    /// Side of the originator.
    pub fn originator(&self) -> Side {
        self.handle.originator
    }

    /// Points that saw it.
    pub fn points(&self) -> impl Iterator<Item = PointId> + '_ {
        self.points.iter().map(|(id, _)| *id)
    }

    /// Its id.
    pub fn id(&self) -> String {
        self.handle.key.id(self.handle.born)
    }

    /// What happened in the direction of a side.
    pub fn counts(&self, side: Side) -> Counts {
        self.counts.get(side).copied().unwrap_or_default()
    }

    /// The first bytes that are missing in the direction of a side.
    pub fn first_gap(&self, side: Side) -> Option<Gap> {
        self.first_gaps.get(side).copied().flatten()
    }

    /// `tcp` or `udp`.
    pub fn protocol(&self) -> &'static str {
        if self.handle.key.protocol == protocol::TCP {
            "tcp"
        } else {
            "udp"
        }
    }

    /// Originator and responder.
    pub fn ends(&self) -> [Endpoint; 2] {
        let originator = self.originator();
        [originator, 1 - originator].map(|side| self.handle.key.end(side))
    }

    /// What the head of an output tells.
    pub fn conversation(&self, receiver: &Receiver) -> Conversation {
        let originator = self.originator();
        let sides = [originator, 1 - originator];
        let points = self.points.iter().filter_map(|(id, packets)| {
            let point = receiver.points().all().get(id.0 as usize)?;
            Some(Place {
                point: point.name.clone(),
                site: point.site.clone(),
                packets: sides.map(|side| packets.get(side).copied().unwrap_or_default()),
            })
        });
        Conversation {
            id: self.id(),
            community_id: community_id(&self.handle.key, originator),
            proto: self.protocol(),
            ends: self.ends(),
            points: points.collect(),
            counts: sides.map(|side| self.counts(side)),
        }
    }
}

/// Takes packets until something fails.
struct Packets<'a, S> {
    chosen: &'a mut Chosen<S>,
    result: &'a mut Result<()>,
}

impl<S: Store> Sink for Packets<'_, S> {
    fn ahead(&mut self, flows: impl Iterator<Item = (u64, Side)>) {
        self.chosen.ahead(flows);
    }

    fn packet(
        &mut self,
        _index: usize,
        mirrored: &Mirrored<'_>,
        taken: Option<Tracked>,
        flows: &Tracker,
    ) {
        self.chosen.packet(self.result, mirrored, taken, flows);
    }
}

impl<S: Store> Consumer for Collector<S> {
    fn receiver(&mut self) -> Option<&mut Receiver> {
        Some(self.engine.receiver())
    }

    fn engine(&mut self) -> Option<&mut Engine> {
        Some(&mut self.engine)
    }

    fn reload(&mut self, sites: Sites, _now: Timestamp) {
        self.engine.reload(sites);
    }

    fn frames(&mut self, frames: &[Frame<'_>]) -> Result<()> {
        let Self { engine, chosen } = self;
        let mut result = Ok(());
        let mut packets = Packets {
            chosen,
            result: &mut result,
        };
        engine.frames_into(frames, &mut packets);
        result
    }

    fn flows(&self) -> usize {
        self.engine.flow_count()
    }
}

/// What is there at the end.
pub struct Collected<S> {
    /// The engine, to ask about points and losses.
    pub engine: Engine,
    /// The chosen flows, in order of appearance.
    pub flows: Vec<Followed>,
    /// Flows that are meant and carry no stream, by protocol number.
    pub others: BTreeMap<u8, u64>,
    /// Where the events went.
    pub store: S,
    /// Segments of streams that had been given up for others.
    pub refused: u64,
}
