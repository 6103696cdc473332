//! Any bytes as a capture file (pcap, pcapng, compressed or not): frames, and few problems.
#![no_main]

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use libfuzzer_sys::fuzz_target;
use mirrorscope_capture::Files;

fuzz_target!(|bytes: &[u8]| {
    // The reader takes files, as its users do; one in memory is as good.
    let path =
        std::path::PathBuf::from(format!("/dev/shm/mirrorscope-fuzz-{}", std::process::id()));
    let mut file = std::fs::File::create(&path).expect("a file in memory");
    file.write_all(bytes).expect("room in memory");
    let stop = Arc::new(AtomicBool::new(false));
    let Ok(mut files) = Files::open(&[path], stop) else {
        return;
    };
    let mut number = 0;
    while let Some(frame) = files.next_frames(1).next() {
        assert!(frame.number > number, "numbers count up");
        number = frame.number;
        assert!(frame.bytes.len() <= 262_144, "no record is longer");
    }
    // What ended the file, and once that packets of an interface that nobody declared were left out.
    assert!(files.problems().len() <= 2);
});
