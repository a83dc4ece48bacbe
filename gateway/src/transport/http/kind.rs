//! The transports over HTTP responses, and what tells them apart.

use actix_web::http::Method;

use crate::config::{Config, StreamSection};
use crate::wire::{Envelope, Framing};

/// A transport whose messages leave in a response that does not end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Lines or delimited messages; commands come by emulation.
    HttpStream,
    /// Server-sent events; commands come by emulation.
    Sse,
    /// Lines of pushes.
    UniHttpStream,
    /// Server-sent events of pushes, for browsers without an SDK.
    UniSse,
}

impl Kind {
    pub(crate) const ALL: [Self; 4] = [
        Self::HttpStream,
        Self::Sse,
        Self::UniHttpStream,
        Self::UniSse,
    ];

    /// Its options.
    pub(crate) fn section(self, config: &Config) -> StreamSection<'_> {
        match self {
            Self::HttpStream => config.http_stream.section(),
            Self::Sse => config.sse.section(),
            Self::UniHttpStream => config.uni_http_stream.section(),
            Self::UniSse => config.uni_sse.section(),
        }
    }

    /// Whether the client sends nothing but its connect.
    pub(super) fn is_one_way(self) -> bool {
        matches!(self, Self::UniHttpStream | Self::UniSse)
    }

    pub(super) fn framing(self) -> Framing {
        match self {
            Self::HttpStream | Self::UniHttpStream => Framing::Stream,
            Self::Sse | Self::UniSse => Framing::Events,
        }
    }

    pub(super) fn envelope(self) -> Envelope {
        match self.is_one_way() {
            true => Envelope::Bare,
            false => Envelope::Reply,
        }
    }

    /// The methods of its requests. Browsers get events, and cannot do it in another way.
    pub(super) fn methods(self) -> &'static str {
        match self {
            Self::HttpStream | Self::UniHttpStream => "POST",
            Self::Sse | Self::UniSse => "GET, POST",
        }
    }

    pub(super) fn takes(self, method: &Method) -> bool {
        *method == Method::POST || *method == Method::GET && self.framing() == Framing::Events
    }
}
