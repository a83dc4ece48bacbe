//! The loop that moves frames between a WebSocket and a connection.
//!
//! In: messages under the size limits. Out: the connection's outbox, in as few frames and writes as the client's reading
//! allows. Knows nothing of channels or NATS.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::ws::{CloseCode, CloseReason};
use tidegate_codec::{DisconnectCode, Format};
use tokio::sync::mpsc::Permit;
use tokio::sync::watch;
use tokio::time::{sleep_until, timeout};

use super::incoming::{Broken, Event, Incoming};
use super::message::Message;
use super::outgoing::{Frame, Gone, Outgoing};
use crate::admission::Admitted;
use crate::connection::Connection;
use crate::node::{Drain, Node};
use crate::outbox::Outbox;

/// Time for the last frames to leave when a connection is closed, and for the client to close too. What it has not taken
/// by then is dropped.
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
    outgoing: Outgoing,
    mut incoming: Incoming,
    _admitted: Admitted,
) {
    let _counted = node.counters.count_connection();
    tracing::debug!(client = connection.client(), "connected");
    let end = exchange(&node, &mut connection, &outgoing, &mut incoming).await;
    let reason = farewell(&node, &connection, &end);
    let outbox = Rc::clone(connection.outbox());
    connection.settle().await;
    if let Some(reason) = reason {
        // A client that reads nothing is left to the transport's own time-out.
        let _ = timeout(CLOSE_TIMEOUT, say(&outgoing, &outbox, reason)).await;
        // Bytes that nobody has read when the socket is closed make the kernel throw away what was written last.
        if !matches!(end, End::Left) {
            let _ = timeout(CLOSE_TIMEOUT, incoming.closed()).await;
        }
    }
}

/// Sends what waits, and the close frame.
async fn say(outgoing: &Outgoing, outbox: &Outbox, reason: CloseReason) -> Result<(), Gone> {
    while let Some(frame) = outbox.take_frame() {
        let permit = outgoing.ready().await?;
        permit.send(Frame::Data(outbox.format(), frame));
    }
    outgoing.ready().await?.send(Frame::Close(reason));
    Ok(())
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
    outgoing: &Outgoing,
    incoming: &mut Incoming,
) -> End {
    let mut drain = node.drain();
    let mut drain_at = None;
    let mut pong = None;
    let mut leaving = None;
    let outbox = Rc::clone(connection.outbox());
    loop {
        if outbox.has_overflowed() {
            node.counters.closed_slow.add(1);
            return End::Disconnect(DisconnectCode::Slow);
        }
        if let Some(code) = connection.closing() {
            return End::Disconnect(code);
        }
        if !connection.is_working()
            && let Some(end) = leaving.take()
        {
            return end;
        }
        let deadline = connection.deadline().into_iter().chain(drain_at).min();
        let listens = leaving.is_none();
        let has_control = pong.is_some() || connection.has_ping();
        tokio::select! {
            writable = writable(outgoing, &outbox, has_control), if listens => match writable {
                Ok(permit) => {
                    let ping = connection.take_ping().then_some(Frame::Ping);
                    write(permit, ping.or_else(|| pong.take()), &outbox);
                }
                Err(Gone) => leaving = Some(End::Gone),
            },
            () = outbox.overflowed() => {}
            () = connection.progress(), if connection.is_working() => {}
            event = incoming.next(), if listens && connection.takes_frames() => {
                match take(event, connection) {
                    Ok(None) => {}
                    // Of several pings the last may be answered alone (RFC 6455 section 5.5.3).
                    Ok(answer) => pong = answer,
                    Err(end @ End::Violation(_)) => return end,
                    // What it said before is done first.
                    Err(end) => leaving = Some(end),
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

/// Gives what the client said to the connection; gives the control frame that answers it, if one does.
fn take(event: Result<Event, Broken>, connection: &mut Connection) -> Result<Option<Frame>, End> {
    let message = match event {
        Ok(Event::Message(message)) => message,
        Ok(Event::Ping(data)) => {
            return Ok(Some(Frame::Pong(data)));
        }
        Ok(Event::Pong) => {
            connection.pong_frame();
            return Ok(None);
        }
        Ok(Event::Close) => return Err(End::Left),
        Err(Broken::Gone) => return Err(End::Gone),
        Err(Broken::Violation(code)) => return Err(End::Violation(code)),
    };
    match (connection.outbox().format(), message) {
        (Format::Json, Message::Text(frame)) | (Format::Protobuf, Message::Binary(frame)) => {
            connection.receive(&frame)
        }
        (Format::Json, Message::Binary(_)) => {
            connection.close(DisconnectCode::InappropriateProtocol)
        }
        (Format::Protobuf, Message::Text(_)) => connection.close(DisconnectCode::BadRequest),
    }
    Ok(None)
}

/// Waits until there is something to write and room to write it.
async fn writable<'a>(
    outgoing: &'a Outgoing,
    outbox: &Outbox,
    has_control: bool,
) -> Result<Permit<'a, Frame>, Gone> {
    if !has_control {
        outbox.filled().await;
    }
    outgoing.ready().await
}

fn write(permit: Permit<'_, Frame>, control: Option<Frame>, outbox: &Outbox) {
    let data = || Some(Frame::Data(outbox.format(), outbox.take_frame()?));
    if let Some(frame) = control.or_else(data) {
        permit.send(frame);
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
