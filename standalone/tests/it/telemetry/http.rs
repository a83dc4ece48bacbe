//! The same collector over HTTP: OTLP's protobuf as bodies of requests.

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use prost::Message;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::collector::Kept;

/// Takes requests until it is dropped.
pub(super) async fn serve(listener: TcpListener, kept: Kept) {
    while let Ok((socket, _)) = listener.accept().await {
        tokio::spawn(take(socket, kept.clone()));
    }
}

/// All requests of one connection; `None` when it ends.
async fn take(mut socket: TcpStream, kept: Kept) -> Option<()> {
    loop {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(socket.read_u8().await.ok()?);
        }
        let head = String::from_utf8(head).ok()?.to_ascii_lowercase();
        let length = header(&head, "content-length")?.parse().ok()?;
        let mut body = vec![0; length];
        socket.read_exact(&mut body).await.ok()?;
        let status = match keep(&head, &body, &kept) {
            Some(()) => "200 OK",
            None => "400 Bad Request",
        };
        let answer = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
        socket.write_all(answer.as_bytes()).await.ok()?;
    }
}

fn header<'a>(head: &'a str, name: &str) -> Option<&'a str> {
    let mut lines = head.lines();
    lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}

/// What is asked as the OTLP specification says; `None` for anything else.
fn keep(head: &str, body: &[u8], kept: &Kept) -> Option<()> {
    let is_protobuf = header(head, "content-type") == Some("application/x-protobuf");
    let tenant = header(head, "x-tenant").unwrap_or_default().to_owned();
    let path = head.strip_prefix("post ")?.split(' ').next()?;
    match path {
        "/v1/traces" if is_protobuf => {
            kept.add_spans(ExportTraceServiceRequest::decode(body).ok()?, tenant);
        }
        "/v1/metrics" if is_protobuf => {
            kept.add_metrics(ExportMetricsServiceRequest::decode(body).ok()?);
        }
        _ => return None,
    }
    Some(())
}
