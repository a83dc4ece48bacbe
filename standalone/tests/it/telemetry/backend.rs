//! An application's backend over HTTP that agrees to everything, and remembers the heads of the requests.

use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running backend.
#[derive(Debug)]
pub(crate) struct Backend {
    pub(crate) url: String,
    heads: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Backend {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heads = Arc::<Mutex<Vec<String>>>::default();
        let seen = Arc::clone(&heads);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                tokio::spawn(agree(socket, Arc::clone(&seen)));
            }
        });
        Self { url, heads, task }
    }

    /// The values of a header, in the order of the requests.
    pub(crate) fn header(&self, name: &str) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let found = heads.iter().filter_map(|head| {
            let mut lines = head.lines();
            lines.find_map(|line| Some(line.strip_prefix(name)?.strip_prefix(": ")?.to_owned()))
        });
        found.collect()
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn agree(mut socket: TcpStream, heads: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let answer = "HTTP/1.1 200 OK\r\ncontent-length: 13\r\n\r\n{\"result\":{}}";
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).to_lowercase();
        let whole = text.split_once("\r\n\r\n").filter(|(head, body)| {
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|it| it.lines().next()?.parse().ok());
            length.is_some_and(|length: usize| body.len() >= length)
        });
        if let Some((head, _)) = whole {
            heads.lock().unwrap().push(head.to_owned());
            bytes.clear();
            socket.write_all(answer.as_bytes()).await.ok()?;
        } else if socket.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    }
}
