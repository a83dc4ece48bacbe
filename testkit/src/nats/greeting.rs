//! The `INFO` line that a NATS server says to each new client: proof that it serves.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// What a server says of itself.
#[derive(Debug, Clone)]
pub struct Greeting(serde_json::Value);

impl Greeting {
    /// Connects to `address` and reads it.
    ///
    /// # Errors
    /// When nothing listens, or it says something else.
    pub async fn read(address: &str) -> Result<Self> {
        timeout(Duration::from_secs(2), async {
            let stream = TcpStream::connect(address).await?;
            let mut line = String::new();
            BufReader::new(stream).read_line(&mut line).await?;
            let info = line
                .strip_prefix("INFO ")
                .context("the server does not greet like NATS")?;
            Ok(Self(serde_json::from_str(info)?))
        })
        .await?
    }

    /// How many servers of its cluster clients can connect to, as far as it knows.
    #[must_use]
    pub fn known_servers(&self) -> usize {
        self.0["connect_urls"].as_array().map_or(0, Vec::len)
    }

    /// The name of the server.
    #[must_use]
    pub fn server_name(&self) -> &str {
        self.0["server_name"].as_str().unwrap_or_default()
    }
}
