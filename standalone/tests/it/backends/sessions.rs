//! Backends over gRPC that reach single sessions, on whatever node, and change options of one subscription.

use serde_json::{Value, json};
use tidegate_proto::gateway as proto;
use tidegate_proto::gateway::command::Command;
use tidegate_proto::gateway::reply::Reply;
use tidegate_testkit::deadline::{PATIENCE, until_some};
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::NatsServer;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{Backend, KEY, connect, free_port, with_key};

/// A client over an HTTP stream; `connect` told it a session.
struct Streaming {
    lines: Lines<BufReader<TcpStream>>,
    session: String,
}

impl Streaming {
    async fn open(gateway: &Gateway) -> Self {
        let body = json!({ "id": 1, "connect": {} }).to_string();
        let request = format!(
            "POST /connection/http_stream HTTP/1.1\r\nHost: gateway.test\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let mut socket = TcpStream::connect(gateway.address()).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut it = Self {
            lines: BufReader::new(socket).lines(),
            session: String::new(),
        };
        let reply = it.next().await;
        let session = reply["connect"]["session"].as_str();
        it.session = session.unwrap().to_owned();
        it
    }

    /// The next reply or push; pings, heads and sizes of chunks are passed over.
    async fn next(&mut self) -> Value {
        loop {
            let line = timeout(PATIENCE, self.lines.next_line()).await;
            let line = line.unwrap().unwrap().expect("the node does not end it");
            let is_message = line.starts_with('{') && line != "{}";
            if is_message {
                return serde_json::from_str(&line).unwrap();
            }
        }
    }

    fn target(&self) -> Option<proto::Target> {
        Some(proto::Target {
            session: self.session.clone(),
            ..proto::Target::default()
        })
    }
}

/// A node of a site, and its port for gRPC.
async fn node(url: &str) -> (Gateway, u16) {
    let port = free_port();
    let config = json!({
        "client": { "allow_anonymous_connect_without_token": true },
        "channel": { "namespaces": [{
            "name": "kept",
            "history_size": 10,
            "history_ttl": "10m",
            "allow_positioning": true,
            "allow_recovery": true,
        }] },
        "http_stream": { "enabled": true },
        "grpc_api": { "enabled": true, "port": port, "key": KEY },
    });
    let gateway = Gateway::start(env!("CARGO_BIN_EXE_tidegate"), &config, Some(url));
    (gateway.await.unwrap(), port)
}

/// Two nodes that know each other, and a backend of the first.
async fn nodes(server: &NatsServer) -> ([Gateway; 2], Backend) {
    let (near, port) = node(&server.url()).await;
    let (far, _) = node(&server.url()).await;
    let backend = with_key(connect(port).await);
    let both = async || {
        let info = backend.clone().info(proto::InfoRequest {}).await.ok()?;
        (info.into_inner().nodes.len() == 2).then_some(())
    };
    until_some("the nodes know each other", both).await.unwrap();
    ([near, far], backend)
}

#[tokio::test]
async fn grpc_reaches_one_session_on_another_node() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let ([_near, far], mut backend) = nodes(&server).await;
    let (mut meant, mut other) = (Streaming::open(&far).await, Streaming::open(&far).await);
    let recovering = proto::SubscriptionOverride {
        force_recovery: Some(true),
        ..proto::SubscriptionOverride::default()
    };
    for (client, options) in [(&mut meant, Some(recovering)), (&mut other, None)] {
        let order = proto::SubscribeRequest {
            target: client.target(),
            channel: "kept:room".to_owned(),
            r#override: options,
            ..proto::SubscribeRequest::default()
        };
        let done = backend.subscribe(order).await.unwrap().into_inner();
        assert_eq!(done.clients, 1);
        let push = client.next().await["push"]["subscribe"].clone();
        let is_recoverable = push["recoverable"] == true;
        assert_eq!(is_recoverable, options.is_some(), "{push}");
    }
    let order = proto::RefreshRequest {
        target: meant.target(),
        expire_at: 4_000_000_000,
        ..proto::RefreshRequest::default()
    };
    let done = backend.refresh(order).await.unwrap().into_inner();
    assert_eq!(done.clients, 1);
    assert!(meant.next().await["push"]["refresh"].is_object());
    let order = proto::UnsubscribeRequest {
        target: meant.target(),
        channel: "kept:room".to_owned(),
    };
    let done = backend.unsubscribe(order).await.unwrap().into_inner();
    assert_eq!(done.clients, 1);
    assert!(meant.next().await["push"]["unsubscribe"].is_object());
    let order = proto::DisconnectRequest {
        target: meant.target(),
        ..proto::DisconnectRequest::default()
    };
    let done = backend.disconnect(order).await.unwrap().into_inner();
    assert_eq!(done.clients, 1);
    assert_eq!(meant.next().await["push"]["disconnect"]["code"], 3_503);

    // The other session was meant by none of it but the first.
    let publication = proto::PublishRequest {
        channel: "kept:room".to_owned(),
        publication: Some(proto::Publishing {
            data: "1".into(),
            ..proto::Publishing::default()
        }),
    };
    backend.publish(publication).await.unwrap();
    assert_eq!(other.next().await["push"]["pub"]["data"], 1);
}

#[tokio::test]
async fn a_batch_over_grpc_has_every_operation() {
    let server = NatsServer::start_with("jetstream: enabled").await.unwrap();
    let ([_near, _far], mut backend) = nodes(&server).await;
    let channel = || "kept:room".to_owned();
    let history = proto::HistoryRequest {
        channel: channel(),
        ..proto::HistoryRequest::default()
    };
    let commands = [
        Command::Info(proto::InfoRequest {}),
        Command::Channels(proto::ChannelsRequest::default()),
        Command::Connections(proto::ConnectionsRequest::default()),
        Command::History(history),
        Command::HistoryRemove(proto::HistoryRemoveRequest { channel: channel() }),
        Command::Presence(proto::PresenceRequest { channel: channel() }),
        Command::PresenceStats(proto::PresenceStatsRequest { channel: channel() }),
        Command::BlockUser(proto::BlockUserRequest::default()),
        Command::Revocations(proto::RevocationsRequest::default()),
    ];
    for parallel in [false, true] {
        let commands = commands
            .clone()
            .map(|it| proto::Command { command: Some(it) });
        let batch = proto::BatchRequest {
            commands: commands.into(),
            parallel,
        };
        let replies = backend.batch(batch).await.unwrap().into_inner().replies;
        let told = replies.into_iter().map(|it| it.reply.unwrap());
        let told: Vec<_> = told.map(|it| summary(&it)).collect();
        let expected = [
            "2 nodes",
            "channels",
            "connections",
            "history",
            "removed",
            "108",
            "108",
            "108",
            "108",
        ];
        assert_eq!(told, expected, "parallel: {parallel}");
    }
}

fn summary(reply: &Reply) -> String {
    match reply {
        Reply::Error(error) => error.code.to_string(),
        Reply::Info(info) => format!("{} nodes", info.nodes.len()),
        Reply::Channels(_) => "channels".to_owned(),
        Reply::Connections(_) => "connections".to_owned(),
        Reply::History(_) => "history".to_owned(),
        Reply::HistoryRemove(_) => "removed".to_owned(),
        other => format!("{other:?}"),
    }
}
