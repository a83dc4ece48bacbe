//! What the program is told on its command line.

pub(crate) mod cassandra;

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Parser, ValueEnum};
use tidegate_backbone::is_namespace_name;
use tidegate_history_service::service::Archived;
use tidegate_service::{
    AccessArguments, Command, NatsArguments, TelemetryArguments, TimeError, duration,
};

/// Archives the channels of namespaces with history, and answers what was published in them, over gRPC.
#[derive(Debug, Clone, Parser)]
#[command(name = "tidegate-history", version, subcommand_negates_reqs = true)]
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

    /// A namespace to archive, and for how long: `chat=90d`, or `chat` for good; `_` stands for channels without a
    /// namespace. May be given several times. Gateways make its stream; this only reads it.
    #[arg(long = "namespace", value_name = "NAME[=TIME]", required_unless_present = "print_cassandra_schema", value_parser = archived)]
    pub(crate) namespaces: Vec<Archived>,

    /// Where the archive is.
    #[arg(long, value_enum, default_value_t = Place::Embedded)]
    pub(crate) store: Place,

    /// The folder of an embedded archive; a new or empty one becomes one.
    #[arg(long, value_name = "FOLDER", default_value = "tidegate-archive")]
    pub(crate) archive: PathBuf,

    /// What is said of a cluster.
    #[command(flatten)]
    pub(crate) cassandra: cassandra::Arguments,

    /// Where gRPC is answered. What can be reached from other machines needs a key, or clients with certificates.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8400")]
    pub(crate) listen: SocketAddr,

    /// Who may call there.
    #[command(flatten)]
    pub(crate) access: AccessArguments,

    /// Where `/metrics`, `/health` and `/ready` are answered over HTTP, for orchestrators and Prometheus, without a key; nowhere
    /// if it is not given.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) metrics_address: Option<SocketAddr>,
}

/// Where an archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Place {
    /// In a folder of this machine.
    Embedded,
    /// In a cluster.
    Cassandra,
}

/// Why a text names nothing to archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArchivedError {
    /// The name.
    #[error("this is not the name of a namespace")]
    Name,
    /// The time.
    #[error(transparent)]
    Time(TimeError),
}

/// A namespace to archive, as it is written on a command line.
fn archived(text: &str) -> Result<Archived, ArchivedError> {
    let (name, ttl) = match text.split_once('=') {
        Some((name, time)) => (name, Some(duration(time).map_err(ArchivedError::Time)?)),
        None => (text, None),
    };
    let namespace = match name {
        "_" => None,
        name if is_namespace_name(name) => Some(name.to_owned()),
        _ => return Err(ArchivedError::Name),
    };
    Ok(Archived { namespace, ttl })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        Options::command().debug_assert();
    }

    #[test]
    fn certificates_come_with_their_keys() {
        let parse = |more: &[&str]| {
            let all = [&["tidegate-history", "--namespace", "chat"], more].concat();
            Options::try_parse_from(all)
        };
        for (alone, other) in [
            ("--nats-certificate", "--nats-key"),
            ("--nats-key", "--nats-certificate"),
        ] {
            let error = parse(&[alone, "a.pem"]).unwrap_err().to_string();
            assert!(error.contains(other), "{alone}: {error}");
        }
        let options = parse(&["--nats-certificate", "nc", "--nats-key", "nk"]).unwrap();
        let shown = options.nats.options("history").unwrap().tls.client.unwrap();
        assert_eq!(
            (shown.certificate_file, shown.key_file),
            ("nc".into(), "nk".into())
        );
    }

    #[test]
    fn namespaces_are_read_with_their_time() {
        let days = |number| Some(Duration::from_secs(number * 86_400_u64));
        for (text, expected) in [
            ("chat", Ok((Some("chat"), None))),
            ("chat=90d", Ok((Some("chat"), days(90)))),
            ("_=2h", Ok((None, Some(Duration::from_secs(7_200))))),
            ("c", Err(ArchivedError::Name)),
            ("a.b", Err(ArchivedError::Name)),
            ("=1d", Err(ArchivedError::Name)),
            ("chat=", Err(ArchivedError::Time(TimeError))),
            ("chat=0s", Err(ArchivedError::Time(TimeError))),
            ("chat=1", Err(ArchivedError::Time(TimeError))),
            ("chat=-1d", Err(ArchivedError::Time(TimeError))),
            (
                "chat=99999999999999999999d",
                Err(ArchivedError::Time(TimeError)),
            ),
        ] {
            let read = archived(text);
            let expected = expected.map(|(namespace, ttl)| Archived {
                namespace: namespace.map(str::to_owned),
                ttl,
            });
            assert_eq!(read, expected, "{text:?}");
        }
    }
}
