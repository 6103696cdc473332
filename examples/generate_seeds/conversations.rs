//! Conversations of TCP as the fuzz target `streams` reads them.

const FIN: u16 = 1;
const SYN: u16 = 2;
const RST: u16 = 4;
const ACK: u16 = 16;
const URG: u16 = 32;

/// Where the target's near numbers lie around zero.
const ZERO: u16 = 1 << 15;

/// An input under construction.
struct Conversation(Vec<u8>);

impl Conversation {
    /// One where the first bytes count, or the last, and where no limit is set, or one.
    fn new(last: bool, limit: Option<u16>) -> Self {
        let mut input = vec![last.into(), limit.is_some().into()];
        input.extend(limit.iter().flat_map(|limit| limit.to_le_bytes()));
        Self(input)
    }

    /// A handshake; side 0 sends from 100, side 1 from 500.
    fn open(self) -> Self {
        self.add(0, SYN, 99, 0, &[], "", (0, 1))
            .add(1, SYN | ACK, 499, 100, &[], "", (0, 1))
            .add(0, ACK, 100, 500, &[], "", (0, 1))
    }

    /// A segment of a side, so many bytes of which are cut, so many milliseconds later.
    #[expect(clippy::too_many_arguments, reason = "a header has many fields")]
    fn add(
        mut self,
        side: u8,
        flags: u16,
        sequence: u16,
        acknowledgement: u16,
        blocks: &[(u16, u16)],
        text: &str,
        (cut, later): (u16, i16),
    ) -> Self {
        let near = |number: u16| number.wrapping_add(ZERO).to_le_bytes();
        let input = &mut self.0;
        input.extend([0, side]);
        input.extend(flags.to_le_bytes());
        for number in [sequence, acknowledgement] {
            input.push(1);
            input.extend(near(number));
        }
        for index in 0..2 {
            let block = blocks.get(index);
            input.push(block.is_some().into());
            input.extend(block.iter().flat_map(|b| [near(b.0), near(b.1)]).flatten());
        }
        input.push(text.len() as u8);
        input.extend(cut.to_le_bytes());
        input.extend(later.to_le_bytes());
        input.extend(text.bytes());
        self
    }

    /// Data of side 0.
    fn data(self, sequence: u16, text: &str, later: i16) -> Self {
        self.add(0, ACK, sequence, 500, &[], text, (0, later))
    }

    /// An acknowledgement of side 1.
    fn acknowledge(self, number: u16, blocks: &[(u16, u16)], later: i16) -> Self {
        self.add(1, ACK, 500, number, blocks, "", (0, later))
    }
}

/// Inputs with their names.
pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    let new = || Conversation::new(false, None);
    let all = [
        (
            "closed.bin",
            new()
                .open()
                .data(100, "question", 1)
                .add(1, ACK, 500, 108, &[], "answer", (0, 1))
                .add(0, FIN | ACK, 108, 506, &[], "", (0, 1))
                .add(1, FIN | ACK, 506, 109, &[], "", (0, 1)),
        ),
        (
            "out-of-order.bin",
            new()
                .open()
                .data(106, "gh", 1)
                .data(103, "def", -1)
                .data(100, "abc", 1),
        ),
        (
            "hole-acknowledged.bin",
            new()
                .open()
                .data(103, "def", 1)
                .acknowledge(106, &[], 1)
                .data(106, "g", 2500),
        ),
        (
            "hole-selected.bin",
            new()
                .open()
                .data(100, "ab", 1)
                .data(105, "fgh", 1)
                .acknowledge(100, &[(102, 108)], 1)
                .data(108, "i", 10_500),
        ),
        (
            "hole-asked-for.bin",
            new()
                .open()
                .data(105, "fgh", 1)
                .acknowledge(108, &[], 1)
                .acknowledge(102, &[(100, 101), (105, 108)], 1500)
                .data(108, "i", 1500)
                .data(102, "cde", 1),
        ),
        (
            "contradicting.bin",
            Conversation::new(true, None)
                .open()
                .data(103, "def", 1)
                .data(104, "X", 1)
                .data(100, "abc", 1)
                .data(101, "BC", 1),
        ),
        (
            "limited.bin",
            Conversation::new(false, Some(5))
                .open()
                .data(106, "gh", 1)
                .data(100, "abcdef", 1),
        ),
        (
            "midstream.bin",
            new()
                .data(106, "gh", 1)
                .acknowledge(103, &[(106, 108)], 1)
                .data(103, "def", 1)
                .data(108, "i", 1100),
        ),
        (
            "cut.bin",
            new()
                .open()
                .add(0, ACK, 100, 500, &[], "ab", (4, 1))
                .data(106, "gh", 1)
                .data(100, "abcd", 1)
                .acknowledge(108, &[], 2500),
        ),
        (
            "reset-and-used-again.bin",
            new()
                .open()
                .add(0, ACK | URG, 100, 500, &[], "a!", (0, 1))
                .add(1, RST, 500, 0, &[], "why", (0, 1))
                .add(0, SYN, 9000, 0, &[], "", (0, 1))
                .add(1, SYN | ACK, 7000, 9001, &[], "", (0, 1))
                .add(0, ACK, 9001, 7001, &[], "next", (0, 1)),
        ),
    ];
    all.map(|(name, conversation)| (name, conversation.0))
        .into()
}
