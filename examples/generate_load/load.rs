//! A large ERSPAN II load: many TCP flows, interleaved, each packet mirrored at two points; written as a capture, or handed
//! over frame by frame.
//!
//! Only headers differ between packets, so that making them costs little. TCP checksums are zero, as on hosts that
//! leave them to the network card.

use std::collections::VecDeque;
use std::io::{self, Write};
use std::ops::ControlFlow;

use mirrorscope_capture::writer::PcapWriter;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};

#[path = "../../src/random.rs"]
pub mod random;

use random::Random;

/// 2026-03-02T09:00:00Z in nanoseconds since the Unix epoch.
const START: i64 = 1_772_442_000_000_000_000;
/// Time between two packets on the wire.
const GAP: i64 = 1_700;
/// The second point sees a packet after so many others passed the first.
const BEHIND: i64 = 5;
/// Outer Ethernet, IPv4, GRE with a sequence number, ERSPAN II.
const OUTER: usize = 14 + 20 + 8 + 8;
const INNER: usize = OUTER + 14;
const TCP: usize = INNER + 20;
/// TCP with timestamps.
const HEADERS: usize = 14 + 20 + 32;

/// What to write.
#[derive(Clone, Copy, Debug)]
pub struct Load {
    /// Mirrored packets: half of them at each point.
    pub packets: u64,
    /// TCP flows; with fewer than 16 packets each, some stay unfinished.
    pub flows: u32,
    pub seed: u64,
    /// Number of the first flow: its addresses and ports follow from it.
    pub first: u32,
    /// Packets of one flow in a row. One is the hardest: nothing of a flow is still in a cache when its next packet comes.
    pub train: u32,
    /// Nothing but acknowledgements: the most frames that a link can carry.
    pub small: bool,
}

/// Who hears of a frame: its time, and its bytes. It may say that it wants no more.
pub trait Each: FnMut(i64, &[u8]) -> ControlFlow<io::Result<()>> {}

impl<F: FnMut(i64, &[u8]) -> ControlFlow<io::Result<()>>> Each for F {}

/// One flow's numbers: of the client and the server.
#[derive(Clone, Copy)]
struct Flow {
    next: [u32; 2],
    left: u64,
    step: u8,
}

const SYN: u8 = 0x02;
const ACK: u8 = 0x10;
const PSH_ACK: u8 = 0x18;
const FIN_ACK: u8 = 0x11;

impl Load {
    /// Writes the capture.
    pub fn write<W: Write>(&self, out: W) -> io::Result<W> {
        let mut writer = PcapWriter::new(out, 1, 0)?;
        let ends = [(1, 101), (3, 201)].map(|(source, session)| {
            let outer = Outer::new([10, 60, 0, source].into(), [10, 60, 0, 9].into());
            (outer, session)
        });
        self.frames(ends, |time, frame| {
            match writer.write(time, frame.len() as u32, frame) {
                Ok(()) => ControlFlow::Continue(()),
                error => ControlFlow::Break(error),
            }
        })?;
        writer.finish()
    }

    /// Makes the frames one after the other. `points`: the outer addresses and the id of each point's session.
    pub fn frames(&self, points: [(Outer, u16); 2], mut each: impl Each) -> io::Result<()> {
        match self.make(points, &mut each) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(result) => result,
        }
    }

    fn make(&self, points: [(Outer, u16); 2], each: &mut impl Each) -> ControlFlow<io::Result<()>> {
        let mut random = Random::new(self.seed);
        let distinct = self.packets / 2;
        let share = (distinct / u64::from(self.flows.max(1))).max(1);
        let mut flows: Vec<Flow> = (0..self.flows)
            .map(|_| Flow {
                next: [random.next() as u32, random.next() as u32],
                left: share,
                step: 0,
            })
            .collect();
        let mut active: Vec<u32> = (0..self.flows).collect();
        let mut frames = Frames::new(points);
        let mut time = START;
        // Whole rounds leave a rest, which goes to the first flow.
        if let Some(first) = flows.first_mut() {
            first.left += distinct.saturating_sub(share * u64::from(self.flows));
        }
        let mut slot = 0;
        for packet in 0..distinct {
            // Flows live in a window of the table, so that they begin and end all the time.
            let window = active.len().min((self.flows as usize / 4).max(64)) as u64;
            if window == 0 {
                break;
            }
            if slot as u64 >= window || packet % u64::from(self.train) == 0 {
                slot = random.below(window) as usize;
            }
            let number = active[slot];
            let flow = &mut flows[number as usize];
            let number = self.first.wrapping_add(number);
            let (side, flags, len) = flow.step(&mut random, self.small);
            frames.send(each, time, number, flow, side, flags, len)?;
            let taken = len as u32 + u32::from(flags & (SYN | 1) != 0);
            flow.next[side] = flow.next[side].wrapping_add(taken);
            flow.left -= 1;
            if flow.left == 0 {
                let last = active.len() - 1;
                active.swap(slot, window as usize - 1);
                active.swap(window as usize - 1, last);
                active.pop();
            }
            time += GAP;
        }
        while frames.forward(each)? {}
        ControlFlow::Continue(())
    }
}

impl Flow {
    /// Who sends what next: flags and payload bytes.
    fn step(&mut self, random: &mut Random, small: bool) -> (usize, u8, usize) {
        self.step = self.step.saturating_add(1);
        match (self.step, self.left) {
            (1, _) => (0, SYN, 0),
            (2, _) => (1, SYN | ACK, 0),
            (3, _) | (_, 1) => (0, ACK, 0),
            (_, 3) => (0, FIN_ACK, 0),
            (_, 2) => (1, FIN_ACK, 0),
            // Requests are small, answers fill segments, and every other packet only acknowledges.
            _ if small => (random.below(2) as usize, ACK, 0),
            _ => match random.below(100) {
                0..35 => (0, ACK, 0),
                35..50 => (1, ACK, 0),
                50..65 => (0, PSH_ACK, 80 + random.below(500) as usize),
                65..80 => (1, PSH_ACK, 100 + random.below(900) as usize),
                _ => (1, ACK, 1448),
            },
        }
    }
}

/// One template for each point and length of payload is patched again and again.
struct Frames {
    templates: [Vec<u8>; 2],
    sequence: [u32; 2],
    /// Packets that the second point is yet to see.
    waiting: VecDeque<(i64, Vec<u8>)>,
    spare: Vec<Vec<u8>>,
}

impl Frames {
    fn new(points: [(Outer, u16); 2]) -> Self {
        let templates = points.map(|(outer, session)| {
            let outer = Outer {
                dont_fragment: true,
                ..outer
            };
            let erspan = Wrap::Erspan2 {
                session,
                vlan: 120,
                cos: 0,
                en: 0,
                truncated: false,
                index: 1,
                sequence: 0,
            };
            let mut frame = Vec::new();
            wrap(&outer, &erspan, &inner(), &mut frame);
            frame
        });
        Self {
            templates,
            sequence: [0; 2],
            waiting: VecDeque::new(),
            spare: Vec::new(),
        }
    }

    #[expect(clippy::too_many_arguments, reason = "all that a packet consists of")]
    fn send(
        &mut self,
        each: &mut impl Each,
        time: i64,
        number: u32,
        flow: &Flow,
        side: usize,
        flags: u8,
        len: usize,
    ) -> ControlFlow<io::Result<()>> {
        let client = [10, 9, (number >> 8) as u8, number as u8];
        let server = [10, 20, 0, 50 + (number % 100) as u8];
        let port = (32_768 + (number >> 16)) as u16;
        let [source, destination] = if side == 0 {
            [client, server]
        } else {
            [server, client]
        };
        let ports = if side == 0 { [port, 443] } else { [443, port] };
        let acknowledged = if flags & ACK == 0 {
            0
        } else {
            flow.next[1 - side]
        };
        let frame = &mut self.templates[0];
        let mac = |last| [0x02, 0, 0, 0, 0x01, last];
        put(frame, OUTER, &mac([0x11, 0x50][1 - side]));
        put(frame, OUTER + 6, &mac([0x11, 0x50][side]));
        put(
            frame,
            INNER + 2,
            &((HEADERS - 14 + len) as u16).to_be_bytes(),
        );
        put(frame, INNER + 8, &[[62, 64][side]]);
        put(frame, INNER + 10, &[0, 0]);
        put(frame, INNER + 12, &source);
        put(frame, INNER + 16, &destination);
        let sum = checksum(&frame[INNER..INNER + 20]);
        put(frame, INNER + 10, &sum.to_be_bytes());
        put(frame, TCP, &ports[0].to_be_bytes());
        put(frame, TCP + 2, &ports[1].to_be_bytes());
        put(frame, TCP + 4, &flow.next[side].to_be_bytes());
        put(frame, TCP + 8, &acknowledged.to_be_bytes());
        put(frame, TCP + 13, &[flags]);
        let mut copy = self.spare.pop().unwrap_or_default();
        copy.clear();
        copy.extend_from_slice(&frame[OUTER..OUTER + HEADERS]);
        self.waiting
            .push_back((time + BEHIND * GAP + GAP / 2, copy));
        self.give(each, 0, time, HEADERS + len)?;
        if self.waiting.len() > BEHIND as usize {
            self.forward(each)?;
        }
        ControlFlow::Continue(())
    }

    /// Lets the second point see the packet that waits longest.
    fn forward(&mut self, each: &mut impl Each) -> ControlFlow<io::Result<()>, bool> {
        let Some((time, copy)) = self.waiting.pop_front() else {
            return ControlFlow::Continue(false);
        };
        put(&mut self.templates[1], OUTER, &copy);
        let len = usize::from(u16::from_be_bytes([copy[16], copy[17]])) + 14;
        self.spare.push(copy);
        self.give(each, 1, time, len)?;
        ControlFlow::Continue(true)
    }

    /// Fills in the outer headers and hands the frame over.
    fn give(
        &mut self,
        each: &mut impl Each,
        point: usize,
        time: i64,
        inner_len: usize,
    ) -> ControlFlow<io::Result<()>> {
        let frame = &mut self.templates[point];
        let len = OUTER + inner_len;
        put(frame, 16, &((len - 14) as u16).to_be_bytes());
        put(frame, 24, &[0, 0]);
        let sum = checksum(&frame[14..34]);
        put(frame, 24, &sum.to_be_bytes());
        put(frame, 38, &self.sequence[point].to_be_bytes());
        self.sequence[point] = self.sequence[point].wrapping_add(1);
        each(time, &frame[..len])
    }
}

/// An inner frame of full size: headers to be filled in, and text.
fn inner() -> Vec<u8> {
    let mut frame = vec![0; HEADERS];
    put(
        &mut frame,
        12,
        &[0x08, 0x00, 0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 6],
    );
    // TCP: 32 bytes of header, a window, two fillers and a timestamp.
    put(&mut frame, 34 + 12, &[0x80, 0, 0x01, 0xf6]);
    put(&mut frame, 34 + 20, &[1, 1, 8, 10, 0, 1, 2, 3, 0, 4, 5, 6]);
    frame.extend(
        b"The quick brown fox jumps over the lazy dog. "
            .iter()
            .cycle()
            .take(1448),
    );
    frame
}

fn put(frame: &mut [u8], at: usize, bytes: &[u8]) {
    frame[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The Internet checksum of an even number of bytes (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let sum: u32 = bytes
        .chunks_exact(2)
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    let sum = (sum & 0xffff) + (sum >> 16);
    !((sum & 0xffff) + (sum >> 16)) as u16
}
