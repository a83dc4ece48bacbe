//! `subscribe` and `unsubscribe`.

use tidegate_backbone::Channel;
use tidegate_codec::Frame;

use super::*;

#[test]
fn subscribe_is_answered_before_delivery_starts() {
    check(
        |_| {},
        &[r#"{"id":2,"subscribe":{"channel":"news"}}"#],
        &["join news", r#"{"id":2,"subscribe":{}}"#, "attach news"],
    );
}

#[test]
fn subscribe_refusals() {
    let long = format!(
        r#"{{"id":2,"subscribe":{{"channel":"{}"}}}}"#,
        "x".repeat(256)
    );
    let cases: [(&str, u32); 12] = [
        (r#"{"id":2,"subscribe":{"channel":"news","type":4}}"#, 108),
        (r#"{"id":2,"subscribe":{"channel":"news","type":1}}"#, 103),
        (r#"{"id":2,"subscribe":{"channel":"news","type":9}}"#, 107),
        (&long, 107),
        (r#"{"id":2,"subscribe":{"channel":"nowhere:a"}}"#, 102),
        (r#"{"id":2,"subscribe":{"channel":"новости"}}"#, 107),
        (r#"{"id":2,"subscribe":{"channel":"$news"}}"#, 103),
        (r#"{"id":2,"subscribe":{"channel":"chat:a"}}"#, 103),
        (
            r#"{"id":2,"subscribe":{"channel":"news","token":"nonsense"}}"#,
            103,
        ),
        (
            r#"{"id":2,"subscribe":{"channel":"news","tf":{"op":"","key":"a","cmp":"ex"}}}"#,
            107,
        ),
        (r#"{"id":2,"presence":{"channel":"news"}}"#, 108),
        (r#"{"id":2,"presence_stats":{"channel":"nowhere:a"}}"#, 102),
    ];
    for (command, code) in cases {
        check(|_| {}, &[command], &[&error(2, code)]);
    }
    check(
        |_| {},
        &[r#"{"id":2,"subscribe":{"channel":""}}"#],
        &["close 3501"],
    );
    check(
        |_| {},
        &[r#"{"id":2,"subscribe":{"channel":"news","delta":"xdelta"}}"#],
        &["close 3501"],
    );
    let subscribe = r#"{"id":2,"subscribe":{"channel":"news"}}"#;
    check(|_| {}, &[subscribe, subscribe], &[&error(2, 105)]);
    let other = r#"{"id":2,"subscribe":{"channel":"other"}}"#;
    check(
        |config| config.client.channel_limit = 1,
        &[subscribe, other],
        &[&error(2, 106)],
    );
}

#[test]
fn a_failed_subscribe_frees_its_place() {
    let mut client = Client::connected(|config| config.client.channel_limit = 1);
    client.join = Err(Error::Unavailable("gone".into()));
    let subscribe = r#"{"id":2,"subscribe":{"channel":"news"}}"#;
    assert_eq!(client.send(subscribe), ["join news", &error(2, 100)]);
    client.join = Ok(Landing::default());
    assert_eq!(client.send(subscribe).last().unwrap(), "attach news");
}

#[test]
fn subscription_tokens() {
    let seconds = i64::try_from(NOW).unwrap();
    let cases = [
        (
            json!({"sub": "42", "channel": "$news"}),
            r#"{"id":2,"subscribe":{}}"#.to_owned(),
        ),
        (
            json!({"sub": "42", "channel": "$news", "exp": seconds + 30, "data": {"a": 1}}),
            r#"{"id":2,"subscribe":{"expires":true,"ttl":30,"data":{"a":1}}}"#.to_owned(),
        ),
        (
            json!({"sub": "42", "channel": "$news", "client": "c-1"}),
            r#"{"id":2,"subscribe":{}}"#.to_owned(),
        ),
        (
            json!({"sub": "42", "channel": "$news", "exp": seconds - 1}),
            error(2, 109),
        ),
        (
            json!({"sub": "42", "channel": "$news", "expire_at": seconds - 1}),
            error(2, 110),
        ),
        (json!({"sub": "42"}), error(2, 103)),
        (
            json!({"sub": "42", "channel": "$other"}),
            "close 3500".to_owned(),
        ),
        (
            json!({"sub": "43", "channel": "$news"}),
            "close 3500".to_owned(),
        ),
        (
            json!({"sub": "42", "channel": "$news", "client": "c-2"}),
            "close 3500".to_owned(),
        ),
    ];
    for (claims, expected) in cases {
        let command =
            json!({"id": 2, "subscribe": {"channel": "$news", "token": sign(&claims)}}).to_string();
        let lines = Client::connected(|_| {}).send(&command);
        assert!(lines.contains(&expected), "{claims}: {lines:?}");
    }
}

#[test]
fn unsubscribe_always_succeeds() {
    let subscribe = r#"{"id":2,"subscribe":{"channel":"news"}}"#;
    let unsubscribe = r#"{"id":3,"unsubscribe":{"channel":"news"}}"#;
    check(
        |_| {},
        &[subscribe, unsubscribe],
        &["detach news", r#"{"id":3,"unsubscribe":{}}"#],
    );
    check(|_| {}, &[unsubscribe], &[r#"{"id":3,"unsubscribe":{}}"#]);
    check(
        |_| {},
        &[r#"{"id":3,"unsubscribe":{"channel":"nowhere:a"}}"#],
        &[r#"{"id":3,"unsubscribe":{}}"#],
    );
    check(
        |_| {},
        &[subscribe, unsubscribe, subscribe],
        &["join news", r#"{"id":2,"subscribe":{}}"#, "attach news"],
    );
    check(
        |_| {},
        &[r#"{"id":3,"unsubscribe":{"channel":""}}"#],
        &["close 3501"],
    );
}

#[test]
fn while_a_channel_is_joined_only_what_concerns_it_waits() {
    let mut client = Client::connected(|config| config.client.channel_limit = 2);
    let mut actions = Actions::new();
    let frames = concat!(
        "{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n",
        "{\"id\":3,\"unsubscribe\":{\"channel\":\"a\"}}\n",
        "{\"id\":4,\"publish\":{\"channel\":\"a\",\"data\":1}}\n",
        "{\"id\":5,\"subscribe\":{\"channel\":\"b\"}}\n",
        "{\"id\":6,\"rpc\":{}}",
    );
    let commands = Format::Json.decode(&frames.into(), 100).unwrap();
    let commands = commands.into_iter().map(|element| match element {
        Frame::Command(command) => command,
        Frame::Pong => panic!("no pong was sent"),
    });
    let mut waiting = Vec::new();
    for command in commands {
        if client.session.must_wait(&command) {
            waiting.push(command.id);
        } else {
            let frame = Frame::Command(command);
            client.session.handle(frame, client.now, &mut actions);
        }
    }
    assert_eq!(waiting, [3, 4]);
    let lines: Vec<String> = actions.iter().map(line).collect();
    assert_eq!(lines, ["join a", "join b", &error(6, 108)]);

    // The places are taken, though nothing is joined yet; the later join may end first.
    assert_eq!(
        client.send(r#"{"id":7,"subscribe":{"channel":"c"}}"#),
        [error(7, 106)]
    );
    let b = Channel::parse("b").unwrap();
    let lines =
        client.step(|session, _, actions| session.joined(b, Ok(Landing::default()), actions));
    assert_eq!(lines, [r#"{"id":5,"subscribe":{}}"#, "attach b"]);
    let a = Channel::parse("a").unwrap();
    let failed = Err(Error::Unavailable("gone".into()));
    let lines = client.step(|session, _, actions| session.joined(a, failed, actions));
    assert_eq!(lines, [error(2, 100)]);
}
