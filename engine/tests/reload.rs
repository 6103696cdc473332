//! Sites that are described anew while flows live.

#![allow(
    clippy::unwrap_used,
    reason = "a test that cannot go on should stop there"
)]

mod story;

use mirrorscope_dissectors::LinkType;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_engine::Engine;
use mirrorscope_engine::point::LIVE;
use mirrorscope_engine::receive::Frame;
use mirrorscope_engine::report::FlowReport;
use mirrorscope_engine::site::Sites;
use mirrorscope_engine::time::Timestamp;

/// A handshake, by who sends it.
const OPENING: [&str; 3] = [
    "r1>server S 100",
    "server>r1 SA 500 101",
    "r1>server A 101 501",
];
const DATA: [&str; 2] = ["r1>server A 101 501 50", "server>r1 A 501 151 50"];

fn feed(engine: &mut Engine, seconds: f64, interface: u32, session: u16, what: &str) {
    let words: Vec<&str> = what.split_whitespace().collect();
    // Numbers are not what this is about: each session counts milliseconds.
    let bytes = story::mirrored(session, 0, (seconds * 1e3) as u32, &story::inner(&words));
    engine.frame(&Frame {
        time: Timestamp(1_700_000_000_000_000_000 + (seconds * 1e9) as i64),
        wire_len: bytes.len() as u32,
        link: LinkType::Ethernet,
        interface,
        number: 1,
        bytes: &bytes,
    });
}

fn flows(engine: &Engine) -> Vec<FlowReport> {
    let mut flows = Vec::new();
    let all: Result<(), ()> = engine.flows(|flow| {
        flows.push(flow);
        Ok(())
    });
    all.unwrap();
    flows
}

/// Points of a flow with their sites and roles, and the packets of both sides there.
fn points(flow: &FlowReport) -> Vec<String> {
    let points = flow.points.iter().map(|at| {
        let (name, site) = (&at.point, &at.site);
        format!(
            "{name} {site} {} {}/{}",
            at.role, at.orig.packets, at.resp.packets
        )
    });
    points.collect()
}

fn sites(text: &str) -> Sites {
    Sites::parse(text).unwrap()
}

#[test]
fn a_point_keeps_what_it_saw_under_its_new_name_and_role() {
    let mut engine = story::engine_with("");
    for (number, what) in (0..).zip(OPENING) {
        feed(&mut engine, f64::from(number) / 1e3, 0, 1, what);
    }
    assert_eq!(
        points(&flows(&engine)[0]),
        ["erspan2-1@10.60.0.1 10.60.0.1 switch 2/1"]
    );
    engine.reload(sites(
        "[[site]]\nname = \"dc1\"\npoint = [{ name = \"fw1\", role = \"firewall\", match = { session = 1 } }]",
    ));
    for (number, what) in (3..).zip(DATA) {
        feed(&mut engine, f64::from(number) / 1e3, 0, 1, what);
    }
    let all = flows(&engine);
    assert_eq!(points(&all[0]), ["fw1 dc1 firewall 3/2"]);
    // Its firewall did not see the connection open: that it cannot match it says nothing.
    let report = engine.report();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    let session = &report.sessions[0];
    assert_eq!(
        (session.point.as_str(), session.site.as_str()),
        ("fw1", "dc1")
    );
    // And back again.
    engine.reload(Sites::default());
    assert_eq!(
        points(&flows(&engine)[0]),
        ["erspan2-1@10.60.0.1 10.60.0.1 switch 3/2"]
    );
    engine.reload(sites(
        "[[site]]\nname = \"dc1\"\nsource = [\"10.60.0.0/24\"]",
    ));
    assert_eq!(
        points(&flows(&engine)[0]),
        ["erspan2-1@10.60.0.1 dc1 switch 3/2"]
    );
}

#[test]
fn two_points_that_become_one_are_one_from_then_on() {
    let one = "[[site]]\nname = \"dc1\"\npoint = [{ name = \"fw1\", role = \"firewall\", match = [{ session = 1 }, { session = 2 }] }]";
    let mut engine = story::engine_with("");
    // One session mirrors what comes in, the other what goes out.
    let session = |what: &str| if what.starts_with("r1") { 1 } else { 2 };
    for (number, what) in (0..).zip(OPENING) {
        feed(&mut engine, f64::from(number) / 1e3, 0, session(what), what);
    }
    engine.reload(sites(one));
    for (number, what) in (3..).zip(DATA) {
        feed(&mut engine, f64::from(number) / 1e3, 0, session(what), what);
    }
    let all = flows(&engine);
    assert_eq!(
        points(&all[0]),
        [
            "erspan2-1@10.60.0.1 10.60.0.1 switch 2/0",
            "erspan2-2@10.60.0.1 10.60.0.1 switch 0/1",
            "fw1 dc1 firewall 1/1"
        ]
    );
    engine.finish();
    let report = engine.report();
    assert!(report.findings.is_empty(), "{:#?}", report.findings);
    // A third session of a point that is known joins it.
    let three = one.replace("{ session = 2 }", "{ session = 2 }, { session = 3 }");
    feed(&mut engine, 1.0, 0, 3, "r1>server:81 S 100");
    engine.reload(sites(&three));
    feed(&mut engine, 1.1, 0, 1, "r1>server:82 S 100");
    feed(&mut engine, 1.2, 0, 3, "server:82>r1 SA 100 101");
    let last = flows(&engine).pop().unwrap();
    assert_eq!(points(&last), ["fw1 dc1 firewall 1/1"]);
}

#[test]
fn one_point_that_becomes_two_is_two_from_then_on() {
    let one = "[[site]]\nname = \"dc1\"\npoint = [{ name = \"all\", match = { source = \"10.60.0.1\" } }]";
    let two = "[[site]]\nname = \"dc1\"\npoint = [{ name = \"fw1\", match = { session = 1 } }, { name = \"fw2\", match = { session = 2 } }]";
    let mut engine = story::engine_with(one);
    feed(&mut engine, 0.0, 0, 1, "r1>server S 100");
    feed(&mut engine, 0.1, 0, 2, "r1>server:81 S 100");
    engine.reload(sites(two));
    feed(&mut engine, 0.2, 0, 1, "server>r1 SA 500 101");
    feed(&mut engine, 0.3, 0, 2, "server:81>r1 SA 500 101");
    let all = flows(&engine);
    assert_eq!(
        points(&all[0]),
        ["all dc1 switch 1/0", "fw1 dc1 switch 0/1"]
    );
    assert_eq!(
        points(&all[1]),
        ["all dc1 switch 1/0", "fw2 dc1 switch 0/1"]
    );
    let sessions = engine.sessions();
    assert_eq!([&sessions[0].point, &sessions[1].point], ["fw1", "fw2"]);
}

#[test]
fn rules_by_interface_hold_for_sessions_that_are_known() {
    let by_interface = "[[site]]\nname = \"dc1\"\npoint = [{ name = \"left\", match = { interface = \"eth0\" } }, \
                        { name = \"right\", match = { interface = \"eth1\" } }]";
    let mut engine = story::engine_with("");
    engine.receiver().name_interface(0, LIVE, Some("eth0"));
    engine.receiver().name_interface(1, LIVE, Some("eth1"));
    feed(&mut engine, 0.0, 0, 1, "r1>server S 100");
    engine.reload(sites(by_interface));
    feed(&mut engine, 0.1, 0, 1, "server>r1 SA 500 101");
    feed(&mut engine, 0.2, 1, 1, "r1>server A 101 501");
    let all = flows(&engine);
    assert_eq!(
        points(&all[0]),
        ["left dc1 switch 1/1", "right dc1 switch 1/0"]
    );
    assert_eq!(engine.sessions().len(), 2);
}

#[test]
fn tenants_keep_their_flows_by_name() {
    let tenant = |name: &str, segment: u16| {
        format!("[[tenant]]\nname = \"{name}\"\nsegments = [{segment}]\n")
    };
    let feed = |engine: &mut Engine, seconds: f64, vni: u32, what: &str| {
        let words: Vec<&str> = what.split_whitespace().collect();
        let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
        let mut bytes = Vec::new();
        let vxlan = Wrap::Vxlan { vni, port: 4789 };
        wrap(&outer, &vxlan, &story::inner(&words), &mut bytes);
        story::feed(engine, seconds, &bytes);
    };
    let mut engine = story::engine_with(&format!("{}{}", tenant("red", 1), tenant("blue", 2)));
    feed(&mut engine, 0.0, 1, "r1>server S 100");
    feed(&mut engine, 0.1, 2, "r1>server S 100");
    engine.reload(sites(&format!(
        "{}{}",
        tenant("blue", 2),
        tenant("green", 3)
    )));
    feed(&mut engine, 0.2, 2, "server>r1 SA 500 101");
    feed(&mut engine, 0.3, 3, "r1>server S 100");
    let told = flows(&engine).into_iter().map(|flow| {
        let packets = flow.orig.packets + flow.resp.packets;
        (flow.tenant.unwrap_or_default(), packets)
    });
    let told: Vec<(String, u64)> = told.collect();
    let wanted = [("red", 1), ("blue", 2), ("green", 1)];
    assert_eq!(
        told,
        wanted.map(|(name, packets)| (name.to_owned(), packets))
    );
}
