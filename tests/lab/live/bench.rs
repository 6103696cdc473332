//! Two machines and a cable: one that sends mirrored packets as fast or as slowly as is wanted, and a collector.

use std::path::PathBuf;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use mirrorscope_dissectors::encap::Outer;

use crate::load::Load;
use crate::machine::{Machine, cable};
use crate::network::COLLECTOR;
use crate::run::Run;
use crate::sender::{Offer, Sent};

/// Of the two sessions that are sent: source, and ERSPAN session id.
pub const SESSIONS: [([u8; 4], u16); 2] = [([10, 60, 0, 1], 101), ([10, 60, 0, 3], 201)];

/// The machines, and where their files go.
pub struct Bench {
    pub switch: Machine,
    pub collector: Machine,
    /// Goes last: it takes everything away.
    pub run: Run,
}

impl Bench {
    pub fn new() -> Self {
        let run = Run::new();
        let (switch, collector) = (run.machine("sw"), run.machine("col"));
        let bench = Self {
            switch,
            collector,
            run,
        };
        bench.plug("eth0", COLLECTOR);
        bench
    }

    /// Lays a cable between interfaces of this name; the collector's end gets an address.
    pub fn plug(&self, interface: &str, address: &str) {
        cable(
            (&self.switch, interface),
            (&self.collector, interface),
            9000,
        );
        self.collector
            .ip(&format!("addr add {address}/24 dev {interface}"));
        self.collector.wait_for(interface, true);
        self.switch.wait_for(interface, true);
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.run.folder().join(name)
    }

    /// A load for the collector's own address: so many frames, and how many in a second.
    pub fn load(&self, frames: u64, rate: Option<u64>) -> Offer {
        let destination_mac = self.collector.mac("eth0");
        Offer {
            load: Load {
                packets: frames,
                flows: 200,
                seed: 1,
                first: 0,
                train: 1,
                small: false,
            },
            points: SESSIONS.map(|(source, session)| {
                let outer = Outer {
                    destination_mac,
                    ..Outer::new(source.into(), COLLECTOR.parse().unwrap())
                };
                (outer, session)
            }),
            time: Duration::from_mins(1),
            rate,
        }
    }

    /// Sends it all by `eth0`, and waits until it is sent.
    pub fn send(&self, offer: &Offer) -> Sent {
        self.send_by("eth0", offer)
    }

    /// Likewise by another interface.
    pub fn send_by(&self, interface: &str, offer: &Offer) -> Sent {
        self.switch
            .inside(|| offer.send(interface, &AtomicBool::new(false)).unwrap())
    }
}
