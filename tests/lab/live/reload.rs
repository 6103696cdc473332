//! SIGHUP: the sites file is read again while packets come.

use std::fs::write;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::Signal;
use serde_json::Value;

use super::bench::Bench;
use super::listener::Listener;

fn sites(first: &str) -> String {
    format!(
        "[[site]]\nname = \"{first}\"\n[[site.point]]\nname = \"fw-{first}\"\nrole = \"firewall\"\n\
         match = {{ source = \"10.60.0.1\", session = 101 }}\n"
    )
}

fn site(report: &Value) -> &str {
    let sessions = report["sessions"].as_array().unwrap();
    let session = sessions.iter().find(|session| session["id"] == 101);
    session.map_or("", |session| session["site"].as_str().unwrap())
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn sites_get_other_names_and_a_bad_file_changes_nothing() {
    let bench = Bench::new();
    let file = bench.file("sites.toml");
    write(&file, sites("berlin")).unwrap();
    let words = format!(
        "report -i eth0 --format json --interval 200ms --sites {}",
        file.display()
    );
    let listener = Listener::start(&bench.collector, &words);
    let stop = AtomicBool::new(false);
    let sent = std::thread::scope(|scope| {
        let offer = bench.load(u64::MAX, Some(1000));
        let (bench, stop) = (&bench, &stop);
        let sender = scope.spawn(move || bench.switch.inside(|| offer.send("eth0", stop).unwrap()));
        listener.wait_for(|report| site(report) == "berlin");
        write(&file, sites("paris")).unwrap();
        listener.signal(Signal::HUP);
        let report = listener.wait_for(|report| site(report) == "paris");
        let session = &report["sessions"][0];
        assert_eq!(report["sessions"].as_array().unwrap().len(), 2, "{session}");
        write(&file, "[[site]]\nname = 7\n").unwrap();
        listener.signal(Signal::HUP);
        let told = listener.wait_for_error("line 2").1;
        assert!(told.contains("sites.toml"), "{told}");
        write(&file, sites("oslo")).unwrap();
        listener.signal(Signal::HUP);
        listener.wait_for(|report| site(report) == "oslo");
        stop.store(true, Ordering::Relaxed);
        sender.join().unwrap().frames
    });
    let heard = listener.interrupt();
    let report = heard.last();
    assert_eq!(report["totals"]["frames"], sent, "nothing was lost by it");
    assert_eq!(report["sessions"].as_array().unwrap().len(), 2);
    // In between, the bad file was refused, and names stayed.
    let names: Vec<String> = heard
        .out
        .iter()
        .map(|line| site(&serde_json::from_str(line).unwrap()).to_owned())
        .collect();
    let mut order = names.clone();
    order.dedup();
    order.retain(|name| !name.is_empty());
    assert_eq!(order, ["berlin", "paris", "oslo"], "{}", heard.err);
}
