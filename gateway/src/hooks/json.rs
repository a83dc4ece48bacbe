//! Questions and answers as JSON: the payloads of Centrifugo's proxies, over HTTP and over the bus.

mod decode;
mod encode;
#[cfg(test)]
mod tests;

pub(super) use decode::{ErrorFields, decode, decoded, disconnect, expiry, failure};
pub(super) use encode::encode;

/// How payloads stand in a question.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Style {
    /// As base64.
    pub(super) is_binary: bool,
    /// With what a backend attached to the connection.
    pub(super) has_meta: bool,
}
