//! `follow --list`: every stream, and what is missing where.

use super::*;

const HEADER: &str = "id,community_id,proto,direction,src,sport,dst,dport,bytes,gaps,missing,first_gap,first_gap_cause,notes\n";
const COLUMNS: [&str; 2] = ["bytes", "missing"];

/// The list of what `--save-all` wrote, without the files; each of them has as many bytes as the list says.
fn index(arguments: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let save = ["follow", "--save-all", text(folder.path())];
    let output = run(&[&save, arguments].concat());
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut list = String::new();
    for line in fs::read_to_string(folder.path().join("index.csv"))
        .unwrap()
        .lines()
    {
        let (file, rest) = line.split_once(',').unwrap();
        if file != "file" {
            let bytes = rest.split(',').nth(8).unwrap().parse::<u64>().unwrap();
            let written = fs::metadata(folder.path().join(file)).map(|data| data.len());
            assert!(
                bytes == 0 && file.is_empty() || written.unwrap() == bytes,
                "{line}"
            );
        }
        list += rest;
        list += "\n";
    }
    list
}

/// The sums of [`COLUMNS`], and the causes.
fn sums(list: &str) -> ([u64; 2], Vec<String>) {
    let mut sums = [0; 2];
    let mut causes = Vec::new();
    for row in csv::Reader::from_reader(list.as_bytes()).deserialize() {
        let row: std::collections::BTreeMap<String, String> = row.unwrap();
        for (sum, name) in sums.iter_mut().zip(COLUMNS) {
            *sum += row[name].parse::<u64>().unwrap();
        }
        let gaps = row["gaps"].parse::<u64>().unwrap();
        assert_eq!(gaps > 0, !row["first_gap_cause"].is_empty(), "{row:?}");
        causes.push(row["first_gap_cause"].clone());
    }
    (sums, causes)
}

#[test]
fn each_direction_is_listed_with_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let output = run(&["follow", "--list", &made]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(stderr(&output), "");
    let list = stdout(&output);
    let lines: Vec<&str> = list.lines().collect();
    let id = id(&made, 1000);
    let [header, orig, resp] = lines[..] else {
        panic!("{list}")
    };
    assert_eq!(header, HEADER.trim_end());
    assert!(orig.starts_with(&format!("{id},1:")), "{orig}");
    assert!(
        orig.ends_with("=,tcp,orig,10.0.0.1,1000,10.0.0.2,80,27,0,0,,,"),
        "{orig}"
    );
    assert!(
        resp.ends_with("=,tcp,resp,10.0.0.2,80,10.0.0.1,1000,12,1,10,6,never-seen,"),
        "{resp}"
    );
    let limited = follow(&["--list", "--stream-limit", "5", &made]);
    assert!(limited.contains(",5,0,0,,,limit:22\n"), "{limited}");
}

#[test]
fn it_says_what_the_index_of_saved_streams_says() {
    for sample in [ASYMMETRIC, LOSSY, crate::generated::HEALTHY_VXLAN] {
        let list = follow(&["--list", sample]);
        assert!(list.starts_with(HEADER), "{list}");
        assert!(list.lines().count() > 20, "{list}");
        assert_eq!(list, index(&[sample]), "{sample}");
    }
    for (sample, cause) in [
        ("samples/mirror-loss-10.pcap", "mirror-loss"),
        ("samples/truncated.pcap", "truncated"),
        ("samples/mirror-off.pcap", "never-seen"),
    ] {
        let list = follow(&["--list", sample]);
        assert_eq!(list, index(&[sample]), "{sample}");
        let ([bytes, missing], causes) = sums(&list);
        assert!(bytes > 1000 && missing > 500, "{bytes} {missing}");
        assert!(causes.iter().any(|told| told == cause), "{causes:?}");
        assert!(causes.iter().any(String::is_empty), "some are whole");
        // What is waited for is given up early if there is little room.
        let little = ["--stream-memory", "64K", sample];
        assert_eq!(follow(&[&["--list"], &little[..]].concat()), index(&little));
    }
}

#[test]
fn a_filter_or_a_flow_chooses_the_streams() {
    let all = follow(&["--list", LOSSY]);
    let web = follow(&["--list", "--filter", "port 80", LOSSY]);
    let chosen: Vec<&str> = all
        .lines()
        .filter(|line| {
            let ports = line.split(',').skip(5).step_by(2).take(2);
            ports
                .into_iter()
                .any(|port| port == "80" || port == "sport")
        })
        .collect();
    assert_eq!(web.lines().collect::<Vec<_>>(), chosen);
    assert!((3..all.lines().count()).contains(&chosen.len()), "{web}");
    // The verdict is known at the end only.
    let filter = ["--filter", "not symmetric", ASYMMETRIC];
    let list = follow(&[&["--list"], &filter[..]].concat());
    assert_eq!(list, index(&filter));
    assert!(list.len() < follow(&["--list", ASYMMETRIC]).len());
    let one = follow(&["--list", "--flow", WEB, ASYMMETRIC]);
    assert_eq!(one, index(&["--flow", WEB, ASYMMETRIC]));
    assert_eq!(one.lines().count(), 3, "{one}");
    let error = refused(&["--list", "--filter", "port 4", ASYMMETRIC]);
    assert!(error.contains("no flow with port 4"), "{error}");
}

#[test]
fn an_empty_capture_has_an_empty_list() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &[]);
    assert_eq!(follow(&["--list", &made]), HEADER);
}

#[test]
fn the_list_goes_to_a_file_that_is_no_input() {
    let folder = tempfile::tempdir().unwrap();
    let made = capture(folder.path(), &conversation());
    let list = folder.path().join("list.csv");
    assert_eq!(follow(&["--list", "-w", text(&list), &made]), "");
    let told = follow(&["--list", &made]);
    assert_eq!(fs::read_to_string(&list).unwrap(), told);
    assert_eq!(follow(&["--list", "-w", "-", &made]), told);
    let before = fs::read(&made).unwrap();
    assert!(refused(&["--list", "-w", &made, &made]).contains("is an input file too"));
    assert_eq!(fs::read(&made).unwrap(), before);
    assert!(refused(&["--list", "-w", "/dev/full", &made]).contains("/dev/full"));
}

#[test]
fn who_reads_the_head_of_the_list_is_no_error() {
    let folder = tempfile::tempdir().unwrap();
    let frames: Vec<Vec<u8>> = (0..3000_u16)
        .map(|n| {
            let mut data = frame(0, 16, 100, 500, b"some bytes");
            data[34..36].copy_from_slice(&(2000 + n).to_be_bytes());
            data
        })
        .collect();
    let made = capture(folder.path(), &frames);
    let list = follow(&["--list", &made]);
    assert_eq!(list.matches(",10,0,0,,,\n").count(), 3000, "{list}");
    for command in ["follow --list", "flows --format csv"] {
        let line = format!(
            "{} {command} {made} | head -c 10; echo ${{PIPESTATUS[0]}}",
            env!("CARGO_BIN_EXE_mirrorscope")
        );
        let output = std::process::Command::new("bash")
            .args(["-c", &line])
            .output()
            .unwrap();
        assert!(stdout(&output).ends_with("0\n"), "{}", stdout(&output));
        assert_eq!(stderr(&output), "");
    }
}

#[test]
fn what_shows_or_saves_bytes_does_not_go_with_the_list() {
    for other in [
        ["--format", "hex"],
        ["--direction", "orig"],
        ["--gaps", "zero"],
        ["--save-all", "streams"],
    ] {
        let error = refused(&[&["--list"], &other[..], &[ASYMMETRIC]].concat());
        assert!(
            error.contains("cannot be used with") && error.contains(other[0]),
            "{error}"
        );
    }
    assert!(refused(&[ASYMMETRIC]).contains("--list lists all of them"));
}
