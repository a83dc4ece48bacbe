//! A stream of gRPC for programs that only listen: `CentrifugoUniStream.Consume` of `proto/schema/unistream.proto`.
//!
//! In: a request of one message, the connect. Out: a response whose messages are pushes, or a status of gRPC (gRPC over
//! HTTP2). How a session ends is the last push; the status says no more than that it did.

use std::rc::Rc;

use actix_http::RequestHead;
use actix_web::body::{BodyStream, None as NoBody};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use tidegate_codec::grpc::{self, MessageError, only_message};
use tidegate_codec::{ConnectRequest, Format};
use tonic::Code;

use super::body::body;
use super::request::{Refusal, admit_past, check_entrance, entry, is_origin_allowed, read_body};
use super::stream::{Extras, Stream};
use crate::connection::Connection;
use crate::http2::Trailers;
use crate::session::PingStyle;
use crate::wire::{Envelope, Framing, Wire};
use crate::worker::Worker;

const METHOD: &str = "/centrifugal.centrifugo.unistream.CentrifugoUniStream/Consume";

const CONTENT: &str = "application/grpc";

const STATUS: HeaderName = HeaderName::from_static("grpc-status");

const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// Adds the method, and the answer to others.
pub(crate) fn configure(app: &mut web::ServiceConfig) {
    app.route(METHOD, web::post().to(consume));
    app.default_service(web::to(async || {
        status(Code::Unimplemented, "there is no such method")
    }));
}

async fn consume(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Rc<Worker>>,
) -> HttpResponse {
    let opened = open(request.head(), payload, &worker).await;
    opened.unwrap_or_else(|(code, reason)| status(code, reason))
}

/// Why there is no stream.
type Refused = (Code, &'static str);

/// Opens a client's connection.
async fn open(
    head: &RequestHead,
    payload: web::Payload,
    worker: &Rc<Worker>,
) -> Result<HttpResponse, Refused> {
    let node = &worker.node;
    check_entrance(head, node).map_err(|it| refused(&it))?;
    if !is_origin_allowed(head, node) {
        return Err((Code::PermissionDenied, "origin is not allowed"));
    }
    let admitted = admit_past(node).map_err(|it| refused(&it))?;
    let limit = grpc::HEAD + node.config.uni_grpc.max_receive_message_size;
    let time = node.config.http_server.request_timeout;
    let bytes = read_body(head, payload, limit, time).await;
    let bytes = bytes.map_err(|it| refused(&Refusal::Status(it)))?;
    let connect = connect_of(&bytes)?;
    let (writer, body) = body(admitted, None);
    let mut entry = entry(head, node);
    entry.pings = PingStyle::OneWay;
    let wire = Wire::new(Format::Protobuf, Framing::Grpc, Envelope::Bare);
    let mut connection = Connection::new(worker, entry, wire);
    connection.connect(connect);
    Stream::start(connection, writer, Extras::default());
    let mut response = HttpResponse::Ok().body(BodyStream::new(body));
    let content = HeaderValue::from_static(CONTENT);
    response.headers_mut().insert(header::CONTENT_TYPE, content);
    let over = http::HeaderValue::from(Code::Ok as i32);
    let trailers = [(http::HeaderName::from_static("grpc-status"), over)];
    let trailers = Trailers(trailers.into_iter().collect());
    response.extensions_mut().insert(trailers);
    Ok(response)
}

/// The one message of a request.
fn connect_of(body: &Bytes) -> Result<ConnectRequest, Refused> {
    let malformed = (Code::InvalidArgument, "the request is no ConnectRequest");
    let message = only_message(body).map_err(|error| match error {
        MessageError::Compressed => (Code::Unimplemented, "messages cannot be compressed"),
        MessageError::Malformed => malformed,
    })?;
    Format::Protobuf
        .decode_connect(&message)
        .map_err(|_| malformed)
}

fn refused(refusal: &Refusal) -> Refused {
    match refusal {
        Refusal::Stopping => (Code::Unavailable, "the node is stopping"),
        Refusal::Full(_) => (Code::Unavailable, "the node is full"),
        Refusal::HeadTooLarge => (Code::ResourceExhausted, "the metadata is too large"),
        Refusal::Status(StatusCode::PAYLOAD_TOO_LARGE) => {
            (Code::ResourceExhausted, "the request is too large")
        }
        Refusal::Status(StatusCode::REQUEST_TIMEOUT) => {
            (Code::DeadlineExceeded, "the request did not come in time")
        }
        Refusal::Status(_) | Refusal::NotFound | Refusal::Origin | Refusal::Handshake(_) => {
            (Code::InvalidArgument, "the request was cut off")
        }
    }
}

/// A response that is nothing but a status.
fn status(code: Code, reason: &'static str) -> HttpResponse {
    let response = HttpResponse::with_body(StatusCode::OK, NoBody::new());
    let mut response = response.map_into_boxed_body();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT));
    headers.insert(STATUS, HeaderValue::from(code as i32));
    headers.insert(MESSAGE, HeaderValue::from_static(reason));
    response
}
