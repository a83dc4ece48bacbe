//! What expires, and how it is refreshed.

use super::*;

#[test]
fn an_expired_connection_has_a_grace_to_refresh() {
    let connect = |client: &mut Client| {
        let token = sign(&json!({"sub": "42", "exp": NOW + 60, "channels": ["a"]}));
        client.send(&json!({"id": 1, "connect": {"token": token}}).to_string());
    };
    let quiet = |config: &mut Config| config.client.ping_interval = Duration::ZERO;
    let mut client = Client::new(quiet);
    connect(&mut client);
    assert_eq!(client.wait(Duration::from_secs(84)), [""; 0]);
    assert_eq!(client.wait(Duration::from_secs(1)), ["close 3005"]);

    let mut client = Client::new(quiet);
    connect(&mut client);
    client.wait(Duration::from_secs(70));
    let token = sign(&json!({"sub": "42", "exp": NOW + 170, "channels": ["a"]}));
    let reply = client.send(&json!({"id": 2, "refresh": {"token": token}}).to_string());
    assert!(
        reply[0].contains(r#""expires":true,"ttl":100"#),
        "{reply:?}"
    );
    assert_eq!(client.wait(Duration::from_secs(124)), [""; 0]);
    assert_eq!(client.wait(Duration::from_secs(1)), ["close 3005"]);
}

#[test]
fn refresh_refusals() {
    let cases = [
        (json!({"sub": "42", "exp": NOW - 1}), "close 3005"),
        (json!({"sub": "43"}), "close 3500"),
        (json!({"sub": "42", "channels": ["new"]}), "close 3010"),
        (json!({"sub": "42", "channel": "a"}), "close 3500"),
    ];
    for (claims, expected) in cases {
        let command = json!({"id": 2, "refresh": {"token": sign(&claims)}}).to_string();
        assert_eq!(
            Client::connected(|_| {}).send(&command),
            [expected],
            "{claims}"
        );
    }
    check(|_| {}, &[r#"{"id":2,"refresh":{}}"#], &["close 3501"]);
    check(
        |_| {},
        &[r#"{"id":2,"refresh":{"token":"nonsense"}}"#],
        &["close 3500"],
    );
}

#[test]
fn an_expired_subscription_ends_with_2501_and_a_refreshed_one_goes_on() {
    let quiet = |config: &mut Config| config.client.ping_interval = Duration::ZERO;
    let token = |end: u64| sign(&json!({"sub": "42", "channel": "$a", "exp": end}));
    let subscribe =
        json!({"id": 2, "subscribe": {"channel": "$a", "token": token(NOW + 60)}}).to_string();
    let mut client = Client::connected(quiet);
    client.send(&subscribe);
    assert_eq!(client.wait(Duration::from_secs(84)), [""; 0]);
    let push =
        r#"{"push":{"channel":"$a","unsubscribe":{"code":2501,"reason":"subscription expired"}}}"#;
    assert_eq!(client.wait(Duration::from_secs(1)), ["detach $a", push]);

    let mut client = Client::connected(quiet);
    client.send(&subscribe);
    client.wait(Duration::from_secs(70));
    let refresh =
        json!({"id": 3, "sub_refresh": {"channel": "$a", "token": token(NOW + 100)}}).to_string();
    assert_eq!(
        client.send(&refresh),
        [r#"{"id":3,"sub_refresh":{"expires":true,"ttl":30}}"#]
    );
    assert_eq!(client.wait(Duration::from_secs(54)), [""; 0]);
    assert_eq!(client.wait(Duration::from_secs(1)), ["detach $a", push]);
}

#[test]
fn sub_refresh_refusals() {
    let subscribe = r#"{"id":2,"subscribe":{"channel":"news"}}"#;
    check(
        |_| {},
        &[r#"{"id":3,"sub_refresh":{"channel":"news","token":"t"}}"#],
        &[&error(3, 103)],
    );
    check(
        |_| {},
        &[subscribe, r#"{"id":3,"sub_refresh":{"channel":"news"}}"#],
        &[&error(3, 107)],
    );
    check(
        |_| {},
        &[
            subscribe,
            r#"{"id":3,"sub_refresh":{"channel":"news","token":"t"}}"#,
        ],
        &["close 3500"],
    );
    let expired = sign(&json!({"sub": "42", "channel": "news", "exp": NOW - 1}));
    let refresh =
        json!({"id": 3, "sub_refresh": {"channel": "news", "token": expired}}).to_string();
    check(|_| {}, &[subscribe, &refresh], &[&error(3, 110)]);
    let other = sign(&json!({"sub": "42", "channel": "other"}));
    let refresh = json!({"id": 3, "sub_refresh": {"channel": "news", "token": other}}).to_string();
    check(|_| {}, &[subscribe, &refresh], &["close 3500"]);
}
