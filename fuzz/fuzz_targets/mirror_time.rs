//! Any time stamps, at any times of arrival: a clock that gives times near arrival, or none.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use mirrorscope_dissectors::{DeviceTime, Granularity};
use mirrorscope_engine::clock::{Clock, Epoch};
use mirrorscope_engine::time::Timestamp;

#[derive(Arbitrary, Debug)]
struct Input {
    /// Granularity, and whether there are upper bits or seconds.
    form: u8,
    /// Step of the counter, step of arrival, form of a stranger, a marker before it.
    steps: Vec<(i32, i32, Option<u8>, bool)>,
    start: (u64, u32),
}

fn stamp(form: u8, counter: u64) -> DeviceTime {
    match form & 7 {
        6 | 7 => DeviceTime::Seconds {
            seconds: (counter >> 30) as u32,
            nanoseconds: (counter & 0x3fff_ffff) as u32,
            bits: if form & 8 == 0 { 32 } else { 16 },
            tai: form & 1 == 1,
        },
        other => DeviceTime::Ticks {
            low: counter as u32,
            high: (form & 8 != 0).then_some((counter >> 32) as u32),
            granularity: match other {
                0 => Granularity::Microseconds100,
                1 => Granularity::Nanoseconds100,
                2 => Granularity::Ieee1588,
                _ => Granularity::Platform,
            },
        },
    }
}

fuzz_target!(|input: Input| {
    let (mut counter, seconds) = input.start;
    let mut arrival = i64::from(seconds) * 1_000_000_000;
    let Some(mut clock) = Clock::new(stamp(input.form, counter)) else {
        return;
    };
    for (step, wait, stranger, marked) in input.steps {
        counter = counter.wrapping_add_signed(step.into());
        arrival = arrival.saturating_add(wait.into());
        if marked {
            clock.mark(counter as u32, Timestamp(arrival), Timestamp(arrival));
        }
        let form = stranger.unwrap_or(input.form);
        let _ = clock.push(stamp(form, counter), Timestamp(arrival));
        if clock.epoch() == Epoch::Unknown {
            assert_eq!(clock.offset(), None);
        }
        let _ = (clock.unit(), clock.declared(), clock.bits());
    }
});
