//! TCP's flags, as far as the history of a flow tells them: which of its packets had PSH or URG nobody notes.

/// No more data from the sender.
pub const FIN: u8 = 0x01;
/// Opens a connection.
pub const SYN: u8 = 0x02;
/// Ends it at once.
pub const RST: u8 = 0x04;
/// The acknowledgement field means something.
pub const ACK: u8 = 0x10;

/// All flags that the originator and the responder set, by Zeek's letters: capitals are the originator's.
pub fn flags_of(history: &str) -> [u8; 2] {
    let mut flags = [0; 2];
    for letter in history.chars() {
        flags[usize::from(letter.is_ascii_lowercase())] |= match letter.to_ascii_lowercase() {
            's' => SYN,
            'h' => SYN | ACK,
            'a' | 'd' => ACK,
            'f' => FIN | ACK,
            'r' => RST,
            _ => 0,
        };
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_flags() {
        assert_eq!(flags_of("ShADadFf"), [SYN | ACK | FIN, SYN | ACK | FIN]);
        assert_eq!(flags_of("^hr"), [0, SYN | ACK | RST]);
        assert_eq!(flags_of(""), [0, 0]);
    }
}
