//! A client's socket that speaks TLS, as bytes in the clear.
//!
//! A connection has no buffer of its own while nothing is under way: records are read into the worker's scratch buffer, and
//! what is encrypted is gathered until it is flushed, so that many small writes are one to the socket. (With the buffers of
//! rustls' own an idle connection keeps more than 4 KiB.)

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::server::UnbufferedServerConnection;
use tokio_rustls::rustls::unbuffered::{
    ConnectionState, EncodeError, EncodeTlsData, UnbufferedStatus, WriteTraffic,
};

use super::backlog::Backlog;
use crate::http2;

/// Bytes of the largest record (RFC 5246 section 6.2.3). A handshake's message must not be larger either.
const RECORD: usize = 5 + 16_384 + 2_048;

/// Bytes that are encrypted at a time.
const FRAGMENT: usize = 16_384;

/// Bytes by which a record is larger than what it carries, and those of an update of keys before it.
const OVERHEAD: usize = 512;

/// Encrypted bytes from which on a writer has to wait for the socket.
const GATHERED: usize = FRAGMENT;

/// What a worker's connections read records into, one at a time.
#[derive(Debug, Clone)]
pub(crate) struct Scratch(Rc<RefCell<Box<[u8]>>>);

impl Scratch {
    pub(crate) fn new() -> Self {
        Self(Rc::new(RefCell::new(vec![0; RECORD].into())))
    }
}

/// A socket on which a handshake was begun.
pub(crate) struct Stream {
    socket: TcpStream,
    session: Box<UnbufferedServerConnection>,
    scratch: Scratch,
    /// The beginning of a record.
    begun: Vec<u8>,
    /// In the clear, and not read yet.
    received: Backlog,
    /// Encrypted, and not sent yet.
    gathered: Backlog,
    /// The client has said that nothing more will come.
    is_ended: bool,
    /// We have, or must not say anything any more.
    is_closed: bool,
}

impl Stream {
    /// Does a handshake.
    ///
    /// # Errors
    /// Whatever is wrong with it.
    pub(super) async fn accept(
        socket: TcpStream,
        config: Arc<ServerConfig>,
        scratch: Scratch,
    ) -> io::Result<Self> {
        let session = UnbufferedServerConnection::new(config).map_err(io::Error::other)?;
        let mut stream = Self {
            socket,
            session: Box::new(session),
            scratch,
            begun: Vec::new(),
            received: Backlog::default(),
            gathered: Backlog::default(),
            is_ended: false,
            is_closed: false,
        };
        std::future::poll_fn(|context| stream.poll_handshake(context)).await?;
        Ok(stream)
    }

    /// Whether the client chose HTTP/2.
    pub(crate) fn is_http2(&self) -> bool {
        self.session.alpn_protocol() == Some(http2::PROTOCOL)
    }

    fn poll_handshake(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            ready!(self.poll_send(context))?;
            if !self.session.is_handshaking() {
                return Poll::Ready(Ok(()));
            }
            ready!(self.poll_receive(context))?;
        }
    }

    /// Reads from the socket, and takes in the records that are whole.
    fn poll_receive(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let scratch = Rc::clone(&self.scratch.0);
        let mut scratch = scratch.borrow_mut();
        let begun = self.begun.len();
        let mut buffer = ReadBuf::new(&mut scratch[begun..]);
        if buffer.remaining() == 0 {
            return Poll::Ready(Err(invalid("a record is too large")));
        }
        ready!(Pin::new(&mut self.socket).poll_read(context, &mut buffer))?;
        let size = buffer.filled().len();
        if size == 0 {
            // An end that TLS does not tell may be an attacker's.
            return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
        }
        let input = &mut scratch[..begun + size];
        input[..begun].copy_from_slice(&std::mem::take(&mut self.begun));
        match self.process(input, &mut Outgoing::Nothing) {
            Ok(taken) => self.begun = input[taken..].to_vec(),
            Err(error) => {
                self.fail();
                // The client is told what is wrong, if it still listens.
                let _told = self.poll_send(context);
                return Poll::Ready(Err(error));
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Gathers what the session has to say of a failure. It must not be given anything any more.
    fn fail(&mut self) {
        (self.is_ended, self.is_closed) = (true, true);
        while self.session.wants_write() {
            let UnbufferedStatus { state, .. } = self.session.process_tls_records(&mut []);
            match state {
                Ok(ConnectionState::EncodeTlsData(message)) => {
                    // A client that broke the protocol may miss it.
                    let _gathered = gather(&mut self.gathered, message);
                }
                Ok(ConnectionState::ReadTraffic(mut traffic)) => {
                    while traffic.next_record().is_some() {}
                }
                _ => return,
            }
        }
    }

    /// Has the session say something.
    fn say(&mut self, mut outgoing: Outgoing<'_>) -> io::Result<()> {
        let mut begun = std::mem::take(&mut self.begun);
        match self.process(&mut begun, &mut outgoing) {
            Ok(taken) => begun.drain(..taken),
            Err(error) => {
                self.fail();
                return Err(error);
            }
        };
        self.begun = begun;
        match outgoing {
            Outgoing::Nothing => Ok(()),
            Outgoing::Data(_) | Outgoing::Close => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    /// Takes in records, and gathers what the session has to say and then what we have. Gives the number of bytes that are
    /// done with.
    fn process(&mut self, input: &mut [u8], outgoing: &mut Outgoing<'_>) -> io::Result<usize> {
        let Self {
            session,
            received,
            gathered,
            ..
        } = self;
        let mut taken = 0;
        loop {
            let status = session.process_tls_records(&mut input[taken..]);
            let UnbufferedStatus { discard, state } = status;
            taken += discard;
            match state.map_err(invalid)? {
                ConnectionState::EncodeTlsData(message) => gather(gathered, message)?,
                // It is sent with what is flushed next.
                ConnectionState::TransmitTlsData(message) => message.done(),
                ConnectionState::ReadTraffic(mut traffic) => {
                    while let Some(record) = traffic.next_record() {
                        let record = record.map_err(invalid)?;
                        received.push(record.payload);
                        taken += record.discard;
                    }
                }
                ConnectionState::PeerClosed => self.is_ended = true,
                ConnectionState::WriteTraffic(traffic) => {
                    match std::mem::replace(outgoing, Outgoing::Nothing) {
                        Outgoing::Nothing => return Ok(taken),
                        said => said.gather(gathered, traffic)?,
                    }
                }
                ConnectionState::BlockedHandshake | ConnectionState::Closed => return Ok(taken),
                // Early data is not offered.
                _ => return Err(invalid("early data")),
            }
        }
    }

    /// Sends what is gathered.
    fn poll_send(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.gathered.is_empty() {
            let socket = Pin::new(&mut self.socket);
            let sent = ready!(socket.poll_write(context, self.gathered.bytes()))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.gathered.advance(sent);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        while stream.received.is_empty() && !stream.is_ended {
            ready!(stream.poll_receive(context))?;
        }
        let size = stream.received.bytes().len().min(buffer.remaining());
        buffer.put_slice(&stream.received.bytes()[..size]);
        stream.received.advance(size);
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let stream = self.get_mut();
        if stream.is_closed {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        if stream.gathered.bytes().len() >= GATHERED {
            ready!(stream.poll_send(context))?;
        }
        let bytes = &bytes[..bytes.len().min(FRAGMENT)];
        stream.say(Outgoing::Data(bytes))?;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_mut().poll_send(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let stream = self.get_mut();
        if !std::mem::replace(&mut stream.is_closed, true) {
            stream.say(Outgoing::Close)?;
        }
        ready!(stream.poll_send(context))?;
        Pin::new(&mut stream.socket).poll_shutdown(context)
    }
}

/// What we have to say.
enum Outgoing<'a> {
    Nothing,
    Data(&'a [u8]),
    Close,
}

impl Outgoing<'_> {
    fn gather<Data>(
        self,
        gathered: &mut Backlog,
        mut traffic: WriteTraffic<'_, Data>,
    ) -> io::Result<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Data(data) => gathered.write(data.len() + OVERHEAD, |out| {
                traffic.encrypt(data, out).map_err(io::Error::other)
            }),
            Self::Close => gathered.write(OVERHEAD, |out| {
                traffic.queue_close_notify(out).map_err(io::Error::other)
            }),
        }
    }
}

/// Gathers a message of the session's own.
fn gather<Data>(gathered: &mut Backlog, mut message: EncodeTlsData<'_, Data>) -> io::Result<()> {
    let size = match message.encode(&mut []) {
        Err(EncodeError::InsufficientSize(needed)) => needed.required_size,
        Ok(_) | Err(EncodeError::AlreadyEncoded) => 0,
    };
    gathered.write(size, |out| message.encode(out).map_err(io::Error::other))
}

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}
