//! `presence` and `presence_stats`, and what others are told.

use std::collections::BTreeMap;

use tidegate_backbone::Channel;

use super::*;
use crate::config::NamespaceOptions;
use crate::session::Standing;

const PRESENCE: &str = r#"{"id":2,"presence":{"channel":"news"}}"#;
const STATS: &str = r#"{"id":2,"presence_stats":{"channel":"news"}}"#;
const SUBSCRIBE: &str = r#"{"id":9,"subscribe":{"channel":"news","join_leave":true}}"#;

fn options(config: &mut Config) -> &mut NamespaceOptions {
    &mut config.channel.without_namespace
}

#[test]
fn refusals_come_in_the_documented_order() {
    let on = |config: &mut Config| options(config).presence = true;
    let for_client = |config: &mut Config| {
        options(config).presence = true;
        options(config).allow_presence_for_client = true;
    };
    for command in [PRESENCE, STATS] {
        check(|_| {}, &[command], &[&error(2, 108)]);
        check(on, &[command], &[&error(2, 103)]);
        check(on, &[SUBSCRIBE, command], &[&error(2, 103)]);
        check(
            for_client,
            &[&command.replace("news", "nowhere:a")],
            &[&error(2, 102)],
        );
        check(
            for_client,
            &[&command.replace("news", &"x".repeat(256))],
            &[&error(2, 107)],
        );
        check(for_client, &[&command.replace("news", "")], &["close 3501"]);
    }
}

#[test]
fn those_who_may_ask_are_answered() {
    let for_subscriber = |config: &mut Config| {
        options(config).presence = true;
        options(config).allow_presence_for_subscriber = true;
    };
    check(for_subscriber, &[PRESENCE], &[&error(2, 103)]);
    let mut client = Client::connected(for_subscriber);
    client.send(SUBSCRIBE);
    let nobody = error(2, 100);
    assert_eq!(client.send(PRESENCE), ["who is in news", &nobody]);
    client.presence = Err(PresenceError::TooMany);
    assert_eq!(client.send(PRESENCE)[1], error(2, 106));
    let info = tidegate_codec::ClientInfo {
        user: "42".to_owned(),
        client: "c-1".to_owned(),
        ..Default::default()
    };
    let members = BTreeMap::from([("c-1".to_owned(), info)]);
    client.presence = Ok(PresenceAnswer::Members(members));
    assert_eq!(
        client.send(PRESENCE)[1],
        r#"{"id":2,"presence":{"presence":{"c-1":{"user":"42","client":"c-1"}}}}"#
    );
    client.presence = Ok(PresenceAnswer::Counts {
        clients: 2,
        users: 0,
    });
    let reply = r#"{"id":2,"presence_stats":{"num_clients":2,"num_users":0}}"#;
    assert_eq!(client.send(STATS), ["how many are in news", reply]);
}

#[test]
fn a_session_that_has_ended_is_not_answered() {
    let mut client = Client::connected(|config| {
        options(config).presence = true;
        options(config).allow_presence_for_client = true;
    });
    let mut actions = Actions::new();
    client
        .session
        .close(tidegate_codec::DisconnectCode::Shutdown, &mut actions);
    actions.clear();
    let counts = PresenceAnswer::Counts {
        clients: 1,
        users: 1,
    };
    client
        .session
        .presence_answered(2, Ok(counts), &mut actions);
    assert_eq!(actions, []);
}

/// What others are told of a subscription to `news`, asked for with `join_leave`.
fn standing(change: fn(&mut NamespaceOptions), overrides: &Value) -> (bool, bool, bool) {
    let mut client = Client::connected(|config| change(options(config)));
    let claims = json!({"sub": "42", "channel": "news", "override": overrides});
    let mut command: Value = serde_json::from_str(SUBSCRIBE).unwrap();
    if !overrides.is_null() {
        command["subscribe"]["token"] = sign(&claims).into();
    }
    client.send(&command.to_string());
    let Standing {
        is_shown,
        is_announced,
        is_hearing,
    } = client.session.standing(&Channel::parse("news").unwrap());
    (is_shown, is_announced, is_hearing)
}

#[test]
fn namespace_and_token_say_what_others_are_told() {
    let none = Value::Null;
    let on = |name: &str| json!({name: {"value": true}});
    let off = |name: &str| json!({name: {"value": false}});
    let all = |it: &mut NamespaceOptions| {
        (it.presence, it.join_leave, it.force_push_join_leave) = (true, true, true);
    };
    let asked = |it: &mut NamespaceOptions| {
        (it.join_leave, it.allow_presence_for_subscriber) = (true, true);
    };
    type Change = fn(&mut NamespaceOptions);
    let cases: [(Change, &Value, (bool, bool, bool)); 11] = [
        (|_| {}, &none, (false, false, false)),
        (|it| it.presence = true, &none, (true, false, false)),
        // Who may not ask for presence hears nothing.
        (|it| it.join_leave = true, &none, (true, true, false)),
        (asked, &none, (true, true, true)),
        (all, &none, (true, true, true)),
        (all, &off("presence"), (false, false, true)),
        (all, &off("join_leave"), (true, false, true)),
        (all, &off("force_push_join_leave"), (true, true, false)),
        (|_| {}, &on("presence"), (true, false, false)),
        (|_| {}, &on("join_leave"), (true, true, false)),
        (|_| {}, &on("force_push_join_leave"), (false, false, true)),
    ];
    for (change, overrides, expected) in cases {
        assert_eq!(standing(change, overrides), expected, "{overrides}");
    }
}

#[test]
fn who_does_not_ask_for_joins_and_leaves_hears_none_unless_they_are_forced() {
    for (force, hears) in [(false, false), (true, true)] {
        let mut client = Client::connected(|config| {
            let options = options(config);
            (options.join_leave, options.allow_presence_for_client) = (true, true);
            options.force_push_join_leave = force;
        });
        client.send(r#"{"id":2,"subscribe":{"channel":"news"}}"#);
        let standing = client.session.standing(&Channel::parse("news").unwrap());
        assert_eq!(standing.is_hearing, hears);
    }
}
