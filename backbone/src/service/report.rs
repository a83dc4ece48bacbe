//! What a service says about itself, as JSON of the NATS architecture decision 32.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Refusal, Service};
use crate::bus::Bus;
use crate::topic::Topic;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verb {
    Ping,
    Info,
    Stats,
}

impl Verb {
    pub(super) const ALL: [Self; 3] = [Self::Ping, Self::Info, Self::Stats];

    fn token(self) -> &'static str {
        match self {
            Self::Ping => "PING",
            Self::Info => "INFO",
            Self::Stats => "STATS",
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Ping => "io.nats.micro.v1.ping_response",
            Self::Info => "io.nats.micro.v1.info_response",
            Self::Stats => "io.nats.micro.v1.stats_response",
        }
    }
}

/// A service and how its endpoints did so far; `counts` is locked to add or to copy.
pub(super) struct Report {
    name: &'static str,
    id: String,
    version: &'static str,
    description: &'static str,
    started: String,
    endpoints: Vec<About>,
    counts: Mutex<Vec<Counts>>,
}

struct About {
    name: &'static str,
    subject: String,
    group: Option<String>,
}

#[derive(Debug, Clone, Default)]
struct Counts {
    questions: u64,
    refusals: u64,
    last_refusal: String,
    spent: Duration,
}

impl Report {
    pub(super) fn new(bus: &dyn Bus, service: &Service) -> Self {
        let about = service.endpoints.iter().map(|it| About {
            name: it.name,
            subject: bus.address(&it.topic),
            group: it.group.clone(),
        });
        let started = OffsetDateTime::now_utc().format(&Rfc3339);
        Self {
            name: service.name,
            id: format!("{:016x}", rand::random::<u64>()),
            version: service.version,
            description: service.description,
            started: started.expect("this year is written with four digits"),
            endpoints: about.collect(),
            counts: Mutex::new(vec![Counts::default(); service.endpoints.len()]),
        }
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// What is asked about this service: as one of all, of its name, and by its id.
    pub(super) fn topics(&self, verb: Verb) -> [Topic; 3] {
        let (verb, name) = (verb.token(), Some(self.name));
        [
            Topic::micro(verb, None, None),
            Topic::micro(verb, name, None),
            Topic::micro(verb, name, Some(&self.id)),
        ]
    }

    /// Counts a question to an endpoint that was begun at `start` and is answered now.
    pub(super) fn count(&self, endpoint: usize, start: Instant, refusal: Option<&Refusal>) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let counts = &mut counts[endpoint];
        counts.questions += 1;
        counts.spent += start.elapsed();
        if let Some(Refusal { code, text }) = refusal {
            counts.refusals += 1;
            counts.last_refusal = format!("{code}:{text}");
        }
    }

    pub(super) fn text(&self, verb: Verb) -> String {
        let mut text = json!({
            "type": verb.kind(),
            "name": self.name,
            "id": self.id,
            "version": self.version,
            "metadata": {},
        });
        match verb {
            Verb::Ping => {}
            Verb::Info => {
                text["description"] = self.description.into();
                text["endpoints"] = self.endpoints.iter().map(About::value).collect();
            }
            Verb::Stats => {
                text["started"] = self.started.as_str().into();
                text["endpoints"] = self.stats();
            }
        }
        text.to_string()
    }

    fn stats(&self) -> Value {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let stats = self.endpoints.iter().zip(&*counts).map(|(about, counts)| {
            let nanoseconds = u64::try_from(counts.spent.as_nanos()).unwrap_or(u64::MAX);
            let mut value = about.value();
            value["num_requests"] = counts.questions.into();
            value["num_errors"] = counts.refusals.into();
            value["last_error"] = counts.last_refusal.as_str().into();
            value["processing_time"] = nanoseconds.into();
            value["average_processing_time"] = nanoseconds
                .checked_div(counts.questions)
                .unwrap_or(0)
                .into();
            value
        });
        stats.collect()
    }
}

impl About {
    fn value(&self) -> Value {
        let mut value = json!({"name": self.name, "subject": self.subject, "metadata": {}});
        if let Some(group) = &self.group {
            value["queue_group"] = group.as_str().into();
        }
        value
    }
}
