//! When a browser is told the id of what it has seen: as soon as that costs no more bytes than what it was sent, and otherwise
//! a moment later.

use std::time::{Duration, Instant};

/// How long an id may wait that is longer than what was sent since the last one.
const PAUSE: Duration = Duration::from_millis(200);

/// The ids of one client's events.
#[derive(Debug, Default)]
pub(super) struct Marks {
    /// The last one.
    last: String,
    /// When it was made.
    at: Option<Instant>,
    /// Bytes that were sent since.
    sent: usize,
    /// Of the last one, bytes that are not sent yet.
    unsent: usize,
    /// The client's task will be woken for the next one.
    is_awaited: bool,
    is_urgent: bool,
}

/// When the next id is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    /// Not before more was sent, or when somebody was told already to come back.
    Never,
    Now,
    /// Then, and somebody has to come back for it.
    At(Instant),
}

impl Marks {
    /// Notes that bytes were sent.
    pub(super) fn written(&mut self, count: usize) {
        // With nothing else waiting an id is sent before anything that follows.
        let own = count.min(self.unsent);
        self.unsent -= own;
        self.sent += count - own;
    }

    /// Makes the next id due, if there is something to tell.
    pub(super) fn hurry(&mut self) {
        self.is_urgent = true;
    }

    pub(super) fn due(&mut self, now: Instant) -> Due {
        if self.sent == 0 {
            return Due::Never;
        }
        match self.at.map(|at| at + PAUSE) {
            Some(at) if !self.is_urgent && self.sent < self.last.len() && now < at => {
                match std::mem::replace(&mut self.is_awaited, true) {
                    true => Due::Never,
                    false => Due::At(at),
                }
            }
            _ => Due::Now,
        }
    }

    /// What tells an id, if it is a new one.
    pub(super) fn mark(&mut self, id: Option<String>, now: Instant) -> Option<String> {
        (self.sent, self.is_awaited, self.is_urgent) = (0, false, false);
        let id = id.filter(|id| *id != self.last)?;
        let mark = format!("id: {id}\n\n");
        (self.last, self.at, self.unsent) = (id, Some(now), mark.len());
        Some(mark)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Marks of which the last, of 10 bytes, was made just now and is sent.
    fn marked(now: Instant) -> Marks {
        let mut marks = Marks::default();
        marks.written(1);
        assert_eq!(marks.due(now), Due::Now, "the first waits for nothing");
        let mark = marks.mark(Some("0123456789".to_owned()), now).unwrap();
        assert_eq!(mark, "id: 0123456789\n\n");
        marks.written(mark.len());
        assert_eq!(marks.due(now), Due::Never, "an id is nothing to be told");
        marks
    }

    #[test]
    fn an_id_waits_while_it_is_longer_than_what_was_sent() {
        let now = Instant::now();
        let mut marks = marked(now);
        marks.written(9);
        assert_eq!(marks.due(now), Due::At(now + PAUSE));
        assert_eq!(marks.due(now), Due::Never, "one comes back for it");
        assert_eq!(marks.due(now + PAUSE), Due::Now);
        marks.written(1);
        assert_eq!(marks.due(now), Due::Now);
        assert_eq!(marks.mark(Some("0123456789".to_owned()), now), None);
        assert_eq!(marks.due(now), Due::Never);
    }

    #[test]
    fn an_id_in_a_hurry_does_not_wait() {
        let now = Instant::now();
        let mut marks = marked(now);
        marks.hurry();
        assert_eq!(marks.due(now), Due::Never, "there is nothing to tell");
        marks.written(1);
        assert_eq!(marks.due(now), Due::Now);
    }
}
