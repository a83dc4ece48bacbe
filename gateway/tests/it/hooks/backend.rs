//! An application's backend over HTTP, by hand, so that it can misbehave.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A request that was made.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) path: String,
    /// In lower case.
    pub(crate) head: String,
    pub(crate) body: Value,
}

/// What the backend does with a request.
pub(crate) enum Reaction {
    /// 200 with this body.
    Answer(Value),
    /// 200 with a body that is no JSON.
    Garbage,
    /// 200 with a body of so many bytes.
    Bytes(usize),
    Status(u16),
    /// Never answers.
    Silence,
    /// Closes the connection.
    HangUp,
}

type React = Arc<dyn Fn(&Asked) -> Reaction + Send + Sync>;

/// A running backend.
pub(crate) struct Backend {
    pub(crate) address: SocketAddr,
    asked: Arc<Mutex<Vec<Asked>>>,
    connections: Arc<Mutex<usize>>,
    task: JoinHandle<()>,
}

impl Backend {
    pub(crate) async fn start(react: impl Fn(&Asked) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        Self::on(listener, react)
    }

    pub(crate) fn on(
        listener: TcpListener,
        react: impl Fn(&Asked) -> Reaction + Send + Sync + 'static,
    ) -> Self {
        let address = listener.local_addr().unwrap();
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let connections = Arc::<Mutex<usize>>::default();
        let (seen, counted, react) = (
            Arc::clone(&asked),
            Arc::clone(&connections),
            Arc::new(react),
        );
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                *counted.lock().unwrap() += 1;
                tokio::spawn(serve(
                    socket,
                    Arc::clone(&seen),
                    Arc::clone(&react) as React,
                ));
            }
        });
        Self {
            address,
            asked,
            connections,
            task,
        }
    }

    /// The URL of a path.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What it was asked so far, in order.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// How often somebody connected.
    pub(crate) fn connections(&self) -> usize {
        *self.connections.lock().unwrap()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(mut socket: TcpStream, seen: Arc<Mutex<Vec<Asked>>>, react: React) {
    while let Some(asked) = read(&mut socket).await {
        let reaction = react(&asked);
        seen.lock().unwrap().push(asked);
        let (status, body) = match reaction {
            Reaction::Answer(value) => (200, value.to_string()),
            Reaction::Garbage => (200, "<html>hello</html>".to_owned()),
            Reaction::Bytes(count) => (200, " ".repeat(count - 2) + "{}"),
            Reaction::Status(status) => (status, String::new()),
            Reaction::Silence => return std::future::pending().await,
            Reaction::HangUp => return,
        };
        let head = format!(
            "HTTP/1.1 {status} X\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        if socket.write_all((head + &body).as_bytes()).await.is_err() {
            return;
        }
    }
}

async fn read(socket: &mut TcpStream) -> Option<Asked> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let lower = head.to_ascii_lowercase();
            let length = lower.split("content-length: ").nth(1)?;
            let length: usize = length.lines().next()?.parse().ok()?;
            if body.len() >= length {
                return Some(Asked {
                    path: head.split(' ').nth(1)?.to_owned(),
                    body: serde_json::from_str(body).unwrap(),
                    head: lower,
                });
            }
        }
        if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
