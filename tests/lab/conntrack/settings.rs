//! Ways to set connection tracking, for the kernel and for the model of it.

use std::time::Duration;

/// One of them, and the packets to compare with it.
#[derive(Clone, Copy)]
pub struct Settings {
    /// Under `net.netfilter.nf_conntrack_`.
    pub kernel: &'static [(&'static str, u32)],
    /// The same in a sites file.
    pub model: &'static str,
    pub seed: u64,
    pub sequences: usize,
    /// Silences between packets; none if there are none.
    pub pauses: &'static [Duration],
}

// Neither looks at checksums: of mirrored packets they are often not filled in yet.

pub const STRICT: Settings = Settings {
    kernel: &[("checksum", 0), ("tcp_loose", 0)],
    model: "loose = false",
    seed: 1,
    sequences: 4000,
    pauses: &[],
};

pub const LOOSE: Settings = Settings {
    kernel: &[("checksum", 0), ("tcp_loose", 1)],
    model: "loose = true",
    seed: 2,
    ..STRICT
};

pub const LIBERAL: Settings = Settings {
    kernel: &[("checksum", 0), ("tcp_loose", 0), ("tcp_be_liberal", 1)],
    model: "loose = false, liberal = true",
    seed: 3,
    ..STRICT
};

pub const LOOSE_LIBERAL: Settings = Settings {
    kernel: &[("checksum", 0), ("tcp_loose", 1), ("tcp_be_liberal", 1)],
    model: "loose = true, liberal = true",
    seed: 4,
    ..STRICT
};

/// Timeouts that differ by state, and are short enough to wait for.
pub const IMPATIENT: Settings = Settings {
    kernel: &[
        ("checksum", 0),
        ("tcp_loose", 0),
        ("tcp_timeout_syn_sent", 1),
        ("tcp_timeout_syn_recv", 2),
        ("tcp_timeout_established", 5),
        ("tcp_timeout_fin_wait", 3),
        ("tcp_timeout_close_wait", 2),
        ("tcp_timeout_last_ack", 1),
        ("tcp_timeout_time_wait", 2),
        ("tcp_timeout_close", 1),
        ("tcp_timeout_max_retrans", 2),
        ("tcp_timeout_unacknowledged", 3),
        ("udp_timeout", 1),
        ("udp_timeout_stream", 3),
        ("icmp_timeout", 1),
    ],
    model: "loose = false, timeouts = { syn-sent = 1, syn-recv = 2, established = 5, fin-wait = 3, close-wait = 2, \
            last-ack = 1, time-wait = 2, close = 1, max-retrans = 2, unacknowledged = 3, udp = 1, udp-stream = 3, icmp = 1 }",
    seed: 5,
    sequences: 500,
    pauses: &PAUSES,
};

/// Silences, most of them short, whose sums keep away from whole seconds.
const PAUSES: [Duration; 16] = {
    let mut pauses = [Duration::from_millis(10); 16];
    pauses[13] = Duration::from_millis(300);
    pauses[14] = Duration::from_millis(1150);
    pauses[15] = Duration::from_millis(2250);
    pauses
};
