//! The service as a process: archive, feeds, retention and server, from start to shutdown.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures_util::future::select_all;
use tidegate_backbone::nats::{Authentication, Nats, NatsOptions};
use tidegate_backbone::{Backbone, Feed, Position, Streams};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;

use tidegate_history_service::grpc::{ApiKey, serve};
use tidegate_history_service::history::History;
use tidegate_history_service::ingest::ingest;
use tidegate_history_service::lag::Lags;
use tidegate_history_service::retention;
use tidegate_history_service::store::embedded::Embedded;
use tidegate_history_service::store::{Store, StoreError};

use crate::options::{Archived, Options};

/// Runs until a signal asks for the end.
///
/// # Errors
/// What keeps it from starting, or ends it.
pub(crate) async fn run(options: Options) -> Result<()> {
    let key = key(&options)?;
    let path = options.archive.clone();
    let archive = tokio::task::spawn_blocking(move || Embedded::open(&path)).await??;
    let store: Arc<dyn Store> = Arc::new(archive);
    let namespaces = options.namespaces.iter().map(|it| it.namespace.clone());
    let nats = Nats::observe(nats(&options), namespaces).await;
    let nats = Arc::new(nats.context("cannot use NATS")?);
    let lags = Lags::default();
    let mut tasks = start(&options, &store, &nats, &lags).await?;
    let backbone: Arc<dyn Backbone> = Arc::<Nats>::clone(&nats);
    let history = History::new(store, Arc::clone(&backbone), lags);
    let listener = TcpListener::bind(options.listen).await;
    let listener = listener.with_context(|| format!("cannot listen on {}", options.listen))?;
    // Who started this may have asked for any port.
    let address = listener.local_addr()?;
    writeln!(std::io::stdout(), "listening on {address}")?;
    let (stopper, server) = serve(listener, history, key);
    let mut server = tokio::spawn(server);
    let ended = tokio::select! {
        ended = &mut server => return Ok(ended??),
        () = asked_to_end() => Ok(()),
        Some(error) = tasks.join_next() => Err(error?),
    };
    stopper.stop();
    server.await??;
    tasks.shutdown().await;
    backbone.shutdown().await;
    Ok(ended?)
}

/// Takes in each namespace, and trims those that are not kept for good.
async fn start(
    options: &Options,
    store: &Arc<dyn Store>,
    nats: &Nats,
    lags: &Lags,
) -> Result<JoinSet<StoreError>> {
    let mut tasks = JoinSet::new();
    for archived in &options.namespaces {
        let namespace = archived.namespace.as_deref();
        let mut feed = feed(store, nats, namespace).await?;
        let (store, lags) = (Arc::clone(store), lags.clone());
        tasks.spawn(async move { ingest(&mut *feed, &store, &lags).await });
    }
    let retentions = options.namespaces.iter().filter_map(Archived::retention);
    let (retentions, store): (Vec<_>, _) = (retentions.collect(), Arc::clone(store));
    tasks.spawn(async move { retention::keep(&store, &retentions).await });
    Ok(tasks)
}

/// A stream from where the archive is.
async fn feed(
    store: &Arc<dyn Store>,
    nats: &Nats,
    namespace: Option<&str>,
) -> Result<Box<dyn Feed>> {
    let streams = store.streams().await?;
    let newest = streams
        .into_iter()
        .rfind(|it| it.stream.namespace.as_deref() == namespace);
    let position = newest.map(|it| Position {
        epoch: it.stream.epoch,
        offset: it.watermark,
    });
    nats.feed(namespace, position)
        .context("a namespace is observed and has no stream")
}

fn key(options: &Options) -> Result<Option<ApiKey>> {
    let Some(path) = &options.api_key else {
        if !options.listen.ip().is_loopback() {
            bail!(
                "{} can be reached from other machines: give a key with --api-key",
                options.listen
            );
        }
        return Ok(None);
    };
    read_key(path)
        .map(Some)
        .with_context(|| format!("cannot use the key in {}", path.display()))
}

fn read_key(path: &Path) -> Result<ApiKey> {
    Ok(ApiKey::parse(std::fs::read_to_string(path)?.trim())?)
}

fn nats(options: &Options) -> NatsOptions {
    let mut nats = NatsOptions::new(&options.nats);
    nats.prefix.clone_from(&options.nats_prefix);
    nats.name = "tidegate-history".to_owned();
    nats.tls.ca_file.clone_from(&options.nats_ca);
    if let Some(path) = &options.nats_credentials {
        nats.authentication = Authentication::Credentials(path.clone());
    }
    nats
}

async fn asked_to_end() {
    let signals = [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| {
        Box::pin(async move {
            match signal(kind) {
                Ok(mut signal) => drop(signal.recv().await),
                // Without a handler the signal ends the process.
                Err(_) => std::future::pending().await,
            }
        })
    });
    select_all(signals).await;
}
