//! Frames in, events of the chosen flows out.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use mirrorscope_dissectors::{Network, Transport};
use mirrorscope_engine::Engine;
use mirrorscope_engine::flow::{Endpoint, Side, community_id, protocol};
use mirrorscope_engine::point::PointId;
use mirrorscope_engine::receive::{Delivery, Frame, Mirrored, Receiver};
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::stream::{Cause, Counts, Event, Gap, Policy, Segment, Streams};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{FlowHandle, Sight, Tracked, Tracker};

use super::select::Selector;
use crate::command::choice::Choice;
use crate::output::follow::{Conversation, Place};
use crate::pipeline::Consumer;

/// Gets what comes of the chosen flows.
pub trait Store {
    /// Takes one event.
    fn event(&mut self, flow: u64, event: Event<'_>) -> Result<()>;
}

/// A chosen flow.
pub struct Followed {
    handle: FlowHandle,
    /// Points that saw it, with packets of each side.
    points: Vec<(PointId, [u64; 2])>,
    /// What happened in each direction.
    counts: [Counts; 2],
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
    flows: HashMap<u64, Followed>,
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
                flows: HashMap::new(),
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
            others,
            mut store,
            ..
        } = chosen;
        let mut result = Ok(());
        streams.finish(&mut |flow, event| keep(&mut result, &mut flows, &mut store, flow, event));
        result?;
        let mut flows: Vec<(u64, Followed)> = flows.into_iter().collect();
        flows.sort_by_key(|(serial, _)| *serial);
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
    flows: &mut HashMap<u64, Followed>,
    store: &mut S,
    flow: u64,
    event: Event<'_>,
) {
    if let Event::End { side, counts, .. } = event
        && let Some(slot) = flows.get_mut(&flow).and_then(|f| f.counts.get_mut(side))
    {
        *slot = counts;
    }
    if result.is_ok() {
        *result = store.event(flow, event);
    }
}

impl<S: Store> Chosen<S> {
    fn add(&mut self, serial: u64, handle: FlowHandle) {
        let number = handle.key.protocol;
        if !matches!(number, protocol::TCP | protocol::UDP) {
            *self.others.entry(number).or_default() += 1;
            return;
        }
        let flow = Followed {
            handle,
            points: Vec::new(),
            counts: [Counts::default(); 2],
            offsets: [0; 2],
        };
        self.flows.insert(serial, flow);
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
        if let Some(followed) = self.flows.get_mut(&tracked.flow) {
            followed.handle = handle.unwrap_or(followed.handle);
            // Fragments were counted before; their data comes with the whole datagram.
            if mirrored.shown.delivery != Delivery::Joined {
                followed.note(mirrored.shown.point, tracked.side);
            }
            if ip.fragment.is_none() {
                *result = self.take(tracked, mirrored.shown.time, &ip.transport);
            }
        }
    }

    fn take(&mut self, tracked: Tracked, time: Timestamp, transport: &Transport<'_>) -> Result<()> {
        let Tracked {
            flow, side, sight, ..
        } = tracked;
        let Self {
            streams,
            flows,
            store,
            ..
        } = self;
        let mut result = Ok(());
        match transport {
            Transport::Tcp(tcp) => {
                streams.push(flow, side, &Segment::new(tcp, time), &mut |flow, event| {
                    keep(&mut result, flows, store, flow, event);
                });
            }
            // Nothing in a datagram tells a copy from another that says the same.
            Transport::Udp(udp) if sight == Sight::Fresh => {
                if let Some(followed) = flows.get_mut(&flow) {
                    followed.datagram(side, time, udp.payload, udp.payload_len, &mut |event| {
                        if result.is_ok() {
                            result = store.event(flow, event);
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
            sink(Event::Gap(Gap {
                side,
                offset: *offset,
                len: cut,
                from: Some(time),
                to: Some(time),
                cause: Cause::Truncated,
            }));
            *offset += cut;
            counts.missing += cut;
            counts.gaps += 1;
        }
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
        for frame in frames {
            let mut result = Ok(());
            engine.frame_with(frame, |mirrored, tracked, flows| {
                chosen.packet(&mut result, mirrored, tracked, flows);
            });
            result?;
        }
        Ok(())
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
    pub flows: Vec<(u64, Followed)>,
    /// Flows that are meant and carry no stream, by protocol number.
    pub others: BTreeMap<u8, u64>,
    /// Where the events went.
    pub store: S,
    /// Segments of streams that had been given up for others.
    pub refused: u64,
}
