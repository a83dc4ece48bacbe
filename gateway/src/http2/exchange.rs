//! One request and its answer.

use std::future::poll_fn;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use actix_http::body::{BodySize, BoxBody, MessageBody};
use actix_http::error::PayloadError;
use actix_http::{Payload, Request};
use actix_web::http::header::{HOST, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{Method, Version};
use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use h2::server::SendResponse;
use h2::{Reason, RecvStream, SendStream};
use tokio::time::timeout;

use super::Site;

/// Time for a client to take anything of an answer that waits for it.
const UNREAD: Duration = Duration::from_secs(30);

/// Headers that have no meaning here (RFC 9113 section 8.2.2).
const OF_HTTP1: [&str; 5] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
];

/// What follows a response's body; found among the response's extensions.
pub(crate) struct Trailers(pub(crate) http::HeaderMap);

type BoxedPayload = Pin<Box<dyn Stream<Item = Result<Bytes, PayloadError>>>>;

/// Answers a request.
pub(super) async fn answer(
    request: http::Request<RecvStream>,
    respond: SendResponse<Bytes>,
    peer: SocketAddr,
    site: Rc<impl Site>,
) {
    let outcome = exchange(request, respond, peer, &*site).await;
    if let Err(error) = outcome {
        tracing::debug!(%error, "a request over HTTP/2 was cut off");
    }
}

async fn exchange(
    request: http::Request<RecvStream>,
    mut respond: SendResponse<Bytes>,
    peer: SocketAddr,
    site: &impl Site,
) -> Result<(), h2::Error> {
    let is_head = request.method() == http::Method::HEAD;
    let Some(request) = request_of(request, peer) else {
        respond.send_reset(Reason::PROTOCOL_ERROR);
        return Ok(());
    };
    let answered = tokio::select! {
        answered = site.call(request) => answered,
        reset = poll_fn(|context| respond.poll_reset(context)) => return reset.map(|_| ()),
    };
    let response = answered.map_or_else(|refusal| refusal, |it| it.into_parts().1);
    let (mut response, body) = response.into_parts();
    let trailers = response.extensions_mut().remove::<Trailers>();
    let size = match is_head {
        true => BodySize::None,
        false => body.size(),
    };
    let mut head = http::Response::new(());
    *head.status_mut() = http::StatusCode::from_u16(response.status().as_u16())
        .unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    copy_headers(response.headers(), head.headers_mut());
    if let BodySize::Sized(size) = size {
        head.headers_mut()
            .insert(http::header::CONTENT_LENGTH, size.into());
    }
    let is_empty = matches!(size, BodySize::None | BodySize::Sized(0));
    let stream = respond.send_response(head, is_empty)?;
    match is_empty {
        true => Ok(()),
        false => pour(body, stream, trailers).await,
    }
}

/// Sends a body, as much at a time as the client's window allows.
async fn pour(
    body: BoxBody,
    mut stream: SendStream<Bytes>,
    trailers: Option<Trailers>,
) -> Result<(), h2::Error> {
    let mut body = std::pin::pin!(body);
    loop {
        let piece = tokio::select! {
            piece = poll_fn(|context| body.as_mut().poll_next(context)) => piece,
            reset = poll_fn(|context| stream.poll_reset(context)) => return reset.map(|_| ()),
        };
        match piece {
            Some(Ok(piece)) => match timeout(UNREAD, send(piece, &mut stream)).await {
                Ok(sent) => sent?,
                Err(_) => {
                    stream.send_reset(Reason::CANCEL);
                    return Ok(());
                }
            },
            Some(Err(_)) => {
                stream.send_reset(Reason::INTERNAL_ERROR);
                return Ok(());
            }
            None => break,
        }
    }
    match trailers {
        Some(Trailers(trailers)) => stream.send_trailers(trailers),
        None => stream.send_data(Bytes::new(), true),
    }
}

async fn send(mut piece: Bytes, stream: &mut SendStream<Bytes>) -> Result<(), h2::Error> {
    while !piece.is_empty() {
        stream.reserve_capacity(piece.len());
        match poll_fn(|context| stream.poll_capacity(context)).await {
            Some(room) => {
                let room = room?.min(piece.len());
                stream.send_data(piece.split_to(room), false)?;
            }
            // The stream is over.
            None => return Err(Reason::CANCEL.into()),
        }
    }
    Ok(())
}

/// The request as the site knows requests.
fn request_of(request: http::Request<RecvStream>, peer: SocketAddr) -> Option<Request> {
    let (parts, body) = request.into_parts();
    let payload = unfold(body, |mut body| async {
        let piece = body.data().await?;
        if let Ok(piece) = &piece {
            // Taken: the client may send as much again. It fails on a stream that is over.
            let _released = body.flow_control().release_capacity(piece.len());
        }
        Some((piece.map_err(|_| PayloadError::Incomplete(None)), body))
    });
    let payload: BoxedPayload = Box::pin(payload);
    let payload = Payload::Stream { payload };
    let mut request = Request::with_payload(payload);
    let head = request.head_mut();
    head.method = Method::from_bytes(parts.method.as_str().as_bytes()).ok()?;
    head.uri = parts.uri.to_string().parse().ok()?;
    head.version = Version::HTTP_2;
    head.peer_addr = Some(peer);
    for (name, value) in &parts.headers {
        let name = HeaderName::from_bytes(name.as_str().as_bytes()).ok()?;
        head.headers
            .append(name, HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    if let (None, Some(authority)) = (head.headers.get(HOST), parts.uri.authority()) {
        head.headers
            .insert(HOST, HeaderValue::from_str(authority.as_str()).ok()?);
    }
    Some(request)
}

fn copy_headers(from: &HeaderMap, to: &mut http::HeaderMap) {
    let kept = from
        .iter()
        .filter(|(name, _)| !OF_HTTP1.contains(&name.as_str()));
    for (name, value) in kept {
        let name = http::HeaderName::from_bytes(name.as_str().as_bytes());
        let value = http::HeaderValue::from_bytes(value.as_bytes());
        if let (Ok(name), Ok(value)) = (name, value) {
            to.append(name, value);
        }
    }
}
