//! Flows that begin, talk and end side by side, and the points that see their packets.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use serde::{Deserialize, Serialize};

use crate::conversation::{Conversation, SHORTEST, Sent, Sizes};
use crate::random::Random;

/// Nanoseconds that a packet needs from one point to the next.
const HOP: u64 = 8_300;
/// Nanoseconds from one packet to the next, of flows that never end.
const ENDLESS_GAP: u64 = 1_000;
/// No flow has more packets than so many times those of the shortest.
const LONGEST: f64 = 400.0;

/// Which flows there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mix {
    pub flows: u32,
    /// Packets at the first point, about.
    pub packets: u64,
    pub sizes: Sizes,
    /// Of a hundred flows, so many are a question and an answer by UDP.
    pub udp: u32,
    pub lives: Lives,
    pub places: Places,
}

/// How flows come and go.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Lives {
    /// All are alive nearly all the time; few have most of the packets (a Pareto distribution).
    Long,
    /// Each is soon over.
    Short,
    /// All begin, then whichever chance picks goes on, and none ends.
    Endless,
}

/// Where packets are seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Places {
    /// So many points in a row, each of which sees everything.
    Row(u8),
    /// Two sites, each with a firewall and an end of the interconnect; of ten flows four pass the first site alone, three the
    /// second, two the firewall of the first and the interconnect, and of one the answers go past all of that.
    TwoSites,
}

/// A packet at a point.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// Nanoseconds since the beginning.
    pub time: u64,
    /// Number of the flow.
    pub flow: u32,
    pub udp: bool,
    pub point: u8,
    /// Points that saw it before.
    pub hops: u8,
    /// How many packets the first points saw before.
    pub number: u32,
    pub sent: Sent,
}

/// What was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Made {
    /// Packets at all points.
    pub packets: u64,
    pub flows: u64,
    /// Flows whose answers take another way.
    pub asymmetric: u64,
}

impl Places {
    pub fn is_asymmetric(self, flow: u32) -> bool {
        self == Self::TwoSites && flow % 10 == 9
    }

    /// The points that a packet passes, in order.
    fn of(self, flow: u32, side: usize) -> &'static [u8] {
        const ROW: [u8; 16] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
        match (self, flow % 10, side) {
            (Self::Row(points), ..) => &ROW[..usize::from(points)],
            (Self::TwoSites, 0..4, _) => &[0],
            (Self::TwoSites, 4..7, _) | (Self::TwoSites, 9, 1) => &[2],
            (Self::TwoSites, 7..9, 1) => &[3, 1, 0],
            (Self::TwoSites, ..) => &[0, 1, 3],
        }
    }
}

/// A flow that is under way.
struct Open {
    number: u32,
    udp: bool,
    conversation: Conversation,
}

/// Makes all packets of a mix in the order of time.
pub struct Traffic {
    mix: Mix,
    random: Random,
    /// Packets of each flow, where they differ.
    lengths: Vec<u32>,
    /// Next packet of each flow that is under way: its time and its place in `open`.
    due: BinaryHeap<Reverse<(u64, u32)>>,
    open: Vec<Open>,
    free: Vec<u32>,
    begun: u32,
    number: u32,
    /// Nanoseconds that all of it takes.
    lasts: u64,
    /// Packets that are on their way to the second point, the third, …
    coming: Vec<VecDeque<Seen>>,
    pub made: Made,
}

impl Traffic {
    pub fn new(mix: Mix, seed: u64) -> Self {
        let mut random = Random::new(seed);
        let lengths = if mix.lives == Lives::Long {
            lengths(mix, &mut random)
        } else {
            Vec::new()
        };
        Self {
            // 250,000 packets a second.
            lasts: mix.packets * 4_000,
            lengths,
            random,
            mix,
            due: BinaryHeap::new(),
            open: Vec::new(),
            free: Vec::new(),
            begun: 0,
            number: 0,
            coming: Vec::new(),
            made: Made::default(),
        }
    }

    /// When the next flow begins.
    fn next_begin(&self) -> Option<u64> {
        let span = match self.mix.lives {
            Lives::Long => self.lasts / 20,
            Lives::Short => self.lasts,
            Lives::Endless => return None,
        };
        let flows = self.mix.flows;
        (self.begun < flows)
            .then(|| (u128::from(span) * u128::from(self.begun) / u128::from(flows)) as u64)
    }

    fn begin(&mut self, time: u64) {
        let place = self.open_next();
        self.due.push(Reverse((time, place)));
    }

    /// Opens the next flow; gives its place.
    fn open_next(&mut self) -> u32 {
        let number = self.begun;
        self.begun += 1;
        let udp = number % 100 < self.mix.udp;
        let random = &mut self.random;
        let conversation = if udp {
            Conversation::udp(random)
        } else {
            let (packets, lasts) = match self.mix.lives {
                Lives::Long => (self.lengths[number as usize], self.lasts),
                Lives::Short => (SHORTEST, 0),
                Lives::Endless => (u32::MAX, 0),
            };
            Conversation::tcp(packets, lasts, self.mix.sizes, random)
        };
        let open = Open {
            number,
            udp,
            conversation,
        };
        let place = if let Some(place) = self.free.pop() {
            self.open[place as usize] = open;
            place
        } else {
            self.open.push(open);
            self.open.len() as u32 - 1
        };
        self.made.flows += 1;
        self.made.asymmetric += u64::from(self.mix.places.is_asymmetric(number));
        place
    }

    /// Time and flow of the next packet where flows never end.
    fn any(&mut self) -> Option<(u64, u32)> {
        if u64::from(self.number) == self.mix.packets {
            return None;
        }
        let place = if self.begun < self.mix.flows {
            self.open_next()
        } else {
            self.random.below(u64::from(self.mix.flows)) as u32
        };
        Some((u64::from(self.number) * ENDLESS_GAP, place))
    }

    /// When the next packet passes its first point.
    fn due(&self) -> Option<u64> {
        match self.mix.lives {
            Lives::Endless => (u64::from(self.number) < self.mix.packets)
                .then(|| u64::from(self.number) * ENDLESS_GAP),
            _ => self.due.peek().map(|&Reverse((time, _))| time),
        }
    }

    /// The next packet at its first point; what sees it later is put aside.
    fn step(&mut self) -> Option<Seen> {
        let (time, place) = if self.mix.lives == Lives::Endless {
            self.any()?
        } else {
            self.due.pop()?.0
        };
        let flow = &mut self.open[place as usize];
        let sent = flow.conversation.step(&mut self.random);
        match sent.pause {
            _ if self.mix.lives == Lives::Endless => {}
            Some(pause) => self.due.push(Reverse((time + pause, place))),
            None => self.free.push(place),
        }
        let points = self.mix.places.of(flow.number, sent.side);
        let seen = Seen {
            time,
            flow: flow.number,
            udp: flow.udp,
            point: points[0],
            hops: 0,
            number: self.number,
            sent,
        };
        self.number = self.number.wrapping_add(1);
        for (hops, &point) in (1..).zip(&points[1..]) {
            if self.coming.len() < usize::from(hops) {
                self.coming.push(VecDeque::new());
            }
            self.coming[usize::from(hops) - 1].push_back(Seen {
                time: time + u64::from(hops) * HOP,
                point,
                hops,
                ..seen
            });
        }
        Some(seen)
    }
}

impl Iterator for Traffic {
    type Item = Seen;

    fn next(&mut self) -> Option<Seen> {
        while let Some(begin) = self.next_begin()
            && self.due().is_none_or(|time| begin <= time)
        {
            self.begin(begin);
        }
        let waiting = (0..self.coming.len())
            .filter_map(|hop| Some((self.coming[hop].front()?.time, hop)))
            .min();
        let seen = match (waiting, self.due()) {
            (Some((time, hop)), due) if due.is_none_or(|due| time < due) => {
                self.coming[hop].pop_front()
            }
            _ => self.step(),
        }?;
        self.made.packets += 1;
        Some(seen)
    }
}

/// Packets of each flow: few flows have most of them (a Pareto distribution).
fn lengths(mix: Mix, random: &mut Random) -> Vec<u32> {
    let weights: Vec<f64> = (0..mix.flows)
        .map(|_| {
            let uniform = (random.below(1 << 24) + 1) as f64 / f64::from(1 << 24);
            uniform.powf(-1.0 / 1.2).min(LONGEST)
        })
        .collect();
    let each = mix.packets as f64 / weights.iter().sum::<f64>();
    weights
        .iter()
        .map(|weight| ((weight * each) as u32).max(SHORTEST))
        .collect()
}
