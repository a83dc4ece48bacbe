//! What subscribers are written, and when.

use std::task::Poll;
use std::time::Duration;

use futures_util::FutureExt;
use tidegate_backbone::embedded::Embedded;
use tidegate_backbone::{Backbone, Publication};

use tidegate_codec::Format;

use super::*;
use crate::interest::{Item, Windows, testing};

const JSON: Wire = Wire::plain(Format::Json);

/// Numbers of the publications that wait in an outbox.
fn received(outbox: &Outbox) -> Vec<u32> {
    let mut text = String::new();
    let flushed = outbox.poll_flush(&mut |bytes| {
        text.push_str(&String::from_utf8_lossy(bytes));
        Poll::Ready(Ok(bytes.len()))
    });
    assert!(flushed.is_ready());
    let numbers = text.split("\"data\":").skip(1);
    numbers
        .filter_map(|part| part.split('}').next()?.parse().ok())
        .collect()
}

#[tokio::test]
async fn what_was_queued_for_members_who_left_is_not_for_those_who_came() {
    let backbone = Arc::new(Embedded::new());
    let counters = Arc::new(Counters::default());
    let (interest, mut queues) = Interest::new(
        Arc::clone(&backbone) as _,
        1,
        Arc::clone(&counters),
        Windows::new(0),
    );
    let hub = Hub::new(0, interest, counters, Press::new(1, 0));
    let channel = Channel::parse("news").unwrap();
    let publish = async |number: u32| {
        let publication = Publication {
            data: number.to_string().into(),
            ..Publication::default()
        };
        backbone.publish(&channel, publication).await.unwrap();
    };
    let outbox = Rc::new(Outbox::new(JSON, 10_000));
    let topic = hub.join(&channel).await.unwrap();

    let first = hub.attach(Arc::clone(&topic), &outbox, &Terms::default());
    publish(1).await;
    drop(first);
    publish(2).await;
    let _second = hub.attach(topic, &outbox, &Terms::default());
    publish(3).await;
    publish(4).await;
    let run = Rc::clone(&hub).run(queues.remove(0));
    assert!(run.now_or_never().is_none(), "it ended");
    assert_eq!(received(&outbox), [3, 4]);
}

/// What a subscriber is written of publications 1, 2, 3 that come at once, and then of 4, until `wait` is over each time.
async fn paced(delivery: Delivery, waits: &[u64]) -> Vec<Vec<u32>> {
    let backbone = Arc::new(Embedded::new());
    let counters = Arc::new(Counters::default());
    let (interest, mut queues) = Interest::new(
        Arc::clone(&backbone) as _,
        1,
        Arc::clone(&counters),
        Windows::new(0),
    );
    let hub = Hub::new(0, interest, counters, Press::new(1, 0));
    let channel = Channel::parse("news").unwrap();
    let outbox = Rc::new(Outbox::new(JSON, 10_000));
    let topic = hub.join(&channel).await.unwrap();
    let _membership = hub.attach(
        topic,
        &outbox,
        &Terms {
            delivery: Arc::new(delivery),
            is_delta: false,
            hearing: None,
        },
    );
    let run = Rc::clone(&hub).run(queues.remove(0));
    tokio::pin!(run);
    let mut seen = Vec::new();
    for (round, wait) in waits.iter().enumerate() {
        let numbers: &[u32] = [&[1, 2, 3][..], &[4], &[]][round.min(2)];
        for number in numbers {
            let publication = Publication {
                data: number.to_string().into(),
                ..Publication::default()
            };
            backbone.publish(&channel, publication).await.unwrap();
        }
        let wait = Duration::from_millis(*wait);
        assert!(
            tokio::time::timeout(wait, &mut run).await.is_err(),
            "it ended"
        );
        seen.push(received(&outbox));
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn publications_gather_for_the_delay() {
    let delivery = Delivery {
        delay: Duration::from_millis(50),
        ..Delivery::default()
    };
    let seen = paced(delivery, &[45, 10, 30, 20]).await;
    assert_eq!(seen, [vec![], vec![1, 2, 3, 4], vec![], vec![]]);
}

#[tokio::test(start_paused = true)]
async fn a_rate_holds_up_what_comes_too_soon() {
    let delivery = Delivery {
        interval: Duration::from_millis(100),
        ..Delivery::default()
    };
    let seen = paced(delivery, &[10, 80, 20]).await;
    assert_eq!(seen, [vec![1, 2, 3], vec![], vec![4]]);
}

#[tokio::test(start_paused = true)]
async fn of_what_a_rate_holds_up_the_newest_may_be_enough() {
    let delivery = Delivery {
        delay: Duration::from_millis(20),
        newest_by: Some(String::new()),
        ..Delivery::default()
    };
    let seen = paced(delivery, &[10, 15, 30]).await;
    assert_eq!(seen, [vec![], vec![4], vec![]]);
}

/// Of each publication that waits in an outbox whether it has an offset, and whether it is a patch.
fn patches(outbox: &Outbox) -> Vec<(bool, bool)> {
    let mut text = String::new();
    let flushed = outbox.poll_flush(&mut |bytes| {
        text.push_str(&String::from_utf8_lossy(bytes));
        Poll::Ready(Ok(bytes.len()))
    });
    assert!(flushed.is_ready());
    let pushes = text.split("\"channel\":").skip(1);
    let has = |push: &str, member: &str| push.contains(member);
    pushes
        .map(|push| (has(push, "\"offset\":"), has(push, "\"delta\":true")))
        .collect()
}

/// What a subscriber to patches is written of publications (true: stored) when its worker is handed only some of them, as whether
/// each has an offset and whether it is a patch.
async fn patched(stored: &[bool], handed: &[usize]) -> Vec<(bool, bool)> {
    let backbone = testing::kept();
    let counters = Arc::new(Counters::default());
    let (interest, mut queues) = Interest::new(
        Arc::clone(&backbone) as _,
        1,
        Arc::clone(&counters),
        Windows::new(1_000_000),
    );
    let hub = Hub::new(0, interest, counters, Press::new(1, 0));
    let channel = Channel::parse("kept:room").unwrap();
    let outbox = Rc::new(Outbox::new(JSON, 1_000_000));
    let topic = hub.join(&channel).await.unwrap();
    let terms = Terms {
        is_delta: true,
        ..Terms::default()
    };
    let _membership = hub.attach(topic, &outbox, &terms).unwrap();
    for (number, is_stored) in stored.iter().enumerate() {
        let publication = Publication {
            data: format!("{{\"n\":{number},\"text\":\"{}\"}}", "x".repeat(500)).into(),
            skips_history: !is_stored,
            ..Publication::default()
        };
        backbone.publish(&channel, publication).await.unwrap();
    }
    for number in 0..stored.len() {
        let Ok(Item::Publication(broadcast)) = queues[0].try_recv() else {
            panic!("publication {number} is not there");
        };
        if handed.contains(&number) {
            hub.collect(broadcast);
            hub.deliver();
        }
    }
    patches(&outbox)
}

/// Clients patch what they got last, and patches are of what was stored last.
#[tokio::test]
async fn what_follows_a_publication_that_skips_history_is_no_patch() {
    const WHOLE: (bool, bool) = (true, false);
    const PATCH: (bool, bool) = (true, true);
    const PASSING: (bool, bool) = (false, false);
    let all = [0, 1, 2, 3, 4, 5];
    let seen = patched(&[true, true, false, true, true], &all).await;
    assert_eq!(seen, [WHOLE, PATCH, PASSING, WHOLE, PATCH]);
    let seen = patched(&[false, false, true, true], &all).await;
    assert_eq!(seen, [PASSING, PASSING, WHOLE, PATCH]);
    // What the worker lacked comes from the ring, in its turn and as patches there.
    let seen = patched(&[true, true, false, true], &[0, 2, 3]).await;
    assert_eq!(seen, [WHOLE, PASSING, WHOLE, PATCH]);
}
