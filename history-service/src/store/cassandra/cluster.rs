//! The connection to a cluster: opened once, its nodes come and go behind it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;
use futures_util::{StreamExt, TryStreamExt};
use scylla::client::execution_profile::ExecutionProfile;
use scylla::client::session::Session;
use scylla::client::session_builder::SessionBuilder;
use scylla::deserialize::row::DeserializeRow;
use scylla::policies::load_balancing::DefaultPolicy;
use scylla::serialize::row::SerializeRow;
use scylla::statement::prepared::PreparedStatement;
use scylla::statement::{Consistency as Replicas, SerialConsistency};
use tokio_rustls::rustls::crypto::aws_lc_rs;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use super::failure::{OpenError, failure, paging_failure, row_failure, unreadable};
use super::options::{Consistency, Options, Tls};
use super::schema::tables;
use super::statements::Statements;
use crate::store::StoreError;

/// How long an answer may take, with all that is tried for it.
const PATIENCE: Duration = Duration::from_secs(8);

/// Rows as they come.
pub(super) type Rows<T> = BoxStream<'static, Result<T, StoreError>>;

/// A connected cluster.
pub(super) struct Cluster {
    session: Session,
    pub(super) statements: Statements,
}

impl Cluster {
    /// Connects, and makes the tables that are missing.
    pub(super) async fn connect(options: &Options) -> Result<Self, OpenError> {
        if !is_keyspace_name(&options.keyspace) {
            return Err(OpenError::KeyspaceName(options.keyspace.clone()));
        }
        let connected = builder(options)?.build().await;
        let session = connected.map_err(|cause| OpenError::Connect {
            nodes: options.nodes.join(", "),
            cause: Box::new(cause),
        })?;
        use_keyspace(&session, &options.keyspace).await?;
        make_tables(&session, &options.keyspace).await?;
        let statements = Statements::prepare(&session).await?;
        Ok(Self {
            session,
            statements,
        })
    }

    /// Says something that has no rows for an answer.
    pub(super) async fn tell(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<(), StoreError> {
        let told = self.session.execute_unpaged(statement, values).await;
        told.map(drop).map_err(|error| failure(&error))
    }

    /// All rows of an answer.
    pub(super) async fn ask<T>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Vec<T>, StoreError>
    where
        T: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata> + Send + 'static,
    {
        self.rows(statement, values).await?.try_collect().await
    }

    /// Rows of an answer as they come, page by page.
    pub(super) async fn rows<T>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Rows<T>, StoreError>
    where
        T: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata> + Send + 'static,
    {
        let pages = self.session.execute_iter(statement.clone(), values).await;
        let pages = pages.map_err(|error| paging_failure(&error))?;
        let rows = pages.rows_stream::<T>().map_err(unreadable)?;
        Ok(rows
            .map(|row| row.map_err(|error| row_failure(&error)))
            .boxed())
    }

    /// The only row of an answer that has no more.
    pub(super) async fn ask_one<T>(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<Option<T>, StoreError>
    where
        T: for<'frame, 'metadata> DeserializeRow<'frame, 'metadata>,
    {
        let answer = self.session.execute_unpaged(statement, values).await;
        let answer = answer.map_err(|error| failure(&error))?;
        let rows = answer.into_rows_result().map_err(unreadable)?;
        rows.maybe_first_row().map_err(unreadable)
    }

    /// Whether what was said under a condition was done.
    pub(super) async fn is_applied(
        &self,
        statement: &PreparedStatement,
        values: impl SerializeRow,
    ) -> Result<bool, StoreError> {
        let answer = self.ask_one::<scylla::value::Row>(statement, values);
        let row = answer.await?;
        // Behind it comes what is there instead, of as many columns as the server likes.
        let first = row.and_then(|row| row.columns.into_iter().next().flatten());
        let applied = first.and_then(|value| value.as_boolean());
        applied.ok_or_else(|| unreadable("a condition has no outcome"))
    }
}

fn builder(options: &Options) -> Result<SessionBuilder, OpenError> {
    let (replicas, serial) = match options.consistency {
        Consistency::LocalQuorum => (Replicas::LocalQuorum, SerialConsistency::LocalSerial),
        Consistency::Quorum => (Replicas::Quorum, SerialConsistency::Serial),
    };
    let mut nodes = DefaultPolicy::builder().token_aware(true);
    if let Some(datacenter) = &options.datacenter {
        nodes = nodes.prefer_datacenter(datacenter.clone());
    }
    let profile = ExecutionProfile::builder()
        .consistency(replicas)
        .serial_consistency(Some(serial))
        .load_balancing_policy(nodes.build())
        .request_timeout(Some(PATIENCE));
    let mut builder = SessionBuilder::new()
        .known_nodes(&options.nodes)
        .default_execution_profile_handle(profile.build().into_handle());
    if let Some(it) = &options.credentials {
        builder = builder.user(&it.username, &it.password);
    }
    if let Tls::Authorities(path) = &options.tls {
        builder = builder.tls_context(Some(tls(path)?));
    }
    Ok(builder)
}

fn tls(path: &Path) -> Result<Arc<ClientConfig>, OpenError> {
    let failure = |reason: String| OpenError::Authorities {
        path: path.display().to_string(),
        reason,
    };
    let found = CertificateDer::pem_file_iter(path).map_err(|it| failure(it.to_string()))?;
    let mut roots = RootCertStore::empty();
    for authority in found {
        let authority = authority.map_err(|it| failure(it.to_string()))?;
        roots.add(authority).map_err(|it| failure(it.to_string()))?;
    }
    if roots.is_empty() {
        return Err(failure("it has none".to_owned()));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|it| failure(it.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

/// Names that need no quotes, so that they may stand in statements.
fn is_keyspace_name(name: &str) -> bool {
    name.len() <= 48
        && name.starts_with(|it: char| it.is_ascii_lowercase())
        && name
            .bytes()
            .all(|it| matches!(it, b'a'..=b'z' | b'0'..=b'9' | b'_'))
}

async fn use_keyspace(session: &Session, keyspace: &str) -> Result<(), OpenError> {
    let question = "SELECT keyspace_name FROM system_schema.keyspaces WHERE keyspace_name = ?";
    if first(session, question, (keyspace,)).await?.is_empty() {
        return Err(OpenError::NoKeyspace(keyspace.to_owned()));
    }
    let used = session.use_keyspace(keyspace, false).await;
    used.map_err(|error| StoreError::Unavailable(error.to_string()))?;
    Ok(())
}

/// Only what is missing is made: a cluster may take two makings at the same time for two tables.
async fn make_tables(session: &Session, keyspace: &str) -> Result<(), StoreError> {
    let question = "SELECT table_name FROM system_schema.tables WHERE keyspace_name = ?";
    let there = first(session, question, (keyspace,)).await?;
    for (name, statement) in tables() {
        if !there.iter().any(|it| it == name) {
            let made = session.query_unpaged(statement, ()).await;
            made.map_err(|error| failure(&error))?;
            tracing::info!(table = name, "made a table");
        }
    }
    Ok(())
}

/// The first column of an answer.
async fn first(
    session: &Session,
    question: &str,
    values: impl SerializeRow,
) -> Result<Vec<String>, StoreError> {
    let answer = session.query_unpaged(question, values).await;
    let answer = answer.map_err(|error| failure(&error))?;
    let rows = answer.into_rows_result().map_err(unreadable)?;
    let rows = rows.rows::<(String,)>().map_err(unreadable)?;
    let names = rows.map(|row| row.map(|(name,)| name).map_err(unreadable));
    names.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_keyspaces_need_no_quotes() {
        for (name, expected) in [
            ("tidegate", true),
            ("t1_x", true),
            ("", false),
            ("1t", false),
            ("Tidegate", false),
            ("t; DROP", false),
        ] {
            assert_eq!(is_keyspace_name(name), expected, "{name:?}");
        }
        assert!(!is_keyspace_name(&"t".repeat(49)));
    }
}
