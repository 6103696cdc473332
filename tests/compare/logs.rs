//! Logs as those read them that they are made for: rsyslog, jq, readers of Zeek's logs.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::bench::{Bench, until};
use crate::ours::{MIRRORSCOPE, SITES, lines, told};
use crate::{run, text};

const SAMPLE: &str = "samples/asymmetric-strict.pcap";

/// Goes away with this.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What rsyslog is told: to listen at these ports and this socket, and to write what it understands.
fn settings((udp, tcp): (u16, u16), socket: &str, out: &str) -> String {
    format!(
        r#"module(load="imudp") module(load="imptcp") module(load="imuxsock" SysSock.Use="off") module(load="mmpstrucdata")
template(name="out" type="list") {{
  constant(value="{{") property(name="pri-text" format="jsonf" outname="pri") constant(value=",")
  property(name="timereported" dateFormat="rfc3339" format="jsonf" outname="time") constant(value=",")
  property(name="hostname" format="jsonf" outname="host") constant(value=",")
  property(name="app-name" format="jsonf" outname="app") constant(value=",")
  property(name="msgid" format="jsonf" outname="msgid") constant(value=",")
  property(name="inputname" format="jsonf" outname="input") constant(value=",")
  property(name="msg" format="jsonf" outname="msg") constant(value=",\"sd\":")
  property(name="$!rfc5424-sd") constant(value="}}\n")
}}
input(type="imudp" address="127.0.0.1" port="{udp}") input(type="imptcp" address="127.0.0.1" port="{tcp}")
input(type="imuxsock" Socket="{socket}" UseSpecialParser="off" ParseHostname="on")
action(type="mmpstrucdata")
action(type="omfile" file="{out}" template="out")
"#
    )
}

/// A port that is free now.
fn port() -> u16 {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    socket.local_addr().unwrap().port()
}

#[test]
#[ignore = "needs rsyslog: tests/compare/run"]
fn rsyslog_takes_findings_apart_whichever_way_they_come() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| text(&folder.path().join(name)).to_owned();
    // What would end a value, a message or a line.
    let sites = fs::read_to_string(SITES).unwrap();
    let sites = sites.replace("\"fw2-inside\"", r#""fw2 \"in\"]\\""#);
    fs::write(at("sites.toml"), sites).unwrap();
    let (udp, tcp) = (port(), port());
    fs::write(
        at("rsyslog.conf"),
        settings((udp, tcp), &at("log"), &at("out.json")),
    )
    .unwrap();
    let daemon = Command::new("rsyslogd")
        .args(["-n", "-f", &at("rsyslog.conf"), "-i", &at("pid")])
        .spawn();
    let _daemon = Daemon(daemon.unwrap());
    until("its socket", || fs::metadata(at("log")).ok());
    thread::sleep(Duration::from_millis(500));
    let (udp, tcp, unix) = (
        format!("udp://127.0.0.1:{udp}"),
        format!("tcp://127.0.0.1:{tcp}"),
        format!("unix:{}", at("log")),
    );
    let findings = run(
        MIRRORSCOPE,
        &[
            "findings",
            "--format",
            "json",
            "--sites",
            &at("sites.toml"),
            "--syslog",
            &udp,
            "--syslog",
            &tcp,
            "--syslog",
            &unix,
            SAMPLE,
        ],
    );
    let findings = lines(&findings);
    assert!(findings.len() >= 4);
    let received = until("all messages", || {
        let received = lines(&fs::read_to_string(at("out.json")).ok()?);
        (received.len() >= 3 * findings.len()).then_some(received)
    });
    for input in ["imudp", "imptcp", "imuxsock"] {
        let mut messages = received.iter().filter(|message| message["input"] == input);
        for finding in &findings {
            let message = messages.next().unwrap();
            let priority = match finding["severity"].as_str().unwrap() {
                "error" => "daemon.err",
                "warning" => "daemon.warning",
                _ => "daemon.info",
            };
            assert_eq!(message["pri"], priority);
            assert_eq!(
                (&message["app"], &message["msgid"]),
                (&"mirrorscope".into(), &finding["kind"])
            );
            let summary = message["msg"]
                .as_str()
                .unwrap()
                .trim_start_matches('\u{feff}');
            assert_eq!(summary, finding["summary"]);
            let data = &message["sd"]["mirrorscope@32473"];
            for name in ["kind", "severity", "confidence", "first", "last"] {
                assert_eq!(data[name], finding[name], "{name}");
            }
            assert_eq!(data["flows"], finding["flows"].to_string());
            let points: Vec<&str> = finding["points"]
                .as_array()
                .unwrap()
                .iter()
                .map(|p| p.as_str().unwrap())
                .collect();
            assert_eq!(data["points"], points.join(","));
        }
        assert_eq!(messages.count(), 0, "each is told once");
    }
    assert!(
        received
            .iter()
            .any(|m| m["sd"].to_string().contains(r#"fw2 \"in\"]\\"#))
    );
}

#[test]
#[ignore = "needs jq: tests/compare/run"]
fn jq_reads_eve_as_the_flows_are() {
    let folder = tempfile::tempdir().unwrap();
    for sample in crate::samples() {
        let log = folder.path().join("eve.json");
        let _ = fs::remove_file(&log);
        let eve = format!("eve:{}", text(&log));
        let flows = told("flows", &["--log", &eve, text(&sample)]);
        let program = r#"select(.event_type == "flow") |
            {id: .mirrorscope.id, src: .src_ip, dst: .dest_ip, community_id, verdict: .mirrorscope.verdict,
             packets: [.flow.pkts_toserver, .flow.pkts_toclient], bytes: [.flow.bytes_toserver, .flow.bytes_toclient],
             seconds: ((.flow.end | strptime("%Y-%m-%dT%H:%M:%S") | mktime) - (.flow.start | strptime("%Y-%m-%dT%H:%M:%S") | mktime))}"#
            .replace("(.flow.end |", "(.flow.end[:19] |")
            .replace("(.flow.start |", "(.flow.start[:19] |");
        let read = lines(&run("jq", &["-c", &program, text(&log)]));
        assert_eq!(read.len(), flows.len(), "{}", sample.display());
        for (read, flow) in read.iter().zip(&flows) {
            for name in ["id", "src", "dst", "community_id", "verdict"] {
                assert_eq!(read[name], flow[name], "{name}");
            }
            for name in ["packets", "bytes"] {
                assert_eq!(read[name][0], flow["orig"][name]);
                assert_eq!(read[name][1], flow["resp"][name]);
            }
            assert!(read["seconds"].as_i64() >= Some(0));
        }
        let kinds = told("findings", &[text(&sample)]);
        let kinds: Vec<String> = kinds
            .iter()
            .map(|f| format!("\"mirrorscope {}\"", f["kind"].as_str().unwrap()))
            .collect();
        let alerts = run(
            "jq",
            &[
                "-c",
                "select(.event_type == \"alert\") | .alert.signature",
                text(&log),
            ],
        );
        assert_eq!(alerts.lines().collect::<Vec<_>>(), kinds);
    }
}

#[test]
#[ignore = "needs readers of Zeek's logs: tests/compare/run"]
fn readers_of_zeek_logs_read_files_that_were_put_aside() {
    let folder = tempfile::tempdir().unwrap();
    let log = format!("zeek:{}/", text(folder.path()));
    let mut ids = BTreeSet::new();
    for _ in 0..2 {
        for flow in told("flows", &["--log", &log, "--log-rotate-size", "1", SAMPLE]) {
            ids.insert(format!("C{}", flow["id"].as_str().unwrap()));
        }
    }
    let mut read = Vec::new();
    let mut files = 0;
    for entry in fs::read_dir(folder.path()).unwrap() {
        let path = entry.unwrap().path();
        files += 1;
        let rows = run(
            "target/compare/bin/python",
            &["tests/compare/zeek_readers.py", text(&path)],
        );
        read.extend(
            lines(&rows)
                .iter()
                .map(|row| row["uid"].as_str().unwrap().to_owned()),
        );
    }
    assert!(files >= 3, "{files}");
    assert_eq!(read.len(), 2 * ids.len());
    assert_eq!(read.into_iter().collect::<BTreeSet<_>>(), ids);
}

#[test]
#[ignore = "needs root: tests/compare/run"]
fn a_listener_that_gave_up_its_privileges_calls_again_and_tells_flows_when_they_are_over() {
    let bench = Bench::new();
    let folder = tempfile::tempdir().unwrap();
    let log = format!("zeek:{}/", text(folder.path()));
    let words = format!(
        "findings -i eth0 --sites {SITES} --tcp-half-open-timeout 6s --tcp-timeout 6s --log {log} --log eve:tcp://127.0.0.1:7000"
    );
    let mirrorscope = bench.listen(&words);
    bench.send(SAMPLE, Duration::from_millis(1));
    let flows = told("flows", &[SAMPLE]);
    // It is called again, though nothing but that port may be.
    thread::sleep(Duration::from_secs(2));
    let reader = bench.machine.spawn(|| {
        let listener = TcpListener::bind("127.0.0.1:7000").unwrap();
        let (stream, _) = listener.accept().unwrap();
        BufReader::new(stream)
            .lines()
            .map(|line| line.unwrap())
            .collect::<Vec<_>>()
    });
    // All while it still listens.
    let conn = folder.path().join("conn.log");
    until("all flows", || {
        let log = fs::read_to_string(&conn).ok()?;
        let rows = log.lines().filter(|line| !line.starts_with('#')).count();
        (rows == flows.len()).then_some(())
    });
    mirrorscope.interrupt();
    let events = lines(&reader.join().unwrap().join("\n"));
    let of = |kind: &'static str| {
        events
            .iter()
            .filter(move |event| event["event_type"] == kind)
    };
    assert_eq!(of("flow").count(), flows.len());
    assert!(of("flow").all(|event| event["flow"]["reason"] == "timeout"));
    let asymmetric = |flow: &&Value| flow["verdict"] == "asymmetric";
    let told = of("flow")
        .map(|event| &event["mirrorscope"])
        .filter(asymmetric);
    assert_eq!(told.count(), flows.iter().filter(asymmetric).count());
    let mut kinds: Vec<&str> = of("alert")
        .map(|event| event["mirrorscope"]["kind"].as_str().unwrap())
        .collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert!(
        kinds.contains(&"asymmetric-path") && kinds.contains(&"firewall-out-of-state"),
        "{kinds:?}"
    );
}
