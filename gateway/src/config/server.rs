//! The node itself: where it listens, what it logs, how it stops.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::duration;

/// `http_server.*`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HttpServerConfig {
    /// Address to listen on; empty for all interfaces.
    pub address: String,
    /// Port to listen on; zero for any free one.
    pub port: u16,
    /// Worker threads, each with connections of its own; zero for one a core. At most 64.
    pub workers: usize,
}

impl Default for HttpServerConfig {
    fn default() -> Self {
        Self {
            address: String::new(),
            port: 8000,
            workers: 0,
        }
    }
}

/// `websocket.*`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct WebSocketConfig {
    /// Whether the transport is off.
    pub disabled: bool,
    /// Path of the endpoint.
    pub handler_prefix: String,
    /// Bytes of one message from a client, or close 1009.
    pub message_size_limit: usize,
}

impl Default for WebSocketConfig {
    fn default() -> Self {
        Self {
            disabled: false,
            handler_prefix: "/connection/websocket".to_owned(),
            message_size_limit: 65_536,
        }
    }
}

/// `log.*`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct LogConfig {
    /// `none`, `trace`, `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// `text` or `json`.
    pub format: String,
}

impl Default for LogConfig {
    fn default() -> Self {
        Self {
            level: "info".to_owned(),
            format: "text".to_owned(),
        }
    }
}

/// `shutdown.*`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ShutdownConfig {
    /// Period over which clients are closed with 3001 after SIGTERM.
    #[serde(with = "duration")]
    pub drain: Duration,
    /// Time after which the node stops whatever is left. Longer than `drain`.
    #[serde(with = "duration")]
    pub timeout: Duration,
}

impl Default for ShutdownConfig {
    fn default() -> Self {
        Self {
            drain: Duration::from_secs(5),
            timeout: Duration::from_secs(30),
        }
    }
}

/// `playground.*`
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PlaygroundConfig {
    /// Whether the page is served at `/`. Off in `tidegate-gateway`; `tidegate` without a configuration file has it on.
    pub enabled: bool,
}

/// `prometheus.*`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct PrometheusConfig {
    /// Whether metrics are served.
    pub enabled: bool,
    /// Their path.
    pub handler_prefix: String,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            handler_prefix: "/metrics".to_owned(),
        }
    }
}

/// `health.*`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HealthConfig {
    /// Whether `/health` (alive) and `/ready` (of use) are served.
    pub enabled: bool,
}

impl Default for HealthConfig {
    fn default() -> Self {
        Self { enabled: true }
    }
}
