//! Blocked users and revoked tokens.

use tidegate_backbone::{Change, News};

use super::*;

fn revoking(config: &mut Config) {
    config.client.revocation.enabled = true;
}

/// Adds entries to the list of a session.
fn list(client: &Client, entries: &[(&str, &str)]) {
    let changes = entries.iter().map(|(key, value)| Change {
        key: (*key).to_owned(),
        value: Some(bytes::Bytes::copy_from_slice(value.as_bytes())),
    });
    let news = News {
        changes: changes.collect(),
        is_whole: true,
    };
    let revocations = client.session.rules.revocations.as_ref();
    revocations.unwrap().apply(news, 0);
}

fn connect(claims: Value) -> String {
    json!({"id": 1, "connect": {"token": sign(&claims)}}).to_string()
}

fn review(client: &mut Client) -> Vec<String> {
    client.step(|session, now, actions| session.review(now, actions))
}

#[test]
fn who_is_kept_out_does_not_come_in() {
    let of_42 = json!({"sub": "42", "jti": "t", "iat": NOW});
    for (entries, claims, expected) in [
        (&[][..], of_42.clone(), "open \"42\" ".to_owned()),
        (&[("blocked.42", "{}")], of_42.clone(), "close 3507".into()),
        (
            &[("blocked.43", "{}")],
            of_42.clone(),
            "open \"42\" ".into(),
        ),
        (&[("token.t", "{}")], of_42.clone(), "close 3500".into()),
        (
            &[("issued.42", r#"{"issued_before":1700000001}"#)],
            of_42.clone(),
            "close 3500".into(),
        ),
        (
            &[("issued.42", r#"{"issued_before":1700000000}"#)],
            of_42,
            "open \"42\" ".into(),
        ),
        (
            &[("issued.42", r#"{"issued_before":1}"#)],
            json!({"sub": "42"}),
            "close 3500".into(),
        ),
    ] {
        let mut client = Client::new(revoking);
        list(&client, entries);
        let lines = client.send(&connect(claims));
        assert_eq!(lines[0], expected, "{entries:?}");
    }
}

#[test]
fn nobody_comes_in_before_the_list_is_there() {
    let mut client = Client::new(revoking);
    assert_eq!(client.send(&connect(json!({"sub": "42"}))), [error(1, 100)]);
}

#[test]
fn who_is_blocked_while_connecting_does_not_get_through() {
    let mut client = Client::new(revoking);
    list(&client, &[]);
    let rules = Arc::clone(&client.session.rules);
    let frame = connect(json!({"sub": "42"}));
    let frames = Format::Json.decode(&frame.into(), 1).unwrap();
    let mut actions = Actions::new();
    for frame in frames {
        client.session.handle(frame, client.now, &mut actions);
    }
    assert!(matches!(actions[..], [Action::Open { .. }]));
    let news = News {
        changes: vec![Change {
            key: "blocked.42".to_owned(),
            value: Some("{}".into()),
        }],
        is_whole: false,
    };
    rules.revocations.as_ref().unwrap().apply(news, 0);
    let lines = client.step(|session, now, actions| session.opened(Ok(vec![]), now, actions));
    assert_eq!(lines, ["close 3507", SKIP]);
}

#[test]
fn an_open_connection_ends_when_its_user_or_token_is_kept_out() {
    for (entry, expected) in [
        ("blocked.42", Some("close 3507")),
        ("token.t", Some("close 3500")),
        ("token.u", None),
        ("blocked.4", None),
    ] {
        let mut client = Client::new(revoking);
        list(&client, &[]);
        client.send(&connect(json!({"sub": "42", "jti": "t"})));
        assert!(review(&mut client).is_empty());
        list(&client, &[(entry, "{}")]);
        let lines = review(&mut client);
        assert_eq!(lines.first().map(String::as_str), expected, "{entry}");
    }
}

#[test]
fn refreshes_are_judged_like_connects_and_renew_what_can_be_revoked() {
    let refresh = |jti: &str| {
        let token = sign(&json!({"sub": "42", "jti": jti}));
        json!({"id": 2, "refresh": {"token": token}}).to_string()
    };
    let mut client = Client::new(revoking);
    list(&client, &[("token.bad", "{}")]);
    client.send(&connect(json!({"sub": "42", "jti": "old"})));
    client.send(&refresh("new"));
    list(&client, &[("token.old", "{}"), ("token.bad", "{}")]);
    assert!(
        review(&mut client).is_empty(),
        "the old token is of no use any more"
    );
    assert_eq!(client.send(&refresh("bad")), ["close 3500"]);
    let mut client = Client::new(revoking);
    list(&client, &[]);
    client.send(&connect(json!({"sub": "42", "jti": "old"})));
    client.send(&refresh("new"));
    list(&client, &[("token.new", "{}")]);
    assert_eq!(review(&mut client), ["close 3500"]);
}

#[test]
fn subscriptions_end_with_their_own_tokens() {
    let subscribe = |channel: &str, jti: &str| {
        let token = sign(&json!({"sub": "42", "channel": channel, "jti": jti, "iat": 5}));
        json!({"id": 2, "subscribe": {"channel": channel, "token": token}}).to_string()
    };
    let mut client = Client::new(revoking);
    list(&client, &[("token.bad", "{}")]);
    client.send(&connect(json!({"sub": "42"})));
    assert_eq!(client.send(&subscribe("a", "bad")), [error(2, 103)]);
    for (channel, jti) in [("a", "1"), ("b", "2"), ("c", "3")] {
        let lines = client.send(&subscribe(channel, jti));
        assert!(lines.contains(&format!("attach {channel}")), "{lines:?}");
    }
    list(
        &client,
        &[
            ("token.2", "{}"),
            ("issued.42.c", r#"{"issued_before":6}"#),
            ("issued.42.a", r#"{"issued_before":5}"#),
        ],
    );
    let lines = review(&mut client);
    let ended = |channel: &str| {
        [
            format!("detach {channel}"),
            format!(
                r#"{{"push":{{"channel":"{channel}","unsubscribe":{{"code":2000,"reason":"server unsubscribe"}}}}}}"#
            ),
        ]
    };
    assert_eq!(lines, [ended("b"), ended("c")].concat());
    let refresh = sign(&json!({"sub": "42", "channel": "a", "jti": "2"}));
    let refresh = json!({"id": 3, "sub_refresh": {"channel": "a", "token": refresh}});
    assert_eq!(client.send(&refresh.to_string()), ["close 3500"]);
}
