//! Each rule by itself, on segments made by hand.

mod selected;

use mirrorscope_dissectors::TcpFlags;

use super::*;
use crate::flow::Side;
use crate::time::{SECOND, Timestamp};

const FIN: u16 = 1;
const SYN: u16 = 2;
const RST: u16 = 4;
const PSH: u16 = 8;
const ACK: u16 = 16;
const URG: u16 = 32;
const MILLI: i64 = SECOND / 1000;

/// Streams, and what came of them: data as `SIDE@OFFSET text`, the rest in words.
struct Run {
    streams: Streams,
    told: Vec<String>,
    /// Time of the next segment, in milliseconds.
    time: i64,
}

fn tell(told: &mut Vec<String>, event: Event<'_>) {
    told.push(match event {
        Event::Data {
            side,
            offset,
            bytes,
            ..
        } => format!("{side}@{offset} {}", String::from_utf8_lossy(bytes)),
        Event::Gap(gap) => format!(
            "{}@{} gap {} {}",
            gap.side,
            gap.offset,
            gap.len,
            gap.cause.as_str()
        ),
        Event::Note {
            side, offset, note, ..
        } => format!("{side}@{offset} note {}", note.as_str()),
        Event::End { side, offset, .. } => format!("{side}@{offset} end"),
    });
}

impl Run {
    /// Ends all streams; bytes of side 0 that contradicted others.
    fn conflicts(&mut self) -> u64 {
        let mut conflict = 0;
        self.streams.finish(&mut |_, event| {
            if let Event::End {
                side: 0, counts, ..
            } = event
            {
                conflict = counts.conflict;
            }
        });
        conflict
    }

    fn new() -> Self {
        Self::with(Policy::default())
    }

    fn with(policy: Policy) -> Self {
        Self {
            streams: Streams::new(policy),
            told: Vec::new(),
            time: 0,
        }
    }

    /// A segment of `side` one millisecond later, of which `claimed` bytes more than are here were sent.
    fn cut(&mut self, side: Side, flags: u16, seq: u32, ack: u32, text: &str, claimed: u32) {
        let segment = Segment {
            time: Timestamp(0),
            sequence: seq,
            acknowledgement: ack,
            flags: TcpFlags(flags),
            options: &[],
            payload: text.as_bytes(),
            payload_len: text.len() as u32 + claimed,
        };
        self.take(side, segment);
    }

    /// Takes a segment one millisecond later, whatever it says of its time.
    fn take(&mut self, side: Side, segment: Segment<'_>) {
        self.time += 1;
        let segment = Segment {
            time: Timestamp(self.time * MILLI),
            ..segment
        };
        let told = &mut self.told;
        let mut sink = |_, event: Event<'_>| tell(told, event);
        self.streams.push(0, side, &segment, &mut sink);
    }

    fn push(&mut self, side: Side, flags: u16, seq: u32, ack: u32, text: &str) {
        self.cut(side, flags, seq, ack, text, 0);
    }

    /// A handshake of side 0 from 100 with side 1 from 500.
    fn open(mut self) -> Self {
        self.push(0, SYN, 99, 0, "");
        self.push(1, SYN | ACK, 499, 100, "");
        self.push(0, ACK, 100, 500, "");
        assert_eq!(self.told(), [""; 0]);
        self
    }

    /// What was told since the last look.
    fn told(&mut self) -> Vec<String> {
        std::mem::take(&mut self.told)
    }

    /// What the end of the capture brings, but for the ends themselves.
    fn finish(&mut self) -> Vec<String> {
        let told = &mut self.told;
        self.streams.finish(&mut |_, event| tell(told, event));
        assert_eq!(self.streams.len(), 0);
        let mut told = self.told();
        told.retain(|line| !line.ends_with(" end"));
        told
    }
}

#[test]
fn data_in_order_is_delivered_at_once_and_repeats_are_not() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(0, ACK, 100, 500, "abc");
    run.push(1, ACK, 500, 103, "xy");
    run.push(0, ACK, 101, 502, "bcde");
    assert_eq!(run.told(), ["0@0 abc", "1@0 xy", "0@3 de"]);
    assert_eq!(run.finish(), [""; 0]);
}

#[test]
fn what_is_out_of_order_waits_for_what_is_missing() {
    let mut run = Run::new().open();
    run.push(0, ACK, 106, 500, "gh");
    run.push(0, ACK, 103, 500, "def");
    assert_eq!(run.told(), [""; 0]);
    run.push(0, ACK, 100, 500, "abc");
    assert_eq!(run.told(), ["0@0 abc", "0@3 def", "0@6 gh"]);
}

#[test]
fn the_start_waits_where_no_syn_tells_it() {
    let mut run = Run::new();
    run.push(0, ACK, 106, 500, "gh");
    run.push(0, ACK, 103, 500, "def");
    run.time += 1000;
    run.push(0, ACK, 108, 500, "ij");
    assert_eq!(run.told(), ["0@0 def", "0@3 gh", "0@5 ij"]);
    run.push(0, ACK, 100, 500, "abc");
    assert_eq!(run.told(), ["0@7 note late"], "the start is settled");
}

#[test]
fn the_start_does_not_wait_for_ever_while_nothing_moves_in_its_own_stream() {
    let mut run = Run::new();
    run.push(0, ACK, 106, 500, "gh");
    let told = &mut run.told;
    let later = Segment {
        time: Timestamp(5 * SECOND),
        sequence: 1,
        acknowledgement: 0,
        flags: TcpFlags(SYN),
        options: &[],
        payload: &[],
        payload_len: 0,
    };
    let mut sink = |_, event: Event<'_>| tell(told, event);
    run.streams.push(1, 0, &later, &mut sink);
    assert_eq!(run.told(), ["0@0 gh"]);
}

#[test]
fn many_segments_settle_the_start_before_the_time_does() {
    let mut run = Run::new();
    for n in 0..63 {
        run.push(0, ACK, 1000 - n, 1, "x");
    }
    assert_eq!(run.told(), [""; 0]);
    run.push(0, ACK, 1000 - 63, 1, "y");
    assert_eq!(run.told()[..2], ["0@0 y", "0@1 x"]);
}

#[test]
fn a_syn_that_comes_late_from_another_point_tells_the_start() {
    let mut run = Run::new();
    run.push(0, ACK, 103, 500, "def");
    run.push(0, SYN, 99, 0, "");
    assert_eq!(run.told(), [""; 0]);
    run.push(0, ACK, 100, 500, "abc");
    assert_eq!(run.told(), ["0@0 abc", "0@3 def"]);
}

#[test]
fn a_syn_ack_tells_the_start_of_a_side_whose_syn_nobody_saw() {
    let mut run = Run::new();
    run.push(1, SYN | ACK, 499, 100, "");
    run.push(0, ACK, 103, 500, "def");
    run.push(1, ACK, 500, 106, "");
    assert_eq!(run.told(), [""; 0]);
    assert_eq!(run.finish(), ["0@0 gap 3 never-seen", "0@3 def"]);
}

#[test]
fn what_was_under_way_when_the_capture_began_is_outside_of_it() {
    let mut run = Run::new();
    run.push(1, ACK, 500, 100, "");
    run.push(0, ACK, 103, 500, "def");
    run.push(1, ACK, 500, 106, "");
    assert_eq!(run.finish(), ["0@0 gap 3 outside-the-capture", "0@3 def"]);
}

#[test]
fn what_may_have_come_after_the_capture_is_outside_of_it() {
    let mut run = Run::new().open();
    run.push(0, ACK, 103, 500, "def");
    assert_eq!(run.finish(), ["0@0 gap 3 outside-the-capture", "0@3 def"]);
    let mut run = Run::new().open();
    run.push(0, ACK, 103, 500, "def");
    run.time += 5000;
    run.push(1, ACK, 500, 100, "z");
    assert_eq!(
        run.finish(),
        ["1@0 z", "0@0 gap 3 never-seen", "0@3 def"],
        "five seconds are enough for every copy to come"
    );
}

#[test]
fn a_hole_is_given_up_once_it_is_acknowledged_and_some_time_has_passed() {
    let mut run = Run::new().open();
    run.push(0, ACK, 103, 500, "def");
    run.time += 60_000;
    run.push(0, ACK, 106, 500, "g");
    assert_eq!(run.told(), [""; 0], "the other side may still wait for it");
    run.push(1, ACK, 500, 102, "");
    assert_eq!(run.told(), [""; 0], "for its last byte too");
    run.push(1, ACK, 500, 103, "");
    assert_eq!(run.told(), ["0@0 gap 3 never-seen", "0@3 def", "0@6 g"]);
    run.push(0, ACK, 110, 500, "k");
    run.push(1, ACK, 500, 111, "");
    assert_eq!(run.told(), [""; 0], "another point may be a little late");
    run.time += 1900;
    run.push(0, ACK, 107, 500, "hij");
    assert_eq!(run.told(), ["0@7 hij", "0@10 k"]);
}

#[test]
fn a_hole_is_given_up_by_time_alone_where_the_other_side_is_never_seen() {
    let mut run = Run::new();
    run.push(0, SYN, 99, 0, "");
    run.push(0, ACK, 103, 500, "def");
    run.time += 9_900;
    run.push(0, ACK, 106, 500, "g");
    assert_eq!(run.told(), [""; 0]);
    run.time += 200;
    run.push(0, ACK, 107, 500, "h");
    assert_eq!(
        run.told(),
        ["0@0 gap 3 never-seen", "0@3 def", "0@6 g", "0@7 h"]
    );
}

#[test]
fn a_side_that_nobody_sees_is_a_gap_as_long_as_what_was_acknowledged() {
    let mut run = Run::new();
    run.push(0, SYN, 99, 0, "");
    run.push(0, ACK, 100, 500, "get");
    run.push(0, ACK, 103, 1500, "");
    run.push(0, FIN | ACK, 103, 2001, "");
    assert_eq!(run.told(), ["0@0 get"]);
    let told = run.finish();
    assert_eq!(told, ["1@0 gap 1501 never-seen"]);
}

#[test]
fn the_number_of_an_unseen_fin_is_no_missing_byte() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(1, ACK, 500, 104, "");
    run.push(0, ACK, 104, 500, "");
    run.push(0, RST, 104, 0, "");
    assert_eq!(run.finish(), ["0@0 abc"]);
}

#[test]
fn the_tail_of_a_cut_segment_may_come_from_another_point() {
    let mut run = Run::new().open();
    run.cut(0, ACK, 100, 500, "ab", 4);
    run.push(0, ACK, 106, 500, "gh");
    assert_eq!(run.told(), ["0@0 ab"]);
    run.push(0, ACK, 100, 500, "abcdef");
    assert_eq!(run.told(), ["0@2 cdef", "0@6 gh"]);
    run.cut(0, ACK, 108, 500, "i", 3);
    run.cut(0, ACK, 112, 500, "", 5);
    run.push(0, ACK, 119, 500, "z");
    run.push(1, ACK, 500, 120, "");
    assert_eq!(
        run.finish(),
        [
            "0@8 i",
            "0@9 gap 8 truncated",
            "0@17 gap 2 never-seen",
            "0@19 z"
        ]
    );
}

#[test]
fn what_comes_again_is_compared_with_each_segment_that_it_covers() {
    let mut run = Run::new().open();
    for (number, text) in [(100, "abc"), (103, "def"), (106, "ghi"), (109, "jkl")] {
        run.push(0, ACK, number, 500, text);
        // Another stream stands between them.
        run.push(1, ACK, 500 + number, 100, "------");
    }
    run.push(0, ACK, 101, 500, "bcdefghij");
    run.push(0, ACK, 104, 500, "ef");
    run.push(0, ACK, 101, 500, "Xcde_gYi");
    run.push(0, ACK, 111, 500, "Zmn");
    assert_eq!(run.conflicts(), 4);
}

#[test]
fn bytes_that_contradict_are_counted_and_the_policy_decides() {
    for (overlap, waiting) in [(Overlap::First, "def"), (Overlap::Last, "dXf")] {
        let mut run = Run::with(Policy {
            overlap,
            ..Policy::default()
        })
        .open();
        run.push(0, ACK, 103, 500, "def");
        run.push(0, ACK, 104, 500, "X");
        assert_eq!(run.told(), ["0@0 note conflict"]);
        run.push(0, ACK, 100, 500, "abc");
        assert_eq!(run.told(), ["0@0 abc".to_owned(), format!("0@3 {waiting}")]);
        run.push(0, ACK, 101, 500, "BC");
        let conflict = run.conflicts();
        assert_eq!(conflict, 3, "delivered bytes stay, whatever comes");
    }
}

#[test]
fn data_of_a_syn_is_the_first_data() {
    let mut run = Run::new();
    run.push(0, SYN, 99, 0, "get");
    run.push(1, SYN | ACK, 499, 103, "");
    run.push(0, ACK, 103, 500, "more");
    assert_eq!(run.told(), ["0@0 get", "0@3 more"]);
}

#[test]
fn urgent_data_is_data() {
    let mut run = Run::new().open();
    run.push(0, ACK | URG, 100, 500, "a!");
    run.push(0, ACK, 102, 500, "b");
    assert_eq!(run.told(), ["0@0 note urgent", "0@0 a!", "0@2 b"]);
}

#[test]
fn probes_for_life_are_no_data() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(1, ACK, 500, 103, "");
    run.push(0, ACK, 102, 500, "\0");
    assert_eq!(run.finish(), ["0@0 abc"]);
    let mut run = Run::new();
    run.push(1, ACK, 500, 103, "");
    run.push(0, ACK, 102, 500, "\0");
    run.push(0, ACK | PSH, 103, 500, "d");
    assert_eq!(run.finish(), ["0@0 d"], "nor at the start");
}

#[test]
fn a_single_byte_whose_acknowledgement_was_faster_is_data() {
    let mut run = Run::new().open();
    run.push(1, ACK | PSH, 500, 101, "l");
    run.push(0, ACK | PSH, 100, 500, "l");
    assert_eq!(run.told(), ["1@0 l", "0@0 l"]);
}

#[test]
fn nothing_behind_a_fin_is_of_the_stream() {
    let mut run = Run::new().open();
    run.push(0, ACK, 106, 500, "gh");
    run.push(0, FIN | ACK, 103, 500, "def");
    run.push(0, ACK, 100, 500, "abc");
    run.push(1, ACK, 500, 107, "");
    run.push(0, ACK, 107, 500, "x");
    assert_eq!(run.finish(), ["0@0 note beyond-end", "0@0 abc", "0@3 def"]);
}

#[test]
fn a_fin_whose_acknowledgement_was_faster_ends_the_stream_all_the_same() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(1, ACK, 500, 104, "");
    run.push(0, FIN | ACK, 103, 500, "");
    run.push(0, ACK, 104, 500, "x");
    assert_eq!(run.finish(), ["0@0 abc", "0@3 note beyond-end"]);
}

#[test]
fn an_rst_that_fits_ends_the_stream_and_late_data_before_it_counts() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(0, ACK, 106, 500, "gh");
    run.push(0, RST, 108, 0, "reason");
    run.push(0, ACK, 103, 500, "def");
    run.push(0, ACK, 108, 500, "ij");
    assert_eq!(
        run.told(),
        ["0@0 abc", "0@3 def", "0@6 gh", "0@8 note beyond-end"]
    );
}

#[test]
fn an_rst_that_does_not_fit_ends_nothing() {
    for number in [0, 99, 200_000] {
        let mut run = Run::new().open();
        run.push(0, ACK, 100, 500, "abc");
        run.push(1, ACK, 500, 103, "");
        run.push(0, RST, number, 0, "");
        run.push(0, ACK, 103, 500, "def");
        assert_eq!(run.finish(), ["0@0 abc", "0@3 def"], "{number}");
    }
}

#[test]
fn an_rst_against_an_earlier_connection_does_not_end_this_one() {
    let mut run = Run::new();
    run.push(0, SYN, 3_212_159_102, 0, "");
    run.push(1, ACK, 1_951_419_099, 2_946_759_476, "");
    run.push(0, RST, 2_946_759_476, 0, "");
    run.push(0, SYN, 3_212_159_102, 0, "");
    run.push(1, SYN | ACK, 566_354_799, 3_212_159_103, "");
    run.push(0, ACK, 3_212_159_103, 566_354_800, "hello");
    run.push(1, ACK, 566_354_800, 3_212_159_108, "hi");
    assert_eq!(run.finish(), ["0@0 hello", "1@0 hi"]);
}

#[test]
fn an_rst_that_the_other_side_did_not_believe_ends_nothing() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(0, RST, 103, 0, "");
    run.push(1, ACK, 500, 110, "");
    run.push(0, ACK, 103, 500, "defghij");
    assert_eq!(run.told(), ["0@0 abc", "0@3 defghij"]);
}

#[test]
fn numbers_wrap() {
    let mut run = Run::new();
    run.push(0, SYN, u32::MAX - 2, 0, "");
    run.push(0, ACK, 2, 1, "ef");
    run.push(0, ACK, u32::MAX - 1, 1, "abcd");
    assert_eq!(run.told(), ["0@0 abcd", "0@4 ef"]);
}

#[test]
fn offsets_go_beyond_four_gibibytes() {
    let block = "x".repeat(1 << 26);
    let mut run = Run::new().open();
    let mut offset = 0;
    let mut seq = 100_u32;
    for _ in 0..80 {
        run.time += 1;
        let segment = Segment {
            time: Timestamp(run.time * MILLI),
            sequence: seq,
            acknowledgement: 500,
            flags: TcpFlags(ACK),
            options: &[],
            payload: block.as_bytes(),
            payload_len: block.len() as u32,
        };
        run.streams.push(0, 0, &segment, &mut |_, event| {
            if let Event::Data {
                offset: at, bytes, ..
            } = event
            {
                assert_eq!(at, offset);
                offset += bytes.len() as u64;
            }
        });
        seq = seq.wrapping_add(block.len() as u32);
    }
    assert_eq!(offset, 80 << 26);
}

#[test]
fn a_stray_segment_is_left_out_and_several_in_a_row_are_followed() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(0, ACK, 3_000_000_000, 500, "?");
    run.push(0, ACK, 103, 500, "def");
    assert_eq!(run.told(), ["0@0 abc", "0@3 note elsewhere", "0@3 def"]);
    for n in 0..5 {
        run.push(0, ACK, 3_000_000_000 + n, 500, "!");
    }
    assert_eq!(
        run.told(),
        [
            "0@6 note resynchronised",
            "0@6 gap 2999999897 never-seen",
            "0@2999999903 !",
            "0@2999999904 !"
        ]
    );
}

#[test]
fn another_connection_with_the_same_ports_follows_the_first() {
    let mut run = Run::new().open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(0, FIN | ACK, 103, 500, "");
    run.push(1, FIN | ACK, 500, 104, "");
    run.push(0, SYN, 77_000, 0, "");
    run.push(1, SYN | ACK, 4_000_000_000, 77_001, "");
    run.push(0, SYN, 99, 0, "");
    run.push(0, ACK, 77_001, 4_000_000_001, "xyz");
    run.push(1, ACK, 4_000_000_001, 77_004, "ok");
    assert_eq!(
        run.finish(),
        [
            "0@0 abc",
            "0@3 note restarted",
            "1@0 note restarted",
            "0@3 note elsewhere",
            "0@3 xyz",
            "1@0 ok"
        ]
    );
}

#[test]
fn the_end_of_an_earlier_connection_is_not_the_start_of_the_next() {
    // A capture that begins with the close of a connection whose ports are used again, in front of its numbers.
    let mut run = Run::new();
    run.push(1, FIN | ACK, 2_035_183_171, 385_318_440, "");
    run.push(0, RST, 385_318_440, 0, "");
    run.time += 23_000;
    run.push(0, SYN, 371_071_197, 0, "");
    run.push(1, SYN | ACK, 2_056_478_236, 371_071_198, "");
    run.push(0, ACK, 371_071_198, 2_056_478_237, "hello");
    run.push(1, ACK, 2_056_478_237, 371_071_203, "hi");
    let told = run.finish();
    let data: Vec<_> = told.iter().filter(|line| !line.contains("note")).collect();
    assert_eq!(data, ["0@0 hello", "1@0 hi"]);
}

#[test]
fn a_stale_acknowledgement_tells_nothing_of_a_new_connection() {
    let mut run = Run::new();
    run.push(1, ACK, 97_000_000, 3_331_369_076, "");
    run.push(0, SYN, 2_355_097_289, 0, "");
    run.push(0, ACK, 2_355_097_290, 97_361_044, "hello");
    let told = run.finish();
    let data: Vec<_> = told
        .iter()
        .filter(|line| line.starts_with("0@") && !line.contains("note"))
        .collect();
    assert_eq!(data, ["0@0 hello"]);
}

#[test]
fn the_limit_stops_the_bytes_and_not_the_stream() {
    let mut run = Run::with(Policy {
        limit: Some(5),
        ..Policy::default()
    })
    .open();
    run.push(0, ACK, 100, 500, "abc");
    run.push(0, ACK, 106, 500, "gh");
    run.push(0, ACK, 103, 500, "def");
    run.push(0, ACK, 108, 500, "ij");
    assert_eq!(run.told(), ["0@0 abc", "0@3 de", "0@5 note limit"]);
    let mut ended = None;
    run.streams.finish(&mut |_, event| {
        if let Event::End {
            side: 0, counts, ..
        } = event
        {
            ended = Some((counts.delivered, counts.limit));
        }
    });
    assert_eq!(ended, Some((5, 5)));
}

#[test]
fn the_stream_with_the_most_waiting_gives_way_first() {
    let mut run = Run::with(Policy::within(40_000));
    let text = "x".repeat(500);
    let mut given = Vec::new();
    let mut push = |run: &mut Run, flow: u64, seq: u32, flags: u16, text: &str| {
        run.time += 1;
        let segment = Segment {
            time: Timestamp(run.time * MILLI),
            sequence: seq,
            acknowledgement: 0,
            flags: TcpFlags(flags),
            options: &[],
            payload: text.as_bytes(),
            payload_len: text.len() as u32,
        };
        run.streams.push(flow, 0, &segment, &mut |flow, event| {
            if let Event::Gap(gap) = event {
                given.push((flow, gap.len));
            }
        });
        assert!(run.streams.memory() <= 40_000, "{}", run.streams.memory());
    };
    for flow in 0..4 {
        push(&mut run, flow, 0, SYN, "");
    }
    for n in 0..40 {
        for flow in 0..4 {
            if n < 4 || flow == 2 {
                push(&mut run, flow, 2 + n * 501, 0, &text);
            }
        }
    }
    assert!(given.len() > 20, "{given:?}");
    assert!(given.iter().all(|given| *given == (2, 1)), "{given:?}");
}

#[test]
fn what_needs_a_place_gets_that_of_a_stream_that_rests() {
    let mut streams = Streams::new(Policy::within(100_000));
    let mut ended = Vec::new();
    let mut push = |streams: &mut Streams, flow: u64, seq: u32, flags: u16| {
        let segment = Segment {
            time: Timestamp(0),
            sequence: seq,
            acknowledgement: 0,
            flags: TcpFlags(flags),
            options: &[],
            payload: b"x",
            payload_len: 1,
        };
        streams.push(flow, 0, &segment, &mut |flow, event| {
            if matches!(event, Event::End { .. }) {
                ended.push(flow);
            }
        });
    };
    for flow in 0..1000 {
        push(&mut streams, flow, 0, SYN);
        push(&mut streams, 0, 1 + flow as u32, 0);
    }
    assert!(streams.len() < 90, "{}", streams.len());
    push(&mut streams, 1, 1, 0);
    assert_eq!(streams.refused, 1, "its offsets are gone");
    assert!(!ended.contains(&0), "it is in use");
    assert!(ended.len() > 850);
}
