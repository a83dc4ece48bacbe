//! One-way clients that come by gRPC, with the client of another implementation of HTTP/2, and by hand where it would
//! repair what is sent.

use bytes::{BufMut, Bytes, BytesMut};
use prost::Message;
use serde_json::json;
use tidegate_proto::{ConnectRequest, Push, SubscribeRequest};
use tidegate_testkit::authority::Authority;
use tidegate_testkit::secret::Secret;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint, Identity};
use tonic::{Code, Request, Status, Streaming};
use tonic_prost::ProstCodec;

use super::site;
use crate::command::Format;
use crate::http::PATIENCE;
use crate::site::Site;
use crate::token;

const METHOD: &str = "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume";

pub(super) fn grpc_site(change: impl FnOnce(&mut serde_json::Value)) -> Site {
    site(|config| {
        config["uni_grpc"] = json!({ "enabled": true, "address": "127.0.0.1", "port": 0 });
        change(config);
    })
}

pub(super) async fn channel(site: &Site) -> Channel {
    let url = format!("http://{}", site.uni_grpc_address());
    let endpoint = Endpoint::from_shared(url).unwrap();
    endpoint.connect().await.unwrap()
}

/// What `alice` says who wants to hear of these channels.
pub(super) fn connect(channels: &[&str]) -> ConnectRequest {
    let subs = channels
        .iter()
        .map(|it| (String::from(*it), SubscribeRequest::default()));
    ConnectRequest {
        token: token::of("alice"),
        subs: subs.collect(),
        ..ConnectRequest::default()
    }
}

async fn call(
    channel: &Channel,
    method: &'static str,
    request: Request<ConnectRequest>,
) -> Result<Streaming<Push>, Status> {
    let mut client = Grpc::new(channel.clone());
    client.ready().await.unwrap();
    let codec = ProstCodec::<ConnectRequest, Push>::default();
    let path = PathAndQuery::from_static(method);
    let answer = client.server_streaming(request, path, codec).await?;
    Ok(answer.into_inner())
}

pub(super) async fn consume(channel: &Channel, request: ConnectRequest) -> Streaming<Push> {
    call(channel, METHOD, Request::new(request)).await.unwrap()
}

/// The next push; `None` at the end, which is a good one.
async fn next(stream: &mut Streaming<Push>) -> Option<Push> {
    timeout(PATIENCE, stream.message()).await.unwrap().unwrap()
}

#[tokio::test]
async fn a_program_hears_what_its_channels_bring_and_how_it_ends() {
    let site = grpc_site(|config| config["client"]["ping_interval"] = json!("1s"));
    let channel = channel(&site).await;
    let mut stream = consume(&channel, connect(&["chat:a"])).await;
    let connected = next(&mut stream).await.unwrap().connect.unwrap();
    assert_eq!((connected.ping, connected.pong), (1, false));
    assert!(connected.subs.iter().any(|it| it.key == "chat:a"));
    let mut writer = site.alice().await;
    writer.publish("chat:a", "{\"n\":1}").await;
    let publication = loop {
        let push = next(&mut stream).await.unwrap();
        if push != Push::default() {
            break push;
        }
    };
    assert_eq!(publication.channel, "chat:a");
    assert_eq!(publication.r#pub.unwrap().data, "{\"n\":1}");
    assert_eq!(next(&mut stream).await, Some(Push::default()), "no ping");
    writer.leave().await;
    let stop = tokio::spawn(site.end());
    let end = loop {
        match next(&mut stream).await.unwrap().disconnect {
            None => {}
            Some(end) => break end,
        }
    };
    assert_eq!((end.code, end.reconnect), (3001, true));
    assert_eq!(next(&mut stream).await, None);
    stop.await.unwrap();
}

#[tokio::test]
async fn a_connect_that_is_refused_ends_with_its_code() {
    let site = grpc_site(|config| {
        config["client"]["connect_code_to_unidirectional_disconnect"] = json!({
            "enabled": true,
            "transforms": [{ "code": 109, "to": { "code": 4_501, "reason": "log in again" } }],
        });
    });
    let channel = channel(&site).await;
    let request = ConnectRequest {
        token: token::signed(&json!({ "sub": "alice", "exp": 1 })),
        ..ConnectRequest::default()
    };
    let mut stream = consume(&channel, request).await;
    let end = next(&mut stream).await.unwrap().disconnect.unwrap();
    assert_eq!((end.code, end.reconnect), (4501, false));
    assert_eq!(end.reason, "log in again");
    let request = ConnectRequest {
        token: "no token".to_owned(),
        ..ConnectRequest::default()
    };
    let mut stream = consume(&channel, request).await;
    let end = next(&mut stream).await.unwrap().disconnect.unwrap();
    assert_eq!((end.code, end.reconnect), (3500, false));
    assert_eq!(next(&mut stream).await, None);
    // The token may come as metadata.
    let mut request = Request::new(ConnectRequest::default());
    let token = format!("Bearer {}", token::of("alice"));
    request
        .metadata_mut()
        .insert("authorization", token.parse().unwrap());
    let mut stream = call(&channel, METHOD, request).await.unwrap();
    assert!(next(&mut stream).await.unwrap().connect.is_some());
    drop((stream, channel));
    site.stop().await;
}

#[tokio::test]
async fn what_cannot_be_served_has_a_status() {
    let site = grpc_site(|config| {
        config["uni_grpc"]["max_receive_message_size"] = json!(1_000);
        config["client"]["connection_limit"] = json!(1);
    });
    let channel = channel(&site).await;
    let refusal = async |method, request| {
        let answer = call(&channel, method, Request::new(request)).await;
        answer.unwrap_err().code()
    };
    let other = "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Produce";
    assert_eq!(refusal(other, connect(&[])).await, Code::Unimplemented);
    let large = ConnectRequest {
        name: "x".repeat(1_000),
        ..connect(&[])
    };
    assert_eq!(refusal(METHOD, large).await, Code::ResourceExhausted);
    let mut first = consume(&channel, connect(&[])).await;
    assert!(next(&mut first).await.is_some());
    assert_eq!(refusal(METHOD, connect(&[])).await, Code::Unavailable);
    drop((first, channel));
    site.stop().await;
}

/// Speaks HTTP/2 and no gRPC.
async fn client(site: &Site) -> h2::client::SendRequest<Bytes> {
    let socket = TcpStream::connect(site.uni_grpc_address()).await.unwrap();
    let (sender, connection) = h2::client::handshake(socket).await.unwrap();
    tokio::spawn(async move {
        let _ended = connection.await;
    });
    sender
}

/// Sends a body in pieces; gives the answer.
async fn send(
    sender: &h2::client::SendRequest<Bytes>,
    pieces: impl Iterator<Item = Bytes>,
) -> http::Response<h2::RecvStream> {
    let request = http::Request::post(format!("http://gateway.test{METHOD}"));
    let request = request.header("content-type", "application/grpc").body(());
    let mut sender = sender.clone().ready().await.unwrap();
    let (response, mut stream) = sender.send_request(request.unwrap(), false).unwrap();
    for piece in pieces {
        stream.send_data(piece, false).unwrap();
    }
    stream.send_data(Bytes::new(), true).unwrap();
    timeout(PATIENCE, response).await.unwrap().unwrap()
}

/// A message as gRPC has it on the wire.
fn framed(flag: u8, length: usize, message: &[u8]) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u8(flag);
    bytes.put_u32(length.try_into().unwrap());
    bytes.put_slice(message);
    bytes.freeze()
}

#[tokio::test]
async fn a_request_is_one_whole_message_however_it_comes() {
    let site = grpc_site(|_| {});
    let sender = client(&site).await;
    let connect = connect(&["chat:a"]).encode_to_vec();
    let whole = framed(0, connect.len(), &connect);
    let bytes = whole.chunks(1).map(Bytes::copy_from_slice);
    let mut response = send(&sender, bytes).await;
    assert!(!response.headers().contains_key("grpc-status"));
    let first = timeout(PATIENCE, response.body_mut().data()).await.unwrap();
    assert_eq!(first.unwrap().unwrap()[..2], [0, 0], "no push");
    let refusals = [
        (Bytes::new(), Code::InvalidArgument),
        (Bytes::from_static(b"\0\0\0\0"), Code::InvalidArgument),
        (
            framed(0, connect.len() + 1, &connect),
            Code::InvalidArgument,
        ),
        (framed(0, 0, &connect), Code::InvalidArgument),
        (framed(0, 2, b"\xff\xff"), Code::InvalidArgument),
        (framed(1, connect.len(), &connect), Code::Unimplemented),
    ];
    for (body, code) in refusals {
        let response = send(&sender, [body.clone()].into_iter()).await;
        let status = response.headers()["grpc-status"].to_str().unwrap();
        assert_eq!(Code::from(status.parse::<i32>().unwrap()), code, "{body:?}");
        assert!(response.body().is_end_stream());
    }
    site.until_metric("tidegate_connections", 1).await;
    drop((response, sender));
    site.stop().await;
}

#[tokio::test]
async fn a_program_that_never_reads_is_closed_as_slow_and_the_others_go_on() {
    let site = grpc_site(|_| {});
    let sender = client(&site).await;
    let connect_a = connect(&["chat:a"]).encode_to_vec();
    let whole = framed(0, connect_a.len(), &connect_a);
    let stuck = send(&sender, [whole].into_iter()).await;
    let channel = channel(&site).await;
    let mut other = consume(&channel, connect(&["chat:a"])).await;
    next(&mut other).await.unwrap();
    let mut writer = site.client(Format::Json, "bob").await;
    let payload = format!("\"{}\"", "x".repeat(20_000));
    let mut sent = 0;
    while site.metric("tidegate_closed_slow").await == 0 {
        assert!(sent < 2_000, "nothing is bounded");
        for _ in 0..10 {
            writer.publish("chat:a", payload.clone()).await;
            while next(&mut other).await.unwrap().channel != "chat:a" {}
            sent += 1;
        }
    }
    drop((stuck, sender, other, channel));
    writer.leave().await;
    site.stop().await;
}

/// A channel over TLS to a node's port, as one who trusts an authority.
async fn tls_channel(site: &Site, tls: ClientTlsConfig) -> Channel {
    let url = format!("https://{}", site.uni_grpc_address());
    let endpoint = Endpoint::from_shared(url).unwrap().tls_config(tls).unwrap();
    endpoint.connect().await.unwrap()
}

fn trusting(authority: &Authority) -> ClientTlsConfig {
    ClientTlsConfig::new().ca_certificate(Certificate::from_pem(authority.pem()))
}

#[tokio::test]
async fn the_port_speaks_tls_with_a_certificate_of_its_own() {
    let authority = Authority::new().unwrap();
    let first = authority.certificate("127.0.0.1").unwrap();
    let secret = Secret::new(&first, "").unwrap();
    let site = grpc_site(|config| {
        config["uni_grpc"]["tls"] = json!({
            "enabled": true,
            "cert_pem_file": secret.file("tls.crt"),
            "key_pem_file": secret.file("tls.key"),
            "reload_interval": "50ms",
        });
    });
    let channel = tls_channel(&site, trusting(&authority)).await;
    let mut stream = consume(&channel, connect(&[])).await;
    assert!(next(&mut stream).await.unwrap().connect.is_some());
    assert_eq!(site.metric("tidegate_tls_failed").await, 0);
    let url = format!("http://{}", site.uni_grpc_address());
    let plain = Endpoint::from_shared(url).unwrap();
    if let Ok(channel) = plain.connect().await {
        let answer = call(&channel, METHOD, Request::new(connect(&[]))).await;
        assert!(answer.is_err(), "there is a way past TLS");
    }
    site.until_metric("tidegate_tls_failed", 1).await;

    let other = Authority::new().unwrap();
    let second = other.certificate("127.0.0.1").unwrap();
    secret.swap("second", &second, "").unwrap();
    site.until_metric("tidegate_tls_renewed", 1).await;
    let late = tls_channel(&site, trusting(&other)).await;
    let mut late_stream = consume(&late, connect(&[])).await;
    assert!(next(&mut late_stream).await.unwrap().connect.is_some());
    drop((stream, channel, late_stream, late));
    site.stop().await;
}

#[tokio::test]
async fn the_port_asks_for_certificates_of_clients() {
    let (authority, clients) = (Authority::new().unwrap(), Authority::new().unwrap());
    let (certificate, key) = authority.certificate_files("127.0.0.1").unwrap();
    let site = grpc_site(|config| {
        config["uni_grpc"]["tls"] = json!({
            "enabled": true,
            "cert_pem_file": certificate,
            "key_pem_file": key,
            "client_ca_pem_file": clients.file(),
        });
    });
    let showing = |issuer: &Authority| {
        let own = issuer.certificate("a client").unwrap();
        trusting(&authority).identity(Identity::from_pem(own.certificate, own.key))
    };
    for (tls, comes_in) in [
        (trusting(&authority), false),
        (showing(&authority), false),
        (showing(&clients), true),
    ] {
        let url = format!("https://{}", site.uni_grpc_address());
        let endpoint = Endpoint::from_shared(url).unwrap().tls_config(tls).unwrap();
        // A client of TLS 1.3 has done its part before it is refused.
        let channel = endpoint.connect_lazy();
        let answer = call(&channel, METHOD, Request::new(connect(&[]))).await;
        assert_eq!(answer.is_ok(), comes_in);
    }
    site.until_metric("tidegate_tls_failed", 2).await;
    site.stop().await;
}
