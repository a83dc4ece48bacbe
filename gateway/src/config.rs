//! Configuration: what an operator can set, with its defaults. Option names are Centrifugo's where the concept is the same.
//!
//! In: a file, the environment, flags. Out: a [`Config`] that has passed one check of everything together.

mod channel;
mod client;
mod duration;
mod nats;
mod server;

use serde::{Deserialize, Serialize};

pub use channel::{ChannelConfig, Namespace, NamespaceOptions};
pub use client::{ClientConfig, PersonalChannel, SubscriptionTokenConfig, TokenConfig};
pub use nats::{NatsConfig, NatsTlsConfig};
pub use server::{
    HealthConfig, HttpServerConfig, LogConfig, PlaygroundConfig, PrometheusConfig, ShutdownConfig,
    WebSocketConfig,
};

/// Everything that can be set.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Config {
    /// Where HTTP is served.
    pub http_server: HttpServerConfig,
    /// What is logged.
    pub log: LogConfig,
    /// Connections: authentication, limits, heartbeat.
    pub client: ClientConfig,
    /// Channels: namespaces and their options.
    pub channel: ChannelConfig,
    /// The WebSocket transport.
    pub websocket: WebSocketConfig,
    /// The connection to NATS; without `url` the embedded backbone is used.
    pub nats: NatsConfig,
    /// How the node stops.
    pub shutdown: ShutdownConfig,
    /// The page at `/`.
    pub playground: PlaygroundConfig,
    /// `/metrics`.
    pub prometheus: PrometheusConfig,
    /// `/health` and `/ready`.
    pub health: HealthConfig,
}
