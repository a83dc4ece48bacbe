//! What an upgrade request says: whether it is a WebSocket handshake that may come in, and who sends it.

use std::time::{Duration, Instant};

use actix_http::RequestHead;
use actix_http::ws::{HandshakeError, hash_key, verify_handshake};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpResponse, ResponseError, web};
use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tidegate_codec::{Bookmark, Format};
use tidegate_websocket::{Agreement, Decoder, DeflateOptions, Role};
use tokio::time::timeout;

use super::one_way::OneWay;
use crate::admission::Admitted;
use crate::auth::token_of_upgrade;
use crate::config::WebSocketConfig;
use crate::hooks::{Headers, Wanted};
use crate::node::Node;
use crate::session::{Entry, PingStyle};
use crate::wire::Wire;

/// Subprotocols that a client may ask for; the first it offers is echoed, or browsers end the connection.
const SUBPROTOCOLS: [&str; 2] = ["centrifuge-json", "centrifuge-protobuf"];

/// Bytes of a request's target and headers: a token of the largest size in a cookie, and as much of everything else.
const HEAD_LIMIT: usize = 32 * 1024;

/// Why nobody comes in.
#[derive(Debug)]
pub(super) enum Refusal {
    NotFound,
    Stopping,
    HeadTooLarge,
    Origin,
    /// No handshake of RFC 6455 section 4.2.
    Handshake(HandshakeError),
    /// The node is full: come back after this time.
    Full(Duration),
    /// Another reason, which its status tells.
    Status(StatusCode),
}

impl Refusal {
    /// The answer: 404, 503 with `Retry-After` for a node that is full or stopping, 431, 403 for an origin that is not
    /// allowed, 400 or 405 for a request that is no handshake.
    pub(super) fn response(&self) -> HttpResponse {
        match self {
            Self::NotFound => HttpResponse::NotFound().finish(),
            Self::Stopping => unavailable("the node is stopping", Duration::from_secs(1)),
            Self::HeadTooLarge => HttpResponse::new(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE),
            Self::Origin => HttpResponse::Forbidden().body("origin is not allowed\n"),
            Self::Handshake(error) => error.error_response(),
            Self::Status(status) => HttpResponse::new(*status),
            Self::Full(retry_after) => unavailable("the node is full", *retry_after),
        }
    }
}

fn unavailable(reason: &str, retry_after: Duration) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, retry_after.as_secs().max(1)))
        .body(format!("{reason}\n"))
}

/// Whether a client may come in, and what that counts for.
pub(super) fn admit(head: &RequestHead, node: &Node) -> Result<Admitted, Refusal> {
    check(head, node)?;
    admit_past(node)
}

/// Counts a client in whose request has been checked.
pub(super) fn admit_past(node: &Node) -> Result<Admitted, Refusal> {
    node.admission.admit(Instant::now()).map_err(|full| {
        node.counters.connections_refused.add(1);
        Refusal::Full(full.retry_after)
    })
}

/// Checks a request for an upgrade; nothing but the limits on connections can refuse it then.
fn check(head: &RequestHead, node: &Node) -> Result<(), Refusal> {
    let websocket = &node.config.websocket;
    #[cfg(feature = "echo")]
    if head.uri.path() == super::echo::PATH {
        return verify_handshake(head).map_err(Refusal::Handshake);
    }
    let is_known = !websocket.disabled && head.uri.path() == websocket.handler_prefix;
    if !is_known && !OneWay::is_for(head, &node.config) {
        return Err(Refusal::NotFound);
    }
    check_entrance(head, node)?;
    if !is_origin_allowed(head, node) {
        return Err(Refusal::Origin);
    }
    verify_handshake(head).map_err(Refusal::Handshake)
}

/// Checks what holds for clients of every transport.
pub(super) fn check_entrance(head: &RequestHead, node: &Node) -> Result<(), Refusal> {
    if node.is_draining() {
        return Err(Refusal::Stopping);
    }
    match head_size(head) > HEAD_LIMIT {
        true => Err(Refusal::HeadTooLarge),
        false => Ok(()),
    }
}

/// Reads a request's body.
///
/// # Errors
/// 413 above `limit` bytes, 408 after `time`, 400 when it is cut off.
pub(super) async fn read_body(
    head: &RequestHead,
    mut payload: web::Payload,
    limit: usize,
    time: Duration,
) -> Result<Bytes, StatusCode> {
    let announced = head.headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|value| value.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|size| size > limit) {
        return Err(StatusCode::PAYLOAD_TOO_LARGE);
    }
    let read = async {
        let mut body = BytesMut::new();
        while let Some(piece) = payload.next().await {
            let piece = piece.map_err(|_| StatusCode::BAD_REQUEST)?;
            if body.len() + piece.len() > limit {
                return Err(StatusCode::PAYLOAD_TOO_LARGE);
            }
            body.extend_from_slice(&piece);
        }
        Ok(body.freeze())
    };
    let read = timeout(time, read).await;
    read.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT))
}

/// The parameter of the target that has the place of a body; empty when there is none.
pub(super) fn connect_parameter(head: &RequestHead) -> Result<Bytes, StatusCode> {
    #[derive(serde::Deserialize)]
    struct Parameters {
        #[serde(default)]
        cf_connect: String,
    }
    let parameters = web::Query::<Parameters>::from_query(query(head));
    let parameters = parameters.map_err(|_| StatusCode::BAD_REQUEST)?;
    Ok(parameters.into_inner().cf_connect.into())
}

/// The format of a request's body.
pub(super) fn content_format(head: &RequestHead) -> Format {
    let content = head.headers.get(header::CONTENT_TYPE);
    match content.is_some_and(|it| it.as_bytes().starts_with(b"application/octet-stream")) {
        true => Format::Protobuf,
        false => Format::Json,
    }
}

/// What is agreed on about compression, if it is wanted on both sides (RFC 7692 section 7.1). Frames are shared by many
/// clients, so those of the server never refer to earlier ones.
pub(super) fn agreement(head: &RequestHead, config: &WebSocketConfig) -> Option<Agreement> {
    let options = DeflateOptions {
        server_context_takeover: false,
        client_context_takeover: config.compression_client_context,
        ..DeflateOptions::FULL
    };
    let offers = head.headers.get_all(header::SEC_WEBSOCKET_EXTENSIONS);
    let offers = offers.filter_map(|offer| offer.to_str().ok());
    config.compression.then(|| options.accept(offers)).flatten()
}

/// Reads frames of a client.
pub(super) fn decoder(agreement: Option<&Agreement>) -> Decoder {
    match agreement {
        Some(agreement) => Decoder::with_deflate(Role::Server, agreement),
        None => Decoder::new(Role::Server),
    }
}

/// The head of the answer that grants an upgrade (RFC 6455 section 4.2.2).
pub(super) fn grant(head: &RequestHead, agreement: Option<&Agreement>) -> String {
    let key = head.headers.get(header::SEC_WEBSOCKET_KEY);
    let accept = hash_key(key.map_or(b"", HeaderValue::as_bytes));
    let accept = std::str::from_utf8(&accept).expect("base64 is text");
    let protocol = subprotocol(head).map_or_else(String::new, |protocol| {
        format!("Sec-WebSocket-Protocol: {protocol}\r\n")
    });
    let extensions = agreement.map_or_else(String::new, |agreement| {
        format!("Sec-WebSocket-Extensions: {agreement}\r\n")
    });
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{protocol}{extensions}\r\n"
    )
}

/// The first subprotocol that the client offers and we know.
pub(super) fn subprotocol(head: &RequestHead) -> Option<&'static str> {
    let lists = head.headers.get_all(header::SEC_WEBSOCKET_PROTOCOL);
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .find_map(|offered| {
            SUBPROTOCOLS
                .into_iter()
                .find(|known| *known == offered.trim())
        })
}

fn head_size(head: &RequestHead) -> usize {
    let headers = head.headers.iter();
    let sizes = headers.map(|(name, value)| name.as_str().len() + value.len());
    head.uri.path().len() + query(head).len() + sizes.sum::<usize>()
}

/// Whether the page that a request comes from may connect.
pub(super) fn is_origin_allowed(head: &RequestHead, node: &Node) -> bool {
    // A value that is no text is kept as one that no rule can match.
    let text = |name: HeaderName| {
        let value = head.headers.get(name)?;
        Some(value.to_str().unwrap_or("\u{fffd}"))
    };
    let origin = text(header::ORIGIN);
    let allowed = node.origins.allows(origin, text(header::HOST));
    if !allowed {
        node.counters.origins_refused.add(1);
        tracing::info!(origin, "origin refused, see client.allowed_origins");
    }
    allowed
}

/// The form of what the client is sent.
pub(super) fn wire(head: &RequestHead, agreement: Option<&Agreement>) -> Wire {
    let is_protobuf = match subprotocol(head) {
        Some(name) => name == SUBPROTOCOLS[1],
        None => has(head, "format=protobuf") || has(head, "cf_protocol=protobuf"),
    };
    let format = match is_protobuf {
        true => Format::Protobuf,
        false => Format::Json,
    };
    Wire {
        deflate: agreement.map(|agreement| agreement.server_window),
        ..Wire::plain(format)
    }
}

/// What the request says of the client. Query parameters that are not known are ignored; a token is never among them.
pub(super) fn entry(head: &RequestHead, node: &Node) -> Entry {
    let token_cookie = &node.config.client.token_cookie;
    let texts = |name| {
        let values = head.headers.get_all(name);
        values.filter_map(|value| value.to_str().ok())
    };
    let authorization = texts(header::AUTHORIZATION).next();
    let token = token_of_upgrade(authorization, texts(header::COOKIE), token_cookie);
    Entry {
        client: uuid::Uuid::new_v4().to_string(),
        token: token.unwrap_or_default().into(),
        headers: headers(head, &node.rules.hooks.wanted),
        pings: if has(head, "cf_ws_frame_ping_pong=true") {
            PingStyle::Frame
        } else {
            PingStyle::Message
        },
        phase: rand::random(),
        address: None,
        bookmark: Bookmark::default(),
    }
}

/// Headers that some backend wants.
fn headers(head: &RequestHead, wanted: &Wanted) -> Headers {
    let mut found = Vec::new();
    for name in wanted.sent() {
        let values = head.headers.get_all(name.as_str());
        let texts = values.filter_map(|value| value.to_str().ok());
        found.extend(texts.map(|text| (name.clone(), text.to_owned())));
    }
    Headers::new(found)
}

/// Whether the query has a parameter of this value.
fn has(head: &RequestHead, pair: &str) -> bool {
    query(head).split('&').any(|known| known == pair)
}

fn query(head: &RequestHead) -> &str {
    head.uri.query().unwrap_or_default()
}
