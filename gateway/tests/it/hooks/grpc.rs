//! A backend on gRPC, with the service that Centrifugo's backends have.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::json;
use tidegate_proto::hook::notices_server::{Notices, NoticesServer};
use tidegate_proto::hook::{TellRequest, TellResponse, tell_request};
use tidegate_proto::proxy::centrifugo_proxy_server::{CentrifugoProxy, CentrifugoProxyServer};
use tidegate_proto::proxy::{
    ChannelEvent, ConnectRequest, ConnectResponse, ConnectResult, Disconnect, Error,
    NotifyChannelStateRequest, NotifyChannelStateResponse, PublishRequest, PublishResponse,
    PublishResult, RefreshRequest, RefreshResponse, RpcRequest, RpcResponse, RpcResult,
    SubRefreshRequest, SubRefreshResponse, SubscribeRequest, SubscribeResponse, SubscribeResult,
};
use tidegate_testkit::deadline::until_some;
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status};

use super::visitor::Visitor;
use crate::http;
use crate::site::Site;

type Answer<T> = Result<Response<T>, Status>;

#[derive(Default)]
struct Seen {
    subscribes: Vec<SubscribeRequest>,
    /// Of the metadata `x-key` of connects.
    keys: Vec<String>,
    told: Vec<TellRequest>,
    events: Vec<ChannelEvent>,
}

#[derive(Clone, Default)]
struct Backend(Arc<Mutex<Seen>>);

#[tonic::async_trait]
impl CentrifugoProxy for Backend {
    async fn connect(&self, request: Request<ConnectRequest>) -> Answer<ConnectResponse> {
        let key = request.metadata().get("x-key").unwrap().to_str().unwrap();
        self.0.lock().unwrap().keys.push(key.to_owned());
        Ok(Response::new(ConnectResponse {
            result: Some(ConnectResult {
                user: "u".to_owned(),
                data: request.into_inner().data,
                channels: vec!["chat:news".to_owned()],
                meta: "{\"m\":1}".into(),
                ..ConnectResult::default()
            }),
            ..ConnectResponse::default()
        }))
    }

    async fn subscribe(&self, request: Request<SubscribeRequest>) -> Answer<SubscribeResponse> {
        let request = request.into_inner();
        let response = SubscribeResponse {
            result: Some(SubscribeResult {
                data: "\"welcome\"".into(),
                ..SubscribeResult::default()
            }),
            ..SubscribeResponse::default()
        };
        self.0.lock().unwrap().subscribes.push(request);
        Ok(Response::new(response))
    }

    async fn notify_channel_state(
        &self,
        request: Request<NotifyChannelStateRequest>,
    ) -> Answer<NotifyChannelStateResponse> {
        let events = request.into_inner().events;
        self.0.lock().unwrap().events.extend(events);
        Ok(Response::new(NotifyChannelStateResponse::default()))
    }

    async fn publish(&self, _: Request<PublishRequest>) -> Answer<PublishResponse> {
        let result = PublishResult {
            b64data: "Mg==".to_owned(),
            ..PublishResult::default()
        };
        Ok(Response::new(PublishResponse {
            result: Some(result),
            ..PublishResponse::default()
        }))
    }

    async fn rpc(&self, request: Request<RpcRequest>) -> Answer<RpcResponse> {
        let request = request.into_inner();
        let mut response = RpcResponse::default();
        match request.method.as_str() {
            "refuse" => {
                response.error = Some(Error {
                    code: 1_000,
                    message: "no".to_owned(),
                    temporary: false,
                });
            }
            "end" => {
                response.disconnect = Some(Disconnect {
                    code: 4_500,
                    reason: "go".to_owned(),
                });
            }
            "fail" => return Err(Status::internal("broken")),
            "huge" => {
                response.result = Some(RpcResult {
                    data: vec![b' '; 2 << 20].into(),
                    ..RpcResult::default()
                });
            }
            _ => {
                response.result = Some(RpcResult {
                    data: request.data,
                    ..RpcResult::default()
                });
            }
        }
        Ok(Response::new(response))
    }

    async fn refresh(&self, _: Request<RefreshRequest>) -> Answer<RefreshResponse> {
        Err(Status::unimplemented("not in this test"))
    }

    async fn sub_refresh(&self, _: Request<SubRefreshRequest>) -> Answer<SubRefreshResponse> {
        Err(Status::unimplemented("not in this test"))
    }
}

#[tonic::async_trait]
impl Notices for Backend {
    async fn tell(&self, request: Request<TellRequest>) -> Answer<TellResponse> {
        self.0.lock().unwrap().told.push(request.into_inner());
        Ok(Response::new(TellResponse {}))
    }
}

async fn start(backend: Backend) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = Server::builder()
        .add_service(CentrifugoProxyServer::new(backend.clone()))
        .add_service(NoticesServer::new(backend))
        .serve_with_incoming(TcpIncoming::from(listener));
    tokio::spawn(serving);
    address
}

fn site(address: SocketAddr) -> Site {
    let endpoint = || json!(format!("grpc://{address}"));
    Site::with(|config| {
        config["proxies"] = json!([{
            "name": "app", "endpoint": endpoint(), "timeout": "10s", "include_connection_meta": true,
        }]);
        config["client"]["proxy"]["connect"] = json!({
            "enabled": true, "endpoint": endpoint(), "grpc": {"static_metadata": {"X-Key": "k"}},
        });
        config["client"]["proxy"]["disconnect"] = json!({"enabled": true, "endpoint": endpoint()});
        let chat = &mut config["channel"]["namespaces"][0];
        chat["state_vacated_delay"] = "100ms".into();
        for event in ["subscribe", "publish", "state"] {
            chat[format!("{event}_proxy_enabled")] = true.into();
            chat[format!("{event}_proxy_name")] = "app".into();
        }
        config["rpc"] = json!({"without_namespace": {"proxy_enabled": true, "proxy_name": "app"}});
    })
}

#[tokio::test]
async fn a_backend_on_grpc_decides_and_is_told() {
    let backend = Backend::default();
    let address = start(backend.clone()).await;
    let site = site(address);
    let mut visitor = Visitor::open(site.address(), &[]).await;
    let reply = visitor.ask(json!({"connect": {"data": {"d": 1}}})).await;
    assert_eq!(reply["connect"]["data"], json!({"d": 1}));
    assert_eq!(reply["connect"]["subs"], json!({"chat:news": {}}));
    let reply = visitor
        .ask(json!({"subscribe": {"channel": "chat:a", "data": [1]}}))
        .await;
    assert_eq!(reply["subscribe"], json!({"data": "welcome"}));
    visitor
        .ask(json!({"publish": {"channel": "chat:a", "data": 1}}))
        .await;
    assert_eq!(visitor.push().await["pub"]["data"], 2);
    let reply = visitor
        .ask(json!({"rpc": {"method": "echo", "data": {"e": 1}}}))
        .await;
    assert_eq!(reply["rpc"], json!({"data": {"e": 1}}));
    let reply = visitor.ask(json!({"rpc": {"method": "refuse"}})).await;
    assert_eq!(reply["error"], json!({"code": 1000, "message": "no"}));
    for (method, outcome) in [("fail", "status"), ("huge", "too_large")] {
        let reply = visitor.ask(json!({"rpc": {"method": method}})).await;
        assert_eq!(reply["error"]["code"], 100, "{method}");
        let name =
            format!("tidegate_hook_outcomes{{target=\"app\",event=\"rpc\",outcome=\"{outcome}\"}}");
        assert_eq!(http::get(site.address(), "/metrics").await.metric(&name), 1);
    }
    visitor.send(json!({"rpc": {"method": "end"}})).await;
    assert_eq!(visitor.closed().await, (4_500, "go".to_owned()));

    let events = async || {
        let seen = backend.0.lock().unwrap();
        let mut events = seen.events.iter().filter(|it| it.channel == "chat:a");
        let kinds: Vec<_> = events.by_ref().map(|it| it.r#type.clone()).collect();
        (kinds.len() == 2).then_some(kinds)
    };
    let kinds = until_some("what became of the channel", events).await;
    assert_eq!(kinds.unwrap(), ["occupied", "vacated"]);
    let told = until_some("a notice", async || backend.0.lock().unwrap().told.pop());
    let told = told.await.unwrap();
    match told.event.unwrap() {
        tell_request::Event::Disconnect(ended) => {
            assert_eq!((ended.code, &*ended.reason), (4_500, "go"))
        }
        other => panic!("{other:?}"),
    }
    {
        let seen = backend.0.lock().unwrap();
        let subscribe = &seen.subscribes[0];
        assert_eq!((&*subscribe.user, &*subscribe.channel), ("u", "chat:a"));
        assert_eq!(
            (&subscribe.data[..], &subscribe.meta[..]),
            (&b"[1]"[..], &b"{\"m\":1}"[..])
        );
        assert_eq!(seen.keys, ["k"]);
    }
    site.stop().await;
}

#[tokio::test]
async fn a_backend_on_grpc_that_is_down_is_an_error() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let site = site(address);
    let mut visitor = Visitor::open(site.address(), &[]).await;
    let reply = visitor.ask(json!({"connect": {}})).await;
    assert_eq!(reply["error"]["code"], 100);
    let name =
        "tidegate_hook_outcomes{target=\"default\",event=\"connect\",outcome=\"unreachable\"}";
    assert_eq!(http::get(site.address(), "/metrics").await.metric(name), 1);
    drop(visitor);
    site.stop().await;
}
