//! An interface that goes away and comes back is followed.

use serde_json::Value;

use super::bench::Bench;
use super::listener::{Listener, PROGRAM, command};
use super::unprivileged::NOBODY;
use crate::network::COLLECTOR;

fn present(report: &Value) -> Option<bool> {
    report["live"]["interfaces"][0]["present"].as_bool()
}

fn frames(report: &Value) -> u64 {
    report["totals"]["frames"].as_u64().unwrap()
}

fn followed(words: &str) {
    let bench = Bench::new();
    let words = format!("report --format json --interval 200ms {words}");
    let mut sudo = command(PROGRAM, &words);
    // Also without privileges: those are given up.
    sudo.env("SUDO_UID", NOBODY.to_string())
        .env("SUDO_GID", NOBODY.to_string());
    let listener = Listener::spawn(&bench.collector, sudo);
    listener.wait_until_it_listens();
    bench.send(&bench.load(1000, Some(4000)));
    listener.wait_for(|report| frames(report) == 1000);
    bench.collector.ip("link del eth0");
    listener.wait_for(|report| present(report) == Some(false));
    bench.plug("eth0", COLLECTOR);
    listener.wait_for_error("is back");
    bench.send(&bench.load(500, Some(4000)));
    let heard = listener.interrupt();
    assert!(heard.status.success(), "{}", heard.err);
    let report = heard.last();
    assert_eq!(frames(&report), 1500, "{}", heard.err);
    let interfaces = &report["live"]["interfaces"];
    assert_eq!(interfaces.as_array().unwrap().len(), 1, "{interfaces}");
    assert_eq!(interfaces[0]["frames"], 1500);
    let changes = report["live"]["changes"].as_array().unwrap().iter();
    let of_interfaces = changes.filter(|change| change["change"] == "interface");
    let named: Vec<&Value> = of_interfaces.map(|change| &change["session"]).collect();
    assert!(named.len() >= 2, "gone and back: {named:?}");
    assert!(named.iter().all(|name| *name == "eth0"), "{named:?}");
    let told = heard.err.lines().filter(|line| line.contains("eth0"));
    assert!(told.count() >= 3, "listening, gone and back: {}", heard.err);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn and_followed_by_its_name() {
    followed("-i eth0");
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn and_down_and_up_again() {
    let bench = Bench::new();
    let words = "report --format json --interval 200ms -i eth0";
    let listener = Listener::start(&bench.collector, words);
    bench.send(&bench.load(1000, Some(4000)));
    bench.collector.ip("link set eth0 down");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    bench.collector.ip("link set eth0 up");
    bench.collector.wait_for("eth0", true);
    bench.send(&bench.load(500, Some(4000)));
    let report = listener.interrupt().last();
    assert_eq!(frames(&report), 1500);
}
