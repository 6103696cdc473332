//! The clock of a mirroring device, from the time stamps that its packets bring.
//!
//! What a header says of its time stamps is a claim: devices send other units than they declare, counters that
//! wrap within seconds, and times since their start. [`Clock`] compares the counter with arrival, settles on the unit
//! that fits, and gives each packet the time at which it was mirrored:
//!
//! * on Unix time, where the counter agrees with arrival as it is, or a marker packet ties it to UTC;
//! * else on the collector's time: the counter's steps, anchored to the packets that came through fastest. Such times
//!   are free of the jitter of arrival but tell no order among packets of two devices that arrival does not tell.

mod trial;

use mirrorscope_dissectors::{DeviceTime, Granularity};

use crate::time::{SECOND, Timestamp};
use trial::{Opinion, Trial};

/// A counter this close to arrival is on Unix time.
const AGREES: i64 = SECOND;
/// A marker farther from arrival comes from a device whose time was never set.
const MARKER_AGREES: i64 = 60 * SECOND;
/// Counters that wrap sooner agree with arrival by chance.
const TELLING_WRAP: i64 = 36_000 * SECOND;
/// A packet of a proven clock may be this late, and this much faster than the fastest lately.
const LATE: i64 = 2 * SECOND;
const EARLY: i64 = SECOND / 4;
/// What is granted either way to a unit that is only declared.
const UNPROVEN: i64 = SECOND / 32;
/// A counter that was set anew must go on from there for as long.
const RESTARTED: i64 = SECOND / 50;
/// Two clocks differ in pace by less than one part in this many.
const DRIFT: i64 = 5_000;
/// The fastest way is looked for over this time, so that an anchor follows the drift of the clocks.
const WINDOW: i64 = 10 * SECOND;
/// Time stamps of another form, in a row, that mean another device.
const STRANGERS: u8 = 8;
/// TAI was ahead of UTC by this since 2017.
const TAI_AHEAD: i64 = 37 * SECOND;

/// Length of one tick, in femtoseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tick(u64);

impl Tick {
    /// 100 microseconds: ERSPAN III granularity 0.
    pub const MICROSECONDS_100: Self = Self(100_000_000_000);
    /// 100 nanoseconds: granularity 1.
    pub const NANOSECONDS_100: Self = Self(100_000_000);
    /// 1 nanosecond.
    pub const NANOSECOND: Self = Self(1_000_000);
    /// 100 picoseconds.
    pub const PICOSECONDS_100: Self = Self(100_000);
    /// Units that are known to be in use.
    const KNOWN: [Self; 4] = [
        Self::MICROSECONDS_100,
        Self::NANOSECONDS_100,
        Self::NANOSECOND,
        Self::PICOSECONDS_100,
    ];

    fn is_known(self) -> bool {
        Self::KNOWN.contains(&self)
    }

    /// Nanoseconds that so many ticks take, as far as an `i64` goes.
    fn time(self, ticks: i128) -> i64 {
        let time = ticks.saturating_mul(self.0.into()) / 1_000_000;
        time.clamp(i64::MIN.into(), i64::MAX.into()) as i64
    }

    /// Ticks in so many nanoseconds.
    fn count(self, time: i64) -> i128 {
        i128::from(time) * 1_000_000 / i128::from(self.0)
    }
}

/// `100us`, `0.1ns`, or what was measured: `2.4ns`, to four digits.
impl std::fmt::Display for Tick {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let nanoseconds = self.0 as f64 / 1e6;
        let (value, unit) = if nanoseconds >= 1e3 {
            (nanoseconds / 1e3, "us")
        } else {
            (nanoseconds, "ns")
        };
        let digits = (3 - value.log10().floor() as i32).clamp(0, 6) as usize;
        let text = format!("{value:.digits$}");
        let text = if text.contains('.') {
            text.trim_end_matches('0').trim_end_matches('.')
        } else {
            text.as_str()
        };
        write!(f, "{text}{unit}")
    }
}

/// What the times of a clock count from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Epoch {
    /// 1970, as far as the device's clock is set.
    Unix,
    /// Something of the device's own: times are anchored to arrival.
    Device,
    /// No unit fits: there are no times.
    Unknown,
}

impl Epoch {
    /// The name in output.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unix => "unix",
            Self::Device => "device",
            Self::Unknown => "unknown",
        }
    }
}

/// How a device writes its time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Form {
    /// Of the counter, or of its seconds.
    bits: u8,
    /// Seconds and nanoseconds.
    seconds: bool,
    /// Unit of a counter, in the device's words.
    granularity: Option<Granularity>,
}

impl Form {
    fn of(time: DeviceTime) -> Self {
        match time {
            DeviceTime::Ticks {
                high, granularity, ..
            } => Self {
                bits: if high.is_some() { 64 } else { 32 },
                seconds: false,
                granularity: Some(granularity),
            },
            DeviceTime::Seconds { bits, .. } => Self {
                bits: bits.clamp(1, 32),
                seconds: true,
                granularity: None,
            },
        }
    }

    /// Ticks after which the counter starts again.
    fn wrap(self) -> i128 {
        let unit = if self.seconds { SECOND } else { 1 };
        i128::from(unit) << self.bits
    }

    /// The unit that the device declares, if it declares one.
    fn declared(self) -> Option<Tick> {
        match self.granularity {
            Some(Granularity::Microseconds100) => Some(Tick::MICROSECONDS_100),
            Some(Granularity::Nanoseconds100) => Some(Tick::NANOSECONDS_100),
            // Nanoseconds of a second that the header has no room for.
            Some(Granularity::Ieee1588) | None => Some(Tick::NANOSECOND),
            Some(Granularity::Platform) => None,
        }
    }

    /// The counter's value. A device without a clock sends 0 in every packet.
    fn value(self, time: DeviceTime) -> Option<i128> {
        let value = match time {
            DeviceTime::Ticks { low, high, .. } => {
                i128::from(high.unwrap_or_default()) << 32 | i128::from(low)
            }
            DeviceTime::Seconds {
                seconds,
                nanoseconds,
                tai,
                ..
            } => {
                let time = i128::from(seconds) * i128::from(SECOND) + i128::from(nanoseconds);
                if time == 0 || i64::from(nanoseconds) >= SECOND {
                    return None;
                }
                let ahead = if tai { TAI_AHEAD } else { 0 };
                (time - i128::from(ahead)).rem_euclid(self.wrap())
            }
        };
        (value != 0).then_some(value)
    }
}

/// The clock of one mirror session.
#[derive(Clone, Debug)]
pub struct Clock {
    form: Form,
    tick: Option<Tick>,
    line: Option<Line>,
    /// Where a counter that left its line may go on.
    stray: Option<Line>,
    trial: Trial,
    strangers: u8,
    /// Times the counter started again at 0, those that no packet showed included.
    pub wraps: u64,
    /// Times the device set its counter anew.
    pub restarts: u64,
}

impl Clock {
    /// The clock that a first time stamp belongs to; `None` if it is no time.
    pub fn new(time: DeviceTime) -> Option<Self> {
        let form = Form::of(time);
        form.value(time)?;
        Some(Self {
            form,
            tick: form.declared(),
            line: None,
            stray: None,
            trial: Trial::default(),
            strangers: 0,
            wraps: 0,
            restarts: 0,
        })
    }

    /// Takes the time stamp of a packet. Gives the time of mirroring, if the clock is good and the stamp fits it.
    pub fn push(&mut self, time: DeviceTime, arrival: Timestamp) -> Option<Timestamp> {
        if Form::of(time) != self.form {
            // A cut sub-header takes half of a stamp away.
            self.strangers = self.strangers.saturating_add(1);
            if self.strangers >= STRANGERS
                && let Some(fresh) = Self::new(time)
            {
                *self = fresh;
            }
            return None;
        }
        self.strangers = 0;
        let value = self.form.value(time)?;
        self.judge(value, arrival);
        self.place(value, arrival)
    }

    /// Takes a marker: the counter's low 32 bits, and UTC when it stood there.
    pub fn mark(&mut self, counter: u32, utc: Timestamp, arrival: Timestamp) {
        let (Some(tick), 32, false) = (self.tick, self.form.bits, self.form.seconds) else {
            return;
        };
        let transit = arrival.since(utc);
        if transit.saturating_abs() > MARKER_AGREES {
            return;
        }
        let origin = i128::from(counter);
        let scale = Scale {
            tick,
            wrap: self.form.wrap(),
            proven: self.proven(),
        };
        if let Some(line) = &self.line
            && scale.proven
            && line.locate(origin, scale, arrival).is_none()
        {
            return;
        }
        let line = Line {
            origin,
            origin_time: utc,
            unix: true,
            turn: 0,
            last: arrival,
            fastest: Fastest::new(arrival, transit),
        };
        self.line = Some(match self.line.take() {
            // Tied before: what is known of the way stays.
            Some(old) if old.unix => Line {
                fastest: old.fastest,
                ..line
            },
            _ => line,
        });
    }

    /// What the times count from.
    pub fn epoch(&self) -> Epoch {
        match (&self.tick, &self.line) {
            (Some(_), Some(line)) if line.unix => Epoch::Unix,
            (Some(_), Some(_)) => Epoch::Device,
            _ => Epoch::Unknown,
        }
    }

    /// The unit in use.
    pub fn unit(&self) -> Option<Tick> {
        self.tick
    }

    /// The unit that the device declares in a form that has only one meaning.
    pub fn declared(&self) -> Option<Tick> {
        self.form.declared()
    }

    /// Bits of the counter, or of the seconds where these are sent apart.
    pub fn bits(&self) -> u8 {
        self.form.bits
    }

    /// By how much arrival is behind a clock on Unix time, in nanoseconds: the way of the fastest packet lately, and
    /// what the clocks of device and collector differ by.
    pub fn offset(&self) -> Option<i64> {
        let line = self.line.as_ref().filter(|line| line.unix)?;
        Some(line.fastest.transit())
    }

    /// Whether more than a declaration or one packet speaks for the unit.
    fn proven(&self) -> bool {
        let unix = self.line.as_ref().is_some_and(|line| line.unix);
        unix || self.tick.is_some_and(|tick| self.trial.confirms(tick))
    }

    /// Lets the counter's steps confirm or change the unit.
    fn judge(&mut self, value: i128, arrival: Timestamp) {
        let nanoseconds =
            Some(Tick::NANOSECOND).filter(|_| self.line.is_none() && self.form.bits == 64);
        if let Some(tick) = nanoseconds
            && Line::on_unix_time(value, self.form, tick, arrival).is_some()
        {
            self.tick = Some(tick);
        }
        let opinion = if self.form.seconds {
            Opinion::Keep
        } else {
            self.trial.push(value, self.form.wrap(), arrival, self.tick)
        };
        let tick = match opinion {
            Opinion::Keep => return,
            Opinion::Change(tick) => Some(tick),
            Opinion::Drop => None,
        };
        if self.tick.is_none_or(Tick::is_known) {
            // What a wrong unit counted was nothing.
            self.wraps = 0;
            self.restarts = 0;
        }
        self.tick = tick;
        self.line = None;
        self.stray = None;
    }

    fn place(&mut self, value: i128, arrival: Timestamp) -> Option<Timestamp> {
        let scale = Scale {
            tick: self.tick?,
            wrap: self.form.wrap(),
            proven: self.proven(),
        };
        let start = || Line::start(value, self.form, scale.tick, arrival);
        let line = self.line.get_or_insert_with(start);
        if let Some((time, wraps)) = line.place(value, scale, arrival) {
            self.stray = None;
            self.wraps = self.wraps.saturating_add(wraps);
            return Some(time);
        }
        match &mut self.stray {
            Some(stray) if stray.locate(value, scale, arrival).is_some() => {
                if arrival.since(stray.last) >= RESTARTED {
                    self.line = self.stray.take();
                    self.restarts += 1;
                    return self
                        .line
                        .as_mut()?
                        .place(value, scale, arrival)
                        .map(|p| p.0);
                }
            }
            _ => self.stray = Some(start()),
        }
        None
    }
}

/// How to read a counter.
#[derive(Clone, Copy)]
struct Scale {
    tick: Tick,
    wrap: i128,
    proven: bool,
}

/// How a counter maps to time.
#[derive(Clone, Debug)]
struct Line {
    /// The counter, unwrapped, at `origin_time`.
    origin: i128,
    origin_time: Timestamp,
    /// Times are Unix times, not the collector's.
    unix: bool,
    /// Highest number of wraps.
    turn: i128,
    /// Arrival of the packet placed last.
    last: Timestamp,
    fastest: Fastest,
}

impl Line {
    /// The line through one packet.
    fn start(value: i128, form: Form, tick: Tick, arrival: Timestamp) -> Self {
        let unix = Self::on_unix_time(value, form, tick, arrival);
        unix.unwrap_or_else(|| Self {
            origin: value,
            origin_time: arrival,
            unix: false,
            turn: 0,
            last: arrival,
            fastest: Fastest::new(arrival, 0),
        })
    }

    /// The line of a counter since 1970, if the packet lies on it.
    fn on_unix_time(value: i128, form: Form, tick: Tick, arrival: Timestamp) -> Option<Self> {
        let wrap = form.wrap();
        if !tick.is_known() || tick.time(wrap) < TELLING_WRAP {
            return None;
        }
        // Whether seconds are TAI's is often not told, or told wrongly.
        let shifts: &[i64] = if form.seconds {
            &[0, -TAI_AHEAD, TAI_AHEAD]
        } else {
            &[0]
        };
        shifts.iter().find_map(|&shift| {
            let count = nearest(tick.count(arrival.0.saturating_sub(shift)), value, wrap);
            let transit = arrival.since(Timestamp(tick.time(count)).plus(shift));
            (transit.saturating_abs() <= AGREES).then(|| Self {
                origin: 0,
                origin_time: Timestamp(shift),
                unix: true,
                turn: count.div_euclid(wrap),
                last: arrival,
                fastest: Fastest::new(arrival, transit),
            })
        })
    }

    /// The time on the line, and the unwrapped counter; `None` if the packet does not lie on it.
    fn locate(&self, value: i128, scale: Scale, arrival: Timestamp) -> Option<(Timestamp, i128)> {
        let Scale { tick, wrap, proven } = scale;
        let expected = arrival.plus(self.fastest.transit().saturating_neg());
        let expected_count = self.origin + tick.count(expected.since(self.origin_time));
        let count = nearest(expected_count, value, wrap);
        let time = self.origin_time.plus(tick.time(count - self.origin));
        let late = expected.since(time);
        let most = tick.time(wrap) / 4;
        let drift = arrival.since(self.last).saturating_abs() / DRIFT + tick.time(1);
        let (latest, earliest) = if proven {
            (LATE, EARLY)
        } else {
            (UNPROVEN, UNPROVEN)
        };
        let fits = late <= latest.min(most).saturating_add(drift)
            && late >= -earliest.min(most).saturating_add(drift);
        fits.then_some((time, count))
    }

    /// The time of mirroring, and how often the counter has wrapped since the packet before.
    fn place(&mut self, value: i128, scale: Scale, arrival: Timestamp) -> Option<(Timestamp, u64)> {
        let (time, count) = self.locate(value, scale, arrival)?;
        self.last = arrival;
        self.fastest.note(arrival, arrival.since(time));
        let turn = count.div_euclid(scale.wrap);
        let wraps = (turn - self.turn).max(0);
        self.turn = self.turn.max(turn);
        let time = if self.unix {
            time
        } else {
            time.plus(self.fastest.transit())
        };
        Some((time, u64::try_from(wraps).unwrap_or(u64::MAX)))
    }
}

/// The value nearest to `expected` of those that leave `value` behind after `wrap`.
fn nearest(expected: i128, value: i128, wrap: i128) -> i128 {
    let ahead = (value - expected).rem_euclid(wrap);
    if ahead > wrap / 2 {
        expected + ahead - wrap
    } else {
        expected + ahead
    }
}

/// The shortest way from the device to here of the last one or two windows.
#[derive(Clone, Debug)]
struct Fastest {
    since: Timestamp,
    before: i64,
    now: i64,
}

impl Fastest {
    fn new(arrival: Timestamp, transit: i64) -> Self {
        Self {
            since: arrival,
            before: transit,
            now: transit,
        }
    }

    fn transit(&self) -> i64 {
        self.before.min(self.now)
    }

    fn note(&mut self, arrival: Timestamp, transit: i64) {
        let age = arrival.since(self.since);
        if age > 2 * WINDOW {
            *self = Self::new(arrival, transit);
        } else if age > WINDOW {
            self.before = self.now;
            self.now = transit;
            self.since = arrival;
        } else {
            self.now = self.now.min(transit);
        }
    }
}

#[cfg(test)]
mod tests;
