//! A site under load: clients and publishers while something is done to the gateways, and what clients saw.

use futures_util::future::{join_all, try_join_all};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::{Instant, sleep};

use super::audience::{Audience, conclude};
use super::order::Order;
use super::plan::Load;
use super::publisher::Publisher;
use super::room::Room;
use super::site::Site;
use super::tally::Tally;

/// What came of it.
#[derive(Debug)]
pub(crate) struct Played<T> {
    pub(crate) tally: Tally,
    /// What was found meanwhile.
    pub(crate) found: T,
    /// Clients of each gateway in the end.
    pub(crate) connections: Vec<u64>,
    /// What the gateways wrote.
    pub(crate) output: String,
}

/// Does something to a site of so many gateways under this load.
pub(crate) async fn under_load<T>(
    load: Load,
    gateways: usize,
    change: impl AsyncFnOnce(&mut Site) -> T,
) -> Played<T> {
    LocalSet::new()
        .run_until(play(load, gateways, change))
        .await
}

async fn play<T>(
    load: Load,
    gateways: usize,
    change: impl AsyncFnOnce(&mut Site) -> T,
) -> Played<T> {
    let mut site = Site::start(load, gateways).await.unwrap();
    let rooms = (0..load.channels).map(|number| Room::new(number, &site.balancer));
    let rooms: Vec<_> = rooms.collect();
    let each = load.subscribers / load.channels;
    // Nobody is told the first.
    let (orders, ordered) = watch::channel(Order::GoHome);
    let audiences = rooms
        .iter()
        .map(|room| Audience::gather(room, each, &ordered));
    let audiences = join_all(audiences).await;
    println!("clients: {:?}", site.connections().await.unwrap());

    let begin = Instant::now();
    let publishers = rooms.into_iter().map(|room| {
        // One channel after the other, so that there is always something on its way.
        let first = begin + load.pace() * room.number / load.channels;
        let (mut publisher, ordered) = (Publisher::new(room), ordered.clone());
        spawn_local(async move {
            publisher.publish(first, load.pace(), ordered).await;
            publisher
        })
    });
    let publishers: Vec<_> = publishers.collect();
    sleep(load.pace()).await;
    let found = change(&mut site).await;
    sleep(load.pace()).await;
    orders.send(Order::Stop).unwrap();
    let publishers = try_join_all(publishers).await.unwrap();
    Played {
        connections: site.connections().await.unwrap(),
        tally: conclude(publishers, audiences, site.stored()).await,
        found,
        output: site.output(),
    }
}
