//! A WebSocket by hand: frames that no library would send, and what the node answers, to the byte.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::time::timeout;

use crate::http::{Answer, PATIENCE, Upgrade};

pub(crate) const FINAL: u8 = 0x80;
pub(crate) const CONTINUATION: u8 = 0x0;
pub(crate) const TEXT: u8 = 0x1;
pub(crate) const BINARY: u8 = 0x2;
pub(crate) const CLOSE: u8 = 0x8;
pub(crate) const PING: u8 = 0x9;
pub(crate) const PONG: u8 = 0xa;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// With a close frame of this code; 1005 for one without a code (RFC 6455 section 7.4.1).
    Close(u16),
    /// Without a close frame.
    Cut,
}

/// What the node sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Incoming {
    Frame(u8, Vec<u8>),
    End(End),
}

/// A connection whose upgrade was accepted.
pub(crate) struct Raw {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
}

impl Raw {
    /// Upgrades with a query, such as `format=protobuf`.
    pub(crate) async fn open(address: SocketAddr, query: &str) -> Self {
        let upgrade = Upgrade::new(address).query(query);
        Self::upgrade(address, &upgrade).await.unwrap()
    }

    /// Upgrades, or gives the answer that refused it.
    pub(crate) async fn upgrade(address: SocketAddr, upgrade: &Upgrade) -> Result<Self, Answer> {
        let stream = TcpStream::connect(address).await.unwrap();
        Self::upgrade_on(stream, upgrade).await.map(|(raw, _)| raw)
    }

    /// Upgrades on a socket of the test's own, and tells the answer too.
    pub(crate) async fn upgrade_on(
        stream: TcpStream,
        upgrade: &Upgrade,
    ) -> Result<(Self, Answer), Answer> {
        let (mut reader, mut writer) = stream.into_split();
        let _sent = writer.write_all(upgrade.text().as_bytes()).await;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            match timeout(PATIENCE, reader.read_u8()).await.unwrap() {
                Ok(byte) => head.push(byte),
                Err(_) => break,
            }
        }
        let answer = Answer::parse(&String::from_utf8_lossy(&head));
        let raw = Self { reader, writer };
        if answer.status == 101 {
            Ok((raw, answer))
        } else {
            Err(answer)
        }
    }

    /// Writes bytes as they are. The node may have had enough before the last of them: its answer tells.
    pub(crate) async fn write(&mut self, bytes: &[u8]) {
        let _sent = self.writer.write_all(bytes).await;
    }

    /// Ends this side's sending.
    pub(crate) async fn finish(&mut self) {
        let _ended = self.writer.shutdown().await;
    }

    /// The next frame, or the end.
    pub(crate) async fn next(&mut self) -> Incoming {
        next(&mut self.reader).await
    }

    /// Reads until the connection ends.
    pub(crate) async fn end(&mut self) -> End {
        end(&mut self.reader).await
    }

    /// Writes while it reads until the connection ends: for more than the sockets' buffers hold.
    pub(crate) async fn end_while_writing(&mut self, chunks: impl Iterator<Item = Vec<u8>>) -> End {
        let Self { reader, writer } = self;
        let write = async move {
            for chunk in chunks {
                if writer.write_all(&chunk).await.is_err() {
                    break;
                }
            }
            // Kept open: it is for the node to end the connection.
            std::future::pending().await
        };
        tokio::select! {
            end = end(reader) => end,
            end = write => end,
        }
    }
}

async fn end(reader: &mut OwnedReadHalf) -> End {
    loop {
        if let Incoming::End(end) = next(reader).await {
            return end;
        }
    }
}

async fn next(reader: &mut OwnedReadHalf) -> Incoming {
    let frame = timeout(PATIENCE, read_frame(reader)).await;
    match frame.expect("the node neither answers nor closes") {
        Ok((CLOSE, payload)) => {
            let code = payload
                .first_chunk()
                .map_or(1005, |code| u16::from_be_bytes(*code));
            Incoming::End(End::Close(code))
        }
        Ok((opcode, payload)) => Incoming::Frame(opcode, payload),
        Err(_) => Incoming::End(End::Cut),
    }
}

async fn read_frame(reader: &mut OwnedReadHalf) -> std::io::Result<(u8, Vec<u8>)> {
    let [first, second] = reader.read_u16().await?.to_be_bytes();
    let length = match second {
        126 => u64::from(reader.read_u16().await?),
        127 => reader.read_u64().await?,
        length => length.into(),
    };
    let mut payload = vec![0; usize::try_from(length).unwrap()];
    reader.read_exact(&mut payload).await?;
    Ok((first & 0x0f, payload))
}

/// A masked frame.
pub(crate) fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = header(first, payload.len() as u64);
    frame.extend(payload.iter().zip(MASK.iter().cycle()).map(|(b, m)| b ^ m));
    frame
}

/// A final, masked frame of text.
pub(crate) fn text(payload: impl AsRef<[u8]>) -> Vec<u8> {
    frame(FINAL | TEXT, payload.as_ref())
}

/// The beginning of a masked frame that claims to have `length` bytes.
pub(crate) fn header(first: u8, length: u64) -> Vec<u8> {
    let mut header = vec![first];
    match length {
        0..=125 => header.push(0x80 | length as u8),
        126..=0xffff => {
            header.push(0x80 | 126);
            header.extend((length as u16).to_be_bytes());
        }
        _ => {
            header.push(0x80 | 127);
            header.extend(length.to_be_bytes());
        }
    }
    header.extend(MASK);
    header
}
