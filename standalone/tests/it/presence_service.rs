//! The presence service in the same process: backends ask it over gRPC.

use serde_json::json;
use tidegate_proto::presence::presence_client::PresenceClient;
use tidegate_proto::presence::{NodesRequest, StatsRequest};
use tidegate_testkit::deadline::until_some;
use tonic::transport::Endpoint;

use super::site::{Backbone, Site};

#[tokio::test]
async fn backends_ask_who_is_there_over_grpc() {
    let socket = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = socket.local_addr().unwrap();
    drop(socket);
    let _site = Site::start(Backbone::Embedded, |config| {
        config["presence_service"]["address"] = json!(address.to_string());
    })
    .await;
    let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let connect = async || endpoint.connect().await.ok();
    let connection = until_some("the presence service answers", connect).await;
    let client = PresenceClient::new(connection.unwrap());
    let ready = async || {
        let nodes = client
            .clone()
            .nodes(NodesRequest {})
            .await
            .ok()?
            .into_inner();
        (nodes.ready.len() == 64).then_some(nodes.replica)
    };
    let replica = until_some("it is ready", ready).await.unwrap();
    assert_eq!(replica, "embedded");
    let stats = StatsRequest {
        channel: "chat:room".to_owned(),
    };
    let stats = client.clone().stats(stats).await.unwrap().into_inner();
    assert_eq!(stats.count.map(|it| it.clients), Some(0));
}
