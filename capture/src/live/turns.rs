//! Turns on the processor: a receiver is to run as soon as frames have come, not when others have had their turns. A small ring
//! is full within two or three milliseconds, and others' turns, kernel threads' too, are as long.

#![expect(unsafe_code, reason = "the calls have no safe form")]

use std::mem;
use std::time::{Duration, Instant};

use libc::{SYS_sched_getattr, SYS_sched_setattr, c_long, sched_attr};
use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of a turn among others.
const TURN: u64 = 500_000;
/// The least priority before all that have none.
const PRIORITY: u32 = 1;
/// Between two looks at how much a thread worked. It may catch up meanwhile: whoever waits its turn again meets all that waited
/// for theirs.
const PERIOD: Duration = Duration::from_millis(250);
/// Who rests for less than this part of the time may have more to do than can be done, and waits its turn like others for a
/// while: else nobody could even end it where it has the only processor. Below that, the kernel keeps some for others (sched(7):
/// `sched_rt_runtime_us`; Linux 6.12 and later: the fair server).
const REST: u32 = 100;

/// The turns of a thread that takes frames. It goes before all threads without a priority as long as it has time to rest in
/// between; where the system does not allow that, its turns are short, and so is what it waits for them.
pub struct Turns {
    /// As it was; none if somebody else has seen to it.
    usual: Option<sched_attr>,
    /// It may go first.
    may: bool,
    /// It goes first.
    first: bool,
    looked: Instant,
    /// For how long it had worked until then.
    worked: Duration,
}

impl Turns {
    /// Those of the calling thread, which begins to take frames.
    pub fn begin(may: bool) -> Self {
        let usual = attributes().filter(|attributes| {
            let usual = [libc::SCHED_OTHER, libc::SCHED_BATCH].map(i32::cast_unsigned);
            usual.contains(&attributes.sched_policy)
        });
        let mut turns = Self {
            usual,
            may,
            first: false,
            looked: Instant::now(),
            worked: worked(),
        };
        turns.share();
        turns.go_first(true);
        turns
    }

    /// Looks, if it is time, how much it worked.
    pub fn look(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.looked);
        if passed >= PERIOD {
            let worked = worked();
            self.decide(passed, worked.saturating_sub(self.worked));
            (self.looked, self.worked) = (now, worked);
        }
    }

    /// It worked for some of the time that passed.
    fn decide(&mut self, passed: Duration, worked: Duration) {
        self.go_first(worked + passed / REST <= passed);
    }

    fn go_first(&mut self, first: bool) {
        let Some(usual) = self.usual.filter(|_| self.may && first != self.first) else {
            return;
        };
        self.first = first;
        if !first {
            self.share();
            return;
        }
        let first = sched_attr {
            sched_policy: libc::SCHED_FIFO.cast_unsigned(),
            sched_flags: usual.sched_flags | RESET_ON_FORK,
            sched_nice: 0,
            sched_priority: PRIORITY,
            ..usual
        };
        // It is not tried again where it is not allowed.
        self.may = set(&first);
        self.first = self.may;
    }

    /// Asks for short turns among others, which are then waited for less: Linux 6.12 and later give them, to anybody. The
    /// thread gets no more of the processor by it.
    fn share(&self) {
        if let Some(usual) = self.usual {
            set(&sched_attr {
                sched_runtime: TURN,
                sched_flags: usual.sched_flags | RESET_ON_FORK,
                ..usual
            });
        }
    }
}

impl Drop for Turns {
    /// What the thread does afterwards is in no hurry.
    fn drop(&mut self) {
        self.go_first(false);
    }
}

/// Threads that it starts have the usual turns.
const RESET_ON_FORK: u64 = libc::SCHED_FLAG_RESET_ON_FORK as u64;

/// For how long the calling thread has had a processor.
fn worked() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// How the calling thread gets its turns.
fn attributes() -> Option<sched_attr> {
    let len = size_of::<sched_attr>();
    // SAFETY: all bytes zero are a value of this type.
    let mut attributes: sched_attr = unsafe { mem::zeroed() };
    let asked: *mut sched_attr = &raw mut attributes;
    let (this, no_flags): (c_long, c_long) = (0, 0);
    // SAFETY: the kernel writes at most `len` bytes, the value's own length; any bytes are such a value.
    let result = unsafe { libc::syscall(SYS_sched_getattr, this, asked, len, no_flags) };
    (result == 0).then_some(attributes)
}

/// Gives the calling thread its turns in this way; false if the system does not.
fn set(attributes: &sched_attr) -> bool {
    let given: *const sched_attr = attributes;
    let (this, no_flags): (c_long, c_long) = (0, 0);
    // SAFETY: the kernel reads as many bytes as the value says that it has, its own length.
    unsafe { libc::syscall(SYS_sched_setattr, this, given, no_flags) == 0 }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn policy() -> i32 {
        attributes().unwrap().sched_policy.cast_signed()
    }

    #[test]
    fn who_has_no_rest_waits_its_turn_until_it_has_some() {
        let begun = thread::spawn(|| {
            let mut turns = Turns::begin(true);
            if !turns.first {
                eprintln!("skipped: this system lets nobody go first");
                assert_eq!(policy(), libc::SCHED_OTHER);
                return;
            }
            assert_eq!(policy(), libc::SCHED_FIFO);
            turns.decide(PERIOD, PERIOD / 1000 * 985);
            assert_eq!(policy(), libc::SCHED_FIFO);
            turns.decide(PERIOD, PERIOD / 1000 * 995);
            assert_eq!(policy(), libc::SCHED_OTHER);
            turns.decide(PERIOD, PERIOD);
            assert_eq!(policy(), libc::SCHED_OTHER);
            turns.decide(PERIOD, PERIOD / 2);
            assert_eq!(policy(), libc::SCHED_FIFO);
            // It matters to this thread alone.
            let child = thread::spawn(policy).join().unwrap();
            assert_eq!(child, libc::SCHED_OTHER);
            drop(turns);
            assert_eq!(policy(), libc::SCHED_OTHER);
        });
        begun.join().unwrap();
        assert_eq!(policy(), libc::SCHED_OTHER);
    }

    #[test]
    fn work_is_told_from_rest() {
        let time = Duration::from_millis(20);
        let begin = (Instant::now(), worked());
        thread::sleep(time);
        let rested = worked().saturating_sub(begin.1);
        assert!(rested < time / 2, "{rested:?}");
        let mut sum = 0_u64;
        while worked() < begin.1 + rested + time {
            sum = std::hint::black_box(sum + 1);
        }
        assert!(begin.0.elapsed() >= 2 * time);
    }

    #[test]
    fn who_may_not_go_first_does_not() {
        let policy = thread::spawn(|| {
            let mut turns = Turns::begin(false);
            turns.decide(PERIOD, Duration::ZERO);
            policy()
        });
        assert_eq!(policy.join().unwrap(), libc::SCHED_OTHER);
    }
}
