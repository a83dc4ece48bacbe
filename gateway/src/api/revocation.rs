//! Blocked users and revoked tokens.

use std::time::SystemTime;

use tidegate_codec::{ErrorCode, Failure};

use super::{Api, Outcome};
use crate::revocation::{Entry, Refused, Revocations, Subject, unix_seconds};

/// Entries in one answer.
const MAX_ENTRIES: usize = 1_000;

/// The same where nothing else is asked for.
const DEFAULT_ENTRIES: usize = 100;

impl Api {
    /// Blocks a user, or revokes tokens, on every node.
    pub(super) async fn revoke(&self, mut entry: Entry) -> Result<Outcome, Failure> {
        let revocations = self.revocations()?;
        let now = unix_seconds(SystemTime::now());
        check(&entry.subject)?;
        if entry.expire_at.is_some_and(|at| at <= now) {
            return Err(ErrorCode::BadRequest.into());
        }
        if let (Subject::Issued { .. }, 0) = (&entry.subject, entry.issued_before) {
            entry.issued_before = now;
        }
        revocations.put(&entry).await.map_err(failure)?;
        Ok(Outcome::Done)
    }

    /// Lets a user in again.
    pub(super) async fn unblock(&self, user: String) -> Result<Outcome, Failure> {
        let revocations = self.revocations()?;
        let subject = Subject::User(user);
        check(&subject)?;
        revocations.delete(subject).await.map_err(failure)?;
        Ok(Outcome::Done)
    }

    /// What there is, as this node knows it.
    pub(super) fn list_revocations(&self, after: &str, limit: usize) -> Result<Outcome, Failure> {
        let list = self.revocations()?.list();
        let limit = match limit {
            0 => DEFAULT_ENTRIES,
            limit => limit.min(MAX_ENTRIES),
        };
        if !list.is_complete() {
            return Err(ErrorCode::Internal.into());
        }
        let now = unix_seconds(SystemTime::now());
        let (entries, has_more) = list.page(after, limit, now);
        Ok(Outcome::Revocations { entries, has_more })
    }

    fn revocations(&self) -> Result<&Revocations, Failure> {
        let revocations = self.cluster.node.revocations.as_ref();
        Ok(revocations.ok_or(ErrorCode::NotAvailable)?)
    }
}

/// Nobody in particular cannot be meant.
fn check(subject: &Subject) -> Result<(), Failure> {
    let is_named = match subject {
        Subject::User(name) | Subject::Token(name) => !name.is_empty(),
        Subject::Issued { user, channel } => {
            !user.is_empty() && channel.as_ref().is_none_or(|it| !it.is_empty())
        }
    };
    match is_named && subject.check().is_ok() {
        true => Ok(()),
        false => Err(ErrorCode::BadRequest.into()),
    }
}

fn failure(refused: Refused) -> Failure {
    match refused {
        Refused::Full => ErrorCode::LimitExceeded.into(),
        Refused::Unavailable(error) => {
            tracing::warn!(%error, "a user or token could not be kept out or let in");
            ErrorCode::Internal.into()
        }
    }
}
