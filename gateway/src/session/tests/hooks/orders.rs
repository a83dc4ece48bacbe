//! What a backend wants of a session while another is asked, or is to be told.

use tidegate_backbone::Channel;

use super::super::control::{obey, subscribe, unsubscribe};
use super::*;
use crate::auth::Override;
use crate::control::{Order, Subscribing};
use crate::session::Standing;

/// A client whose subscribe to `chat:a` waits for the backend, as question 1.
fn asking(limit: usize) -> Client {
    let change = |config: &mut Config| {
        hooked(config);
        config.client.channel_limit = limit;
    };
    let mut client = connected(change, 0);
    let asked = r#"ask "u" Subscribe { channel: "chat:a", data: b"{\"s\":1}" }"#;
    assert_eq!(client.send(SUBSCRIBE), [asked]);
    client
}

#[test]
fn an_order_settles_what_the_backend_is_still_asked() {
    let pushed = r#"{"push":{"channel":"chat:a","subscribe":{"data":{"a":1}}}}"#;
    let joined = [&error(2, 105), "join chat:a", pushed, "attach chat:a"];
    for (order, has_obeyed, expected) in [
        (
            subscribe("chat:a"),
            true,
            joined.map(str::to_owned).to_vec(),
        ),
        (subscribe("chat:b"), false, vec![]),
        (unsubscribe(Some("chat:a")), true, vec![error(2, 103)]),
        (unsubscribe(Some("chat:b")), false, vec![]),
        (unsubscribe(None), true, vec![error(2, 103)]),
    ] {
        let mut client = asking(1);
        assert_eq!(
            obey(&mut client, &order),
            (has_obeyed, expected),
            "{order:?}"
        );
        let late = client.step(|session, now, actions| {
            session.answered(1, Ok(Answer::Nothing), now, actions);
        });
        assert_eq!(late.is_empty(), has_obeyed, "{order:?}: {late:?}");
    }
}

#[test]
fn what_ends_by_order_is_told() {
    let told = |config: &mut Config| {
        config.client.proxy.disconnect.enabled = true;
        config.channel.namespaces[0]
            .options
            .unsubscribe_proxy_enabled = true;
    };
    let mut client = Client::connected(told);
    obey(&mut client, &subscribe("chat:a"));
    let (_, lines) = obey(&mut client, &unsubscribe(Some("chat:a")));
    let left =
        r#"tell "42" Unsubscribe { channel: "chat:a", code: 2000, reason: "server unsubscribe" }"#;
    assert_eq!(lines[0], left);
    let reason = "bye".to_owned();
    let (_, lines) = obey(
        &mut client,
        &Order::Disconnect {
            code: 4_500,
            reason,
        },
    );
    let gone = r#"tell "42" Disconnect { code: 4500, reason: "bye" }"#;
    assert_eq!(lines, [gone, "close 4500 bye"]);
}

#[test]
fn the_backend_says_who_is_shown_to_others() {
    let hidden = Override {
        presence: Some(false),
        ..Override::default()
    };
    let forced = Override {
        force_push_join_leave: Some(true),
        ..Override::default()
    };
    let standing = |is_shown, is_hearing| Standing {
        is_shown,
        is_hearing,
        is_announced: is_shown,
    };
    for (overrides, expected) in [
        (Override::default(), standing(true, false)),
        (hidden, standing(false, false)),
        (forced, standing(true, true)),
    ] {
        let change = |config: &mut Config| {
            hooked(config);
            let chat = &mut config.channel.namespaces[0].options;
            (chat.presence, chat.join_leave) = (true, true);
        };
        let options = crate::auth::SubscriptionOptions {
            overrides,
            ..Default::default()
        };
        let mut client = Client::new(change);
        client.answer = granted(Grant {
            subs: [("chat:b".to_owned(), options)].into(),
            ..user("u")
        });
        client.send(CONNECT);
        client.answer = granted(Grant {
            overrides,
            ..Grant::default()
        });
        client.send(SUBSCRIBE);
        let order = Order::Subscribe(Subscribing {
            channel: "chat:c".to_owned(),
            overrides,
            ..Subscribing::default()
        });
        assert!(obey(&mut client, &order).0);
        for channel in ["chat:a", "chat:b", "chat:c"] {
            let channel = Channel::parse(channel).unwrap();
            assert_eq!(client.session.standing(&channel), expected, "{channel}");
        }
    }
}
