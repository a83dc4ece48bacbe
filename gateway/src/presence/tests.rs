//! What a node tells, over a bus inside the process and in virtual time.

mod ask;
mod lapse;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use prost::Message as _;
use tidegate_backbone::embedded::Embedded;
use tidegate_backbone::{
    self as backbone, Bus, Channel, ClientInfo, Ear, Heard, Message, Subscription,
};
use tidegate_codec::Format;
use tidegate_proto::node::{
    Answer, Beat, Call, Count, Counts, Kind, Members, Membership, NodeGone, Refused, Report,
    SnapshotRequest, VERSION, answer, change, refused, report,
};
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::broadcast::Happening;
use crate::interest::{Interest, Item, Topic, Windows};
use crate::session::{PresenceAnswer, PresenceError, PresenceQuestion};

const CLIENT: [&str; 2] = [
    "5c1bb8b0-0000-4000-8000-000000000001",
    "5c1bb8b0-0000-4000-8000-000000000002",
];

/// A node, and what is heard of it.
struct Bench {
    bus: Arc<Embedded>,
    presence: Arc<Presence>,
    interest: Arc<Interest>,
    queue: mpsc::Receiver<Item>,
    heard: mpsc::Receiver<Told>,
    run: JoinHandle<()>,
    _subscriptions: Vec<Subscription>,
}

#[derive(Debug)]
enum Told {
    Report(Report),
    Beat(Beat),
    Question,
}

/// A presence service that hears everything, and answers that one client is there.
struct Service(mpsc::Sender<Told>);

impl Ear for Service {
    fn hear(&self, heard: Heard) {
        let data = heard.message.data;
        let told = match heard.topic.as_str() {
            "presence.beats" => Told::Beat(Beat::decode(data).unwrap()),
            topic if topic.starts_with("presence.ask") => Told::Question,
            _ => Told::Report(Report::decode(data).unwrap()),
        };
        if let Some(asker) = heard.asker {
            let count = Count {
                clients: 1,
                users: 1,
            };
            let counts = Counts {
                counts: vec![count],
            };
            let answer = Answer {
                version: VERSION,
                what: Some(answer::What::Counts(counts)),
                ..Answer::default()
            };
            let message = Message::new(answer.encode_to_vec());
            Handle::current().spawn(asker.answer(message));
        }
        // A bench that hears by another one does not hear this one any more.
        let _unheard = self.0.try_send(told);
    }
}

impl Bench {
    async fn new(change: impl FnOnce(&mut Config)) -> Self {
        let mut config = Config::default();
        config.channel.without_namespace.presence = true;
        config.channel.without_namespace.join_leave = true;
        config.presence.partitions = 1;
        change(&mut config);
        let bus = Arc::new(Embedded::new());
        let backbone: Arc<dyn Backbone> = Arc::clone(&bus) as _;
        let counters = Arc::new(Counters::default());
        let (interest, mut queues) = Interest::new(
            Arc::clone(&backbone),
            1,
            Arc::clone(&counters),
            Windows::new(0),
        );
        let presence = Presence::new(Uuid::new_v4(), &config, &backbone, &counters).unwrap();
        let (sender, heard) = mpsc::channel(1_000);
        let service = Arc::new(Service(sender));
        let mut subscriptions = Vec::new();
        for topic in [
            backbone::Topic::presence_beats(),
            backbone::Topic::presence_channel_changes(None),
            backbone::Topic::presence_user_changes(None),
        ] {
            subscriptions.push(
                bus.hear(&topic, None, Arc::clone(&service) as _)
                    .await
                    .unwrap(),
            );
        }
        Self {
            run: tokio::spawn(Arc::clone(&presence).run()),
            bus,
            presence,
            interest,
            queue: queues.remove(0),
            heard,
            _subscriptions: subscriptions,
        }
    }

    /// Lets the presence service answer.
    async fn answer(&mut self) {
        let (sender, heard) = mpsc::channel(1_000);
        self.heard = heard;
        let service = Arc::new(Service(sender));
        for topic in [
            backbone::Topic::presence_channel_changes(None),
            backbone::Topic::presence_ask_channel(0),
        ] {
            let subscription = self.bus.hear(&topic, None, Arc::clone(&service) as _).await;
            self._subscriptions.push(subscription.unwrap());
        }
    }

    fn seen(&self, number: usize, user: &str) -> (Seen, ClientInfo) {
        let info = ClientInfo {
            user: user.to_owned(),
            client: CLIENT[number].to_owned(),
            conn_info: Bytes::from_static(b"{}"),
            chan_info: Bytes::new(),
        };
        (Seen::new(Arc::clone(&self.presence), &info), info)
    }

    async fn told(&mut self) -> Told {
        let next = timeout(Duration::from_secs(60), self.heard.recv());
        next.await.unwrap().unwrap()
    }

    async fn beat(&mut self) -> Beat {
        loop {
            if let Told::Beat(beat) = self.told().await {
                return beat;
            }
        }
    }

    async fn report(&mut self) -> Report {
        loop {
            if let Told::Report(report) = self.told().await {
                return report;
            }
        }
    }

    /// Hears the joins and leaves of a channel.
    async fn hearing(&self, channel: &Channel, debounce: Duration) -> (Arc<Topic>, Arc<Hearing>) {
        let topic = self.interest.topic(channel);
        topic.add_worker(0);
        let hearing = self.presence.events.hear(&topic, debounce).await.unwrap();
        (topic, hearing)
    }

    /// The next join or leave that a worker is told of.
    async fn event(&mut self) -> String {
        let next = timeout(Duration::from_secs(60), self.queue.recv());
        let Item::Publication(broadcast) = next.await.unwrap().unwrap() else {
            panic!("nothing was lost");
        };
        let form = crate::broadcast::Form::Plain(Format::Json);
        String::from_utf8(broadcast.encoded(form).unwrap().to_vec()).unwrap()
    }
}

fn channel(name: &str) -> Channel {
    Channel::parse(name).unwrap()
}

fn event(kind: &str, number: usize, user: &str) -> String {
    let client = CLIENT[number];
    format!(
        r#"{{"push":{{"channel":"a","{kind}":{{"info":{{"user":"{user}","client":"{client}","conn_info":{{}}}}}}}}}}"#
    )
}

/// Numbers of a report, and what it says in short.
fn summary(report: &Report) -> (u64, Vec<String>) {
    match report.body.as_ref().unwrap() {
        report::Body::Changes(it) => {
            let what = it.changes.iter().map(|it| match it.what.as_ref().unwrap() {
                change::What::Join(it) => format!("+{}", it.channel),
                change::What::Leave(it) => format!("-{}", it.channel),
                change::What::Connect(it) => format!("+{} {} {}", it.user, it.transport, it.name),
                change::What::Disconnect(_) => "-".to_owned(),
            });
            (it.first, what.collect())
        }
        report::Body::Snapshot(it) => {
            let members = it.memberships.iter().map(|it| format!("={}", it.channel));
            (it.number, members.collect())
        }
    }
}

#[tokio::test(start_paused = true)]
async fn changes_that_come_together_are_one_report_in_order() {
    let mut bench = Bench::new(|_| {}).await;
    assert_eq!(bench.beat().await.number, 1);
    let (mut seen, info) = bench.seen(0, "u");
    seen.connect("sse", "js", "1.0");
    seen.join(&channel("a"), &info, true);
    seen.join(&channel("b"), &info, false);
    seen.leave(&channel("a"));
    seen.leave(&channel("a"));
    let report = bench.report().await;
    assert_eq!(report.kind(), Kind::Channel);
    let (first, what) = summary(&report);
    assert_eq!((first, what.join(" ")), (1, "+a +b -a".to_owned()));
    let users = bench.report().await;
    assert_eq!(users.kind(), Kind::User);
    assert_eq!(summary(&users), (1, vec!["+u sse js".to_owned()]));
    drop(seen);
    assert_eq!(summary(&bench.report().await), (4, vec!["-b".to_owned()]));
    assert_eq!(summary(&bench.report().await), (2, vec!["-".to_owned()]));
    let beat = bench.beat().await;
    assert_eq!(
        (beat.channel_numbers, beat.user_numbers),
        (vec![4], vec![2])
    );
}

#[tokio::test(start_paused = true)]
async fn a_node_beats_four_times_a_lease_and_when_it_is_called() {
    let mut bench = Bench::new(|config| config.presence.lease = Duration::from_secs(8)).await;
    // At the start, and once it hears.
    bench.beat().await;
    bench.beat().await;
    let start = Instant::now();
    let beat = bench.beat().await;
    assert_eq!((beat.number, beat.lease_ms), (3, 8_000));
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    let call = Message::new(Call { version: VERSION }.encode_to_vec());
    let topic = backbone::Topic::presence_call();
    bench.bus.tell(&topic, call).await.unwrap();
    assert_eq!(bench.beat().await.number, 4);
    assert_eq!(start.elapsed(), Duration::from_secs(2));
    bench.run.abort();
    let _aborted = (&mut bench.run).await;
    bench.presence.goodbye().await;
    let beat = bench.beat().await;
    assert!(beat.is_last && beat.number == 5);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_follows_the_changes_before_it() {
    let mut bench = Bench::new(|_| {}).await;
    bench.beat().await;
    bench.beat().await;
    let (mut seen, info) = bench.seen(0, "u");
    seen.join(&channel("a"), &info, true);
    seen.join(&channel("b"), &info, true);
    let identity = bench.presence.identity.clone();
    let topic = backbone::Topic::presence_node(&identity.node);
    let request = SnapshotRequest {
        version: VERSION,
        incarnation: identity.incarnation,
        partitions: 1,
        kind: Kind::Channel.into(),
        partition: vec![0],
        lapses: Vec::new(),
    };
    let stale = SnapshotRequest {
        incarnation: 1,
        ..request.clone()
    };
    let foreign = SnapshotRequest {
        partition: vec![1],
        ..request.clone()
    };
    for request in [stale, foreign, request] {
        let request = Message::new(request.encode_to_vec());
        bench.bus.tell(&topic, request).await.unwrap();
    }
    assert_eq!(summary(&bench.report().await).0, 1);
    let (number, mut members) = summary(&bench.report().await);
    members.sort();
    assert_eq!((number, members.concat()), (2, "=a=b".to_owned()));
    assert_eq!(bench.presence.counters.presence_ignored.get(), 2);
    seen.leave(&channel("a"));
    assert_eq!(summary(&bench.report().await), (3, vec!["-a".to_owned()]));
}

#[tokio::test(start_paused = true)]
async fn joins_and_leaves_reach_subscribers_in_order() {
    let mut bench = Bench::new(|_| {}).await;
    let a = channel("a");
    let (_topic, hearing) = bench.hearing(&a, Duration::ZERO).await;
    let (_, same) = bench.hearing(&a, Duration::ZERO).await;
    assert!(Arc::ptr_eq(&hearing, &same));
    let (mut seen, info) = bench.seen(0, "u");
    seen.join(&channel("b"), &info, true);
    seen.join(&a, &info, true);
    seen.leave(&a);
    seen.join(&a, &info, false);
    let (mut other, info) = bench.seen(1, "v");
    other.join(&a, &info, true);
    drop((seen, other));
    for expected in [
        event("join", 0, "u"),
        event("leave", 0, "u"),
        event("join", 1, "v"),
        event("leave", 1, "v"),
    ] {
        assert_eq!(bench.event().await, expected);
    }
    drop((hearing, same));
    assert!(bench.presence.events.is_deaf());
}

/// Nobody takes what waits.
#[tokio::test(start_paused = true)]
async fn events_that_find_no_room_are_counted() {
    let bench = Bench::new(|_| {}).await;
    bench.run.abort();
    let (_seen, info) = bench.seen(0, "u");
    let dropped = &bench.presence.counters.events_dropped;
    for _ in 0..65_536 {
        let events = &bench.presence.events;
        events.tell(&channel("a"), Happening::Join, &info);
    }
    assert_eq!(dropped.get(), 0);
    for number in 1..=3 {
        let events = &bench.presence.events;
        events.tell(&channel("a"), Happening::Leave, &info);
        assert_eq!(dropped.get(), number);
    }
}

#[tokio::test(start_paused = true)]
async fn who_comes_back_before_the_debounce_is_over_was_never_away() {
    let mut bench = Bench::new(|_| {}).await;
    let (a, wait) = (channel("a"), Duration::from_secs(5));
    let (_topic, _hearing) = bench.hearing(&a, wait).await;
    let (mut seen, info) = bench.seen(0, "u");
    seen.join(&a, &info, true);
    assert_eq!(bench.event().await, event("join", 0, "u"));
    seen.leave(&a);
    sleep(Duration::from_secs(4)).await;
    // On another connection, as after a reconnect.
    let (mut other, info) = bench.seen(1, "u");
    other.join(&a, &info, true);
    sleep(Duration::from_secs(4)).await;
    let start = Instant::now();
    drop(other);
    assert_eq!(bench.event().await, event("leave", 1, "u"));
    let waited = start.elapsed();
    assert!(
        waited >= wait && waited < wait + Duration::from_millis(10),
        "{waited:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn those_of_a_node_that_is_gone_leave_once() {
    let mut bench = Bench::new(|_| {}).await;
    let a = channel("a");
    let (_topic, _hearing) = bench.hearing(&a, Duration::ZERO).await;
    // Until the node hears the presence service.
    bench.beat().await;
    bench.beat().await;
    let left = |number: usize, channel: &str| Membership {
        channel: channel.to_owned(),
        client: entry::ClientId::parse(CLIENT[number])
            .unwrap()
            .0
            .to_vec()
            .into(),
        user: "u".to_owned(),
        conn_info: Bytes::from_static(b"{}"),
        ..Membership::default()
    };
    let gone = NodeGone {
        version: VERSION,
        node: "other".to_owned(),
        incarnation: 1,
        partitions: 1,
        partition: 0,
        beat: 3,
        replica: "one".to_owned(),
        chunk: 0,
        is_last_chunk: true,
        left: vec![left(0, "a"), left(0, "b"), left(1, "a")],
    };
    let by_another = NodeGone {
        replica: "two".to_owned(),
        ..gone.clone()
    };
    let own = NodeGone {
        node: bench.presence.identity.node.clone(),
        ..gone.clone()
    };
    let again = NodeGone {
        beat: 9,
        left: vec![left(1, "a")],
        ..gone.clone()
    };
    let topic = backbone::Topic::presence_gone(Some(0));
    for gone in [gone.clone(), by_another, gone, own, again.clone()] {
        let gone = Message::new(gone.encode_to_vec());
        bench.bus.tell(&topic, gone).await.unwrap();
    }
    for expected in [0, 1] {
        assert_eq!(bench.event().await, event("leave", expected, "u"));
    }
    // Only who has come again leaves again.
    let (_, returned) = bench.seen(1, "u");
    bench.say_event(Happening::Join, &returned, Some(10)).await;
    let again = NodeGone { beat: 12, ..again };
    let again = Message::new(again.encode_to_vec());
    bench.bus.tell(&topic, again).await.unwrap();
    for kind in ["join", "leave"] {
        assert_eq!(bench.event().await, event(kind, 1, "u"));
    }
    assert!(bench.queue.try_recv().is_err());
}
