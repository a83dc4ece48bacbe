//! The promises of [`Backbone`], each stated once as a test case.
//!
//! In: a [`Cluster`], two nodes on one carrier. A case panics when the promise is broken. An implementation's tests
//! call [`conformance_tests!`](crate::conformance_tests) with a function that makes a fresh cluster, and get one test
//! for each case. Nothing here knows what carries the publications.

mod content;
mod delivery;
mod ear;
mod lifecycle;
mod messages;
mod register;
mod removing;
mod streams;
mod versions;

use std::any::Any;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

pub use content::*;
pub use delivery::*;
pub use ear::Ear;
pub use lifecycle::*;
pub use messages::*;
pub use register::*;
pub use removing::*;
pub use streams::*;
pub use versions::*;

use crate::{Backbone, Channel, Publication};

/// How long a publication may take on a busy machine before it counts as lost.
const PATIENCE: Duration = Duration::from_secs(20);

/// Two nodes on one carrier.
pub struct Cluster {
    /// One node.
    pub near: Arc<dyn Backbone>,
    /// The other one; the same as `near` where a carrier is one process.
    pub far: Arc<dyn Backbone>,
    spread: Spread,
    _carrier: Box<dyn Any + Send>,
}

/// When the other node's publications reach a new subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Spread {
    /// As soon as `subscribe` has returned: the whole of promise 1.
    AtOnce,
    /// A moment later, as between two servers of a NATS cluster, which tell each other of subscriptions in the
    /// background. Nothing tells when they have, so an [`Ear`] first hears a probe from each node: promise 1 holds
    /// from then on, unless another subscription of the channel ended right before.
    Eventually,
}

impl Cluster {
    /// Two nodes, and what must live as long as they do.
    pub fn new(
        near: Arc<dyn Backbone>,
        far: Arc<dyn Backbone>,
        spread: Spread,
        carrier: impl Any + Send,
    ) -> Self {
        Self {
            near,
            far,
            spread,
            _carrier: Box::new(carrier),
        }
    }

    /// Listens to `channel` on one of the nodes, from where promise 1 holds.
    async fn listen(&self, node: &Arc<dyn Backbone>, channel: &Channel) -> Ear {
        let ear = Ear::open(node, channel).await;
        match self.spread {
            Spread::AtOnce => {}
            Spread::Eventually => {
                ear.hear_probe(&self.near, channel, "near").await;
                ear.hear_probe(&self.far, channel, "far").await;
            }
        }
        ear
    }

    fn nodes(&self) -> [&Arc<dyn Backbone>; 2] {
        [&self.near, &self.far]
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("spread", &self.spread)
            .finish_non_exhaustive()
    }
}

fn channel(name: &str) -> Channel {
    Channel::parse(name).expect("the name of a channel")
}

fn publication(data: impl Into<Bytes>) -> Publication {
    Publication {
        data: data.into(),
        ..Publication::default()
    }
}

async fn publish(node: &Arc<dyn Backbone>, channel: &Channel, data: impl Into<Bytes>) {
    let published = node.publish(channel, publication(data)).await;
    assert!(published.is_ok(), "{published:?}: publishing on {channel}");
}

/// One test for each promise, over the clusters that `$cluster` makes: an `async fn() -> Cluster`.
#[macro_export]
macro_rules! conformance_tests {
    ($cluster:path) => {
        $crate::conformance_tests! { @each $cluster;
            a_new_backbone_is_ready,
            a_publication_reaches_every_node,
            a_publication_that_nobody_hears_is_accepted,
            each_publication_is_heard_exactly_once,
            a_thousand_publications_arrive_in_order,
            publications_sent_ahead_of_confirmation_arrive_in_order,
            every_publisher_keeps_its_own_order,
            several_listeners_each_hear_everything,
            metadata_arrives_as_it_was_given,
            any_bytes_arrive_as_they_were_given,
            channels_with_tricky_names_stay_apart,
            a_dropped_subscription_hears_nothing_more,
            a_listener_may_come_and_go_two_hundred_times,
            many_may_subscribe_at_once,
            after_shutdown_nothing_is_available,
            what_is_told_is_heard_as_it_was_said,
            an_ear_may_end_its_own_subscription,
            a_group_shares_what_is_told,
            messages_arrive_in_the_order_of_telling,
            a_question_is_answered,
            a_question_that_nobody_hears_is_answered_at_once,
            a_service_answers_and_tells_about_itself,
        }
    };
    (registers $cluster:path) => {
        $crate::conformance_tests! { @each $cluster;
            a_watch_begins_with_everything_that_is_there,
            a_watch_sees_changes_of_every_node,
            a_watch_sees_a_thousand_changes,
            a_value_goes_when_its_time_is_over,
        }
    };
    (streams $cluster:path) => {
        $crate::conformance_tests! { @each $cluster;
            a_kept_publication_is_heard_with_its_place,
            kept_publications_keep_the_order_of_sending,
            an_id_is_stored_once,
            a_read_sees_what_was_confirmed,
            a_channel_is_read_in_pages,
            what_is_missing_is_not_proved_to_be_there,
            a_channel_without_a_stream_is_not_kept,
            what_was_removed_is_gone_and_not_missing,
            a_removal_proves_nothing_that_was_not_proved,
            a_range_is_removed_and_the_rest_stays,
            everything_is_removed_and_what_comes_later_stays,
            what_was_removed_is_passed_over_in_the_feed,
            every_node_is_told_of_a_removal,
            only_newer_versions_are_stored_and_heard,
            versions_of_many_publishers_are_stored_in_their_order,
            a_version_is_forgotten_with_its_publication,
            a_version_is_found_behind_publications_without_one,
            what_skips_history_is_heard_and_not_stored,
            what_skips_history_comes_in_the_order_of_sending,
        }
    };
    (@each $cluster:path; $($case:ident),* $(,)?) => { $(
        #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $case() {
            $crate::conformance::$case($cluster().await).await;
        }
    )* };
}
