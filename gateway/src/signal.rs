//! Wakes a connection's task, once however many ask before it runs.

use std::cell::Cell;
use std::fmt;
use std::task::{Context, Waker};

/// What others on the worker have for a connection's task.
#[derive(Default)]
pub(crate) struct Signal {
    waker: Cell<Option<Waker>>,
    /// The task will run, or is running.
    woken: Cell<bool>,
    /// Something may be due.
    due: Cell<bool>,
}

impl Signal {
    /// Lets the task run. Before its first run there is nobody to wake, and none is needed.
    pub(crate) fn wake(&self) {
        if self.woken.replace(true) {
            return;
        }
        if let Some(waker) = self.waker.take() {
            waker.wake_by_ref();
            self.waker.set(Some(waker));
        }
    }

    /// Lets the task run and look at the time.
    pub(crate) fn time(&self) {
        self.due.set(true);
        self.wake();
    }

    /// Says that the task runs now: it need not be woken until it rests.
    pub(crate) fn running(&self, context: &Context<'_>) {
        self.woken.set(true);
        let waker = self.waker.take();
        let waker = waker.filter(|waker| waker.will_wake(context.waker()));
        self.waker
            .set(Some(waker.unwrap_or_else(|| context.waker().clone())));
    }

    /// Says that the task has done all that there was to do.
    pub(crate) fn resting(&self) {
        self.woken.set(false);
    }

    /// Whether the time has to be looked at, asked once.
    pub(crate) fn take_due(&self) -> bool {
        self.due.take()
    }

    /// Lets go of the task, which keeps its memory while somebody can wake it.
    pub(crate) fn ended(&self) {
        self.waker.take();
    }
}

impl fmt::Debug for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signal")
            .field("woken", &self.woken)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}
