//! The one clock of a run: the kernel's monotonic clock, which all processes of a machine share.

use rustix::time::{ClockId, Timespec, clock_gettime};

/// Nanoseconds in a second.
pub const SECOND: u64 = 1_000_000_000;

/// Nanoseconds since some moment in the past, the same one for every process of this machine.
#[must_use]
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let (seconds, nanoseconds) = (time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs());
    seconds * SECOND + nanoseconds
}

/// A length of time as the kernel takes it.
pub(crate) fn timespec(nanoseconds: u64) -> Timespec {
    // Both fit: a second's worth and what is left of it.
    Timespec {
        tv_sec: i64::try_from(nanoseconds / SECOND).unwrap_or(i64::MAX),
        tv_nsec: (nanoseconds % SECOND) as i64,
    }
}
