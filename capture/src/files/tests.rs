use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use rustix::fs::{CWD, FileType, Mode, mknodat};
use tempfile::TempDir;

use super::{Files, Progress};
use crate::testing::{Kept, ethernet, file, gzip, packet, pcap, read, read_all, section};
use crate::{BATCH, Error};

/// A FIFO, in a folder that goes with it.
fn fifo() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fifo");
    mknodat(CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    (folder, path)
}

/// The numbers of the next frames, so many or a few more, in batches as large as they come.
fn next_numbers(files: &mut Files, least: usize) -> Vec<u64> {
    let mut numbers = Vec::new();
    while numbers.len() < least {
        let batch = files.next_frames(BATCH);
        assert!(batch.len() > 0, "{numbers:?}");
        numbers.extend(batch.map(|frame| frame.number));
    }
    numbers
}

fn refusal(path: &str) -> String {
    match Files::open(&[path.into()], Arc::default()) {
        Ok(_) => panic!("{path} opened"),
        Err(error) => error.to_string(),
    }
}

#[test]
fn files_are_merged_by_time_then_by_place() {
    let outcome = read_all(&[&pcap(&[1, 4, 4]), &pcap(&[0, 4, 9]), &pcap(&[])]).unwrap();
    let order: Vec<_> = outcome
        .frames
        .iter()
        .map(|frame| (frame.time / 1_000_000_000, frame.interface, frame.number))
        .collect();
    let expected = [
        (0, 1, 1),
        (1, 0, 1),
        (4, 0, 2),
        (4, 0, 3),
        (4, 1, 2),
        (9, 1, 3),
    ];
    assert_eq!(order, expected);
    assert_eq!(outcome.interfaces.len(), 3);
    // Each frame's bytes are its own, though all buffers are in use.
    assert!(
        outcome
            .frames
            .iter()
            .all(|frame| frame.bytes.len() as u64 + 1 == frame.number)
    );
}

#[test]
fn interfaces_are_numbered_over_all_files() {
    let pcapng = [section(), ethernet(), ethernet(), packet(1, 500_000)].concat();
    let outcome = read_all(&[&pcap(&[1]), &pcapng, &pcap(&[2])]).unwrap();
    let sources: Vec<_> = outcome.frames.iter().map(|frame| frame.interface).collect();
    // The pcap files' interfaces are known at once, those of pcapng when their blocks come.
    assert_eq!(sources, [3, 0, 1]);
    let source = |index: usize| &outcome.interfaces[index].source;
    assert_eq!(source(2), source(3));
    assert_ne!(source(0), source(1));
}

#[test]
fn a_fault_ends_its_file_only() {
    let whole = pcap(&[1, 3, 5]);
    let outcome = read_all(&[&whole[..whole.len() - 1], &pcap(&[2, 4, 6])]).unwrap();
    let seconds: Vec<_> = outcome
        .times()
        .iter()
        .map(|time| time / 1_000_000_000)
        .collect();
    assert_eq!(seconds, [1, 2, 3, 4, 6]);
    assert_eq!(
        outcome.problems,
        ["packet 3 at byte 57: cut short, 17 of 18 bytes"]
    );
}

#[test]
fn times_that_go_back_stay_in_file_order() {
    let outcome = read(&pcap(&[5, 1, 3])).unwrap();
    let expected = [5_000_000_000, 1_000_000_000, 3_000_000_000];
    assert_eq!(outcome.times(), expected);
}

#[test]
fn no_files_give_no_frames() {
    let outcome = read_all(&[]).unwrap();
    assert!(outcome.frames.is_empty() && outcome.problems.is_empty());
}

#[test]
fn files_that_cannot_be_read_are_named_with_the_reason() {
    assert_eq!(refusal("no/such.pcap"), "no/such.pcap: no such file");
    assert_eq!(refusal("/"), "/: is a directory");
    assert_eq!(refusal("/dev/null"), "/dev/null: empty file");
    let twice = Files::open(&["-".into(), "-".into()], Arc::default());
    assert!(matches!(twice, Err(Error::StandardInputTwice)));
    for (bytes, reason) in [
        (&b""[..], "empty file"),
        (
            b"time,src,dst\n",
            "not a capture file: starts with 74 69 6d 65 2c 73 72 63, text: \"time,src\"",
        ),
        (b"\x7fE", "not a capture file: starts with 7f 45"),
        (b"\xfd7zXZ\0\0", "xz compression is not supported"),
        (
            b"\xac\x01\0\x1c",
            "the pcap variant of IXIA hardware is not supported",
        ),
    ] {
        assert_eq!(read(bytes).unwrap_err(), reason);
    }
}

#[test]
fn progress_counts_bytes_on_disk() {
    let packed = gzip(&pcap(&[1, 2, 3]));
    let kept = file(&packed);
    let mut files = Files::open(&[kept.path().into()], Arc::default()).unwrap();
    while files.next_frames(1).next().is_some() {}
    let size = packed.len() as u64;
    let expected = Progress {
        read: size,
        total: Some(size),
    };
    assert_eq!(files.progress(), expected);
}

#[test]
fn stop_ends_regular_files() {
    let (one, other) = (file(&pcap(&[1, 3])), file(&pcap(&[2, 4])));
    for paths in [
        vec![one.path().to_owned()],
        vec![one.path().to_owned(), other.path().to_owned()],
    ] {
        let stop = Arc::new(AtomicBool::new(false));
        let mut files = Files::open(&paths, Arc::clone(&stop)).unwrap();
        assert!(files.next_frames(1).next().is_some());
        stop.store(true, Ordering::Relaxed);
        assert!(files.next_frames(1).next().is_none());
        assert!(files.problems().is_empty());
    }
}

#[test]
fn a_live_pipe_gives_each_packet_when_it_is_complete() {
    for packed in [false, true] {
        let (_folder, path) = fifo();
        let writer_path = path.clone();
        let (seen, wait) = std::sync::mpsc::channel();
        let writer = thread::spawn(move || {
            let mut writer = File::options().write(true).open(writer_path).unwrap();
            let file = pcap(&[1, 2, 3]);
            // Header and two bytes of the first packet; the rest of it; the second; half the third.
            for piece in [&file[..26], &file[26..40], &file[40..57], &file[57..60]] {
                let piece = if packed { gzip(piece) } else { piece.to_vec() };
                writer.write_all(&piece).unwrap();
                if piece.len() != 26 {
                    thread::sleep(Duration::from_millis(20));
                }
            }
            // Open until both packets were seen.
            wait.recv().unwrap();
        });
        let mut files = Files::open(&[path], Arc::default()).unwrap();
        assert_eq!(files.progress().total, None);
        assert_eq!(next_numbers(&mut files, 2), [1, 2]);
        seen.send(()).unwrap();
        assert!(files.next_frames(1).next().is_none());
        writer.join().unwrap();
        let problem = files.problems()[0].to_string();
        assert!(
            problem.ends_with("packet 3 at byte 57: cut short, 3 of 16 bytes"),
            "{problem}"
        );
    }
}

#[test]
fn a_live_gzip_pipe_holds_nothing_back() {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    const PACKETS: u32 = 40;
    let (_folder, path) = fifo();
    let writer_path = path.clone();
    let (seen, wait) = std::sync::mpsc::channel();
    let writer = thread::spawn(move || {
        // What is unpacked at once is more than any step of the decoder.
        let mut file = pcap(&[]);
        for time in 0..PACKETS {
            for field in [time, 0, 1500, 1500] {
                file.extend(field.to_le_bytes());
            }
            file.extend([time as u8; 1500]);
        }
        let pipe = File::options().write(true).open(writer_path).unwrap();
        let mut writer = GzEncoder::new(pipe, Compression::default());
        writer.write_all(&file).unwrap();
        writer.flush().unwrap();
        // Nothing more comes until every packet was seen.
        wait.recv().unwrap();
        writer.finish().unwrap();
    });
    let mut files = Files::open(&[path], Arc::default()).unwrap();
    let numbers = next_numbers(&mut files, PACKETS as usize);
    assert!(numbers.into_iter().eq(1..=u64::from(PACKETS)));
    seen.send(()).unwrap();
    assert!(files.next_frames(1).next().is_none());
    assert!(files.problems().is_empty(), "{:?}", files.problems());
    writer.join().unwrap();
}

#[test]
fn stop_ends_the_wait_for_a_silent_pipe() {
    let header = pcap(&[1]);
    // No writer at all, nothing written, the header, half a packet.
    for (has_writer, sent) in [(false, 0), (true, 0), (true, 24), (true, 30)] {
        let (_folder, path) = fifo();
        let stop = Arc::new(AtomicBool::new(false));
        let handle = Arc::clone(&stop);
        let reader_path = path.clone();
        let reader = thread::spawn(move || {
            let mut files = Files::open(&[reader_path], handle).unwrap();
            let ended = files.next_frames(1).next().is_none();
            (ended, files.problems().len())
        });
        let writer = has_writer.then(|| {
            let mut writer = File::options().write(true).open(&path).unwrap();
            writer.write_all(&header[..sent]).unwrap();
            writer
        });
        thread::sleep(Duration::from_millis(30));
        let asked = Instant::now();
        stop.store(true, Ordering::Relaxed);
        assert_eq!(reader.join().unwrap(), (true, 0));
        assert!(asked.elapsed() < Duration::from_millis(500));
        drop(writer);
    }
}

proptest! {
    #[test]
    fn merging_keeps_every_frame(
        times in prop::collection::vec(prop::collection::vec(0_u32..20, 0..12), 0..5),
    ) {
        let mut lists = times;
        for list in &mut lists {
            list.sort_unstable();
        }
        let contents: Vec<_> = lists.iter().map(|list| pcap(list)).collect();
        let slices: Vec<_> = contents.iter().map(Vec::as_slice).collect();
        let outcome = read_all(&slices).unwrap();

        let mut expected: Vec<_> = lists
            .iter()
            .enumerate()
            .flat_map(|(file, list)| {
                (1..).zip(list).map(move |(number, time)| (*time, file as u32, number))
            })
            .collect();
        expected.sort_unstable();
        let key = |frame: &Kept| ((frame.time / 1_000_000_000) as u32, frame.interface, frame.number);
        prop_assert_eq!(outcome.frames.iter().map(key).collect::<Vec<_>>(), expected);
    }
}
