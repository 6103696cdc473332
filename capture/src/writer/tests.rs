use std::fs;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use pcap_file::pcap::PcapParser;
use pcap_file::pcapng::blocks::interface_statistics::InterfaceStatisticsOption;
use pcap_file::pcapng::blocks::name_resolution::Record;
use pcap_file::pcapng::{Block, PcapNgParser};
use proptest::prelude::*;

use super::{
    Direction, InterfaceDescription, OutputFile, Packet, PcapWriter, PcapngWriter, Statistics,
};
use crate::testing::read;

const INSIDE: InterfaceDescription<'_> = InterfaceDescription {
    name: "erspan2 10.60.0.1 101",
    description: "dc1/fw1-inside",
    link_type: 1,
    snaplen: 0,
    filter: "",
};

/// A packet of the first interface, without any bytes.
const EMPTY: Packet<'_> = Packet {
    interface: 0,
    time: 0,
    wire_len: 0,
    bytes: &[],
    direction: None,
    comment: None,
};

/// A frame as the writers take it: time, length on the wire, bytes.
fn frames() -> impl Strategy<Value = Vec<(i64, u32, Vec<u8>)>> {
    let frame = (
        0..i64::from(u32::MAX) * 1_000_000_000,
        0_u32..2000,
        prop::collection::vec(any::<u8>(), 0..70),
    )
        .prop_map(|(time, more, bytes)| (time, bytes.len() as u32 + more, bytes));
    prop::collection::vec(frame, 0..20)
}

proptest! {
    #[test]
    fn pcap_frames_come_back_as_written(frames in frames(), link_type in any::<u16>()) {
        let mut writer = PcapWriter::new(Vec::new(), link_type, 96).unwrap();
        for (time, wire_len, bytes) in &frames {
            writer.write(*time, *wire_len, bytes).unwrap();
        }
        let outcome = read(&writer.finish().unwrap()).unwrap();
        prop_assert!(outcome.problems.is_empty());
        prop_assert_eq!(outcome.interfaces[0].link_type, link_type);
        let read: Vec<_> =
            outcome.frames.into_iter().map(|frame| (frame.time, frame.wire_len, frame.bytes)).collect();
        prop_assert_eq!(read, frames);
    }

    #[test]
    fn pcapng_frames_come_back_as_written(
        frames in frames(),
        name in ".{0,20}",
        description in ".{0,20}",
    ) {
        let mut writer = PcapngWriter::new(Vec::new(), "mirrorscope").unwrap();
        let named = InterfaceDescription { name: &name, description: &description, ..INSIDE };
        let numbers = [&INSIDE, &named].map(|interface| writer.add_interface(interface).unwrap());
        prop_assert_eq!(numbers, [0, 1]);
        let directions = [None, Some(Direction::Inbound), Some(Direction::Outbound)];
        for (index, (time, wire_len, bytes)) in frames.iter().enumerate() {
            let direction = directions[index % 3];
            let packet = Packet {
                interface: index as u32 % 2,
                time: *time,
                wire_len: *wire_len,
                bytes,
                direction,
                comment: [None, Some("asymmetric")][index % 2],
            };
            writer.write(&packet).unwrap();
        }
        let file = writer.finish().unwrap();

        let outcome = read(&file).unwrap();
        prop_assert!(outcome.problems.is_empty());
        prop_assert_eq!(outcome.interfaces[0].name.as_deref(), Some(INSIDE.name));
        let text = |text: &str| (!text.is_empty()).then(|| text.trim_end_matches('\0').to_owned());
        prop_assert_eq!(&outcome.interfaces[1].name, &text(&name));
        prop_assert_eq!(&outcome.interfaces[1].description, &text(&description));
        for (index, frame) in outcome.frames.iter().enumerate() {
            prop_assert_eq!(frame.interface, index as u32 % 2);
        }
        let read: Vec<_> =
            outcome.frames.into_iter().map(|frame| (frame.time, frame.wire_len, frame.bytes)).collect();
        prop_assert_eq!(read, &frames[..]);

        // Another reader agrees, options included.
        let (mut rest, mut parser) = PcapNgParser::new(&file).unwrap();
        let mut packets = 0;
        while !rest.is_empty() {
            let (behind, block) = parser.next_block(rest).unwrap();
            rest = behind;
            if let Block::EnhancedPacket(packet) = block {
                let options = usize::from(packets % 3 != 0) + packets % 2;
                prop_assert_eq!(packet.options.len(), options);
                prop_assert_eq!(&packet.data[..], &frames[packets].2[..]);
                packets += 1;
            }
        }
        prop_assert_eq!(packets, frames.len());
    }
}

#[test]
fn times_outside_a_format_become_the_nearest_inside() {
    let mut writer = PcapWriter::new(Vec::new(), 1, 0).unwrap();
    writer.write(-1, 0, &[]).unwrap();
    writer.write(i64::MAX, 0, &[]).unwrap();
    let file = writer.finish().unwrap();
    let last = i64::from(u32::MAX) * 1_000_000_000 + i64::MAX % 1_000_000_000;
    assert_eq!(read(&file).unwrap().times(), [0, last]);

    let mut writer = PcapngWriter::new(Vec::new(), "").unwrap();
    writer.add_interface(&INSIDE).unwrap();
    for time in [-1, i64::MAX] {
        writer.write(&Packet { time, ..EMPTY }).unwrap();
    }
    let file = writer.finish().unwrap();
    assert_eq!(read(&file).unwrap().times(), [0, i64::MAX]);
}

#[test]
fn the_wire_length_is_never_below_the_captured() {
    let mut writer = PcapWriter::new(Vec::new(), 1, 0).unwrap();
    writer.write(0, 1, &[0; 4]).unwrap();
    let file = writer.finish().unwrap();
    assert_eq!(read(&file).unwrap().frames[0].wire_len, 4);
    // So that a strict reader takes it too.
    let (rest, parser) = PcapParser::new(&file).unwrap();
    assert!(parser.next_packet(rest).is_ok());
}

#[test]
fn an_interface_that_was_not_added_is_an_error() {
    let mut writer = PcapngWriter::new(Vec::new(), "mirrorscope").unwrap();
    let error = writer.write(&EMPTY).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let error = writer
        .add_statistics(0, &Statistics::default())
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
}

#[test]
fn texts_too_long_for_an_option_are_cut_between_letters() {
    let long = "é".repeat(40_000);
    let mut writer = PcapngWriter::new(Vec::new(), &long).unwrap();
    let interface = InterfaceDescription {
        name: &long,
        filter: &long,
        ..INSIDE
    };
    writer.add_interface(&interface).unwrap();
    let packet = Packet {
        time: 1,
        wire_len: 4,
        bytes: &[1, 2, 3, 4],
        comment: Some(&long),
        ..EMPTY
    };
    writer.write(&packet).unwrap();
    let outcome = read(&writer.finish().unwrap()).unwrap();
    assert_eq!(outcome.frames.len(), 1);
    assert!(outcome.problems.is_empty());
}

#[test]
fn names_and_counters_come_back_as_written() {
    let mut writer = PcapngWriter::new(Vec::new(), "").unwrap();
    let v6 = "2001:db8::50".parse().unwrap();
    let long = "n".repeat(300);
    let names = [
        ([10, 20, 0, 50].into(), "web-1"),
        (v6, "web\0-1"),
        ([10, 20, 0, 51].into(), ""),
        ([10, 20, 0, 52].into(), &long),
    ];
    writer.add_names(names).unwrap();
    writer.add_interface(&INSIDE).unwrap();
    // Beyond 32 bits, so that exchanged halves would show.
    let time = 1_795_296_479_123_456_789;
    let statistics = Statistics {
        time,
        period: (time - 7, time - 5),
        received: 1 << 33,
        accepted: 4,
        missing: Some(3),
        dropped: None,
        comment: "x".repeat(1000),
    };
    writer.add_statistics(0, &statistics).unwrap();
    let file = writer.finish().unwrap();
    assert!(read(&file).unwrap().problems.is_empty());

    let (mut rest, mut parser) = PcapNgParser::new(&file).unwrap();
    let (behind, block) = parser.next_block(rest).unwrap();
    rest = behind;
    let Block::NameResolution(names) = block else {
        panic!("no names: {block:?}");
    };
    assert_eq!(names.records.len(), 3);
    let Record::Ipv4(first) = &names.records[0] else {
        panic!("{names:?}");
    };
    assert_eq!(first.ip_addr[..], [10, 20, 0, 50]);
    assert_eq!(first.names, ["web-1"]);
    let Record::Ipv6(second) = &names.records[1] else {
        panic!("{names:?}");
    };
    assert_eq!(second.names, ["web"], "a zero byte would end the name");
    rest = parser.next_block(rest).unwrap().0;
    let before = rest.len();
    let (behind, block) = parser.next_block(rest).unwrap();
    assert_eq!(
        (before - behind.len()) as u64,
        super::pcapng::STATISTICS - 12
    );
    let Block::InterfaceStatistics(read) = block else {
        panic!("no counters: {block:?}");
    };
    // Its times have their upper halves first; `pcap-file` reads them the other way round.
    assert_eq!(read.timestamp.rotate_left(32), time as u64);
    let [_, InterfaceStatisticsOption::IsbStartTime(start), ..] = read.options[..] else {
        panic!("{read:?}");
    };
    assert_eq!(start.rotate_left(32), time as u64 - 7);
    assert!(
        read.options
            .contains(&InterfaceStatisticsOption::IsbIfRecv(1 << 33))
    );
    assert!(
        read.options
            .contains(&InterfaceStatisticsOption::IsbIfDrop(3))
    );
    assert_eq!(read.options.len(), 6);
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect()
}

#[test]
fn an_output_file_appears_when_committed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.pcap");
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"all of it").unwrap();
    file.flush().unwrap();
    assert!(!path.exists());
    file.commit().unwrap();
    assert_eq!(fs::read(&path).unwrap(), b"all of it");
    assert_eq!(names(folder.path()), ["out.pcap"]);
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_ne!(
        mode & 0o044,
        0,
        "others may read it, as the umask says: {mode:o}"
    );
}

#[test]
fn an_output_file_without_commit_leaves_all_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.pcap");
    fs::write(&path, b"old").unwrap();
    let mut file = OutputFile::create(&path).unwrap();
    file.write_all(b"half").unwrap();
    drop(file);
    assert_eq!(fs::read(&path).unwrap(), b"old");
    assert_eq!(names(folder.path()), ["out.pcap"]);
}

#[test]
fn a_replaced_file_keeps_its_mode_and_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let (path, link) = (folder.path().join("out.pcap"), folder.path().join("link"));
    fs::write(&path, b"old").unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o662)).unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let mut file = OutputFile::create(&link).unwrap();
    file.write_all(b"new").unwrap();
    file.commit().unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::read(&path).unwrap(), b"new");
    assert_eq!(
        fs::metadata(&path).unwrap().permissions().mode() & 0o777,
        0o662
    );
}

#[test]
fn special_files_are_written_directly() {
    let mut file = OutputFile::create(Path::new("/dev/null")).unwrap();
    file.write_all(b"gone").unwrap();
    file.commit().unwrap();
    assert!(!fs::metadata("/dev/null").unwrap().is_file());
}

#[test]
fn output_errors_name_the_file() {
    let text = |path: &str| {
        OutputFile::create(Path::new(path))
            .err()
            .unwrap()
            .to_string()
    };
    assert_eq!(text("/"), "/: is a directory");
    assert_eq!(
        text("/no/such/folder/out.pcap"),
        "/no/such/folder/out.pcap: cannot open: no such file or directory"
    );

    let full = || OutputFile::create(Path::new("/dev/full")).unwrap();
    let mut file = full();
    let error: io::Error = file.write_all(&vec![0; 1024 * 1024]).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::StorageFull);
    assert_eq!(error.to_string(), "/dev/full: no space left on device");

    let mut file = full();
    file.write_all(b"buffered").unwrap();
    let error = file.commit().unwrap_err();
    assert_eq!(error.to_string(), "/dev/full: no space left on device");
}
