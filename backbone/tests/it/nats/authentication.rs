//! Every way to say who we are: accepted when it is right, an error that says so when it is wrong.

use std::fs;
use std::path::PathBuf;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use nkeys::KeyPair;
use serde_json::{Value, json};
use tempfile::TempDir;
use tidegate_backbone::nats::{Authentication, ConnectError, Nats, NatsOptions};
use tidegate_backbone::{Backbone, Channel, Error};
use tidegate_testkit::deadline::until;
use tidegate_testkit::nats::NatsServer;

use super::node::{self, Ear, publication, room};

async fn check(config: &str, right: Authentication, wrong: Authentication) {
    let server = NatsServer::start_with(config).await.unwrap();
    let options = |authentication| NatsOptions {
        authentication,
        ..node::options(&server)
    };
    let node = Nats::connect(options(right)).await.unwrap();
    assert_eq!(node.publish(&room(), publication("good")).await, Ok(None));
    for refused in [wrong, Authentication::None] {
        let error = Nats::connect(options(refused)).await.unwrap_err();
        assert!(matches!(error, ConnectError::Refused { .. }), "{error}");
        assert!(error.to_string().contains(&server.url()), "{error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"), "{error}");
    }
}

#[tokio::test]
async fn user_and_password() {
    let ann = |password: &str| Authentication::UserPassword {
        user: "ann".to_owned(),
        password: password.to_owned(),
    };
    check(
        "authorization { user: ann, password: right }",
        ann("right"),
        ann("s3cret"),
    )
    .await;
}

#[tokio::test]
async fn token() {
    let token = |token: &str| Authentication::Token(token.to_owned());
    check(
        "authorization { token: right }",
        token("right"),
        token("s3cret"),
    )
    .await;
}

#[tokio::test]
async fn nkey() {
    let folder = tempfile::tempdir().unwrap();
    let (known, unknown) = (KeyPair::new_user(), KeyPair::new_user());
    let seed_file = |name: &str, key: &KeyPair| {
        Authentication::NkeySeedFile(write(&folder, name, &format!("{}\n", key.seed().unwrap())))
    };
    let config = format!(
        "authorization {{ users: [{{ nkey: {} }}] }}",
        known.public_key()
    );
    check(
        &config,
        seed_file("known", &known),
        seed_file("unknown", &unknown),
    )
    .await;
}

#[tokio::test]
async fn credentials() {
    let folder = tempfile::tempdir().unwrap();
    let (operator, account, user) = (
        KeyPair::new_operator(),
        KeyPair::new_account(),
        KeyPair::new_user(),
    );
    let stranger = KeyPair::new_account();
    let config = format!(
        "operator: {}\nresolver: MEMORY\nresolver_preload {{ {}: {} }}\n",
        jwt(
            &operator,
            &operator,
            json!({"type": "operator", "version": 2})
        ),
        account.public_key(),
        jwt(&operator, &account, account_claims()),
    );
    let credentials = |name: &str, issuer: &KeyPair| {
        let text = format!(
            "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
             -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
            jwt(
                issuer,
                &user,
                json!({"type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1})
            ),
            user.seed().unwrap(),
        );
        Authentication::Credentials(write(&folder, name, &text))
    };
    check(
        &config,
        credentials("known", &account),
        credentials("unknown", &stranger),
    )
    .await;
}

async fn restricted(server: &NatsServer) -> Nats {
    let authentication = Authentication::UserPassword {
        user: "ann".to_owned(),
        password: "right".to_owned(),
    };
    let options = NatsOptions {
        authentication,
        ..node::options(server)
    };
    Nats::connect(options).await.unwrap()
}

#[tokio::test]
async fn a_forbidden_publish_is_counted() {
    let config = "authorization { users: [{ user: ann, password: right, permissions: { publish: \"other.>\" } }] }";
    let server = NatsServer::start_with(config).await.unwrap();
    let node = restricted(&server).await;
    // The server does not answer a publish, so the refusal comes beside it.
    assert_eq!(
        node.publish(&room(), publication("forbidden")).await,
        Ok(None)
    );
    until("the refusal is counted", || node.counters().refused() == 1)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_forbidden_subscribe_is_an_error() {
    let config = "authorization { users: [{ user: ann, password: right, permissions: { subscribe: \"tide.pub._.>\" } }] }";
    let server = NatsServer::start_with(config).await.unwrap();
    let node = restricted(&server).await;
    let (allowed, forbidden) = (Channel::parse("news").unwrap(), room());
    for _ in 0..2 {
        let (heard, refused) = tokio::join!(
            Ear::try_open(&node, &allowed),
            Ear::try_open(&node, &forbidden),
        );
        assert!(heard.is_ok());
        assert!(matches!(refused, Err(Error::Unavailable(_))));
    }
    assert_eq!(node.counters().refused(), 2);
}

/// An account without limits.
fn account_claims() -> Value {
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true, "conn": -1, "leaf": -1,
    });
    json!({"type": "account", "version": 2, "limits": limits})
}

/// A token in which `issuer` says that `subject` may be what `claims` say.
fn jwt(issuer: &KeyPair, subject: &KeyPair, claims: Value) -> String {
    let body = json!({
        "jti": "test", "iat": 1, "iss": issuer.public_key(), "name": "test", "sub": subject.public_key(), "nats": claims,
    });
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!(
        "{}.{}",
        part(json!({"typ": "JWT", "alg": "ed25519-nkey"})),
        part(body)
    );
    let signature = URL_SAFE_NO_PAD.encode(issuer.sign(signed.as_bytes()).unwrap());
    format!("{signed}.{signature}")
}

fn write(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}
