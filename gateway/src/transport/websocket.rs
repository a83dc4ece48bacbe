//! WebSocket: the upgrade, and the loop that moves frames between a socket and a connection.
//!
//! In: an HTTP request, then WebSocket messages under the size limits. Out: the connection's outbox, as few frames and
//! writes as its readers allow. Knows nothing of channels or NATS.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::ws::{CloseCode, CloseReason, Message as WsMessage, ProtocolError};
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use actix_ws::{MessageStream, Session as Socket};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::Sink;
use tidegate_codec::{DisconnectCode, Format};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::message::{Assembler, Message};
use crate::admission::Admitted;
use crate::auth::token_of_upgrade;
use crate::connection::Connection;
use crate::hub::Hub;
use crate::node::{Drain, Node};
use crate::outbox::Outbox;
use crate::session::{Entry, PingStyle};

/// Subprotocols that a client may ask for.
const SUBPROTOCOLS: [&str; 2] = ["centrifuge-json", "centrifuge-protobuf"];

/// Time for the last frames to leave when a connection is closed; what a client has not taken by then is dropped.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(1);

/// How the socket's side ended.
enum End {
    /// The network, or the client without a word.
    Gone,
    /// The client closed.
    Left,
    /// The client broke RFC 6455 or a limit: this close code.
    Violation(CloseCode),
    /// The session ended with this code.
    Disconnect(DisconnectCode),
}

/// Answers an upgrade request.
pub(crate) async fn upgrade(
    request: HttpRequest,
    body: web::Payload,
    node: web::Data<Node>,
    hub: web::Data<Rc<Hub>>,
) -> actix_web::Result<HttpResponse> {
    let node = node.into_inner();
    let admitted = match admit(&request, &node) {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refusal),
    };
    let entry = entry(&request, &node);
    let (response, socket, stream) =
        actix_ws::handle_with_protocols(&request, body, &SUBPROTOCOLS)?;
    let stream = stream.max_frame_size(node.config.websocket.message_size_limit);
    let connection = Connection::new(Arc::clone(&node), Rc::clone(&hub), entry);
    actix_web::rt::spawn(run(node, connection, socket, stream, admitted));
    Ok(response)
}

/// Checks that come before the upgrade, cheapest first.
fn admit(request: &HttpRequest, node: &Node) -> Result<Admitted, HttpResponse> {
    if node.is_draining() {
        return Err(unavailable("the node is stopping", Duration::from_secs(1)));
    }
    let text = |name: header::HeaderName| {
        request
            .headers()
            .get(name)
            .map(|value| value.to_str().unwrap_or("\u{fffd}"))
    };
    let origin = text(header::ORIGIN);
    if !node.origins.allows(origin, text(header::HOST)) {
        node.counters.origins_refused.add(1);
        tracing::info!(origin, "upgrade refused, see client.allowed_origins");
        return Err(HttpResponse::build(StatusCode::FORBIDDEN).body("origin is not allowed\n"));
    }
    node.admission.admit(Instant::now()).map_err(|full| {
        node.counters.connections_refused.add(1);
        unavailable(
            "the node has as many connections as allowed",
            full.retry_after,
        )
    })
}

fn unavailable(reason: &str, retry_after: Duration) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, retry_after.as_secs().max(1)))
        .body(format!("{reason}\n"))
}

fn entry(request: &HttpRequest, node: &Node) -> Entry {
    let query = |key: &str, value: &str| {
        request
            .query_string()
            .split('&')
            .any(|pair| pair.split_once('=') == Some((key, value)))
    };
    let offered = request
        .headers()
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .filter_map(|value| value.to_str().ok());
    let chosen = offered
        .flat_map(|list| list.split(','))
        .map(str::trim)
        .find(|name| SUBPROTOCOLS.contains(name));
    let protobuf = match chosen {
        Some(name) => name == SUBPROTOCOLS[1],
        None => query("format", "protobuf") || query("cf_protocol", "protobuf"),
    };
    let headers = request.headers();
    let token = token_of_upgrade(
        headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()),
        headers
            .get_all(header::COOKIE)
            .filter_map(|value| value.to_str().ok()),
        &node.config.client.token_cookie,
    );
    Entry {
        client: uuid::Uuid::new_v4().to_string(),
        format: if protobuf {
            Format::Protobuf
        } else {
            Format::Json
        },
        token: token.unwrap_or_default().to_owned(),
        pings: if query("cf_ws_frame_ping_pong", "true") {
            PingStyle::Frame
        } else {
            PingStyle::Message
        },
        phase: rand::random(),
    }
}

/// Serves one connection until it ends.
async fn run(
    node: Arc<Node>,
    mut connection: Connection,
    mut socket: Socket,
    mut stream: MessageStream,
    _admitted: Admitted,
) {
    node.counters.connections.add(1);
    node.counters.connections_accepted.add(1);
    tracing::debug!(client = connection.client(), "connected");
    let end = exchange(&node, &mut connection, &mut socket, &mut stream).await;
    let client = connection.client().to_owned();
    let outbox = Rc::clone(connection.outbox());
    // From here on nobody publishes to it: its memberships end before the last frames leave.
    drop(connection);
    let reason = match end {
        End::Gone => {
            tracing::debug!(client, "gone");
            None
        }
        End::Left => {
            tracing::debug!(client, "left");
            Some(CloseReason::from(CloseCode::Normal))
        }
        End::Violation(code) => {
            node.counters.protocol_errors.add(1);
            tracing::info!(
                client,
                code = u16::from(code),
                "closed for breaking the WebSocket protocol or its limits"
            );
            Some(CloseReason::from(code))
        }
        End::Disconnect(code) => {
            node.counters.closed_by_server.add(1);
            tracing::info!(
                client,
                code = code.code(),
                reason = code.message(),
                "closed"
            );
            Some(close_reason(code))
        }
    };
    if let Some(reason) = reason {
        let last_frames = async {
            while let Some(frame) = outbox.take_frame() {
                send(&mut socket, outbox.format(), frame).await?;
            }
            socket.close(Some(reason)).await
        };
        // A client that reads nothing is left to the transport's own time-out.
        let _ = timeout(CLOSE_TIMEOUT, last_frames).await;
        let _ = timeout(CLOSE_TIMEOUT, async {
            while let Some(Ok(_)) = stream.recv().await {}
        })
        .await;
    }
    node.counters.connections.sub(1);
}

/// Moves frames both ways until one side ends.
async fn exchange(
    node: &Node,
    connection: &mut Connection,
    socket: &mut Socket,
    stream: &mut MessageStream,
) -> End {
    let limit = node.config.websocket.message_size_limit;
    let mut drain = node.drain();
    let mut drain_at = None;
    let mut assembler = Assembler::default();
    let outbox = Rc::clone(connection.outbox());
    loop {
        if outbox.has_overflowed() {
            node.counters.closed_slow.add(1);
            return End::Disconnect(DisconnectCode::Slow);
        }
        if let Some(code) = connection.closing() {
            return End::Disconnect(code);
        }
        if connection.take_ping() && socket.ping(b"").await.is_err() {
            return End::Gone;
        }
        let deadline = connection.deadline().into_iter().chain(drain_at).min();
        let idle = connection.is_idle();
        tokio::select! {
            writable = writable(socket, &outbox) => if !writable || !write(socket, &outbox) {
                return End::Gone;
            },
            () = outbox.overflowed() => {}
            () = connection.finish_operation(), if !idle => {}
            message = stream.recv(), if idle => {
                if let Err(end) = take(message, connection, socket, &mut assembler, limit).await {
                    return end;
                }
            }
            () = sleep_until_some(deadline) => connection.tick(),
            at = drain_time(&mut drain), if drain_at.is_none() => drain_at = Some(at),
        }
        if drain_at.is_some_and(|at| at <= Instant::now()) {
            connection.close(DisconnectCode::Shutdown);
        }
    }
}

/// Gives one message to the connection.
async fn take(
    message: Option<Result<WsMessage, ProtocolError>>,
    connection: &mut Connection,
    socket: &mut Socket,
    assembler: &mut Assembler,
    limit: usize,
) -> Result<(), End> {
    let whole = match message {
        None => return Err(End::Gone),
        Some(Err(error)) => return Err(violation(&error)),
        Some(Ok(WsMessage::Close(_))) => return Err(End::Left),
        Some(Ok(WsMessage::Text(text))) => Message::Text(text.into_bytes()),
        Some(Ok(WsMessage::Binary(bytes))) => Message::Binary(bytes),
        Some(Ok(WsMessage::Continuation(item))) => match assembler.take(item, limit) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(_) => return Err(End::Violation(CloseCode::Size)),
        },
        Some(Ok(WsMessage::Ping(data))) => return socket.pong(&data).await.map_err(|_| End::Gone),
        Some(Ok(WsMessage::Pong(_))) => {
            connection.pong();
            return Ok(());
        }
        Some(Ok(WsMessage::Nop)) => return Ok(()),
    };
    match (connection.outbox().format(), whole) {
        (Format::Json, Message::Text(frame)) | (Format::Protobuf, Message::Binary(frame)) => {
            connection.receive(&frame)
        }
        (Format::Json, Message::Binary(_)) => {
            connection.close(DisconnectCode::InappropriateProtocol)
        }
        (Format::Protobuf, Message::Text(_)) => connection.close(DisconnectCode::BadRequest),
    }
    Ok(())
}

/// The close code of RFC 6455 section 7.4.1 for what a client did wrong.
fn violation(error: &ProtocolError) -> End {
    match error {
        ProtocolError::Overflow => End::Violation(CloseCode::Size),
        ProtocolError::Io(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            End::Violation(CloseCode::Invalid)
        }
        ProtocolError::Io(_) => End::Gone,
        _ => End::Violation(CloseCode::Protocol),
    }
}

/// Waits until there is something to write and room to write it. False when the socket is gone.
async fn writable(socket: &mut Socket, outbox: &Outbox) -> bool {
    outbox.filled().await;
    poll_fn(|context| Pin::new(&mut *socket).poll_ready(context))
        .await
        .is_ok()
}

/// Writes one frame into a socket that has room. False when the socket is gone.
fn write(socket: &mut Socket, outbox: &Outbox) -> bool {
    outbox.take_frame().is_none_or(|frame| {
        Pin::new(socket)
            .start_send(message(outbox.format(), frame))
            .is_ok()
    })
}

async fn send(socket: &mut Socket, format: Format, frame: Bytes) -> Result<(), actix_ws::Closed> {
    poll_fn(|context| Pin::new(&mut *socket).poll_ready(context)).await?;
    Pin::new(socket).start_send(message(format, frame))
}

fn message(format: Format, frame: Bytes) -> WsMessage {
    match format {
        Format::Json => WsMessage::Text(ByteString::try_from(frame).expect("JSON is UTF-8")),
        Format::Protobuf => WsMessage::Binary(frame),
    }
}

async fn sleep_until_some(deadline: Option<Instant>) {
    match deadline {
        Some(at) => sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}

/// Waits until the node is stopping; gives this connection's moment in the drain period.
async fn drain_time(drain: &mut watch::Receiver<Option<Drain>>) -> Instant {
    let plan = match drain.wait_for(Option::is_some).await {
        Ok(plan) => *plan,
        Err(_) => None,
    };
    plan.map_or_else(Instant::now, |plan| {
        plan.since + plan.period.mul_f64(rand::random())
    })
}

fn close_reason(code: DisconnectCode) -> CloseReason {
    let number = u16::try_from(code.code()).expect("disconnect codes are WebSocket close codes");
    CloseReason {
        code: CloseCode::Other(number),
        description: Some(code.message().to_owned()),
    }
}
