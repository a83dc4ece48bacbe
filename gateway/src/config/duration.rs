//! Durations as texts: `300ms`, `25s`, `1m30s`, `1h`.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serializer};

pub(super) fn serialize<S: Serializer>(value: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&format!("{}ms", value.as_millis()))
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.strip_suffix("ms")
        .and_then(|number| number.parse().ok())
        .map(Duration::from_millis)
        .ok_or_else(|| serde::de::Error::custom("not a duration"))
}
