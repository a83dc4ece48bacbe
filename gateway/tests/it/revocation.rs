//! Users that are blocked and tokens that are revoked: on every node, at once, and after a restart of everything.

use std::net::SocketAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use crate::hooks::visitor::Visitor;
use crate::http;
use crate::site::Site;
use crate::token;

const JETSTREAM: &str = "jetstream: enabled\n";

fn revoking(config: &mut Value) {
    config["client"]["revocation"] = json!({"enabled": true});
    config["http_api"] = json!({"insecure": true});
    config["health"] = json!({"enabled": true});
}

/// What a method of the server API answers.
async fn api(address: SocketAddr, method: &str, body: Value) -> Value {
    let answer = http::post(address, &format!("/api/{method}"), &body.to_string()).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    serde_json::from_str(&answer.body).unwrap()
}

async fn done(address: SocketAddr, method: &str, body: Value) {
    let answer = api(address, method, body).await;
    assert_eq!(answer, json!({"result": {}}), "{method}");
}

/// A client that is connected by a token with these claims.
async fn connected(address: SocketAddr, claims: &Value) -> Visitor {
    let mut visitor = Visitor::open(address, &[]).await;
    let token = token::signed(claims);
    let reply = visitor.ask(json!({"connect": {"token": token}})).await;
    assert!(reply["connect"].is_object(), "{reply}");
    visitor
}

/// The code with which a connect is refused.
async fn refused(address: SocketAddr, claims: &Value) -> u16 {
    let mut visitor = Visitor::open(address, &[]).await;
    let token = token::signed(claims);
    visitor.send(json!({"connect": {"token": token}})).await;
    visitor.closed().await.0
}

/// Waits until a client with these claims is let in.
async fn until_let_in(address: SocketAddr, claims: &Value) {
    let let_in = until_some("the client is let in", async || {
        let mut visitor = Visitor::open(address, &[]).await;
        let token = token::signed(claims);
        let id = visitor.send(json!({"connect": {"token": token}})).await;
        let reply = visitor.outcome(id).await.ok()?;
        reply["connect"].is_object().then_some(())
    });
    let_in.await.unwrap();
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

#[tokio::test]
async fn a_user_is_blocked_and_let_in_again_on_every_node() {
    let nats = NatsServer::start_with(JETSTREAM).await.unwrap();
    let (near, far) = (
        Site::over(&nats, revoking).await,
        Site::over(&nats, revoking).await,
    );
    for site in [&near, &far] {
        site.until_ready().await;
    }
    let (alice, bob) = (json!({"sub": "alice"}), json!({"sub": "bob"}));
    let mut there = [
        connected(near.address(), &alice).await,
        connected(far.address(), &alice).await,
    ];
    let mut other = connected(far.address(), &bob).await;
    done(near.address(), "block_user", json!({"user": "alice"})).await;
    for visitor in &mut there {
        assert_eq!(
            visitor.closed().await,
            (3507, "permission denied".to_owned())
        );
    }
    for site in [&near, &far] {
        assert_eq!(refused(site.address(), &alice).await, 3507);
    }
    let reply = other.ask(json!({"subscribe": {"channel": "chat:a"}})).await;
    assert!(reply["subscribe"].is_object(), "{reply}");
    done(far.address(), "unblock_user", json!({"user": "alice"})).await;
    for site in [&near, &far] {
        until_let_in(site.address(), &alice).await;
    }
    drop((there, other));
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn tokens_are_revoked_on_every_node() {
    let nats = NatsServer::start_with(JETSTREAM).await.unwrap();
    let (near, far) = (
        Site::over(&nats, revoking).await,
        Site::over(&nats, revoking).await,
    );
    for site in [&near, &far] {
        site.until_ready().await;
    }
    let old = json!({"sub": "alice", "jti": "phone", "iat": now() - 60});
    let other = json!({"sub": "alice", "jti": "desk", "iat": now() - 60});
    let new = json!({"sub": "alice", "jti": "desk", "iat": now() + 60});
    let mut phone = connected(far.address(), &old).await;
    let mut desk = connected(far.address(), &other).await;
    done(
        near.address(),
        "revoke_token",
        json!({"uid": "phone", "expire_at": now() + 600}),
    )
    .await;
    assert_eq!(phone.closed().await.0, 3500);
    assert_eq!(refused(far.address(), &old).await, 3500);
    let channel = json!({"sub": "alice", "channel": "$chat:a", "iat": now() - 60});
    let subscribe = json!({"subscribe": {"channel": "$chat:a", "token": token::signed(&channel)}});
    let reply = desk.ask(subscribe.clone()).await;
    assert!(reply["subscribe"].is_object(), "{reply}");
    let older = json!({"user": "alice", "channel": "$chat:a"});
    done(near.address(), "invalidate_user_tokens", older).await;
    assert_eq!(desk.push().await["unsubscribe"]["code"], 2000);
    assert_eq!(desk.ask(subscribe).await["error"]["code"], 103);
    done(
        near.address(),
        "invalidate_user_tokens",
        json!({"user": "alice"}),
    )
    .await;
    assert_eq!(desk.closed().await.0, 3500);
    assert_eq!(refused(far.address(), &other).await, 3500);
    drop((phone, desk, connected(far.address(), &new).await));
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn who_is_blocked_stays_so_after_a_restart_of_everything() {
    let mut nats = NatsServer::start_with(JETSTREAM).await.unwrap();
    let site = Site::over(&nats, revoking).await;
    site.until_ready().await;
    done(site.address(), "block_user", json!({"user": "alice"})).await;
    site.stop().await;
    nats.kill().unwrap();
    nats.restart().await.unwrap();
    for _ in 0..2 {
        let site = Site::over(&nats, revoking).await;
        site.until_ready().await;
        assert_eq!(
            refused(site.address(), &json!({"sub": "alice"})).await,
            3507
        );
        drop(connected(site.address(), &json!({"sub": "bob"})).await);
        site.stop().await;
    }
}

#[tokio::test]
async fn what_happens_in_an_outage_is_known_after_it() {
    let mut nats = NatsServer::start_with(JETSTREAM).await.unwrap();
    let site = Site::over(&nats, revoking).await;
    site.until_ready().await;
    let (alice, bob) = (json!({"sub": "alice"}), json!({"sub": "bob"}));
    done(site.address(), "block_user", json!({"user": "bob"})).await;
    let mut visitor = connected(site.address(), &alice).await;
    nats.freeze().unwrap();
    // Known from before.
    assert_eq!(refused(site.address(), &bob).await, 3507);
    nats.thaw().unwrap();
    nats.kill().unwrap();
    nats.restart().await.unwrap();
    let other = Site::over(&nats, revoking).await;
    other.until_ready().await;
    done(other.address(), "block_user", json!({"user": "alice"})).await;
    assert_eq!(visitor.closed().await.0, 3507);
    drop(visitor);
    site.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_cluster_agrees_and_goes_on_without_one_of_its_servers() {
    let mut nats = NatsCluster::start_with(JETSTREAM).await.unwrap();
    let replicated = |config: &mut Value| {
        revoking(config);
        config["client"]["revocation"]["replicas"] = json!(3);
    };
    let (near, far) = (
        Site::over(&nats.servers[1], replicated).await,
        Site::over(&nats.servers[2], replicated).await,
    );
    for site in [&near, &far] {
        site.until_ready().await;
    }
    let (alice, bob) = (json!({"sub": "alice"}), json!({"sub": "bob"}));
    let mut visitor = connected(far.address(), &alice).await;
    done(near.address(), "block_user", json!({"user": "alice"})).await;
    assert_eq!(visitor.closed().await.0, 3507);
    let mut visitor = connected(near.address(), &bob).await;
    nats.servers[0].kill().unwrap();
    let blocked = async || {
        let answer = api(far.address(), "block_user", json!({"user": "bob"})).await;
        answer["result"].is_object().then_some(())
    };
    until_some("a user is blocked", blocked).await.unwrap();
    assert_eq!(visitor.closed().await.0, 3507);
    assert_eq!(refused(near.address(), &alice).await, 3507);
    drop(visitor);
    near.stop().await;
    far.stop().await;
}

#[tokio::test]
async fn without_the_list_a_node_is_not_ready_and_lets_nobody_in() {
    let nats = NatsServer::start().await.unwrap();
    let site = Site::over(&nats, revoking).await;
    let mut visitor = Visitor::open(site.address(), &[]).await;
    let token = token::of("alice");
    let reply = visitor.ask(json!({"connect": {"token": token}})).await;
    assert_eq!(reply["error"]["code"], 100);
    assert_eq!(http::get(site.address(), "/ready").await.status, 503);
    let answer = api(site.address(), "block_user", json!({"user": "a"})).await;
    assert_eq!(answer["error"]["code"], 100);
    drop(visitor);
    site.stop().await;
}

#[tokio::test]
async fn the_api_says_what_it_does_not_take_and_lists_what_there_is() {
    let site = Site::with(|config| {
        revoking(config);
        config["client"]["revocation"]["max_entries"] = json!(3);
    });
    site.until_ready().await;
    let address = site.address();
    for (method, body, code) in [
        ("block_user", json!({}), 107),
        ("block_user", json!({"user": "a", "expire_at": 1}), 107),
        ("block_user", json!({"user": "x".repeat(2_000)}), 107),
        ("unblock_user", json!({}), 107),
        ("revoke_token", json!({"user": "a"}), 107),
        ("invalidate_user_tokens", json!({"uid": "a"}), 107),
    ] {
        let answer = api(address, method, body).await;
        assert_eq!(answer["error"]["code"], code, "{method}");
    }
    let soon = now() + 600;
    done(
        address,
        "block_user",
        json!({"user": "a.b", "expire_at": soon}),
    )
    .await;
    done(address, "revoke_token", json!({"uid": "t"})).await;
    let issued = json!({"user": "c", "issued_before": 5, "channel": "chat:x"});
    done(address, "invalidate_user_tokens", issued.clone()).await;
    let full = api(address, "block_user", json!({"user": "d"})).await;
    assert_eq!(full["error"]["code"], 106);
    assert_eq!(site.metric("tidegate_revocations").await, 3);
    let page = api(address, "revocations", json!({"limit": 2})).await;
    let expected = json!([{"user": "a.b", "expire_at": soon}, issued]);
    assert_eq!(page["result"]["revocations"], expected);
    let next = json!({"after": page["result"]["next"]});
    let page = api(address, "revocations", next).await;
    assert_eq!(page, json!({"result": {"revocations": [{"uid": "t"}]}}));
    site.stop().await;
}

#[tokio::test]
async fn without_the_option_nobody_is_kept_out() {
    let site = Site::with(|config| config["http_api"] = json!({"insecure": true}));
    for method in [
        "block_user",
        "unblock_user",
        "revoke_token",
        "invalidate_user_tokens",
        "revocations",
    ] {
        let answer = api(site.address(), method, json!({"user": "a", "uid": "a"})).await;
        assert_eq!(answer["error"]["code"], 108, "{method}");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_block_outlives_a_node_that_keeps_its_own_files() {
    let folder = tempfile::tempdir().unwrap();
    let keeping = |config: &mut Value| {
        revoking(config);
        config["embedded"] = json!({"data_dir": folder.path()});
    };
    let alice = json!({"sub": "alice"});
    for round in 0..2 {
        let site = Site::with(keeping);
        site.until_ready().await;
        if round == 0 {
            let mut visitor = connected(site.address(), &alice).await;
            done(site.address(), "block_user", json!({"user": "alice"})).await;
            assert_eq!(visitor.closed().await.0, 3507);
        }
        assert_eq!(refused(site.address(), &alice).await, 3507);
        site.stop().await;
    }
}
