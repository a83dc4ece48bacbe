//! Promises about what is removed on purpose: channels of the namespace `kept`, which keeps 100 publications, and of
//! `short`, which keeps 3.

use std::sync::{Arc, Mutex};

use super::streams::{read, stored, texts};
use super::{Cluster, PATIENCE, channel};
use crate::{Backbone, Channel, From, Partition, Position, Removal, Removed, hear_removed, remove};

async fn publish_ten(node: &Arc<dyn Backbone>, room: &Channel) -> Vec<Position> {
    let mut positions = Vec::new();
    for number in 0..10 {
        positions.push(stored(node, room, &number.to_string()).await);
    }
    positions
}

async fn removed(node: &Arc<dyn Backbone>, room: &Channel, removal: &Removal) -> u64 {
    remove(&**node, room, removal).await.expect("it is removed")
}

/// Removes one after the other, and looks from everywhere after each: what was provable stays so, from each place.
pub async fn what_was_removed_is_gone_and_not_missing(cluster: Cluster) {
    let room = channel("kept:removed");
    // What goes from in front of everything in a stream may look as if it had gone by its age.
    for number in 0..32 {
        // In whichever partition.
        let first = channel(&format!("kept:first.{number}"));
        stored(&cluster.near, &first, "x").await;
    }
    let tops = cluster.near.tops(std::slice::from_ref(&room)).await;
    let before = tops.expect("tops")[0].position.offset;
    let places = publish_ten(&cluster.near, &room).await;
    let mut left: Vec<usize> = (0..10).collect();
    // In the middle, the newest, the oldest, and what is then each of these.
    for gone in [4_usize, 9, 0, 8, 1, 5] {
        let removal = Removal::one(&places[gone]);
        assert_eq!(removed(&cluster.near, &room, &removal).await, 1);
        assert_eq!(removed(&cluster.far, &room, &removal).await, 0, "again");
        left.retain(|it| *it != gone);
        for node in cluster.nodes() {
            for after in 0..=10_usize {
                let offset = after.checked_sub(1).map_or(before, |it| places[it].offset);
                let page = read(node, &room, From::After(offset), 100).await;
                let expected = left.iter().filter(|it| **it >= after);
                let expected: Vec<_> = expected.map(usize::to_string).collect();
                assert_eq!(texts(&page), expected, "without {gone}, after {after}");
                assert!(page.is_gapless, "without {gone}, after {after}");
            }
            let page = read(node, &room, From::Before(u64::MAX), 100).await;
            assert_eq!(page.publications.len(), left.len(), "without {gone}");
        }
    }
    let next = stored(&cluster.far, &room, "next").await;
    assert!(next.offset > places[9].offset && next.epoch == places[9].epoch);
    let page = read(&cluster.near, &room, From::After(places[9].offset), 100).await;
    assert_eq!(
        (texts(&page), page.is_gapless),
        (vec!["next".to_owned()], true)
    );
}

/// Where publications went to make room, the removal of others hides nothing of it.
pub async fn a_removal_proves_nothing_that_was_not_proved(cluster: Cluster) {
    let (room, other) = (channel("short:hidden"), channel("short:other"));
    // Nothing has gone by its age: the oldest of all stays.
    stored(&cluster.near, &other, "x").await;
    let places = publish_ten(&cluster.near, &room).await;
    for gone in [9, 8, 7, 6] {
        removed(&cluster.near, &room, &Removal::one(&places[gone])).await;
        for had in [0, 1, 2, 3, 4] {
            let page = read(&cluster.far, &room, From::After(places[had].offset), 100).await;
            assert!(!page.is_gapless, "without {gone}, after {had}");
        }
    }
    stored(&cluster.near, &room, "new").await;
    let page = read(&cluster.far, &room, From::After(places[2].offset), 100).await;
    assert!(!page.is_gapless);
    // Nor does it make a position that there never was.
    let never = places[9].offset + 1_000;
    let page = read(&cluster.far, &room, From::After(never), 100).await;
    assert!(!page.is_gapless);
}

/// A range is removed, from the beginning as well as from the middle, of this channel and epoch only.
pub async fn a_range_is_removed_and_the_rest_stays(cluster: Cluster) {
    let (room, other) = (channel("kept:range"), channel("kept:range.other"));
    let mut places = Vec::new();
    for number in 0..90 {
        places.push(stored(&cluster.near, &room, &number.to_string()).await);
        stored(&cluster.near, &other, "x").await;
    }
    let epoch = &places[0].epoch;
    let range = |first: u64, last: u64| Removal::Offsets(Arc::clone(epoch), first..=last);
    let strange = Removal::Offsets("strange".into(), 0..=u64::MAX);
    assert_eq!(removed(&cluster.near, &room, &strange).await, 0);
    let middle = range(places[10].offset, places[79].offset);
    assert_eq!(removed(&cluster.near, &room, &middle).await, 70);
    assert_eq!(
        removed(&cluster.near, &room, &range(0, places[4].offset)).await,
        5
    );
    let page = read(&cluster.far, &room, From::After(places[0].offset), 100).await;
    let expected: Vec<_> = (5..10)
        .chain(80..90)
        .map(|it: usize| it.to_string())
        .collect();
    assert_eq!((texts(&page), page.is_gapless), (expected, true));
    let page = read(&cluster.far, &other, From::After(0), 100).await;
    assert_eq!(page.publications.len(), 90);
}

/// Everything goes; positions from before are as good as new, and what is published later is there.
pub async fn everything_is_removed_and_what_comes_later_stays(cluster: Cluster) {
    let room = channel("kept:all");
    let places = publish_ten(&cluster.near, &room).await;
    assert_eq!(removed(&cluster.near, &room, &Removal::All).await, 10);
    assert_eq!(removed(&cluster.near, &room, &Removal::All).await, 0);
    let tops = cluster.far.tops(std::slice::from_ref(&room)).await;
    let top = tops.expect("tops").remove(0);
    assert!(top.is_empty && top.position.offset >= places[9].offset);
    for had in [0, 5, 9] {
        let page = read(&cluster.far, &room, From::After(places[had].offset), 100).await;
        assert_eq!(
            (texts(&page), page.is_gapless),
            (vec![], true),
            "after {had}"
        );
    }
    let later = stored(&cluster.near, &room, "later").await;
    assert!(later.offset > top.position.offset);
    for after in [places[5].offset, places[9].offset, top.position.offset] {
        let page = read(&cluster.far, &room, From::After(after), 100).await;
        assert_eq!(
            (texts(&page), page.is_gapless),
            (vec!["later".to_owned()], true)
        );
    }
}

/// Who archives the stream learns of every sequence that was removed before its turn came.
pub async fn what_was_removed_is_passed_over_in_the_feed(cluster: Cluster) {
    let room = channel("kept:fed");
    let places = publish_ten(&cluster.near, &room).await;
    removed(&cluster.near, &room, &Removal::one(&places[3])).await;
    let of = cluster
        .far
        .partitions(Some("kept"))
        .expect("it is kept")
        .await;
    let partition = Partition {
        number: cluster.far.partition_of(&room, of),
        of,
    };
    let feed = cluster.far.feed(Some("kept"), partition, None);
    let mut feed = feed.expect("there is such a stream");
    let (mut found, mut passed_over) = (Vec::new(), Vec::new());
    while found.len() < 9 || !passed_over.contains(&places[3].offset) {
        let delivery = tokio::time::timeout(PATIENCE, feed.next()).await;
        let delivery = delivery.expect("in time").expect("a delivery");
        found.extend(delivery.publications.iter().map(|(_, it)| it.data.clone()));
        passed_over.extend(&delivery.passed_over);
        feed.acknowledge(&delivery).await.expect("acknowledged");
    }
    assert!(found.iter().all(|it| it != "3"), "{found:?}");
}

/// Each node hears of a removal, with the channel.
pub async fn every_node_is_told_of_a_removal(cluster: Cluster) {
    let room = channel("$kept:room.7 %");
    let heard = [(); 2].map(|()| Arc::<Mutex<Vec<Removed>>>::default());
    let mut subscriptions = Vec::new();
    for (node, heard) in cluster.nodes().into_iter().zip(&heard) {
        let heard = Arc::clone(heard);
        let tell = move |removed| heard.lock().expect("nothing panics").push(removed);
        subscriptions.push(hear_removed(&**node, tell).await.expect("it hears"));
    }
    let has_heard = || {
        let expected = Removed::In(room.clone());
        let mut all = heard.iter();
        all.all(|it| it.lock().expect("nothing panics").contains(&expected))
    };
    let told = async {
        // Between servers of a cluster it takes a moment until a subscription is known.
        while !has_heard() {
            removed(&cluster.near, &room, &Removal::All).await;
            tokio::task::yield_now().await;
        }
    };
    let told = tokio::time::timeout(PATIENCE, told).await;
    assert!(told.is_ok(), "{heard:?}");
}
