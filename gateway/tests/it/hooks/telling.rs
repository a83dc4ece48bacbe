//! What backends are told over HTTP: until they take it.

use std::collections::HashSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::json;
use tidegate_testkit::deadline::until_some;

use super::backend::{Backend, Reaction};
use super::visitor::Visitor;
use crate::site::Site;

#[tokio::test]
async fn a_notice_is_told_until_the_backend_takes_it() {
    let refusals = AtomicUsize::new(0);
    let backend = Backend::start(move |_| match refusals.fetch_add(1, Ordering::Relaxed) {
        0 => Reaction::Status(503),
        1 => Reaction::HangUp,
        _ => Reaction::Status(204),
    })
    .await;
    let site = Site::with(|config| {
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["client"]["proxy"]["disconnect"] =
            json!({"enabled": true, "endpoint": backend.url("/gone")});
    });
    let visitor = Visitor::connected(site.address()).await;
    drop(visitor);
    let told = async || (backend.asked().len() == 3).then(|| backend.asked());
    let told = until_some("a notice that is taken", told).await.unwrap();
    assert_eq!(told[0].body["code"], 3000);
    assert!(told[0].body["time_ms"].as_u64().unwrap() > 1_700_000_000_000);
    // A backend tells by the id that it is the same one.
    for again in &told[1..] {
        assert_eq!(again.body["id"], told[0].body["id"]);
    }
    site.stop().await;
    assert_eq!(backend.asked().len(), 3);
}

#[tokio::test]
async fn a_node_that_stops_tells_of_everybody_first() {
    // Takes each notice only when it is told again.
    let seen = Mutex::new(HashSet::new());
    let backend = Backend::start(move |asked| {
        let id = asked.body["id"].to_string();
        let is_new = seen.lock().unwrap().insert(id);
        Reaction::Status(if is_new { 503 } else { 200 })
    })
    .await;
    let site = Site::with(|config| {
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["client"]["proxy"]["disconnect"] =
            json!({"enabled": true, "endpoint": backend.url("/gone")});
    });
    let mut visitors = Vec::new();
    for _ in 0..20 {
        visitors.push(Visitor::connected(site.address()).await);
    }
    let reading = tokio::spawn(async move {
        for visitor in &mut visitors {
            assert_eq!(visitor.closed().await.0, 3001);
        }
    });
    site.end().await;
    reading.await.unwrap();
    let told = backend.asked();
    assert_eq!(told.len(), 40);
    assert!(told.iter().all(|it| it.body["reason"] == "shutdown"));
}
