//! The upgrade from HTTP to WebSocket: takes a socket over from the HTTP server, together with its request, and gives it
//! to a task of its own, so that nothing of the HTTP server's is kept for it.

use std::future::{Ready, ready};
use std::rc::Rc;
use std::time::Instant;

use actix_codec::Framed;
use actix_http::body::{BodySize, MessageBody};
use actix_http::h1::{Codec, Message};
use actix_http::{Request, RequestHead, Response};
use actix_service::{Service, ServiceFactory};
use actix_web::HttpResponse;
use futures_util::SinkExt;
use futures_util::future::LocalBoxFuture;
use tidegate_websocket::{Decoder, Role};
use tokio::io::{AsyncRead, AsyncWrite};

use super::request::{Refusal, agreement, check, entry, grant, wire};
use super::websocket::Socket;
use crate::admission::Admitted;
use crate::connection::Connection;
use crate::worker::Worker;

/// Takes the upgrade requests of one worker.
#[derive(Clone)]
pub(crate) struct Upgrade(Rc<Worker>);

impl Upgrade {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        Self(worker)
    }

    fn admit(&self, head: &RequestHead) -> Result<Admitted, Refusal> {
        let node = &self.0.node;
        check(head, node)?;
        node.admission.admit(Instant::now()).map_err(|full| {
            node.counters.connections_refused.add(1);
            Refusal::Full(full.retry_after)
        })
    }
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> Service<(Request, Framed<T, Codec>)> for Upgrade {
    type Response = ();
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<(), actix_web::Error>>;

    actix_service::always_ready!();

    fn call(&self, (request, framed): (Request, Framed<T, Codec>)) -> Self::Future {
        let head = request.head();
        match self.admit(head) {
            Ok(admitted) => {
                let config = &self.0.node.config;
                let agreement = agreement(head, &config.websocket);
                let entry = entry(head, &config.client.token_cookie);
                let connection = Connection::new(&self.0, entry, wire(head, agreement.as_ref()));
                let answer = grant(head, agreement.as_ref());
                connection.outbox().begin_with(answer.as_bytes());
                let decoder = match &agreement {
                    Some(agreement) => Decoder::with_deflate(Role::Server, agreement),
                    None => Decoder::new(Role::Server),
                };
                let mut parts = framed.into_parts();
                let early = &mut parts.read_buf;
                Socket::start(parts.io, decoder, connection, admitted, early);
                Box::pin(ready(Ok(())))
            }
            Err(refusal) => Box::pin(answer(framed, refusal.response())),
        }
    }
}

/// Sends a response, and closes the socket.
async fn answer<T: AsyncRead + AsyncWrite + Unpin>(
    mut framed: Framed<T, Codec>,
    response: HttpResponse,
) -> Result<(), actix_web::Error> {
    let (response, body) = response.into_parts();
    let mut response = Response::from(response);
    response
        .head_mut()
        .set_connection_type(actix_http::ConnectionType::Close);
    let body = body.try_into_bytes().unwrap_or_default();
    let size = BodySize::Sized(body.len() as u64);
    framed.send(Message::Item((response, size))).await?;
    framed.send(Message::Chunk(Some(body))).await?;
    framed.send(Message::Chunk(None)).await?;
    framed.close().await?;
    Ok(())
}

impl<T: AsyncRead + AsyncWrite + Unpin + 'static> ServiceFactory<(Request, Framed<T, Codec>)>
    for Upgrade
{
    type Response = ();
    type Error = actix_web::Error;
    type Config = ();
    type Service = Self;
    type InitError = ();
    type Future = Ready<Result<Self, ()>>;

    fn new_service(&self, (): ()) -> Self::Future {
        ready(Ok(self.clone()))
    }
}
