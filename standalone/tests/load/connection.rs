//! One client's WebSocket. In: what a dialect of the load tester says. Out: what the gateway says, as its events. It knows
//! no channels.

use anyhow::{Context, Result, bail};
use futures_util::{SinkExt, StreamExt};
use tidegate_loadtest::dialect::{Dialect, Event, Input, Name, Opening};
use tidegate_loadtest::wire::{Frames, Framing, Outgoing};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::{ClientRequestBuilder, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// A connection that has said what it wants; it is not answered yet.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    dialect: Box<dyn Dialect>,
}

impl Connection {
    pub(crate) async fn open(url: &str, format: Name, opening: &Opening) -> Result<Self> {
        let dialect = format.dialect();
        let mut request = ClientRequestBuilder::new(url.parse()?);
        if let Some(subprotocol) = dialect.subprotocol() {
            request = request.with_sub_protocol(subprotocol);
        }
        let (socket, _) = connect_async_with_config(request, None, true).await?;
        let mut connection = Self { socket, dialect };
        connection
            .say(|dialect, frames| dialect.open(opening, frames))
            .await?;
        Ok(connection)
    }

    /// Says one message.
    pub(crate) async fn say(
        &mut self,
        write: impl FnOnce(&dyn Dialect, &mut Frames<'_>),
    ) -> Result<()> {
        let mut outgoing = Outgoing::default();
        write(&*self.dialect, &mut outgoing.frames(Framing::Stream));
        self.send(outgoing.bytes).await
    }

    /// Waits for the next message, hands its events on and answers what needs a mere answer. Fails when the connection has
    /// ended.
    ///
    /// # Panics
    /// When the gateway says what is not of the protocol.
    pub(crate) async fn receive(
        &mut self,
        mut take: impl FnMut(&dyn Dialect, Event<'_>),
    ) -> Result<()> {
        let message = self.socket.next().await.context("the gateway has gone")??;
        let bytes = match message {
            Message::Text(_) | Message::Binary(_) => message.into_data(),
            Message::Close(reason) => bail!("closed: {reason:?}"),
            Message::Ping(_) | Message::Pong(_) | Message::Frame(_) => return Ok(()),
        };
        let (dialect, mut answer) = (&*self.dialect, Outgoing::default());
        let received = dialect.receive(
            Input(&bytes),
            &mut answer.frames(Framing::Stream),
            &mut |event| take(dialect, event),
        );
        received.unwrap();
        match answer.bytes.is_empty() {
            true => Ok(()),
            false => self.send(answer.bytes).await,
        }
    }

    async fn send(&mut self, bytes: Vec<u8>) -> Result<()> {
        let message = match self.dialect.subprotocol() {
            Some(_) => Message::binary(bytes),
            None => Message::text(String::from_utf8(bytes)?),
        };
        Ok(self.socket.send(message).await?)
    }
}
