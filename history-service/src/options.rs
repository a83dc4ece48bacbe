//! What the program is told on its command line.

pub(crate) mod cassandra;
pub(crate) mod tls;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use tidegate_backbone::is_namespace_name;
use tidegate_history_service::service::Archived;
use tidegate_service::{NatsArguments, TelemetryArguments};

/// Archives the channels of namespaces with history, and answers what was published in them, over gRPC.
#[derive(Debug, Clone, Parser)]
#[command(name = "tidegate-history", version)]
pub(crate) struct Options {
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

    /// A file with the API key that callers show, at least 16 visible ASCII characters.
    #[arg(long, value_name = "FILE")]
    pub(crate) api_key: Option<PathBuf>,

    /// How the port of gRPC is secured.
    #[command(flatten)]
    pub(crate) tls: tls::Arguments,
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
    #[error("the time is not a number above zero with s, m, h or d behind it")]
    Time,
}

/// A namespace to archive, as it is written on a command line.
fn archived(text: &str) -> Result<Archived, ArchivedError> {
    let (name, ttl) = match text.split_once('=') {
        Some((name, time)) => (name, Some(duration(time).ok_or(ArchivedError::Time)?)),
        None => (text, None),
    };
    let namespace = match name {
        "_" => None,
        name if is_namespace_name(name) => Some(name.to_owned()),
        _ => return Err(ArchivedError::Name),
    };
    Ok(Archived { namespace, ttl })
}

fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let seconds = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 3_600,
        "d" => 86_400,
        _ => return None,
    };
    let number: u64 = number.parse().ok().filter(|it| *it > 0)?;
    number.checked_mul(seconds).map(Duration::from_secs)
}

#[cfg(test)]
mod tests {
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
            ("--tls-certificate", "--tls-key"),
            ("--tls-key", "--tls-certificate"),
            ("--tls-client-ca", "--tls-certificate"),
            ("--nats-certificate", "--nats-key"),
            ("--nats-key", "--nats-certificate"),
        ] {
            let error = parse(&[alone, "a.pem"]).unwrap_err().to_string();
            assert!(error.contains(other), "{alone}: {error}");
        }
        let tls = [
            "--tls-certificate",
            "c",
            "--tls-key",
            "k",
            "--tls-client-ca",
            "a",
        ];
        let nats = ["--nats-certificate", "nc", "--nats-key", "nk"];
        let options = parse(&[&tls[..], &nats].concat()).unwrap();
        let files = options.tls.files().unwrap();
        assert_eq!(files.client_ca, Some("a".into()));
        assert_eq!((files.certificate, files.key), ("c".into(), "k".into()));
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
            ("chat=", Err(ArchivedError::Time)),
            ("chat=0s", Err(ArchivedError::Time)),
            ("chat=1", Err(ArchivedError::Time)),
            ("chat=-1d", Err(ArchivedError::Time)),
            ("chat=99999999999999999999d", Err(ArchivedError::Time)),
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
