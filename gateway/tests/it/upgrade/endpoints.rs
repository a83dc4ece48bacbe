//! Paths: where the endpoints are, and where they are not.

use serde_json::json;

use super::status;
use crate::http::{Upgrade, get};
use crate::site::Site;

#[tokio::test]
async fn a_transport_that_is_switched_off_is_not_there() {
    let site = Site::with(|config| config["websocket"] = json!({ "disabled": true }));
    assert_eq!(status(&site, &Upgrade::new(site.address())).await, 404);
    assert_eq!(get(site.address(), "/health").await.status, 200);
    site.stop().await;
}

#[tokio::test]
async fn paths_can_be_chosen() {
    let site = Site::with(|config| {
        config["websocket"] = json!({ "handler_prefix": "/socket" });
        config["health"] = json!({ "enabled": false });
    });
    let mut upgrade = Upgrade::new(site.address());
    assert_eq!(status(&site, &upgrade).await, 404);
    upgrade.target = "/socket".to_owned();
    assert_eq!(status(&site, &upgrade).await, 101);
    for path in ["/health", "/ready"] {
        assert_eq!(get(site.address(), path).await.status, 404, "{path}");
    }
    site.stop().await;
}

#[tokio::test]
async fn health_readiness_and_metrics_are_told() {
    let site = Site::start();
    let health = get(site.address(), "/health").await;
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    let ready = site.ready().await;
    assert_eq!(ready["ready"], true);
    let checks = ready["checks"].as_array().unwrap();
    let checks = checks.iter().map(|it| (&it["name"], &it["state"]));
    let expected = ["drain", "backbone", "echo"].map(|name| (json!(name), json!("ok")));
    assert!(
        checks.eq(expected.iter().map(|(name, state)| (name, state))),
        "{ready}"
    );
    let metrics = get(site.address(), "/metrics").await;
    let kind = metrics.header("Content-Type").unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let client = site.alice().await;
    assert_eq!(site.metric("tidegate_connections").await, 1);
    assert_eq!(site.metric("tidegate_ready").await, 1);
    assert_eq!(site.metric("tidegate_check_ok{check=\"echo\"}").await, 1);
    assert_eq!(
        get(site.address(), "/").await.status,
        404,
        "the playground is off"
    );
    drop(client);
    site.stop().await;
}

#[tokio::test]
async fn the_playground_allows_nothing_but_its_own_files() {
    let site = Site::with(|config| config["playground"] = json!({ "enabled": true }));
    for path in ["/", "/playground.js", "/style.css", "/tidegate.svg"] {
        let answer = get(site.address(), path).await;
        assert_eq!(answer.status, 200, "{path}");
        assert_eq!(
            answer.header("X-Content-Type-Options"),
            Some("nosniff"),
            "{path}"
        );
        let policy = answer.header("Content-Security-Policy").unwrap();
        for rule in [
            "default-src 'none'",
            "script-src 'self'",
            "frame-ancestors 'none'",
        ] {
            assert!(policy.contains(rule), "{path}: {policy}");
        }
        assert!(!policy.contains("unsafe"), "{path}: {policy}");
    }
    for path in ["/nothing.js", "/../Cargo.toml", "/%2e%2e/Cargo.toml"] {
        assert_eq!(get(site.address(), path).await.status, 404, "{path}");
    }
    site.stop().await;
}
