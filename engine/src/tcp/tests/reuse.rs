//! Which SYN belongs to a conversation, and which opens another.

use super::*;

const WHOLE: [Packet; 8] = [
    (0, SYN, 100, 0, 0),
    (1, SYN | ACK, 500, 101, 0),
    (0, ACK, 101, 501, 0),
    (0, ACK, 101, 501, 10),
    (1, ACK, 501, 111, 20),
    (0, FIN | ACK, 111, 521, 0),
    (1, FIN | ACK, 521, 112, 0),
    (0, ACK, 112, 522, 0),
];

#[track_caller]
fn assert_anew(packets: &[Packet], (side, flags, sequence, ack, len): Packet, anew: bool) {
    for base in [[0, 0], [0xffff_ff90, 0xffff_fe00]] {
        let mut c = Conversation::default();
        let of = |side: usize, flags: u16, sequence: u32, ack: u32, len| {
            let ack = if flags & ACK == 0 {
                0
            } else {
                ack.wrapping_add(base[1 - side])
            };
            segment(flags, sequence.wrapping_add(base[side]), ack, len)
        };
        for &(side, flags, sequence, ack, len) in packets {
            c.push(side, &of(side, flags, sequence, ack, len), Timestamp(0));
        }
        assert_eq!(
            c.starts_anew(side, &of(side, flags, sequence, ack, len)),
            anew,
            "{base:?}"
        );
    }
}

#[test]
fn nothing_but_a_syn_starts_anew() {
    assert_anew(&WHOLE, (0, ACK, 90_000, 7, 10), false);
    assert_anew(&WHOLE, (0, RST, 90_000, 0, 0), false);
    assert_anew(&WHOLE, (0, SYN | FIN, 90_000, 0, 0), false);
    assert_anew(&[], (0, SYN, 100, 0, 0), false);
}

#[test]
fn a_repeated_syn_never_does() {
    for length in 1..=WHOLE.len() {
        assert_anew(&WHOLE[..length], WHOLE[0], false);
    }
    assert_anew(&[WHOLE[0], (1, RST | ACK, 0, 101, 0)], WHOLE[0], false);
    assert_anew(&WHOLE, WHOLE[1], false);
}

#[test]
fn a_syn_with_another_number_does_half_open_established_closed_and_reset() {
    let other = (0, SYN, 90_000, 0, 0);
    for length in 1..=WHOLE.len() {
        assert_anew(&WHOLE[..length], other, true);
    }
    assert_anew(&[WHOLE[0], (1, RST | ACK, 0, 101, 0)], other, true);
    assert_anew(&[&WHOLE[..5], &[(0, RST, 111, 0, 0)]].concat(), other, true);
    // The same port, from the other side.
    assert_anew(&WHOLE, (1, SYN, 90_000, 0, 0), true);
}

#[test]
fn a_syn_that_comes_late_belongs_to_the_conversation() {
    // Behind the SYN+ACK, the ACK, the data.
    assert_anew(&WHOLE[1..2], WHOLE[0], false);
    assert_anew(&WHOLE[1..3], WHOLE[0], false);
    assert_anew(&WHOLE[1..5], WHOLE[0], false);
    assert_anew(&WHOLE[3..4], WHOLE[0], false);
    // The first data was lost to the mirror.
    assert_anew(&[(0, ACK, 20_000, 501, 10)], WHOLE[0], false);
    // It is the answer that came first.
    assert_anew(&[(1, RST | ACK, 0, 101, 0)], WHOLE[0], false);
    // The RST by which its own sender gives up.
    assert_anew(&[(0, RST, 101, 0, 0)], WHOLE[0], false);
}

#[test]
fn a_syn_far_from_what_was_seen_midstream_does() {
    assert_anew(&WHOLE[3..5], (0, SYN, 5_000_000, 0, 0), true);
    assert_anew(&WHOLE[3..5], (0, SYN, 101, 0, 0), true);
    assert_anew(&[(1, ACK, 501, 111, 20)], (0, SYN, 5_000_000, 0, 0), true);
    assert_anew(&[(1, ACK, 501, 111, 20)], (0, SYN, 100, 0, 0), false);
}

#[test]
fn both_ends_may_open_at_once() {
    let syn = (0, SYN, 100, 0, 0);
    assert_anew(&[syn], (1, SYN, 500, 0, 0), false);
    assert_anew(
        &[syn, (1, SYN, 500, 0, 0)],
        (0, SYN | ACK, 100, 501, 0),
        false,
    );
}

#[test]
fn a_syn_ack_with_another_number_does_once_the_conversation_is_over() {
    let other = (1, SYN | ACK, 77_000, 101, 0);
    assert_anew(&WHOLE[..2], other, false);
    assert_anew(&WHOLE[..5], other, false);
    assert_anew(&WHOLE, other, true);
    assert_anew(&[&WHOLE[..5], &[(1, RST, 521, 0, 0)]].concat(), other, true);
    // The SYN was refused by another, and accepted after all: this conversation has no SYN+ACK yet.
    assert_anew(&[WHOLE[0], (1, RST | ACK, 0, 101, 0)], WHOLE[1], false);
}
