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
fn what_comes_too_often_is_refused_until_there_is_room_again() {
    let frame = |id: u32| format!(r#"{{"id":{id},"publish":{{"channel":"chat:a","data":1}}}}"#);
    let of_connection = |config: &mut Config| config.client.rate_limit.connection.publish = 2;
    let mut client = Client::connected(of_connection);
    let last = |client: &mut Client, id| client.send(&frame(id)).pop().unwrap();
    assert_eq!(last(&mut client, 2), r#"{"id":2,"publish":{}}"#);
    assert_eq!(last(&mut client, 3), r#"{"id":3,"publish":{}}"#);
    assert_eq!(last(&mut client, 4), error(4, 111));
    // Others have their own, here none.
    assert_eq!(client.send(r#"{"id":5,"rpc":{}}"#), [error(5, 108)]);
    client.wait(Duration::from_millis(500));
    assert_eq!(last(&mut client, 6), r#"{"id":6,"publish":{}}"#);
    assert_eq!(last(&mut client, 7), error(7, 111));
}

#[test]
fn connections_of_a_user_share_what_the_user_may() {
    let rates = crate::config::RateConfig {
        publish: 1,
        ..Default::default()
    };
    let frame = r#"{"id":2,"publish":{"channel":"chat:a","data":1}}"#;
    let mut clients = [Client::connected(|_| {}), Client::connected(|_| {})];
    let quota = crate::quota::Quota::new(&rates, clients[0].now.instant).unwrap();
    let quota = Arc::new(std::sync::Mutex::new(quota));
    let sent = clients.each_mut().map(|client| {
        client.session.share(Arc::clone(&quota));
        client.send(frame).pop().unwrap()
    });
    assert_eq!(sent, [r#"{"id":2,"publish":{}}"#.to_owned(), error(2, 111)]);
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
