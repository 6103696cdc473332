//! A disk that is full: told once, nothing that was written is lost, and the rest goes on.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::bench::Bench;
use super::kill::read;
use super::listener::Listener;
use crate::machine::run;

/// A small file system in memory.
struct Disk(PathBuf);

impl Disk {
    fn new(folder: PathBuf, size: &str) -> Self {
        std::fs::create_dir(&folder).unwrap();
        let path = folder.to_str().unwrap();
        run(
            "mount",
            &["-t", "tmpfs", "-o", &format!("size={size}"), "none", path],
        );
        Self(folder)
    }

    fn files(&self) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(&self.0).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        run("umount", &["-l", self.0.to_str().unwrap()]);
    }
}

fn whole(files: &[PathBuf]) -> u64 {
    let packets = files.iter().map(|file| {
        let (packets, errors) = read(file);
        assert_eq!(errors, "", "{}", file.display());
        packets
    });
    packets.sum()
}

fn listen(bench: &Bench, folder: &Path, words: &str) -> Listener {
    let file = folder.join("m.pcapng");
    let words = format!("decap -i eth0 -w {} {words}", file.display());
    Listener::start(&bench.collector, &words)
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn files_stay_whole_and_it_goes_on_when_there_is_room_again() {
    let bench = Bench::new();
    let disk = Disk::new(bench.file("disk"), "3M");
    let listener = listen(&bench, &disk.0, "--rotate-size 1M");
    // Some eight thousand packets fill it; of half as many more, none finds room.
    let sent = bench.send(&bench.load(12_000, Some(4_000)));
    let told = listener.wait_for_error("no space left").1;
    assert!(told.contains("m_0000"), "{told}");
    std::thread::sleep(Duration::from_millis(1200));
    let full = disk.files();
    assert!(full.len() >= 2, "{full:?}");
    let before = whole(&full);
    assert!(before < sent.frames, "{before}");
    std::fs::remove_file(&full[0]).unwrap();
    let freed = whole(&full[1..]);
    std::thread::sleep(Duration::from_millis(1500));
    bench.send(&bench.load(500, Some(2_000)));
    let heard = listener.interrupt();
    assert_eq!(heard.status.code(), Some(2), "{}", heard.err);
    let complaints = heard
        .err
        .lines()
        .filter(|line| line.contains("no space left"));
    assert_eq!(complaints.count(), 1, "told once: {}", heard.err);
    // What came when there was room again was written, and what was not is told.
    assert_eq!(whole(&disk.files()), freed + 500, "{}", heard.err);
    let lost = (sent.frames - before).to_string();
    assert!(heard.err.contains(&lost), "{lost} packets: {}", heard.err);
}

#[test]
#[ignore = "needs root: tests/lab/run"]
fn of_one_file_what_found_room_stays() {
    let bench = Bench::new();
    let disk = Disk::new(bench.file("disk"), "1M");
    let listener = listen(&bench, &disk.0, "");
    bench.send(&bench.load(6_000, Some(4_000)));
    listener.wait_for_error("no space left");
    let heard = listener.interrupt();
    assert_eq!(heard.status.code(), Some(2), "{}", heard.err);
    let written = whole(&disk.files());
    assert!((1000..5000).contains(&written), "{written}: {}", heard.err);
    let lost = (6_000 - written).to_string();
    assert!(heard.err.contains(&lost), "{lost} packets: {}", heard.err);
}
