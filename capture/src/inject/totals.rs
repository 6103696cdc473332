//! What became of the frames that were to be put on an interface, and how to say it.

use std::fmt::Write as _;

use super::HEADER;

/// What became of frames.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// The interface.
    pub name: String,
    /// Handed to the system.
    pub sent: u64,
    /// The same in bytes.
    pub bytes: u64,
    /// Longer than the interface takes.
    pub too_long: u64,
    /// The longest of those, in bytes.
    pub longest: usize,
    /// The interface was down, or away.
    pub down: u64,
    /// The system had no room for them, though it was given time.
    pub no_room: u64,
    /// Refused for another reason, the last of which is told.
    pub refused: u64,
    /// What the system said then.
    pub reason: String,
    /// Came when the end was asked for, and it was not their time yet.
    pub left: u64,
    /// Dropped by the system behind the interface.
    pub dropped: u64,
    /// What made the interface: `veth` has another end.
    pub kind: Option<String>,
}

impl Totals {
    /// Nothing was lost that is known of.
    pub fn is_complete(&self) -> bool {
        self.too_long + self.down + self.no_room + self.refused + self.dropped == 0
    }

    /// What people should know of what was not sent, a line each; with commands where there is one that mends it.
    pub fn complaints(&self) -> Vec<String> {
        let Self { name, .. } = self;
        let is_veth = self.kind.as_deref() == Some("veth");
        let mut lines = Vec::new();
        if self.too_long > 0 {
            let mtu = self.longest.saturating_sub(HEADER);
            let mut line = format!(
                "{name}: {} frames are longer than its MTU and were not sent, the longest has {} bytes: sudo ip link set {name} \
                 mtu {mtu}",
                self.too_long, self.longest
            );
            if is_veth {
                line.push_str(", and the same at its other end");
            }
            lines.push(line);
        }
        if self.dropped > 0 {
            let mut line = format!(
                "{name}: the system dropped {} frames behind it",
                self.dropped
            );
            if is_veth {
                line.push_str(": its other end is down, or has a smaller MTU (ip link show)");
            }
            lines.push(line);
        }
        if self.down > 0 {
            lines.push(format!(
                "{name}: {} frames were not sent while it was down or away",
                self.down
            ));
        }
        if self.no_room > 0 {
            lines.push(format!(
                "{name}: {} frames were not sent because its queue was full; slow down (--pace), or send less (--filter, --dedup)",
                self.no_room
            ));
        }
        if self.refused > 0 {
            let mut line = format!("{name}: {} frames were refused", self.refused);
            let _ = write!(line, ", the last one because: {}", self.reason);
            lines.push(line);
        }
        if self.left > 0 {
            lines.push(format!(
                "{name}: {} frames were left when the end was asked for",
                self.left
            ));
        }
        lines
    }
}
