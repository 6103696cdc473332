//! What is counted of each direction of a conversation, and how long answers took.

use serde::{Deserialize, Serialize};

use crate::pack::{Pack, Packer, Unpacker, packed};

/// What happened to the packets that one end sent. Names and meanings are those of Wireshark's `tcp.analysis` (User's
/// Guide §7.5, "TCP Analysis") unless a field says otherwise. Counts stop at their largest value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Packets sent again after two duplicate ACKs or a selective acknowledgement of later bytes, within 20 ms or a
    /// round trip of it. Wireshark knows no selective acknowledgements, and always takes 20 ms.
    pub fast_retransmissions: u32,
    /// Packets sent again for another reason: data, FIN, SYN and SYN+ACK. Wireshark takes what comes within a round
    /// trip for out of order even if the same bytes were seen before.
    pub timeout_retransmissions: u32,
    /// Packets with data that had been seen and acknowledged before they were sent again. Wireshark does not ask
    /// whether the data had been seen.
    pub spurious_retransmissions: u32,
    /// Packets that came after later ones, within a round trip (3 ms if it is unknown), and whose bytes had not been
    /// seen; or whose bytes were acknowledged before they were seen, so that only the mirror can have brought them late.
    pub out_of_order: u32,
    /// Packets without data that repeat acknowledgement and window of the one before. Not those that answer
    /// keep-alives, nor old packets that come late.
    pub duplicate_acks: u32,
    /// Packets without SYN, FIN and RST that close the window.
    pub zero_windows: u32,
    /// Packets with data up to the very edge of the other end's window, where its scale is known. Not probes.
    pub window_full: u32,
    /// Packets of no data or one byte with the number before the next, while nothing is outstanding. Wireshark does
    /// not ask what is outstanding, and counts probes of closed windows that have this form.
    pub keep_alives: u32,
    /// Packets of no data or one byte while the other end's window is closed: with the next number (Wireshark's
    /// `zero_window_probe`) or the one before.
    pub zero_window_probes: u32,
    /// Packets in front of which others are missing ("previous segment not captured").
    pub lost_segments: u32,
    /// Acknowledgements, by the other end, of bytes that this end was not seen to send. Wireshark tells it only where
    /// the direction was seen at all.
    pub acks_of_unseen: u32,
    /// The bytes of those, a FIN as one; less those that came late.
    pub unseen_bytes: u64,
    /// Payload of the largest packet in bytes; beyond the MSS where a sending host's own copies are mirrored.
    pub largest_payload: u32,
    /// Packets with that much payload.
    pub largest_packets: u32,
}

packed!(Counts {
    fast_retransmissions,
    timeout_retransmissions,
    spurious_retransmissions,
    out_of_order,
    duplicate_acks,
    zero_windows,
    window_full,
    keep_alives,
    zero_window_probes,
    lost_segments,
    acks_of_unseen,
    unseen_bytes,
    largest_payload,
    largest_packets,
});

impl Counts {
    /// Packets sent again, for whatever reason: Wireshark's `retransmission`.
    pub fn retransmissions(&self) -> u32 {
        self.fast_retransmissions
            .saturating_add(self.timeout_retransmissions)
            .saturating_add(self.spurious_retransmissions)
    }
}

/// Adds one to a count.
pub(super) fn up(count: &mut u32) {
    *count = count.saturating_add(1);
}

/// Round trips from the place of capture to one end and back, in nanoseconds: from data that passed to the
/// acknowledgement that covers it. One packet is timed at a time, and none that was sent again (Karn's rule, RFC 6298
/// §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rtt {
    /// Round trips that were measured; without any the others mean nothing.
    pub count: u32,
    /// The shortest.
    pub min_ns: u64,
    /// The longest.
    pub max_ns: u64,
    sum_ns: u64,
}

impl Pack for Rtt {
    fn pack(&self, like: &Self, out: &mut Packer) {
        self.count.pack(&like.count, out);
        self.min_ns.pack(&like.min_ns, out);
        let (max, sum) = self.expected(like);
        self.max_ns.pack(&max, out);
        self.sum_ns.pack(&sum, out);
    }

    fn unpack(like: &Self, from: &mut Unpacker<'_>) -> Self {
        let mut rtt = Self {
            count: Pack::unpack(&like.count, from),
            min_ns: Pack::unpack(&like.min_ns, from),
            ..Self::default()
        };
        let (max, sum) = rtt.expected(like);
        rtt.max_ns = Pack::unpack(&max, from);
        rtt.sum_ns = Pack::unpack(&sum, from);
        rtt
    }
}

impl Rtt {
    /// The mean; 0 without any.
    pub fn mean_ns(&self) -> u64 {
        self.sum_ns
            .checked_div(u64::from(self.count))
            .unwrap_or_default()
    }

    /// The longest and the sum, as far as the rest tells.
    fn expected(&self, like: &Self) -> (u64, u64) {
        if like.count > 0 {
            return (like.max_ns, like.sum_ns);
        }
        (self.min_ns, self.min_ns.wrapping_mul(self.count.into()))
    }

    pub(super) fn add(&mut self, nanoseconds: u64) {
        self.min_ns = if self.count == 0 {
            nanoseconds
        } else {
            self.min_ns.min(nanoseconds)
        };
        self.max_ns = self.max_ns.max(nanoseconds);
        self.sum_ns = self.sum_ns.saturating_add(nanoseconds);
        up(&mut self.count);
    }
}
