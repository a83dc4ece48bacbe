//! What is said of a Cassandra cluster on the command line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Args, ValueEnum};
use tidegate_history_service::service::Archived;
use tidegate_history_service::store::cassandra::{
    Consistency, Credentials, DEFAULT_BUCKET, Options, Tls,
};

/// The options that begin with `cassandra`.
#[derive(Debug, Clone, Args)]
pub(crate) struct Arguments {
    /// Nodes of a Cassandra or Scylla cluster; the others are found through them.
    #[arg(long, value_name = "HOST:PORT", value_delimiter = ',', value_parser = node, required_if_eq("store", "cassandra"))]
    cassandra_nodes: Vec<String>,

    /// The keyspace, which must exist; the tables in it are made if they are missing.
    #[arg(long, value_name = "NAME", default_value = "tidegate")]
    cassandra_keyspace: String,

    /// The user, where the cluster asks for one.
    #[arg(long, value_name = "NAME", requires = "cassandra_password_file")]
    cassandra_username: Option<String>,

    /// A file with the user's password.
    #[arg(long, value_name = "FILE", requires = "cassandra_username")]
    cassandra_password_file: Option<PathBuf>,

    /// Speaks TLS, and trusts the authorities of this PEM file. Certificates of nodes are made out to their IP addresses.
    #[arg(long, value_name = "FILE")]
    cassandra_tls_ca: Option<PathBuf>,

    /// Replicas that answer before something counts as read or written.
    #[arg(long, value_enum, default_value_t = Level::LocalQuorum)]
    cassandra_consistency: Level,

    /// The data centre whose nodes are asked.
    #[arg(long, value_name = "NAME")]
    cassandra_datacenter: Option<String>,

    /// Sequences of a stream that share a partition; a stream keeps those that it began with.
    #[arg(long, value_name = "COUNT", default_value_t = DEFAULT_BUCKET, value_parser = clap::value_parser!(u64).range(2..))]
    cassandra_bucket: u64,

    /// Prints the statements that make the tables, and ends.
    #[arg(long)]
    pub(crate) print_cassandra_schema: bool,
}

/// How many replicas answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Level {
    /// Most of this data centre.
    LocalQuorum,
    /// Most of all data centres.
    Quorum,
}

impl Arguments {
    /// The cluster that they describe. Reads the file of the password.
    ///
    /// # Errors
    /// When there is no password in it.
    pub(crate) fn options(&self, namespaces: &[Archived]) -> Result<Options> {
        let mut options = Options::new(self.cassandra_nodes.clone(), &self.cassandra_keyspace);
        options.credentials = self.credentials()?;
        if let Some(path) = &self.cassandra_tls_ca {
            options.tls = Tls::Authorities(path.clone());
        }
        options.consistency = match self.cassandra_consistency {
            Level::LocalQuorum => Consistency::LocalQuorum,
            Level::Quorum => Consistency::Quorum,
        };
        options.datacenter.clone_from(&self.cassandra_datacenter);
        options.bucket = self.cassandra_bucket;
        let ttls = namespaces.iter();
        let ttls = ttls.filter_map(|it| Some((it.namespace.clone(), it.ttl?)));
        options.ttls = ttls.collect();
        Ok(options)
    }

    fn credentials(&self) -> Result<Option<Credentials>> {
        let (Some(username), Some(path)) =
            (&self.cassandra_username, &self.cassandra_password_file)
        else {
            return Ok(None);
        };
        let read = std::fs::read_to_string(path);
        let read =
            read.with_context(|| format!("cannot read the password in {}", path.display()))?;
        let password = read.trim_end_matches(['\r', '\n']);
        if password.is_empty() {
            bail!("there is no password in {}", path.display());
        }
        Ok(Some(Credentials {
            username: username.clone(),
            password: password.to_owned(),
        }))
    }
}

/// A node, as it is written on a command line.
fn node(text: &str) -> Result<String, &'static str> {
    let (host, port) = text.rsplit_once(':').ok_or("a node is host:port")?;
    let is_port = port.parse::<u16>().is_ok_and(|port| port > 0);
    match !host.is_empty() && is_port {
        true => Ok(text.to_owned()),
        false => Err("a node is host:port"),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::options::Options as Line;

    fn line(text: &str) -> Result<Line, String> {
        let words = ["tidegate-history", "--namespace", "chat=1d"];
        let words = words.into_iter().chain(text.split_whitespace());
        Line::try_parse_from(words).map_err(|error| error.to_string())
    }

    #[test]
    fn a_cluster_is_described() {
        let text = "--store cassandra --cassandra-nodes a:1,[::1]:2 --cassandra-keyspace k \
                    --cassandra-tls-ca ca.pem --cassandra-consistency quorum --cassandra-datacenter d \
                    --cassandra-bucket 5";
        let line = line(text).unwrap();
        let options = line.cassandra.options(&line.namespaces).unwrap();
        let expected = Options {
            tls: Tls::Authorities("ca.pem".into()),
            consistency: Consistency::Quorum,
            datacenter: Some("d".to_owned()),
            bucket: 5,
            ttls: vec![(
                Some("chat".to_owned()),
                std::time::Duration::from_secs(86_400),
            )],
            ..Options::new(vec!["a:1".to_owned(), "[::1]:2".to_owned()], "k")
        };
        assert_eq!(options, expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, expected) in [
            ("--store cassandra", "--cassandra-nodes"),
            ("--cassandra-nodes a", "a node is host:port"),
            ("--cassandra-nodes a:0", "a node is host:port"),
            (
                "--cassandra-nodes a:1 --cassandra-username u",
                "--cassandra-password-file",
            ),
            ("--cassandra-consistency one", "local-quorum"),
            ("--cassandra-bucket 1", "--cassandra-bucket"),
            ("--store mysql", "embedded"),
        ] {
            let error = line(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_password_is_read_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        let text = format!(
            "--cassandra-username u --cassandra-password-file {}",
            path.display()
        );
        let credentials = || line(&text).unwrap().cassandra.credentials();
        assert!(
            credentials()
                .unwrap_err()
                .to_string()
                .contains("cannot read")
        );
        std::fs::write(&path, "\n").unwrap();
        assert!(
            credentials()
                .unwrap_err()
                .to_string()
                .contains("no password")
        );
        std::fs::write(&path, "secret \n").unwrap();
        let read = credentials().unwrap().unwrap();
        assert_eq!((&*read.username, &*read.password), ("u", "secret "));
        assert!(!format!("{read:?}").contains("secret"));
    }
}
