//! The session's rules, as tables: what a client sends, and what comes of it.

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tidegate_backbone::Error;
use tidegate_codec::Format;

use super::{Action, Actions, Entry, Moment, OpenError, Operation, Outcome, PingStyle, Session};
use crate::config::{Config, Namespace};
use crate::rules::Rules;

const NOW: u64 = 1_700_000_000;
const SECRET: &str = "a secret of this test alone, 32 bytes";

/// A connection or subscription token with these claims.
fn sign(claims: &Value) -> String {
    let parts = [json!({"alg": "HS256"}), claims.clone()];
    let parts = parts.map(|part| URL_SAFE_NO_PAD.encode(part.to_string()));
    let signed = parts.join(".");
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(hmac::sign(&key, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// A session with a clock, whose operations succeed unless told otherwise.
struct Client {
    session: Session,
    now: Moment,
    open: Result<(), OpenError>,
    join: Result<(), Error>,
    publish: Result<(), Error>,
}

impl Client {
    fn new(change: impl FnOnce(&mut Config)) -> Self {
        Self::entering(change, "", PingStyle::Message)
    }

    fn entering(change: impl FnOnce(&mut Config), token: &str, pings: PingStyle) -> Self {
        let mut config = Config::default();
        config.client.token.hmac_secret_key = SECRET.into();
        config.channel.without_namespace.allow_subscribe_for_client = true;
        config
            .channel
            .without_namespace
            .allow_publish_for_subscriber = true;
        let mut chat = Namespace {
            name: "chat".into(),
            ..Namespace::default()
        };
        chat.options.allow_publish_for_client = true;
        config.channel.namespaces.push(chat);
        change(&mut config);
        let now = Moment {
            instant: Instant::now(),
            wall: SystemTime::UNIX_EPOCH + Duration::from_secs(NOW),
        };
        let client = "c-1".to_owned();
        let entry = Entry {
            client,
            format: Format::Json,
            token: token.to_owned(),
            pings,
            phase: 0.0,
        };
        let session = Session::new(Arc::new(Rules::new(&config).unwrap()), entry, now);
        Self {
            session,
            now,
            open: Ok(()),
            join: Ok(()),
            publish: Ok(()),
        }
    }

    /// Connected as user 42.
    fn connected(change: impl FnOnce(&mut Config)) -> Self {
        let mut client = Self::new(change);
        let token = sign(&json!({"sub": "42"}));
        let lines = client.send(&json!({"id": 1, "connect": {"token": token}}).to_string());
        assert!(lines[1].contains("\"connect\":{"), "{lines:?}");
        client
    }

    /// Sends a frame, and gives what comes of it as lines: replies and pushes as they stand on the wire, the rest in words.
    fn send(&mut self, frame: &str) -> Vec<String> {
        let mut lines = Vec::new();
        for frame in Format::Json.decode(&frame.to_owned().into(), 100).unwrap() {
            lines.extend(self.step(|session, now, actions| session.handle(frame, now, actions)));
        }
        lines
    }

    fn wait(&mut self, time: Duration) -> Vec<String> {
        self.now.instant += time;
        self.now.wall += time;
        self.step(Session::tick)
    }

    fn step(&mut self, input: impl FnOnce(&mut Session, Moment, &mut Actions)) -> Vec<String> {
        let mut actions = Actions::new();
        input(&mut self.session, self.now, &mut actions);
        let mut lines = Vec::new();
        while !actions.is_empty() {
            let mut next = Actions::new();
            for action in actions {
                if let Action::Perform(operation) = &action {
                    let outcome = match operation {
                        Operation::Open { .. } => Outcome::Opened(self.open.clone()),
                        Operation::Join(_) => Outcome::Joined(self.join.clone()),
                    };
                    self.session.complete(outcome, self.now, &mut next);
                }
                if let Action::Publish { id, .. } = action {
                    self.session.published(id, &self.publish, &mut next);
                }
                lines.push(line(&action));
            }
            actions = next;
        }
        lines
    }
}

fn line(action: &Action) -> String {
    let text = |bytes: bytes::Bytes| String::from_utf8(bytes.to_vec()).unwrap();
    match action {
        Action::Reply(reply) => text(Format::Json.encode_reply(reply).unwrap()),
        Action::Push(push) => text(Format::Json.encode_push(push).unwrap()),
        Action::Ping => "ping".to_owned(),
        Action::Attach(channel) => format!("attach {channel}"),
        Action::Detach(channel) => format!("detach {channel}"),
        Action::Perform(Operation::Open { user, channels }) => {
            format!(
                "open {user:?} {}",
                channels
                    .iter()
                    .map(|channel| channel.as_str())
                    .collect::<Vec<_>>()
                    .join(",")
            )
        }
        Action::Perform(Operation::Join(channel)) => format!("join {channel}"),
        Action::Publish {
            channel,
            publication,
            ..
        } => {
            format!(
                "publish {channel} {:?} {:?}",
                publication.data,
                publication.info.as_ref().map(|info| &info.user)
            )
        }
        Action::Close(code) => format!("close {}", code.code()),
    }
}

fn error(id: u32, code: u32) -> String {
    let code = tidegate_codec::ErrorCode::ALL
        .iter()
        .find(|known| known.code() == code)
        .unwrap();
    let temporary = if code.is_temporary() {
        ",\"temporary\":true"
    } else {
        ""
    };
    format!(
        "{{\"id\":{id},\"error\":{{\"code\":{},\"message\":\"{}\"{temporary}}}}}",
        code.code(),
        code.message()
    )
}

/// What the last line of a reply is, by one command after a successful connect.
fn check(change: fn(&mut Config), commands: &[&str], expected: &[&str]) {
    let mut client = Client::connected(change);
    let mut lines = Vec::new();
    for command in commands {
        lines = client.send(command);
    }
    assert_eq!(lines, expected, "after {commands:?}");
}

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
        super::VERSION
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
    assert_eq!(
        client.send(&frame),
        [error(1, 109), "close 3501".to_owned()]
    );
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
    client.join = Ok(());
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
fn publish() {
    let subscribe = r#"{"id":2,"subscribe":{"channel":"news"}}"#;
    let publish = r#"{"id":3,"publish":{"channel":"news","data":{"a":1}}}"#;
    check(|_| {}, &[publish], &[&error(3, 103)]);
    let published = [
        "publish news b\"{\\\"a\\\":1}\" Some(\"42\")",
        r#"{"id":3,"publish":{}}"#,
    ];
    check(|_| {}, &[subscribe, publish], &published);
    check(
        |_| {},
        &[r#"{"id":3,"publish":{"channel":"nowhere:a","data":1}}"#],
        &[&error(3, 102)],
    );
    check(
        |_| {},
        &[r#"{"id":3,"publish":{"channel":"chat:a"}}"#],
        &[&error(3, 107)],
    );
    check(
        |_| {},
        &[r#"{"id":3,"publish":{"channel":"","data":1}}"#],
        &["close 3501"],
    );
    for (result, code) in [
        (Error::Unavailable("gone".into()), 100),
        (Error::TooLarge { size: 2, limit: 1 }, 107),
    ] {
        let mut client = Client::connected(|_| {});
        client.publish = Err(result);
        let lines = client.send(r#"{"id":3,"publish":{"channel":"chat:a","data":1}}"#);
        assert_eq!(lines[1..], [error(3, code)]);
    }
}

#[test]
fn what_is_not_offered_says_so() {
    check(
        |_| {},
        &[r#"{"id":2,"rpc":{"method":"m","data":{}}}"#],
        &[&error(2, 108)],
    );
    check(
        |_| {},
        &[r#"{"id":2,"history":{"channel":"news"}}"#],
        &[&error(2, 108)],
    );
    check(|_| {}, &[r#"{"send":{"data":{}}}"#], &["close 3508"]);
    check(|_| {}, &[r#"{"id":2,"send":{"data":{}}}"#], &["close 3508"]);
    check(
        |_| {},
        &[r#"{"subscribe":{"channel":"news"}}"#],
        &["close 3501"],
    );
    check(|_| {}, &[r#"{"id":2,"connect":{}}"#], &["close 3501"]);
    check(|_| {}, &[r#"{"id":2,"ping":{}}"#], &["close 3501"]);
    check(|_| {}, &[r#"{"id":2,"something":{}}"#], &["close 3501"]);
}

#[test]
fn connect_and_subscribes_in_one_frame_are_answered_in_order() {
    let mut client = Client::new(|config| config.client.insecure = true);
    let lines = client.send(concat!(
        "{\"id\":1,\"connect\":{}}\n{\"id\":2,\"subscribe\":{\"channel\":\"a\"}}\n",
        "{\"id\":3,\"subscribe\":{\"channel\":\"b\"}}\n"
    ));
    let ids: Vec<&str> = lines
        .iter()
        .filter_map(|line| line.strip_prefix("{\"id\":"))
        .map(|line| &line[..1])
        .collect();
    assert_eq!(ids, ["1", "2", "3"]);
}

#[test]
fn exactly_one_pong_answers_a_ping() {
    let mut client = Client::connected(|_| {});
    assert_eq!(client.wait(Duration::from_millis(12_499)), [""; 0]);
    assert_eq!(client.wait(Duration::from_millis(1)), ["ping"]);
    assert_eq!(client.send("{}"), [""; 0]);
    assert_eq!(client.wait(Duration::from_secs(25)), ["ping"]);
    assert_eq!(client.send("{}\n{}"), ["close 3501"]);
    assert_eq!(Client::connected(|_| {}).send("{}"), ["close 3501"]);
}

#[test]
fn a_ping_without_its_pong_ends_the_connection() {
    let mut client = Client::connected(|_| {});
    assert_eq!(client.wait(Duration::from_millis(12_500)), ["ping"]);
    assert_eq!(client.wait(Duration::from_millis(7_999)), [""; 0]);
    assert_eq!(client.wait(Duration::from_millis(1)), ["close 3012"]);
}

#[test]
fn frame_pings_are_not_announced_and_stray_pongs_are_fine() {
    let mut client = Client::entering(|config| config.client.insecure = true, "", PingStyle::Frame);
    let lines = client.send(r#"{"id":1,"connect":{}}"#);
    assert!(
        !lines[1].contains("ping") && !lines[1].contains("pong"),
        "{lines:?}"
    );
    client.session.pong_frame();
    assert_eq!(client.wait(Duration::from_millis(12_500)), ["ping"]);
    client.session.pong_frame();
    assert_eq!(client.wait(Duration::from_secs(25)), ["ping"]);
    assert_eq!(client.wait(Duration::from_secs(8)), ["close 3012"]);
}

#[test]
fn pong_frames_do_not_answer_message_pings() {
    let mut client = Client::connected(|_| {});
    assert_eq!(client.wait(Duration::from_millis(12_500)), ["ping"]);
    client.session.pong_frame();
    assert_eq!(client.wait(Duration::from_secs(8)), ["close 3012"]);
}

#[test]
fn no_pings_when_they_are_off() {
    let mut client = Client::connected(|config| config.client.ping_interval = Duration::ZERO);
    assert_eq!(client.session.deadline(), None);
    assert_eq!(client.wait(Duration::from_secs(3_600)), [""; 0]);
}

#[test]
fn the_first_pings_of_many_are_spread_over_half_an_interval() {
    let first_ping = |phase: f64| {
        let mut client = Client::new(|config| config.client.insecure = true);
        client.session.entry.phase = phase;
        client.send(r#"{"id":1,"connect":{}}"#);
        client.session.deadline().unwrap() - client.now.instant
    };
    assert_eq!(first_ping(0.0), Duration::from_millis(12_500));
    assert_eq!(first_ping(0.5), Duration::from_millis(18_750));
    assert_eq!(first_ping(1.0), Duration::from_secs(25));
}

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

#[test]
fn too_many_commands_are_refused_then_end_the_connection() {
    let mut client = Client::connected(|config| config.client.command_rate_limit = 2);
    let lines: Vec<String> = (2..8)
        .flat_map(|id| client.send(&format!(r#"{{"id":{id},"rpc":{{}}}}"#)))
        .collect();
    assert_eq!(
        lines,
        [
            error(2, 108),
            error(3, 108),
            error(4, 111),
            error(5, 111),
            "close 3013".to_owned()
        ]
    );
}
