//! Names that want to act on the terminal.

use mirrorscope_engine::point::acts;

use crate::fixture::Driver;

/// Escape sequences, bidirectional overrides, wide and joining characters, and a lot of it.
const NAMES: [&str; 5] = [
    "\u{1b}]0;owned\u{7}\u{1b}[2J\u{1b}[31mred",
    "abc\u{202e}cba\u{2066}x\u{200f}",
    "数据中心数据中心数据中心数据中心数据中心数据中心",
    "e\u{301}e\u{301}\u{200d}👩\u{200d}👩\u{200d}👧\r\n\t\u{9b}31m",
    "\u{0}\u{8}\u{7f}",
];

/// Puts a name wherever a snapshot holds a text that may come from outside.
fn poison(driver: &mut Driver, name: &str) {
    let long = name.repeat(20);
    let snapshot = &mut driver.snapshot;
    for session in &mut snapshot.report.sessions {
        session.name = name.to_owned();
        session.site = long.clone();
        session.point = format!("{}{name}", session.point);
    }
    for finding in &mut snapshot.report.findings {
        finding.summary = format!("{name}. {long}");
        finding.sites = vec![name.to_owned()];
        finding.points = vec![name.to_owned()];
        finding.next = vec![long.clone()];
        if let Some(story) = &mut finding.story {
            story.headline.push_str(name);
            story.lines.push((
                "requests".to_owned(),
                format!("{name} ({name}) > {long} (x)"),
            ));
        }
    }
    for row in &mut snapshot.report.sites_matrix.sites {
        row.site = name.to_owned();
    }
    for way in &mut snapshot.report.sites_matrix.ways {
        way.requests = Some(name.to_owned());
    }
    for endpoint in &mut snapshot.endpoints {
        endpoint.mac = name.to_owned();
        endpoint.tenant = Some(long.clone());
        for place in endpoint.place.iter_mut().chain(&mut endpoint.places) {
            place.point = name.to_owned();
            place.site = long.clone();
        }
    }
    for flow in &mut snapshot.flows.rows {
        flow.why = name.to_owned();
        flow.tenant = Some(name.to_owned());
        for at in &mut flow.points {
            at.point = long.clone();
        }
    }
    if let crate::data::InputState::Files { names, .. } = &mut snapshot.input {
        *names = vec![name.to_owned()];
    }
}

#[test]
fn hostile_text_never_reaches_the_screen_as_it_is() {
    for size in [(60, 15), (80, 24), (200, 60)] {
        for name in NAMES {
            for keys in [
                ["1", "down"],
                ["2", "down"],
                ["3", "down"],
                ["4", "down"],
                ["5", "down"],
                ["4", "enter"],
                ["2", "enter"],
            ] {
                let mut driver = Driver::new("asymmetric-strict", size);
                driver.keys([keys[0]]);
                poison(&mut driver, name);
                driver.publish();
                driver.keys([keys[1]]);
                driver.screen();
                driver.keys(["f"]).text("site ");
                driver.keys(["tab"]);
                let buffer = driver.buffer();
                for cell in buffer.content() {
                    let bad = cell.symbol().chars().any(|c| acts(c) && c != '\u{200d}');
                    assert!(!bad, "{keys:?} {name:?}: {:?}", cell.symbol());
                }
            }
        }
    }
}
