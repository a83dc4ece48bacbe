//! What the servers' monitoring says of how they sync. In: addresses of monitoring ports. Out: for each server that answers,
//! whether it syncs before it confirms.
//!
//! The NATS protocol does not tell; `/varz` does (`jetstream.config.sync_always`).

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use serde::Deserialize;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// Time for one server to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Bytes of an answer; of more, nothing is believed.
const MOST: u64 = 1024 * 1024;

/// Monitoring ports, and what they said last.
#[derive(Debug, Default)]
pub(super) struct Monitoring {
    /// `host:port`.
    addresses: Vec<String>,
    /// Whether a server syncs before it confirms, by its name.
    known: Mutex<BTreeMap<String, bool>>,
}

#[derive(Deserialize)]
struct Varz {
    server_name: String,
    jetstream: JetStream,
}

#[derive(Deserialize)]
struct JetStream {
    config: JetStreamConfig,
}

#[derive(Deserialize)]
struct JetStreamConfig {
    #[serde(default)]
    sync_always: bool,
}

impl Monitoring {
    /// The ports at these URLs, `http://host:port`.
    pub(super) fn new(urls: &[String]) -> Self {
        let addresses = urls.iter().map(|url| address(url).to_owned());
        Self {
            addresses: addresses.collect(),
            known: Mutex::default(),
        }
    }

    /// Asks all of them; tells whether all answered. Of one that does not answer, what it said before is still believed: how
    /// it syncs changes only when it is started again, and then it answers.
    pub(super) async fn look(&self) -> bool {
        let mut is_complete = true;
        for (address, answer) in join_all(self.addresses.iter().map(|it| ask(it))).await {
            match answer {
                Ok(varz) => {
                    let is_synced = varz.jetstream.config.sync_always;
                    self.known().insert(varz.server_name, is_synced);
                }
                Err(reason) => {
                    is_complete = false;
                    tracing::warn!(address, reason, "no answer of use from a monitoring port");
                }
            }
        }
        is_complete
    }

    /// Whether a server syncs before it confirms; `None` if it did not say.
    pub(super) fn is_synced(&self, server: &str) -> Option<bool> {
        self.known().get(server).copied()
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(url: &str) -> &str {
    let rest = url.strip_prefix("http://").unwrap_or(url);
    rest.trim_end_matches('/')
}

async fn ask(address: &str) -> (&str, Result<Varz, String>) {
    let answer = timeout(PATIENCE, get(address)).await;
    let answer = answer.unwrap_or_else(|_| Err("too late".to_owned()));
    (address, answer.and_then(|it| parse(&it)))
}

/// An answer that ends with the connection, as HTTP 1.0 has it.
async fn get(address: &str) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| error.to_string();
    let mut socket = TcpStream::connect(address).await.map_err(told)?;
    let request = format!("GET /varz HTTP/1.0\r\nHost: {address}\r\n\r\n");
    socket.write_all(request.as_bytes()).await.map_err(told)?;
    let mut answer = Vec::new();
    let read = socket.take(MOST).read_to_end(&mut answer).await;
    read.map_err(told)?;
    Ok(answer)
}

fn parse(answer: &[u8]) -> Result<Varz, String> {
    let head = answer.windows(4).position(|it| it == b"\r\n\r\n");
    let (head, body) = answer.split_at(head.ok_or("no HTTP")? + 4);
    let is_good = head.split(|byte| *byte == b' ').nth(1) == Some(b"200");
    if !head.starts_with(b"HTTP/1.") || !is_good {
        return Err("it does not answer with 200".to_owned());
    }
    serde_json::from_slice(body)
        .map_err(|error| format!("no /varz of a server with JetStream: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_answer_that_says_so_is_believed() {
        let varz = |config: &str| {
            format!("{{\"server_name\":\"a\",\"jetstream\":{{\"config\":{config}}}}}")
        };
        for (answer, expected) in [
            (
                format!(
                    "HTTP/1.0 200 OK\r\nA: b\r\n\r\n{}",
                    varz("{\"sync_always\":true}")
                ),
                Some(true),
            ),
            (
                format!("HTTP/1.0 200 OK\r\n\r\n{}", varz("{}")),
                Some(false),
            ),
            (
                "HTTP/1.0 200 OK\r\n\r\n{\"server_name\":\"a\",\"jetstream\":{}}".to_owned(),
                None,
            ),
            (
                format!("HTTP/1.0 404 no\r\n\r\n{}", varz("{\"sync_always\":true}")),
                None,
            ),
            (varz("{\"sync_always\":true}"), None),
            (String::new(), None),
        ] {
            let parsed = parse(answer.as_bytes()).ok();
            assert_eq!(
                parsed.map(|it| it.jetstream.config.sync_always),
                expected,
                "{answer}"
            );
        }
    }

    #[test]
    fn addresses_are_taken_from_urls() {
        for url in ["http://a:8222", "http://a:8222/", "a:8222"] {
            assert_eq!(address(url), "a:8222");
        }
    }
}
