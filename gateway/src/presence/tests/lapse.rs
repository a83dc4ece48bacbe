//! A node that is taken for gone, and lives.

use tidegate_proto::node::Lapse;

use super::super::event::{Back, Event, read, write};
use super::*;

/// What a replica tells of clients of channel `a` on a node that it has not heard of since its third beat.
fn gone(left: &[&ClientInfo]) -> NodeGone {
    let left = left.iter().map(|info| Membership {
        channel: "a".to_owned(),
        client: entry::ClientId::parse(&info.client)
            .unwrap()
            .0
            .to_vec()
            .into(),
        user: info.user.clone(),
        conn_info: info.conn_info.clone(),
        ..Membership::default()
    });
    NodeGone {
        version: VERSION,
        node: "other".to_owned(),
        incarnation: 1,
        partitions: 1,
        partition: 0,
        beat: 3,
        replica: "one".to_owned(),
        chunk: 0,
        is_last_chunk: true,
        left: left.collect(),
    }
}

impl Bench {
    async fn say(&self, topic: &backbone::Topic, data: Vec<u8>) {
        self.bus.tell(topic, Message::new(data)).await.unwrap();
    }

    async fn say_gone(&self, gone: NodeGone) {
        let topic = backbone::Topic::presence_gone(Some(0));
        self.say(&topic, gone.encode_to_vec()).await;
    }

    /// Another node tells of one of its clients; that it is back as of a beat, if it is.
    pub(super) async fn say_event(
        &self,
        happening: Happening,
        info: &ClientInfo,
        back: Option<u64>,
    ) {
        let node = "other".to_owned();
        let data = write(happening, info, back.map(|beat| Back { node, beat }));
        let topic = backbone::Topic::events(&channel("a"));
        self.say(&topic, data.to_vec()).await;
    }

    /// A replica says when it took this node for gone.
    async fn say_lapse(&self, beat: u64, number: u64) {
        let identity = &self.presence.identity;
        let request = SnapshotRequest {
            version: VERSION,
            incarnation: identity.incarnation,
            partitions: 1,
            kind: Kind::Channel.into(),
            partition: vec![0],
            lapses: vec![Lapse {
                partition: 0,
                beat,
                number,
            }],
        };
        let topic = backbone::Topic::presence_node(&identity.node);
        self.say(&topic, request.encode_to_vec()).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_node_that_lives_announces_once_who_was_told_as_left() {
    let mut bench = Bench::new(|_| {}).await;
    bench.beat().await;
    bench.beat().await;
    let a = channel("a");
    let (mut seen, info) = bench.seen(0, "u");
    seen.join(&a, &info, true);
    seen.join(&channel("b"), &info, false);
    bench.report().await;
    let (mut other, other_info) = bench.seen(1, "v");
    other.join(&a, &other_info, true);
    bench.report().await;
    // Its own subscribers hear of none of this.
    let (_topic, _hearing) = bench.hearing(&a, Duration::ZERO).await;
    let (sender, mut events) = mpsc::channel(10);
    let ear = Arc::new(EventEar(sender));
    let topic = backbone::Topic::events(&a);
    let _hears = bench.bus.hear(&topic, None, ear).await.unwrap();
    // The second came after all that the replicas had heard; the two of them tell the same.
    bench.say_lapse(2, 2).await;
    bench.say_lapse(1, 2).await;
    for _ in 0..2 {
        bench.report().await;
    }
    drop(seen);
    let told = [events.recv().await.unwrap(), events.recv().await.unwrap()];
    let node = bench.presence.identity.node.clone();
    let said = |happening, back| Event {
        happening,
        client: entry::ClientId::parse(CLIENT[0]).unwrap(),
        info: info.clone(),
        back,
    };
    let back = Some(Back { node, beat: 2 });
    let expected = [said(Happening::Join, back), said(Happening::Leave, None)];
    assert_eq!(told, expected);
    assert_eq!(bench.event().await, event("leave", 0, "u"));
    assert!(events.try_recv().is_err() && bench.queue.try_recv().is_err());
}

/// Reads the events of a channel.
struct EventEar(mpsc::Sender<Event>);

impl Ear for EventEar {
    fn hear(&self, heard: Heard) {
        let event = read(heard.message.data).unwrap();
        self.0.try_send(event).unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_on_a_node_that_lives_joins_again_and_leaves_once() {
    let mut bench = Bench::new(|_| {}).await;
    bench.beat().await;
    bench.beat().await;
    let (_topic, _hearing) = bench.hearing(&channel("a"), Duration::ZERO).await;
    let [(_, stays), (_, goes)] = [bench.seen(0, "u"), bench.seen(1, "v")];
    bench.say_gone(gone(&[&stays, &goes])).await;
    // One has gone meanwhile, as only its node knows; the other goes later.
    bench.say_event(Happening::Leave, &goes, None).await;
    bench.say_event(Happening::Join, &stays, Some(5)).await;
    bench.say_event(Happening::Leave, &stays, None).await;
    for expected in [
        event("leave", 0, "u"),
        event("leave", 1, "v"),
        event("join", 0, "u"),
        event("leave", 0, "u"),
    ] {
        assert_eq!(bench.event().await, expected);
    }
    assert!(bench.queue.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn a_lapse_within_the_debounce_is_not_seen() {
    let mut bench = Bench::new(|_| {}).await;
    bench.beat().await;
    bench.beat().await;
    let wait = Duration::from_secs(5);
    let (_topic, _hearing) = bench.hearing(&channel("a"), wait).await;
    let [(_, stays), (_, goes)] = [bench.seen(0, "u"), bench.seen(1, "v")];
    let start = Instant::now();
    bench.say_gone(gone(&[&stays, &goes])).await;
    sleep(Duration::from_secs(4)).await;
    bench.say_event(Happening::Join, &stays, Some(5)).await;
    bench.say_event(Happening::Leave, &goes, None).await;
    assert_eq!(bench.event().await, event("leave", 1, "v"));
    assert!(start.elapsed() < wait + Duration::from_millis(10));
    sleep(2 * wait).await;
    assert!(bench.queue.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn leaves_that_a_return_has_overtaken_are_not_told() {
    let mut bench = Bench::new(|_| {}).await;
    bench.beat().await;
    bench.beat().await;
    let (_topic, _hearing) = bench.hearing(&channel("a"), Duration::ZERO).await;
    let [(_, stays), (_, goes)] = [bench.seen(0, "u"), bench.seen(1, "v")];
    bench.say_event(Happening::Join, &stays, Some(5)).await;
    bench.say_event(Happening::Leave, &goes, None).await;
    for expected in [event("join", 0, "u"), event("leave", 1, "v")] {
        assert_eq!(bench.event().await, expected);
    }
    bench.say_gone(gone(&[&stays, &goes])).await;
    // The node is gone again, this time for good.
    let mut again = gone(&[&stays]);
    again.beat = 5;
    bench.say_gone(again).await;
    assert_eq!(bench.event().await, event("leave", 0, "u"));
    assert!(bench.queue.try_recv().is_err());
}
