//! `/health`, `/ready` and `/metrics` of a service's program, over HTTP: for orchestrators and Prometheus, not for callers.
//!
//! In: one request on each connection. Out: its answer, and the end of the connection. It knows nothing of the service but
//! [`Vitals`].

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tidegate_telemetry::metrics::{CONTENT_TYPE, Family, page};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};

/// Connections at a time; further ones wait.
const MAX_CONNECTIONS: usize = 32;

/// The longest head of a request, in bytes.
const MAX_HEAD_BYTES: usize = 8 * 1024;

/// How long one request may take, there and back.
const PATIENCE: Duration = Duration::from_secs(10);

/// Before another connection is taken when the system refused one.
const PAUSE: Duration = Duration::from_millis(100);

/// What a service says of itself.
pub trait Vitals: Send + Sync {
    /// Whether calls should be sent to it; if not, why.
    fn readiness(&self) -> Result<(), String>;

    /// Its metrics, as they are now.
    fn metrics(&self) -> BoxFuture<'_, Vec<Family>>;
}

/// Listens where the command line says, if it says so.
///
/// # Errors
/// When the address cannot be had.
pub async fn listen_for_probes(
    address: Option<SocketAddr>,
) -> Result<Option<TcpListener>, ListenError> {
    let Some(address) = address else {
        return Ok(None);
    };
    let failed = |source| ListenError { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    tracing::info!(%address, "answering probes");
    Ok(Some(listener))
}

/// An address for probes cannot be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address} for probes")]
pub struct ListenError {
    address: SocketAddr,
    source: io::Error,
}

/// Answers on a socket, until it is dropped.
pub async fn serve_probes(listener: TcpListener, vitals: Arc<dyn Vitals>) -> Infallible {
    let room = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let taken = Arc::clone(&room).acquire_owned().await;
        match listener.accept().await {
            Ok((stream, _)) => {
                let vitals = Arc::clone(&vitals);
                tokio::spawn(async move {
                    let served = timeout(PATIENCE, serve_one(stream, &*vitals)).await;
                    if let Ok(Err(error)) = served {
                        tracing::debug!(%error, "a probe was not answered");
                    }
                    drop(taken);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "cannot take a connection for probes");
                sleep(PAUSE).await;
            }
        }
    }
}

async fn serve_one(mut stream: TcpStream, vitals: &dyn Vitals) -> io::Result<()> {
    let mut head = Vec::new();
    while !head.windows(4).any(|it| it == b"\r\n\r\n") {
        let has_room = head.len() < MAX_HEAD_BYTES;
        if !has_room || stream.read_buf(&mut head).await? == 0 {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
    let answer = match target(&head) {
        Some("/health") => answer("200 OK", "ok\n"),
        Some("/ready") => match vitals.readiness() {
            Ok(()) => answer("200 OK", "ready\n"),
            Err(reason) => answer("503 Service Unavailable", &format!("not ready: {reason}\n")),
        },
        Some("/metrics") => answer("200 OK", &page(&vitals.metrics().await)),
        Some(_) => answer("404 Not Found", "not found\n"),
        None => answer("405 Method Not Allowed", "only GET\n"),
    };
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// What a GET is for, without its query.
fn target(head: &[u8]) -> Option<&str> {
    let line = head.split(|it| *it == b'\r').next()?;
    let line = std::str::from_utf8(line).ok()?;
    let target = line.strip_prefix("GET ")?.split(' ').next()?;
    target.split('?').next()
}

fn answer(status: &str, body: &str) -> String {
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {CONTENT_TYPE}\r\n\
         content-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fresh;

    impl Vitals for Fresh {
        fn readiness(&self) -> Result<(), String> {
            Err("it has just begun".to_owned())
        }

        fn metrics(&self) -> BoxFuture<'_, Vec<Family>> {
            Box::pin(async { vec![Family::gauge("a", "What a is.").of(7)] })
        }
    }

    #[tokio::test]
    async fn each_request_is_answered() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        tokio::spawn(serve_probes(listener, Arc::new(Fresh)));
        for (line, status, body) in [
            ("GET /health HTTP/1.1", "200", "ok\n"),
            (
                "GET /ready HTTP/1.0",
                "503",
                "not ready: it has just begun\n",
            ),
            (
                "GET /metrics?a=b HTTP/1.1",
                "200",
                "# HELP a What a is.\n# TYPE a gauge\na 7\n",
            ),
            ("GET /else HTTP/1.1", "404", "not found\n"),
            ("POST /health HTTP/1.1", "405", "only GET\n"),
        ] {
            let mut stream = TcpStream::connect(address).await.unwrap();
            let request = format!("{line}\r\nhost: a\r\n\r\n");
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            let (head, told) = answer.split_once("\r\n\r\n").unwrap();
            assert!(
                head.starts_with(&format!("HTTP/1.1 {status} ")),
                "{line}: {head}"
            );
            assert_eq!(told, body, "{line}");
        }
    }

    #[tokio::test]
    async fn a_head_without_end_ends_its_connection() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = TcpStream::connect(listener.local_addr().unwrap())
            .await
            .unwrap();
        let (served, _) = listener.accept().await.unwrap();
        let serving = tokio::spawn(async move { serve_one(served, &Fresh).await });
        stream.write_all(&[b'a'; MAX_HEAD_BYTES]).await.unwrap();
        let error = serving.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidData);
    }
}
