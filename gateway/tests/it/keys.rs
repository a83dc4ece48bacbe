//! Tokens whose keys their issuer publishes: fetched over the network, rotated, and missing.

mod issuer;

use std::net::SocketAddr;

use serde_json::{Value, json};
use tidegate_testkit::address;
use tidegate_testkit::authority::Authority;
use tidegate_testkit::deadline::until_some;
use tokio::net::TcpListener;

use crate::hooks::visitor::Visitor;
use crate::site::Site;
use issuer::{Issuer, Reaction, Signer};

/// A node that believes this issuer, and asks it as often as is allowed.
fn believing(url: &str, change: impl FnOnce(&mut Value)) -> Site {
    Site::with(|config| {
        config["client"]["token"] = json!({ "jwks_public_endpoint": url });
        config["client"]["jwks"] = json!({
            "timeout": "5s", "refetch_interval": "100ms", "cache_min": "1h", "cache_default": "1h",
        });
        change(config);
    })
}

/// What comes of a connect.
#[derive(Debug, PartialEq)]
enum Outcome {
    Connected,
    Failed(Value),
    Closed(u16),
}

async fn connect(address: SocketAddr, token: &str) -> Outcome {
    let mut visitor = Visitor::open(address, &[]).await;
    let id = visitor.send(json!({"connect": {"token": token}})).await;
    match visitor.outcome(id).await {
        Ok(reply) if reply["connect"].is_object() => Outcome::Connected,
        Ok(reply) => Outcome::Failed(reply["error"].clone()),
        Err((code, _)) => Outcome::Closed(code),
    }
}

fn later() -> Outcome {
    Outcome::Failed(json!({"code": 100, "message": "internal server error", "temporary": true}))
}

fn user() -> Value {
    json!({"sub": "alice"})
}

async fn until_connected(site: &Site, token: &str) {
    let connected = until_some("a client is connected", async || {
        let outcome = connect(site.address(), token).await;
        assert!(
            outcome == Outcome::Connected || outcome == later(),
            "{outcome:?}"
        );
        (outcome == Outcome::Connected).then_some(())
    });
    connected.await.unwrap();
}

#[tokio::test]
async fn keys_of_every_kind_are_fetched_over_https() {
    let authority = Authority::new().unwrap();
    let signers = [Signer::rsa("r"), Signer::ecdsa("e"), Signer::ed25519("d")];
    let keys = signers.iter().map(Signer::jwk).collect();
    let issuer = Issuer::with_tls(&authority, Reaction::Keys(keys)).await;
    let site = believing(&issuer.url(), |config| {
        config["client"]["token"]["jwks_ca_pem_file"] = json!(authority.file());
    });
    for signer in &signers {
        let mut visitor = Visitor::open(site.address(), &[]).await;
        let token = signer.token(&user());
        let reply = visitor.ask(json!({"connect": {"token": token}})).await;
        assert!(reply["connect"].is_object(), "{reply}");
        let token = signer.token(&json!({"sub": "alice", "channel": "$chat:a"}));
        let subscribe = json!({"subscribe": {"channel": "$chat:a", "token": token}});
        let reply = visitor.ask(subscribe).await;
        assert!(reply["subscribe"].is_object(), "{reply}");
        let forged = signer_like(signer).token(&user());
        assert_eq!(
            connect(site.address(), &forged).await,
            Outcome::Closed(3500)
        );
    }
    assert_eq!(issuer.asked(), 1);
    assert_eq!(site.metric("tidegate_jwks_fetched").await, 1);
    site.stop().await;
}

/// Another key with the same id.
fn signer_like(signer: &Signer) -> Signer {
    match signer.jwk()["kid"].as_str().unwrap() {
        "r" => Signer::rsa("r"),
        "e" => Signer::ecdsa("e"),
        _ => Signer::ed25519("d"),
    }
}

#[tokio::test]
async fn an_issuer_that_no_authority_vouches_for_has_no_keys() {
    let authority = Authority::new().unwrap();
    let signer = Signer::ed25519("k");
    let keys = Reaction::Keys(vec![signer.jwk()]);
    let issuer = Issuer::with_tls(&authority, keys).await;
    let site = believing(&issuer.url(), |_| {});
    assert_eq!(
        connect(site.address(), &signer.token(&user())).await,
        later()
    );
    assert_eq!(issuer.asked(), 0);
    assert_eq!(site.metric("tidegate_jwks_fetched").await, 0);
    assert!(site.metric("tidegate_jwks_fetch_failed").await > 0);
    site.stop().await;
}

#[tokio::test]
async fn keys_rotate_while_the_node_runs() {
    let (old, new) = (Signer::ecdsa("1"), Signer::ecdsa("2"));
    let issuer = Issuer::start(Reaction::Keys(vec![old.jwk()])).await;
    let site = believing(&issuer.url(), |_| {});
    let (by_old, by_new) = (old.token(&user()), new.token(&user()));
    assert_eq!(connect(site.address(), &by_old).await, Outcome::Connected);
    assert_eq!(
        connect(site.address(), &by_new).await,
        Outcome::Closed(3500)
    );
    issuer.react(Reaction::Keys(vec![new.jwk()]));
    assert_eq!(connect(site.address(), &by_new).await, Outcome::Connected);
    assert_eq!(
        connect(site.address(), &by_old).await,
        Outcome::Closed(3500)
    );
    let asked = u64::try_from(issuer.asked()).unwrap();
    assert!(asked > 1);
    site.until_metric("tidegate_jwks_fetched", asked).await;
    assert_eq!(site.metric("tidegate_jwks_fetch_failed").await, 0);
    site.stop().await;
}

#[tokio::test]
async fn keys_that_are_withdrawn_are_forgotten_without_any_token() {
    let signer = Signer::ed25519("k");
    let issuer = Issuer::start(Reaction::Keys(vec![signer.jwk()])).await;
    let site = believing(&issuer.url(), |config| {
        config["client"]["jwks"]["cache_min"] = json!("100ms");
    });
    let token = signer.token(&user());
    assert_eq!(connect(site.address(), &token).await, Outcome::Connected);
    issuer.react(Reaction::Keys(Vec::new()));
    let before = issuer.asked();
    let fetched = until_some("the keys are fetched again", async || {
        (issuer.asked() > before + 1).then_some(())
    });
    fetched.await.unwrap();
    assert_eq!(connect(site.address(), &token).await, Outcome::Closed(3500));
    site.stop().await;
}

#[tokio::test]
async fn clients_are_asked_to_come_again_until_the_issuer_is_up() {
    let address = address::free().unwrap();
    let site = believing(&format!("http://{address}/keys"), |_| {});
    let signer = Signer::rsa("k");
    let token = signer.token(&user());
    assert_eq!(connect(site.address(), &token).await, later());
    let listener = TcpListener::bind(address).await.unwrap();
    let _issuer = Issuer::on(listener, None, Reaction::Keys(vec![signer.jwk()]));
    until_connected(&site, &token).await;
    site.stop().await;
}

#[tokio::test]
async fn the_last_keys_serve_while_the_issuer_misbehaves() {
    let signer = Signer::ed25519("k");
    let issuer = Issuer::start(Reaction::Keys(vec![signer.jwk()])).await;
    let site = believing(&issuer.url(), |config| {
        config["client"]["jwks"]["cache_min"] = json!("100ms");
        config["client"]["jwks"]["timeout"] = json!("300ms");
    });
    let (token, stranger) = (signer.token(&user()), Signer::ed25519("x").token(&user()));
    until_connected(&site, &token).await;
    for reaction in [
        Reaction::Garbage,
        Reaction::Bytes(10_000_000),
        Reaction::Status(500),
        Reaction::Silence,
        Reaction::Drip,
    ] {
        let failed = site.metric("tidegate_jwks_fetch_failed").await;
        issuer.react(reaction.clone());
        let noticed = until_some("the fetch has failed", async || {
            let now = site.metric("tidegate_jwks_fetch_failed").await;
            (now > failed).then_some(())
        });
        noticed.await.unwrap();
        let outcome = connect(site.address(), &token).await;
        assert_eq!(outcome, Outcome::Connected, "{reaction:?}");
        let outcome = connect(site.address(), &stranger).await;
        assert_eq!(outcome, later(), "{reaction:?}");
    }
    issuer.react(Reaction::Keys(vec![signer.jwk()]));
    let outcome = until_some("the issuer is believed again", async || {
        let outcome = connect(site.address(), &stranger).await;
        (outcome != later()).then_some(outcome)
    });
    assert_eq!(outcome.await.unwrap(), Outcome::Closed(3500));
    site.stop().await;
}

#[tokio::test]
async fn a_client_that_waits_for_keys_does_not_hold_up_others() {
    let issuer = Issuer::start(Reaction::Silence).await;
    let site = believing(&issuer.url(), |config| {
        config["http_server"]["workers"] = json!(1);
        config["client"]["token"]["hmac_secret_key"] = json!(crate::token::SECRET);
    });
    let mut waiting = Visitor::open(site.address(), &[]).await;
    let token = Signer::ed25519("k").token(&user());
    let id = waiting.send(json!({"connect": {"token": token}})).await;
    let secret = crate::token::of("bob");
    assert_eq!(connect(site.address(), &secret).await, Outcome::Connected);
    let reply = waiting.reply(id).await;
    assert_eq!(Outcome::Failed(reply["error"].clone()), later());
    drop(waiting);
    site.stop().await;
}

#[tokio::test]
async fn every_issuer_has_its_own_keys() {
    let (one, other) = (Signer::rsa("k"), Signer::ecdsa("k"));
    let issuers = [
        Issuer::start(Reaction::Keys(vec![one.jwk()])).await,
        Issuer::start(Reaction::Keys(vec![other.jwk()])).await,
    ];
    let site = Site::with(|config| {
        config["client"]["token"] = json!({ "providers": [
            {"issuer": "one", "jwks_public_endpoint": issuers[0].url()},
            {"issuer": "other", "jwks_public_endpoint": issuers[1].url(), "user_id_claim": "uid"},
        ]});
    });
    let (one_says, other_says) = (
        json!({"sub": "alice", "iss": "one"}),
        json!({"uid": "bob", "iss": "other"}),
    );
    for (token, expected) in [
        (one.token(&one_says), Outcome::Connected),
        (other.token(&other_says), Outcome::Connected),
        (one.token(&other_says), Outcome::Closed(3500)),
        (other.token(&one_says), Outcome::Closed(3500)),
        (one.token(&user()), Outcome::Closed(3500)),
        (
            one.token(&json!({"sub": "a", "iss": "third"})),
            Outcome::Closed(3500),
        ),
    ] {
        assert_eq!(connect(site.address(), &token).await, expected);
    }
    site.stop().await;
}
