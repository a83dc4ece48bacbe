//! What the presence service says to nodes.

use std::sync::{Arc, PoisonError, Weak};

use prost::Message;
use tidegate_backbone::{Ear, Heard};
use tidegate_proto::node::{self, Kind, VERSION};

use super::Presence;
use super::event::info_of;
use super::farewells::End;
use super::report::StreamId;
use super::reporter::Order;
use super::stream::Lapse;

/// Streams of which a snapshot may be asked for at once.
const MAX_ASKED: usize = 64;

/// Hears who asks for a beat.
pub(super) struct Call(Weak<Presence>);

/// Hears who asks for snapshots.
pub(super) struct SnapshotRequest(Weak<Presence>);

/// Hears of nodes that are gone.
pub(super) struct NodeGone(Weak<Presence>);

macro_rules! ears {
    ($($name:ident: $what:ident,)+) => { $(
        impl $name {
            pub(super) fn of(presence: &Arc<Presence>) -> Arc<Self> {
                Arc::new(Self(Arc::downgrade(presence)))
            }
        }

        impl Ear for $name {
            fn hear(&self, heard: Heard) {
                let Some(presence) = self.0.upgrade() else { return };
                let read = node::$name::decode(heard.message.data).ok();
                if read.and_then(|read| presence.$what(read)).is_none() {
                    presence.counters.presence_ignored.add(1);
                }
            }

            fn interrupted(&self) {
                if let Some(presence) = self.0.upgrade() {
                    presence.order(Order::Beat);
                }
            }
        }
    )+ };
}

ears! {
    Call: called,
    SnapshotRequest: asked,
    NodeGone: gone,
}

/// Each gives `None` for what is not for this node, or cannot be.
impl Presence {
    fn called(&self, call: node::Call) -> Option<()> {
        (call.version == VERSION).then(|| self.order(Order::Beat))
    }

    fn asked(&self, request: node::SnapshotRequest) -> Option<()> {
        let identity = &self.identity;
        let is_for_us = request.version == VERSION
            && (request.incarnation, request.partitions)
                == (identity.incarnation, identity.partitions);
        let is_of_users = match Kind::try_from(request.kind).ok()? {
            Kind::Channel => false,
            Kind::User => true,
            Kind::Unspecified => return None,
        };
        let can_be = |partition: &u32| *partition < identity.partitions;
        if !is_for_us
            || request.partition.len().max(request.lapses.len()) > MAX_ASKED
            || !request.partition.iter().all(can_be)
            || !request.lapses.iter().all(|it| can_be(&it.partition))
        {
            return None;
        }
        let streams = request.partition.into_iter();
        let streams = streams.map(|partition| StreamId {
            is_of_users,
            partition,
        });
        let lapses = request.lapses.into_iter().map(|it| Lapse {
            partition: it.partition,
            beat: it.beat,
            number: it.number,
        });
        self.order(Order::Snapshots(streams.collect(), lapses.collect()));
        Some(())
    }

    fn gone(&self, gone: node::NodeGone) -> Option<()> {
        let identity = &self.identity;
        if gone.version != VERSION || gone.partitions != identity.partitions {
            return None;
        }
        if gone.node == identity.node {
            tracing::warn!("the presence service took this node for gone");
            return Some(());
        }
        let end = End {
            node: gone.node,
            incarnation: gone.incarnation,
            beat: gone.beat,
            partition: gone.partition,
        };
        // A panic while it was held leaves an end that is not remembered at worst.
        let farewells = self.farewells.lock();
        let mut farewells = farewells.unwrap_or_else(PoisonError::into_inner);
        if !farewells.heeds(end, &gone.replica, gone.chunk) {
            return Some(());
        }
        drop(farewells);
        for membership in gone.left {
            if let Some((Some(channel), info)) = info_of(membership) {
                self.events.left(&channel, info, gone.beat);
            }
        }
        Some(())
    }
}
