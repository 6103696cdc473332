use proptest::prelude::*;

use super::*;

/// 2023-11-14T22:13:20Z.
const START: i64 = 1_700_000_000 * SECOND;
const MILLISECOND: i64 = SECOND / 1000;
/// The way from device to collector.
const WAY: i64 = 300_000;

/// A device whose counter of `bits` bits stood at `start` at [`START`].
#[derive(Clone, Copy)]
struct Device {
    femtoseconds: i128,
    start: i128,
    bits: u32,
    says: Granularity,
}

impl Device {
    fn stamp(&self, time: i64) -> DeviceTime {
        let ticks = self.start + i128::from(time - START) * 1_000_000 / self.femtoseconds;
        let low = ticks as u32;
        DeviceTime::Ticks {
            low,
            high: (self.bits == 64).then_some((ticks >> 32) as u32),
            granularity: self.says,
        }
    }
}

const fn device(tick: Tick, says: Granularity) -> Device {
    Device {
        femtoseconds: tick.0 as i128,
        start: 0xffff_0000,
        bits: 32,
        says,
    }
}

/// Sends packets at the given nanoseconds after [`START`], each delayed by [`WAY`] and its jitter. Gives by how much
/// the mirror's times are off, where there are any.
fn run(clock: &mut Option<Clock>, device: Device, packets: &[(i64, i64)]) -> Vec<Option<i64>> {
    let off = |&(after, jitter): &(i64, i64)| {
        let sent = START + after;
        let stamp = device.stamp(sent);
        let arrival = Timestamp(sent + WAY + jitter);
        if clock.is_none() {
            *clock = Clock::new(stamp);
        }
        let time = clock.as_mut()?.push(stamp, arrival)?;
        Some(time.0 - sent)
    };
    packets.iter().map(off).collect()
}

/// Packets each `step`, that arrive in batches of `batch`.
fn packets(count: i64, step: i64, batch: i64) -> Vec<(i64, i64)> {
    (0..count)
        .map(|n| n * step)
        .map(|time| (time, batch - 1 - (time + batch - 1).rem_euclid(batch)))
        .collect()
}

#[track_caller]
fn all_within(times: &[Option<i64>], from: i64, to: i64) {
    for (index, time) in times.iter().enumerate() {
        assert!(
            time.is_some_and(|time| (from..=to).contains(&time)),
            "packet {index}: {time:?}"
        );
    }
}

#[test]
fn every_unit_is_used_from_the_first_packet_if_it_is_the_declared_one() {
    use Granularity::{Microseconds100, Nanoseconds100};
    for (tick, says) in [
        (Tick::MICROSECONDS_100, Microseconds100),
        (Tick::NANOSECONDS_100, Nanoseconds100),
    ] {
        let mut clock = None;
        let times = run(
            &mut clock,
            device(tick, says),
            &packets(2000, 3 * MILLISECOND, 10 * MILLISECOND),
        );
        // The first packet of all came a batch late, at worst.
        all_within(&times, WAY - 100_000, WAY + 10 * MILLISECOND);
        all_within(&times[5..], WAY - 100_000, WAY + 200_000);
        let clock = clock.unwrap();
        assert_eq!((clock.unit(), clock.epoch()), (Some(tick), Epoch::Device));
        assert_eq!((clock.offset(), clock.restarts), (None, 0));
    }
}

#[test]
fn a_unit_other_than_the_declared_one_is_found() {
    use Granularity::{Ieee1588, Microseconds100, Nanoseconds100, Platform};
    let all = [
        Tick::MICROSECONDS_100,
        Tick::NANOSECONDS_100,
        Tick::NANOSECOND,
        Tick::PICOSECONDS_100,
    ];
    for tick in all {
        for says in [Microseconds100, Nanoseconds100, Ieee1588, Platform] {
            for (count, step) in [(4000, 2 * MILLISECOND), (30, 1_999_942_168)] {
                let mut clock = None;
                let times = run(
                    &mut clock,
                    device(tick, says),
                    &packets(count, step, 10 * MILLISECOND),
                );
                let clock = clock.unwrap();
                assert_eq!(clock.unit(), Some(tick), "{says:?}, {step}");
                assert_eq!(clock.epoch(), Epoch::Device);
                let late = &times[times.len() * 3 / 4..];
                all_within(late, 0, WAY + 10 * MILLISECOND);
            }
        }
    }
}

#[test]
fn a_unit_of_the_devices_own_is_measured() {
    let odd = Device {
        femtoseconds: 2_400_000,
        ..device(Tick::NANOSECOND, Granularity::Platform)
    };
    for (count, step) in [(20_000, MILLISECOND), (100, 1_024_100_000)] {
        let mut clock = None;
        let times = run(&mut clock, odd, &packets(count, step, MILLISECOND));
        let clock = clock.unwrap();
        let tick = clock.unit().unwrap();
        assert!(tick.0.abs_diff(2_400_000) < 12_000, "{tick:?}");
        assert_eq!(clock.epoch(), Epoch::Device);
        all_within(
            &times[times.len() * 3 / 4..],
            -50 * MILLISECOND,
            50 * MILLISECOND,
        );
    }
}

#[test]
fn counters_since_1970_are_on_unix_time_at_once() {
    let truncated = Device {
        start: i128::from(START / 100_000),
        ..device(Tick::MICROSECONDS_100, Granularity::Microseconds100)
    };
    let whole = Device {
        femtoseconds: 1_000_000,
        start: i128::from(START),
        bits: 64,
        says: Granularity::Platform,
    };
    for (device, most) in [(truncated, 100_000), (whole, 0)] {
        let mut clock = None;
        let times = run(
            &mut clock,
            device,
            &packets(1000, 7 * MILLISECOND, 10 * MILLISECOND),
        );
        all_within(&times, -most, 0);
        let clock = clock.unwrap();
        assert_eq!(clock.epoch(), Epoch::Unix);
        let offset = clock.offset().unwrap();
        assert!((WAY..=WAY + most).contains(&offset), "{offset}");
    }
}

#[test]
fn seconds_are_unix_time_whether_or_not_they_are_told_to_be_tai() {
    for (bits, tai, ahead) in [
        (32, false, 0),
        (32, false, 37),
        (32, true, 37),
        (16, true, 0),
        (16, false, 0),
    ] {
        let stamp = |time: i64| DeviceTime::Seconds {
            seconds: ((time / SECOND + ahead) & ((1 << bits) - 1)) as u32,
            nanoseconds: (time % SECOND) as u32,
            bits,
            tai,
        };
        let mut clock = Clock::new(stamp(START)).unwrap();
        for after in [0, 1, SECOND, 70_000 * SECOND, 70_001 * SECOND] {
            let sent = START + after;
            let time = clock.push(stamp(sent), Timestamp(sent + WAY));
            assert_eq!(time, Some(Timestamp(sent)), "{bits} {tai} {ahead} {after}");
        }
        assert_eq!(clock.epoch(), Epoch::Unix);
        assert_eq!(clock.wraps, if bits == 16 { 2 } else { 0 });
    }
}

#[test]
fn wraps_are_followed_through_gaps_and_out_of_order() {
    for (tick, says, wrap) in [
        (
            Tick::NANOSECONDS_100,
            Granularity::Nanoseconds100,
            429_496_729_600,
        ),
        (Tick::NANOSECOND, Granularity::Ieee1588, 4_294_967_296),
    ] {
        let mut device = device(tick, says);
        device.start = 0xffff_ff00;
        let mut clock = None;
        let dense = packets(1000, 5 * MILLISECOND, 1);
        all_within(&run(&mut clock, device, &dense), WAY, WAY + 100);
        assert_eq!(
            clock.as_ref().unwrap().wraps,
            1 + 5 * SECOND as u64 / wrap as u64
        );
        // A gap of ten wraps and a half.
        let later = dense[999].0 + 10 * wrap + wrap / 2;
        let far: Vec<_> = dense.iter().map(|(time, _)| (later + time, 0)).collect();
        all_within(&run(&mut clock, device, &far), WAY, WAY + 100);
        let wraps = clock.as_ref().unwrap().wraps;
        assert!((11..=13).contains(&wraps), "{wraps}");
        // Two packets around the next wrap, the later one first.
        let now = far[999].0;
        let ticks = device.start + i128::from(now) * 1_000_000 / device.femtoseconds;
        let left = (-ticks).rem_euclid(1 << 32) * device.femtoseconds / 1_000_000;
        let turn = now + left as i64;
        let around = [(turn + 2000, 0), (turn - 2000, 6000), (turn + 4000, 0)];
        all_within(&run(&mut clock, device, &around), WAY - 100, WAY + 100);
        let clock = clock.unwrap();
        assert_eq!((clock.wraps - wraps, clock.restarts), (1, 0));
    }
}

#[test]
fn a_device_that_starts_again_is_followed() {
    let before = device(Tick::NANOSECONDS_100, Granularity::Nanoseconds100);
    let mut clock = None;
    let first = packets(500, 10 * MILLISECOND, 1);
    run(&mut clock, before, &first);
    let after = Device {
        start: 1_000_000_000,
        ..before
    };
    let second: Vec<_> = first
        .iter()
        .map(|(time, _)| (time + 60 * SECOND, 0))
        .collect();
    let times = run(&mut clock, after, &second);
    assert!(times[..2].iter().all(Option::is_none), "{:?}", &times[..5]);
    all_within(&times[3..], WAY - 100, WAY + 100);
    let clock = clock.unwrap();
    assert_eq!(clock.restarts, 1);
    assert_eq!(clock.unit(), Some(Tick::NANOSECONDS_100));
}

#[test]
fn one_late_batch_changes_nothing_and_is_put_right() {
    let device = device(Tick::NANOSECONDS_100, Granularity::Nanoseconds100);
    let mut sent = packets(1000, 5 * MILLISECOND, 1);
    for (time, jitter) in &mut sent[600..700] {
        *jitter = 3_500 * MILLISECOND - *time;
    }
    let mut clock = None;
    all_within(&run(&mut clock, device, &sent), WAY - 100, WAY + 100);
    assert_eq!(clock.unwrap().restarts, 0);
}

#[test]
fn clocks_that_drift_apart_are_followed() {
    for pace in [999_900, 1_000_100] {
        let device = Device {
            femtoseconds: pace * 100,
            ..device(Tick::NANOSECONDS_100, Granularity::Nanoseconds100)
        };
        let mut clock = None;
        let times = run(&mut clock, device, &packets(40_000, 50 * MILLISECOND, 1));
        // 100 ppm of two windows.
        all_within(&times, -2 * MILLISECOND, 2 * MILLISECOND);
        assert_eq!(clock.unwrap().restarts, 0);
    }
}

#[test]
fn equal_stamps_are_equal_times() {
    let device = device(Tick::MICROSECONDS_100, Granularity::Microseconds100);
    let mut clock = Clock::new(device.stamp(START)).unwrap();
    let times = [0, 20_000, 60_000].map(|after| {
        let arrival = Timestamp(START + WAY + after);
        clock.push(device.stamp(START + after), arrival).unwrap()
    });
    assert_eq!(times, [Timestamp(START + WAY); 3]);
}

#[test]
fn what_is_no_clock_gives_no_time() {
    let stamp = |low| DeviceTime::Ticks {
        low,
        high: None,
        granularity: Granularity::Microseconds100,
    };
    assert!(Clock::new(stamp(0)).is_none());
    // A counter that stands still, and one that is noise.
    let mut noise = 1_u32;
    for still in [true, false] {
        let mut clock = Clock::new(stamp(7)).unwrap();
        for n in 0..3000 {
            noise = noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let arrival = Timestamp(START + n * 7 * MILLISECOND);
            let time = clock.push(stamp(if still { 7 } else { noise }), arrival);
            assert!(n < 1000 || time.is_none(), "{still} {n}: {time:?}");
        }
        assert_eq!(
            (clock.epoch(), clock.unit()),
            (Epoch::Unknown, None),
            "{still}"
        );
    }
}

#[test]
fn a_marker_puts_the_counter_on_unix_time() {
    let device = device(Tick::NANOSECOND, Granularity::Ieee1588);
    let mut clock = None;
    let dense = packets(2000, 5 * MILLISECOND, 1);
    run(&mut clock, device, &dense[..1000]);
    let clock_now = clock.as_mut().unwrap();
    assert_eq!(clock_now.epoch(), Epoch::Device);
    let DeviceTime::Ticks { low, .. } = device.stamp(START + 5 * SECOND) else {
        unreachable!()
    };
    let (utc, arrival) = (START + 5 * SECOND, Timestamp(START + 5 * SECOND + WAY));
    // A clock that nobody set, and a counter that is not this one.
    clock_now.mark(low, Timestamp(1000), arrival);
    clock_now.mark(low.wrapping_add(1 << 30), Timestamp(utc), arrival);
    assert_eq!(clock_now.epoch(), Epoch::Device);
    clock_now.mark(low, Timestamp(utc), arrival);
    assert_eq!(clock_now.epoch(), Epoch::Unix);
    assert_eq!(clock_now.offset(), Some(WAY));
    all_within(&run(&mut clock, device, &dense[1000..]), 0, 0);
    assert_eq!(clock.unwrap().restarts, 0);
}

#[test]
fn half_a_stamp_is_none() {
    let device = Device {
        femtoseconds: 100_000,
        start: 19_335 << 32,
        bits: 64,
        says: Granularity::Microseconds100,
    };
    let mut clock = None;
    run(&mut clock, device, &packets(50, 100 * MILLISECOND, 1));
    let mut clock = clock.unwrap();
    assert_eq!(
        (clock.unit(), clock.bits()),
        (Some(Tick::PICOSECONDS_100), 64)
    );
    let cut = Device { bits: 32, ..device };
    let sent = START + 5 * SECOND;
    assert_eq!(clock.push(cut.stamp(sent), Timestamp(sent + WAY)), None);
    let time = clock.push(device.stamp(sent), Timestamp(sent + WAY));
    assert_eq!(time, Some(Timestamp(sent + WAY)));
}

#[test]
fn stamps_of_another_form_that_are_no_times_change_nothing() {
    let device = device(Tick::NANOSECONDS_100, Granularity::Nanoseconds100);
    let mut clock = None;
    run(&mut clock, device, &packets(50, 100 * MILLISECOND, 1));
    let mut clock = clock.unwrap();
    let zero = DeviceTime::Seconds {
        seconds: 0,
        nanoseconds: 0,
        bits: 16,
        tai: false,
    };
    let sent = START + 5 * SECOND;
    for _ in 0..1000 {
        assert_eq!(clock.push(zero, Timestamp(sent + WAY)), None);
    }
    let time = clock.push(device.stamp(sent), Timestamp(sent + WAY));
    assert_eq!(time, Some(Timestamp(sent + WAY)));
}

#[test]
fn units_are_written_as_people_write_them() {
    for (tick, text) in [
        (Tick::MICROSECONDS_100, "100us"),
        (Tick::NANOSECONDS_100, "100ns"),
        (Tick::NANOSECOND, "1ns"),
        (Tick::PICOSECONDS_100, "0.1ns"),
        (Tick(2_400_049), "2.4ns"),
        (Tick(2_345_678), "2.346ns"),
        (Tick(999_999_999_999), "1000us"),
    ] {
        assert_eq!(tick.to_string(), text);
    }
}

proptest! {
    #[test]
    fn any_stamps_at_any_time_are_survived(
        stamps in prop::collection::vec((any::<u32>(), any::<u32>(), any::<i64>(), any::<i8>()), 1..60),
        form in 0..6_u8,
        scale in 0..64_u32,
    ) {
        let mut clock = None;
        let mut arrival = 0_i64;
        for (low, high, step, bits) in stamps {
            arrival = arrival.saturating_add(step >> scale);
            let time = match form {
                0 => DeviceTime::Ticks { low, high: None, granularity: Granularity::Nanoseconds100 },
                1 => DeviceTime::Ticks { low, high: Some(high), granularity: Granularity::Microseconds100 },
                2 => DeviceTime::Ticks { low: low >> 8, high: Some(high & 1), granularity: Granularity::Platform },
                3 => DeviceTime::Seconds { seconds: high, nanoseconds: low, bits: bits as u8, tai: true },
                4 => DeviceTime::Seconds { seconds: high, nanoseconds: low >> 3, bits: 16, tai: false },
                _ => DeviceTime::Ticks { low, high: (bits > 0).then_some(high), granularity: Granularity::Ieee1588 },
            };
            if clock.is_none() {
                clock = Clock::new(time);
            }
            let Some(clock) = &mut clock else { continue };
            clock.push(time, Timestamp(arrival));
            clock.mark(low, Timestamp(arrival.saturating_sub(step >> 40)), Timestamp(arrival));
        }
    }
}
