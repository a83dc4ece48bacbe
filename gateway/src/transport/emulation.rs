//! What clients of one-way transports say: each frame is a request of its own, which may come to any node and is passed on
//! to the one that has the session.
//!
//! In: requests with the names of a node and a session, and a frame. Out: the frame in the inbox of that session, and an
//! answer once the session has taken it. Frames that came one after the other stay in order.

mod inbox;
mod relay;

use std::rc::Rc;
use std::time::Duration;

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use uuid::Uuid;

use super::cors;
use super::request::{content_format, read_body};
use crate::worker::Worker;
pub(crate) use inbox::{Inbox, Sessions};

/// How long the node that has a session may take to take a frame.
const PATIENCE: Duration = Duration::from_secs(5);

/// What became of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fate {
    /// The session has it.
    Taken,
    /// There is no such session any more; its stream has told the client why.
    Gone,
    /// Too much waits for the session already.
    Full,
    /// There is no such node.
    NoNode,
    /// The node has not answered in time.
    Late,
    /// The frame is larger than what nodes can tell each other.
    TooLarge,
    /// Nodes cannot reach each other.
    Unavailable,
}

impl Fate {
    fn status(self) -> StatusCode {
        match self {
            Self::Taken | Self::Gone => StatusCode::NO_CONTENT,
            Self::Full => StatusCode::TOO_MANY_REQUESTS,
            Self::NoNode => StatusCode::NOT_FOUND,
            Self::Late => StatusCode::GATEWAY_TIMEOUT,
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        }
    }
}

/// Takes a frame for a session of any node.
pub(crate) async fn emulate(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Rc<Worker>>,
) -> HttpResponse {
    let node = &worker.node;
    let Some(cors) = cors::check(request.head(), node) else {
        return cors::forbidden();
    };
    if request.method() == Method::OPTIONS {
        return cors.preflight("POST");
    }
    let mut response = match take(&request, payload, &worker).await {
        Ok(fate) => HttpResponse::new(fate.status()),
        Err(status) => HttpResponse::new(status),
    };
    cors.allow(&mut response);
    response
}

async fn take(
    request: &HttpRequest,
    payload: web::Payload,
    worker: &Rc<Worker>,
) -> Result<Fate, StatusCode> {
    if request.method() != Method::POST {
        return Err(StatusCode::METHOD_NOT_ALLOWED);
    }
    let (node, config) = (&worker.node, &worker.node.config);
    let limit = config.emulation.max_request_body_size;
    let time = config.http_server.request_timeout;
    let body = read_body(request.head(), payload, limit, time).await?;
    let format = content_format(request.head());
    let request = format.decode_emulation(&body);
    let request = request.map_err(|_| StatusCode::BAD_REQUEST)?;
    let Ok(owner) = Uuid::parse_str(&request.node) else {
        return Ok(Fate::NoNode);
    };
    let Ok(session) = Uuid::parse_str(&request.session) else {
        return Ok(Fate::Gone);
    };
    let (sessions, frame) = (&node.sessions, request.data);
    node.counters.emulation_frames.add(1);
    if owner == sessions.node() {
        return Ok(sessions.post(session, frame).fate().await);
    }
    node.counters.emulation_passed_on.add(1);
    Ok(relay::pass_on(&*node.backbone, owner, session, frame).await)
}
