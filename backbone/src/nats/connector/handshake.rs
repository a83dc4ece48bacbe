//! From an address to a connection that the server has accepted.

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;

use super::address::Address;
use super::failure::Failure;
use super::files::Secret;
use super::tls;
use crate::nats::options::{NatsOptions, TlsMode};
use crate::nats::wire::encoder::{self, Connect};
use crate::nats::wire::{Decoder, Operation, ServerInfo};

/// Bytes there and back, with or without TLS.
pub(in crate::nats) trait Socket: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Socket for T {}

/// A connection that a server has accepted.
pub(in crate::nats) struct Accepted {
    pub(in crate::nats) socket: Box<dyn Socket>,
    /// What the server has said already may be in it.
    pub(in crate::nats) decoder: Decoder,
    pub(in crate::nats) info: ServerInfo,
}

/// Connects, and says who we are.
pub(super) async fn shake_hands(
    address: &Address,
    options: &NatsOptions,
    secret: &Secret,
) -> Result<Accepted, Failure> {
    let mut socket = TcpStream::connect((address.host.as_str(), address.port)).await?;
    socket.set_nodelay(true)?;
    let mut decoder = Decoder::default();
    let info = greeting(&mut socket, &mut decoder).await?;

    let wants_tls = options.tls.mode == TlsMode::Required || address.is_tls;
    let has_tls = info.tls_required || info.tls_available;
    let mut socket: Box<dyn Socket> = match (wants_tls || info.tls_required, has_tls) {
        (false, _) => Box::new(socket),
        // Whatever came behind the greeting came without proof of whom from.
        (true, true) if decoder.is_empty() => {
            Box::new(tls::secure(socket, &address.host, &options.tls).await?)
        }
        (true, _) => return Err(Failure::Tls("the server does not offer tls".to_owned())),
    };

    let mut hello = BytesMut::new();
    let connect = Connect {
        name: &options.name,
        tls_required: wants_tls,
        proof: secret.proof(&info.nonce)?,
    };
    encoder::connect(&mut hello, &connect);
    hello.extend_from_slice(encoder::PING);
    socket.write_all(&hello).await?;
    socket.flush().await?;
    welcome(&mut socket, &mut decoder).await?;
    Ok(Accepted {
        socket,
        decoder,
        info,
    })
}

/// What the server says first.
async fn greeting(socket: &mut TcpStream, decoder: &mut Decoder) -> Result<ServerInfo, Failure> {
    loop {
        match decoder.next()? {
            Some(Operation::Info(info)) => return Ok(*info),
            Some(Operation::Error(text)) => return Err(Failure::said(text)),
            Some(_) => return Err(Failure::Unreachable("it is no nats server".to_owned())),
            None => read(socket, decoder).await?,
        }
    }
}

/// Waits until the server has answered our first ping, which it does once it knows us.
async fn welcome(socket: &mut Box<dyn Socket>, decoder: &mut Decoder) -> Result<(), Failure> {
    loop {
        match decoder.next()? {
            Some(Operation::Pong) => return Ok(()),
            Some(Operation::Error(text)) => return Err(Failure::said(text)),
            Some(Operation::Ping) => socket.write_all(encoder::PONG).await?,
            Some(Operation::Info(_) | Operation::Message { .. }) => {}
            None => read(socket, decoder).await?,
        }
    }
}

async fn read(socket: &mut (impl AsyncRead + Unpin), decoder: &mut Decoder) -> Result<(), Failure> {
    match socket.read_buf(decoder.room()).await? {
        0 => Err(Failure::Unreachable(
            "the server closed the connection".to_owned(),
        )),
        _ => Ok(()),
    }
}
