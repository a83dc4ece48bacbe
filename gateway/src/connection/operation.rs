//! What a connection waits for: joins, handing publications to the backbone, and their confirmations.

use std::rc::Rc;
use std::sync::{Arc, Mutex};

use futures_util::future::try_join_all;
use tidegate_backbone::{Channel, Error, From, Page, Position, Publication, Range};
use tidegate_codec::Format;
use tidegate_telemetry::{Scope, Span};
use tokio::time::{Duration, Instant, sleep};

use crate::admission::AdmittedUser;
use crate::auth::EndpointId;
use crate::counters::Origin;
use crate::hooks::{Answer, Question, Unanswered, Via};
use crate::hub::Hub;
use crate::interest::{Missed, Topic, Wish};
use crate::node::Node;
use crate::presence::Hearing;
use crate::publishing::{self, Sent};
use crate::quota::Quota;
use crate::session::{Join, OpenError, PresenceAnswer, PresenceError, PresenceQuestion};

/// How it ended, with what it brings back.
pub(super) enum Finished {
    /// The user was counted, and the server-side channels are joined.
    Opened {
        result: Result<Vec<Joined>, OpenError>,
        user: Option<AdmittedUser>,
        /// Of the user, if there is one.
        quota: Option<Arc<Mutex<Quota>>>,
    },
    /// A channel is joined.
    Joined(Channel, Result<Joined, Error>),
    /// The backend answered the question with this number, or did not.
    Answered(u32, Result<Answer, Unanswered>),
    /// The keys that the command with this ticket waits for were fetched, or not.
    Fetched(u32, bool),
    /// A history was read for the command with this id.
    Read(u32, Result<Page, Error>),
    /// The publication of the command with this id was handed over.
    Sent(u32, Result<Sent, Error>),
    /// It was confirmed.
    Published(u32, Result<Option<Position>, Error>),
    /// The presence service was asked for the command with this id.
    Asked(u32, Result<PresenceAnswer, PresenceError>),
}

/// A channel that this node receives.
pub(super) struct Joined {
    pub(super) join: Join,
    pub(super) topic: Arc<Topic>,
    /// What is given to a client that wishes something, if it can be.
    pub(super) missed: Option<Missed>,
    /// Where joins and leaves are heard, if they are to be.
    pub(super) hearing: Option<Arc<Hearing>>,
}

/// Time between two looks at how far the worker is.
const LOOK: Duration = Duration::from_millis(5);

/// How long it is waited for.
const PATIENCE: Duration = Duration::from_secs(2);

/// Joins a channel.
pub(super) async fn join(node: Arc<Node>, hub: Rc<Hub>, join: Join) -> Finished {
    let channel = join.channel.clone();
    let joined = prepare(&node, &hub, join).await;
    if let Err(error) = &joined {
        tracing::debug!(channel = channel.as_str(), %error, "a client could not join a channel");
    }
    Finished::Joined(channel, joined)
}

/// Makes sure that this node receives a channel, and has at hand what a client missed.
async fn prepare(node: &Node, hub: &Hub, mut join: Join) -> Result<Joined, Error> {
    let topic = hub.join(&join.channel).await?;
    let hearing = match &node.presence {
        Some(presence) if join.is_hearing => {
            let debounce = node.rules.join_leave_debounce(&join.channel);
            Some(presence.events.hear(&topic, debounce).await?)
        }
        _ => None,
    };
    let prepared = match &join.wish {
        None => None,
        Some(wish) => topic.prepare(wish).await?,
    };
    let missed = match prepared {
        None => None,
        Some((wish, missed)) => {
            let least = match &wish {
                Wish::Since(since) => since.offset,
                Wish::Newest(_) => missed.end(),
            };
            await_worker(hub, &topic, least).await?;
            join.wish = Some(wish);
            Some(missed)
        }
    };
    Ok(Joined {
        join,
        topic,
        missed,
        hearing,
    })
}

/// Waits until the worker has delivered what the client has had already, from another worker or node.
async fn await_worker(hub: &Hub, topic: &Arc<Topic>, offset: u64) -> Result<(), Error> {
    let end = Instant::now() + PATIENCE;
    while hub.reached(topic).is_some_and(|reached| reached < offset) {
        if Instant::now() > end {
            let reason = "the worker has not delivered up to the client's position yet";
            return Err(Error::Unavailable(reason.to_owned()));
        }
        sleep(LOOK).await;
    }
    Ok(())
}

/// Reads a history, or its position alone.
pub(super) async fn read(
    node: Arc<Node>,
    id: u32,
    channel: Channel,
    range: Option<Range>,
) -> Finished {
    let backbone = &node.backbone;
    let page = match range {
        Some(range) => {
            let page = backbone.read(&channel, range).await;
            match page {
                Ok(page) => Ok(read_further(&node, &channel, range, page).await),
                Err(error) => Err(error),
            }
        }
        None => {
            let tops = backbone.tops(std::slice::from_ref(&channel)).await;
            tops.map(|mut tops| Page {
                top: tops.remove(0),
                publications: Vec::new(),
                is_gapless: false,
                removed: 0,
                has_more: false,
            })
        }
    };
    Finished::Read(id, page)
}

/// Asks the application's backend.
pub(super) async fn ask(
    node: Arc<Node>,
    ticket: u32,
    question: Box<Question>,
    via: Via<'static>,
    span: Span,
) -> Finished {
    let hooks = node.hooks.as_ref();
    let hooks = hooks.expect("who has somebody to ask has hooks");
    Finished::Answered(ticket, hooks.ask(*question, via, span).await)
}

/// Fetches keys that a token needs.
pub(super) async fn fetch(node: Arc<Node>, ticket: u32, endpoint: EndpointId) -> Finished {
    let jwks = node.jwks.as_ref();
    let jwks = jwks.expect("keys are missing only where they are published");
    Finished::Fetched(ticket, jwks.fetch(endpoint).await)
}

/// The page with what the stream does not have any more, where that is archived.
async fn read_further(node: &Node, channel: &Channel, range: Range, page: Page) -> Page {
    let reaches = match range.from {
        From::After(_) => page.is_gapless,
        From::Before(_) => page.has_more || page.publications.len() == range.limit,
    };
    if reaches {
        return page;
    }
    let archive = node.interest.archive();
    let epoch = &page.top.position.epoch;
    match archive.page(channel, epoch, range).await {
        Some(publications) => Page {
            publications,
            ..page
        },
        None => page,
    }
}

/// Hands a publication to the backbone. The next command of the connection follows when this has ended, which keeps the
/// order of its publications; their confirmations are awaited together.
pub(super) async fn send(
    node: Arc<Node>,
    id: u32,
    channel: Channel,
    publication: Publication,
    scope: Scope,
) -> Finished {
    let sent = publishing::send(&node, &channel, publication, Origin::Client);
    Finished::Sent(id, scope.around(sent).await)
}

/// Asks who is in a channel.
pub(super) async fn look(
    node: Arc<Node>,
    id: u32,
    channel: Channel,
    question: PresenceQuestion,
    format: Format,
) -> Finished {
    let Some(presence) = &node.presence else {
        let reason = "presence is off on this node".to_owned();
        return Finished::Asked(id, Err(PresenceError::Unavailable(reason)));
    };
    Finished::Asked(id, presence.ask(&channel, question, format).await)
}

/// Counts a connection of a user, and joins their server-side channels.
pub(super) async fn open(
    node: Arc<Node>,
    hub: Rc<Hub>,
    user: String,
    channels: Vec<Join>,
) -> Finished {
    let refused = |error| Finished::Opened {
        result: Err(error),
        user: None,
        quota: None,
    };
    let Some(admitted) = node.admission.admit_user(&user) else {
        return refused(OpenError::ConnectionLimit);
    };
    let joins = channels.into_iter().map(|join| prepare(&node, &hub, join));
    match try_join_all(joins).await {
        Ok(joined) => Finished::Opened {
            result: Ok(joined),
            user: Some(admitted),
            quota: node.quotas.of(&user, Instant::now().into_std()),
        },
        Err(error) => refused(OpenError::Join(error)),
    }
}
