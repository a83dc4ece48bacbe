//! A network that blinks: connections are reset, stay away for a while, and come back to recover what they missed.

use super::Worker;
use super::client::Stage;
use crate::clock::SECOND;
use crate::order::{Blink, Losses};
use crate::schedule::{Progress, Schedule};

#[derive(Debug, Default)]
pub(super) struct Blinking {
    progress: Option<Progress>,
    offline: u64,
}

impl Blinking {
    /// Loses each of so many clients every so often, evenly one after the other; or all at once, at the start.
    pub(super) fn start(&mut self, blink: Option<Blink>, clients: usize, start: u64, end: u64) {
        let Some(Blink { offline, losses }) = blink else {
            return;
        };
        let clients = clients as f64;
        let schedule = match losses {
            Losses::Never => return,
            // Whoever is lost has the time to come back before the end.
            Losses::Every(every) => Schedule {
                start,
                end: end.saturating_sub(offline).max(start),
                rate: clients / (every as f64 / SECOND as f64),
            },
            // All within a tenth of a second.
            Losses::Once => Schedule {
                start: start + SECOND,
                end: start + SECOND + SECOND / 10,
                rate: clients * 10.0,
            },
        };
        self.progress = Some(Progress::new(schedule));
        self.offline = offline;
    }

    pub(super) fn next_moment(&self) -> Option<u64> {
        self.progress.as_ref().and_then(Progress::next)
    }
}

impl Worker {
    pub(super) fn blink_due(&mut self, now: u64) {
        while let Some((number, _)) = self.blinking.progress.as_mut().and_then(|due| due.due(now)) {
            let index = (number % self.clients.len() as u64) as usize;
            if self.clients[index].stage != Stage::Live {
                continue;
            }
            self.part(index);
            self.clients[index].lost = now;
            self.tally.counters.blinks += 1;
            self.connecting
                .come_back(index, now + self.blinking.offline);
        }
    }
}
