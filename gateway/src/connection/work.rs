//! What of a connection waits, and what is under way: joins, publications, and the commands behind them.

use std::collections::VecDeque;
use std::task::{Context, Poll};

use futures_util::future::LocalBoxFuture;
use futures_util::stream::FuturesOrdered;
use futures_util::{FutureExt, StreamExt};
use tidegate_backbone::Channel;
use tidegate_codec::{Command, Reply};
use tidegate_telemetry::{Scope, Span, is_on};

use super::operation::Finished;
use crate::hub::Membership;
use crate::telemetry;

/// Joins and publications of one connection that may be under way; its further commands wait.
const UNDER_WAY_LIMIT: usize = 128;

/// With as many commands waiting as this, no further frame is read from the client.
const BACKLOG_LIMIT: usize = 16;

/// Everything that a connection waits for.
#[derive(Default)]
pub(super) struct Work {
    /// Commands that wait, in order.
    pub(super) backlog: VecDeque<Command>,
    /// Channels that are delivered, of which the session has not said yet whether they stay.
    pub(super) landed: Vec<Membership>,
    /// What the next command waits for.
    turn: Option<LocalBoxFuture<'static, Finished>>,
    /// Of commands that are not answered yet, by their ids; empty while nothing is traced.
    spans: Vec<(u32, Span)>,
    /// Joins and confirmations of publications, in the order of their commands; at most [`UNDER_WAY_LIMIT`].
    under_way: Option<FuturesOrdered<LocalBoxFuture<'static, Finished>>>,
}

impl Work {
    /// Keeps the span of a command until it is answered; gives what is work of it.
    pub(super) fn trace(&mut self, command: &Command) -> Scope {
        // Nobody answers what has no id.
        if !is_on() || command.id == 0 {
            return Scope::default();
        }
        let span = telemetry::command(&command.request);
        let scope = span.scope();
        self.spans.push((command.id, span));
        scope
    }

    /// What is work of the command with this id.
    pub(super) fn scope(&self, id: u32) -> Scope {
        let mut spans = self.spans.iter();
        let found = spans.find(|(it, _)| *it == id);
        found.map_or_else(Scope::default, |(_, span)| span.scope())
    }

    /// The command with this id is answered.
    pub(super) fn answered(&mut self, reply: &Reply) {
        let mut spans = self.spans.iter();
        if let Some(index) = spans.position(|(it, _)| *it == reply.id) {
            let (_, span) = self.spans.swap_remove(index);
            if let Err(failure) = &reply.outcome {
                span.set("error.type", i64::from(failure.code));
                span.fail(&failure.message);
            }
        }
    }

    /// Begins what the commands behind it need not wait for.
    pub(super) fn begin(&mut self, operation: impl Future<Output = Finished> + 'static) {
        let under_way = self.under_way.get_or_insert_default();
        under_way.push_back(operation.boxed_local());
    }

    /// Begins what the next command waits for.
    pub(super) fn wait_for(&mut self, operation: impl Future<Output = Finished> + 'static) {
        self.turn = Some(operation.boxed_local());
    }

    /// Something that has ended.
    pub(super) fn poll(&mut self, context: &mut Context<'_>) -> Option<Finished> {
        if let Some(turn) = &mut self.turn
            && let Poll::Ready(finished) = turn.poll_unpin(context)
        {
            self.turn = None;
            return Some(finished);
        }
        match self.under_way.as_mut()?.poll_next_unpin(context) {
            Poll::Ready(finished) => finished,
            Poll::Pending => None,
        }
    }

    /// Whether a command can be taken now.
    pub(super) fn is_free(&self) -> bool {
        self.turn.is_none() && self.under_way_len() < UNDER_WAY_LIMIT
    }

    pub(super) fn takes_frames(&self) -> bool {
        self.backlog.len() < BACKLOG_LIMIT
    }

    /// Whether there is something to wait for.
    pub(super) fn is_under_way(&self) -> bool {
        self.turn.is_some() || self.under_way_len() > 0
    }

    /// Whether nothing waits either.
    pub(super) fn is_done(&self) -> bool {
        !self.is_under_way() && self.backlog.is_empty()
    }

    pub(super) fn take_landed(&mut self, channel: &Channel) -> Option<Membership> {
        let mut landed = self.landed.iter();
        let index = landed.position(|membership| membership.channel() == channel)?;
        Some(self.landed.swap_remove(index))
    }

    fn under_way_len(&self) -> usize {
        self.under_way.as_ref().map_or(0, FuturesOrdered::len)
    }
}
