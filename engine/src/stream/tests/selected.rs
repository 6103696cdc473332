//! Selective acknowledgements: what they tell of a hole, and what they do not.

use super::*;

impl Run {
    /// Side 1 acknowledges, with blocks.
    fn sack(&mut self, flags: u16, ack: u32, blocks: &[(u32, u32)]) {
        let numbers = blocks.iter().flat_map(|block| [block.0, block.1]);
        let bytes = numbers.flat_map(u32::to_be_bytes);
        let mut options = vec![1, 1, 5, 2 + 8 * blocks.len() as u8];
        options.extend(bytes);
        let segment = Segment {
            time: Timestamp(0),
            sequence: if flags & SYN == 0 { 500 } else { 499 },
            acknowledgement: ack,
            flags: TcpFlags(flags),
            options: &options,
            payload: &[],
            payload_len: 0,
        };
        self.take(1, segment);
    }

    /// Side 0 sends `ab`, not `cde`, and `fgh`.
    fn with_a_hole() -> Self {
        let mut run = Self::new().open();
        run.push(0, ACK, 100, 500, "ab");
        run.push(0, ACK, 105, 500, "fgh");
        assert_eq!(run.told(), ["0@0 ab"]);
        run
    }

    /// What is told a minute later.
    fn told_later(&mut self) -> Vec<String> {
        self.time += 60_000;
        self.push(1, ACK, 500, 100, "");
        self.told()
    }
}

const GIVEN_UP: [&str; 2] = ["0@2 gap 3 never-seen", "0@5 fgh"];

#[test]
fn a_hole_that_arrived_at_the_other_side_is_given_up_though_the_sender_is_asked_for_more() {
    let mut run = Run::with_a_hole();
    run.sack(ACK, 100, &[(102, 108)]);
    run.time += 9900;
    run.sack(ACK, 100, &[(102, 108)]);
    assert_eq!(run.told(), [""; 0]);
    run.time += 100;
    run.push(0, ACK, 108, 500, "i");
    assert_eq!(run.told(), [&GIVEN_UP[..], &["0@8 i"]].concat());
}

#[test]
fn what_a_sender_sends_again_when_its_timer_runs_out_is_still_in_time() {
    // As in a capture of a path that loses much: selected at once, sent again four seconds later with all the rest.
    let mut run = Run::with_a_hole();
    run.sack(ACK, 100, &[(102, 108)]);
    run.time += 4000;
    run.push(0, ACK, 100, 500, "ab");
    run.push(0, ACK, 102, 500, "cde");
    assert_eq!(run.told(), ["0@2 cde", "0@5 fgh"]);
}

#[test]
fn several_acknowledgements_of_both_kinds_tell_of_one_hole_together() {
    let mut run = Run::with_a_hole();
    run.sack(ACK, 100, &[(104, 108)]);
    run.sack(ACK, 100, &[(103, 104), (107, 108)]);
    assert_eq!(run.told_later(), [""; 0], "103 is asked for");
    run.push(1, ACK, 500, 103, "");
    assert_eq!(run.told(), GIVEN_UP);
}

#[test]
fn a_hole_that_the_other_side_has_too_waits_as_long_as_it_takes() {
    let mut run = Run::with_a_hole();
    run.sack(ACK, 102, &[(105, 108)]);
    assert_eq!(run.told_later(), [""; 0]);
    run.push(0, ACK, 102, 500, "cde");
    assert_eq!(run.told(), ["0@2 cde", "0@5 fgh"]);
}

#[test]
fn a_hole_of_which_the_other_side_misses_one_byte_waits_for_that() {
    let mut run = Run::with_a_hole();
    run.sack(ACK, 102, &[(103, 108)]);
    assert_eq!(run.told_later(), [""; 0]);
    run.push(0, ACK, 102, 500, "c");
    assert_eq!(run.told(), ["0@2 c", "0@3 gap 2 never-seen", "0@5 fgh"]);
}

#[test]
fn what_a_proxy_acknowledged_waits_while_the_receiver_asks_for_it() {
    let mut run = Run::with_a_hole();
    run.push(1, ACK, 500, 108, "");
    for _ in 0..60 {
        run.time += 1000;
        run.sack(ACK, 102, &[(105, 108)]);
        assert_eq!(run.told(), [""; 0]);
    }
    run.time += 1500;
    run.push(0, ACK, 108, 500, "i");
    assert_eq!(run.told(), [""; 0]);
    run.time += 500;
    run.push(0, ACK, 109, 500, "j");
    assert_eq!(run.told(), [&GIVEN_UP[..], &["0@8 i", "0@9 j"]].concat());
}

#[test]
fn what_is_asked_for_gives_way_when_there_is_no_room() {
    let mut run = Run::with(Policy {
        stream_memory: 2000,
        ..Policy::default()
    })
    .open();
    run.push(0, ACK, 102, 500, &"x".repeat(1000));
    run.sack(ACK, 100, &[(102, 1102)]);
    assert_eq!(run.told(), [""; 0]);
    run.push(0, ACK, 1102, 500, &"y".repeat(1000));
    assert_eq!(run.told()[..2], ["0@0 note memory", "0@0 gap 2 never-seen"]);
}

#[test]
fn a_block_at_the_acknowledgement_or_below_it_tells_of_a_duplicate() {
    for duplicate in [(100, 102), (96, 101), (102, 108), (99, 108)] {
        let mut run = Run::with_a_hole();
        run.sack(ACK, 102, &[duplicate]);
        assert_eq!(run.told_later(), [""; 0], "{duplicate:?}");
    }
    let mut run = Run::with_a_hole();
    // The second block is an ordinary one (RFC 2883 §4).
    run.sack(ACK, 101, &[(100, 101), (102, 108)]);
    assert_eq!(run.told_later(), GIVEN_UP);
}

#[test]
fn blocks_that_cannot_be_true_tell_nothing() {
    for lie in [
        (108, 200),
        (105, 102),
        (102, 102),
        (3_000_000_000, 108),
        (102, 0x8000_0200),
        (102, 109 + (1 << 24)),
        (101, 101),
    ] {
        let mut run = Run::with_a_hole();
        run.sack(ACK, 100, &[lie]);
        assert_eq!(run.told_later(), [""; 0], "{lie:?}");
    }
    let mut run = Run::with_a_hole();
    run.sack(ACK, 100, &[(102, 2000)]);
    assert_eq!(
        run.told_later(),
        GIVEN_UP,
        "data may be on its way to the points, and a FIN counts as a byte"
    );
}

#[test]
fn a_syn_an_rst_and_a_segment_without_ack_select_nothing() {
    for flags in [SYN | ACK, RST | ACK, 0] {
        let mut run = Run::with_a_hole();
        run.sack(flags, 100, &[(102, 108)]);
        assert_eq!(run.told_later(), [""; 0], "{flags}");
    }
}

#[test]
fn what_is_said_to_an_earlier_connection_tells_nothing_of_the_next() {
    let mut run = Run::with_a_hole();
    run.push(0, FIN | ACK, 108, 500, "");
    run.push(0, SYN, 199, 0, "");
    run.push(1, SYN | ACK, 499, 200, "");
    run.push(0, ACK, 205, 500, "FGH");
    run.told();
    // In front of the first number, and far from it.
    run.sack(ACK, 100, &[(102, 108), (200, 208)]);
    run.sack(ACK, 3_000_000_000, &[(200, 208)]);
    run.time += 60_000;
    run.push(1, ACK, 500, 200, "");
    assert_eq!(run.told(), [""; 0]);
    run.sack(ACK, 199, &[(200, 208)]);
    assert_eq!(run.told(), [""; 0], "no end expects a SYN again");
}

#[test]
fn numbers_of_blocks_wrap() {
    let mut run = Run::new();
    run.push(0, SYN, u32::MAX - 4, 0, "");
    run.push(1, SYN | ACK, 499, u32::MAX - 3, "");
    run.push(0, ACK, u32::MAX - 3, 500, "ab");
    run.push(0, ACK, 2, 500, "gh");
    run.sack(ACK, u32::MAX - 2, &[(u32::MAX - 1, 4)]);
    run.told();
    run.time += 10_000;
    run.push(0, ACK, 4, 500, "i");
    assert_eq!(run.told(), ["0@2 gap 4 never-seen", "0@6 gh", "0@8 i"]);
}

#[test]
fn blocks_that_came_while_the_start_was_open_count_once_it_is_settled() {
    let mut run = Run::new();
    run.push(0, ACK, 100, 500, "ab");
    run.push(0, ACK, 105, 500, "fgh");
    run.sack(ACK, 100, &[(102, 108)]);
    run.time += 1500;
    run.push(0, ACK, 108, 500, "i");
    assert_eq!(run.told(), ["0@0 ab"]);
    assert_eq!(run.told_later(), [&GIVEN_UP[..], &["0@8 i"]].concat());
}

#[test]
fn what_arrived_before_the_capture_ended_is_not_outside_of_it() {
    let mut run = Run::with_a_hole();
    run.sack(ACK, 102, &[(105, 108)]);
    assert_eq!(run.finish(), ["0@2 gap 3 outside-the-capture", "0@5 fgh"]);
    let mut run = Run::with_a_hole();
    run.sack(ACK, 100, &[(102, 108)]);
    assert_eq!(run.finish(), GIVEN_UP);
}

#[test]
fn blocks_cost_nothing_where_nothing_waits_and_little_where_something_does() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, &"x".repeat(50_000));
    let before = run.streams.memory();
    run.sack(ACK, 100, &[(102, 108)]);
    assert_eq!(run.streams.memory(), before);
    run.push(0, ACK, 50_101, 500, &"y".repeat(50_000));
    let before = run.streams.memory();
    for n in 0..20_000 {
        run.sack(ACK, 100, &[(50_102 + 2 * n, 50_103 + 2 * n)]);
    }
    let cost = run.streams.memory() - before;
    assert!((2000..10_000).contains(&cost), "{cost}");
    run.push(0, ACK, 50_100, 500, "-");
    // What is left are the ends of what was delivered.
    assert!(run.streams.memory() < 70_000, "{}", run.streams.memory());
}
