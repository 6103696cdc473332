//! What the flow table knows of copies, connections and fragments, as it shows in streams.

use mirrorscope_dissectors::encap::fragment;

use super::*;

const ENDS: &str = "10.0.0.1:1000-10.0.0.2:80";

/// Sets the identification of a frame's IPv4 header, and its checksum.
fn identified(mut frame: Vec<u8>, id: u16) -> Vec<u8> {
    frame[18..20].copy_from_slice(&id.to_be_bytes());
    frame[24..26].fill(0);
    let words = frame[14..34].as_chunks::<2>().0;
    let sum: u32 = words
        .iter()
        .map(|w| u32::from(u16::from_be_bytes(*w)))
        .sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    let checksum = !((folded & 0xffff) + (folded >> 16)) as u16;
    frame[24..26].copy_from_slice(&checksum.to_be_bytes());
    frame
}

/// A datagram of side 0 (10.0.0.1:1000) or 1 (10.0.0.2:80), in a frame of its own.
fn datagram(side: usize, id: u16, payload: &[u8]) -> Vec<u8> {
    let ends = [([10, 0, 0, 1], 1000), ([10, 0, 0, 2], 80)];
    let (source, destination) = (ends[side], ends[1 - side]);
    let builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(source.0, destination.0, 64)
        .udp(source.1, destination.1);
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).unwrap();
    identified(bytes, id)
}

/// Writes frames with a time each, in microseconds.
fn timed(path: &Path, frames: &[(i64, &Vec<u8>)]) -> String {
    let mut writer = PcapWriter::new(fs::File::create(path).unwrap(), 1, 0).unwrap();
    for (time, bytes) in frames {
        let time = 1_700_000_000_000_000_000 + time * 1000;
        writer.write(time, bytes.len() as u32, bytes).unwrap();
    }
    writer.finish().unwrap();
    text(path).to_owned()
}

/// Wraps a capture as a mirror would.
fn mirrored(folder: &Path, capture: &str, name: &str, format: &[&str]) -> String {
    let path = folder.join(name);
    let wrap = [&["encap", "--as"], format, &["-w", text(&path), capture]].concat();
    let output = run(&wrap);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    text(&path).to_owned()
}

/// What is under the head.
fn body(text: &str) -> &str {
    text.split_once("\n\n").unwrap().1
}

/// The bytes of one direction, of which none may be missing.
#[track_caller]
fn raw(direction: &str, files: &[&str]) -> Vec<u8> {
    let arguments = ["follow", "--flow", ENDS, "--format", "raw", "--direction"];
    let output = run(&[&arguments[..], &[direction], files].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stderr(&output), "");
    output.stdout
}

#[test]
fn connections_that_use_the_same_ports_again_are_followed_apart() {
    let folder = tempfile::tempdir().unwrap();
    let connection = |isn: u32, question: &[u8], answer: &[u8]| {
        let (ask, reply) = (question.len() as u32, answer.len() as u32);
        let (orig, resp) = (isn + 1, isn + 5001);
        vec![
            frame(0, 2, isn, 0, b""),
            frame(1, 18, isn + 5000, orig, b""),
            frame(0, 16, orig, resp, question),
            frame(1, 16, resp, orig + ask, answer),
            frame(0, 17, orig + ask, resp + reply, b""),
            frame(1, 17, resp + reply, orig + ask + 1, b""),
            frame(0, 16, orig + ask + 1, resp + reply + 1, b""),
        ]
    };
    let made = capture(
        folder.path(),
        &[
            connection(1000, b"one?\n", b"first\n"),
            connection(700_000, b"two?\n", b"second\n"),
            connection(90_000, b"three?\n", b"third\n"),
        ]
        .concat(),
    );
    let shown = follow(&["--flow", ENDS, &made]);
    let flows: Vec<&str> = shown.split("tcp 10.0.0.1:1000 > 10.0.0.2:80\n").collect();
    assert_eq!(flows.len(), 4, "{shown}");
    assert_eq!(flows[0], "");
    let bodies = [
        "> one?\n< first\n",
        "> two?\n< second\n",
        "> three?\n< third\n",
    ];
    for (flow, expected) in flows[1..].iter().zip(bodies) {
        assert_eq!(body(flow).trim_end(), expected.trim_end());
        assert!(!flow.contains("further connection"), "{flow}");
    }
    let arguments = ["--flow", ENDS, "--format", "raw", "--direction", "resp"];
    let error = refused(&[&arguments[..], &[&made]].concat());
    let listed: Vec<&str> = error.lines().collect();
    assert_eq!(
        listed[0],
        format!("mirrorscope: {ENDS} means 3 flows; choose one by its id:")
    );
    assert_eq!(listed.len(), 4, "{error}");
    for (line, expected) in listed[1..].iter().zip(["first\n", "second\n", "third\n"]) {
        let (id, ends) = line.trim().split_once("  ").unwrap();
        assert_eq!(ends, "tcp 10.0.0.1:1000 > 10.0.0.2:80");
        let arguments = [
            "--flow",
            id,
            "--format",
            "raw",
            "--direction",
            "resp",
            &made,
        ];
        assert_eq!(follow(&arguments), expected, "{id}");
    }
}

#[test]
fn datagrams_that_several_points_saw_appear_once() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(
        folder.path(),
        &[
            datagram(0, 1, b"ping\n"),
            datagram(1, 7, b"pong\n"),
            // The same words again are another datagram.
            datagram(0, 2, b"ping\n"),
            datagram(1, 8, b"pong\n"),
        ],
    );
    let erspan = mirrored(folder.path(), &made, "erspan.pcap", &["erspan2"]);
    let vxlan = mirrored(folder.path(), &made, "vxlan.pcap", &["vxlan"]);
    let alone = follow(&["--flow", ENDS, &made]);
    assert_eq!(body(&alone), "> ping\n< pong\n> ping\n< pong\n");
    let all = follow(&["--flow", ENDS, &made, &erspan, &vxlan]);
    assert_eq!(body(&all), body(&alone));
    assert!(
        all.contains("> orig  10.0.0.1:1000 to 10.0.0.2:80: 10 bytes\n"),
        "{all}"
    );
    assert_eq!(all.matches("), 2 packets\n").count(), 6, "{all}");
}

#[test]
fn datagrams_in_fragments_inside_of_a_tunnel_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let question: Vec<u8> = (0..5000_u32).map(|n| (n % 251) as u8).collect();
    let answer: Vec<u8> = (0..3000_u32).map(|n| (n % 241) as u8).collect();
    let parts = |frame: &[u8], parts| {
        let fragments = fragment(frame, 1500);
        assert_eq!(fragments.len(), parts);
        fragments
    };
    let question_parts = parts(&datagram(0, 1, &question), 4);
    let answer_parts = parts(&datagram(1, 1, &answer), 3);
    let plain = capture(
        folder.path(),
        &[&question_parts[..], &answer_parts].concat(),
    );
    let vxlan = mirrored(folder.path(), &plain, "vxlan.pcap", &["vxlan"]);
    assert_eq!(raw("orig", &[&vxlan]), question);
    assert_eq!(raw("resp", &[&vxlan]), answer);
    // Each of two points misses a part of the question, and has the others in another order.
    let mut orders = [question_parts.clone(), question_parts];
    orders[0].remove(2);
    orders[1].remove(1);
    orders[1].reverse();
    let files: Vec<String> = orders
        .iter()
        .zip(["192.0.2.1", "192.0.2.2"])
        .map(|(order, device)| {
            let plain = capture(folder.path(), &[&order[..], &answer_parts].concat());
            let (name, format) = (format!("{device}.pcap"), ["vxlan", "--source", device]);
            mirrored(folder.path(), &plain, &name, &format)
        })
        .collect();
    let files: Vec<&str> = files.iter().map(String::as_str).collect();
    assert_eq!(raw("resp", &files), answer, "once, not once for each point");
    assert_eq!(raw("orig", &files), b"", "no point has it whole");
}

#[test]
fn segments_in_fragments_inside_of_a_tunnel_are_whole() {
    let folder = tempfile::tempdir().unwrap();
    let answer: Vec<u8> = (0..4000_u32).map(|n| (n % 241) as u8).collect();
    let segment = identified(frame(1, 16, 500, 105, &answer[..3000]), 9);
    let mut fragments = fragment(&segment, 1500);
    assert_eq!(fragments.len(), 3);
    fragments.swap(0, 2);
    let mut frames = vec![
        frame(0, 2, 99, 0, b""),
        frame(1, 18, 499, 100, b""),
        frame(0, 16, 100, 500, b"send\n"),
    ];
    frames.extend(fragments);
    frames.push(frame(1, 17, 3500, 105, &answer[3000..]));
    let made = capture(folder.path(), &frames);
    let vxlan = mirrored(folder.path(), &made, "vxlan.pcap", &["vxlan"]);
    assert_eq!(raw("resp", &[&vxlan]), answer);
    assert_eq!(raw("resp", &[&made, &vxlan]), answer);
    assert_eq!(raw("orig", &[&vxlan]), b"send\n");
}

#[test]
fn a_mirror_that_doubles_every_packet_gives_the_same_streams() {
    let folder = tempfile::tempdir().unwrap();
    let mut frames = conversation();
    frames.push(datagram(0, 1, b"ping\n"));
    frames.push(datagram(1, 7, b"pong\n"));
    frames.push(datagram(0, 2, b"ping\n"));
    let (mut single, mut double) = (Vec::new(), Vec::new());
    for (time, frame) in (0..).step_by(5000).zip(&frames) {
        single.push((time, frame));
        double.extend([(time, frame), (time + 40, frame)]);
    }
    let single = timed(&folder.path().join("single.pcap"), &single);
    let double = timed(&folder.path().join("double.pcap"), &double);
    for protocol in ["tcp", "udp"] {
        let flow = format!("{protocol} {ENDS}");
        for format in ["ascii", "hex"] {
            let arguments = ["--flow", &flow, "--format", format];
            let [once, twice] =
                [&single, &double].map(|file| follow(&[&arguments[..], &[file.as_str()]].concat()));
            assert_eq!(body(&twice), body(&once));
        }
    }
    let shown = follow(&["--flow", &format!("udp {ENDS}"), &double]);
    assert_eq!(body(&shown), "> ping\n< pong\n> ping\n");
}

#[test]
fn a_filter_that_only_the_end_of_the_capture_decides_chooses_flows() {
    let sites = ["--sites", crate::generated::SITES];
    let flows = json_lines(&[&["flows", "--format", "json"], &sites[..], &[ASYMMETRIC]].concat());
    let wanted = |flow: &&serde_json::Value| {
        flow["verdict"] == "asymmetric"
            && flow["proto"] == "tcp"
            && (flow["sport"] == 80 || flow["dport"] == 80)
    };
    let mut expected: Vec<&str> = flows
        .iter()
        .filter(wanted)
        .filter_map(|flow| flow["id"].as_str())
        .collect();
    let others = flows.len() - expected.len();
    assert!(expected.len() > 1 && others > 1, "{expected:?}, {others}");
    let filter = ["--filter", "port 80 and asymmetric", "--format", "ascii"];
    let shown = follow(&[&filter[..], &sites, &[ASYMMETRIC]].concat());
    let mut found: Vec<&str> = shown
        .lines()
        .filter_map(|line| line.strip_prefix("flow ")?.split(',').next())
        .collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
    let other = ["--filter", "port 8443 and moved"];
    let other = follow(&[&other[..], &sites, &[ASYMMETRIC]].concat());
    assert_eq!(other.matches("\nflow ").count(), 1, "{other}");
    assert!(body(&other).starts_with("> state?"), "{other}");
    let piped = run_with_input(
        &[&["follow"], &filter[..], &sites, &["-"]].concat(),
        &fs::read(ASYMMETRIC).unwrap(),
    );
    assert_eq!(piped.status.code(), Some(2));
    assert_eq!(stdout(&piped), "");
    assert_eq!(
        stderr(&piped),
        "mirrorscope: --filter: `asymmetric` is known only at the end of the capture, so that it must be read twice, and \
         standard input cannot be; save it to a file first, or filter by host, port and protocol alone\n"
    );
}
