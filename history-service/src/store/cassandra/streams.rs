//! The state of streams: read as it is, changed by compare and set, so that any number of writers agree.

use std::time::Duration;

use tokio::time::sleep;

use super::cluster::Cluster;
use super::state::State;
use super::value;
use crate::store::{StoreError, StreamId};

/// Longest pause after another writer was faster.
const PAUSE_LIMIT: Duration = Duration::from_millis(64);

/// The state of a stream; `None` when nothing of it was ever archived.
pub(super) async fn load(
    cluster: &Cluster,
    stream: &StreamId,
) -> Result<Option<State>, StoreError> {
    let found = versioned(cluster, stream).await?;
    Ok(found.map(|(_, state)| state))
}

async fn versioned(
    cluster: &Cluster,
    stream: &StreamId,
) -> Result<Option<(i64, State)>, StoreError> {
    let values = (namespace(stream), &*stream.epoch);
    let found = cluster.ask_one(&cluster.statements.stream, values);
    let found: Option<(i64, Vec<u8>)> = found.await?;
    let state = |(version, state)| Ok((version, State::decode(state)?));
    found.map(state).transpose()
}

/// The state of a stream, which begins as `fresh` if it was not there.
pub(super) async fn begin(
    cluster: &Cluster,
    stream: &StreamId,
    fresh: &State,
) -> Result<State, StoreError> {
    loop {
        if let Some(state) = load(cluster, stream).await? {
            return Ok(state);
        }
        let known = of_namespace(cluster, stream.namespace.as_deref()).await?;
        let newest = known.iter().map(|(_, state)| state.known.number).max();
        let mut state = fresh.clone();
        state.known.number = newest.unwrap_or(0) + 1;
        let values = (namespace(stream), &*stream.epoch, state.encode());
        let statement = &cluster.statements.begin_stream;
        if cluster.is_applied(statement, values).await? {
            return Ok(state);
        }
    }
}

/// Changes the state of a stream. `change` is asked again when another writer was faster; what it leaves as it was is not
/// written.
pub(super) async fn change<T>(
    cluster: &Cluster,
    stream: &StreamId,
    mut change: impl FnMut(&mut State) -> T,
) -> Result<T, StoreError> {
    let mut pause = Duration::from_millis(1);
    loop {
        let found = versioned(cluster, stream).await?;
        let lost = || StoreError::Broken("the state of a stream is gone".to_owned());
        let (version, mut state) = found.ok_or_else(lost)?;
        let before = state.clone();
        let outcome = change(&mut state);
        if state == before {
            return Ok(outcome);
        }
        let (namespace, epoch) = (namespace(stream), &*stream.epoch);
        let values = (version + 1, state.encode(), namespace, epoch, version);
        let statement = &cluster.statements.change_stream;
        if cluster.is_applied(statement, values).await? {
            return Ok(outcome);
        }
        sleep(pause).await;
        pause = PAUSE_LIMIT.min(pause * 2);
    }
}

/// A namespace's streams, the oldest first.
pub(super) async fn of_namespace(
    cluster: &Cluster,
    namespace: Option<&str>,
) -> Result<Vec<(StreamId, State)>, StoreError> {
    let values = (value::namespace(namespace),);
    let found = cluster.ask::<(String, Vec<u8>)>(&cluster.statements.streams_of, values);
    let stream = |(epoch, state): (String, _)| {
        let stream = StreamId {
            namespace: namespace.map(str::to_owned),
            epoch: epoch.into(),
        };
        Ok((stream, State::decode(state)?))
    };
    sorted(found.await?.into_iter().map(stream))
}

/// All streams, a namespace's oldest first.
pub(super) async fn all(cluster: &Cluster) -> Result<Vec<(StreamId, State)>, StoreError> {
    let found = cluster.ask::<(String, String, Vec<u8>)>(&cluster.statements.streams, ());
    let stream = |(namespace, epoch, state): (String, String, _)| {
        let stream = StreamId {
            namespace: value::namespace_of(&namespace),
            epoch: epoch.into(),
        };
        Ok((stream, State::decode(state)?))
    };
    sorted(found.await?.into_iter().map(stream))
}

fn sorted(
    streams: impl Iterator<Item = Result<(StreamId, State), StoreError>>,
) -> Result<Vec<(StreamId, State)>, StoreError> {
    let mut streams: Vec<_> = streams.collect::<Result<_, _>>()?;
    streams.sort_by(|(one, its), (other, others)| {
        let key = |stream: &StreamId, state: &State| (stream.namespace.clone(), state.known.number);
        key(one, its).cmp(&key(other, others))
    });
    Ok(streams)
}

fn namespace(stream: &StreamId) -> &str {
    value::namespace(stream.namespace.as_deref())
}
