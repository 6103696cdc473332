//! What is counted: each case with the numbers that a plausible mistake would get wrong.

use proptest::prelude::*;

use super::*;

/// A SYN of both with MSS 1460 and window scale 2 and 3.
const OFFER: [&[u8]; 2] = [
    &[2, 4, 5, 0xb4, 1, 3, 3, 2, 4, 2],
    &[2, 4, 5, 0xb4, 1, 3, 3, 3],
];

/// A conversation that is fed at given times.
struct Feed {
    c: Conversation,
    window: [u16; 2],
}

impl Feed {
    fn new() -> Self {
        Self {
            c: Conversation::default(),
            window: [1000; 2],
        }
    }

    /// After a handshake with 10 ms to the responder and 4 ms to the originator; side 0 opened it, next numbers are
    /// 101 and 501.
    fn opened() -> Self {
        let mut feed = Self::new();
        feed.with(0, (0, SYN, 100, 0, 0), OFFER[0]);
        feed.with(10, (1, SYN | ACK, 500, 101, 0), OFFER[1]);
        feed.at(14, (0, ACK, 101, 501, 0));
        feed
    }

    fn with(&mut self, ms: i64, (side, flags, sequence, ack, len): Packet, options: &[u8]) {
        let mut tcp = segment(flags, sequence, ack, len);
        tcp.window = self.window[side];
        self.c
            .push(side, &Tcp { options, ..tcp }, Timestamp(ms * MS));
    }

    fn at(&mut self, ms: i64, packet: Packet) {
        self.with(ms, packet, &[]);
    }

    fn counts(&self, side: usize) -> Counts {
        self.c.counts(side)
    }
}

/// Selective acknowledgement of one block.
fn sack(left: u32, right: u32) -> Vec<u8> {
    let [left, right] = [left, right].map(u32::to_be_bytes);
    [&[1, 1, 5, 10], &left[..], &right[..]].concat()
}

#[test]
fn millions_of_conversations_stay_small() {
    // A packet waits for each line of the cache.
    assert!(size_of::<Analysis>() <= 5 * 64);
    assert!(size_of::<Conversation>() <= 7 * 64);
}

#[test]
fn a_flood_of_handshakes_is_not_analysed() {
    let mut feed = Feed::new();
    for number in 0..100 {
        feed.with(number, (0, SYN, number as u32, 0, 0), OFFER[0]);
        feed.with(number, (1, SYN | ACK, 7, 1 + number as u32, 0), OFFER[1]);
        feed.at(number, (0, RST, 1, 0, 0));
    }
    assert!(feed.c.analysis().is_none());
    feed.at(100, (0, ACK, 100, 8, 0));
    assert!(feed.c.analysis().is_some());
    assert_eq!(feed.c.heap_size(), 0);
}

#[test]
fn the_handshake_tells_both_ways_and_what_was_offered() {
    let feed = Feed::opened();
    let summary = Summary::new(&feed.c, 0);
    assert_eq!(summary.handshake, Handshake::Whole);
    assert_eq!(summary.handshake_rtt_ns, Some(14_000_000));
    assert_eq!(summary.handshake_rtt_resp_ns, Some(10_000_000));
    assert_eq!(summary.handshake_rtt_orig_ns, Some(4_000_000));
    assert_eq!(
        (summary.orig.mss, summary.orig.window_scale),
        (Some(1460), Some(2))
    );
    assert_eq!(
        (summary.orig.sack_permitted, summary.resp.sack_permitted),
        (true, false)
    );
    assert_eq!(
        (summary.orig.timestamps, summary.resp.window_scale),
        (false, Some(3))
    );
    assert_eq!(summary.orig.counts, Counts::default());
}

#[test]
fn a_repeated_syn_is_a_retransmission_and_makes_the_handshake_time_doubtful() {
    let mut feed = Feed::new();
    feed.at(0, (0, SYN, 100, 0, 0));
    feed.at(1000, (0, SYN, 100, 0, 0));
    feed.at(1010, (1, SYN | ACK, 500, 101, 0));
    assert_eq!(feed.c.rtt_towards_responder(), None);
    assert_eq!(feed.counts(0).retransmissions(), 1);
    feed.at(1014, (0, ACK, 101, 501, 0));
    assert_eq!(feed.c.rtt_towards_originator(), Some(4_000_000));
    assert_eq!(Summary::new(&feed.c, 0).handshake_rtt_ns, None);
}

#[test]
fn an_ack_in_front_of_its_syn_ack_gives_no_time() {
    let mut feed = Feed::new();
    feed.at(0, (0, SYN, 100, 0, 0));
    feed.at(10, (0, ACK, 101, 501, 0));
    feed.at(12, (1, SYN | ACK, 500, 101, 0));
    feed.at(20, (0, ACK, 101, 501, 0));
    assert_eq!(feed.c.rtt_towards_originator(), None);
}

#[test]
fn three_duplicate_acks_ask_for_a_fast_retransmission() {
    let mut feed = Feed::opened();
    feed.at(20, (0, ACK, 101, 501, 1000));
    feed.at(20, (0, ACK, 1101, 501, 1000));
    feed.at(20, (0, ACK, 2101, 501, 1000));
    feed.at(30, (1, ACK, 501, 101, 0));
    for ms in 31..34 {
        feed.at(ms, (1, ACK, 501, 101, 0));
    }
    feed.at(40, (0, ACK, 101, 501, 1000));
    let counts = feed.counts(0);
    assert_eq!(counts.fast_retransmissions, 1);
    assert_eq!(counts.retransmissions(), 1);
    // The first of the four repeats nothing: the window of the SYN+ACK does not count.
    assert_eq!(feed.counts(1).duplicate_acks, 3);
}

#[test]
fn a_selective_acknowledgement_asks_for_all_that_is_missing_below_it() {
    let mut feed = Feed::opened();
    for number in 0..4 {
        feed.at(20, (0, ACK, 101 + 1000 * number, 501, 1000));
    }
    feed.with(30, (1, ACK, 501, 101, 0), &sack(3101, 4101));
    feed.at(45, (0, ACK, 101, 501, 1000));
    feed.with(55, (1, ACK, 501, 1101, 0), &sack(3101, 4101));
    feed.at(60, (0, ACK, 1101, 501, 1000));
    assert_eq!(feed.counts(0).fast_retransmissions, 2);
    assert_eq!(feed.counts(0).timeout_retransmissions, 0);
}

#[test]
fn what_comes_sooner_than_it_could_be_asked_for_is_out_of_order() {
    let mut feed = Feed::opened();
    feed.at(20, (0, ACK, 1101, 501, 1000));
    feed.with(21, (1, ACK, 501, 101, 0), &sack(1101, 2101));
    feed.at(22, (0, ACK, 101, 501, 1000));
    let counts = feed.counts(0);
    assert_eq!((counts.out_of_order, counts.retransmissions()), (1, 0));
    assert_eq!(counts.lost_segments, 1);
}

#[test]
fn data_sent_again_without_being_asked_for_is_a_timeout_or_was_not_needed() {
    let mut feed = Feed::opened();
    feed.at(20, (0, ACK, 101, 501, 1000));
    feed.at(220, (0, ACK, 101, 501, 1000));
    // Within a round trip, but seen before: Wireshark would have it out of order.
    feed.at(221, (0, ACK, 101, 501, 500));
    assert_eq!(feed.counts(0).timeout_retransmissions, 2);
    feed.at(230, (1, ACK, 501, 1101, 0));
    feed.at(231, (0, ACK, 101, 501, 1000));
    let counts = feed.counts(0);
    assert_eq!(
        (
            counts.timeout_retransmissions,
            counts.spurious_retransmissions
        ),
        (2, 1)
    );
    assert_eq!((counts.fast_retransmissions, counts.out_of_order), (0, 0));
}

#[test]
fn a_fin_sent_again_is_a_retransmission() {
    let mut feed = Feed::opened();
    feed.at(20, (0, FIN | ACK, 101, 501, 10));
    feed.at(400, (0, FIN | ACK, 111, 501, 0));
    assert_eq!(feed.counts(0).timeout_retransmissions, 1);
    assert_eq!(feed.counts(0).keep_alives, 0);
}

#[test]
fn a_keep_alive_and_its_answer_are_neither_retransmission_nor_duplicate() {
    let mut feed = Feed::opened();
    feed.at(20, (0, ACK, 101, 501, 10));
    feed.at(21, (1, ACK, 501, 111, 0));
    for (number, len) in [(60_000, 0), (120_000, 1)] {
        feed.at(number, (0, ACK, 110, 501, len));
        feed.at(number + 10, (1, ACK, 501, 111, 0));
    }
    assert_eq!(feed.counts(0).keep_alives, 2);
    assert_eq!(feed.counts(0).retransmissions(), 0);
    assert_eq!(feed.counts(1).duplicate_acks, 0);
    let idle = Summary::new(&feed.c, 0).idle_ns;
    assert_eq!(idle, 59_990_000_000);
}

#[test]
fn one_byte_that_is_not_acknowledged_is_sent_again_like_any_other() {
    let mut feed = Feed::opened();
    feed.at(15, (1, ACK, 501, 101, 0));
    feed.at(20, (0, ACK, 101, 501, 1));
    feed.at(320, (0, ACK, 101, 501, 1));
    assert_eq!(feed.counts(0).keep_alives, 0);
    assert_eq!(feed.counts(0).timeout_retransmissions, 1);
}

#[test]
fn probes_of_a_closed_window_are_no_keep_alives() {
    let mut feed = Feed::opened();
    feed.at(20, (0, ACK, 101, 501, 10));
    feed.window[1] = 0;
    feed.at(21, (1, ACK, 501, 111, 0));
    // Linux sends the number before the next, others the next with a byte.
    feed.at(300, (0, ACK, 110, 501, 0));
    feed.at(301, (1, ACK, 501, 111, 0));
    feed.at(900, (0, ACK, 111, 501, 1));
    feed.at(901, (1, ACK, 501, 111, 0));
    feed.window[1] = 1000;
    feed.at(902, (1, ACK, 501, 112, 0));
    feed.at(903, (0, ACK, 112, 501, 10));
    assert_eq!(feed.counts(0).zero_window_probes, 2);
    assert_eq!(feed.counts(1).zero_windows, 3);
    assert_eq!(
        (feed.counts(0).keep_alives, feed.counts(0).window_full),
        (0, 0)
    );
    assert_eq!(feed.counts(1).duplicate_acks, 0);
    // The byte of the probe was taken, so that nothing is missing in front of the next.
    assert_eq!(
        (feed.counts(0).lost_segments, feed.counts(0).acks_of_unseen),
        (0, 0)
    );
}

#[test]
fn a_window_is_full_by_its_scale_and_only_if_that_is_known() {
    let mut feed = Feed::opened();
    feed.window[1] = 100;
    feed.at(20, (1, ACK, 501, 101, 0));
    feed.at(21, (0, ACK, 101, 501, 100));
    assert_eq!(feed.counts(0).window_full, 0);
    feed.at(22, (0, ACK, 201, 501, 700));
    assert_eq!(feed.counts(0).window_full, 1);

    let mut midstream = Feed::new();
    midstream.window[1] = 100;
    midstream.at(20, (1, ACK, 501, 101, 0));
    midstream.at(21, (0, ACK, 101, 501, 100));
    assert_eq!(midstream.counts(0).window_full, 0);

    let mut unscaled = Feed::new();
    unscaled.with(0, (0, SYN, 100, 0, 0), OFFER[0]);
    unscaled.at(1, (1, SYN | ACK, 500, 101, 0));
    unscaled.at(2, (0, ACK, 101, 501, 0));
    unscaled.window[1] = 100;
    unscaled.at(20, (1, ACK, 501, 101, 0));
    unscaled.at(21, (0, ACK, 101, 501, 100));
    assert_eq!(unscaled.counts(0).window_full, 1);
}

#[test]
fn bytes_acknowledged_but_never_seen_are_counted_until_they_come() {
    let mut feed = Feed::opened();
    feed.at(20, (0, ACK, 101, 501, 100));
    feed.at(21, (1, ACK, 501, 1201, 0));
    feed.at(22, (1, ACK, 501, 1201, 0));
    let counts = feed.counts(0);
    assert_eq!((counts.acks_of_unseen, counts.unseen_bytes), (1, 1000));
    // Part of them comes late; the mirror delivered it behind its acknowledgement.
    feed.at(23, (0, ACK, 201, 501, 400));
    assert_eq!(feed.counts(0).unseen_bytes, 600);
    feed.at(24, (0, ACK, 1201, 501, 100));
    let counts = feed.counts(0);
    assert_eq!((counts.lost_segments, counts.unseen_bytes), (1, 600));
    assert_eq!(counts.retransmissions(), 0);
}

#[test]
fn one_direction_alone_gives_no_nonsense() {
    let mut acks = Feed::new();
    for number in 0..50 {
        acks.at(number, (1, ACK, 501, 1000 * number as u32, 0));
    }
    assert_eq!(acks.counts(0).unseen_bytes, 49_000);
    assert_eq!(acks.counts(1), Counts::default());
    assert_eq!(acks.c.rtt(0), Rtt::default());

    let mut data = Feed::new();
    for number in 0..50 {
        data.at(number, (0, ACK, 1000 * number as u32, 501, 1000));
    }
    let largest = Counts {
        largest_payload: 1000,
        largest_packets: 50,
        ..Counts::default()
    };
    assert_eq!(data.counts(0), largest);
    assert_eq!(data.c.rtt(0), Rtt::default());
}

#[test]
fn an_answer_of_an_older_connection_acknowledges_nothing() {
    let mut feed = Feed::new();
    feed.at(0, (0, SYN, 100, 0, 0));
    feed.at(18, (1, ACK, 9, 2_094_168_063, 0));
    feed.at(19, (0, RST, 2_094_168_063, 0, 0));
    feed.at(3000, (0, SYN, 100, 0, 0));
    feed.at(3018, (1, SYN | ACK, 500, 101, 0));
    feed.at(3019, (0, ACK, 101, 501, 0));
    assert_eq!(feed.counts(0).unseen_bytes, 0);
    assert!(!feed.c.halves[1].acknowledges_progress());
}

#[test]
fn round_trips_are_of_data_that_was_sent_once() {
    let mut feed = Feed::opened();
    feed.at(20, (0, ACK, 101, 501, 100));
    feed.at(21, (0, ACK, 201, 501, 100));
    // Covers both; the first was timed.
    feed.at(32, (1, ACK, 501, 301, 0));
    feed.at(40, (0, ACK, 301, 501, 100));
    feed.at(44, (1, ACK, 501, 401, 0));
    feed.at(50, (0, ACK, 401, 501, 100));
    feed.at(300, (0, ACK, 401, 501, 100));
    feed.at(302, (1, ACK, 501, 501, 0));
    let rtt = feed.c.rtt(0);
    assert_eq!(
        (rtt.count, rtt.min_ns, rtt.max_ns),
        (2, 4_000_000, 12_000_000)
    );
    assert_eq!(rtt.mean_ns(), 8_000_000);
    assert_eq!(feed.c.rtt(1), Rtt::default());
}

#[test]
fn super_frames_and_wrapped_numbers_are_ordinary() {
    let start = u32::MAX - 100_000;
    let mut feed = Feed::new();
    for number in 0..4 {
        feed.at(
            number,
            (
                0,
                ACK,
                start.wrapping_add(65_160 * number as u32),
                501,
                65_160,
            ),
        );
        let end = start.wrapping_add(65_160 * (number as u32 + 1));
        feed.at(number, (1, ACK, 501, end, 0));
    }
    let counts = feed.counts(0);
    assert_eq!(counts.largest_payload, 65_160);
    assert_eq!(
        (
            counts.lost_segments,
            counts.retransmissions(),
            counts.unseen_bytes
        ),
        (0, 0, 0)
    );
    assert_eq!(feed.c.rtt(0).count, 4);
}

#[test]
fn what_is_known_survives_the_way_to_another_machine() {
    let mut feed = Feed::opened();
    feed.at(20, (0, ACK, 101, 501, 100));
    let sent = serde_json::to_string(&feed.c).unwrap();
    let mut there: Conversation = serde_json::from_str(&sent).unwrap();
    let ack = segment(ACK, 501, 201, 0);
    for c in [&mut feed.c, &mut there] {
        c.push(1, &ack, Timestamp(30 * MS));
    }
    assert_eq!(there.rtt(0), feed.c.rtt(0));
    assert_eq!(there.rtt(0).max_ns, 10_000_000);
    assert_eq!(there.history(0), feed.c.history(0));
}

proptest! {
    #[test]
    fn any_packets_are_taken_and_all_stays_bounded(
        packets in prop::collection::vec(
            (any::<bool>(), 0_u16..512, any::<u32>(), any::<u32>(), any::<u32>(), any::<u16>(),
             any::<i64>(), prop::collection::vec(any::<u8>(), 0..40)),
            0..60,
        ),
        narrow: bool,
    ) {
        let mut c = Conversation::default();
        for (side, flags, sequence, acknowledgement, len, window, time, options) in packets {
            // Numbers close to each other meet more of the cases.
            let few = |number: u32| if narrow { number % 64 } else { number };
            let mut tcp = segment(flags, few(sequence), few(acknowledgement), few(len));
            tcp.window = if narrow { window % 2 } else { window };
            let tcp = Tcp { options: &options, ..tcp };
            c.starts_anew(usize::from(side), &tcp);
            c.push(usize::from(side), &tcp, Timestamp(time));
            let summary = Summary::new(&c, usize::from(side));
            prop_assert!(summary.orig.counts.unseen_bytes <= 60 << 32);
            c.phase();
        }
        prop_assert!(c.history(0).len() <= super::super::history::LETTERS);
        // What happened to the packets of each end, and holes among their numbers.
        prop_assert!(c.heap_size() <= size_of::<Analysis>() + 2 * (112 + 36));
    }
}
