//! The time, place and way that a mirror tells, through the built command.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mirrorscope_capture::Files;
use mirrorscope_capture::writer::PcapWriter;
use mirrorscope_dissectors::encap::{Outer, Wrap, wrap};
use mirrorscope_dissectors::{Direction, Mark};
use serde_json::Value;

use crate::agreement::captures;
use crate::support::{json, json_lines, mirrorscope, run, stdout, text};

/// 2023-11-14T22:13:20Z.
const START: i64 = 1_700_000_000_000_000_000;
const MILLISECOND: i64 = 1_000_000;

/// Frames with their arrival.
type Frames = Vec<(i64, Vec<u8>)>;

/// A UDP packet of a VM, or to it.
fn inner(direction: Direction) -> Vec<u8> {
    let (vm, peer) = ([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]);
    let from_vm = direction == Direction::Ingress;
    let (source, destination) = if from_vm { (vm, peer) } else { (peer, vm) };
    let (from, to) = if from_vm { (1, 2) } else { (2, 1) };
    let mut frame = [destination, source].concat();
    frame.extend([8, 0, 0x45, 0, 0, 32, 0, 0, 0, 0, 64, 17, 0, 0]);
    frame.extend([10, 0, 0, from, 10, 0, 0, to, 0, 7, 0, 7, 0, 12, 0, 0]);
    frame.extend([0x55; 4]);
    frame
}

/// A mirrored packet: its session, time stamp, and sub-header.
fn mirrored(
    session: u16,
    direction: Direction,
    timestamp: u32,
    granularity: u8,
    platform: Option<[u8; 8]>,
) -> Vec<u8> {
    let with = Wrap::Erspan3 {
        frame_type: 0,
        session,
        vlan: 0,
        cos: 0,
        truncated: false,
        timestamp,
        sgt: 0,
        hw_id: 0,
        direction,
        granularity,
        sequence: None,
        platform,
    };
    wrapped(&with, &inner(direction))
}

fn wrapped(with: &Wrap<'_>, inner: &[u8]) -> Vec<u8> {
    let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
    let mut bytes = Vec::new();
    wrap(&outer, with, inner, &mut bytes);
    bytes
}

fn capture(folder: &Path, frames: &Frames) -> PathBuf {
    let path = folder.join("mirrored.pcap");
    let mut writer = PcapWriter::new(fs::File::create(&path).unwrap(), 1, 0).unwrap();
    for (time, bytes) in frames {
        writer.write(*time, bytes.len() as u32, bytes).unwrap();
    }
    writer.finish().unwrap();
    path
}

/// Sub-header of platform 7: a port, and the upper half of a time stamp.
fn platform_7(port: u32, time: u64) -> [u8; 8] {
    let port = (7 << 26 | port).to_be_bytes();
    let high = ((time >> 32) as u32).to_be_bytes();
    [port, high].concat().try_into().unwrap()
}

/// Packets 20 ms apart, whose arrival jitters by up to 9 ms.
fn jittered() -> impl Iterator<Item = (i64, i64)> {
    (0..200).map(|n| {
        let sent = START + n * 20 * MILLISECOND;
        (sent, sent + (n * 7 % 10) * MILLISECOND)
    })
}

#[test]
fn a_unit_that_contradicts_the_header_is_found_and_told() {
    let folder = tempfile::tempdir().unwrap();
    // Nanoseconds, said to be 100 microseconds.
    let frames = jittered().map(|(sent, arrival)| {
        let bytes = mirrored(5, Direction::Ingress, (sent - START + 1) as u32, 0, None);
        (arrival, bytes)
    });
    let path = capture(folder.path(), &frames.collect());
    let clock = &json_lines(&["sessions", "--format", "json", text(&path)])[0]["clock"];
    assert_eq!(clock["unit"], "1ns");
    assert_eq!(clock["declared"], "100us");
    assert_eq!(
        (&clock["epoch"], &clock["bits"]),
        (&"device".into(), &32.into())
    );
    assert!(clock["offset_ns"].is_null());
    let shown = stdout(&run(&["sessions", text(&path)]));
    // One direction alone is not told: some senders say the same of all packets.
    let note = "erspan3-5@10.60.0.1: its time stamps count 1ns";
    assert!(shown.contains(note), "{shown}");
}

#[test]
fn mirror_times_are_used_where_asked_for_and_sessions_stay_on_arrival() {
    let folder = tempfile::tempdir().unwrap();
    let frames = jittered().map(|(sent, arrival)| {
        let platform = platform_7(3, sent as u64);
        (
            arrival,
            mirrored(5, Direction::Egress, sent as u32, 3, Some(platform)),
        )
    });
    let frames: Frames = frames.collect();
    let path = capture(folder.path(), &frames);
    let inner = folder.path().join("inner.pcap");
    for (clock, mirror) in [("mirror", true), ("arrival", false)] {
        run(&["decap", "--clock", clock, "-w", text(&inner), text(&path)]);
        let mut files =
            Files::open(std::slice::from_ref(&inner), std::sync::Arc::default()).unwrap();
        for (sent, arrival) in jittered() {
            let time = files.next_frames(1).next().unwrap().time;
            assert_eq!(time, if mirror { sent } else { arrival });
        }
        let flow = &json_lines(&["flows", "--format", "json", "--clock", clock, text(&path)])[0];
        let session = &json_lines(&[
            "sessions",
            "--format",
            "json",
            "--clock",
            clock,
            text(&path),
        ])[0];
        let last = "2023-11-14T22:13:23.98";
        assert_eq!(
            flow["last"],
            format!("{last}{}", if mirror { "0000000Z" } else { "3000000Z" })
        );
        assert_eq!(session["last"], format!("{last}3000000Z"));
        assert_eq!(session["clock"]["epoch"], "unix");
        assert_eq!(session["clock"]["offset_ns"], 0);
    }
}

#[test]
fn a_clock_that_is_behind_changes_times_and_no_verdict() {
    let folder = tempfile::tempdir().unwrap();
    // Within a second of arrival, but a flow that lived at the end of the capture would seem to have ended before it.
    let behind = 900 * MILLISECOND;
    let mut frames: Frames = jittered()
        .map(|(_, arrival)| (arrival, wrapped(&Wrap::Erspan1, &[0; 60])))
        .collect();
    let last = frames[199].0 - 2500 * MILLISECOND;
    let time = (last - behind) as u64;
    let platform = platform_7(3, time);
    let mut query = mirrored(5, Direction::Ingress, time as u32, 3, Some(platform));
    // To port 53, where an answer is expected.
    let port = query.len() - 9;
    query[port] = 53;
    frames.push((last, query));
    frames.sort_by_key(|frame| frame.0);
    let path = capture(folder.path(), &frames);
    let flow = |clock: &str| {
        json_lines(&["flows", "--format", "json", "--clock", clock, text(&path)]).remove(0)
    };
    let (arrived, by_mirror) = (flow("arrival"), flow("mirror"));
    assert_eq!(arrived["first"], "2023-11-14T22:13:21.483000000Z");
    assert_eq!(by_mirror["first"], "2023-11-14T22:13:20.583000000Z");
    assert!(
        arrived["why"].as_str().unwrap().starts_with("capture-end"),
        "{arrived:#}"
    );
    assert_eq!(arrived["why"], by_mirror["why"]);
}

#[test]
fn a_marker_ties_its_session_to_utc_and_is_no_traffic() {
    let folder = tempfile::tempdir().unwrap();
    let mut frames = Frames::new();
    for (sent, arrival) in jittered() {
        let counter = (sent - START) as u64 + 0xffff_0000_0000;
        frames.push((
            arrival,
            mirrored(5, Direction::Ingress, counter as u32, 2, None),
        ));
        if (sent - START) % (500 * MILLISECOND) == 0 {
            let utc = sent - 50 * MILLISECOND;
            let mark = Mark {
                session_id: 5,
                granularity: 4,
                utc_offset: 37,
                counter,
                utc: Duration::from_nanos(utc as u64),
                sequence: 1,
            };
            let marker = Wrap::ErspanMarker { port: 65023, mark };
            frames.push((arrival, wrapped(&marker, &[])));
        }
    }
    let path = capture(folder.path(), &frames);
    let report = |port: &str| {
        json(&[
            "report",
            "--format",
            "json",
            "--clock",
            "mirror",
            "--erspan-marker-port",
            port,
            text(&path),
        ])
    };
    let with = report("65023");
    assert_eq!(with["totals"]["opaque"], 8);
    assert_eq!(with["totals"]["plain"], 0);
    let [session] = &with["sessions"].as_array().unwrap()[..] else {
        panic!("{with:#}")
    };
    assert_eq!(session["clock"]["epoch"], "unix");
    assert_eq!(session["clock"]["offset_ns"], 50 * MILLISECOND);
    assert_eq!(report("65022")["sessions"][0]["clock"]["epoch"], "device");
}

#[test]
fn directions_are_told_by_what_stands_at_the_port() {
    let folder = tempfile::tempdir().unwrap();
    let mut frames = Frames::new();
    for n in 0..6 {
        let direction = if n < 4 {
            Direction::Ingress
        } else {
            Direction::Egress
        };
        let platform = platform_7(if n % 2 == 0 { 3 } else { 0xf_fffe }, 0);
        let bytes = mirrored(5, direction, 0, 0, Some(platform));
        frames.push((START + n * MILLISECOND, bytes));
    }
    let path = capture(folder.path(), &frames);
    let sites = folder.path().join("sites.toml");
    let told = |role: &str, more: &str| -> Value {
        let point = format!("name = 'p'\nrole = '{role}'\nmatch = {{ session = 5 }}\n{more}");
        fs::write(
            &sites,
            format!("[[site]]\nname = 'a'\n[[site.point]]\n{point}"),
        )
        .unwrap();
        let arguments = [
            "sessions",
            "--format",
            "json",
            "--sites",
            text(&sites),
            text(&path),
        ];
        json_lines(&arguments).remove(0)
    };
    for (role, who) in [
        ("vnic", "the VM"),
        ("firewall", "the firewall"),
        ("router", "the router"),
        ("dci", "the DCI"),
        ("uplink", "the uplink"),
        ("switch", "the station at the port"),
    ] {
        let (from, towards) = (format!("from {who}"), format!("towards {who}"));
        let ways = |first: &str, second: &str| serde_json::json!([{ "way": first, "packets": 4 }, { "way": second, "packets": 2 }]);
        assert_eq!(told(role, "")["directions"], ways(&from, &towards));
        let reversed = told(role, "reversed-direction = true");
        assert_eq!(reversed["directions"], ways(&towards, &from));
    }
    let session = told("vnic", "");
    assert!(session["clock"].is_null(), "0 in every packet is no time");
    assert_eq!(
        session["ports"],
        serde_json::json!([
            { "index": 3, "way": "from the VM", "packets": 2 },
            { "index": 0xf_fffe, "way": "from the VM", "packets": 2 },
            { "index": 3, "way": "towards the VM", "packets": 1 },
            { "index": 0xf_fffe, "way": "towards the VM", "packets": 1 },
        ])
    );
    for command in ["sessions", "report"] {
        let output = mirrorscope()
            .args([command, "--sites", text(&sites), text(&path)])
            .output()
            .unwrap();
        let shown = stdout(&output);
        let note = "4 packets from the VM, 2 packets towards the VM; ports 3, 1048574";
        assert!(shown.contains(note), "{shown}");
        assert!(!shown.contains("gress"), "{shown}");
    }
}

#[test]
fn ports_beyond_the_bound_are_counted_together() {
    let folder = tempfile::tempdir().unwrap();
    let frames = (0..100).map(|n| {
        let bytes = mirrored(5, Direction::Egress, 0, 0, Some(platform_7(n, 0)));
        (START + i64::from(n), bytes)
    });
    let path = capture(folder.path(), &frames.collect());
    let session = json_lines(&["sessions", "--format", "json", text(&path)]).remove(0);
    let ports = session["ports"].as_array().unwrap();
    assert_eq!(ports.len(), 65);
    assert_eq!(
        ports[64],
        serde_json::json!({ "index": null, "way": null, "packets": 36 })
    );
    assert_eq!(session["directions"][0]["packets"], 100);
}

#[test]
fn clocks_of_real_devices_are_read() {
    let Some(folder) = captures() else { return };
    let clock = |name: &str| {
        let path = folder.join(name);
        json_lines(&["sessions", "--format", "json", text(&path)]).remove(0)["clock"].clone()
    };
    let vds = clock("zeek-erspanIII.pcap");
    assert_eq!(
        (&vds["unit"], &vds["epoch"]),
        (&"100us".into(), &"device".into())
    );
    let since_1970 = clock("zeek-gre-erspan3-dot1q.pcap");
    assert_eq!(
        (&since_1970["unit"], &since_1970["epoch"]),
        (&"1ns".into(), &"unix".into())
    );
    assert!(since_1970["declared"].is_null());
    let offset = since_1970["offset_ns"].as_i64().unwrap();
    assert!(
        (14 * MILLISECOND..15 * MILLISECOND).contains(&offset),
        "{offset}"
    );
    let other_unit = clock("tcpdump-erspan-type-iii-ft-7.pcap");
    assert_eq!(
        (&other_unit["unit"], &other_unit["declared"]),
        (&"0.1ns".into(), &"100us".into())
    );
    assert_eq!(
        (&other_unit["epoch"], &other_unit["restarts"]),
        (&"device".into(), &0.into())
    );
    assert_eq!(
        (&other_unit["bits"], &other_unit["wraps"]),
        (&64.into(), &0.into())
    );
}
