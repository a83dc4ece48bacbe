//! How much load there is, and when what is done to the servers: drawn by a seed, so that a run can be repeated.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// The load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Load {
    pub(crate) subscribers: u32,
    pub(crate) channels: u32,
    /// Publications per second of all channels together.
    pub(crate) rate: u32,
    /// It goes on for longer if something that was killed is not in its place again by then.
    pub(crate) length: Duration,
}

impl Load {
    /// Between two publications of a channel.
    pub(crate) fn pace(&self) -> Duration {
        Duration::from_secs(1) * self.channels / self.rate
    }
}

/// Something that is done to the servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    KillGateway(usize),
    /// The one that was killed, and have its clients go back to it.
    StartGateway,
    /// One of the two, of which each number names another.
    KillFollower(usize),
    KillLeader,
    /// The one that was killed, follower or leader.
    StartServer,
}

/// What is done, one after the other.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How long to wait once the step before is done, and the step.
    pub(crate) steps: Vec<(Duration, Step)>,
}

impl Plan {
    /// Each gateway and each server is killed once, the leader last of the servers.
    pub(crate) fn new(seed: u64, length: Duration) -> Self {
        let mut random = StdRng::seed_from_u64(seed);
        let gateway = random.random_range(0..2);
        let follower = random.random_range(0..2);
        // Parts of the whole length.
        let steps = [
            (0.08..0.14, Step::KillGateway(gateway)),
            (0.05..0.09, Step::StartGateway),
            (0.06..0.10, Step::KillFollower(follower)),
            (0.04..0.07, Step::StartServer),
            (0.06..0.10, Step::KillFollower(follower + 1)),
            (0.04..0.07, Step::StartServer),
            (0.06..0.10, Step::KillLeader),
            (0.04..0.09, Step::StartServer),
            (0.06..0.10, Step::KillGateway(1 - gateway)),
            (0.05..0.09, Step::StartGateway),
        ];
        let pauses = steps.map(|(part, step)| (length.mul_f64(random.random_range(part)), step));
        Self {
            steps: pauses.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_says_everything_and_everything_has_time() {
        let length = Duration::from_secs(10);
        let of = |seed| Plan::new(seed, length).steps;
        assert_eq!(of(7), of(7));
        assert_ne!(of(7), of(8));
        for seed in 0..100 {
            let pauses = of(seed).into_iter().map(|(pause, _)| pause);
            assert!(pauses.sum::<Duration>() < length, "{seed}");
        }
    }
}
