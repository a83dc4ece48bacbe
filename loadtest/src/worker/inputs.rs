//! Inputs: messages that the clients themselves send on schedule, one client after the other, as a game's players do.

use super::Worker;
use super::client::Stage;
use super::publishing::BATCH;
use crate::stamp::Stamp;

/// Where inputs go: a channel that nobody subscribes to.
const INPUTS: &str = "inputs";

impl Worker {
    /// Sends what clients are to send by now, one after the other.
    pub(super) fn send_inputs(&mut self, now: u64) {
        for _ in 0..BATCH {
            let due = self
                .publishing
                .inputs
                .as_mut()
                .and_then(|inputs| inputs.due(now));
            let Some((number, intended)) = due else {
                return;
            };
            let index = (number % self.clients.len() as u64) as usize;
            if self.clients[index].stage == Stage::Live {
                self.send_input(index, intended);
            }
        }
    }

    fn send_input(&mut self, index: usize, intended: u64) {
        let publishing = &mut self.publishing;
        let stamp = Stamp {
            channel: u32::MAX,
            sequence: 1,
            intended,
        };
        stamp.write(publishing.input_size, &mut publishing.payload);
        let id = publishing.outstanding.add(intended);
        let mut frames = self.outgoing.frames(self.framing);
        self.dialect
            .publish(id, INPUTS, &publishing.payload, &mut frames);
        self.tally.counters.inputs += 1;
        self.flush(index);
    }
}
