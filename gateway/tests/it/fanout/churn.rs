//! Subscribing, unsubscribing and leaving while publications come in at full speed.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use tokio::task::JoinHandle;

use super::{CHANNEL, site, subscribers};
use crate::client::Client;
use crate::command::{Format, Message, Request};
use crate::site::Site;

/// Publications that are under way at a time.
const BURST: usize = 50;

/// Somebody who publishes numbers as fast as the node confirms them, until told to stop.
struct Torrent {
    goes_on: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Torrent {
    async fn start(site: &Site) -> Self {
        let goes_on = Arc::new(AtomicBool::new(true));
        let mut client = site.client(Format::Protobuf, "torrent").await;
        let flag = Arc::clone(&goes_on);
        let task = tokio::spawn(async move {
            let mut number = 0;
            while flag.load(Ordering::Relaxed) {
                let burst = number..number + BURST;
                let requests: Vec<_> = burst
                    .map(|number| Request::Publish(CHANNEL.to_owned(), number.to_string().into()))
                    .collect();
                client.send(&requests).await;
                for _ in 0..BURST {
                    let reply = client.next().await.unwrap();
                    assert!(matches!(reply, Message::Reply { error: None, .. }));
                }
                number += BURST;
            }
        });
        Self { goes_on, task }
    }

    async fn stop(self) {
        self.goes_on.store(false, Ordering::Relaxed);
        self.task.await.unwrap();
    }
}

/// The number that the torrent's next publication has.
async fn number(client: &mut Client) -> usize {
    let data = client.publication(CHANNEL).await;
    std::str::from_utf8(&data).unwrap().parse().unwrap()
}

#[tokio::test]
async fn nothing_comes_before_the_subscribe_reply_and_nothing_is_missing_after_it() {
    let site = site();
    let torrent = Torrent::start(&site).await;
    let clients = (0..8).map(async |index| {
        let mut client = site.client(Format::BOTH[index % 2], "reader").await;
        for _ in 0..25 {
            let subscribe = Request::Subscribe(CHANNEL.to_owned());
            let id = client.send(&[subscribe]).await;
            let first = client.next().await.unwrap();
            let is_reply =
                matches!(first, Message::Reply { id: found, error: None, .. } if found == id);
            assert!(is_reply, "{first:?} came before the reply");
            let mut last = number(&mut client).await;
            for _ in 0..3 {
                let next = number(&mut client).await;
                assert_eq!(next, last + 1);
                last = next;
            }
            unsubscribe(&mut client).await;
        }
    });
    join_all(clients).await;
    torrent.stop().await;
    site.stop().await;
}

/// Unsubscribes, and asserts that the reply is the last that is heard of the channel.
async fn unsubscribe(client: &mut Client) {
    let unsubscribe = Request::Unsubscribe(CHANNEL.to_owned());
    let id = client.send(&[unsubscribe]).await;
    while let Message::Publication { .. } = client.next().await.unwrap() {}
    // Whatever the torrent publishes before this is answered would come first.
    let probe = Request::Publish("chat:probe".to_owned(), b"1".to_vec());
    client.send(&[probe]).await;
    let next = client.next().await.unwrap();
    let is_reply = matches!(next, Message::Reply { id: found, .. } if found == id + 1);
    assert!(is_reply, "{next:?} came after the unsubscribe reply");
}

/// Reads up to the reply with this id; every reply on the way must be without an error.
async fn until_reply(client: &mut Client, last: u32) {
    loop {
        match client.next().await.unwrap() {
            Message::Publication { .. } => {}
            Message::Reply {
                id, error: None, ..
            } if id == last => return,
            Message::Reply { error: None, .. } => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_loop_of_subscribing_and_unsubscribing_leaves_nothing_behind() {
    const ROUNDS: u32 = 200;
    let site = site();
    let torrent = Torrent::start(&site).await;
    let clients = (0..8).map(async |index| {
        let mut client = site.client(Format::BOTH[index % 2], "reader").await;
        let round = [
            Request::Subscribe(CHANNEL.to_owned()),
            Request::Unsubscribe(CHANNEL.to_owned()),
            Request::Subscribe(format!("chat:{index}")),
            Request::Unsubscribe(format!("chat:{index}")),
        ];
        for _ in 0..ROUNDS {
            let last = client.send(&round).await;
            until_reply(&mut client, last).await;
        }
        client
    });
    let clients = join_all(clients).await;
    site.until_metric("tidegate_subscriptions", 0).await;
    site.until_metric("tidegate_channels", 0).await;
    assert_eq!(site.metric("tidegate_connections").await, 9);
    torrent.stop().await;
    drop(clients);
    site.stop().await;
}

#[tokio::test]
async fn connections_that_drop_leave_nothing_behind() {
    let site = site();
    let torrent = Torrent::start(&site).await;
    for _ in 0..5 {
        let mut clients = subscribers(&site, 16).await;
        for client in &mut clients {
            client.subscribe("chat:other").await;
        }
        assert_eq!(site.metric("tidegate_subscriptions").await, 32);
        drop(clients);
        site.until_metric("tidegate_connections", 1).await;
        assert_eq!(site.metric("tidegate_subscriptions").await, 0);
        assert_eq!(site.metric("tidegate_channels").await, 0);
    }
    torrent.stop().await;
    site.stop().await;
}
