//! Bodies about blocked users and revoked tokens: those of Centrifugo PRO, and a list of what there is.

use serde::{Deserialize, Serialize};

use crate::api::Operation;
use crate::revocation::{Entry, Subject};

#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct RevocationRequest {
    user: String,
    uid: String,
    channel: String,
    issued_before: i64,
    expire_at: i64,
    after: String,
    limit: usize,
}

pub(super) fn operation(method: &str, request: RevocationRequest) -> Operation {
    let subject = match method {
        "unblock_user" => return Operation::Unblock { user: request.user },
        "revocations" => {
            return Operation::Revocations {
                after: request.after,
                limit: request.limit,
            };
        }
        "block_user" => Subject::User(request.user),
        "revoke_token" => Subject::Token(request.uid),
        _ => Subject::Issued {
            user: request.user,
            channel: Some(request.channel).filter(|it| !it.is_empty()),
        },
    };
    Operation::Revoke(Entry {
        subject,
        expire_at: Some(request.expire_at).filter(|at| *at != 0),
        issued_before: request.issued_before,
    })
}

#[derive(Serialize)]
pub(super) struct RevocationsBody {
    revocations: Vec<RevocationBody>,
    /// What to give as `after` for those behind them.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

impl RevocationsBody {
    pub(super) fn new(entries: Vec<(String, Entry)>, has_more: bool) -> Self {
        let last = entries.last().filter(|_| has_more);
        Self {
            next: last.map(|(key, _)| key.clone()),
            revocations: entries.into_iter().map(|(_, it)| it.into()).collect(),
        }
    }
}

/// Names tell what it is: a user that is blocked, a token, or tokens of a user issued before some time.
#[derive(Default, Serialize)]
struct RevocationBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    uid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    issued_before: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    expire_at: Option<i64>,
}

impl From<Entry> for RevocationBody {
    fn from(entry: Entry) -> Self {
        let expire_at = entry.expire_at;
        let body = match entry.subject {
            Subject::User(user) => Self {
                user: Some(user),
                ..Self::default()
            },
            Subject::Token(uid) => Self {
                uid: Some(uid),
                ..Self::default()
            },
            Subject::Issued { user, channel } => Self {
                user: Some(user),
                issued_before: Some(entry.issued_before),
                channel,
                ..Self::default()
            },
        };
        Self { expire_at, ..body }
    }
}
