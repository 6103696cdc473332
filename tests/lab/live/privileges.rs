//! Started through sudo: packets are read by the caller, who may do nothing else, and the files are the caller's.

use std::os::unix::fs::{MetadataExt as _, chown};

use rustix::thread::CapabilitySet;

use super::bench::Bench;
use super::listener::{Listener, PROGRAM, command};
use super::unprivileged::NOBODY;
use crate::capture::written;

#[test]
#[ignore = "needs root: tests/lab/run"]
fn are_gone_when_the_first_packet_is_read() {
    let bench = Bench::new();
    let folder = bench.file("out");
    std::fs::create_dir(&folder).unwrap();
    chown(&folder, Some(NOBODY), Some(NOBODY)).unwrap();
    let file = folder.join("m.pcapng");
    let words = format!("decap -i eth0 --rotate-size 50K -w {}", file.display());
    let mut sudo = command(PROGRAM, &words);
    sudo.env("SUDO_UID", NOBODY.to_string())
        .env("SUDO_GID", NOBODY.to_string());
    let listener = Listener::spawn(&bench.collector, sudo);
    listener.wait_until_it_listens();
    let caller = "65534\t65534\t65534\t65534";
    assert_eq!(listener.status("Uid:"), caller);
    assert_eq!(listener.status("Gid:"), caller);
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:", "CapBnd:"] {
        assert_eq!(listener.status(set), "0000000000000000", "{set}");
    }
    assert_eq!(listener.status("NoNewPrivs:"), "1");
    assert_eq!(listener.status("Seccomp:"), "2");
    let groups = listener.status("Groups:");
    assert!(groups.is_empty() || groups == "65534", "{groups}");
    let sent = bench.send(&bench.load(2000, Some(4000)));
    let heard = listener.interrupt();
    assert!(heard.status.success(), "{}", heard.err);
    assert_eq!(written(&heard), sent.frames);
    let files: Vec<_> = std::fs::read_dir(&folder).unwrap().collect();
    assert!(files.len() > 2, "{files:?}");
    for file in files {
        let data = file.unwrap().metadata().unwrap();
        assert_eq!((data.uid(), data.gid()), (NOBODY, NOBODY));
    }
}

/// `SCHED_FIFO`, by its number.
const FIFO: u32 = 1;

#[test]
#[ignore = "needs root: tests/lab/run"]
fn the_thread_that_takes_packets_goes_first_and_keeps_no_more_than_that_takes() {
    let bench = Bench::new();
    let own = rustix::thread::capabilities(None).unwrap().effective;
    let nice = CapabilitySet::SYS_NICE;
    // Whoever may raise the limit needs no capability afterwards.
    let (first, kept) = if own.contains(CapabilitySet::SYS_RESOURCE) {
        (true, CapabilitySet::empty())
    } else {
        (own.contains(nice), own & nice)
    };
    let listen = |words: &str| {
        let words = format!("report --threads 2 --format json -i eth0 {words}");
        let listener = Listener::start(&bench.collector, &words);
        let sent = bench.send(&bench.load(2000, Some(4000))).frames;
        let found = (listener.policies(), listener.status("CapEff:"));
        assert_eq!(listener.status("CapPrm:"), found.1);
        assert_eq!(listener.status("CapBnd:"), "0000000000000000");
        let report = listener.interrupt().document();
        assert_eq!(report["totals"]["frames"], sent);
        found
    };
    let (policies, capabilities) = listen("");
    let those = policies.iter().filter(|policy| **policy == FIFO).count();
    assert_eq!(those, usize::from(first), "{policies:?}");
    assert!(policies.len() > 1, "{policies:?}");
    assert_eq!(capabilities, format!("{:016x}", kept.bits()));

    let (policies, capabilities) = listen("--no-realtime");
    assert!(policies.iter().all(|policy| *policy == 0), "{policies:?}");
    assert_eq!(capabilities, "0000000000000000");
}
