//! What a connection waits for: joins, handing publications to the backbone, and their confirmations.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::future::try_join_all;
use tidegate_backbone::{Channel, Confirmation, Error, Position, Publication};

use crate::admission::AdmittedUser;
use crate::hub::Hub;
use crate::interest::Topic;
use crate::node::Node;
use crate::session::OpenError;

/// How it ended, with what it brings back.
pub(super) enum Finished {
    /// The user was counted, and the server-side channels are joined.
    Opened {
        result: Result<(), OpenError>,
        topics: Vec<Arc<Topic>>,
        user: Option<AdmittedUser>,
    },
    /// A channel is joined.
    Joined(Channel, Result<Arc<Topic>, Error>),
    /// The publication of the command with this id was handed over.
    Sent(u32, Result<Confirmation, Error>),
    /// It was confirmed.
    Published(u32, Result<Option<Position>, Error>),
}

/// Joins a channel.
pub(super) async fn join(hub: Rc<Hub>, channel: Channel) -> Finished {
    let result = hub.join(&channel).await;
    Finished::Joined(channel, result)
}

/// Hands a publication to the backbone. The next command of the connection follows when this has ended, which keeps the
/// order of its publications; their confirmations are awaited together.
pub(super) async fn send(
    node: Arc<Node>,
    id: u32,
    channel: Channel,
    publication: Publication,
) -> Finished {
    Finished::Sent(id, node.backbone.send(&channel, publication).await)
}

/// Counts a connection of a user, and joins their server-side channels.
pub(super) async fn open(
    node: Arc<Node>,
    hub: Rc<Hub>,
    user: String,
    channels: Vec<Channel>,
) -> Finished {
    let refused = |error| Finished::Opened {
        result: Err(error),
        topics: Vec::new(),
        user: None,
    };
    let Some(admitted) = node.admission.admit_user(&user) else {
        return refused(OpenError::ConnectionLimit);
    };
    let joins = channels.iter().map(|channel| hub.join(channel));
    match try_join_all(joins).await {
        Ok(topics) => Finished::Opened {
            result: Ok(()),
            topics,
            user: Some(admitted),
        },
        Err(error) => refused(OpenError::Join(error)),
    }
}
