//! `follow` through the built command.

mod list;
mod tracked;

use std::fs;
use std::path::Path;

use mirrorscope_capture::writer::PcapWriter;

use crate::support::{json_lines, mirrorscope, run, run_with_input, stderr, stdout, text};

const ASYMMETRIC: &str = crate::generated::ASYMMETRIC;
const LOSSY: &str = crate::generated::MIRROR_LOSS;
const WEB: &str = "10.9.0.10:50001-10.20.0.50:80";

#[track_caller]
fn follow(arguments: &[&str]) -> String {
    let output = run(&[&["follow"], arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    stdout(&output)
}

/// What a failing run says.
#[track_caller]
fn refused(arguments: &[&str]) -> String {
    let output = run(&[&["follow"], arguments].concat());
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    stderr(&output)
}

/// The id of the flow with a source port.
fn id(sample: &str, sport: u64) -> String {
    let flows = json_lines(&["flows", "--format", "json", sample]);
    let flow = flows.iter().find(|flow| flow["sport"] == sport).unwrap();
    flow["id"].as_str().unwrap().to_owned()
}

/// A segment of side 0 (10.0.0.1:1000) or 1 (10.0.0.2:80), in a frame of its own.
fn frame(side: usize, flags: u8, seq: u32, ack: u32, payload: &[u8]) -> Vec<u8> {
    let ends = [([10, 0, 0, 1], 1000), ([10, 0, 0, 2], 80)];
    let (source, destination) = (ends[side], ends[1 - side]);
    let mut builder = etherparse::PacketBuilder::ethernet2([2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2])
        .ipv4(source.0, destination.0, 64)
        .tcp(source.1, destination.1, seq, 1000);
    if flags & 1 != 0 {
        builder = builder.fin();
    }
    if flags & 2 != 0 {
        builder = builder.syn();
    }
    if flags & 16 != 0 {
        builder = builder.ack(ack);
    }
    let mut bytes = Vec::new();
    builder.write(&mut bytes, payload).unwrap();
    bytes
}

/// Writes frames, a millisecond apart.
fn capture(folder: &Path, frames: &[Vec<u8>]) -> String {
    let path = folder.join("made.pcap");
    let mut writer = PcapWriter::new(fs::File::create(&path).unwrap(), 1, 0).unwrap();
    for (n, bytes) in (0..).zip(frames) {
        let time = 1_700_000_000_000_000_000 + n * 1_000_000;
        writer.write(time, bytes.len() as u32, bytes).unwrap();
    }
    writer.finish().unwrap();
    text(&path).to_owned()
}

/// A request with a hole in its answer, and things in it that could act on a terminal.
fn conversation() -> Vec<Vec<u8>> {
    vec![
        frame(0, 2, 99, 0, b""),
        frame(1, 18, 499, 100, b""),
        frame(0, 16, 100, 500, b"GET /\x1b[2J\xc3\xa4\r\nHost:\tx\r\n\r\n"),
        frame(1, 16, 500, 124, b"one\ntw"),
        frame(1, 16, 516, 124, b"three\n"),
        frame(0, 16, 124, 522, b"bye"),
        frame(1, 17, 522, 127, b""),
    ]
}

#[test]
fn a_flow_is_found_by_each_of_its_names() {
    let by_ends = follow(&["--flow", WEB, ASYMMETRIC]);
    assert!(
        by_ends.contains("\n> GET / HTTP/1.1\n> Host: shop.example.com\n"),
        "{by_ends}"
    );
    assert!(
        by_ends.contains("\n< HTTP/1.1 200 OK\n< Server: sample\n"),
        "{by_ends}"
    );
    let names = [
        id(ASYMMETRIC, 50_001),
        "1:0oXrOwfbxX/uKKElkXTF9EwEp7A=".to_owned(),
        "tcp,10.20.0.50:80,10.9.0.10:50001".to_owned(),
        "10.9.0.10 50001 10.20.0.50 80".to_owned(),
    ];
    for name in names {
        assert_eq!(follow(&["--flow", &name, ASYMMETRIC]), by_ends, "{name}");
    }
    let piped = run_with_input(
        &["follow", "--flow", WEB, "-"],
        &fs::read(ASYMMETRIC).unwrap(),
    );
    assert_eq!(stdout(&piped), by_ends, "one pass is enough");
}

#[test]
fn a_conversation_whose_directions_pass_different_sites_is_whole() {
    // Thirteen seconds after the start the machine has moved: requests pass dc1, answers leave by dc2.
    let flows = json_lines(&[
        "flows",
        "--format",
        "json",
        "--sites",
        crate::generated::SITES,
        ASYMMETRIC,
    ]);
    let split = flows
        .iter()
        .find(|flow| flow["verdict"] == "moved" && flow["resp"]["payload"].as_u64() > Some(0));
    let split = split.unwrap();
    let id = split["id"].as_str().unwrap();
    for (direction, way) in [
        ("orig", "orig"),
        ("resp", "resp"),
        ("client", "orig"),
        ("server", "resp"),
    ] {
        let output = run(&[
            "follow",
            "--flow",
            id,
            "--format",
            "raw",
            "--direction",
            direction,
            ASYMMETRIC,
        ]);
        assert_eq!(output.status.code(), Some(0));
        assert_eq!(stderr(&output), "", "nothing is missing");
        let text = stdout(&output);
        let counterpart = if way == "orig" {
            "state?"
        } else {
            "all is well"
        };
        assert!(
            text.contains(counterpart) || text.contains("HTTP/1.1"),
            "{text}"
        );
    }
}

#[test]
fn text_cannot_act_on_a_terminal_and_gaps_are_seen() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let text = follow(&["--flow", "10.0.0.1:1000-10.0.0.2:80", &made]);
    let body = text.split_once("\n\n").unwrap().1;
    assert_eq!(
        body,
        "> GET /.[2J..\n> Host:\tx\n> \n< one\n< tw\n< [gap: 10 bytes, seen by no point]\n< three\n> bye\n"
    );
    let head = text.split_once("\n\n").unwrap().0;
    assert!(
        head.starts_with("tcp 10.0.0.1:1000 > 10.0.0.2:80\nflow "),
        "{head}"
    );
    assert!(
        head.contains("< resp  10.0.0.2:80 to 10.0.0.1:1000: 12 bytes, 10 bytes missing in 1 gap\n        from made (made), 4 packets"),
        "{head}"
    );
    assert!(
        text.bytes()
            .all(|byte| matches!(byte, b'\n' | b'\t' | b' '..=b'~'))
    );
}

#[test]
fn one_direction_can_be_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let text = follow(&[
        "--flow",
        "10.0.0.1:1000-10.0.0.2:80",
        "--direction",
        "orig",
        &made,
    ]);
    let body = text.split_once("\n\n").unwrap().1;
    assert_eq!(body, "> GET /.[2J..\n> Host:\tx\n> \n> bye\n");
}

#[test]
fn hexadecimal_has_the_offsets_of_each_direction() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let text = follow(&[
        "--flow",
        "10.0.0.1:1000-10.0.0.2:80",
        "--format",
        "hex",
        &made,
    ]);
    let body = text.split_once("\n\n").unwrap().1;
    let rows = [
        "> 00000000  47 45 54 20 2f 1b 5b 32 4a c3 a4 0d 0a 48 6f 73  GET /.[2J....Hos",
        "> 00000010  74 3a 09 78 0d 0a 0d 0a                          t:.x....",
        "< 00000000  6f 6e 65 0a 74 77                                one.tw",
        "< [gap: 10 bytes, seen by no point]",
        "< 00000010  74 68 72 65 65 0a                                three.",
        "> 00000018  62 79 65                                         bye",
    ];
    assert_eq!(body.lines().collect::<Vec<_>>(), rows);
}

#[test]
fn raw_bytes_are_those_and_no_others_and_gaps_are_told() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let raw = |more: &[&str]| {
        let arguments = [
            "follow",
            "--flow",
            "10.0.0.1:1000-10.0.0.2:80",
            "--format",
            "raw",
            "--direction",
            "resp",
            &made,
        ];
        let output = run(&[&arguments[..], more].concat());
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        (output.stdout.clone(), stderr(&output))
    };
    let (bytes, note) = raw(&[]);
    assert_eq!(bytes, b"one\ntwthree\n");
    assert!(
        note.ends_with(" resp: 10 bytes are missing in 1 gaps, the first at offset 6 (seen by no point); left out; --gaps zero fills them\n"),
        "{note}"
    );
    assert_eq!(
        raw(&["--gaps", "zero"]).0,
        b"one\ntw\0\0\0\0\0\0\0\0\0\0three\n"
    );
    let file = folder.path().join("answer.bin");
    assert_eq!(raw(&["-w", text(&file)]).0, b"");
    assert_eq!(fs::read(&file).unwrap(), b"one\ntwthree\n");
    assert_eq!(raw(&["-w", "-"]).0, b"one\ntwthree\n");
}

#[test]
fn raw_bytes_do_not_go_to_a_terminal_unless_that_is_said() {
    let command = |more: &str| {
        let line = format!(
            "{} follow --flow {WEB} --format raw --direction resp {more} {ASYMMETRIC}",
            env!("CARGO_BIN_EXE_mirrorscope")
        );
        // `script` gives the command a terminal of its own.
        let output = std::process::Command::new("script")
            .args(["-qec", &line, "/dev/null"])
            .output();
        stdout(&output.unwrap())
    };
    assert!(
        command("").contains("raw bytes could act on the terminal"),
        "{}",
        command("")
    );
    assert!(command("-w -").contains("<li>open open 960</li>"));
}

#[test]
fn yaml_has_peers_packets_and_gaps() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let text = follow(&[
        "--flow",
        "10.0.0.1:1000-10.0.0.2:80",
        "--format",
        "yaml",
        &made,
    ]);
    for part in [
        "peers:\n  - peer: 0\n    host: \"10.0.0.1\"\n    port: 1000\n  - peer: 1\n",
        "points:\n  - point: \"made\"\n    site: \"made\"\n    orig: 3\n    resp: 4\n",
        "  - packet: 2\n    peer: 1\n    index: 0\n    timestamp: 1700000000.003000000\n    offset: 0\n    data: !!binary |\n      b25lCnR3\n",
        "gaps:\n  - peer: 1\n    offset: 6\n    length: 10\n    cause: never-seen\n",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let whole = follow(&["--flow", WEB, "--format", "yaml", ASYMMETRIC]);
    assert!(whole.ends_with("gaps: []\n"), "{whole}");
}

#[test]
fn what_the_mirror_lost_is_called_so() {
    let folder = tempfile::tempdir().unwrap();
    let wrapped = folder.path().join("wrapped.pcap");
    let frames: Vec<Vec<u8>> = std::iter::once(frame(0, 2, 99, 0, b""))
        .chain((0..500).map(|n| frame(0, 16, 100 + n * 8, 500, b"eight by")))
        .collect();
    let made = capture(folder.path(), &frames);
    let output = run(&[
        "encap",
        "--as",
        "erspan2",
        "--loss",
        "3",
        "--seed",
        "5",
        "-w",
        text(&wrapped),
        &made,
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let lossy = follow(&["--flow", "10.0.0.1:1000-10.0.0.2:80", text(&wrapped)]);
    assert!(
        lossy.contains("[gap: 8 bytes, lost by the mirror]"),
        "{lossy}"
    );
    assert!(!lossy.contains("seen by no point"), "{lossy}");
    let both = follow(&["--flow", "10.0.0.1:1000-10.0.0.2:80", text(&wrapped), &made]);
    assert!(!both.contains("[gap"), "another point saw it all: {both}");
    assert!(
        both.contains("> orig  10.0.0.1:1000 to 10.0.0.2:80: 4000 bytes\n"),
        "{both}"
    );
}

#[test]
fn what_cannot_be_followed_is_told_with_the_way_on() {
    let error = refused(&["--flow", "zzzzzzzzzz", ASYMMETRIC]);
    assert_eq!(
        error,
        format!(
            "mirrorscope: no flow zzzzzzzzzz; to list flows with their ids: mirrorscope flows {ASYMMETRIC}\n"
        )
    );
    assert!(
        refused(&["--flow", "10.0.0.1:80", ASYMMETRIC]).contains("`mirrorscope flows` lists them")
    );
    assert!(refused(&["--flow", WEB, "--format", "raw", ASYMMETRIC]).contains("--direction orig"));
    assert!(
        refused(&[ASYMMETRIC]).contains("--save-all"),
        "one of both is needed"
    );
    let captures = [crate::generated::HEALTHY, ASYMMETRIC, LOSSY];
    let icmp = captures.iter().find_map(|sample| {
        let flows = json_lines(&["flows", "--format", "json", sample]);
        let flow = flows.iter().find(|flow| flow["proto"] == "icmp")?;
        Some((*sample, flow["id"].as_str().unwrap().to_owned()))
    });
    if let Some((sample, id)) = icmp {
        assert_eq!(
            refused(&["--flow", &id, sample]),
            format!("mirrorscope: {id} is ICMP: only TCP and UDP flows can be followed\n")
        );
    }
}

#[test]
fn the_help_begins_with_what_is_of_this_command() {
    for help in ["-h", "--help"] {
        let text = follow(&[help]);
        let place = |option| {
            text.find(option)
                .unwrap_or_else(|| panic!("{option}: {text}"))
        };
        assert!(place(" --flow <FLOW>") < place(" --stream-limit <SIZE>"));
        assert!(place(" --stream-limit <SIZE>") < place("\nDecoding:"));
        assert!(place("\nDecoding:") < place("\nFlow table:"));
    }
}

#[test]
fn several_flows_with_the_same_ends_are_shown_in_order_and_raw_wants_one() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    // The same addresses in two VLANs are two flows if the scope says so.
    let mut tagged = Vec::new();
    for (n, bytes) in (0..).zip(conversation()) {
        let tag = [0x81, 0, 0, 10 + n % 2];
        tagged.push([&bytes[..12], &tag[..], &bytes[12..]].concat());
    }
    let twice = folder.path().join("twice");
    fs::create_dir(&twice).unwrap();
    let twice = capture(&twice, &tagged);
    let arguments = [
        "--flow",
        "10.0.0.1:1000-10.0.0.2:80",
        "--scope",
        "vlan",
        &twice,
    ];
    let text = follow(&arguments);
    assert_eq!(text.matches("tcp 10.0.0.").count(), 2, "{text}");
    let error = refused(&[&arguments[..], &["--format", "raw", "--direction", "orig"]].concat());
    assert!(
        error.contains("means 2 flows; choose one by its id:\n  "),
        "{error}"
    );
    assert_eq!(error.lines().count(), 3);
    drop(made);
}

#[test]
fn every_stream_is_saved_and_listed() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let streams = folder.path().join("streams");
    let output = run(&["follow", "--save-all", text(&streams), &made, ASYMMETRIC]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(stdout(&output), "");
    let index = fs::read_to_string(streams.join("index.csv")).unwrap();
    let line = index
        .lines()
        .find(|line| line.contains("10.0.0.2.80") && line.contains("_resp.bin"))
        .unwrap();
    let (file, rest) = line.split_once(',').unwrap();
    assert_eq!(fs::read(streams.join(file)).unwrap(), b"one\ntwthree\n");
    assert!(file.starts_with("tcp_10.0.0.1.1000-10.0.0.2.80_"), "{file}");
    assert!(
        rest.ends_with(",tcp,resp,10.0.0.2,80,10.0.0.1,1000,12,1,10,6,never-seen,"),
        "{rest}"
    );
    for entry in fs::read_dir(&streams).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name == "index.csv" || index.contains(&name),
            "{name} is not listed"
        );
        assert!(!name.starts_with('.') && !name.contains(':'), "{name}");
    }
    assert!(index.lines().count() > 20, "{index}");
    let again = run(&["follow", "--save-all", text(&streams), &made]);
    assert_eq!(again.status.code(), Some(2));
    assert!(stderr(&again).contains("is not empty; --force writes to it all the same"));
    let forced = run(&["follow", "--save-all", text(&streams), "--force", &made]);
    assert_eq!(forced.status.code(), Some(0), "{}", stderr(&forced));
    let index = fs::read_to_string(streams.join("index.csv")).unwrap();
    assert_eq!(index.lines().count(), 3);
}

#[test]
fn a_folder_that_cannot_be_written_is_named_and_nothing_half_written_stays() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, b"").unwrap();
    let output = run(&["follow", "--save-all", text(&file), ASYMMETRIC]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains(&format!("{}: cannot be used", file.display())),
        "{}",
        stderr(&output)
    );
    let output = run(&["follow", "--save-all", "/dev/full/streams", ASYMMETRIC]);
    assert_eq!(output.status.code(), Some(2));
    let missing = folder.path().join("none");
    let output = run(&[
        "follow",
        "--save-all",
        text(&missing),
        "/does/not/exist.pcap",
    ]);
    assert_eq!(output.status.code(), Some(2));
    assert!(!missing.exists(), "the input comes first");
    // A limit on the size of files is as good as a full disk.
    let big: Vec<Vec<u8>> = (0..400)
        .map(|n| frame(0, 16, 100 + n * 1400, 500, &[b'x'; 1400]))
        .collect();
    let made = capture(folder.path(), &big);
    let streams = folder.path().join("streams");
    let line = format!(
        "trap '' XFSZ; ulimit -f 200; exec {} follow --save-all {} {made}",
        env!("CARGO_BIN_EXE_mirrorscope"),
        streams.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(
        stderr(&output).contains(".part: writing stopped"),
        "{}",
        stderr(&output)
    );
    assert_eq!(fs::read_dir(&streams).unwrap().count(), 0);
}

#[test]
fn thousands_of_streams_need_few_open_files() {
    let folder = tempfile::tempdir().unwrap();
    let frames: Vec<Vec<u8>> = (0..3000_u16)
        .flat_map(|n| {
            let mut bytes = frame(0, 2, 99, 0, b"");
            let mut data = frame(0, 16, 100, 500, b"some bytes");
            for frame in [&mut bytes, &mut data] {
                frame[34..36].copy_from_slice(&(2000 + n).to_be_bytes());
            }
            [bytes, data]
        })
        .collect();
    let made = capture(folder.path(), &frames);
    let streams = folder.path().join("streams");
    let line = format!(
        "ulimit -n 32; exec {} follow --save-all {} {made}",
        env!("CARGO_BIN_EXE_mirrorscope"),
        streams.display()
    );
    let output = std::process::Command::new("bash")
        .args(["-c", &line])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(fs::read_dir(&streams).unwrap().count(), 3001);
}

#[test]
fn limits_are_kept_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let text = follow(&[
        "--flow",
        "10.0.0.1:1000-10.0.0.2:80",
        "--stream-limit",
        "5",
        &made,
    ]);
    assert!(
        text.contains("\n> GET /\n> [note: limit at offset 5]\n"),
        "{text}"
    );
    assert!(
        text.contains("        22 bytes beyond --stream-limit left out\n"),
        "{text}"
    );
    let output = mirrorscope()
        .args([
            "follow",
            "--flow",
            WEB,
            "--stream-memory",
            "64X",
            ASYMMETRIC,
        ])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(
        stderr(&output).contains("a number and its unit are needed: K, M, G or T"),
        "{}",
        stderr(&output)
    );
}
