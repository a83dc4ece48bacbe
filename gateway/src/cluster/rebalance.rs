//! When a node has far more connections than the others, and how many of them it is to give away. Pure: what nodes have and the
//! time come in.
//!
//! A node that is new gets clients only as they come. One that has more than its share asks its oldest to connect again, a few
//! each second, so that the balancer can send them elsewhere; and only while nothing else moves them.

use std::collections::BTreeMap;
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::config::RebalanceConfig;

/// Connections above the mean that are not worth anybody's trouble.
const TRIFLE: u64 = 5;

/// What a node says of its clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Load {
    pub(crate) connections: u64,
    /// Whether it is ready for more.
    pub(crate) is_ready: bool,
}

/// What a node remembers between two looks.
#[derive(Debug)]
pub(super) struct Rebalance {
    options: RebalanceConfig,
    members: Vec<String>,
    /// Since when they are these, and all of them ready.
    settled: Option<Instant>,
    /// It has begun, and goes on until the mean is reached.
    is_under_way: bool,
}

impl Rebalance {
    pub(super) fn new(options: RebalanceConfig) -> Self {
        Self {
            options,
            members: Vec::new(),
            settled: None,
            is_under_way: false,
        }
    }

    /// How many connections to give away in this second. Of a node that does not say what it has, nothing can be concluded.
    pub(super) fn decide(
        &mut self,
        own: Load,
        others: &BTreeMap<String, Option<Load>>,
        now: Instant,
    ) -> usize {
        let surplus = match self.is_settled(own, others, now) {
            true => self.surplus(own.connections, others),
            false => 0,
        };
        self.is_under_way = surplus > 0;
        usize::try_from(surplus).map_or(self.options.rate, |it| it.min(self.options.rate))
    }

    fn is_settled(
        &mut self,
        own: Load,
        others: &BTreeMap<String, Option<Load>>,
        now: Instant,
    ) -> bool {
        let are_ready = others.values().all(|it| it.is_some_and(|it| it.is_ready));
        let is_same = others.keys().eq(&self.members);
        if !is_same {
            self.members = others.keys().cloned().collect();
        }
        if !is_same || !are_ready || !own.is_ready {
            self.settled = None;
            return false;
        }
        let since = *self.settled.get_or_insert(now);
        self.options.enabled && now.saturating_duration_since(since) >= self.options.delay
    }

    /// Connections above the mean, once there are far more than that.
    fn surplus(&self, own: u64, others: &BTreeMap<String, Option<Load>>) -> u64 {
        let total: u64 = own
            + others
                .values()
                .flatten()
                .map(|it| it.connections)
                .sum::<u64>();
        let nodes = others.len() as u64 + 1;
        let surplus = own.saturating_sub(total.div_ceil(nodes));
        let is_far_more = own * nodes * 100 > self.options.threshold as u64 * total;
        match self.is_under_way || is_far_more && surplus > TRIFLE {
            true => surplus,
            false => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn options() -> RebalanceConfig {
        RebalanceConfig {
            enabled: true,
            threshold: 120,
            rate: 10,
            delay: Duration::from_secs(3),
        }
    }

    fn load(connections: u64) -> Load {
        Load {
            connections,
            is_ready: true,
        }
    }

    fn others(connections: &[u64]) -> BTreeMap<String, Option<Load>> {
        let loads = connections.iter().map(|it| Some(load(*it)));
        (0..).map(|it: u32| it.to_string()).zip(loads).collect()
    }

    /// What is decided each second, all of it the same.
    fn decisions(rebalance: &mut Rebalance, own: u64, others: &[u64], seconds: u64) -> Vec<usize> {
        let (start, others) = (Instant::now(), self::others(others));
        let at = |second| start + Duration::from_secs(second);
        (0..seconds)
            .map(|second| rebalance.decide(load(own), &others, at(second)))
            .collect()
    }

    #[test]
    fn a_node_with_far_more_gives_some_away_once_all_is_settled() {
        for (own, others, expected) in [
            (300, &[300, 0][..], [0, 0, 0, 0, 10, 10]),
            (300, &[300, 300], [0; 6]),
            (100, &[300, 0], [0; 6]),
            (120, &[100, 80], [0; 6]),
            (121, &[100, 79], [0, 0, 0, 0, 10, 10]),
            // A few more than the others are no matter.
            (10, &[2, 2], [0; 6]),
            (300, &[], [0; 6]),
            (0, &[0, 0], [0; 6]),
        ] {
            let mut rebalance = Rebalance::new(options());
            let decided = decisions(&mut rebalance, own, others, 6);
            assert_eq!(decided, expected, "{own} {others:?}");
        }
        let mut off = Rebalance::new(RebalanceConfig::default());
        assert_eq!(decisions(&mut off, 300, &[0, 0], 60), [0; 60]);
    }

    #[test]
    fn once_begun_it_goes_on_to_the_mean_and_no_further() {
        let mut rebalance = Rebalance::new(options());
        let start = Instant::now();
        let (mut own, mut other) = (130, 70);
        let mut given = Vec::new();
        for second in 0..12 {
            let now = start + Duration::from_secs(second);
            let count = rebalance.decide(load(own), &others(&[other]), now);
            (own, other) = (own - count as u64, other + count as u64);
            given.push(count);
        }
        assert_eq!(given, [0, 0, 0, 0, 10, 10, 10, 0, 0, 0, 0, 0]);
        assert_eq!((own, other), (100, 100));
        // Below the threshold it does not begin again.
        let now = start + Duration::from_secs(13);
        assert_eq!(rebalance.decide(load(115), &others(&[85]), now), 0);
    }

    #[test]
    fn nothing_is_given_away_while_nodes_come_go_or_are_not_ready() {
        let start = Instant::now();
        let at = |second| start + Duration::from_secs(second);
        let mut rebalance = Rebalance::new(options());
        let two = others(&[0, 0]);
        for second in 0..5 {
            rebalance.decide(load(300), &two, at(second));
        }
        assert_eq!(rebalance.decide(load(300), &two, at(5)), 10);
        let three = others(&[0, 0, 0]);
        for second in 6..10 {
            assert_eq!(
                rebalance.decide(load(300), &three, at(second)),
                0,
                "one came"
            );
        }
        assert_eq!(rebalance.decide(load(300), &three, at(10)), 10);
        let mut draining = three.clone();
        draining.insert(
            "0".to_owned(),
            Some(Load {
                is_ready: false,
                ..load(9)
            }),
        );
        let mut silent = three.clone();
        silent.insert("0".to_owned(), None);
        for (second, others) in [(20, &draining), (30, &silent)] {
            for second in second..second + 8 {
                assert_eq!(rebalance.decide(load(300), others, at(second)), 0);
            }
            assert_eq!(
                rebalance.decide(load(300), &three, at(second + 8)),
                0,
                "just ready again"
            );
        }
        let unready = Load {
            is_ready: false,
            ..load(300)
        };
        assert_eq!(rebalance.decide(unready, &three, at(60)), 0);
    }
}
