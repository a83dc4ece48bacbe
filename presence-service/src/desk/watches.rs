//! Those who watch channels. One that is too slow is ended rather than left with a hole.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::message::{Client, Fault, Membership};
use crate::roster::{Effect, NotHeld, Roster};

/// Watches at a time.
const MAX_WATCHES: usize = 1_024;

/// The largest channel that is watched.
const MAX_MEMBERS: usize = 100_000;

/// News that wait for one watch.
const MAX_WAITING: usize = 256;

/// What has happened in a channel: some came, or some left, not both.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct News {
    pub joined: Vec<Membership>,
    pub left: Vec<Client>,
}

/// Why a channel is not watched.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WatchError {
    #[error("the service is shutting down")]
    Closed,
    #[error("there are {MAX_WATCHES} watches already")]
    TooMany,
    #[error("more than {MAX_MEMBERS} are in the channel")]
    TooLarge,
    #[error("the nodes have not told who is in the channel within {0:?}")]
    Late(Duration),
    #[error(transparent)]
    NotHeld(#[from] NotHeld),
}

#[derive(Debug, Default)]
pub(super) struct Watches {
    channels: BTreeMap<String, Vec<mpsc::Sender<News>>>,
}

impl Watches {
    pub(super) fn begin(
        &mut self,
        roster: &mut Roster,
        channel: String,
    ) -> Result<(News, mpsc::Receiver<News>), WatchError> {
        if self.channels.values().map(Vec::len).sum::<usize>() >= MAX_WATCHES {
            return Err(WatchError::TooMany);
        }
        if roster.counts(&channel)?.clients as usize > MAX_MEMBERS {
            return Err(WatchError::TooLarge);
        }
        let joined = roster.everyone(&channel)?;
        let (watch, watched) = mpsc::channel(MAX_WAITING);
        roster.watch(&channel, true);
        self.channels.entry(channel).or_default().push(watch);
        let news = News {
            joined,
            left: Vec::new(),
        };
        Ok((news, watched))
    }

    /// Hands on what has happened in watched channels.
    pub(super) fn tell(&mut self, roster: &mut Roster, effects: Vec<Effect>) {
        let mut news: BTreeMap<String, Vec<News>> = BTreeMap::new();
        for effect in effects {
            let Some(channel) = effect.channel().map(str::to_owned) else {
                continue;
            };
            let of_channel = news.entry(channel).or_default();
            match effect {
                Effect::Joined(it) => add_joined(of_channel, it),
                Effect::Left { client, .. } => add_left(of_channel, client),
                Effect::Ask { .. } | Effect::Gone(_) | Effect::Online { .. } => {}
            }
        }
        for (channel, news) in news {
            let Some(watches) = self.channels.get_mut(&channel) else {
                continue;
            };
            watches.retain(|watch| {
                let is_told = news.iter().all(|it| watch.try_send(it.clone()).is_ok());
                if !is_told && !watch.is_closed() {
                    roster.count(Fault::SlowWatch);
                }
                is_told
            });
        }
    }

    /// Forgets those who have gone.
    pub(super) fn prune(&mut self, roster: &mut Roster) {
        self.channels.retain(|channel, watches| {
            watches.retain(|watch| !watch.is_closed());
            if watches.is_empty() {
                roster.watch(channel, false);
            }
            !watches.is_empty()
        });
    }
}

/// Joins that follow one another are told together.
fn add_joined(news: &mut Vec<News>, membership: Membership) {
    match news.last_mut() {
        Some(last) if last.left.is_empty() => last.joined.push(membership),
        _ => news.push(News {
            joined: vec![membership],
            left: Vec::new(),
        }),
    }
}

/// Leaves that follow one another are told together: there are many when a node goes.
fn add_left(news: &mut Vec<News>, client: Client) {
    match news.last_mut() {
        Some(last) if last.joined.is_empty() => last.left.push(client),
        _ => news.push(News {
            joined: Vec::new(),
            left: vec![client],
        }),
    }
}
