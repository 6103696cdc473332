//! Zeek's history: what happened in a conversation, a letter each, in the order in which it was noticed.

use serde::{Deserialize, Serialize};

use crate::pack::{Pack, Packer, Unpacker};

/// Letters kept for a conversation; what comes later is left out.
pub(super) const LETTERS: usize = 24;

/// Something that is noted with a letter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Letter {
    Syn = 1,
    SynAck,
    Ack,
    Data,
    Fin,
    Rst,
    Gap,
    Retransmitted,
    ZeroWindow,
    Inconsistent,
    MultiFlag,
}

/// What the codes of [`Letter`] stand for; 0 ends the history.
const WRITTEN: [u8; 12] = *b"\0SHADFRGTWIQ";

/// Bits of a letter: four for its code, one for its side.
const BITS: usize = 5;
const SIDE: u128 = 1 << 4;
const MASK: u128 = (1 << BITS) - 1;

/// The letters, packed: 24 of five bits in 16 bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct History([u8; 16]);

impl Pack for History {
    fn pack(&self, like: &Self, out: &mut Packer) {
        self.words().pack(&like.words(), out);
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        let (low, high) = <(u64, u64)>::unpack(&like.words(), from);
        let bits = u128::from(high) << 64 | u128::from(low);
        Self(bits.to_le_bytes())
    }
}

impl History {
    /// That of a connection with a request and an answer.
    pub(super) fn usual(opener: usize) -> Self {
        let mut history = Self::default();
        for (answers, letter) in [
            (false, Letter::Syn),
            (true, Letter::SynAck),
            (false, Letter::Ack),
            (false, Letter::Data),
            (true, Letter::Ack),
            (true, Letter::Data),
        ] {
            history.write(opener ^ usize::from(answers), letter);
        }
        history
    }

    /// The first letters, and the others.
    fn words(self) -> (u64, u64) {
        (self.bits() as u64, (self.bits() >> 64) as u64)
    }

    fn bits(self) -> u128 {
        u128::from_le_bytes(self.0)
    }

    fn codes(self) -> impl Iterator<Item = u128> {
        let bits = self.bits();
        (0..LETTERS)
            .map(move |place| bits >> (place * BITS) & MASK)
            .take_while(|code| *code != 0)
    }

    /// Adds a letter of what `side` (0 or 1) sent.
    pub(super) fn write(&mut self, side: usize, letter: Letter) {
        let bits = self.bits();
        let place = (128 - bits.leading_zeros() as usize).div_ceil(BITS);
        if place < LETTERS {
            let code = letter as u128 | if side == 0 { 0 } else { SIDE };
            self.0 = (bits | code << (place * BITS)).to_le_bytes();
        }
    }

    /// Makes a SYN of the first SYN+ACK of `side`: it was the second packet with this number that came first.
    pub(super) fn syn_came_late(&mut self, side: usize) {
        let side = if side == 0 { 0 } else { SIDE };
        let (from, to) = (Letter::SynAck as u128 | side, Letter::Syn as u128 | side);
        if let Some(place) = self.codes().position(|code| code == from) {
            self.0 = (self.bits() ^ (from ^ to) << (place * BITS)).to_le_bytes();
        }
    }

    /// The letters, those of `originator` (0 or 1) in upper case.
    pub(super) fn letters(self, originator: usize) -> String {
        self.codes()
            .filter_map(|code| {
                let letter = *WRITTEN.get((code & (SIDE - 1)) as usize)?;
                let side = usize::from(code & SIDE != 0);
                Some(char::from(if side == originator {
                    letter
                } else {
                    letter.to_ascii_lowercase()
                }))
            })
            .collect()
    }
}

/// Whether the nth time of something that happens often adds a letter: the 1st, 10th, 100th and so on.
pub(super) fn noted(count: u16) -> bool {
    matches!(count, 1 | 10 | 100 | 1000 | 10_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Letter; 11] = [
        Letter::Syn,
        Letter::SynAck,
        Letter::Ack,
        Letter::Data,
        Letter::Fin,
        Letter::Rst,
        Letter::Gap,
        Letter::Retransmitted,
        Letter::ZeroWindow,
        Letter::Inconsistent,
        Letter::MultiFlag,
    ];

    #[test]
    fn every_letter_is_zeeks_and_tells_its_side() {
        let mut history = History::default();
        for letter in ALL {
            history.write(0, letter);
        }
        for letter in ALL {
            history.write(1, letter);
        }
        assert_eq!(history.letters(0), "SHADFRGTWIQshadfrgtwiq");
        assert_eq!(history.letters(1), "shadfrgtwiqSHADFRGTWIQ");
    }

    #[test]
    fn the_first_letters_stay_and_later_ones_are_left_out() {
        let mut history = History::default();
        for _ in 0..LETTERS {
            history.write(1, Letter::Rst);
        }
        history.write(0, Letter::Syn);
        assert_eq!(history.letters(0), "r".repeat(LETTERS));
    }

    #[test]
    fn a_late_syn_takes_the_place_of_its_sides_syn_ack() {
        let mut history = History::default();
        history.write(0, Letter::SynAck);
        history.write(1, Letter::SynAck);
        history.write(1, Letter::Ack);
        history.syn_came_late(1);
        assert_eq!(history.letters(0), "Hsa");
    }
}
