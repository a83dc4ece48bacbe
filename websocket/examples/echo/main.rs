//! A server that echoes messages, for conformance suites: `cargo run -p tidegate-websocket --example echo -- 9001`

mod server;

use std::error::Error;

use tokio::net::TcpListener;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let port = std::env::args().nth(1).unwrap_or_default().parse()?;
    let listener = TcpListener::bind(("127.0.0.1", port)).await?;
    eprintln!("echo on ws://{}", listener.local_addr()?);
    server::serve(listener).await?;
    Ok(())
}
