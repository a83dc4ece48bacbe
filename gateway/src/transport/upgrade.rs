//! The upgrade from HTTP to WebSocket: who may come in, and what the request says of the client.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use actix_http::ws::handshake;
use actix_web::body::BodyStream;
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName};
use actix_web::{HttpRequest, HttpResponse, web};
use tidegate_codec::Format;

use super::incoming::Incoming;
use super::outgoing::outgoing;
use super::websocket;
use crate::auth::token_of_upgrade;
use crate::connection::Connection;
use crate::hub::Hub;
use crate::node::Node;
use crate::session::{Entry, PingStyle};

/// Subprotocols that a client may ask for; the first it offers is echoed, or browsers end the connection.
const SUBPROTOCOLS: [&str; 2] = ["centrifuge-json", "centrifuge-protobuf"];

/// Bytes of a request's target and headers: a token of the largest size in a cookie, and as much of everything else.
const HEAD_LIMIT: usize = 32 * 1024;

/// Answers an upgrade request: 101, 403 for an origin that is not allowed, 503 with `Retry-After` for a node that is full
/// or stopping, 431 for a head that is too large, 400 or 405 for a request that is no WebSocket handshake (RFC 6455
/// section 4.2).
pub(crate) async fn upgrade(
    request: HttpRequest,
    body: web::Payload,
    node: web::Data<Node>,
    hub: web::Data<Rc<Hub>>,
) -> actix_web::Result<HttpResponse> {
    let node = node.into_inner();
    if node.is_draining() {
        return Ok(unavailable("the node is stopping", Duration::from_secs(1)));
    }
    if head_size(&request) > HEAD_LIMIT {
        return Ok(HttpResponse::new(
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        ));
    }
    if !is_origin_allowed(&request, &node) {
        return Ok(HttpResponse::Forbidden().body("origin is not allowed\n"));
    }
    let protocol = subprotocol(&request);
    let mut response = handshake(request.head())?;
    if let Some(protocol) = protocol {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    let admitted = match node.admission.admit(Instant::now()) {
        Ok(admitted) => admitted,
        Err(full) => {
            node.counters.connections_refused.add(1);
            return Ok(unavailable("the node is full", full.retry_after));
        }
    };
    let limit = node.config.websocket.message_size_limit;
    let incoming = Incoming::new(body.into_inner(), limit);
    let (outgoing, response_body) = outgoing();
    let entry = entry(&request, protocol, &node.config.client.token_cookie);
    let connection = Connection::new(Arc::clone(&node), Rc::clone(&hub), entry);
    actix_web::rt::spawn(websocket::run(
        node, connection, outgoing, incoming, admitted,
    ));
    let response = response.message_body(BodyStream::new(response_body))?;
    Ok(response.map_into_boxed_body().into())
}

/// The first subprotocol that the client offers and we know.
fn subprotocol(request: &HttpRequest) -> Option<&'static str> {
    let lists = request.headers().get_all(header::SEC_WEBSOCKET_PROTOCOL);
    lists
        .filter_map(|list| list.to_str().ok())
        .flat_map(|list| list.split(','))
        .find_map(|offered| {
            SUBPROTOCOLS
                .into_iter()
                .find(|known| *known == offered.trim())
        })
}

fn head_size(request: &HttpRequest) -> usize {
    let headers = request.headers().iter();
    let sizes = headers.map(|(name, value)| name.as_str().len() + value.len());
    request.uri().path().len() + request.query_string().len() + sizes.sum::<usize>()
}

fn is_origin_allowed(request: &HttpRequest, node: &Node) -> bool {
    // A value that is no text is kept as one that no rule can match.
    let text = |name: HeaderName| {
        let value = request.headers().get(name)?;
        Some(value.to_str().unwrap_or("\u{fffd}"))
    };
    let origin = text(header::ORIGIN);
    let allowed = node.origins.allows(origin, text(header::HOST));
    if !allowed {
        node.counters.origins_refused.add(1);
        tracing::info!(origin, "upgrade refused, see client.allowed_origins");
    }
    allowed
}

fn unavailable(reason: &str, retry_after: Duration) -> HttpResponse {
    HttpResponse::ServiceUnavailable()
        .insert_header((header::RETRY_AFTER, retry_after.as_secs().max(1)))
        .body(format!("{reason}\n"))
}

/// What the request says of the client. Query parameters that are not known are ignored; a token is never among them.
fn entry(request: &HttpRequest, protocol: Option<&str>, token_cookie: &str) -> Entry {
    let headers = request.headers();
    let texts = |name| {
        headers
            .get_all(name)
            .filter_map(|value| value.to_str().ok())
    };
    let has = |pair| request.query_string().split('&').any(|known| known == pair);
    let protobuf = match protocol {
        Some(name) => name == SUBPROTOCOLS[1],
        None => has("format=protobuf") || has("cf_protocol=protobuf"),
    };
    let authorization = texts(header::AUTHORIZATION).next();
    let token = token_of_upgrade(authorization, texts(header::COOKIE), token_cookie);
    Entry {
        client: uuid::Uuid::new_v4().to_string(),
        format: if protobuf {
            Format::Protobuf
        } else {
            Format::Json
        },
        token: token.unwrap_or_default().to_owned(),
        pings: if has("cf_ws_frame_ping_pong=true") {
            PingStyle::Frame
        } else {
            PingStyle::Message
        },
        phase: rand::random(),
    }
}
