//! The answer to a question about one partition, from the roster: for gateways, other replicas and our own gRPC face.

use tidegate_proto::node as proto;
use tidegate_proto::node::question::What;
use tidegate_proto::node::refused::Reason;
use tidegate_proto::node::{VERSION, answer, partition};

use crate::message::{Client, Kind, encode};
use crate::roster::{ChannelView, ConnectionView, Counts, NotHeld, Page, Roster, UserView};

/// Members in a page, at most and unless the question says.
pub const MAX_MEMBERS: usize = 1_000;

/// Channels or users in a question, at most.
pub const MAX_NAMES: usize = 1_000;

/// Connections or channels of a user in an answer.
const MAX_OF_USER: usize = 1_000;

/// The stream of questions that one came by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    pub kind: Kind,
    pub partition: u32,
    pub partitions: u32,
}

/// Answers a question that came by `place`.
#[must_use]
pub fn answer(roster: &Roster, place: Place, question: proto::Question) -> proto::Answer {
    let is_incomplete = !roster.is_whole(place.partition);
    let what = match what(roster, place, question) {
        Ok(what) => what,
        Err((reason, text)) => answer::What::Refused(proto::Refused {
            reason: reason.into(),
            text,
        }),
    };
    proto::Answer {
        version: VERSION,
        what: Some(what),
        is_incomplete,
    }
}

type Refusal = (Reason, String);

fn invalid(text: &str) -> Refusal {
    (Reason::Invalid, text.to_owned())
}

impl From<NotHeld> for Refusal {
    fn from(error: NotHeld) -> Self {
        (Reason::NotHeld, error.to_string())
    }
}

fn what(roster: &Roster, place: Place, question: proto::Question) -> Result<answer::What, Refusal> {
    if question.version != VERSION || question.partitions != place.partitions {
        let text = format!(
            "this is version {VERSION} with {} partitions",
            place.partitions
        );
        return Err((Reason::Mismatch, text));
    }
    let what = question.what.ok_or_else(|| invalid("nothing is asked"))?;
    let kind = match &what {
        What::Users(_) => Kind::User,
        What::Members(_) | What::Counts(_) | What::Channels(_) => Kind::Channel,
    };
    if kind != place.kind {
        return Err(invalid("this is asked on a topic of the other kind"));
    }
    match what {
        What::Members(it) => members(roster, place, &it).map(answer::What::Members),
        What::Counts(it) => counts(roster, place, &it).map(answer::What::Counts),
        What::Users(it) => users(roster, place, &it).map(answer::What::Users),
        What::Channels(it) => channels(roster, place, &it).map(answer::What::Channels),
    }
}

fn members(
    roster: &Roster,
    place: Place,
    question: &proto::MembersQuestion,
) -> Result<proto::Members, Refusal> {
    place.check(&question.channel)?;
    let after = match question.after.len() {
        0 => None,
        _ => {
            let bytes = <[u8; 16]>::try_from(&*question.after);
            Some(
                bytes
                    .map(Client)
                    .map_err(|_| invalid("after is no client"))?,
            )
        }
    };
    let limit = match usize::try_from(question.limit) {
        Ok(limit @ 1..=MAX_MEMBERS) => limit,
        _ => MAX_MEMBERS,
    };
    let Page {
        members,
        has_more,
        counts,
    } = roster.page(&question.channel, after, limit)?;
    let member = |it| {
        let mut member = encode::membership(it);
        member.channel.clear();
        if question.without_infos {
            member.conn_info.clear();
            member.chan_info.clear();
        }
        member
    };
    Ok(proto::Members {
        members: members.into_iter().map(member).collect(),
        has_more,
        clients: counts.clients,
        users: counts.users,
    })
}

fn counts(
    roster: &Roster,
    place: Place,
    question: &proto::CountsQuestion,
) -> Result<proto::Counts, Refusal> {
    check_length(&question.channels)?;
    let count = |channel: &String| {
        place.check(channel)?;
        let Counts { clients, users } = roster.counts(channel)?;
        Ok(proto::Count { clients, users })
    };
    let counts = question.channels.iter().map(count);
    Ok(proto::Counts {
        counts: counts.collect::<Result<_, Refusal>>()?,
    })
}

fn users(
    roster: &Roster,
    place: Place,
    question: &proto::UsersQuestion,
) -> Result<proto::Users, Refusal> {
    check_length(&question.users)?;
    let limit = match question.without_connections {
        true => 0,
        // Of several, so that an answer is not too large.
        false => (MAX_OF_USER / question.users.len().max(1)).max(1),
    };
    let user = |name: &String| {
        place.check(name)?;
        let UserView {
            connections,
            connection_count,
            last_seen,
        } = roster.user(name, limit)?;
        Ok(proto::UserPresence {
            connections: connections.into_iter().map(connection).collect(),
            connection_count,
            last_seen: last_seen.unwrap_or_default(),
        })
    };
    let users = question.users.iter().map(user);
    Ok(proto::Users {
        users: users.collect::<Result<_, Refusal>>()?,
    })
}

fn channels(
    roster: &Roster,
    place: Place,
    question: &proto::ChannelsQuestion,
) -> Result<proto::Channels, Refusal> {
    if question.user.is_empty() {
        return Err(invalid("user is empty"));
    }
    let channels = roster.channels_of(&question.user, place.partition, MAX_OF_USER)?;
    let channel = |it: ChannelView| proto::ChannelMembership {
        channel: it.channel,
        connections: it.connections,
        since: it.since,
    };
    Ok(proto::Channels {
        channels: channels.into_iter().map(channel).collect(),
    })
}

fn connection(view: ConnectionView) -> proto::UserConnection {
    proto::UserConnection {
        connection: Some(encode::connection(view.connection)),
        node: view.node,
    }
}

fn check_length(names: &[String]) -> Result<(), Refusal> {
    match names.len() > MAX_NAMES {
        true => Err(invalid("more than 1,000 are asked for")),
        false => Ok(()),
    }
}

impl Place {
    fn check(self, name: &str) -> Result<(), Refusal> {
        if name.is_empty() {
            return Err(invalid("a name is empty"));
        }
        match partition(name, self.partitions) == self.partition {
            true => Ok(()),
            false => Err((Reason::NotHeld, "of another partition".to_owned())),
        }
    }
}
