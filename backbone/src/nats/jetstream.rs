//! What is asked of JetStream: again and again while nobody answers, and what it answers.

use std::time::Duration;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::{Instant, sleep, timeout_at};

use super::inbox::{Answer, Wants};
use super::node::Node;
use super::wire::encoder;
use crate::Error;

/// Time in which a stream must answer, the election of a leader included.
pub(super) const PATIENCE: Duration = Duration::from_secs(4);

/// Time for one attempt.
pub(super) const ATTEMPT: Duration = Duration::from_secs(1);

/// The same of a read, which waits behind others.
const READ_ATTEMPT: Duration = Duration::from_secs(3);

/// Pause between two attempts.
pub(super) const PAUSE: Duration = Duration::from_millis(100);

/// Asks JetStream, again and again until the deadline while nobody answers.
pub(super) async fn ask(
    node: &Node,
    subject: &str,
    request: &Value,
    wants: Wants,
    deadline: Instant,
) -> Result<Vec<Answer>, Error> {
    let payload = match request {
        Value::Null => Bytes::new(),
        request => Bytes::from(request.to_string()),
    };
    let request = Request {
        subject,
        headers: b"",
        payload,
    };
    request.ask(node, wants, deadline).await
}

/// Something that JetStream answers.
pub(super) struct Request<'a> {
    pub(super) subject: &'a str,
    pub(super) headers: &'a [u8],
    pub(super) payload: Bytes,
}

impl Request<'_> {
    /// Asks, again and again until the deadline while nobody answers.
    pub(super) async fn ask(
        &self,
        node: &Node,
        wants: Wants,
        deadline: Instant,
    ) -> Result<Vec<Answer>, Error> {
        loop {
            let reason = match self.once(node, wants, deadline).await {
                Ok(answers) if answers[0].status() == Some("503") => "nobody answers".to_owned(),
                Ok(answers) => return Ok(answers),
                Err(Error::Unavailable(reason)) => reason,
                Err(error) => return Err(error),
            };
            if Instant::now() + PAUSE > deadline {
                node.look.notify_one();
                let subject = self.subject;
                let reason = format!("jetstream does not answer on {subject}: {reason}");
                return Err(Error::Unavailable(reason));
            }
            sleep(PAUSE).await;
        }
    }

    async fn once(
        &self,
        node: &Node,
        wants: Wants,
        deadline: Instant,
    ) -> Result<Vec<Answer>, Error> {
        let no_answer = || Error::Unavailable("no answer in time".to_owned());
        let (link, mut pending) = node.wait(wants)?;
        let reply = pending.subject.clone();
        let size = self.headers.len() + self.payload.len();
        link.send(size, |buffer| {
            encoder::request(buffer, self.subject, &reply, self.headers, &self.payload);
        })
        .await?;
        let attempt = match wants {
            Wants::Row => READ_ATTEMPT,
            Wants::One | Wants::AtMost(_) => ATTEMPT,
        };
        let end = deadline.min(Instant::now() + attempt);
        let answers = timeout_at(end, pending.answers()).await;
        answers
            .ok()
            .flatten()
            .filter(|it| !it.is_empty())
            .ok_or_else(no_answer)
    }
}

/// An answer of JetStream's API, or the error that it holds.
pub(super) fn parse<T: DeserializeOwned>(answer: &Answer) -> Result<T, ApiError> {
    let value: Value = serde_json::from_slice(&answer.payload).map_err(|_| ApiError {
        code: 0,
        text: "an answer that is no JSON".to_owned(),
    })?;
    if let Some(error) = value.get("error") {
        let text = error["description"]
            .as_str()
            .unwrap_or("an error without a text");
        return Err(ApiError {
            code: error["err_code"].as_u64().unwrap_or(0),
            text: text.to_owned(),
        });
    }
    serde_json::from_value(value).map_err(|error| ApiError {
        code: 0,
        text: error.to_string(),
    })
}

/// What JetStream says went wrong.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("jetstream: {text}")]
pub(super) struct ApiError {
    /// `err_code`; zero for none.
    pub(super) code: u64,
    pub(super) text: String,
}

impl From<ApiError> for Error {
    fn from(error: ApiError) -> Self {
        Self::Unavailable(error.to_string())
    }
}
