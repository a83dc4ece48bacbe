//! What comes of a question: what the backend answers, or why it does not.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tidegate_backbone::Version;
use tidegate_codec::{Disconnect, Failure};

use crate::auth::{Expiry, Override, SubscriptionOptions};

/// What the backend says.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Yes, with what it grants.
    Granted(Box<Grant>),
    /// Neither yes nor no. What that means depends on the event.
    Nothing,
    /// The command fails.
    Refused(Failure),
    /// The connection ends.
    Disconnect(Disconnect),
}

/// What a backend grants. What does not concern the event is empty.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// User id; empty for an anonymous user.
    pub user: String,
    /// When it ends.
    pub expiry: Expiry,
    /// Whether it has ended.
    pub is_expired: bool,
    /// Payload shown to others; `None` to leave it as it is.
    pub info: Option<Bytes>,
    /// Payload for the client, or in place of what it published.
    pub data: Option<Bytes>,
    /// Server-side subscriptions.
    pub subs: BTreeMap<String, SubscriptionOptions>,
    /// Channel options changed for this subscriber.
    pub overrides: Override,
    /// Attached to the connection, as JSON; `None` to leave it as it is.
    pub meta: Option<Bytes>,
    /// Labels of the publication.
    pub tags: BTreeMap<String, String>,
    /// Id of the publication, so that it is stored once.
    pub id: String,
    /// Which state of a document the publication is.
    pub version: Option<Version>,
    /// Whether the publication is for those alone who are subscribed now.
    pub skips_history: bool,
}

impl Default for Grant {
    fn default() -> Self {
        Self {
            user: String::new(),
            expiry: Expiry::Never,
            is_expired: false,
            info: None,
            data: None,
            subs: BTreeMap::new(),
            overrides: Override::default(),
            meta: None,
            tags: BTreeMap::new(),
            id: String::new(),
            version: None,
            skips_history: false,
        }
    }
}

/// Why there is no answer. The client gets error 100, whichever it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unanswered {
    /// The question was never sent.
    #[error("cannot be reached: {0}")]
    Unreachable(String),
    /// It may have been heard.
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("no answer within {0:?}")]
    Late(Duration),
    #[error("as many calls are under way as there may be")]
    Busy,
    #[error("not asked, for it failed too often lately")]
    Resting,
    #[error("the answer is longer than {0} bytes")]
    TooLarge(usize),
    #[error("the status is {0}")]
    Status(u16),
    #[error("the answer is not understood: {0}")]
    Malformed(String),
    #[error("the client's payload is not JSON; see binary_encoding")]
    NotJson,
}

impl Unanswered {
    /// As it stands in metrics.
    pub(super) const fn outcome(&self) -> Outcome {
        match self {
            Self::Unreachable(_) => Outcome::Unreachable,
            Self::Broken(_) => Outcome::Broken,
            Self::Late(_) => Outcome::Late,
            Self::Busy => Outcome::Busy,
            Self::Resting => Outcome::Resting,
            Self::TooLarge(_) => Outcome::TooLarge,
            Self::Status(_) => Outcome::Status,
            Self::Malformed(_) => Outcome::Malformed,
            Self::NotJson => Outcome::NotJson,
        }
    }

    /// Whether it speaks against the backend, and not merely against this question.
    pub(super) const fn is_failure(&self) -> bool {
        match self {
            Self::Unreachable(_) | Self::Broken(_) | Self::Late(_) | Self::Malformed(_) => true,
            Self::Status(status) => *status >= 500,
            Self::Busy | Self::Resting | Self::TooLarge(_) | Self::NotJson => false,
        }
    }
}

/// What came of a question, for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Granted,
    Refused,
    Disconnect,
    Unreachable,
    Broken,
    Late,
    Busy,
    Resting,
    TooLarge,
    Status,
    Malformed,
    NotJson,
    /// A notice was given up.
    Dead,
}

impl Outcome {
    pub(super) const ALL: [Self; 13] = [
        Self::Granted,
        Self::Refused,
        Self::Disconnect,
        Self::Unreachable,
        Self::Broken,
        Self::Late,
        Self::Busy,
        Self::Resting,
        Self::TooLarge,
        Self::Status,
        Self::Malformed,
        Self::NotJson,
        Self::Dead,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::Refused => "refused",
            Self::Disconnect => "disconnect",
            Self::Unreachable => "unreachable",
            Self::Broken => "broken",
            Self::Late => "late",
            Self::Busy => "busy",
            Self::Resting => "resting",
            Self::TooLarge => "too_large",
            Self::Status => "status",
            Self::Malformed => "malformed",
            Self::NotJson => "not_json",
            Self::Dead => "dead",
        }
    }

    pub(super) const fn of(result: &Result<Answer, Unanswered>) -> Self {
        match result {
            Ok(Answer::Granted(_) | Answer::Nothing) => Self::Granted,
            Ok(Answer::Refused(_)) => Self::Refused,
            Ok(Answer::Disconnect(_)) => Self::Disconnect,
            Err(unanswered) => unanswered.outcome(),
        }
    }
}
