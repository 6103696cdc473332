//! Other tools, while somebody watches.

use std::io::{Read as _, Write as _};
use std::net::{TcpStream, UdpSocket};

use mirrorscope_tui::data::{Answer, InputState};

use super::driver::{Watched, sample};

/// What the interface is told that ends a line.
fn told(watched: &Watched, words: &str) -> String {
    watched.wait(|answer| match answer {
        Answer::Notice(_, text) => text.contains(words).then_some(text),
        _ => None,
    })
}

#[test]
fn logs_are_whole_when_all_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("eve.json");
    let log = format!("eve:{}", path.display());
    let (watched, snapshot) = Watched::over(&sample("asymmetric-strict.pcap"), &["--log", &log]);
    assert!(watched.quit().unwrap());
    let log = std::fs::read_to_string(path).unwrap();
    let count = |kind: &str| {
        let kind = format!("\"event_type\":\"{kind}\"");
        log.lines().filter(|line| line.contains(&kind)).count()
    };
    assert_eq!(count("flow"), snapshot.flows.total);
    assert_eq!(count("alert"), snapshot.report.findings.len());
    for flow in &snapshot.flows.rows {
        let verdict = format!("\"id\":\"{}\"", flow.id);
        let line = log.lines().find(|line| line.contains(&verdict)).unwrap();
        assert!(line.contains(&format!("\"verdict\":\"{}\"", flow.verdict.as_str())));
    }
}

#[test]
fn metrics_go_on_when_all_is_read() {
    let file = sample("asymmetric-strict.pcap");
    let watched = Watched::start(&["--metrics", "0", file.to_str().unwrap()]);
    let url = told(&watched, "metrics can be read at http://");
    let address = url.split("//").nth(1).unwrap();
    let address = address.split('/').next().unwrap();
    watched.snapshot(|snapshot| matches!(snapshot.input, InputState::Files { done: true, .. }));
    let mut stream = TcpStream::connect(address).unwrap();
    stream
        .write_all(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    assert!(
        page.contains("\nmirrorscope_flows_seen_total 10\n"),
        "{page}"
    );
    assert!(
        page.contains("\nmirrorscope_flow_table_flows 10\n"),
        "{page}"
    );
    watched.quit().unwrap();
}

#[test]
fn what_nobody_takes_shows_in_the_end() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap().to_string();
    drop(socket);
    let file = sample("asymmetric-strict.pcap");
    let watched = Watched::start(&["--ipfix", &to, file.to_str().unwrap()]);
    watched.snapshot(|snapshot| matches!(snapshot.input, InputState::Files { done: true, .. }));
    assert!(!watched.quit().unwrap());
}

#[test]
fn standard_output_is_the_screens() {
    let file = sample("asymmetric-strict.pcap");
    let watched = Watched::start(&["--log", "eve:-", file.to_str().unwrap()]);
    let refused = watched.quit().unwrap_err().to_string();
    assert!(refused.starts_with("--log: standard output is the screen"));
}
