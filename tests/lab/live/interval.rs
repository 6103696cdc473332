//! Views every so often, for somebody who does not read them for a while: no packet waits for that.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::process::Command;
use std::time::Duration;

use rustix::io::ioctl_fionread;
use serde_json::Value;

use super::bench::Bench;
use super::listener::{Listener, PROGRAM, command};

/// Far more than is between two views.
const WHILE: Duration = Duration::from_millis(500);

/// Waits until nothing more goes into a pipe.
fn wait_until_full(pipe: &File) {
    let mut before = 0;
    loop {
        std::thread::sleep(WHILE);
        let now = ioctl_fionread(pipe).unwrap();
        if now > 0 && now == before {
            return;
        }
        before = now;
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn packets_do_not_wait_for_who_reads() {
    let bench = Bench::new();
    let pipe = bench.file("views");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    // Open at both ends, so that it can be opened at one.
    let held = OpenOptions::new().read(true).write(true).open(&pipe);
    let held = held.unwrap();
    let mut shell = command("sh", "-c");
    let words = "report --format json --interval 50ms -i eth0";
    shell.arg(format!("exec {PROGRAM} {words} > {}", pipe.display()));
    let listener = Listener::spawn(&bench.collector, shell);
    listener.wait_until_it_listens();
    let mut offer = bench.load(1000, Some(5000));
    let mut sent = bench.send(&offer).frames;
    wait_until_full(&held);
    // What happens now is told, and all of it counts.
    offer.points[0].1 = 111;
    sent += bench.send(&offer).frames;
    listener.wait_for_error("erspan2-111@10.60.0.1");
    let mut reader = File::open(&pipe).unwrap();
    drop(held);
    let reader = std::thread::spawn(move || {
        let mut views = String::new();
        reader.read_to_string(&mut views).unwrap();
        views
    });
    let heard = listener.interrupt();
    assert!(heard.status.success(), "{}", heard.err);
    let views = reader.join().unwrap();
    let views: Vec<Value> = views
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let times = views.iter().map(|view| {
        let time = view["live"]["time"].as_str().unwrap();
        time.parse::<jiff::Timestamp>().unwrap()
    });
    let times: Vec<jiff::Timestamp> = times.collect();
    // Those that nobody took were left out, and none was cut or came late.
    let pauses = times
        .iter()
        .zip(&times[1..])
        .map(|(one, next)| next.duration_since(*one));
    let longest = pauses.max().unwrap();
    assert!(times.is_sorted(), "{times:?}");
    assert!(longest.unsigned_abs() >= WHILE, "{times:?}");
    let last = views.last().unwrap();
    assert_eq!(last["totals"]["mirrored"], sent, "{}", heard.err);
    assert_eq!(last["live"]["interfaces"][0]["dropped"]["kernel"], 0);
}
