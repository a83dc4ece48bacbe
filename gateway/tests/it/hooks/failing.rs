//! Backends that fail: the client is told, nobody else notices, and the metrics say what it was.

use serde_json::json;
use tidegate_testkit::address;
use tokio::net::TcpListener;

use super::backend::{Asked, Backend, Reaction};
use super::{asking, visitor::Visitor};
use crate::http;
use crate::site::Site;

/// Lets everybody in, and fails at calls as the method says.
fn moody(asked: &Asked) -> Reaction {
    if asked.path == "/connect" {
        return Reaction::Answer(json!({"result": {"user": "u"}}));
    }
    match asked.body["method"].as_str() {
        Some("garbage") => Reaction::Garbage,
        Some("huge") => Reaction::Bytes(10 << 20),
        Some("fits") => Reaction::Bytes(1 << 20),
        Some("500") => Reaction::Status(500),
        Some("404") => Reaction::Status(404),
        Some("410") => Reaction::Status(410),
        Some("silence") => Reaction::Silence,
        Some("hang up") => Reaction::HangUp,
        _ => Reaction::Answer(json!({"result": {"data": "ok"}})),
    }
}

fn impatient(backend: &Backend, change: impl FnOnce(&mut serde_json::Value)) -> Site {
    asking(backend, |config| {
        config["rpc"]["proxy"]["timeout"] = "3s".into();
        config["rpc"]["proxy"]["breaker_failures"] = 0.into();
        change(config);
    })
}

/// How often calls came to this.
async fn outcomes(site: &Site, outcome: &str) -> u64 {
    let name =
        format!("tidegate_hook_outcomes{{target=\"default\",event=\"rpc\",outcome=\"{outcome}\"}}");
    let text = http::get(site.address(), "/metrics").await;
    let has_it = text.body.lines().any(|line| line.starts_with(&name));
    if has_it { text.metric(&name) } else { 0 }
}

#[tokio::test]
async fn a_call_that_fails_is_an_error_and_a_metric() {
    let backend = Backend::start(moody).await;
    let site = impatient(&backend, |config| {
        config["rpc"]["proxy"]["http"]["status_to_code_transforms"] = json!([
            {"status_code": 404, "to_error": {"code": 404, "message": "not found"}},
            {"status_code": 410, "to_disconnect": {"code": 4410, "reason": "gone"}},
        ]);
    });
    let mut visitor = Visitor::connected(site.address()).await;
    for (method, outcome) in [
        ("garbage", "malformed"),
        ("huge", "too_large"),
        ("500", "status"),
        ("silence", "late"),
        ("hang up", "broken"),
    ] {
        let reply = visitor.ask(json!({"rpc": {"method": method}})).await;
        assert_eq!(reply["error"]["code"], 100, "{method}: {reply}");
        assert_eq!(reply["error"]["temporary"], true);
        assert_eq!(outcomes(&site, outcome).await, 1, "{method}");
    }
    // As long as it may be, and 404 as the configuration says.
    let reply = visitor.ask(json!({"rpc": {"method": "fits"}})).await;
    assert_eq!(reply["rpc"], json!({}));
    let reply = visitor.ask(json!({"rpc": {"method": "404"}})).await;
    assert_eq!(reply["error"], json!({"code": 404, "message": "not found"}));
    // What may have been heard is not asked again.
    let asked = backend.asked();
    let hung_up = asked.iter().filter(|it| it.body["method"] == "hang up");
    assert_eq!(hung_up.count(), 1);
    visitor.send(json!({"rpc": {"method": "410"}})).await;
    assert_eq!(visitor.closed().await, (4410, "gone".to_owned()));
    site.stop().await;
}

#[tokio::test]
async fn a_backend_that_is_silent_holds_up_nobody_else() {
    let backend = Backend::start(moody).await;
    let site = asking(&backend, |config| {
        config["http_server"]["workers"] = 1.into();
        config["rpc"]["proxy"]["timeout"] = "10s".into();
    });
    let (mut one, mut other) = (
        Visitor::connected(site.address()).await,
        Visitor::connected(site.address()).await,
    );
    one.send(json!({"rpc": {"method": "silence"}})).await;
    let reply = other.ask(json!({"rpc": {"method": "ok"}})).await;
    assert_eq!(reply["rpc"]["data"], "ok");
    site.end().await;
}

#[tokio::test]
async fn calls_that_are_too_many_at_once_are_refused() {
    let backend = Backend::start(moody).await;
    let site = asking(&backend, |config| {
        config["rpc"]["proxy"]["concurrency_limit"] = 1.into();
        config["rpc"]["proxy"]["timeout"] = "10s".into();
    });
    let mut one = Visitor::connected(site.address()).await;
    let mut other = Visitor::connected(site.address()).await;
    one.send(json!({"rpc": {"method": "silence"}})).await;
    let name = "tidegate_hook_under_way{target=\"default\",event=\"rpc\"}";
    let under_way = async || {
        let text = http::get(site.address(), "/metrics").await;
        text.body
            .lines()
            .any(|line| line == format!("{name} 1"))
            .then_some(())
    };
    tidegate_testkit::deadline::until_some("a call under way", under_way)
        .await
        .unwrap();
    let reply = other.ask(json!({"rpc": {"method": "ok"}})).await;
    assert_eq!(reply["error"]["code"], 100);
    assert_eq!(outcomes(&site, "busy").await, 1);
    site.end().await;
}

#[tokio::test]
async fn a_backend_that_is_down_is_left_alone_until_it_is_back() {
    let backend = Backend::start(moody).await;
    let address = address::free().unwrap();
    let site = asking(&backend, |config| {
        config["rpc"]["proxy"]["endpoint"] = format!("http://{address}/rpc").into();
        config["rpc"]["proxy"]["breaker_failures"] = 2.into();
        config["rpc"]["proxy"]["breaker_pause"] = "3s".into();
    });
    let mut visitor = Visitor::connected(site.address()).await;
    for _ in 0..3 {
        let reply = visitor.ask(json!({"rpc": {"method": "ok"}})).await;
        assert_eq!(reply["error"]["code"], 100);
    }
    assert_eq!(outcomes(&site, "unreachable").await, 2);
    assert_eq!(outcomes(&site, "resting").await, 1);

    let listener = TcpListener::bind(address).await.unwrap();
    let _back = Backend::on(listener, moody);
    let answered = async || {
        let reply = visitor.ask(json!({"rpc": {"method": "ok"}})).await;
        (reply["rpc"]["data"] == "ok").then_some(())
    };
    tidegate_testkit::deadline::until_some("the backend is back", answered)
        .await
        .unwrap();
    site.end().await;
}

#[tokio::test]
async fn a_client_that_comes_while_the_backend_is_down_is_told_to_come_again() {
    let backend = Backend::start(moody).await;
    let site = asking(&backend, |config| {
        config["client"]["proxy"]["connect"]["endpoint"] = "http://127.0.0.1:1/connect".into();
    });
    let mut visitor = Visitor::open(site.address(), &[]).await;
    let reply = visitor.ask(json!({"connect": {}})).await;
    assert_eq!(
        (&reply["error"]["code"], &reply["error"]["temporary"]),
        (&json!(100), &json!(true))
    );
    drop(visitor);
    site.stop().await;
}

#[tokio::test]
async fn a_backend_over_tls_has_to_prove_who_it_is() {
    let backend = Backend::start(moody).await;
    // Any server of TLS will do: that it answers at all shows that it was believed.
    let server = crate::tls::site::TlsSite::start();
    let authority = server.authority_file();
    for (ca_file, outcome) in [(Some(authority), "status"), (None, "unreachable")] {
        let site = asking(&backend, |config| {
            let proxy = &mut config["rpc"]["proxy"];
            proxy["endpoint"] = format!("https://{}/rpc", server.address()).into();
            proxy["http"] = json!({"tls": {"server_ca_pem_file": ca_file}});
        });
        let mut visitor = Visitor::connected(site.address()).await;
        let reply = visitor.ask(json!({"rpc": {"method": "ok"}})).await;
        assert_eq!(reply["error"]["code"], 100);
        assert_eq!(outcomes(&site, outcome).await, 1, "{outcome}");
        drop(visitor);
        site.stop().await;
    }
}
