use super::*;
use crate::control::{Order, Refreshing, Subscribing};

fn obey(client: &mut Client, order: &Order) -> (bool, Vec<String>) {
    let mut has_obeyed = false;
    let lines = client.step(|session, now, actions| has_obeyed = session.obey(order, now, actions));
    (has_obeyed, lines)
}

fn subscribe(channel: &str) -> Order {
    Order::Subscribe(Subscribing {
        channel: channel.to_owned(),
        data: b"{\"a\":1}".to_vec(),
        ..Subscribing::default()
    })
}

fn unsubscribe(channel: Option<&str>) -> Order {
    let channel = channel.map(str::to_owned);
    Order::Unsubscribe { channel }
}

#[test]
fn orders_become_pushes() {
    let mut client = Client::connected(|config| config.client.channel_limit = 2);
    client.send("{\"id\":2,\"subscribe\":{\"channel\":\"news\"}}");
    let pushed = |channel: &str| {
        let push = format!(
            "{{\"push\":{{\"channel\":\"{channel}\",\"unsubscribe\":{{\"code\":2000,\"reason\":\"server unsubscribe\"}}}}}}"
        );
        vec![format!("detach {channel}"), push]
    };
    for (order, has_obeyed, expected) in [
        (
            subscribe("chat:a"),
            true,
            vec![
                "join chat:a".to_owned(),
                "{\"push\":{\"channel\":\"chat:a\",\"subscribe\":{\"data\":{\"a\":1}}}}".to_owned(),
                "attach chat:a".to_owned(),
            ],
        ),
        (subscribe("chat:a"), true, vec![]),
        (subscribe("news"), true, vec![]),
        (subscribe("chat:b"), false, vec![]),
        (unsubscribe(Some("chat:a")), true, pushed("chat:a")),
        (unsubscribe(Some("chat:a")), false, vec![]),
        (subscribe("nowhere:b"), false, vec![]),
        (unsubscribe(None), true, pushed("news")),
        (unsubscribe(None), false, vec![]),
    ] {
        assert_eq!(
            obey(&mut client, &order),
            (has_obeyed, expected),
            "{order:?}"
        );
    }
}

#[test]
fn an_end_is_put_off_or_comes_at_once() {
    let refresh = |is_expired, expire_at| {
        Order::Refresh(Refreshing {
            is_expired,
            expire_at,
            info: Vec::new(),
        })
    };
    let at = |seconds: i64| Some(i64::try_from(NOW).unwrap() + seconds);
    for (order, expected) in [
        (
            refresh(false, at(60)),
            "{\"push\":{\"refresh\":{\"expires\":true,\"ttl\":60}}}",
        ),
        (refresh(false, None), "{\"push\":{\"refresh\":{}}}"),
        (refresh(false, at(-1)), "close 3005"),
        (refresh(true, None), "close 3005"),
    ] {
        let mut client = Client::connected(|config| config.client.ping_interval = Duration::ZERO);
        let (has_obeyed, lines) = obey(&mut client, &order);
        assert_eq!(
            (has_obeyed, lines),
            (true, vec![expected.to_owned()]),
            "{order:?}"
        );
    }
    let mut client = Client::connected(|config| config.client.ping_interval = Duration::ZERO);
    obey(&mut client, &refresh(false, at(60)));
    assert!(
        client.wait(Duration::from_secs(84)).is_empty(),
        "there is a grace"
    );
    assert_eq!(client.wait(Duration::from_secs(1)), ["close 3005"]);
}

#[test]
fn an_application_ends_a_session_in_its_own_words() {
    let mut client = Client::connected(|_| {});
    let order = Order::Disconnect {
        code: 4_500,
        reason: "bye".to_owned(),
    };
    let dismissed = vec!["dismiss 4500 bye".to_owned()];
    assert_eq!(obey(&mut client, &order), (true, dismissed));
    assert_eq!(obey(&mut client, &order), (false, vec![]), "it is over");
    let mut stranger = Client::new(|_| {});
    assert_eq!(
        obey(&mut stranger, &order),
        (false, vec![]),
        "nobody has come in"
    );
}
