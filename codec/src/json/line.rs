//! Writing one line: what is left out, and how payloads are embedded.

use bytes::Bytes;
use memchr::memchr2;
use serde::ser::Error;
use serde::{Serialize, Serializer};
use serde_json::value::{RawValue, to_raw_value};

use crate::{EncodeError, Encoded};

/// Serializes `message` without a raw line break.
///
/// # Errors
/// [`EncodeError::NotJson`] for a payload that is not JSON; nothing else in a message can fail.
pub(super) fn write(message: &impl Serialize) -> Result<Encoded, EncodeError> {
    let mut line = serde_json::to_vec(message).map_err(|_| EncodeError::NotJson)?;
    if has_breaks(&line) {
        line.retain(|byte| !matches!(byte, b'\n' | b'\r'));
    }
    Ok(line.into())
}

/// The same, to be embedded in other messages.
///
/// # Errors
/// The same.
pub(super) fn write_raw(message: &impl Serialize) -> Result<Box<RawValue>, EncodeError> {
    let raw = to_raw_value(message).map_err(|_| EncodeError::NotJson)?;
    if !has_breaks(raw.get().as_bytes()) {
        return Ok(raw);
    }
    let mut line = String::from(Box::<str>::from(raw));
    line.retain(|character| !matches!(character, '\n' | '\r'));
    RawValue::from_string(line).map_err(|_| EncodeError::NotJson)
}

/// Whether there are raw line breaks. The serializer writes none, and inside JSON strings they are escaped: any are white space
/// between the tokens of a payload.
fn has_breaks(line: &[u8]) -> bool {
    memchr2(b'\n', b'\r', line).is_some()
}

/// Whether a field is left out, being zero, false, empty or none.
pub(super) fn is_zero<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A payload, embedded as it is after one check that it is JSON.
#[derive(Default, PartialEq)]
pub(super) struct Payload<'a>(&'a [u8]);

impl<'a> From<&'a Bytes> for Payload<'a> {
    fn from(data: &'a Bytes) -> Self {
        Self(data)
    }
}

impl Serialize for Payload<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serde_json::from_slice::<&RawValue>(self.0)
            .map_err(S::Error::custom)?
            .serialize(serializer)
    }
}
