//! Frames that came to one node for a session of another.

use std::sync::{Arc, Weak};

use bytes::Bytes;
use tidegate_backbone::{AskError, Bus, Ear, Error, Heard, Message, Subscription, Topic};
use tokio::runtime::Handle;
use uuid::Uuid;

use super::{Fate, PATIENCE, Sessions};

/// The header that names the session.
const SESSION: &str = "Session";

/// What a node answers, by what became of the frame. Another answer is that of a node which does not know better.
const ANSWERS: [(Fate, &str); 3] = [
    (Fate::Taken, "taken"),
    (Fate::Gone, "gone"),
    (Fate::Full, "full"),
];

/// Passes a frame on to the node that has the session, and waits for what becomes of it there.
pub(super) async fn pass_on(
    bus: &(impl Bus + ?Sized),
    node: Uuid,
    session: Uuid,
    frame: Bytes,
) -> Fate {
    let question = Message {
        headers: vec![(SESSION.to_owned(), session.to_string())],
        data: frame,
    };
    let topic = Topic::emulation(&node.to_string());
    match bus.ask(&topic, question, PATIENCE).await {
        Ok(answer) => {
            let mut answers = ANSWERS.iter();
            let known = answers.find(|(_, text)| answer.data == text);
            known.map_or(Fate::Late, |(fate, _)| *fate)
        }
        Err(AskError::NobodyHears) => Fate::NoNode,
        Err(AskError::Late(_)) => Fate::Late,
        Err(AskError::Unsent(Error::TooLarge { .. })) => Fate::TooLarge,
        Err(AskError::Unsent(_)) => Fate::Unavailable,
    }
}

/// Hears what other nodes pass on.
///
/// # Errors
/// Those of [`Bus::hear`].
pub(super) async fn hear(sessions: &Arc<Sessions>, bus: &dyn Bus) -> Result<Subscription, Error> {
    let topic = Topic::emulation(&sessions.node().to_string());
    let ear = Arc::new(Postman {
        sessions: Arc::downgrade(sessions),
        runtime: Handle::current(),
    });
    bus.hear(&topic, None, ear).await
}

struct Postman {
    sessions: Weak<Sessions>,
    runtime: Handle,
}

impl Ear for Postman {
    fn hear(&self, heard: Heard) {
        let Some(sessions) = self.sessions.upgrade() else {
            return;
        };
        let Heard { message, asker, .. } = heard;
        let session = message.header(SESSION).and_then(|it| it.parse().ok());
        let Some((session, asker)) = session.zip(asker) else {
            return tracing::debug!("a frame of another node names no session");
        };
        // At once, or frames would overtake each other.
        let posted = sessions.post(session, message.data);
        self.runtime.spawn(async move {
            let fate = posted.fate().await;
            let answer = ANSWERS.iter().find(|(known, _)| *known == fate);
            let text = answer.map_or("", |(_, text)| text);
            if let Err(error) = asker.answer(Message::new(text)).await {
                tracing::debug!(%error, "what became of a frame could not be told");
            }
        });
    }
}
