//! The face for gateways and other programs on the bus: the service `tidegate-history`, two endpoints a namespace, whose
//! questions the replicas of the service share.
//!
//! In: questions in JSON, as [`archive`](tidegate_backbone::archive) has them, checked here. Out: what [`History`] answers,
//! cut to what the bus carries.

mod removing;

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tidegate_backbone::archive::{Answer, Question};
use tidegate_backbone::service::{Endpoint, Handler, Refusal, Served, Service, serve as offer};
use tidegate_backbone::{Backbone, Bus, Channel, Epoch, Error, Message, Place, Publication, Topic};

use crate::history::{DEFAULT_LIMIT, History, HistoryError, MAX_LIMIT, Query, Reading, Start};
use crate::store::{MAX_EPOCH_BYTES, Record};
use removing::Remover;

/// Replicas of the service hear each question once.
const GROUP: &str = "history";

/// Bytes of an answer; NATS carries a little more.
const MAX_ANSWER: usize = 960 * 1024;

/// Answers on the bus until the value is dropped.
///
/// # Errors
/// Those of [`Bus::hear`].
pub async fn serve(
    backbone: &Arc<dyn Backbone>,
    history: &History,
    namespaces: &[Option<String>],
) -> Result<Served, Error> {
    let bus: Arc<dyn Bus> = Arc::<dyn Backbone>::clone(backbone);
    let reading = |namespace: &Option<String>| Endpoint {
        name: "read",
        topic: Topic::archive(namespace.as_deref()),
        group: Some(GROUP.to_owned()),
        handler: Arc::new(Reader {
            history: history.clone(),
            namespace: namespace.clone(),
        }),
    };
    let removing = |namespace: &Option<String>| Endpoint {
        name: "remove",
        topic: Topic::archive_removal(namespace.as_deref()),
        group: Some(GROUP.to_owned()),
        handler: Arc::new(Remover {
            history: history.clone(),
            namespace: namespace.clone(),
        }),
    };
    let endpoints = namespaces.iter().flat_map(|it| [reading(it), removing(it)]);
    let service = Service {
        name: "tidegate-history",
        version: env!("CARGO_PKG_VERSION"),
        description: "What was published in channels, for longer than streams keep it",
        endpoints: endpoints.collect(),
    };
    offer(&bus, service).await
}

/// Reads channels of one namespace.
struct Reader {
    history: History,
    namespace: Option<String>,
}

impl Handler for Reader {
    fn answer(&self, question: Message) -> BoxFuture<'static, Result<Message, Refusal>> {
        let query = query(&question.data, self.namespace.as_deref());
        let history = self.history.clone();
        Box::pin(async move {
            let reading = history.read(&query?).await.map_err(refusal)?;
            fitting(reading)
        })
    }
}

fn query(question: &[u8], namespace: Option<&str>) -> Result<Query, Refusal> {
    let question: Question =
        serde_json::from_slice(question).map_err(|error| wrong(&error.to_string()))?;
    let channel = channel(&question.channel, namespace)?;
    let starts = [
        question.after.map(Start::After),
        question.before.map(Start::Before),
        question.since.map(Start::Since),
        question.until.map(Start::Until),
    ];
    let mut starts = starts.into_iter().flatten();
    let start = starts.next().unwrap_or(Start::After(0));
    if starts.next().is_some() {
        return Err(wrong("after, before, since and until exclude each other"));
    }
    let limit = question.limit.unwrap_or(DEFAULT_LIMIT);
    if !(1..=MAX_LIMIT).contains(&limit) {
        return Err(wrong("limit is not from 1 to 1,000"));
    }
    if question
        .epoch
        .as_ref()
        .is_some_and(|it| it.len() > MAX_EPOCH_BYTES)
    {
        return Err(wrong("epoch is too long"));
    }
    Ok(Query {
        channel,
        epoch: question.epoch.map(Epoch::from),
        start,
        limit,
    })
}

fn channel(name: &str, namespace: Option<&str>) -> Result<Channel, Refusal> {
    let channel = Channel::parse(name).map_err(|error| wrong(&error.to_string()))?;
    match channel.namespace() == namespace {
        true => Ok(channel),
        false => Err(wrong("the channel is of another namespace")),
    }
}

fn wrong(text: &str) -> Refusal {
    Refusal {
        code: 400,
        text: text.to_owned(),
    }
}

fn refusal(error: HistoryError) -> Refusal {
    let code = match &error {
        HistoryError::NotKept(_) | HistoryError::UnknownEpoch | HistoryError::NoPublication => 404,
        HistoryError::NewEpoch => 409,
        HistoryError::Ahead { .. } => 416,
        HistoryError::Unavailable(_) => 503,
        HistoryError::Broken(_) => 500,
    };
    let text = match error {
        HistoryError::Broken(reason) => {
            tracing::error!(reason, "the archive cannot be read");
            "the archive cannot be read".to_owned()
        }
        error => error.to_string(),
    };
    Refusal { code, text }
}

/// The answer, with as many publications as the bus carries; the rest is on the next page.
fn fitting(reading: Reading) -> Result<Message, Refusal> {
    let epoch = reading.epoch;
    let publications = reading.records.into_iter().map(|it| placed(it, &epoch));
    let mut answer = Answer {
        publications: publications.collect(),
        next: reading.next,
        end: reading.end,
        is_gapless: reading.is_gapless,
        epoch: Epoch::clone(&epoch),
    };
    loop {
        let json = answer.encode();
        if json.len() <= MAX_ANSWER {
            return Ok(Message::new(json));
        }
        let half = answer.publications.len() / 2;
        answer.publications.truncate(half);
        let last = answer.publications.last().and_then(|it| it.place.as_ref());
        let Some(last) = last.map(|place| place.offset) else {
            return Err(Refusal {
                code: 413,
                text: "the publication is larger than the bus carries".to_owned(),
            });
        };
        (answer.next, answer.end) = (Some(last), last);
    }
}

fn placed(record: Record, epoch: &Epoch) -> Publication {
    Publication {
        place: Some(Place {
            epoch: Epoch::clone(epoch),
            offset: record.offset,
            previous: None,
            time: record.time,
        }),
        ..record.publication
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_checked() {
        for (question, expected) in [
            (r#"{"channel":"chat:a"}"#, Ok((Start::After(0), 100))),
            (
                r#"{"channel":"chat:a","before":9,"limit":5}"#,
                Ok((Start::Before(9), 5)),
            ),
            (
                r#"{"channel":"chat:a","since":9}"#,
                Ok((Start::Since(9), 100)),
            ),
            (r#"{"channel":"chat:a","until":9,"after":1}"#, Err(400)),
            (r#"{"channel":"chat:a","limit":0}"#, Err(400)),
            (r#"{"channel":"chat:a","limit":1001}"#, Err(400)),
            (r#"{"channel":"other:a"}"#, Err(400)),
            (r#"{"channel":""}"#, Err(400)),
            ("{}", Err(400)),
            ("no json", Err(400)),
        ] {
            let found = query(question.as_bytes(), Some("chat"));
            let found = found.map(|it| (it.start, it.limit)).map_err(|it| it.code);
            assert_eq!(found, expected, "{question}");
        }
    }

    #[test]
    fn an_answer_is_cut_to_what_the_bus_carries() {
        let record = |offset| Record {
            offset,
            time: 0,
            publication: Publication {
                data: vec![b'x'; 300 * 1024].into(),
                ..Publication::default()
            },
        };
        let reading = |count| Reading {
            epoch: "e".into(),
            is_current: true,
            records: (1..=count).map(record).collect(),
            next: None,
            end: 50,
            is_gapless: true,
        };
        let json = |count| {
            let message = fitting(reading(count)).unwrap();
            serde_json::from_slice::<serde_json::Value>(&message.data).unwrap()
        };
        let whole = json(3);
        assert_eq!(
            (whole["end"].as_u64(), whole["next"].as_u64()),
            (Some(50), None)
        );
        let cut = json(5);
        assert_eq!(cut["publications"].as_array().unwrap().len(), 2);
        assert_eq!(
            (cut["end"].as_u64(), cut["next"].as_u64()),
            (Some(2), Some(2))
        );
    }
}
