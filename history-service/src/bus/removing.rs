//! Removals that are asked for on the bus.

use futures_util::future::BoxFuture;
use tidegate_backbone::archive::{Removal as Question, Removed};
use tidegate_backbone::service::{Handler, Refusal};
use tidegate_backbone::{Channel, Message};

use super::{channel, refusal, wrong};
use crate::history::{History, Removal};

/// Removes channels of one namespace.
pub(super) struct Remover {
    pub(super) history: History,
    pub(super) namespace: Option<String>,
}

impl Handler for Remover {
    fn answer(&self, question: Message) -> BoxFuture<'static, Result<Message, Refusal>> {
        let channel = meant(&question.data, self.namespace.as_deref());
        let history = self.history.clone();
        Box::pin(async move {
            let removed = history.remove(&channel?, &Removal::Everything).await;
            let removed = Removed {
                removed: removed.map_err(refusal)?,
            };
            let answer = serde_json::to_vec(&removed).expect("a number is always JSON");
            Ok(Message::new(answer))
        })
    }
}

fn meant(question: &[u8], namespace: Option<&str>) -> Result<Channel, Refusal> {
    let question: Question =
        serde_json::from_slice(question).map_err(|error| wrong(&error.to_string()))?;
    channel(&question.channel, namespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_channel_of_the_namespace_is_removed() {
        for (question, expected) in [
            (r#"{"channel":"chat:a"}"#, Ok("chat:a".to_owned())),
            (r#"{"channel":"other:a"}"#, Err(400)),
            (r#"{"channel":"chat:a","after":1}"#, Err(400)),
            ("{}", Err(400)),
        ] {
            let found = meant(question.as_bytes(), Some("chat"));
            let found = found.map(|it| it.to_string()).map_err(|it| it.code);
            assert_eq!(found, expected, "{question}");
        }
    }
}
