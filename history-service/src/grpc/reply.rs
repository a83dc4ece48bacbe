//! Answers, as the protocol has them.

use tidegate_backbone::{ClientInfo, Position};
use tidegate_proto::history as proto;
use tonic::Status;

use super::page_token::Binding;
use crate::history::{HistoryError, NamespaceStats, Newest, Reading, Replayed, Stats};
use crate::store::{ArchivedChannel, ArchivedStream, Record};

/// The status that an error has, by the table in the schema.
pub(super) fn failure(error: HistoryError) -> Status {
    let text = error.to_string();
    match error {
        HistoryError::NotKept(_) => Status::failed_precondition(text),
        HistoryError::UnknownEpoch | HistoryError::NoPublication => Status::not_found(text),
        HistoryError::NewEpoch => Status::aborted(text),
        HistoryError::Ahead { .. } => Status::out_of_range(text),
        HistoryError::Unavailable(_) => Status::unavailable(text),
        HistoryError::Broken(reason) => {
            tracing::error!(reason, "the archive cannot be read");
            Status::data_loss("the archive cannot be read")
        }
    }
}

pub(super) fn reading(reading: Reading, binding: &Binding) -> proto::ReadResponse {
    let token = |offset| binding.token_of_offset(&reading.epoch, offset);
    proto::ReadResponse {
        next_page_token: reading.next.map(token).unwrap_or_default(),
        publications: reading.records.into_iter().map(publication).collect(),
        epoch: reading.epoch.to_string(),
        is_gapless: reading.is_gapless,
    }
}

pub(super) fn replayed(page: Replayed) -> proto::ReplayResponse {
    proto::ReplayResponse {
        publications: page.records.into_iter().map(publication).collect(),
        epoch: page.epoch.to_string(),
        is_gapless: page.is_gapless,
        is_live: page.is_live,
    }
}

pub(super) fn publication(record: Record) -> proto::Publication {
    let info = |it: ClientInfo| proto::ClientInfo {
        user: it.user,
        client: it.client,
        conn_info: it.conn_info,
        chan_info: it.chan_info,
    };
    let it = record.publication;
    proto::Publication {
        offset: record.offset,
        time: record.time,
        data: it.data,
        info: it.info.map(info),
        tags: it.tags,
        id: it.id,
    }
}

pub(super) fn newest(newest: Newest) -> proto::PositionResponse {
    let Position { epoch, offset } = newest.position;
    proto::PositionResponse {
        position: Some(proto::StreamPosition {
            epoch: epoch.to_string(),
            offset,
        }),
        epochs: newest.epochs.iter().map(ToString::to_string).collect(),
    }
}

pub(super) fn channels(
    mut found: Vec<ArchivedChannel>,
    limit: usize,
    binding: &Binding,
) -> proto::ChannelsResponse {
    let has_more = found.len() > limit;
    found.truncate(limit);
    let last = found.last().filter(|_| has_more);
    let token = last.map(|last| binding.token_of_channel(last.channel.as_str()));
    let channel = |it: ArchivedChannel| {
        let counts = it.epochs.iter().map(|(_, count)| count);
        proto::ArchivedChannel {
            name: it.channel.to_string(),
            publications: counts.clone().map(|it| it.publications).sum(),
            bytes: counts.map(|it| it.bytes).sum(),
        }
    };
    proto::ChannelsResponse {
        next_page_token: token.unwrap_or_default(),
        channels: found.into_iter().map(channel).collect(),
    }
}

pub(super) fn stats(stats: Stats) -> proto::StatsResponse {
    let stream = |(lag, it): (Option<u64>, ArchivedStream)| proto::StreamStats {
        namespace: it.stream.namespace.unwrap_or_default(),
        epoch: it.stream.epoch.to_string(),
        publications: it.count.publications,
        bytes: it.count.bytes,
        watermark: it.watermark,
        lag,
        partition: it.partition.map_or(0, |it| it.number),
        partitions: it.partition.map_or(0, |it| it.of),
    };
    let namespace = |it: NamespaceStats| proto::NamespaceStats {
        namespace: it.namespace.unwrap_or_default(),
        publications: it.count.publications,
        bytes: it.count.bytes,
        lag: it.lag,
    };
    let namespaces = stats.namespaces();
    proto::StatsResponse {
        streams: stats.streams.into_iter().map(stream).collect(),
        namespaces: namespaces.into_iter().map(namespace).collect(),
        disk_bytes: stats.disk_bytes,
    }
}
