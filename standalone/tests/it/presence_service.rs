//! The presence service in the same process: backends ask it over gRPC.

use serde_json::json;
use tidegate_proto::gateway::InfoRequest;
use tidegate_proto::gateway::gateway_client::GatewayClient;
use tidegate_proto::presence::presence_client::PresenceClient;
use tidegate_proto::presence::{NodesRequest, StatsRequest};
use tidegate_testkit::address;
use tidegate_testkit::deadline::until_some;
use tonic::transport::Endpoint;

use super::site::{Backbone, Site};

#[tokio::test]
async fn backends_ask_who_is_there_over_grpc() {
    let address = address::free().unwrap();
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

/// An operator who has seen a node in one place finds it in the others.
#[tokio::test]
async fn a_node_is_called_the_same_everywhere() {
    let [backends, presence] = [(); 2].map(|()| address::free().unwrap());
    let site = Site::start(Backbone::Embedded, |config| {
        config["presence"] = json!({ "users": true });
        config["presence_service"] = json!({ "address": presence.to_string() });
        config["grpc_api"] = json!({ "enabled": true, "port": backends.port() });
    })
    .await;
    let connect = async |address| {
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let connect = async || endpoint.connect().await.ok();
        until_some("it answers", connect).await.unwrap()
    };
    let mut gateway = GatewayClient::new(connect(backends).await);
    let info = gateway.info(InfoRequest {}).await.unwrap().into_inner();
    let id = info.nodes[0].uid.clone();
    let client = PresenceClient::new(connect(presence).await);
    let nodes = async || {
        let told = client.clone().nodes(NodesRequest {}).await.ok()?;
        Some(told.into_inner().nodes.first()?.name.clone())
    };
    assert_eq!(until_some("it has beaten", nodes).await.unwrap(), id);
    assert!(site.output().contains(&format!("node={id}")));
}
