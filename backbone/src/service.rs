//! Services on the bus, as NATS tools know them: `nats micro ls`, `info` and `stats` show them.
//!
//! In: questions about an endpoint's topic. Out: the answer of its handler, or a refusal with a code. What is asked about
//! the service itself is answered as the NATS architecture decision 32 says. Nothing here knows what is asked.

mod report;

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Instant;

use futures_util::future::{BoxFuture, try_join_all};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use crate::bus::{Asker, Bus, Ear, Heard, Message};
use crate::topic::Topic;
use crate::{Error, Subscription};
use report::{Report, Verb};

/// Questions that one service works on at the same time; further ones are refused with [`BUSY`].
pub const MAX_UNDER_WAY: usize = 1_024;

/// The code of a refusal because there is too much to do.
pub const BUSY: u16 = 503;

/// Answers questions.
pub trait Handler: Send + Sync {
    /// The answer to one question.
    fn answer(&self, question: Message) -> BoxFuture<'static, Result<Message, Refusal>>;
}

/// Why a question is not answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What kind of reason, as HTTP statuses say it.
    pub code: u16,
    /// The reason.
    pub text: String,
}

/// One thing that a service can be asked.
pub struct Endpoint {
    /// Its name, a plain one.
    pub name: &'static str,
    /// What is asked about.
    pub topic: Topic,
    /// Of the services that give the same group one hears each question; without, all hear it.
    pub group: Option<String>,
    /// What answers.
    pub handler: Arc<dyn Handler>,
}

/// What can be asked, and who says so.
pub struct Service {
    /// A plain name.
    pub name: &'static str,
    /// A semantic version.
    pub version: &'static str,
    /// For people.
    pub description: &'static str,
    /// What it can be asked.
    pub endpoints: Vec<Endpoint>,
}

/// A service that is there until this is dropped.
#[derive(Debug)]
pub struct Served {
    id: String,
    _subscriptions: Vec<Subscription>,
}

impl Served {
    /// What tells it from others of its name.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }
}

/// Offers a service. Its handlers run on the runtime of this call.
///
/// # Errors
/// Those of [`Bus::hear`]; nothing is then offered.
pub async fn serve(bus: &Arc<dyn Bus>, service: Service) -> Result<Served, Error> {
    let report = Arc::new(Report::new(&**bus, &service));
    let room = Arc::new(Semaphore::new(MAX_UNDER_WAY));
    let mut hears: Vec<BoxFuture<'_, _>> = Vec::new();
    for (at, endpoint) in service.endpoints.into_iter().enumerate() {
        let ear = Arc::new(Answering {
            at,
            handler: endpoint.handler,
            report: Arc::clone(&report),
            room: Arc::clone(&room),
            runtime: Handle::current(),
        });
        let (topic, group) = (endpoint.topic, endpoint.group);
        hears.push(Box::pin(async move {
            bus.hear(&topic, group.as_deref(), ear).await
        }));
    }
    for verb in Verb::ALL {
        for topic in report.topics(verb) {
            let ear = Arc::new(Reporting {
                verb,
                report: Arc::downgrade(&report),
                runtime: Handle::current(),
            });
            hears.push(Box::pin(async move { bus.hear(&topic, None, ear).await }));
        }
    }
    Ok(Served {
        id: report.id().to_owned(),
        _subscriptions: try_join_all(hears).await?,
    })
}

/// Hears questions about an endpoint.
struct Answering {
    at: usize,
    handler: Arc<dyn Handler>,
    report: Arc<Report>,
    room: Arc<Semaphore>,
    runtime: Handle,
}

impl Ear for Answering {
    fn hear(&self, heard: Heard) {
        let Ok(room) = Arc::clone(&self.room).try_acquire_owned() else {
            let refusal = Refusal {
                code: BUSY,
                text: "too many questions at the same time".to_owned(),
            };
            self.report.count(self.at, Instant::now(), Some(&refusal));
            if let Some(asker) = heard.asker {
                self.runtime.spawn(asker.answer(refusal.into()));
            }
            return;
        };
        let (at, report) = (self.at, Arc::clone(&self.report));
        let (start, answer) = (Instant::now(), self.handler.answer(heard.message));
        self.runtime.spawn(async move {
            let answer = answer.await;
            report.count(at, start, answer.as_ref().err());
            give(heard.asker, answer.unwrap_or_else(Message::from)).await;
            drop(room);
        });
    }
}

/// Hears what is asked about the service itself.
struct Reporting {
    verb: Verb,
    report: Weak<Report>,
    runtime: Handle,
}

impl Ear for Reporting {
    fn hear(&self, heard: Heard) {
        if let Some(report) = self.report.upgrade() {
            let message = Message::new(report.text(self.verb));
            self.runtime.spawn(give(heard.asker, message));
        }
    }
}

async fn give(asker: Option<Asker>, answer: Message) {
    if let Some(asker) = asker
        && let Err(error) = asker.answer(answer).await
    {
        tracing::debug!(%error, "an answer was not sent");
    }
}

impl From<Refusal> for Message {
    fn from(refusal: Refusal) -> Self {
        let code = refusal.code.to_string();
        Self {
            headers: vec![
                ("Nats-Service-Error".to_owned(), refusal.text),
                ("Nats-Service-Error-Code".to_owned(), code),
            ],
            ..Self::default()
        }
    }
}

impl Message {
    /// The refusal that this answer is, if it is one.
    #[must_use]
    pub fn refusal(&self) -> Option<Refusal> {
        Some(Refusal {
            code: self.header("Nats-Service-Error-Code")?.parse().ok()?,
            text: self.header("Nats-Service-Error")?.to_owned(),
        })
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("name", &self.name)
            .field("topic", &self.topic)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Service")
            .field("name", &self.name)
            .field("endpoints", &self.endpoints)
            .finish_non_exhaustive()
    }
}
