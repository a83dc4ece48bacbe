//! Answers questions of gateways and other replicas, as the NATS service `tidegate-presence`.

use std::convert::Infallible;
use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use prost::Message as _;
use tidegate_backbone::service::{BUSY, Endpoint, Handler, Refusal, Served, Service, serve};
use tidegate_backbone::{Bus, Message, Topic};
use tidegate_proto::node::Question;
use tokio::time::sleep;

use crate::answer::Place;
use crate::desk::Desk;
use crate::message::Kind;

/// Of the replicas that hold a partition one hears each question.
const GROUP: &str = "presence";

/// Partitions become ready one after the other; they are offered together.
const PAUSE: Duration = Duration::from_millis(100);

/// Answers about one partition.
struct Answering {
    desk: Desk,
    place: Place,
}

impl Handler for Answering {
    fn answer(&self, question: Message) -> BoxFuture<'static, Result<Message, Refusal>> {
        let place = self.place;
        let Ok(question) = Question::decode(question.data) else {
            let refusal = Refusal {
                code: 400,
                text: "the question is malformed".to_owned(),
            };
            return ready(Err(refusal)).boxed();
        };
        // Here, where the bus calls in its order: what a gateway told before it asked is in the answer.
        let answered = self.desk.answer(place, question);
        async move {
            let answered = answered.await.map_err(|closed| Refusal {
                code: BUSY,
                text: closed.to_string(),
            })?;
            Ok(Message::new(answered.encode_to_vec()))
        }
        .boxed()
    }
}

/// Offers answers about the partitions that are ready, as they change.
pub(crate) async fn answer_questions(bus: Arc<dyn Bus>, desk: Desk, partitions: u32) -> Infallible {
    let mut progress = desk.progress();
    let mut offered: (Vec<u32>, Option<Served>) = (Vec::new(), None);
    loop {
        let now = progress.borrow_and_update().ready.clone();
        if now != offered.0 {
            match serve(&bus, service(&desk, &now, partitions)).await {
                // The one before ends only now, so that there is always one.
                Ok(served) => {
                    offered = (now.clone(), Some(served));
                    // Closed: nobody asks any more.
                    let _ = desk.offer(now).await;
                }
                Err(error) => tracing::warn!(%error, "cannot offer answers, trying again"),
            }
            sleep(PAUSE).await;
            continue;
        }
        if progress.changed().await.is_err() {
            return std::future::pending().await;
        }
    }
}

fn service(desk: &Desk, ready: &[u32], partitions: u32) -> Service {
    let endpoint = |kind, partition| {
        let (name, topic) = match kind {
            Kind::Channel => ("channel", Topic::presence_ask_channel(partition)),
            Kind::User => ("user", Topic::presence_ask_user(partition)),
        };
        let place = Place {
            kind,
            partition,
            partitions,
        };
        Endpoint {
            name,
            topic,
            group: Some(GROUP.to_owned()),
            handler: Arc::new(Answering {
                desk: desk.clone(),
                place,
            }),
        }
    };
    let endpoints = ready
        .iter()
        .flat_map(|it| [Kind::Channel, Kind::User].map(|kind| endpoint(kind, *it)));
    Service {
        name: "tidegate-presence",
        version: env!("CARGO_PKG_VERSION"),
        description: "Who is in which channel, and who is connected",
        endpoints: endpoints.collect(),
    }
}
