//! The upgrade by actix-web's own means: the socket stays with the HTTP server, frames come out of the request's payload
//! and leave as the response's body. What the client is told and allowed is the same; it costs the HTTP server's buffers
//! and another task for each client. Also answers, with either engine, what is no upgrade at all.

use std::rc::Rc;

use actix_http::ws::handshake_response;
use actix_web::body::BodyStream;
use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};

use super::one_way::OneWay;
use super::pipe::pipe;
use super::request::{admit, agreement, decoder, entry, subprotocol, wire};
use super::websocket::Socket;
use crate::connection::Connection;
use crate::worker::Worker;

/// Grants or refuses an upgrade.
pub(crate) async fn upgrade(
    request: HttpRequest,
    payload: web::Payload,
    worker: web::Data<Rc<Worker>>,
) -> actix_web::Result<HttpResponse> {
    let (head, config) = (request.head(), &worker.node.config);
    let admitted = match admit(head, &worker.node) {
        Ok(admitted) => admitted,
        Err(refusal) => return Ok(refusal.response()),
    };
    let is_one_way = OneWay::is_for(head, config);
    let agreement = agreement(head, &config.websocket).filter(|_| !is_one_way);
    let agreement = agreement.as_ref();
    let mut response = handshake_response(head);
    if let Some(protocol) = subprotocol(head) {
        response.insert_header((header::SEC_WEBSOCKET_PROTOCOL, protocol));
    }
    if let Some(agreement) = agreement {
        response.insert_header((header::SEC_WEBSOCKET_EXTENSIONS, agreement.to_string()));
    }
    let (pipe, body) = pipe(payload.into_inner());
    let decoder = decoder(agreement);
    if is_one_way {
        let mut listener = OneWay::new(&worker, head);
        listener.begin(head);
        Socket::start(pipe, decoder, listener, admitted, &mut []);
    } else {
        let entry = entry(head, &config.client.token_cookie);
        let connection = Connection::new(&worker, entry, wire(head, agreement));
        Socket::start(pipe, decoder, connection, admitted, &mut []);
    }
    let response = response.message_body(BodyStream::new(body))?;
    Ok(response.map_into_boxed_body().into())
}
