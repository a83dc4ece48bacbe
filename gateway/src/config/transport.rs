//! Transports beside the WebSocket.

use super::schema::options;
use super::server::ServerTlsConfig;

options! {
    /// `http_stream.*`
    pub struct HttpStreamConfig {
        /// Whether the transport is on: commands by POST, messages in a response that does not end. Switches `emulation` on.
        pub enabled: bool,
        /// Path of the endpoint.
        pub handler_prefix: String = "/connection/http_stream".to_owned(),
        /// Bytes of the body of a request, or HTTP 413.
        pub max_request_body_size: usize = 65_536,
    }
}

options! {
    /// `sse.*`
    pub struct SseConfig {
        /// Whether the transport is on: commands by POST, messages as server-sent events. Switches `emulation` on.
        pub enabled: bool,
        /// Path of the endpoint.
        pub handler_prefix: String = "/connection/sse".to_owned(),
        /// Bytes of the body of a request, or HTTP 413.
        pub max_request_body_size: usize = 65_536,
    }
}

options! {
    /// `emulation.*`
    pub struct EmulationConfig {
        /// Path of the endpoint that takes commands for `http_stream` and `sse`.
        pub handler_prefix: String = "/emulation".to_owned(),
        /// Bytes of the body of a request, or HTTP 413.
        pub max_request_body_size: usize = 65_536,
    }
}

options! {
    /// `uni_http_stream.*`
    pub struct UniHttpStreamConfig {
        /// Whether the transport is on: lines of JSON, for clients that only listen.
        pub enabled: bool,
        /// Path of the endpoint.
        pub handler_prefix: String = "/connection/uni_http_stream".to_owned(),
        /// Bytes of the body of a request, or HTTP 413.
        pub max_request_body_size: usize = 65_536,
        /// Refused connects that are answered with a status of HTTP, like `3500=401`; others end with a `disconnect` message.
        pub connect_code_to_http_status: Vec<String>,
    }
}

options! {
    /// `uni_sse.*`
    pub struct UniSseConfig {
        /// Whether the transport is on: server-sent events, for a browser's `EventSource` without an SDK.
        pub enabled: bool,
        /// Path of the endpoint.
        pub handler_prefix: String = "/connection/uni_sse".to_owned(),
        /// Bytes of the body of a request, or HTTP 413.
        pub max_request_body_size: usize = 65_536,
        /// Refused connects that are answered with a status of HTTP, like `3500=401`; others end with a `disconnect` message.
        /// After a status that is not 200 browsers do not come back.
        pub connect_code_to_http_status: Vec<String>,
    }
}

options! {
    /// `uni_websocket.*`
    pub struct UniWebSocketConfig {
        /// Whether the transport is on: a WebSocket for clients that only listen.
        pub enabled: bool,
        /// Path of the endpoint.
        pub handler_prefix: String = "/connection/uni_websocket".to_owned(),
        /// Bytes of one message from a client, or close 1009.
        pub message_size_limit: usize = 65_536,
    }
}

options! {
    /// `uni_grpc.*`
    pub struct UniGrpcConfig {
        /// Whether the transport is on: a stream of gRPC, for programs that only listen.
        pub enabled: bool,
        /// Address to listen on; empty for all of IPv4, `::` for IPv6 as well.
        pub address: String,
        /// Port to listen on; zero for any free one.
        pub port: u16 = 11_000,
        /// Bytes of the request, or `RESOURCE_EXHAUSTED`.
        pub max_receive_message_size: usize = 65_536,
        /// Streams on one socket; further ones wait at the client.
        pub max_concurrent_streams: u32 = 1_024,
        /// TLS on this port.
        pub tls: ServerTlsConfig,
    }
}

/// What the transports over HTTP responses have in common.
#[derive(Debug, Clone, Copy)]
pub struct StreamSection<'a> {
    /// The section's name.
    pub name: &'static str,
    /// Whether the transport is on.
    pub enabled: bool,
    /// Path of the endpoint.
    pub path: &'a str,
    /// Bytes of the body of a request.
    pub max_request_body_size: usize,
    /// Statuses of refused connects, as they are written.
    pub statuses: &'a [String],
}

macro_rules! sections {
    ($($config:ident $name:literal $($statuses:ident)?;)+) => { $(
        impl $config {
            /// What it has in common with the others.
            #[must_use]
            pub fn section(&self) -> StreamSection<'_> {
                StreamSection {
                    name: $name,
                    enabled: self.enabled,
                    path: &self.handler_prefix,
                    max_request_body_size: self.max_request_body_size,
                    statuses: sections!(@ self $($statuses)?),
                }
            }
        }
    )+ };
    (@ $self:ident) => { &[] };
    (@ $self:ident $statuses:ident) => { &$self.$statuses };
}

sections! {
    HttpStreamConfig "http_stream";
    SseConfig "sse";
    UniHttpStreamConfig "uni_http_stream" connect_code_to_http_status;
    UniSseConfig "uni_sse" connect_code_to_http_status;
}
