//! Promises of the [`Bus`](crate::Bus): messages reach who hears about their topic, questions are answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::Notify;
use tokio::time::timeout;

use super::{Cluster, PATIENCE, Spread};
use crate::service::{Endpoint, Handler, Refusal, Service, serve};
use crate::{AskError, Backbone, Bus, Ear, Heard, Message, Subscription, Topic};

/// Long enough to be told apart from an answer at once.
const SHORT: Duration = Duration::from_millis(300);

/// Keeps what it hears; answers each question with its data and the ear's name.
struct Recorder {
    name: &'static str,
    heard: Mutex<Vec<String>>,
    more: Notify,
}

impl Recorder {
    fn new(name: &'static str) -> Arc<Self> {
        Arc::new(Self {
            name,
            heard: Mutex::default(),
            more: Notify::new(),
        })
    }

    fn texts(&self) -> Vec<String> {
        let heard = self.heard.lock();
        heard.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What was heard, once it is this much.
    async fn hear(&self, count: usize) -> Vec<String> {
        let enough = async {
            while self.texts().len() < count {
                self.more.notified().await;
            }
        };
        let in_time = timeout(PATIENCE, enough).await;
        assert!(
            in_time.is_ok(),
            "{} heard only {:?}",
            self.name,
            self.texts()
        );
        self.texts()
    }
}

impl Ear for Recorder {
    fn hear(&self, heard: Heard) {
        let text = String::from_utf8_lossy(&heard.message.data).into_owned();
        if text == PROBE {
            if let Some(asker) = heard.asker {
                tokio::spawn(asker.answer(Message::default()));
            }
            return;
        }
        let header = heard.message.header("Mood").unwrap_or("none");
        let said = format!("{} {text} {header}", heard.topic);
        self.heard
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(said);
        self.more.notify_one();
        if let Some(asker) = heard.asker {
            tokio::spawn(asker.answer(Message::new(format!("{}: {text}", self.name))));
        }
    }
}

const PROBE: &str = "probe";

fn topic(endpoint: &str) -> Topic {
    Topic::request("test", endpoint)
}

async fn open(
    cluster: &Cluster,
    node: &Arc<dyn Backbone>,
    topic: &Topic,
    group: Option<&str>,
    recorder: &Arc<Recorder>,
) -> Subscription {
    let ear: Arc<dyn Ear> = Arc::clone(recorder) as _;
    let heard = node.hear(topic, group, ear).await;
    let subscription = heard.expect("the carrier is there");
    if cluster.spread == Spread::Eventually {
        for node in cluster.nodes() {
            settle(&**node, topic).await;
        }
    }
    subscription
}

/// Waits until a question finds somebody.
async fn settle(node: &dyn Backbone, topic: &Topic) {
    let found = async {
        while node.ask(topic, Message::new(PROBE), SHORT).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, found).await.expect("somebody hears");
}

async fn tell(node: &Arc<dyn Backbone>, topic: &Topic, text: &str) {
    let told = node.tell(topic, Message::new(text.to_owned())).await;
    assert!(told.is_ok(), "{told:?}: telling {topic}");
}

/// Also with headers, and on every node.
pub async fn what_is_told_is_heard_as_it_was_said(cluster: Cluster) {
    let (near, far) = (Recorder::new("near"), Recorder::new("far"));
    let about = topic("all");
    let _near = open(&cluster, &cluster.near, &about, None, &near).await;
    let _far = open(&cluster, &cluster.far, &about, None, &far).await;
    let message = Message {
        headers: vec![("Mood".to_owned(), "calm: very".to_owned())],
        data: "hello".into(),
    };
    cluster
        .near
        .tell(&about, message)
        .await
        .expect("the carrier is there");
    tell(&cluster.near, &topic("other"), "hidden").await;
    for ear in [near, far] {
        assert_eq!(ear.hear(1).await, ["req.test.all hello calm: very"]);
    }
}

/// Ends its own subscription with the first message.
#[derive(Default)]
struct Once(Mutex<Option<Subscription>>);

impl Ear for Once {
    fn hear(&self, _: Heard) {
        let mut subscription = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drop(subscription.take());
    }
}

/// An ear may end a subscription while it hears; the others hear on.
pub async fn an_ear_may_end_its_own_subscription(cluster: Cluster) {
    let (near, about, after) = (&cluster.near, topic("once"), topic("after"));
    let (once, recorder) = (Arc::new(Once::default()), Recorder::new("after"));
    let _after = open(&cluster, near, &after, None, &recorder).await;
    let ear: Arc<dyn Ear> = Arc::clone(&once) as _;
    let subscription = near.hear(&about, None, ear).await;
    let subscription = subscription.expect("the carrier is there");
    *once.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(subscription);
    for text in ["first", "second"] {
        tell(near, &about, text).await;
        tell(near, &after, text).await;
    }
    let expected = ["req.test.after first none", "req.test.after second none"];
    assert_eq!(recorder.hear(2).await, expected);
    let left = once.0.lock().unwrap_or_else(PoisonError::into_inner).take();
    assert!(left.is_none(), "it heard nothing");
}

/// Of a group one hears each message; together they hear all, and who has no group hears everything.
pub async fn a_group_shares_what_is_told(cluster: Cluster) {
    let about = topic("shared");
    let (one, two, all) = (
        Recorder::new("one"),
        Recorder::new("two"),
        Recorder::new("all"),
    );
    let _one = open(&cluster, &cluster.near, &about, Some("workers"), &one).await;
    let _two = open(&cluster, &cluster.far, &about, Some("workers"), &two).await;
    let _all = open(&cluster, &cluster.far, &about, None, &all).await;
    for number in 0..100 {
        tell(&cluster.near, &about, &number.to_string()).await;
    }
    let expected: Vec<_> = (0..100)
        .map(|it| format!("req.test.shared {it} none"))
        .collect();
    assert_eq!(all.hear(100).await, expected);
    let both = async {
        while one.texts().len() + two.texts().len() < 100 {
            tokio::select! { () = one.more.notified() => {}, () = two.more.notified() => {} }
        }
    };
    timeout(PATIENCE, both)
        .await
        .expect("each message has a hearer");
    let mut heard: Vec<_> = one.texts().into_iter().chain(two.texts()).collect();
    heard.sort();
    let mut expected = expected;
    expected.sort();
    assert_eq!(heard, expected);
}

/// One program's messages about several topics keep their order at an ear for all of them.
pub async fn messages_arrive_in_the_order_of_telling(cluster: Cluster) {
    let everything = Topic::heard("req.test.*");
    let ear = Recorder::new("ear");
    let _ear = open(&cluster, &cluster.far, &everything, None, &ear).await;
    for number in 0..500 {
        tell(
            &cluster.near,
            &topic(["a", "b", "c"][number % 3]),
            &number.to_string(),
        )
        .await;
    }
    let heard = ear.hear(500).await;
    let numbers = heard
        .iter()
        .filter_map(|it| it.split(' ').nth(1)?.parse::<usize>().ok());
    assert_eq!(numbers.collect::<Vec<_>>(), (0..500).collect::<Vec<_>>());
}

/// By one, or by everyone within the time.
pub async fn a_question_is_answered(cluster: Cluster) {
    let about = topic("question");
    let (near, far) = (Recorder::new("near"), Recorder::new("far"));
    let near_ear = open(&cluster, &cluster.near, &about, None, &near).await;
    let _far = open(&cluster, &cluster.far, &about, None, &far).await;
    let ask = Message::new("why");
    let mut answers = cluster
        .near
        .ask_all(&about, ask.clone(), PATIENCE, 2)
        .await
        .expect("the carrier is there");
    answers.sort_by(|a, b| a.data.cmp(&b.data));
    assert_eq!(
        answers,
        [Message::new("far: why"), Message::new("near: why")]
    );
    let answers = cluster
        .far
        .ask_all(&about, ask.clone(), SHORT, 3)
        .await
        .expect("the carrier is there");
    assert_eq!(answers.len(), 2, "{answers:?}");
    drop(near_ear);
    let answer = cluster.near.ask(&about, ask, PATIENCE).await;
    assert!(answer.is_ok(), "{answer:?}");
}

/// At once, whatever time there would be.
pub async fn a_question_that_nobody_hears_is_answered_at_once(cluster: Cluster) {
    let about = topic("nobody");
    let asked = cluster.near.ask(&about, Message::new("?"), PATIENCE * 10);
    let answer = timeout(PATIENCE, asked).await.expect("an answer at once");
    assert_eq!(answer, Err(AskError::NobodyHears));
}

struct Doubting;

impl Handler for Doubting {
    fn answer(&self, question: Message) -> BoxFuture<'static, Result<Message, Refusal>> {
        Box::pin(async move {
            match &*question.data {
                b"bad" => Err(Refusal {
                    code: 400,
                    text: "no such thing".to_owned(),
                }),
                data => Ok(Message::new([b"re: ", data].concat())),
            }
        })
    }
}

/// It answers, refuses with a code, and tells about itself.
pub async fn a_service_answers_and_tells_about_itself(cluster: Cluster) {
    let bus: Arc<dyn Bus> = Arc::clone(&cluster.far) as _;
    let about = topic("service");
    let service = Service {
        name: "doubting",
        version: "1.2.3",
        description: "doubts",
        endpoints: vec![Endpoint {
            name: "doubt",
            topic: about.clone(),
            group: Some("q".to_owned()),
            handler: Arc::new(Doubting),
        }],
    };
    let served = serve(&bus, service).await.expect("the carrier is there");
    settle(&*cluster.near, &about).await;
    let ask = |text: &'static str| cluster.near.ask(&about, Message::new(text), PATIENCE);
    assert_eq!(
        ask("so").await.expect("the carrier is there"),
        Message::new("re: so")
    );
    let refusal = ask("bad")
        .await
        .expect("the carrier is there")
        .refusal()
        .expect("a refusal");
    assert_eq!((refusal.code, &*refusal.text), (400, "no such thing"));
    for verb in ["PING", "INFO", "STATS"] {
        for (name, id) in [
            (None, None),
            (Some("doubting"), None),
            (Some("doubting"), Some(served.id())),
        ] {
            let topic = Topic::micro(verb, name, id);
            let answer = cluster
                .near
                .ask(&topic, Message::default(), PATIENCE)
                .await
                .expect("the carrier is there");
            let text: serde_json::Value = serde_json::from_slice(&answer.data).expect("JSON");
            assert_eq!(
                (&text["name"], &text["id"]),
                (&"doubting".into(), &served.id().into())
            );
            if verb == "STATS" {
                assert_eq!(text["endpoints"][0]["num_errors"], 1);
                assert_eq!(text["endpoints"][0]["last_error"], "400:no such thing");
            }
        }
    }
    drop(served);
    let gone = async {
        // A question that was on its way to it is answered by nobody.
        let again = || cluster.near.ask(&about, Message::new("so"), SHORT);
        while again().await != Err(AskError::NobodyHears) {}
    };
    timeout(PATIENCE, gone)
        .await
        .expect("a dropped service is gone");
}
