//! What both ends agree on in the opening handshake (RFC 7692 section 7.1).

mod parameters;
#[cfg(test)]
mod tests;

use std::fmt;

use super::extension::parse;
use super::window::{Window, WindowBits};
use crate::Role;
use parameters::Parameters;

const NAME: &str = "permessage-deflate";

/// What one end allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeflateOptions {
    /// Whether messages of the server may refer to earlier ones.
    pub server_context_takeover: bool,
    /// Whether messages of the client may refer to earlier ones.
    pub client_context_takeover: bool,
    /// The largest window of the server.
    pub server_max_window: WindowBits,
    /// The largest window of the client. A client that cannot be told so is not allowed to refer to earlier messages.
    pub client_max_window: WindowBits,
}

/// What was agreed on for one connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Agreement {
    /// Whether messages of the server may refer to earlier ones.
    pub server_context_takeover: bool,
    /// Whether messages of the client may refer to earlier ones.
    pub client_context_takeover: bool,
    /// The window of the server.
    pub server_window: WindowBits,
    /// The window of the client.
    pub client_window: WindowBits,
    /// What the response says of the client's window.
    says_client_window: bool,
}

/// A server's response that does not answer the offer: the connection has to be failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the server agreed to extensions that were not offered")]
pub struct NegotiationError;

impl DeflateOptions {
    /// Everything that the extension knows, at its most.
    pub const FULL: Self = Self {
        server_context_takeover: true,
        client_context_takeover: true,
        server_max_window: WindowBits::MAX,
        client_max_window: WindowBits::MAX,
    };

    /// Chooses, as a server, the first acceptable offer among the values of a request's `Sec-WebSocket-Extensions`.
    /// `None` when there is none; then the response has no such header.
    pub fn accept<'a>(&self, headers: impl IntoIterator<Item = &'a str>) -> Option<Agreement> {
        let offers = headers.into_iter().filter_map(parse).flatten();
        offers
            .filter(|offer| offer.name == NAME)
            .filter_map(|offer| Parameters::read(&offer))
            .map(|offer| self.answer(&offer))
            .next()
    }

    fn answer(&self, offer: &Parameters) -> Agreement {
        let server_window = offer.server_max_window_bits.unwrap_or(WindowBits::MAX);
        let (client_window, is_bounded) = match offer.client_max_window_bits {
            Some(bits) => (
                self.client_max_window.min(bits.unwrap_or(WindowBits::MAX)),
                true,
            ),
            None => (WindowBits::MAX, self.client_max_window == WindowBits::MAX),
        };
        let client_context_takeover =
            self.client_context_takeover && !offer.client_no_context_takeover && is_bounded;
        Agreement {
            server_context_takeover: self.server_context_takeover
                && !offer.server_no_context_takeover,
            client_context_takeover,
            server_window: self.server_max_window.min(server_window),
            client_window,
            says_client_window: offer.client_max_window_bits.is_some()
                && client_window < WindowBits::MAX,
        }
    }

    /// What a client sends as `Sec-WebSocket-Extensions`.
    pub fn offer(&self) -> String {
        let bits = (self.client_max_window < WindowBits::MAX).then_some(self.client_max_window);
        Parameters {
            server_no_context_takeover: !self.server_context_takeover,
            client_no_context_takeover: !self.client_context_takeover,
            server_max_window_bits: (self.server_max_window < WindowBits::MAX)
                .then_some(self.server_max_window),
            client_max_window_bits: Some(bits),
        }
        .to_string()
    }

    /// Reads, as a client that sent [`offer`](Self::offer), the values of a response's `Sec-WebSocket-Extensions`.
    /// `None` when messages are not deflated.
    ///
    /// # Errors
    /// When the response agrees to something else.
    pub fn read_response<'a>(
        &self,
        headers: impl IntoIterator<Item = &'a str>,
    ) -> Result<Option<Agreement>, NegotiationError> {
        let mut extensions = Vec::new();
        for header in headers {
            extensions.extend(parse(header).ok_or(NegotiationError)?);
        }
        let response = match extensions.as_slice() {
            [] => return Ok(None),
            [one] if one.name == NAME => Parameters::read(one).ok_or(NegotiationError)?,
            _ => return Err(NegotiationError),
        };
        self.agreement(&response).map(Some).ok_or(NegotiationError)
    }

    /// What a response means, unless it contradicts the offer.
    fn agreement(&self, response: &Parameters) -> Option<Agreement> {
        let server_window = response.server_max_window_bits.unwrap_or(WindowBits::MAX);
        let client_window = match response.client_max_window_bits {
            Some(bits) => self.client_max_window.min(bits?),
            None => self.client_max_window,
        };
        let server_context_takeover = !response.server_no_context_takeover;
        if server_window > self.server_max_window
            || server_context_takeover && !self.server_context_takeover
        {
            return None;
        }
        Some(Agreement {
            server_context_takeover,
            client_context_takeover: self.client_context_takeover
                && !response.client_no_context_takeover,
            server_window,
            client_window,
            says_client_window: response.client_max_window_bits.is_some(),
        })
    }
}

impl Agreement {
    /// What messages of a role have to refer to, when it may refer to earlier ones.
    fn context(&self, sender: Role) -> Option<WindowBits> {
        match sender {
            Role::Server => self.server_context_takeover.then_some(self.server_window),
            Role::Client => self.client_context_takeover.then_some(self.client_window),
        }
    }

    /// For reading what the other end sends to `role`: the bits of the window that has to be kept.
    pub(crate) fn incoming(&self, role: Role) -> Option<WindowBits> {
        match role {
            Role::Server => self.context(Role::Client),
            Role::Client => self.context(Role::Server),
        }
    }

    /// For what `role` sends: the window to [deflate in](super::Deflater::deflate_in_context). `None` when its messages
    /// may not refer to earlier ones.
    pub fn outgoing(&self, role: Role) -> Option<Window> {
        self.context(role).map(Window::new)
    }
}

/// As a server sends it.
impl fmt::Display for Agreement {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parameters = Parameters {
            server_no_context_takeover: !self.server_context_takeover,
            client_no_context_takeover: !self.client_context_takeover,
            server_max_window_bits: (self.server_window < WindowBits::MAX)
                .then_some(self.server_window),
            client_max_window_bits: self.says_client_window.then_some(Some(self.client_window)),
        };
        parameters.fmt(formatter)
    }
}
