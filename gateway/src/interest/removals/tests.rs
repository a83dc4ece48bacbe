use std::sync::Arc;

use tidegate_backbone::{Backbone, Channel, Position, Publication, Removal, remove};

use super::*;
use crate::broadcast::Recent;
use crate::interest::{Topic, Windows, Wish, testing};

fn kept() -> (Arc<dyn Backbone>, Arc<Interest>, Channel) {
    let backbone: Arc<dyn Backbone> = testing::kept();
    let windows = Windows::new(1_000_000);
    let (interest, _) = Interest::new(Arc::clone(&backbone), 1, Arc::default(), windows);
    (backbone, interest, Channel::parse("kept:room").unwrap())
}

fn texts(found: &[Arc<Recent>]) -> Vec<String> {
    let text = |it: &Arc<Recent>| String::from_utf8(it.data().to_vec()).unwrap();
    found.iter().map(text).collect()
}

async fn publish_six(backbone: &Arc<dyn Backbone>, room: &Channel) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in 0..6 {
        let publication = Publication {
            data: number.to_string().into(),
            ..Publication::default()
        };
        let position = backbone.publish(room, publication).await.unwrap();
        positions.push(position.unwrap());
    }
    positions
}

/// Clients come back from every place, and are given what is left behind it.
async fn check(topic: &Topic, positions: &[Position], left: &[usize]) {
    let top = positions[5].offset;
    for (had, position) in positions.iter().enumerate() {
        let wish = Wish::Since(position.clone());
        let (fulfilled, missed) = topic.prepare(&wish).await.unwrap().unwrap();
        assert_eq!(fulfilled, wish, "from {had}");
        let found = topic.complete(&missed, top).unwrap();
        let expected = left.iter().filter(|it| **it > had);
        let expected: Vec<_> = expected.map(usize::to_string).collect();
        assert_eq!(texts(&found), expected, "from {had}");
    }
}

/// What was removed is given to nobody, and nobody is told that something is missing.
#[tokio::test]
async fn what_was_removed_is_not_at_hand_any_more() {
    let (backbone, interest, room) = kept();
    let heed = heed(Arc::downgrade(&interest));
    let all = async {
        let topic = interest.topic(&room);
        topic.ready().await.unwrap();
        let positions = publish_six(&backbone, &room).await;
        let mut left: Vec<_> = (0..6).collect();
        check(&topic, &positions, &left).await;
        for gone in [2, 5, 0] {
            let since = Wish::Since(positions[0].clone());
            let (_, missed) = topic.prepare(&since).await.unwrap().unwrap();
            let removal = Removal::one(&positions[gone]);
            remove(&*backbone, &room, &removal).await.unwrap();
            left.retain(|it| *it != gone);
            let (first, top) = (positions[0].offset, positions[5].offset);
            assert!(topic.between(first, top).is_none());
            assert!(topic.complete(&missed, top).is_none());
            check(&topic, &positions, &left).await;
        }
    };
    tokio::select! {
        () = heed => panic!("it heeds as long as there is a node"),
        () = all => {}
    }
}
