use std::sync::atomic::Ordering;

use tidegate_backbone::{Channel, Listener, Place};
use tokio::sync::mpsc::Receiver;
use tokio::time::advance;

use super::*;
use crate::interest::route::Item;
use crate::interest::{Interest, Topic, Windows, testing};

/// A stream, and a topic that hears what it is told to alone.
fn silent() -> (Arc<dyn Backbone>, Arc<Topic>, Receiver<Item>) {
    let backbone: Arc<dyn Backbone> = testing::kept();
    let windows = Windows::new(1_000_000);
    let (interest, mut queues) = Interest::new(Arc::clone(&backbone), 1, Arc::default(), windows);
    let topic = interest.topic(&Channel::parse("kept:room").unwrap());
    topic.route.workers.store(1, Ordering::Relaxed);
    (backbone, topic, queues.remove(0))
}

fn text(data: &str) -> Publication {
    Publication {
        data: data.to_owned().into(),
        ..Publication::default()
    }
}

fn taken(queue: &mut Receiver<Item>) -> Vec<String> {
    let items = std::iter::from_fn(|| queue.try_recv().ok());
    let texts = items.map(|item| match item {
        Item::Publication(it) => String::from_utf8(it.recent().unwrap().data().to_vec()).unwrap(),
        Item::Lost(_) => panic!("it is lost"),
    });
    texts.collect()
}

/// Who listens hears what skips history, in its turn, whatever is missing and whatever is removed meanwhile.
#[tokio::test]
async fn what_has_no_place_waits_for_what_is_missing_and_is_not_dropped() {
    let (backbone, topic, mut queue) = silent();
    let (route, kept) = (&topic.route, topic.route.kept.as_ref().unwrap());
    let tops = backbone.tops(std::slice::from_ref(topic.channel())).await;
    kept.open(route, &tops.unwrap()[0]);
    let mut places = Vec::new();
    for data in ["1", "2", "3"] {
        let position = backbone.publish(topic.channel(), text(data)).await;
        let Position { epoch, offset } = position.unwrap().unwrap();
        places.push(Place {
            epoch,
            offset,
            previous: Some(offset - 1),
            time: 1,
        });
    }
    let placed = |number: usize| Publication {
        place: Some(places[number - 1].clone()),
        ..text(&number.to_string())
    };
    route.deliver(placed(1));
    route.deliver(text("a"));
    route.deliver(placed(3));
    route.deliver(text("b"));
    assert_eq!(taken(&mut queue), ["1", "a"]);
    kept.forget(route);
    assert!(kept.repair(route, &*backbone).await);
    assert_eq!(taken(&mut queue), ["2", "3", "b"]);
    assert_eq!(kept.position().map(|it| it.offset), Some(places[2].offset));
}

/// An empty channel tells nothing of what came and went; that is noticed by the stream, once it may have been so.
#[tokio::test(start_paused = true)]
async fn what_came_and_went_while_nothing_was_compared_is_not_passed_over() {
    let (_backbone, topic, _queue) = silent();
    let kept = topic.route.kept.as_ref().unwrap();
    let top = |offset| Top {
        position: Position {
            epoch: "e".into(),
            offset,
        },
        is_empty: true,
    };
    let lifetime = Duration::from_secs(600) + RETENTION_SLACK;
    kept.open(&topic.route, &top(7));
    for (time, offset, expected) in [
        (lifetime / 2, 7, false),
        (lifetime / 2, 9, false),
        (lifetime, 7, false),
        (lifetime - Duration::from_secs(1), 9, false),
        (lifetime, 9, true),
    ] {
        advance(time).await;
        assert_eq!(
            kept.differs(&top(offset)),
            expected,
            "{offset} after {time:?}"
        );
    }
}
