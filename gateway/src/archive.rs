//! The archive, as a node asks it: for what streams do not keep any more.
//!
//! In: a channel, and a place in it. Out: publications, with the proof that none is missing, within a bounded time; or
//! nothing, at once where nobody archives. One that does not answer is left alone for a while, so that a storm of clients
//! does not wait for it one after the other.

use std::collections::HashSet;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tidegate_backbone::archive::{
    Answer, ArchiveError, Question, ask_archive, remove_from_archive,
};
use tidegate_backbone::{Backbone, Channel, Epoch, From, Publication, Range};
use tokio::time::Instant;

/// Time for everything that one client is given from the archive.
const PATIENCE: Duration = Duration::from_secs(2);

/// Time for it to remove a channel.
const REMOVAL: Duration = Duration::from_secs(10);

/// How long an archive that does not answer is left alone.
const REST: Duration = Duration::from_secs(5);

/// Publications in one question.
const PAGE: usize = 1_000;

/// The archive of some namespaces.
pub(crate) struct Archive {
    backbone: Arc<dyn Backbone>,
    namespaces: HashSet<Option<String>>,
    /// Until when it is left alone.
    rests: Mutex<Option<Instant>>,
}

/// A part of a channel of which nothing is missing.
#[derive(Debug)]
pub(crate) struct Stretch {
    /// The oldest first.
    pub(crate) publications: Vec<Publication>,
    /// Everything up to this offset is in it.
    pub(crate) end: u64,
}

impl Archive {
    pub(crate) fn new(backbone: Arc<dyn Backbone>, namespaces: HashSet<Option<String>>) -> Self {
        Self {
            backbone,
            namespaces,
            rests: Mutex::default(),
        }
    }

    /// Everything behind one offset up to another, or further; `None` unless it is proved to be whole and within the bounds.
    pub(crate) async fn stretch(
        &self,
        channel: &Channel,
        epoch: &Epoch,
        (after, to): (u64, u64),
        (count, bytes): (usize, usize),
    ) -> Option<Stretch> {
        let deadline = Instant::now() + PATIENCE;
        let (mut end, mut size) = (after, 0);
        let mut publications: Vec<Publication> = Vec::new();
        loop {
            let question = Question {
                epoch: Some(epoch.to_string()),
                after: Some(end),
                limit: Some(PAGE),
                ..of(channel)
            };
            let answer = self.ask(channel, &question, deadline).await?;
            if answer.epoch != *epoch || !answer.is_gapless {
                return None;
            }
            size += answer
                .publications
                .iter()
                .map(|it| it.data.len())
                .sum::<usize>();
            publications.extend(answer.publications);
            if publications.len() > count || size > bytes {
                return None;
            }
            if answer.end >= to {
                return Some(Stretch {
                    publications,
                    end: answer.end,
                });
            }
            // An answer that leads nowhere must not be asked for again.
            end = answer.next.filter(|next| *next > end)?;
        }
    }

    /// A page of a channel, further back than its stream reaches.
    pub(crate) async fn page(
        &self,
        channel: &Channel,
        epoch: &Epoch,
        range: Range,
    ) -> Option<Vec<Publication>> {
        let (after, before) = match range.from {
            From::After(offset) => (Some(offset), None),
            From::Before(offset) => (None, Some(offset)),
        };
        let question = Question {
            epoch: Some(epoch.to_string()),
            after,
            before,
            limit: Some(range.limit.clamp(1, PAGE)),
            ..of(channel)
        };
        let deadline = Instant::now() + PATIENCE;
        let answer = self.ask(channel, &question, deadline).await?;
        if answer.epoch != *epoch {
            return None;
        }
        let mut bytes = 0;
        let fits = |(index, it): &(usize, Publication)| {
            bytes += it.data.len();
            *index == 0 || bytes <= range.max_bytes
        };
        let page = answer.publications.into_iter().enumerate();
        Some(page.take_while(fits).map(|(_, it)| it).collect())
    }

    /// Whether whoever archives answers, for each namespace that has an archive; `None` where there is none.
    pub(crate) async fn reach(&self) -> Option<Result<(), String>> {
        let mut found = None;
        for namespace in &self.namespaces {
            let name = namespace
                .as_ref()
                .map_or_else(|| "_".to_owned(), |it| format!("{it}:_"));
            let channel =
                Channel::parse(&name).expect("a namespace and one character are a channel");
            let question = Question {
                limit: Some(1),
                ..of(&channel)
            };
            match ask_archive(&*self.backbone, &channel, &question, PATIENCE).await {
                Ok(_) | Err(ArchiveError::Refused(_)) => found = Some(Ok(())),
                Err(error @ (ArchiveError::Absent | ArchiveError::Silent(_))) => {
                    return Some(Err(error.to_string()));
                }
            }
        }
        found
    }

    /// Has everything of a channel removed from the archive, if its namespace has one.
    pub(crate) async fn remove(&self, channel: &Channel) -> Result<(), ArchiveError> {
        let namespace = channel.namespace().map(str::to_owned);
        if !self.namespaces.contains(&namespace) {
            return Ok(());
        }
        let removed = remove_from_archive(&*self.backbone, channel, REMOVAL).await;
        removed.map(|_| ())
    }

    async fn ask(
        &self,
        channel: &Channel,
        question: &Question,
        deadline: Instant,
    ) -> Option<Answer> {
        let namespace = channel.namespace().map(str::to_owned);
        if !self.namespaces.contains(&namespace) || self.is_resting() {
            return None;
        }
        let within = deadline.saturating_duration_since(Instant::now());
        let error = match ask_archive(&*self.backbone, channel, question, within).await {
            Ok(answer) => return Some(answer),
            Err(error) => error,
        };
        tracing::debug!(channel = channel.as_str(), %error, "nothing comes from the archive");
        match error {
            ArchiveError::Silent(_) => *self.rests() = Some(Instant::now() + REST),
            ArchiveError::Absent | ArchiveError::Refused(_) => {}
        }
        None
    }

    fn is_resting(&self) -> bool {
        self.rests().is_some_and(|until| Instant::now() < until)
    }

    fn rests(&self) -> std::sync::MutexGuard<'_, Option<Instant>> {
        self.rests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn of(channel: &Channel) -> Question {
    Question {
        channel: channel.as_str().to_owned(),
        ..Question::default()
    }
}

impl fmt::Debug for Archive {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Archive")
            .field("namespaces", &self.namespaces)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
