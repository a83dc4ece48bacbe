//! Requests, checked: what cannot be is answered with INVALID_ARGUMENT and the name of the field.

use tidegate_backbone::Channel;
use tonic::Status;

use crate::answer::MAX_MEMBERS;

/// Names in one request.
pub(super) const MAX_NAMES: usize = crate::answer::MAX_NAMES;

/// Channels of which a first page is asked for in one request.
pub(super) const MAX_PAGES: usize = 100;

/// The longest user, in bytes.
const MAX_USER_BYTES: usize = 1_024;

/// Members in a page, unless the request says.
const DEFAULT_LIMIT: u32 = 100;

pub(super) fn channel(name: &str) -> Result<(), Status> {
    match Channel::parse(name) {
        Ok(_) => Ok(()),
        Err(error) => Err(Status::invalid_argument(format!("channel: {error}"))),
    }
}

pub(super) fn limit(limit: u32) -> Result<u32, Status> {
    match limit {
        0 => Ok(DEFAULT_LIMIT),
        limit if limit as usize <= MAX_MEMBERS => Ok(limit),
        _ => {
            let text = format!("limit is more than {MAX_MEMBERS}");
            Err(Status::invalid_argument(text))
        }
    }
}

/// Checks the names in a field: channels, or users.
pub(super) fn names(field: &str, names: &[String], maximum: usize) -> Result<(), Status> {
    if names.len() > maximum {
        let text = format!("{field} are more than {maximum}");
        return Err(Status::invalid_argument(text));
    }
    names.iter().try_for_each(|name| match field {
        "channels" => channel(name),
        _ => user(field, name),
    })
}

fn user(field: &str, name: &str) -> Result<(), Status> {
    match name.len() {
        1..=MAX_USER_BYTES => Ok(()),
        _ => {
            let text = format!("{field}: a user has 1 to {MAX_USER_BYTES} bytes");
            Err(Status::invalid_argument(text))
        }
    }
}
