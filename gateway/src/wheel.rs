//! One timer wheel a worker, for all its connections: when somebody's time may have come, their task is woken to look.
//!
//! A connection has one entry at a time or two. An entry cannot be taken back: a task that is woken early sets another.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::{Rc, Weak};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use crate::outbox::Outbox;

/// How fine time is here.
const TICK: Duration = Duration::from_millis(50);

/// Ticks of one turn; entries further away than that go round again.
const SLOTS: usize = 1_024;

/// A point in time, in ticks since the worker's start; [`Tick::NEVER`] is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Tick(u32);

impl Tick {
    pub(crate) const NEVER: Self = Self(u32::MAX);
}

struct Entry {
    at: Tick,
    outbox: Weak<Outbox>,
}

/// The entries of one worker.
pub(crate) struct Wheel {
    start: Instant,
    /// The last tick whose entries were woken.
    now: Cell<u32>,
    slots: RefCell<Vec<Vec<Entry>>>,
}

impl Wheel {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            now: Cell::new(0),
            slots: RefCell::new((0..SLOTS).map(|_| Vec::new()).collect()),
        }
    }

    /// The first tick that is not before `at`.
    pub(crate) fn tick(&self, at: std::time::Instant) -> Tick {
        let since = Instant::from_std(at).saturating_duration_since(self.start);
        let ticks = since.as_nanos().div_ceil(TICK.as_nanos());
        Tick(u32::try_from(ticks).unwrap_or(u32::MAX - 1))
    }

    /// Wakes the task of `outbox` at a tick, or at the next one if it is past.
    pub(crate) fn set(&self, at: Tick, outbox: &Rc<Outbox>) {
        let at = Tick(at.0.max(self.now.get() + 1));
        let outbox = Rc::downgrade(outbox);
        self.slots.borrow_mut()[at.0 as usize % SLOTS].push(Entry { at, outbox });
    }

    /// Turns with the time for as long as the worker runs.
    pub(crate) async fn run(&self) {
        loop {
            let next = self.now.get() + 1;
            sleep_until(self.start + TICK * next).await;
            let elapsed = self.start.elapsed().as_nanos() / TICK.as_nanos();
            let last = u32::try_from(elapsed).unwrap_or(u32::MAX).max(next);
            self.turn_to(last);
        }
    }

    fn turn_to(&self, last: u32) {
        let first = self.now.replace(last) + 1;
        let mut slots = self.slots.borrow_mut();
        // A worker that slept for longer than a turn looks at every slot once.
        for tick in first..=last.min(first.saturating_add(SLOTS as u32 - 1)) {
            slots[tick as usize % SLOTS].retain(|entry| {
                if entry.at.0 > last {
                    return true;
                }
                if let Some(outbox) = entry.outbox.upgrade() {
                    outbox.signal().time();
                }
                false
            });
        }
    }
}

impl fmt::Debug for Wheel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wheel")
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use tidegate_codec::Format;

    use super::*;
    use crate::wire::Wire;

    fn outbox() -> Rc<Outbox> {
        Rc::new(Outbox::new(Wire::plain(Format::Json), 100))
    }

    #[tokio::test(start_paused = true)]
    async fn tasks_are_woken_at_their_tick_and_not_before() {
        let wheel = Wheel::new();
        let at = wheel.start.into_std() + TICK * 3 - Duration::from_millis(1);
        assert_eq!(wheel.tick(at), Tick(3));
        let (soon, far) = (outbox(), outbox());
        wheel.set(Tick(3), &soon);
        wheel.set(Tick(3 + SLOTS as u32), &far);
        wheel.turn_to(2);
        assert!(!soon.signal().take_due());
        wheel.turn_to(3);
        assert!(soon.signal().take_due());
        assert!(!far.signal().take_due());
        wheel.turn_to(2 + SLOTS as u32);
        assert!(!far.signal().take_due());
        wheel.turn_to(3 + SLOTS as u32);
        assert!(far.signal().take_due());
        assert!(!soon.signal().take_due(), "it was woken twice");
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_past_comes_next_and_a_long_sleep_misses_nothing() {
        let wheel = Wheel::new();
        wheel.turn_to(10);
        let (late, other) = (outbox(), outbox());
        wheel.set(Tick(4), &late);
        wheel.set(Tick(700), &other);
        wheel.turn_to(5_000);
        assert!(late.signal().take_due());
        assert!(other.signal().take_due());
        assert!(wheel.slots.borrow().iter().all(Vec::is_empty));
    }

    #[tokio::test(start_paused = true)]
    async fn it_turns_with_the_clock() {
        let (wheel, outbox) = (Wheel::new(), outbox());
        wheel.set(
            wheel.tick((wheel.start + Duration::from_secs(60)).into_std()),
            &outbox,
        );
        let run = tokio::time::timeout(Duration::from_secs(59), wheel.run());
        assert!(run.await.is_err());
        assert!(!outbox.signal().take_due());
        let run = tokio::time::timeout(Duration::from_secs(2), wheel.run());
        assert!(run.await.is_err());
        assert!(outbox.signal().take_due());
    }
}
