//! A conversation's analysis as views show it.

use serde::Serialize;

use super::counts::{Counts, Rtt};
use super::half::Half;
use super::{Analysis, Conversation};

/// What was seen of the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Handshake {
    /// SYN and SYN+ACK.
    Whole,
    /// One of them: the other was not sent, or passed elsewhere.
    Partial,
    /// Neither.
    None,
}

/// TCP in figures.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// What was seen of the handshake.
    pub handshake: Handshake,
    /// From the SYN to the ACK of its SYN+ACK: the whole round trip.
    pub handshake_rtt_ns: Option<u64>,
    /// From the SYN to the SYN+ACK: from here to the responder and back.
    pub handshake_rtt_resp_ns: Option<u64>,
    /// From the SYN+ACK to its ACK: from here to the originator and back.
    pub handshake_rtt_orig_ns: Option<u64>,
    /// Longest time without a packet, from the end of the handshake on.
    pub idle_ns: u64,
    /// What the originator sent.
    pub orig: EndSummary,
    /// What the responder sent.
    pub resp: EndSummary,
}

/// One end of a [`Summary`].
#[derive(Clone, Debug, Serialize)]
pub struct EndSummary {
    /// Lowest sequence number seen, and the number after the highest.
    pub sequence: Option<(u32, u32)>,
    /// Bytes between these, SYN and FIN left out, whether or not they were seen.
    pub stream_bytes: u64,
    /// Packets sent again, for whatever reason.
    pub retransmissions: u32,
    /// What happened to its packets.
    #[serde(flatten)]
    pub counts: Counts,
    /// Maximum segment size that it told, in bytes.
    pub mss: Option<u16>,
    /// Window scale that it offered, in bits.
    pub window_scale: Option<u8>,
    /// It permitted selective acknowledgements.
    pub sack_permitted: bool,
    /// Its SYN had timestamps.
    pub timestamps: bool,
    /// From its data, here, to the acknowledgement: to the other end and back.
    pub rtt: Option<RttSummary>,
}

/// Round trips in nanoseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct RttSummary {
    /// How many were measured.
    pub count: u32,
    /// The shortest.
    pub min_ns: u64,
    /// The mean.
    pub mean_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl RttSummary {
    fn new(rtt: Rtt) -> Option<Self> {
        (rtt.count > 0).then(|| Self {
            count: rtt.count,
            min_ns: rtt.min_ns,
            mean_ns: rtt.mean_ns(),
            max_ns: rtt.max_ns,
        })
    }
}

impl Summary {
    /// Sums up a conversation that `originator` (0 or 1) opened.
    pub fn new(conversation: &Conversation, originator: usize) -> Self {
        let towards_responder = conversation.rtt_towards_responder();
        let towards_originator = conversation.rtt_towards_originator();
        let opened = conversation
            .halves
            .iter()
            .filter(|half| half.saw_opening())
            .count();
        Self {
            handshake: match opened {
                2 => Handshake::Whole,
                1 => Handshake::Partial,
                _ => Handshake::None,
            },
            handshake_rtt_ns: towards_responder
                .zip(towards_originator)
                .map(|(there, here)| there.saturating_add(here)),
            handshake_rtt_resp_ns: towards_responder,
            handshake_rtt_orig_ns: towards_originator,
            idle_ns: conversation
                .analysis()
                .map(Analysis::idle)
                .unwrap_or_default(),
            orig: EndSummary::new(conversation, originator),
            resp: EndSummary::new(conversation, 1 - originator.min(1)),
        }
    }
}

impl EndSummary {
    fn new(conversation: &Conversation, side: usize) -> Self {
        let counts = conversation.counts(side);
        let half = conversation.halves.get(side);
        Self {
            sequence: half.and_then(Half::numbers),
            stream_bytes: half.map_or(0, Half::stream_bytes),
            retransmissions: counts.retransmissions(),
            counts,
            mss: half.and_then(Half::mss),
            window_scale: half.and_then(Half::window_scale),
            sack_permitted: half.is_some_and(Half::sack_permitted),
            timestamps: half.is_some_and(Half::timestamps),
            rtt: RttSummary::new(conversation.rtt(side)),
        }
    }
}
