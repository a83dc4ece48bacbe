//! Requests, checked: what cannot be is answered with INVALID_ARGUMENT and the name of the field.

use tidegate_backbone::{Channel, Epoch};
use tidegate_proto::history as proto;
use tidegate_proto::history::remove_request::What;
use tidegate_proto::history::{Direction, read_request, replay_request};
use tonic::Status;

use super::page_token::Binding;
use crate::history::{DEFAULT_LIMIT, MAX_LIMIT, Query, Removal, Start};
use crate::store::MAX_EPOCH_BYTES;

pub(super) fn read(request: proto::ReadRequest, binding: &Binding) -> Result<Query, Status> {
    let direction = Direction::try_from(request.direction)
        .map_err(|_| Status::invalid_argument("direction is none that is known"))?;
    let is_forward = match direction {
        Direction::Unspecified | Direction::Forward => true,
        Direction::Backward => false,
    };
    let at = |offset| match is_forward {
        true => Start::After(offset),
        false => Start::Before(offset),
    };
    let (epoch, start) = match request.start {
        None if is_forward => (None, Start::After(0)),
        None => (None, Start::Before(u64::MAX)),
        Some(read_request::Start::Position(it)) => (epoch(&it.epoch)?, at(it.offset)),
        Some(read_request::Start::Time(time)) if is_forward => (None, Start::Since(time)),
        Some(read_request::Start::Time(time)) => (None, Start::Until(time)),
    };
    let first = Query {
        channel: channel(&request.channel)?,
        epoch,
        start,
        limit: limit(request.limit)?,
    };
    Ok(match binding.offset(&request.page_token)? {
        None => first,
        Some((epoch, offset)) => Query {
            epoch: Some(epoch),
            start: at(offset),
            ..first
        },
    })
}

pub(super) fn replay(request: proto::ReplayRequest) -> Result<Query, Status> {
    let (epoch, start) = match request.start {
        None => (None, Start::After(0)),
        Some(replay_request::Start::Position(it)) => (epoch(&it.epoch)?, Start::After(it.offset)),
        Some(replay_request::Start::Time(time)) => (None, Start::Since(time)),
    };
    Ok(Query {
        channel: channel(&request.channel)?,
        epoch,
        start,
        limit: MAX_LIMIT,
    })
}

pub(super) fn get(request: proto::GetRequest) -> Result<(Channel, Option<Epoch>, u64), Status> {
    let channel = channel(&request.channel)?;
    let (epoch, offset) = place(request.position, "position")?;
    Ok((channel, epoch, offset))
}

pub(super) fn remove(request: proto::RemoveRequest) -> Result<(Channel, Removal), Status> {
    let channel = channel(&request.channel)?;
    let removal = match request.what {
        Some(What::One(position)) => {
            let (epoch, offset) = place(Some(position), "one")?;
            Removal::Offsets(epoch, offset..=offset)
        }
        Some(What::Range(range)) if range.first > range.last => {
            return Err(Status::invalid_argument("range ends before it begins"));
        }
        Some(What::Range(range)) => {
            Removal::Offsets(epoch(&range.epoch)?, range.first..=range.last)
        }
        Some(What::Everything(true)) => Removal::Everything,
        Some(What::Everything(false)) | None => {
            return Err(Status::invalid_argument("nothing is named to be removed"));
        }
    };
    Ok((channel, removal))
}

pub(super) fn channel(name: &str) -> Result<Channel, Status> {
    Channel::parse(name).map_err(|error| Status::invalid_argument(format!("channel: {error}")))
}

pub(super) fn limit(limit: u32) -> Result<usize, Status> {
    match usize::try_from(limit) {
        Ok(0) => Ok(DEFAULT_LIMIT),
        Ok(limit) if limit <= MAX_LIMIT => Ok(limit),
        Ok(_) | Err(_) => {
            let text = format!("limit is more than {MAX_LIMIT}");
            Err(Status::invalid_argument(text))
        }
    }
}

/// The place of one publication.
fn place(
    position: Option<proto::StreamPosition>,
    field: &str,
) -> Result<(Option<Epoch>, u64), Status> {
    let position = position
        .filter(|it| it.offset > 0)
        .ok_or_else(|| Status::invalid_argument(format!("{field} has no offset")))?;
    Ok((epoch(&position.epoch)?, position.offset))
}

fn epoch(text: &str) -> Result<Option<Epoch>, Status> {
    match text.len() {
        0 => Ok(None),
        1..=MAX_EPOCH_BYTES => Ok(Some(text.into())),
        _ => {
            let text = format!("epoch is longer than {MAX_EPOCH_BYTES} bytes");
            Err(Status::invalid_argument(text))
        }
    }
}
