//! The server API's JSON: Centrifugo's shapes, so that its server libraries work unmodified. Over HTTP, and over NATS.

mod overrides;
mod request;
mod response;
mod revocation;

use serde::Deserialize;
use serde_json::value::RawValue;
use tidegate_codec::{ErrorCode, Failure};

use super::{Batch, MAX_OPERATIONS, Operation};
pub(super) use response::{batch, outcome};

/// Every method of one operation.
pub(crate) const METHODS: [&str; 19] = [
    "publish",
    "broadcast",
    "subscribe",
    "unsubscribe",
    "disconnect",
    "refresh",
    "presence",
    "presence_stats",
    "history",
    "history_remove",
    "channels",
    "connections",
    "info",
    "block_user",
    "unblock_user",
    "revoke_token",
    "invalidate_user_tokens",
    "revocations",
    "rpc",
];

/// Why a request cannot be performed.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not the JSON that the method takes.
    Malformed(String),
    /// It is, and asks for what there is not.
    Failed(Failure),
}

impl From<ErrorCode> for Fault {
    fn from(code: ErrorCode) -> Self {
        Self::Failed(code.into())
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// The operation of a request's body.
pub(super) fn operation(method: &str, body: &[u8]) -> Result<Operation, Fault> {
    request::operation(method, body)
}

#[derive(Deserialize)]
struct BatchRequest<'a> {
    #[serde(borrow, default)]
    commands: Vec<std::collections::BTreeMap<String, &'a RawValue>>,
    #[serde(default)]
    parallel: bool,
}

/// The operations of a batch, with the name of each.
pub(super) fn operations(body: &[u8]) -> Result<(Vec<String>, Batch), Fault> {
    let request: BatchRequest<'_> = serde_json::from_slice(body)?;
    if request.commands.len() > MAX_OPERATIONS {
        return Err(ErrorCode::LimitExceeded.into());
    }
    let commands = request.commands.into_iter().map(|command| {
        let Some((method, body)) = command.into_iter().next() else {
            return (String::new(), Err(ErrorCode::BadRequest.into()));
        };
        let operation = operation(&method, body.get().as_bytes());
        let operation = operation.map_err(|fault| match fault {
            Fault::Malformed(_) => ErrorCode::BadRequest.into(),
            Fault::Failed(failure) => failure,
        });
        (method, operation)
    });
    let (methods, operations) = commands.unzip();
    let batch = Batch {
        operations,
        is_parallel: request.parallel,
    };
    Ok((methods, batch))
}
