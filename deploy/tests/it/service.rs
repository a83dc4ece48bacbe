//! The presence or history service as an overlay deploys it, started on this machine.

use std::net::TcpListener;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use tidegate_testkit::binaries::binary;
use tidegate_testkit::program::Program;

use super::documents::Documents;
use super::pod::{Container, Secrets, list};
use super::site::yes;

/// One that runs.
#[derive(Debug)]
pub(crate) struct Service<'a> {
    container: Container<'a>,
    /// The port that its pod answers probes on.
    rendered: u64,
    pub(crate) program_name: &'static str,
    pub(crate) program: Program,
    /// Where it answers gRPC, once it listens.
    pub(crate) grpc: String,
    /// Where it answers probes here.
    pub(crate) probes: u16,
}

/// How the services reach NATS.
pub(crate) fn nats_url(documents: &Documents) -> Result<&str> {
    let history = documents.get("StatefulSet", "history");
    let pod = &history.context("the history service")?["spec"]["template"]["spec"];
    let mut arguments = list(&pod["containers"][0]["args"]);
    let url = arguments.find_map(|it| it.as_str()?.strip_prefix("--nats="));
    url.context("an address of NATS")
}

impl<'a> Service<'a> {
    /// Starts it with its rendered files; only addresses and folders differ.
    pub(crate) fn start(
        documents: &'a Documents,
        kind: &str,
        name: &str,
        secrets: &Secrets,
        folder: &Path,
        nats: &str,
    ) -> Result<Self> {
        let mut container = Container::lay_out(documents, kind, name, secrets, &folder.join(name))?;
        let probes = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut rendered = None;
        for argument in &mut container.arguments {
            if argument.starts_with("--nats=") {
                *argument = format!("--nats={nats}");
            } else if argument.starts_with("--listen=") {
                "--listen=127.0.0.1:0".clone_into(argument);
            } else if let Some(address) = argument.strip_prefix("--metrics-address=0.0.0.0:") {
                rendered = Some(address.parse()?);
                *argument = format!("--metrics-address={probes}");
            }
        }
        let program_name = match name {
            "history" => "tidegate-history",
            _ => "tidegate-presence",
        };
        let program = Program::start(container.command(&binary(program_name)?))?;
        Ok(Self {
            container,
            rendered: rendered.context("no address of metrics that a pod's neighbours reach")?,
            program_name,
            program,
            grpc: String::new(),
            probes: probes.port(),
        })
    }

    /// Waits until it listens.
    pub(crate) async fn listening(&mut self) -> Result<()> {
        let line = self.program.next_line().await?;
        let address = line.strip_prefix("listening on ").context(line.clone())?;
        address.trim().clone_into(&mut self.grpc);
        Ok(())
    }

    /// Asks what every probe asks, until the answer is yes.
    pub(crate) async fn probe(&self) -> Result<()> {
        let asked = self.container.http_probes();
        ensure!(asked.len() == 3, "{asked:?}");
        for (path, port) in asked {
            ensure!(
                self.container.port(&port) == Some(self.rendered),
                "{port} is not where it answers"
            );
            yes(self.probes, &path).await?;
        }
        Ok(())
    }
}
