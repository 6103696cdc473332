//! The interface as a whole, driven by keys.

mod docs;
mod hostile;
mod keys;
mod monkey;
mod screens;

use std::time::Duration;

use crossterm::event::{MouseButton, MouseEventKind};

use mirrorscope_engine::activity::SessionChange;
use mirrorscope_engine::live::{DroppedReport, InterfaceReport, LiveReport};
use mirrorscope_engine::time::{SECOND, Timestamp};

use crate::data::{Answer, Ask, InputState, Weight};
use crate::event::{Event, Request};
use crate::fixture::Driver;

const SMALL: (u16, u16) = (80, 24);

#[test]
fn numbers_tab_and_clicks_lead_to_tabs() {
    let mut driver = Driver::new("asymmetric-strict", SMALL);
    let screen = driver.screen();
    assert!(screen.starts_with(" 1 Overview  2 Sessions"), "{screen}");
    assert_eq!(driver.app.screens.current(), 0);
    assert_eq!(driver.keys(["4"]).app.screens.current(), 3);
    assert_eq!(driver.keys(["tab", "tab"]).app.screens.current(), 0);
    assert_eq!(driver.keys(["shift-tab"]).app.screens.current(), 4);
    driver.mouse(MouseEventKind::Down(MouseButton::Left), 15, 0);
    assert_eq!(driver.app.screens.current(), 1);
}

#[test]
fn a_screen_that_is_too_small_says_so_and_comes_back() {
    let mut driver = Driver::new("asymmetric-strict", SMALL);
    let before = driver.screen();
    let tiny = driver.resize(59, 15).screen();
    assert!(
        tiny.contains("59×15 is too small: 60×15 are needed"),
        "{tiny}"
    );
    for (width, height) in [(1, 1), (5, 2), (60, 14), (300, 1)] {
        driver.resize(width, height).screen();
    }
    assert_eq!(driver.resize(80, 24).screen(), before);
}

#[test]
fn a_notice_goes_after_a_while_and_what_is_sent_by_a_packet_stays_text() {
    let mut driver = Driver::new("asymmetric-strict", SMALL);
    let text = "reset \u{1b}[31m\u{202e}done".to_owned();
    driver.send(Event::Answer(Box::new(Answer::Notice(Weight::Info, text))));
    let screen = driver.screen();
    assert!(
        screen.contains("reset \\u{1b}[31m\\u{202e}done"),
        "{screen}"
    );
    driver.wait(Duration::from_secs(7));
    assert!(driver.app.changed());
    assert!(!driver.screen().contains("reset"));
}

#[test]
fn every_finding_opens_as_itself() {
    // Several of a kind show at the same points here.
    let mut driver = Driver::new("asymmetric-tolerant", (200, 60));
    let findings = driver.snapshot.report.findings.clone();
    assert!(findings.len() > 8);
    driver.keys(["4"]);
    for finding in &findings {
        let told: String = finding.summary.chars().take(40).collect();
        let screen = driver.keys(["enter"]).screen();
        assert!(screen.contains(&told), "{told}:\n{screen}");
        driver.keys(["esc", "down"]);
    }
}

#[test]
fn keys_for_what_is_outside_become_requests() {
    let mut driver = Driver::new("asymmetric-strict", SMALL);
    driver.keys(["R", "ctrl-z", "ctrl-l", "ctrl-c"]);
    let asked = driver.requests.as_slice();
    assert!(
        matches!(
            asked,
            [
                Request::Ask(Ask::ReloadSites),
                Request::Suspend,
                Request::Redraw,
                Request::Quit
            ]
        ),
        "{asked:?}"
    );
}

#[test]
fn a_held_screen_stays_as_it_is() {
    let mut driver = Driver::new("asymmetric-strict", SMALL);
    let frames = |screen: String| screen.contains("219 frames");
    assert!(frames(driver.screen()));
    driver.keys(["space"]);
    driver.snapshot.report.totals.frames = 777;
    driver.publish();
    let held = driver.screen();
    assert!(held.contains("held") && frames(held));
    let screen = driver.keys(["space"]).screen();
    assert!(screen.contains("777 frames"), "{screen}");
}

#[test]
fn flows_that_are_asked_for_on_a_held_screen_appear() {
    let mut driver = Driver::new("asymmetric-strict", SMALL);
    driver.keys(["3", "space"]).screen();
    driver.publish();
    assert!(!driver.app.changed(), "nothing else was asked for");
    // The answer comes when the screen was drawn already.
    driver.snapshot.flows.query.descending = true;
    driver.publish();
    assert!(driver.app.changed());
}

#[test]
fn a_terminal_without_change_is_not_drawn() {
    let mut driver = Driver::new("asymmetric-strict", SMALL);
    driver.screen();
    driver.wait(Duration::from_secs(1));
    assert!(!driver.app.changed());
    driver.text("k");
    assert!(driver.app.changed());
}

#[test]
fn drops_of_a_live_run_are_on_every_screen_whatever_else_is_told() {
    let mut driver = Driver::new("asymmetric-strict", (120, 40));
    let mut live = LiveReport::new(Timestamp(0), Timestamp(65 * SECOND));
    live.interfaces.push(InterfaceReport {
        name: "eth1".to_owned(),
        via: "ring".to_owned(),
        present: true,
        frames: 219,
        dropped: DroppedReport {
            kernel: 5,
            socket: 0,
            queue: 2,
        },
    });
    let text = "eth1 vanished";
    live.changes
        .push(SessionChange::of_interface(Timestamp(0), "eth1", text));
    driver.snapshot.report.live = Some(live);
    driver.snapshot.input = InputState::Live { done: false };
    driver.publish();
    let overview = driver.screen();
    assert!(
        overview.contains("eth1        219 frames by ring"),
        "{overview}"
    );
    assert!(overview.contains("00:00:00 eth1 vanished"), "{overview}");
    assert!(
        overview.contains("▲ 7 dropped here  eth1  12/s  12.0 kbit/s"),
        "{overview}"
    );
    let text = "sites read again".to_owned();
    driver.send(Event::Answer(Box::new(Answer::Notice(Weight::Info, text))));
    for tab in ["1", "2", "3", "4", "5"] {
        let screen = driver.keys([tab]).screen();
        assert!(
            screen.contains("▲ 7 dropped here  sites read again"),
            "{screen}"
        );
    }
}

#[test]
fn what_is_wrong_with_files_and_how_far_they_are_is_told() {
    let mut driver = Driver::new("asymmetric-strict", SMALL);
    driver.snapshot.input = InputState::Files {
        names: vec!["dc1.pcap".to_owned(), "dc2.pcap".to_owned()],
        read: 25,
        total: Some(200),
        done: false,
        problems: vec!["dc1.pcap: cut short".to_owned()],
    };
    driver.publish();
    let screen = driver.screen();
    let status = "▲ dc1.pcap: cut short  dc1.pcap and 1 more  reading 12 %  219 frames";
    assert!(screen.contains(status), "{screen}");
}
