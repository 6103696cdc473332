//! The quick way takes a packet exactly as the general one does, or leaves it alone.

use proptest::prelude::*;

use super::*;
use crate::tcp::number::before;

/// What a side does next.
#[derive(Clone, Copy, Debug)]
enum Step {
    /// Sends the next bytes, and acknowledges all.
    Data(u32),
    /// Acknowledges all that came.
    Answer,
    /// Loses so many bytes on the way here, and sends the next.
    Lost(u32),
    /// Sends what it sent before once more.
    Again(u32),
    /// Acknowledges so many bytes less, or more, than came.
    Astray(i8),
    /// Offers another window.
    Window(u16),
    /// Has selective acknowledgements among its options.
    Selects(u32),
    /// Sends flags of any kind.
    Flags(u16),
    /// Says nothing of the other side: only this one's packets pass.
    Deaf(u32),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (0_u32..3000).prop_map(Step::Data),
        8 => Just(Step::Answer),
        1 => (1_u32..5000).prop_map(Step::Lost),
        1 => (0_u32..3000).prop_map(Step::Again),
        1 => any::<i8>().prop_map(Step::Astray),
        1 => prop_oneof![Just(0), Just(1), Just(250), Just(1000)].prop_map(Step::Window),
        1 => (0_u32..5000).prop_map(Step::Selects),
        1 => (0_u16..512).prop_map(Step::Flags),
        1 => prop_oneof![Just(1_u32), Just(70_000), Just(1 << 30), Just(1 << 31)].prop_map(Step::Deaf),
    ]
}

/// The packets of both ends, as a mirror brings them.
struct Ends {
    next: [u32; 2],
    window: [u16; 2],
}

impl Ends {
    fn packet(&mut self, side: usize, step: Step) -> (Tcp<'static>, Vec<u8>) {
        let answer = self.next[1 - side];
        let mut tcp = segment(ACK, self.next[side], answer, 0);
        let mut options = Vec::new();
        match step {
            Step::Data(len) => tcp.payload_len = len,
            Step::Answer => {}
            Step::Lost(bytes) => {
                tcp.sequence = tcp.sequence.wrapping_add(bytes);
                tcp.payload_len = 100;
            }
            Step::Again(len) => {
                tcp.sequence = tcp.sequence.wrapping_sub(len);
                tcp.payload_len = len;
            }
            Step::Astray(by) => tcp.acknowledgement = answer.wrapping_add_signed(by.into()),
            Step::Window(window) => self.window[side] = window,
            Step::Selects(right) => {
                options.extend([1, 1, 5, 10]);
                options.extend(answer.to_be_bytes());
                options.extend(answer.wrapping_add(right).to_be_bytes());
            }
            Step::Flags(flags) => tcp.flags = TcpFlags(flags),
            Step::Deaf(bytes) => tcp.acknowledgement = answer.wrapping_add(bytes),
        }
        tcp.window = self.window[side];
        let end = tcp.sequence.wrapping_add(tcp.payload_len);
        if before(self.next[side], end) {
            self.next[side] = end;
        }
        (tcp, options)
    }
}

proptest! {
    #[test]
    fn it_is_what_the_general_way_makes_of_it(
        steps in prop::collection::vec((0..2_usize, step(), 0_i64..60), 1..120),
        start in prop_oneof![Just(1000_u32), Just(u32::MAX - 4000), any::<u32>()],
        handshake: bool,
    ) {
        let mut ends = Ends { next: [start, start.wrapping_mul(7)], window: [1000, 250] };
        let (mut quick, mut general) = (Conversation::default(), Conversation::default());
        let mut time = 0;
        if handshake {
            let [zero, one] = ends.next.map(|next| next.wrapping_sub(1));
            let syn = segment(SYN, zero, 0, 0);
            let answer = segment(SYN | ACK, one, zero.wrapping_add(1), 0);
            for (side, tcp) in [(0, syn), (1, answer)] {
                quick.push(side, &tcp, Timestamp(time));
                general.push_any(side, &tcp, Timestamp(time));
                time += MS;
            }
        }
        for (side, step, ms) in steps {
            let (tcp, options) = ends.packet(side, step);
            let tcp = Tcp { options: &options, ..tcp };
            time += ms * MS;
            quick.push(side, &tcp, Timestamp(time));
            general.push_any(side, &tcp, Timestamp(time));
            prop_assert_eq!(format!("{:?}", &quick), format!("{:?}", &general), "{:?} {:?}", step, tcp);
        }
    }
}

/// How many packets take it out of 80 of an exchange; some of these are lost before.
fn taken(lost: impl Fn(i64) -> bool) -> usize {
    let mut ends = Ends {
        next: [101, 501],
        window: [1000, 250],
    };
    let mut c = Conversation::default();
    c.push(0, &segment(SYN, 100, 0, 0), Timestamp(0));
    c.push(1, &segment(SYN | ACK, 500, 101, 0), Timestamp(MS));
    let exchange = [
        (0, Step::Data(100)),
        (1, Step::Answer),
        (1, Step::Data(1400)),
        (0, Step::Answer),
    ];
    let quick =
        (0..)
            .zip(exchange.iter().cycle())
            .take(80 + 16)
            .filter(|&(number, &(side, step))| {
                let (tcp, _) = ends.packet(side, step);
                let time = Timestamp((2 + number) * MS);
                if lost(number) {
                    return false;
                }
                let quick = c.push_usual(side, &tcp, time);
                if !quick {
                    c.push_any(side, &tcp, time);
                }
                quick && number >= 16
            });
    quick.count()
}

#[test]
fn orderly_packets_take_it() {
    assert_eq!(taken(|_| false), 80);
}

/// A receiver that has dropped packets must not become slower by it, or it drops more.
#[test]
fn so_do_those_that_follow_what_was_lost() {
    let one = taken(|number| number == 32);
    // The data that follows, what acknowledges the lost data, and the end of the wait for it.
    assert!((76..79).contains(&one), "{one} of 79");
    let both_data = |number| number == 32 || number == 34;
    let several = taken(both_data);
    assert!((72..78).contains(&several), "{several} of 78");
}
