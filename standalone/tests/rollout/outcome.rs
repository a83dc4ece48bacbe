//! What came of a rollout.

use std::fmt;

use super::plan::Load;
use super::run::Played;
use super::site::Replaced;

/// What clients saw while each gateway was replaced.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) load: Load,
    pub(crate) played: Played<Vec<Replaced>>,
}

impl Outcome {
    /// # Panics
    /// When anything is wrong.
    pub(crate) fn check(&self) {
        let Played {
            tally,
            found,
            output,
            ..
        } = &self.played;
        // Each client was at a gateway that was replaced.
        assert!(tally.is_clean(tally.subscribers), "{self}\n{output}");
        for replaced in found {
            // If it had no clients, nothing was tried.
            assert!(replaced.connections > 0, "{self}");
            assert!(replaced.peak > 0.0, "{self}");
            assert!(replaced.peak <= self.limit(replaced), "{self}\n{output}");
        }
    }

    /// Connects a second that one gateway may see while another drains.
    fn limit(&self, replaced: &Replaced) -> f64 {
        let share = replaced.connections as f64 / self.played.connections.len() as f64;
        self.load.slack * share / self.load.drain.as_secs_f64()
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.played.tally)?;
        for replaced in &self.played.found {
            write!(
                f,
                "\na gateway with {} clients was gone after {:.1} s, at most {:.1} connects a second at one of the others, \
                 {:.1} in the busiest second (evenly it were {:.1}, and {:.1} are allowed)",
                replaced.connections,
                replaced.took.as_secs_f64(),
                replaced.peak,
                replaced.second,
                self.limit(replaced) / self.load.slack,
                self.limit(replaced),
            )?;
        }
        write!(
            f,
            "\nclients of each in the end: {:?}",
            self.played.connections
        )
    }
}
