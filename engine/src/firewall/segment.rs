//! What connection tracking reads of a TCP segment.

use mirrorscope_dissectors::{Ip, Tcp, TcpFlags};

use super::state::Kind;
use crate::tcp::{Options, TcpOption};

/// A TCP segment as connection tracking sees it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segment {
    pub kind: Kind,
    pub syn: bool,
    pub ack_flag: bool,
    pub rst: bool,
    /// Control bits as in the header.
    pub flags: u16,
    pub seq: u32,
    pub ack: u32,
    /// The number after its last; SYN and FIN count.
    pub end: u32,
    /// As it was sent.
    pub window: u16,
    /// Highest number that it acknowledges selectively, else `ack`.
    pub sack: u32,
    pub options: Offer,
}

/// What the options of a segment offer.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Offer {
    /// There are options, if only padding.
    pub any: bool,
    pub scale: Option<u8>,
    pub sack_permitted: bool,
    /// Some of them were cut off.
    pub cut: bool,
}

impl Segment {
    pub(super) fn of(ip: &Ip<'_>, tcp: &Tcp<'_>) -> Self {
        let flags = tcp.flags;
        let mut options = Offer {
            any: !tcp.options.is_empty(),
            // Nothing of the payload is there, and some is missing: the cut may be among the options.
            cut: ip.truncated() && tcp.payload.is_empty(),
            ..Offer::default()
        };
        let mut sack = tcp.acknowledgement;
        let mut blocks = false;
        for option in Options::new(tcp.options) {
            match option {
                TcpOption::WindowScale(scale) => options.scale = Some(scale),
                TcpOption::SackPermitted => options.sack_permitted = true,
                TcpOption::Sack(ranges) if !blocks => {
                    for (_, right) in ranges {
                        blocks = true;
                        if after(right, sack) {
                            sack = right;
                        }
                    }
                }
                _ => {}
            }
        }
        let numbers = tcp.payload_len + u32::from(flags.syn()) + u32::from(flags.fin());
        Self {
            kind: kind(flags),
            syn: flags.syn(),
            ack_flag: flags.ack(),
            rst: flags.rst(),
            flags: flags.0,
            seq: tcp.sequence,
            ack: tcp.acknowledgement,
            end: tcp.sequence.wrapping_add(numbers),
            window: tcp.window,
            sack,
            options,
        }
    }

    /// Whether its flags make sense together. PSH, ECE, CWR and AE say nothing; URG may stand beside SYN and ACK.
    pub(super) fn flags_make_sense(&self) -> bool {
        let flags = TcpFlags(self.flags);
        match (flags.fin(), flags.syn(), flags.rst(), flags.ack()) {
            (false, true, false, false) | (_, false, false, true) => true,
            (false, true, false, true) | (false, false, true, _) => !flags.urg(),
            _ => false,
        }
    }
}

fn kind(flags: TcpFlags) -> Kind {
    if flags.rst() {
        Kind::Rst
    } else if flags.syn() && flags.ack() {
        Kind::SynAck
    } else if flags.syn() {
        Kind::Syn
    } else if flags.fin() {
        Kind::Fin
    } else if flags.ack() {
        Kind::Ack
    } else {
        Kind::None
    }
}

/// Serial comparison of sequence numbers (RFC 9293 §3.4).
pub(super) fn before(a: u32, b: u32) -> bool {
    a.wrapping_sub(b).cast_signed() < 0
}

/// The same the other way round.
pub(super) fn after(a: u32, b: u32) -> bool {
    before(b, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Flags that the kernel takes of all 64 combinations of FIN, SYN, RST, PSH, ACK and URG.
    #[test]
    fn nine_combinations_of_flags_make_sense() {
        let valid = [0x02, 0x22, 0x12, 0x04, 0x14, 0x11, 0x31, 0x10, 0x30];
        for flags in 0..512_u16 {
            let segment = Segment {
                flags,
                ..Segment::default()
            };
            assert_eq!(
                segment.flags_make_sense(),
                valid.contains(&(flags & 0x37)),
                "{flags:#x}"
            );
        }
    }
}
