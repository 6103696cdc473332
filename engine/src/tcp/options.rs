//! Options of a TCP header (RFC 9293 §3.1): those that tell something of the conversation.

/// One option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpOption<'a> {
    /// Maximum segment size in bytes (RFC 9293 §3.7.1).
    Mss(u16),
    /// Bits by which the sender's windows are to be shifted, 0 to 14 (RFC 7323 §2).
    WindowScale(u8),
    /// Selective acknowledgements are understood (RFC 2018 §2).
    SackPermitted,
    /// Selective acknowledgements (RFC 2018 §3).
    Sack(SackBlocks<'a>),
    /// Timestamps (RFC 7323 §3).
    Timestamps {
        /// The sender's clock.
        value: u32,
        /// The value that it answers; only means something with ACK.
        echo: u32,
    },
    /// Another option, or a known one with a length that it cannot have.
    Other(u8),
}

/// Blocks of received bytes: first number, and the number after the last.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SackBlocks<'a>(&'a [u8]);

impl Iterator for SackBlocks<'_> {
    type Item = (u32, u32);

    fn next(&mut self) -> Option<Self::Item> {
        let ([left, right], rest) = self.0.as_chunks::<4>().0.split_first_chunk()?;
        self.0 = self.0.get(self.0.len() - rest.len() * 4..)?;
        Some((u32::from_be_bytes(*left), u32::from_be_bytes(*right)))
    }
}

/// The options of a header in their order, up to the end or to the first that is cut or has no length.
#[derive(Clone, Debug)]
pub struct Options<'a>(&'a [u8]);

impl<'a> Options<'a> {
    /// Reads what stands behind the fixed header.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }
}

impl<'a> Iterator for Options<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let (kind, rest) = self.0.split_first()?;
            match kind {
                0 => return None,
                1 => self.0 = rest,
                _ => break,
            }
        }
        let (option, rest) = match *self.0 {
            // The length counts itself and the kind.
            [_, length, ..] if length >= 2 => self.0.split_at_checked(usize::from(length))?,
            _ => return None,
        };
        self.0 = rest;
        Some(match *option {
            [2, 4, high, low] => TcpOption::Mss(u16::from_be_bytes([high, low])),
            // RFC 7323 §2.3: a larger shift is used as 14.
            [3, 3, shift] => TcpOption::WindowScale(shift.min(14)),
            [4, 2] => TcpOption::SackPermitted,
            [5, _, ref blocks @ ..] if blocks.len() % 8 == 0 => TcpOption::Sack(SackBlocks(blocks)),
            [8, 10, ref times @ ..] => {
                let (value, echo) = times.split_first_chunk()?;
                TcpOption::Timestamps {
                    value: u32::from_be_bytes(*value),
                    echo: u32::from_be_bytes(*echo.first_chunk()?),
                }
            }
            [kind, ..] => TcpOption::Other(kind),
            [] => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use hex_literal::hex;
    use proptest::prelude::*;

    use super::*;

    /// A SYN of Linux 6: MSS 1460, SACK permitted, timestamps, no-operation, window scale 7.
    const SYN: [u8; 20] = hex!("020405b4 0402080a 11223344 00000000 01 030307");

    #[test]
    fn a_syn_of_linux_tells_all_it_offers() {
        let options: Vec<_> = Options::new(&SYN).collect();
        assert_eq!(
            options,
            [
                TcpOption::Mss(1460),
                TcpOption::SackPermitted,
                TcpOption::Timestamps {
                    value: 0x1122_3344,
                    echo: 0
                },
                TcpOption::WindowScale(7),
            ]
        );
    }

    #[test]
    fn blocks_are_read_behind_padding() {
        let bytes = hex!("0101 0512 00000064 000000c8 ffffff00 00000010 0203");
        let mut options = Options::new(&bytes);
        let Some(TcpOption::Sack(blocks)) = options.next() else {
            panic!("no blocks");
        };
        let blocks: Vec<_> = blocks.collect();
        assert_eq!(blocks, [(100, 200), (0xffff_ff00, 16)]);
        assert_eq!(options.next(), None, "the length of the last is cut");
    }

    #[test]
    fn a_cut_option_ends_the_list_and_keeps_what_came_before() {
        for cut in 0..SYN.len() {
            let whole = match cut {
                0..4 => 0,
                4..6 => 1,
                6..16 => 2,
                _ => 3,
            };
            assert_eq!(Options::new(&SYN[..cut]).count(), whole, "{cut} bytes");
        }
    }

    #[test]
    fn a_wrong_length_is_another_option_and_none_is_the_end() {
        let read = |bytes| Options::new(bytes).collect::<Vec<_>>();
        assert_eq!(
            read(&hex!("0203ff 030400ff 0402")),
            [
                TcpOption::Other(2),
                TcpOption::Other(3),
                TcpOption::SackPermitted
            ]
        );
        assert_eq!(read(&hex!("0200 0402")), []);
        assert_eq!(read(&hex!("0201 0402")), []);
        assert_eq!(read(&hex!("00 0402")), []);
        assert_eq!(read(&hex!("0303ff")), [TcpOption::WindowScale(14)]);
        assert_eq!(read(&hex!("050700000001 02")), [TcpOption::Other(5)]);
    }

    proptest! {
        #[test]
        fn any_bytes_give_no_more_options_than_bytes(bytes: Vec<u8>) {
            let mut count = 0;
            for option in Options::new(&bytes) {
                count += 1;
                if let TcpOption::Sack(blocks) = option {
                    prop_assert!(blocks.count() <= bytes.len() / 8);
                }
            }
            prop_assert!(count <= bytes.len());
        }
    }
}
