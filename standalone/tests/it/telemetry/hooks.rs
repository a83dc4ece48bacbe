//! Backends that are asked over NATS and gRPC hear of the trace that they are asked in.

use std::sync::{Arc, Mutex};

use futures_util::StreamExt;
use serde_json::{Value, json};
use tidegate_proto::proxy::centrifugo_proxy_server::{CentrifugoProxy, CentrifugoProxyServer};
use tidegate_proto::proxy::{
    ConnectRequest, ConnectResponse, NotifyChannelStateRequest, NotifyChannelStateResponse,
    PublishRequest, PublishResponse, PublishResult, RefreshRequest, RefreshResponse, RpcRequest,
    RpcResponse, SubRefreshRequest, SubRefreshResponse, SubscribeRequest, SubscribeResponse,
};
use tidegate_testkit::nats::NatsServer;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::client::Client;
use super::collector::Collector;
use super::{AT_ONCE, config, gateway, nats, tells};

type Answer<T> = Result<Response<T>, Status>;

/// What requests said of their trace.
type Heard = Arc<Mutex<Vec<Option<String>>>>;

/// Asks `endpoint` about two publications, of which only the second is in a gateway that records traces.
async fn check(endpoint: &str, nats: &NatsServer, heard: &Heard) {
    let collector = Collector::start().await;
    let mut config = config();
    config["channel"]["proxy"]["publish"]["endpoint"] = json!(endpoint);
    config["channel"]["namespaces"][1]["publish_proxy_enabled"] = json!(true);
    for config in [config.clone(), tells(config, &collector.url)] {
        let mut gateway = gateway(nats, &config, &[AT_ONCE]).await;
        let mut client = Client::connect(&gateway).await;
        let publish = json!({ "channel": "kept:room", "data": 1 });
        let reply = client.ask("publish", publish).await;
        assert!(reply["publish"].is_object(), "{reply}");
        // Its last spans are sent before it ends.
        gateway.stop().await.unwrap();
    }
    let (command, hook) = (
        collector.span("publish").await,
        collector.span("hook publish").await,
    );
    assert_eq!((&hook.trace, &hook.parent), (&command.trace, &command.id));
    let told = format!("00-{}-{}-01", hook.trace, hook.id);
    assert_eq!(*heard.lock().unwrap(), [None, Some(told)]);
}

#[tokio::test]
async fn over_nats() {
    let (nats, heard) = (nats().await, Heard::default());
    let client = async_nats::connect(nats.url()).await.unwrap();
    let mut questions = client.subscribe("tide.hook.app").await.unwrap();
    client.flush().await.unwrap();
    let seen = Arc::clone(&heard);
    let answering = tokio::spawn(async move {
        while let Some(question) = questions.next().await {
            let headers = question.headers.unwrap_or_default();
            let trace = headers.get("traceparent").map(ToString::to_string);
            seen.lock().unwrap().push(trace);
            let answer: Value = json!({ "result": {} });
            let reply = question.reply.unwrap();
            let answer = client.publish(reply, answer.to_string().into());
            answer.await.unwrap();
        }
    });
    check("nats:app", &nats, &heard).await;
    answering.abort();
}

#[derive(Debug, Default)]
struct Backend(Heard);

/// A backend that is asked about publications alone.
macro_rules! publishing {
    ($($method:ident: $request:ident -> $response:ident;)+) => {
        #[tonic::async_trait]
        impl CentrifugoProxy for Backend {
            async fn publish(&self, request: Request<PublishRequest>) -> Answer<PublishResponse> {
                let trace = request.metadata().get("traceparent");
                let trace = trace.map(|it| it.to_str().unwrap().to_owned());
                self.0.lock().unwrap().push(trace);
                Ok(Response::new(PublishResponse {
                    result: Some(PublishResult::default()),
                    ..PublishResponse::default()
                }))
            }

            $(async fn $method(&self, _: Request<$request>) -> Answer<$response> {
                Err(Status::unimplemented("nobody asks"))
            })+
        }
    };
}

publishing! {
    connect: ConnectRequest -> ConnectResponse;
    refresh: RefreshRequest -> RefreshResponse;
    subscribe: SubscribeRequest -> SubscribeResponse;
    sub_refresh: SubRefreshRequest -> SubRefreshResponse;
    rpc: RpcRequest -> RpcResponse;
    notify_channel_state: NotifyChannelStateRequest -> NotifyChannelStateResponse;
}

#[tokio::test]
async fn over_grpc() {
    let heard = Heard::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("grpc://{}", listener.local_addr().unwrap());
    let service = CentrifugoProxyServer::new(Backend(Arc::clone(&heard)));
    let server = Server::builder()
        .add_service(service)
        .serve_with_incoming(TcpIncoming::from(listener));
    let serving = tokio::spawn(async { server.await.unwrap() });
    check(&endpoint, &nats().await, &heard).await;
    serving.abort();
}
