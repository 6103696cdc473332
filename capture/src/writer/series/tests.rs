use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::*;
use crate::testing::read;
use crate::writer::Queue;
use crate::writer::own::OwnFile;

/// 2026-11-21T21:27:59Z.
const START: i64 = 1_795_296_479_000_000_000;
const SECOND: i64 = 1_000_000_000;

const INSIDE: InterfaceDescription<'_> = InterfaceDescription {
    name: "erspan2 10.60.0.1 101",
    description: "dc1/fw1-inside",
    link_type: ETHERNET,
    snaplen: 0,
    filter: "",
};

fn options(path: &Path, rotation: Rotation, live: bool) -> Options {
    let pcap = path.extension().is_some_and(|ending| ending == "pcap");
    Options {
        path: path.to_owned(),
        format: if pcap { Format::Pcap } else { Format::Pcapng },
        application: "mirrorscope".to_owned(),
        snaplen: 0,
        rotation,
        live,
    }
}

fn packet(interface: u32, time: i64) -> Packet<'static> {
    Packet {
        interface,
        time,
        wire_len: 1000,
        bytes: &[7; 1000],
        direction: None,
        comment: None,
    }
}

/// The files of a folder in the order of their names, each with how many packets it holds.
fn files(folder: &Path) -> Vec<(String, usize)> {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    let count = |path: PathBuf| {
        let outcome = read(&fs::read(&path).unwrap()).unwrap();
        assert!(outcome.problems.is_empty(), "{:?}", outcome.problems);
        (
            path.file_name().unwrap().to_str().unwrap().to_owned(),
            outcome.frames.len(),
        )
    };
    paths.into_iter().map(count).collect()
}

/// Writes packets a tenth of a second apart.
fn write(series: &mut Series, packets: i64) {
    let interfaces = [series.add_interface(&INSIDE), series.add_interface(&INSIDE)];
    for number in 0..packets {
        let time = START + number * SECOND / 10;
        series
            .write(time, &packet(interfaces[(number % 2) as usize], time))
            .unwrap();
    }
}

#[test]
fn no_file_is_larger_than_asked_for_and_each_can_be_read_alone() {
    for (name, limit) in [("out.pcapng", 5000), ("out.pcap", 5000)] {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation {
            size: Some(limit),
            ..Rotation::default()
        };
        let mut series =
            Series::create(options(&folder.path().join(name), rotation, false), START).unwrap();
        write(&mut series, 10);
        let totals = series.finish(START).unwrap();
        assert_eq!((totals.written, totals.files), (10, 3));
        let files = files(folder.path());
        assert_eq!(
            files
                .iter()
                .map(|(_, packets)| *packets)
                .collect::<Vec<_>>(),
            [4, 4, 2]
        );
        for (name, _) in files {
            assert!(fs::metadata(folder.path().join(name)).unwrap().len() <= limit);
        }
    }
}

#[test]
fn every_file_has_the_names_before_its_packets_and_the_counters_at_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let limit = 6000;
    let rotation = Rotation {
        size: Some(limit),
        ..Rotation::default()
    };
    let path = folder.path().join("out.pcapng");
    let mut series = Series::create(options(&path, rotation, false), START).unwrap();
    let interfaces = [INSIDE, INSIDE].map(|interface| series.add_interface(&interface));
    series.name([10, 20, 0, 50].into(), "web-1");
    for number in 0..12 {
        let statistics = Statistics {
            received: number,
            comment: "c".repeat(500),
            ..Statistics::default()
        };
        for interface in interfaces {
            series.tell(interface, statistics.clone());
        }
        // The second interface has packets in the later files only.
        let interface = interfaces[usize::from(number > 5)];
        series.write(START, &packet(interface, START)).unwrap();
    }
    series.finish(START).unwrap();
    let mut told = Vec::new();
    for (name, _) in files(folder.path()) {
        let bytes = fs::read(folder.path().join(name)).unwrap();
        assert!(bytes.len() as u64 <= limit, "{}", bytes.len());
        assert!(read(&bytes).unwrap().problems.is_empty());
        let mut kinds = String::new();
        let mut at = &bytes[..];
        while let [a, b, c, d, e, f, g, h, ..] = *at {
            let (kind, len) = ([a, b, c, d], u32::from_le_bytes([e, f, g, h]));
            kinds.push(match u32::from_le_bytes(kind) {
                1 => 'i',
                4 => 'n',
                5 => 's',
                6 => 'p',
                _ => 'h',
            });
            at = &at[len as usize..];
        }
        told.push(kinds);
    }
    assert_eq!(told, ["hnippppps", "hnipippppss", "hnipps"]);
}

#[test]
fn a_packet_larger_than_a_file_has_one_to_itself() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation {
        size: Some(100),
        ..Rotation::default()
    };
    let mut series = Series::create(
        options(&folder.path().join("out.pcap"), rotation, false),
        START,
    )
    .unwrap();
    write(&mut series, 3);
    assert_eq!(series.finish(START).unwrap().files, 3);
    assert!(
        files(folder.path())
            .iter()
            .all(|(_, packets)| *packets == 1)
    );
}

#[test]
fn files_begin_by_the_time_of_packets_and_the_oldest_go() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation {
        time: Some(SECOND),
        keep: Some(2),
        ..Rotation::default()
    };
    let mut series = Series::create(
        options(&folder.path().join("out.pcapng"), rotation, false),
        START,
    )
    .unwrap();
    write(&mut series, 35);
    series.finish(START).unwrap();
    let expected = [
        ("out_00003_20261121212801.pcapng", 10),
        ("out_00004_20261121212802.pcapng", 5),
    ];
    assert_eq!(
        files(folder.path()),
        expected.map(|(name, packets)| (name.to_owned(), packets))
    );
}

#[test]
fn a_file_of_live_packets_can_be_read_at_any_moment() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["live.pcapng", "live.pcap"] {
        let path = folder.path().join(name);
        let mut series = Series::create(options(&path, Rotation::default(), true), START).unwrap();
        let held = |path: &Path| read(&fs::read(path).unwrap()).unwrap().frames.len();
        assert_eq!(held(&path), 0, "it has its header");
        write(&mut series, 5);
        series.tick(START).unwrap();
        assert_eq!(held(&path), 5);
        drop(series);
    }
}

#[test]
fn a_live_pcap_file_has_the_link_type_of_its_first_packet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.pcap");
    let mut series = Series::create(options(&path, Rotation::default(), true), START).unwrap();
    let raw = series.add_interface(&InterfaceDescription {
        link_type: 101,
        ..INSIDE
    });
    let ethernet = series.add_interface(&INSIDE);
    for interface in [raw, ethernet, raw] {
        series.write(START, &packet(interface, START)).unwrap();
    }
    let totals = series.finish(START).unwrap();
    assert_eq!((totals.written, totals.other_link), (2, 1));
    let outcome = read(&fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        (outcome.interfaces[0].link_type, outcome.frames.len()),
        (101, 2)
    );
}

#[test]
fn one_file_of_other_packets_appears_when_it_is_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.pcapng");
    let mut series = Series::create(options(&path, Rotation::default(), false), START).unwrap();
    write(&mut series, 5);
    assert!(!path.exists());
    series.finish(START).unwrap();
    assert_eq!(files(folder.path()), [("out.pcapng".to_owned(), 5)]);
}

#[test]
fn a_capture_without_packets_is_a_file_too() {
    for live in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let rotation = Rotation {
            size: Some(5000),
            ..Rotation::default()
        };
        let mut series = Series::create(
            options(&folder.path().join("out.pcap"), rotation, live),
            START,
        )
        .unwrap();
        series.finish(START).unwrap();
        assert_eq!(
            files(folder.path()),
            [("out_00001_20261121212759.pcap".to_owned(), 0)]
        );
    }
}

#[test]
fn a_live_file_ends_when_its_time_is_over_though_nothing_comes() {
    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation {
        time: Some(10 * SECOND),
        ..Rotation::default()
    };
    let mut series = Series::create(
        options(&folder.path().join("out.pcapng"), rotation, true),
        START,
    )
    .unwrap();
    // It began with nothing to write; its time counts from its first packet.
    series.tick(START + 60 * SECOND).unwrap();
    let interface = series.add_interface(&INSIDE);
    for seconds in [65, 66] {
        series
            .write(START + seconds * SECOND, &packet(interface, START))
            .unwrap();
    }
    series.tick(START + 80 * SECOND).unwrap();
    series
        .write(START + 90 * SECOND, &packet(interface, START))
        .unwrap();
    series.finish(START).unwrap();
    let expected = [
        ("out_00001_20261121212759.pcapng", 2),
        ("out_00002_20261121212929.pcapng", 1),
    ];
    assert_eq!(
        files(folder.path()),
        expected.map(|(name, packets)| (name.to_owned(), packets))
    );
}

#[test]
fn a_second_writer_of_a_file_is_refused_and_of_a_series_gets_other_names() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.pcapng");
    let mut first = Series::create(options(&path, Rotation::default(), true), START).unwrap();
    write(&mut first, 3);
    first.tick(START).unwrap();
    let second = Series::create(options(&path, Rotation::default(), true), START);
    let text = second.err().unwrap().to_string();
    assert!(
        text.ends_with("live.pcapng: cannot open: another process is writing it"),
        "{text}"
    );
    first.finish(START).unwrap();
    assert_eq!(files(folder.path()), [("live.pcapng".to_owned(), 3)]);

    let folder = tempfile::tempdir().unwrap();
    let rotation = Rotation {
        size: Some(1),
        keep: Some(1),
        ..Rotation::default()
    };
    let open = || {
        Series::create(
            options(&folder.path().join("out.pcap"), rotation, true),
            START,
        )
        .unwrap()
    };
    let mut both = [open(), open()];
    for series in &mut both {
        write(series, 2);
    }
    for series in &mut both {
        series.finish(START).unwrap();
    }
    // Neither deleted what the other was writing.
    assert_eq!(
        files(folder.path())
            .iter()
            .map(|(_, packets)| packets)
            .sum::<usize>(),
        2
    );
}

#[test]
fn a_deleted_live_file_is_begun_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.pcapng");
    let mut series = Series::create(options(&path, Rotation::default(), true), START).unwrap();
    write(&mut series, 3);
    series.tick(START).unwrap();
    fs::remove_file(&path).unwrap();
    series.tick(START).unwrap();
    assert_eq!(series.take_notes().len(), 1);
    write(&mut series, 4);
    series.finish(START).unwrap();
    assert_eq!(files(folder.path()), [("live.pcapng".to_owned(), 4)]);
}

#[test]
fn a_live_series_waits_for_its_folder_to_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("captures");
    fs::create_dir(&inside).unwrap();
    let rotation = Rotation {
        size: Some(1),
        ..Rotation::default()
    };
    let mut series =
        Series::create(options(&inside.join("out.pcapng"), rotation, true), START).unwrap();
    write(&mut series, 1);
    series.tick(START).unwrap();
    fs::rename(&inside, folder.path().join("away")).unwrap();
    write(&mut series, 3);
    let notes = series.take_notes();
    assert_eq!(notes.len(), 1, "{notes:?}");
    assert!(
        notes[0].contains("no such file or directory; what was written before is intact"),
        "{notes:?}"
    );
    series.tick(START).unwrap();
    assert!(series.take_notes().is_empty(), "told once");
    fs::create_dir(&inside).unwrap();
    series.tick(START).unwrap();
    let notes = series.take_notes();
    assert!(
        notes[0].ends_with("is written again; 3 packets are missing before"),
        "{notes:?}"
    );
    write(&mut series, 1);
    let totals = series.finish(START).unwrap();
    assert_eq!((totals.written, totals.unwritten, totals.files), (2, 3, 2));
    assert_eq!(files(&inside).len(), 1);
}

#[test]
fn a_file_is_cut_behind_its_last_whole_packet() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    for (written, kept, left) in [(0, 0, 0), (9, 0, 0), (10, 1, 10), (29, 1, 10), (30, 2, 30)] {
        let mut file = OwnFile::create(&path).unwrap();
        fs::write(&path, vec![1; written]).unwrap();
        let cut = file.cut(io::ErrorKind::StorageFull.into(), written, &[10, 30, 40]);
        assert_eq!((cut.packets, file.len()), (kept, left));
        assert_eq!(fs::metadata(&path).unwrap().len(), left);
    }
}

#[test]
fn the_thread_writes_what_it_is_given_and_says_what_went_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("live.pcapng");
    let series = Series::create(options(&path, Rotation::default(), true), START).unwrap();
    let mut queue = Queue::start(series, 64 << 20).unwrap();
    let interface = queue.add_interface(&INSIDE);
    for number in 0..1000 {
        queue
            .write(START, &packet(interface, START + number))
            .unwrap();
    }
    let totals = queue.finish(START).unwrap();
    assert_eq!((totals.written, queue.dropped()), (1000, 0));
    let outcome = read(&fs::read(&path).unwrap()).unwrap();
    assert!((0..1000).eq(outcome.times().iter().map(|time| time - START)));

    let series = Series::create(
        options(Path::new("/dev/full"), Rotation::default(), false),
        START,
    );
    let mut queue = Queue::start(series.unwrap(), 64 << 20).unwrap();
    let interface = queue.add_interface(&INSIDE);
    let cause = loop {
        if let Err(cause) = queue.write(START, &packet(interface, START)) {
            break cause;
        }
    };
    assert_eq!(cause.kind(), io::ErrorKind::StorageFull);
    assert_eq!(cause.to_string(), "/dev/full: no space left on device");
}

#[test]
fn a_slow_reader_costs_packets_that_are_counted_and_none_that_were_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pipe");
    let mode = rustix::fs::Mode::from_raw_mode(0o600);
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    // Both ends, so that nobody waits for the other.
    let mut pipe = fs::File::options()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let series = Series::create(options(&path, Rotation::default(), true), START).unwrap();
    let mut queue = Queue::start(series, 1 << 20).unwrap();
    let interface = queue.add_interface(&INSIDE);
    for number in 0..5000 {
        queue
            .write(START, &packet(interface, START + number))
            .unwrap();
    }
    let dropped = queue.dropped();
    assert!((3000..4900).contains(&dropped), "{dropped}");
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut room = vec![0; 65536];
        loop {
            let count = io::Read::read(&mut pipe, &mut room).unwrap();
            bytes.extend_from_slice(&room[..count]);
            if bytes.ends_with(b"the end") {
                return bytes;
            }
        }
    });
    let totals = queue.finish(START).unwrap();
    assert_eq!(totals.written + dropped, 5000);
    fs::File::options()
        .write(true)
        .open(&path)
        .unwrap()
        .write_all(b"the end")
        .unwrap();
    let bytes = reader.join().unwrap();
    let outcome = read(bytes.strip_suffix(b"the end").unwrap()).unwrap();
    assert!(outcome.problems.is_empty());
    assert_eq!(outcome.frames.len() as u64, totals.written);
}
