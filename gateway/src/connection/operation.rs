//! What a connection waits for before its next command: joins, and handing publications to the backbone.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::FutureExt;
use futures_util::future::{LocalBoxFuture, try_join_all};
use tidegate_backbone::{Channel, Confirmation, Error, Publication};

use crate::admission::AdmittedUser;
use crate::hub::Hub;
use crate::interest::Topic;
use crate::node::Node;
use crate::session::{OpenError, Operation};

/// How it ended, with what it brings back.
pub(super) enum Finished {
    /// The user was counted, and the server-side channels are joined.
    Opened {
        result: Result<(), OpenError>,
        topics: Vec<Arc<Topic>>,
        user: Option<AdmittedUser>,
    },
    /// A channel is joined.
    Joined(Result<Arc<Topic>, Error>),
    /// The publication of the command with this id was handed over.
    Sent(u32, Result<Confirmation, Error>),
}

/// Begins what a session asks for.
pub(super) fn start(
    operation: Operation,
    node: &Arc<Node>,
    hub: &Rc<Hub>,
) -> LocalBoxFuture<'static, Finished> {
    let hub = Rc::clone(hub);
    match operation {
        Operation::Open { user, channels } => {
            open(Arc::clone(node), hub, user, channels).boxed_local()
        }
        Operation::Join(channel) => {
            async move { Finished::Joined(hub.join(&channel).await) }.boxed_local()
        }
    }
}

/// Hands a publication to the backbone. The next one of the connection follows when this has ended, which keeps their
/// order; their confirmations are awaited together.
pub(super) fn send(
    id: u32,
    channel: Channel,
    publication: Publication,
    node: &Arc<Node>,
) -> LocalBoxFuture<'static, Finished> {
    let node = Arc::clone(node);
    async move { Finished::Sent(id, node.backbone.send(&channel, publication).await) }.boxed_local()
}

async fn open(node: Arc<Node>, hub: Rc<Hub>, user: String, channels: Vec<Channel>) -> Finished {
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
