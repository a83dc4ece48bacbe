//! What one connection and one user may do in a second.

use serde_json::json;

use super::backend::{Backend, Reaction};
use super::{asking, visitor::Visitor};

#[tokio::test]
async fn calls_beyond_a_limit_do_not_reach_the_backend() {
    let backend = Backend::start(|asked| match asked.path.as_str() {
        "/connect" => Reaction::Answer(json!({"result": {"user": "u"}})),
        _ => Reaction::Answer(json!({"result": {}})),
    })
    .await;
    let site = asking(&backend, |config| {
        config["client"]["rate_limit"] = json!({"user": {"rpc": 1}});
    });
    let mut visitors = [
        Visitor::connected(site.address()).await,
        Visitor::connected(site.address()).await,
    ];
    let mut refused = 0;
    let mut sent = 0;
    // Faster than one a second for all connections of the user together, however slow the machine is.
    while refused == 0 {
        for visitor in &mut visitors {
            let reply = visitor.ask(json!({"rpc": {"method": "x"}})).await;
            refused += u64::from(reply["error"]["code"] == 111);
            sent += 1;
        }
        assert!(sent < 10_000, "nothing is refused");
    }
    assert_eq!(site.metric("tidegate_rate_limited").await, refused);
    let calls = backend
        .asked()
        .iter()
        .filter(|it| it.path == "/rpc")
        .count();
    assert_eq!(calls as u64, sent - refused);
    drop(visitors);
    site.stop().await;
}
