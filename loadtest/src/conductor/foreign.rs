//! Whether the machine is otherwise idle, as it must be for a measurement.

use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use crate::procfs::{Busy, Usage};

/// Processors that others may use.
pub(super) const TOO_MUCH: f64 = 0.05;

/// How long is looked.
const WINDOW: Duration = Duration::from_millis(500);

/// How many times an idle moment is waited for.
const TRIES: usize = 120;

/// Looks again and again, until the machine is idle or that has taken a minute. What was seen last counts.
pub(super) fn wait_until_idle(server: &[u32]) -> f64 {
    let looks = std::iter::repeat_with(|| measure(server)).take(TRIES);
    let mut last = f64::INFINITY;
    for foreign in looks {
        last = foreign;
        if foreign <= TOO_MUCH {
            break;
        }
    }
    last
}

/// Processors that are in use by others than these processes.
pub(super) fn measure(server: &[u32]) -> f64 {
    let used = || Usage::of_all(server).cpu + Usage::of_all(&[std::process::id()]).cpu;
    let (busy, ours, start) = (Busy::now().busy, used(), Instant::now());
    pause(WINDOW);
    let busy = Busy::now().busy.saturating_sub(busy);
    let ours = used().saturating_sub(ours);
    busy.saturating_sub(ours).as_secs_f64() / start.elapsed().as_secs_f64()
}

/// Waits for nothing but the time.
fn pause(length: Duration) {
    // The sender stays, so nothing can come but the time-out.
    let (_sender, receiver) = channel::<()>();
    let _timeout = receiver.recv_timeout(length);
}
