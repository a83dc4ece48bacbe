//! A nats-server and two nodes on it, each with a thread of its own for what it does with NATS.

use std::sync::Arc;
use std::sync::mpsc;
use std::thread;

use anyhow::Result;
use tidegate_backbone::nats::{Nats, NatsOptions};
use tidegate_testkit::nats::NatsServer;

use crate::process::Usage;

pub(crate) struct Stage {
    pub(crate) server: NatsServer,
    pub(crate) near: Arc<Nats>,
    pub(crate) far: Arc<Nats>,
}

impl Stage {
    pub(crate) async fn set() -> Result<Self> {
        let server = NatsServer::start().await?;
        let (near, far) = (
            connect("near", server.url())?,
            connect("far", server.url())?,
        );
        Ok(Self { server, near, far })
    }

    /// What this process and the server have used so far.
    pub(crate) fn usage(&self) -> Result<(Usage, Usage)> {
        Ok((self.usage_of_ours()?, Usage::of(self.server.pid())?))
    }

    /// What this process has used so far.
    pub(crate) fn usage_of_ours(&self) -> Result<Usage> {
        Usage::of(std::process::id())
    }
}

/// Connects on a thread that lives as long as the process, as a gateway's main thread does.
fn connect(name: &'static str, url: String) -> Result<Arc<Nats>> {
    let (sender, receiver) = mpsc::sync_channel(1);
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                let _gone = sender.send(Nats::connect(NatsOptions::new([url])).await);
                std::future::pending::<()>().await;
            });
        })?;
    Ok(Arc::new(receiver.recv()??))
}
