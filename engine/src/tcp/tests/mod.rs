mod analysis;
mod history;
mod reuse;
mod state;
mod usual;

use mirrorscope_dissectors::TcpFlags;

use super::*;

const SYN: u16 = 2;
const ACK: u16 = 16;
const FIN: u16 = 1;
const RST: u16 = 4;

/// A millisecond.
const MS: i64 = 1_000_000;

/// Side, flags, sequence number, acknowledgement, payload.
type Packet = (usize, u16, u32, u32, u32);

fn conversation(packets: &[Packet]) -> Conversation {
    let mut c = Conversation::default();
    for (number, &(side, flags, sequence, acknowledgement, payload_len)) in (0..).zip(packets) {
        let segment = segment(flags, sequence, acknowledgement, payload_len);
        c.push(side, &segment, Timestamp(number * MS));
    }
    c
}

fn segment(flags: u16, sequence: u32, acknowledgement: u32, payload_len: u32) -> Tcp<'static> {
    Tcp {
        source_port: 1,
        destination_port: 2,
        sequence,
        acknowledgement,
        flags: TcpFlags(flags),
        window: 1000,
        options: &[],
        payload: &[],
        payload_len,
    }
}

#[test]
fn a_whole_connection_is_sf() {
    let c = conversation(&[
        (1, SYN, 100, 0, 0),
        (0, SYN | ACK, 500, 101, 0),
        (1, ACK, 101, 501, 0),
        (1, ACK, 101, 501, 10),
        (0, ACK, 501, 111, 0),
        (0, ACK, 501, 111, 20),
        (1, FIN | ACK, 111, 521, 0),
        (0, FIN | ACK, 521, 112, 0),
    ]);
    assert_eq!(c.history(1), "ShADadFf");
    assert_eq!(c.conn_state(1), "SF");
    assert_eq!((c.halves[1].span(), c.halves[0].span()), (12, 22));
}

#[test]
fn repeated_packets_add_no_letters() {
    let c = conversation(&[
        (0, SYN, 100, 0, 0),
        (0, SYN, 100, 0, 0),
        (1, SYN | ACK, 5, 101, 0),
        (1, SYN | ACK, 5, 101, 0),
    ]);
    assert_eq!(c.history(0), "Sh");
    assert_eq!((c.halves[0].syn, c.halves[1].syn_ack), (2, 2));
}

#[test]
fn half_views_have_their_own_states() {
    assert_eq!(conversation(&[(0, SYN, 1, 0, 0)]).conn_state(0), "S0");
    assert_eq!(
        conversation(&[(0, SYN, 1, 0, 0), (1, RST | ACK, 0, 2, 0)]).conn_state(0),
        "REJ"
    );
    assert_eq!(
        conversation(&[(0, SYN, 1, 0, 0), (0, RST, 2, 0, 0)]).conn_state(0),
        "RSTOS0"
    );
    assert_eq!(
        conversation(&[(1, SYN | ACK, 1, 5, 0)]).conn_state(0),
        "OTH"
    );
    assert_eq!(
        conversation(&[(0, SYN, 1, 0, 0), (0, FIN | ACK, 2, 9, 0)]).conn_state(0),
        "SH"
    );
    assert_eq!(
        conversation(&[(1, SYN | ACK, 1, 5, 0), (1, FIN | ACK, 2, 5, 0)]).conn_state(0),
        "SHR"
    );
    assert_eq!(
        conversation(&[(0, SYN, 1, 0, 0), (1, SYN | ACK, 1, 2, 0)]).conn_state(0),
        "S1"
    );
    let reset = conversation(&[
        (0, SYN, 1, 0, 0),
        (1, SYN | ACK, 1, 2, 0),
        (0, ACK, 2, 2, 5),
        (1, RST, 2, 0, 0),
    ]);
    assert_eq!(reset.conn_state(0), "RSTR");
    assert_eq!(reset.conn_state(1), "RSTO");
}

#[test]
fn sequence_ranges_survive_the_wrap() {
    let c = conversation(&[(0, ACK, u32::MAX - 9, 1, 10), (0, ACK, 0, 1, 10)]);
    assert_eq!(c.halves[0].span(), 20);
    assert!(!c.halves[0].acknowledges_progress());
    let acks = conversation(&[(0, ACK, 1, u32::MAX, 0), (0, ACK, 1, 3, 0)]);
    assert!(acks.halves[0].acknowledges_progress());
}

#[test]
fn the_history_is_bounded() {
    let packets: Vec<_> = (0..1000).map(|n| (0, SYN, n, 0, 0)).collect();
    assert_eq!(
        conversation(&packets).history(0).len(),
        super::history::LETTERS
    );
}

#[test]
fn streams_are_longer_than_32_bits_count() {
    const PIECE: u32 = 60_000;
    const PIECES: u32 = 60_000;
    let mut c = conversation(&[(0, SYN, 999, 0, 0), (1, SYN | ACK, 4999, 1000, 0)]);
    for n in 0..PIECES {
        let from = 1000_u32.wrapping_add(n.wrapping_mul(PIECE));
        let piece = segment(ACK, from, 5000, PIECE);
        c.push(0, &piece, Timestamp(i64::from(n)));
        let all = from.wrapping_add(PIECE);
        c.push(1, &segment(ACK, 5000, all, 0), Timestamp(i64::from(n)));
    }
    let bytes = u64::from(PIECE) * u64::from(PIECES);
    assert_eq!(c.halves[0].stream_bytes(), bytes);
    let counts = c.counts(0);
    assert_eq!((counts.unseen_bytes, counts.out_of_order), (0, 0));
    assert_eq!((counts.retransmissions(), counts.lost_segments), (0, 0));
    assert_eq!(c.history(0), "ShDa");
    let last = 1000_u32.wrapping_add(PIECES.wrapping_mul(PIECE));
    c.push(0, &segment(RST, last, 0, 0), Timestamp(0));
    assert_eq!(c.conn_state(0), "RSTO");
}

#[test]
fn one_stray_number_is_not_believed_and_four_in_a_row_are() {
    let mut c = conversation(&[(0, SYN, 999, 0, 0), (0, ACK, 1000, 1, 100)]);
    let far = 1_500_000_000;
    c.push(0, &segment(ACK, far, 1, 100), Timestamp(1));
    c.push(0, &segment(ACK, 1100, 1, 100), Timestamp(2));
    assert_eq!(c.halves[0].stream_bytes(), 200);
    assert_eq!(c.counts(0).retransmissions(), 0);
    for n in 0..4 {
        c.push(0, &segment(ACK, far + 100 * n, 1, 100), Timestamp(3));
    }
    assert_eq!(c.halves[0].stream_bytes(), u64::from(far) - 1000 + 400);
}

#[test]
fn any_number_of_syns_is_counted_as_far_as_it_goes() {
    let mut c = Conversation::default();
    for n in 0..70_000 {
        c.push(0, &segment(SYN, 7, 0, 0), Timestamp(n));
    }
    c.push(0, &segment(SYN | ACK, 7, 1, 0), Timestamp(1));
    assert_eq!(c.rtt_towards_responder(), None);
}

#[test]
fn a_syn_begins_anew_after_an_answer_of_an_older_connection() {
    // A challenge ACK first, with a number that has nothing to do with what follows (RFC 9293 §3.10.7.4).
    let c = conversation(&[
        (0, SYN, 3_212_159_102, 0, 0),
        (1, ACK, 1_951_419_099, 2_946_759_476, 0),
        (1, SYN | ACK, 566_354_799, 3_212_159_103, 0),
        (0, ACK, 3_212_159_103, 566_354_800, 0),
        (1, ACK, 566_354_800, 3_212_159_103, 1206),
        (0, ACK, 3_212_159_103, 566_356_006, 0),
    ]);
    let counts = c.counts(1);
    assert_eq!((counts.acks_of_unseen, counts.unseen_bytes), (0, 0));
    assert_eq!((counts.out_of_order, counts.lost_segments), (0, 0));
    assert_eq!(c.halves[1].stream_bytes(), 1206);
}
