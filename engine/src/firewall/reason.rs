//! Why a stateful firewall matches a packet to no connection.

use serde::{Deserialize, Serialize};

use super::state::State;

/// Why a packet belongs to no connection that the firewall knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// TCP, not a SYN, and there is no connection.
    NoConnection,
    /// The connection was forgotten, because it was silent for longer than its timeout.
    TimedOut,
    /// Picked up without a SYN, or the end of what was never answered: new to the firewall, and no SYN.
    NewWithoutSyn,
    /// The connection is not so far, or farther.
    State(State),
    /// Its first number is beyond what the receiver offered to take.
    BeyondWindow,
    /// It acknowledges what did not pass.
    AcksUnseen,
    /// A RST whose number its receiver has left behind.
    InvalidReset,
    /// Flags that no sender sets together.
    InvalidFlags,
    /// A header that contradicts itself or the packet's length.
    Malformed,
    /// An ICMP reply without its request.
    NoRequest,
    /// An ICMP error about a packet of no known connection.
    ErrorAboutUnknown,
    /// An ICMP type that opens nothing and answers nothing.
    IcmpType,
}

impl Reason {
    /// The name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NoConnection => "no-connection",
            Self::TimedOut => "timed-out",
            Self::NewWithoutSyn => "new-without-syn",
            Self::State(_) => "wrong-state",
            Self::BeyondWindow => "beyond-window",
            Self::AcksUnseen => "acks-unseen",
            Self::InvalidReset => "invalid-reset",
            Self::InvalidFlags => "invalid-flags",
            Self::Malformed => "malformed",
            Self::NoRequest => "no-request",
            Self::ErrorAboutUnknown => "error-about-unknown",
            Self::IcmpType => "icmp-type",
        }
    }

    /// The reason in a clause, as far as the firewall alone can tell.
    pub fn in_words(self) -> &'static str {
        match self {
            Self::NoConnection => "no connection to match",
            Self::TimedOut => "silent for longer than the firewall remembers",
            Self::NewWithoutSyn => "new to the firewall, and no SYN",
            Self::State(State::SynSent | State::SynSent2) => "the SYN was not answered yet",
            Self::State(State::SynRecv) => "the handshake is not complete",
            Self::State(_) => "not what may follow in the connection's state",
            Self::BeyondWindow => "sequence number beyond the window",
            Self::AcksUnseen => "ACK outside the window: it acknowledges what did not pass",
            Self::InvalidReset => "a RST with an old sequence number",
            Self::InvalidFlags => "TCP flags that no sender sets together",
            Self::Malformed => "a header that contradicts itself",
            Self::NoRequest => "echo reply without a request",
            Self::ErrorAboutUnknown => "an ICMP error about an unknown connection",
            Self::IcmpType => "an ICMP type that belongs to no connection",
        }
    }
}
