//! Offers a load of ERSPAN II to a collector, as fast as this machine can, or at a given rate: for measuring.
//!
//! `sudo cargo run --release --example send_load -- --interface veth0 --mac 02:00:00:00:00:09 --seconds 60`

#[allow(dead_code, reason = "it can write a file, too")]
#[path = "../generate_load/load.rs"]
mod load;
mod sender;

use std::net::Ipv4Addr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use load::Load;
use mirrorscope_dissectors::encap::Outer;
use pnet_datalink::MacAddr;
use sender::{Offer, Sent};

/// Sends mirrored packets of TCP flows that pass two points, by ERSPAN II, and says how many they were.
#[derive(Parser)]
struct Options {
    /// The interface to send on
    #[arg(long, value_name = "NAME")]
    interface: String,

    /// The collector's MAC address, or that of the router towards it
    #[arg(long)]
    mac: MacAddr,

    /// The collector's address
    #[arg(long, value_name = "ADDRESS", default_value = "10.60.0.9")]
    to: Ipv4Addr,

    /// The first mirror's own address; the others follow it
    #[arg(long, value_name = "ADDRESS", default_value = "10.60.0.1")]
    from: Ipv4Addr,

    /// For how long
    #[arg(long, value_name = "SECONDS", default_value_t = 10)]
    seconds: u64,

    /// Frames in a second, of all threads together; as many as can be without
    #[arg(long, value_name = "FRAMES")]
    rate: Option<u64>,

    /// Frames in all; without, as many as can be sent in the time
    #[arg(long)]
    packets: Option<u64>,

    /// TCP flows under way at a time, for each thread
    #[arg(long, default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(64..4_000_000))]
    flows: u32,

    /// Packets of one flow in a row
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    train: u32,

    /// Acknowledgements only: the smallest frames, and the most of them
    #[arg(long)]
    small: bool,

    /// Threads that send, each two sessions of its own
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..100))]
    threads: u8,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("send_load: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> anyhow::Result<()> {
    let stop = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&stop))?;
    }
    let sent = std::thread::scope(|scope| {
        let threads: Vec<_> = (0..options.threads)
            .map(|thread| {
                let (offer, stop) = (offer(options, thread), &stop);
                scope.spawn(move || {
                    let sent = offer.send(&options.interface, stop);
                    if sent.is_err() {
                        stop.store(true, Ordering::Relaxed);
                    }
                    sent
                })
            })
            .collect();
        let results = threads.into_iter().map(|thread| match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        results.collect::<Result<Vec<Sent>, _>>()
    });
    let sent = sent.with_context(|| options.interface.clone())?;
    let frames: u64 = sent.iter().map(|sent| sent.frames).sum();
    let bytes: u64 = sent.iter().map(|sent| sent.bytes).sum();
    let refused: u64 = sent.iter().map(|sent| sent.refused).sum();
    let time = sent.iter().map(|sent| sent.time).max().unwrap_or_default();
    let seconds = time.as_secs_f64();
    println!(
        "{frames} frames, {bytes} bytes in {seconds:.3} s: {:.0} frames/s, {:.3} Gbit/s; {refused} times refused",
        frames as f64 / seconds,
        bytes as f64 * 8e-9 / seconds
    );
    Ok(())
}

/// What a thread sends.
fn offer(options: &Options, thread: u8) -> Offer {
    let number = u16::from(thread);
    let points = [0, 1].map(|point: u8| {
        let from = options.from.to_bits() + u32::from(thread * 2 + point);
        let outer = Outer {
            destination_mac: options.mac.octets(),
            ..Outer::new(Ipv4Addr::from_bits(from).into(), options.to.into())
        };
        (outer, 101 + u16::from(point) * 100 + number)
    });
    let threads = u64::from(options.threads);
    Offer {
        load: Load {
            packets: options
                .packets
                .map_or(u64::MAX, |packets| packets / threads),
            // A quarter of them is under way at a time: of so many packets none ends.
            flows: options.flows * 4,
            seed: u64::from(thread) + 1,
            first: u32::from(thread) << 24,
            train: options.train,
            small: options.small,
        },
        points,
        time: Duration::from_secs(options.seconds),
        rate: options.rate.map(|rate| (rate / threads).max(1)),
    }
}
