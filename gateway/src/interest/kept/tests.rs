use std::sync::atomic::Ordering;

use tidegate_backbone::embedded::{Embedded, EmbeddedOptions};
use tidegate_backbone::{Channel, Durability, Listener, Place, Storage, StreamOptions};

use super::*;
use crate::interest::route::Item;
use crate::interest::{Interest, Windows};

/// Who listens hears what skips history, in its turn, whatever is missing and whatever is removed meanwhile.
#[tokio::test]
async fn what_has_no_place_waits_for_what_is_missing_and_is_not_dropped() {
    let stream = StreamOptions {
        namespace: Some("kept".to_owned()),
        size: 100,
        ttl: Duration::from_secs(600),
        storage: Storage::Memory,
        replicas: 1,
        partitions: 1,
        compression: false,
        duplicate_window: Duration::from_secs(120),
        required: Durability::Accepted,
    };
    let backbone = Embedded::open(EmbeddedOptions {
        streams: vec![stream],
        ..EmbeddedOptions::default()
    });
    let backbone: Arc<dyn Backbone> = Arc::new(backbone.unwrap());
    let windows = Windows::new(1_000_000);
    let (interest, mut queues) = Interest::new(Arc::clone(&backbone), 1, Arc::default(), windows);
    let room = Channel::parse("kept:room").unwrap();
    let topic = interest.topic(&room);
    let (route, kept) = (&topic.route, topic.route.kept.as_ref().unwrap());
    route.workers.store(1, Ordering::Relaxed);
    let mut taken = || {
        let items = std::iter::from_fn(|| queues[0].try_recv().ok());
        let texts = items.map(|item| match item {
            Item::Publication(it) => String::from_utf8(it.data().to_vec()).unwrap(),
            Item::Lost(_) => panic!("it is lost"),
        });
        texts.collect::<Vec<_>>()
    };
    let text = |data: &str| Publication {
        data: data.to_owned().into(),
        ..Publication::default()
    };

    let tops = backbone.tops(std::slice::from_ref(&room)).await.unwrap();
    kept.open(route, &tops[0]);
    let mut places = Vec::new();
    for data in ["1", "2", "3"] {
        let Position { epoch, offset } =
            backbone.publish(&room, text(data)).await.unwrap().unwrap();
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
    assert_eq!(taken(), ["1", "a"]);
    kept.forget(route);
    assert!(kept.repair(route, &*backbone).await);
    assert_eq!(taken(), ["2", "3", "b"]);
    assert_eq!(kept.position().map(|it| it.offset), Some(places[2].offset));
}
