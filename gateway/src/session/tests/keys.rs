//! Tokens whose keys have to be fetched.

use super::*;

/// The header and claims of a token that nobody signed well.
fn unsigned(alg: &str, claims: &Value) -> String {
    let parts = [json!({"alg": alg, "kid": "k"}), claims.clone()];
    let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    format!("{}.AAAA", parts.join("."))
}

fn publishing(config: &mut Config) {
    config.client.token.jwks_public_endpoint = "https://issuer/keys".to_owned();
}

fn connect(token: &str) -> String {
    json!({"id": 1, "connect": {"token": token}}).to_string()
}

#[test]
fn a_connect_waits_for_keys_and_is_temporarily_refused_without_them() {
    let token = unsigned("ES256", &json!({"sub": "42"}));
    for (keys, expected) in [
        (None, vec!["fetch 0".to_owned()]),
        (
            Some(true),
            vec!["fetch 0".to_owned(), "close 3500".to_owned()],
        ),
        (Some(false), vec!["fetch 0".to_owned(), error(1, 100)]),
    ] {
        let mut client = Client::new(publishing);
        client.keys = keys;
        let lines = client.send(&connect(&token));
        assert_eq!(lines, expected, "{keys:?}");
        if keys.is_none() {
            let next = r#"{"id": 2, "subscribe": {"channel": "news"}}"#;
            let frames = Format::Json.decode(&next.into(), 10).unwrap();
            let Some(tidegate_codec::Frame::Command(next)) = frames.into_iter().next() else {
                panic!("a command");
            };
            assert!(client.session.must_wait(&next));
        }
    }
}

#[test]
fn nothing_is_fetched_for_tokens_that_published_keys_cannot_verify() {
    let claims = json!({"sub": "42"});
    for token in [
        unsigned("HS256", &claims),
        "a.b.c".to_owned(),
        unsigned("none", &claims),
    ] {
        let mut client = Client::new(publishing);
        assert_eq!(client.send(&connect(&token)), ["close 3500"], "{token}");
    }
    let mut client = Client::new(publishing);
    let lines = client.send(&connect(&sign(&claims)));
    assert_eq!(lines[0], "open \"42\" ");
}

#[test]
fn an_open_connection_goes_on_without_keys() {
    let mut client = Client::connected(publishing);
    client.keys = Some(false);
    let token = unsigned("ES256", &json!({"sub": "42", "channel": "news"}));
    for command in [
        json!({"id": 2, "refresh": {"token": token}}),
        json!({"id": 2, "subscribe": {"channel": "news", "token": token}}),
    ] {
        let lines = client.send(&command.to_string());
        assert_eq!(lines, ["fetch 0".to_owned(), error(2, 100)]);
    }
    client.keys = Some(true);
    let subscribe = json!({"id": 3, "subscribe": {"channel": "news", "token": token}});
    let lines = client.send(&subscribe.to_string());
    assert_eq!(lines, ["fetch 0".to_owned(), error(3, 103)]);
}

#[test]
fn a_subscribe_that_waits_for_keys_takes_the_channels_place() {
    let mut client = Client::connected(|config| {
        publishing(config);
        config.client.channel_limit = 1;
    });
    let token = unsigned("ES256", &json!({"sub": "42", "channel": "news"}));
    let subscribe = json!({"id": 2, "subscribe": {"channel": "news", "token": token}});
    assert_eq!(client.send(&subscribe.to_string()), ["fetch 0"]);
    let lines = client.send(r#"{"id": 3, "subscribe": {"channel": "other"}}"#);
    assert_eq!(lines, [error(3, 106)]);
}
