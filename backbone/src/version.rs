//! Versions that publishers give their publications, so that of a document's states only newer ones are stored.

use serde::{Deserialize, Serialize};

/// Publications of a channel that are looked through, from the newest on, for one that has a version.
pub const VERSION_SEARCH: usize = 1_000;

/// Bytes of an epoch.
pub const MAX_VERSION_EPOCH_BYTES: usize = 128;

/// Which state of a document a publication is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// Grows from state to state.
    pub number: u64,
    /// Within which numbers can be compared; empty where there is only one.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub epoch: String,
}

impl Version {
    /// What a publisher says; `None` for number zero, which is none.
    #[must_use]
    pub fn given(number: u64, epoch: String) -> Option<Self> {
        (number > 0).then_some(Self { number, epoch })
    }

    /// Whether a channel that has `kept` has no use for it. A version of another epoch is always newer.
    #[must_use]
    pub fn is_superseded_by(&self, kept: &Self) -> bool {
        self.epoch == kept.epoch && self.number <= kept.number
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(number: u64, epoch: &str) -> Version {
        Version {
            number,
            epoch: epoch.to_owned(),
        }
    }

    #[test]
    fn only_what_is_newer_or_of_another_epoch_is_of_use() {
        let kept = version(7, "a");
        for (number, epoch, expected) in [
            (6, "a", true),
            (7, "a", true),
            (8, "a", false),
            (1, "b", false),
            (7, "", false),
        ] {
            let superseded = version(number, epoch).is_superseded_by(&kept);
            assert_eq!(superseded, expected, "{number} of {epoch:?}");
        }
    }
}
