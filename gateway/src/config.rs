//! Configuration: what an operator can set, with its defaults. Option names are Centrifugo's where the concept is the same.
//!
//! In: a file, the environment, flags. Out: a [`Config`] that has passed one check of everything together.

mod address;
mod channel;
mod check;
mod client;
mod convert;
pub mod duration;
mod embedded;
mod fault;
mod file;
mod load;
mod nats;
mod nearest;
mod overlay;
mod presence;
mod print;
mod proxy;
mod refused;
mod schema;
mod secret;
mod server;
#[cfg(test)]
mod tests;
mod transport;
mod tree;
mod unoffered;
mod walk;

use schema::options;

pub use channel::{ChannelConfig, Namespace, NamespaceOptions};
pub use check::Finding;
pub use client::{
    ClientConfig, JwksConfig, PersonalChannel, RateConfig, RateLimitConfig, RebalanceConfig,
    RevocationConfig, SubscriptionTokenConfig, TokenConfig, TokenProvider,
};
pub use embedded::{EmbeddedConfig, HistoryServiceConfig, PresenceServiceConfig};
pub use fault::{Fault, Faults, Source};
pub use file::Format;
pub use load::{Loaded, load};
pub use nats::{NatsConfig, NatsTlsConfig};
pub use overlay::Setting;
pub use presence::PresenceConfig;
pub use print::default_config;
pub use proxy::{
    ChannelProxyConfig, ClientProxyConfig, NamedProxy, ProxyConfig, ProxyGrpcConfig,
    ProxyHttpConfig, ProxyTlsConfig, RpcConfig, RpcNamespace, RpcOptions, RpcPingConfig,
    StatusDisconnect, StatusError, StatusTransform, SwitchedProxy,
};
pub use refused::{RefusedConfig, RefusedEnd, RefusedTransform};
pub use secret::Secret;
pub use server::{
    GrpcApiConfig, HealthConfig, HttpApiConfig, HttpServerConfig, LogConfig, NatsApiConfig,
    NodeConfig, OpenTelemetryConfig, PlaygroundConfig, PrometheusConfig, ServerTlsConfig,
    ShutdownConfig, SwaggerConfig, WebSocketConfig,
};
pub use transport::{
    EmulationConfig, HttpStreamConfig, SseConfig, StreamSection, UniGrpcConfig,
    UniHttpStreamConfig, UniSseConfig, UniWebSocketConfig,
};

options! {
    /// Everything that can be set.
    pub struct Config {
        /// Where HTTP is served.
        pub http_server: HttpServerConfig,
        /// What is logged.
        pub log: LogConfig,
        /// Connections: authentication, limits, heartbeat.
        pub client: ClientConfig,
        /// Channels: namespaces and their options.
        pub channel: ChannelConfig,
        /// Calls of clients to the application's backend.
        pub rpc: RpcConfig,
        /// Backends that namespaces may choose by name.
        pub proxies: Vec<NamedProxy>,
        /// The WebSocket transport.
        pub websocket: WebSocketConfig,
        /// The transport that streams over HTTP.
        pub http_stream: HttpStreamConfig,
        /// The transport of server-sent events.
        pub sse: SseConfig,
        /// How clients of these two send commands.
        pub emulation: EmulationConfig,
        /// The one-way transport that streams over HTTP.
        pub uni_http_stream: UniHttpStreamConfig,
        /// The one-way transport of server-sent events.
        pub uni_sse: UniSseConfig,
        /// The one-way WebSocket.
        pub uni_websocket: UniWebSocketConfig,
        /// The one-way transport over gRPC.
        pub uni_grpc: UniGrpcConfig,
        /// The connection to NATS; without `url` the embedded backbone is used.
        pub nats: NatsConfig,
        /// What is kept without NATS.
        pub embedded: EmbeddedConfig,
        /// Who is where.
        pub presence: PresenceConfig,
        /// The history service in the same process.
        pub history_service: HistoryServiceConfig,
        /// The presence service in the same process.
        pub presence_service: PresenceServiceConfig,
        /// The node among others.
        pub node: NodeConfig,
        /// The server API over HTTP.
        pub http_api: HttpApiConfig,
        /// The server API over gRPC.
        pub grpc_api: GrpcApiConfig,
        /// The server API over NATS.
        pub nats_api: NatsApiConfig,
        /// The description of the server API.
        pub swagger: SwaggerConfig,
        /// Traces and metrics for a collector of OpenTelemetry.
        pub opentelemetry: OpenTelemetryConfig,
        /// How the node stops.
        pub shutdown: ShutdownConfig,
        /// The page at `/`.
        pub playground: PlaygroundConfig,
        /// `/metrics`.
        pub prometheus: PrometheusConfig,
        /// `/health` and `/ready`.
        pub health: HealthConfig,
    }
}
