//! Questions that several partitions have to answer: all are asked at the same time.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use prost::Message;
use tidegate_proto::node::answer::What;
use tidegate_proto::node::question;
use tidegate_proto::node::{ChannelsQuestion, CountsQuestion, UsersQuestion, partition};
use tidegate_proto::presence as proto;
use tonic::Status;

use super::reply::{failure, strange};
use super::{Face, page_token, reply, request};
use crate::message::Kind;

/// Bytes of the pages of one response: clients take 4 MiB by default.
const MAX_BYTES: usize = 2 * 1024 * 1024;

/// Channels of a user in a response.
const MAX_CHANNELS: usize = 1_000;

impl Face {
    /// How many are in each of these channels, and whether something is missing.
    pub(super) async fn counts(
        &self,
        channels: Vec<String>,
    ) -> Result<(Vec<proto::Count>, bool), Status> {
        request::names("channels", &channels, request::MAX_NAMES)?;
        let mut counts = vec![proto::Count::default(); channels.len()];
        let asked = self
            .by_partition(channels)
            .into_iter()
            .map(|(partition, (places, names))| {
                let what = question::What::Counts(CountsQuestion { channels: names });
                async move {
                    let answered = self.presence.ask(Kind::Channel, partition, what).await;
                    Ok::<_, Status>((places, answered.map_err(failure)?))
                }
            });
        let mut is_incomplete = false;
        for (places, answered) in try_join_all(asked).await? {
            let What::Counts(found) = answered.what else {
                return Err(strange());
            };
            is_incomplete |= answered.is_incomplete;
            for (place, count) in places.into_iter().zip(found.counts) {
                counts[place] = reply::count(count.clients, count.users);
            }
        }
        Ok((counts, is_incomplete))
    }

    /// The first page of each of these channels.
    pub(super) async fn pages(
        &self,
        request: proto::GetManyRequest,
    ) -> Result<proto::GetManyResponse, Status> {
        request::names("channels", &request.channels, request::MAX_PAGES)?;
        let names = request.channels.clone();
        let pages = request.channels.into_iter().map(|channel| {
            self.page(proto::GetRequest {
                channel,
                limit: request.limit,
                page_token: String::new(),
                without_infos: request.without_infos,
            })
        });
        let mut channels = try_join_all(pages).await?;
        let mut room = MAX_BYTES;
        for (page, name) in channels.iter_mut().zip(&names) {
            let size = page.encoded_len();
            if size > room && !page.members.is_empty() {
                page.members.clear();
                page.next_page_token = page_token::write_first(name);
            } else {
                room = room.saturating_sub(size);
            }
        }
        Ok(proto::GetManyResponse { channels })
    }

    /// Which of these users are connected.
    pub(super) async fn states(&self, users: Vec<String>) -> Result<proto::OnlineResponse, Status> {
        request::names("users", &users, request::MAX_NAMES)?;
        let mut states = vec![proto::UserState::default(); users.len()];
        let asked = self
            .by_partition(users)
            .into_iter()
            .map(|(partition, (places, users))| {
                let what = question::What::Users(UsersQuestion {
                    users,
                    without_connections: true,
                });
                async move {
                    let answered = self.presence.ask(Kind::User, partition, what).await;
                    Ok::<_, Status>((places, answered.map_err(failure)?))
                }
            });
        let mut is_incomplete = false;
        for (places, answered) in try_join_all(asked).await? {
            let What::Users(found) = answered.what else {
                return Err(strange());
            };
            is_incomplete |= answered.is_incomplete;
            for (place, user) in places.into_iter().zip(found.users) {
                states[place] = reply::state(&user);
            }
        }
        Ok(proto::OnlineResponse {
            users: states,
            is_incomplete,
        })
    }

    /// A user's connections, and what every partition knows of their channels.
    pub(super) async fn one_user(
        &self,
        request: proto::UserRequest,
    ) -> Result<proto::UserResponse, Status> {
        let user = request.user;
        request::names("user", std::slice::from_ref(&user), 1)?;
        let what = question::What::Users(UsersQuestion {
            users: vec![user.clone()],
            without_connections: false,
        });
        let answered = self.ask(Kind::User, &user, what).await?;
        let What::Users(found) = answered.what else {
            return Err(strange());
        };
        let mut response = reply::user(found, answered.is_incomplete);
        if !request.without_channels {
            let (channels, is_incomplete) = self.channels_of(&user).await?;
            response.channels = channels;
            response.is_incomplete |= is_incomplete;
        }
        Ok(response)
    }

    async fn channels_of(&self, user: &str) -> Result<(Vec<proto::UserChannel>, bool), Status> {
        let asked = (0..self.presence.partitions()).map(|partition| {
            let user = user.to_owned();
            let what = question::What::Channels(ChannelsQuestion { user });
            self.presence.ask(Kind::Channel, partition, what)
        });
        let (mut channels, mut is_incomplete) = (Vec::new(), false);
        for answered in try_join_all(asked).await.map_err(failure)? {
            let What::Channels(found) = answered.what else {
                return Err(strange());
            };
            is_incomplete |= answered.is_incomplete;
            channels.extend(found.channels.into_iter().map(reply::user_channel));
        }
        channels.sort_by(|a, b| a.channel.cmp(&b.channel));
        channels.truncate(MAX_CHANNELS);
        Ok((channels, is_incomplete))
    }

    /// Names by their partition, with where each stood.
    fn by_partition(&self, names: Vec<String>) -> BTreeMap<u32, (Vec<usize>, Vec<String>)> {
        let mut partitions: BTreeMap<u32, (Vec<usize>, Vec<String>)> = BTreeMap::new();
        for (place, name) in names.into_iter().enumerate() {
            let partition = partition(&name, self.presence.partitions());
            let (places, names) = partitions.entry(partition).or_default();
            places.push(place);
            names.push(name);
        }
        partitions
    }
}
