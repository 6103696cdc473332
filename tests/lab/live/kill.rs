//! Killed at any moment, it leaves files that others read.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;

use super::bench::Bench;
use super::listener::Listener;

const ROUNDS: usize = 50;
const RATE: u64 = 4_000;

#[test]
#[ignore = "needs root: tests/lab/run"]
fn fifty_times_while_it_writes() {
    let bench = Bench::new();
    let stop = AtomicBool::new(false);
    let mut random = crate::load::random::Random::new(u64::from(std::process::id()));
    let mut folders = Vec::new();
    std::thread::scope(|scope| {
        let (bench, stop) = (&bench, &stop);
        let offer = bench.load(u64::MAX, Some(RATE));
        scope.spawn(move || bench.switch.inside(|| offer.send("eth0", stop).unwrap()));
        for round in 0..ROUNDS {
            let folder = bench.file(&format!("killed{round}"));
            std::fs::create_dir(&folder).unwrap();
            // Both formats, and every tenth time for more than a second: by then something must have been written.
            let (name, long) = (["m.pcapng", "m.pcap"][round % 2], round % 10 == 0);
            let file = folder.join(name);
            let words = format!("decap -i eth0 --rotate-size 500K -w {}", file.display());
            let listener = Listener::start(&bench.collector, &words);
            let time = if long { 1500 } else { 0 } + random.below(400);
            std::thread::sleep(Duration::from_millis(time));
            listener.signal(Signal::KILL);
            let _ = listener.wait();
            folders.push((folder, long));
        }
        stop.store(true, Ordering::Relaxed);
    });
    let mut written = 0;
    for (folder, long) in folders {
        let packets = check(&folder);
        // Everything is written within a second.
        assert!(
            !long || packets > RATE / 4,
            "{}: {packets} packets",
            folder.display()
        );
        written += packets;
    }
    assert!(written > 0);
}

/// All files of a folder are whole; the last one may end within a packet. Gives the packets in them.
#[track_caller]
fn check(folder: &Path) -> u64 {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let mut packets = 0;
    for (place, file) in files.iter().enumerate() {
        let is_last = place + 1 == files.len();
        let (read, errors) = read(file);
        let is_cut = errors.contains("cut short in the middle of a packet");
        assert!(
            errors.is_empty() || (is_last && is_cut),
            "{}: {errors}",
            file.display()
        );
        packets += read;
    }
    packets
}

/// Packets that tshark reads, and what it complains about.
pub fn read(file: &Path) -> (u64, String) {
    let output = Command::new("tshark")
        .args(["-n", "-T", "fields", "-e", "frame.number", "-r"])
        .arg(file)
        .env_remove("SUDO_UID")
        .output()
        .unwrap();
    let packets = String::from_utf8_lossy(&output.stdout).lines().count();
    let errors = String::from_utf8_lossy(&output.stderr);
    let errors = errors
        .lines()
        .filter(|line| !line.starts_with("Running as user"));
    (packets as u64, errors.collect::<Vec<&str>>().join("\n"))
}
