//! Whose packets go where: names that nobody has are told while packets come.

use super::bench::Bench;
use super::inject::pair;
use super::listener::Listener;

const SITES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/two-sites.toml");

#[test]
#[ignore = "needs root: tests/lab/run"]
fn a_name_that_nobody_has_is_told_while_packets_come() {
    let bench = Bench::new();
    pair(&bench.collector, "0", 1500);
    let listener = Listener::start(&bench.collector, "decap -i eth0 --to nobody=in0");
    bench.send(&bench.load(100, Some(2000)));
    listener.wait_for_error("no site, point or session is called nobody; so far there were: ");
    let heard = listener.interrupt();
    assert_eq!(heard.status.code(), Some(2), "{}", heard.err);
    // A sites file says so at once, but not of a session.
    let words = format!(
        "decap -i eth0 --sites {SITES} --to dc3=in0 --to dc1=in0 --to erspan2-101@10.60.0.1=in0"
    );
    let listener = Listener::start(&bench.collector, &words);
    listener.wait_for_error("the sites file has no site or point called dc3; it has: dc1, dc2, ");
    let heard = listener.interrupt();
    assert_eq!(heard.status.code(), Some(2), "{}", heard.err);
}
