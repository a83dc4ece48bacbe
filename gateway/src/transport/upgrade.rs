//! The upgrade from HTTP to WebSocket: takes a socket over from the HTTP server, together with its request, and gives it
//! to a task of its own, so that nothing of the HTTP server's is kept for it.

use std::future::{Ready, ready};
use std::rc::Rc;

use actix_codec::Framed;
use actix_http::body::{BodySize, MessageBody};
use actix_http::h1::{Codec, Message};
use actix_http::{Request, RequestHead, Response};
use actix_service::{Service, ServiceFactory};
use actix_web::HttpResponse;
use futures_util::future::LocalBoxFuture;
use futures_util::{FutureExt, SinkExt};

use super::conversation::Conversation;
use super::lent::{Io, Lent};
use super::one_way::OneWay;
use super::request::{admit, agreement, decoder, entry, grant, wire};
use super::websocket::Socket;
use crate::admission::Admitted;
use crate::connection::Connection;
use crate::worker::Worker;

const NOT_TAKEN: &str = "only responses take sockets over, and this is none";

/// Takes the upgrade requests of one worker.
#[derive(Clone)]
pub(crate) struct Upgrade(Rc<Worker>);

impl Upgrade {
    pub(crate) fn new(worker: Rc<Worker>) -> Self {
        Self(worker)
    }

    /// Grants an upgrade, and gives the socket to a task of its own.
    fn start<T: Io>(&self, head: &RequestHead, framed: Framed<Lent<T>, Codec>, admitted: Admitted) {
        let config = &self.0.node.config;
        if OneWay::is_for(head, config) {
            return self.start_one_way(head, framed, admitted);
        }
        let agreement = agreement(head, &config.websocket);
        let decoder = decoder(agreement.as_ref());
        let (answer, wire) = (
            grant(head, agreement.as_ref()),
            wire(head, agreement.as_ref()),
        );
        let mut parts = framed.into_parts();
        let io = parts.io.into_inner().expect(NOT_TAKEN);
        let early = &mut parts.read_buf;
        #[cfg(feature = "echo")]
        if head.uri.path() == super::echo::PATH {
            let echo = super::echo::Echo::new(&self.0, wire);
            echo.outbox().begin_with(answer.as_bytes());
            return Socket::start(io, decoder, echo, admitted, early);
        }
        let entry = entry(head, &self.0.node);
        let connection = Connection::new(&self.0, entry, wire);
        connection.outbox().begin_with(answer.as_bytes());
        Socket::start(io, decoder, connection, admitted, early);
    }

    fn start_one_way<T: Io>(
        &self,
        head: &RequestHead,
        framed: Framed<Lent<T>, Codec>,
        admitted: Admitted,
    ) {
        let mut parts = framed.into_parts();
        let io = parts.io.into_inner().expect(NOT_TAKEN);
        let mut listener = OneWay::new(&self.0, head);
        let answer = grant(head, None);
        listener.outbox().begin_with(answer.as_bytes());
        listener.begin(head);
        Socket::start(io, decoder(None), listener, admitted, &mut parts.read_buf);
    }
}

impl<T: Io> Service<(Request, Framed<Lent<T>, Codec>)> for Upgrade {
    type Response = ();
    type Error = actix_web::Error;
    type Future = LocalBoxFuture<'static, Result<(), actix_web::Error>>;

    actix_service::always_ready!();

    fn call(&self, (request, framed): (Request, Framed<Lent<T>, Codec>)) -> Self::Future {
        let head = request.head();
        match admit(head, &self.0.node) {
            Ok(admitted) => {
                self.start(request.head(), framed, admitted);
                Box::pin(ready(Ok(())))
            }
            Err(refusal) => {
                let answer = answer(framed, refusal.response());
                Box::pin(answer.map(|answered| {
                    if let Err(error) = answered {
                        tracing::debug!(%error, "a client that was refused has not waited for that");
                    }
                    Ok(())
                }))
            }
        }
    }
}

/// Sends a response, and closes the socket.
async fn answer<T: Io>(
    mut framed: Framed<Lent<T>, Codec>,
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

impl<T: Io> ServiceFactory<(Request, Framed<Lent<T>, Codec>)> for Upgrade {
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
