//! Interface description blocks: what the packets of an interface are, and how its clock counts.

use super::block::{BODY, Order};

/// Where the options begin: behind link type, two reserved bytes and the snap length.
const OPTIONS: usize = BODY + 8;
/// Longer names are cut, so that a hostile file cannot fill the memory with them.
const MAX_TEXT: usize = 256;

/// What an interface description block says.
pub(super) struct Declaration {
    pub link_type: u16,
    /// Bytes a packet is cut to, 0 if it is not.
    pub snaplen: u32,
    pub clock: Clock,
    pub name: Option<String>,
    pub description: Option<String>,
}

impl Declaration {
    /// Reads a whole block; None if it is too short to be one.
    ///
    /// Options that contradict themselves end the options, nothing worse: the packets can be read.
    pub fn parse(order: Order, block: &[u8]) -> Option<Self> {
        let body = block.get(..block.len().checked_sub(4)?)?;
        let mut options = body.get(OPTIONS..)?;
        let mut declaration = Self {
            link_type: order.u16(body, BODY)?,
            snaplen: order.u32(body, BODY + 4)?,
            clock: Clock::default(),
            name: None,
            description: None,
        };
        while let (Some(code), Some(len)) = (order.u16(options, 0), order.u16(options, 2)) {
            let len = usize::from(len);
            let Some(value) = options.get(4..4 + len) else {
                break;
            };
            match code {
                0 => break,
                2 => declaration.name = Some(text(value)),
                3 => declaration.description = Some(text(value)),
                9 => {
                    if let Some(&resolution) = value.first() {
                        declaration.clock.unit = Unit::parse(resolution);
                    }
                }
                14 => {
                    let seconds = order.i64(value, 0).unwrap_or_default();
                    declaration.clock.offset = i128::from(seconds) * SECOND;
                }
                _ => {}
            }
            options = options
                .get(4 + len.next_multiple_of(4)..)
                .unwrap_or_default();
        }
        Some(declaration)
    }
}

/// Text of an option. Some writers count a closing zero in.
fn text(value: &[u8]) -> String {
    let value = &value[..value.len().min(MAX_TEXT)];
    let text = String::from_utf8_lossy(value);
    let text = text.trim_end_matches('\0');
    // Bytes that are no text became longer.
    text[..text.floor_char_boundary(MAX_TEXT)].to_owned()
}

/// Nanoseconds in a second.
const SECOND: i128 = 1_000_000_000;

/// How an interface counts time.
#[derive(Clone, Copy)]
pub(super) struct Clock {
    unit: Unit,
    /// Nanoseconds to add (`if_tsoffset` has seconds).
    offset: i128,
}

/// What one tick is (`if_tsresol`).
#[derive(Clone, Copy)]
enum Unit {
    /// So many nanoseconds.
    Nanos(u64),
    /// So many are a nanosecond; the largest number stands for those beyond.
    PerNano(i128),
    /// Two to this power are a second.
    Binary(u32),
}

impl Default for Clock {
    /// Microseconds since 1970, as the format has it when a block does not say.
    fn default() -> Self {
        Self {
            unit: Unit::Nanos(1000),
            offset: 0,
        }
    }
}

impl Clock {
    /// The time of a packet in nanoseconds since the Unix epoch; what does not fit becomes the
    /// nearest that does.
    #[inline]
    pub fn nanos(&self, ticks: u64) -> i64 {
        if let Unit::Nanos(unit) = self.unit
            && self.offset == 0
        {
            return i64::try_from(ticks.saturating_mul(unit)).unwrap_or(i64::MAX);
        }
        let nanos = match self.unit {
            Unit::Nanos(unit) => i128::from(ticks) * i128::from(unit),
            Unit::PerNano(count) => i128::from(ticks) / count,
            // 64 bits of ticks and 30 of a second's nanoseconds fit; a power beyond leaves 0.
            Unit::Binary(power) => (i128::from(ticks) * SECOND) >> power,
        };
        let (min, max) = (i128::from(i64::MIN), i128::from(i64::MAX));
        (nanos + self.offset).clamp(min, max) as i64
    }
}

impl Unit {
    fn parse(resolution: u8) -> Self {
        let power = u32::from(resolution & 0x7f);
        if resolution & 0x80 != 0 {
            Self::Binary(power)
        } else if power <= 9 {
            Self::Nanos(10_u64.pow(9 - power))
        } else {
            Self::PerNano(10_i128.checked_pow(power - 9).unwrap_or(i128::MAX))
        }
    }
}
