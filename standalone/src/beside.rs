//! A service that runs beside the node in the same process, on threads of its own.

use std::future::Future;
use std::io;
use std::net::TcpListener as Socket;
use std::thread::{self, JoinHandle};

use tidegate_gateway::config::ServerTlsConfig;
use tidegate_service::{Access, ApiKey};
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// A service that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Resolves when the service is to end.
pub type Stop = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Who may call the service of this section: with this key, if it is not empty.
///
/// # Errors
/// Why that cannot be, as a sentence.
pub fn access(section: &str, key: &str, tls: &ServerTlsConfig) -> Result<Access, String> {
    let key = match key {
        "" => None,
        key => Some(ApiKey::parse(key).map_err(|it| format!("{section}.api_key: {it}"))?),
    };
    let tls = tls.options(&format!("{section}.tls"));
    Access::new(key, tls).map_err(|it| it.to_string())
}

/// Runs what `serve` makes of a socket, and of the end.
///
/// # Errors
/// When the system refuses threads or the socket.
pub fn run<Service, Serve>(
    name: &'static str,
    socket: Option<Socket>,
    serve: Serve,
) -> io::Result<Running>
where
    Serve: FnOnce(Option<TcpListener>, Stop) -> Service + Send + 'static,
    Service: Future<Output = io::Result<()>> + Send,
{
    if let Some(socket) = &socket {
        socket.set_nonblocking(true)?;
        tracing::info!(address = %socket.local_addr()?, service = name, "serving gRPC");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(name)
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let served = async move {
        let listener = socket.map(TcpListener::from_std).transpose()?;
        // Dropped is as good as told.
        let stop: Stop = Box::pin(async { drop(stopped.await) });
        serve(listener, stop).await
    };
    let thread = thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if let Err(error) = runtime.block_on(served) {
                tracing::error!(%error, service = name, "a service has ended");
            }
        })?;
    Ok(Running {
        stop: Some(stop),
        thread: Some(thread),
    })
}

impl Drop for Running {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It panicked, which it has told already, or it is done.
            let _ = thread.join();
        }
    }
}
