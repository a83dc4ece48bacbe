//! Publishing through NATS: the messages come by the bus, not by the server that clients are connected to.

use serde_json::json;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;

use crate::load::run;
use crate::tidegate::executable;

#[tokio::test]
async fn what_is_published_to_nats_reaches_clients_of_two_gateways() {
    let nats = NatsServer::start().await.unwrap();
    let built = tokio::task::spawn_blocking(executable).await.unwrap();
    let config = json!({"client": {"insecure": true}});
    let url = nats.url();
    let (one, two) = tokio::join!(
        Gateway::start(built, &config, Some(&url)),
        Gateway::start(built, &config, Some(&url)),
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    let arguments = format!(
        "fanout --clients 10 --channels 2 --rate 20 --duration 2s --warm-up 0s --publish {} --target {}",
        url,
        two.websocket()
    );
    run(&arguments, one.websocket())
        .await
        .assert_complete(10 * 40);
}
