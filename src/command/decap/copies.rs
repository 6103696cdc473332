//! Packets that went the same way before: each is to arrive once, however many points saw it and however often a mirror brought it.
//!
//! The engine knows a packet again wherever it shows, and a mirror's copy from a retransmission. What is left to know here is
//! what went to one place: a packet that another place got is missing here, not there already.

use std::collections::VecDeque;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use mirrorscope_engine::point::PointId;
use mirrorscope_engine::receive::Mirrored;
use mirrorscope_engine::table::Map;
use mirrorscope_engine::time::{SECOND, Timestamp};
use mirrorscope_engine::track::{Sight, Tracked};

/// A packet is remembered for this long after it came first, as the engine does.
const WINDOW: i64 = 2 * SECOND;
/// Packets that belong to no flow (ARP) are copies if they are equal and so close: nobody asks again that soon.
const SOON: i64 = SECOND / 10;
/// Packets remembered at once.
const MOST: usize = 1 << 18;

/// What went to one place.
#[derive(Debug, Default)]
pub struct Copies {
    known: Map<u64, Known>,
    /// The same in the order in which they came.
    order: VecDeque<(Timestamp, u64)>,
    /// Copies that were told.
    pub told: u64,
}

/// A packet.
#[derive(Debug)]
struct Known {
    last: Timestamp,
    /// How often it was sent: the most that one point saw.
    sends: u32,
    /// How often each point saw it.
    points: Vec<(PointId, u32)>,
}

impl Copies {
    /// Whether a packet went here before. `tracked`: how the engine took it, if it belongs to a flow.
    pub fn has(&mut self, mirrored: &Mirrored<'_>, tracked: Option<Tracked>) -> bool {
        let is_copy = match tracked {
            Some(tracked) => self.has_sight(mirrored, tracked),
            None => self.has_equal(mirrored),
        };
        self.told += u64::from(is_copy);
        is_copy
    }

    fn has_sight(&mut self, mirrored: &Mirrored<'_>, tracked: Tracked) -> bool {
        if let Sight::Duplicate | Sight::Again = tracked.sight {
            return true;
        }
        let point = mirrored.shown.point;
        let known = self.known(tracked.identity(), mirrored.shown.arrival);
        let seen = known.points.iter_mut().find(|(known, _)| *known == point);
        let seen = if let Some((_, seen)) = seen {
            *seen += 1;
            *seen
        } else {
            known.points.push((point, 1));
            1
        };
        let is_copy = seen <= known.sends;
        known.sends = known.sends.max(seen);
        is_copy
    }

    /// The same of a packet that only its bytes tell from others.
    fn has_equal(&mut self, mirrored: &Mirrored<'_>) -> bool {
        let mut hash = DefaultHasher::new();
        mirrored.inner.bytes.hash(&mut hash);
        let now = mirrored.shown.arrival;
        let known = self.known(hash.finish(), now);
        let is_copy = known.sends > 0 && now.since(known.last).abs() < SOON;
        known.sends = 1;
        known.last = now;
        is_copy
    }

    /// What is known of a packet; what is too old, or too much, is forgotten.
    fn known(&mut self, id: u64, now: Timestamp) -> &mut Known {
        while let Some((first, oldest)) = self.order.front()
            && (now.since(*first) > WINDOW || self.order.len() >= MOST)
        {
            self.known.remove(oldest);
            self.order.pop_front();
        }
        let order = &mut self.order;
        self.known.entry(id).or_insert_with(|| {
            order.push_back((now, id));
            Known {
                last: now,
                sends: 0,
                points: Vec::new(),
            }
        })
    }
}
