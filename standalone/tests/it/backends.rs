//! Backends over gRPC and NATS, and what they are told when a node is gone.

mod hooks;
mod permissions;
mod sessions;
pub(crate) mod snippets;

use serde_json::{Value, json};
use tidegate_proto::gateway as proto;
use tidegate_proto::gateway::gateway_client::GatewayClient;
use tidegate_proto::gateway::revocation::Subject;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::program::Program;
use tonic::Code;
use tonic::metadata::MetadataValue;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use super::scenario::{Format, Sdk, keep, start};
use super::site::{Backbone, Site};

pub(crate) const KEY: &str = "the key of the tests";

/// A client that hears `chat:room`.
async fn listener(site: &Site) -> Program {
    let (near, far) = (site.near(), site.far());
    let mut listener = start("listen", Sdk::JavaScript, Format::Json, far, near);
    assert_eq!(listener.next_line().await.unwrap(), "listening");
    listener
}

pub(crate) fn free_port() -> u16 {
    tidegate_testkit::address::free().unwrap().port()
}

pub(crate) type Backend = GatewayClient<
    InterceptedService<
        Channel,
        fn(tonic::Request<()>) -> Result<tonic::Request<()>, tonic::Status>,
    >,
>;

pub(crate) async fn connect(port: u16) -> Channel {
    let endpoint = Endpoint::from_shared(format!("http://127.0.0.1:{port}")).unwrap();
    let connect = async || endpoint.connect().await.ok();
    until_some("gRPC answers", connect).await.unwrap()
}

pub(crate) fn with_key(channel: Channel) -> Backend {
    let show = |mut request: tonic::Request<()>| {
        let value = MetadataValue::try_from(format!("apikey {KEY}")).unwrap();
        request.metadata_mut().insert("authorization", value);
        Ok(request)
    };
    GatewayClient::with_interceptor(channel, show)
}

fn publish(channel: &str, data: &'static str) -> proto::PublishRequest {
    proto::PublishRequest {
        channel: channel.to_owned(),
        publication: Some(proto::Publishing {
            data: data.into(),
            ..proto::Publishing::default()
        }),
    }
}

/// A gateway that serves gRPC, and its port.
async fn site_with_grpc() -> (Site, u16) {
    let port = free_port();
    let site = Site::start(Backbone::Embedded, |config| {
        keep(config);
        config["grpc_api"] = json!({ "enabled": true, "port": port, "key": KEY });
        config["client"]["revocation"] = json!({ "enabled": true });
    });
    (site.await, port)
}

#[tokio::test]
async fn grpc_does_what_http_does() {
    let (site, port) = site_with_grpc().await;
    let mut listener = listener(&site).await;
    let channel = connect(port).await;
    let mut stranger = GatewayClient::new(channel.clone());
    let refused = stranger.info(proto::InfoRequest {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);

    let mut backend = with_key(channel);
    backend.publish(publish("chat:room", "1")).await.unwrap();
    assert_eq!(listener.next_line().await.unwrap(), "MQ==");
    for (channel, code) in [
        ("nowhere:room", Code::NotFound),
        ("", Code::InvalidArgument),
    ] {
        let refused = backend.publish(publish(channel, "1")).await.unwrap_err();
        assert_eq!(refused.code(), code, "{channel}");
    }
    let commands = ["kept:a", "nowhere:a"].map(|channel| proto::Command {
        command: Some(proto::command::Command::Publish(publish(channel, "7"))),
    });
    let batch = proto::BatchRequest {
        commands: commands.into(),
        parallel: true,
    };
    let replies = backend.batch(batch).await.unwrap().into_inner().replies;
    let [first, second] = <[_; 2]>::try_from(replies).unwrap();
    assert!(matches!(first.reply, Some(proto::reply::Reply::Publish(it)) if it.position.is_some()));
    assert!(matches!(second.reply, Some(proto::reply::Reply::Error(it)) if it.code == 102));
    let history = proto::HistoryRequest {
        channel: "kept:a".to_owned(),
        limit: -1,
        ..proto::HistoryRequest::default()
    };
    let history = backend.history(history).await.unwrap().into_inner();
    assert_eq!(history.publications.len(), 1);
    assert_eq!(history.publications[0].data, "7");

    let mut offsets = Vec::new();
    for (version, skip_history) in [(2, false), (1, false), (3, false), (0, true)] {
        let mut request = publish("kept:document", "{}");
        let publication = request.publication.as_mut().unwrap();
        (publication.version, publication.skip_history) = (version, skip_history);
        let published = backend.publish(request).await.unwrap().into_inner();
        offsets.push(published.position.map(|it| it.offset));
    }
    let [second, first, third, unstored] = offsets[..] else {
        panic!("{offsets:?}");
    };
    assert!(
        second == first && second < third && unstored.is_none(),
        "{offsets:?}"
    );
}

#[tokio::test]
async fn grpc_finds_connections_and_ends_them() {
    let (site, port) = site_with_grpc().await;
    let _listener = listener(&site).await;
    let mut backend = with_key(connect(port).await);
    let wanted = proto::ConnectionsRequest {
        channel: Some("chat:room".to_owned()),
        ..proto::ConnectionsRequest::default()
    };
    let found = backend.connections(wanted).await.unwrap().into_inner();
    let [connection] = <[_; 1]>::try_from(found.connections).unwrap();
    let order = proto::DisconnectRequest {
        target: Some(proto::Target {
            user: connection.user,
            client: connection.client,
            ..proto::Target::default()
        }),
        ..proto::DisconnectRequest::default()
    };
    let done = backend.disconnect(order).await.unwrap().into_inner();
    assert_eq!(done.clients, 1);
    let gone = async || {
        let info = backend.clone().info(proto::InfoRequest {}).await.ok()?;
        (info.into_inner().nodes[0].clients == 0).then_some(())
    };
    until_some("it is gone", gone).await.unwrap();
}

#[tokio::test]
async fn grpc_keeps_users_and_tokens_out() {
    let (site, port) = site_with_grpc().await;
    let mut backend = with_key(connect(port).await);
    let block = |user: &str, expire_at| proto::BlockUserRequest {
        user: user.to_owned(),
        expire_at,
    };
    backend.block_user(block("a", 0)).await.unwrap();
    for (request, code) in [
        (block("", 0), Code::InvalidArgument),
        (block("a", 1), Code::InvalidArgument),
    ] {
        let refused = backend.block_user(request).await.unwrap_err();
        assert_eq!(refused.code(), code);
    }
    let token = proto::RevokeTokenRequest {
        uid: "t".to_owned(),
        expire_at: 4_000_000_000,
    };
    backend.revoke_token(token).await.unwrap();
    let issued = proto::InvalidateUserTokensRequest {
        user: "b".to_owned(),
        issued_before: 5,
        channel: "chat:room".to_owned(),
        ..proto::InvalidateUserTokensRequest::default()
    };
    backend.invalidate_user_tokens(issued).await.unwrap();
    let all = proto::RevocationsRequest::default();
    let all = backend.revocations(all).await.unwrap().into_inner();
    let expected = [
        (Subject::BlockedUser("a".to_owned()), 0),
        (
            Subject::Issued(proto::IssuedTokens {
                user: "b".to_owned(),
                before: 5,
                channel: "chat:room".to_owned(),
            }),
            0,
        ),
        (Subject::TokenUid("t".to_owned()), 4_000_000_000),
    ];
    let expected = expected.map(|(subject, expire_at)| proto::Revocation {
        subject: Some(subject),
        expire_at,
    });
    assert_eq!(all.revocations, expected);
    let unblock = proto::UnblockUserRequest {
        user: "a".to_owned(),
    };
    backend.unblock_user(unblock).await.unwrap();
    let one = proto::RevocationsRequest {
        limit: 1,
        ..proto::RevocationsRequest::default()
    };
    let one = backend.revocations(one).await.unwrap().into_inner();
    assert_eq!(one.revocations, expected[1..2]);
    assert_eq!(one.next, "issued.b.chat=3Aroom");
    drop(site);
}

/// The answer of an endpoint of the NATS service.
pub(crate) async fn ask(nats: &async_nats::Client, method: &str, body: Value) -> Value {
    let subject = format!("tide.req.tidegate.{method}");
    let answer = nats.request(subject, body.to_string().into()).await;
    serde_json::from_slice(&answer.unwrap().payload).unwrap()
}

/// Waits until whichever node answers knows both.
async fn both_nodes(nats: &async_nats::Client) {
    let mut in_a_row = 0;
    let nodes = async || {
        let asked = nats.request("tide.req.tidegate.info", "{}".into()).await;
        let info: Value = serde_json::from_slice(&asked.ok()?.payload).ok()?;
        let knows_both = info["result"]["nodes"].as_array()?.len() == 2;
        in_a_row = if knows_both { in_a_row + 1 } else { 0 };
        // They take turns at random.
        (in_a_row == 20).then_some(())
    };
    until_some("both nodes are there", nodes).await.unwrap();
}

#[tokio::test]
async fn nats_does_what_http_does() {
    let site = Site::start(Backbone::Nats, |config| {
        config["nats_api"] = json!({ "enabled": true });
        config["client"]["revocation"] = json!({ "enabled": true });
    })
    .await;
    let mut listener = listener(&site).await;
    let nats = async_nats::connect(site.nats.as_ref().unwrap().url());
    let nats = nats.await.unwrap();
    let service = async || {
        let asked = nats.request("$SRV.INFO.tidegate", "".into()).await;
        serde_json::from_slice::<Value>(&asked.ok()?.payload).ok()
    };
    let service = until_some("the service is there", service).await.unwrap();
    both_nodes(&nats).await;
    let endpoints = service["endpoints"].as_array().unwrap();
    assert!(
        endpoints
            .iter()
            .any(|it| it["subject"] == "tide.req.tidegate.disconnect")
    );

    let done = ask(
        &nats,
        "publish",
        json!({ "channel": "chat:room", "data": 1 }),
    )
    .await;
    assert_eq!(done, json!({ "result": {} }));
    assert_eq!(listener.next_line().await.unwrap(), "MQ==");
    let failed = ask(&nats, "history", json!({ "channel": "chat:room" })).await;
    assert_eq!(failed["error"]["code"], 108);
    let found = ask(&nats, "connections", json!({ "channel": "chat:room" })).await;
    let (_, connection) = found["result"]["connections"]
        .as_object()
        .unwrap()
        .iter()
        .next()
        .unwrap();
    let done = ask(&nats, "disconnect", json!({ "user": connection["user"] })).await;
    assert_eq!(done, json!({ "result": { "num_clients": 1 } }));

    let done = ask(&nats, "block_user", json!({ "user": "mallory" })).await;
    assert_eq!(done, json!({ "result": {} }));
    // Whichever node answers learns of it a moment later.
    let told = async || {
        let found = ask(&nats, "revocations", json!({})).await;
        (found["result"] == json!({ "revocations": [{ "user": "mallory" }] })).then_some(())
    };
    until_some("it is blocked", told).await.unwrap();

    let malformed = nats.request("tide.req.tidegate.publish", "{".into()).await;
    let headers = malformed.unwrap().headers.unwrap();
    assert_eq!(
        headers.get("Nats-Service-Error-Code").unwrap().as_str(),
        "400"
    );
}

#[tokio::test]
async fn an_order_that_a_node_did_not_answer_has_failed_until_the_node_is_known_to_be_gone() {
    let mut site = Site::start(Backbone::Nats, |config| {
        config["nats_api"] = json!({ "enabled": true });
        config["client"]["revocation"] = json!({ "enabled": true });
    })
    .await;
    let nats = async_nats::connect(site.nats.as_ref().unwrap().url());
    let nats = nats.await.unwrap();
    both_nodes(&nats).await;
    site.gateways[1].kill().unwrap();
    let order = json!({ "user": "nobody" });
    let answer = ask(&nats, "disconnect", order.clone()).await;
    assert_eq!(answer["error"]["code"], 100, "{answer}");
    let done = async || {
        let answer = ask(&nats, "disconnect", order.clone()).await;
        (answer == json!({ "result": { "num_clients": 0 } })).then_some(())
    };
    until_some("the node is given up", done).await.unwrap();
}

#[tokio::test]
async fn a_page_describes_the_methods_where_it_is_asked_for() {
    for (is_enabled, status) in [(true, 200), (false, 404)] {
        let site = Site::start(Backbone::Embedded, |config| {
            config["swagger"] = json!({ "enabled": is_enabled });
        })
        .await;
        for file in ["", "page.js", "style.css", "openapi.json"] {
            let path = format!("/swagger/{file}");
            assert_eq!(site.near().get(&path).await.unwrap().0, status, "{path}");
        }
    }
}
