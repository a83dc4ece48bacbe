//! A way to a server that can be stopped up in one direction or both, while its connections stay open, as a network does
//! that drops packets in silence. What was held comes through once it may.

use std::sync::Arc;

use anyhow::Result;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};

/// Bytes that are passed on at a time.
const READ: usize = 16 * 1024;

/// The way. It is closed when it is dropped.
#[derive(Debug)]
pub struct Pipe {
    address: String,
    is_open: [watch::Sender<bool>; 2],
    task: AbortHandle,
}

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From clients to the server.
    Up,
    /// From the server to clients.
    Down,
}

impl Pipe {
    /// A way to this address, `127.0.0.1:<port>`.
    ///
    /// # Errors
    /// When the system refuses.
    pub async fn to(server: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let is_open = [watch::Sender::new(true), watch::Sender::new(true)];
        let gates = Arc::new(is_open.each_ref().map(watch::Sender::subscribe));
        let task = tokio::spawn(async move {
            // Dropped with this task, which ends them.
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(connect(client, server.clone(), Arc::clone(&gates)));
            }
        });
        Ok(Self {
            address,
            is_open,
            task: task.abort_handle(),
        })
    }

    /// Where clients connect: `127.0.0.1:<port>`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Lets nothing through that way.
    pub fn stop_up(&self, direction: Direction) {
        self.is_open[direction as usize].send_replace(false);
    }

    /// Lets everything through again, and what was held first.
    pub fn clear(&self) {
        for gate in &self.is_open {
            gate.send_replace(true);
        }
    }
}

/// Joins a client to the server. One that is not there closes its client.
async fn connect(client: TcpStream, server: String, gates: Arc<[watch::Receiver<bool>; 2]>) {
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    let [up, down] = &*gates;
    let ((from_client, to_client), (from_server, to_server)) =
        (client.into_split(), server.into_split());
    tokio::select! {
        () = pass(from_client, to_server, up.clone()) => {}
        () = pass(from_server, to_client, down.clone()) => {}
    }
}

/// Passes bytes on until one side has gone.
async fn pass(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut gate: watch::Receiver<bool>) {
    let mut buffer = vec![0; READ];
    while let Ok(size @ 1..) = from.read(&mut buffer).await {
        let is_open = gate.wait_for(|is_open| *is_open).await.is_ok();
        if !is_open || to.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}

impl Drop for Pipe {
    fn drop(&mut self) {
        self.task.abort();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::timeout;

    use super::*;

    #[tokio::test]
    async fn one_direction_is_held_and_comes_through_later() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let pipe = Pipe::to(address).await.unwrap();
        let mut client = TcpStream::connect(pipe.address()).await.unwrap();
        let (mut server, _) = listener.accept().await.unwrap();
        pipe.stop_up(Direction::Down);
        let mut byte = [0];
        client.write_all(b"a").await.unwrap();
        server.read_exact(&mut byte).await.unwrap();
        server.write_all(b"b").await.unwrap();
        let read = timeout(Duration::from_millis(100), client.read_exact(&mut byte));
        assert!(read.await.is_err());
        pipe.clear();
        client.read_exact(&mut byte).await.unwrap();
        assert_eq!(&byte, b"b");
    }
}
