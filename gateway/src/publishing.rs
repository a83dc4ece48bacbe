//! Publications on their way to the backbone, whoever they come from: traced, and timed until they are confirmed.

use std::sync::Arc;
use std::time::Instant;

use tidegate_backbone::{Channel, Confirmation, Error, Position, Publication};
use tidegate_telemetry::{Kind, Span};

use crate::counters::{Counters, Namespace, Origin};
use crate::node::Node;

/// A publication that the backbone has been handed, and has not confirmed yet.
pub(crate) struct Sent {
    confirmation: Confirmation,
    span: Span,
    since: Instant,
    is_kept: bool,
    namespace: Arc<Namespace>,
    origin: Origin,
    counters: Arc<Counters>,
}

/// Hands a publication to the backbone.
///
/// # Errors
/// Those of the backbone.
pub(crate) async fn send(
    node: &Node,
    channel: &Channel,
    mut publication: Publication,
    origin: Origin,
) -> Result<Sent, Error> {
    let span = Span::inside(Kind::Producer, || {
        format!("publish {}", channel.namespace().unwrap_or("_")).into()
    });
    span.set_channel(channel);
    publication.trace = span.sampled();
    let since = Instant::now();
    let is_kept = node.backbone.stream(channel).is_some() && !publication.skips_history;
    match node.backbone.send(channel, publication).await {
        Ok(confirmation) => Ok(Sent {
            confirmation,
            span,
            since,
            is_kept,
            namespace: Arc::clone(node.counters.traffic.of(channel)),
            origin,
            counters: Arc::clone(&node.counters),
        }),
        Err(error) => {
            span.fail(&error);
            Err(error)
        }
    }
}

impl Sent {
    /// Waits until the backbone has it.
    ///
    /// # Errors
    /// Those of the [`Confirmation`].
    pub(crate) async fn confirmed(self) -> Result<Option<Position>, Error> {
        let result = self.confirmation.await;
        match &result {
            Ok(_) => {
                let times = &self.counters.times;
                times.confirmed(self.is_kept, self.since.elapsed());
                self.namespace.published(self.origin);
            }
            Err(error) => self.span.fail(error),
        }
        result
    }
}
