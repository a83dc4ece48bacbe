//! What the application's backend says, and what the client is told.

mod orders;

use tidegate_backbone::Version;
use tidegate_codec::Failure;

use super::*;
use crate::auth::Expiry;
use crate::hooks::Grant;

const CONNECT: &str = r#"{"id":1,"connect":{"data":{"k":1},"name":"js","subs":{"news":{}}}}"#;
const SUBSCRIBE: &str = r#"{"id":2,"subscribe":{"channel":"chat:a","data":{"s":1}}}"#;
const PUBLISH: &str = r#"{"id":3,"publish":{"channel":"chat:a","data":{"a":1}}}"#;
const RPC: &str = r#"{"id":4,"rpc":{"method":"m","data":{"a":1}}}"#;

fn hooked(config: &mut Config) {
    config.client.proxy.connect.enabled = true;
    config.rpc.without_namespace.proxy_enabled = true;
    let chat = &mut config.channel.namespaces[0].options;
    chat.subscribe_proxy_enabled = true;
    chat.publish_proxy_enabled = true;
    chat.allow_publish_for_client = false;
}

fn renewing(config: &mut Config) {
    hooked(config);
    config.client.proxy.refresh.enabled = true;
    config.channel.namespaces[0]
        .options
        .sub_refresh_proxy_enabled = true;
}

fn granted(grant: Grant) -> Option<Result<Answer, Unanswered>> {
    Some(Ok(Answer::Granted(Box::new(grant))))
}

fn user(user: &str) -> Grant {
    Grant {
        user: user.to_owned(),
        ..Grant::default()
    }
}

fn refused() -> Option<Result<Answer, Unanswered>> {
    Some(Ok(Answer::Refused(Failure {
        code: 1000,
        message: "no".into(),
        temporary: false,
    })))
}

fn ended() -> Option<Result<Answer, Unanswered>> {
    Some(Ok(Answer::Disconnect(
        Disconnect::shortened(4500, "go").unwrap(),
    )))
}

const UNANSWERED: Option<Result<Answer, Unanswered>> = Some(Err(Unanswered::Busy));

/// Connected as `user` by the backend, until `at`.
fn connected(change: impl FnOnce(&mut Config), at: u64) -> Client {
    let mut client = Client::new(change);
    client.answer = granted(Grant {
        expiry: match at {
            0 => Expiry::Never,
            at => Expiry::At(i64::try_from(NOW + at).unwrap()),
        },
        ..user("u")
    });
    let lines = client.send(CONNECT);
    assert!(lines.len() == 3 && lines[1] == "open \"u\" ", "{lines:?}");
    client
}

#[test]
fn the_backend_says_who_a_client_without_a_token_is() {
    let mut client = Client::new(hooked);
    client.answer = granted(Grant {
        data: Some("{\"d\":1}".into()),
        subs: [("chat:b".to_owned(), Default::default())].into(),
        expiry: Expiry::At(i64::try_from(NOW + 10).unwrap()),
        ..user("u")
    });
    let lines = client.send(CONNECT);
    assert_eq!(
        lines[0],
        r#"ask "" Connect { data: b"{\"k\":1}", name: "js", version: "", channels: ["news"] }"#
    );
    assert_eq!(lines[1], "open \"u\" chat:b");
    let reply = &lines[2];
    for part in [
        r#""data":{"d":1}"#,
        r#""expires":true,"ttl":10"#,
        r#""subs":{"chat:b":{}}"#,
    ] {
        assert!(reply.contains(part), "{part} in {reply}");
    }
    assert_eq!(lines[3..], ["attach chat:b"]);
}

#[test]
fn a_token_needs_no_backend() {
    let mut client = Client::new(hooked);
    let token = sign(&json!({"sub": "42"}));
    let lines = client.send(&json!({"id": 1, "connect": {"token": token}}).to_string());
    assert_eq!(lines[0], "open \"42\" ");
}

#[test]
fn a_connect_fails_as_the_backend_says() {
    for (answer, expected) in [
        (
            refused(),
            r#"{"id":1,"error":{"code":1000,"message":"no"}}"#.to_owned(),
        ),
        (ended(), "close 4500 go".to_owned()),
        (UNANSWERED, error(1, 100)),
        (Some(Ok(Answer::Nothing)), "close 3501".to_owned()),
    ] {
        let mut client = Client::new(hooked);
        client.answer = answer;
        assert_eq!(client.send(CONNECT)[1..], [expected]);
    }
    let mut client = Client::new(hooked);
    client.answer = granted(Grant {
        expiry: Expiry::At(5),
        ..user("u")
    });
    assert_eq!(client.send(CONNECT)[1..], [error(1, 110)]);
}

#[test]
fn everything_waits_for_the_connect_and_a_channel_for_its_subscribe() {
    let waits = |client: &Client, frame: &str| {
        let frames = Format::Json.decode(&frame.to_owned().into(), 1).unwrap();
        let frame = frames.into_iter().next().unwrap();
        match frame {
            tidegate_codec::Frame::Command(command) => client.session.must_wait(&command),
            other => panic!("{other:?}"),
        }
    };
    let mut client = Client::new(hooked);
    client.send(CONNECT);
    assert!(waits(&client, RPC) && waits(&client, SUBSCRIBE));
    let mut client = connected(hooked, 0);
    client.send(SUBSCRIBE);
    assert!(waits(&client, PUBLISH) && !waits(&client, RPC));
}

#[test]
fn the_backend_says_who_may_subscribe() {
    for (answer, expected) in [
        (
            granted(Grant::default()),
            vec![
                "join chat:a".to_owned(),
                r#"{"id":2,"subscribe":{}}"#.to_owned(),
                "attach chat:a".to_owned(),
            ],
        ),
        (
            Some(Ok(Answer::Nothing)),
            vec![
                "join chat:a".to_owned(),
                r#"{"id":2,"subscribe":{}}"#.to_owned(),
                "attach chat:a".to_owned(),
            ],
        ),
        (
            refused(),
            vec![r#"{"id":2,"error":{"code":1000,"message":"no"}}"#.to_owned()],
        ),
        (ended(), vec!["close 4500 go".to_owned()]),
        (UNANSWERED, vec![error(2, 100)]),
    ] {
        let mut client = connected(hooked, 0);
        client.answer = answer;
        let lines = client.send(SUBSCRIBE);
        assert_eq!(
            lines[0],
            r#"ask "u" Subscribe { channel: "chat:a", data: b"{\"s\":1}" }"#
        );
        assert_eq!(lines[1..], expected);
    }
}

#[test]
fn a_failed_question_frees_the_channel_and_its_room() {
    let mut client = connected(
        |config| {
            hooked(config);
            config.client.channel_limit = 1;
        },
        0,
    );
    client.answer = UNANSWERED;
    client.send(SUBSCRIBE);
    client.answer = granted(Grant::default());
    assert!(client.send(SUBSCRIBE).contains(&"attach chat:a".to_owned()));
}

#[test]
fn names_and_tokens_that_decide_are_not_asked_about() {
    let change = |config: &mut Config| {
        hooked(config);
        config.channel.namespaces[0]
            .options
            .allow_user_limited_channels = true;
    };
    let first = |frame: String| connected(change, 0).send(&frame)[0].clone();
    let subscribe = |name: &str| json!({"id": 2, "subscribe": {"channel": name}}).to_string();
    assert_eq!(first(subscribe("chat:a#u")), "join chat:a#u");
    assert_eq!(first(subscribe("chat:a#v")), error(2, 103));
    assert_eq!(first(subscribe("$chat:a")), error(2, 103));
    let token = sign(&json!({"sub": "u", "channel": "chat:a"}));
    let with = json!({"id": 2, "subscribe": {"channel": "chat:a", "token": token}});
    assert_eq!(first(with.to_string()), "join chat:a");
}

#[test]
fn the_backend_says_what_is_published() {
    let changed = Grant {
        data: Some("2".into()),
        ..Grant::default()
    };
    let versioned = Grant {
        version: Version::given(7, "e".to_owned()),
        ..Grant::default()
    };
    let unstored = Grant {
        skips_history: true,
        ..Grant::default()
    };
    let reply = r#"{"id":3,"publish":{}}"#.to_owned();
    let published = |data: &str| format!("publish chat:a b\"{data}\" Some(\"u\")");
    for (answer, expected) in [
        (
            granted(Grant::default()),
            vec![published(r#"{\"a\":1}"#), reply.clone()],
        ),
        (granted(changed), vec![published("2"), reply.clone()]),
        (
            granted(versioned),
            vec![published(r#"{\"a\":1}"#) + r#" as 7 of "e""#, reply.clone()],
        ),
        (
            granted(unstored),
            vec![published(r#"{\"a\":1}"#) + " past the history", reply],
        ),
        (
            refused(),
            vec![r#"{"id":3,"error":{"code":1000,"message":"no"}}"#.to_owned()],
        ),
        (ended(), vec!["close 4500 go".to_owned()]),
        (UNANSWERED, vec![error(3, 100)]),
    ] {
        let mut client = connected(hooked, 0);
        client.answer = answer;
        assert_eq!(client.send(PUBLISH)[1..], expected);
    }
}

#[test]
fn what_was_published_before_leaving_is_published() {
    let mut client = connected(hooked, 0);
    client.send(PUBLISH);
    client.step(|session, _, actions| session.close(DisconnectCode::ConnectionClosed, actions));
    let lines = client.step(|session, now, actions| {
        session.answered(1, Ok(Answer::Nothing), now, actions);
    });
    assert!(lines[0].starts_with("publish chat:a"), "{lines:?}");
}

#[test]
fn calls_are_answered_by_the_backend() {
    let answered = Grant {
        data: Some("{\"r\":1}".into()),
        ..Grant::default()
    };
    for (answer, expected) in [
        (
            granted(answered),
            r#"{"id":4,"rpc":{"data":{"r":1}}}"#.to_owned(),
        ),
        (granted(Grant::default()), r#"{"id":4,"rpc":{}}"#.to_owned()),
        (
            refused(),
            r#"{"id":4,"error":{"code":1000,"message":"no"}}"#.to_owned(),
        ),
        (ended(), "close 4500 go".to_owned()),
        (UNANSWERED, error(4, 100)),
    ] {
        let mut client = connected(hooked, 0);
        client.answer = answer;
        let lines = client.send(RPC);
        assert_eq!(
            lines[0],
            r#"ask "u" Rpc { method: "m", data: b"{\"a\":1}" }"#
        );
        assert_eq!(lines[1..], [expected]);
    }
}

#[test]
fn a_connection_that_expires_goes_on_for_as_long_as_the_backend_says() {
    let renewed = |expiry| {
        granted(Grant {
            expiry,
            ..Grant::default()
        })
    };
    let expired = granted(Grant {
        is_expired: true,
        ..Grant::default()
    });
    let later = Expiry::At(i64::try_from(NOW + 30).unwrap());
    for (answer, ends_after) in [
        (renewed(later), Some(20)),
        (renewed(Expiry::Never), None),
        (UNANSWERED, Some(60)),
        (expired, Some(0)),
        (Some(Ok(Answer::Nothing)), Some(0)),
        (refused(), Some(0)),
    ] {
        let mut client = connected(renewing, 10);
        client.answer = answer.clone();
        let lines = client.wait(Duration::from_secs(10));
        let asked = lines.iter().any(|line| line == "ask \"u\" Refresh");
        assert!(asked, "{lines:?}");
        let is_over = lines.contains(&"close 3005".to_owned());
        assert_eq!(is_over, ends_after == Some(0), "{answer:?}: {lines:?}");
        if let State::Open(identity) = &client.session.state {
            let left = identity.deadline.map(|at| at - client.now.instant);
            assert_eq!(left, ends_after.map(Duration::from_secs), "{answer:?}");
        }
    }
}

#[test]
fn with_a_backend_to_ask_clients_are_not_told_to_refresh() {
    let mut client = Client::new(renewing);
    client.answer = granted(Grant {
        expiry: Expiry::At(i64::try_from(NOW + 10).unwrap()),
        ..user("u")
    });
    assert!(!client.send(CONNECT)[2].contains("expires"));
}

#[test]
fn a_subscription_that_expires_goes_on_for_as_long_as_the_backend_says() {
    let subscribed = || {
        let mut client = connected(renewing, 0);
        client.answer = granted(Grant {
            expiry: Expiry::At(i64::try_from(NOW + 5).unwrap()),
            ..Grant::default()
        });
        assert_eq!(client.send(SUBSCRIBE)[2], r#"{"id":2,"subscribe":{}}"#);
        client
    };
    let ended = r#"{"push":{"channel":"chat:a","unsubscribe":{"code":2501,"reason":"subscription expired"}}}"#;
    for (answer, is_over) in [
        (granted(Grant::default()), false),
        (UNANSWERED, false),
        (refused(), true),
        (Some(Ok(Answer::Nothing)), true),
    ] {
        let mut client = subscribed();
        client.answer = answer;
        let lines = client.wait(Duration::from_secs(5));
        assert_eq!(lines[0], r#"ask "u" SubRefresh { channel: "chat:a" }"#);
        assert_eq!(lines.contains(&ended.to_owned()), is_over, "{lines:?}");
    }
}

#[test]
fn the_backend_is_told_of_every_end() {
    let told = |config: &mut Config| {
        config.client.proxy.disconnect.enabled = true;
        let chat = &mut config.channel.namespaces[0].options;
        (
            chat.unsubscribe_proxy_enabled,
            chat.allow_subscribe_for_client,
        ) = (true, true);
    };
    let subscribe =
        |id: u32, channel: &str| json!({"id": id, "subscribe": {"channel": channel}}).to_string();
    let mut client = Client::connected(told);
    client.send(&subscribe(2, "chat:a"));
    let lines = client.send(r#"{"id":3,"unsubscribe":{"channel":"chat:a"}}"#);
    let left =
        r#"tell "42" Unsubscribe { channel: "chat:a", code: 0, reason: "client unsubscribed" }"#;
    assert_eq!(lines[0], left);
    // A second time there is nothing to tell of.
    let lines = client.send(r#"{"id":4,"unsubscribe":{"channel":"chat:a"}}"#);
    assert_eq!(lines, [r#"{"id":4,"unsubscribe":{}}"#]);

    client.send(&subscribe(5, "chat:b"));
    client.send(&subscribe(6, "news"));
    let code = DisconnectCode::ConnectionClosed;
    let lines = client.step(|session, _, actions| session.close(code, actions));
    assert_eq!(
        lines,
        [
            r#"tell "42" Unsubscribe { channel: "chat:b", code: 1, reason: "disconnected" }"#,
            r#"tell "42" Disconnect { code: 3000, reason: "connection closed" }"#,
            "close 3000",
        ]
    );
    let lines = client.step(|session, _, actions| session.close(code, actions));
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn nothing_is_told_of_who_never_came_in() {
    let mut client = Client::new(|config| config.client.proxy.disconnect.enabled = true);
    let lines = client.wait(Duration::from_secs(10));
    assert_eq!(lines, ["close 3502"]);
}

#[test]
fn a_subscription_that_came_with_the_connect_expires_by_itself() {
    let options = crate::auth::SubscriptionOptions {
        expiry: Expiry::At(i64::try_from(NOW + 5).unwrap()),
        ..Default::default()
    };
    let mut client = Client::new(hooked);
    client.answer = granted(Grant {
        subs: [("chat:b".to_owned(), options.clone())].into(),
        ..user("u")
    });
    let lines = client.send(CONNECT);
    let told = r#""subs":{"chat:b":{"expires":true,"ttl":5}}"#;
    assert!(lines[2].contains(told), "{lines:?}");
    assert_eq!(client.wait(Duration::from_secs(5)), [""; 0]);
    let lines = client.wait(Duration::from_secs(25));
    assert!(lines.contains(&"close 3006".to_owned()), "{lines:?}");

    // With somebody to ask it goes on.
    let mut client = Client::new(renewing);
    client.answer = granted(Grant {
        subs: [("chat:b".to_owned(), options)].into(),
        ..user("u")
    });
    assert!(client.send(CONNECT)[2].contains(r#""subs":{"chat:b":{}}"#));
    client.answer = granted(Grant::default());
    let lines = client.wait(Duration::from_secs(5));
    assert_eq!(lines, [r#"ask "u" SubRefresh { channel: "chat:b" }"#]);
}
