//! The codec on a socket, as plainly as it goes: what comes in goes out, until the other end closes.

use std::io;

use tidegate_websocket::{
    Agreement, CloseReason, Decoder, DeflateOptions, Deflater, Event, Inflater, Limits, Message,
    Opcode, Role, Violation, Window, WindowBits, write_close, write_deflated_frame, write_frame,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tungstenite::handshake::derive_accept_key;

const LIMITS: Limits = Limits {
    message: 16 * 1024 * 1024,
    fragments: 1024 * 1024,
};

/// Serves whoever comes.
pub(crate) async fn serve(listener: TcpListener) -> io::Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        // What becomes of one connection is nobody else's business.
        tokio::spawn(async move { connection(stream).await.ok() });
    }
}

async fn connection(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (agreement, mut input) = upgrade(&mut stream).await?;
    let mut echo = Echo::new(agreement);
    let mut buffer = vec![0; 64 * 1024];
    while !echo.is_over {
        echo.take(&mut input);
        stream.write_all(&echo.out).await?;
        echo.out.clear();
        if !echo.is_over {
            match stream.read(&mut buffer).await? {
                0 => return Ok(()),
                count => input = buffer[..count].to_vec(),
            }
        }
    }
    // Bytes that were not read would turn the end into a reset, and the close frame be lost.
    stream.shutdown().await?;
    while stream.read(&mut buffer).await? > 0 {}
    Ok(())
}

/// Answers the request. Gives what was agreed on, and what came after the request.
async fn upgrade(stream: &mut TcpStream) -> io::Result<(Option<Agreement>, Vec<u8>)> {
    let mut request = Vec::new();
    let end = loop {
        if let Some(at) = request.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            break at + 4;
        }
        if request.len() > 16 * 1024 || stream.read_buf(&mut request).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    };
    let rest = request.split_off(end);
    let head = String::from_utf8_lossy(&request);
    let values = |name: &'static str| {
        let headers = head.lines().filter_map(|line| line.split_once(':'));
        let named = headers.filter(move |(found, _)| found.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value.trim())
    };
    let key = values("sec-websocket-key").next().unwrap_or_default();
    let agreement = DeflateOptions::FULL.accept(values("sec-websocket-extensions"));
    let mut response = format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Accept: {}\r\n",
        derive_accept_key(key.as_bytes())
    );
    if let Some(agreement) = &agreement {
        response += &format!("Sec-WebSocket-Extensions: {agreement}\r\n");
    }
    stream.write_all((response + "\r\n").as_bytes()).await?;
    Ok((agreement, rest))
}

/// One connection's state, without its socket.
struct Echo {
    decoder: Decoder,
    compression: Option<Compression>,
    out: Vec<u8>,
    is_over: bool,
}

/// A server of many connections has one inflater and one deflater for all of them.
struct Compression {
    inflater: Inflater,
    deflater: Deflater,
    window: Option<Window>,
    bits: WindowBits,
}

impl Echo {
    fn new(agreement: Option<Agreement>) -> Self {
        let role = Role::Server;
        let decoder = match &agreement {
            Some(agreement) => Decoder::with_deflate(role, agreement),
            None => Decoder::new(role),
        };
        let compression = agreement.map(|agreement| Compression {
            inflater: Inflater::new(),
            deflater: Deflater::new(1),
            window: agreement.outgoing(role),
            bits: agreement.server_window,
        });
        Self {
            decoder,
            compression,
            out: Vec::new(),
            is_over: false,
        }
    }

    /// Answers everything in the input.
    fn take(&mut self, input: &mut [u8]) {
        let mut input = input;
        while !self.is_over {
            let inflater = self.compression.as_mut().map(|both| &mut both.inflater);
            match self.decoder.next(&mut input, &LIMITS, inflater) {
                Ok(Some(event)) => self.answer(event),
                Ok(None) => return,
                Err(Violation { code, reason }) => {
                    write_close(&mut self.out, code, reason);
                    self.is_over = true;
                }
            }
        }
    }

    fn answer(&mut self, event: Event) {
        match event {
            Event::Message(Message::Text(text)) => self.message(Opcode::Text, &text),
            Event::Message(Message::Binary(data)) => self.message(Opcode::Binary, &data),
            Event::Ping(payload) => write_frame(&mut self.out, Opcode::Pong, &payload),
            Event::Pong(_) => {}
            Event::Close(reason) => {
                match reason {
                    Some(CloseReason { code, .. }) => write_close(&mut self.out, code, ""),
                    None => write_frame(&mut self.out, Opcode::Close, b""),
                }
                self.is_over = true;
            }
        }
    }

    fn message(&mut self, opcode: Opcode, message: &[u8]) {
        let Some(compression) = &mut self.compression else {
            return write_frame(&mut self.out, opcode, message);
        };
        let mut deflated = Vec::new();
        match &mut compression.window {
            Some(window) => {
                (compression.deflater).deflate_in_context(message, window, &mut deflated)
            }
            None => (compression.deflater).deflate(message, compression.bits, &mut deflated),
        }
        write_deflated_frame(&mut self.out, opcode, &deflated);
    }
}
