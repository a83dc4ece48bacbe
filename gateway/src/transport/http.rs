//! Transports whose messages leave in a response that does not end: what their requests have to look like, and what is
//! answered.
//!
//! In: a request with the client's first message in its body or target. Out: a response that a task of its own writes, or
//! a refusal. Bidirectional ones take a frame of commands and name the session for [`super::emulation`]; one-way ones take
//! the body of a connect.

mod kind;
mod status;

use std::rc::Rc;

use actix_http::RequestHead;
use actix_web::body::BodyStream;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{Method, StatusCode, Version};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use tidegate_codec::{Bookmark, ConnectRequest, DisconnectCode, Format};
use tokio::sync::oneshot;

use super::body::body;
use super::chunks::Coding;
use super::cors;
use super::lent::Claim;
use super::marks::Marks;
use super::request::{
    Refusal, admit_past, check_entrance, connect_parameter, content_format, entry, read_body,
};
use super::stream::{Extras, Stream, Verdict};
use crate::connection::Connection;
use crate::session::{Entry, PingStyle};
use crate::wire::Wire;
use crate::worker::Worker;
pub(crate) use kind::Kind;
pub(crate) use status::{Statuses, statuses};

/// The header by which a browser says what it has seen.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Keeps a proxy of nginx's kind from holding back what has not filled its buffer.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Milliseconds after which a browser comes back, and as many again at most, so that they do not all come at once.
const RETRY: u32 = 1_000;

/// What a client says first.
enum First {
    Frame(Bytes),
    Connect(Box<ConnectRequest>),
}

/// Serves one kind of transport.
pub(crate) async fn serve(
    kind: Kind,
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Rc<Worker>>,
) -> HttpResponse {
    let Some(cors) = cors::check(request.head(), &worker.node) else {
        return cors::forbidden();
    };
    if request.method() == Method::OPTIONS {
        return cors.preflight(kind.methods());
    }
    let opened = open(kind, &request, payload, &worker).await;
    let mut response = opened.unwrap_or_else(|refusal| match refusal {
        Refusal::Stopping | Refusal::Full(_) if kind == Kind::UniSse => come_back(),
        refusal => refusal.response(),
    });
    cors.allow(&mut response);
    response
}

/// Opens a client's connection.
async fn open(
    kind: Kind,
    request: &HttpRequest,
    payload: web::Payload,
    worker: &Rc<Worker>,
) -> Result<HttpResponse, Refusal> {
    let (head, node) = (request.head(), &worker.node);
    check_entrance(head, node)?;
    if !kind.takes(&head.method) {
        return Err(Refusal::Status(StatusCode::METHOD_NOT_ALLOWED));
    }
    let claim = claim(request);
    let is_plain = matches!(claim, Some((_, Coding::Plain)));
    let (writer, body) = body(admit_past(node)?, claim);
    let format = match kind {
        Kind::HttpStream => content_format(head),
        Kind::Sse | Kind::UniSse | Kind::UniHttpStream => Format::Json,
    };
    let first = first(kind, format, head, payload, worker).await?;
    let (entry, mut extras) = prepare(kind, head, worker).await?;
    let statuses = node.statuses.of(kind);
    let (verdict, waiting) = oneshot::channel();
    extras.verdict = (!statuses.is_empty()).then_some(verdict);
    let wire = Wire::new(format, kind.framing(), kind.envelope());
    let mut connection = Connection::new(worker, entry, wire);
    connection.outbox().begin_with(preamble(kind).as_bytes());
    match first {
        First::Frame(frame) => connection.receive(&frame),
        First::Connect(request) => connection.connect(*request),
    }
    Stream::start(connection, writer, extras);
    if !statuses.is_empty()
        && let Ok(Verdict::Refused(code)) = waiting.await
        && let Some(status) = statuses.get(&code)
    {
        return Err(Refusal::Status(*status));
    }
    // Nothing else comes on this connection, where it is the client's alone.
    let mut response = HttpResponse::Ok();
    let mut response = response.force_close().body(BodyStream::new(body));
    response.head_mut().no_chunking(is_plain);
    set_headers(kind, format, &mut response);
    Ok(response)
}

/// The claim of a response to its socket, where it has one of its own.
fn claim(request: &HttpRequest) -> Option<(Rc<Claim>, Coding)> {
    let claim = request.conn_data::<Rc<Claim>>()?;
    let coding = match request.version() {
        Version::HTTP_11 => Coding::Chunked,
        _ => Coding::Plain,
    };
    Some((Rc::clone(claim), coding))
}

/// What a connection starts with: a session that can be told commands, or one whose client does not answer.
async fn prepare(
    kind: Kind,
    head: &RequestHead,
    worker: &Rc<Worker>,
) -> Result<(Entry, Extras), Refusal> {
    let node = &worker.node;
    let mut entry = entry(head, node);
    let mut extras = Extras::default();
    match kind {
        Kind::HttpStream | Kind::Sse => {
            let heard = node.sessions.hear(&*node.backbone).await;
            heard.map_err(|_| Refusal::Status(StatusCode::SERVICE_UNAVAILABLE))?;
            let (inbox, address) = node.sessions.open();
            (extras.inbox, entry.address) = (Some(inbox), Some(address));
        }
        Kind::UniHttpStream => entry.pings = PingStyle::OneWay,
        Kind::UniSse => {
            entry.pings = PingStyle::OneWay;
            extras.marks = Some(Marks::default());
            let last = head.headers.get(LAST_EVENT_ID);
            let bookmark = last.and_then(|id| Bookmark::parse(id.to_str().ok()?));
            entry.bookmark = bookmark.unwrap_or_default();
        }
    }
    Ok((entry, extras))
}

/// What the client says in its request.
async fn first(
    kind: Kind,
    format: Format,
    head: &RequestHead,
    payload: web::Payload,
    worker: &Rc<Worker>,
) -> Result<First, Refusal> {
    let config = &worker.node.config;
    let bytes = if head.method == Method::GET {
        connect_parameter(head).map_err(Refusal::Status)?
    } else {
        let limit = kind.section(config).max_request_body_size;
        let time = config.http_server.request_timeout;
        let body = read_body(head, payload, limit, time).await;
        body.map_err(Refusal::Status)?
    };
    if !kind.is_one_way() {
        let is_empty = bytes.is_empty();
        return (!is_empty)
            .then_some(First::Frame(bytes))
            .ok_or(Refusal::Status(StatusCode::BAD_REQUEST));
    }
    // Who has its token in a cookie need not say anything.
    let request = match bytes.is_empty() {
        true => Ok(ConnectRequest::default()),
        false => format.decode_connect(&bytes),
    };
    let request = request.map_err(|error| {
        tracing::info!(%error, "connect refused");
        Refusal::Status(StatusCode::BAD_REQUEST)
    })?;
    Ok(First::Connect(Box::new(request)))
}

/// What precedes the first message: something, so that the client learns at once that it came through.
fn preamble(kind: Kind) -> String {
    match kind {
        Kind::Sse => "\n".to_owned(),
        Kind::UniSse => retry(),
        Kind::HttpStream | Kind::UniHttpStream => String::new(),
    }
}

fn retry() -> String {
    let after = RETRY + rand::random_range(0..RETRY);
    format!("retry: {after}\n\n")
}

/// The answer to a browser that can be served somewhere else or a little later. Any refusal would make it give up for good.
fn come_back() -> HttpResponse {
    let code = DisconnectCode::Shutdown;
    let push = format!(
        "{}data: {{\"disconnect\":{{\"code\":{},\"reason\":\"{}\",\"reconnect\":true}}}}\n\n",
        retry(),
        code.code(),
        code.message()
    );
    let mut response = HttpResponse::Ok().body(push);
    set_headers(Kind::UniSse, Format::Json, &mut response);
    let close = HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// Says what comes, and that nobody on the way should wait for more of it, keep it, or change it.
fn set_headers(kind: Kind, format: Format, response: &mut HttpResponse) {
    let content = match (kind, format) {
        (Kind::Sse | Kind::UniSse, _) => "text/event-stream; charset=utf-8",
        (_, Format::Json) => "application/x-ndjson",
        (_, Format::Protobuf) => "application/octet-stream",
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_TYPE, content),
        (
            header::CACHE_CONTROL,
            "private, no-cache, no-store, no-transform, max-age=0",
        ),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (ACCEL_BUFFERING, "no"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
}
