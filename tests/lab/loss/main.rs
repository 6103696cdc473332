//! What is lost at the best rate of a sender on this machine: mirrorscope with all its analysis next to tcpdump, which writes to
//! nowhere. They take turns on the same load with the same buffer. `tests/compare/loss` runs it.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test that cannot go on should stop there"
)]

#[allow(dead_code, reason = "the example writes files, too")]
#[path = "../../../examples/generate_load/load.rs"]
mod load;
#[allow(dead_code, reason = "the lab does more with its machines")]
#[path = "../machine.rs"]
mod machine;
mod plan;
mod receiver;
#[allow(dead_code, reason = "the lab keeps files")]
#[path = "../run.rs"]
mod run;
#[path = "../../../examples/send_load/sender.rs"]
mod sender;
mod table;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use machine::{Machine, cable};
use plan::{Kind, Plan};
use receiver::Receiver;
use run::Run;
use table::{Row, Table};

/// All rounds of all loads with all buffers.
#[test]
#[ignore = "needs root and a machine that does nothing else: tests/compare/loss"]
fn compared_with_tcpdump() {
    let plan = Plan::of_environment();
    let run = Run::new();
    let (switch, collector) = (run.machine("sw"), run.machine("col"));
    cable((&switch, "eth0"), (&collector, "eth0"), 9000);
    collector.ip("addr add 10.60.0.9/24 dev eth0");
    collector.wait_for("eth0", true);
    let mut table = Table::default();
    println!("{}", Row::HEADER);
    for kind in &plan.loads {
        for buffer in &plan.buffers {
            for round in 0..plan.rounds {
                let mut receivers = Receiver::BOTH;
                receivers.rotate_left(round % 2);
                for receiver in receivers {
                    let row = measure(&plan, *kind, *buffer, receiver, &switch, &collector);
                    println!("{row}");
                    table.add(row);
                }
            }
        }
    }
    println!("{table}");
    let faults = table.faults(plan.tolerance);
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

/// One run of one receiver.
fn measure(
    plan: &Plan,
    kind: Kind,
    buffer: u32,
    receiver: Receiver,
    switch: &Machine,
    collector: &Machine,
) -> Row {
    let before = collector.arrived("eth0");
    let mut running = receiver.start(collector, buffer, &plan.options);
    let offers = kind.offers(collector, plan);
    let stop = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let stop = &stop;
        let senders: Vec<_> = offers
            .iter()
            .map(|offer| scope.spawn(move || switch.inside(|| offer.send("eth0", stop).unwrap())))
            .collect();
        while !senders
            .iter()
            .all(std::thread::ScopedJoinHandle::is_finished)
        {
            running.look();
            if running.has_ended() {
                stop.store(true, Ordering::Relaxed);
            }
            std::thread::sleep(Duration::from_millis(250));
        }
        let sent = senders.into_iter().map(|sender| sender.join().unwrap());
        sent.collect::<Vec<_>>()
    });
    // The last frames stay in the kernel's hand until a block of the ring is full, or its time is over.
    std::thread::sleep(Duration::from_millis(1500));
    running.look();
    let counts = running.finish();
    let frames: u64 = sent.iter().map(|sent| sent.frames).sum();
    assert_eq!(
        collector.arrived("eth0") - before,
        frames,
        "frames that reached the collector"
    );
    assert_eq!(
        counts.received + counts.dropped,
        frames,
        "{receiver:?} accounts for all of them: {counts:?}"
    );
    Row {
        kind,
        buffer,
        receiver,
        frames,
        bytes: sent.iter().map(|sent| sent.bytes).sum(),
        seconds: sent
            .iter()
            .map(|sent| sent.time.as_secs_f64())
            .fold(0.0, f64::max),
        lost: frames - counts.received,
        cpu: counts.cpu,
        memory: counts.memory,
    }
}
