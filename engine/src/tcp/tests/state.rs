//! States: Zeek's, in whatever order the packets come.

use proptest::prelude::*;
use proptest::sample::Index;

use super::*;

const OPEN: [Packet; 3] = [
    (0, SYN, 100, 0, 0),
    (1, SYN | ACK, 500, 101, 0),
    (0, ACK, 101, 501, 0),
];
const ASK: Packet = (0, ACK, 101, 501, 10);
const ANSWER: Packet = (1, ACK, 501, 111, 20);
const FIN_0: Packet = (0, FIN | ACK, 111, 521, 0);
const FIN_1: Packet = (1, FIN | ACK, 521, 112, 0);

fn opened(rest: &[Packet]) -> Vec<Packet> {
    [&OPEN[..], &[ASK, ANSWER], rest].concat()
}

/// Conversations in order, what Zeek says of them, and their history. Side 0 is the originator.
fn table() -> Vec<(&'static str, &'static str, Vec<Packet>)> {
    vec![
        ("S0", "S", vec![OPEN[0]]),
        ("S0", "S", vec![OPEN[0], OPEN[0]]),
        // Zeek does not take an originator for connected before it sees the responder's SYN.
        ("S0", "SAD", vec![OPEN[0], OPEN[2], ASK]),
        // "Some eccentric TCP's will ack an initial SYN prior to sending a SYN reply."
        ("S0", "Sa", vec![OPEN[0], (1, ACK, 9, 101, 0)]),
        ("S1", "Sh", OPEN[..2].to_vec()),
        (
            "S1",
            "ShADad",
            [&opened(&[])[..], &[(1, ACK, 521, 111, 0)]]
                .concat()
                .iter()
                .enumerate()
                .filter(|(n, _)| *n != 4)
                .map(|(_, p)| *p)
                .chain([ANSWER])
                .collect(),
        ),
        (
            "SF",
            "ShADdFf",
            opened(&[FIN_0, FIN_1, (0, ACK, 112, 522, 0)]),
        ),
        // A RST after both FIN changes nothing; nor one of the end whose FIN was not answered yet.
        (
            "SF",
            "ShADdFfR",
            opened(&[FIN_0, FIN_1, (0, RST, 112, 0, 0)]),
        ),
        (
            "SF",
            "ShADdFRf",
            opened(&[FIN_0, (0, RST, 112, 0, 0), FIN_1]),
        ),
        (
            "SF",
            "ShADdFfRr",
            opened(&[FIN_0, FIN_1, (0, RST, 112, 0, 0), (1, RST, 522, 0, 0)]),
        ),
        // No SYN at all, but both FIN.
        ("SF", "DdFf", vec![ASK, ANSWER, FIN_0, FIN_1]),
        ("S2", "ShADdF", opened(&[FIN_0])),
        ("S3", "ShADdf", opened(&[(1, FIN | ACK, 521, 111, 0)])),
        ("REJ", "Sr", vec![OPEN[0], (1, RST | ACK, 0, 101, 0)]),
        (
            "REJ",
            "ShRr",
            vec![OPEN[0], OPEN[1], (0, RST, 101, 0, 0), (1, RST, 501, 0, 0)],
        ),
        ("RSTO", "ShADdR", opened(&[(0, RST | ACK, 111, 521, 0)])),
        ("RSTO", "ShR", vec![OPEN[0], OPEN[1], (0, RST, 101, 0, 0)]),
        // An end that aborts, and another that closes: the RST comes before the number of a FIN.
        (
            "RSTO",
            "ShADdRfF",
            opened(&[
                (0, RST | ACK, 105, 521, 0),
                (1, FIN | ACK, 521, 111, 0),
                (0, FIN | ACK, 111, 522, 0),
            ]),
        ),
        ("RSTR", "ShADdr", opened(&[(1, RST | ACK, 521, 111, 0)])),
        ("RSTR", "ShADdFr", opened(&[FIN_0, (1, RST, 521, 0, 0)])),
        ("RSTOS0", "SR", vec![OPEN[0], (0, RST, 101, 0, 0)]),
        ("OTH", "SAR", vec![OPEN[0], OPEN[2], (0, RST, 101, 0, 0)]),
        ("OTH", "R", vec![(0, RST, 101, 0, 0)]),
        ("RSTRH", "hr", vec![OPEN[1], (1, RST, 501, 0, 0)]),
        ("RSTRH", "r", vec![(1, RST, 501, 0, 0)]),
        ("RSTRH", "Ddr", vec![ASK, ANSWER, (1, RST, 521, 0, 0)]),
        ("SH", "SF", vec![OPEN[0], (0, FIN | ACK, 101, 9, 0)]),
        ("SH", "SADF", vec![OPEN[0], OPEN[2], ASK, FIN_0]),
        ("SHR", "hf", vec![OPEN[1], (1, FIN | ACK, 501, 101, 0)]),
        (
            "S3",
            "hAf",
            vec![OPEN[1], OPEN[2], (1, FIN | ACK, 501, 101, 0)],
        ),
        ("OTH", "h", vec![OPEN[1]]),
        // The SYN was missed, and the ACK shows that it was sent.
        ("S1", "hA", vec![OPEN[1], OPEN[2]]),
        ("OTH", "Dd", vec![ASK, ANSWER]),
        ("OTH", "SAd", vec![OPEN[0], OPEN[2], ANSWER]),
        // Both open at once (RFC 9293 §3.5).
        (
            "S1",
            "Ss",
            vec![
                (0, SYN, 100, 0, 0),
                (1, SYN, 500, 0, 0),
                (0, SYN | ACK, 100, 501, 0),
                (1, SYN | ACK, 500, 101, 0),
            ],
        ),
    ]
}

#[test]
fn every_state_is_zeeks_and_so_is_the_history() {
    for (state, history, packets) in table() {
        let c = conversation(&packets);
        assert_eq!(
            (c.conn_state(0), &*c.history(0)),
            (state, history),
            "{packets:?}"
        );
    }
}

#[test]
fn every_order_of_a_short_conversation_gives_the_same_state() {
    for (state, history, packets) in table() {
        let letters = sorted(history);
        for order in permutations(packets.len().min(7)) {
            let rest = order.len()..packets.len();
            let packets: Vec<_> = order.into_iter().chain(rest).map(|n| packets[n]).collect();
            let c = conversation(&packets);
            assert_eq!(c.conn_state(0), state, "{packets:?}");
            assert_eq!(sorted(&c.history(0)), letters, "{packets:?}");
        }
    }
}

fn sorted(history: &str) -> Vec<char> {
    let mut letters: Vec<char> = history.chars().collect();
    letters.sort_unstable();
    letters.dedup();
    letters
}

fn permutations(len: usize) -> Vec<Vec<usize>> {
    if len == 0 {
        return vec![vec![]];
    }
    permutations(len - 1)
        .into_iter()
        .flat_map(|shorter| {
            (0..len).map(move |place| {
                let mut longer = shorter.clone();
                longer.insert(place, len - 1);
                longer
            })
        })
        .collect()
}

proptest! {
    #[test]
    fn order_and_copies_change_neither_state_nor_letters(
        index: Index,
        base: [u32; 2],
        swaps in prop::collection::vec((any::<Index>(), any::<Index>()), 0..30),
        copies in prop::collection::vec(any::<Index>(), 0..5),
    ) {
        let table = table();
        let (state, history, packets) = index.get(&table);
        // The numbers of the table are small: move them so that they wrap.
        let moved = packets.iter().map(|&(side, flags, sequence, acknowledgement, len)| {
            let (own, other) = (base[side], base[1 - side]);
            let acknowledgement = if flags & ACK == 0 { 0 } else { acknowledgement.wrapping_add(other) };
            (side, flags, sequence.wrapping_add(own), acknowledgement, len)
        });
        let mut packets: Vec<Packet> = moved.collect();
        for copy in copies {
            // What carries data twice is sent again, and noted; acknowledgements that come twice ask for data.
            let packet = *copy.get(&packets);
            if packet.4 == 0 && packet.1 & (SYN | FIN | RST) != 0 {
                packets.push(packet);
            }
        }
        for (a, b) in swaps {
            let (a, b) = (a.index(packets.len()), b.index(packets.len()));
            packets.swap(a, b);
        }
        let c = conversation(&packets);
        prop_assert_eq!(c.conn_state(0), *state);
        prop_assert_eq!(sorted(&c.history(0)), sorted(history));
        let both: Vec<_> = packets.iter().map(|p| (1 - p.0, p.1, p.2, p.3, p.4)).collect();
        prop_assert_eq!(conversation(&both).conn_state(1), *state);
    }
}

#[test]
fn phases_follow_the_connection() {
    let phase = |packets: &[Packet]| conversation(packets).phase();
    assert_eq!(phase(&[]), Phase::HalfOpen);
    assert_eq!(phase(&OPEN[..2]), Phase::HalfOpen);
    assert_eq!(phase(&OPEN), Phase::Established);
    assert_eq!(phase(&[ASK]), Phase::Established);
    assert_eq!(phase(&opened(&[FIN_0])), Phase::Closing);
    assert_eq!(phase(&opened(&[FIN_0, FIN_1])), Phase::Closing);
    assert_eq!(
        phase(&opened(&[FIN_0, FIN_1, (0, ACK, 112, 522, 0)])),
        Phase::Closed
    );
    assert_eq!(
        phase(&opened(&[FIN_0, (0, ACK, 112, 522, 0)])),
        Phase::Closing
    );
    assert_eq!(phase(&[OPEN[0], (1, RST | ACK, 0, 101, 0)]), Phase::Closed);
}

#[test]
fn a_reset_ends_only_with_a_number_that_its_receiver_may_accept() {
    let with = |rst: Packet| conversation(&opened(&[rst])).phase();
    assert_eq!(with((1, RST, 521, 0, 0)), Phase::Closed);
    // The packet before was lost to the mirror.
    assert_eq!(with((1, RST, 1981, 0, 0)), Phase::Closed);
    assert_eq!(with((1, RST, 499, 0, 0)), Phase::Established);
    assert_eq!(with((1, RST, 0x4000_0000, 0, 0)), Phase::Established);
    // Who goes on after a RST did not send it.
    let forged = opened(&[(1, RST, 521, 0, 0), (1, ACK, 521, 111, 100)]);
    assert_eq!(conversation(&forged).phase(), Phase::Established);
    // Data from before the RST that comes late says nothing.
    let late = opened(&[(1, RST, 521, 0, 0), (1, ACK, 501, 111, 20)]);
    assert_eq!(conversation(&late).phase(), Phase::Closed);
}
