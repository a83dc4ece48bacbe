//! `connect`: who may, and what the reply says.

use super::*;

#[test]
fn before_connect_only_connect_is_understood() {
    for command in [
        r#"{"id":1,"subscribe":{"channel":"news"}}"#,
        r#"{"id":1,"publish":{"channel":"news","data":{}}}"#,
        r#"{"send":{"data":{}}}"#,
        r#"{"connect":{}}"#,
        r#"{"id":1}"#,
        r#"{"id":1,"ping":{}}"#,
        "{}",
    ] {
        assert_eq!(
            Client::new(|config| config.client.insecure = true).send(command),
            ["close 3501"],
            "{command}"
        );
    }
}

#[test]
fn who_may_connect() {
    let seconds = i64::try_from(NOW).unwrap();
    type Change = fn(&mut Config);
    let cases: [(Change, Value, &str); 10] = [
        (|_| {}, json!(null), "close 3501"),
        (
            |config| config.client.insecure = true,
            json!(null),
            "open \"\" ",
        ),
        (
            |config| config.client.allow_anonymous_connect_without_token = true,
            json!(null),
            "open \"\" ",
        ),
        (|_| {}, json!({"sub": "42"}), "open \"42\" "),
        (|_| {}, json!({"sub": ""}), "open \"\" "),
        (
            |_| {},
            json!({"sub": "42", "channels": ["b", "chat:a"]}),
            "open \"42\" b,chat:a",
        ),
        (
            |config| config.client.insecure = true,
            json!({"sub": "42", "exp": seconds - 1}),
            "109",
        ),
        (
            |_| {},
            json!({"sub": "42", "expire_at": seconds - 1}),
            "110",
        ),
        (
            |_| {},
            json!({"sub": "42", "channel": "news"}),
            "close 3500",
        ),
        (
            |_| {},
            json!({"sub": "42", "channels": ["nowhere:a"]}),
            "102",
        ),
    ];
    for (change, claims, expected) in cases {
        let mut client = Client::new(change);
        let token = if claims.is_null() {
            String::new()
        } else {
            sign(&claims)
        };
        let lines = client.send(&json!({"id": 1, "connect": {"token": token}}).to_string());
        let expected = expected
            .parse()
            .map_or(expected.to_owned(), |code| error(1, code));
        assert_eq!(lines[0], expected, "{claims}");
    }
    let mut client = Client::new(|config| config.client.insecure = true);
    assert_eq!(
        client.send(r#"{"id":1,"connect":{"token":"nonsense"}}"#),
        ["close 3500"]
    );
}

#[test]
fn the_token_of_the_upgrade_counts_when_the_command_has_none() {
    let mut client = Client::entering(|_| {}, &sign(&json!({"sub": "7"})), PingStyle::Message);
    assert_eq!(client.send(r#"{"id":1,"connect":{}}"#)[0], "open \"7\" ");
    let mut client = Client::entering(|_| {}, &sign(&json!({"sub": "7"})), PingStyle::Message);
    let token = sign(&json!({"sub": "8"}));
    assert_eq!(
        client.send(&json!({"id": 1, "connect": {"token": token}}).to_string())[0],
        "open \"8\" "
    );
}

#[test]
fn the_connect_reply_says_what_the_client_relies_on() {
    let mut client = Client::new(|_| {});
    let token = sign(&json!({"sub": "42", "exp": NOW + 60, "channels": ["chat:a"]}));
    let lines = client.send(&json!({"id": 3, "connect": {"token": token}}).to_string());
    let reply = format!(
        "{{\"id\":3,\"connect\":{{\"client\":\"c-1\",\"version\":\"{}\",\"expires\":true,\"ttl\":60,\
         \"subs\":{{\"chat:a\":{{}}}},\"ping\":25,\"pong\":true}}}}",
        super::super::VERSION
    );
    assert_eq!(lines, ["open \"42\" chat:a", &reply, "attach chat:a"]);
}

#[test]
fn a_refused_connect_leaves_the_connection_without_use_until_it_is_stale() {
    let mut client = Client::new(|_| {});
    let token = sign(&json!({"sub": "42", "exp": NOW - 1}));
    let connect = json!({"id": 1, "connect": {"token": token}}).to_string();
    assert_eq!(client.send(&connect), [error(1, 109)]);
    assert_eq!(client.wait(Duration::from_secs(9)), [""; 0]);
    assert_eq!(client.wait(Duration::from_secs(1)), ["close 3502"]);
    let mut client = Client::new(|_| {});
    let frame = format!("{connect}\n{connect}\n{connect}");
    assert_eq!(client.send(&frame), [error(1, 109)]);
    assert_eq!(client.send(&connect), ["close 3501"]);
}

#[test]
fn limits_and_failures_at_connect() {
    let mut client = Client::new(|config| config.client.insecure = true);
    client.open = Err(OpenError::ConnectionLimit);
    assert_eq!(client.send(r#"{"id":1,"connect":{}}"#)[1..], ["close 3504"]);
    let mut client = Client::new(|config| config.client.insecure = true);
    client.open = Err(OpenError::Join(Error::Unavailable("gone".into())));
    assert_eq!(
        client.send(r#"{"id":1,"connect":{}}"#)[1..],
        [error(1, 100)]
    );
    let mut client = Client::new(|config| config.client.channel_limit = 1);
    let token = sign(&json!({"sub": "42", "channels": ["a", "b"]}));
    assert_eq!(
        client.send(&json!({"id": 1, "connect": {"token": token}}).to_string()),
        ["close 3505"]
    );
    assert_eq!(
        Client::new(|_| {}).wait(Duration::from_secs(10)),
        ["close 3502"]
    );
}

#[test]
fn personal_channels_and_wishes_become_server_side_subscriptions() {
    let change = |config: &mut Config| {
        config.client.subscribe_to_user_personal_channel.enabled = true;
        config
            .client
            .subscribe_to_user_personal_channel
            .personal_channel_namespace = "chat".into();
    };
    let connect = |subs: Value, user: &str| {
        let token = sign(&json!({"sub": user}));
        Client::new(change)
            .send(&json!({"id": 1, "connect": {"token": token, "subs": subs}}).to_string())[0]
            .clone()
    };
    assert_eq!(connect(json!({}), "42"), "open \"42\" chat:#42");
    assert_eq!(connect(json!({}), ""), "open \"\" ");
    assert_eq!(
        connect(json!({"news": {}, "chat:closed": {}, "$private": {}}), "42"),
        "open \"42\" chat:#42,news"
    );
    assert_eq!(connect(json!({"nowhere:a": {}}), "42"), "close 3501");
}
