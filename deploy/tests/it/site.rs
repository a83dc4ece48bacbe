//! What a rendered overlay deploys, started on this machine: three NATS servers, a gateway and both services, with
//! exactly their rendered files. Only addresses and folders differ, given as flags and environment.

use std::net::TcpListener;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};
use tempfile::TempDir;
use tidegate_testkit::authority::Authority;
use tidegate_testkit::deadline::until_some;
use tidegate_testkit::program::Program;
use tidegate_testkit::tls;
use tidegate_testkit::tools::{nats_server, run};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::documents::Documents;
use super::pod::{Container, Secrets};
use super::service::{self, Service};
use tidegate_testkit::binaries::binary;

/// Ports of this machine, one for each server or program.
#[derive(Debug)]
struct Ports {
    clients: [u16; 3],
    routes: [u16; 3],
    monitoring: [u16; 3],
    gateway: u16,
}

/// Everything that an overlay deploys.
#[derive(Debug)]
pub(crate) struct Site<'a> {
    ports: Ports,
    servers: Vec<(Container<'a>, Program)>,
    gateway: (Container<'a>, Program),
    services: [Service<'a>; 2],
    _folder: TempDir,
    authority: Authority,
}

/// What whoever deploys the production overlay has to bring, under the names that it says.
fn secrets(authority: &Authority) -> Result<Secrets> {
    let mut secrets = Secrets::new();
    for user in ["routes", "gateway", "history", "presence", "backend", "sys"] {
        secrets.insert(format!("nats-users/{user}"), format!("password-of-{user}"));
    }
    let made = authority.certificate("127.0.0.1")?;
    secrets.insert("nats-tls/tls.crt".to_owned(), made.certificate);
    secrets.insert("nats-tls/tls.key".to_owned(), made.key);
    secrets.insert("nats-tls/ca.crt".to_owned(), authority.pem());
    let made = authority.certificate("localhost")?;
    secrets.insert("grpc-tls/tls.crt".to_owned(), made.certificate);
    secrets.insert("grpc-tls/tls.key".to_owned(), made.key);
    secrets.insert(
        "gateway/token-secret".to_owned(),
        "a secret for the tokens of tests".to_owned(),
    );
    for service in ["history", "presence"] {
        secrets.insert(
            format!("{service}/api-key"),
            "an-api-key-for-tests".to_owned(),
        );
    }
    Ok(secrets)
}

impl<'a> Site<'a> {
    pub(crate) async fn start(documents: &'a Documents) -> Result<Self> {
        let (folder, authority) = (tempfile::tempdir()?, Authority::new()?);
        let (secrets, ports) = (secrets(&authority)?, Ports::free()?);
        let mut servers = Vec::new();
        for at in 0..3 {
            let root = folder.path().join(format!("nats-{at}"));
            servers.push(server(documents, &secrets, &root, &ports, at)?);
        }
        let gateway = gateway(documents, &secrets, &folder.path().join("gateway"), &ports)?;
        let urls = ports.nats(service::nats_url(documents)?);
        let first = urls.split(',').next().context("a server")?;
        let start =
            |kind, name| Service::start(documents, kind, name, &secrets, folder.path(), first);
        let mut site = Self {
            services: [
                start("StatefulSet", "history")?,
                start("Deployment", "presence")?,
            ],
            ports,
            servers,
            gateway,
            _folder: folder,
            authority,
        };
        for service in &mut site.services {
            service.listening().await?;
        }
        Ok(site)
    }

    /// Whether gRPC of the services is spoken over TLS.
    pub(crate) async fn is_grpc_secure(&self) -> Result<bool> {
        let authority = self.authority.pem();
        let mut secure = 0;
        for service in &self.services {
            let shown = tls::shown(&service.grpc, &authority, None, "h2").await;
            secure += usize::from(shown.is_ok());
        }
        anyhow::ensure!(secure == 0 || secure == self.services.len(), "{secure}");
        Ok(secure > 0)
    }

    /// Waits until a gateway's readiness says yes: its streams are then as durable as they have to be.
    pub(crate) async fn ready(&self) -> Result<()> {
        let ask = async || (get(self.ports.gateway, "/ready").await.ok()?.0 == 200).then_some(());
        let ready = until_some("the gateway is ready", ask).await;
        ready.with_context(|| self.gateway.1.output())
    }

    /// Asks what every probe asks, until the answer is yes.
    pub(crate) async fn probe(&self) -> Result<()> {
        let (container, _) = &self.gateway;
        let asked = container.http_probes();
        anyhow::ensure!(asked.len() == 3, "{asked:?}");
        for (path, port) in asked {
            anyhow::ensure!(
                container.port(&port) == Some(8000),
                "{port} is no port of it"
            );
            yes(self.ports.gateway, &path).await?;
        }
        for ((container, _), port) in self.servers.iter().zip(self.ports.monitoring) {
            for (path, name) in container.http_probes() {
                anyhow::ensure!(container.port(&name) == Some(8222), "{name}");
                yes(port, &path).await?;
            }
        }
        let gateway = format!("127.0.0.1:{}", self.ports.gateway);
        says_yes("tidegate-gateway", &["--ready", "--at", &gateway]).await?;
        let is_secure = self.is_grpc_secure().await?;
        for service in &self.services {
            service.probe().await?;
            let (name, at) = (service.program_name, ["--at", &service.grpc]);
            if !is_secure {
                says_yes(name, &at).await?;
                continue;
            }
            let ca = self.authority.file().display().to_string();
            let trusting = ["--ca", &ca, "--server-name", "localhost"];
            says_yes(name, &[&at[..], &["--tls"]].concat()).await?;
            says_yes(name, &[&at[..], &trusting].concat()).await?;
            for wrong in [&at[..], &[&at[..], &["--ca", &ca]].concat()] {
                let asked = run(&mut probe(name, wrong)?);
                anyhow::ensure!(asked.is_err(), "{wrong:?}");
            }
        }
        Ok(())
    }

    /// What the gateway writes to its metrics, and what the services do.
    pub(crate) async fn metrics(&self) -> Result<[String; 3]> {
        let [history, presence] = &self.services;
        Ok([
            get(self.ports.gateway, "/metrics").await?.1,
            get(history.probes, "/metrics").await?.1,
            get(presence.probes, "/metrics").await?.1,
        ])
    }

    pub(crate) fn output(&self) -> String {
        let servers = self.servers.iter().map(|(_, program)| program.output());
        let services = self.services.iter().map(|it| it.program.output());
        let programs = services.chain([self.gateway.1.output()]);
        servers.chain(programs).collect::<Vec<_>>().join("\n")
    }
}

impl Ports {
    fn free() -> Result<Self> {
        let sockets: Vec<_> = (0..10).map(|_| TcpListener::bind("127.0.0.1:0")).collect();
        let mut ports = Vec::new();
        for socket in &sockets {
            let socket = socket.as_ref().ok().context("a free port")?;
            ports.push(socket.local_addr()?.port());
        }
        let three = |from: usize| [ports[from], ports[from + 1], ports[from + 2]];
        Ok(Self {
            clients: three(0),
            routes: three(3),
            monitoring: three(6),
            gateway: ports[9],
        })
    }

    /// The servers' addresses, with the scheme that the rendered one has.
    fn nats(&self, rendered: &str) -> String {
        let scheme = if rendered.starts_with("tls") {
            "tls"
        } else {
            "nats"
        };
        let address = |port: &u16| format!("{scheme}://127.0.0.1:{port}");
        let addresses: Vec<_> = self.clients.iter().map(address).collect();
        addresses.join(",")
    }
}

fn server<'a>(
    documents: &'a Documents,
    secrets: &Secrets,
    root: &Path,
    ports: &Ports,
    at: usize,
) -> Result<(Container<'a>, Program)> {
    let mut container = Container::lay_out(documents, "StatefulSet", "nats", secrets, root)?;
    container
        .environment
        .insert("NATS_SERVER_NAME".to_owned(), format!("nats-{at}"));
    let password = &container.environment["NATS_ROUTES_PASSWORD"];
    let route = |port: &u16| format!("nats://routes:{password}@127.0.0.1:{port}");
    let routes: Vec<_> = ports.routes.iter().map(route).collect();
    let program = nats_server()?;
    let mut test = container.command(&program);
    run(test.arg("-t"))?;
    let mut command = container.command(&program);
    command
        .args([
            "--addr",
            "127.0.0.1",
            "--port",
            &ports.clients[at].to_string(),
        ])
        .args(["--http_port", &ports.monitoring[at].to_string()])
        .args([
            "--cluster",
            &format!("nats://127.0.0.1:{}", ports.routes[at]),
        ])
        .args(["--routes", &routes.join(",")]);
    Ok((container, Program::start(command)?))
}

fn gateway<'a>(
    documents: &'a Documents,
    secrets: &Secrets,
    root: &Path,
    ports: &Ports,
) -> Result<(Container<'a>, Program)> {
    let container = Container::lay_out(documents, "Deployment", "gateway", secrets, root)?;
    let url = container
        .environment
        .get("TIDEGATE_NATS_URL")
        .map_or("", String::as_str);
    let monitoring = |port: &u16| format!("http://127.0.0.1:{port}");
    let monitoring: Vec<_> = ports.monitoring.iter().map(monitoring).collect();
    let mut command = container.command(&binary("tidegate-gateway")?);
    command
        .env("TIDEGATE_NATS_URL", ports.nats(url))
        .env("TIDEGATE_NATS_MONITORING_URLS", monitoring.join(" "))
        .args([
            "--address",
            "127.0.0.1",
            "--port",
            &ports.gateway.to_string(),
        ]);
    Ok((container, Program::start(command)?))
}

/// Asks as an image's health check does, until the answer is yes.
async fn says_yes(name: &str, arguments: &[&str]) -> Result<()> {
    let ask = async || run(&mut probe(name, arguments).ok()?).ok();
    until_some(&format!("{name} is well"), ask).await
}

fn probe(name: &str, arguments: &[&str]) -> Result<Command> {
    let mut command = Command::new(binary(name)?);
    command.env_clear().arg("probe").args(arguments);
    Ok(command)
}

pub(crate) async fn yes(port: u16, path: &str) -> Result<()> {
    let ask = async || (get(port, path).await.ok()?.0 == 200).then_some(());
    until_some(&format!("{path} is answered with 200"), ask).await
}

async fn get(port: u16, path: &str) -> Result<(u16, String)> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("an answer without a head")?;
    let status = head.split(' ').nth(1).context("a status")?.parse()?;
    Ok((status, body.to_owned()))
}
