//! Gateways with a history service: clients that come back later than the stream keeps.

use std::path::Path;
use std::sync::Arc;

use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_history_service::grpc::Access;
use tidegate_history_service::service::{Archived, Service};
use tidegate_history_service::store::embedded::Embedded;
use tidegate_proto::history::StatsRequest;
use tidegate_testkit::deadline::until_some;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::history::client;
use super::scenario::{self, Format, Sdk, keep};
use super::site::{Backbone, Site};

/// A history service beside gateways on NATS, until it is dropped.
pub(crate) struct Beside {
    pub(crate) task: JoinHandle<()>,
    _folder: TempDir,
}

impl Drop for Beside {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Starts a service that archives `kept` and `short`, on this port.
pub(crate) async fn serve_beside(nats: &str, address: &str) -> Beside {
    let folder = tempfile::tempdir().unwrap();
    Beside {
        task: serve_in(folder.path(), nats, address).await,
        _folder: folder,
    }
}

/// The same with the archive in this folder, once whoever had it open has let go of it.
pub(crate) async fn serve_in(folder: &Path, nats: &str, address: &str) -> JoinHandle<()> {
    let store = async || Embedded::open(folder).ok();
    let store = until_some("the archive is free", store).await.unwrap();
    let kept = ["kept", "short"].map(|name| Some(name.to_owned()));
    let options = NatsOptions::new([nats.to_owned()]);
    let backbone = Nats::observe(options, kept.clone()).await.unwrap();
    let service = Service {
        store: Arc::new(store),
        backbone: Arc::new(backbone),
        namespaces: kept
            .map(|namespace| Archived {
                namespace,
                ttl: None,
            })
            .into(),
        access: Access::default(),
        probes: None,
    };
    let listener = TcpListener::bind(address).await.unwrap();
    tokio::spawn(async move {
        service.run(listener, std::future::pending()).await.unwrap();
    })
}

/// An address that is free.
pub(crate) fn free_address() -> String {
    tidegate_testkit::address::free().unwrap().to_string()
}

/// Has everything that is kept archived.
pub(crate) fn archive(config: &mut Value) {
    keep(config);
    config["channel"]["recovery_linger"] = json!("0s");
    for namespace in config["channel"]["namespaces"].as_array_mut().unwrap() {
        if namespace["history_size"].is_number() {
            namespace["archive"] = json!(true);
        }
    }
}

/// Gateways that keep and archive, and beside those on NATS the service.
pub(crate) async fn start(backbone: Backbone, address: &str) -> (Site, Option<Beside>) {
    let site = Site::start(backbone, |config| {
        if backbone == Backbone::Embedded {
            config["history_service"]["address"] = json!(address);
        }
        archive(config);
    })
    .await;
    let beside = match &site.nats {
        Some(nats) => Some(serve_beside(&nats.url(), address).await),
        None => None,
    };
    (site, beside)
}

/// The client misses 18 publications of a channel that keeps 5, and each is archived before it goes.
async fn come_back(name: &str, format: Format, backbone: Backbone, is_there: bool) {
    let address = free_address();
    let (site, beside) = start(backbone, &address).await;
    let mut script = scenario::start(name, Sdk::JavaScript, format, site.near(), site.far());
    let history = client(&format!("http://{address}")).await;
    for published in (3..=21).step_by(3) {
        assert_eq!(script.next_line().await.unwrap(), published.to_string());
        let archived = async || {
            let mut history = history.clone();
            let stats = history.stats(StatsRequest::default()).await.ok()?;
            let streams = stats.into_inner().streams;
            let count: u64 = streams.iter().map(|it| it.publications).sum();
            (count >= published).then_some(())
        };
        until_some("what was published is archived", archived)
            .await
            .unwrap();
        if published < 21 {
            script.tell("archived").unwrap();
        }
    }
    let beside = beside.filter(|_| is_there);
    script.tell("archived").unwrap();
    if let Err(error) = script.succeeded().await {
        panic!("{error:#}\n{}", site.output());
    }
    let mut reads = 0;
    for gateway in &site.gateways {
        let of_one = gateway.metric("tidegate_recovered_from_archive").await;
        reads += of_one.unwrap();
    }
    assert_eq!(reads > 0, is_there, "{reads}");
    drop(beside);
}

#[tokio::test]
async fn a_client_recovers_by_the_archive_embedded() {
    come_back("archived", Format::Json, Backbone::Embedded, true).await;
}

#[tokio::test]
async fn a_client_recovers_by_the_archive_nats_json() {
    come_back("archived", Format::Json, Backbone::Nats, true).await;
}

#[tokio::test]
async fn a_client_recovers_by_the_archive_nats_protobuf() {
    come_back("archived", Format::Protobuf, Backbone::Nats, true).await;
}

#[tokio::test]
async fn without_the_service_a_client_is_told_that_it_cannot_recover() {
    come_back("archived_in_vain", Format::Json, Backbone::Nats, false).await;
}
