//! Payload rules of the JSON format.

use bytes::Bytes;

/// The payload as one line of JSON, or `None` when it is not JSON. Copies only when there is a line break to remove.
#[must_use]
pub fn single_line_json(data: &Bytes) -> Option<Bytes> {
    if serde_json::from_slice::<&serde_json::value::RawValue>(data).is_err() {
        return None;
    }
    if !data.iter().any(|byte| matches!(byte, b'\n' | b'\r')) {
        return Some(data.clone());
    }
    // Inside JSON strings line breaks are escaped, so a raw one is white space between tokens.
    Some(
        data.iter()
            .copied()
            .filter(|byte| !matches!(byte, b'\n' | b'\r'))
            .collect(),
    )
}
