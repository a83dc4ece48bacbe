//! The stream of one watch: who is there, and then who comes and goes.

use std::future::Future;

use futures_util::future::Either;
use futures_util::stream::BoxStream;
use futures_util::{StreamExt, future, stream};
use tidegate_proto::presence as proto;
use tokio::sync::{mpsc, watch};
use tonic::Status;

use super::reply::member;
use crate::answer::MAX_MEMBERS;
use crate::desk::{News, WatchError};
use tidegate_service::{Deadline, exceeded};

/// The status that an error has, by the table in the schema.
pub(super) fn failure(error: WatchError) -> Status {
    let text = error.to_string();
    match error {
        // A partition that is wanted is let go of by nobody; watch again.
        WatchError::Closed | WatchError::Late(_) | WatchError::NotHeld(_) => {
            Status::unavailable(text)
        }
        WatchError::TooMany | WatchError::TooLarge => Status::resource_exhausted(text),
    }
}

/// Why a watch ends that the caller does not end.
pub(super) async fn end(deadline: Deadline, mut stopping: watch::Receiver<bool>) -> Status {
    let stopped = stopping.wait_for(|is_stopping| *is_stopping);
    match future::select(Box::pin(stopped), Box::pin(deadline.passed())).await {
        Either::Left(_) => Status::unavailable("the service is shutting down"),
        Either::Right(_) => exceeded(),
    }
}

pub(super) fn stream(
    there: News,
    news: mpsc::Receiver<News>,
    end: impl Future<Output = Status> + Send + 'static,
) -> BoxStream<'static, Result<proto::WatchResponse, Status>> {
    let first = first(there);
    let changes = stream::unfold(Some(news), |news| async {
        let mut news = news?;
        match news.recv().await {
            Some(it) => Some((Ok(changed(it)), Some(news))),
            // The desk has ended this watch.
            None => Some((Err(aborted()), None)),
        }
    });
    let all = stream::iter(first.into_iter().map(Ok)).chain(changes);
    let end = stream::once(async { Err(end.await) });
    stream::select(all, end).boxed()
}

fn aborted() -> Status {
    Status::aborted("the watch was too slow: watch again")
}

/// Everybody who is there, in messages of bounded size.
fn first(there: News) -> Vec<proto::WatchResponse> {
    let mut joined = there.joined.into_iter();
    let mut responses = Vec::new();
    loop {
        let some: Vec<_> = joined.by_ref().take(MAX_MEMBERS).map(member).collect();
        let is_live = some.len() < MAX_MEMBERS;
        responses.push(proto::WatchResponse {
            joined: some,
            left: Vec::new(),
            is_live,
        });
        if is_live {
            return responses;
        }
    }
}

fn changed(news: News) -> proto::WatchResponse {
    proto::WatchResponse {
        joined: news.joined.into_iter().map(member).collect(),
        left: news.left.iter().map(ToString::to_string).collect(),
        is_live: true,
    }
}
