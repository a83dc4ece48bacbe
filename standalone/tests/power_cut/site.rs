//! Gateways and what they store in, whose power can be cut.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::rc::Rc;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use serde_json::Value;
use tempfile::TempDir;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::gateway::Gateway;
use tidegate_testkit::nats::{NatsCluster, NatsServer};

use super::disk::Disk;
use super::setting::{Servers, Setting};

/// Runs what follows as on another boot of the machine, of which the file that comes first has the id.
const REBOOTED: [&str; 5] = [
    "unshare",
    "--mount",
    "sh",
    "-c",
    "mount --bind \"$0\" /proc/sys/kernel/random/boot_id && exec \"$@\"",
];

/// What the test runs against. Programs end before their file systems do.
#[derive(Debug)]
pub(crate) struct Site {
    gateway: Gateway,
    /// Where nobody was before the cut, so that it knows only what is stored; none when the other one, which starts again
    /// then, is such a one itself.
    spare: Option<Gateway>,
    /// None when the gateway stores by itself.
    nats: Vec<NatsServer>,
    disks: Vec<Disk>,
    folder: TempDir,
}

impl Site {
    /// All of it, once every gateway is ready.
    pub(crate) async fn start(setting: Setting) -> Result<Self> {
        let disks = (0..setting.disks()).map(|_| Disk::new());
        let disks = disks.collect::<Result<Vec<_>>>()?;
        let nats = servers(setting, &disks).await?;
        if let Some(stream) = setting.stream() {
            make(&stream, &urls(&nats)).await?;
        }
        let store = disks[0].path().join("store");
        let config = setting.gateway(store.to_str().context("a path that is no text")?);
        let executable = env!("CARGO_BIN_EXE_tidegate");
        let urls = urls(&nats).join(",");
        let urls = (!urls.is_empty()).then_some(&*urls);
        let gateway = Gateway::start(executable, &config, urls).await?;
        let spare = match urls {
            Some(_) => Some(Gateway::start(executable, &config, urls).await?),
            None => None,
        };
        let site = Self {
            gateway,
            spare,
            nats,
            disks,
            folder: tempfile::tempdir()?,
        };
        site.ready().await?;
        Ok(site)
    }

    /// Where clients connect.
    pub(crate) fn gateway(&self) -> Rc<[String]> {
        Rc::from([self.gateway.websocket().to_owned()])
    }

    /// Where they can connect after the cut, and find only what is stored.
    pub(crate) fn newcomer(&self) -> Rc<[String]> {
        let newcomer = self.spare.as_ref().unwrap_or(&self.gateway);
        Rc::from([newcomer.websocket().to_owned()])
    }

    /// Everything the gateways wrote, for failures.
    pub(crate) fn output(&self) -> String {
        let outputs = self.gateways().map(Gateway::output);
        outputs.collect::<Vec<_>>().join("\n")
    }

    fn gateways(&self) -> impl Iterator<Item = &Gateway> {
        [&self.gateway].into_iter().chain(&self.spare)
    }

    /// Makes everything that was stored so far last.
    pub(crate) fn sync(&self) -> Result<()> {
        self.disks.iter().try_for_each(Disk::sync)
    }

    /// Stops everything that stores in the middle of what it does, and keeps what a power cut would leave.
    pub(crate) fn cut(&self) -> Result<()> {
        match &*self.nats {
            [] => self.gateway.freeze()?,
            servers => servers.iter().try_for_each(NatsServer::freeze)?,
        }
        self.disks.iter().try_for_each(Disk::copy)
    }

    /// Puts what was kept in its place, starts what was stopped on it, and waits until every gateway is ready.
    pub(crate) async fn start_again(&mut self) -> Result<()> {
        let stores_itself = self.nats.is_empty();
        if stores_itself {
            self.gateway.kill()?;
        }
        self.nats.iter_mut().try_for_each(NatsServer::kill)?;
        self.disks.iter_mut().try_for_each(Disk::restore)?;
        try_join_all(self.nats.iter_mut().map(NatsServer::restart)).await?;
        if stores_itself {
            let boot = self.boot()?;
            let wrapper = REBOOTED.map(OsStr::new);
            let wrapper = [&wrapper[..], &[boot.as_os_str()]].concat();
            self.gateway.restart_under(&wrapper).await?;
        }
        self.ready().await
    }

    /// A file with the id of a boot that never was.
    fn boot(&self) -> Result<PathBuf> {
        let file = self.folder.path().join("boot_id");
        fs::write(&file, format!("{}\n", uuid::Uuid::new_v4()))?;
        Ok(file)
    }

    async fn ready(&self) -> Result<()> {
        for gateway in self.gateways() {
            let ready = until_some("a gateway is ready", async || {
                let (status, _) = gateway.get("/ready").await.ok()?;
                (status == 200).then_some(())
            });
            ready.await.with_context(|| self.output())?;
        }
        Ok(())
    }
}

async fn servers(setting: Setting, disks: &[Disk]) -> Result<Vec<NatsServer>> {
    let config = setting.server();
    Ok(match (setting, disks) {
        (Setting::Embedded(_), _) => Vec::new(),
        (Setting::Nats(Servers::Three, _), [first, second, third]) => {
            let stores = [first, second, third].map(Disk::path);
            let [first, second, third] = &stores;
            let stores = [&**first, &**second, &**third];
            NatsCluster::start_on(config, stores).await?.servers
        }
        (Setting::Nats(..), disks) => {
            vec![NatsServer::start_on(config, &disks[0].path()).await?]
        }
    })
}

fn urls(servers: &[NatsServer]) -> Vec<String> {
    servers.iter().map(NatsServer::url).collect()
}

/// Makes a stream, once the servers can.
async fn make(stream: &Value, urls: &[String]) -> Result<()> {
    let client = async_nats::connect(urls).await?;
    let subject = format!(
        "$JS.API.STREAM.CREATE.{}",
        stream["name"].as_str().unwrap_or_default()
    );
    let mut answered = Value::Null;
    let made = until_some("the stream is made", async || {
        let request = client.request(subject.clone(), stream.to_string().into());
        answered = serde_json::from_slice(&request.await.ok()?.payload).ok()?;
        answered["error"].is_null().then_some(())
    });
    let made = made.await;
    ensure!(made.is_ok(), "{answered}");
    made
}
