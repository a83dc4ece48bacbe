//! Positions, recovery and history.

use tidegate_backbone::{Channel, Place, Publication, Range, Top};
use tidegate_codec::DisconnectCode;

use super::*;
use crate::interest::Wish;

fn position(offset: u64) -> Position {
    Position {
        epoch: "e".into(),
        offset,
    }
}

/// Connected to a node whose channels are kept.
fn client(change: impl FnOnce(&mut crate::config::NamespaceOptions)) -> Client {
    let mut client = Client::connected(|config| {
        let options = &mut config.channel.without_namespace;
        options.history_size = 10;
        options.history_ttl = Duration::from_secs(60);
        options.allow_history_for_subscriber = true;
        options.allow_recovery = true;
        options.allow_positioning = true;
        options.allowed_delta_types = vec!["fossil".to_owned()];
        change(options);
    });
    client.join = Ok(Landing {
        position: Some(position(7)),
        recovered: None,
    });
    client
}

fn seen(offset: u64) -> tidegate_codec::Publication {
    tidegate_codec::Publication {
        data: "1".into(),
        offset,
        ..Default::default()
    }
}

fn subscribe(client: &mut Client, fields: &str) -> String {
    let frame = format!("{{\"id\":2,\"subscribe\":{{\"channel\":\"a\"{fields}}}}}");
    let lines = client.send(&frame);
    let reply = lines.iter().find(|line| line.contains("\"id\":2"));
    reply.cloned().unwrap_or_else(|| format!("{lines:?}"))
}

#[test]
fn wishes_are_granted_where_the_namespace_allows_them() {
    let at_top = r#""epoch":"e","offset":7"#;
    for (fields, forbid, expected) in [
        ("", "", "{}".to_owned()),
        (
            r#","positioned":true"#,
            "",
            format!("{{{at_top},\"positioned\":true}}"),
        ),
        (
            r#","recoverable":true"#,
            "",
            format!("{{\"recoverable\":true,{at_top},\"positioned\":true}}"),
        ),
        (r#","recoverable":true"#, "recovery", "{}".to_owned()),
        (r#","positioned":true"#, "positioning", "{}".to_owned()),
        (
            r#","recoverable":true,"positioned":true"#,
            "history",
            "{}".to_owned(),
        ),
        (r#","delta":"fossil""#, "", "{}".to_owned()),
        (
            r#","delta":"fossil","positioned":true"#,
            "",
            format!("{{{at_top},\"positioned\":true,\"delta\":true}}"),
        ),
    ] {
        let mut client = client(|options| match forbid {
            "recovery" => options.allow_recovery = false,
            "positioning" => options.allow_positioning = false,
            "history" => options.allow_history_for_subscriber = false,
            _ => {}
        });
        let reply = subscribe(&mut client, fields);
        assert_eq!(
            reply,
            format!("{{\"id\":2,\"subscribe\":{expected}}}"),
            "{fields} {forbid}"
        );
    }
}

#[test]
fn a_client_that_comes_back_is_told_from_where_it_goes_on() {
    let back = r#","recoverable":true,"recover":true,"epoch":"e","offset":3"#;
    let mut client = client(|_| {});
    client.join = Ok(Landing {
        position: Some(position(7)),
        recovered: Some(vec![seen(5).into(), seen(7).into()]),
    });
    let reply = subscribe(&mut client, back);
    // The offset is the client's own, not the top.
    for part in [
        r#""recovered":true"#,
        r#""was_recovering":true"#,
        r#""offset":3"#,
        r#"{"data":1,"offset":5},{"data":1,"offset":7}"#,
    ] {
        assert!(reply.contains(part), "{part} of {reply}");
    }
}

#[test]
fn a_client_that_cannot_recover_is_told_so_or_refused_if_it_rather_would() {
    let back = r#","recoverable":true,"recover":true,"epoch":"old","offset":3"#;
    let reply = subscribe(&mut client(|_| {}), back);
    assert!(reply.contains(r#""was_recovering":true"#), "{reply}");
    assert!(
        reply.contains(r#""offset":7"#) && !reply.contains("recovered\":true"),
        "{reply}"
    );
    let mut client = client(|_| {});
    let reply = subscribe(&mut client, &format!("{back},\"flag\":2"));
    assert_eq!(reply, error(2, 112));
    // Its place is free again.
    let reply = subscribe(&mut client, "");
    assert_eq!(reply, r#"{"id":2,"subscribe":{}}"#);
}

#[test]
fn what_is_wished_depends_on_the_mode() {
    for (mode, expected) in [
        ("stream", Wish::Since(position(3))),
        ("", Wish::Since(position(3))),
        ("cache", Wish::Newest(position(3))),
    ] {
        let mut client = client(|options| options.force_recovery_mode = mode.to_owned());
        let frame = r#"{"id":2,"subscribe":{"channel":"a","recover":true,"epoch":"e","offset":3}}"#;
        let mut actions = Actions::new();
        for frame in Format::Json.decode(&frame.into(), 10).unwrap() {
            client.session.handle(frame, client.now, &mut actions);
        }
        match &actions[..] {
            [Action::Join(join)] => assert_eq!(join.wish, Some(expected), "{mode}"),
            actions => panic!("{actions:?}"),
        }
    }
}

#[test]
fn a_channel_of_which_something_is_gone_is_given_up() {
    let mut client = client(|_| {});
    subscribe(&mut client, "");
    let a = Channel::parse("a").unwrap();
    let lines = client.step(|session, _, actions| session.lost(&a, actions));
    let push =
        r#"{"push":{"channel":"a","unsubscribe":{"code":2500,"reason":"insufficient state"}}}"#;
    assert_eq!(lines, ["detach a", push]);
    let lines = client.step(|session, _, actions| session.lost(&a, actions));
    assert!(lines.is_empty(), "{lines:?}");
}

#[test]
fn a_server_side_channel_that_is_given_up_ends_the_connection() {
    let mut client = Client::new(|config| {
        config.channel.without_namespace.history_size = 10;
        config.channel.without_namespace.history_ttl = Duration::from_secs(60);
        config.channel.without_namespace.force_recovery = true;
    });
    client.landing.position = Some(position(7));
    let token = sign(&json!({"sub": "42", "channels": ["a"]}));
    let subs = json!({"a": {"recover": true, "epoch": "old", "offset": 3}});
    let connect = json!({"id": 1, "connect": {"token": token, "subs": subs}});
    let lines = client.send(&connect.to_string());
    let told = r#""subs":{"a":{"recoverable":true,"epoch":"e","offset":7,"positioned":true,"was_recovering":true}}"#;
    assert!(lines.iter().any(|line| line.contains(told)), "{lines:?}");
    let a = Channel::parse("a").unwrap();
    let lines = client.step(|session, _, actions| session.lost(&a, actions));
    let code = DisconnectCode::InsufficientState.code();
    assert_eq!(lines, [format!("close {code}")]);
}

fn page(now: SystemTime, ages: &[u64]) -> Page {
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let publication = |(index, age): (usize, &u64)| Publication {
        data: "1".into(),
        place: Some(Place {
            epoch: "e".into(),
            offset: index as u64 + 2,
            previous: None,
            time: u64::try_from((now - Duration::from_secs(*age)).as_millis()).unwrap(),
        }),
        ..Publication::default()
    };
    Page {
        top: Top {
            position: position(7),
            is_empty: false,
        },
        publications: ages.iter().enumerate().map(publication).collect(),
        is_gapless: true,
        removed: 0,
        has_more: false,
    }
}

fn history(client: &mut Client, fields: &str) -> Vec<String> {
    client.send(&format!(
        "{{\"id\":3,\"history\":{{\"channel\":\"a\"{fields}}}}}"
    ))
}

#[test]
fn a_history_begins_where_it_is_asked_for() {
    let after = |offset, limit| Some((tidegate_backbone::From::After(offset), limit));
    let before = |offset, limit| Some((tidegate_backbone::From::Before(offset), limit));
    for (fields, expected) in [
        ("", None),
        (r#","limit":5"#, after(0, 5)),
        (r#","limit":-1"#, after(0, 300)),
        (r#","limit":1000"#, after(0, 300)),
        (
            r#","limit":5,"since":{"offset":3,"epoch":"e"}"#,
            after(3, 5),
        ),
        (r#","limit":5,"reverse":true"#, before(u64::MAX, 5)),
        (
            r#","limit":5,"reverse":true,"since":{"offset":3,"epoch":"e"}"#,
            before(3, 5),
        ),
    ] {
        let mut client = client(|options| options.allow_history_for_client = true);
        let frame = format!("{{\"id\":3,\"history\":{{\"channel\":\"a\"{fields}}}}}");
        let mut actions = Actions::new();
        for frame in Format::Json.decode(&frame.into(), 10).unwrap() {
            client.session.handle(frame, client.now, &mut actions);
        }
        match &actions[..] {
            [Action::Read { range, .. }] => {
                let found = range.map(|Range { from, limit, .. }| (from, limit));
                assert_eq!(found, expected, "{fields}");
            }
            actions => panic!("{fields}: {actions:?}"),
        }
    }
}

#[test]
fn a_history_is_answered_without_what_is_too_old() {
    let mut client = client(|options| options.allow_history_for_client = true);
    client.page = Ok(page(client.now.wall, &[100, 61, 60, 1]));
    let expected = r#"{"id":3,"history":{"publications":[{"data":1,"offset":4},{"data":1,"offset":5}],"epoch":"e","offset":7}}"#;
    let lines = history(&mut client, r#","limit":5"#);
    let without_time = |line: &str| {
        regex::Regex::new(",\"time\":[0-9]+")
            .unwrap()
            .replace_all(line, "")
            .into_owned()
    };
    assert_eq!(without_time(&lines[1]), expected, "{lines:?}");
}

#[test]
fn a_history_that_cannot_be_had_says_why() {
    let reversed = r#","limit":5,"reverse":true,"since":{"offset":0,"epoch":"e"}"#;
    let elsewhere = r#","limit":5,"since":{"offset":3,"epoch":"other"}"#;
    let mut reader = client(|options| options.allow_history_for_client = true);
    reader.page = Ok(page(reader.now.wall, &[]));
    assert_eq!(history(&mut reader, reversed), [error(3, 107)]);
    assert_eq!(history(&mut reader, elsewhere)[1], error(3, 112));
    reader.page = Err(Error::Unavailable("no leader".to_owned()));
    assert_eq!(history(&mut reader, "")[1], error(3, 100));
    // Only subscribers may.
    assert_eq!(history(&mut client(|_| {}), ""), [error(3, 103)]);
    let mut without = Client::connected(|_| {});
    assert_eq!(history(&mut without, ""), [error(3, 108)]);
}
