//! How far a TCP connection has come in the eyes of a firewall in its middle, and where each kind of packet takes it.
//!
//! The states and transitions are those of Linux (`net/netfilter/nf_conntrack_proto_tcp.c`, kernel 6.18). "Opener" is the
//! side whose packet made the entry, the kernel's original direction.

use serde::{Deserialize, Serialize};

/// State of a tracked TCP connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No packet was accepted yet.
    #[default]
    None,
    /// The opener's SYN passed.
    SynSent,
    /// The SYN-ACK passed.
    SynRecv,
    /// The handshake is complete, or the connection was picked up in its middle.
    Established,
    /// A FIN passed.
    FinWait,
    /// A FIN and an acknowledgement after it passed.
    CloseWait,
    /// Both ends sent FIN.
    LastAck,
    /// The last acknowledgement passed.
    TimeWait,
    /// A RST passed.
    Close,
    /// Both ends sent SYN (simultaneous open).
    SynSent2,
}

/// What counts of a segment's flags: RST before SYN before FIN before ACK.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Syn,
    SynAck,
    Fin,
    Ack,
    Rst,
    #[default]
    None,
}

/// Where a segment takes a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// To a state, if its numbers fit.
    To(State),
    /// Nowhere: it passes, because the entry may be behind the real connection.
    Ignore,
    /// Nowhere: it belongs to no connection.
    Invalid,
}

impl State {
    /// Closing or closed: the kernel gives up such entries first, and checks the numbers of a RST no more.
    pub(super) fn is_closing(self) -> bool {
        matches!(
            self,
            Self::FinWait | Self::CloseWait | Self::LastAck | Self::TimeWait | Self::Close
        )
    }

    /// Where a segment takes the connection.
    pub(super) fn next(self, from_opener: bool, kind: Kind) -> Next {
        use State::{
            Close, CloseWait, Established, FinWait, LastAck, None, SynRecv, SynSent, SynSent2,
            TimeWait,
        };
        match (kind, from_opener, self) {
            // A client may ask anew; a server may after TIME-WAIT, as the client of another connection.
            (Kind::Syn, true, None | SynSent | TimeWait | Close) | (Kind::Syn, false, TimeWait) => {
                Next::To(SynSent)
            }
            (Kind::Syn, true, SynSent2) | (Kind::Syn, false, SynSent | SynSent2) => {
                Next::To(SynSent2)
            }
            // SYN of a client and SYN-ACK of a server in the middle of a connection: the entry may be an old one's. So
            // may the entry be for which a server acknowledges what is not the SYN.
            (Kind::Syn, true, _)
            | (
                Kind::SynAck,
                false,
                SynRecv | Established | FinWait | CloseWait | LastAck | TimeWait | Close,
            )
            | (Kind::Ack, false, SynSent | SynSent2) => Next::Ignore,
            (Kind::SynAck, true, SynRecv | SynSent2)
            | (Kind::SynAck, false, SynSent | SynSent2)
            | (Kind::Ack, false, SynRecv) => Next::To(SynRecv),
            (Kind::Fin, _, SynRecv | Established) => Next::To(FinWait),
            (Kind::Fin, _, FinWait | CloseWait | LastAck) => Next::To(LastAck),
            (Kind::Ack, true, None | SynRecv | Established) | (Kind::Ack, false, Established) => {
                Next::To(Established)
            }
            (Kind::Ack, _, FinWait | CloseWait) => Next::To(CloseWait),
            (Kind::Ack, _, LastAck | TimeWait) | (Kind::Fin, _, TimeWait) => Next::To(TimeWait),
            (Kind::Rst, _, None) => Next::Invalid,
            (Kind::Rst, _, _) | (Kind::Fin | Kind::Ack, _, Close) => Next::To(Close),
            _ => Next::Invalid,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [State; 10] = [
        State::None,
        State::SynSent,
        State::SynRecv,
        State::Established,
        State::FinWait,
        State::CloseWait,
        State::LastAck,
        State::TimeWait,
        State::Close,
        State::SynSent2,
    ];

    /// One letter for each state in the order of `ALL`, `-` for invalid, `i` for ignored.
    fn row(from_opener: bool, kind: Kind) -> String {
        let letter = |state: State| match state.next(from_opener, kind) {
            Next::Invalid => '-',
            Next::Ignore => 'i',
            Next::To(next) => {
                char::from(b"nsrefclTX2"[ALL.iter().position(|s| *s == next).unwrap()])
            }
        };
        ALL.into_iter().map(letter).collect()
    }

    #[test]
    fn every_kind_takes_every_state_where_the_kernel_takes_it() {
        assert_eq!(row(true, Kind::Syn), "ssiiiiiss2");
        assert_eq!(row(false, Kind::Syn), "-2-----s-2");
        assert_eq!(row(true, Kind::SynAck), "--r------r");
        assert_eq!(row(false, Kind::SynAck), "-riiiiiiir");
        assert_eq!(row(true, Kind::Fin), "--fflllTX-");
        assert_eq!(row(false, Kind::Fin), "--fflllTX-");
        assert_eq!(row(true, Kind::Ack), "e-eeccTTX-");
        assert_eq!(row(false, Kind::Ack), "-ireccTTXi");
        assert_eq!(row(true, Kind::Rst), "-XXXXXXXXX");
        assert_eq!(row(false, Kind::Rst), "-XXXXXXXXX");
        assert_eq!(row(true, Kind::None), "----------");
        assert_eq!(row(false, Kind::None), "----------");
    }
}
