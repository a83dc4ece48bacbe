//! `publish`, and what is not offered or too much.

use super::*;

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
