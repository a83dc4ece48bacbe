//! The history service in the same process, over the embedded backbone, on threads of its own.

use std::net::TcpListener as Socket;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use tidegate_backbone::Backbone;
use tidegate_gateway::config::Config;
use tidegate_history_service::grpc::{Access, ApiKey};
use tidegate_history_service::service::{Archived, Service};
use tidegate_history_service::store::embedded::Embedded;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// The folder of the archive in the data directory.
const ARCHIVE: &str = "archive";

/// A service that runs until this is dropped.
#[derive(Debug)]
pub struct Running {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Starts the service if the configuration asks for it.
///
/// # Errors
/// Why it cannot start, as a sentence.
pub fn start(config: &Config, backbone: &Arc<dyn Backbone>) -> Result<Option<Running>, String> {
    let options = &config.history_service;
    let Some(folder) = config.embedded.data_dir.as_ref() else {
        return Ok(None);
    };
    if options.address.is_empty() {
        return Ok(None);
    }
    let at_fault = |error: &dyn std::fmt::Display| format!("history_service: {error}");
    let key = match options.api_key.is_empty() {
        true => None,
        false => Some(ApiKey::parse(&options.api_key).map_err(|it| at_fault(&it))?),
    };
    let store = Embedded::open(&folder.join(ARCHIVE)).map_err(|it| at_fault(&it))?;
    let socket = Socket::bind(&options.address)
        .map_err(|it| format!("history_service.address: {}: {it}", options.address))?;
    let archived = config.channel.sets().filter(|(_, it)| it.archive);
    let namespaces = archived.map(|(namespace, it)| Archived {
        namespace: namespace.map(str::to_owned),
        ttl: (!it.archive_ttl.is_zero()).then_some(it.archive_ttl),
    });
    let service = Service {
        store: Arc::new(store),
        backbone: Arc::clone(backbone),
        namespaces: namespaces.collect(),
        access: Access { key, tls: None },
    };
    run(service, socket).map_err(|it| at_fault(&it))
}

fn run(service: Service, socket: Socket) -> Result<Option<Running>, std::io::Error> {
    socket.set_nonblocking(true)?;
    let address = socket.local_addr()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("tidegate-history")
        .enable_all()
        .build()?;
    let (stop, stopped) = oneshot::channel();
    let serve = async move {
        let listener = TcpListener::from_std(socket)?;
        tracing::info!(%address, "serving history");
        // Dropped is as good as told.
        let stop = async { drop(stopped.await) };
        service
            .run(listener, stop)
            .await
            .map_err(std::io::Error::other)
    };
    let thread = thread::Builder::new()
        .name("tidegate-history".to_owned())
        .spawn(move || {
            if let Err(error) = runtime.block_on(serve) {
                tracing::error!(%error, "the history service has ended");
            }
        })?;
    Ok(Some(Running {
        stop: Some(stop),
        thread: Some(thread),
    }))
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
