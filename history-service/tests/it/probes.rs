//! What the program answers to orchestrators and Prometheus.

use anyhow::Result;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::{get, metric};

use super::program::{World, publish_all};

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
