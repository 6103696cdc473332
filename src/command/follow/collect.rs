//! Frames in, events of the chosen flows out.

use std::collections::{BTreeMap, HashMap};

use anyhow::Result;
use mirrorscope_dissectors::{Network, Transport};
use mirrorscope_engine::Engine;
use mirrorscope_engine::flow::{Endpoint, Side, community_id, protocol};
use mirrorscope_engine::point::PointId;
use mirrorscope_engine::receive::{Frame, Mirrored, Receiver};
use mirrorscope_engine::stream::{Cause, Counts, Event, Gap, Policy, Segment, Streams};
use mirrorscope_engine::time::Timestamp;
use mirrorscope_engine::track::{FlowHandle, Sight, Tracked};

use super::select::Selector;
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
    selector: Option<Selector>,
    chosen: Chosen<S>,
    /// Number of the first flow that was not looked at yet.
    next: u64,
    /// Packets of flows that began with this frame.
    fresh: Vec<Taken<Vec<u8>>>,
}

/// The flows that are meant.
struct Chosen<S> {
    streams: Streams,
    flows: HashMap<u64, Followed>,
    /// Flows that are meant and carry no stream, by protocol.
    others: BTreeMap<u8, u64>,
    store: S,
}

/// A packet of a flow; `B` are bytes.
struct Taken<B> {
    tracked: Tracked,
    point: PointId,
    time: Timestamp,
    content: Content<B>,
}

enum Content<B> {
    Tcp {
        /// Everything but the payload.
        segment: Segment<'static>,
        payload: B,
    },
    Udp {
        payload: B,
        /// As it was sent.
        len: u32,
    },
    Other,
}

impl<'a> Taken<&'a [u8]> {
    fn new(mirrored: &Mirrored<'a>, tracked: Tracked) -> Self {
        let transport = match &mirrored.packet.network {
            Network::Ip(ip) => &ip.transport,
            _ => &Transport::Other,
        };
        let content = match transport {
            Transport::Tcp(tcp) => {
                let segment = Segment::new(tcp, mirrored.time);
                Content::Tcp {
                    payload: segment.payload,
                    segment: Segment {
                        payload: &[],
                        ..segment
                    },
                }
            }
            Transport::Udp(udp) => Content::Udp {
                payload: udp.payload,
                len: udp.payload_len,
            },
            _ => Content::Other,
        };
        Self {
            tracked,
            point: mirrored.point,
            time: mirrored.time,
            content,
        }
    }

    fn to_owned(&self) -> Taken<Vec<u8>> {
        let Self {
            tracked,
            point,
            time,
            ..
        } = *self;
        let content = match self.content {
            Content::Tcp { segment, payload } => Content::Tcp {
                segment,
                payload: payload.to_vec(),
            },
            Content::Udp { payload, len } => Content::Udp {
                payload: payload.to_vec(),
                len,
            },
            Content::Other => Content::Other,
        };
        Taken {
            tracked,
            point,
            time,
            content,
        }
    }
}

impl<S: Store> Collector<S> {
    /// Follows what `selector` means, or everything.
    pub fn new(engine: Engine, selector: Option<Selector>, policy: Policy, store: S) -> Self {
        Self {
            engine,
            selector,
            chosen: Chosen {
                streams: Streams::new(policy),
                flows: HashMap::new(),
                others: BTreeMap::new(),
                store,
            },
            next: 0,
            fresh: Vec::new(),
        }
    }

    /// Looks at flows that began, and at their packets.
    fn look(&mut self) -> Result<()> {
        for taken in std::mem::take(&mut self.fresh) {
            let serial = taken.tracked.flow;
            if serial >= self.next {
                self.next = serial + 1;
                if let Some(handle) = self.engine.flow(serial) {
                    let meant = |selector: &Selector| selector.matches(&handle.key, handle.born);
                    if self.selector.as_ref().is_none_or(meant) {
                        self.chosen.add(serial, handle);
                    }
                }
            }
            self.chosen.take(&taken)?;
        }
        Ok(())
    }

    /// Ends the capture.
    pub fn finish(mut self) -> Result<Collected<S>> {
        let mut result = Ok(());
        let Self {
            engine,
            chosen,
            next,
            fresh,
            ..
        } = &mut self;
        engine.finish_with(|mirrored, tracked| {
            take(&mut result, chosen, *next, fresh, mirrored, tracked);
        });
        result?;
        self.look()?;
        let Self { engine, chosen, .. } = self;
        let Chosen {
            mut streams,
            mut flows,
            others,
            mut store,
        } = chosen;
        let mut result = Ok(());
        streams.finish(&mut |flow, event| keep(&mut result, &mut flows, &mut store, flow, event));
        result?;
        let mut flows: Vec<(u64, Followed)> = flows.into_iter().collect();
        flows.sort_by_key(|(serial, _)| *serial);
        for (serial, flow) in &mut flows {
            flow.handle = engine.flow(*serial).unwrap_or(flow.handle);
        }
        Ok(Collected {
            engine,
            flows,
            others,
            store,
            refused: streams.refused,
        })
    }
}

/// Takes a packet at once if its flow is known, else once the flow can be asked for.
fn take<S: Store>(
    result: &mut Result<()>,
    chosen: &mut Chosen<S>,
    next: u64,
    fresh: &mut Vec<Taken<Vec<u8>>>,
    mirrored: &Mirrored<'_>,
    tracked: Tracked,
) {
    if result.is_err() {
        return;
    }
    if tracked.flow >= next {
        fresh.push(Taken::new(mirrored, tracked).to_owned());
    } else if chosen.flows.contains_key(&tracked.flow) {
        *result = chosen.take(&Taken::new(mirrored, tracked));
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

    fn take<B: AsRef<[u8]>>(&mut self, taken: &Taken<B>) -> Result<()> {
        let Taken {
            tracked,
            point,
            time,
            content,
        } = taken;
        let Tracked { flow, side, sight } = *tracked;
        let Some(followed) = self.flows.get_mut(&flow) else {
            return Ok(());
        };
        followed.note(*point, side);
        let mut result = Ok(());
        match content {
            Content::Tcp { segment, payload } => {
                let segment = Segment {
                    payload: payload.as_ref(),
                    ..*segment
                };
                let Self {
                    streams,
                    flows,
                    store,
                    ..
                } = self;
                streams.push(flow, side, &segment, &mut |flow, event| {
                    keep(&mut result, flows, store, flow, event);
                });
            }
            // Nothing in a datagram tells a copy from another that says the same.
            Content::Udp { payload, len } if sight == Sight::Fresh => {
                followed.datagram(side, *time, payload.as_ref(), *len, &mut |event| {
                    if result.is_ok() {
                        result = self.store.event(flow, event);
                    }
                });
            }
            Content::Udp { .. } | Content::Other => {}
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

    fn frame(&mut self, frame: &Frame<'_>) -> Result<()> {
        let mut result = Ok(());
        let Self {
            engine,
            chosen,
            next,
            fresh,
            ..
        } = self;
        engine.frame_with(frame, |mirrored, tracked| {
            take(&mut result, chosen, *next, fresh, mirrored, tracked);
        });
        result?;
        if self.fresh.is_empty() {
            return Ok(());
        }
        self.look()
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
