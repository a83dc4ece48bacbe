//! The loop that moves frames between a WebSocket and a connection.
//!
//! In: messages under the size limits. Out: the connection's outbox, in as few frames and writes as the client's reading
//! allows. Knows nothing of channels or NATS.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::ws::{CloseCode, CloseReason, Message as WsMessage, ProtocolError};
use actix_ws::{MessageStream, Session as Socket};
use bytes::Bytes;
use bytestring::ByteString;
use futures_util::Sink;
use tidegate_codec::{DisconnectCode, Format};
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::message::{Assembler, Message};
use crate::admission::Admitted;
use crate::connection::Connection;
use crate::node::{Drain, Node};
use crate::outbox::Outbox;

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

/// Serves one connection until it ends.
pub(super) async fn run(
    node: Arc<Node>,
    mut connection: Connection,
    mut socket: Socket,
    mut stream: MessageStream,
    _admitted: Admitted,
) {
    let _counted = node.counters.count_connection();
    tracing::debug!(client = connection.client(), "connected");
    let end = exchange(&node, &mut connection, &mut socket, &mut stream).await;
    let reason = farewell(&node, &connection, &end);
    let outbox = Rc::clone(connection.outbox());
    // From here on nobody publishes to it: its memberships end before the last frames leave.
    drop(connection);
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
}

/// Says and counts how a connection ended; gives what its close frame is to say.
fn farewell(node: &Node, connection: &Connection, end: &End) -> Option<CloseReason> {
    let (client, user) = (connection.client(), connection.user());
    match *end {
        End::Gone => {
            tracing::debug!(client, user, "gone");
            None
        }
        End::Left => {
            tracing::debug!(client, user, "left");
            Some(CloseReason::from(CloseCode::Normal))
        }
        End::Violation(code) => {
            node.counters.protocol_errors.add(1);
            let code_number = u16::from(code);
            tracing::info!(
                client,
                user,
                code = code_number,
                "closed for breaking RFC 6455 or a limit"
            );
            Some(CloseReason::from(code))
        }
        End::Disconnect(code) => {
            node.counters.closed_by_server.add(1);
            match code {
                // Every client of the node, and the log says already that it is stopping.
                DisconnectCode::Shutdown => tracing::debug!(client, user, %code, "closed"),
                _ => tracing::info!(client, user, %code, "closed"),
            }
            Some(close_reason(code))
        }
    }
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
            connection.pong_frame();
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
