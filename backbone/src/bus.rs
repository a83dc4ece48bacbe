//! Messages between the programs of one deployment: nodes, services, backends.
//!
//! In: a [`Message`] about a [`Topic`]. Out: the same message at each [`Ear`] that hears about it, and answers back to who
//! asked. Nothing is kept: what nobody hears is gone.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;

use crate::topic::Topic;
use crate::{Error, Subscription};

/// The most bytes of headers that are taken of a message; one with more is dropped.
pub const MAX_HEADER_BYTES: usize = 64 * 1024;

/// Carries messages between programs.
///
/// # Promises
/// 1. After `hear` has returned, what is told about the topic reaches the ear once. Between servers of a cluster it
///    takes a moment longer.
/// 2. What one program tells arrives in the order of telling, about one topic or several.
/// 3. Of the ears of one group one hears each message; without a group each ear hears everything.
/// 4. A question that nobody hears is answered at once with [`AskError::NobodyHears`].
/// 5. While the carrier cannot be reached everything answers unavailable; ears that exist hear again by themselves once it
///    is back, and are told [`Ear::interrupted`].
pub trait Bus: Send + Sync + fmt::Debug {
    /// Sends `message` to everyone who hears about `topic`. That the carrier took it is not confirmed.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::TooLarge`]: nobody hears it.
    fn tell<'a>(&'a self, topic: &'a Topic, message: Message) -> BoxFuture<'a, Result<(), Error>>;

    /// Hears about `topic` until the subscription is dropped.
    ///
    /// # Errors
    /// [`Error::Unavailable`] when the carrier did not confirm in time; nothing is then heard.
    fn hear<'a>(
        &'a self,
        topic: &'a Topic,
        group: Option<&'a str>,
        ear: Arc<dyn Ear>,
    ) -> BoxFuture<'a, Result<Subscription, Error>>;

    /// The first answer to a question.
    ///
    /// # Errors
    /// [`AskError`] when there is none.
    fn ask<'a>(
        &'a self,
        topic: &'a Topic,
        question: Message,
        within: Duration,
    ) -> BoxFuture<'a, Result<Message, AskError>> {
        Box::pin(async move {
            let answers = self.ask_all(topic, question, within, 1).await?;
            let first = answers.into_iter().next();
            first.ok_or(AskError::Late(within))
        })
    }

    /// Every answer that comes, until there are `enough` or the time is over.
    ///
    /// # Errors
    /// [`AskError`], but never [`AskError::Late`]: then there are fewer.
    fn ask_all<'a>(
        &'a self,
        topic: &'a Topic,
        question: Message,
        within: Duration,
        enough: usize,
    ) -> BoxFuture<'a, Result<Vec<Message>, AskError>>;

    /// How the carrier spells a topic, for those who are told where to send.
    fn address(&self, topic: &Topic) -> String;

    /// Whether programs other than this one can be heard.
    fn reaches_others(&self) -> bool {
        true
    }
}

/// What is said.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Message {
    /// Names and values, one line each. A carrier makes `_` of what would end the line.
    pub headers: Vec<(String, String)>,
    /// The rest.
    pub data: Bytes,
}

impl Message {
    /// A message without headers.
    #[must_use]
    pub fn new(data: impl Into<Bytes>) -> Self {
        Self {
            headers: Vec::new(),
            data: data.into(),
        }
    }

    /// The first value of a header, whose name is compared as it is spelt.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        headers.find_map(|(it, value)| (it == name).then_some(value.as_str()))
    }
}

/// Hears messages. Called from the carrier's own task, one message after the other, so it must not block.
pub trait Ear: Send + Sync {
    /// Takes one message.
    fn hear(&self, heard: Heard);

    /// Messages may have been lost.
    fn interrupted(&self) {}
}

/// A message that was heard.
#[derive(Debug)]
pub struct Heard {
    /// What it is about.
    pub topic: Topic,
    /// What was said.
    pub message: Message,
    /// Who waits for an answer.
    pub asker: Option<Asker>,
}

/// Where an answer goes, once.
pub struct Asker(Box<dyn FnOnce(Message) -> Answered + Send>);

/// Resolves once the carrier has the answer.
pub(crate) type Answered = BoxFuture<'static, Result<(), Error>>;

impl Asker {
    pub(crate) fn new(answer: impl FnOnce(Message) -> Answered + Send + 'static) -> Self {
        Self(Box::new(answer))
    }

    /// Answers. Whether the asker still waits is not known.
    ///
    /// # Errors
    /// [`Error::Unavailable`] and [`Error::TooLarge`]: it is not sent.
    pub async fn answer(self, message: Message) -> Result<(), Error> {
        (self.0)(message).await
    }
}

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Asker").finish_non_exhaustive()
    }
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AskError {
    /// Nobody hears about the topic.
    #[error("nobody answers")]
    NobodyHears,
    /// Somebody may have heard, and has not answered.
    #[error("no answer within {0:?}")]
    Late(Duration),
    /// The question could not be sent.
    #[error(transparent)]
    Unsent(#[from] Error),
}
