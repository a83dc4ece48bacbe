//! Rounds of load and power cuts, and what came of them.

use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::watch;
use tokio::task::{LocalSet, spawn_local};
use tokio::time::sleep;

use super::channel::Channel;
use super::environment;
use super::outcome::Outcome;
use super::room::Room;
use super::setting::Setting;
use super::site::Site;
use super::verdict::Verdict;

/// Channels of a round.
const CHANNELS: u32 = 4;

/// Between two publications of a channel.
const PACE: Duration = Duration::from_millis(5);

/// What a round begins on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ground {
    /// Files that were made a moment ago.
    Fresh,
    /// Files that have been there for long: all that they had before the load began lasts.
    Settled,
}

/// As many power cuts as the one who runs the test wants, each on file systems of its own.
pub(crate) async fn rounds(name: &'static str, setting: Setting, ground: Ground) -> Outcome {
    let seed = environment::number("POWER_CUT_SEED");
    let seed = seed.unwrap_or_else(|| rand::random::<u32>().into());
    let mut random = StdRng::seed_from_u64(seed);
    let mut outcome = Outcome {
        name,
        seed,
        ..Outcome::default()
    };
    for round in 1..=environment::number("POWER_CUT_ROUNDS").unwrap_or(20) {
        let moment = Duration::from_millis(random.random_range(500..2000));
        let clients = LocalSet::new();
        let (verdict, is_new_epoch) = clients.run_until(play(setting, ground, moment)).await;
        println!("{name}, seed {seed}, round {round}, cut after {moment:?}: {verdict}");
        outcome.rounds += 1;
        outcome.losses += u64::from(verdict.missing() > 0);
        outcome.epochs += u64::from(is_new_epoch);
        outcome.verdict += verdict;
    }
    println!("{outcome}");
    outcome
}

/// Gives the verdict, and whether a new epoch has begun.
async fn play(setting: Setting, ground: Ground, moment: Duration) -> (Verdict, bool) {
    let mut site = Site::start(setting).await.unwrap();
    let (gateway, newcomer) = (site.gateway(), site.newcomer());
    let rooms = |at| (0..CHANNELS).map(move |number| Room::new(number, at));
    let rooms = rooms(&gateway).zip(rooms(&newcomer));
    let opened = rooms.map(|(room, bare)| Channel::open(room, bare));
    let mut channels = join_all(opened).await;
    if ground == Ground::Settled {
        join_all(channels.iter_mut().map(Channel::publish_one)).await;
        site.sync().unwrap();
    }

    let (cut, is_cut) = watch::channel(false);
    let running = channels.into_iter();
    let running: Vec<_> = running
        .map(|channel| spawn_local(channel.run(PACE, is_cut.clone())))
        .collect();
    sleep(moment).await;
    site.cut().unwrap();
    cut.send(true).unwrap();
    let mut channels = try_join_all(running).await.unwrap();
    site.start_again().await.unwrap();

    join_all(channels.iter_mut().map(Channel::audit)).await;
    // More than was lost, so that places which were given away are given again.
    let again = channels.iter_mut().map(|it| it.go_on(PACE / 2, moment));
    join_all(again).await;
    let mut verdict = Verdict::default();
    for channel in join_all(channels.iter_mut().map(Channel::conclude)).await {
        verdict += channel;
    }
    if !verdict.is_honest() {
        println!("{}", site.output());
    }
    (verdict, channels.iter().any(Channel::has_new_epoch))
}
