//! Tells backends what happened that is about no connection, for who waits until it is stored or told.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use tidegate_codec::Format;

use super::answer::Unanswered;
use super::dispatch::is_refusal;
use super::notices::{Notice, Stamp};
use super::question::{Caller, Question, Subject, TargetId, Transition};
use super::target::Target;

/// What has become of a channel, and whom to tell.
#[derive(Debug)]
pub(crate) struct Happened {
    pub(crate) target: TargetId,
    /// The same whenever this is told.
    pub(crate) id: String,
    pub(crate) time_ms: u64,
    pub(crate) transition: Transition,
}

/// The backends.
pub(crate) struct Teller(HashMap<TargetId, Arc<Target>>);

impl Teller {
    pub(super) fn new(targets: HashMap<TargetId, Arc<Target>>) -> Self {
        Self(targets)
    }

    /// Stores a notice, or, where nothing is stored, has the backend take it.
    ///
    /// # Errors
    /// When it may be neither: it is to be told again.
    pub(crate) async fn tell(&self, happened: Happened) -> Result<(), Unanswered> {
        let target = self.0.get(&happened.target);
        let target = target.expect("rules name backends that are planned");
        let notice = Notice {
            question: Question {
                target: happened.target,
                caller: Caller::default(),
                subject: Subject::State(happened.transition),
            },
            transport: Cow::Borrowed(""),
            format: Format::Json,
            stamp: Stamp {
                id: happened.id,
                time_ms: happened.time_ms,
            },
        };
        match target.take(&notice).await {
            Err(Unanswered::Status(status)) if is_refusal(status) => {
                target.meter.lost();
                tracing::warn!(status, "a backend refuses what it is told of a channel");
                Ok(())
            }
            other => other,
        }
    }
}
