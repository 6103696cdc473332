//! Without privileges: what works, and what is said of what does not.

use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};

use super::bench::Bench;
use super::listener::{Listener, PROGRAM, command};
use crate::network::COLLECTOR;

/// Nobody in particular.
pub const NOBODY: u32 = 65534;

/// A copy of the program that everyone may run, and that capabilities can be given to.
fn copy(bench: &Bench) -> PathBuf {
    let copy = bench.file("mirrorscope");
    std::fs::copy(PROGRAM, &copy).unwrap();
    std::fs::set_permissions(&copy, std::fs::Permissions::from_mode(0o755)).unwrap();
    copy
}

fn as_nobody(program: &PathBuf, words: &str) -> Command {
    let mut command = command(program, words);
    command.uid(NOBODY).gid(NOBODY).current_dir("/");
    command
}

/// VXLAN as a switch sends it, without the outer headers that the kernel writes.
fn vxlan(vni: u32) -> Vec<u8> {
    let outer = Outer::new([10, 60, 0, 1].into(), COLLECTOR.parse().unwrap());
    let mut inner = vec![2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1, 8, 6];
    inner.resize(60, 0);
    let mut frame = Vec::new();
    wrap(&outer, &Wrap::Vxlan { vni, port: 4789 }, &inner, &mut frame);
    frame.split_off(14 + 20 + 8)
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn udp_mirrors_arrive_at_an_endpoint() {
    let bench = Bench::new();
    let program = copy(&bench);
    let listener = Listener::spawn(
        &bench.collector,
        as_nobody(&program, "report --format json --via endpoint"),
    );
    listener.wait_until_it_listens();
    assert_eq!(listener.status("Uid:"), "65534\t65534\t65534\t65534");
    // GRE needs more, and that is told with the remedy.
    let told = listener.wait_for_error("cap_net_raw+ep").1;
    assert!(
        told.contains(&format!("setcap cap_net_raw+ep {}", program.display())),
        "{told}"
    );
    let socket = bench.switch.inside(|| {
        bench.switch.ip("addr add 10.60.0.1/24 dev eth0");
        UdpSocket::bind("0.0.0.0:0").unwrap()
    });
    for number in 0..3000_u32 {
        socket
            .send_to(&vxlan(7001 + number % 3), (COLLECTOR, 4789))
            .unwrap();
        if number % 100 == 0 {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
    }
    let report = listener.interrupt().document();
    let sessions = report["sessions"].as_array().unwrap();
    assert_eq!(sessions.len(), 3, "{sessions:#?}");
    for session in sessions {
        assert_eq!(session["encapsulation"], "vxlan");
        assert_eq!(session["packets"], 1000);
        assert_eq!(session["source"], "10.60.0.1");
        assert_eq!(session["destination"], COLLECTOR);
    }
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn the_ring_says_what_is_missing_and_that_mends_it() {
    let bench = Bench::new();
    let program = copy(&bench);
    let refused = Listener::spawn(&bench.collector, as_nobody(&program, "report -i eth0")).wait();
    assert_eq!(refused.status.code(), Some(2), "{}", refused.err);
    assert_eq!(refused.err.lines().count(), 1, "{}", refused.err);
    let remedy = format!("setcap cap_net_raw+ep {}", program.display());
    for words in ["eth0", "cap_net_raw", &remedy, "--via endpoint"] {
        let err = refused.err.to_lowercase();
        assert!(
            err.contains(&words.to_lowercase()),
            "{words}: {}",
            refused.err
        );
    }
    // As it was told.
    bench.switch.run(&remedy);
    let listener = Listener::spawn(
        &bench.collector,
        as_nobody(&program, "report --format json -i eth0"),
    );
    listener.wait_until_it_listens();
    assert_eq!(listener.status("CapEff:"), "0000000000000000");
    assert_eq!(listener.status("CapPrm:"), "0000000000000000");
    let sent = bench.send(&bench.load(1000, Some(4000)));
    let heard = listener.interrupt();
    assert!(heard.status.success(), "{}", heard.err);
    assert_eq!(heard.document()["totals"]["frames"], sent.frames);
}
