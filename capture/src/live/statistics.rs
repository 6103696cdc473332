//! What interfaces delivered and lost, and what happened to them.

use super::Via;
use super::interface::ANY;

/// What one interface delivered and lost since the start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InterfaceStatistics {
    /// Index into the interfaces of its source.
    pub interface: u32,
    /// Its name; `any` for all interfaces together. The name may hold control characters.
    pub name: String,
    /// How its frames are received.
    pub via: Via,
    /// It exists and is up.
    pub present: bool,
    /// Frames that were handed out.
    pub frames: u64,
    /// Frames that this host lost.
    pub dropped: Dropped,
}

/// Frames that this host lost, by the place that was full.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dropped {
    /// The kernel's ring.
    pub kernel: u64,
    /// A socket's buffer.
    pub socket: u64,
    /// The own queue behind several receiving threads.
    pub queue: u64,
}

impl Dropped {
    /// All of them.
    pub fn total(&self) -> u64 {
        self.kernel
            .saturating_add(self.socket)
            .saturating_add(self.queue)
    }

    /// Counts those of another part of the same interface, too.
    pub(crate) fn add(&mut self, other: Self) {
        self.kernel = self.kernel.saturating_add(other.kernel);
        self.socket = self.socket.saturating_add(other.socket);
        self.queue = self.queue.saturating_add(other.queue);
    }
}

/// Something that happened to an interface: it is gone, back, or has another name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// When it was noticed, in nanoseconds since the Unix epoch.
    pub time: i64,
    /// The interface, by the name that it had until then. It may hold control characters.
    pub interface: String,
    /// What, in plain words and one line.
    pub text: String,
}

/// What a ring of all interfaces lost, shared out among them.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    /// For each interface, its frames when shares were made last, and its share of what was lost until then.
    before: Vec<(u64, u64)>,
    /// The sum of all shares.
    shared: u64,
}

impl Shares {
    /// Moves what the row of all interfaces lost to the others, and takes it away if it says nothing more.
    pub fn apply(&mut self, rows: &mut Vec<InterfaceStatistics>) {
        let Some((all, rest)) = rows.split_first_mut().filter(|(all, rest)| {
            // A ring of all interfaces is the only one.
            all.name == ANY && all.frames == 0 && !rest.is_empty()
        }) else {
            return;
        };
        self.before.resize(rest.len(), (0, 0));
        let lost = all.dropped.kernel.saturating_sub(self.shared);
        let brought = |row: &InterfaceStatistics, before: u64| row.frames.saturating_sub(before);
        let weights: Vec<u64> = rest
            .iter()
            .zip(&self.before)
            .map(|(row, (frames, _))| brought(row, *frames))
            .collect();
        let sum: u64 = weights.iter().sum();
        let most = weights
            .iter()
            .enumerate()
            .max_by_key(|(_, weight)| **weight);
        let most = most.map(|(place, _)| place);
        let mut left = lost;
        for ((_, share), weight) in self.before.iter_mut().zip(&weights) {
            let part = u128::from(lost) * u128::from(*weight) / u128::from(sum.max(1));
            *share += part as u64;
            left -= part as u64;
        }
        // What rounding has left over.
        if let Some((_, share)) = most.and_then(|place| self.before.get_mut(place)) {
            *share += left;
        }
        self.shared += lost;
        for (row, (frames, share)) in rest.iter_mut().zip(&mut self.before) {
            *frames = row.frames;
            row.dropped.kernel += *share;
        }
        rows.remove(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(interface: u32, name: &str, frames: u64, kernel: u64) -> InterfaceStatistics {
        InterfaceStatistics {
            interface,
            name: name.to_owned(),
            via: Via::Ring,
            present: true,
            frames,
            dropped: Dropped {
                kernel,
                ..Dropped::default()
            },
        }
    }

    fn told(rows: &[InterfaceStatistics]) -> Vec<(&str, u64)> {
        let told = rows.iter();
        told.map(|row| (row.name.as_str(), row.dropped.kernel))
            .collect()
    }

    #[test]
    fn what_all_interfaces_lost_is_shared_out_by_what_they_brought_meanwhile() {
        let mut shares = Shares::default();
        let mut rows = vec![row(0, ANY, 0, 7)];
        shares.apply(&mut rows);
        assert_eq!(told(&rows), [(ANY, 7)]);

        let mut rows = vec![row(0, ANY, 0, 11), row(1, "a", 300, 0), row(2, "b", 100, 0)];
        shares.apply(&mut rows);
        assert_eq!(told(&rows), [("a", 9), ("b", 2)]);
        assert_eq!(rows[0].interface, 1);

        let mut rows = vec![
            row(0, ANY, 0, 21),
            row(1, "a", 300, 0),
            row(2, "b", 200, 0),
            row(3, "c", 0, 0),
        ];
        shares.apply(&mut rows);
        assert_eq!(told(&rows), [("a", 9), ("b", 12), ("c", 0)]);
        shares.apply(&mut rows);
        assert_eq!(told(&rows), [("a", 9), ("b", 12), ("c", 0)]);

        let mut rows = vec![row(0, "a", 5, 3), row(1, "b", 5, 4)];
        Shares::default().apply(&mut rows);
        assert_eq!(told(&rows), [("a", 3), ("b", 4)]);
    }
}
