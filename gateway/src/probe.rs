//! Asks a node that runs on this machine whether it is well: for images, which have nothing else to ask with.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use tidegate_service::ProbeTls;
use tokio_rustls::rustls::{ClientConnection, StreamOwned};

use crate::config::HttpServerConfig;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes of an answer that are looked at.
const LIMIT: u64 = 64 * 1024;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Question {
    /// Does it answer?
    Alive,
    /// Is it of use to clients?
    Ready,
}

/// Where a node with this configuration listens.
///
/// # Errors
/// Why it cannot be asked.
pub(crate) fn address(config: &HttpServerConfig) -> Result<SocketAddr, String> {
    let ip = match config.address.as_str() {
        "" => IpAddr::V4(Ipv4Addr::LOCALHOST),
        address => address
            .parse()
            .map_err(|_| format!("{address} is no IP address, give one with --at"))?,
    };
    let ip = match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(std::net::Ipv6Addr::LOCALHOST),
        ip => ip,
    };
    Ok(SocketAddr::new(ip, config.port))
}

/// Asks, over TLS if it is given, and gives the answer's body if it is yes.
///
/// # Errors
/// What was answered, or why nothing was.
pub(crate) fn probe(
    address: SocketAddr,
    question: Question,
    tls: Option<&ProbeTls>,
) -> Result<String, String> {
    let path = match question {
        Question::Alive => "/health",
        Question::Ready => "/ready",
    };
    let url = match tls {
        Some(_) => format!("https://{address}{path}"),
        None => format!("http://{address}{path}"),
    };
    let answer = ask(address, path, tls).map_err(|error| format!("{url}: {error}"))?;
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
    let status = head.split(' ').nth(1).unwrap_or("no status");
    match status {
        "200" => Ok(format!("{}\n", body.trim_end())),
        status => Err(format!("{url}: {status} {}", body.trim_end())),
    }
}

fn ask(address: SocketAddr, path: &str, tls: Option<&ProbeTls>) -> io::Result<String> {
    let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}\r\n\r\n");
    let Some(tls) = tls else {
        return exchange(stream, &request);
    };
    let config = tls.config(b"http/1.1").map_err(io::Error::other)?;
    let name = tls.name(address).map_err(io::Error::other)?;
    let connection = ClientConnection::new(config, name).map_err(io::Error::other)?;
    exchange(StreamOwned::new(connection, stream), &request)
}

fn exchange(mut stream: impl Read + Write, request: &str) -> io::Result<String> {
    stream.write_all(request.as_bytes())?;
    let mut answer = Vec::new();
    match stream.take(LIMIT).read_to_end(&mut answer) {
        // Over TLS an end that was not announced; what came is held against its status all the same.
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof && !answer.is_empty() => {}
        outcome => _ = outcome?,
    }
    String::from_utf8(answer).map_err(io::Error::other)
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    fn answered(answer: &'static str) -> Result<String, String> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _request = stream.read(&mut [0; 1024]).unwrap();
            stream.write_all(answer.as_bytes()).unwrap();
        });
        let outcome = probe(address, Question::Ready, None);
        server.join().unwrap();
        outcome
    }

    #[test]
    fn only_200_is_a_yes() {
        assert_eq!(answered("HTTP/1.1 200 OK\r\n\r\nwell\n").unwrap(), "well\n");
        for answer in [
            "HTTP/1.1 503 Service Unavailable\r\n\r\nechoes",
            "HTTP/1.1 404 Not Found\r\n\r\n",
            "",
            "200",
        ] {
            assert!(answered(answer).is_err(), "{answer:?}");
        }
    }

    #[test]
    fn a_node_that_listens_everywhere_is_asked_here() {
        let at = |address: &str| {
            let config = HttpServerConfig {
                address: address.to_owned(),
                port: 9,
                ..HttpServerConfig::default()
            };
            super::address(&config).map(|it| it.to_string())
        };
        for (address, expected) in [
            ("", "127.0.0.1:9"),
            ("0.0.0.0", "127.0.0.1:9"),
            ("::", "[::1]:9"),
            ("10.0.0.1", "10.0.0.1:9"),
        ] {
            assert_eq!(at(address).unwrap(), expected);
        }
        assert!(at("localhost").is_err());
    }
}
