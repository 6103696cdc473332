//! How a firewall tracks connections, and what it does with packets that belong to none.

use serde::{Deserialize, Serialize};

use super::preset::Preset;
use super::state::State;
use crate::time::SECOND;

/// What a firewall does with packets out of state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Policy {
    /// It drops them.
    #[default]
    Drop,
    /// It lets them pass.
    Accept,
}

/// How a firewall tracks connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// What the others were taken from.
    pub preset: Preset,
    /// What it does with packets out of state.
    pub policy: Policy,
    /// It picks up TCP connections in their middle (`nf_conntrack_tcp_loose`).
    pub loose: bool,
    /// It does not judge sequence numbers, but for those of RST (`nf_conntrack_tcp_be_liberal`).
    pub liberal: bool,
    /// It does not judge those of RST either (`nf_conntrack_tcp_ignore_invalid_rst`).
    pub ignore_invalid_rst: bool,
    /// So many repeated acknowledgements shorten the timeout (`nf_conntrack_tcp_max_retrans`).
    pub max_retrans: u8,
    /// For how long connections are remembered.
    pub timeouts: Timeouts,
}

impl Default for Settings {
    fn default() -> Self {
        Preset::default().settings()
    }
}

/// For how long connections are remembered without another packet, in nanoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timeouts {
    /// TCP: a SYN passed.
    pub syn_sent: i64,
    /// TCP: a SYN of each end passed. Linux has no sysctl for it.
    pub syn_sent2: i64,
    /// TCP: the SYN-ACK passed.
    pub syn_recv: i64,
    /// TCP: the handshake is complete.
    pub established: i64,
    /// TCP: a FIN passed.
    pub fin_wait: i64,
    /// TCP: the acknowledgement of a FIN passed.
    pub close_wait: i64,
    /// TCP: both FINs passed.
    pub last_ack: i64,
    /// TCP: the last acknowledgement passed.
    pub time_wait: i64,
    /// TCP: a RST passed.
    pub close: i64,
    /// TCP: at most this after repeated acknowledgements.
    pub max_retrans: i64,
    /// TCP: at most this while data is not acknowledged.
    pub unacknowledged: i64,
    /// UDP that nobody answered, or that is younger than two seconds.
    pub udp: i64,
    /// UDP both ways.
    pub udp_stream: i64,
    /// ICMP and `ICMPv6`.
    pub icmp: i64,
    /// All other protocols.
    pub generic: i64,
}

impl Timeouts {
    /// Those of Linux (Documentation/networking/nf_conntrack-sysctl.rst, kernel 6.18).
    pub(super) const LINUX: Self = Self {
        syn_sent: 120 * SECOND,
        syn_sent2: 120 * SECOND,
        syn_recv: 60 * SECOND,
        established: 432_000 * SECOND,
        fin_wait: 120 * SECOND,
        close_wait: 60 * SECOND,
        last_ack: 30 * SECOND,
        time_wait: 120 * SECOND,
        close: 10 * SECOND,
        max_retrans: 300 * SECOND,
        unacknowledged: 300 * SECOND,
        udp: 30 * SECOND,
        udp_stream: 120 * SECOND,
        icmp: 30 * SECOND,
        generic: 600 * SECOND,
    };

    /// That of a state of TCP.
    pub(super) fn of(&self, state: State) -> i64 {
        match state {
            State::None | State::SynSent => self.syn_sent,
            State::SynSent2 => self.syn_sent2,
            State::SynRecv => self.syn_recv,
            State::Established => self.established,
            State::FinWait => self.fin_wait,
            State::CloseWait => self.close_wait,
            State::LastAck => self.last_ack,
            State::TimeWait => self.time_wait,
            State::Close => self.close,
        }
    }
}

/// What a sites file says of a firewall: a preset, and what is different.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Rule {
    /// What the others are taken from.
    pub preset: Option<Preset>,
    /// What it does with packets out of state.
    pub policy: Option<Policy>,
    /// It picks up TCP connections in their middle.
    pub loose: Option<bool>,
    /// It does not judge sequence numbers.
    pub liberal: Option<bool>,
    /// It does not judge sequence numbers of RST.
    pub ignore_invalid_rst: Option<bool>,
    /// So many repeated acknowledgements shorten the timeout.
    pub max_retrans: Option<u8>,
    /// For how long connections are remembered, in seconds.
    #[serde(default)]
    pub timeouts: TimeoutsRule,
}

/// Timeouts of a sites file, in seconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case", default)]
pub struct TimeoutsRule {
    /// TCP: a SYN passed.
    pub syn_sent: Option<u32>,
    /// TCP: a SYN of each end passed.
    pub syn_sent2: Option<u32>,
    /// TCP: the SYN-ACK passed.
    pub syn_recv: Option<u32>,
    /// TCP: the handshake is complete.
    pub established: Option<u32>,
    /// TCP: a FIN passed.
    pub fin_wait: Option<u32>,
    /// TCP: the acknowledgement of a FIN passed.
    pub close_wait: Option<u32>,
    /// TCP: both FINs passed.
    pub last_ack: Option<u32>,
    /// TCP: the last acknowledgement passed.
    pub time_wait: Option<u32>,
    /// TCP: a RST passed.
    pub close: Option<u32>,
    /// TCP: at most this after repeated acknowledgements.
    pub max_retrans: Option<u32>,
    /// TCP: at most this while data is not acknowledged.
    pub unacknowledged: Option<u32>,
    /// UDP that nobody answered.
    pub udp: Option<u32>,
    /// UDP both ways.
    pub udp_stream: Option<u32>,
    /// ICMP and `ICMPv6`.
    pub icmp: Option<u32>,
    /// All other protocols.
    pub generic: Option<u32>,
}

impl Rule {
    /// The settings that come of it; `usual` is the preset of firewalls that name none.
    pub fn settings(&self, usual: Preset) -> Settings {
        let base = self.preset.unwrap_or(usual).settings();
        Settings {
            preset: base.preset,
            policy: self.policy.unwrap_or(base.policy),
            loose: self.loose.unwrap_or(base.loose),
            liberal: self.liberal.unwrap_or(base.liberal),
            ignore_invalid_rst: self.ignore_invalid_rst.unwrap_or(base.ignore_invalid_rst),
            max_retrans: self.max_retrans.unwrap_or(base.max_retrans),
            timeouts: self.timeouts.over(base.timeouts),
        }
    }
}

impl TimeoutsRule {
    fn over(&self, base: Timeouts) -> Timeouts {
        let seconds =
            |given: Option<u32>, usual: i64| given.map_or(usual, |s| i64::from(s) * SECOND);
        Timeouts {
            syn_sent: seconds(self.syn_sent, base.syn_sent),
            syn_sent2: seconds(self.syn_sent2, base.syn_sent2),
            syn_recv: seconds(self.syn_recv, base.syn_recv),
            established: seconds(self.established, base.established),
            fin_wait: seconds(self.fin_wait, base.fin_wait),
            close_wait: seconds(self.close_wait, base.close_wait),
            last_ack: seconds(self.last_ack, base.last_ack),
            time_wait: seconds(self.time_wait, base.time_wait),
            close: seconds(self.close, base.close),
            max_retrans: seconds(self.max_retrans, base.max_retrans),
            unacknowledged: seconds(self.unacknowledged, base.unacknowledged),
            udp: seconds(self.udp, base.udp),
            udp_stream: seconds(self.udp_stream, base.udp_stream),
            icmp: seconds(self.icmp, base.icmp),
            generic: seconds(self.generic, base.generic),
        }
    }
}
