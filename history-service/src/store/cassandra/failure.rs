//! What the driver says, as a store says it: what waiting may mend, and what only an operator can.

use scylla::errors::{
    DbError, ExecutionError, NewSessionError, NextPageError, NextRowError, PagerExecutionError,
    PrepareError, RequestAttemptError, RequestError,
};

use crate::store::StoreError;

/// Why the cluster cannot be used from the start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// No node lets this in.
    #[error("cannot reach the Cassandra cluster at {nodes}")]
    Connect {
        /// Where it was looked for.
        nodes: String,
        /// The driver's words.
        #[source]
        cause: Box<NewSessionError>,
    },
    /// There is no such keyspace.
    #[error(
        "there is no keyspace {0:?}; an operator makes it, with the replication that it is to have: CREATE KEYSPACE {0} WITH replication = {{'class': 'NetworkTopologyStrategy', '<datacenter>': 3}}"
    )]
    NoKeyspace(String),
    /// A name that no keyspace has.
    #[error("{0:?} is not the name of a keyspace: up to 48 of a-z, 0-9 and _, with a letter first")]
    KeyspaceName(String),
    /// A bucket that is none.
    #[error("a bucket is at least 2 sequences")]
    Bucket,
    /// The authorities.
    #[error("cannot use the certificate authorities in {path}: {reason}")]
    Authorities {
        /// Their file.
        path: String,
        /// Why.
        reason: String,
    },
    /// The cluster refused something.
    #[error("the keyspace cannot be used")]
    Refused(#[from] StoreError),
}

pub(super) fn failure(error: &ExecutionError) -> StoreError {
    let text = error.to_string();
    match error {
        ExecutionError::BadQuery(_) => StoreError::Broken(text),
        ExecutionError::LastAttemptError(error) => of_attempt(error, text),
        ExecutionError::PrepareError(error) => prepare_failure(error),
        _ => StoreError::Unavailable(text),
    }
}

pub(super) fn prepare_failure(error: &PrepareError) -> StoreError {
    let text = error.to_string();
    match error {
        PrepareError::AllAttemptsFailed { first_attempt } => of_attempt(first_attempt, text),
        _ => StoreError::Unavailable(text),
    }
}

pub(super) fn paging_failure(error: &PagerExecutionError) -> StoreError {
    let text = error.to_string();
    match error {
        PagerExecutionError::NextPageError(error) => of_page(error, text),
        PagerExecutionError::PrepareError(error) => prepare_failure(error),
        PagerExecutionError::SerializationError(_) => StoreError::Broken(text),
        _ => StoreError::Unavailable(text),
    }
}

pub(super) fn row_failure(error: &NextRowError) -> StoreError {
    let text = error.to_string();
    match error {
        NextRowError::NextPageError(error) => of_page(error, text),
        _ => StoreError::Broken(text),
    }
}

pub(super) fn unreadable(error: impl std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("an answer cannot be read: {error}"))
}

fn of_page(error: &NextPageError, text: String) -> StoreError {
    match error {
        NextPageError::RequestFailure(RequestError::LastAttemptError(error)) => {
            of_attempt(error, text)
        }
        _ => StoreError::Unavailable(text),
    }
}

fn of_attempt(error: &RequestAttemptError, text: String) -> StoreError {
    match error {
        RequestAttemptError::DbError(
            DbError::SyntaxError
            | DbError::Invalid
            | DbError::ConfigError
            | DbError::Unauthorized
            | DbError::AuthenticationError,
            _,
        ) => StoreError::Broken(text),
        _ => StoreError::Unavailable(text),
    }
}
