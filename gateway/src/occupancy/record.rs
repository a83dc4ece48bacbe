//! What the nodes know together of one channel, and how it changes. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::hooks::ChannelState;

/// Which nodes have subscribers of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Record {
    pub(super) channel: String,
    pub(super) nodes: BTreeSet<String>,
    /// Whether the backend's notice of the first or the last of them is stored. Until it is nothing else changes.
    pub(super) is_told: bool,
    /// When it became so, in milliseconds since 1970.
    pub(super) time_ms: u64,
}

/// A change of the nodes.
#[derive(Debug)]
pub(super) enum Change<'a> {
    Add(&'a str),
    Remove(&'a BTreeSet<String>),
}

/// What is to be done next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Move {
    /// Nothing: the record says so.
    Rest,
    /// Tell the backend of what the record says, and then note that.
    Tell(ChannelState),
    /// Write this.
    Write(Record),
}

impl Record {
    /// What leads from a record to a changed one; `None` is one without nodes.
    pub(super) fn towards(
        before: Option<&Self>,
        channel: &str,
        change: &Change<'_>,
        now: u64,
    ) -> Move {
        let none = BTreeSet::new();
        if let Some(record) = before.filter(|it| !it.is_told) {
            return Move::Tell(record.state());
        }
        let nodes = before.map_or(&none, |it| &it.nodes);
        let changed = change.of(nodes);
        if changed == *nodes {
            return Move::Rest;
        }
        let is_same = changed.is_empty() == nodes.is_empty();
        Move::Write(Self {
            channel: channel.to_owned(),
            nodes: changed,
            is_told: is_same,
            time_ms: now,
        })
    }

    pub(super) fn state(&self) -> ChannelState {
        match self.nodes.is_empty() {
            true => ChannelState::Vacated,
            false => ChannelState::Occupied,
        }
    }
}

impl Change<'_> {
    fn of(&self, nodes: &BTreeSet<String>) -> BTreeSet<String> {
        match self {
            Self::Add(node) => {
                let added = std::iter::once((*node).to_owned());
                nodes.iter().cloned().chain(added).collect()
            }
            Self::Remove(gone) => nodes.difference(gone).cloned().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(nodes: &[&str], is_told: bool) -> Record {
        Record {
            channel: "a".to_owned(),
            nodes: nodes.iter().map(|it| (*it).to_owned()).collect(),
            is_told,
            time_ms: 7,
        }
    }

    #[test]
    fn only_the_first_and_the_last_node_are_told_of() {
        let gone = |nodes: &[&str]| record(nodes, true).nodes;
        let (x, xy) = (gone(&["x"]), gone(&["x", "y"]));
        let write = |nodes: &[&str], is_told| Move::Write(record(nodes, is_told));
        for (before, change, expected) in [
            (None, Change::Add("x"), write(&["x"], false)),
            (None, Change::Remove(&x), Move::Rest),
            (Some((&["x"][..], true)), Change::Add("x"), Move::Rest),
            (
                Some((&["x"], true)),
                Change::Add("y"),
                write(&["x", "y"], true),
            ),
            (
                Some((&["x", "y"], true)),
                Change::Remove(&x),
                write(&["y"], true),
            ),
            (Some((&["y"], true)), Change::Remove(&x), Move::Rest),
            (Some((&["x"], true)), Change::Remove(&x), write(&[], false)),
            (
                Some((&["x", "y"], true)),
                Change::Remove(&xy),
                write(&[], false),
            ),
            // What was not told yet comes first, whoever finds it.
            (
                Some((&["x"], false)),
                Change::Add("y"),
                Move::Tell(ChannelState::Occupied),
            ),
            (
                Some((&["x"], false)),
                Change::Remove(&x),
                Move::Tell(ChannelState::Occupied),
            ),
            (
                Some((&[], false)),
                Change::Add("x"),
                Move::Tell(ChannelState::Vacated),
            ),
        ] {
            let before = before.map(|(nodes, is_told)| record(nodes, is_told));
            let found = Record::towards(before.as_ref(), "a", &change, 7);
            assert_eq!(found, expected, "{before:?} {change:?}");
        }
    }
}
