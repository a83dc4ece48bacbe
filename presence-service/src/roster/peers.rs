//! The replicas that live, and which partitions are whose.
//!
//! Every replica ranks all of them for each partition by a hash of both, so they agree without talking, and one that comes
//! or goes moves only what is its own.

use std::collections::BTreeMap;
use std::time::Duration;

use tidegate_proto::node::fnv1a;

use crate::message::ReplicaBeat;

/// How many replicas hold a partition.
const COPIES: usize = 2;

/// Replicas that are believed at a time.
const MAX_PEERS: usize = 1_024;

#[derive(Debug)]
struct Peer {
    until: Duration,
    lease: Duration,
    ready: Vec<u32>,
}

#[derive(Debug)]
pub(super) struct Peers {
    own: String,
    others: BTreeMap<String, Peer>,
}

impl Peers {
    pub(super) fn new(own: String) -> Self {
        Self {
            own,
            others: BTreeMap::new(),
        }
    }

    /// The name of this replica.
    pub(super) fn own(&self) -> &str {
        &self.own
    }

    /// Takes what another replica says of itself.
    pub(super) fn beat(&mut self, beat: ReplicaBeat, now: Duration) {
        if beat.replica == self.own {
            return;
        }
        if beat.is_last {
            self.others.remove(&beat.replica);
            return;
        }
        if self.others.len() >= MAX_PEERS && !self.others.contains_key(&beat.replica) {
            return;
        }
        let lease = Duration::from_millis(beat.lease_ms.into());
        let peer = Peer {
            until: now + lease,
            lease,
            ready: beat.ready,
        };
        self.others.insert(beat.replica, peer);
    }

    /// Forgets those whose lease is over.
    pub(super) fn expire(&mut self, now: Duration) {
        self.others.retain(|_, peer| peer.until > now);
    }

    /// Gives everybody a whole lease again.
    pub(super) fn renew(&mut self, now: Duration) {
        for peer in self.others.values_mut() {
            peer.until = peer.until.max(now + peer.lease);
        }
    }

    /// The other replicas, by name.
    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        self.others.keys().map(String::as_str)
    }

    /// Whether a partition belongs to this replica.
    pub(super) fn is_own(&self, partition: u32) -> bool {
        self.holders(partition).contains(&self.own.as_str())
    }

    /// Whether everybody to whom a partition belongs has all of it.
    pub(super) fn are_holders_ready(&self, partition: u32) -> bool {
        let is_ready = |name: &&str| match self.others.get(*name) {
            Some(peer) => peer.ready.contains(&partition),
            None => false,
        };
        self.holders(partition).iter().all(is_ready)
    }

    /// Whether this replica, which has everything of a partition, speaks for it: of those to whom it belongs the one with the
    /// lowest name that has everything, or of all if none of them has.
    pub(super) fn speaks_for(&self, partition: u32) -> bool {
        let is_ready = |name: &&str| match self.others.get(*name) {
            Some(peer) => peer.ready.contains(&partition),
            None => *name == self.own,
        };
        let of_holders = self.holders(partition).into_iter().filter(is_ready).min();
        let of_all = || self.others().chain([self.own()]).filter(is_ready).min();
        of_holders.or_else(of_all) == Some(self.own())
    }

    /// Whether another replica has everything of a partition.
    pub(super) fn holds(&self, partition: u32) -> bool {
        self.others
            .values()
            .any(|peer| peer.ready.contains(&partition))
    }

    fn holders(&self, partition: u32) -> Vec<&str> {
        let mut names: Vec<&str> = self.others().chain([self.own()]).collect();
        names.sort_by_key(|name| std::cmp::Reverse((rank(name, partition), *name)));
        names.truncate(COPIES);
        names
    }
}

/// FNV-1a alone ranks names that differ at their end alike, so its bits are mixed.
fn rank(name: &str, partition: u32) -> u64 {
    let mut hash = fnv1a(format!("{name}/{partition}").as_bytes());
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash = (hash ^ (hash >> 33)).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(1);

    fn beat(name: &str, ready: &[u32]) -> ReplicaBeat {
        ReplicaBeat {
            replica: name.to_owned(),
            lease_ms: 1_000,
            ready: ready.to_vec(),
            is_last: false,
        }
    }

    fn peers(own: &str, others: &[&str]) -> Peers {
        let mut peers = Peers::new(own.to_owned());
        for other in others {
            peers.beat(beat(other, &[]), Duration::ZERO);
        }
        peers
    }

    #[test]
    fn each_partition_has_two_holders_and_all_agree() {
        let names = ["a", "b", "c", "d"];
        let views = names.map(|own| {
            let others: Vec<_> = names.into_iter().filter(|it| *it != own).collect();
            peers(own, &others)
        });
        let mut held = [0; 4];
        for partition in 0..64 {
            let holders: Vec<_> = (0..4).filter(|at| views[*at].is_own(partition)).collect();
            assert_eq!(holders.len(), 2, "of {partition}");
            holders.into_iter().for_each(|at| held[at] += 1);
        }
        assert!(held.iter().all(|held| (16..=48).contains(held)), "{held:?}");
    }

    #[test]
    fn one_that_goes_moves_only_its_own() {
        let (before, after) = (peers("a", &["b", "c", "d"]), peers("a", &["b", "c"]));
        for partition in 0..64 {
            if before.is_own(partition) {
                assert!(after.is_own(partition), "{partition}");
            }
        }
    }

    #[test]
    fn the_lowest_to_whom_it_belongs_and_that_is_ready_speaks() {
        let names = ["a", "b", "c"];
        let at = |own: &str, ready: &[&str], partition| {
            let others: Vec<_> = names.into_iter().filter(|it| *it != own).collect();
            let mut peers = peers(own, &others);
            for other in others.into_iter().filter(|it| ready.contains(it)) {
                peers.beat(beat(other, &[partition]), Duration::ZERO);
            }
            peers
        };
        for partition in 0..64 {
            let is_holder = |name: &&str| at(name, &[], partition).is_own(partition);
            let (holders, guests): (Vec<_>, Vec<_>) = names.into_iter().partition(is_holder);
            let (low, high, guest) = (holders[0], holders[1], guests[0]);
            for (ready, speaker) in [
                (vec![low, high, guest], low),
                (vec![high, guest], high),
                (vec![guest], guest),
            ] {
                let speaks = |name: &&str| at(name, &ready, partition).speaks_for(partition);
                let speakers: Vec<_> = ready.iter().copied().filter(speaks).collect();
                assert_eq!(speakers, [speaker], "of {partition} with {ready:?}");
            }
        }
    }

    #[test]
    fn who_is_silent_for_a_lease_speaks_no_more() {
        let mut peers = peers("b", &[]);
        peers.beat(beat("a", &[7]), Duration::ZERO);
        assert!(!peers.speaks_for(7));
        peers.expire(LEASE);
        assert!(peers.speaks_for(7));
    }
}
