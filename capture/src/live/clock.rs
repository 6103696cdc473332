//! The system's clock, by which frames are stamped.

use std::time::{SystemTime, UNIX_EPOCH};

/// The time, in nanoseconds since the Unix epoch.
pub fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_nanos() as i64)
}
