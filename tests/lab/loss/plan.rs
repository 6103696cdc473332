//! What is measured: by `tests/compare/loss` through the environment.

use std::fmt;
use std::time::Duration;

use mirrorscope_dissectors::encap::Outer;

use crate::load::Load;
use crate::machine::Machine;
use crate::sender::Offer;

/// What is measured.
#[derive(Debug)]
pub struct Plan {
    pub loads: Vec<Kind>,
    /// Buffers of both programs, in KiB.
    pub buffers: Vec<u32>,
    pub rounds: usize,
    pub time: Duration,
    /// Frames in a second, if not as many as can be.
    pub rate: Option<u64>,
    pub flows: u32,
    /// More options of mirrorscope.
    pub options: String,
    /// By how much, in percent of the load, mirrorscope may lose more.
    pub tolerance: f64,
}

/// A load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Sizes as they are in networks, to another station, as from a SPAN port: the kernel does nothing else with them, so
    /// that the sender is at its fastest.
    Mixed,
    /// Likewise, acknowledgements only: the most frames.
    Small,
    /// Sizes as they are in networks, to the collector's own address.
    Addressed,
    /// As mixed, in trains of eight packets of a flow.
    Trains,
    /// As mixed, by two threads: no processor is left to the receiver.
    Two,
}

impl Kind {
    const ALL: [(Self, &'static str); 5] = [
        (Self::Mixed, "mixed"),
        (Self::Small, "small"),
        (Self::Addressed, "addressed"),
        (Self::Trains, "trains"),
        (Self::Two, "two"),
    ];

    fn parse(name: &str) -> Self {
        let found = Self::ALL.iter().find(|(_, known)| *known == name);
        let names = Self::ALL.map(|(_, name)| name).join(", ");
        found
            .unwrap_or_else(|| panic!("{name}: no such load; there are: {names}"))
            .0
    }

    /// What each sender sends.
    pub fn offers(self, collector: &Machine, plan: &Plan) -> Vec<Offer> {
        let destination_mac = match self {
            Self::Addressed => collector.mac("eth0"),
            _ => [2, 0, 0, 0, 0, 0x77],
        };
        let senders = if self == Self::Two { 2 } else { 1 };
        (0..senders)
            .map(|sender| Offer {
                load: Load {
                    packets: u64::MAX,
                    // A quarter of them is under way at a time, and of so many packets none ends.
                    flows: plan.flows * 4,
                    seed: sender + 1,
                    first: (sender as u32) << 24,
                    train: if self == Self::Trains { 8 } else { 1 },
                    small: self == Self::Small,
                },
                points: [1, 3].map(|point: u8| {
                    let source = [10, 60, sender as u8, point];
                    let outer = Outer {
                        destination_mac,
                        ..Outer::new(source.into(), [10, 60, 0, 9].into())
                    };
                    (outer, 100 + u16::from(point))
                }),
                time: plan.time,
                rate: plan.rate.map(|rate| rate / senders),
            })
            .collect()
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = Self::ALL.iter().find(|(kind, _)| kind == self);
        f.pad(name.unwrap().1)
    }
}

impl Plan {
    /// From `MIRRORSCOPE_LOSS_…`.
    pub fn of_environment() -> Self {
        let text = |name: &str, default: &str| {
            let value = std::env::var(format!("MIRRORSCOPE_LOSS_{name}"));
            value.unwrap_or_else(|_| default.to_owned())
        };
        let number = |name: &str, default: &str| -> u64 { text(name, default).parse().unwrap() };
        let rate = number("RATE", "0");
        Self {
            loads: text("LOADS", "mixed,small")
                .split(',')
                .map(Kind::parse)
                .collect(),
            buffers: text("BUFFERS", "2048,65536")
                .split(',')
                .map(|kib| kib.parse().unwrap())
                .collect(),
            rounds: number("ROUNDS", "2") as usize,
            time: Duration::from_secs(number("SECONDS", "60")),
            rate: (rate > 0).then_some(rate),
            flows: number("FLOWS", "20000") as u32,
            options: text("OPTIONS", ""),
            tolerance: text("TOLERANCE", "0").parse().unwrap(),
        }
    }
}
