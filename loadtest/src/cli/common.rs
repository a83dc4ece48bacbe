//! Options that scenarios share.

use std::time::Duration;

use clap::Args;

use super::Output;
use super::length::length;
use crate::dialect;

/// The server, the clients and the results.
#[derive(Debug, Clone, Args)]
pub struct Common {
    /// Where clients connect, such as ws://127.0.0.1:8000; several are taken in turn
    #[arg(long, required = true, value_name = "URL", help_heading = "Server")]
    pub target: Vec<String>,
    /// What the server speaks
    #[arg(
        long,
        value_enum,
        default_value = "centrifuge-json",
        help_heading = "Server"
    )]
    pub dialect: dialect::Name,
    /// The token of all clients
    #[arg(long, conflicts_with = "hmac_secret", help_heading = "Server")]
    pub token: Option<String>,
    /// Mint a token for each client with HS256 and this secret
    #[arg(long, value_name = "SECRET", help_heading = "Server")]
    pub hmac_secret: Option<String>,
    /// A process of the server, to read its CPU time and memory; may be given several times
    #[arg(long, value_name = "PID", help_heading = "Server")]
    pub server_pid: Vec<u32>,
    /// Allow targets that are not on this machine: put load only on what is yours
    #[arg(long, help_heading = "Server")]
    pub i_own_this_target: bool,
    /// What channels' names begin with; a number follows
    #[arg(long, default_value = "load", help_heading = "Clients")]
    pub channel: String,
    /// Processes that the clients are spread over; as many as needed for 15,000 each if not given
    #[arg(long, help_heading = "Clients")]
    pub processes: Option<u32>,
    /// Addresses that connections come from, 127.0.0.1 and those after it; the system's choice if not given
    #[arg(long, default_value_t = 0, help_heading = "Clients")]
    pub sources: u8,
    /// New connections per second; as fast as they are answered if not given
    #[arg(long, help_heading = "Clients")]
    pub connect_rate: Option<f64>,
    /// Connections under way at a time
    #[arg(long, default_value_t = 100, help_heading = "Clients")]
    pub concurrency: u32,
    /// Come back after the time that the server names when it has no room (HTTP 503, Retry-After)
    #[arg(long, help_heading = "Clients")]
    pub honour_retry_after: bool,
    /// Longest time that all clients may take to connect
    #[arg(long, default_value = "120s", value_parser = length, help_heading = "Clients")]
    pub connect_timeout: Duration,
    /// Keep processors from sleeping, which takes milliseconds to wake from, by spinning when nothing else runs
    #[arg(long, help_heading = "Machine")]
    pub keep_cpus_awake: bool,
    /// Do not run while other programs use more than 5 % of a processor; a minute is waited for an idle moment
    #[arg(long, help_heading = "Machine")]
    pub refuse_foreign_cpu: bool,
    /// What the run is called in the results; the scenario if not given
    #[arg(long, help_heading = "Results")]
    pub name: Option<String>,
    #[command(flatten)]
    pub output: Output,
}

/// What is published, and for how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Publishing")]
pub struct Publishing {
    /// Bytes of a payload
    #[arg(long, default_value_t = 128)]
    pub size: usize,
    /// How long is measured
    #[arg(long, default_value = "20s", value_parser = length)]
    pub duration: Duration,
    /// How long is published before that
    #[arg(long, default_value = "3s", value_parser = length)]
    pub warm_up: Duration,
    /// Longest time that outstanding deliveries are awaited at the end
    #[arg(long, default_value = "30s", value_parser = length)]
    pub drain: Duration,
    /// Connections that publish
    #[arg(long, default_value_t = 1)]
    pub publishers: u32,
    /// Publish elsewhere than at the first target: at another URL of the same dialect, or at nats://127.0.0.1:4222
    #[arg(long, value_name = "URL")]
    pub publish: Option<String>,
    /// How a channel is named at a nats:// URL; {namespace}, {name} and {channel} are replaced
    #[arg(long, default_value = "tide.pub.{namespace}.{name}")]
    pub publish_subject: String,
}
