//! Publishes, subscribes and calls per second, of a connection and of a user.

use std::net::SocketAddr;
use std::time::Instant;

use serde_json::{Value, json};
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::nats::NatsServer;

use crate::hooks::visitor::Visitor;
use crate::site::Site;
use crate::token;

/// What has a limit of its own, and how often each may be done in a second.
const DEEDS: [&str; 3] = ["publish", "subscribe", "rpc"];
const RATE: usize = 3;

/// Commands at once: more than may pass even if they take a while.
const MANY: usize = 60;

/// Limits of these deeds of a `connection` or a `user`, on a node that answers calls itself.
fn limiting(whose: &str, deeds: &[&str]) -> impl Fn(&mut Value) + use<> {
    let mut limit = json!({});
    for deed in deeds {
        limit[whose][*deed] = RATE.into();
    }
    move |config: &mut Value| {
        config["client"]["rate_limit"] = limit.clone();
        config["client"]["allow_anonymous_connect_without_token"] = true.into();
        config["rpc"] = json!({ "ping": { "enabled": true } });
        let chat = &mut config["channel"]["namespaces"][0];
        for option in [
            "allow_subscribe_for_anonymous",
            "allow_publish_for_anonymous",
        ] {
            chat[option] = true.into();
        }
    }
}

/// The n-th command of this kind.
fn command(deed: &str, n: usize) -> Value {
    match deed {
        "publish" => json!({ "publish": { "channel": "chat:a", "data": n } }),
        "subscribe" => json!({ "subscribe": { "channel": format!("chat:{n}") } }),
        _ => json!({ "rpc": { "method": "ping", "data": {} } }),
    }
}

async fn connected(address: SocketAddr, user: &str) -> Visitor {
    let mut visitor = Visitor::open(address, &[]).await;
    let token = token::of(user);
    let reply = visitor.ask(json!({ "connect": { "token": token } })).await;
    assert!(reply["connect"].is_object(), "{reply}");
    visitor
}

/// Does it many times at once, by turns; gives how often it passed. What did not is error 111.
async fn passed(visitors: &mut [Visitor], deed: &str) -> usize {
    let begin = Instant::now();
    let mut sent = Vec::new();
    for n in 0..MANY {
        let which = n % visitors.len();
        sent.push((which, visitors[which].send(command(deed, n)).await));
    }
    let mut passed = 0;
    for (which, id) in sent {
        let reply = visitors[which].reply(id).await;
        match reply["error"].as_object() {
            None => passed += 1,
            Some(error) => {
                assert_eq!(error["code"], 111, "{reply}");
                assert_eq!(error["temporary"], true, "{reply}");
            }
        }
    }
    let granted = RATE as f64 * (1.0 + begin.elapsed().as_secs_f64());
    assert!(passed >= RATE, "{deed}: {passed} passed");
    assert!(
        passed as f64 <= granted,
        "{deed}: {passed} passed, of {granted}"
    );
    passed
}

/// Whether all of a second's worth passes.
async fn has_all(visitor: &mut Visitor, deed: &str) {
    for n in 0..RATE {
        let reply = visitor.ask(command(deed, n)).await;
        assert!(reply["error"].is_null(), "{deed}: {reply}");
    }
}

/// Waits until it may be done again.
async fn until_it_passes(visitor: &mut Visitor, deed: &str) {
    let mut n = MANY;
    let again = until_some(deed, async || {
        n += 1;
        let reply = visitor.ask(command(deed, n)).await;
        reply["error"].is_null().then_some(())
    });
    again.await.unwrap();
}

#[tokio::test]
async fn a_connection_that_does_too_much_has_error_111_for_a_while_and_others_do_not() {
    let site = Site::with(limiting("connection", &DEEDS));
    let mut one = [connected(site.address(), "alice").await];
    let mut same = connected(site.address(), "alice").await;
    let mut other = connected(site.address(), "bob").await;
    let mut refused = 0;
    for deed in DEEDS {
        // What was refused before was something else.
        refused += MANY - passed(&mut one, deed).await;
        assert_eq!(site.metric("tidegate_rate_limited").await, refused as u64);
        has_all(&mut same, deed).await;
        has_all(&mut other, deed).await;
    }
    for deed in DEEDS {
        until_it_passes(&mut one[0], deed).await;
    }
    drop((one, same, other));
    site.stop().await;
}

#[tokio::test]
async fn what_has_no_limit_is_not_limited() {
    for whose in ["connection", "user"] {
        let site = Site::with(limiting(whose, &["publish"]));
        let mut alice = connected(site.address(), "alice").await;
        for deed in ["subscribe", "rpc"] {
            for n in 0..MANY {
                let reply = alice.ask(command(deed, n)).await;
                assert!(reply["error"].is_null(), "{deed}: {reply}");
            }
        }
        assert_eq!(site.metric("tidegate_rate_limited").await, 0);
        drop(alice);
        site.stop().await;
    }
}

#[tokio::test]
async fn connections_of_a_user_share_on_a_node_and_others_do_not() {
    let site = Site::with(limiting("user", &DEEDS));
    let mut both = [
        connected(site.address(), "alice").await,
        connected(site.address(), "alice").await,
    ];
    let mut bob = connected(site.address(), "bob").await;
    let mut refused = 0;
    for deed in DEEDS {
        refused += MANY - passed(&mut both, deed).await;
        assert_eq!(site.metric("tidegate_rate_limited").await, refused as u64);
        has_all(&mut bob, deed).await;
        for visitor in &mut both {
            until_it_passes(visitor, deed).await;
        }
        refused = usize::try_from(site.metric("tidegate_rate_limited").await).unwrap();
    }
    // Who is nobody in particular shares nothing with anybody.
    let mut anonymous = Visitor::connected(site.address()).await;
    for n in 0..MANY {
        let reply = anonymous.ask(command("publish", n)).await;
        assert!(reply["error"].is_null(), "{reply}");
    }
    drop((both, bob, anonymous));
    site.stop().await;
}

#[tokio::test]
async fn a_user_who_comes_again_has_what_is_left() {
    let site = Site::with(limiting("user", &["publish"]));
    let mut came = 0;
    // Faster than the bucket fills for all connections together, however slow the machine is.
    loop {
        let mut alice = connected(site.address(), "alice").await;
        let mut codes = Vec::new();
        for n in 0..RATE {
            let reply = alice.ask(command("publish", n)).await;
            codes.push(reply["error"]["code"].clone());
        }
        if codes.contains(&json!(111)) {
            break;
        }
        came += 1;
        assert!(came < 1_000, "nothing is refused");
    }
    site.stop().await;
}

#[tokio::test]
async fn a_user_has_as_much_on_each_node() {
    let nats = NatsServer::start().await.unwrap();
    let near = Site::over(&nats, limiting("user", &DEEDS)).await;
    let far = Site::over(&nats, limiting("user", &DEEDS)).await;
    let mut one = [connected(near.address(), "alice").await];
    let mut other = connected(far.address(), "alice").await;
    for deed in DEEDS {
        passed(&mut one, deed).await;
        has_all(&mut other, deed).await;
    }
    assert_eq!(far.metric("tidegate_rate_limited").await, 0);
    drop((one, other));
    near.stop().await;
    far.stop().await;
}
