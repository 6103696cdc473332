use hex_literal::hex;
use proptest::prelude::*;

use crate::testing::{Outcome, block, ethernet, packet, read, section};

/// A whole file: section, name resolution, interface, packet, custom block, statistics.
const SAMPLE: &[&[u8]] = &[
    &hex!(
        "0a0d0d0a300000004d3c2b1a01000000ffffffffffffffff04000b006d6972726f7273636f7065000000000030000000"
    ),
    &hex!(
        "010000005800000001000000000004000200150065727370616e322031302e36302e302e312031303100000003000e00
        6463312f6677312d696e73696465000009000100090000000b000400006772650000000058000000"
    ),
    &hex!("040000002400000001001000c63364147765622e6578616d706c65000000000024000000"),
    &hex!(
        "060000008000000000000000fe9c971715cd853d360000003c00000002000000000b02000000000a0800450000280a0a
        400040064474c000020ac63364149c4001bb11223344000000005002faf0e63d0000000001000c006772652073657120
        3130303002000400010000000400080003000000000000000000000080000000"
    ),
    &hex!("ad0b000018000000d97e00007b226b223a317d0018000000"),
    &hex!(
        "050000005800000000000000fe9c971715cd853d02000800fe9c971715cd853d03000800fe9c97171597207904000800
        e8030000000000000500080007000000000000000700080002000000000000000000000058000000"
    ),
];

fn read_blocks(blocks: &[&[u8]]) -> Outcome {
    read(&blocks.concat()).unwrap()
}

/// An interface block with one option.
fn interface(code: u16, value: &[u8]) -> Vec<u8> {
    let mut body = hex!("0100 0000 00000000").to_vec();
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    block(1, &body)
}

#[test]
fn a_whole_file() {
    let outcome = read_blocks(SAMPLE);
    assert!(outcome.problems.is_empty());
    let [interface] = &outcome.interfaces[..] else {
        panic!("{outcome:?}");
    };
    assert_eq!(interface.name.as_deref(), Some("erspan2 10.60.0.1 101"));
    assert_eq!(interface.description.as_deref(), Some("dc1/fw1-inside"));
    assert_eq!(interface.link_type, 1);
    let [frame] = &outcome.frames[..] else {
        panic!("{outcome:?}");
    };
    assert_eq!(frame.time, 1_700_000_000_123_456_789);
    assert_eq!(
        (frame.wire_len, frame.bytes.len(), frame.number),
        (60, 54, 1)
    );
    assert_eq!(frame.bytes[..6], hex!("02000000000b"));
}

#[test]
fn cut_at_every_byte() {
    let file = [&SAMPLE.concat()[..], &packet(0, 5)].concat();
    let mut ends = vec![0];
    for block in SAMPLE {
        ends.push(ends[ends.len() - 1] + block.len());
    }
    ends.push(file.len());
    for cut in 4..48 {
        assert!(
            read(&file[..cut])
                .unwrap_err()
                .starts_with("cut short inside the file header")
        );
    }
    for cut in 48..=file.len() {
        let outcome = read(&file[..cut]).unwrap();
        let complete = usize::from(cut >= ends[4]) + usize::from(cut == file.len());
        assert_eq!(outcome.frames.len(), complete, "cut at {cut}");
        let problems = usize::from(!ends.contains(&cut));
        assert_eq!(outcome.problems.len(), problems, "cut at {cut}");
    }
    let in_packet = read(&file[..ends[3] + 100]).unwrap();
    let expected = "packet 1 at byte 172: cut short, 100 of 128 bytes";
    assert_eq!(in_packet.problems, [expected]);
    let in_statistics = read(&file[..ends[5] + 13]).unwrap();
    let expected = "block at byte 324: cut short, 13 of 88 bytes";
    assert_eq!(in_statistics.problems, [expected]);
}

#[test]
fn big_endian_section_after_a_little_endian_one() {
    let big = hex!(
        "0a0d0d0a 0000001c 1a2b3c4d 0001 0000 ffffffffffffffff 0000001c"
        "00000001 00000014 0065 0000 00000000 00000014"
        "00000006 00000024 00000000 00000000 000f4240 00000002 00000009 0a0b 0000 00000024"
    );
    let outcome = read_blocks(&[&section(), &ethernet(), &packet(0, 7), &big]);
    assert!(outcome.problems.is_empty(), "{outcome:?}");
    let [first, second] = &outcome.frames[..] else {
        panic!("{outcome:?}");
    };
    assert_eq!((first.interface, first.link_type, first.time), (0, 1, 7000));
    assert_eq!(
        (second.interface, second.link_type, second.time),
        (1, 101, 1_000_000_000)
    );
    assert_eq!((second.number, second.wire_len), (2, 9));
    assert_eq!(second.bytes, [0x0a, 0x0b]);
}

#[test]
fn each_interface_has_its_own_clock() {
    let offset = &(-5_i64).to_le_bytes();
    for (code, value, ticks, time) in [
        (9, &[6][..], 3, 3_000),
        (9, &[9], 3, 3),
        (9, &[3], 3, 3_000_000),
        (9, &[0], 3, 3_000_000_000),
        (9, &[12], 3_999, 3),
        (9, &[127], u64::MAX, 0),
        (9, &[0x8a], 1536, 1_500_000_000),
        (9, &[0xa0], 1 << 31, 500_000_000),
        (9, &[0xff], u64::MAX, 0),
        (14, offset, 8_000_000, 3_000_000_000),
        (14, &[0xff; 8], 0, -1_000_000_000),
        (14, &i64::MAX.to_le_bytes(), 0, i64::MAX),
        (14, &[1], 4, 4_000),
        (9, &[], 4, 4_000),
        (2, b"eth0", u64::MAX, i64::MAX),
    ] {
        let outcome = read_blocks(&[&section(), &interface(code, value), &packet(0, ticks)]);
        assert_eq!(outcome.times(), [time], "option {code} {value:?}");
    }
}

#[test]
fn resolution_and_offset_together() {
    let mut body = hex!("0100 0000 00000000 0900 0100 09000000 0e00 0800").to_vec();
    body.extend(2_i64.to_le_bytes());
    let outcome = read_blocks(&[&section(), &block(1, &body), &packet(0, 1)]);
    assert_eq!(outcome.times(), [2_000_000_001]);
}

#[test]
fn odd_names_do_no_harm() {
    for (value, expected) in [
        (&b"eth0\0"[..], "eth0"),
        (b"\xff\xfe", "\u{fffd}\u{fffd}"),
        (&[b'x'; 5000], &"x".repeat(256)),
    ] {
        let outcome = read_blocks(&[&section(), &interface(2, value), &packet(0, 1)]);
        assert_eq!(outcome.interfaces[0].name.as_deref(), Some(expected));
        assert_eq!(outcome.frames.len(), 1);
    }
    // An option that claims more than the block has.
    let overlong = block(1, &hex!("0100 0000 00000000 0200 ffff 65746830"));
    let outcome = read_blocks(&[&section(), &overlong, &packet(0, 1)]);
    assert_eq!(outcome.interfaces[0].name, None);
    assert_eq!(outcome.frames.len(), 1);
}

#[test]
fn simple_packets_take_the_time_before_and_the_snap_length() {
    let snap_three = block(1, &hex!("0100 0000 03000000"));
    let simple = block(3, &hex!("05000000 01020300"));
    let outcome = read_blocks(&[&section(), &snap_three, &simple, &packet(0, 9), &simple]);
    assert_eq!(outcome.times(), [0, 9_000, 9_000]);
    assert_eq!(outcome.frames[0].bytes, [1, 2, 3]);
    assert_eq!(outcome.frames[0].wire_len, 5);

    let whole = block(3, &hex!("02000000 01020000"));
    let outcome = read_blocks(&[&section(), &ethernet(), &whole]);
    assert_eq!(outcome.frames[0].bytes, [1, 2]);
}

#[test]
fn obsolete_packet_blocks() {
    let old = block(
        2,
        &hex!("0100 0700 00000000 05000000 02000000 03000000 01020000"),
    );
    let outcome = read_blocks(&[&section(), &ethernet(), &ethernet(), &old]);
    let frame = &outcome.frames[0];
    assert_eq!((frame.interface, frame.time, frame.wire_len), (1, 5_000, 3));
    assert_eq!(frame.bytes, [1, 2]);
}

#[test]
fn custom_and_journal_blocks_take_frame_numbers() {
    let custom = block(0xbad, &hex!("d97e0000 01020304"));
    let journal = block(9, b"A=1\n");
    let unknown = block(0x77, &[]);
    let outcome = read_blocks(&[
        &section(),
        &ethernet(),
        &custom,
        &journal,
        &unknown,
        &packet(0, 1),
    ]);
    assert_eq!(outcome.frames[0].number, 3);
}

#[test]
fn packets_of_an_undeclared_interface_are_left_out() {
    let stray = packet(1, 1);
    let blocks = [section(), ethernet(), stray.clone(), stray, packet(0, 1)].concat();
    let outcome = read(&blocks).unwrap();
    assert_eq!(outcome.frames.len(), 1);
    assert_eq!(outcome.frames[0].number, 3);
    let expected = "packet 1 at byte 48: left out, interface 1 is not declared";
    assert_eq!(outcome.problems, [expected]);
}

#[test]
fn a_new_section_forgets_interfaces() {
    let outcome = read_blocks(&[&section(), &ethernet(), &section(), &packet(0, 1)]);
    assert!(outcome.frames.is_empty());
    assert_eq!(outcome.problems.len(), 1);
}

#[test]
fn blocks_that_contradict_themselves_end_the_file() {
    let word = |value: u32| value.to_le_bytes();
    let mut other_end = packet(0, 1);
    other_end[32] = 40;
    let mut other_end_skipped = block(0x77, &[]);
    other_end_skipped[8] = 16;
    let no_mark = block(0x0a0d_0d0a, &[0; 16]);
    for (bad, reason) in [
        (other_end, "its length is 36 at its start, 40 at its end"),
        (
            other_end_skipped,
            "its length is 12 at its start, 16 at its end",
        ),
        ([word(6), word(8), word(0)].concat(), "its length is 8"),
        ([word(6), word(33), word(0)].concat(), "its length is 33"),
        (
            [word(6), word(0x8000_0000), word(0)].concat(),
            "its length is 2147483648, more than 16777216",
        ),
        (block(6, &[0; 16]), "28 bytes are too few for a packet"),
        (block(3, &[]), "12 bytes are too few for a packet"),
        (block(1, &[0; 4]), "16 bytes are too few for an interface"),
        (no_mark, "a section header without byte-order mark"),
    ] {
        let outcome = read_blocks(&[&section(), &ethernet(), &packet(0, 1), &bad, &packet(0, 2)]);
        assert_eq!(outcome.frames.len(), 1, "{reason}");
        assert_eq!(
            outcome.problems,
            [format!("block at byte 84: corrupt: {reason}")]
        );
    }
}

#[test]
fn a_captured_length_beyond_the_block_ends_the_file() {
    let mut beyond = packet(0, 1);
    beyond[20] = 5;
    let outcome = read_blocks(&[&section(), &ethernet(), &beyond]);
    let expected = "packet 1 at byte 48: corrupt: packet claims 5 bytes";
    assert_eq!(outcome.problems, [expected]);
}

#[test]
fn huge_blocks_of_other_kinds_are_passed_over() {
    let huge = block(10, &vec![0; 17 * 1024 * 1024]);
    let outcome = read_blocks(&[&section(), &ethernet(), &huge, &packet(0, 1)]);
    assert_eq!(outcome.frames.len(), 1);
    assert!(outcome.problems.is_empty());
}

#[test]
fn too_many_interfaces_end_the_file() {
    let file = [section(), ethernet().repeat(65_537), packet(0, 1)].concat();
    let outcome = read(&file).unwrap();
    assert_eq!(outcome.interfaces.len(), 65_536);
    assert!(outcome.problems[0].ends_with("corrupt: more than 65536 interfaces"));
}

#[test]
fn another_major_version_is_refused() {
    let mut file = section();
    file[12] = 2;
    assert_eq!(read(&file).unwrap_err(), "unsupported pcapng version 2.0");
}

proptest! {
    #[test]
    fn any_bytes_behind_the_header_are_read_without_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let outcome = read(&[section(), ethernet(), bytes].concat()).unwrap();
        prop_assert!(outcome.problems.len() <= 2);
    }

    #[test]
    fn any_body_in_each_kind_of_block_is_read_without_panic(
        kind in 0_u32..8,
        body in prop::collection::vec(any::<u8>(), 0..80),
    ) {
        let outcome = read_blocks(&[&section(), &ethernet(), &block(kind, &body), &packet(0, 1)]);
        prop_assert!(outcome.problems.len() <= 2);
    }

    #[test]
    fn damaged_files_are_read_without_panic(
        damage in prop::collection::vec((0_usize..460, any::<u8>()), 1..6),
    ) {
        let mut file = [SAMPLE.concat(), packet(0, 5)].concat();
        for (at, byte) in damage {
            if let Some(place) = file.get_mut(at) {
                *place = byte;
            }
        }
        if let Ok(outcome) = read(&file) {
            prop_assert!(outcome.problems.len() <= 2);
        }
    }
}
