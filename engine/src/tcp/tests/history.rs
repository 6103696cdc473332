//! Letters that are not of single packets: gaps, closed windows, data sent again.

use super::*;

const OPEN: [Packet; 3] = [
    (0, SYN, 100, 0, 0),
    (1, SYN | ACK, 500, 101, 0),
    (0, ACK, 101, 501, 0),
];

fn history(rest: &[Packet]) -> String {
    conversation(&[&OPEN[..], rest].concat()).history(0)
}

#[test]
fn single_letters_come_once_and_numbered_ones_with_each_number() {
    let twice = [
        (0, ACK, 101, 501, 10),
        (0, ACK, 111, 501, 10),
        (1, ACK, 501, 121, 0),
    ];
    assert_eq!(history(&[&twice[..], &twice[2..]].concat()), "ShADa");
    let resets = [
        (1, RST, 501, 0, 0),
        (1, RST, 501, 0, 0),
        (1, RST, 502, 0, 0),
    ];
    assert_eq!(history(&resets), "ShArr");
    // The number of a FIN is behind the data of its packet.
    let fins = [(0, FIN | ACK, 101, 501, 10), (0, FIN | ACK, 111, 501, 0)];
    assert_eq!(history(&fins), "ShAF");
    assert_eq!(
        history(&[(0, FIN, 101, 0, 0), (0, FIN, 102, 0, 0)]),
        "ShAFF"
    );
}

#[test]
fn impossible_flags_have_their_letters() {
    let all = [
        (0, FIN | RST, 101, 0, 0),
        (1, SYN | FIN, 9, 0, 0),
        (1, SYN | RST, 9, 0, 0),
    ];
    assert_eq!(history(&all), "ShAIq");
    assert_eq!(
        conversation(&[(1, SYN | FIN | RST, 9, 0, 0)]).history(0),
        "i"
    );
}

#[test]
fn repeated_data_is_noted_the_first_tenth_and_hundredth_time() {
    let data = (0, ACK, 101, 501, 10);
    let times = |n: usize| history(&vec![data; 1 + n]);
    assert_eq!(times(0), "ShAD");
    assert_eq!(times(9), "ShADT");
    assert_eq!(times(10), "ShADTT");
    assert_eq!(times(99), "ShADTT");
    assert_eq!(times(100), "ShADTTT");
}

#[test]
fn data_that_comes_late_is_not_repeated() {
    let late = [(0, ACK, 111, 501, 10), (0, ACK, 101, 501, 10)];
    assert_eq!(history(&late), "ShAD");
    assert_eq!(conversation(&late).history(0), "D");
}

#[test]
fn acknowledged_data_that_nobody_saw_is_a_gap_of_its_sender() {
    let acknowledged = (1, ACK, 501, 201, 0);
    assert_eq!(history(&[acknowledged]), "ShAaG");
    // It comes late, because the other direction is mirrored by another session.
    assert_eq!(history(&[acknowledged, (0, ACK, 101, 501, 100)]), "ShAaD");
    // It is noted when it is plain that it does not come.
    let waiting = vec![acknowledged; 16];
    assert_eq!(
        history(&[&waiting[..], &[(1, ACK, 501, 201, 5)]].concat()),
        "ShAadG"
    );
    assert_eq!(
        history(&[&waiting[..], &[(0, ACK, 101, 501, 100)]].concat()),
        "ShAaD"
    );
    // Zeek: where no handshake was seen, nothing can be concluded.
    assert_eq!(
        conversation(&[(0, ACK, 101, 501, 10), acknowledged]).history(0),
        "Da"
    );
}

#[test]
fn closed_windows_are_noted_but_those_that_nobody_needs() {
    let window = |side: usize, flags: u16, sequence, window: u16| {
        let mut segment = segment(flags, sequence, [501, 101][side], 0);
        segment.window = window;
        (side, segment)
    };
    let push = |packets: &[(usize, Tcp<'static>)]| {
        let mut c = conversation(&OPEN);
        for (side, segment) in packets {
            c.push(*side, segment, Timestamp(5 * MS));
        }
        c.history(0)
    };
    let closed = window(0, ACK, 101, 0);
    assert_eq!(push(&[closed]), "ShAW");
    assert_eq!(push(&[closed; 10]), "ShAWW");
    assert_eq!(push(&[window(1, RST, 501, 0)]), "ShAr");
    assert_eq!(push(&[window(1, FIN | ACK, 501, 9), closed]), "ShAf");
    let mut syn = Conversation::default();
    for _ in 0..3 {
        syn.push(1, &window(1, SYN, 9, 0).1, Timestamp(0));
    }
    assert_eq!(syn.history(1), "SW");
    assert_eq!(syn.heap_size(), 0);
}
