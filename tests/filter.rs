//! `--filter`: the same flows in every command, and their packets.

use std::collections::BTreeSet;
use std::fs;

use serde_json::Value;

use crate::support::{
    bytes, json, json_lines, mirrorscope, run, run_with_input, stderr, stdout, text,
};

const SAMPLE: &str = crate::generated::ASYMMETRIC;
const VXLAN: &str = crate::generated::ASYMMETRIC_VXLAN;
const SITES: &str = crate::generated::SITES;

fn flows(filter: &str) -> Vec<Value> {
    json_lines(&[
        "flows", "--format", "json", "--sites", SITES, "--filter", filter, SAMPLE,
    ])
}

/// Whether a flow's own words say what a filter asks for.
type Says = fn(&Value) -> bool;

#[test]
fn flows_are_those_that_match() {
    let all = json_lines(&["flows", "--format", "json", "--sites", SITES, SAMPLE]);
    assert_eq!(all.len(), 30);
    // The filter's words against what the same flows say of themselves.
    let cases: [(&str, usize, Says); 9] = [
        ("not symmetric", 10, |f| f["verdict"] != "symmetric"),
        ("dst host 10.20.0.60 and dport 5432", 5, |f| {
            f["dst"] == "10.20.0.60" && f["dport"] == 5432
        }),
        ("host 10.20.0.50 and state S1", 9, |f| {
            (f["dst"] == "10.20.0.50" || f["src"] == "10.20.0.50") && f["state"] == "S1"
        }),
        ("icmp", 2, |f| f["proto"] == "icmp"),
        ("site dc2 and not site dc1", 2, |f| {
            let points = f["points"].as_array().unwrap();
            points.iter().all(|p| p["site"] == "dc2")
        }),
        ("packets > 40 or duration >= 18s", 1, |f| {
            f["orig"]["packets"].as_u64().unwrap() + f["resp"]["packets"].as_u64().unwrap() > 40
        }),
        ("session 203 and not point fw2-*", 2, |f| {
            let points = f["points"].as_array().unwrap();
            points.iter().any(|p| p["point"] == "vm-dc2")
                && points.iter().all(|p| p["point"] != "fw2-inside")
        }),
        // An ERSPAN session is no network.
        ("vni 201", 0, |_| false),
        ("history ^", 0, |f| {
            f["history"].as_str().unwrap().contains('^')
        }),
    ];
    for (filter, count, says) in cases {
        let expected: Vec<&Value> = all.iter().filter(|flow| says(flow)).collect();
        let found = flows(filter);
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter}");
        assert_eq!(found.len(), count, "{filter}");
    }
}

#[test]
fn a_flow_says_what_brought_it() {
    let flow = &flows("sport 50020")[0];
    let point = |name: &str| {
        let points = flow["points"].as_array().unwrap();
        points.iter().find(|p| p["point"] == name).unwrap().clone()
    };
    assert_eq!(
        point("fw2-inside")["sessions"],
        serde_json::json!(["erspan2-201@10.60.0.3"])
    );
    assert_eq!(point("fw2-inside")["segments"], serde_json::json!([]));
    assert_eq!(point("fw2-inside")["vlans"], serde_json::json!([]));
    let arguments = ["flows", "--format", "json", "--filter", "vni 5201", VXLAN];
    let found = json_lines(&arguments);
    assert!(!found.is_empty());
    for flow in &found {
        let points = flow["points"].as_array().unwrap();
        assert!(
            points
                .iter()
                .any(|p| p["segments"] == serde_json::json!([5201])),
            "{flow:#}"
        );
    }
}

#[test]
fn a_report_counts_and_judges_matching_flows_and_keeps_the_mirrors_own() {
    let file = crate::generated::MIRROR_LOSS;
    let report = |arguments: &[&str]| {
        json(
            &[
                &["report", "--format", "json", "--sites", SITES, file],
                arguments,
            ]
            .concat(),
        )
    };
    let (all, some) = (report(&[]), report(&["--filter", "udp"]));
    assert!(all["totals"].get("flows_matching").is_none() && all.get("filter").is_none());
    assert_eq!(some["filter"], "udp");
    assert_eq!(some["totals"]["flows"], all["totals"]["flows"]);
    assert_eq!(some["totals"]["frames"], all["totals"]["frames"]);
    let matching = some["totals"]["flows_matching"].as_u64().unwrap();
    assert_eq!(matching, 5);
    let counts = |report: &Value, what: &str| -> u64 {
        let counts = report["totals"][what].as_object().unwrap();
        counts.values().map(|count| count.as_u64().unwrap()).sum()
    };
    assert_eq!(counts(&some, "verdicts"), matching);
    assert!(counts(&all, "verdicts") > matching);
    assert_eq!(some["sessions"], all["sessions"]);
    assert_eq!(some["findings"][0]["kind"], "mirror-loss");
    assert_eq!(some["findings"][0], all["findings"][0]);
}

#[test]
fn findings_and_their_exit_status_are_those_of_matching_flows() {
    let findings = |filter: &str| {
        let arguments = ["findings", "--format", "json", "--sites", SITES];
        let filter = ["--fail-on", "error", "--filter", filter, SAMPLE];
        let output = run(&[&arguments[..], &filter].concat());
        let lines = stdout(&output);
        let found: Vec<Value> = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        (output.status.code(), found, stderr(&output))
    };
    let (status, found, _) = findings("port 8443");
    assert_eq!(status, Some(1));
    assert!(found.iter().all(|f| f["flows"] == 1), "{found:#?}");
    assert_eq!(found[0]["kind"], "asymmetric-path");
    let (status, found, message) = findings("host 10.20.0.60");
    assert_eq!((status, found.len(), message.as_str()), (Some(0), 0, ""));
    let (status, found, message) = findings("host 10.20.0.99");
    assert_eq!((status, found.len()), (Some(0), 0));
    assert_eq!(
        message,
        "mirrorscope: none of 30 flows matches the filter\n"
    );
}

#[test]
fn sessions_are_those_that_brought_matching_flows() {
    let names = |filter: &str| -> Vec<String> {
        let arguments = ["sessions", "--format", "json", "--filter", filter, SAMPLE];
        let sessions = json_lines(&arguments);
        let names = sessions.iter().map(|s| s["name"].as_str().unwrap());
        names.map(str::to_owned).collect()
    };
    // The app of dc2 and its clients are behind dc2's own firewall.
    assert_eq!(
        names("host 10.20.0.70"),
        ["erspan2-201@10.60.0.3", "erspan2-203@10.60.0.3"]
    );
    assert_eq!(names("tcp").len(), 6);
    assert_eq!(names("sctp"), [""; 0]);
}

#[test]
fn the_text_report_says_that_it_is_filtered() {
    let report = stdout(&run(&[
        "report",
        "--sites",
        SITES,
        "--filter",
        "not symmetric",
        SAMPLE,
    ]));
    assert!(
        report
            .starts_with("filter: not symmetric (matches 10 of 30 flows)\n✖ 10.20.0.50: requests "),
        "{report}"
    );
    assert!(
        report.contains("\n10 of 30 flows match: 9 asymmetric, 1 moved\n"),
        "{report}"
    );
}

/// Packets of all flows at all points, and the flows' Community IDs.
fn expected(filter: &str) -> (u64, BTreeSet<String>) {
    let flows = flows(filter);
    let packets = flows.iter().flat_map(|f| f["points"].as_array().unwrap());
    let packets = packets
        .map(|p| p["orig"]["packets"].as_u64().unwrap() + p["resp"]["packets"].as_u64().unwrap());
    (packets.sum(), community_ids(&flows))
}

fn community_ids(flows: &[Value]) -> BTreeSet<String> {
    let ids = flows.iter().map(|f| f["community_id"].as_str().unwrap());
    ids.map(str::to_owned).collect()
}

#[test]
fn decap_writes_the_packets_of_matching_flows_alone() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    for filter in [
        "host 10.20.0.70",
        "tcp port 443",
        "asymmetric",
        "src 10.9.0.12 and not icmp",
        "point fw2-inside and bytes > 500",
        "duration < 1ms",
        "sctp",
    ] {
        let arguments = ["decap", "--sites", SITES, "--filter", filter];
        let output = run(&[&arguments[..], &["-w", text(&inner), SAMPLE]].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        let (packets, ids) = expected(filter);
        assert_eq!(
            stderr(&output),
            format!(
                "mirrorscope: 120 packets belong to no flow that a filter could choose (ARP, fragments whose first is missing) and were left out\n\
                 mirrorscope: {}: {packets} packets\n",
                inner.display()
            ),
            "{filter}"
        );
        let written = json_lines(&["flows", "--format", "json", text(&inner)]);
        assert_eq!(community_ids(&written), ids, "{filter}");
        let report = json(&["report", "--format", "json", text(&inner)]);
        assert_eq!(report["totals"]["frames"], packets, "{filter}");
    }
}

#[test]
fn decap_takes_a_flow_for_what_flows_takes_it_for() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.pcapng");
    // Each session a scope of its own: what one firewall saw of a flow is a flow.
    let options = ["--scope", "segment", "--filter", "not state SF and tcp"];
    let arguments = [&["flows", "--format", "json"], &options[..], &[VXLAN]];
    let flows = json_lines(&arguments.concat());
    let packets = |side: &str| -> u64 {
        let counts = flows.iter().map(|f| f[side]["packets"].as_u64().unwrap());
        counts.sum()
    };
    let arguments = [&["decap", "-w", text(&inner)], &options[..], &[VXLAN]];
    let output = run(&arguments.concat());
    let expected = packets("orig") + packets("resp");
    assert!(
        expected > 100
            && flows
                .iter()
                .all(|f| f["points"].as_array().unwrap().len() == 1)
    );
    assert!(
        stderr(&output).ends_with(&format!(": {expected} packets\n")),
        "{expected}: {}",
        stderr(&output)
    );
}

#[test]
fn fragments_of_a_mirrored_packet_go_with_their_first() {
    use mirrorscope_capture::writer::PcapWriter;
    use mirrorscope_dissectors::encap::{Outer, Wrap, fragment, wrap};
    let folder = tempfile::tempdir().unwrap();
    let (mirrored, inner) = (
        folder.path().join("mirrored.pcap"),
        folder.path().join("inner.pcap"),
    );
    let mut writer = PcapWriter::new(fs::File::create(&mirrored).unwrap(), 1, 0).unwrap();
    let mut count = 0;
    for (port, identification) in [(53, 1), (80, 2)] {
        let builder = etherparse::PacketBuilder::ethernet2([2; 6], [4; 6]);
        let builder = builder.ipv4([10, 0, 0, 1], [10, 0, 0, 2], 64);
        let mut frame = Vec::new();
        let builder = builder.udp(5000, port);
        builder.write(&mut frame, &[0x55; 3000]).unwrap();
        frame[19] = identification;
        for part in fragment(&frame, 1500) {
            let outer = Outer::new([10, 60, 0, 1].into(), [10, 60, 0, 9].into());
            let vxlan = Wrap::Vxlan { vni: 7, port: 4789 };
            let mut frame = Vec::new();
            wrap(&outer, &vxlan, &part, &mut frame);
            writer.write(count, frame.len() as u32, &frame).unwrap();
            count += 1;
        }
    }
    writer.finish().unwrap();
    assert_eq!(count, 6);
    for filter in ["port 53", "dport 53"] {
        let arguments = ["decap", "--filter", filter, "-w"];
        let output = run(&[&arguments[..], &[text(&inner), text(&mirrored)]].concat());
        assert_eq!(
            stderr(&output),
            format!("mirrorscope: {}: 3 packets\n", inner.display()),
            "{filter}"
        );
    }
}

#[test]
fn bare_frames_are_chosen_too_where_they_are_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let (inner, again) = (
        folder.path().join("inner.pcapng"),
        folder.path().join("again.pcapng"),
    );
    run(&["decap", "-w", text(&inner), SAMPLE]);
    for filter in ["udp", "udp and payload > 0"] {
        let arguments = ["decap", "--plain", "--filter", filter, "-w"];
        let output = run(&[&arguments[..], &[text(&again), text(&inner)]].concat());
        assert_eq!(
            stderr(&output),
            format!(
                "mirrorscope: 120 packets belong to no flow that a filter could choose (ARP, fragments whose first is missing) \
                 and were left out\nmirrorscope: {}: 32 packets\n",
                again.display()
            ),
            "{filter}"
        );
    }
}

#[test]
fn reading_once_and_reading_twice_choose_the_same_packets() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, filter: &str| {
        let path = folder.path().join(name);
        let output = run(&["decap", "--filter", filter, "-w", text(&path), SAMPLE]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        fs::read(path).unwrap()
    };
    let once = written("once.pcap", "host 10.20.0.50 and port 80");
    let twice = written("twice.pcap", "host 10.20.0.50 and port 80 and packets > 0");
    assert_eq!(once, twice);
    assert!(once.len() > 10_000);
}

#[test]
fn a_pipe_is_filtered_by_what_its_packets_show_and_refused_otherwise() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("inner.pcapng");
    let bytes = bytes(SAMPLE);
    let decap = |filter: &str| {
        run_with_input(
            &["decap", "--filter", filter, "-w", text(&path), "-"],
            &bytes,
        )
    };
    let output = decap("tcp and src host 10.20.0.50");
    assert_eq!(output.status.code(), Some(2));
    assert_eq!(
        stderr(&output),
        "mirrorscope: --filter: `src` is known only at the end of the capture, so that it must be read twice, and \
         standard input cannot be; save it to a file first, or filter by host, port and protocol alone\n"
    );
    assert!(!path.exists());
    let output = decap("tcp and host 10.20.0.50");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let (packets, _) = expected("tcp and host 10.20.0.50");
    assert!(stderr(&output).ends_with(&format!(": {packets} packets\n")));
    let flows = run_with_input(&["flows", "--filter", "symmetric", "-"], &bytes);
    assert_eq!(flows.status.code(), Some(0), "one reading is enough here");
}

#[test]
fn a_named_pipe_cannot_be_read_twice_either() {
    let folder = tempfile::tempdir().unwrap();
    let pipe = folder.path().join("live");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let output = mirrorscope()
        .args(["decap", "--filter", "moved", "-w", "-", text(&pipe)])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains(&format!("and {} cannot be", pipe.display())),
        "{}",
        stderr(&output)
    );
}

#[test]
fn what_is_wrong_with_the_input_is_told_once_though_it_is_read_twice() {
    let folder = tempfile::tempdir().unwrap();
    let (cut, inner) = (
        folder.path().join("cut.pcap"),
        folder.path().join("inner.pcap"),
    );
    let bytes = bytes(SAMPLE);
    fs::write(&cut, &bytes[..bytes.len() - 7]).unwrap();
    let output = run(&[
        "decap",
        "--filter",
        "asymmetric",
        "-w",
        text(&inner),
        text(&cut),
    ]);
    assert_eq!(output.status.code(), Some(2));
    let message = stderr(&output);
    assert_eq!(message.matches("cut short").count(), 1, "{message}");
}

#[test]
fn a_bad_filter_is_told_before_any_file_is_opened() {
    for command in ["report", "flows", "findings", "sessions", "decap"] {
        let mut arguments = vec![command, "--filter", "host 10.0.0.1 and symetric\u{1b}[2J"];
        if command == "decap" {
            arguments.extend(["-w", "missing/out.pcap"]);
        }
        arguments.push("missing.pcap");
        let output = run(&arguments);
        assert_eq!(output.status.code(), Some(2), "{command}");
        assert_eq!(
            stdout(&output) + &stderr(&output),
            "mirrorscope: --filter: column 19: `symetric\\u{1b}[2J` is no word of the filter language; \
             expected host, net, src, dst, orig, resp, port, portrange, sport, dport, proto, ip, ip6, site, point, role, tenant, \
             session, vni, vlan, verdict, cause, state, history, bytes, packets, payload, duration, \
             out-of-state, id, community-id, \
             tcp, udp, icmp, icmp6, sctp, igmp, gre, esp, ah, ospf, pim, vrrp, symmetric, asymmetric, one-way, \
             unanswered, moved, unknown\n  \
             host 10.0.0.1 and symetric\\u{1b}[2J\n                    ^^^^^^^^^^^^^^^^^\n",
            "{command}"
        );
    }
}

#[test]
fn help_teaches_filters_by_example() {
    for command in ["report", "flows", "findings", "sessions", "decap"] {
        let help = stdout(&run(&[command, "--help"]));
        let examples = [
            "'host 10.20.0.50 and port 443 and not symmetric'",
            "'site dc2 and (unanswered or state S0,S1)'",
            "'unknown and cause mirror-loss and bytes > 1M'",
        ];
        for example in examples {
            assert!(help.contains(example), "{command}: {help}");
            let filter = example.trim_matches('\'');
            let output = run(&["flows", "--filter", filter, SAMPLE]);
            assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        }
        assert!(help.contains("docs/filter.md"), "{command}: {help}");
    }
}

#[test]
fn every_filter_of_the_page_can_be_typed() {
    let page = fs::read_to_string("docs/filter.md").unwrap();
    let quoted = page.split("--filter '").skip(1);
    let mut filters: Vec<&str> = quoted.filter_map(|rest| rest.split('\'').next()).collect();
    let fenced = page.split("```filter\n").skip(1);
    filters.extend(fenced.flat_map(|rest| rest.split("```").next().unwrap_or_default().lines()));
    assert!(filters.len() >= 20, "{filters:?}");
    for filter in filters {
        let output = run(&["flows", "--filter", filter, SAMPLE]);
        assert_eq!(
            output.status.code(),
            Some(0),
            "{filter}: {}",
            stderr(&output)
        );
    }
}
