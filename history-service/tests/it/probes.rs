//! What the program answers to orchestrators and Prometheus.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use anyhow::Result;
use tidegate_history_service::store::embedded::Embedded;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::{get, metric};
use tokio::net::TcpListener;

use super::program::{World, publish_all};
use super::sharing::{Share, carrier};

#[tokio::test]
async fn probes_say_when_it_is_ready_and_what_is_archived() -> Result<()> {
    let mut world = World::new().await?;
    let free = tidegate_testkit::address::free()?;
    let address = free.to_string();
    let archive = world.embedded()?;
    let arguments = [&archive[..], &["--metrics-address", &address]].concat();
    let (_program, _client) = world.start_with(&arguments).await?;
    let ready = async || (get(&address, "/ready").await.ok()?.1 == "ready\n").then_some(());
    until_some("it is ready", ready).await?;
    publish_all(&world.publisher, &world.rooms, 10).await;
    let archived = async || {
        let (_, metrics) = get(&address, "/metrics").await.ok()?;
        let count = metric(
            &metrics,
            "tidegate_history_publications{namespace=\"chat\"}",
        );
        (count == Some(10)).then_some(metrics)
    };
    let metrics = until_some("all are archived", archived).await?;
    let lag = metric(&metrics, "tidegate_history_lag{namespace=\"chat\"}");
    assert_eq!(lag, Some(0));
    assert_eq!(metric(&metrics, "tidegate_history_ready"), Some(1));
    let bytes = metric(&metrics, "tidegate_history_bytes{namespace=\"chat\"}");
    assert!(bytes >= Some(10), "{bytes:?}");
    assert_eq!(metric(&metrics, "tidegate_history_unreadable"), Some(0));
    assert!(metric(&metrics, "tidegate_history_disk_bytes") > Some(0));
    world.server.kill()?;
    let unready = async || (get(&address, "/ready").await.ok()?.0 == 503).then_some(());
    until_some("it is not ready", unready).await?;
    assert_eq!(get(&address, "/health").await?.0, 200);
    Ok(())
}

/// Nobody is to think that what it has is gone.
#[tokio::test]
async fn an_archive_that_does_not_answer_is_told_until_it_does() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let share = Share::of(Arc::new(Embedded::open(folder.path())?));
    let probes = TcpListener::bind("127.0.0.1:0").await?;
    let address = probes.local_addr()?.to_string();
    let service = share.service(&carrier(), Some(probes));
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let service = tokio::spawn(service.run(listener, pending()));
    let page = async || anyhow::Ok(get(&address, "/metrics").await?.1);
    let sizes = [
        "tidegate_history_publications",
        "tidegate_history_disk_bytes",
    ];
    for (is_away, expected) in [(false, 0), (true, 1), (false, 0)] {
        share.is_away.store(is_away, Ordering::Relaxed);
        let told = async || {
            let page = page().await.ok()?;
            let unreadable = metric(&page, "tidegate_history_unreadable");
            (unreadable == Some(expected)).then_some(page)
        };
        let page = until_some("it says whether it can be read", told).await?;
        for name in sizes {
            assert_eq!(page.contains(name), !is_away, "{page}");
        }
    }
    service.abort();
    Ok(())
}
