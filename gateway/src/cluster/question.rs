//! What nodes ask each other, as JSON, and how this one answers.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use serde::{Deserialize, Serialize};
use tidegate_backbone::{Channel, Ear, Heard, Message};
use tokio::runtime::Handle;

use super::Cluster;
use crate::api::Pattern;
use crate::control::{Connected, Order, Whom};

/// Bytes of channel names in one answer; NATS takes messages of a megabyte.
const MAX_NAMES: usize = 512 * 1024;

/// What every node is asked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Question {
    /// Give this order.
    Order {
        user: String,
        client: Option<String>,
        session: Option<String>,
        spared: Vec<String>,
        order: Order,
    },
    /// Who is connected?
    Connections {
        user: Option<String>,
        channel: Option<String>,
        after: String,
        limit: usize,
    },
    /// Which channels have subscribers?
    Channels { pattern: String },
    /// How are you?
    Info,
}

/// What a node says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// So many connections obeyed.
    Reached(u64),
    Connections(BTreeMap<String, Connected>),
    /// With their subscribers.
    Channels(BTreeMap<String, u64>),
    /// There are more than an answer holds.
    TooMany,
    Info(NodeInfo),
    /// Not every connection that was meant is known to have got it.
    Missed,
}

/// A node, as operators see it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct NodeInfo {
    pub(crate) uid: String,
    pub(crate) name: String,
    pub(crate) version: String,
    pub(crate) num_clients: u64,
    pub(crate) num_users: u64,
    pub(crate) num_subs: u64,
    pub(crate) num_channels: u64,
    /// In seconds.
    pub(crate) uptime: u64,
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Asked {
    pub(super) from: String,
    pub(super) question: Question,
}

impl Asked {
    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a question is JSON")
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Answered {
    pub(super) from: String,
    pub(super) answer: Answer,
}

impl Answered {
    pub(super) fn decode(bytes: &[u8]) -> Option<Self> {
        let read = serde_json::from_slice(bytes);
        read.inspect_err(|error| tracing::warn!(%error, "a node's answer cannot be read"))
            .ok()
    }
}

/// Hears other nodes' questions.
pub(super) struct Questions {
    pub(super) cluster: Weak<Cluster>,
    pub(super) runtime: Handle,
}

impl Ear for Questions {
    fn hear(&self, heard: Heard) {
        let Some(cluster) = self.cluster.upgrade() else {
            return;
        };
        let Ok(asked) = serde_json::from_slice::<Asked>(&heard.message.data) else {
            return tracing::warn!("a node's question cannot be read");
        };
        if asked.from == cluster.uid {
            return;
        }
        let Ok(room) = Arc::clone(&cluster.room).try_acquire_owned() else {
            return tracing::warn!("too many questions of nodes, one is not answered");
        };
        self.runtime.spawn(async move {
            let answered = Answered {
                from: cluster.uid.clone(),
                answer: cluster.answer(asked.question).await,
            };
            let answered = serde_json::to_vec(&answered).expect("an answer is JSON");
            if let Some(asker) = heard.asker
                && let Err(error) = asker.answer(Message::new(answered)).await
            {
                tracing::warn!(%error, "a node was not answered");
            }
            drop(room);
        });
    }
}

impl Cluster {
    /// What this node has to say.
    pub(super) async fn answer(&self, question: Question) -> Answer {
        let local = &self.node.local;
        let answer = match question {
            Question::Order {
                user,
                client,
                session,
                spared,
                order,
            } => {
                let whom = Whom {
                    user: Some(user),
                    channel: None,
                    client,
                    session,
                    spared,
                };
                local.order(whom, order).await.map(Answer::Reached)
            }
            Question::Connections {
                user,
                channel,
                after,
                limit,
            } => {
                let whom = Whom {
                    user,
                    channel: channel.and_then(|it| Channel::parse(&it).ok()),
                    ..Whom::default()
                };
                let found = local.connections(whom, &after, limit).await;
                found.map(Answer::Connections)
            }
            Question::Channels { pattern } => {
                let pattern = Pattern::new(&pattern);
                local.channels().await.map(|all| matching(all, &pattern))
            }
            Question::Info => local
                .users()
                .await
                .map(|users| Answer::Info(self.info(users))),
        };
        answer.unwrap_or(Answer::Missed)
    }

    fn info(&self, users: usize) -> NodeInfo {
        let counters = &self.node.counters;
        NodeInfo {
            uid: self.uid.clone(),
            name: self.node.name().to_owned(),
            version: crate::session::VERSION.to_owned(),
            num_clients: counters.connections.get(),
            num_users: users as u64,
            num_subs: counters.subscriptions.get(),
            num_channels: counters.channels.get(),
            uptime: self.started.elapsed().as_secs(),
        }
    }
}

fn matching(all: BTreeMap<Channel, u64>, pattern: &Pattern) -> Answer {
    let all = all
        .into_iter()
        .map(|(channel, count)| (channel.to_string(), count));
    let found: BTreeMap<_, _> = all
        .filter(|(channel, _)| pattern.matches(channel))
        .collect();
    match found.keys().map(String::len).sum::<usize>() > MAX_NAMES {
        true => Answer::TooMany,
        false => Answer::Channels(found),
    }
}
