//! What the program is told on its command line.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Parser;
use tidegate_proto::node::{DEFAULT_PARTITIONS, MAX_PARTITIONS};
use tidegate_service::{AccessArguments, Command, NatsArguments, TelemetryArguments, duration};

/// Says who is in which channel and who is connected, over all gateways, to them over NATS and to backends over gRPC.
///
/// It keeps nothing on disk: gateways tell it everything again when it starts. Run two or more, so that losing one loses no
/// answer; they find each other over NATS.
#[derive(Debug, Clone, Parser)]
#[command(name = "tidegate-presence", version, subcommand_negates_reqs = true)]
pub(crate) struct Options {
    /// What to do instead of serving.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,

    /// How NATS is reached.
    #[command(flatten)]
    pub(crate) nats: NatsArguments,

    /// What it tells of itself.
    #[command(flatten)]
    pub(crate) telemetry: TelemetryArguments,

    /// The name of this replica, unlike every other's; a random one if it is not given.
    #[arg(long, value_name = "NAME", value_parser = replica)]
    pub(crate) replica: Option<String>,

    /// Into how many parts channels and users are divided among replicas. It must be the same in all of them and in the
    /// gateways (`presence.partitions`); messages of those that differ are ignored and counted.
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_PARTITIONS,
          value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PARTITIONS)))]
    pub(crate) partitions: u32,

    /// Memberships of channels, and connections, that this replica holds at most. One takes about 120 bytes, and what
    /// clients have as info.
    #[arg(long, value_name = "COUNT", default_value_t = 10_000_000)]
    pub(crate) max_entries: usize,

    /// How long it is remembered when a user was last seen: a number with s, m, h or d behind it.
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    pub(crate) last_seen_ttl: Duration,

    /// Of how many users at most; of more the oldest are forgotten.
    #[arg(long, value_name = "COUNT", default_value_t = 1_000_000)]
    pub(crate) last_seen_max: usize,

    /// Where gRPC is answered. What can be reached from other machines needs a key, or clients with certificates.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8500")]
    pub(crate) listen: SocketAddr,

    /// Who may call there.
    #[command(flatten)]
    pub(crate) access: AccessArguments,

    /// Where `/metrics`, `/health` and `/ready` are answered over HTTP, for orchestrators and Prometheus, without a key; nowhere
    /// if it is not given.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_address: Option<SocketAddr>,
}

/// A text is no name of a replica.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a name has 1 to 128 bytes")]
pub(crate) struct NameError;

fn replica(text: &str) -> Result<String, NameError> {
    match text.len() {
        1..=128 => Ok(text.to_owned()),
        _ => Err(NameError),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }
}
