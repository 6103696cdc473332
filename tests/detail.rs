//! A flow's page.

use crate::support::{json_lines, run, stdout};

const SAMPLE: &str = crate::generated::ASYMMETRIC;
const SITES: &str = crate::generated::SITES;

fn pages(filter: &str) -> String {
    stdout(&run(&[
        "flows", "--format", "detail", "--sites", SITES, "--filter", filter, SAMPLE,
    ]))
}

#[test]
fn a_page_tells_what_every_point_saw_of_a_flow() {
    let page = pages("port 50002");
    let lines: Vec<&str> = page.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "7kg9rvr7qn  tcp 10.9.0.10:50002 > 10.20.0.50:80",
            "  asymmetric (confidence high): requests pass fw1-inside (dc1) > dci-dc1 (dc1) > dci-dc2 (dc2) >",
            "  vm-dc2 (dc2); answers pass vm-dc2 (dc2) > fw2-inside (dc2)",
        ]
    );
    // Four SYNs of the same number, and seven answers, of which no point saw an acknowledgement.
    let again = "    > 4 packets, 240 bytes, 0 of payload; 3 sent again (3 after a timeout)";
    assert!(lines.iter().any(|line| line.starts_with(again)), "{page}");
    let place = |name: &str| {
        lines
            .iter()
            .position(|line| line.starts_with(name))
            .unwrap()
    };
    let firewall = &lines[place("  fw2-inside (dc2, firewall)")..];
    assert!(firewall[1].contains("state OTH, history ^h"), "{page}");
    assert_eq!(firewall[2], "    > nothing");
    assert!(
        firewall[3].starts_with("    < 7 packets, 420 bytes"),
        "{page}"
    );
    assert!(firewall.contains(&"    half a handshake"), "{page}");
    // Options are said once, with all points.
    assert_eq!(page.matches("MSS 1460").count(), 2, "{page}");
}

#[test]
fn every_flow_has_a_page() {
    let flows = json_lines(&["flows", "--format", "json", SAMPLE]);
    let pages = stdout(&run(&["flows", "--format", "detail", SAMPLE]));
    for flow in &flows {
        let head = format!(
            "{}  {} ",
            flow["id"].as_str().unwrap(),
            flow["proto"].as_str().unwrap()
        );
        assert_eq!(
            pages.lines().filter(|line| line.starts_with(&head)).count(),
            1,
            "{head}"
        );
    }
    assert_eq!(self::pages("port 1"), "no flow\n");
}
