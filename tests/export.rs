//! Feeding other tools: what is served and sent, and what happens when that cannot be.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::frames::read as read_frames;
use crate::support::{json_lines, mirrorscope, run, stderr, stdout, text};

const SAMPLE: &str = crate::generated::ASYMMETRIC;
const SITES: &str = crate::generated::SITES;

fn lines(text: &str) -> Vec<Value> {
    let lines = text.lines().map(serde_json::from_str);
    lines.collect::<Result<_, _>>().unwrap()
}

#[test]
fn a_port_that_is_taken_is_told_before_anything_is_read() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for command in ["report", "flows", "findings"] {
        let output = run(&[command, "--metrics", &address, SAMPLE]);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let told = stderr(&output);
        let expected = format!("mirrorscope: --metrics {address}: cannot listen there");
        assert!(told.starts_with(&expected), "{told}");
        assert!(told.contains("in use"), "{told}");
    }
}

#[test]
fn others_than_this_host_may_read_only_if_that_is_said() {
    let told = stderr(&run(&["findings", "--metrics", "0", SAMPLE]));
    assert!(
        told.starts_with("mirrorscope: metrics can be read at http://127.0.0.1:"),
        "{told}"
    );
    assert!(!told.contains("everybody"), "{told}");
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr();
    let at = format!("localhost:{}", port.unwrap().port());
    let told = stderr(&run(&["findings", "--metrics", &at, SAMPLE]));
    let expected = format!("http://{}/metrics\n", at.replace("localhost", "127.0.0.1"));
    assert!(told.ends_with(&expected), "{told}");
    for (at, why) in [
        ("192.0.2.1:9464", "that is no address of this host"),
        ("nowhere.invalid:9464", "its address is not known"),
    ] {
        let output = run(&["findings", "--metrics", at, SAMPLE]);
        assert_eq!(output.status.code(), Some(2));
        let expected = format!("mirrorscope: --metrics {at}: {why}: ");
        assert!(
            stderr(&output).starts_with(&expected),
            "{}",
            stderr(&output)
        );
    }
    let told = stderr(&run(&["findings", "--metrics", "0.0.0.0:0", SAMPLE]));
    assert!(
        told.contains("/metrics, by everybody who reaches that address"),
        "{told}"
    );
}

#[test]
fn eve_has_each_flow_and_each_finding_once() {
    let log = run(&["findings", "--sites", SITES, "--log", "eve:-", SAMPLE]);
    assert_eq!(log.status.code(), Some(0), "{}", stderr(&log));
    let events = lines(&stdout(&log));
    let of = |kind: &'static str| {
        let events = events.iter();
        events.filter(move |event| event["event_type"] == kind)
    };
    let flows = json_lines(&["flows", "--format", "json", "--sites", SITES, SAMPLE]);
    assert_eq!(of("flow").count(), flows.len());
    for (event, flow) in of("flow").zip(&flows) {
        assert_eq!(event["mirrorscope"]["verdict"], flow["verdict"]);
        assert_eq!(event["flow"]["pkts_toserver"], flow["orig"]["packets"]);
    }
    let findings = json_lines(&["findings", "--format", "json", "--sites", SITES, SAMPLE]);
    assert_eq!(of("alert").count(), findings.len());
    for (event, finding) in of("alert").zip(&findings) {
        let own = &event["mirrorscope"];
        assert_eq!(
            (&own["kind"], &own["summary"]),
            (&finding["kind"], &finding["summary"])
        );
        assert_eq!(own["told"], 1);
    }
    let web = of("flow").find(|event| event["src_port"] == 50001).unwrap();
    let expected = serde_json::json!({
        "pkts_toserver": 7, "pkts_toclient": 6, "bytes_toserver": 457, "bytes_toclient": 3714,
        "start": "2026-03-02T09:00:00.374270+0000", "end": "2026-03-02T09:00:00.432988+0000", "age": 0,
        "state": "closed", "reason": "shutdown", "alerted": false,
    });
    assert_eq!(web["flow"], expected);
    assert_eq!(web["tcp"]["tcp_flags_ts"], "13");
    let ping = of("flow").find(|event| event["proto"] == "ICMP").unwrap();
    assert_eq!(
        (&ping["icmp_type"], &ping["src_port"]),
        (&8.into(), &Value::Null)
    );
}

#[test]
fn a_filter_chooses_what_is_logged() {
    let log = run(&[
        "flows",
        "--filter",
        "port 53",
        "--log",
        "zeek-json:-",
        SAMPLE,
    ]);
    let rows = lines(&stdout(&log));
    assert!(!rows.is_empty());
    assert!(rows.iter().all(|row| row["id.resp_p"] == 53), "{rows:?}");
}

#[test]
fn a_connection_gets_all_of_it() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let to = format!("eve:tcp://{}", listener.local_addr().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("socket");
    let socket = UnixListener::bind(&path).unwrap();
    let also = format!("zeek:unix:{}", text(&path));
    let tcp = thread::spawn(move || read(listener.accept().unwrap().0));
    let unix = thread::spawn(move || read(socket.accept().unwrap().0));
    let output = run(&["findings", "--log", &to, "--log", &also, SAMPLE]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    let flows = stdout(&run(&["flows", "--format", "zeek", SAMPLE]));
    let rows = |text: &str| -> Vec<String> {
        let rows = text.lines().filter(|line| !line.starts_with('#'));
        rows.map(str::to_owned).collect()
    };
    let log = unix.join().unwrap();
    assert!(log.starts_with("#separator \\x09\n"));
    assert!(log.lines().last().unwrap().starts_with("#close\t"));
    assert_eq!(rows(&log), rows(&flows));
    let events = lines(&tcp.join().unwrap());
    let flows = events.iter().filter(|event| event["event_type"] == "flow");
    assert_eq!(flows.count(), rows(&log).len());
}

fn read(mut stream: impl std::io::Read) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

#[test]
fn who_is_not_there_at_first_gets_it_later() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let to = format!("eve:tcp://{address}");
    let late = thread::spawn(move || {
        thread::sleep(Duration::from_secs(2));
        read(TcpListener::bind(address).unwrap().accept().unwrap().0)
    });
    let output = run(&["findings", "--sites", SITES, "--log", &to, SAMPLE]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let told = stderr(&output);
    assert!(
        told.contains("refused") && told.contains("it is tried again"),
        "{told}"
    );
    assert!(
        told.ends_with(&format!("mirrorscope: tcp://{address}: goes on\n")),
        "{told}"
    );
    let flows = run(&["flows", "--log", "eve:-", "--sites", SITES, SAMPLE]);
    assert_eq!(late.join().unwrap(), stdout(&flows));
}

#[test]
fn what_does_not_arrive_shows_in_the_exit_status() {
    let address = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let begin = Instant::now();
    let to = format!("zeek-json:tcp://{address}");
    let output = run(&["flows", "--log", &to, SAMPLE]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!output.stdout.is_empty(), "what was found is shown");
    let told = stderr(&output);
    assert!(
        told.ends_with(&format!("tcp://{address}: 30 records were lost\n")),
        "{told}"
    );
    assert!(begin.elapsed() < Duration::from_secs(20));
    let output = run(&["flows", "--log", "eve:/dev/full", SAMPLE]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("/dev/full: no space left on device"));
}

#[test]
fn datagrams_that_nobody_takes_are_told_and_counted() {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    let to = socket.local_addr().unwrap().to_string();
    drop(socket);
    let syslog = format!("udp://{to}");
    let findings = json_lines(&["findings", "--format", "json", SAMPLE]).len();
    for (arguments, lost) in [
        (["flows", "--ipfix", &to, SAMPLE], 30),
        (["findings", "--syslog", &syslog, SAMPLE], findings),
    ] {
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stdout.is_empty(), "what was found is shown");
        let expected = format!(
            "mirrorscope: udp://{to}: nobody listens there; what is lost meanwhile is counted\n\
             mirrorscope: udp://{to}: {lost} records were lost\n"
        );
        assert_eq!(stderr(&output), expected);
    }
}

#[test]
fn what_cannot_be_opened_is_told_before_anything_is_read() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing/eve.json");
    let cases = [
        ("--log", format!("eve:{}", text(&missing))),
        ("--syslog", "unix:/nonexistent/log".to_owned()),
    ];
    for (option, target) in cases {
        let output = run(&["findings", option, &target, SAMPLE]);
        assert_eq!(output.status.code(), Some(2));
        assert!(output.stdout.is_empty());
        let told = stderr(&output);
        assert!(told.ends_with(": no such file or directory\n"), "{told}");
    }
    let twice = ["findings", "--log", "eve:-", "--log", "zeek:-", SAMPLE];
    let output = run(&twice);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("would have several logs"));
}

#[test]
fn who_has_read_enough_ends_it_in_silence() {
    let mut child = mirrorscope()
        .args(["flows", "--log", "eve:-", SAMPLE])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(stderr(&output), "");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_log_is_gone_on_with() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("eve:{}", text(folder.path()));
    for runs in 1..3 {
        assert_eq!(run(&["flows", "--log", &to, SAMPLE]).status.code(), Some(0));
        let log = fs::read_to_string(folder.path().join("eve.json")).unwrap();
        let flows = lines(&log)
            .into_iter()
            .filter(|event| event["event_type"] == "flow");
        assert_eq!(flows.count(), runs * 30);
    }
}

#[test]
fn each_log_of_zeek_that_is_put_aside_is_whole() {
    let folder = tempfile::tempdir().unwrap();
    let to = format!("zeek:{}/", text(folder.path()));
    for _ in 0..2 {
        let output = run(&["flows", "--log", &to, "--log-rotate-size", "1", SAMPLE]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    }
    let mut rows = 0;
    let files: Vec<_> = fs::read_dir(folder.path()).unwrap().collect();
    assert_eq!(files.len(), 4);
    for file in files {
        let log = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(log.starts_with("#separator \\x09\n"), "{log}");
        assert!(log.lines().last().unwrap().starts_with("#close\t"), "{log}");
        assert_eq!(log.matches("#close").count(), 1, "{log}");
        rows += log.lines().filter(|line| !line.starts_with('#')).count();
    }
    assert_eq!(rows, 60);
}

/// What is read is never written, whatever it is read for.
#[test]
fn files_that_are_read_are_no_place_for_logs() {
    let folder = tempfile::tempdir().unwrap();
    let copy = |name: &str, of: &str| {
        let path = folder.path().join(name);
        fs::copy(of, &path).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let capture = copy("own.pcap", "samples/healthy.pcap");
    let sites = copy("own.toml", "samples/two-sites.toml");
    for (log, file) in [
        (format!("eve:{capture}"), &capture),
        (format!("zeek:{capture}"), &capture),
        (format!("eve:{sites}"), &sites),
    ] {
        let before = fs::read(file).unwrap();
        let output = run(&["flows", "--log", &log, "--sites", &sites, &capture]);
        assert_eq!(output.status.code(), Some(2), "{log}");
        assert!(stderr(&output).contains("is an input file too"), "{log}");
        assert!(fs::read(file).unwrap() == before, "{log}");
    }
    let output = run(&["decap", "--sites", &sites, "-w", &sites, &capture]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("is an input file too"));
}

/// A pcap file with times in nanoseconds.
fn pcap(frames: &[(i64, Vec<u8>)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [0xa1b2_3c4d, 0x0004_0002, 0, 0, 262_144, 1] {
        bytes.extend(u32::to_le_bytes(word));
    }
    for (time, frame) in frames {
        let length = frame.len() as u32;
        let [seconds, rest] = [time / 1_000_000_000, time % 1_000_000_000];
        for word in [seconds as u32, rest as u32, length, length] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(frame);
    }
    bytes
}

/// Waits until a log has so many lines of it.
fn logged(path: &Path, number: usize, of: impl Fn(&Value) -> bool) -> Vec<Value> {
    let begin = Instant::now();
    loop {
        let events = lines(&fs::read_to_string(path).unwrap_or_default());
        let wanted: Vec<Value> = events.into_iter().filter(|event| of(event)).collect();
        if wanted.len() >= number {
            return wanted;
        }
        assert!(begin.elapsed() < Duration::from_mins(1), "{wanted:?}");
        thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_pipe_is_told_of_while_it_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("eve.json");
    let mut child = mirrorscope()
        .args(["findings", "--sites", SITES, "--log"])
        .args([&format!("eve:{}", text(&log)), "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let frames = read_frames(Path::new(SAMPLE));
    let mut pipe = child.stdin.take().unwrap();
    pipe.write_all(&pcap(&frames)).unwrap();
    // Two hours later all flows are over, others begin, and the pipe is silent again.
    let later = frames
        .into_iter()
        .map(|(time, frame)| (time + 7_200_000_000_000, frame));
    pipe.write_all(&pcap(&later.collect::<Vec<_>>())[24..])
        .unwrap();
    pipe.flush().unwrap();
    let expected = json_lines(&["flows", "--format", "json", "--sites", SITES, SAMPLE]);
    let flow = |event: &Value| event["event_type"] == "flow";
    let alert = |event: &Value| event["event_type"] == "alert";
    let told = logged(&log, expected.len(), flow);
    let told: BTreeMap<&str, &Value> = told
        .iter()
        .map(|event| (event["mirrorscope"]["id"].as_str().unwrap(), event))
        .collect();
    for flow in &expected {
        let event = told[flow["id"].as_str().unwrap()];
        assert_eq!(event["mirrorscope"]["verdict"], flow["verdict"], "{flow}");
        assert_eq!(event["flow"]["pkts_toclient"], flow["resp"]["packets"]);
    }
    let asymmetric =
        |event: &Value| alert(event) && event["mirrorscope"]["kind"] == "asymmetric-path";
    logged(&log, 1, asymmetric);
    drop(pipe);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0));
    // Each once, the others with the end of the pipe.
    let all = logged(&log, 0, flow);
    assert_eq!(all.len(), 2 * expected.len());
    let mut ids: Vec<&Value> = all.iter().map(|e| &e["mirrorscope"]["id"]).collect();
    ids.sort_by_key(|id| id.as_str());
    ids.dedup();
    assert_eq!(ids.len(), all.len());
    let last = |event: &Value| event["flow"]["reason"] == "shutdown";
    let (first, second) = all.split_at(expected.len());
    assert!(!first.iter().any(last) && second.iter().any(last));
}
